"""The chance that the likeliest genus or family is right where the class is unknown.

It is fitted on held-out images, each scored by galleries without its class, without its whole
genus and without its whole family: as if each of these were as frequent among unknown images.
"""

from collections.abc import Sequence

import numpy as np

from entoflow.identification.held_out import LabelledVectors, scores_without_units
from entoflow.identification.identifier import Calibration, RankFit, known_probability
from entoflow.identification.rollup import log_odds, taxa_of_classes, taxon_of_class
from entoflow.probabilities import softmax
from entoflow.taxonomy import RANKS, Taxa


def fit_ranks(
    specimens: LabelledVectors,
    classes: Sequence[str],
    evaluated: np.ndarray,
    unknown_rows: np.ndarray,
    taxa: Taxa,
    calibration: Calibration,
) -> dict[str, RankFit]:
    """Return {rank: fit of whether the likeliest taxon of an unknown class is right}.

    classes: C names, those of class_index. evaluated: (k,) rows of specimens that have folds.
    unknown_rows: (u,) those that stand for unknown classes. A rank of which the gallery has a
    single taxon is left out: nothing tells others from it.
    """
    taxon_of = {rank: taxon_of_class(classes, taxa, rank) for rank in RANKS}
    fitted_ranks = [rank for rank in RANKS if taxon_of[rank].max(initial=-1) > 0]
    units = [np.arange(len(classes)), *(taxon_of[rank] for rank in fitted_ranks)]
    parts = [_predict(specimens, evaluated, unknown_rows, unit, calibration) for unit in units]
    rows = np.concatenate([part[0] for part in parts])
    probabilities = np.concatenate([part[1] for part in parts])
    p_known = np.concatenate([part[2] for part in parts])
    fits = {}
    for rank in fitted_ranks:
        true_taxon = taxon_of[rank][specimens.class_index[rows]]
        has_taxon = true_taxon >= 0
        if has_taxon.any():
            rank_taxa = taxa_of_classes(classes, taxa, rank)
            best, p_taxon = rank_taxa.likeliest(probabilities[has_taxon])
            is_right = best == true_taxon[has_taxon]
            fits[rank] = fit_right(log_odds(p_taxon, p_known[has_taxon]), is_right)
    return fits


def _predict(
    specimens: LabelledVectors,
    evaluated: np.ndarray,
    unknown_rows: np.ndarray,
    unit_of_class: np.ndarray,
    calibration: Calibration,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (rows r, P(class | known) (r, C), P(known) r) by galleries without the rows' units.

    Rows of classes without a unit are left out, and those that no class is left for.
    """
    has_unit = unit_of_class[specimens.class_index[unknown_rows]] >= 0
    rows = unknown_rows[has_unit]
    scores = scores_without_units(specimens, evaluated, rows, unit_of_class, calibration.head)
    has_gallery = np.isfinite(scores.by_head).any(axis=1)
    scores = scores.keep(has_gallery)
    p_known = known_probability(scores.evidence(calibration.known_temperature), calibration.known)
    return rows[has_gallery], softmax(scores.by_head / calibration.temperature), p_known


def fit_right(x: np.ndarray, is_right: np.ndarray) -> RankFit:
    """Return the logistic regression of is_right (m,) on x (m, 2).

    Its targets are those of Platt (1999), which are never 0 or 1: few images make nothing sure.
    """
    from sklearn.linear_model import LogisticRegression

    n = len(is_right)
    n_right = int(is_right.sum())
    target = np.where(is_right, (n_right + 1) / (n_right + 2), 1 / (n - n_right + 2))
    mean = x.mean(axis=0)
    deviation = np.maximum(x.std(axis=0), 1e-9)
    standard = (x - mean) / deviation
    # Each image counts as right by its target, and as wrong by what is left.
    model = LogisticRegression().fit(
        np.concatenate([standard, standard]),
        np.repeat([1, 0], n),
        np.concatenate([target, 1 - target]),
    )
    weights = model.coef_[0] / deviation
    return RankFit(weights.tolist(), float(model.intercept_[0] - mean @ weights), n)
