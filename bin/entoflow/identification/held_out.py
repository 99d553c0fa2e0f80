"""Calibration on specimens that are each named by a gallery without them.

Whatever is chosen or fitted here is fitted on held-out images, each scored by a gallery without
its own group (is it named right?) and once more by one without its whole class (is it taken for
unknown?), so that no fit sees a class that the gallery lacks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from entoflow.identification import heads
from entoflow.identification.identifier import Calibration, KnownFit, evidence, known_probability
from entoflow.probabilities import NameCalibration, calibrate_names, fitted_temperature
from entoflow.splits import order

FOLDS = 5  # of groups
CLASS_FOLDS = 3  # of classes that stand for unknown ones
# An image is rejected whose P(known) is below that of all but this share of unknown-class images.
REJECTED = 0.01
NO_FOLD = -1


@dataclass(frozen=True)
class LabelledVectors:
    """The vectors of specimens with their classes and groups."""

    vectors: np.ndarray  # (n, d) float32 of length 1
    class_index: np.ndarray  # (n,) of its class, below n_classes
    groups: np.ndarray  # (n,) names
    n_classes: int

    def scores(self, in_gallery: np.ndarray, rows: np.ndarray, head: str) -> np.ndarray:
        """Return the scores (r, n_classes) of rows (r,) by a gallery, (n,) bool of specimens."""
        fit = heads.HEADS[head]
        score = fit(self.vectors[in_gallery], self.class_index[in_gallery], self.n_classes)
        return score(self.vectors[rows])


@dataclass(frozen=True)
class Scores:
    """The scores of rows by galleries that lack something of them."""

    by_head: np.ndarray  # (k, C)
    cosines: np.ndarray  # (k, C) to the nearest specimen of each class

    def evidence(self, temperature: float) -> np.ndarray:
        """Return the evidence (k, 4) of known and unknown."""
        return evidence(self.by_head, self.cosines, temperature)

    def keep(self, rows: np.ndarray) -> Scores:
        """Return the scores of some rows."""
        return Scores(self.by_head[rows], self.cosines[rows])


@dataclass(frozen=True)
class Folds:
    """Which specimens the gallery of each row lacks."""

    specimens: LabelledVectors
    evaluated: np.ndarray  # (k,) rows of specimens that are to be named
    group_fold: np.ndarray  # (n,) fold of the group of each specimen
    class_fold: np.ndarray  # (n_classes,) fold of each class that stands for unknown ones, else -1

    def scores(self, rows: np.ndarray, without: np.ndarray, head: str) -> Scores:
        """Return the scores of rows (r,) by galleries that lack the evaluated groups of their fold.

        without: (r,) fold of the classes that the gallery of a row lacks, too; -1 for none.
        """
        by_head = self._by_one_head(rows, without, head)
        return Scores(by_head, self._by_one_head(rows, without, "nearest"))

    def _by_one_head(self, rows: np.ndarray, without: np.ndarray, head: str) -> np.ndarray:
        specimens = self.specimens
        scores = np.empty((len(rows), specimens.n_classes), np.float32)
        fold_of_row = self.group_fold[rows]
        for group_fold in np.unique(fold_of_row):
            in_group_fold = fold_of_row == group_fold
            lacks_no_group = ~np.isin(specimens.groups, self._evaluated_groups(group_fold))
            for class_fold in np.unique(without[in_group_fold]):
                chosen = in_group_fold & (without == class_fold)
                lacks_no_class = self.class_fold[specimens.class_index] != class_fold
                in_gallery = lacks_no_group & (lacks_no_class | (class_fold < 0))
                if in_gallery.any():
                    scores[chosen] = specimens.scores(in_gallery, rows[chosen], head)
                else:
                    scores[chosen] = -np.inf
        return scores

    def _evaluated_groups(self, group_fold: int) -> np.ndarray:
        in_fold = self.evaluated[self.group_fold[self.evaluated] == group_fold]
        return np.unique(self.specimens.groups[in_fold])


@dataclass(frozen=True)
class HeldOutScores:
    """The scores of evaluated specimens by galleries without them; k rows, u of unknown classes."""

    head: str
    class_index: np.ndarray  # (k,) true class
    known: Scores  # k, by galleries without the row's group
    thinned: Scores  # k, by galleries that lack as many other classes as those of `unknown` do
    unknown: Scores  # u, by galleries without the row's class

    @property
    def is_enrolled(self) -> np.ndarray:
        """Whether the class of each row (k,) has another group in the gallery."""
        rows = np.arange(len(self.class_index))
        return np.isfinite(self.known.by_head[rows, self.class_index])

    @property
    def is_right(self) -> np.ndarray:
        """Whether each row (k,) is named right."""
        return self.is_enrolled & (self.known.by_head.argmax(axis=1) == self.class_index)

    def known_evidence(self, temperature: float) -> np.ndarray:
        """Return the evidence of the rows whose class the thinned gallery has."""
        rows = np.arange(len(self.class_index))
        usable = np.isfinite(self.thinned.by_head[rows, self.class_index])
        return self.thinned.keep(usable).evidence(temperature)


def held_out_scores(
    specimens: LabelledVectors, evaluated: np.ndarray, unknown_rows: np.ndarray, head: str
) -> HeldOutScores:
    """Return the scores of specimens, each by a gallery that lacks something of it.

    evaluated: (k,) rows to name. unknown_rows: (u,) rows whose classes stand for unknown ones; of
    classes that the embedder did not learn from, as those that it did are easier to tell. The
    known rows are scored once more without as many other classes: else the size of the gallery
    would tell known from unknown.
    """
    class_index = specimens.class_index[evaluated]
    unknown_classes = specimens.class_index[unknown_rows]
    class_fold = unit_folds(np.arange(specimens.n_classes), unknown_classes)
    n_folds = max(1, class_fold.max(initial=0) + 1)
    own_fold = class_fold[class_index]
    in_turn = np.arange(len(evaluated)) % n_folds
    other_fold = np.where(own_fold >= 0, (own_fold + 1) % n_folds, in_turn)
    no_fold = np.full(len(evaluated), NO_FOLD)
    group_fold = group_folds(specimens.class_index, specimens.groups)
    folds = Folds(specimens, evaluated, group_fold, class_fold)
    return HeldOutScores(
        head=head,
        class_index=class_index,
        known=folds.scores(evaluated, no_fold, head),
        thinned=folds.scores(evaluated, other_fold, head),
        unknown=folds.scores(unknown_rows, class_fold[unknown_classes], head),
    )


def scores_without_units(
    specimens: LabelledVectors,
    evaluated: np.ndarray,
    unknown_rows: np.ndarray,
    unit_of_class: np.ndarray,
    head: str,
) -> Scores:
    """Return the scores of unknown_rows (u,) by galleries that lack their whole unit.

    unit_of_class: (n_classes,) the class itself, its genus or its family; -1 for none.
    """
    unknown_classes = specimens.class_index[unknown_rows]
    class_fold = unit_folds(unit_of_class, unknown_classes)
    group_fold = group_folds(specimens.class_index, specimens.groups)
    folds = Folds(specimens, evaluated, group_fold, class_fold)
    return folds.scores(unknown_rows, class_fold[unknown_classes], head)


def calibrate(scores: HeldOutScores) -> Calibration:
    """Return the calibration of a head, fitted on held-out scores."""
    enrolled = scores.is_enrolled
    names = calibrate_names(scores.known.by_head[enrolled], scores.class_index[enrolled])
    unknown_evidence = scores.unknown.evidence(names.temperature)
    fit = fit_known(scores.known_evidence(names.temperature), unknown_evidence)
    p_known_of_unknown = known_probability(unknown_evidence, fit)
    return Calibration(
        head=scores.head,
        temperature=names.temperature,
        conformal=names.conformal,
        n_known=names.n_known,
        known_temperature=names.temperature,
        known=fit,
        reject_below=min(float(np.quantile(p_known_of_unknown, REJECTED)), 0.5),
        n_unknown=len(unknown_evidence),
    )


def unknown_auroc(scores: HeldOutScores, calibration: Calibration) -> float:
    """Return the area under the ROC curve of known against unknown classes.

    It is that on the images which the calibration was fitted on. NaN where all are of one kind.
    """
    from entoflow.statistics import auroc

    known_evidence = scores.known_evidence(calibration.known_temperature)
    unknown_evidence = scores.unknown.evidence(calibration.known_temperature)
    p_known = known_probability(
        np.concatenate([known_evidence, unknown_evidence]), calibration.known
    )
    is_known = np.arange(len(p_known)) < len(known_evidence)
    return float(auroc(p_known, is_known, np.ones((1, len(p_known))))[0])


def fit_known(known_evidence: np.ndarray, unknown_evidence: np.ndarray) -> KnownFit:
    """Return the regression that tells known from unknown by evidence, both weighing the same.

    known_evidence: (k, 4). unknown_evidence: (u, 4).
    """
    from sklearn.linear_model import LogisticRegression

    if not len(known_evidence) or not len(unknown_evidence):
        return KnownFit([0.0] * 4, 0.0)  # nothing to tell them by: all are known
    x = np.concatenate([known_evidence, unknown_evidence]).astype(float)
    is_known = np.arange(len(x)) < len(known_evidence)
    mean = x.mean(axis=0)
    deviation = np.maximum(x.std(axis=0), 1e-9)
    model = LogisticRegression(class_weight="balanced").fit((x - mean) / deviation, is_known)
    weights = model.coef_[0] / deviation
    return KnownFit(weights.tolist(), float(model.intercept_[0] - mean @ weights))


def calibrate_full_gallery(
    specimens: LabelledVectors, fold: np.ndarray, evaluated: np.ndarray, head: str
) -> NameCalibration | None:
    """Return the calibration of names by a gallery that lacks no group, as the one that ships.

    fold: (n,) of each specimen. evaluated: (k,) rows. None where no class has a group left.
    Each row is scored without its group, and of three specimens that is one: scores are then less
    clear than they will be. The temperature is taken to go as a power of the number of groups;
    the power is measured by galleries that lack one more group of the row's class.
    """
    class_index = specimens.class_index[evaluated]
    scores = scores_by_folds(specimens, fold, evaluated, head)
    usable = np.isfinite(scores[np.arange(len(evaluated)), class_index])
    if not usable.any():
        return None
    names = calibrate_names(scores[usable], class_index[usable])
    factor = _factor_of_full_gallery(specimens, fold, evaluated, head, scores)
    return NameCalibration(names.temperature * factor, names.conformal, names.n_known)


def _factor_of_full_gallery(
    specimens: LabelledVectors,
    fold: np.ndarray,
    evaluated: np.ndarray,
    head: str,
    scores: np.ndarray,
) -> float:
    """Return what the temperature of held-out scores (k, C) is multiplied by for a full gallery."""
    other_groups = [_other_groups(specimens, row) for row in evaluated]
    several = np.flatnonzero([len(groups) > 1 for groups in other_groups])
    if not len(several):
        return 1.0
    rows = evaluated[several]
    class_index = specimens.class_index[rows]
    thinner = []
    for place in (0, 1):
        lacking = np.array([other_groups[at][place] for at in several], str)
        thinner.append(scores_by_folds(specimens, fold, rows, head, lacking))
    thinner_temperature = fitted_temperature(np.concatenate(thinner), np.tile(class_index, 2))
    ratio = fitted_temperature(scores[several], class_index) / thinner_temperature
    mean_groups = np.mean([len(other_groups[at]) for at in several])
    power = np.log1p(1 / mean_groups) / -np.log1p(-1 / mean_groups)
    return float(min(1.0, ratio) ** power)


def _other_groups(specimens: LabelledVectors, row: int) -> list[str]:
    """Return the groups of a row's class but its own, in an order that depends on their names."""
    same_class = specimens.class_index == specimens.class_index[row]
    return order(set(specimens.groups[same_class].tolist()) - {specimens.groups[row]}, 0)


