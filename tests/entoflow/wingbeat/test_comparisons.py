import numpy as np
import pytest
from sklearn.metrics import f1_score

from entoflow.wingbeat import comparisons

CLASSES = 4


def events(seed, n=400, n_groups=25):
    rng = np.random.default_rng(seed)
    return rng.integers(0, CLASSES, n), rng.integers(0, n_groups, n), rng


def named(truth, right, rng, seeds=None):
    """Return probabilities (seeds x) n x C of a family that names a share of events right, and the others anyhow."""
    shape = (seeds, len(truth)) if seeds else (len(truth),)
    classes = np.where(rng.random(shape) < right, truth, rng.integers(0, CLASSES, shape))
    return 0.7 * np.eye(CLASSES)[classes] + 0.3 * rng.random((*shape, CLASSES)) / CLASSES


@pytest.mark.parametrize("seed", range(3))
def test_macro_f1_is_that_of_scikit_learn_with_events_repeated_as_often_as_their_group_counts(seed):
    truth, group, rng = events(seed, n=60, n_groups=9)
    rows = np.stack([rng.integers(0, CLASSES + 1, 60) for _ in range(5)])  # some name a class that does not occur
    weights = rng.integers(0, 3, (7, 9))
    expected = []
    for counts in weights:
        drawn = np.repeat(np.arange(60), counts[group])
        expected.append([f1_score(truth[drawn], row[drawn], average="macro", labels=np.unique(truth[drawn]), zero_division=0) for row in rows])
    np.testing.assert_allclose(comparisons.macro_f1(rows, truth, group)(weights), expected, atol=1e-12)


def test_macro_f1_of_a_draw_without_events_is_unknown():
    statistic = comparisons.macro_f1(np.array([[0, 1]]), np.array([0, 1]), np.array([0, 1]))
    assert np.isnan(statistic(np.zeros((1, 2)))).all() and statistic(np.ones((1, 2))).tolist() == [[1.0]]


def test_a_rows_score_is_the_mean_over_its_seeds_and_its_interval_holds_it():
    truth, groups, rng = events(1)
    families = {"features": named(truth, 0.6, rng, seeds=3), "image": named(truth, 0.5, rng)}
    found = comparisons.compare(families, truth, groups, 1)["rows"]
    expected = np.mean([f1_score(truth, one.argmax(axis=1), average="macro") for one in families["features"]])
    one = found["features"]["macro_f1"]
    assert one["value"] == pytest.approx(expected) and one["low"] < expected < one["high"] and (one["n"], one["groups"]) == (400, 25)
    assert found["image"]["macro_f1"]["value"] == pytest.approx(f1_score(truth, families["image"].argmax(axis=1), average="macro"))
    assert sum(row["p_best"] for row in found.values()) == pytest.approx(1)


@pytest.mark.parametrize("ps, expected", [
    ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),  # by hand: 3 x 0.01, then 2 x 0.03, then 1 x 0.04 but never less than the one before
    ([0.04, 0.005, 0.015, 0.02], [0.045, 0.02, 0.045, 0.045]),
    ([0.5, 0.9], [1.0, 1.0]),
    ([0.049], [0.049]),
])
def test_holm_by_hand(ps, expected):
    pairs = comparisons.holm([{"a": f"a{k}", "b": f"b{k}", "p": p} for k, p in enumerate(ps)])
    assert [pair["p_holm"] for pair in pairs] == pytest.approx(expected) and [pair["p"] for pair in pairs] == ps
    assert [pair["verdict"] == "better" for pair in pairs] == [p < 0.05 for p in expected]


def test_holm_leaves_unknown_p_alone():
    pairs = comparisons.holm([{"a": "a", "b": "b", "p": None}, {"a": "a", "b": "c", "p": 0.01}])
    assert [(pair["p_holm"], pair["verdict"]) for pair in pairs] == [(None, "not distinguishable"), (0.01, "better")]


def test_p_is_twice_the_share_of_resamples_on_the_wrong_side_by_hand():
    a = comparisons.Score(0.5, np.array([0.6, 0.5, 0.4, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6]), 9, 30)
    b = comparisons.Score(0.45, np.full(9, 0.5), 9, 30)
    assert comparisons.difference(a, b)["p"] == pytest.approx(2 * (1 + 2) / 10) == comparisons.difference(b, a)["p"]
    assert comparisons.difference(a, a)["p"] == 1 and comparisons.difference(a, b)["value"] == pytest.approx(0.05)


def test_the_chance_to_be_best_by_hand():
    drawn = [np.array([0.9, 0.5, 0.5, 0.1]), np.array([0.8, 0.5, 0.6, 0.1]), np.array([0.7, 0.1, 0.1, 0.1])]
    assert comparisons.best_chances(drawn) == pytest.approx([(1 + 0.5 + 0 + 1 / 3) / 4, (0 + 0.5 + 1 + 1 / 3) / 4, (1 / 3) / 4])


def test_a_clear_winner_is_named_with_what_it_is_ahead_by():
    truth, groups, rng = events(2)
    found = comparisons.compare({"rnn": named(truth, 0.4, rng), "features": named(truth, 0.9, rng), "image": named(truth, 0.5, rng)}, truth, groups, 1)
    first, second = (found["rows"][name]["macro_f1"]["value"] for name in ("features", "image"))
    assert found["best"] == ["features"] and found["rows"]["features"]["p_best"] == 1
    assert found["verdict"].startswith(f"features is best: macro-F1 {first:.2f}, {first - second:.2f} above image (")
    assert [(pair["a"], pair["b"]) for pair in found["pairs"]] == [("features", "image"), ("features", "rnn"), ("image", "rnn")]
    assert [pair["verdict"] for pair in found["pairs"]][:2] == ["better", "better"]


