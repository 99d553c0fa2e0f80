"""Embedders of test_resnet at 32 pixels on a handful of drawn specimens: the folders they leave, and who was learned from."""
import argparse
import csv
import hashlib
import json
import subprocess

import choose_embedder
import embed_images
import numpy as np
import pytest
import train_embedder
from PIL import Image

from conftest import command
from entoflow import coco, images
from entoflow.identification import embedder, embedder_trainer
from entoflow.task import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
from safetensors.torch import load_file, save_file  # noqa: E402

from entoflow.identification import projection  # noqa: E402

PARTS = {"ant": ["train"] * 3 + ["validation", "test"], "bee": ["train"] * 3 + ["validation", "test"], "fly": ["train"],
         "gnat": ["validation"] * 2, "moth": ["rest", "test"], "wasp": ["unseen"] * 2 + ["rest"]}
MEMBERS = [(label, part) for label, parts in PARTS.items() for part in parts]  # 7 to train on, 4 to validate on; rest: one of moth, one of wasp


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A pack and a data set of noise, colour by class; every image is a group."""
    folder, rng, files, records = tmp_path_factory.mktemp("world"), np.random.default_rng(1), [], []
    for number, (label, part) in enumerate(MEMBERS):
        path = folder / f"{number}.png"
        pixels = rng.integers(0, 60, (24, 40, 3)) + 40 * sorted(PARTS).index(label) * np.array([1, 0, 0])
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append((path, sha256, ".png"))
        records.append({"id": images.image_id(sha256), "file_name": path.name, "label": label, "group": str(number), "part": part, "sha256": sha256})
    images.write_pack(folder / "pack.zip", files)
    coco.write(folder / "specimens.json", {"images": records, "annotations": [], "categories": []})
    return folder


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def train(world, tmp_path, monkeypatch):
    """Return a function that trains in a folder of its own and returns (that folder, the rows of training.csv)."""
    monkeypatch.setattr(embedder_trainer, "VIEWS_AN_EPOCH", 1)

    def _train(*options, name="a"):
        here = tmp_path / name
        here.mkdir()
        monkeypatch.chdir(here)
        train_embedder.main([f"--specimens={world}/specimens.json", f"--packs={world}/pack.zip", "--backbone=test_resnet", "--embedder_size=32",
                             "--models=models", "--training=training.csv", *options])
        return here, list(csv.DictReader((here / "training.csv").open()))
    return _train


@pytest.fixture
def changed(world, tmp_path):
    """Return a function that writes a data set with the images that are kept, and returns the option that gives it."""
    def _changed(keep):
        dataset = coco.read(world / "specimens.json")
        coco.write(tmp_path / "changed.json", {**dataset, "images": [image for image in dataset["images"] if keep(image)]})
        return f"--specimens={tmp_path}/changed.json"
    return _changed


@pytest.fixture
def watched(monkeypatch):
    """Let training only note what it is given: (labels, pixels, settings) of each, which had three epochs."""
    given = []

    def note(made, pixels, labels, validate, settings, on_epoch):
        given.append((labels.tolist(), np.array(pixels), dict(settings), validate(made)))
        for epoch in (1, 2, 3):
            on_epoch({"epoch": epoch, "loss": 1.0, "validation": None, "best_epoch": epoch})
    monkeypatch.setattr(embedder_trainer, "train", note)
    return given


def facts(here, name):
    return json.loads((here / "models" / name / "model.json").read_text())


def test_an_embedder_of_cropped_images_says_by_which_detector(train, world, tmp_path):
    dataset = coco.read(world / "specimens.json")
    coco.write(tmp_path / "crops.json", {**dataset, "info": {"cropped_by": "abc"}})
    here, _ = train("--max_epochs=0", f"--specimens={tmp_path}/crops.json")
    assert facts(here, "frozen")["cropped_by"] == "abc"
    assert "cropped_by" not in facts(train("--max_epochs=0", name="whole")[0], "frozen")


def test_three_model_folders_are_left_with_what_each_learned_from(train, world, capsys):
    here, rows = train("--max_epochs=2", "--mirror=false", "--rotation=5")
    assert "epoch 2/2  loss" in capsys.readouterr().out
    assert sorted(path.name for path in (here / "models").iterdir()) == ["frozen", "trained", "trained_refit"]
    for name in ("frozen", "trained_refit", "trained"):
        assert sorted(path.name for path in (here / "models" / name).iterdir()) == ["README.md", "model.json", "weights.safetensors"]
    classes = {name: facts(here, name)["classes"] for name in ("frozen", "trained", "trained_refit")}
    assert classes == {"frozen": [], "trained": ["ant", "bee", "fly"], "trained_refit": ["ant", "bee", "fly", "gnat", "moth"]}
    assert [facts(here, name)["provenance"]["data"]["train images"] for name in ("frozen", "trained", "trained_refit")] == [0, 7, 7 + 4 + 1]
    told = facts(here, "trained")
    assert told["kind"] == "embedder" and told["input"]["backbone"] == "test_resnet" and told["input"]["image_size"] == 32
    assert told["provenance"]["data"]["sha256"] == hashlib.sha256((world / "specimens.json").read_bytes()).hexdigest()
    assert told["provenance"]["parameters"] | {"weights": "none", "mirror": False, "rotation": 5.0, "max_epochs": 2} == told["provenance"]["parameters"]
    assert told["provenance"]["seed"] == 1
    assert "It learned from 3 classes" in (here / "models/trained/README.md").read_text()
    assert {row["embedder"] for row in rows} == {"trained"} and facts(here, "trained_refit")["provenance"]["parameters"]["max_epochs"] == 2
    assert [row["epoch"] for row in rows] == ["1", "2"] and all(0 <= float(row["validation"]) <= 1 for row in rows)
    assert sorted(path.name for path in here.iterdir()) == ["models", "training.csv"]


def test_the_frozen_one_is_the_network_as_it_was_given(train):
    here, _ = train("--max_epochs=1", "--seed=3")
    given = embedder.new("test_resnet", 32, seed=3)["network"].state_dict()
    found = {name: load_file(here / "models" / name / "weights.safetensors") for name in ("frozen", "trained", "trained_refit")}
    assert all(torch.equal(found["frozen"][name], value.cpu()) for name, value in given.items())
    assert not any(torch.equal(found[name]["conv1.0.weight"], found["frozen"]["conv1.0.weight"]) for name in ("trained", "trained_refit"))


def test_the_same_seed_trains_the_same_weights(train):
    first, again = (train("--max_epochs=2", name=name)[0] for name in "ab")
    for name in ("trained", "trained_refit"):
        assert len({(here / "models" / name / "weights.safetensors").read_bytes() for here in (first, again)}) == 1


def test_no_specimen_to_be_measured_on_is_learned_from(train, watched, world):
    train("--max_epochs=9", "--specimens_per_batch=5", "--patience=4", "--seed=2")
    (labels, pixels, settings, validated), (all_labels, all_pixels, again, not_validated) = watched
    assert labels == ["ant"] * 3 + ["bee"] * 3 + ["fly"]
    assert sorted(all_labels) == ["ant"] * 4 + ["bee"] * 4 + ["fly"] + ["gnat"] * 2 + ["moth"]
    assert settings == {"specimens_per_batch": 5, "max_epochs": 9, "patience": 4, "seed": 2, "mirror": True, "rotation": 20}
    assert again == {**settings, "max_epochs": 3} and not_validated is None and 0 <= validated <= 1
    named = {image["id"]: image["part"] for image in coco.read(world / "specimens.json")["images"]}
    pack = images.Pack([world / "pack.zip"])
    measured = [embedder.squared(pack.read(image), 32) for image, part in named.items() if part in ("test", "unseen")]
    assert not any(np.array_equal(one, other) for one in all_pixels for other in measured)
    wanted = [embedder.squared(pack.read(image), 32) for image, part in named.items() if part == "train"]
    assert sorted(one.tobytes() for one in pixels) == sorted(one.tobytes() for one in wanted)


def test_a_refit_learns_from_no_specimen_that_calibrates_and_the_other_is_validated_on_all(train, watched, world, tmp_path):
    train("--max_epochs=1", name="all")
    dataset = coco.read(world / "specimens.json")
    for image in dataset["images"]:
        if (image["label"], image["part"]) == ("ant", "validation"):
            image["calibrates"] = True
    coco.write(tmp_path / "flagged.json", dataset)
    here, _ = train("--max_epochs=1", f"--specimens={tmp_path}/flagged.json")
    (_, _, _, before), _, (labels, _, _, validated), (all_labels, all_pixels, _, _) = watched
    assert validated == before and labels == ["ant"] * 3 + ["bee"] * 3 + ["fly"]
    assert sorted(all_labels) == ["ant"] * 3 + ["bee"] * 4 + ["fly"] + ["gnat"] * 2 + ["moth"]
    pack = images.Pack([world / "pack.zip"])
    held, = (embedder.squared(pack.read(image["id"]), 32) for image in dataset["images"] if image.get("calibrates"))
    assert not any(np.array_equal(one, held) for one in all_pixels) and facts(here, "trained_refit")["provenance"]["data"]["train images"] == 11


def test_without_epochs_there_is_the_frozen_one_alone(train, watched):
    here, rows = train("--max_epochs=0")
    assert [path.name for path in (here / "models").iterdir()] == ["frozen"] and rows == [] and watched == []
    assert (here / "training.csv").read_text().split() == ["embedder,epoch,loss,validation,best_epoch"]


def test_without_specimens_to_validate_on_it_trains_on(train, changed):
    _, rows = train("--max_epochs=2", "--patience=1", changed(lambda image: image["part"] != "validation"))
    assert [(row["epoch"], row["validation"]) for row in rows] == [("1", ""), ("2", "")]


@pytest.fixture
def weights(tmp_path):
    """A file of weights to start from: of an embedder of ours."""
    (tmp_path / "earlier").mkdir()
    embedder.save(embedder.new("test_resnet", 32, seed=9), tmp_path / "earlier")
    return tmp_path / "earlier/weights.safetensors"


def test_on_given_weights_a_projection_learns_and_the_network_stays(train, weights, capsys):
    here, rows = train("--max_epochs=3", f"--weights={weights}", "--fine_tune=auto")
    said = capsys.readouterr().out
    assert said.startswith("A projection behind the frozen network learns. Fine-tuning: no, as there is no GPU, and its weights are not random (--fine_tune")
    assert "features of 12 of 12 images" in said and "projected: epoch 3/3  loss" in said
    assert sorted(path.name for path in (here / "models").iterdir()) == ["frozen", "projected", "projected_refit"]
    assert {row["embedder"] for row in rows} == {"projected"} and len(rows) == 3 and all(0 <= float(row["validation"]) <= 1 for row in rows)
    classes = {name: facts(here, name)["classes"] for name in ("frozen", "projected", "projected_refit")}
    assert classes == {"frozen": [], "projected": ["ant", "bee", "fly"], "projected_refit": ["ant", "bee", "fly", "gnat", "moth"]}
    assert [facts(here, name)["provenance"]["parameters"]["max_epochs"] for name in ("projected", "projected_refit")] == [3, 3]
    given = load_file(weights)
    for name in ("projected", "projected_refit"):
        found = load_file(here / "models" / name / "weights.safetensors")
        assert all(torch.equal(found[tensor], value) for tensor, value in given.items())
        assert found["projection.move.weight"].any() and facts(here, name)["input"]["projection"] == "residual_linear"
    assert sorted(path.name for path in here.iterdir()) == ["models", "training.csv"]


def test_the_network_makes_features_of_each_view_once_and_the_same_seed_the_same_projection(train, weights, monkeypatch):
    seen, run = [], embedder.run
    monkeypatch.setattr(embedder, "run", lambda made, x: seen.append(len(x)) or run(made, x))
    first, again = (train("--max_epochs=2", f"--weights={weights}", "--fine_tune=false", name=name)[0] for name in "ab")
    assert sum(seen) == 2 * 12 * (1 + projection.VIEWS)  # 7 + 4 + 1 images, twice
    for name in ("projected", "projected_refit"):
        assert len({(here / "models" / name / "weights.safetensors").read_bytes() for here in (first, again)}) == 1


@pytest.fixture
def learned_from(monkeypatch):
    """Let projections only note what they are given: (labels, features, settings, validation) of each."""
    given = []

    def note(features, labels, validate, settings, on_epoch):
        made = projection.Projection(features.shape[2])
        given.append((labels.tolist(), features, dict(settings), validate(made)))
        for epoch in (1, 2, 3):
            on_epoch({"epoch": epoch, "loss": 1.0, "validation": None, "best_epoch": epoch})
        return made
    monkeypatch.setattr(projection, "train", note)
    return given


def test_a_projection_learns_from_no_specimen_to_be_measured_on_and_its_refit_learns_as_long(train, learned_from, world, weights):
    train("--max_epochs=9", "--patience=4", "--seed=2", f"--weights={weights}")
    (labels, features, settings, validated), (all_labels, all_features, again, not_validated) = learned_from
    assert labels == ["ant"] * 3 + ["bee"] * 3 + ["fly"]
    assert sorted(all_labels) == ["ant"] * 4 + ["bee"] * 4 + ["fly"] + ["gnat"] * 2 + ["moth"]
    assert settings == {"specimens_per_batch": 64, "max_epochs": 9, "patience": 4, "seed": 2, "mirror": True, "rotation": 20}
    assert again == {**settings, "max_epochs": 3} and not_validated is None and np.array_equal(features, all_features[1:8])
    pack, made = images.Pack([world / "pack.zip"]), embedder.new("test_resnet", 32, weights)
    members = [image for part in ("rest", "train", "validation") for image in coco.read(world / "specimens.json")["images"]
               if image["part"] == part and image["label"] != "wasp"]
    wanted = embedder.features(made, [pack.read(image["id"]) for image in members])
    np.testing.assert_allclose(all_features[:, 0], wanted, atol=1e-5)
    vectors, labels, groups = embedder.normalised(wanted[1:]), *([image[key] for image in members[1:]] for key in ("label", "group"))
    right, asked = 0, 0
    for row in range(7, 11):
        near = [(float(vectors[row] @ vectors[other]), labels[other]) for other in range(11) if groups[other] != groups[row]]
        if labels[row] in [label for _, label in near]:
            asked, right = asked + 1, right + (max(near)[1] == labels[row])
    assert validated == right / asked


@pytest.mark.parametrize("fine_tune, given, gpu, names, sentence", [
    ("auto", False, False, ["trained"], "The network itself is fine-tuned. Fine-tuning: yes, as its weights are random."),
    ("auto", False, True, ["trained"], "The network itself is fine-tuned. Fine-tuning: yes, as its weights are random."),
    ("auto", True, False, ["projected"], "A projection behind the frozen network learns. Fine-tuning: no, as there is no GPU, and its weights are not random "
     "(--fine_tune true does it all the same)."),
    ("auto", True, True, ["projected", "trained"], "A projection behind the frozen network learns; the network itself is fine-tuned. Fine-tuning: yes, as "
     "there is a GPU."),
    ("true", True, False, ["projected", "trained"], "A projection behind the frozen network learns; the network itself is fine-tuned. Fine-tuning: yes, as "
     "--fine_tune is true."),
    ("true", False, False, ["trained"], "The network itself is fine-tuned. Fine-tuning: yes, as --fine_tune is true."),
    ("false", False, True, ["projected"], "A projection behind the frozen network learns. Fine-tuning: no, as --fine_tune is false."),
    ("false", True, True, ["projected"], "A projection behind the frozen network learns. Fine-tuning: no, as --fine_tune is false."),
])
def test_what_learns_is_decided_by_weights_and_gpu_and_said(weights, capsys, fine_tune, given, gpu, names, sentence):
    args = argparse.Namespace(fine_tune=fine_tune, weights=weights if given else None, max_epochs=5)
    assert train_embedder.learners(args, gpu) == names and capsys.readouterr().out == f"{sentence}\n"


def test_a_projection_that_is_left_behind_is_said(train, weights, tmp_path, capsys):
    (tmp_path / "more").mkdir()
    embedder.save({**embedder.new("test_resnet", 32, weights), "projection": projection.Projection(96)}, tmp_path / "more")
    here, _ = train("--max_epochs=0", f"--weights={tmp_path}/more/weights.safetensors")
    assert capsys.readouterr().out == ("weights.safetensors: the network is taken; the projection that an earlier run learned behind it is not.\n"
                                       "Nothing learns: --max_epochs is 0.\n")
    assert load_file(here / "models/frozen/weights.safetensors").keys() == load_file(weights).keys()


def test_weights_that_it_starts_from_are_named_by_their_hash(train, tmp_path):
    save_file({name: value.contiguous() for name, value in embedder.new("test_resnet", 32, seed=9)["network"].state_dict().items()}, tmp_path / "w.safetensors")
    here, _ = train("--max_epochs=0", f"--weights={tmp_path}/w.safetensors")
    assert facts(here, "frozen")["provenance"]["parameters"]["weights"] == hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest()
    started = load_file(tmp_path / "w.safetensors")
    assert all(torch.equal(started[name], value) for name, value in load_file(here / "models/frozen/weights.safetensors").items())


def test_weights_that_are_absent_are_told(train):
    with pytest.raises(InputError, match="nowhere.safetensors"):
        train("--weights=nowhere.safetensors")


def test_weights_of_another_network_are_told_before_anything_is_trained(train, watched, tmp_path):
    save_file({name: value.contiguous() for name, value in embedder.new("test_vit", 32)["network"].state_dict().items()}, tmp_path / "vit.safetensors")
    with pytest.raises(InputError, match="vit.safetensors lacks .* of test_resnet"):
        train(f"--weights={tmp_path}/vit.safetensors")
    assert watched == [] and not (tmp_path / "a/models").exists()


def test_a_data_set_with_nothing_to_learn_from_is_told(train, changed):
    with pytest.raises(InputError, match="changed.json: holds no specimen to learn from; wanted some of the part train"):
        train(changed(lambda image: image["part"] != "train"))


def test_a_data_set_with_one_image_to_learn_from_is_told(train, changed):
    with pytest.raises(InputError, match="changed.json: holds .*specimen.* to learn from; wanted"):
        train(changed(lambda image: image["part"] == "unseen" or (image["part"], image["label"]) == ("train", "fly")))


@pytest.mark.parametrize("option, sentence", [
    ("--embedder_size=15", "--embedder_size is 15; wanted at least 16"), ("--specimens_per_batch=1", "--specimens_per_batch is 1; wanted at least 2"),
    ("--max_epochs=-1", "--max_epochs is -1; wanted at least 0"), ("--patience=0", "--patience is 0; wanted at least 1"),
    ("--backbone=resnet_of_mine", "--backbone is 'resnet_of_mine'; wanted a network of timm's"),
    ("--rotation=-1", "--rotation is -1.*; wanted at least 0"),
])
def test_a_number_out_of_its_range_is_told(train, watched, option, sentence):
    with pytest.raises(InputError, match=sentence):
        train(option)


@pytest.mark.parametrize("vectors, labels, groups, share", [
    # Asked are the last three: the first finds its like, the second a stranger, the third has none of another group.
    ([[1, 0], [0, 1], [0.9, 0.1], [0.6, 0.5], [0, 0.9]], "ababc", "12345", 1 / 2),
    ([[1, 0], [0, 1], [0.9, 0.1], [0.1, 1], [1, 0]], "ababa", "12345", 1),
    # The image beside the first asked is of its own group, so the next one counts.
    ([[1, 0], [0, 1], [1, 0.1], [0, 1], [0, 1]], "abbbb", "12134", 1), ([[1, 0], [0, 1]], "ab", "12", 0),
])
def test_recall_counts_the_asked_whose_most_similar_one_of_another_group_is_of_their_class(vectors, labels, groups, share):
    first = len(labels) - 3 if len(labels) > 3 else 1
    assert train_embedder.recall(np.array(vectors, np.float32), np.array([*labels, "z"]), np.array([*groups, "9"]), first) == share


def test_squares_are_those_of_the_embedder_and_leave_no_file(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    members, pack = coco.read(world / "specimens.json")["images"][:3], images.Pack([world / "pack.zip"])
    found = train_embedder.squares(members, argparse.Namespace(embedder_size=16, packs=[world / "pack.zip"]))
    assert np.array_equal(found, [embedder.squared(pack.read(image["id"]), 16) for image in members]) and not list(tmp_path.iterdir())


def test_the_command_makes_what_the_next_tasks_choose_from(world, weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = subprocess.run([*command("train_embedder"), f"--specimens={world}/specimens.json", f"--packs={world}/pack.zip",
                           "--backbone=test_resnet", "--embedder_size=32", f"--weights={weights}", "--fine_tune=false", "--max_epochs=1",
                           "--models=models", "--training=training.csv"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "") and "Fine-tuning: no, as --fine_tune is false." in done.stdout
    models = [f"models/{name}" for name in ("frozen", "projected", "projected_refit")]
    embed_images.main(["--models", *models, f"--packs={world}/pack.zip", "--embeddings=e.npz"])
    choose_embedder.main([f"--specimens={world}/specimens.json", "--embeddings=e.npz", "--models", *models, "--embedder=embedder", "--ladder=ladder.json"])
    ladder, chosen = (json.loads((tmp_path / path).read_text()) for path in ("ladder.json", "embedder/model.json"))
    assert {row["vectors"] for row in ladder["ladder"]} == {"frozen", "projected"} and [row["less"] for row in ladder["verdict"]["comparisons"]] == ["frozen"]
    assert chosen["vectors"] in ("frozen", "projected_refit")
    assert embed_images.loaded(tmp_path / "embedder")["image_size"] == 32


def test_the_command_ends_with_status_2_and_one_sentence(world, changed):
    done = subprocess.run([*command("train_embedder"), changed(lambda image: image["part"] == "test"), f"--packs={world}/pack.zip",
                           "--models=models", "--training=training.csv"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and done.stderr.endswith("wanted some of the part train.\n") and len(done.stderr.splitlines()) == 1
