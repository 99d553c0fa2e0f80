"""Which detections are right: COCO's matching, done once per image and then counted as often as needed.

The outcome of a detection is TRUE (it finds a true box), FALSE (a false alarm) or IGNORED (it lies in an ignore region,
COCO's crowd, and counts neither way).
"""
from typing import NamedTuple

import numpy as np

from entoflow.boxes import ioa, iou, to_xyxy

TRUE, FALSE, IGNORED = 1, 0, -1
NO_BOX, IN_IGNORE_REGION = -1, -2


class Matches(NamedTuple):
    """The N detections of many images, best score first, judged at T overlaps."""

    image: np.ndarray  # N rows in the list of images
    rank: np.ndarray  # N: 0 for the best detection of its image
    scores: np.ndarray  # N
    outcome: np.ndarray  # T x N of TRUE, FALSE, IGNORED
    n_truth: np.ndarray  # true boxes of each image, ignore regions not counted


def match(boxes, truth, crowd, overlaps):
    """Return which true box each detection finds at each least overlap: its row, NO_BOX or IN_IGNORE_REGION (T x n).

    As COCO does: best detection first, each takes the free true box that it overlaps most (of equals, the last). One
    that finds none is ignored if enough of it lies in an ignore region, which takes any number.
    boxes: n x 4, best first; truth: m x 4; crowd: m bool, true for an ignore region; overlaps: T, above 0 to 1.
    """
    least = np.minimum(np.asarray(overlaps, float), 1 - 1e-10)
    found = np.full((len(least), len(boxes)), NO_BOX)
    if crowd.any():
        found[ioa(boxes, truth[crowd]).max(axis=1) >= least[:, None]] = IN_IGNORE_REGION
    plain = np.flatnonzero(~crowd)
    overlap = iou(boxes, truth[plain])
    free, every = np.ones((len(least), len(plain)), bool), np.arange(len(least))
    for n in np.flatnonzero((overlap >= least.min()).any(axis=1)):
        open_to_it = np.where(free, overlap[n], -1)
        best = len(plain) - 1 - open_to_it[:, ::-1].argmax(axis=1)
        hit = open_to_it[every, best] >= least
        free[every[hit], best[hit]] = False
        found[hit, n] = plain[best[hit]]
    return found


def match_all(detections, truth, overlaps):
    """Return the Matches of Detections with the true boxes of the images: [(m x 4 boxes, m crowd)], in their order."""
    n = len(detections.scores)
    outcome, rank = np.full((len(overlaps), n), FALSE, np.int8), np.zeros(n, int)
    ends = np.searchsorted(detections.image, np.arange(len(truth) + 1))
    boxes = to_xyxy(detections.bbox)
    for start, end, (true_boxes, crowd) in zip(ends, ends[1:], truth):
        rank[start:end] = np.arange(end - start)
        if end > start and len(true_boxes):
            found = match(boxes[start:end], true_boxes, crowd, overlaps)
            outcome[:, start:end][found >= 0] = TRUE
            outcome[:, start:end][found == IN_IGNORE_REGION] = IGNORED
    order = np.argsort(-detections.scores, kind="stable")
    n_truth = np.array([np.count_nonzero(~crowd) for _, crowd in truth], int)
    return Matches(detections.image[order], rank[order], detections.scores[order], outcome[:, order], n_truth)


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
