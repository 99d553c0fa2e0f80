"""Metrics with intervals.

The bootstrap over groups, paired differences, Holm's correction, and the area under the ROC curve.

An interval is the 2.5th to the 97.5th percentile of 1,000 resamples of the groups, drawn with
replacement, so that photos of one group do not pose as many. It is moved to include the value
should it miss it, as it may for a skewed statistic of few groups, and there is none below 20
groups. What is undefined is None, never NaN.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from entoflow.metric import Difference, Metric

RESAMPLES = 1000
FEWEST_GROUPS = 20
AT_ONCE = 32  # resamples of Intervals

Statistic = Callable[
    [np.ndarray], np.ndarray
]  # weights (b x n, how often each row counts) -> b values


class Bootstrap:
    """Draws groups of rows (images, events) with replacement, and makes metrics of what is computed
    on them.
    """

    def __init__(
        self, groups: Sequence[Any] | np.ndarray, seed: int, resamples: int = RESAMPLES
    ) -> None:
        names, self._group = np.unique(np.asarray(groups, str), return_inverse=True)
        self.n_groups = len(names)
        rng = np.random.default_rng(seed)
        n = resamples if self.n_groups >= FEWEST_GROUPS else 0
        self._draws = np.zeros((n, self.n_groups), np.int16)
        for draw in self._draws:
            draw[:] = np.bincount(
                rng.integers(0, self.n_groups, self.n_groups), minlength=self.n_groups
            )

    def resample(self, statistic: Statistic, at_once: int = 4) -> np.ndarray:
        """Return statistic(weights) of each resample, b x k; weights.

        B x rows, how often each was drawn.
        """
        starts = range(0, len(self._draws), at_once)
        parts = [
            statistic(self._draws[start : start + at_once, self._group].astype(np.int32))
            for start in starts
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def metric(self, statistic: Statistic, n: int, unit: str) -> Metric:
        """Return the metric of a statistic."""
        value = statistic(np.ones((1, len(self._group)), np.int32))[0]
        return metric(value, self.resample(statistic), n, self.n_groups, unit)

    def ratio(self, numerator: np.ndarray, denominator: np.ndarray, n: int, unit: str) -> Metric:
        """Return the metric of one sum over rows divided by another."""
        return self.metric(
            lambda weights: divide(weights @ numerator, weights @ denominator), n, unit
        )


class Intervals:
    """Makes metrics whose interval is the wider of two: over classes and over groups.

    Photos of one class err alike, and so do those of one group, while a group may hold several
    classes and a class several groups.
    """

    def __init__(
        self, classes: Sequence[Any] | np.ndarray, groups: Sequence[Any] | np.ndarray, seed: int
    ) -> None:
        self._n = len(groups)
        self._over_classes = Bootstrap(classes, seed)
        self._over_groups = Bootstrap(groups, seed)

    def metric(self, statistic: Statistic, n: int, unit: str) -> Metric:
        """Return the metric of a statistic, which is never called without rows."""
        value = statistic(np.ones((1, self._n)))[0] if self._n else None
        over_classes = self._over(self._over_classes, statistic, value, n, unit)
        over_groups = self._over(self._over_groups, statistic, value, n, unit)
        if over_classes.low is None or over_groups.low is None:
            return replace(over_groups, low=None, high=None)
        assert over_classes.high is not None
        assert over_groups.high is not None
        low = min(over_classes.low, over_groups.low)
        high = max(over_classes.high, over_groups.high)
        return replace(over_groups, low=low, high=high)

    def mean(self, values: np.ndarray, unit: str, counting: np.ndarray | int = 1) -> Metric:
        """Return the metric of the mean of values (n), each counting as much as `counting` says (n,
        or 1).
        """
        counts = np.broadcast_to(counting, len(values))
        return self.metric(
            lambda weights: divide(weights @ (values * counts), weights @ counts), len(values), unit
        )

    @staticmethod
    def _over(
        bootstrap: Bootstrap, statistic: Statistic, value: float | None, n: int, unit: str
    ) -> Metric:
        # As floats: a product of whole numbers and floats is ten times as slow.
        resamples = bootstrap.resample(lambda weights: statistic(weights.astype(float)), AT_ONCE)
        return metric(value, resamples, n, bootstrap.n_groups, unit)


def metric(
    value: float | None,
    resamples: Sequence[float] | np.ndarray,
    n: int,
    n_groups: int | None,
    unit: str,
) -> Metric:
    """Return a metric: its value (NaN where undefined) and the interval of its resamples (b values,
    NaN where undefined).
    """
    drawn = np.asarray(resamples, float)
    drawn = drawn[~np.isnan(drawn)]
    if value is None or np.isnan(value):
        return Metric(None, None, None, int(n), n_groups, unit)
    if not drawn.size:
        return Metric(float(value), None, None, int(n), n_groups, unit)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Metric(
        float(value), float(min(low, value)), float(max(high, value)), int(n), n_groups, unit
    )


def paired(
    right_a: np.ndarray,
    right_b: np.ndarray,
    classes: Sequence[Any] | np.ndarray,
    groups: Sequence[Any] | np.ndarray,
    seed: int,
) -> Difference:
    """Return how much more system a is right (n) than b on the same images."""
    difference = np.asarray(right_a, float) - np.asarray(right_b, float)
    mean = Intervals(classes, groups, seed).mean(difference, "difference of shares of images")
    return Difference(**asdict(mean), verdict=verdict(mean.low, mean.high))


def verdict(low: float | None, high: float | None) -> str:
    """Return what the interval of a difference says of the first of two systems."""
    if low is None or high is None or low <= 0 <= high:
        return "not distinguishable"
    return "better" if low > 0 else "worse"


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values raised by Holm's rule (1979) for as many comparisons as there are.

    None stays None.

    Each is the least level at which the rule calls its comparison a difference.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    raised: list[float | None] = [None] * len(p_values)
    at_least = 0.0
    for rank, (p, place) in enumerate(known):
        at_least = max(at_least, min(1.0, p * (len(known) - rank)))
        raised[place] = at_least
    return raised


def auroc(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve (b) of n rows counted weights times (b x n).

    NaN if all are of one class.

    It is the chance that a positive row scores above a negative one, ties counting half.
    """
    values, place = np.unique(scores, return_inverse=True)
    if not len(values):
        return np.full(len(weights), np.nan)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(values)))
    positives, negatives = (
        np.add.reduceat(weights[:, order] * kept[order], starts, axis=1, dtype=float)
        for kept in (positive, ~positive)
    )
    below = np.cumsum(negatives, axis=1) - negatives / 2
    return divide((positives * below).sum(axis=1), positives.sum(axis=1) * negatives.sum(axis=1))


def divide(a: Any, b: Any) -> np.ndarray:
    """Return a / b, NaN where b is 0."""
    return np.divide(a, b, out=np.full(np.shape(a), np.nan), where=np.asarray(b) > 0)
