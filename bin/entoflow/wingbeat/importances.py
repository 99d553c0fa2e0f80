"""What a model of features goes by: how much macro-F1 falls on held-out events when values are shuffled among them (Breiman 2001).

Features that say the same stand in for each other, so that each of them may matter little while both together matter much: so whole kinds of features are
shuffled, too.
"""
import numpy as np

from entoflow.statistics import Bootstrap, figure
from entoflow.wingbeat.comparisons import macro_f1

SHUFFLES = 3


def shuffled_names(model, table, sets, seed):
    """Return by which column of model.classes each event is named, (1 + sets SHUFFLES) x n: as it is, then with the columns of each set shuffled together.

    model: a tabular_model.Model. table: n x d, of events that it did not learn from. sets: lists of columns of the table.
    """
    table, rng = np.asarray(table, float), np.random.default_rng(seed)
    orders = [rng.permutation(len(table)) for _ in range(SHUFFLES)]
    found = [model.scores(table).argmax(axis=1)]
    for columns in sets:
        for order in orders:
            shuffled = table.copy()
            shuffled[:, columns] = table[order][:, columns]
            found.append(model.scores(shuffled).argmax(axis=1))
    return np.stack(found)


def falls(named, truth, groups, seed):
    """Return the figure of each set's importance: the mean fall of macro-F1 over its shuffles, with its interval over groups.

    named: (1 + sets SHUFFLES) x n columns, as shuffled_names gives them. truth: n columns. groups: n.
    """
    units, group = np.unique(np.asarray(groups, str), return_inverse=True)
    bootstrap, statistic = Bootstrap(units, seed), macro_f1(named, truth, group)

    def fall(weights):
        found = statistic(weights)
        return found[:, :1] - found[:, 1:].reshape(len(found), -1, SHUFFLES).mean(axis=2)

    values, resamples = fall(np.ones((1, len(units))))[0], bootstrap.resample(fall, 50)
    return [figure(value, resamples[:, k] if len(resamples) else [], len(truth), len(units), "fall of macro-F1") for k, value in enumerate(values)]
