"""Which features a model relies on: how much macro-F1 falls when their values are shuffled.

They are shuffled among held-out events (Breiman 2001). Features that say the same replace each
other, so that each of them may matter little while both together matter much: whole kinds of
features are shuffled, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from entoflow.metric import Metric
from entoflow.wingbeat.comparisons import macro_f1, resampled_metrics
from entoflow.wingbeat.fold_predictions import FoldPredictions
from entoflow.wingbeat.tabular_model import TableModel
from entoflow.wingbeat.wingbeat_features import KINDS

SHUFFLES = 3  # of each set of features


@dataclass(frozen=True)
class Importances:
    """By how much macro-F1 falls without a kind of features, and without a single one."""

    kinds: dict[str, Metric]
    features: dict[str, Metric]


def column_sets(feature_names: Sequence[str]) -> list[list[int]]:
    """Return the columns of each of wingbeat_features.KINDS, then each column alone."""
    columns = {name: column for column, name in enumerate(feature_names)}
    kinds = []
    for names in KINDS.values():
        kinds.append([columns[name] for name in names if name in columns])
    return kinds + [[column] for column in columns.values()]


def predict_shuffled(
    model: TableModel, table: np.ndarray, sets: Sequence[Sequence[int]], seed: int
) -> np.ndarray:
    """Return the predicted columns of model.classes, (1 + sets x SHUFFLES) x n.

    First of the table (n x d) as it is, then with the columns of each set shuffled together among
    the events, which the model was not trained on.
    """
    table = np.asarray(table, float)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(table)) for _ in range(SHUFFLES)]
    predicted = [model.scores(table).argmax(axis=1)]
    for columns in sets:
        for order in orders:
            shuffled = table.copy()
            shuffled[:, columns] = table[order][:, columns]
            predicted.append(model.scores(shuffled).argmax(axis=1))
    return np.stack(predicted)


def measure_falls(
    predicted: np.ndarray, true_class: np.ndarray, groups: np.ndarray, seed: int
) -> list[Metric]:
    """Return the mean fall of macro-F1 over the shuffles of each set; intervals are over groups.

    predicted: (1 + sets x SHUFFLES) x n, as predict_shuffled returns it. true_class: n. groups: n.
    """
    group_names, group_index = np.unique(np.asarray(groups, str), return_inverse=True)
    statistic = macro_f1(predicted, true_class, group_index)

    def falls(weights: np.ndarray) -> np.ndarray:
        scores = statistic(weights)  # b x (1 + sets x SHUFFLES)
        shuffled = scores[:, 1:].reshape(len(scores), -1, SHUFFLES)
        return scores[:, :1] - shuffled.mean(axis=2)

    return resampled_metrics(falls, group_names, len(true_class), seed, "fall of macro-F1")


def measure(
    folds: Sequence[FoldPredictions],
    true_class: np.ndarray,
    groups: np.ndarray,
    feature_names: Sequence[str],
    seed: int,
) -> Importances | None:
    """Return the importances to the family of features; None where it is not compared.

    true_class, groups: N, of all events.
    """
    parts = [fold for fold in folds if fold.family == "features" and fold.shuffled is not None]
    if not parts:
        return None
    rows = np.concatenate([fold.rows for fold in parts])
    predicted = np.concatenate([fold.shuffled for fold in parts], axis=1)
    falls = measure_falls(predicted, true_class[rows], groups[rows], seed)
    n_kinds = len(KINDS)
    return Importances(dict(zip(KINDS, falls)), dict(zip(feature_names, falls[n_kinds:])))
