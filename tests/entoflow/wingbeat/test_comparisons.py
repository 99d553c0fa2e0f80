from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from entoflow.wingbeat import comparisons
from entoflow.wingbeat.comparisons import Score

N_CLASSES = 4


def draw_events(seed, n=400, n_groups=25):
    """Return (true classes, groups, generator) of n events."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, N_CLASSES, n), rng.integers(0, n_groups, n), rng


def draw_probabilities(true_class, share_right, rng, n_seeds=None):
    """Return (n_seeds x) n x C of a family that names a share of events right, the rest anyhow."""
    n = len(true_class)
    shape = (n_seeds, n) if n_seeds else (n,)
    is_right = rng.random(shape) < share_right
    named = np.where(is_right, true_class, rng.integers(0, N_CLASSES, shape))
    noise = rng.random((*shape, N_CLASSES)) / N_CLASSES
    return 0.7 * np.eye(N_CLASSES)[named] + 0.3 * noise


@pytest.mark.parametrize("seed", range(3))
def test_macro_f1_is_scikit_learns_with_events_repeated_as_often_as_their_group_counts(seed):
    true_class, group, rng = draw_events(seed, n=60, n_groups=9)
    # Some name a class that does not occur.
    predictions = np.stack([rng.integers(0, N_CLASSES + 1, 60) for _ in range(5)])
    weights = rng.integers(0, 3, (7, 9))
    expected = np.zeros((7, 5))
    for row, counts in enumerate(weights):
        drawn = np.repeat(np.arange(60), counts[group])
        labels = np.unique(true_class[drawn])
        for column, predicted in enumerate(predictions):
            expected[row, column] = f1_score(
                true_class[drawn],
                predicted[drawn],
                average="macro",
                labels=labels,
                zero_division=0,
            )
    statistic = comparisons.macro_f1(predictions, true_class, group)
    np.testing.assert_allclose(statistic(weights), expected, atol=1e-12)


def test_macro_f1_of_a_draw_without_events_is_unknown():
    two = np.array([0, 1])
    statistic = comparisons.macro_f1(two[None], two, two)
    assert np.isnan(statistic(np.zeros((1, 2)))).all()
    assert statistic(np.ones((1, 2))).tolist() == [[1.0]]


def test_a_rows_score_is_the_mean_over_its_seeds_and_its_interval_contains_it():
    true_class, groups, rng = draw_events(1)
    features = draw_probabilities(true_class, 0.6, rng, n_seeds=3)
    image = draw_probabilities(true_class, 0.5, rng)
    rows = comparisons.compare({"features": features, "image": image}, true_class, groups, 1).rows
    of_seeds = [f1_score(true_class, one.argmax(axis=1), average="macro") for one in features]
    expected = np.mean(of_seeds)
    macro_f1 = rows["features"].macro_f1
    assert macro_f1.value == pytest.approx(expected)
    assert macro_f1.low < expected < macro_f1.high
    assert (macro_f1.n, macro_f1.groups) == (400, 25)
    of_image = f1_score(true_class, image.argmax(axis=1), average="macro")
    assert rows["image"].macro_f1.value == pytest.approx(of_image)
    assert sum(row.p_best for row in rows.values()) == pytest.approx(1)


def test_p_values_of_pairs_are_corrected_by_holms_rule():
    """By hand: the least of three p times 3, the next times 2, never less than the one before."""
    true_class, groups, rng = draw_events(11)
    rows = {}
    for name, share in (("a", 0.62), ("b", 0.58), ("c", 0.5)):
        rows[name] = draw_probabilities(true_class, share, rng)
    pairs = comparisons.compare(rows, true_class, groups, 1).pairs
    rising = sorted(pairs, key=lambda pair: pair.difference.p)
    least = 0.0
    for pair, factor in zip(rising, (3, 2, 1)):
        least = max(least, min(1.0, factor * pair.difference.p))
        assert pair.p_holm == pytest.approx(least)
        assert (pair.verdict == "better") == (least < 0.05)


def test_p_is_twice_the_share_of_resamples_on_the_wrong_side_by_hand():
    resamples = np.array([0.6, 0.5, 0.4, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6])
    a = Score(0.5, resamples, 9, 30)
    b = Score(0.45, np.full(9, 0.5), 9, 30)
    assert comparisons.difference(a, b).p == pytest.approx(2 * (1 + 2) / 10)
    assert comparisons.difference(b, a).p == comparisons.difference(a, b).p
    assert comparisons.difference(a, a).p == 1
    assert comparisons.difference(a, b).value == pytest.approx(0.05)


def test_the_chance_to_be_best_by_hand():
    resamples = [
        np.array([0.9, 0.5, 0.5, 0.1]),
        np.array([0.8, 0.5, 0.6, 0.1]),
        np.array([0.7, 0.1, 0.1, 0.1]),
    ]
    by_hand = [(1 + 0.5 + 0 + 1 / 3) / 4, (0 + 0.5 + 1 + 1 / 3) / 4, (1 / 3) / 4]
    assert comparisons.chances_to_be_best(resamples) == pytest.approx(by_hand)


def test_a_clear_winner_is_named_with_what_it_is_ahead_by():
    true_class, groups, rng = draw_events(2)
    rows = {}
    for name, share in (("rnn", 0.4), ("features", 0.9), ("image", 0.5)):
        rows[name] = draw_probabilities(true_class, share, rng)
    comparison = comparisons.compare(rows, true_class, groups, 1)
    first = comparison.rows["features"].macro_f1.value
    second = comparison.rows["image"].macro_f1.value
    start = f"features is best: macro-F1 {first:.2f}, {first - second:.2f} above image ("
    assert comparison.best == ["features"]
    assert comparison.rows["features"].p_best == 1
    assert comparison.verdict.startswith(start)
    names = [(pair.a, pair.b) for pair in comparison.pairs]
    assert names == list(combinations(("features", "image", "rnn"), 2))
    assert [pair.verdict for pair in comparison.pairs][:2] == ["better", "better"]


def test_families_that_are_not_distinguishable_from_the_highest_tie_and_the_worse_does_not():
    true_class, groups, rng = draw_events(3)
    features = draw_probabilities(true_class, 0.8, rng)
    image = features.copy()
    image[:6] = image[6:12]
    transformer = draw_probabilities(true_class, 0.2, rng)
    rows = {"image": image, "features": features, "transformer": transformer}
    comparison = comparisons.compare(rows, true_class, groups, 1)
    assert set(comparison.best) == {"image", "features"}
    values = [f"{comparison.rows[name].macro_f1.value:.2f}" for name in comparison.best]
    names = " and ".join(comparison.best)
    numbers = " and ".join(values)
    assert comparison.verdict == f"Tie: {names} are not distinguishable (macro-F1 {numbers})."


def test_names_are_listed_as_in_a_sentence():
    assert comparisons.enumeration(["A", "B", "C"]) == "A, B and C"
    assert comparisons.enumeration(["A", "B"]) == "A and B"
    assert comparisons.enumeration(["A"]) == "A"


def test_equal_predictions_tie_with_equal_chances():
    true_class, groups, rng = draw_events(4)
    both = draw_probabilities(true_class, 0.8, rng)
    comparison = comparisons.compare({"a": both, "b": both.copy()}, true_class, groups, 1)
    difference = comparison.pairs[0].difference
    assert comparison.best == ["a", "b"]
    assert (difference.p, difference.low, difference.high) == (1, 0, 0)
    assert [comparison.rows[name].p_best for name in "ab"] == [0.5, 0.5]


def test_an_unbeaten_baseline_is_named_and_a_baseline_is_never_best():
    true_class, groups, rng = draw_events(5)
    rows = {
        "features": draw_probabilities(true_class, 0.5, rng),
        "time of day only": draw_probabilities(true_class, 0.9, rng),
        "majority": np.tile(np.eye(N_CLASSES)[0], (400, 1)),
    }
    baselines = ("time of day only", "majority")
    comparison = comparisons.compare(rows, true_class, groups, 1, baselines)
    assert comparison.best == ["features"]
    assert comparison.pairs == []
    assert comparison.rows["majority"].p_best is None
    assert comparison.verdict.startswith("features alone was compared: macro-F1 ")
    assert comparison.verdict.endswith(" But features does not beat time of day only.")
    share = np.bincount(true_class)[0] / 400
    expected = 2 * share / (1 + share) / N_CLASSES
    assert comparison.rows["majority"].macro_f1.value == pytest.approx(expected)


def test_below_twenty_groups_there_is_no_verdict_and_no_interval():
    true_class, groups, rng = draw_events(6, n_groups=19)
    rows = {}
    for name, share in (("a", 0.9), ("b", 0.1)):
        rows[name] = draw_probabilities(true_class, share, rng)
    comparison = comparisons.compare(rows, true_class, groups, 1)
    assert comparison.verdict.startswith(
        "No verdict: 19 groups are too few to tell families apart; wanted 20 or more. "
        "a is highest (macro-F1 0."
    )
    assert comparison.best == ["a", "b"]
    assert comparison.rows["a"].p_best is None
    pair = comparison.pairs[0]
    assert (pair.difference.low, pair.difference.p, pair.p_holm) == (None, None, None)
    assert pair.verdict == "not distinguishable"


def test_an_interval_is_wider_where_groups_err_alike_and_where_seeds_differ():
    true_class, groups, rng = draw_events(7, n=600, n_groups=30)
    independent = draw_probabilities(true_class, 0.6, rng)
    is_right = (np.arange(30) % 10 < 5)[groups]
    by_group = np.eye(N_CLASSES)[np.where(is_right, true_class, (true_class + 1) % N_CLASSES)]
    by_seed = np.stack([draw_probabilities(true_class, share, rng) for share in (0.3, 0.6, 0.9)])
    rows = {"independent": independent, "by group": by_group, "by seed": by_seed}
    widths = {}
    for name, row in comparisons.compare(rows, true_class, groups, 1).rows.items():
        widths[name] = row.macro_f1.high - row.macro_f1.low
    assert widths["by group"] > 2 * widths["independent"]
    assert widths["by seed"] > 2 * widths["independent"]


def test_the_order_of_rows_and_events_changes_nothing_but_the_order():
    true_class, groups, rng = draw_events(8, n=200)
    a = draw_probabilities(true_class, 0.7, rng)
    b = draw_probabilities(true_class, 0.6, rng)
    order = rng.permutation(200)
    one = comparisons.compare({"a": a, "b": b}, true_class, groups, 1)
    reordered = {"b": b[order], "a": a[order]}
    other = comparisons.compare(reordered, true_class[order], groups[order], 1)
    assert one.pairs == other.pairs
    assert one.rows == other.rows
    assert one.verdict == other.verdict


def test_permuted_labels_give_a_winner_at_most_once_in_twenty():
    n_winners = 0
    for seed in range(60):
        true_class, groups, rng = draw_events(seed, n=200, n_groups=20)
        common_error = rng.normal(size=(20, N_CLASSES))[groups]
        families = {}
        for name in "abc":
            noise = rng.normal(size=(200, N_CLASSES))
            of_group = 0.5 * rng.normal(size=(20, N_CLASSES))[groups]
            families[name] = noise + common_error + of_group
        best = comparisons.compare(families, true_class, groups, seed).best
        n_winners += len(best) == 1
    assert n_winners <= 0.05 * 60


def test_optimism_is_the_difference_of_the_two_ways_to_split():
    true_class, groups, rng = draw_events(9)
    random = draw_probabilities(true_class, 0.9, rng, n_seeds=2)
    grouped = draw_probabilities(true_class, 0.4, rng, n_seeds=2)
    optimism = comparisons.optimism(random, grouped, true_class, groups, 1)
    expected = []
    for way in (random, grouped):
        of_seeds = [f1_score(true_class, one.argmax(axis=1), average="macro") for one in way]
        expected.append(np.mean(of_seeds))
    assert [optimism.random.value, optimism.grouped.value] == pytest.approx(expected)
    assert optimism.gap.value == pytest.approx(expected[0] - expected[1])
    assert 0 < optimism.gap.low < optimism.gap.high
