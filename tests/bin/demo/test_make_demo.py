import csv
import hashlib
import json
import subprocess

import make_demo
import numpy as np
import pytest
from PIL import Image

from conftest import command
from entoflow.demo import insects, scenes
from entoflow.task import InputError

COUNTS = ["--demo_boxes=12", "--demo_labelled=24", "--demo_test=12", "--demo_size=128"]


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo data")
    make_demo.main([f"--folder={folder}", *COUNTS])
    return folder


def rows(world):
    with open(world / "labelled/labels.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def kinds_in(path):
    coco = json.loads(path.read_text())
    names = {category["id"]: category["name"] for category in coco["categories"]}
    return {names[box["category_id"]] for box in coco["annotations"]}


def test_the_same_seed_draws_the_same_bytes_and_another_seed_none_of_them(world, tmp_path):
    make_demo.main([f"--folder={tmp_path / 'again'}", *COUNTS])
    make_demo.main([f"--folder={tmp_path / 'other'}", "--seed=2", *COUNTS])
    first, other = digests(world), digests(tmp_path / "other")
    assert digests(tmp_path / "again") == first
    assert not {first[name] for name in first if name.endswith(".jpg")} & set(other.values())


def test_the_folder_holds_what_it_promises_and_says_that_it_is_synthetic(world):
    for name, count in (("boxes", 12), ("labelled", 24), ("test", 12)):
        pictures = sorted((world / name).glob("*.jpg"))
        assert len(pictures) == count
        with Image.open(pictures[0]) as picture:
            assert (picture.format, picture.size, picture.mode) == ("JPEG", (128, 128), "RGB")
            assert b"Synthetic" in picture.info["comment"]
    assert "Synthetic" in (world / "README.txt").read_text()


@pytest.mark.parametrize("name", ["boxes/annotations.json", "audit_boxes.json", "test_boxes.json"])
def test_a_coco_file_names_its_images_and_categories_and_every_box_lies_inside(world, name):
    coco = json.loads((world / name).read_text())
    images = {image["id"]: image for image in coco["images"]}
    assert len(images) == len(coco["images"]) > 0
    assert [box["id"] for box in coco["annotations"]] == list(
        range(1, len(coco["annotations"]) + 1)
    )
    assert {box["category_id"] for box in coco["annotations"]} == {
        kind["id"] for kind in coco["categories"]
    }
    for image in images.values():
        with Image.open((world / name).parent / image["file_name"]) as picture:
            assert picture.size == (image["width"], image["height"])
    for box in coco["annotations"]:
        x, y, wide, high = box["bbox"]
        assert (
            min(x, y) >= 0 < min(wide, high)
            and max(x + wide, y + high) <= images[box["image_id"]]["width"]
        )
    assert "Synthetic" in coco["info"]["description"]


def test_the_target_is_labelled_audited_and_tested_but_never_among_the_boxes(world):
    assert insects.TARGET not in kinds_in(world / "boxes/annotations.json")
    assert kinds_in(world / "audit_boxes.json") == {insects.TARGET}
    assert insects.TARGET in kinds_in(world / "test_boxes.json")
    labels = {row["label"] for row in rows(world)}
    assert insects.TARGET in labels and labels & set(insects.LOOK_ALIKES)


def test_labels_name_each_photo_once_and_observations_have_one_or_two_photos_of_one_label(
    world,
):
    table = rows(world)
    assert sorted(row["image"] for row in table) == sorted(
        path.name for path in (world / "labelled").glob("*.jpg")
    )
    groups = {}
    for row in table:
        assert row["count"] in (["", ""] if row["label"] == "empty" else ["1", "2"])
        groups.setdefault(row["group"], []).append(row["label"])
    assert {len(labels) for labels in groups.values()} == {1, 2}
    assert all(len(set(labels)) == 1 for labels in groups.values())


def test_audited_images_have_as_many_boxes_as_the_labels_count(world):
    coco = json.loads((world / "audit_boxes.json").read_text())
    counts = {
        f"labelled/{row['image']}": row["count"]
        for row in rows(world)
        if row["label"] == insects.TARGET
    }
    for image in coco["images"]:
        assert counts[image["file_name"]] == str(
            sum(box["image_id"] == image["id"] for box in coco["annotations"])
        )


@pytest.mark.parametrize("kind", insects.KINDS)
def test_a_box_is_tight_around_the_pixels_that_an_insect_changes(kind):
    rgba = insects.draw(kind, 60, np.random.default_rng(5))
    solid = rgba[..., 3] >= 128
    ground = np.full((200, 200, 3), -1.0, np.float32)  # no insect is darker than black
    scenes.paste(ground, np.where(solid[..., None], rgba, 0).astype(np.uint8), (30, 40), shadow=0)
    rows_hit, columns_hit = np.nonzero((ground != -1).any(2))
    assert [columns_hit.min(), rows_hit.min()] == [30, 40]
    assert [columns_hit.max() + 1, rows_hit.max() + 1] == [30 + rgba.shape[1], 40 + rgba.shape[0]]


def test_a_true_box_leaves_thin_lines_outside():
    alpha = np.zeros((60, 80), np.uint8)
    alpha[20:50, 30:60] = 255
    alpha[5:20, 40:43] = alpha[30:33, 60:75] = 255
    assert scenes.body_corners(alpha) == (30, 20, 60, 50)


def test_insects_of_one_scene_stay_apart(tmp_path):
    for seed in range(5):
        _, boxes = scenes.scene(["fly", "moth", "bee"], 256, np.random.default_rng(seed))
        corners = []
        for box in boxes:
            x, y, width, height = box.bbox
            corners.append((x, y, x + width, y + height))
        assert len(corners) > 1
        for k, (a, b, c, d) in enumerate(corners):
            assert all(c <= x or x2 <= a or d <= y or y2 <= b for x, y, x2, y2 in corners[k + 1 :])


def test_no_two_images_look_alike(world):
    def difference_hash(path):  # an oracle apart from the suite's own hash
        grey = np.asarray(Image.open(path).convert("L").resize((17, 16), Image.Resampling.BOX), int)
        return (np.diff(grey, axis=1) > 0).ravel()

    hashes = np.array([difference_hash(path) for path in sorted(world.rglob("*.jpg"))])
    apart = (hashes[:, None] != hashes[None]).sum(2)[np.triu_indices(len(hashes), 1)]
    assert apart.min() > 256 * 0.15


def test_a_count_of_nothing_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(
        InputError, match="--demo_test: found 0; wanted a whole number of at least 1"
    ):
        make_demo.main([f"--folder={tmp_path}", "--demo_test=0"])
    done = subprocess.run(
        [*command("make_demo"), "--folder", tmp_path, "--seed", "-1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        2,
        "error: --seed: found -1; wanted a whole number of at least 0.\n",
    )
