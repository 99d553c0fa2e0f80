"""Which family is best? The statistics of a fair comparison on the same held-out events.

The score is macro-F1: the mean over classes of the harmonic mean of precision and recall, whatever
the sizes of the classes. A resample draws groups (what was never split, as a night of a sensor) and
seeds (new folds, new networks) with replacement, the same ones for all rows: differences are
paired. p is twice the share of resamples on the wrong side of 0, corrected by Holm's rule (1979),
as many pairs are compared. A row is a family, or a baseline that any family ought to beat.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, TypeVar

import numpy as np

from entoflow.metric import Metric
from entoflow.statistics import FEWEST_GROUPS, Bootstrap, divide, holm, metric

RESAMPLES = (
    10_000  # so that the least possible p, times the pairs of eight families, is still small
)
AT_ONCE = 250  # resamples
LEVEL = 0.05  # of significance
UNIT = "harmonic mean of precision and recall"

Row = TypeVar("Row")


@dataclass(frozen=True)
class Score:
    """The macro-F1 of a row, on all events and on each resample."""

    value: float
    resamples: np.ndarray  # b
    n: int  # events
    n_groups: int

    def metric(self) -> Metric:
        """Return the value with its interval."""
        return metric(self.value, self.resamples, self.n, self.n_groups, UNIT)


@dataclass(frozen=True)
class ScoreDifference(Metric):
    """By how much one macro-F1 is higher than another on the same events."""

    p: float | None  # two-sided; None where there are no resamples


@dataclass(frozen=True)
class Pair:
    """Two families, the first of which scored no lower than the second."""

    a: str
    b: str
    difference: ScoreDifference
    p_holm: float | None
    verdict: str  # better, or not distinguishable


@dataclass(frozen=True)
class RowResult:
    """What a comparison says of a family or a baseline."""

    macro_f1: Metric
    p_best: float | None  # chance that a family is the best one; None of a baseline


@dataclass(frozen=True)
class Comparison:
    """The outcome of a comparison."""

    rows: dict[str, RowResult]  # in the order in which they were given
    pairs: list[Pair]  # of families
    best: list[str]  # the families that are not distinguishable from the highest, the highest first
    verdict: str  # a sentence or two


@dataclass(frozen=True)
class Optimism:
    """How much higher macro-F1 is where single events are held out than where whole groups are."""

    random: Metric
    grouped: Metric
    gap: ScoreDifference


def compare(
    probabilities: Mapping[str, np.ndarray],
    true_class: np.ndarray,
    groups: np.ndarray,
    seed: int,
    baselines: Collection[str] = (),
) -> Comparison:
    """Compare families and baselines by what they predict of the same n events.

    probabilities: of each row, n x C or seeds x n x C; a row's score is the mean over its seeds.
    true_class: n columns. groups: n. baselines: the rows that are no families. With fewer than
    FEWEST_GROUPS groups there are no intervals, and no family is distinguishable.
    """
    row_scores = scores(probabilities, true_class, groups, seed)
    families = [row for row in row_scores if row not in baselines]
    families.sort(key=lambda family: -row_scores[family].value)
    pairs = _compare_pairs(row_scores, families)
    chances = chances_to_be_best([row_scores[family].resamples for family in families])
    p_best = dict(zip(families, chances))
    rows = {row: RowResult(score.metric(), p_best.get(row)) for row, score in row_scores.items()}
    highest = families[0]
    worse = [pair.b for pair in pairs if pair.a == highest and pair.verdict == "better"]
    best = [family for family in families if family not in worse]
    unbeaten = []
    for baseline in baselines:
        ahead = difference(row_scores[highest], row_scores[baseline])
        if ahead.low is None or ahead.low <= 0:
            unbeaten.append(baseline)
    return Comparison(rows, pairs, best, _verdict(rows, pairs, best, unbeaten))


def optimism(
    random: np.ndarray, grouped: np.ndarray, true_class: np.ndarray, groups: np.ndarray, seed: int
) -> Optimism:
    """Return how optimistic a random split is.

    random, grouped: predictions of the same n events by models that were trained without the event,
    and without its group: n x C or seeds x n x C.
    """
    both = scores({"random": random, "grouped": grouped}, true_class, groups, seed)
    gap = difference(both["random"], both["grouped"])
    return Optimism(both["random"].metric(), both["grouped"].metric(), gap)


def scores(
    probabilities: Mapping[Row, np.ndarray],
    true_class: np.ndarray,
    groups: np.ndarray | Sequence[Any],
    seed: int,
) -> dict[Row, Score]:
    """Return the score of each row of probabilities, which are as compare() takes them.

    An event is named by the class of the highest probability, the first among equals.
    """
    true_class = np.asarray(true_class, int)
    group_names, group_index = np.unique(np.asarray(groups, str), return_inverse=True)
    bootstrap = Bootstrap(group_names, seed, RESAMPLES)
    row_scores = {}
    for row, row_probabilities in probabilities.items():
        predicted = np.asarray(row_probabilities).argmax(axis=-1).reshape(-1, len(true_class))
        statistic = macro_f1(predicted, true_class, group_index)
        of_seeds = statistic(np.ones((1, len(group_names))))[0]
        resamples = bootstrap.resample(statistic, AT_ONCE).reshape(-1, len(of_seeds))
        resamples = _mean_of_drawn_seeds(resamples, np.random.default_rng(seed))
        row_scores[row] = Score(of_seeds.mean(), resamples, len(true_class), len(group_names))
    return row_scores


def macro_f1(
    predicted: np.ndarray, true_class: np.ndarray, group_index: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function: macro-F1 (b x R) where each group counts `weights` (b x G) times.

    predicted: R x n class indices; true_class: n; group_index: n, from 0. The mean is over the
    classes that occur among the events that count; it is NaN where there are none.
    """
    n_classes = int(max(predicted.max(), true_class.max())) + 1
    n_groups = group_index.max() + 1
    is_right = predicted == true_class
    one_row = np.broadcast_to(true_class, (1, len(true_class)))
    occurring = _count(one_row, group_index, n_classes, n_groups, np.ones((1, len(true_class))))
    called = _count(predicted, group_index, n_classes, n_groups, np.ones(predicted.shape))
    right = _count(predicted, group_index, n_classes, n_groups, is_right)

    def statistic(weights: np.ndarray) -> np.ndarray:
        shape = (len(weights), -1, n_classes)
        n_occurring = (weights @ occurring).reshape(shape)
        n_called = (weights @ called).reshape(shape)
        n_right = (weights @ right).reshape(shape)
        occurs = n_occurring > 0
        f1 = np.nan_to_num(divide(2 * n_right, n_occurring + n_called))
        return divide(occurs * f1, occurs.sum(axis=2, keepdims=True)).sum(axis=2)

    return statistic


