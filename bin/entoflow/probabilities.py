"""From scores to probabilities and label sets: softmax, the temperature that fits it to what is true, and how much probability a set has to hold."""
import numpy as np

COVERAGE = 0.9  # of the label sets: the share of what is judged whose set holds its label
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


def of_names(scores, columns):
    """Return what makes scores (k x classes, of true columns k) probabilities and label sets: a dict of numbers.

    The label sets are those of split conformal prediction (Vovk et al. 2005); with too few images for their coverage they hold all classes.
    """
    temperature = fitted_temperature(scores, columns)
    missed = mass(softmax(scores / temperature))[np.arange(len(columns)), columns]
    rank = int(np.ceil((len(missed) + 1) * COVERAGE))
    return {"temperature": temperature, "conformal": float(np.sort(missed)[rank - 1]) if rank <= len(missed) else 1.0, "n_known": len(columns)}


def label_sets(probability, conformal):
    """Return which classes (m x classes bool) the label set of each row holds: those up to the mass that was calibrated, and always the likeliest."""
    likeliest = np.eye(probability.shape[1], dtype=bool)[probability.argmax(axis=1)]
    return (mass(probability) <= conformal) | likeliest


def mass(probability):
    """Return how much probability lies before each class (m x classes, between 0 and 1): that of all likelier ones, and half its own.

    The score of adaptive prediction sets (Romano et al. 2020) at the mean of its random share. Sets by it keep to their coverage where probabilities are
    surer than those that it was calibrated on, as in a gallery that lacks no specimen; sets by the probability itself then hold too much.
    """
    ranked = np.argsort(-probability, axis=1, kind="stable")
    sorted_ = np.take_along_axis(probability, ranked, axis=1)
    found = np.empty_like(sorted_)
    np.put_along_axis(found, ranked, sorted_.cumsum(axis=1) - sorted_ / 2, axis=1)
    return found


def log_sum_exp(scores):
    """Return the logarithm of the sum of exponentials of scores, row by row."""
    top = np.maximum(scores.max(axis=1), NONE)
    return top + np.log(np.maximum(np.exp(scores - top[:, None]).sum(axis=1), np.finfo(np.float32).tiny))
