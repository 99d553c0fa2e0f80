"""Heads: ways to classify by a gallery of vectors, none of which trains a network.

See SimpleShot (Wang et al. 2019) and Tip-Adapter (Zhang et al. 2022). A head is a function
fit(vectors (n, d) of length 1, labels (n,) from 0, n_classes) that returns a function
score(queries (m, d)) -> (m, n_classes) float32, higher is likelier. A class without a vector
scores -inf.
"""

from collections.abc import Callable

import numpy as np

from entoflow.identification.vectors import normalise

SHARPNESS = 20.0  # of the cache's exp(-sharpness (1 - cosine))
RIDGE = 1.0  # weight of the squared coefficients
LOGISTIC_C = 10.0  # inverse of that weight, as scikit-learn has it
SMALLEST = 1e-12  # below, a variance or a length is taken for none
LEAST_BETWEEN = 1e-3  # variance of class means, in that within classes

Score = Callable[[np.ndarray], np.ndarray]
Head = Callable[[np.ndarray, np.ndarray, int], Score]


def nearest(vectors: np.ndarray, labels: np.ndarray, n_classes: int) -> Score:
    """The cosine to the nearest specimen of each class."""

    def score(queries: np.ndarray) -> np.ndarray:
        cosines = queries @ vectors.T  # (m, n)
        highest = np.full((n_classes, len(queries)), -np.inf, np.float32)
        np.maximum.at(highest, labels, cosines.T)
        return highest.T

    return score


def class_mean(vectors: np.ndarray, labels: np.ndarray, n_classes: int) -> Score:
    """The cosine to each class's mean, all vectors less their mean and of length 1 (CL2N)."""
    middle = vectors.mean(axis=0)
    means, counts = _class_means(normalise(vectors - middle), labels, n_classes)
    directions = normalise(means)

    def score(queries: np.ndarray) -> np.ndarray:
        return _without_empty_classes(normalise(queries - middle) @ directions.T, counts)

    return score


def cache(vectors: np.ndarray, labels: np.ndarray, n_classes: int) -> Score:
    """The cosine to the class mean, plus the mean affinity to the specimens of the class."""
    score_by_mean = class_mean(vectors, labels, n_classes)
    one_hot = np.eye(n_classes, dtype=np.float32)[labels]  # (n, C)
    counts = np.maximum(one_hot.sum(axis=0), 1)

    def score(queries: np.ndarray) -> np.ndarray:
        affinity = np.exp(-SHARPNESS * (1 - queries @ vectors.T))  # (m, n)
        mean_affinity = affinity @ one_hot / counts
        return score_by_mean(queries) + mean_affinity

    return score


def lda(vectors: np.ndarray, labels: np.ndarray, n_classes: int) -> Score:
    """Probabilistic linear discriminant analysis (Ioffe 2006).

    The score is the log-likelihood of a class, given how few specimens its mean rests on, less
    that of a class drawn anew. All classes share one covariance, shrunk by the rule of Ledoit and
    Wolf as there are fewer vectors than dimensions; their means spread along its axes by a
    variance of their own. A class of one specimen thus competes fairly with one of many, which
    nearest means under one covariance do not allow.
    """
    means, counts = _class_means(vectors, labels, n_classes)
    sizes = np.maximum(counts, 1)[:, None]  # (C, 1)
    variances, axes = _within_classes(vectors, labels, means, counts)
    whiten = axes / np.sqrt(np.maximum(variances, SMALLEST))  # (d, d)
    middle = means[counts > 0].mean(axis=0)
    white_means = (means - middle) @ whiten  # (C, d)
    between = _between_classes(white_means[counts > 0], sizes[counts > 0], variances)  # (d,)
    # A new image of a class of n specimens is normally distributed around `expected`.
    expected = white_means * (between * sizes / (between * sizes + 1))
    variance = 1 + between / (between * sizes + 1)
    offset = np.log(variance).sum(axis=1) + (expected**2 / variance).sum(axis=1)
    offset = offset - np.log(1 + between).sum()

    def score(queries: np.ndarray) -> np.ndarray:
        white = (queries - middle) @ whiten
        quadratic = white**2 @ (1 / variance - 1 / (1 + between)).T
        scores = white @ (expected / variance).T - (quadratic + offset) / 2
        return _without_empty_classes(scores, counts)

    return score