def macro_f1_metrics(
    predicted: np.ndarray, true_class: np.ndarray, groups: np.ndarray, seed: int
) -> list[Metric]:
    """Return the macro-F1 of each of R predictions (R x n class indices) of the same n events."""
    group_names, group_index = np.unique(np.asarray(groups, str), return_inverse=True)
    statistic = macro_f1(predicted, true_class, group_index)
    return resampled_metrics(statistic, group_names, len(true_class), seed, UNIT)


def resampled_metrics(
    statistic: Callable[[np.ndarray], np.ndarray],
    group_names: np.ndarray,
    n: int,
    seed: int,
    unit: str,
) -> list[Metric]:
    """Return metrics of a statistic that gives R values at once (b x R of weights b x G)."""
    values = statistic(np.ones((1, len(group_names))))[0]
    resamples = Bootstrap(group_names, seed).resample(statistic, 50)
    metrics = []
    for column, value in enumerate(values):
        drawn = resamples[:, column] if len(resamples) else resamples
        metrics.append(metric(value, drawn, n, len(group_names), unit))
    return metrics


def difference(a: Score, b: Score) -> ScoreDifference:
    """Return by how much score a is higher than score b, with the p-value of that."""
    drawn = a.resamples - b.resamples
    interval = metric(a.value - b.value, drawn, a.n, a.n_groups, "difference of macro-F1")
    p = None
    if len(drawn):
        n_wrong_side = min((drawn <= 0).sum(), (drawn >= 0).sum())
        p = min(1.0, float(2 * (1 + n_wrong_side) / (1 + len(drawn))))
    return ScoreDifference(**asdict(interval), p=p)


