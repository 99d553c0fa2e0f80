import contextlib
import csv
import hashlib
import io
import json
import subprocess

import evaluate_detector
import numpy as np
import pytest
from PIL import Image

from conftest import command
from entoflow import coco, images
from entoflow.detection import predictions
from entoflow.task import InputError

N, TARGET = 24, "bmsb"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A pack of photos, their truth, and detections that are partly right."""
    folder, rng = tmp_path_factory.mktemp("world"), np.random.default_rng(1)
    photos, boxes, found = [], [], []
    for n in range(N):
        path = folder / f"photo {n:02d} of a rather long iNaturalist name.png"
        Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        photos.append({"id": images.image_id(sha256), "file_name": path.name, "group": str(n // 2), "sha256": sha256, "part": "test",
                       "width": 80, "height": 60, "label": TARGET if n % 3 else "moth", "count": None})
        truth = np.hstack([rng.uniform(0, 40, (n % 4, 2)), rng.uniform(8, 20, (n % 4, 2))]).round(2)
        boxes += [(photos[-1]["id"], box, int(rng.random() < 0.2)) for box in truth.tolist()]
        near = np.vstack([truth + rng.normal(0, 1, truth.shape), [[30, 30, 20, 20]]])
        found.append((photos[-1]["id"], 0, np.hstack([near[:, :2], near[:, :2] + near[:, 2:]]), rng.uniform(0.1, 1, len(near))))
    images.write_pack(folder / "test_1_0001.zip", [(folder / photo["file_name"], photo["sha256"], ".png") for photo in photos])
    annotations = [{"id": k, "image_id": n, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": crowd}
                   for k, (n, box, crowd) in enumerate(boxes, 1)]
    dataset = {"images": photos, "annotations": annotations, "categories": [{"id": 1, "name": TARGET}]}
    coco.write(folder / "boxes.json", {**dataset, "info": {"role": "test", "truth": "test_boxes"}})
    coco.write(folder / "labels.json", {**dataset, "annotations": [], "info": {"role": "test", "truth": "labels"}})
    found.sort(key=lambda row: row[0])
    predictions.write(folder / "a.npz", found[:9])
    predictions.write(folder / "b.npz", found[9:])
    (folder / "model.json").write_text(json.dumps({"name": "target_detector", "kind": "detector", "classes": [TARGET], "threshold": 0.4}))
    return folder


def arguments(world, out, test="boxes.json", files=("a.npz", "b.npz")):
    out.mkdir(exist_ok=True)
    return [f"--test={world / test}", "--predictions", *(str(world / name) for name in files), f"--model={world / 'model.json'}",
            "--packs", str(world / "test_1_0001.zip"), f"--metrics={out / 'metrics.json'}", f"--predictions_json={out / 'p.json'}",
            f"--predictions_csv={out / 'p.csv'}", f"--plots={out / 'plots'}"]


def test_the_published_predictions_give_the_published_figures_by_pycocotools(world, tmp_path):
    evaluate_detector.main(arguments(world, tmp_path))
    published = json.loads((tmp_path / "metrics.json").read_text())
    assert {key: published[key] for key in ("chain", "n", "groups", "truth", "max_detections")} == {
        "chain": "detection", "n": N, "groups": N // 2, "truth": "test_boxes", "max_detections": 100}
    expected = pycocotools(world / "boxes.json", tmp_path / "p.json")
    assert [published["metrics"][name]["value"] for name in ("ap", "ap50", "ap75")] == pytest.approx(expected, abs=1e-9)
    assert 0.1 < expected[1] < 1 and published["metrics"]["threshold"]["value"] == 0.4


def test_the_same_input_gives_the_same_bytes_and_every_file(world, tmp_path):
    for name in ("one", "two"):
        evaluate_detector.main(arguments(world, tmp_path / name))
    one, two = ({path.name: path.read_bytes() for path in sorted((tmp_path / name).rglob("*.*"))} for name in ("one", "two"))
    assert one == two
    assert set(one) == {"metrics.json", "p.json", "p.csv", "precision_recall.png", "recall_vs_false_alarms.png", "confidence.png",
                        "best.png", "worst.png", "false_alarms.png"}


def test_errors_by_kind_and_figures_by_size_are_published_with_intervals_like_the_others(world, tmp_path):
    evaluate_detector.main(arguments(world, tmp_path))
    published = json.loads((tmp_path / "metrics.json").read_text())
    assert list(published["errors"]) == ["missed", "background", "look_alike", "duplicate", "poorly_placed"]
    sizes = ("below_2", "2_to_5", "5_to_15", "above_15")
    assert {f"{figure}_{size}" for figure in ("recall", "ap50") for size in sizes} <= set(published["metrics"])
    usual = {"value", "low", "high", "n", "groups", "unit"}
    assert all(set(figure) == usual for figure in published["metrics"].values())
    assert all(set(error) == {*usual, "n_at_threshold"} for error in published["errors"].values())
    assert sum(published["metrics"][f"recall_{size}"]["n"] for size in sizes) == published["metrics"]["recall"]["n"]
    assert published["metrics"]["recall_below_2"]["value"] is None  # the smallest box has 8 of 80 pixels


def test_the_table_holds_every_stored_box(world, tmp_path):
    evaluate_detector.main(arguments(world, tmp_path))
    with open(tmp_path / "p.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(json.loads((tmp_path / "p.json").read_text())) == sum(n % 4 + 1 for n in range(N))
    assert {row["label"] for row in rows} == {TARGET} and [row["image"] for row in rows] == sorted(row["image"] for row in rows)


def test_photos_with_labels_alone_give_presence_and_sheets(world, tmp_path):
    evaluate_detector.main(arguments(world, tmp_path, test="labels.json"))
    published = json.loads((tmp_path / "metrics.json").read_text())
    known = {name for name, figure in published["metrics"].items() if figure["value"] is not None}
    assert known == {"presence_auroc", "threshold", "count_mae", "false_alarms_per_empty_image"} and published["truth"] == "labels"
    assert published["errors"] == {}
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"best.png", "worst.png"}


def test_a_photo_that_the_detector_did_not_look_at_is_told(world, tmp_path):
    with pytest.raises(InputError, match="15 of 24 test images were not looked at"):
        evaluate_detector.main(arguments(world, tmp_path, files=["a.npz"]))


def test_what_is_drawn_of_a_photo_is_what_was_counted():
    truth, crowd = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 60, 20.0]]), np.array([False, False, True])
    boxes = np.array([[0, 0, 10, 10], [70, 0, 80, 10], [45, 5, 50, 10.0]])
    good, margin, drawn = evaluate_detector.against_boxes(boxes, [0.9, 0.8, 0.7], truth, crowd, 0.5)
    assert good == 0.5 and margin == pytest.approx(0.9 - 0.8 - 1)
    assert [kind for _, kind, _ in drawn] == ["truth", "missed", "ignored", "found", "false", "ignored"]


@pytest.mark.parametrize("present, scores, good", [(True, [0.9], 1), (False, [], 1), (True, [], 0), (False, [0.7, 0.6], 0)])
def test_with_labels_alone_a_photo_is_good_where_detections_agree(present, scores, good):
    assert evaluate_detector.against_label(present, scores, 0.5)[0] == good


def test_the_command_ends_with_status_2_and_a_sentence(world, tmp_path):
    words = [*command("evaluate_detector"), *arguments(world, tmp_path, files=["b.npz"])]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "error: predictions: 9 of 24 test images were not looked at; wanted all of them.\n")


def pycocotools(truth, results):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO(str(truth))
        run = COCOeval(known, known.loadRes(str(results)), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats[:3].tolist()
