"""Floors: ways to name an event that hardly listen. A family that does not beat them has learned little, or the recordings give the answer away.

truth: n columns of n_classes. folds: [(rows to learn from, rows held out)], as the families have them. All return n x n_classes probabilities, of each row
when it was held out.
"""
import numpy as np

LEAST_SPREAD = 1e-9  # of a value, as a share of its greatest variance, as scikit-learn's GaussianNB has it


def majority(truth, folds, n_classes):
    """The shares of the classes in the training part: the commonest is named."""
    found = np.zeros((len(truth), n_classes))
    for learn, held in folds:
        found[held] = np.bincount(truth[learn], minlength=n_classes) / len(learn)
    return found


def gaussian(values, truth, folds, n_classes):
    """Normal distributions of values (n x k), a mean and a variance for each class, all classes as likely beforehand: naive Bayes.

    A value that is unknown (NaN) says nothing; a class without two known values of each kind is never named.
    """
    values, found = np.asarray(values, float), np.zeros((len(truth), n_classes))
    for learn, held in folds:
        means, variances = _moments(values[learn], truth[learn], n_classes)
        likely = np.nansum(-(values[held][:, None] - means) ** 2 / variances - np.log(variances), axis=2) / 2
        unknown = np.isnan(means).any(axis=1)
        likely[:, unknown] = 0 if unknown.all() else -np.inf
        odds = np.exp(likely - likely.max(axis=1, keepdims=True))
        found[held] = odds / odds.sum(axis=1, keepdims=True)
    return found


def _moments(values, truth, n_classes):
    """Return the mean and the variance (C x k each) of the known values of each class, NaN where they are fewer than two."""
    means, variances = np.full((2, n_classes, values.shape[1]), np.nan)
    for column, of_column in enumerate(values.T):
        known = ~np.isnan(of_column)
        for label in np.flatnonzero(np.bincount(truth[known], minlength=n_classes) > 1):
            own = of_column[known & (truth == label)]
            means[label, column], variances[label, column] = own.mean(), own.var()
        variances[:, column] += LEAST_SPREAD * (of_column[known].var() or 1) if known.any() else 0
    return means, variances


def clock(hours):
    """Return hours of the day (n, 0 to 24) as points on a circle (n x 2), where midnight is one."""
    angles = np.asarray(hours, float) * 2 * np.pi / 24
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)
