"""Which family is best? The statistics of a fair comparison: all families named the same held-out events, and whole groups are drawn again and again.

The headline is macro-F1: the mean over classes of the harmonic mean of precision and recall, whatever their sizes. A resample draws groups (what was never
split, as a night of a sensor) and seeds (fresh folds, fresh networks) with replacement, the same ones for all rows: differences are paired. p is twice the
share of resamples on the wrong side of 0, made larger by Holm's rule (1979), as many pairs are looked at.
A row is a family or a floor: a way that hardly listens, and that any family ought to beat.
"""
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from entoflow.statistics import FEWEST_GROUPS, Bootstrap, divide, figure

RESAMPLES = 10_000  # so that the least p there is, times the pairs of eight families, is still small
AT_ONCE = 250
LEVEL = 0.05
UNIT = "harmonic mean of precision and recall"


def compare(probabilities, truth, groups, seed, floors=()):
    """Return {"rows", "pairs", "best", "verdict"} of a comparison.

    probabilities: {row: n x C, or seeds x n x C}; a row's score is the mean over its seeds. truth: n columns. groups: n. floors: the rows that are no families.
    rows: {row: {"macro_f1": figure, "p_best": chance to be the best family, None for a floor}}. pairs of families: "a", not below "b", the figure of
    their difference, "p", "p_holm" and "verdict". best: the families that are not distinguishable from the highest, highest first. verdict: a sentence or two.
    With fewer than FEWEST_GROUPS groups there are no intervals, and no family is distinguishable.
    """
    found = scores(probabilities, truth, groups, seed)
    families = sorted((row for row in found if row not in floors), key=lambda row: -found[row].value)
    pairs = holm([{"a": a, "b": b, **difference(found[a], found[b])} for a, b in combinations(families, 2)])
    chances = dict(zip(families, best_chances([found[row].resamples for row in families])))
    rows = {row: {"macro_f1": score.figure(), "p_best": chances.get(row)} for row, score in found.items()}
    worse = [pair["b"] for pair in pairs if pair["a"] == families[0] and pair["verdict"] == "better"]
    best = [row for row in families if row not in worse]
    unbeaten = [floor for floor in floors if not (difference(found[families[0]], found[floor])["low"] or 0) > 0]
    return {"rows": rows, "pairs": pairs, "best": best, "verdict": in_words(rows, pairs, best, unbeaten)}


def optimism(random, grouped, truth, groups, seed):
    """Return {"random", "grouped", "gap"}: the macro-F1 when single events and when whole groups were held out, and by how much the first flatters (figures).

    random, grouped: what was predicted of the same events each way, n x C or seeds x n x C.
    """
    found = scores({"random": random, "grouped": grouped}, truth, groups, seed)
    return {**{name: score.figure() for name, score in found.items()}, "gap": difference(found["random"], found["grouped"])}


@dataclass
class Score:
    """The macro-F1 of a row: value on all events, and of each resample (b)."""

    value: float
    resamples: np.ndarray
    n: int
    n_groups: int

    def figure(self):
        return figure(self.value, self.resamples, self.n, self.n_groups, UNIT)


def scores(probabilities, truth, groups, seed):
    """Return {row: Score} of probabilities as compare takes them; an event is named by the class of the highest, the first among equals."""
    truth, (units, group) = np.asarray(truth, int), np.unique(np.asarray(groups, str), return_inverse=True)
    bootstrap, found = Bootstrap(units, seed, RESAMPLES), {}
    for row, of_row in probabilities.items():
        statistic = macro_f1(np.asarray(of_row).argmax(axis=-1).reshape(-1, len(truth)), truth, group)
        by_seed = statistic(np.ones((1, len(units))))[0]
        resamples = bootstrap.resample(statistic, AT_ONCE).reshape(-1, len(by_seed))
        found[row] = Score(by_seed.mean(), _over_seeds(resamples, np.random.default_rng(seed)), len(truth), len(units))
    return found


def _over_seeds(resamples, rng):
    """Return the mean (b) of resamples (b x seeds) over seeds drawn with replacement, for rows of as many seeds the same ones."""
    return np.take_along_axis(resamples, rng.integers(0, resamples.shape[1], resamples.shape), axis=1).mean(axis=1)


