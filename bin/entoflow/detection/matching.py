"""Which detections are right: COCO's matching, done once for all images and then counted as often
as needed.

The outcome of a detection is TRUE (it finds a true box), FALSE (a false alarm) or IGNORED (it lies
in an ignore region, COCO's crowd, and counts neither way).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from entoflow.boxes import ioa, iou
from entoflow.detection.detections import Detections

TRUE, FALSE, IGNORED = 1, 0, -1
NO_BOX, IN_IGNORE_REGION = -1, -2
NO_DETECTION = -1
PAIRS_AT_ONCE = 100_000  # of a detection and a true box of its image: some 10 MB of arrays


@dataclass(frozen=True)
class Truth:
    """The M true boxes of many images, by image."""

    image: np.ndarray  # (M,) rows in the list of images, rising
    bbox: np.ndarray  # (M, 4) COCO's x, y, width, height in pixels
    crowd: np.ndarray  # (M,) bool, true for an ignore region
    n_images: int


@dataclass(frozen=True)
class Matches:
    """The N detections on many images, best first, with their outcomes at T IoU thresholds."""

    image: np.ndarray  # (N,) rows in the list of images
    rank: np.ndarray  # (N,) 0 for the best detection of its image
    scores: np.ndarray  # (N,)
    outcome: np.ndarray  # (T, N) of TRUE, FALSE, IGNORED
    n_truth: np.ndarray  # (images,) true boxes of each image, ignore regions not counted
    row: np.ndarray  # (N,) rows in the Detections
    nearest: (
        np.ndarray
    )  # (N,) the true box that it overlaps most, of equals the first; NO_BOX where it overlaps none
    overlap: np.ndarray  # (N,) its IoU with that box, 0 where there is none
    finder: (
        np.ndarray
    )  # (M,) the detection (of N) that finds the true box at the first threshold, or NO_DETECTION


@dataclass(frozen=True)
class _Pairs:
    """P pairs of a detection and a true box of its image, by detection."""

    detection: np.ndarray  # (P,)
    box: np.ndarray  # (P,)
    overlap: (
        np.ndarray
    )  # (P,) IoU; with an ignore region, the share of the detection that lies in it

    def select(self, chosen: np.ndarray) -> "_Pairs":
        return _Pairs(self.detection[chosen], self.box[chosen], self.overlap[chosen])


def match(
    boxes: np.ndarray, truth: np.ndarray, crowd: np.ndarray, iou_thresholds: Sequence[float]
) -> np.ndarray:
    """Return which true box each detection finds at each IoU threshold: its row, NO_BOX or
    IN_IGNORE_REGION (T x n).

    As COCO does: best detection first, each takes the free true box that it overlaps most (of
    equals, the last). One that finds none is ignored if enough of it lies in an ignore region,
    which takes any number. boxes: n x 4, best first; truth: m x 4; crowd: m bool, true for an
    ignore region; iou_thresholds: T, rising, above 0 to 1.
    """
    thresholds = _limited(iou_thresholds)
    matches = np.full((len(thresholds), len(boxes)), NO_BOX)
    if crowd.any():
        share_ignored = ioa(boxes, truth[crowd]).max(axis=1)
        matches[share_ignored >= thresholds[:, None]] = IN_IGNORE_REGION
    plain = np.flatnonzero(~crowd)
    overlap = iou(boxes, truth[plain])
    detection, box = np.nonzero(overlap >= thresholds[0])
    close = _Pairs(detection, box, overlap[detection, box])
    for n, k, first, end in _take_boxes(close, thresholds, [0] * len(plain)):
        matches[first:end, n] = plain[k]
    return matches


def match_all(detections: Detections, truth: Truth, iou_thresholds: ArrayLike) -> Matches:
    """Return the matches of detections with the truth of the same images, as match() defines them.

    iou_thresholds: T, rising.
    """
    n = len(detections.scores)
    thresholds = _limited(iou_thresholds)
    outcome = np.full((len(thresholds), n), FALSE, np.int8)
    nearest = np.full(n, NO_BOX)
    overlap = np.zeros(n)
    finder = np.full(len(truth.image), NO_DETECTION)
    free_from = [0] * len(truth.image)
    for pairs in _pairs_within_images(detections, truth):
        _ignore_in_crowds(outcome, pairs, truth, thresholds)
        overlapping = pairs.select(~truth.crowd[pairs.box] & (pairs.overlap > 0))
        _note_nearest(nearest, overlap, overlapping)
        close = overlapping.select(overlapping.overlap >= thresholds[0])
        for detection, box, first, end in _take_boxes(close, thresholds, free_from):
            outcome[first:end, detection] = TRUE
            if first == 0:
                finder[box] = detection
    return _best_first(detections, truth, outcome, nearest, overlap, finder)


def operating_points(
    scores: ArrayLike, outcome: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (thresholds, true, false): every distinct score, falling, and the TRUE and FALSE
    detections from it up.
    """
    order = np.argsort(-np.asarray(scores, float), kind="stable")
    falling = np.asarray(scores, float)[order]
    outcomes = np.asarray(outcome, int)[order]
    last = last_of_each_score(falling)
    return falling[last], np.cumsum(outcomes == TRUE)[last], np.cumsum(outcomes == FALSE)[last]


