"""The ladder: ways to classify by a gallery of embeddings, none of which trains a network. See SimpleShot (Wang et al. 2019), Tip-Adapter (Zhang et al. 2022).

A head is fit(vectors n x d of length 1, labels n from 0, n_classes) -> score(queries m x d) -> m x n_classes, higher is likelier. A class
without a vector scores -inf.
"""
import numpy as np

SHARPNESS = 20.0  # of the cache's exp(-sharpness (1 - cosine))
RIDGE = 1.0
LOGISTIC_C = 10.0


def nearest(vectors, labels, n_classes):
    """The likeness to the nearest specimen of each class."""
    def score(queries):
        cosine = queries @ vectors.T
        found = np.full((n_classes, len(queries)), -np.inf, np.float32)
        np.maximum.at(found, labels, cosine.T)
        return found.T
    return score


def class_mean(vectors, labels, n_classes):
    """The cosine to each class's mean, all vectors less their mean and of length 1 (CL2N)."""
    middle = vectors.mean(axis=0)
    means, counts = _means(_unit(vectors - middle), labels, n_classes)
    means = _unit(means)
    return lambda queries: _without(_unit(queries - middle) @ means.T, counts)


def cache(vectors, labels, n_classes):
    """The class mean's cosine, and the likeness to every specimen of the class, the near ones weighing most."""
    by_mean = class_mean(vectors, labels, n_classes)
    one_hot = np.eye(n_classes, dtype=np.float32)[labels]
    counts = np.maximum(one_hot.sum(axis=0), 1)

    def score(queries):
        near = np.exp(-SHARPNESS * (1 - queries @ vectors.T)) @ one_hot / counts
        return by_mean(queries) + near
    return score


def lda(vectors, labels, n_classes):
    """Probabilistic linear discriminant (Ioffe 2006): log-likelihood of a class, given how few specimens its mean rests on, less that of a new class.

    One covariance within all classes, shrunk by Ledoit and Wolf's rule as there are fewer vectors than dimensions; means spread by a variance of
    their own along its axes. A class of one specimen thus competes fairly with one of many, which nearest means under one covariance do not allow.
    """
    from sklearn.covariance import ledoit_wolf

    means, counts = _means(vectors, labels, n_classes)
    many, n = counts > 1, np.maximum(counts, 1)[:, None]
    spread = ((vectors - means[labels]) * np.sqrt(n / np.maximum(n - 1, 1))[labels])[many[labels]]
    values, axes = np.linalg.eigh(ledoit_wolf(spread.astype(float), assume_centered=True)[0]) if len(spread) > 1 else (1.0, np.eye(vectors.shape[1]))
    whiten = axes / np.sqrt(np.maximum(values, 1e-12))
    middle = means[counts > 0].mean(axis=0)
    white = (means - middle) @ whiten
    between = (white[counts > 0] ** 2).mean(axis=0)
    same = np.unique(np.round(np.log(np.maximum(values, 1e-12)), 3) + np.zeros(len(between)), return_inverse=True)[1]
    between = (np.bincount(same, between) / np.bincount(same))[same]  # axes of equal variance within classes are any
    between = np.maximum(between - (1 / n[counts > 0]).mean(), 1e-3)  # less what the means' own noise adds
    expected, variance = white * (between * n / (between * n + 1)), 1 + between / (between * n + 1)
    offset = np.log(variance).sum(axis=1) + (expected ** 2 / variance).sum(axis=1) - np.log(1 + between).sum()

    def score(queries):
        asked = (queries - middle) @ whiten
        return _without(asked @ (expected / variance).T - (asked ** 2 @ (1 / variance - 1 / (1 + between)).T + offset) / 2, counts)
    return score


def ridge(vectors, labels, n_classes):
    """Least squares on each class against all others, shrunk."""
    standard = _standard(vectors)
    x, counts = standard(vectors), np.bincount(labels, minlength=n_classes)
    y = np.eye(n_classes, dtype=np.float32)[labels] - counts / len(labels)
    if len(x) < x.shape[1]:
        weights = x.T @ np.linalg.solve(x @ x.T + RIDGE * np.eye(len(x), dtype=np.float32), y)
    else:
        weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1], dtype=np.float32), x.T @ y)
    return lambda queries: _without(standard(queries) @ weights, counts)


def logistic(vectors, labels, n_classes):
    """Multinomial logistic regression."""
    from sklearn.linear_model import LogisticRegression

    if len(set(labels.tolist())) < 2:  # nothing to regress
        return nearest(vectors, labels, n_classes)
    standard = _standard(vectors)
    fitted = LogisticRegression(C=LOGISTIC_C, max_iter=200, tol=1e-3).fit(standard(vectors), labels)
    present = fitted.classes_

    def score(queries):
        found = np.full((len(queries), n_classes), -np.inf, np.float32)
        decided = fitted.decision_function(standard(queries))
        found[:, present] = decided if len(present) > 2 else np.stack([-decided, decided], axis=1) / 2
        return found
    return score


def _standard(vectors):
    """Return what moves vectors to a mean of 0 and a mean square length of 1: a random network's differ little from each other."""
    middle = vectors.mean(axis=0)
    size = max(float(np.sqrt(((vectors - middle) ** 2).sum(axis=1).mean())), 1e-12)
    return lambda queries: (queries - middle) / size


HEADS = {head.__name__: head for head in (nearest, class_mean, cache, lda, ridge, logistic)}


def _means(vectors, labels, n_classes):
    counts = np.bincount(labels, minlength=n_classes)
    sums = np.zeros((n_classes, vectors.shape[1]), np.float32)
    np.add.at(sums, labels, vectors)
    return sums / np.maximum(counts, 1)[:, None], counts


def _without(scores, counts):
    return np.where(counts > 0, scores, -np.inf).astype(np.float32)


def _unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