def chances_to_be_best(resamples: Sequence[np.ndarray]) -> list[float | None]:
    """Return how often each family (b resamples each) is the highest, equal ones sharing.

    None each where there are no resamples.
    """
    drawn = np.stack(resamples)
    if not drawn.size:
        return [None] * len(drawn)
    is_highest = drawn == drawn.max(axis=0)
    chances: list[float | None] = (is_highest / is_highest.sum(axis=0)).mean(axis=1).tolist()
    return chances


def enumeration(words: Sequence[str]) -> str:
    """Return words as a sentence lists them: A, B and C."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _compare_pairs(row_scores: Mapping[str, Score], families: Sequence[str]) -> list[Pair]:
    names = list(combinations(families, 2))
    differences = [difference(row_scores[a], row_scores[b]) for a, b in names]
    p_holm = holm([each.p for each in differences])
    pairs = []
    for (a, b), of_pair, p in zip(names, differences, p_holm):
        verdict = "better" if p is not None and p < LEVEL else "not distinguishable"
        pairs.append(Pair(a, b, of_pair, p, verdict))
    return pairs


def _mean_of_drawn_seeds(resamples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the mean (b) of resamples (b x seeds) over seeds that are drawn with replacement.

    Rows of the same number of seeds have the same ones drawn.
    """
    seeds = rng.integers(0, resamples.shape[1], resamples.shape)
    return np.take_along_axis(resamples, seeds, axis=1).mean(axis=1)


def _count(
    classes: np.ndarray,
    group_index: np.ndarray,
    n_classes: int,
    n_groups: int,
    counting: np.ndarray,
) -> np.ndarray:
    """Return how often each row (R x n) has each class in each group, G x (R C).

    The counts are floats, as a matrix product of these is fast.
    """
    n_rows = len(classes)
    rows = np.arange(n_rows)[:, None]
    places = (group_index * n_rows + rows) * n_classes + classes
    counts = np.bincount(places.ravel(), counting.ravel(), n_groups * n_rows * n_classes)
    return counts.reshape(n_groups, -1)


def _verdict(
    rows: Mapping[str, RowResult],
    pairs: Sequence[Pair],
    best: Sequence[str],
    unbeaten: Sequence[str],
) -> str:
    """Return the verdict in words; unbeaten: the baselines that the best does not clearly beat."""
    highest = best[0]
    macro_f1 = rows[highest].macro_f1
    value = f"macro-F1 {macro_f1.value:.2f}"
    if macro_f1.groups is not None and macro_f1.groups < FEWEST_GROUPS:
        return (
            f"No verdict: {macro_f1.groups} groups are too few to tell families apart; "
            f"wanted {FEWEST_GROUPS} or more. {highest} is highest ({value})."
        )
    next_best = next((pair for pair in pairs if pair.a == highest), None)
    if len(best) > 1:
        values = enumeration([f"{rows[row].macro_f1.value:.2f}" for row in best])
        text = f"Tie: {enumeration(best)} are not distinguishable (macro-F1 {values})."
    elif next_best is not None:
        ahead = next_best.difference
        interval = f"{ahead.low:.2f} to {ahead.high:.2f}"
        text = f"{highest} is best: {value}, {ahead.value:.2f} above {next_best.b} ({interval})."
    else:
        text = f"{highest} alone was compared: {value}."
    if unbeaten:
        text = f"{text} But {highest} does not beat {enumeration(unbeaten)}."
    return text
