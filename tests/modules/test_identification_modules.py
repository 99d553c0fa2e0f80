"""Each process of identification by itself in a pipeline that has nothing else of ours but suite(), on files that the chain made."""

import json
import os
from pathlib import Path

import pytest

from conftest import in_chain, run_alone

SMALL = "[backbone: 'test_resnet', embedder_size: 32, max_epochs: 1]"
FILES = {
    "SPLIT_SPECIMENS": ["split.csv", "specimens.json", "unlabelled.json", "split_audit.json"],
    "TRAIN_EMBEDDER": [
        "training.csv",
        "models/frozen/weights.safetensors",
        "models/trained/weights.safetensors",
        "models/trained_refit/weights.safetensors",
    ],
    "EMBED_IMAGES": ["specimens_1_0001.npz"],
    "CHOOSE_EMBEDDER": ["embedder/weights.safetensors"],
    "EVALUATE_IDENTIFICATION": ["metrics.json", "predictions.csv"],
    "AUDIT_LABELS": ["label_audit.csv", "label_audit.html"],
    "ENROL_SPECIMENS": [
        "gallery/specimens_0001.csv",
        "gallery/embeddings_0001.npy",
        "enrolment.json",
    ],
    "IDENTIFY_IMAGES": ["identified.csv"],
    "CLUSTER_IMAGES": ["clusters.csv", "ranking.json"],
    "WRITE_SHEET": ["sheet/sheet.html", "sheet/review.csv"],
    "WRITE_MAP": ["map.html"],
}


def made(here, name):
    """Return the file or folder of that name that a task of the chain wrote: what it was given is a link, or a folder of links."""
    found = [
        path
        for path in sorted((here / "work").glob(f"*/*/{name}"))
        if not path.is_symlink() and (path.is_file() or holds_files(path))
    ]
    assert len(found) == 1, name
    return found[0]


def holds_files(folder):
    return any(
        not Path(root, name).is_symlink() for root, _, names in os.walk(folder) for name in names
    )


def calls(here):
    def file(*names):
        return ", ".join(f"file('{made(here, name)}')" for name in names)

    models = ", ".join(
        f"file('{made(here, 'models')}/{name}')" for name in ("frozen", "trained", "trained_refit")
    )
    of_split = file("specimens.json")
    return {
        "SPLIT_SPECIMENS": f"[{file('specimens_1.json', 'unlabelled_1.json')}], suite('split_specimens', [:])",
        "TRAIN_EMBEDDER": f"{of_split}, {file('specimens_1_0001.zip')}, [], suite('train_embedder', [train_embedder: {SMALL}])",
        "EMBED_IMAGES": f"[{file('specimens_1_0001.zip')}, [{models}]], suite('embed_images', [:], [baselines: 'true'])",
        "CHOOSE_EMBEDDER": f"{of_split}, {file('specimens_1_0001.npz')}, [{models}], suite('choose_embedder', [:])",
        "EVALUATE_IDENTIFICATION": f"{of_split}, {file('specimens_1_0001.npz', 'embedder', 'classifier_comparison.json')}, suite('evaluate_identification', [:])",
        "AUDIT_LABELS": f"{of_split}, {file('specimens_1_0001.npz', 'classifier_comparison.json', 'specimens_1_0001.zip')}, suite('audit_labels', [:])",
        "ENROL_SPECIMENS": f"{of_split}, {file('specimens_1_0001.npz', 'embedder')}, [], [], suite('enrol_specimens', [:])",
        "IDENTIFY_IMAGES": f"{file('unlabelled_1.json', 'unlabelled_1_0001.npz', 'gallery')}, suite('identify_images', [:])",
        "CLUSTER_IMAGES": f"{file('unlabelled_1.json', 'unlabelled_1_0001.npz', 'gallery')}, suite('cluster_images', [:])",
        "WRITE_SHEET": f"{file('clusters.csv', 'ranking.json', 'gallery')}, [], [{file('specimens_1_0001.zip', 'unlabelled_1_0001.zip')}], "
        "suite('write_sheet', [:])",
        "WRITE_MAP": f"{file('gallery', 'unlabelled_1.json', 'unlabelled_1_0001.npz')}, [{file('specimens_1_0001.zip', 'unlabelled_1_0001.zip')}], "
        f"[{file('clusters.csv', 'predictions.csv')}], suite('write_map', [:])",
        "LABEL_REVIEWED": f"file('review.csv'), {file('unlabelled_1.json', 'specimens.json')}, [], suite('label_reviewed', [:])",
    }


@pytest.fixture(scope="module")
def alone(learned, tmp_path_factory):
    """Return ({process: the folder it ran in}, the folder of the chain)."""
    chain, here = learned[0].here, tmp_path_factory.mktemp("alone")
    table = calls(chain)
    first = json.loads(made(chain, "unlabelled_1.json").read_text())["images"][0]
    (here / "review.csv").write_text(
        f"cluster,image,label,id\n1,,a new shape,\n1,{first['file_name']},,{first['id']}\n"
    )
    return run_alone(
        here, chain, table, (("process_high", "train_embedder"), ("process_medium", "embed_images"))
    ), chain


@pytest.mark.parametrize("process", sorted(FILES))
def test_a_process_runs_alone_and_gives_what_it_gives_in_the_chain(alone, process):
    folders, chain = alone
    for name in FILES[process]:
        assert (folders[process] / name).read_bytes() in in_chain(chain, name), name


def test_what_a_person_named_is_labelled(alone):
    (image,) = json.loads((alone[0]["LABEL_REVIEWED"] / "reviewed.json").read_text())["images"]
    assert image["label"] == "a new shape"