def last_of_each_score(falling: np.ndarray) -> np.ndarray:
    """Return the last row of each distinct score; falling: n scores, best first."""
    differs_from_next = np.append(np.diff(falling) != 0, True)[: len(falling)]
    return np.flatnonzero(differs_from_next)


def f_score(true: ArrayLike, false: ArrayLike, n_truth: ArrayLike, beta: float = 1) -> np.ndarray:
    """Return F_beta, (1 + beta^2) PR / (beta^2 P + R); below 1 beta favours precision.

    0 where nothing is right.
    """
    numerator = (1 + beta**2) * np.asarray(true, float)
    denominator = np.asarray(true) + np.asarray(false) + beta**2 * np.asarray(n_truth)
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def best_threshold(
    scores: ArrayLike, outcome: ArrayLike, n_truth: int, beta: float
) -> tuple[float, float]:
    """Return (threshold, F_beta): of the thresholds with the best F_beta the highest.

    Detections count from it up.

    scores: n; outcome: n of TRUE, FALSE, IGNORED (or booleans). Where no detection is right: (1.0,
    0.0).
    """
    thresholds, true, false = operating_points(scores, outcome)
    f = f_score(true, false, n_truth, beta)
    if not f.any():
        return 1.0, 0.0
    return float(thresholds[f.argmax()]), float(f.max())


def _limited(iou_thresholds: ArrayLike) -> np.ndarray:
    """Return the thresholds as COCO takes them: a box may overlap a little less than 1 where 1 is
    wanted.
    """
    return np.minimum(np.asarray(iou_thresholds, float), 1 - 1e-10)


def _ignore_in_crowds(
    outcome: np.ndarray, pairs: _Pairs, truth: Truth, thresholds: np.ndarray
) -> None:
    """Mark the detections of pairs that lie in an ignore region, in place (outcome: T x N)."""
    in_crowd = truth.crowd[pairs.box] & (pairs.overlap >= thresholds[0])
    for level, threshold in enumerate(thresholds):
        outcome[level, pairs.detection[in_crowd & (pairs.overlap >= threshold)]] = IGNORED


def _note_nearest(nearest: np.ndarray, overlap: np.ndarray, pairs: _Pairs) -> None:
    """Write the best overlap of each detection of pairs, and the true box that has it, in place (N
    each).
    """
    np.maximum.at(overlap, pairs.detection, pairs.overlap)
    best = np.flatnonzero(pairs.overlap == overlap[pairs.detection])[
        ::-1
    ]  # the first of equals is written last
    nearest[pairs.detection[best]] = pairs.box[best]


