import contextlib
import csv
import hashlib
import io
import json
import subprocess

import evaluate_detector
import numpy as np
import pytest
from PIL import Image as PillowImage

from conftest import command
from entoflow import dataset, images
from entoflow.boxes import Prediction, to_xyxy
from entoflow.dataset import Box, Dataset
from entoflow.detection import predictions
from entoflow.task import InputError

N, TARGET = 24, "bmsb"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A pack of photos, their truth, and detections that are partly right."""
    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(1)
    photos, boxes, predicted = [], [], []
    for n in range(N):
        photos.append(draw_photo(folder, n, rng))
        image_id = photos[-1].id
        corners = rng.uniform(0, 40, (n % 4, 2))
        truth = np.hstack([corners, rng.uniform(8, 20, (n % 4, 2))]).round(2)
        boxes += [Box(image_id, TARGET, tuple(bbox), rng.random() < 0.2) for bbox in truth.tolist()]
        bbox = np.vstack([truth + rng.normal(0, 1, truth.shape), [[30, 30, 20, 20]]])
        scores = rng.uniform(0.1, 1, len(bbox))
        predicted.append(Prediction.in_view(image_id, 0, to_xyxy(bbox), scores))
    members = [(folder / photo.file_name, photo.sha256, ".png") for photo in photos]
    images.write_pack(folder / "test_1_0001.zip", members)
    with_boxes = Dataset(photos, boxes, [TARGET], role="test", truth="test_boxes")
    with_labels = Dataset(photos, [], [TARGET], role="test", truth="labels")
    dataset.write(folder / "boxes.json", with_boxes)
    dataset.write(folder / "labels.json", with_labels)
    predicted.sort(key=lambda prediction: prediction.image_id)
    predictions.write(folder / "a.npz", predicted[:9])
    predictions.write(folder / "b.npz", predicted[9:])
    model = {"name": "target_detector", "kind": "detector", "classes": [TARGET], "threshold": 0.4}
    (folder / "model.json").write_text(json.dumps(model))
    return folder


def draw_photo(folder, n, rng):
    path = folder / f"photo {n:02d} of a rather long iNaturalist name.png"
    PillowImage.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return dataset.Image(
        images.image_id(sha256),
        path.name,
        group=str(n // 2),
        sha256=sha256,
        part="test",
        width=80,
        height=60,
        label=TARGET if n % 3 else "moth",
    )


def arguments(world, out, test="boxes.json", files=("a.npz", "b.npz")):
    out.mkdir(exist_ok=True)
    return [
        f"--test={world}/{test}",
        "--predictions",
        *(str(world / name) for name in files),
        f"--model={world}/model.json",
        f"--packs={world}/test_1_0001.zip",
        f"--metrics={out}/metrics.json",
        f"--predictions_json={out}/p.json",
        f"--predictions_csv={out}/p.csv",
        f"--plots={out}/plots",
    ]


def test_the_published_predictions_give_the_published_figures_by_pycocotools(world, tmp_path):
    evaluate_detector.main(arguments(world, tmp_path))
    published = json.loads((tmp_path / "metrics.json").read_text())
    metrics = published.pop("metrics")
    del published["errors"]
    assert published == {
        "chain": "detection",
        "n": N,
        "groups": N // 2,
        "truth": "test_boxes",
        "max_detections": 100,
    }
    expected = pycocotools(world / "boxes.json", tmp_path / "p.json")
    values = [metrics[name]["value"] for name in ("ap", "ap50", "ap75")]
    assert values == pytest.approx(expected, abs=1e-9)
    assert 0.1 < expected[1] < 1
    assert metrics["threshold"]["value"] == 0.4


def test_the_same_input_gives_the_same_bytes_and_every_file(world, tmp_path):
    for name in ("one", "two"):
        evaluate_detector.main(arguments(world, tmp_path / name))
    one = {path.name: path.read_bytes() for path in (tmp_path / "one").rglob("*.*")}
    two = {path.name: path.read_bytes() for path in (tmp_path / "two").rglob("*.*")}
    assert one == two
    pictures = {
        "precision_recall.png",
        "recall_vs_false_alarms.png",
        "confidence.png",
        "best.png",
        "worst.png",
        "false_alarms.png",
    }
    assert set(one) == {"metrics.json", "p.json", "p.csv", *pictures}


def test_errors_by_kind_and_figures_by_size_are_published_with_intervals_like_the_others(
    world, tmp_path
):
    evaluate_detector.main(arguments(world, tmp_path))
    published = json.loads((tmp_path / "metrics.json").read_text())
    assert list(published["errors"]) == [
        "missed",
        "background",
        "look_alike",
        "duplicate",
        "poorly_placed",
    ]
    metrics = published["metrics"]
    sizes = ("below_2", "2_to_5", "5_to_15", "above_15")
    assert {f"recall_{size}" for size in sizes} <= set(metrics)
    assert {f"ap50_{size}" for size in sizes} <= set(metrics)
    keys = ["value", "low", "high", "n", "groups", "unit"]
    assert all(list(metric) == keys for metric in metrics.values())
    errors = published["errors"].values()
    assert all(list(error) == [*keys, "n_at_threshold"] for error in errors)
    assert sum(metrics[f"recall_{size}"]["n"] for size in sizes) == metrics["recall"]["n"]
    assert metrics["recall_below_2"]["value"] is None  # the smallest box has 8 of 80 pixels


def test_the_table_holds_every_stored_box(world, tmp_path):
    evaluate_detector.main(arguments(world, tmp_path))
    with open(tmp_path / "p.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    results = json.loads((tmp_path / "p.json").read_text())
    assert len(rows) == len(results) == sum(n % 4 + 1 for n in range(N))
    assert {row["label"] for row in rows} == {TARGET}
    names = [row["image"] for row in rows]
    assert names == sorted(names)


def test_photos_with_labels_alone_give_presence_and_sheets(world, tmp_path):
    evaluate_detector.main(arguments(world, tmp_path, test="labels.json"))
    published = json.loads((tmp_path / "metrics.json").read_text())
    metrics = published["metrics"]
    known = {name for name, metric in metrics.items() if metric["value"] is not None}
    of_presence = {"presence_auroc", "threshold", "count_mae", "false_alarms_per_empty_image"}
    assert known == of_presence
    assert published["truth"] == "labels"
    assert published["errors"] == {}
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"best.png", "worst.png"}


def test_a_photo_that_the_detector_did_not_look_at_is_an_error(world, tmp_path):
    with pytest.raises(InputError, match="15 of 24 test images were not looked at"):
        evaluate_detector.main(arguments(world, tmp_path, files=["a.npz"]))


def test_what_is_drawn_of_a_photo_is_what_was_counted():
    truth = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 60, 20.0]])
    crowd = np.array([False, False, True])
    boxes = np.array([[0, 0, 10, 10], [70, 0, 80, 10], [45, 5, 50, 10.0]])
    scores = [0.9, 0.8, 0.7]
    drawing = evaluate_detector.against_boxes(boxes, scores, truth, crowd, 0.5, "a.jpg")
    assert drawing.quality == 0.5
    assert drawing.margin == pytest.approx(0.9 - 0.8 - 1)
    kinds = [kind for _, kind, _ in drawing.boxes]
    assert kinds == ["truth", "missed", "ignored", "found", "false", "ignored"]


@pytest.mark.parametrize(
    "is_present, scores, quality",
    [(True, [0.9], 1), (False, [], 1), (True, [], 0), (False, [0.7, 0.6], 0)],
)
def test_with_labels_alone_a_photo_is_good_where_detections_agree(is_present, scores, quality):
    boxes = np.zeros((len(scores), 4))
    drawing = evaluate_detector.against_label(is_present, boxes, scores, 0.5, "a.jpg")
    assert drawing.quality == quality


def test_the_command_ends_with_status_2_and_a_sentence(world, tmp_path):
    words = [*command("evaluate_detector"), *arguments(world, tmp_path, files=["b.npz"])]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2
    sentence = "9 of 24 test images were not looked at; wanted all of them."
    assert done.stderr == f"error: predictions: {sentence}\n"


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
