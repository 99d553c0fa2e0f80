"""The family of random convolutions: thousands of features of chance, and a ridge regression.

This is MiniRocket (Dempster et al. 2021). The ridge is solved in the space of the events, as there
are fewer of them than features. How strong it is, and how sharp its probabilities are, is what does
best on groups left out of the training.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from entoflow.model_folder import ModelFacts
from entoflow.probabilities import softmax
from entoflow.task import InputError, first_line
from entoflow.wingbeat import random_convolutions, tabular
from entoflow.wingbeat.event_arrays import Events
from entoflow.wingbeat.family import Training
from entoflow.wingbeat.random_convolutions import Convolutions

FILE = "convolutions.npz"
AT_ONCE = 256  # events
STRENGTHS = np.logspace(-3, 3, 7)  # of the ridge, in mean squares of the features


@dataclass(frozen=True)
class ConvolutionModel:
    """A ridge regression on random convolutions; see family.Model. d features, C classes."""

    convolutions: Convolutions
    class_names: np.ndarray  # C
    mean: np.ndarray  # d, of the features in training
    scale: np.ndarray  # d
    weights: np.ndarray  # d x C
    offset: np.ndarray  # C
    sharpness: float  # scores are multiplied by it before the softmax
    uses_features: bool = False

    @property
    def classes(self) -> list[str]:
        """The classes (C) in the order of the probabilities."""
        return [str(name) for name in self.class_names]

    def predict_proba(self, events: Events, rows: np.ndarray) -> np.ndarray:
        """Return the class probabilities of rows (k) of Events, k x C float32."""
        probabilities = np.empty((len(rows), len(self.class_names)), np.float32)
        for start in range(0, len(rows), AT_ONCE):
            block = rows[start : start + AT_ONCE]
            series = normalised(events.samples[block])
            features = random_convolutions.transform(series, self.convolutions)
            scores = (features - self.mean) / self.scale @ self.weights + self.offset
            probabilities[start : start + len(block)] = softmax(self.sharpness * scores)
        return probabilities

    def predict_shuffled(self, events: Events, rows: np.ndarray, seed: int) -> None:
        """Return None: nobody knows its features by name."""

    def save(self, events: Events, folder: Path) -> dict[str, Any]:
        """Write the model and return how many samples an event has."""
        np.savez(
            folder / FILE,
            classes=self.class_names,
            middle=self.mean,
            scale=self.scale,
            weights=self.weights,
            offset=self.offset,
            sharpness=np.array(self.sharpness),
            convolutions_dilations=self.convolutions.dilations,
            convolutions_counts=self.convolutions.counts,
            convolutions_biases=self.convolutions.biases,
            convolutions_samples=np.array([self.convolutions.n_samples]),
        )
        return {"samples": int(events.samples.shape[1])}


@dataclass(frozen=True)
class ConvolutionFamily:
    """The family of random convolutions; see family.Family."""

    name: str = "random_convolutions"

    def fit(self, events: Events, rows: np.ndarray, seed: int) -> Training:
        """Train on rows (k) of Events."""
        rng = np.random.default_rng(seed)
        series = normalised(events.samples[rows])
        convolutions = random_convolutions.fit(series, rng)
        features = random_convolutions.transform(series, convolutions)
        mean = features.mean(axis=0)
        scale = features.std(axis=0) + 1e-3
        features = (features - mean) / scale
        classes, class_index = np.unique(events.labels[rows], return_inverse=True)
        folds = tabular.inner_folds(events.labels[rows], events.groups[rows], rng)
        strength, sharpness = choose_strength(features @ features.T, class_index, folds)
        dual_weights, offset = solve_ridge(features @ features.T, class_index, strength)
        model = ConvolutionModel(
            convolutions,
            classes,
            mean,
            scale,
            (features.T @ dual_weights).astype(np.float32),
            offset.astype(np.float32),
            sharpness,
        )
        return Training(model, {"strength": strength})

    def load(self, folder: Path, facts: ModelFacts) -> ConvolutionModel:
        """Return the model that save() wrote. Raises InputError where it cannot be read."""
        try:
            with np.load(folder / FILE, allow_pickle=False) as file:
                return _model_of(dict(file))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{folder / FILE}: holds no model that can be read ({first_line(error)}); "
                "wanted one that entoflow wrote."
            ) from None


def normalised(samples: np.ndarray) -> np.ndarray:
    """Return signals (n x samples) at a mean square of 1: loudness says how near the insect was."""
    signals = np.asarray(samples, np.float32)
    levels = np.sqrt((signals**2).mean(axis=1, keepdims=True))
    at_one: np.ndarray = signals / np.maximum(levels, 1e-9)
    return at_one


def choose_strength(
    gram: np.ndarray,
    class_index: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[float, float]:
    """Return the strength of the ridge with the least log-loss on held-out rows, and its sharpness.

    gram: n x n, inner products of the features. class_index: n. folds: training rows and held-out
    rows; without any, the middle strength is taken.
    """
    if not folds:
        return float(STRENGTHS[len(STRENGTHS) // 2]), 1.0
    trials = []
    for strength in STRENGTHS:
        scores = _held_out_scores(gram, class_index, folds, strength)
        sharpness = tabular.sharpness(scores, class_index)
        loss = _log_loss(scores, class_index, sharpness)
        trials.append((loss, float(strength), sharpness))
    _, strength, sharpness = min(trials)
    return strength, sharpness


def solve_ridge(
    gram: np.ndarray, class_index: np.ndarray, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the dual weights (n x C) and offsets (C) of a ridge regression on one-hot classes.

    Classes weigh the same, however few events they have.
    """
    counts = np.bincount(class_index)
    weights = 1 / counts[class_index]
    targets = np.eye(len(counts))[class_index]
    root = np.sqrt(weights / weights.mean())[:, None]
    offset = (weights[:, None] * targets).sum(axis=0) / weights.sum()
    penalty = strength * np.trace(gram) / len(gram) * np.eye(len(gram))
    system = root * gram * root[:, 0] + penalty
    dual_weights = root * np.linalg.solve(system, root * (targets - offset))
    return dual_weights.astype(np.float32), offset


