"""COCO's average precision against pycocotools."""

import contextlib
import io
from dataclasses import fields, replace

import numpy as np
import pytest

from entoflow.boxes import Prediction, to_xyxy
from entoflow.dataset import Box, Dataset, Image
from entoflow.detection import matching
from entoflow.detection.average_precision import (
    IOU_THRESHOLDS,
    average_precision,
    max_detections,
)
from entoflow.detection.detections import gather, rank
from entoflow.detection.matching import match_all
from entoflow.detection.metrics import true_boxes


def random_case(rng, n_images, most):
    annotations, predictions = [], []
    for image in range(1, n_images + 1):
        n = int(rng.integers(0, most))
        k = int(rng.integers(0, 2 * most))
        truth = np.hstack([rng.uniform(0, 80, (n, 2)), rng.uniform(1, 30, (n, 2))])
        annotations += [annotation(image, bbox, rng.random() < 0.15) for bbox in truth.tolist()]
        if n:
            bbox = truth[rng.integers(0, n, k)] + rng.normal(0, 2, (k, 4))
        else:
            bbox = np.hstack([rng.uniform(0, 80, (k, 2)), np.ones((k, 2)) * 9])
        bbox[:, 2:] = np.maximum(bbox[:, 2:], 1)
        scores = rng.random(k)
        if rng.random() < 0.5:
            scores = rng.choice([0.1, 0.3, 0.3, 0.5, 0.9], k)
        predictions.append(Prediction.in_view(image, 0, to_xyxy(bbox), scores))
    return numbered(annotations), predictions


def annotation(image, bbox, is_crowd):
    """Return a true box as pycocotools takes it."""
    return {
        "image_id": image,
        "category_id": 1,
        "bbox": bbox,
        "area": bbox[2] * bbox[3],
        "iscrowd": int(is_crowd),
    }


def numbered(annotations):
    return [{**each, "id": number} for number, each in enumerate(annotations, 1)]


def as_dataset(annotations, ids):
    """Return the same boxes as our code takes them."""
    boxes = [
        Box(each["image_id"], "bug", tuple(each["bbox"]), bool(each["iscrowd"]))
        for each in annotations
    ]
    return Dataset([Image(number, f"{number}.jpg") for number in ids], boxes, ["bug"])


def crowded_case(rng, n_images):
    """Return annotations and detections on a grid of tenths of a pixel, as published boxes are.

    Overlaps and scores tie, or meet a bound exactly. No corner is computed from the sides.
    """
    annotations, images, bboxes, scores = [], [], [], []
    for image in range(1, n_images + 1):
        n, k = rng.integers(0, 7, 2) * rng.choice([0, 1, 1, 3], 2)
        truth = boxes_on_grid(rng, n)
        bbox = boxes_on_grid(rng, k)
        annotations += [annotation(image, box, rng.random() < 0.2) for box in truth.tolist()]
        is_copy = np.zeros(k, bool)
        if n:
            is_copy = rng.random(k) < 0.4
        bbox[is_copy] = truth[rng.integers(0, max(n, 1), is_copy.sum())]
        images.append(np.full(k, image - 1))
        bboxes.append(bbox)
        scores.append(rng.integers(1, 9, k) / 10)
    detections = rank(np.concatenate(images), np.concatenate(bboxes), np.concatenate(scores))
    return numbered(annotations), detections


def boxes_on_grid(rng, n):
    return np.hstack([rng.integers(0, 12, (n, 2)) / 10 + 0.1, rng.integers(1, 15, (n, 2)) / 10])


def ap(annotations, detections, ids, limit):
    matches = match_all(detections, true_boxes(as_dataset(annotations, ids)), IOU_THRESHOLDS)
    return average_precision(matches, limit)(np.ones((1, len(ids)), int))[0]


def pycocotools_ap(annotations, detections, ids, limit):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": n} for n in ids],
            "annotations": annotations,
            "categories": [{"id": 1}],
        }
        truth.createIndex()
        rows = zip(detections.image, detections.bbox.tolist(), detections.scores.tolist())
        results = [
            {"image_id": ids[row], "category_id": 1, "bbox": box, "score": score}
            for row, box, score in rows
        ]
        run = COCOeval(truth, truth.loadRes(results), "bbox")
        run.params.maxDets = [limit]
        run.evaluate()
        run.accumulate()
    return run.eval["precision"][:, :, 0, 0, -1].mean(axis=1)


