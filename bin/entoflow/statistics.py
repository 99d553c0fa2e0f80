"""Figures with intervals: bootstrap over groups, paired differences and verdicts, and the area under the ROC curve.

A figure is {"value", "low", "high", "n", "groups", "unit"}: n says how many boxes or images it rests on; low and high
are the 2.5 and 97.5 percentiles of 1,000 resamples of the groups, so that photos of one group do not pose as many, moved to
include the value should they miss it (a skewed statistic of few groups), and null below 20 groups. What is undefined is null, never NaN.
"""
import numpy as np

RESAMPLES = 1000
FEWEST_GROUPS = 20
AT_ONCE = 32  # resamples of Intervals


class Bootstrap:
    """Draws groups of images with replacement and makes figures of what is computed on them."""

    def __init__(self, groups, seed, resamples=RESAMPLES):
        names, self._group = np.unique(np.asarray(groups, str), return_inverse=True)
        self.n_groups, rng = len(names), np.random.default_rng(seed)
        n = resamples if self.n_groups >= FEWEST_GROUPS else 0
        self._draws = np.zeros((n, self.n_groups), np.int16)
        for draw in self._draws:
            draw[:] = np.bincount(rng.integers(0, self.n_groups, self.n_groups), minlength=self.n_groups)

    def resample(self, statistic, at_once=4):
        """Return statistic(weights) of each resample, b x k; weights: b x images, how often each was drawn."""
        parts = [statistic(self._draws[n:n + at_once, self._group].astype(np.int32))
                 for n in range(0, len(self._draws), at_once)]
        return np.concatenate(parts) if parts else np.empty(0)

    def figure(self, statistic, n, unit):
        """Return the figure of a statistic that maps weights (b x images) to b values."""
        value = statistic(np.ones((1, len(self._group)), np.int32))[0]
        return figure(value, self.resample(statistic), n, self.n_groups, unit)

    def ratio(self, numerator, denominator, n, unit):
        """Return the figure of a sum over images divided by another."""
        return self.figure(lambda weights: divide(weights @ numerator, weights @ denominator), n, unit)


def figure(value, resamples, n, n_groups, unit):
    """Return a figure: its value and the interval of its resamples (b values, NaN where undefined)."""
    resamples = np.asarray(resamples, float)
    resamples = resamples[~np.isnan(resamples)]
    defined = value is not None and not np.isnan(value)
    low = high = None
    if defined and resamples.size:
        low, high = np.percentile(resamples, [2.5, 97.5])
        low, high = float(min(low, value)), float(max(high, value))
    return {"value": float(value) if defined else None, "low": low, "high": high, "n": int(n), "groups": n_groups,
            "unit": unit}


class Intervals:
    """Makes figures whose interval reaches from the lowest to the highest end of that over classes and that over groups."""

    def __init__(self, classes, groups, seed):
        self._n, self._over = len(groups), [Bootstrap(units, seed) for units in (classes, groups)]

    def figure(self, statistic, n, unit):
        """Return the figure of a statistic that maps weights (b x n) to b values; never called without images."""
        value = statistic(np.ones((1, self._n)))[0] if self._n else None
        over_classes, over_groups = (
            figure(value, bootstrap.resample(lambda weights: statistic(weights.astype(float)), AT_ONCE), n, bootstrap.n_groups, unit)
            for bootstrap in self._over)  # floats, since a product of whole numbers and floats is ten times as slow
        if over_classes["low"] is None or over_groups["low"] is None:
            return {**over_groups, "low": None, "high": None}
        return {**over_groups, "low": min(over_classes["low"], over_groups["low"]),
                "high": max(over_classes["high"], over_groups["high"])}

    def mean(self, values, unit, counting=1):
        """Return the figure of the mean of values (n), each counting as much as told (n, or 1)."""
        counting = np.broadcast_to(counting, len(values))
        return self.figure(lambda weights: divide(weights @ (values * counting), weights @ counting), len(values), unit)


def paired(right_a, right_b, classes, groups, seed):
    """Return the figure of how much more system a is right (n) than b on the same images, and a verdict on a.

    verdict: "better", "worse", or "not distinguishable" where the interval contains 0 or there is none.
    """
    difference = np.asarray(right_a, float) - np.asarray(right_b, float)
    entry = Intervals(classes, groups, seed).mean(difference, "difference of shares of images")
    return {**entry, "verdict": verdict(entry["low"], entry["high"])}


def verdict(low, high):
    if low is None or low <= 0 <= high:
        return "not distinguishable"
    return "better" if low > 0 else "worse"


def auroc(scores, positive, weights):
    """Return the area under the ROC curve (b) of images counted weights times (b x n); NaN if all are of one class.

    The chance that a positive image scores above a negative one, ties counting half.
    """
    values, place = np.unique(scores, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(values)))
    sums = [np.add.reduceat(weights[:, order] * kept[order], starts, axis=1, dtype=float)
            for kept in (positive, ~positive)] if len(values) else [np.zeros((len(weights), 1))] * 2
    below = np.cumsum(sums[1], axis=1) - sums[1] / 2
    return divide((sums[0] * below).sum(axis=1), sums[0].sum(axis=1) * sums[1].sum(axis=1))


def divide(a, b):
    """Return a / b, NaN where b is 0."""
    return np.divide(a, b, out=np.full(np.shape(a), np.nan), where=np.asarray(b) > 0)
