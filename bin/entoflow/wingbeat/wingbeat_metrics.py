"""The figures of naming held-out events; intervals are over groups."""
import numpy as np

from entoflow import calibration
from entoflow.statistics import Bootstrap, auroc, divide, figure
from entoflow.wingbeat import comparisons, temperatures
from entoflow.wingbeat.clips import EVERY
from entoflow.wingbeat.held_out import tempered


def closed(chosen, truth, groups, seed):
    """Return the figures of what was chosen (see held_out.Named.chosen_by_other_folds), and of how far it can be believed. truth: n columns."""
    probability, plain, sets = chosen
    named, right = probability.argmax(axis=1), probability.argmax(axis=1) == truth
    second = (np.argsort(-probability, axis=1, kind="stable")[:, :2] == truth[:, None]).any(axis=1)
    believed = calibration.calibration(probability.max(axis=1), right, groups, groups, seed)
    before = calibration.calibration(plain.max(axis=1), right, groups, groups, seed)
    by_event = Bootstrap(groups, seed)
    return {"macro_f1": comparisons.each_macro_f1(named[None], truth, groups, seed)[0],
            "balanced_accuracy": balanced_accuracy(probability, truth, groups, seed),
            "top2": by_event.ratio(second, np.ones(len(truth)), len(truth), "share of events"),
            "label_set_coverage": by_event.ratio(sets[np.arange(len(truth)), truth], np.ones(len(truth)), len(truth), "share of events"),
            "label_set_size": by_event.ratio(sets.sum(axis=1), np.ones(len(truth)), len(truth), "classes"),
            "ece": believed["ece"], "ece_before": before["ece"], "brier": believed["brier"]}


def balanced_accuracy(probability, truth, groups, seed):
    """Return the figure of the mean over classes of the share named right."""
    each = np.eye(truth.max() + 1)[truth]
    hit = each * (probability.argmax(axis=1) == truth)[:, None]

    def statistic(weights):
        n = weights @ each
        return np.nan_to_num(divide(weights @ hit, n)).sum(axis=1) / (n > 0).sum(axis=1)

    return Bootstrap(groups, seed).figure(statistic, len(truth), "mean share of the classes' events")


def unknown(events, named, family, seed):
    """Return unknown_auroc: how well the best probability tells events of classes that a family learned from those of classes left out of it.

    By the partitions without_K, their events together; null where there are none, as with two classes.
    """
    scores, known, groups = left_out(events, named, family)
    if not len(scores):
        return {"unknown_auroc": figure(None, [], 0, 0, "area under the ROC curve")}
    found = Bootstrap(groups, seed).figure(lambda weights: auroc(scores, known, weights), len(scores), "area under the ROC curve")
    return {"unknown_auroc": found}


def left_out(events, named, family, by=1.0):
    """Return (best probabilities at a temperature, whether the class was learned, groups) of the events judged in the partitions without_K, n each."""
    found = [(np.empty(0), np.empty(0, bool), np.empty(0, str))]
    for partition in (name for name in events.partitions if name.startswith("without_") and (family, name) in named.by):
        fold = np.array([clip["folds"][partition] for clip in events.clips])
        rows = np.flatnonzero(fold == 0)
        best = tempered(named.by[family, partition][rows], by).max(axis=1)
        found.append((best, np.isin(events.labels[rows], events.labels[fold == EVERY]), events.groups[rows]))
    return [np.concatenate(parts) for parts in zip(*found)]


def known_above(events, named, family, by):
    """Return the best probability, at a temperature, from which on an event counts as of a known class: an equal share of both kinds is then told wrong.

    0, so that all are known, where no class was left out.
    """
    scores, known, _ = left_out(events, named, family, by)
    if not len(scores):
        return 0.0
    at = np.sort(scores)
    lost, refused = (np.searchsorted(np.sort(scores[kind]), at) / max(1, kind.sum()) for kind in (known, ~known))
    return float(at[np.argmin(np.abs(lost - (1 - refused)))])


def pitches(events, seed):
    """Return the median F0 of each class, f0_median_hz_<class>, of its events whose F0 is sure.

    Where the temperature of all is known, also the same at 25 degC, f0_at_25_median_hz_<class>, and f0_percent_per_degc, by how much F0 rises within classes.
    """
    rows, degc = np.flatnonzero(temperatures.sure(events)), temperatures.of(events.clips)
    f0, columns = events.table[rows, events.features.index("f0_hz")].astype(float), np.unique(events.labels, return_inverse=True)[1][rows]
    found = medians("f0_median_hz", f0, events, rows, seed)
    if not len(rows) or not np.isfinite(degc).all():
        return found

    def percent(weights):
        return 100 * (2 ** temperatures.slope(degc[rows], np.log2(f0), columns, weights) - 1)

    rise = Bootstrap(events.groups[rows], seed).figure(percent, len(rows), "per cent per degC")
    at_25 = 2 ** temperatures.at_reference(np.log2(f0), degc[rows], np.log2(1 + rise["value"] / 100))
    return {**found, **medians("f0_at_25_median_hz", at_25, events, rows, seed), "f0_percent_per_degc": rise}


def medians(name, values, events, rows, seed):
    """Return the figure of the median of values (of the rows of Events), for each class that has one: {name_<class>: figure}."""
    found, labels = {}, events.labels[rows]
    for label in sorted(set(labels.tolist())):
        order = np.flatnonzero(labels == label)
        order = order[np.argsort(values[order])]
        found[f"{name}_{label}"] = Bootstrap(events.groups[rows[order]], seed).figure(lambda weights: middle(values[order], weights), len(order), "Hz")  # noqa: B023
    return found


def middle(values, weights):
    """Return the median (b) of rising values (n), each counted as often as weights (b x n) say; NaN where none is."""
    total = np.cumsum(weights, axis=1)
    at = (2 * total >= total[:, -1:]).argmax(axis=1)
    return np.where(total[:, -1] > 0, values[at], np.nan)
