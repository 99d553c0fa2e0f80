"""COCO's average precision of matched detections, and of any resample of their images."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from entoflow.detection.matching import IGNORED, TRUE, Matches

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class _Places:
    """Where the true and the ignored detections are at one IoU threshold, in the order of falling
    scores.
    """

    true: np.ndarray  # (t,)
    ignored: np.ndarray  # (i,)
    n_ignored_before: np.ndarray  # (t,) number of ignored detections before each true one


def max_detections(n_truth: np.ndarray) -> int:
    """Return how many detections of an image count: COCO's 100, or ten times that where images hold
    more true boxes.
    """
    limit = 100
    while limit < max(n_truth, default=0):
        limit *= 10
    return limit


def average_precision(matches: Matches, limit: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return f(weights): AP at each IoU threshold (b x T, NaN if no truth) for images counted
    weights times (b x images).

    Where all weights are 1 it is COCO's figure, to the last digit or two. limit: how many
    detections of an image count. Precision can only peak where a true detection comes in, so the
    curve is looked at there alone; that makes a thousand resamples a matter of seconds.
    """
    counts = matches.rank < limit
    image = matches.image[counts]
    places_of_threshold = [_find_places(outcome[counts]) for outcome in matches.outcome]

    def statistic(weights: np.ndarray) -> np.ndarray:
        n_detections = np.cumsum(weights[:, image], axis=1, dtype=np.int32)
        n_truth = weights @ matches.n_truth
        needed = _needed_true_detections(n_truth)
        columns = [
            _at_one_threshold(weights, image, n_detections, needed, places)
            for places in places_of_threshold
        ]
        return np.where(n_truth[:, None] > 0, np.stack(columns, axis=1), np.nan)

    return statistic


def _find_places(outcome: np.ndarray) -> _Places:
    true = np.flatnonzero(outcome == TRUE)
    ignored = np.flatnonzero(outcome == IGNORED)
    return _Places(true, ignored, np.searchsorted(ignored, true))


def _at_one_threshold(
    weights: np.ndarray,
    image: np.ndarray,
    n_detections: np.ndarray,
    needed: np.ndarray,
    places: _Places,
) -> np.ndarray:
    """Return AP (b) at one IoU threshold.

    n_detections: b x n, all down to each detection; needed: b x 101.
    """
    if not places.true.size:
        return np.zeros(len(weights))
    n_true = np.cumsum(weights[:, image[places.true]], axis=1, dtype=np.int32)
    n_counted = n_detections[:, places.true]
    if places.ignored.size:
        n_ignored = np.cumsum(weights[:, image[places.ignored]], axis=1, dtype=np.int32)
        n_counted = n_counted - np.pad(n_ignored, ((0, 0), (1, 0)))[:, places.n_ignored_before]
    precision = n_true / (n_counted + np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    first = _first_at_least(n_true, needed)
    at_recalls = np.take_along_axis(np.pad(envelope, ((0, 0), (0, 1))), first, axis=1)
    return at_recalls.mean(axis=1)


def _needed_true_detections(n_truth: np.ndarray) -> np.ndarray:
    """Return how many true detections reach each recall (b x 101), by the comparison of floats that
    COCO makes.
    """
    at_least_one = np.maximum(n_truth, 1)[:, None]
    needed = np.ceil(RECALLS * at_least_one)
    needed -= (needed - 1) / at_least_one >= RECALLS
    needed += needed / at_least_one < RECALLS
    return needed


def _first_at_least(rising: np.ndarray, needed: np.ndarray) -> np.ndarray:
    """Return, row by row, the first column of rising (b x k) with at least the needed value (b x
    r); k where none.
    """
    step = (
        max(rising[:, -1].max(), needed.max()) + 1
    )  # lifts each row above the last: one search for all
    rows = np.arange(len(rising))[:, None]
    first = np.searchsorted((rising + rows * step).ravel(), (needed + rows * step).ravel())
    return first.reshape(needed.shape) - rows * rising.shape[1]
