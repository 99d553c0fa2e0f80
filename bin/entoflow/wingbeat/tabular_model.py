"""A fitted classifier of features as plain arrays, which cannot carry code, and what they say of a table: equal to scikit-learn's probabilities.

Trees are one list of nodes, where a leaf has itself for both children, so that all trees of all rows go down at once.
"""
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from entoflow.task import InputError, first_line

FILE = "classifier.npz"
ROWS = 256  # at a time


@dataclass
class Model:
    """classes: C, as they were learned from. sharpness: what scores are multiplied by before the softmax."""

    kind: str
    classes: np.ndarray
    sharpness: float
    arrays: dict

    def named(self, names):
        """Return the model whose classes are names (by the numbers that it learned from)."""
        return Model(self.kind, np.asarray(names)[self.classes], self.sharpness, self.arrays)

    def scores(self, table):
        """Return n x C scores of a table (n x d), whose softmax times sharpness are the probabilities."""
        table = np.asarray(table, float)
        if table.shape[1] != self.arrays["n_features"]:
            raise InputError(f"events have {table.shape[1]} features; wanted {self.arrays['n_features']}, as those that the model learned from.")
        parts = [SCORES[self.kind](self.arrays, table[start:start + ROWS]) for start in range(0, len(table), ROWS)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.classes)))

    def predict_proba(self, table):
        """Return the probabilities (n x C, rows of sum 1) of a table (n x d). Raises InputError for another number of features."""
        scores = self.sharpness * self.scores(table)
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)


def exported(fitted, sharpness):
    """Return the Model of an estimator that tabular.estimator made and that has learned from classes by their numbers."""
    if hasattr(fitted, "estimators_"):
        kind, arrays = "extra_trees", _extra_trees(fitted)
    elif hasattr(fitted[0], "bin_edges_"):
        kind, arrays = "gradient_boosting", _boosted_trees(*fitted)
    else:
        kind, arrays = "svm", _machines(*fitted)
    return Model(kind, fitted.classes_, sharpness, {**arrays, "n_features": np.array(fitted.n_features_in_)})


def _extra_trees(fitted):
    trees = [tree.tree_ for tree in fitted.estimators_]
    nodes = [(tree.feature, tree.threshold, tree.children_left, tree.children_right, tree.children_left < 0) for tree in trees]
    values = np.concatenate([tree.value[:, 0] for tree in trees])
    return {**_forest(nodes, max(tree.max_depth for tree in trees)), "value": (values / values.sum(axis=1, keepdims=True)).astype(np.float32)}


def _boosted_trees(bins, fitted):
    """Return trees whose thresholds are in the units of the features, not in numbers of bins.

    Private attributes of scikit-learn's are read, as it has no others: a test compares what comes of them with its own probabilities.
    """
    trees = [tree.nodes for iteration in fitted._predictors for tree in iteration]
    nodes = [[tree[name] for name in ("feature_idx", "num_threshold", "left", "right", "is_leaf")] for tree in trees]
    found = {**_forest(nodes, max(int(tree["depth"].max()) for tree in trees)), "value": np.concatenate([tree["value"] for tree in trees]),
             "baseline": fitted._baseline_prediction.ravel()}
    edges = np.full((len(bins.bin_edges_), max(map(len, bins.bin_edges_))), np.inf)
    for row, own in zip(edges, bins.bin_edges_):
        row[:len(own)] = own
    last = np.floor(found["threshold"]).astype(int) + 1  # edges belong to the bin above
    return {**found, "threshold": np.nextafter(edges[found["feature"], np.clip(last, 0, edges.shape[1] - 1)], -np.inf)}


