"""What a model predicts of one fold, having been trained on the other folds: one npz file."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class FoldPredictions:
    """Predictions of k held-out events, C classes. The last three: of the first partition alone."""

    family: str
    partition: str  # its name
    fold: int  # from 1
    seconds: float  # of the training
    classes: list[str]  # C
    rows: np.ndarray  # k, of Events
    probabilities: np.ndarray  # k x C float32
    noisy_rows: np.ndarray | None = None  # m of the rows
    noisy: np.ndarray | None = None  # robustness.CONDITIONS x m x C, with noise added
    # (1 + sets of features x importances.SHUFFLES) x k: the predicted columns of `classes` as the
    # features are, then with each set shuffled among the events; of a family that looks at them.
    shuffled: np.ndarray | None = None


def write(path: Path, predictions: FoldPredictions) -> None:
    """Write the predictions of a fold."""
    arrays: dict[str, Any] = {}
    for name, value in vars(predictions).items():
        if value is not None:
            arrays[name] = value
    np.savez(path, **arrays)


def read(path: Path) -> FoldPredictions:
    """Return the predictions of a fold."""
    with np.load(path) as file:
        return FoldPredictions(
            family=str(file["family"]),
            partition=str(file["partition"]),
            fold=int(file["fold"]),
            seconds=float(file["seconds"]),
            classes=file["classes"].tolist(),
            rows=file["rows"],
            probabilities=file["probabilities"],
            noisy_rows=file.get("noisy_rows"),
            noisy=file.get("noisy"),
            shuffled=file.get("shuffled"),
        )


def read_all(paths: Iterable[Path]) -> list[FoldPredictions]:
    """Return the predictions of many folds, in the order of the files' names."""
    return [read(path) for path in sorted(paths, key=lambda path: path.name)]