def scores_by_folds(
    specimens: LabelledVectors,
    fold: np.ndarray,
    evaluated: np.ndarray,
    head: str,
    lacking: np.ndarray | None = None,
) -> np.ndarray:
    """Return the scores (k, n_classes) of evaluated rows, each by a gallery without its group.

    The rows of one fold (fold: (n,) of each specimen) share a gallery, without the groups of all
    of them. lacking: (k,) one more group that the gallery of a row lacks.
    """
    scores = np.empty((len(evaluated), specimens.n_classes), np.float32)
    own_groups = specimens.groups[evaluated]
    fold_of_row = fold[evaluated]
    for number in np.unique(fold_of_row):
        in_fold = fold_of_row == number
        absent = own_groups[in_fold]
        if lacking is not None:
            absent = np.concatenate([absent, lacking[in_fold]])
        in_gallery = ~np.isin(specimens.groups, absent)
        scores[in_fold] = specimens.scores(in_gallery, evaluated[in_fold], head)
    return scores


def group_folds(class_index: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the fold (n,) of each row.

    The groups of a class lie in different folds as far as there are folds, and folds are of like
    size. class_index, groups: (n,).
    """
    fold: dict[Any, int] = {}
    sizes = np.zeros(FOLDS, int)
    for index in np.unique(class_index):
        of_class = np.zeros(FOLDS, int)  # number of the class's groups in each fold
        class_groups = set(groups[class_index == index].tolist())
        for group in class_groups & fold.keys():
            of_class[fold[group]] += 1
        for group in order(class_groups - fold.keys(), 0):
            fold[group] = int(np.lexsort((sizes, of_class))[0])
            of_class[fold[group]] += 1
            sizes[fold[group]] += 1
    return np.array([fold[group] for group in groups.tolist()], int)


def unit_folds(unit_of_class: np.ndarray, unknown_classes: Iterable[int]) -> np.ndarray:
    """Return the fold (n_classes,) of each class by its unit; -1 for classes of no fold.

    unit_of_class: (n_classes,) the class itself, or its genus; -1 for none. The units of the
    unknown classes are dealt to the folds; all others have none.
    """
    units = order(np.unique(unit_of_class[np.asarray(unknown_classes, int)]).tolist(), 0)
    fold_of_unit = np.full(max(unit_of_class.max(initial=0), 0) + 2, NO_FOLD)  # last: of no unit
    fold_of_unit[units] = np.arange(len(units)) % CLASS_FOLDS
    return fold_of_unit[unit_of_class]
