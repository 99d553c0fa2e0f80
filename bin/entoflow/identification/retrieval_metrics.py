"""How well images find those of their class among all others. Shapes: n images, D dimensions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from entoflow.metric import Metric
from entoflow.statistics import Intervals, metric

SIMILARITIES_AT_ONCE = 1 << 22
DECIMALS = (
    12  # of a similarity: copies of an image shall tie, in whatever order products are summed
)
FIRST_FIVE = 5

Names = Sequence[Any] | np.ndarray


def retrieval(vectors: np.ndarray, labels: Names, groups: Names, seed: int) -> dict[str, Metric]:
    """Return how well each image finds those of its label, by cosine, in images of other groups.

    vectors: (n, D) of any length. labels, groups: (n,). Means are over queries with such an image;
    lone_queries are the rest. R is the number that is sought: r_precision is their share of the
    first R, map_at_r the mean over R ranks of the precision down to each where one stands
    (Musgrave et al. 2020). Equals are in random order: figures are those expected. Only queries
    are resampled.
    """
    _, class_index = np.unique(np.asarray(labels, str), return_inverse=True)
    _, group_index = np.unique(np.asarray(groups, str), return_inverse=True)
    unit_vectors = _at_length_one(np.asarray(vectors, float))
    per_query = _measure_queries(unit_vectors, class_index, group_index)  # (n, 4)
    lone = np.isnan(per_query).any(axis=1)
    intervals = Intervals(class_index[~lone], group_index[~lone], seed)
    recall_at_1, recall_at_5, r_precision, map_at_r = per_query[~lone].T
    n_groups = len(np.unique(group_index))
    return {
        "recall_at_1": intervals.mean(recall_at_1, "share of images"),
        "recall_at_5": intervals.mean(recall_at_5, "share of images"),
        "r_precision": intervals.mean(r_precision, "share of the first R"),
        "map_at_r": intervals.mean(map_at_r, "average precision"),
        "lone_queries": metric(lone.sum(), [], len(lone), n_groups, "images"),
    }


def _at_length_one(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def _measure_queries(
    vectors: np.ndarray, class_index: np.ndarray, group_index: np.ndarray
) -> np.ndarray:
    """Return recall at 1 and 5, R-precision and MAP@R of images (n, 4); NaN without a target."""
    n = len(class_index)
    measures = np.full((n, 4), np.nan)
    rows_at_once = max(1, SIMILARITIES_AT_ONCE // max(1, n))
    for start in range(0, n, rows_at_once):
        block = np.round(-vectors[start : start + rows_at_once] @ vectors.T, DECIMALS)
        for query, distances in enumerate(block, start):
            same_group = group_index == group_index[query]
            distances[same_group] = np.inf
            is_target = (class_index == class_index[query]) & ~same_group
            targets = distances[is_target]
            if targets.size:
                measures[query] = _measure_query(distances, np.sort(targets))
    return measures


def _measure_query(distances: np.ndarray, targets: np.ndarray) -> tuple[float, float, float, float]:
    """Return recall at 1 and 5, R-precision and MAP@R, expected if equals are in random order.

    distances: (n,) to all images, inf where out of question. targets: (R,) the rising distances to
    the images that are sought. The chance that a rank holds one of these is their share among the
    equals there; the precision, if it does, has them expected before it: all nearer ones and, of
    the equals at earlier ranks, their due share.
    """
    depth = min(max(len(targets), FIRST_FIVE), len(distances))
    nearest = np.sort(np.partition(distances, depth - 1)[:depth])
    n_nearer = np.searchsorted(nearest, nearest)  # images before the equals of each rank
    n_equal = np.searchsorted(nearest, nearest, side="right") - n_nearer
    # Equals of the last rank lie further down than depth, too.
    n_equal[n_nearer[-1] :] = np.count_nonzero(distances == nearest[-1])
    targets_before = np.searchsorted(targets, nearest)
    targets_equal = np.searchsorted(targets, nearest, side="right") - targets_before
    rank = np.arange(1, depth + 1)
    p_target = targets_equal / n_equal
    earlier_equals = rank - n_nearer - 1
    equals_before = earlier_equals * (targets_equal - 1) / np.maximum(n_equal - 1, 1)
    precision = (targets_before + 1 + equals_before) / rank
    recalls = []
    for k in (1, FIRST_FIVE):
        last = min(k, depth) - 1
        n_drawn = last + 1 - n_nearer[last]
        recalls.append(_recall(n_drawn, targets_before[last], targets_equal[last], n_equal[last]))
    n_targets = len(targets)
    r_precision = p_target[:n_targets].mean()
    map_at_r = (p_target * precision)[:n_targets].mean()
    return recalls[0], recalls[1], r_precision, map_at_r


def _recall(n_drawn: int, targets_before: int, targets_equal: int, n_equal: int) -> float:
    """Return the chance of a target before, or among n_drawn of n_equal images drawn at random."""
    if targets_before:
        return 1.0
    tries = np.arange(n_drawn)
    return 1 - np.prod((n_equal - targets_equal - tries) / (n_equal - tries))
