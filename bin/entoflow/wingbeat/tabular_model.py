"""A fitted classifier of features as plain arrays, which cannot carry code.

It gives scikit-learn's probabilities. Trees are one list of nodes, where a leaf has itself for both
children, so that all rows go down all trees at once. n events, d features, C classes.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from entoflow.task import InputError, first_line
from entoflow.wingbeat import boosted_trees
from entoflow.wingbeat.boosted_trees import Tree

FILE = "classifier.npz"
AT_ONCE = 256  # rows
FOREST = ("feature", "threshold", "left", "right", "roots", "depth", "value")
ARRAYS = {
    "gradient_boosting": (*FOREST, "baseline"),
    "extra_trees": FOREST,
    "svm": ("mean", "scale", "vectors", "weights", "gamma", "intercepts"),
}

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class TableModel:
    """A classifier of features."""

    kind: str  # one of ARRAYS
    classes: np.ndarray  # C, as it was trained on them
    sharpness: float  # scores are multiplied by it before the softmax
    arrays: Arrays  # those of ARRAYS, and n_features

    def renamed(self, names: np.ndarray | Sequence[str]) -> "TableModel":
        """Return the model with names for classes that were numbers."""
        return replace(self, classes=np.asarray(names)[self.classes])

    def scores(self, table: np.ndarray) -> np.ndarray:
        """Return the scores (n x C) of a table (n x d). Raises InputError for another d."""
        table = np.asarray(table, float)
        n_features = self.arrays["n_features"]
        if table.shape[1] != n_features:
            raise InputError(
                f"events have {table.shape[1]} features; wanted {n_features}, "
                "as those that the model was trained on."
            )
        parts = [np.empty((0, len(self.classes)))]
        for start in range(0, len(table), AT_ONCE):
            parts.append(_scores(self.kind, self.arrays, table[start : start + AT_ONCE]))
        return np.concatenate(parts)

    def predict_proba(self, table: np.ndarray) -> np.ndarray:
        """Return the probabilities (n x C, rows of sum 1) of a table (n x d); see scores()."""
        scores = self.sharpness * self.scores(table)
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities: np.ndarray = odds / odds.sum(axis=1, keepdims=True)
        return probabilities


def exported(fitted: Any, sharpness: float) -> TableModel:
    """Return the model of a fitted tabular.estimator, trained on classes by their numbers."""
    if hasattr(fitted, "estimators_"):
        kind = "extra_trees"
        arrays = _export_extra_trees(fitted)
    elif hasattr(fitted[0], "bin_edges_"):
        kind = "gradient_boosting"
        arrays = _export_boosted_trees(*fitted)
    else:
        kind = "svm"
        arrays = _export_machines(*fitted)
    arrays["n_features"] = np.array(fitted.n_features_in_)
    return TableModel(kind, fitted.classes_, sharpness, arrays)


def save(model: TableModel, folder: Path) -> None:
    """Write a model to a folder that exists: classifier.npz, arrays without Python objects."""
    contents: dict[str, Any] = {
        "model_kind": np.array(model.kind),
        "model_classes": np.asarray(model.classes, str),
        "model_sharpness": np.array(model.sharpness),
        **model.arrays,
    }
    np.savez(folder / FILE, **contents)


def load(folder: Path) -> TableModel:
    """Return the model that save() wrote to a folder. Raises InputError where it cannot be read."""
    path = folder / FILE
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        kind = str(arrays.pop("model_kind"))
        classes = arrays.pop("model_classes")
        sharpness = float(arrays.pop("model_sharpness"))
        if set(arrays) != {*ARRAYS[kind], "n_features"}:
            raise KeyError(f"has arrays {', '.join(sorted(arrays))}")
    except (OSError, ValueError, TypeError, LookupError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: holds no classifier that can be read ({first_line(error)}); "
            "wanted one that entoflow wrote."
        ) from None
    return TableModel(kind, classes, sharpness, arrays)


def _export_extra_trees(fitted: Any) -> Arrays:
    trees = []
    for each in fitted.estimators_:
        nodes = each.tree_
        trees.append(
            Tree(
                nodes.feature,
                nodes.threshold,
                nodes.children_left,
                nodes.children_right,
                nodes.children_left < 0,
                nodes.value[:, 0],
                nodes.max_depth,
            )
        )
    arrays = _forest(trees)
    values = arrays["value"]
    arrays["value"] = (values / values.sum(axis=1, keepdims=True)).astype(np.float32)
    return arrays


def _export_boosted_trees(bins: Any, boosting: Any) -> Arrays:
    """Return trees whose thresholds are in the units of the features, not in numbers of bins."""
    trees, baseline = boosted_trees.read(boosting)
    arrays = _forest(trees)
    arrays["baseline"] = baseline
    n_edges = max(len(edges) for edges in bins.bin_edges_)
    all_edges = np.full((len(bins.bin_edges_), n_edges), np.inf)
    for row, edges in zip(all_edges, bins.bin_edges_):
        row[: len(edges)] = edges
    upper = np.floor(arrays["threshold"]).astype(int) + 1  # edges belong to the bin above
    thresholds = all_edges[arrays["feature"], np.clip(upper, 0, n_edges - 1)]
    arrays["threshold"] = np.nextafter(thresholds, -np.inf)
    return arrays


def _export_machines(scaler: Any, machines: Any) -> Arrays:
    estimators = machines.estimators_
    support = np.unique(np.concatenate([machine.support_ for machine in estimators]))
    vectors = np.zeros((len(support), scaler.n_features_in_))
    weights = np.zeros((len(estimators), len(support)))
    for machine, machine_weights in zip(estimators, weights):
        places = np.searchsorted(support, machine.support_)
        vectors[places] = machine.support_vectors_
        machine_weights[places] = machine.dual_coef_[0]
    return {
        "mean": scaler.mean_,
        "scale": scaler.scale_,
        "vectors": vectors,
        "weights": weights,
        "gamma": np.array(estimators[0].gamma),
        "intercepts": np.array([machine.intercept_[0] for machine in estimators]),
    }


def _forest(trees: Sequence[Tree]) -> Arrays:
    """Return trees as one list of nodes: the nodes of a tree follow its root."""
    sizes = [len(tree.feature) for tree in trees]
    roots = np.cumsum(sizes) - sizes
    is_leaf = np.concatenate([tree.is_leaf for tree in trees]).astype(bool)
    feature = np.concatenate([tree.feature for tree in trees])
    nodes = np.arange(sum(sizes))
    root = np.repeat(roots, sizes)
    left = np.concatenate([tree.left for tree in trees]) + root
    right = np.concatenate([tree.right for tree in trees]) + root
    return {
        "feature": np.where(is_leaf, 0, feature).astype(np.int32),
        "threshold": np.concatenate([tree.threshold for tree in trees]),
        "left": np.where(is_leaf, nodes, left).astype(np.int32),
        "right": np.where(is_leaf, nodes, right).astype(np.int32),
        "roots": roots,
        "depth": np.array(max(tree.depth for tree in trees)),
        "value": np.concatenate([tree.value for tree in trees]),
    }


def _scores(kind: str, arrays: Arrays, table: np.ndarray) -> np.ndarray:
    if kind == "extra_trees":
        return _score_extra_trees(arrays, table)
    if kind == "gradient_boosting":
        return _score_boosted_trees(arrays, table)
    return _score_machines(arrays, table)


def _score_extra_trees(arrays: Arrays, table: np.ndarray) -> np.ndarray:
    shares = arrays["value"][_leaves(arrays, table.astype(np.float32))]  # n x trees x C
    with np.errstate(divide="ignore"):
        logarithms: np.ndarray = np.log(shares.mean(axis=1, dtype=float))
    return logarithms


def _score_boosted_trees(arrays: Arrays, table: np.ndarray) -> np.ndarray:
    baseline = arrays["baseline"]
    values = arrays["value"][_leaves(arrays, table)]  # n x trees
    raw: np.ndarray = values.reshape(len(table), -1, len(baseline)).sum(axis=1) + baseline
    if raw.shape[1] > 1:
        return raw
    return np.concatenate([-raw, raw], axis=1) / 2  # of two classes there is one score


def _score_machines(arrays: Arrays, table: np.ndarray) -> np.ndarray:
    vectors = arrays["vectors"]
    points = (table - arrays["mean"]) / arrays["scale"]
    squares = (points**2).sum(axis=1)[:, None] + (vectors**2).sum(axis=1)
    distances = squares - 2 * points @ vectors.T
    kernel = np.exp(-arrays["gamma"] * distances)
    decisions: np.ndarray = kernel @ arrays["weights"].T + arrays["intercepts"]
    if decisions.shape[1] > 1:
        return decisions
    return np.concatenate([-decisions, decisions], axis=1)


def _leaves(arrays: Arrays, table: np.ndarray) -> np.ndarray:
    """Return the leaf (n x trees) that each row comes to in each tree."""
    rows = np.arange(len(table))[:, None]
    nodes = np.tile(arrays["roots"], (len(table), 1))
    for _ in range(int(arrays["depth"])):
        goes_left = table[rows, arrays["feature"][nodes]] <= arrays["threshold"][nodes]
        nodes = np.where(goes_left, arrays["left"][nodes], arrays["right"][nodes])
    return nodes
