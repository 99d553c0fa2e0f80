"""Each process by itself in a pipeline that has nothing else of ours but suite(), on files that the chain made."""

import json
from pathlib import Path

import pytest

from conftest import ROOT, Flow, module, same_resources

MODULES = {
    path.stem.upper(): path.stem
    for room in ("suite", "detection", "demo")
    for path in sorted((ROOT / f"modules/local/{room}").glob("*.nf"))
}
del MODULES["MAKE_RECORDINGS"]  # in test_wingbeat_modules.py
CHEAP = "[max_epochs: 1, image_size: 64, class_name: 'insect']"


class Made:
    """The files that the tasks of a direct run wrote, and the words by which a pipeline names them."""

    def __init__(self, here):
        self.here = here

    def path(self, name):
        """Return the one file of that name that was published, or else that a task wrote."""
        found = [
            path
            for place in ("results/detection", "work")
            for path in sorted((self.here / place).rglob(name))
            if not path.is_symlink()
        ]
        assert found, name
        return found[0]

    def file(self, *names):
        return ", ".join(f"file('{self.path(name)}')" for name in names)

    def folder(self, name):
        return ", ".join(
            f"file('{path}')"
            for path in sorted((self.here / "results/detection" / name).iterdir())
            if path.is_file()
        )


def calls(made, here):
    """Return {process: (the arguments of its call, the files that it writes as the chain did)}."""
    source, packs = made.here / "insects/annotations.json", "boxes_1_0001.zip"
    model, test = made.folder("target_detector"), made.file("test_1_0001.npz")
    truth = as_truth(made.path("weak_boxes.json"), here / "audit_boxes.json")
    return {
        "EVALUATE_DETECTOR": (
            f"{made.file('test.json')}, {test}, [{model}], {made.file('test_1_0001.zip')}, suite('evaluate_detector', [:])",
            ["metrics.json", "predictions.json", "predictions.csv"],
        ),
        "FETCH_DETECTOR_WEIGHTS": (
            f"file('{made.here}/results/detection/target_detector/weights.safetensors'), suite('fetch_detector_weights', [:])",
            [],
        ),
        "IMPORT_IMAGES": (
            f"['boxes', 'boxes_1', file('{source}'), 'any text'], suite('import_images', [:])",
            ["boxes_1.json", "boxes_1_audit.json", "boxes_1_0001.zip"],
        ),
        "MAKE_SPECIMENS": (
            "suite('make_specimens', [:], [classes: 6, unseen_classes: 1, labels_per_class: 1, tests_per_class: 1, junk: 1])",
            [],
        ),
        "MAKE_DEMO": (
            "suite('make_demo', [make_demo: [demo_boxes: 2, demo_labelled: 2, demo_test: 1, demo_size: 96]])",
            [],
        ),
        "MEASURE_WEAK_BOXES": (
            f"{made.file('weak_boxes.json')}, file('{truth}'), suite('measure_weak_boxes', [:], [target: 'halyomorpha_halys'])",
            [],
        ),
        "PREDICT_BOXES": (
            f"[{made.file('test_1_0001.zip', 'test.txt')}, [{model}]], suite('predict_boxes', [:])",
            ["test_1_0001.npz"],
        ),
        "CLASSIFY_CROPS": (
            f"{made.file('labelled.json')}, {made.file('labelled_1_0001.npz')}, {made.file('insect.json')}, {made.file('boxes_1_0001.npz')}, "
            f"{made.file('labelled_1_0001.zip')}, {made.file('boxes_1_0001.zip')}, "
            "suite('classify_crops', [classify_crops: [epochs: 1]], [target: 'halyomorpha_halys', n_views: 6])",
            [],
        ),
        "SELECT_WEAK_BOXES": (
            f"{made.file('labelled.json')}, {made.file('labelled_1_0001.npz')}, {made.file('insect.json')}, {made.file('boxes_1_0001.npz')}, [], "
            f"{made.file('reviewed.json')}, {made.file('labelled_1_0001.zip')}, "
            "suite('select_weak_boxes', [select_weak_boxes: [weak_rule: 'top1']], [target: 'halyomorpha_halys', n_views: 6])",
            ["weak_boxes.json", "training.json", "weak_boxes_audit.json"],
        ),
        "KEEP_ROUND": (
            f"1, [{made.file('weak_boxes.json')}], [], [{model}], [file('{made.here}/results/detection/target_detector/model.json')], "
            f"[{made.file('weak_boxes.json')}], [], suite('keep_round', [:])",
            ["weak_boxes/weak_boxes.json", "weak_boxes/rounds.csv"],
        ),
        "SPLIT_IMAGES": (
            f"[{made.file('boxes_1.json', 'labelled_1.json', 'test_1.json')}], suite('split_images', [:], [target: 'halyomorpha_halys'])",
            [
                "split.csv",
                "split_audit.json",
                "insect.json",
                "labelled.json",
                "test.json",
                "insect_validation.txt",
            ],
        ),
        "TRAIN_DETECTOR": (
            f"'insect_detector', {made.file('insect.json', packs)}, [], suite('train_detector', [train_detector: {CHEAP}])",
            [],
        ),
        "WRITE_AUDIT": (
            f"[{made.file('boxes_1_audit.json', 'labelled_1_audit.json', 'test_1_audit.json', 'split_audit.json', 'weak_boxes_audit.json')}], "
            "suite('write_audit', [:])",
            ["audit.json"],
        ),
        "WRITE_PREDICTIONS": (
            f"{made.file('test_1.json', 'test_1_0001.npz')}, [{model}], suite('write_predictions', [:])",
            [],
        ),
        "WRITE_REVIEW": (
            f"{made.file('weak_boxes.json')}, {made.file('labelled_1_0001.zip')}, suite('write_review', [:])",
            ["review/review.csv", "review/review.png", "review/label_studio.json"],
        ),
        "WRITE_REPORT": (f"{for_report(made)}, '{{}}', suite('write_report', [:])", []),
    }


