"""The finest rank at which an image can be named for sure: species, else genus, else family.

The chance that a genus is right is P(known) times the sum of P(species | known) over its species
in the gallery, plus P(unknown) times the chance that it is right for an image of an unknown
species, which is fitted in rollup_fit.py. So with the family.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from entoflow.identification.identifier import Calibration, Predictions, RankFit
from entoflow.taxonomy import RANKS, Taxa

MOST = 10.0  # log-odds; beyond, a chance is as good as 0 or 1


@dataclass(frozen=True)
class RankTaxa:
    """The taxa of one rank among the classes of a gallery."""

    names: list[str]  # T, sorted
    membership: np.ndarray  # (C, T) float32, 1 where a class is of a taxon

    def likeliest(self, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the likeliest taxon (m,) and its probability (m,), the sum over its classes.

        probabilities: (m, C).
        """
        sums = probabilities @ self.membership
        return sums.argmax(axis=1), np.clip(sums.max(axis=1), 0, 1)


@dataclass(frozen=True)
class TaxonPrediction:
    """The likeliest taxon of one rank for each of m images."""

    names: list[str]  # m
    p_right: np.ndarray  # (m,)


@dataclass(frozen=True)
class FinestNames:
    """The finest name of each of m images that is sure enough."""

    taxa: list[str]  # m, "" where none is sure enough
    ranks: list[str]  # m, species, genus, family or ""


@dataclass(frozen=True)
class Rollup:
    """Names images at the finest rank by the predictions of an Identifier of the same classes."""

    classes: list[str]  # C
    taxa_of_rank: dict[str, RankTaxa]  # of the ranks that a class of the gallery has
    fits: dict[str, RankFit]

    @classmethod
    def of_gallery(cls, classes: list[str], taxa: Taxa, calibration: Calibration) -> Rollup:
        """Return the rollup of a gallery's classes."""
        taxa_of_rank = {rank: taxa_of_classes(classes, taxa, rank) for rank in RANKS}
        present = {rank: each for rank, each in taxa_of_rank.items() if each.names}
        return cls(classes, present, calibration.ranks or {})

    def predict_taxa(self, predictions: Predictions) -> dict[str, TaxonPrediction]:
        """Return {rank: the likeliest taxon of each image, and the chance that it is right}.

        Where nothing was fitted, as in a gallery whose embedder saw no taxonomy, an unknown class
        says nothing of its genus: the chance is a lower bound.
        """
        p_known = predictions.p_known
        predicted = {}
        for rank, taxa in self.taxa_of_rank.items():
            best, p_if_known = taxa.likeliest(predictions.probabilities)
            p_if_unknown: np.ndarray | float = 0.0
            if rank in self.fits:
                p_if_unknown = probability_if_unknown(p_if_known, p_known, self.fits[rank])
            p_right = p_known * p_if_known + (1 - p_known) * p_if_unknown
            predicted[rank] = TaxonPrediction([taxa.names[column] for column in best], p_right)
        return predicted

    def finest_names(self, predictions: Predictions, confidence: float) -> FinestNames:
        """Return the finest name of each image whose chance to be right reaches the confidence.

        Only images of known classes are named by species, and rejected ones by nothing.
        """
        best = predictions.probabilities.argmax(axis=1)
        p_species = np.where(predictions.verdicts == "known", predictions.p_best(), 0)
        species = TaxonPrediction([self.classes[column] for column in best], p_species)
        by_rank = {"species": species, **self.predict_taxa(predictions)}
        taxa = [""] * len(best)
        ranks = [""] * len(best)
        for rank, predicted in reversed(by_rank.items()):  # finer ranks overwrite coarser ones
            sure = (predicted.p_right >= confidence) & (predictions.verdicts != "reject")
            for row in np.flatnonzero(sure):
                taxa[row] = predicted.names[row]
                ranks[row] = rank
        return FinestNames(taxa, ranks)


def taxa_of_classes(classes: Sequence[str], taxa: Taxa, rank: str) -> RankTaxa:
    """Return the taxa of a rank among classes."""
    names = taxon_names(classes, taxa, rank)
    numbers = taxon_of_class(classes, taxa, rank)
    return RankTaxa(names, (numbers[:, None] == np.arange(len(names))).astype(np.float32))


def taxon_of_class(classes: Sequence[str], taxa: Taxa, rank: str) -> np.ndarray:
    """Return the number (C,) of each class's taxon among the sorted names; -1 where it has none."""
    numbers = {name: number for number, name in enumerate(taxon_names(classes, taxa, rank))}
    return np.array([numbers.get(taxa.get(label, {}).get(rank, ""), -1) for label in classes], int)


def taxon_names(classes: Sequence[str], taxa: Taxa, rank: str) -> list[str]:
    """Return the sorted names of the taxa of a rank among classes."""
    return sorted({taxa[label][rank] for label in classes if rank in taxa.get(label, {})})


def log_odds(p_taxon: np.ndarray, p_known: np.ndarray) -> np.ndarray:
    """Return both probabilities (m,) as log-odds, (m, 2)."""
    probabilities = np.stack([np.asarray(p_taxon, float), np.asarray(p_known, float)], axis=1)
    with np.errstate(divide="ignore"):
        return np.clip(np.log(probabilities) - np.log1p(-probabilities), -MOST, MOST)


def probability_if_unknown(p_taxon: np.ndarray, p_known: np.ndarray, fit: RankFit) -> np.ndarray:
    """Return the chance (m,) that the likeliest taxon is right if the class is unknown.

    p_taxon: (m,) its probability if the class is known.
    """
    logits = log_odds(p_taxon, p_known) @ np.array(fit.weights) + fit.offset
    return 1 / (1 + np.exp(-logits))
