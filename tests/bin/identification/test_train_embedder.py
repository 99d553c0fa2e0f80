"""Embedders of test_resnet at 32 pixels on a handful of drawn specimens.

The folders they leave, and which images were learned from.
"""

import argparse
import csv
import hashlib
import json
import subprocess
from dataclasses import dataclass, replace
from typing import Any

import choose_embedder
import embed_images
import numpy as np
import pytest
import train_embedder
from PIL import Image as PILImage

from conftest import command
from entoflow import dataset, images
from entoflow.dataset import Dataset, Image
from entoflow.identification import embedder as embedders
from entoflow.identification import training
from entoflow.identification.training import EpochRow, TrainingSettings
from entoflow.task import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
from safetensors.torch import load_file, save_file  # noqa: E402

from entoflow.identification import embedder_trainer, projection_trainer  # noqa: E402
from entoflow.identification.pretrained import new_embedder  # noqa: E402
from entoflow.identification.projection import Projection  # noqa: E402

# 7 to train on, 4 to validate on; rest: one of moth, one of wasp.
PARTS = {
    "ant": ["train", "train", "train", "validation", "test"],
    "bee": ["train", "train", "train", "validation", "test"],
    "fly": ["train"],
    "gnat": ["validation", "validation"],
    "moth": ["rest", "test"],
    "wasp": ["unseen", "unseen", "rest"],
}
TRAINED_LABELS = ["ant"] * 3 + ["bee"] * 3 + ["fly"]
REFIT_LABELS = ["ant"] * 4 + ["bee"] * 4 + ["fly"] + ["gnat"] * 2 + ["moth"]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The folder of a pack and a data set of noise, colour by class; every image is a group."""
    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(1)
    members = [(label, part) for label, parts in PARTS.items() for part in parts]
    files = []
    specimens = []
    for number, (label, part) in enumerate(members):
        path = folder / f"{number}.png"
        red = 40 * sorted(PARTS).index(label) * np.array([1, 0, 0])
        pixels = rng.integers(0, 60, (24, 40, 3)) + red
        PILImage.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append((path, sha256, ".png"))
        image = Image(
            id=images.image_id(sha256),
            file_name=path.name,
            label=label,
            group=str(number),
            part=part,
            sha256=sha256,
        )
        specimens.append(image)
    images.write_pack(folder / "pack.zip", files)
    dataset.write(folder / "specimens.json", Dataset(specimens))
    return folder


def specimens_of(world):
    return dataset.read(world / "specimens.json").images


@pytest.fixture
def train(world, tmp_path, monkeypatch):
    """Return a function that trains in a folder of its own: (that folder, rows of training.csv)."""
    monkeypatch.setattr(training, "VIEWS_AN_EPOCH", 1)

    def _train(*options, name="a"):
        here = tmp_path / name
        here.mkdir()
        monkeypatch.chdir(here)
        paths = [
            f"--specimens={world}/specimens.json",
            f"--packs={world}/pack.zip",
            "--models=models",
            "--training=training.csv",
        ]
        network = ["--backbone=test_resnet", "--embedder_size=32"]
        train_embedder.main([*paths, *network, *options])
        with (here / "training.csv").open(newline="") as file:
            return here, list(csv.DictReader(file))

    return _train


@pytest.fixture
def write_specimens(tmp_path):
    """Return a function that writes a data set of images and returns the option that names it."""

    def _write_specimens(specimens, **more):
        dataset.write(tmp_path / "changed.json", Dataset(specimens, **more))
        return f"--specimens={tmp_path}/changed.json"

    return _write_specimens


@dataclass
class Training:
    """What a training was called with, and what its validation returned."""

    labels: list[str]
    images: Any  # pixels, or features of a projection's training
    settings: TrainingSettings
    validation: float | None


def report_three_epochs(on_epoch):
    for epoch in (1, 2, 3):
        on_epoch(EpochRow(epoch, 1.0, None, epoch))


@pytest.fixture
def fine_tunings(monkeypatch):
    """Let fine-tuning only note what it is called with; each has three epochs."""
    trainings = []

    def note(embedder, pixels, labels, validate, settings, on_epoch):
        validation = validate(embedder)
        trainings.append(Training(labels.tolist(), np.array(pixels), settings, validation))
        report_three_epochs(on_epoch)

    monkeypatch.setattr(embedder_trainer, "train", note)
    return trainings


@pytest.fixture
def projections(monkeypatch):
    """Let projections only note what they are trained on; each has three epochs."""
    trainings = []

    def note(features, labels, validate, settings, on_epoch):
        projection = Projection(features.shape[2])
        validation = validate(projection)
        trainings.append(Training(labels.tolist(), features, settings, validation))
        report_three_epochs(on_epoch)
        return projection

    monkeypatch.setattr(projection_trainer, "train", note)
    return trainings


def facts_of(here, name):
    return json.loads((here / "models" / name / "model.json").read_text())


def parameters_of(here, name):
    return facts_of(here, name)["provenance"]["parameters"]


def weights_of(here, name):
    return load_file(here / "models" / name / "weights.safetensors")


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_embedder_of_cropped_images_says_by_which_detector(train, world, write_specimens):
    option = write_specimens(specimens_of(world), cropped_by="abc")
    here, _ = train("--max_epochs=0", option)
    assert facts_of(here, "frozen")["cropped_by"] == "abc"
    whole, _ = train("--max_epochs=0", name="whole")
    assert "cropped_by" not in facts_of(whole, "frozen")


def test_three_model_folders_are_left_with_what_each_learned_from(train, world, capsys):
    here, rows = train("--max_epochs=2", "--mirror=false", "--rotation=5")
    assert "epoch 2/2  loss" in capsys.readouterr().out
    n_learned = {"frozen": 0, "trained": 7, "trained_refit": 7 + 4 + 1}
    classes = {
        "frozen": [],
        "trained": ["ant", "bee", "fly"],
        "trained_refit": ["ant", "bee", "fly", "gnat", "moth"],
    }
    assert names_in(here / "models") == sorted(n_learned)
    for name, n in n_learned.items():
        files = ["README.md", "model.json", "weights.safetensors"]
        assert names_in(here / "models" / name) == files
        facts = facts_of(here, name)
        assert facts["classes"] == classes[name]
        assert facts["provenance"]["data"]["train images"] == n
    facts = facts_of(here, "trained")
    assert facts["kind"] == "embedder"
    assert (facts["input"]["backbone"], facts["input"]["image_size"]) == ("test_resnet", 32)
    sha256 = hashlib.sha256((world / "specimens.json").read_bytes()).hexdigest()
    assert facts["provenance"]["data"]["sha256"] == sha256
    settings = {"weights": "none", "mirror": False, "rotation": 5.0, "max_epochs": 2}
    parameters = facts["provenance"]["parameters"]
    assert parameters | settings == parameters
    assert facts["provenance"]["seed"] == 1
    assert parameters_of(here, "trained_refit")["max_epochs"] == 2
    card = (here / "models/trained/README.md").read_text()
    assert "It learned from 3 classes" in card
    assert [(row["embedder"], row["epoch"]) for row in rows] == [("trained", "1"), ("trained", "2")]
    assert all(0 <= float(row["validation"]) <= 1 for row in rows)
    assert names_in(here) == ["models", "training.csv"]


def test_the_frozen_one_is_the_network_as_it_was_given(train):
    here, _ = train("--max_epochs=1", "--seed=3")
    state = new_embedder("test_resnet", 32, seed=3).network.state_dict()
    frozen = weights_of(here, "frozen")
    assert all(torch.equal(frozen[name], value.cpu()) for name, value in state.items())
    for name in ("trained", "trained_refit"):
        trained = weights_of(here, name)
        assert not torch.equal(trained["conv1.0.weight"], frozen["conv1.0.weight"])


def test_the_same_seed_trains_the_same_weights(train):
    folders = [train("--max_epochs=2", name=name)[0] for name in "ab"]
    for name in ("trained", "trained_refit"):
        paths = [here / "models" / name / "weights.safetensors" for here in folders]
        assert paths[0].read_bytes() == paths[1].read_bytes()


def squares_of(world, *parts):
    """Return the squares that a network sees of the images of some parts."""
    pack = images.Pack([world / "pack.zip"])
    members = [image for image in specimens_of(world) if image.part in parts]
    return [embedders.pad_to_square(pack.read(image.id), 32) for image in members]


def as_bytes(squares):
    return sorted(square.tobytes() for square in squares)


def test_no_specimen_to_be_measured_on_is_learned_from(train, fine_tunings, world):
    train("--max_epochs=9", "--specimens_per_batch=5", "--patience=4", "--seed=2")
    first, refit = fine_tunings
    assert first.labels == TRAINED_LABELS
    assert sorted(refit.labels) == REFIT_LABELS
    assert first.settings == TrainingSettings(
        specimens_per_batch=5, max_epochs=9, patience=4, seed=2, mirror=True, rotation=20
    )
    assert refit.settings == replace(first.settings, max_epochs=3)
    assert 0 <= first.validation <= 1
    assert refit.validation is None
    assert as_bytes(first.images) == as_bytes(squares_of(world, "train"))
    measured = as_bytes(squares_of(world, "test", "unseen"))
    assert not set(as_bytes(refit.images)) & set(measured)


def test_a_refit_learns_from_no_specimen_that_calibrates_and_the_other_validates_on_all(
    train, fine_tunings, world, write_specimens
):
    train("--max_epochs=1", name="all")
    flagged = []
    for image in specimens_of(world):
        calibrates = (image.label, image.part) == ("ant", "validation")
        flagged.append(replace(image, calibrates=calibrates))
    here, _ = train("--max_epochs=1", write_specimens(flagged))
    plain, _, first, refit = fine_tunings
    assert first.validation == plain.validation
    assert first.labels == TRAINED_LABELS
    assert sorted(refit.labels) == REFIT_LABELS[1:]  # an ant less
    (calibrating,) = [image for image in flagged if image.calibrates]
    pixels = images.Pack([world / "pack.zip"]).read(calibrating.id)
    square = embedders.pad_to_square(pixels, 32)
    assert square.tobytes() not in as_bytes(refit.images)
    assert facts_of(here, "trained_refit")["provenance"]["data"]["train images"] == 11


def test_without_epochs_there_is_the_frozen_one_alone(train, fine_tunings):
    here, rows = train("--max_epochs=0")
    assert names_in(here / "models") == ["frozen"]
    assert (rows, fine_tunings) == ([], [])
    header = "embedder,epoch,loss,validation,best_epoch\n"
    assert (here / "training.csv").read_text() == header


def test_without_specimens_to_validate_on_it_trains_on(train, world, write_specimens):
    learned = [image for image in specimens_of(world) if image.part != "validation"]
    _, rows = train("--max_epochs=2", "--patience=1", write_specimens(learned))
    assert [(row["epoch"], row["validation"]) for row in rows] == [("1", ""), ("2", "")]


@pytest.fixture
def weights(tmp_path):
    """A file of weights to start from: of an embedder of ours."""
    (tmp_path / "earlier").mkdir()
    embedders.save(new_embedder("test_resnet", 32, seed=9), tmp_path / "earlier")
    return tmp_path / "earlier/weights.safetensors"


def test_on_given_weights_a_projection_learns_and_the_network_stays(train, weights, capsys):
    here, rows = train("--max_epochs=3", f"--weights={weights}", "--fine_tune=auto")
    printed = capsys.readouterr().out
    assert printed.startswith(
        "A projection behind the frozen network learns. Fine-tuning: no, as there is no GPU, "
        "and its weights are not random (--fine_tune"
    )
    assert "features of 12 of 12 images" in printed
    assert "projected: epoch 3/3  loss" in printed
    classes = {
        "frozen": [],
        "projected": ["ant", "bee", "fly"],
        "projected_refit": ["ant", "bee", "fly", "gnat", "moth"],
    }
    assert names_in(here / "models") == sorted(classes)
    for name, labels in classes.items():
        assert facts_of(here, name)["classes"] == labels
    assert [row["embedder"] for row in rows] == ["projected"] * 3
    assert all(0 <= float(row["validation"]) <= 1 for row in rows)
    start = load_file(weights)
    for name in ("projected", "projected_refit"):
        assert parameters_of(here, name)["max_epochs"] == 3
        state = weights_of(here, name)
        assert all(torch.equal(state[tensor], value) for tensor, value in start.items())
        assert state["projection.move.weight"].any()
        assert facts_of(here, name)["input"]["projection"] == "residual_linear"
    assert names_in(here) == ["models", "training.csv"]


def test_the_network_sees_each_view_once_and_the_same_seed_learns_the_same_projection(
    train, weights, monkeypatch
):
    n_seen = []
    run = embedders.Embedder.run

    def counted_run(embedder, x):
        n_seen.append(len(x))
        return run(embedder, x)

    monkeypatch.setattr(embedders.Embedder, "run", counted_run)
    options = ["--max_epochs=2", f"--weights={weights}", "--fine_tune=false"]
    folders = [train(*options, name=name)[0] for name in "ab"]
    assert sum(n_seen) == 2 * 12 * (1 + projection_trainer.VIEWS)  # 7 + 4 + 1 images, twice
    for name in ("projected", "projected_refit"):
        paths = [here / "models" / name / "weights.safetensors" for here in folders]
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_projection_learns_from_no_specimen_to_be_measured_on_and_its_refit_as_long(
    train, projections, world, weights
):
    train("--max_epochs=9", "--patience=4", "--seed=2", f"--weights={weights}")
    first, refit = projections
    assert first.labels == TRAINED_LABELS
    assert sorted(refit.labels) == REFIT_LABELS
    assert first.settings == TrainingSettings(
        specimens_per_batch=64, max_epochs=9, patience=4, seed=2, mirror=True, rotation=20
    )
    assert refit.settings == replace(first.settings, max_epochs=3)
    assert refit.validation is None
    assert np.array_equal(first.images, refit.images[1:8])  # rest comes first
    embedder = new_embedder("test_resnet", 32, weights)
    members = []
    for part in ("rest", "train", "validation"):
        of_part = [image for image in specimens_of(world) if image.part == part]
        members += [image for image in of_part if image.label != "wasp"]
    pack = images.Pack([world / "pack.zip"])
    features = embedder.features([pack.read(image.id) for image in members])
    np.testing.assert_allclose(refit.images[:, 0], features, atol=1e-5)
    # Each validation image is named by the most similar learned or validation one; every image is
    # a group.
    vectors = features[1:] / np.linalg.norm(features[1:], axis=1, keepdims=True)
    labels = [image.label for image in members[1:]]
    right = []
    for row in range(7, 11):
        others = [other for other in range(11) if other != row]
        if labels[row] in [labels[other] for other in others]:
            nearest = max(others, key=lambda other: float(vectors[row] @ vectors[other]))  # noqa: B023
            right.append(labels[nearest] == labels[row])
    assert first.validation == np.mean(right)


PROJECTION_LEARNS = "A projection behind the frozen network learns"
FINE_TUNED = "The network itself is fine-tuned"
BOTH = f"{PROJECTION_LEARNS}; the network itself is fine-tuned"


@pytest.mark.parametrize(
    "fine_tune, has_weights, has_gpu, names, sentence",
    [
        (
            "auto",
            False,
            False,
            ["trained"],
            f"{FINE_TUNED}. Fine-tuning: yes, as its weights are random.",
        ),
        (
            "auto",
            False,
            True,
            ["trained"],
            f"{FINE_TUNED}. Fine-tuning: yes, as its weights are random.",
        ),
        (
            "auto",
            True,
            False,
            ["projected"],
            f"{PROJECTION_LEARNS}. Fine-tuning: no, as there is no GPU, and its weights are not "
            "random (--fine_tune true does it all the same).",
        ),
        (
            "auto",
            True,
            True,
            ["projected", "trained"],
            f"{BOTH}. Fine-tuning: yes, as there is a GPU.",
        ),
        (
            "true",
            True,
            False,
            ["projected", "trained"],
            f"{BOTH}. Fine-tuning: yes, as --fine_tune is true.",
        ),
        (
            "true",
            False,
            False,
            ["trained"],
            f"{FINE_TUNED}. Fine-tuning: yes, as --fine_tune is true.",
        ),
        (
            "false",
            False,
            True,
            ["projected"],
            f"{PROJECTION_LEARNS}. Fine-tuning: no, as --fine_tune is false.",
        ),
        (
            "false",
            True,
            True,
            ["projected"],
            f"{PROJECTION_LEARNS}. Fine-tuning: no, as --fine_tune is false.",
        ),
    ],
)
def test_what_learns_is_decided_by_weights_and_gpu_and_printed(
    weights, capsys, fine_tune, has_weights, has_gpu, names, sentence
):
    path = weights if has_weights else None
    args = argparse.Namespace(fine_tune=fine_tune, weights=path, max_epochs=5)
    assert train_embedder.embedders_to_train(args, has_gpu) == names
    assert capsys.readouterr().out == f"{sentence}\n"


def test_a_projection_that_is_left_behind_is_printed(train, weights, tmp_path, capsys):
    (tmp_path / "more").mkdir()
    embedder = new_embedder("test_resnet", 32, weights)
    embedders.save(replace(embedder, projection=Projection(96)), tmp_path / "more")
    here, _ = train("--max_epochs=0", f"--weights={tmp_path}/more/weights.safetensors")
    assert capsys.readouterr().out == (
        "weights.safetensors: the network is taken; the projection that an earlier run learned "
        "behind it is not.\nNothing learns: --max_epochs is 0.\n"
    )
    assert weights_of(here, "frozen").keys() == load_file(weights).keys()


def save_network(embedder, path):
    state = embedder.network.state_dict()
    save_file({name: value.contiguous() for name, value in state.items()}, path)


def test_weights_that_it_starts_from_are_named_by_their_hash(train, tmp_path):
    path = tmp_path / "w.safetensors"
    save_network(new_embedder("test_resnet", 32, seed=9), path)
    here, _ = train("--max_epochs=0", f"--weights={path}")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert parameters_of(here, "frozen")["weights"] == sha256
    started = load_file(path)
    for name, value in weights_of(here, "frozen").items():
        assert torch.equal(started[name], value)


def test_weights_that_are_absent_are_an_error(train):
    sentence = "weights: nowhere.safetensors is no file; wanted weights of test_resnet"
    with pytest.raises(InputError, match=sentence):
        train("--weights=nowhere.safetensors")


def test_weights_of_another_network_are_refused_before_anything_is_trained(
    train, fine_tunings, tmp_path
):
    save_network(new_embedder("test_vit", 32), tmp_path / "vit.safetensors")
    with pytest.raises(InputError, match="vit.safetensors lacks .* of test_resnet"):
        train(f"--weights={tmp_path}/vit.safetensors")
    assert fine_tunings == []
    assert not (tmp_path / "a/models").exists()


def test_a_data_set_with_nothing_to_learn_from_is_an_error(train, world, write_specimens):
    others = [image for image in specimens_of(world) if image.part != "train"]
    sentence = "changed.json: holds no specimen to learn from; wanted some of the part train"
    with pytest.raises(InputError, match=sentence):
        train(write_specimens(others))


def test_a_data_set_with_one_image_to_learn_from_is_an_error(train, world, write_specimens):
    specimens = [
        image for image in specimens_of(world) if image.part == "unseen" or image.label == "fly"
    ]
    with pytest.raises(InputError, match="changed.json: holds one specimen to learn from; wanted"):
        train(write_specimens(specimens))


@pytest.mark.parametrize(
    "option, sentence",
    [
        ("--embedder_size=15", "--embedder_size is 15; wanted at least 16"),
        ("--specimens_per_batch=1", "--specimens_per_batch is 1; wanted at least 2"),
        ("--max_epochs=-1", "--max_epochs is -1; wanted at least 0"),
        ("--patience=0", "--patience is 0; wanted at least 1"),
        (
            "--backbone=resnet_of_mine",
            "--backbone is 'resnet_of_mine'; wanted a network of timm's",
        ),
        ("--rotation=-1", "--rotation is -1.*; wanted at least 0"),
    ],
)
def test_a_number_out_of_its_range_is_an_error(train, option, sentence):
    with pytest.raises(InputError, match=sentence):
        train(option)


@pytest.mark.parametrize(
    "vectors, labels, groups, first, recall",
    [
        # Of the last three the first finds its like, the second another class, and the third has
        # no image of its class in another group.
        ([[1, 0], [0, 1], [0.9, 0.1], [0.6, 0.5], [0, 0.9]], "ababc", "12345", 2, 1 / 2),
        ([[1, 0], [0, 1], [0.9, 0.1], [0.1, 1], [1, 0]], "ababa", "12345", 2, 1),
        # The image nearest to the first of the last three is of its own group.
        ([[1, 0], [0, 1], [1, 0.1], [0, 1], [0, 1]], "abbbb", "12134", 2, 1),
        ([[1, 0], [0, 1]], "ab", "12", 1, 0),
    ],
)
def test_recall_counts_images_whose_most_similar_one_of_another_group_is_of_their_class(
    vectors, labels, groups, first, recall
):
    rows = np.array(vectors, np.float32)
    names = np.array(list(labels))
    assert train_embedder.recall_at_1(rows, names, np.array(list(groups)), first) == recall


def test_squares_are_those_of_the_embedder_and_leave_no_file(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    members = specimens_of(world)[:3]
    args = argparse.Namespace(embedder_size=16, packs=[world / "pack.zip"])
    squares = train_embedder.read_squares(members, args)
    pack = images.Pack([world / "pack.zip"])
    wanted = [embedders.pad_to_square(pack.read(image.id), 16) for image in members]
    assert np.array_equal(squares, wanted)
    assert not list(tmp_path.iterdir())


def test_the_command_makes_what_the_next_tasks_choose_from(world, weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = [
        f"--specimens={world}/specimens.json",
        f"--packs={world}/pack.zip",
        "--backbone=test_resnet",
        "--embedder_size=32",
        f"--weights={weights}",
        "--fine_tune=false",
        "--max_epochs=1",
        "--models=models",
        "--training=training.csv",
    ]
    done = subprocess.run([*command("train_embedder"), *options], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Fine-tuning: no, as --fine_tune is false." in done.stdout
    models = [f"models/{name}" for name in ("frozen", "projected", "projected_refit")]
    embed_images.main(["--models", *models, f"--packs={world}/pack.zip", "--embeddings=e.npz"])
    choose_embedder.main(
        [
            f"--specimens={world}/specimens.json",
            "--embeddings=e.npz",
            "--models",
            *models,
            "--embedder=embedder",
            "--comparison=comparison.json",
        ]
    )
    comparison = json.loads((tmp_path / "comparison.json").read_text())
    assert {row["vectors"] for row in comparison["classifiers"]} == {"frozen", "projected"}
    (difference,) = comparison["verdict"]["comparisons"]
    assert difference["less"] == "frozen"
    chosen = json.loads((tmp_path / "embedder/model.json").read_text())
    assert chosen["vectors"] in ("frozen", "projected_refit")
    assert embed_images.load_embedder(tmp_path / "embedder").image_size == 32


def test_the_command_ends_with_status_2_and_one_sentence(world, write_specimens):
    tested = [image for image in specimens_of(world) if image.part == "test"]
    options = [
        write_specimens(tested),
        f"--packs={world}/pack.zip",
        "--models=models",
        "--training=training.csv",
    ]
    done = subprocess.run([*command("train_embedder"), *options], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith("wanted some of the part train.\n")
    assert len(done.stderr.splitlines()) == 1