def _forest(trees, depth):
    """Return trees (feature, threshold, left, right, is leaf; each of its nodes) as one list of nodes. Children follow their tree's root."""
    sizes = [len(tree[0]) for tree in trees]
    roots = np.cumsum(sizes) - sizes
    feature, threshold, left, right, leaf = (np.concatenate(column) for column in zip(*trees))
    own, leaf, root = np.arange(sum(sizes)), leaf.astype(bool), np.repeat(roots, sizes)
    children = [np.where(leaf, own, child + root).astype(np.int32) for child in (left, right)]
    return {"feature": np.where(leaf, 0, feature).astype(np.int32), "threshold": threshold, "left": children[0], "right": children[1],
            "roots": roots, "depth": np.array(depth)}


def _machines(scaler, machines):
    each = machines.estimators_
    support = np.unique(np.concatenate([machine.support_ for machine in each]))
    vectors, weights = np.zeros((len(support), scaler.n_features_in_)), np.zeros((len(each), len(support)))
    for machine, of_machine in zip(each, weights):
        at = np.searchsorted(support, machine.support_)
        vectors[at], of_machine[at] = machine.support_vectors_, machine.dual_coef_[0]
    return {"mean": scaler.mean_, "scale": scaler.scale_, "vectors": vectors, "weights": weights, "gamma": np.array(each[0].gamma),
            "intercepts": np.array([machine.intercept_[0] for machine in each])}


def _leaves(arrays, table):
    """Return the leaf (n x trees) that each row comes to in each tree."""
    rows, at = np.arange(len(table))[:, None], np.tile(arrays["roots"], (len(table), 1))
    for _ in range(int(arrays["depth"])):
        left = table[rows, arrays["feature"][at]] <= arrays["threshold"][at]
        at = np.where(left, arrays["left"][at], arrays["right"][at])
    return at


def _score_extra_trees(arrays, table):
    with np.errstate(divide="ignore"):
        return np.log(arrays["value"][_leaves(arrays, table.astype(np.float32))].mean(axis=1, dtype=float))


def _score_boosted_trees(arrays, table):
    values = arrays["value"][_leaves(arrays, table)]
    raw = values.reshape(len(table), -1, len(arrays["baseline"])).sum(axis=1) + arrays["baseline"]
    return raw if raw.shape[1] > 1 else np.concatenate([-raw, raw], axis=1) / 2


def _score_machines(arrays, table):
    points, vectors = (table - arrays["mean"]) / arrays["scale"], arrays["vectors"]
    distances = (points ** 2).sum(axis=1)[:, None] + (vectors ** 2).sum(axis=1) - 2 * points @ vectors.T
    decided = np.exp(-arrays["gamma"] * distances) @ arrays["weights"].T + arrays["intercepts"]
    return decided if decided.shape[1] > 1 else np.concatenate([-decided, decided], axis=1)


SCORES = {"gradient_boosting": _score_boosted_trees, "extra_trees": _score_extra_trees, "svm": _score_machines}


FOREST = ("feature", "threshold", "left", "right", "roots", "depth", "value")
ARRAYS = {"gradient_boosting": (*FOREST, "baseline"), "extra_trees": FOREST, "svm": ("mean", "scale", "vectors", "weights", "gamma", "intercepts")}


def save(model, folder):
    """Write a Model to a folder that exists: classifier.npz, arrays without Python objects."""
    facts = {"kind": np.array(model.kind), "classes": np.asarray(model.classes, str), "sharpness": np.array(model.sharpness)}
    np.savez(Path(folder) / FILE, **{f"model_{name}": value for name, value in facts.items()}, **model.arrays)


def load(folder):
    """Return the Model that save wrote to a folder. Raises InputError where there is none that can be read."""
    path = Path(folder) / FILE
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        kind, classes, scale = (arrays.pop(f"model_{name}") for name in ("kind", "classes", "sharpness"))
        if set(arrays) != {*ARRAYS[str(kind)], "n_features"}:
            raise KeyError(f"has arrays {', '.join(sorted(arrays))}")
    except (OSError, ValueError, TypeError, LookupError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: holds no classifier that can be read ({first_line(error)}); wanted one that entoflow wrote.") from None
    return Model(str(kind), classes, float(scale), arrays)
