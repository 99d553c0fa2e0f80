"""Which detections are right: COCO's matching, done once for all images and then counted as often as needed.

The outcome of a detection is TRUE (it finds a true box), FALSE (a false alarm) or IGNORED (it lies in an ignore region,
COCO's crowd, and counts neither way).
"""
from typing import NamedTuple

import numpy as np

from entoflow.boxes import ioa, iou

TRUE, FALSE, IGNORED = 1, 0, -1
NO_BOX, IN_IGNORE_REGION = -1, -2
PAIRS_AT_ONCE = 100_000  # of a detection and a true box of its image: some 10 MB of arrays


class Truth(NamedTuple):
    """The M true boxes of many images, by image."""

    image: np.ndarray  # M rows in the list of images, rising
    bbox: np.ndarray  # M x 4, COCO's x, y, width, height in pixels
    crowd: np.ndarray  # M, true for an ignore region
    n_images: int


class Matches(NamedTuple):
    """The N detections of many images, best score first, judged at T overlaps."""

    image: np.ndarray  # N rows in the list of images
    rank: np.ndarray  # N: 0 for the best detection of its image
    scores: np.ndarray  # N
    outcome: np.ndarray  # T x N of TRUE, FALSE, IGNORED
    n_truth: np.ndarray  # true boxes of each image, ignore regions not counted
    row: np.ndarray  # N rows in the Detections
    nearest: np.ndarray  # N: the true box (of M) that it overlaps most, of equals the first; NO_BOX where it overlaps none
    overlap: np.ndarray  # N: its IoU with that box, 0 where there is none
    finder: np.ndarray  # M: the detection (of N) that finds the true box at the first overlap, or -1


def match(boxes, truth, crowd, overlaps):
    """Return which true box each detection finds at each least overlap: its row, NO_BOX or IN_IGNORE_REGION (T x n).

    As COCO does: best detection first, each takes the free true box that it overlaps most (of equals, the last). One
    that finds none is ignored if enough of it lies in an ignore region, which takes any number.
    boxes: n x 4, best first; truth: m x 4; crowd: m bool, true for an ignore region; overlaps: T, rising, above 0 to 1.
    """
    least = _least(overlaps)
    found = np.full((len(least), len(boxes)), NO_BOX)
    if crowd.any():
        found[ioa(boxes, truth[crowd]).max(axis=1) >= least[:, None]] = IN_IGNORE_REGION
    plain = np.flatnonzero(~crowd)
    overlap = iou(boxes, truth[plain])
    at, box = np.nonzero(overlap >= least[0])
    for n, k, first, end in _take(at, box, overlap[at, box], least, [0] * len(plain)):
        found[first:end, n] = plain[k]
    return found


def match_all(detections, truth, overlaps):
    """Return the Matches of Detections with the Truth of the same images, found as match does it at overlaps (T, rising)."""
    n, least = len(detections.scores), _least(overlaps)
    outcome = np.full((len(least), n), FALSE, np.int8)
    nearest, overlap = np.full(n, NO_BOX), np.zeros(n)
    finder, free = np.full(len(truth.image), -1), [0] * len(truth.image)
    for at, box, shared in _pairs(detections, truth):
        ignored = truth.crowd[box] & (shared >= least[0])
        for level, limit in enumerate(least):
            outcome[level, at[ignored & (shared >= limit)]] = IGNORED
        plain = ~truth.crowd[box] & (shared > 0)
        at, box, shared = at[plain], box[plain], shared[plain]
        np.maximum.at(overlap, at, shared)
        most = np.flatnonzero(shared == overlap[at])[::-1]  # the first of equals is written last
        nearest[at[most]] = box[most]
        close = shared >= least[0]
        for k, j, first, end in _take(at[close], box[close], shared[close], least, free):
            outcome[first:end, k] = TRUE
            if first == 0:
                finder[j] = k
    order = np.argsort(-detections.scores, kind="stable")
    place = np.empty(n + 1, int)
    place[order], place[-1] = np.arange(n), -1
    rank = np.arange(n) - np.searchsorted(detections.image, detections.image)
    n_truth = np.bincount(truth.image[~truth.crowd], minlength=truth.n_images)
    return Matches(detections.image[order], rank[order], detections.scores[order], outcome[:, order], n_truth, order,
                   nearest[order], overlap[order], place[finder])


