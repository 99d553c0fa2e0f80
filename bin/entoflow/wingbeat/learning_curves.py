"""More recordings, or another family? What families learn from a part of the groups, on the same held-out events as from all."""
import numpy as np

from entoflow.wingbeat import comparisons
from entoflow.wingbeat.clips import EVERY, NONE

SHARES = (25, 50)  # per cent of the events to learn from, in whole groups; the smaller part lies in the larger
FOLDS = 3  # of the first division: each point costs as many trainings
LITTLE = 0.02  # macro-F1 that is not worth another season


def partitions(columns, groups, fold, seed):
    """Return {share_S_K: fold of each event}: fold K of a division, from 1, judged by what learned from S per cent of the rest.

    columns: n classes; groups: n; fold: n, EVERY for what is never judged. A fold is left out where a part has fewer than two classes, or is all there is.
    """
    found = {}
    for number in range(min(FOLDS, fold.max() + 1)):
        rest = np.flatnonzero(fold != number)
        order, sizes = spread_over_classes(columns[rest], groups[rest], np.random.default_rng([seed, number]))
        ends = np.searchsorted(np.cumsum(sizes), len(rest) * np.array(SHARES) / 100) + 1
        parts = [np.isin(groups, order[:end]) & (fold != number) for end in ends]
        if all(len(set(columns[own].tolist())) > 1 and not own[rest].all() for own in parts):
            found |= {f"share_{share}_{number + 1}": np.where(fold == number, 0, np.where(own, EVERY, NONE)) for share, own in zip(SHARES, parts)}
    return found


def spread_over_classes(columns, groups, rng):
    """Return (the groups in a random order in which each is of the class of which those before it hold the smallest share, how many events each has)."""
    names, group = np.unique(groups, return_inverse=True)
    holds = np.zeros((len(names), columns.max() + 1), int)
    np.add.at(holds, (group, columns), 1)
    shuffled, totals = rng.permutation(len(names)), np.maximum(holds.sum(axis=0), 1)
    queues, had, order = [[at for at in shuffled[::-1] if holds[at, column]] for column in range(len(totals))], np.zeros(len(totals)), {}
    while len(order) < len(names):
        for column in np.argsort(had / totals, kind="stable"):
            while queues[column] and queues[column][-1] in order:
                queues[column].pop()
            if queues[column]:
                at = queues[column].pop()
                order[at] = None
                had += holds[at]
                break
    order = list(order)
    return names[order], holds[order].sum(axis=1)


def figures(events, named, best, seed):
    """Return the curve of each family and what that of the best means, None where no part was learned from.

    {"families": {family: [{"share", "events", "groups", "macro_f1"} from the smallest share to all]}, "gain": figure of what the larger half brought the
    best family, "verdict": a sentence}; events and groups: mean number learned from.
    """
    folds = {name: np.array([clip["folds"][name] for clip in events.clips]) for name in events.partitions if name.startswith("share_")}
    numbers = [int(name.rpartition("_")[2]) for name in folds if name.startswith(f"share_{SHARES[0]}_")]
    if not numbers:
        return None
    rows = np.flatnonzero(np.isin(named.fold, np.array(numbers) - 1))
    learned = {share: [folds[f"share_{share}_{number}"] == EVERY for number in numbers] for share in SHARES}
    learned[100] = [named.fold != number - 1 for number in numbers]
    curves, found = {}, {}
    for family in named.families:
        said = {share: np.nansum([named.by[family, f"share_{share}_{number}"] for number in numbers], axis=0)[rows] for share in SHARES}
        found[family] = comparisons.scores({**said, 100: named.by[family, named.grouped[0]][rows]}, named.columns[rows], named.groups[rows], seed)
        curves[family] = [{"share": share, "events": float(np.mean([own.sum() for own in learned[share]])),
                           "groups": float(np.mean([len(set(events.groups[own].tolist())) for own in learned[share]])), "macro_f1": score.figure()}
                          for share, score in found[family].items()]
    gain = comparisons.difference(found[best][100], found[best][SHARES[-1]])
    return {"families": curves, "share": SHARES[-1], "gain": gain, "verdict": in_words(gain, SHARES[-1])}


def in_words(gain, share):
    """Return what the gain from a share of the groups to all of them means."""
    told = f"From {share} % of the groups to all, macro-F1 of the best family moved by {gain['value']:+.2f}"
    if gain["low"] is None:
        return f"{told}: too few groups to say whether more recordings would help."
    told += f" ({gain['low']:+.2f} to {gain['high']:+.2f}): "
    if gain["low"] > 0:
        return f"{told}more recordings are likely to help."
    return told + ("more such recordings would hardly help." if gain["high"] < LITTLE else "whether more recordings would help cannot be told.")
