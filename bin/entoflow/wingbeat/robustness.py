"""How families of models do in noise, which is added to held-out events, the same for all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from entoflow import sound_noise
from entoflow.metric import Metric
from entoflow.wingbeat import comparisons, wingbeat_features
from entoflow.wingbeat.event_arrays import Events
from entoflow.wingbeat.family import Model
from entoflow.wingbeat.fold_predictions import FoldPredictions

# Power of an event as it was recorded, by that of the noise that is added over its length.
SNRS_DB = (20, 10, 5, 0, -5)
CONDITIONS = [(noise, snr_db) for noise in sound_noise.NOISES for snr_db in SNRS_DB]
MOST = 100  # events of a fold: each is predicted once in every condition


@dataclass(frozen=True)
class NoisyPredictions:
    """What a family predicts of m events with noise added."""

    rows: np.ndarray  # m, of Events
    probabilities: np.ndarray  # CONDITIONS x m x C


@dataclass(frozen=True)
class FamilyInNoise:
    """The macro-F1 of a family on the same events without and with noise."""

    as_recorded: Metric
    by_noise: dict[str, list[Metric]]  # of each of sound_noise.NOISES, in the order of SNRS_DB


def predict_in_noise(model: Model, events: Events, rows: np.ndarray, seed: int) -> NoisyPredictions:
    """Return what a model predicts of at most MOST of the rows of Events, in each of CONDITIONS."""
    some_rows = spread(rows)
    probabilities = []
    for condition in range(len(CONDITIONS)):
        noisy = add_noise(events, some_rows, condition, seed, model.uses_features)
        probabilities.append(model.predict_proba(noisy, np.arange(len(some_rows))))
    return NoisyPredictions(some_rows, np.stack(probabilities))


def spread(rows: np.ndarray) -> np.ndarray:
    """Return at most MOST rows, evenly from the first to the last."""
    if len(rows) <= MOST:
        return rows
    places = np.linspace(0, len(rows) - 1, MOST).round().astype(int)
    some_rows: np.ndarray = rows[places]
    return some_rows


def add_noise(
    events: Events, rows: np.ndarray, condition: int, seed: int, measure_features: bool = True
) -> Events:
    """Return the rows of Events in the noise of CONDITIONS[condition].

    Their features are measured anew, or left out where they are not wanted.
    """
    noise, snr_db = CONDITIONS[condition]
    rng = np.random.default_rng([seed, condition])
    samples = np.asarray(events.samples[rows], np.float32)
    lengths = events.lengths[rows]
    n_samples = samples.shape[1]
    noises = sound_noise.noise(noise, len(rows), n_samples, events.sample_rate, rng)
    noises[np.arange(n_samples) >= lengths[:, None]] = 0
    noisy = sound_noise.mix(samples, noises, snr_db)
    feature_names: list[str] = []
    table = np.empty((len(rows), 0), np.float32)
    if measure_features:
        feature_names = events.feature_names
        columns = [list(wingbeat_features.FEATURES).index(name) for name in feature_names]
        table = wingbeat_features.table(noisy, events.sample_rate, lengths)[:, columns]
    return replace(
        events,
        samples=noisy,
        lengths=lengths,
        table=table,
        feature_names=feature_names,
        labels=events.labels[rows],
        groups=events.groups[rows],
        clips=[events.clips[row] for row in rows],
    )


def gather(folds: Sequence[FoldPredictions]) -> dict[str, NoisyPredictions]:
    """Return the predictions in noise of all folds together, by family."""
    by_family: dict[str, NoisyPredictions] = {}
    for fold in folds:
        if fold.noisy is None or fold.noisy_rows is None:
            continue
        rows = fold.noisy_rows
        probabilities = fold.noisy
        if fold.family in by_family:
            before = by_family[fold.family]
            rows = np.concatenate([before.rows, rows])
            probabilities = np.concatenate([before.probabilities, probabilities], axis=1)
        by_family[fold.family] = NoisyPredictions(rows, probabilities)
    return by_family


def measure(
    noisy: Mapping[str, NoisyPredictions],
    as_recorded: Mapping[str, np.ndarray],
    true_class: np.ndarray,
    groups: np.ndarray,
    seed: int,
) -> dict[str, FamilyInNoise]:
    """Return the macro-F1 of the families in noise, and of the same events as they were recorded.

    as_recorded: of each family, N x C probabilities of all events. true_class, groups: N.
    """
    families = {}
    for family, probabilities in as_recorded.items():
        if family not in noisy:
            continue
        rows = noisy[family].rows
        all_conditions = np.concatenate([probabilities[None, rows], noisy[family].probabilities])
        predicted = all_conditions.argmax(axis=2)
        metrics = comparisons.macro_f1_metrics(predicted, true_class[rows], groups[rows], seed)
        by_noise: dict[str, list[Metric]] = {noise: [] for noise in sound_noise.NOISES}
        for (noise, _), macro_f1 in zip(CONDITIONS, metrics[1:]):
            by_noise[noise].append(macro_f1)
        families[family] = FamilyInNoise(metrics[0], by_noise)
    return families


def to_json(families: Mapping[str, FamilyInNoise]) -> dict[str, Any] | None:
    """Return what comparison.json says of noise; None where none was added."""
    if not families:
        return None
    entries = {}
    for family, in_noise in families.items():
        entries[family] = {"as recorded": in_noise.as_recorded, **in_noise.by_noise}
    return {"snrs_db": list(SNRS_DB), "families": entries}
