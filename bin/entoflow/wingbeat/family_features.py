"""The family of a table of features: gradient boosting, extra trees or a support vector machine.

The one that does best on groups left out of the training is chosen; see tabular.py.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from entoflow.model_folder import ModelFacts
from entoflow.wingbeat import importances, tabular, tabular_model
from entoflow.wingbeat.event_arrays import Events
from entoflow.wingbeat.family import Training
from entoflow.wingbeat.tabular_model import TableModel


@dataclass(frozen=True)
class FeatureModel:
    """A trained classifier of features; see family.Model."""

    classifier: TableModel
    uses_features: bool = True

    @property
    def classes(self) -> list[str]:
        """The classes (C) in the order of the probabilities."""
        return [str(name) for name in self.classifier.classes]

    def predict_proba(self, events: Events, rows: np.ndarray) -> np.ndarray:
        """Return the class probabilities of rows (k) of Events, k x C float32."""
        return self.classifier.predict_proba(events.table[rows]).astype(np.float32)

    def predict_shuffled(self, events: Events, rows: np.ndarray, seed: int) -> np.ndarray:
        """Return the predicted classes with kinds of features shuffled, then with single ones."""
        sets = importances.column_sets(events.feature_names)
        return importances.predict_shuffled(self.classifier, events.table[rows], sets, seed)

    def save(self, events: Events, folder: Path) -> dict[str, Any]:
        """Write the classifier and return the names of its features."""
        tabular_model.save(self.classifier, folder)
        return {"features": events.feature_names}


@dataclass(frozen=True)
class FeatureFamily:
    """The family of features; see family.Family."""

    name: str = "features"

    def fit(self, events: Events, rows: np.ndarray, seed: int) -> Training:
        """Train on rows (k) of Events."""
        table = events.table[rows]
        classifier, trials = tabular.fit(table, events.labels[rows], events.groups[rows], seed)
        tried = [
            {"kind": trial.kind, "settings": trial.settings, "macro_f1": trial.macro_f1}
            for trial in trials
        ]
        return Training(FeatureModel(classifier), {"classifier": classifier.kind, "tried": tried})

    def load(self, folder: Path, facts: ModelFacts) -> FeatureModel:
        """Return the model that save() wrote. Raises InputError where it cannot be read."""
        return FeatureModel(tabular_model.load(folder))