@pytest.mark.parametrize("seed", range(40))
def test_it_equals_pycocotools_with_crowds_ties_empties_and_more_than_100_boxes(seed):
    rng = np.random.default_rng(seed)
    annotations, predictions = random_case(rng, 6, 130 if seed % 8 == 0 else 8)
    ids = list(range(1, 7))
    detections = gather(predictions, ids)
    skip_without(annotations, detections)
    images_with_box = [box["image_id"] for box in annotations if not box["iscrowd"]]
    limit = max_detections(np.array([images_with_box.count(n) for n in ids]))
    assert_equals_pycocotools(annotations, detections, ids, limit)


def skip_without(annotations, detections):
    if all(box["iscrowd"] for box in annotations) or not len(detections.scores):
        pytest.skip("no true box or no detection in this case")


def assert_equals_pycocotools(annotations, detections, ids, limit):
    expected = pycocotools_ap(annotations, detections, ids, limit)
    values = ap(annotations, detections, ids, limit)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(200))
def test_it_equals_pycocotools_where_overlaps_and_scores_tie_or_meet_a_bound(seed):
    annotations, detections = crowded_case(np.random.default_rng(seed), 5)
    skip_without(annotations, detections)
    limit = int(np.random.default_rng(seed).choice([2, 100]))
    assert_equals_pycocotools(annotations, detections, list(range(1, 6)), limit)


@pytest.mark.parametrize("seed", range(20))
def test_a_resample_is_the_average_precision_of_the_images_drawn(seed):
    rng = np.random.default_rng(seed)
    annotations, predictions = random_case(rng, 6, 130 if seed % 8 == 0 else 8)
    # Scores are distinct: copies of one image tie only with themselves.
    predictions = [replace(each, scores=rng.random(len(each.scores))) for each in predictions]
    drawn = rng.integers(0, 4, 6)
    ids, copied_annotations, copied_predictions = [], [], []
    for image in range(1, 7):
        of_image = [box for box in annotations if box["image_id"] == image]
        for copy in range(drawn[image - 1]):
            ids.append(image * 10 + copy)
            copied_annotations += [{**box, "image_id": ids[-1]} for box in of_image]
            copied_predictions.append(replace(predictions[image - 1], image_id=ids[-1]))
    copied_detections = gather(copied_predictions, ids)
    skip_without(copied_annotations, copied_detections)
    truth = true_boxes(as_dataset(annotations, range(1, 7)))
    matches = match_all(gather(predictions, range(1, 7)), truth, IOU_THRESHOLDS)
    limit = max_detections(matches.n_truth)
    resampled = average_precision(matches, limit)(np.array([drawn, drawn]))
    expected = pycocotools_ap(numbered(copied_annotations), copied_detections, ids, limit)
    np.testing.assert_allclose(resampled[1], expected, atol=1e-9)


@pytest.mark.parametrize("pairs", [1, 7, 40, 10000])
def test_how_many_pairs_are_looked_at_at_once_changes_nothing(monkeypatch, pairs):
    annotations, predictions = random_case(np.random.default_rng(3), 30, 8)
    ids = [prediction.image_id for prediction in predictions]
    detections = gather(predictions, ids)
    truth = true_boxes(as_dataset(annotations, ids))
    expected = match_all(detections, truth, IOU_THRESHOLDS)
    monkeypatch.setattr(matching, "PAIRS_AT_ONCE", pairs)
    matches = match_all(detections, truth, IOU_THRESHOLDS)
    for column in fields(matches):
        np.testing.assert_array_equal(getattr(matches, column.name), getattr(expected, column.name))


def test_no_true_box_no_figure_and_no_detection_nought():
    truth = [annotation(1, [0, 0, 9, 9], False)]
    nothing = gather([], [1])
    box = gather([Prediction.in_view(1, 0, np.array([[0, 0, 9, 9]]), np.array([0.5]))], [1])
    cases = [(nothing, truth, 0), (box, [], np.nan), (nothing, [], np.nan), (box, truth, 1)]
    for detections, annotations, expected in cases:
        values = ap(annotations, detections, [1], 100)
        np.testing.assert_allclose(values, np.full(10, expected), rtol=0, atol=1e-9)


@pytest.mark.parametrize("most, limit", [(0, 100), (100, 100), (101, 1000), (1001, 10000)])
def test_detections_are_never_cut_below_the_true_boxes_of_an_image(most, limit):
    assert max_detections(np.array([3, most])) == limit
