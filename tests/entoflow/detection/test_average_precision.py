"""COCO's average precision against pycocotools."""
import contextlib
import io

import numpy as np
import pytest

from entoflow.detection import matching
from entoflow.detection.average_precision import OVERLAPS, average_precision, max_detections
from entoflow.detection.detections import gather, ranked
from entoflow.detection.matching import match_all
from entoflow.detection.metrics import true_boxes


def random_case(rng, n_images, most):
    annotations, predictions = [], []
    for image in range(1, n_images + 1):
        n, k = int(rng.integers(0, most)), int(rng.integers(0, 2 * most))
        truth = np.hstack([rng.uniform(0, 80, (n, 2)), rng.uniform(1, 30, (n, 2))])
        for x, y, w, h in truth.tolist():
            annotations.append({"id": len(annotations) + 1, "image_id": image, "category_id": 1, "bbox": [x, y, w, h], "area": w * h,
                                "iscrowd": int(rng.random() < 0.15)})
        near = truth[rng.integers(0, n, k)] + rng.normal(0, 2, (k, 4)) if n else np.hstack([rng.uniform(0, 80, (k, 2)), np.ones((k, 2)) * 9])
        near[:, 2:] = np.maximum(near[:, 2:], 1)
        scores = rng.choice([0.1, 0.3, 0.3, 0.5, 0.9], k) if rng.random() < 0.5 else rng.random(k)
        predictions.append((image, 0, np.hstack([near[:, :2], near[:, :2] + near[:, 2:]]), scores))
    return annotations, predictions


def crowded_case(rng, n_images):
    """Boxes on a grid of tenths of a pixel, as published boxes are: overlaps and scores that tie, or meet a bound exactly."""
    annotations, predictions = [], []
    for image in range(1, n_images + 1):
        n, k = rng.integers(0, 7, 2) * rng.choice([0, 1, 1, 3], 2)
        truth, found = (np.hstack([rng.integers(0, 12, (m, 2)) / 10 + 0.1, rng.integers(1, 15, (m, 2)) / 10]) for m in (n, k))
        for bbox in truth.tolist():
            annotations.append({"id": len(annotations) + 1, "image_id": image, "category_id": 1, "bbox": bbox, "area": bbox[2] * bbox[3],
                                "iscrowd": int(rng.random() < 0.2)})
        copied = rng.random(k) < 0.4 if n else np.zeros(k, bool)
        found[copied] = truth[rng.integers(0, max(n, 1), copied.sum())]
        predictions.append((image, found, rng.integers(1, 9, k) / 10))
    return annotations, predictions


def as_given(predictions, ids):
    """Return the Detections of (image id, COCO boxes, scores): no corner is computed from their sides."""
    rows = np.repeat([ids.index(row[0]) for row in predictions], [len(row[2]) for row in predictions])
    return ranked(rows, np.concatenate([row[1] for row in predictions]), np.concatenate([row[2] for row in predictions]))


def ap(annotations, found, ids, limit):
    matches = match_all(found, true_boxes({"annotations": annotations}, ids), OVERLAPS)
    return average_precision(matches, limit)(np.ones((1, len(ids)), int))[0]


def pycocotools_ap(annotations, found, ids, limit):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": [{"id": n} for n in ids], "annotations": annotations, "categories": [{"id": 1}]}
        truth.createIndex()
        results = [{"image_id": ids[row], "category_id": 1, "bbox": box, "score": score}
                   for row, box, score in zip(found.image, found.bbox.tolist(), found.scores.tolist())]
        run = COCOeval(truth, truth.loadRes(results), "bbox")
        run.params.maxDets = [limit]
        run.evaluate()
        run.accumulate()
    return run.eval["precision"][:, :, 0, 0, -1].mean(axis=1)


