"""Reads the trees of scikit-learn's gradient boosting, which it keeps in private attributes.

This is the only place that touches them. In return a model is a file of plain arrays, which cannot
carry code and is read without scikit-learn, where pickle could do anything. That the arrays give
scikit-learn's probabilities is what tests/entoflow/wingbeat/test_tabular_model.py checks, so a
version of scikit-learn that renames them is noticed there.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Tree:
    """A tree as arrays over its nodes, the root first; children are numbers of nodes."""

    feature: np.ndarray
    threshold: np.ndarray  # rows with values up to it go left
    left: np.ndarray
    right: np.ndarray
    is_leaf: np.ndarray
    value: np.ndarray  # of leaves, what the tree adds; or a row of numbers
    depth: int


def read(boosting: Any) -> tuple[list[Tree], np.ndarray]:
    """Return the trees of a HistGradientBoostingClassifier, and what its raw scores start from.

    Trees are in the order iteration, class; thresholds are in bins.
    """
    trees = []
    for iteration in boosting._predictors:
        for predictor in iteration:
            trees.append(_read_tree(predictor.nodes))
    return trees, boosting._baseline_prediction.ravel()


def _read_tree(nodes: np.ndarray) -> Tree:
    return Tree(
        nodes["feature_idx"],
        nodes["num_threshold"],
        nodes["left"],
        nodes["right"],
        nodes["is_leaf"],
        nodes["value"],
        int(nodes["depth"].max()),
    )
