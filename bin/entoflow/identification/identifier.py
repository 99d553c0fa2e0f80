"""From vectors to names: which class, how likely, and whether it is a known one at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from entoflow.identification import heads
from entoflow.probabilities import NONE, label_sets, log_sum_exp, softmax

KNOWN_FROM = 0.5  # P(known) from which the verdict is known


@dataclass(frozen=True)
class KnownFit:
    """Logistic regression that tells known from unknown classes by their evidence."""

    weights: list[float]  # 4, of the columns of `evidence`
    offset: float


@dataclass(frozen=True)
class RankFit:
    """Logistic regression of whether the likeliest genus or family of an unknown class is right."""

    weights: list[float]  # 2, of the log-odds of the taxon's probability and of P(known)
    offset: float
    n: int  # number of judgements that it was fitted on


@dataclass(frozen=True)
class Calibration:
    """What turns the scores of a head into probabilities, label sets and verdicts."""

    head: str
    temperature: float  # of the names
    conformal: float  # cumulative probability up to which classes belong to a label set
    n_known: int  # images that temperature and conformal were fitted on
    known_temperature: (
        float  # of the evidence that `known` was fitted on, maybe of another embedder
    )
    known: KnownFit
    reject_below: float  # P(known) below which an image is rejected
    n_unknown: int  # images of unknown classes that `known` was fitted on
    ranks: dict[str, RankFit] | None = None  # by rank; None without a taxonomy

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Calibration:
        """Return the calibration that model.json holds."""
        values = {**content, "known": KnownFit(**content["known"])}
        if "ranks" in content:
            values["ranks"] = {rank: RankFit(**fit) for rank, fit in content["ranks"].items()}
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Return the calibration as model.json holds it."""
        content = asdict(self)
        if self.ranks is None:
            del content["ranks"]
        return content


@dataclass(frozen=True)
class Predictions:
    """What an Identifier says of m images."""

    probabilities: np.ndarray  # (m, C) of each class, given that the class is a known one
    p_known: np.ndarray  # (m,) probability that the class is a known one
    verdicts: np.ndarray  # (m,) known, unknown or reject

    def p_best(self) -> np.ndarray:
        """Return the probability (m,) that the likeliest class is right."""
        return self.probabilities.max(axis=1) * self.p_known


@dataclass(frozen=True)
class Identifier:
    """Names images by a gallery of labelled vectors."""

    classes: list[str]  # C, sorted
    calibration: Calibration
    score: heads.Score
    score_nearest: heads.Score

    @classmethod
    def fit(
        cls, vectors: np.ndarray, labels: Sequence[str] | np.ndarray, calibration: Calibration
    ) -> Identifier:
        """Return the identifier of a gallery: vectors (n, d) of length 1, and their labels (n,)."""
        classes = sorted(set(labels))
        column_of = {label: column for column, label in enumerate(classes)}
        class_index = np.array([column_of[label] for label in labels])
        head = heads.HEADS[calibration.head]
        return cls(
            classes=classes,
            calibration=calibration,
            score=head(vectors, class_index, len(classes)),
            score_nearest=heads.nearest(vectors, class_index, len(classes)),
        )

    def predict(self, vectors: np.ndarray) -> Predictions:
        """Return the predictions of images by their vectors (m, d)."""
        scores = self.score(vectors)
        cosines = self.score_nearest(vectors)
        p_known = known_probability(
            evidence(scores, cosines, self.calibration.known_temperature), self.calibration.known
        )
        verdicts = np.full(len(p_known), "unknown", "<U7")
        verdicts[p_known < self.calibration.reject_below] = "reject"
        verdicts[p_known >= KNOWN_FROM] = "known"
        return Predictions(softmax(scores / self.calibration.temperature), p_known, verdicts)

    def uncalibrated(self, probabilities: np.ndarray) -> np.ndarray:
        """Return probabilities (m, C) as they would be at a temperature of 1."""
        with np.errstate(divide="ignore"):
            return softmax(np.log(probabilities) * self.calibration.temperature)

    def label_sets(self, probabilities: np.ndarray) -> np.ndarray:
        """Return which classes (m, C) bool the label set of each image holds."""
        return label_sets(probabilities, self.calibration.conformal)


def evidence(scores: np.ndarray, cosines: np.ndarray, temperature: float) -> np.ndarray:
    """Return what tells a known class from an unknown one, (m, 4).

    scores: (m, C) of the head. cosines: (m, C) to the nearest specimen of each class. The columns
    are the highest cosine, the highest score, its lead over the second, and all scores together
    (their log-sum-exp at the temperature). 0 stands where there is no class, or no second.
    """
    two_highest = np.maximum(-np.sort(-scores, axis=1)[:, :2], NONE)
    first = two_highest[:, 0]
    second = two_highest[:, -1]  # the first again where there is one class
    together = temperature * log_sum_exp(scores / temperature)
    columns = [np.maximum(cosines.max(axis=1), NONE), first, first - second, together]
    table = np.stack(columns, axis=1)
    return np.where(abs(table) < -NONE / 10, table, 0)


def known_probability(evidence_table: np.ndarray, fit: KnownFit) -> np.ndarray:
    """Return P(known) (m,) by evidence (m, 4), as if half of the images were of unknown classes."""
    log_odds = evidence_table @ np.array(fit.weights) + fit.offset
    return 1 / (1 + np.exp(-np.clip(log_odds, -50, 50)))
