import numpy as np
import pytest
from sklearn.inspection import permutation_importance
from sklearn.metrics import f1_score

from entoflow.wingbeat import tabular, tabular_model
from entoflow.wingbeat.importances import SHUFFLES, falls, shuffled_names


def learned(seed=1, n=400):
    """Return (estimator, Model, table, truth, groups): the first feature tells the classes apart, the second a little, the third and a constant not at all."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 2
    table = np.stack([3.0 * truth + rng.normal(size=n), truth + rng.normal(size=n), rng.normal(size=n), np.ones(n)], axis=1)
    fitted = tabular.estimator("svm", tabular.SETTINGS["svm"][0], 1, 4).fit(table[: n // 2], truth[: n // 2])
    model = tabular_model.exported(fitted, 1.0).named(["aedes", "culex"])
    return fitted, model, table[n // 2:], truth[n // 2:], rng.integers(0, 25, n // 2)


def importances(model, table, truth, groups, sets, seed=1):
    return falls(shuffled_names(model, table, sets, seed), truth, groups, seed)


def test_importances_are_those_of_scikit_learn_within_the_noise_of_shuffling():
    fitted, model, table, truth, groups = learned()
    found = importances(model, table, truth, groups, [[0], [1], [2], [3]])
    oracle = permutation_importance(fitted, table, truth, scoring="f1_macro", n_repeats=50, random_state=1)
    for one, mean, spread in zip(found, oracle.importances_mean, oracle.importances_std):
        assert abs(one["value"] - mean) <= 4 * spread / np.sqrt(SHUFFLES) + 1e-12
    assert found[0]["value"] > found[1]["value"] and found[0]["low"] > 0.1 and (found[0]["n"], found[0]["groups"]) == (200, 25)


def test_a_feature_that_is_not_looked_at_has_no_importance_and_no_interval_around_it():
    _, model, table, truth, groups = learned()
    last = importances(model, table, truth, groups, [[3]])[0]
    assert (last["value"], last["low"], last["high"]) == pytest.approx((0, 0, 0), abs=1e-12)


def test_features_that_stand_in_for_each_other_matter_together():
    rng = np.random.default_rng(3)
    truth = np.arange(400) % 2
    table = np.repeat((3.0 * truth + rng.normal(size=400))[:, None], 2, axis=1)
    model = tabular_model.exported(tabular.estimator("svm", tabular.SETTINGS["svm"][0], 1, 2).fit(table, truth), 1.0).named(["aedes", "culex"])
    each, other, both = (one["value"] for one in importances(model, table, truth, np.arange(400) % 25, [[0], [1], [0, 1]]))
    assert both > 0.35 and max(each, other) < both - 0.1  # shuffled together they are still alike: nothing but chance is left


def test_shuffling_the_one_feature_there_is_costs_all_that_lies_above_what_shuffled_names_have():
    rng, n = np.random.default_rng(2), 300
    truth, groups = np.arange(n) % 3, rng.integers(0, 20, n)
    table = 10.0 * truth[:, None]
    model = tabular_model.exported(tabular.estimator("svm", tabular.SETTINGS["svm"][0], 1, 1).fit(table, truth), 1.0).named(["a", "b", "c"])
    orders = np.random.default_rng(7)
    expected = 1 - np.mean([f1_score(truth, truth[orders.permutation(n)], average="macro") for _ in range(SHUFFLES)])
    assert importances(model, table, truth, groups, [[0]], 7)[0]["value"] == pytest.approx(expected)


def test_few_groups_have_no_interval():
    _, model, table, truth, _ = learned()
    found = importances(model, table, truth, np.arange(200) % 5, [[0]])
    assert 0 < found[0]["value"] < 1 and found[0]["low"] is None and found[0]["groups"] == 5
