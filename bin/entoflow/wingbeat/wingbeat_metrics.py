"""The metrics of naming held-out events; intervals are over groups.

Shapes: n events, C classes, b resamples.
"""

from dataclasses import dataclass

import numpy as np

from entoflow import calibration
from entoflow.metric import Metric
from entoflow.statistics import Bootstrap, auroc, divide, metric
from entoflow.wingbeat import comparisons, temperatures
from entoflow.wingbeat.event_arrays import Events
from entoflow.wingbeat.held_out import HeldOutPredictions, NestedPredictions, at_temperature
from entoflow.wingbeat.partitions import TRAIN_ONLY, Kind, of_kind


@dataclass(frozen=True)
class LeftOutScores:
    """How certain a family is of events of trained classes and of classes that were left out."""

    score: np.ndarray  # n, the highest probability
    is_known: np.ndarray  # n bool, whether the class was trained on
    groups: np.ndarray  # n


def measure_known_classes(
    nested: NestedPredictions, true_class: np.ndarray, groups: np.ndarray, seed: int
) -> dict[str, Metric]:
    """Return the metrics of naming events of known classes (n), and of how credible that is."""
    probability = nested.probabilities
    n = len(true_class)
    predicted = probability.argmax(axis=1)
    is_right = predicted == true_class
    two_likeliest = np.argsort(-probability, axis=1, kind="stable")[:, :2]
    is_among_two = (two_likeliest == true_class[:, None]).any(axis=1)
    set_holds_truth = nested.label_sets[np.arange(n), true_class]
    set_sizes = nested.label_sets.sum(axis=1)
    calibrated = calibration.calibration_metrics(
        probability.max(axis=1), is_right, groups, groups, seed
    )
    uncalibrated = calibration.calibration_metrics(
        nested.uncalibrated.max(axis=1), is_right, groups, groups, seed
    )
    bootstrap = Bootstrap(groups, seed)
    ones = np.ones(n)
    macro_f1 = comparisons.macro_f1_metrics(predicted[None], true_class, groups, seed)[0]
    return {
        "macro_f1": macro_f1,
        "balanced_accuracy": balanced_accuracy(probability, true_class, groups, seed),
        "top2": bootstrap.ratio(is_among_two, ones, n, "share of events"),
        "label_set_coverage": bootstrap.ratio(set_holds_truth, ones, n, "share of events"),
        "label_set_size": bootstrap.ratio(set_sizes, ones, n, "classes"),
        "ece": calibrated["ece"],
        "ece_before": uncalibrated["ece"],
        "brier": calibrated["brier"],
    }


def balanced_accuracy(
    probability: np.ndarray, true_class: np.ndarray, groups: np.ndarray, seed: int
) -> Metric:
    """Return the mean over classes of the share of their events that is named right."""
    is_of_class = np.eye(true_class.max() + 1)[true_class]  # n x C
    is_right = is_of_class * (probability.argmax(axis=1) == true_class)[:, None]

    def statistic(weights: np.ndarray) -> np.ndarray:
        counts = weights @ is_of_class
        shares = np.nan_to_num(divide(weights @ is_right, counts))
        mean: np.ndarray = shares.sum(axis=1) / (counts > 0).sum(axis=1)
        return mean

    bootstrap = Bootstrap(groups, seed)
    return bootstrap.metric(statistic, len(true_class), "mean share of the classes' events")


def unknown_auroc(
    events: Events, predictions: HeldOutPredictions, family: str, seed: int
) -> Metric:
    """Return how well the highest probability separates trained classes from left-out ones.

    It is of the events of all left-out partitions together; its value is None where there are none,
    as with two classes.
    """
    unit = "area under the ROC curve"
    left_out = left_out_scores(events, predictions, family)
    n = len(left_out.score)
    if not n:
        return metric(None, [], 0, 0, unit)

    def statistic(weights: np.ndarray) -> np.ndarray:
        return auroc(left_out.score, left_out.is_known, weights)

    return Bootstrap(left_out.groups, seed).metric(statistic, n, unit)


