"""A detector of one epoch on a handful of drawn images: the folder it leaves, and going on after a
kill.
"""

import csv
import json
import re
import shutil
import subprocess
import sys

import import_images
import make_demo
import numpy as np
import predict_boxes
import pytest
import split_images
import train_detector

from conftest import ROOT
from entoflow.detector import backend_yolo
from entoflow.task import InputError

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    make_demo.main(
        [
            f"--folder={folder}/demo",
            "--demo_boxes=12",
            "--demo_labelled=2",
            "--demo_test=1",
            "--demo_size=96",
        ]
    )
    import_images.main(
        [
            f"--source={folder}/demo/boxes/annotations.json",
            "--role=boxes",
            "--name=boxes_1",
            f"--dataset={folder}/boxes_1.json",
            f"--audit={folder}/a.json",
            f"--packs_folder={folder}",
        ]
    )
    outputs = [f"--{name}={folder}/{name}" for name in split_images.OUTPUTS]
    split_images.main([f"--datasets={folder}/boxes_1.json", *outputs])
    return folder


def train(world, out, *more):
    out.mkdir()
    train_detector.main(
        [
            f"--dataset={world}/insect",
            f"--packs={world}/boxes_1_0001.zip",
            "--name=insect_detector",
            "--class_name=insect",
            "--image_size=64",
            "--batch_size=4",
            f"--scratch={out}/scratch",
            f"--checkpoint={out}/checkpoint.pt",
            f"--model={out}/model",
            f"--training={out}/training.csv",
            *more,
        ]
    )
    rows = list(csv.DictReader((out / "training.csv").open()))
    return (out / "model/weights.safetensors").read_bytes(), rows


def test_the_same_seed_trains_the_same_weights_and_leaves_a_model_folder(world, tmp_path, capsys):
    first, rows = train(world, tmp_path / "a", "--max_epochs=2")
    assert "epoch 2/2  loss" in capsys.readouterr().out
    second, _ = train(world, tmp_path / "b", "--max_epochs=2")
    assert first == second
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert list(rows[0]) == ["epoch", "loss", "validation_ap", "validation_ap50", "best_epoch"]
    model = json.loads((tmp_path / "a/model/model.json").read_text())
    assert model["classes"] == ["insect"]
    assert "AGPL-3.0" in model["licence"]
    assert set(model["provenance"]) >= {"code", "data", "parameters", "seed", "packages"}
    assert not list((tmp_path / "a").rglob("*.pt"))


def test_the_learning_rate_is_ultralytics_own_for_one_class(world, tmp_path, monkeypatch):
    seen = []

    def read_checkpoint(self, epoch):
        seen.append(torch.load(tmp_path / "a/checkpoint.pt", weights_only=True))

    monkeypatch.setattr(train_detector.Progress, "show", read_checkpoint)
    train(world, tmp_path / "a", "--max_epochs=1")
    assert {group["initial_lr"] for group in seen[0]["optimizer"]["param_groups"]} == {
        0.002 * 5 / (4 + 1)
    }


def test_a_model_trained_in_tiles_says_so_and_predicts_in_them(
    world, tmp_path, capsys, monkeypatch
):
    train(world, tmp_path / "a", "--max_epochs=1", "--tile_size=48")
    sentence = r"(\d+) images, and (\d+) tiles of those longer than 72 pixels"
    n_images, n_tiles = re.search(sentence, capsys.readouterr().out).groups()
    assert int(n_tiles) > int(n_images)
    assert len(list((tmp_path / "a/scratch").glob("*/images/*_*.jpg"))) == int(n_tiles)
    content = json.loads((tmp_path / "a/model/model.json").read_text())
    assert content["input"]["tile_size"] == 48
    batch_sizes = []

    def find_nothing(detector, images, size):
        batch_sizes.append(len(images))
        return [(np.zeros((0, 4)), np.zeros(0))] * len(images)

    monkeypatch.setattr(backend_yolo, "predict", find_nothing)

    def windows_per_image(*more):
        """Return how many windows of each of the 12 images are looked at."""
        batch_sizes.clear()
        predict_boxes.main(
            [
                f"--model={tmp_path}/a/model",
                f"--packs={world}/boxes_1_0001.zip",
                f"--scratch={tmp_path}/scratch",
                f"--predictions={tmp_path}/boxes.npz",
                *more,
            ]
        )
        return sum(batch_sizes) / 12

    assert windows_per_image() == 1 + 3 * 3
    assert windows_per_image("--tile_size=0") == 1
    assert windows_per_image("--tile_size=32") == 1 + 4 * 4
    del content["input"]["tile_size"]
    (tmp_path / "a/model/model.json").write_text(json.dumps(content))
    assert windows_per_image() == 1


def test_a_killed_training_goes_on_from_its_checkpoint(world, tmp_path, monkeypatch):
    def killed(self, epoch):
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(train_detector.Progress, "show", killed)
        with pytest.raises(KeyboardInterrupt):
            train(world, tmp_path / "killed", "--max_epochs=4")
    seen = []
    monkeypatch.setattr(
        train_detector.Progress, "show", lambda self, epoch: seen.append(epoch.epoch)
    )
    resume = f"--resume_from={tmp_path / 'killed'}"
    _, rows = train(world, tmp_path / "again", "--max_epochs=4", resume)
    assert seen == [3, 4]
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]


def test_with_torchvision_no_agpl_code_is_imported_to_train_to_predict_and_to_load(world, tmp_path):
    (tmp_path / "script.py").write_text(f"""
import sys
sys.path[:0] = [{str(ROOT / "bin")!r}, {str(ROOT / "bin/detection")!r}]
import predict_boxes, train_detector
train_detector.main(["--detector=torchvision", "--dataset={world}/insect",
                     "--packs={world}/boxes_1_0001.zip", "--name=insect_detector",
                     "--class_name=insect", "--image_size=64", "--max_epochs=1",
                     "--model=model", "--training=training.csv"])
predict_boxes.main(["--model=model", "--packs={world}/boxes_1_0001.zip",
                    "--predictions=predictions.npz"])
print([name for name in sys.modules if name.split(".")[0] == "ultralytics"])
""")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert "boxes in 12 images, 1 views of each." in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    model = json.loads((tmp_path / "model/model.json").read_text())
    assert model["input"] == {
        "backend": "torchvision",
        "architecture": "fcos_resnet10",
        "image_size": 64,
        "tile_size": 0,
    }
    assert "BSD-3-Clause" in model["licence"]
    assert "AGPL" not in (tmp_path / "model/README.md").read_text()
    assert model["provenance"]["parameters"]["architecture"] == "fcos_resnet10"


def test_a_checkpoint_taken_over_by_half_is_none(tmp_path, monkeypatch):
    def cut_off(source, target):
        target.write_bytes(source.read_bytes()[:3])
        raise KeyboardInterrupt

    (tmp_path / "checkpoint.pt").write_bytes(b"checkpoint")
    (tmp_path / "again").mkdir()
    monkeypatch.setattr(shutil, "copyfile", cut_off)
    with pytest.raises(KeyboardInterrupt):
        train_detector.take_over_checkpoint(tmp_path, tmp_path / "again" / "checkpoint.pt")
    assert not (tmp_path / "again/checkpoint.pt").exists()


def test_a_set_without_boxes_to_learn_from_is_told(world, tmp_path):
    content = json.loads((world / "insect").read_text())
    content["annotations"] = []
    (tmp_path / "empty.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="holds no box in its training part"):
        train(world, tmp_path / "c", f"--dataset={tmp_path / 'empty.json'}")
