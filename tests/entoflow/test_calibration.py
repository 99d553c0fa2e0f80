import json
from dataclasses import asdict
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from entoflow.calibration import ReliabilityBin, calibration_metrics, reliability, risk_coverage

SEEDS = st.integers(0, 2**32 - 1)


def values(of_names):
    return {name: metric.value for name, metric in of_names.items()}


@pytest.mark.parametrize("n", [7, 15, 100, 455])
def test_calibration_equals_a_loop_over_15_bins_of_equal_mass_and_scikit_learn(n):
    rng = np.random.default_rng(n)
    probability = rng.random(n)
    right = rng.random(n) < probability**2
    ranked = np.argsort(probability)
    bin_of_rank = (2 * np.arange(n) + 1) * 15 // (2 * n)
    ece = 0
    for number in range(15):
        members = ranked[bin_of_rank == number]
        if len(members):
            distance = abs(probability[members].mean() - right[members].mean())
            ece += distance * len(members) / n
    value = values(calibration_metrics(probability, right, np.arange(n), np.arange(n), 1))
    brier = sklearn_metrics.brier_score_loss(right, probability, labels=[0, 1])
    assert value == pytest.approx({"ece": ece, "brier": brier})


def test_a_constant_probability_that_is_the_share_right_is_calibrated():
    right = np.random.default_rng(1).permutation(100) < 70
    units = np.arange(100)
    value = values(calibration_metrics(np.full(100, 0.7), right, units, units, 1))
    assert value == pytest.approx({"ece": 0, "brier": 0.21})


def test_intervals_hold_the_value():
    rng = np.random.default_rng(5)
    probability = rng.random(200)
    right = rng.random(200) < probability**2
    groups = rng.integers(0, 80, 200)
    metrics = calibration_metrics(probability, right, rng.integers(0, 30, 200), groups, 1)
    for metric in metrics.values():
        assert metric.low < metric.value < metric.high
        assert metric.groups == len(set(groups))


def test_reliability_counted_by_hand():
    assert reliability([0.9, 0.2, 0.4, 0.8], [1, 0, 1, 1], 2) == [
        ReliabilityBin(pytest.approx(0.3), 0.5, 2),
        ReliabilityBin(pytest.approx(0.85), 1, 2),
    ]


def test_equal_probabilities_share_a_bin():
    (only,) = reliability([0.5, 0.5, 0.5], [1, 0, 0], 15)
    assert only == ReliabilityBin(0.5, pytest.approx(1 / 3), 3)


def test_bins_are_of_equal_mass():
    bins = reliability(np.random.default_rng(1).random(100), np.ones(100), 15)
    assert len(bins) == 15
    assert {each.n for each in bins} == {6, 7}


def test_risk_falls_with_the_least_sure_counted_by_hand():
    curve = risk_coverage([0.6, 0.9, 0.7, 0.8], [False, True, False, True])
    assert curve.coverages == [0.25, 0.5, 0.75, 1]
    assert curve.errors == pytest.approx([0, 0, 1 / 3, 1 / 2])
    assert curve.aurc.value == pytest.approx((1 / 3 + 1 / 2) / 4)


def test_risk_of_equals_is_the_mean_over_every_order():
    probability = np.array([0.9, 0.5, 0.5, 0.5, 0.2])
    right = np.array([True, False, True, True, False])
    errors = []
    for order in permutations([1, 2, 3]):
        wrong = ~right[[0, *order, 4]]
        errors.append(np.cumsum(wrong) / np.arange(1, 6))
    assert risk_coverage(probability, right).errors == pytest.approx(np.mean(errors, axis=0))


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_the_order_of_items_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    probability = rng.integers(0, 5, 19) / 5
    right = rng.random(19) < 0.7
    classes = rng.integers(0, 30, 19)
    groups = rng.integers(0, 80, 19)
    order = rng.permutation(19)
    arrays = (probability, right, classes, groups)
    shuffled = calibration_metrics(*(array[order] for array in arrays), 1)
    assert values(shuffled) == pytest.approx(values(calibration_metrics(*arrays, 1)))
    errors = risk_coverage(probability[order], right[order]).errors
    assert errors == pytest.approx(risk_coverage(probability, right).errors)


@pytest.mark.parametrize("n", [0, 1])
def test_of_no_item_and_of_one_there_is_no_nan(n):
    ones = np.ones(n)
    units = ["x"] * n
    metrics = calibration_metrics(ones, ones, units, units, 1)
    curve = risk_coverage(ones, ones)
    content = [asdict(metric) for metric in (*metrics.values(), curve.aurc)]
    json.dumps(content, allow_nan=False)
    assert len(reliability(ones, ones, 15)) == len(curve.errors) == n
    if not n:
        assert set(values(metrics).values()) == {None}
        assert curve.aurc.value is None