@pytest.mark.parametrize("seed", range(40))
def test_it_equals_pycocotools_with_crowds_ties_empties_and_more_than_100_boxes(seed):
    rng = np.random.default_rng(seed)
    annotations, predictions = random_case(rng, 6, 130 if seed % 8 == 0 else 8)
    if not any(box["iscrowd"] == 0 for box in annotations) or not sum(len(row[3]) for row in predictions):
        pytest.skip("no true box or no detection in this case")
    ids = list(range(1, 7))
    found = gather(predictions, ids)
    counts = np.array([sum(box["image_id"] == n and not box["iscrowd"] for box in annotations) for n in ids])
    limit = max_detections(counts)
    np.testing.assert_allclose(ap(annotations, found, ids, limit), pycocotools_ap(annotations, found, ids, limit), rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(200))
def test_it_equals_pycocotools_where_overlaps_and_scores_tie_or_meet_a_bound(seed):
    annotations, predictions = crowded_case(np.random.default_rng(seed), 5)
    ids = list(range(1, 6))
    found = as_given(predictions, ids)
    if not any(box["iscrowd"] == 0 for box in annotations) or not len(found.scores):
        pytest.skip("no true box or no detection in this case")
    limit = int(np.random.default_rng(seed).choice([2, 100]))
    np.testing.assert_allclose(ap(annotations, found, ids, limit), pycocotools_ap(annotations, found, ids, limit), rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_a_resample_is_the_average_precision_of_the_images_drawn(seed):
    rng = np.random.default_rng(seed)
    annotations, predictions = random_case(rng, 6, 130 if seed % 8 == 0 else 8)
    predictions = [(*row[:3], rng.random(len(row[3]))) for row in predictions]  # copies of one image tie only with themselves
    drawn = rng.integers(0, 4, 6)
    ids = [n * 10 + copy for n in range(1, 7) for copy in range(drawn[n - 1])]
    if not any(not box["iscrowd"] and drawn[box["image_id"] - 1] for box in annotations):
        pytest.skip("no true box in this case")
    copied = [{**box, "image_id": n} for n in ids for box in annotations if box["image_id"] == n // 10]
    copied = [{**box, "id": k} for k, box in enumerate(copied, 1)]
    found = gather([(n, *predictions[n // 10 - 1][1:]) for n in ids], ids)
    matches = match_all(gather(predictions, range(1, 7)), true_boxes({"annotations": annotations}, range(1, 7)), OVERLAPS)
    limit = max_detections(matches.n_truth)
    resampled = average_precision(matches, limit)(np.array([drawn, drawn]))
    if len(found.scores):
        np.testing.assert_allclose(resampled[1], pycocotools_ap(copied, found, ids, limit), atol=1e-9)


@pytest.mark.parametrize("pairs", [1, 7, 40, 10000])
def test_how_many_pairs_are_looked_at_at_once_changes_nothing(monkeypatch, pairs):
    annotations, predictions = random_case(np.random.default_rng(3), 30, 8)
    ids = [row[0] for row in predictions]
    found, truth = gather(predictions, ids), true_boxes({"annotations": annotations}, ids)
    expected = match_all(found, truth, OVERLAPS)
    monkeypatch.setattr(matching, "PAIRS_AT_ONCE", pairs)
    for column, other in zip(match_all(found, truth, OVERLAPS), expected):
        np.testing.assert_array_equal(column, other)


def test_no_true_box_no_figure_and_no_detection_nought():
    truth = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}]
    nothing, something = gather([], [1]), gather([(1, 0, np.array([[0, 0, 9, 9]]), np.array([0.5]))], [1])
    for found, annotations, expected in ((nothing, truth, 0), (something, [], np.nan), (nothing, [], np.nan), (something, truth, 1)):
        np.testing.assert_allclose(ap(annotations, found, [1], 100), np.full(10, expected), rtol=0, atol=1e-9)


@pytest.mark.parametrize("most, limit", [(0, 100), (100, 100), (101, 1000), (1001, 10000)])
def test_detections_are_never_cut_below_the_true_boxes_of_an_image(most, limit):
    assert max_detections(np.array([3, most])) == limit
