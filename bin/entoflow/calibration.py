"""How far probabilities can be believed: calibration error, reliability and risk against coverage. Shapes: n images or events."""
import numpy as np

from entoflow.statistics import Intervals, divide, figure

BINS = 15


def calibration(probability, right, classes, groups, seed):
    """Return the figures of how far the best class's probability (n) is from the share right: ece, and brier of it alone.

    ece: the mean distance over 15 bins of equal mass, which stay those of the sample in resamples.
    """
    probability, right = np.asarray(probability, float), np.asarray(right, float)
    in_bin = np.eye(BINS)[_equal_mass(probability, BINS)]
    excess, intervals = probability - right, Intervals(classes, groups, seed)
    return {
        "ece": intervals.figure(lambda weights: divide(abs((weights * excess) @ in_bin).sum(axis=1), weights.sum(axis=1)),
                                len(right), "mean distance of probability and share right"),
        "brier": intervals.mean(excess ** 2, "mean squared distance"),
    }


def reliability(probability, right, bins):
    """Return [{"probability", "right", "n"}], means and size of each bin of equal mass that is not empty, rising."""
    probability, right = np.asarray(probability, float), np.asarray(right, float)
    at = _equal_mass(probability, bins)
    return [{"probability": float(probability[at == k].mean()), "right": float(right[at == k].mean()), "n": int((at == k).sum())}
            for k in np.unique(at)]


def _equal_mass(probability, bins):
    """Return the bin (n, from 0) where the middle of an image's ranks falls, so that equals share one."""
    _, place, n = np.unique(probability, return_inverse=True, return_counts=True)
    return ((np.cumsum(n) - n / 2) * bins / max(1, len(place))).astype(int)[place]


def risk_coverage(probability, right):
    """Return coverages and errors (lists of n): the share wrong of the surest 1 to n images; and aurc, the mean error.

    Equals are in random order: errors are those expected.
    """
    wrong = 1 - np.asarray(right, float)
    _, place, n = np.unique(-np.asarray(probability, float), return_inverse=True, return_counts=True)
    seen = np.arange(1, len(wrong) + 1)
    errors = np.cumsum(np.repeat(np.bincount(place, wrong) / n, n)) / seen
    return {"coverages": (seen / max(1, len(wrong))).tolist(), "errors": errors.tolist(),
            "aurc": figure(divide(errors.sum(), len(wrong)), [], len(wrong), None, "mean share wrong")}
