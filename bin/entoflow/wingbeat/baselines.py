"""Baselines: ways to name an event that hardly use its sound.

A family that does not beat them has learned little, or the recordings give the answer away.
"""

from collections.abc import Sequence

import numpy as np

from entoflow.wingbeat import temperatures
from entoflow.wingbeat.event_arrays import Events
from entoflow.wingbeat.partitions import Partition

# Added to each variance, as a share of the variance of all values: as scikit-learn's GaussianNB.
LEAST_SPREAD = 1e-9

Folds = Sequence[tuple[np.ndarray, np.ndarray]]  # of each fold: training rows, held-out rows


def predict(
    events: Events, class_index: np.ndarray, partition: Partition, n_classes: int
) -> dict[str, np.ndarray]:
    """Return the probabilities (N x C) of each baseline, by its name.

    Each fold is predicted from the other ones.

    class_index: N. A baseline is left out where what it needs, the temperature or the time of day,
    is not known of all events. Rows that are never held out are 0.
    """
    folds = []
    for fold in range(events.folds(partition).max() + 1):
        folds.append((events.training_rows(partition, fold), events.held_out_rows(partition, fold)))
    log2_f0 = np.log2(np.maximum(events.feature("f0_hz"), 1))
    degc = temperatures.degrees_celsius(events.clips)
    hours = hours_of_day(events)
    predictions = {
        "most frequent class": class_shares(class_index, folds, n_classes),
        "F0 alone": gaussian(log2_f0[:, None], class_index, folds, n_classes),
    }
    if np.isfinite(degc).all():
        predictions["F0 at 25 degC alone"] = _f0_at_25(
            events, log2_f0, degc, class_index, folds, n_classes
        )
    if np.isfinite(hours).all():
        predictions["time of day alone"] = gaussian(clock(hours), class_index, folds, n_classes)
    return predictions


def class_shares(class_index: np.ndarray, folds: Folds, n_classes: int) -> np.ndarray:
    """Return the shares of the classes among the training rows (N x C): the commonest is named."""
    probabilities = np.zeros((len(class_index), n_classes))
    for training, held_out in folds:
        counts = np.bincount(class_index[training], minlength=n_classes)
        probabilities[held_out] = counts / len(training)
    return probabilities


def gaussian(
    values: np.ndarray, class_index: np.ndarray, folds: Folds, n_classes: int
) -> np.ndarray:
    """Return the probabilities (N x C) of Gaussian naive Bayes on values (N x k) with equal priors.

    A value that is unknown (NaN) counts for no class; a class without two known values of each kind
    is never named.
    """
    values = np.asarray(values, float)
    probabilities = np.zeros((len(class_index), n_classes))
    for training, held_out in folds:
        means, variances = _moments(values[training], class_index[training], n_classes)
        squares = (values[held_out][:, None] - means) ** 2  # held-out rows x C x k
        log_likelihood = np.nansum(-squares / variances - np.log(variances), axis=2) / 2
        is_unknown = np.isnan(means).any(axis=1)
        log_likelihood[:, is_unknown] = 0 if is_unknown.all() else -np.inf
        odds = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
        probabilities[held_out] = odds / odds.sum(axis=1, keepdims=True)
    return probabilities


def hours_of_day(events: Events) -> np.ndarray:
    """Return the hour of the day of each event (N, 0 to 24), NaN where the time is unknown."""
    hours = np.full(len(events.clips), np.nan)
    for row, clip in enumerate(events.clips):
        if clip.time is not None:
            hours[row] = clip.time.hour + clip.time.minute / 60
    return hours


def clock(hours: np.ndarray | Sequence[float]) -> np.ndarray:
    """Return hours of the day (n, 0 to 24) as points on a circle (n x 2): 24 is where 0 is."""
    angles = np.asarray(hours, float) * 2 * np.pi / 24
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _f0_at_25(
    events: Events,
    log2_f0: np.ndarray,
    degc: np.ndarray,
    class_index: np.ndarray,
    folds: Folds,
    n_classes: int,
) -> np.ndarray:
    """Return what F0, brought to 25 degC by its slope in the training rows, says on its own."""
    probabilities = np.zeros((len(log2_f0), n_classes))
    is_sure = temperatures.has_sure_f0(events)
    for training, held_out in folds:
        sure = training[is_sure[training]]
        slope = 0.0
        if len(sure):
            once_each = np.ones((1, len(sure)))
            slope = temperatures.f0_slope(degc[sure], log2_f0[sure], class_index[sure], once_each)[
                0
            ]
        at_25 = temperatures.f0_at_reference(log2_f0, degc, slope)
        fold = [(training, held_out)]
        probabilities[held_out] = gaussian(at_25[:, None], class_index, fold, n_classes)[held_out]
    return probabilities


def _moments(
    values: np.ndarray, class_index: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance (C x k each) of each class's known values, NaN of less than two."""
    n_columns = values.shape[1]
    means = np.full((n_classes, n_columns), np.nan)
    variances = np.full((n_classes, n_columns), np.nan)
    for column in range(n_columns):
        column_values = values[:, column]
        is_known = ~np.isnan(column_values)
        if not is_known.any():
            continue
        counts = np.bincount(class_index[is_known], minlength=n_classes)
        for label in np.flatnonzero(counts > 1):
            values_of_class = column_values[is_known & (class_index == label)]
            means[label, column] = values_of_class.mean()
            variances[label, column] = values_of_class.var()
        variances[:, column] += LEAST_SPREAD * (column_values[is_known].var() or 1)
    return means, variances
