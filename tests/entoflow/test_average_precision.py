"""COCO's average precision against pycocotools."""
import contextlib
import io

import numpy as np
import pytest
from entoflow.average_precision import coco_average_precision, max_detections
from entoflow.detections import gather


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
