"""What families of models predict of events that they were not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from entoflow.probabilities import calibrate_names, label_sets, softmax
from entoflow.task import InputError
from entoflow.wingbeat.event_arrays import Events
from entoflow.wingbeat.fold_predictions import FoldPredictions
from entoflow.wingbeat.partitions import Kind, Partition, of_kind

TITLES = {  # of the families, in the order of tables
    "features": "features",
    "random_convolutions": "random convolutions",
    "image": "spectrogram image (CNN)",
    "rnn": "RNN",
    "transformer": "transformer",
}
LEAST_PROBABILITY = 1e-12  # whose logarithm is taken


@dataclass(frozen=True)
class HeldOutPredictions:
    """Class probabilities of every event, predicted by models not trained on its group.

    N events, C classes, M of the events are held out in the first grouped partition.
    """

    classes: list[str]  # C names, sorted
    true_class: np.ndarray  # N, index into classes
    groups: np.ndarray  # N, e.g. a sensor's night
    fold: (
        np.ndarray
    )  # N, of the first grouped partition, from 0; below 0 where it is never held out
    families: list[str]  # in the order of TITLES
    grouped: list[Partition]  # the partitions that families are compared on
    random: list[Partition]  # the partitions that hold out single events
    probabilities: dict[tuple[str, Partition], np.ndarray]  # N x C, NaN where it was not held out

    @property
    def rows(self) -> np.ndarray:
        """The rows (M) of the events that families are compared on."""
        return np.flatnonzero(self.fold >= 0)

    def on(self, rows: np.ndarray, family: str, partitions: Sequence[Partition]) -> np.ndarray:
        """Return what a family predicts of some rows (m) on each of the partitions, P x m x C."""
        return np.stack([self.probabilities[family, partition][rows] for partition in partitions])


@dataclass(frozen=True)
class NestedPredictions:
    """Predictions (M x C) that count in the choice of a family.

    Each fold is predicted by the family that was best on the other folds, and calibrated on those.
    """

    probabilities: np.ndarray  # calibrated
    uncalibrated: np.ndarray
    label_sets: np.ndarray  # bool: which classes the label set of an event holds


@dataclass(frozen=True)
class Calibration:
    """What makes predicted probabilities credible; see probabilities.py."""

    temperature: float
    conformal: float  # probability that lies before the last class of a label set


def combine(folds: Sequence[FoldPredictions], events: Events) -> HeldOutPredictions:
    """Return the predictions of all folds together. Raises InputError for a missing fold."""
    classes = sorted(set(events.labels.tolist()))
    probabilities: dict[tuple[str, Partition], np.ndarray] = {}
    for of_fold in folds:
        key = (of_fold.family, events.partition(of_fold.partition))
        if key not in probabilities:
            shape = (len(events.clips), len(classes))
            probabilities[key] = np.full(shape, np.nan, np.float32)
        probabilities[key][of_fold.rows] = of_fold.probabilities
    families = sorted({family for family, _ in probabilities}, key=list(TITLES).index)
    grouped = of_kind(events.partitions, Kind.GROUPED)
    random = of_kind(events.partitions, Kind.RANDOM)
    for family in families:
        for partition in [*grouped, *random]:
            _check_complete(family, partition, probabilities, events)
    return HeldOutPredictions(
        classes=classes,
        true_class=np.searchsorted(classes, events.labels),
        groups=events.groups,
        fold=events.folds(grouped[0]),
        families=families,
        grouped=grouped,
        random=random,
        probabilities=probabilities,
    )


def predict_by_best_on_other_folds(predictions: HeldOutPredictions) -> NestedPredictions:
    """Return what the family that did best on the other folds predicts of each fold."""
    from sklearn.metrics import f1_score

    rows = predictions.rows
    true_class = predictions.true_class[rows]
    fold = predictions.fold[rows]
    first_partition = predictions.grouped[0]
    by_family = {
        family: predictions.probabilities[family, first_partition][rows]
        for family in predictions.families
    }
    shape = (len(rows), len(predictions.classes))
    probabilities = np.empty(shape)
    uncalibrated = np.empty(shape)
    sets = np.empty(shape, bool)
    for number in np.unique(fold):
        is_held_out = fold == number
        others = ~is_held_out
        macro_f1 = {}
        for family, of_family in by_family.items():
            predicted = of_family[others].argmax(axis=1)
            macro_f1[family] = f1_score(true_class[others], predicted, average="macro")
        best = by_family[max(macro_f1, key=macro_f1.__getitem__)]
        calibration = calibrate(best[others], true_class[others])
        calibrated = at_temperature(best[is_held_out], calibration.temperature)
        uncalibrated[is_held_out] = best[is_held_out]
        probabilities[is_held_out] = calibrated
        sets[is_held_out] = label_sets(calibrated, calibration.conformal)
    return NestedPredictions(probabilities, uncalibrated, sets)


def calibrate(probabilities: np.ndarray, true_class: np.ndarray) -> Calibration:
    """Return the calibration of probabilities (n x C) of events whose classes are known (n)."""
    fitted = calibrate_names(_log(probabilities), true_class)
    return Calibration(fitted.temperature, fitted.conformal)


def at_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities (n x C) at a temperature: above 1 they are less certain."""
    return softmax(_log(probabilities) / temperature)


def _log(probabilities: np.ndarray) -> np.ndarray:
    logarithms: np.ndarray = np.log(np.maximum(probabilities, LEAST_PROBABILITY))
    return logarithms


def _check_complete(
    family: str,
    partition: Partition,
    probabilities: dict[tuple[str, Partition], np.ndarray],
    events: Events,
) -> None:
    predicted = probabilities.get((family, partition))
    if predicted is None or np.isnan(predicted[events.held_out_rows(partition)]).any():
        raise InputError(
            f"--predictions: {family} did not name all events of {partition.name}; "
            "wanted every fold of every family."
        )
