"""What warmth does to wingbeats: F0 rises with it, by much the same share in insects of one kind, and can be brought to what it would be at 25 degC."""
import numpy as np

from entoflow.statistics import divide
from entoflow.wingbeat.pitch import SURE

REFERENCE_DEGC = 25.0


def of(clips):
    """Return the temperatures (n, degC) of events, NaN where none is given."""
    return np.array([np.nan if clip.get("temperature") is None else float(clip["temperature"]) for clip in clips])


def sure(events):
    """Return of which of Events F0 is sure (n bool)."""
    f0, confidence = (events.table[:, events.features.index(name)] for name in ("f0_hz", "f0_confidence"))
    return (f0 > 0) & (confidence >= SURE)


def slope(degc, log2_f0, columns, weights):
    """Return by how many octaves F0 rises per degC within classes (b): one slope for all of them, each with a level of its own (analysis of covariance).

    degc, log2_f0, columns: n; weights: b x n, how often each event counts. 0 where the temperature does not vary.
    """
    of_class = np.eye(columns.max() + 1)[columns]
    x, y = degc - REFERENCE_DEGC, log2_f0
    n, sum_x, sum_y = (weights @ (of_class * values[:, None]) for values in (np.ones(len(x)), x, y))
    both = weights @ (x * y) - np.nan_to_num(divide(sum_x * sum_y, n)).sum(axis=1)
    own = weights @ (x * x) - np.nan_to_num(divide(sum_x * sum_x, n)).sum(axis=1)
    return np.where(own > 1e-9 * weights.sum(axis=1), both / np.maximum(own, 1e-30), 0.0)


def at_reference(log2_f0, degc, octaves_per_degc):
    """Return log2 of F0 as it would be at REFERENCE_DEGC."""
    return log2_f0 - octaves_per_degc * (degc - REFERENCE_DEGC)
