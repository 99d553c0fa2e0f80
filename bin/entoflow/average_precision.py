"""COCO's average precision: the figure itself by faster-coco-eval, its resamples by numpy."""
import contextlib
import io

import numpy as np

from entoflow.matching import IGNORED, TRUE

OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
IMAGES_AT_ONCE = 500


def max_detections(n_truth):
    """Return how many detections of an image count: COCO's 100, or ten times that where images hold more true boxes."""
    limit = 100
    while limit < max(n_truth, default=0):
        limit *= 10
    return limit


def coco_average_precision(annotations, detections, ids, limit):
    """Return AP at each of OVERLAPS (10), as COCO defines it, by faster-coco-eval; NaN without true boxes.

    annotations: COCO's, of one class; detections: Detections; ids: sorted image ids; limit: detections an image.
    The engine takes dictionaries, so it is fed some images at a time and keeps only their matches.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        engine, judged = None, []
        for start in range(0, len(ids), IMAGES_AT_ONCE):
            engine = _engine(annotations, detections, ids, range(start, min(start + IMAGES_AT_ONCE, len(ids))), limit)
            engine.evaluate()
            judged += engine._evalImgs_cpp
        engine._evalImgs_cpp, engine._paramsEval.imgIds = judged, list(ids)
        engine.accumulate()
    precision = engine.eval["precision"][:, :, 0, 0, 0]
    return np.where((precision > -1).all(axis=1), precision.mean(axis=1), np.nan)


def _engine(annotations, detections, ids, rows, limit):
    from faster_coco_eval import COCO, COCOeval_faster

    images = [{"id": ids[row]} for row in rows]
    chosen = {image["id"] for image in images}
    boxes = [{**box, "id": n, "category_id": 1} for n, box in enumerate(annotations, 1) if box["image_id"] in chosen]
    truth = COCO({"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "insect"}]})
    start, end = np.searchsorted(detections.image, [rows[0], rows[-1] + 1])
    results = [{"image_id": ids[image], "category_id": 1, "bbox": bbox, "score": score} for image, bbox, score in zip(
        detections.image[start:end].tolist(), detections.bbox[start:end].tolist(), detections.scores[start:end].tolist())]
    engine = COCOeval_faster(truth, truth.loadRes(results), "bbox", separate_eval=True)
    engine.params.maxDets, engine.params.areaRng, engine.params.areaRngLbl = [limit], [[0, 1e10]], ["all"]
    return engine


def resampled_average_precision(matches, limit):
    """Return f(weights): AP at each overlap (b x T, NaN if no truth) for images counted weights times (b x images).

    The same figure as coco_average_precision where all weights are 1. Precision can only peak where a true detection
    comes in, so the curve is looked at there alone; that makes a thousand resamples a matter of seconds.
    """
    kept = matches.rank < limit
    image, places = matches.image[kept], [_places(outcome[kept]) for outcome in matches.outcome]

    def statistic(weights):
        seen = np.cumsum(weights[:, image], axis=1, dtype=np.int32)
        n_truth = weights @ matches.n_truth
        needed = _needed(n_truth)
        columns = [_one_overlap(weights, image, seen, needed, place) for place in places]
        return np.where(n_truth[:, None] > 0, np.stack(columns, axis=1), np.nan)

    return statistic


def _places(outcome):
    """Return where the true and the ignored detections are, and how many ignored ones precede each true one."""
    true, ignored = np.flatnonzero(outcome == TRUE), np.flatnonzero(outcome == IGNORED)
    return true, ignored, np.searchsorted(ignored, true)


def _one_overlap(weights, image, seen, needed, places):
    at, ignored, before = places
    if not at.size:
        return np.zeros(len(weights))
    true, counted = np.cumsum(weights[:, image[at]], axis=1, dtype=np.int32), seen[:, at]
    if ignored.size:
        dropped = np.cumsum(weights[:, image[ignored]], axis=1, dtype=np.int32)
        counted = counted - np.pad(dropped, ((0, 0), (1, 0)))[:, before]
    precision = true / (counted + np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    first = _first_at_least(true, needed)
    return np.take_along_axis(np.pad(envelope, ((0, 0), (0, 1))), first, axis=1).mean(axis=1)


def _needed(n_truth):
    """Return how many true detections reach each recall (b x 101), by the comparison of floats that COCO makes."""
    n_truth = np.maximum(n_truth, 1)[:, None]
    needed = np.ceil(RECALLS * n_truth)
    needed -= (needed - 1) / n_truth >= RECALLS
    needed += needed / n_truth < RECALLS
    return needed


def _first_at_least(rising, needed):
    """Return, row by row, the first column of rising (b x k) with at least the needed value (b x r); k where none."""
    step = max(rising[:, -1].max(), needed.max()) + 1
    rows = np.arange(len(rising))[:, None]
    first = np.searchsorted((rising + rows * step).ravel(), (needed + rows * step).ravel())
    return first.reshape(needed.shape) - rows * rising.shape[1]
