"""COCO's average precision of matched detections, and of any resample of their images."""
import numpy as np

from entoflow.detection.matching import IGNORED, TRUE

OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)


def max_detections(n_truth):
    """Return how many detections of an image count: COCO's 100, or ten times that where images hold more true boxes."""
    limit = 100
    while limit < max(n_truth, default=0):
        limit *= 10
    return limit


def average_precision(matches, limit):
    """Return f(weights): AP at each overlap (b x T, NaN if no truth) for images counted weights times (b x images).

    Where all weights are 1 it is COCO's figure, to the last digit or two. limit: how many detections of an image count.
    Precision can only peak where a true detection comes in, so the curve is looked at there alone; that makes a thousand
    resamples a matter of seconds.
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
