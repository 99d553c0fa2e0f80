"""From scores to probabilities and sets of labels: softmax, temperature scaling, conformal sets."""

from dataclasses import dataclass

import numpy as np

COVERAGE = 0.9  # of the label sets: the share of items whose set holds their true class
NONE = np.float32(-1e30)  # in place of -inf where numbers are subtracted


@dataclass(frozen=True)
class NameCalibration:
    """What turns the scores of classes into probabilities and into sets of labels."""

    temperature: float  # scores are divided by it before the softmax
    conformal: float  # the cumulative probability up to which classes belong to a label set
    n_known: int  # number of items that both were fitted on


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return the probabilities (n, C) of scores (n, C); a score of -inf has none."""
    from scipy import special

    return np.asarray(special.softmax(scores, axis=1))


def log_sum_exp(scores: np.ndarray) -> np.ndarray:
    """Return the logarithm of the sum of exponentials of scores (n, C), row by row.

    A row of -inf gives NONE. scipy's logsumexp gives other last bits, which would move every
    temperature.
    """
    highest = np.maximum(scores.max(axis=1), NONE)
    total = np.exp(scores - highest[:, None]).sum(axis=1)
    return highest + np.log(np.maximum(total, np.finfo(np.float32).tiny))


def fitted_temperature(scores: np.ndarray, class_index: np.ndarray) -> float:
    """Return the temperature that makes the true classes likeliest (Guo et al. 2017).

    scores: (n, C). class_index: (n,) column of the true class. 1 where there is no row.
    """
    from scipy.optimize import minimize_scalar

    if not len(class_index):
        return 1.0
    finite = np.where(np.isfinite(scores), scores, -1e9)
    rows = np.arange(len(class_index))

    def negative_log_likelihood(log_temperature: float) -> float:
        scaled = finite / np.exp(log_temperature)
        return float((log_sum_exp(scaled) - scaled[rows, class_index]).mean())

    fit = minimize_scalar(negative_log_likelihood, bounds=(-7, 7), method="bounded")
    return float(np.exp(fit.x))


def calibrate_names(scores: np.ndarray, class_index: np.ndarray) -> NameCalibration:
    """Return the calibration of scores (n, C) whose true classes are known (n,).

    The label sets are those of split conformal prediction (Vovk et al. 2005); with too few items
    for their coverage they hold all classes.
    """
    n = len(class_index)
    temperature = fitted_temperature(scores, class_index)
    mass_of_truth = mass(softmax(scores / temperature))[np.arange(n), class_index]
    rank = int(np.ceil((n + 1) * COVERAGE))
    conformal = float(np.sort(mass_of_truth)[rank - 1]) if rank <= n else 1.0
    return NameCalibration(temperature, conformal, n)


def label_sets(probabilities: np.ndarray, conformal: float) -> np.ndarray:
    """Return which classes (n, C) bool the label set of each row of probabilities (n, C) holds.

    They are those up to the calibrated mass, and always the likeliest.
    """
    n_classes = probabilities.shape[1]
    likeliest = np.eye(n_classes, dtype=bool)[probabilities.argmax(axis=1)]
    return (mass(probabilities) <= conformal) | likeliest


def mass(probabilities: np.ndarray) -> np.ndarray:
    """Return how much probability lies before each class: of all likelier ones and half its own.

    probabilities: (n, C); returned: (n, C), from 0 to 1. It is the score of adaptive prediction
    sets (Romano et al. 2020) at the mean of its random share. Sets by it keep their coverage where
    probabilities are surer than those of the calibration, as in a gallery that lacks no specimen;
    sets by the probability itself then hold too much.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    falling = np.take_along_axis(probabilities, order, axis=1)
    masses = np.empty_like(falling)
    np.put_along_axis(masses, order, falling.cumsum(axis=1) - falling / 2, axis=1)
    return masses
