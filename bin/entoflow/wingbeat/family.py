"""What every family of sound models can do: train a model, save it, load it, predict with it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from entoflow.model_folder import ModelFacts
from entoflow.wingbeat.event_arrays import Events


class Model(Protocol):
    """A trained model."""

    @property
    def classes(self) -> list[str]:
        """The classes (C) that it was trained on, in the order of its probabilities."""

    @property
    def uses_features(self) -> bool:
        """Whether it looks at Events.table; if not, it looks at Events.samples."""

    def predict_proba(self, events: Events, rows: np.ndarray) -> np.ndarray:
        """Return the class probabilities of rows (k) of Events, k x C float32."""

    def predict_shuffled(self, events: Events, rows: np.ndarray, seed: int) -> np.ndarray | None:
        """Return the predicted classes with features shuffled (see importances.predict_shuffled).

        None of a model that does not look at features.
        """

    def save(self, events: Events, folder: Path) -> dict[str, Any]:
        """Write the model to a folder and return what `input` of model.json says of it.

        events: what it was trained on.
        """


@dataclass(frozen=True)
class Training:
    """The outcome of a training."""

    model: Model
    parameters: dict[str, Any]  # what was set, and what was chosen


class Family(Protocol):
    """One kind of model."""

    @property
    def name(self) -> str:
        """The name on command lines and in files."""

    def fit(self, events: Events, rows: np.ndarray, seed: int) -> Training:
        """Train a model on rows (k) of Events."""

    def load(self, folder: Path, facts: ModelFacts) -> Model:
        """Return the model that save() wrote. Raises InputError where it cannot be read."""
