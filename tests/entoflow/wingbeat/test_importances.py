import numpy as np
import pytest
from sklearn.inspection import permutation_importance
from sklearn.metrics import f1_score

from entoflow.wingbeat import tabular, tabular_model
from entoflow.wingbeat.importances import SHUFFLES, measure_falls, predict_shuffled


def fit_machine(table, class_index):
    """Return (scikit-learn's estimator, our model) of a support vector machine."""
    settings = tabular.SETTINGS["svm"][0]
    fitted = tabular.estimator("svm", settings, 1, table.shape[1]).fit(table, class_index)
    return fitted, tabular_model.exported(fitted, 1.0)


@pytest.fixture
def trained():
    """Return (estimator, model, table, classes, groups), the last three of 200 other events.

    The first feature separates the classes, the second a little, the third and a constant do not.
    """
    rng = np.random.default_rng(1)
    class_index = np.arange(400) % 2
    noise = rng.normal(size=(400, 3))
    columns = [
        3.0 * class_index + noise[:, 0],
        class_index + noise[:, 1],
        noise[:, 2],
        np.ones(400),
    ]
    table = np.stack(columns, axis=1)
    fitted, model = fit_machine(table[:200], class_index[:200])
    return fitted, model, table[200:], class_index[200:], rng.integers(0, 25, 200)


def importances(model, table, class_index, groups, sets, seed=1):
    predicted = predict_shuffled(model, table, sets, seed)
    return measure_falls(predicted, class_index, groups, seed)


def test_importances_are_those_of_scikit_learn_within_the_noise_of_shuffling(trained):
    fitted, model, table, class_index, groups = trained
    falls = importances(model, table, class_index, groups, [[0], [1], [2], [3]])
    oracle = permutation_importance(
        fitted, table, class_index, scoring="f1_macro", n_repeats=50, random_state=1
    )
    for fall, mean, deviation in zip(falls, oracle.importances_mean, oracle.importances_std):
        assert abs(fall.value - mean) <= 4 * deviation / np.sqrt(SHUFFLES) + 1e-12
    assert falls[0].value > falls[1].value
    assert falls[0].low > 0.1
    assert (falls[0].n, falls[0].groups) == (200, 25)


def test_a_constant_feature_has_no_importance_and_no_interval_around_it(trained):
    _, model, table, class_index, groups = trained
    fall = importances(model, table, class_index, groups, [[3]])[0]
    assert (fall.value, fall.low, fall.high) == pytest.approx((0, 0, 0), abs=1e-12)


def test_features_that_replace_each_other_matter_together():
    class_index = np.arange(400) % 2
    values = 3.0 * class_index + np.random.default_rng(3).normal(size=400)
    table = np.repeat(values[:, None], 2, axis=1)
    _, model = fit_machine(table, class_index)
    falls = importances(model, table, class_index, np.arange(400) % 25, [[0], [1], [0, 1]])
    first, second, both = [fall.value for fall in falls]
    # Shuffled together they are still alike: nothing but chance is left.
    assert both > 0.35
    assert max(first, second) < both - 0.1


def test_shuffling_the_only_feature_costs_all_that_lies_above_shuffled_predictions():
    rng = np.random.default_rng(2)
    class_index = np.arange(300) % 3
    table = 10.0 * class_index[:, None]
    _, model = fit_machine(table, class_index)
    shuffles = np.random.default_rng(7)
    scores = []
    for _ in range(SHUFFLES):
        shuffled = class_index[shuffles.permutation(300)]
        scores.append(f1_score(class_index, shuffled, average="macro"))
    fall = importances(model, table, class_index, rng.integers(0, 20, 300), [[0]], 7)[0]
    assert fall.value == pytest.approx(1 - np.mean(scores))


def test_few_groups_have_no_interval(trained):
    _, model, table, class_index, _ = trained
    fall = importances(model, table, class_index, np.arange(200) % 5, [[0]])[0]
    assert 0 < fall.value < 1
    assert fall.low is None
    assert fall.groups == 5
