"""Which features matter: how much macro-F1 falls on held-out events when one feature's values are shuffled among them (Breiman 2001).

Features that say the same stand in for each other, so that each of them may matter little while both together matter much.
"""
import numpy as np

from entoflow.comparisons import macro_f1
from entoflow.metrics import Bootstrap, figure

SHUFFLES = 5


def importances(model, table, labels, groups, seed):
    """Return the figure of each feature's importance (list of d): the mean fall of macro-F1 over SHUFFLES shuffles, with its interval over groups.

    model: a tabular_model.Model. table: n x d, of events that it did not learn from. labels, groups: n; a label that the model does not know is never
    named right.
    """
    table, rng = np.asarray(table, float), np.random.default_rng(seed)
    classes, codes = np.unique([*model.classes.astype(str), *np.asarray(labels, str)], return_inverse=True)
    own, truth = codes[:len(model.classes)], codes[len(model.classes):]
    units, group = np.unique(np.asarray(groups, str), return_inverse=True)
    bootstrap, order = Bootstrap(units, seed), np.stack([rng.permutation(len(table)) for _ in range(SHUFFLES)])
    statistic = macro_f1(own[_named(model, table, order)], truth, group)

    def falls(weights):
        found = statistic(weights)
        return found[:, :1] - found[:, 1:].reshape(len(found), -1, SHUFFLES).mean(axis=2)

    values, resamples = falls(np.ones((1, len(units))))[0], bootstrap.resample(falls, 50)
    return [figure(value, resamples[:, k] if len(resamples) else [], len(table), len(units), "fall of macro-F1") for k, value in enumerate(values)]


def _named(model, table, orders):
    """Return the columns of model.classes that events are named by, (1 + d SHUFFLES) x n: first as they are, then with each feature in each order."""
    named = [model.scores(table).argmax(axis=1)]
    for feature in range(table.shape[1]):
        for order in orders:
            shuffled = table.copy()
            shuffled[:, feature] = table[order, feature]
            named.append(model.scores(shuffled).argmax(axis=1))
    return np.stack(named)
