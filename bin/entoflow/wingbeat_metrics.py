"""The figures of naming held-out events; intervals are over groups."""
import numpy as np

from entoflow import comparisons, identification_metrics
from entoflow.clips import EVERY
from entoflow.held_out import tempered
from entoflow.metrics import Bootstrap, auroc, divide, figure

SURE = 0.5  # confidence in F0, from which on an event's counts


def closed(probability, plain, truth, groups, seed):
    """Return the figures of probabilities (n x C), and of how far they can be believed, beside the plain ones before calibration. truth: n columns."""
    named, right = probability.argmax(axis=1), probability.argmax(axis=1) == truth
    second = (np.argsort(-probability, axis=1, kind="stable")[:, :2] == truth[:, None]).any(axis=1)
    believed = identification_metrics.calibration(probability.max(axis=1), right, groups, groups, seed)
    before = identification_metrics.calibration(plain.max(axis=1), right, groups, groups, seed)
    units, group = np.unique(groups, return_inverse=True)
    statistic = comparisons.macro_f1(named[None], truth, group)
    by_group = Bootstrap(units, seed)
    return {"macro_f1": by_group.figure(lambda weights: statistic(weights.astype(float))[:, 0], len(truth), comparisons.UNIT),
            "balanced_accuracy": balanced_accuracy(probability, truth, groups, seed),
            "top2": Bootstrap(groups, seed).ratio(second, np.ones(len(truth)), len(truth), "share of events"),
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
    """Return the median F0 of each class, f0_median_hz_<class>, of its events whose F0 is sure."""
    f0, sure = (events.table[:, events.features.index(name)] for name in ("f0_hz", "f0_confidence"))
    found = {}
    for label in sorted(set(events.labels.tolist())):
        rows = np.flatnonzero((events.labels == label) & (sure >= SURE))
        order = rows[np.argsort(f0[rows])]
        if len(rows):
            found[f"f0_median_hz_{label}"] = Bootstrap(events.groups[order], seed).figure(lambda weights: middle(f0[order], weights), len(order), "Hz")  # noqa: B023
    return found


def middle(values, weights):
    """Return the median (b) of rising values (n), each counted as often as weights (b x n) say; NaN where none is."""
    total = np.cumsum(weights, axis=1)
    at = (2 * total >= total[:, -1:]).argmax(axis=1)
    return np.where(total[:, -1] > 0, values[at], np.nan)
