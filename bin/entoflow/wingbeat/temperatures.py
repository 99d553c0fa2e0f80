"""How F0 depends on temperature.

It rises by much the same share per degree in insects of one kind, so it can be brought to what it
would be at 25 degC.
"""

from collections.abc import Sequence

import numpy as np

from entoflow.statistics import divide
from entoflow.wingbeat.clip_set import Clip
from entoflow.wingbeat.event_arrays import Events
from entoflow.wingbeat.pitch import SURE

REFERENCE_DEGC = 25.0


def degrees_celsius(clips: Sequence[Clip]) -> np.ndarray:
    """Return the temperatures of events (n), NaN where unknown."""
    return np.array(
        [np.nan if clip.temperature is None else float(clip.temperature) for clip in clips]
    )


def has_sure_f0(events: Events) -> np.ndarray:
    """Return whether the F0 of each event is certain enough to count (n bool)."""
    return (events.feature("f0_hz") > 0) & (events.feature("f0_confidence") >= SURE)


def f0_slope(
    degc: np.ndarray, log2_f0: np.ndarray, class_index: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return by how many octaves F0 rises per degC within classes (b), by an analysis of
    covariance.

    There is one slope for all classes, and each class has a level of its own. degc, log2_f0,
    class_index: n; weights: b x n, how often each event counts. The slope is 0 where the
    temperature does not vary.
    """
    is_of_class = np.eye(class_index.max() + 1)[class_index]  # n x C
    degrees = degc - REFERENCE_DEGC
    counts = weights @ is_of_class
    degree_sums = weights @ (is_of_class * degrees[:, None])
    log_sums = weights @ (is_of_class * log2_f0[:, None])
    between_both = np.nan_to_num(divide(degree_sums * log_sums, counts)).sum(axis=1)
    between_degrees = np.nan_to_num(divide(degree_sums * degree_sums, counts)).sum(axis=1)
    covariance = weights @ (degrees * log2_f0) - between_both
    variance = weights @ (degrees * degrees) - between_degrees
    varies = variance > 1e-9 * weights.sum(axis=1)
    return np.where(varies, covariance / np.maximum(variance, 1e-30), 0.0)


def f0_at_reference(log2_f0: np.ndarray, degc: np.ndarray, octaves_per_degc: float) -> np.ndarray:
    """Return log2 of F0 (n) as it would be at REFERENCE_DEGC."""
    return log2_f0 - octaves_per_degc * (degc - REFERENCE_DEGC)