def ridge(vectors: np.ndarray, labels: np.ndarray, n_classes: int) -> Score:
    """Least squares on each class against all others, with squared coefficients penalised."""
    standardise = _standardiser(vectors)
    x = standardise(vectors)  # (n, d)
    counts = np.bincount(labels, minlength=n_classes)
    y = np.eye(n_classes, dtype=np.float32)[labels] - counts / len(labels)  # (n, C)
    n, d = x.shape
    if n < d:
        weights = x.T @ np.linalg.solve(x @ x.T + RIDGE * np.eye(n, dtype=np.float32), y)
    else:
        weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(d, dtype=np.float32), x.T @ y)

    def score(queries: np.ndarray) -> np.ndarray:
        return _without_empty_classes(standardise(queries) @ weights, counts)

    return score


def logistic(vectors: np.ndarray, labels: np.ndarray, n_classes: int) -> Score:
    """Multinomial logistic regression."""
    from sklearn.linear_model import LogisticRegression

    if len(set(labels.tolist())) < 2:  # nothing to regress
        return nearest(vectors, labels, n_classes)
    standardise = _standardiser(vectors)
    model = LogisticRegression(C=LOGISTIC_C, max_iter=200, tol=1e-3)
    model.fit(standardise(vectors), labels)
    present = model.classes_

    def score(queries: np.ndarray) -> np.ndarray:
        scores = np.full((len(queries), n_classes), -np.inf, np.float32)
        decision = model.decision_function(standardise(queries))
        if len(present) == 2:  # scikit-learn gives one number for two classes
            decision = np.stack([-decision, decision], axis=1) / 2
        scores[:, present] = decision
        return scores

    return score


HEADS: dict[str, Head] = {
    "nearest": nearest,
    "class_mean": class_mean,
    "cache": cache,
    "lda": lda,
    "ridge": ridge,
    "logistic": logistic,
}


def _class_means(
    vectors: np.ndarray, labels: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean vector of each class (C, d), zeros where it has none, and its size (C,)."""
    counts = np.bincount(labels, minlength=n_classes)
    sums = np.zeros((n_classes, vectors.shape[1]), np.float32)
    np.add.at(sums, labels, vectors)
    return sums / np.maximum(counts, 1)[:, None], counts


def _within_classes(
    vectors: np.ndarray, labels: np.ndarray, means: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the variances within classes (d,) and their axes (d, d), by classes of several."""
    from sklearn.covariance import ledoit_wolf

    d = vectors.shape[1]
    sizes = np.maximum(counts, 1)[:, None]
    unbiased = np.sqrt(sizes / np.maximum(sizes - 1, 1))  # a mean lies too near to its own vectors
    has_several = counts > 1
    residuals = ((vectors - means[labels]) * unbiased[labels])[has_several[labels]]
    if len(residuals) < 2:
        return np.ones(d), np.eye(d)
    covariance, _ = ledoit_wolf(residuals.astype(float), assume_centered=True)
    variances, axes = np.linalg.eigh(covariance)
    return variances, axes


def _between_classes(
    white_means: np.ndarray, sizes: np.ndarray, variances: np.ndarray
) -> np.ndarray:
    """Return the variance of the class means (C, d) along each axis (d,), less their own noise.

    Axes of equal variance within classes are arbitrary, so those share one value.
    """
    between = (white_means**2).mean(axis=0)
    rounded = np.round(np.log(np.maximum(variances, SMALLEST)), 3)
    _, axis_group = np.unique(rounded, return_inverse=True)
    shared = np.bincount(axis_group, between) / np.bincount(axis_group)
    return np.maximum(shared[axis_group] - (1 / sizes).mean(), LEAST_BETWEEN)


def _standardiser(vectors: np.ndarray) -> Score:
    """Return what moves vectors to a mean of 0 and a mean squared length of 1.

    The vectors of a random network differ little from each other.
    """
    middle = vectors.mean(axis=0)
    mean_square = ((vectors - middle) ** 2).sum(axis=1).mean()
    size = max(float(np.sqrt(mean_square)), SMALLEST)

    def standardise(queries: np.ndarray) -> np.ndarray:
        return (queries - middle) / size

    return standardise


def _without_empty_classes(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.where(counts > 0, scores, -np.inf).astype(np.float32)