def _best_first(
    detections: Detections,
    truth: Truth,
    outcome: np.ndarray,
    nearest: np.ndarray,
    overlap: np.ndarray,
    finder: np.ndarray,
) -> Matches:
    """Return the matches of detections, by falling score, from what is known of them in their own
    order.
    """
    n = len(detections.scores)
    order = np.argsort(-detections.scores, kind="stable")
    new_place = np.empty(n + 1, int)
    new_place[order] = np.arange(n)
    new_place[NO_DETECTION] = NO_DETECTION
    rank = np.arange(n) - np.searchsorted(detections.image, detections.image)
    return Matches(
        image=detections.image[order],
        rank=rank[order],
        scores=detections.scores[order],
        outcome=outcome[:, order],
        n_truth=np.bincount(truth.image[~truth.crowd], minlength=truth.n_images),
        row=order,
        nearest=nearest[order],
        overlap=overlap[order],
        finder=new_place[finder],
    )


def _pairs_within_images(detections: Detections, truth: Truth) -> Iterator[_Pairs]:
    """Yield all pairs within an image, PAIRS_AT_ONCE or so at a time."""
    starts = np.searchsorted(truth.image, np.arange(truth.n_images + 1))
    n_partners = np.diff(starts)[detections.image]
    pairs_before = np.append(0, np.cumsum(n_partners))
    chunks = np.arange(0, pairs_before[-1] + PAIRS_AT_ONCE, PAIRS_AT_ONCE)
    cuts = np.searchsorted(pairs_before[:-1], chunks)
    detection_sides = _sides_and_area(detections.bbox)
    true_sides = _sides_and_area(truth.bbox)
    for first, end in zip(cuts, cuts[1:]):
        n = n_partners[first:end]
        detection = np.repeat(np.arange(first, end), n)
        place_of_first = pairs_before[first:end] - pairs_before[first]
        offset = np.repeat(place_of_first - starts[detections.image[first:end]], n)
        box = np.arange(len(detection)) - offset
        overlap = _overlap(detection_sides[:, detection], true_sides[:, box], truth.crowd[box])
        yield _Pairs(detection, box, overlap)


def _sides_and_area(bbox: np.ndarray) -> np.ndarray:
    """Return x1, y1, x2, y2 and area of COCO boxes, 5 x n.

    As in COCO's own code areas are products of the sides given: the difference of the corners is
    another number in its last digit.
    """
    x, y, width, height = bbox.T
    return np.array([x, y, x + width, y + height, width * height])


def _overlap(detection: np.ndarray, box: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Return the overlaps of pairs (P): IoU, or with an ignore region the share of the detection in
    it (5 x P each).
    """
    width = np.minimum(detection[2], box[2]) - np.maximum(detection[0], box[0])
    height = np.minimum(detection[3], box[3]) - np.maximum(detection[1], box[1])
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = detection[4] + box[4] - shared
    whole = np.where(crowd, detection[4], union)
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)


def _take_boxes(
    pairs: _Pairs, thresholds: np.ndarray, free_from: list[int]
) -> list[tuple[int, int, int, int]]:
    """Return (detection, true box, first, end): which takes which, at thresholds from number first
    up to number end.

    pairs: those that overlap by the first threshold or more, best detection first. free_from: for
    each true box the number of the threshold from which it is free, moved on in place. One number
    is enough: a detection that takes a box at some threshold would take it, or one that it overlaps
    more, at any lower one, so the thresholds at which a box is taken are always the lowest ones.
    """
    order = np.lexsort((-pairs.box, -pairs.overlap, pairs.detection))
    n_reached = np.searchsorted(thresholds, pairs.overlap[order], side="right")
    taken = []
    last_detection = -1
    open_below = 0  # the detection has taken no box yet at thresholds below this number
    rows = zip(pairs.detection[order].tolist(), pairs.box[order].tolist(), n_reached.tolist())
    for detection, box, reached in rows:
        if detection != last_detection:
            last_detection = detection
            open_below = len(thresholds)
        first = free_from[box]
        end = min(reached, open_below)
        if first < end:
            taken.append((detection, box, first, end))
            free_from[box] = end
        open_below = min(open_below, first)
    return taken
