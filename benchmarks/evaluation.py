"""COCO's average precision: entoflow's matching and accumulation against pycocotools' COCOeval, one core, same boxes.

Both start from what they are given in memory (ours a data set of images and boxes, pycocotools COCO's dictionaries) and arrays of detections. Each turns
these into what it wants (pycocotools: dictionaries and an index), matches at ten overlaps and accumulates; pycocotools is
asked for one area range and one limit, so that it does no more than is compared. An image has up to 20 true boxes and 20 to
100 detections, near a true box or anywhere.
"""

import contextlib
import io
import sys
import time

import numpy as np

from measuring import ROOT, Row, span

sys.path.insert(0, str(ROOT / "bin"))
LEAST_RATIO, CLOSE = 3, 1e-9


def ask(folder, full):
    n_images, repetitions = (5000, 3) if full else (40, 1)
    dataset, detections = world(np.random.default_rng(1), n_images)
    truth = as_dataset(dataset)
    seconds, values = {"ours": [], "peer": []}, {}
    for _ in range(repetitions):
        for name, measure, given in (("ours", ours, truth), ("peer", pycocotools, dataset)):
            start = time.perf_counter()
            values[name] = measure(given, detections)
            seconds[name].append(time.perf_counter() - start)
    ratio = np.median(seconds["peer"]) / np.median(seconds["ours"])
    apart = np.abs(values["ours"] - values["peer"]).max()
    question = (
        f"AP of {n_images:,} images, {len(dataset['annotations']):,} true boxes, "
        f"{len(detections.scores):,} detections, s, one core ({repetitions} runs each in turn; "
        f"AP {values['ours'].mean():.3f}, the two apart by {apart:.0e})"
    )
    yield Row(
        question,
        span(seconds["ours"], 2),
        f"{span(seconds['peer'], 2)} (pycocotools)",
        f"{ratio:.1f} times as fast",
        f">= {LEAST_RATIO}, apart <= {CLOSE:.0e}",
        bool(ratio >= LEAST_RATIO and apart <= CLOSE),
    )


def world(rng, n_images):
    """Return (COCO's data set as pycocotools takes it, Detections), made up."""
    from entoflow.detection.detections import rank

    ids, annotations, images, bbox = list(range(1, n_images + 1)), [], [], []
    for image in ids:
        n, k = rng.integers(0, 21), rng.integers(20, 101)
        truth = np.hstack([rng.uniform(0, 900, (n, 2)), rng.uniform(10, 100, (n, 2))]).round(3)
        annotations += [
            {
                "id": 0,
                "image_id": image,
                "category_id": 1,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": int(rng.random() < 0.02),
            }
            for box in truth.tolist()
        ]
        near = truth[rng.integers(0, n, k // 2 if n else 0)]
        near = near + rng.normal(0, 0.1, near.shape) * near[:, [2, 3, 2, 3]]
        images.append(np.full(k, image - 1))
        bbox += [
            near,
            np.hstack(
                [rng.uniform(0, 900, (k - len(near), 2)), rng.uniform(10, 100, (k - len(near), 2))]
            ),
        ]
    annotations = [{**box, "id": number} for number, box in enumerate(annotations, 1)]
    images, bbox = np.concatenate(images), np.maximum(np.concatenate(bbox), 0.5).round(3)
    content = {
        "images": [{"id": image} for image in ids],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "insect"}],
    }
    return content, rank(images, bbox, rng.uniform(0.001, 1, len(images)).round(6))


def as_dataset(content):
    """Return the same data set as a task has it in memory."""
    from entoflow.dataset import Box, Dataset, Image

    images = [Image(image["id"], f"{image['id']}.jpg") for image in content["images"]]
    boxes = [
        Box(box["image_id"], "insect", tuple(box["bbox"]), bool(box["iscrowd"]))
        for box in content["annotations"]
    ]
    return Dataset(images, boxes, ["insect"])


def ours(dataset, detections):
    """Return the AP at each of ten IoU thresholds."""
    from entoflow.detection.average_precision import IOU_THRESHOLDS, average_precision
    from entoflow.detection.matching import match_all
    from entoflow.detection.metrics import true_boxes

    matches = match_all(detections, true_boxes(dataset), IOU_THRESHOLDS)
    return average_precision(matches, 100)(np.ones((1, len(dataset.images)), int))[0]


def pycocotools(dataset, detections):
    """Return the AP at each of ten IoU thresholds."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rows = zip(detections.image.tolist(), detections.bbox.tolist(), detections.scores.tolist())
    results = [
        {"image_id": image + 1, "category_id": 1, "bbox": bbox, "score": score}
        for image, bbox, score in rows
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = dataset
        known.createIndex()
        engine = COCOeval(known, known.loadRes(results), "bbox")
        engine.params.maxDets, engine.params.areaRng, engine.params.areaRngLbl = (
            [100],
            [[0, 1e10]],
            ["all"],
        )
        engine.evaluate()
        engine.accumulate()
    return engine.eval["precision"][:, :, 0, 0, 0].mean(axis=1)
