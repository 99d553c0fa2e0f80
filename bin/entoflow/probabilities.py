"""From scores to probabilities: softmax, and the temperature that fits it to what is true."""
import numpy as np

NONE = np.float32(-1e30)  # in place of -inf where numbers are subtracted


def softmax(scores):
    """Return probabilities of scores, row by row; -inf has none."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def fitted_temperature(scores, columns):
    """Return the temperature by which softmax(scores / temperature) gives the true columns the highest likelihood (Guo et al. 2017)."""
    from scipy.optimize import minimize_scalar

    if not len(columns):
        return 1.0
    usable = np.where(np.isfinite(scores), scores, -1e9)

    def loss(log_temperature):
        scaled = usable / np.exp(log_temperature)
        return float((log_sum_exp(scaled) - scaled[np.arange(len(columns)), columns]).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-7, 7), method="bounded").x))


def log_sum_exp(scores):
    """Return the logarithm of the sum of exponentials of scores, row by row."""
    top = np.maximum(scores.max(axis=1), NONE)
    return top + np.log(np.maximum(np.exp(scores - top[:, None]).sum(axis=1), np.finfo(np.float32).tiny))
