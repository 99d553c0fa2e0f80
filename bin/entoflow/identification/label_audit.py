"""Which labels may be wrong: specimens that the others say are of another class.

With three labels a class one wrong label is a third of what is known of it. Each specimen is named
by a gallery without its group, by vectors of an embedder that did not learn from it: one that did
would have learned its wrong label, too. Vectors by which most labels seem wrong say nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from entoflow.identification.held_out import LabelledVectors, group_folds, scores_by_folds
from entoflow.probabilities import fitted_temperature, softmax

FROZEN = "frozen"
FAIR = 0.5  # share of the labels that vectors must find likeliest, to be believed about the others
CLEAR = 0.5  # how much likelier another class must be than the label, to be worth a check
HEAD = "class_mean"  # by the nearest specimen, one wrong label would make its class doubtful


def views(parts: Sequence[str], comparison: Mapping[str, Any]) -> list[tuple[str, np.ndarray]]:
    """Return [(name of the vectors, which specimens (n,) bool are named by them)].

    comparison: what choose_embedder.py wrote. Specimens of the part train, which the chosen
    embedder learned from, are named by the frozen one.
    """
    chosen = comparison["chosen"]["vectors"]
    learned = np.asarray(parts) == "train"
    named_by = {FROZEN: learned, chosen: ~learned}
    if chosen == FROZEN:
        named_by = {FROZEN: np.ones(len(learned), bool)}
    return [(name, specimens) for name, specimens in named_by.items() if specimens.any()]


def doubts(
    vectors: np.ndarray, class_index: np.ndarray, groups: np.ndarray, evaluated: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (rows, their likeliest other class, its probability less that of the label).

    vectors: (n, d). class_index: (n,) of the label, from 0. groups: (n,). evaluated: (n,) bool,
    which specimens to name. Those without another group of their class are left out.
    """
    n_classes = int(class_index.max(initial=0)) + 1
    specimens = LabelledVectors(vectors, class_index, groups, n_classes)
    rows = np.flatnonzero(evaluated)
    scores = scores_by_folds(specimens, group_folds(class_index, groups), rows, HEAD)
    usable = np.isfinite(scores[np.arange(len(rows)), class_index[rows]])
    rows = rows[usable]
    scores = scores[usable]
    label = class_index[rows]
    probabilities = softmax(scores / fitted_temperature(scores, label))
    each = np.arange(len(rows))
    p_label = probabilities[each, label]
    probabilities[each, label] = -1
    other = probabilities.argmax(axis=1)
    return rows, other, probabilities[each, other] - p_label