def _least(overlaps):
    """COCO lets a box overlap a little less than 1 where 1 is asked for."""
    return np.minimum(np.asarray(overlaps, float), 1 - 1e-10)


def _pairs(detections, truth):
    """Yield (detections, true boxes, overlaps) of all pairs within an image, by detection: arrays of PAIRS_AT_ONCE or so.

    The overlap is the IoU, with an ignore region the share of the detection in it. As in COCO's own code areas are
    products of the sides given: the difference of the corners is another number in its last digit.
    """
    starts = np.searchsorted(truth.image, np.arange(truth.n_images + 1))
    partners = np.diff(starts)[detections.image]
    pairs_before = np.append(0, np.cumsum(partners))
    cuts = np.searchsorted(pairs_before[:-1], np.arange(0, pairs_before[-1] + PAIRS_AT_ONCE, PAIRS_AT_ONCE))
    own, true = _columns(detections.bbox), _columns(truth.bbox)
    for first, end in zip(cuts, cuts[1:]):
        at = np.repeat(np.arange(first, end), partners[first:end])
        box = np.arange(len(at)) - np.repeat(pairs_before[first:end] - pairs_before[first] - starts[detections.image[first:end]], partners[first:end])
        (x1, y1, x2, y2, area), (tx1, ty1, tx2, ty2, true_area) = ([column[k] for column in sides] for sides, k in ((own, at), (true, box)))
        width = np.minimum(x2, tx2) - np.maximum(x1, tx1)
        height = np.minimum(y2, ty2) - np.maximum(y1, ty1)
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        whole = np.where(truth.crowd[box], area, area + true_area - shared)
        yield at, box, np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)


def _columns(bbox):
    x, y, width, height = bbox.T
    return x, y, x + width, y + height, width * height


def _take(at, box, overlap, least, free):
    """Return [(detection, true box, first, end)]: which takes which, at the levels of least from first up to end.

    at, box, overlap: pairs that overlap by least[0] or more, by detection, best first. free: for each true box the level
    from which it is free, moved on in place. One number is enough: a detection that takes a box at some level would take
    it, or one that it overlaps more, at any lower one, so the levels at which a box is taken are always the lowest ones.
    """
    order = np.lexsort((-box, -overlap, at))
    levels = np.searchsorted(least, overlap[order], side="right")
    taken, before, below = [], -1, 0
    for n, k, level in zip(at[order].tolist(), box[order].tolist(), levels.tolist()):
        if n != before:
            before, below = n, len(least)
        first, end = free[k], min(level, below)
        if first < end:
            taken.append((n, k, first, end))
            free[k] = end
        below = min(below, first)
    return taken


def operating_points(scores, outcome):
    """Return (thresholds, true, false): every distinct score, falling, and the TRUE and FALSE detections from it up."""
    order = np.argsort(-np.asarray(scores, float), kind="stable")
    scores, outcome = np.asarray(scores, float)[order], np.asarray(outcome, int)[order]
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True)[:len(scores)])
    return scores[last], np.cumsum(outcome == TRUE)[last], np.cumsum(outcome == FALSE)[last]


def f_score(true, false, n_truth, beta=1):
    """Return F_beta, (1 + beta^2) PR / (beta^2 P + R); below 1 beta favours precision. 0 where nothing is right."""
    share = (1 + beta**2) * np.asarray(true, float)
    whole = true + false + beta**2 * n_truth
    return np.divide(share, whole, out=np.zeros_like(share), where=np.asarray(whole) > 0)


def best_threshold(scores, outcome, n_truth, beta):
    """Return (threshold, F_beta): of the thresholds with the best F_beta the highest; detections count from it up.

    scores: n; outcome: n of TRUE, FALSE, IGNORED (or booleans). Where no detection is right: (1.0, 0.0).
    """
    thresholds, true, false = operating_points(scores, outcome)
    f = f_score(true, false, n_truth, beta)
    if not f.any():
        return 1.0, 0.0
    return float(thresholds[f.argmax()]), float(f.max())