def _held_out_scores(
    gram: np.ndarray,
    class_index: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    strength: float,
) -> np.ndarray:
    """Return the scores (n x C) of held-out rows, -inf of classes that were not trained on."""
    scores = np.full((len(class_index), class_index.max() + 1), -np.inf)
    for training, held_out in folds:
        trained_classes, index = np.unique(class_index[training], return_inverse=True)
        dual_weights, offset = solve_ridge(gram[np.ix_(training, training)], index, strength)
        of_fold = gram[np.ix_(held_out, training)] @ dual_weights + offset
        scores[np.ix_(held_out, trained_classes)] = of_fold
    return scores


def _log_loss(scores: np.ndarray, class_index: np.ndarray, sharpness: float) -> float:
    """Return the mean log-loss of the rows whose class has a score; infinite without any."""
    has_score = np.isfinite(scores[np.arange(len(class_index)), class_index])
    if not has_score.any():
        return np.inf
    probabilities = softmax(sharpness * scores[has_score])
    of_truth = probabilities[np.arange(has_score.sum()), class_index[has_score]]
    return float(-np.log(np.maximum(of_truth, 1e-12)).mean())


def _model_of(arrays: dict[str, np.ndarray]) -> ConvolutionModel:
    convolutions = Convolutions(
        arrays["convolutions_dilations"],
        arrays["convolutions_counts"],
        arrays["convolutions_biases"],
        int(arrays["convolutions_samples"][0]),
    )
    return ConvolutionModel(
        convolutions,
        arrays["classes"],
        arrays["middle"],
        arrays["scale"],
        arrays["weights"],
        arrays["offset"],
        float(arrays["sharpness"]),
    )
