"""Which labels may be wrong: specimens that the others say are of another class.

With three labels a class one wrong label is a third of what is known of it. Each specimen is named by a gallery without its group, by vectors of an
embedder that did not learn from it: one that did would have learned its wrong label, too. Vectors by which most labels seem wrong judge nothing.
"""
import numpy as np

from entoflow.identification.identification import by_folds, fitted_temperature, folds, softmax

FROZEN = "frozen"
FAIR = 0.5  # share of the labels that vectors must find the likeliest of all, to be believed about the others
CLEAR = 0.5  # how much likelier another class must be than the label, to be worth a person's check
HEAD = "class_mean"  # by the nearest specimen, one wrong label would make all its true fellows doubtful


def views(parts, ladder):
    """Return [(name of the vectors, whether each specimen (n) is judged by them)].

    ladder: what choose_embedder.py wrote. Specimens of the part train, which the chosen embedder learned from, are judged by the frozen one.
    """
    chosen, learned = ladder["chosen"]["vectors"], np.asarray(parts) == "train"
    judged = {FROZEN: np.ones(len(learned), bool)} if chosen == FROZEN else {FROZEN: learned, chosen: ~learned}
    return [(name, own) for name, own in judged.items() if own.any()]


def doubts(vectors, columns, groups, judged):
    """Return (rows, the likeliest other class of each, the probability of it less that of the own label) of judged specimens that can be judged.

    vectors: n x d. columns: n classes from 0. groups: n. judged: n bool. A specimen without another group of its class cannot be judged.
    """
    rows, n_classes = np.flatnonzero(judged), columns.max(initial=0) + 1
    scores = by_folds(vectors, columns, folds(columns, groups), rows, n_classes, HEAD, groups)
    own = columns[rows]
    usable = np.isfinite(scores[np.arange(len(rows)), own])
    rows, own, scores = rows[usable], own[usable], scores[usable]
    probability = softmax(scores / fitted_temperature(scores, own))
    of_own = probability[np.arange(len(rows)), own]
    probability[np.arange(len(rows)), own] = -1
    other = probability.argmax(axis=1)
    return rows, other, probability[np.arange(len(rows)), other] - of_own