def macro_f1(named, truth, group):
    """Return f(weights: b x G, how often each group counts) -> b x R macro-F1, over the classes that occur among what counts.

    named: R x n, each row a way to name the events, columns. truth: n columns. group: n, from 0 to G - 1. Equals scikit-learn's f1_score of the classes
    in truth, each event repeated as often as it counts.
    """
    n_classes, n_groups = max(named.max(), truth.max()) + 1, group.max() + 1
    present = _counted(truth[None], group, n_classes, n_groups, np.ones((1, len(truth))))
    called = _counted(named, group, n_classes, n_groups, np.ones_like(named))
    right = _counted(named, group, n_classes, n_groups, named == truth)

    def statistic(weights):
        occurs, calls, hits = (np.reshape(weights @ table, (len(weights), -1, n_classes)) for table in (present, called, right))
        return divide((occurs > 0) * np.nan_to_num(divide(2 * hits, occurs + calls)), (occurs > 0).sum(axis=2, keepdims=True)).sum(axis=2)

    return statistic


def each_macro_f1(named, truth, groups, seed):
    """Return the figure of each way to name events (R x n columns); truth: n columns, groups: n."""
    units, group = np.unique(np.asarray(groups, str), return_inverse=True)
    statistic = macro_f1(named, truth, group)
    values, resamples = statistic(np.ones((1, len(units))))[0], Bootstrap(units, seed).resample(statistic, 50)
    return [figure(value, resamples[:, k] if len(resamples) else [], len(truth), len(units), UNIT) for k, value in enumerate(values)]


def _counted(classes, group, n_classes, n_groups, counting):
    """Return how often each row (R x n) has each class in each group, G x (R C), as floats: their products are fast."""
    rows = np.arange(len(classes))[:, None]
    places = (group * len(classes) + rows) * n_classes + classes
    return np.bincount(places.ravel(), counting.ravel(), n_groups * len(classes) * n_classes).reshape(n_groups, -1)


def difference(a, b):
    """Return the figure of how much higher Score a is than b, and p, None where there are no resamples."""
    drawn = a.resamples - b.resamples
    p = 2 * (1 + min((drawn <= 0).sum(), (drawn >= 0).sum())) / (1 + len(drawn)) if len(drawn) else None
    return {**figure(a.value - b.value, drawn, a.n, a.n_groups, "difference of macro-F1"), "p": None if p is None else min(1.0, float(p))}


def holm(pairs):
    """Return pairs with p_holm, the least level at which Holm's rule calls it a difference, and the verdict on a at LEVEL, in their order."""
    known = sorted((pair for pair in pairs if pair["p"] is not None), key=lambda pair: pair["p"])
    at_least, raised = 0.0, {}
    for rank, pair in enumerate(known):
        at_least = max(at_least, min(1.0, pair["p"] * (len(known) - rank)))
        raised[pair["a"], pair["b"]] = at_least
    by_pair = [raised.get((pair["a"], pair["b"])) for pair in pairs]
    return [{**pair, "p_holm": p, "verdict": "better" if p is not None and p < LEVEL else "not distinguishable"} for pair, p in zip(pairs, by_pair)]


def best_chances(resamples):
    """Return how often each family (list of b) is the highest, equals sharing; None each where there are no resamples."""
    drawn = np.stack(resamples)
    highest = drawn == drawn.max(axis=0, initial=-np.inf)
    return (highest / highest.sum(axis=0)).mean(axis=1).tolist() if drawn.size else [None] * len(drawn)


def in_words(rows, pairs, best, unbeaten):
    """Return the verdict as a sentence or two. unbeaten: the floors that the first of best is not distinguishable from, or below."""
    of_best = rows[best[0]]["macro_f1"]
    value = f"macro-F1 {of_best['value']:.2f}"
    if of_best["groups"] < FEWEST_GROUPS:
        return f"No verdict: {of_best['groups']} groups are too few to tell families apart; wanted {FEWEST_GROUPS} or more. {best[0]} is highest ({value})."
    if len(best) > 1:
        values = [f"{rows[row]['macro_f1']['value']:.2f}" for row in best]
        told = f"Tie: {listed(best)} are not distinguishable (macro-F1 {listed(values)})."
    else:
        second = next((pair for pair in pairs if pair["a"] == best[0]), None)
        ahead = f", {second['value']:.2f} above {second['b']} ({second['low']:.2f} to {second['high']:.2f})" if second else ""
        told = f"{best[0]} is best: {value}{ahead}." if second else f"{best[0]} alone was compared: {value}."
    return f"{told} But {best[0]} does not beat {listed(unbeaten)}." if unbeaten else told


def listed(words):
    """Return words as a sentence lists them."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
