"""COCO's average precision against pycocotools."""
import contextlib
import io

import numpy as np
import pytest
from entoflow.average_precision import IMAGES_AT_ONCE, OVERLAPS, coco_average_precision, max_detections, resampled_average_precision
from entoflow.boxes import to_xyxy
from entoflow.detections import gather
from entoflow.matching import match_all


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
        run.params.maxDets = [1, 10, limit]
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
    np.testing.assert_allclose(coco_average_precision(annotations, found, ids, limit), pycocotools_ap(annotations, found, ids, limit), atol=1e-9)


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
    matches = match_all(gather(predictions, range(1, 7)), true_boxes(annotations, 6), OVERLAPS)
    limit = max_detections(matches.n_truth)
    resampled = resampled_average_precision(matches, limit)(np.array([drawn, drawn]))
    if len(found.scores):
        np.testing.assert_allclose(resampled[1], pycocotools_ap(copied, found, ids, limit), atol=1e-9)


def test_a_set_larger_than_the_engine_is_fed_at_once_equals_pycocotools():
    annotations, predictions = random_case(np.random.default_rng(3), 2 * IMAGES_AT_ONCE + 7, 4)
    ids = [row[0] for row in predictions]
    found = gather(predictions, ids)
    np.testing.assert_allclose(coco_average_precision(annotations, found, ids, 100), pycocotools_ap(annotations, found, ids, 100), atol=1e-9)


def test_no_true_box_no_figure_and_no_detection_nought():
    truth = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}]
    nothing, something = gather([], [1]), gather([(1, 0, np.array([[0, 0, 9, 9]]), np.array([0.5]))], [1])
    assert coco_average_precision(truth, nothing, [1], 100).tolist() == [0] * 10
    assert np.isnan(coco_average_precision([], something, [1], 100)).all()
    for found, annotations, expected in ((nothing, truth, 0), (something, [], np.nan), (something, truth, 1)):
        matches = match_all(found, true_boxes(annotations, 1), OVERLAPS)
        np.testing.assert_allclose(resampled_average_precision(matches, 100)(np.ones((1, 1), int)), np.full((1, 10), expected))


@pytest.mark.parametrize("most, limit", [(0, 100), (100, 100), (101, 1000), (1001, 10000)])
def test_detections_are_never_cut_below_the_true_boxes_of_an_image(most, limit):
    assert max_detections(np.array([3, most])) == limit


def true_boxes(annotations, n_images):
    of_image = [[box for box in annotations if box["image_id"] == n] for n in range(1, n_images + 1)]
    return [(to_xyxy([box["bbox"] for box in boxes]), np.array([box["iscrowd"] for box in boxes], bool)) for boxes in of_image]