def for_report(made):
    """Return [folders, files] of the published files that the report of a direct run gets."""
    names = [
        "split.csv",
        "audit.json",
        "insect_detector/model.json",
        "target_detector/model.json",
        "weak_boxes/weak_boxes.json",
        "weak_boxes/samples.png",
        "weak_boxes/review/review.csv",
        "evaluation/metrics.json",
        "evaluation/plots/best.png",
    ]
    folders = [f"'{Path('detection', name).parent}'" for name in names]
    files = [f"file('{made.here}/results/detection/{name}')" for name in names]
    return f"[[{', '.join(folders)}], [{', '.join(files)}]]"


def as_truth(weak_boxes, path):
    """Write the accepted weak boxes as if they were true boxes: measured against them, the weak boxes are without a fault."""
    dataset = json.loads(weak_boxes.read_text())
    boxes = [{**box, "iscrowd": 0} for box in dataset["annotations"] if box["band"] == "accept"]
    ids = {box["image_id"] for box in boxes}
    path.write_text(
        json.dumps(
            {
                **dataset,
                "images": [image for image in dataset["images"] if image["id"] in ids],
                "annotations": boxes,
            }
        )
    )
    return path


@pytest.fixture(scope="module")
def alone(own_data, tmp_path_factory):
    """Return ({process: the folder it ran in}, {process: the files that it writes as the chain did}, the files of the chain)."""
    made, here = Made(own_data[0]), tmp_path_factory.mktemp("alone")
    table = calls(made, here)
    includes = [f"include {{ {name} }} from '{module(MODULES[name], made.here)}'" for name in table]
    body = [f"    {name}({call})" for name, (call, _) in table.items()]
    suite = f"include {{ suite }} from '{made.here}/modules/lib/suite'"
    (here / "main.nf").write_text("\n".join([suite, *includes, "", "workflow {", *body, "}", ""]))
    same_resources(here, made.here)
    flow = Flow(here, pipeline=here / "main.nf")
    flow.run()
    folders = {
        row["name"].split(" ")[0]: next(here.glob(f"work/{row['hash']}*")) for row in flow.tasks
    }
    return folders, {name: files for name, (_, files) in table.items()}, made


@pytest.mark.parametrize("process", sorted(MODULES))
def test_a_process_runs_alone_and_gives_what_it_gives_in_the_chain(alone, process):
    folders, expected, made = alone
    assert process in folders, f"{process} has no call here"
    for name in expected[process]:
        assert (folders[process] / name).read_bytes() == made.path(name).read_bytes(), name


def test_a_detector_trained_alone_has_the_weights_of_the_chains(alone):
    trained = alone[0]["TRAIN_DETECTOR"] / "model/weights.safetensors"
    assert (
        trained.read_bytes()
        == (alone[2].here / "results/detection/insect_detector/weights.safetensors").read_bytes()
    )


def test_weights_taken_from_a_file_are_those_of_the_file(alone):
    from safetensors.numpy import load_file

    given = load_file(alone[2].here / "results/detection/target_detector/weights.safetensors")
    taken = load_file(alone[0]["FETCH_DETECTOR_WEIGHTS"] / "weights.safetensors")
    assert taken and all((taken[name] == given[name]).all() for name in taken)


def test_weak_boxes_measured_against_themselves_are_without_a_fault(alone):
    quality = json.loads((alone[0]["MEASURE_WEAK_BOXES"] / "quality.json").read_text())["metrics"]
    assert [
        quality[name]["value"] for name in ("corloc50", "precision50", "recall50", "f1_50")
    ] == [1, 1, 1, 1]


def test_predictions_written_alone_are_of_the_images_of_the_test(alone):
    rows = (alone[0]["WRITE_PREDICTIONS"] / "predictions.csv").read_text().splitlines()[1:]
    assert {row.split(",")[0] for row in rows} == {
        path.name for path in (alone[2].here / "test").glob("*.jpg")
    }


def test_a_world_and_a_report_are_made_alone(alone):
    assert len(list((alone[0]["MAKE_DEMO"] / "demo_data").rglob("*.jpg"))) == 5
    assert "halyomorpha_halys" in (alone[0]["WRITE_REPORT"] / "report.html").read_text()
