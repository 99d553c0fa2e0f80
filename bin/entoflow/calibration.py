"""How far probabilities can be believed: calibration error, reliability, risk against coverage.

Shapes: n images or events.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from entoflow.metric import Metric
from entoflow.statistics import Intervals, divide, metric

BINS = 15

Names = Sequence[Any] | np.ndarray


@dataclass(frozen=True)
class ReliabilityBin:
    """Items of like probability, and how often their name was right."""

    probability: float  # mean
    right: float  # share
    n: int


@dataclass(frozen=True)
class RiskCoverage:
    """The share of wrong names among the surest 1 to n items."""

    coverages: list[float]  # n, the share of items that are named
    errors: list[float]  # n, the share wrong among them
    aurc: Metric  # mean error


def calibration_metrics(
    probability: np.ndarray, right: np.ndarray, classes: Names, groups: Names, seed: int
) -> dict[str, Metric]:
    """Return the expected calibration error (ece) and the Brier score of the likeliest class.

    probability: (n,) of the likeliest class. right: (n,) whether it is the true one. ece is the
    mean distance over 15 bins of equal mass, which stay those of the sample in resamples.
    """
    probability = np.asarray(probability, float)
    right = np.asarray(right, float)
    in_bin = np.eye(BINS)[_equal_mass_bins(probability, BINS)]  # (n, BINS)
    excess = probability - right
    intervals = Intervals(classes, groups, seed)

    def expected_error(weights: np.ndarray) -> np.ndarray:
        return divide(abs((weights * excess) @ in_bin).sum(axis=1), weights.sum(axis=1))

    unit = "mean distance of probability and share right"
    return {
        "ece": intervals.metric(expected_error, len(right), unit),
        "brier": intervals.mean(excess**2, "mean squared distance"),
    }


def reliability(probability: np.ndarray, right: np.ndarray, bins: int) -> list[ReliabilityBin]:
    """Return the bins of equal mass that are not empty, by rising probability."""
    probability = np.asarray(probability, float)
    right = np.asarray(right, float)
    bin_of = _equal_mass_bins(probability, bins)
    filled = []
    for number in np.unique(bin_of):
        members = bin_of == number
        mean = float(probability[members].mean())
        share_right = float(right[members].mean())
        filled.append(ReliabilityBin(mean, share_right, int(members.sum())))
    return filled


def risk_coverage(probability: np.ndarray, right: np.ndarray) -> RiskCoverage:
    """Return the share of wrong names of the surest 1 to n items.

    Items of equal probability are in random order: errors are those expected.
    """
    wrong = 1 - np.asarray(right, float)
    falling = -np.asarray(probability, float)
    _, place, counts = np.unique(falling, return_inverse=True, return_counts=True)
    n_named = np.arange(1, len(wrong) + 1)
    expected_wrong = np.repeat(np.bincount(place, wrong) / counts, counts)
    errors = np.cumsum(expected_wrong) / n_named
    mean = float(divide(errors.sum(), len(wrong)))
    mean_error = metric(mean, [], len(wrong), None, "mean share wrong")
    coverages = n_named / max(1, len(wrong))
    return RiskCoverage(coverages.tolist(), errors.tolist(), mean_error)


def _equal_mass_bins(probability: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin (n,) from 0 where the middle of an item's ranks falls: equals share one."""
    _, place, counts = np.unique(probability, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(counts) - counts / 2
    return (middle_rank * bins / max(1, len(place))).astype(int)[place]
