import json
from dataclasses import asdict
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from entoflow import statistics
from entoflow.identification import identification_metrics as metrics

SEEDS = st.integers(0, 2**32 - 1)


def values(of_names):
    return {name: metric.value for name, metric in of_names.items()}


def interval(metric):
    return metric.low, metric.high


def draw_closed(seed, n=300, n_classes=12, levels=None):
    """Return (scores, truth, groups, support) of n images; scores are integers below levels."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_classes, n)
    if levels:
        scores = rng.integers(0, levels, (n, n_classes))
    else:
        scores = rng.random((n, n_classes)) + 0.5 * np.eye(n_classes)[truth]
    groups = rng.integers(0, n, n)
    return scores, truth, groups, rng.integers(1, 6, n_classes)[truth]


def draw_open(seed, n=200, levels=1000):
    """Return (known_score, known, right, classes, groups)."""
    rng = np.random.default_rng(seed)
    known = rng.random(n) < 0.6
    score = rng.integers(0, levels, n) / levels + 0.3 * known
    right = known & (rng.random(n) < 0.7)
    return score, known, right, rng.integers(0, 30, n), rng.integers(0, 80, n)


def test_the_interval_of_a_mean_over_classes_of_one_size_is_that_of_the_mean_over_images():
    rng = np.random.default_rng(2)
    truth = np.repeat(np.arange(40), 3)
    scores = rng.random((120, 40)) + 0.7 * np.eye(40)[truth]
    measured = metrics.closed_set(scores, truth, np.arange(120), np.ones(120), 5)
    low, high = interval(measured["top1"])
    assert low < high
    assert interval(measured["macro_top1"]) == pytest.approx((low, high))


def test_the_interval_of_macro_f1_over_classes_of_one_image_without_confusion_is_that_of_a_share():
    wrong = np.random.default_rng(8).random(60) < 0.3  # named as classes that are not in truth
    truth = np.arange(60)
    scores = np.eye(120)[truth + 60 * wrong]
    measured = metrics.closed_set(scores, truth, truth, np.ones(60), 1)
    low, high = interval(measured["top1"])
    assert low < high
    assert interval(measured["macro_f1"]) == pytest.approx((low, high))


def test_resamples_of_macro_f1_are_as_good_as_the_sample():
    metric = metrics.closed_set(*draw_closed(3, n=1500, n_classes=100), seed=1)["macro_f1"]
    width = metric.high - metric.low
    assert 0.02 < width < 0.2
    assert (metric.low + metric.high) / 2 == pytest.approx(metric.value, abs=0.2 * width)


def test_the_same_seed_gives_the_same_metrics_and_another_other_intervals():
    data = draw_closed(4, n_classes=30)
    first, again, other = (metrics.closed_set(*data, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first["top1"].low != other["top1"].low


@pytest.mark.parametrize("seed", range(5))
def test_shares_right_and_f1_equal_those_of_scikit_learn(seed):
    scores, truth, groups, support = draw_closed(seed)
    value = values(metrics.closed_set(scores, truth, groups, support, 1))
    best = scores.argmax(axis=1)
    for name, k in (("top1", 1), ("top5", 5)):
        theirs = sklearn_metrics.top_k_accuracy_score(truth, scores, k=k, labels=range(12))
        assert value[name] == pytest.approx(theirs)
    balanced = sklearn_metrics.balanced_accuracy_score(truth, best)
    assert value["macro_top1"] == pytest.approx(balanced)
    f1 = sklearn_metrics.f1_score(truth, best, average="macro")
    assert value["macro_f1"] == pytest.approx(f1)


def test_macro_metrics_are_over_the_classes_in_truth():
    scores, truth, groups, support = draw_closed(6, n_classes=20)
    in_truth = truth % 2 == 0
    data = (scores[in_truth], truth[in_truth], groups[in_truth], support[in_truth])
    value = values(metrics.closed_set(*data, 1))
    expected = sklearn_metrics.f1_score(
        truth[in_truth], scores[in_truth].argmax(axis=1), labels=range(0, 20, 2), average="macro"
    )
    assert value["macro_f1"] == pytest.approx(expected)


def test_metrics_of_a_closed_set_counted_by_hand():
    scores = [[9, 1, 0], [1, 9, 0], [9, 1, 0], [0, 1, 9]]
    value = values(metrics.closed_set(scores, [0, 0, 0, 2], list("aabc"), [1, 2, 2, 7], 1))
    assert value == pytest.approx(
        {
            "top1": 3 / 4,
            "top5": 1,
            "macro_top1": (2 / 3 + 1) / 2,
            "macro_f1": (4 / 5 + 1) / 2,
            "top1_support_1": 1,
            "top1_support_2": 1 / 2,
            "top1_support_4_or_more": 1,
        }
    )


def test_support_has_its_own_images_and_groups():
    scores, truth, groups, support = draw_closed(7)
    measured = metrics.closed_set(scores, truth, groups, support, 1)
    right = scores.argmax(axis=1) == truth
    for size, name in ((1, "1"), (2, "2"), (3, "3"), (4, "4_or_more")):
        members = np.minimum(support, 4) == size
        metric = measured.get(f"top1_support_{name}")
        assert members.any() == (metric is not None)
        if metric:
            assert metric.value == pytest.approx(right[members].mean())
            assert metric.n == members.sum()
            assert metric.groups == len(set(groups[members]))


def test_constant_scores_are_right_by_chance():
    truth = np.repeat(np.arange(20), 5)
    support = np.full(100, 3)
    value = values(metrics.closed_set(np.zeros((100, 20)), truth, np.arange(100), support, 1))
    assert value == pytest.approx(
        {
            "top1": 1 / 20,
            "top5": 1 / 4,
            "macro_top1": 1 / 20,
            "macro_f1": 1 / 20,
            "top1_support_3": 1 / 20,
        }
    )


@pytest.mark.parametrize("seed", range(3))
def test_equal_scores_count_as_if_drawn_in_every_order(seed):
    scores, truth, groups, support = draw_closed(seed, n=20, n_classes=6, levels=3)
    value = values(metrics.closed_set(scores, truth, groups, support, 1))
    ranks = []
    for order in permutations(range(6)):
        ranked = np.argsort(-scores[:, order], axis=1, kind="stable")
        ranks.append((np.array(order)[ranked] == truth[:, None]).argmax(axis=1))
    assert value["top1"] == pytest.approx(np.less(ranks, 1).mean())
    assert value["top5"] == pytest.approx(np.less(ranks, 5).mean())


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_the_order_of_images_and_of_columns_changes_nothing(seed):
    scores, truth, groups, support = draw_closed(seed, n=15, n_classes=4, levels=3)
    rows = np.random.default_rng(seed).permutation(15)
    columns = np.random.default_rng(seed).permutation(4)
    expected = values(metrics.closed_set(scores, truth, groups, support, 1))
    new_truth = columns.argsort()[truth[rows]]
    shuffled = metrics.closed_set(
        scores[rows][:, columns], new_truth, groups[rows], support[rows], 1
    )
    assert values(shuffled) == pytest.approx(expected)
    assert all(0 <= value <= 1 for value in expected.values())
    assert expected["top1"] <= expected["top5"]


@pytest.mark.parametrize("seed, levels", [(1, 1000), (2, 1000), (3, 7), (4, 2)])
def test_rejection_equals_scikit_learn_and_a_loop_over_thresholds(seed, levels):
    score, known, right, *units = draw_open(seed, levels=levels)
    value = values(metrics.open_set(score, known, right, *units, 1))
    auroc = sklearn_metrics.roc_auc_score(known, score)
    assert value["unknown_auroc"] == pytest.approx(auroc)
    false, true, _ = sklearn_metrics.roc_curve(known, score, drop_intermediate=False)
    assert value["unknown_fpr95"] == pytest.approx(false[(true >= 0.95).argmax()])
    x, y = [0.0], [0.0]
    for threshold in sorted(set(score), reverse=True):
        accepted = score >= threshold
        x.append(accepted[~known].mean())
        y.append((right & accepted)[known].mean())
    assert value["oscr"] == pytest.approx(np.trapezoid(y, x))


def test_rejection_counted_by_hand():
    known = np.arange(24) < 20
    # 19 of 20 known, and the two last unknown, are let in from 1 up
    score = np.append(np.arange(20), [0, 0.5, 1, 30])
    right = np.arange(24) != 19
    measured = metrics.open_set(score, known, right, np.arange(24), np.arange(24), 1)
    # known images above each unknown
    assert values(measured) == pytest.approx(
        {
            "unknown_auroc": (19.5 + 19 + 18.5 + 0) / 80,
            "unknown_fpr95": 1 / 2,
            "oscr": (18.5 + 18 + 17.5 + 0) / 80,
        }
    )
    assert [metric.n for metric in measured.values()] == [24, 4, 24]


def test_perfect_and_constant_rejection():
    known = np.arange(60) < 40
    never = np.zeros(60, bool)

    def open_set(score, right):
        units = np.arange(60)
        return values(metrics.open_set(score, known, right, units, units, 1))

    assert open_set(known, known) == {"unknown_auroc": 1, "unknown_fpr95": 0, "oscr": 1}
    assert open_set(never, known) == {"unknown_auroc": 0.5, "unknown_fpr95": 1, "oscr": 0.5}
    assert open_set(known, never)["oscr"] == 0
    assert open_set(known, ~never)["oscr"] == 1  # an unknown image is never right


@pytest.mark.parametrize("known", [True, False])
def test_without_known_or_without_unknown_images_rejection_is_undefined(known):
    kinds = np.full(30, known)
    measured = metrics.open_set(np.arange(30), kinds, kinds, np.arange(30), np.arange(30), 1)
    for metric in measured.values():
        assert (metric.value, *interval(metric)) == (None, None, None)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_the_order_of_images_changes_nothing_in_the_open_set(seed):
    arrays = draw_open(seed, n=19, levels=5)
    order = np.random.default_rng(seed).permutation(19)
    shuffled = metrics.open_set(*(array[order] for array in arrays), 1)
    assert values(shuffled) == pytest.approx(values(metrics.open_set(*arrays, 1)))


def test_intervals_of_the_open_set_hold_the_value():
    arrays = draw_open(5)
    for metric in metrics.open_set(*arrays, 1).values():
        assert metric.low < metric.value < metric.high
        assert metric.groups == len(set(arrays[-1]))


def test_coverage_and_size_of_sets_counted_by_hand():
    sets = [
        [True, True, False],
        [False, False, True],
        [False, False, False],
        [True, True, True],
    ]
    value = values(metrics.label_set_metrics(sets, [1, 0, 2, 2]))
    assert value == {"label_set_coverage": 1 / 2, "label_set_size": 6 / 4}


def assert_no_nan(measured):
    content = {name: asdict(metric) for name, metric in measured.items()}
    json.dumps(content, allow_nan=False)


def test_of_no_image_all_metrics_are_null_and_nothing_crashes():
    none = np.zeros(0)
    for measured in (
        metrics.closed_set(np.zeros((0, 5)), [], [], [], 1),
        metrics.closed_set(np.zeros((0, 0)), [], [], [], 1),
        metrics.open_set(none, none, none, [], [], 1),
        metrics.label_set_metrics(np.zeros((0, 5)), []),
    ):
        assert set(values(measured).values()) == {None}
        assert_no_nan(measured)
    assert statistics.paired([], [], [], [], 1).verdict == "not distinguishable"


def test_one_image_alone_gives_no_nan():
    one = np.ones(1)
    assert_no_nan(metrics.closed_set([[1, 2]], [1], ["a"], [1], 1))
    assert_no_nan(metrics.open_set(one, one, one, ["x"], ["a"], 1))