def left_out_scores(
    events: Events, predictions: HeldOutPredictions, family: str, temperature: float = 1.0
) -> LeftOutScores:
    """Return the scores, at a temperature, of the held-out events of the left-out partitions."""
    scores = [np.empty(0)]
    is_known = [np.empty(0, bool)]
    groups = [np.empty(0, str)]
    for partition in of_kind(events.partitions, Kind.LEFT_OUT):
        if (family, partition) not in predictions.probabilities:
            continue
        rows = events.held_out_rows(partition, 0)
        probabilities = predictions.probabilities[family, partition][rows]
        trained_classes = events.labels[events.folds(partition) == TRAIN_ONLY]
        scores.append(at_temperature(probabilities, temperature).max(axis=1))
        is_known.append(np.isin(events.labels[rows], trained_classes))
        groups.append(events.groups[rows])
    return LeftOutScores(np.concatenate(scores), np.concatenate(is_known), np.concatenate(groups))


def known_threshold(
    events: Events, predictions: HeldOutPredictions, family: str, temperature: float
) -> float:
    """Return the highest probability, at a temperature, from which an event counts as known.

    At this threshold the share of known events that are called unknown equals the share of unknown
    ones that are called known. It is 0, so that all are known, where no class was left out.
    """
    left_out = left_out_scores(events, predictions, family, temperature)
    if not len(left_out.score):
        return 0.0
    thresholds = np.sort(left_out.score)
    rejected_known = _share_below(thresholds, left_out.score[left_out.is_known])
    rejected_unknown = _share_below(thresholds, left_out.score[~left_out.is_known])
    imbalance = np.abs(rejected_known - (1 - rejected_unknown))
    return float(thresholds[np.argmin(imbalance)])


def measure_f0(events: Events, seed: int) -> dict[str, Metric]:
    """Return the median F0 of each class, f0_median_hz_<class>, of its events whose F0 is certain.

    Where the temperature of all events is known, also the same at 25 degC,
    f0_at_25_median_hz_<class>, and f0_percent_per_degc, by how much F0 rises within classes.
    """
    rows = np.flatnonzero(temperatures.has_sure_f0(events))
    f0_hz = events.feature("f0_hz")[rows].astype(float)
    medians = _medians("f0_median_hz", f0_hz, events, rows, seed)
    all_degc = temperatures.degrees_celsius(events.clips)
    if not len(rows) or not np.isfinite(all_degc).all():
        return medians
    degc = all_degc[rows]
    log2_f0 = np.log2(f0_hz)
    class_index = np.unique(events.labels, return_inverse=True)[1][rows]

    def percent_per_degc(weights: np.ndarray) -> np.ndarray:
        slope = temperatures.f0_slope(degc, log2_f0, class_index, weights)
        percent: np.ndarray = 100 * (2**slope - 1)
        return percent

    bootstrap = Bootstrap(events.groups[rows], seed)
    rise = bootstrap.metric(percent_per_degc, len(rows), "per cent per degC")
    assert rise.value is not None  # there are rows
    octaves_per_degc = float(np.log2(1 + rise.value / 100))
    at_25 = 2 ** temperatures.f0_at_reference(log2_f0, degc, octaves_per_degc)
    medians_at_25 = _medians("f0_at_25_median_hz", at_25, events, rows, seed)
    return {**medians, **medians_at_25, "f0_percent_per_degc": rise}


def _share_below(thresholds: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the share of the scores that lies below each threshold; 0 where there is no score."""
    shares: np.ndarray = np.searchsorted(np.sort(scores), thresholds) / max(1, len(scores))
    return shares


def _medians(
    name: str, values: np.ndarray, events: Events, rows: np.ndarray, seed: int
) -> dict[str, Metric]:
    """Return {name_<class>: median of values (of the rows of Events)} of classes that have any."""
    labels = events.labels[rows]
    medians = {}
    for label in sorted(set(labels.tolist())):
        of_class = np.flatnonzero(labels == label)
        rising = of_class[np.argsort(values[of_class])]
        groups = events.groups[rows[rising]]
        medians[f"{name}_{label}"] = _median(values[rising], groups, seed)
    return medians


def _median(rising: np.ndarray, groups: np.ndarray, seed: int) -> Metric:
    """Return the median of rising values (n) with its interval over groups (n)."""

    def statistic(weights: np.ndarray) -> np.ndarray:
        cumulative = np.cumsum(weights, axis=1)
        total = cumulative[:, -1]
        place = (2 * cumulative >= total[:, None]).argmax(axis=1)
        return np.where(total > 0, rising[place], np.nan)

    return Bootstrap(groups, seed).metric(statistic, len(rising), "Hz")
