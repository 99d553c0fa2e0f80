import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.naive_bayes import GaussianNB

from entoflow.wingbeat import floors

FOLDS = [(np.flatnonzero(np.arange(90) % 3 != k), np.flatnonzero(np.arange(90) % 3 == k)) for k in range(3)]


def events(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, 90)
    return truth, rng.normal(size=(90, 2)) * (1 + truth)[:, None] + np.stack([100 * truth, truth], axis=1)


def test_majority_has_the_shares_of_the_training_part_as_scikit_learns_dummy():
    truth, values = events(1)
    found = floors.majority(truth, FOLDS, 5)
    for learn, held in FOLDS:
        np.testing.assert_allclose(found[held, :4], DummyClassifier(strategy="prior").fit(values[learn], truth[learn]).predict_proba(values[held]))
    assert (found[:, 4] == 0).all()


@pytest.mark.parametrize("columns", [[0], [0, 1]])
def test_gaussian_is_scikit_learns_naive_bayes_of_equal_priors(columns):
    truth, values = events(2)
    values = values[:, columns]
    found = floors.gaussian(values, truth, FOLDS, 4)
    for learn, held in FOLDS:
        oracle = GaussianNB(priors=[0.25] * 4).fit(values[learn], truth[learn])
        np.testing.assert_allclose(found[held], oracle.predict_proba(values[held]), atol=1e-6)


def test_an_unknown_value_says_nothing_and_one_of_two_leaves_the_other():
    truth, values = events(3)
    some = values.copy()
    some[0], some[1, 0] = np.nan, np.nan
    found = floors.gaussian(some, truth, FOLDS, 4)
    np.testing.assert_allclose(found[0], 0.25)
    learn, held = FOLDS[1]
    oracle = GaussianNB(priors=[0.25] * 4).fit(values[learn][:, 1:], truth[learn])
    learn = learn[learn > 1]
    other = floors.gaussian(some[:, 1:], truth, FOLDS, 4)
    np.testing.assert_allclose(found[1], other[1], atol=1e-12)
    assert oracle.predict_proba(values[1:2, 1:])[0].argmax() == other[1].argmax()


def test_a_class_of_fewer_than_two_known_values_is_never_named_and_with_no_values_all_are_alike():
    truth, values = events(4)
    values[np.flatnonzero(truth == 2)[1:]] = np.nan
    found = floors.gaussian(values, truth, FOLDS, 4)
    assert (found[:, 2] == 0).all() and np.allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(floors.gaussian(np.full((90, 1), np.nan), truth, FOLDS, 4), 0.25)


def test_a_value_that_never_varies_leaves_all_classes_alike():
    truth, _ = events(5)
    np.testing.assert_allclose(floors.gaussian(np.full((90, 1), 3.0), truth, FOLDS, 4), 0.25)


def test_the_clock_is_round():
    np.testing.assert_allclose(floors.clock([0, 6, 12, 18, 24]), [[1, 0], [0, 1], [-1, 0], [0, -1], [1, 0]], atol=1e-12)
    ahead, behind = floors.clock([23.5, 0.5])
    assert np.linalg.norm(ahead - behind) == pytest.approx(2 * np.sin(np.pi / 24))
