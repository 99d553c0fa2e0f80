"""Which labels may be wrong: specimens that the others say are of another class.

With three labels a class, one wrong label is a third of what is known of it. Each specimen is
classified by a gallery without its group, with vectors of an embedder that was not trained on it:
one that was has learned its wrong label, too. Vectors by which most labels seem wrong cannot check
labels at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from entoflow import pages
from entoflow.identification.held_out import LabelledVectors, group_folds, scores_by_folds
from entoflow.probabilities import fitted_temperature, softmax

FROZEN = "frozen"  # vectors of the embedder before training
LEAST_AGREEMENT = (
    0.5  # share of the labels that vectors must find the most probable, to be used on the others
)
LEAST_DOUBT = 0.5  # how much more probable another class must be to be listed
# By the nearest specimen, one wrong label would make all correct ones of its class doubtful
CLASSIFIER = "class_mean"


@dataclass(frozen=True)
class Doubts:
    """How doubtful the labels are of those specimens (m) that could be checked."""

    rows: np.ndarray  # (m,) of the specimens
    others: np.ndarray  # (m,) the most probable other class
    doubt: np.ndarray  # (m,) its probability minus that of the label, -1 to 1


@dataclass(frozen=True)
class ShownDoubt:
    """A doubtful label on the page; pictures are JPEGs in base64."""

    image: str
    label: str
    suggested: str
    doubt: str
    embedder: str
    pictures: list[str]
    pictures_of_label: list[str]
    pictures_of_suggested: list[str]


@dataclass(frozen=True)
class LabelAudit:
    """All that the page shows."""

    summary: str
    doubts: list[ShownDoubt]


def checked_specimens(parts: Sequence[str], comparison: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return {name of vectors: which specimens (n bool) to check with them}.

    Vectors without a specimen to check are left out. comparison: what choose_embedder.py wrote.
    Specimens that the chosen embedder was trained on are checked with the frozen one.
    """
    chosen = comparison["chosen"]["vectors"]
    is_trained_on = np.asarray(parts) == "train"
    if chosen == FROZEN:
        masks = {FROZEN: np.ones(len(is_trained_on), bool)}
    else:
        masks = {FROZEN: is_trained_on, chosen: ~is_trained_on}
    return {name: mask for name, mask in masks.items() if mask.any()}


def doubts(
    vectors: np.ndarray, classes: np.ndarray, groups: np.ndarray, is_checked: np.ndarray
) -> Doubts:
    """Return how doubtful the labels of the checked specimens are.

    vectors: n x d. classes: n numbers from 0. groups: n. is_checked: n bool. A specimen whose class
    has no other group cannot be checked and is left out.
    """
    rows = np.flatnonzero(is_checked)
    n_classes = classes.max(initial=0) + 1
    specimens = LabelledVectors(vectors, classes, groups, int(n_classes))
    scores = scores_by_folds(specimens, group_folds(classes, groups), rows, CLASSIFIER)
    has_score = np.isfinite(scores[np.arange(len(rows)), classes[rows]])
    rows = rows[has_score]
    scores = scores[has_score]
    labels = classes[rows]
    numbers = np.arange(len(rows))
    probability = softmax(scores / fitted_temperature(scores, labels))
    of_label = probability[numbers, labels]
    probability[numbers, labels] = -1
    others = probability.argmax(axis=1)
    return Doubts(rows, others, probability[numbers, others] - of_label)


def page(audit: LabelAudit) -> str:
    """Return the page of the labels to check."""
    return pages.render("label_audit.html.j2", ("palette.css", "page.css"), {"audit": audit})