def test_families_that_are_not_distinguishable_from_the_highest_tie_and_the_clearly_worse_does_not():
    truth, groups, rng = events(3)
    base = named(truth, 0.8, rng)
    near = base.copy()
    near[:6] = near[6:12]
    found = comparisons.compare({"image": near, "features": base, "transformer": named(truth, 0.2, rng)}, truth, groups, 1)
    assert set(found["best"]) == {"image", "features"}
    values = [f"{found['rows'][name]['macro_f1']['value']:.2f}" for name in found["best"]]
    assert found["verdict"] == f"Tie: {' and '.join(found['best'])} are not distinguishable (macro-F1 {' and '.join(values)})."


def test_three_tie_in_one_sentence():
    assert comparisons.listed(["A", "B", "C"]) == "A, B and C" and comparisons.listed(["A"]) == "A"


def test_equal_predictions_tie_with_equal_chances():
    truth, groups, rng = events(4)
    base = named(truth, 0.8, rng)
    found = comparisons.compare({"a": base, "b": base.copy()}, truth, groups, 1)
    assert found["best"] == ["a", "b"] and found["pairs"][0]["p"] == 1 and found["pairs"][0]["low"] == found["pairs"][0]["high"] == 0
    assert [found["rows"][name]["p_best"] for name in "ab"] == [0.5, 0.5]


def test_a_family_that_does_not_beat_a_floor_is_told_and_a_floor_is_never_best():
    truth, groups, rng = events(5)
    rows = {"features": named(truth, 0.5, rng), "time of day only": named(truth, 0.9, rng), "majority": np.tile(np.eye(CLASSES)[0], (400, 1))}
    found = comparisons.compare(rows, truth, groups, 1, floors=("time of day only", "majority"))
    assert found["best"] == ["features"] and found["pairs"] == [] and found["rows"]["majority"]["p_best"] is None
    assert found["verdict"].startswith("features alone was compared: macro-F1 ") and found["verdict"].endswith(" But features does not beat time of day only.")
    share = np.bincount(truth)[0] / 400
    assert found["rows"]["majority"]["macro_f1"]["value"] == pytest.approx(2 * share / (1 + share) / CLASSES)


def test_below_twenty_groups_there_is_no_verdict_and_no_interval():
    truth, groups, rng = events(6, n_groups=19)
    found = comparisons.compare({"a": named(truth, 0.9, rng), "b": named(truth, 0.1, rng)}, truth, groups, 1, floors=())
    assert found["verdict"].startswith("No verdict: 19 groups are too few to tell families apart; wanted 20 or more. a is highest (macro-F1 0.")
    assert found["best"] == ["a", "b"] and found["rows"]["a"]["p_best"] is None
    assert (found["pairs"][0]["low"], found["pairs"][0]["p"], found["pairs"][0]["p_holm"]) == (None, None, None)


def test_an_interval_is_wider_where_groups_err_alike_and_where_seeds_differ():
    truth, groups, rng = events(7, n=600, n_groups=30)
    apart = named(truth, 0.6, rng)
    right = (np.arange(30) % 10 < 5)[groups]
    alike = np.eye(CLASSES)[np.where(right, truth, (truth + 1) % CLASSES)]
    lucky = np.stack([named(truth, share, rng) for share in (0.3, 0.6, 0.9)])
    rows = comparisons.compare({"apart": apart, "alike": alike, "lucky": lucky}, truth, groups, 1)["rows"]
    width = {name: row["macro_f1"]["high"] - row["macro_f1"]["low"] for name, row in rows.items()}
    assert width["alike"] > 2 * width["apart"] and width["lucky"] > 2 * width["apart"]


def test_the_order_of_rows_and_events_changes_nothing_but_the_order():
    truth, groups, rng = events(8, n=200)
    families = {"a": named(truth, 0.7, rng), "b": named(truth, 0.6, rng)}
    order = rng.permutation(200)
    one = comparisons.compare(families, truth, groups, 1)
    other = comparisons.compare({name: families[name][order] for name in "ba"}, truth[order], groups[order], 1)
    assert one["pairs"] == other["pairs"] and one["rows"] == other["rows"] and one["verdict"] == other["verdict"]


def test_permuted_labels_give_a_winner_at_most_once_in_twenty():
    winners = 0
    for seed in range(60):
        truth, groups, rng = events(seed, n=200, n_groups=20)
        errs_alike = rng.normal(size=(20, CLASSES))[groups]
        families = {name: rng.normal(size=(200, CLASSES)) + errs_alike + 0.5 * rng.normal(size=(20, CLASSES))[groups] for name in "abc"}
        winners += len(comparisons.compare(families, truth, groups, seed)["best"]) == 1
    assert winners <= 0.05 * 60


def test_optimism_is_the_difference_of_the_two_ways_to_split():
    truth, groups, rng = events(9)
    random, grouped = named(truth, 0.9, rng, seeds=2), named(truth, 0.4, rng, seeds=2)
    found = comparisons.optimism(random, grouped, truth, groups, 1)
    expected = [np.mean([f1_score(truth, one.argmax(axis=1), average="macro") for one in way]) for way in (random, grouped)]
    assert [found[name]["value"] for name in ("random", "grouped")] == pytest.approx(expected)
    assert found["gap"]["value"] == pytest.approx(expected[0] - expected[1]) and 0 < found["gap"]["low"] < found["gap"]["high"]
