"""Metrics of naming: in a closed set, in an open set, and of sets of labels.

Photos of one class err alike, and so do those of one group (a specimen, a drawer). A group may
hold several classes and a class several groups, so an interval is the wider of two: over classes
and over groups. Shapes: n images, C classes, b resamples.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from entoflow.metric import Metric
from entoflow.statistics import Intervals, Statistic, auroc, divide, metric

COMMON = 4  # images in the gallery from which a class is common
ACCEPTED = 0.95  # of the known, in unknown_fpr95

Names = Sequence[Any] | np.ndarray


def closed_set(
    scores: np.ndarray, truth: Names, groups: Names, support: Names, seed: int
) -> dict[str, Metric]:
    """Return the shares of images named right, whose classes the gallery has.

    scores: (n, C), higher is likelier. truth: (n,) columns. support: (n,) how many gallery images
    the true class has. Equal scores count by the chance to be right when drawn in any order. Macro
    figures are over the classes in truth.
    """
    scores = np.asarray(scores, float)
    truth = np.asarray(truth, int)
    score_of_truth = scores[np.arange(len(truth)), truth][:, None]
    above = (scores > score_of_truth).sum(axis=1)
    tied = (scores == score_of_truth).sum(axis=1)
    first = np.clip((1 - above) / tied, 0, 1)
    first_five = np.clip((5 - above) / tied, 0, 1)
    intervals = Intervals(truth, groups, seed)
    by_class = 1 / np.bincount(truth)[truth]
    f1_unit = "harmonic mean of precision and recall"
    return {
        "top1": intervals.mean(first, "share of images"),
        "top5": intervals.mean(first_five, "share of images"),
        "macro_top1": intervals.mean(first, "share of a class's images", by_class),
        "macro_f1": intervals.metric(_macro_f1(scores, truth), len(truth), f1_unit),
        **_top1_by_support(first, truth, np.asarray(groups), np.asarray(support), seed),
    }


def _top1_by_support(
    first: np.ndarray, truth: np.ndarray, groups: np.ndarray, support: np.ndarray, seed: int
) -> dict[str, Metric]:
    metrics = {}
    for size in range(1, COMMON + 1):
        has_size = np.minimum(support, COMMON) == size
        if has_size.any():
            name = f"top1_support_{size}" + ("_or_more" if size == COMMON else "")
            intervals = Intervals(truth[has_size], groups[has_size], seed)
            metrics[name] = intervals.mean(first[has_size], "share of images")
    return metrics


def _macro_f1(scores: np.ndarray, truth: np.ndarray) -> Statistic:
    """Return f(weights): the mean F1 of the classes in truth, of expected counts where scores tie.

    A class drawn twice is two classes of its own size, not one of double size: else its own images
    would outweigh those of others that are named so, and resamples would be better than the sample.
    """
    classes, place, sizes = np.unique(truth, return_inverse=True, return_counts=True)
    is_best = scores == scores.max(axis=1, keepdims=True, initial=-np.inf)
    misnamed = is_best[:, classes] / is_best.sum(axis=1, keepdims=True)  # (n, classes in truth)
    rows = np.arange(len(truth))
    right = misnamed[rows, place]
    misnamed[rows, place] = 0
    order = np.argsort(place, kind="stable")
    starts = np.cumsum(sizes) - sizes

    def sum_by_class(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values[:, order], starts, axis=1)

    def statistic(weights: np.ndarray) -> np.ndarray:
        n_drawn = sum_by_class(weights)  # (b, classes)
        n_right = sum_by_class(weights * right)
        true_positives = sizes * np.nan_to_num(divide(n_right, n_drawn))
        false_positives = weights @ misnamed
        times_drawn = n_drawn / sizes
        f1 = times_drawn * 2 * true_positives / (sizes + true_positives + false_positives)
        return divide(f1.sum(axis=1), times_drawn.sum(axis=1))

    return statistic


def open_set(
    known_score: np.ndarray,
    known: np.ndarray,
    right: np.ndarray,
    classes: Names,
    groups: Names,
    seed: int,
) -> dict[str, Metric]:
    """Return how well known classes are told from unknown ones by a score (n,), higher if known.

    known: (n,) whether the gallery has the class; right: (n,) whether the best class was the true
    one. unknown_fpr95: the share of unknown images let in by the highest threshold that lets in
    95 % of the known. oscr: the area under the share of known images let in and named right,
    against that of unknown ones let in (Dhamija et al. 2018).
    """
    known_score = np.asarray(known_score, float)
    known = np.asarray(known, bool)
    right = np.asarray(right, bool) & known
    intervals = Intervals(classes, groups, seed)

    def area(weights: np.ndarray) -> np.ndarray:
        return auroc(known_score, known, weights)

    false_acceptance = _false_acceptance(known_score, known)
    n_unknown = (~known).sum()
    oscr = _oscr(known_score, known, right)
    return {
        "unknown_auroc": intervals.metric(area, len(known), "area under the ROC curve"),
        "unknown_fpr95": intervals.metric(false_acceptance, n_unknown, "share of unknown images"),
        "oscr": intervals.metric(oscr, len(known), "area under the curve"),
    }


def _false_acceptance(score: np.ndarray, known: np.ndarray) -> Statistic:
    """Return f(weights): the share of unknown images accepted with 95 % of the known."""
    order = np.argsort(-score)
    rising = -score[order]
    is_known = known[order]
    last_equal = np.searchsorted(rising, rising, side="right") - 1

    def statistic(weights: np.ndarray) -> np.ndarray:
        known_so_far = np.cumsum(weights[:, order] * is_known, axis=1)
        unknown_so_far = np.cumsum(weights[:, order] * ~is_known, axis=1)
        n_known = known_so_far[:, -1]
        n_unknown = unknown_so_far[:, -1]
        enough = known_so_far >= ACCEPTED * n_known[:, None]
        threshold = last_equal[enough.argmax(axis=1)]
        accepted = np.take_along_axis(unknown_so_far, threshold[:, None], axis=1)[:, 0]
        return np.where(n_known > 0, divide(accepted, n_unknown), np.nan)

    return statistic


def _oscr(score: np.ndarray, known: np.ndarray, right: np.ndarray) -> Statistic:
    """Return f(weights): the share right of the known times their AUROC against the unknown."""
    counted = right | ~known

    def statistic(weights: np.ndarray) -> np.ndarray:
        share_right = divide(weights @ right, weights @ known)
        n_unknown = weights @ ~known
        area = auroc(score[counted], right[counted], weights[:, counted])
        return np.where((share_right == 0) & (n_unknown > 0), 0, share_right * area)

    return statistic


def label_set_metrics(label_sets: np.ndarray, truth: Names) -> dict[str, Metric]:
    """Return the coverage and the mean size of sets of classes (n, C) bool. truth: (n,) columns."""
    sets = np.asarray(label_sets, bool)
    columns = np.asarray(truth, int)
    n = len(columns)
    coverage = float(divide(sets[np.arange(n), columns].sum(), n))
    mean_size = float(divide(sets.sum(), n))
    return {
        "label_set_coverage": metric(coverage, [], n, None, "share of images"),
        "label_set_size": metric(mean_size, [], n, None, "classes"),
    }
