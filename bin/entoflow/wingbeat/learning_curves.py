"""Would more recordings help?

Models that are trained on a part of the groups are compared with those trained on all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from entoflow.metric import Metric
from entoflow.wingbeat import comparisons
from entoflow.wingbeat.comparisons import ScoreDifference
from entoflow.wingbeat.event_arrays import Events
from entoflow.wingbeat.partitions import TRAIN_ONLY, UNUSED, Kind, Partition, of_kind

# Per cent of the events to train on, in whole groups; the smaller part lies in the larger.
SHARES = (25, 50)
FOLDS = 3  # of the first grouped partition: each point costs as many trainings
LITTLE = 0.02  # macro-F1 that is not worth another season


@dataclass(frozen=True)
class Point:
    """A point of a learning curve."""

    share: int  # per cent of the groups
    events: float  # trained on, mean over folds
    groups: float
    macro_f1: Metric


@dataclass(frozen=True)
class LearningCurves:
    """What families of models gain from more groups."""

    families: dict[str, list[Point]]  # from the smallest share to all
    share: int  # the largest one below all, per cent
    # What comparisons.difference returns: macro-F1 of the best family with all groups, over that
    # with the share.
    gain: ScoreDifference
    verdict: str


def divide(
    class_index: np.ndarray, groups: np.ndarray, grouped: np.ndarray, seed: int
) -> dict[Partition, np.ndarray]:
    """Return {partition of kind SHARE: fold of each event}.

    One fold is held out, and a share of the other groups is trained on.
    class_index: n; groups: n; grouped: n, folds of the first grouped partition. A fold has no such
    partition where a part has fewer than two classes, or is all there is to train on.
    """
    folds = {}
    for number in range(min(FOLDS, grouped.max() + 1)):
        is_held_out = grouped == number
        parts = _training_parts(
            class_index, groups, is_held_out, np.random.default_rng([seed, number])
        )
        for share, is_trained_on in zip(SHARES, parts):
            fold = np.where(is_trained_on, TRAIN_ONLY, UNUSED)
            fold[is_held_out] = 0
            folds[Partition(Kind.SHARE, 1, seed, number + 1, share)] = fold
    return folds


def _training_parts(
    class_index: np.ndarray, groups: np.ndarray, is_held_out: np.ndarray, rng: np.random.Generator
) -> list[np.ndarray]:
    """Return which events are trained on (n bool) for each of SHARES.

    There are none where one of them would have a single class, or would be all there is.
    """
    rest = np.flatnonzero(~is_held_out)
    order, sizes = spread_over_classes(class_index[rest], groups[rest], rng)
    n_groups = np.searchsorted(np.cumsum(sizes), len(rest) * np.array(SHARES) / 100) + 1
    parts = [np.isin(groups, order[:n]) & ~is_held_out for n in n_groups]
    for part in parts:
        if len(set(class_index[part].tolist())) < 2 or part[rest].all():
            return []
    return parts


def spread_over_classes(
    class_index: np.ndarray, groups: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return (the groups in a random order, how many events each has).

    Each group is of the class of which the groups before it hold the smallest share.
    """
    names, group = np.unique(groups, return_inverse=True)
    n_events = np.zeros((len(names), class_index.max() + 1), int)  # groups x classes
    np.add.at(n_events, (group, class_index), 1)
    order = list(_take_turns(n_events, rng.permutation(len(names))))
    return names[order], n_events[order].sum(axis=1)


def _take_turns(n_events: np.ndarray, shuffled: np.ndarray) -> Iterator[int]:
    """Yield the groups of a shuffled list, each of the class of which the smallest share has come.

    n_events: groups x classes.
    """
    totals = np.maximum(n_events.sum(axis=0), 1)
    queues = [
        [int(place) for place in shuffled if n_events[place, column]]
        for column in range(len(totals))
    ]
    n_taken = np.zeros(len(totals))
    taken: set[int] = set()
    while len(taken) < len(n_events):
        for column in np.argsort(n_taken / totals, kind="stable"):
            queues[column] = [place for place in queues[column] if place not in taken]
            if queues[column]:
                break
        place = queues[column][0]
        taken.add(place)
        n_taken += n_events[place]
        yield place


def measure(
    events: Events,
    probabilities: Mapping[tuple[str, Partition], np.ndarray],
    families: Sequence[str],
    best_family: str,
    seed: int,
) -> LearningCurves | None:
    """Return the learning curve of each family, and what that of the best one means.

    None where no part was trained on.
    probabilities: of (family, partition), N x C, NaN where an event was not held out.
    """
    shares = of_kind(events.partitions, Kind.SHARE)
    if not shares:
        return None
    grouped = of_kind(events.partitions, Kind.GROUPED)[0]
    held_out_folds = [
        partition.number - 1
        for partition in shares
        if partition.share == SHARES[0] and partition.number
    ]
    rows = np.flatnonzero(np.isin(events.folds(grouped), held_out_folds))
    trained_on = {100: [events.training_rows(grouped, fold) for fold in held_out_folds]}
    for share in SHARES:
        of_share = [partition for partition in shares if partition.share == share]
        trained_on[share] = [events.training_rows(partition, 0) for partition in of_share]
    class_index = np.unique(events.labels, return_inverse=True)[1]
    curves = {}
    scores_of_best = {}
    for family in families:
        by_share = {}
        for share in SHARES:
            folds = [
                probabilities[family, partition] for partition in shares if partition.share == share
            ]
            by_share[share] = np.nansum(folds, axis=0)[rows]
        by_share[100] = probabilities[family, grouped][rows]
        scores = comparisons.scores(by_share, class_index[rows], events.groups[rows], seed)
        curves[family] = [
            _point(share, trained_on[share], events.groups, scores[share].metric())
            for share in by_share
        ]
        if family == best_family:
            scores_of_best = scores
    gain = comparisons.difference(scores_of_best[100], scores_of_best[SHARES[-1]])
    sentence = verdict(gain.value, gain.low, gain.high)
    return LearningCurves(curves, SHARES[-1], gain, sentence)


def _point(
    share: int, trained_on: Sequence[np.ndarray], groups: np.ndarray, macro_f1: Metric
) -> Point:
    n_events = float(np.mean([len(rows) for rows in trained_on]))
    n_groups = float(np.mean([len(set(groups[rows].tolist())) for rows in trained_on]))
    return Point(share, n_events, n_groups, macro_f1)


def verdict(gain: float | None, low: float | None, high: float | None) -> str:
    """Return what the gain in macro-F1, from the largest share to all groups, means."""
    text = f"From {SHARES[-1]} % of the groups to all, macro-F1 of the best family "
    text += f"moved by {gain:+.2f}"
    if low is None or high is None:
        return f"{text}: too few groups to say whether more recordings would help."
    text += f" ({low:+.2f} to {high:+.2f})"
    if low > 0:
        return f"{text}: more recordings are likely to help."
    if high < LITTLE:
        return f"{text}: more such recordings would hardly help."
    return f"{text}: whether more recordings would help cannot be told."
