from datetime import datetime

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.naive_bayes import GaussianNB

from entoflow.wingbeat import baselines
from entoflow.wingbeat.clip_set import Clip
from entoflow.wingbeat.event_arrays import Events

N = 90
FOLD = np.arange(N) % 3
FOLDS = [(np.flatnonzero(FOLD != fold), np.flatnonzero(FOLD == fold)) for fold in range(3)]


def draw_events(seed):
    """Return (classes, values N x 2); a class of a higher number is spread wider."""
    rng = np.random.default_rng(seed)
    class_index = rng.integers(0, 4, N)
    means = np.stack([100 * class_index, class_index], axis=1)
    return class_index, rng.normal(size=(N, 2)) * (1 + class_index)[:, None] + means


def test_class_shares_are_those_of_scikit_learns_dummy():
    class_index, values = draw_events(1)
    probabilities = baselines.class_shares(class_index, FOLDS, 5)
    for training, held_out in FOLDS:
        dummy = DummyClassifier(strategy="prior").fit(values[training], class_index[training])
        expected = dummy.predict_proba(values[held_out])
        np.testing.assert_allclose(probabilities[held_out, :4], expected)
    assert (probabilities[:, 4] == 0).all()


@pytest.mark.parametrize("columns", [[0], [0, 1]])
def test_gaussian_is_scikit_learns_naive_bayes_of_equal_priors(columns):
    class_index, values = draw_events(2)
    values = values[:, columns]
    probabilities = baselines.gaussian(values, class_index, FOLDS, 4)
    for training, held_out in FOLDS:
        bayes = GaussianNB(priors=[0.25] * 4).fit(values[training], class_index[training])
        expected = bayes.predict_proba(values[held_out])
        np.testing.assert_allclose(probabilities[held_out], expected, atol=1e-6)


def test_an_unknown_value_counts_for_no_class_and_leaves_the_other_one():
    class_index, values = draw_events(3)
    values[0] = np.nan
    values[1, 0] = np.nan
    probabilities = baselines.gaussian(values, class_index, FOLDS, 4)
    np.testing.assert_allclose(probabilities[0], 0.25)
    second_alone = baselines.gaussian(values[:, 1:], class_index, FOLDS, 4)
    np.testing.assert_allclose(probabilities[1], second_alone[1], atol=1e-12)
    training, _ = FOLDS[1]
    known = training[training > 0]
    bayes = GaussianNB(priors=[0.25] * 4).fit(values[known, 1:], class_index[known])
    expected = bayes.predict_proba(values[1:2, 1:])[0]
    np.testing.assert_allclose(second_alone[1], expected, atol=1e-6)


def test_a_class_of_fewer_than_two_known_values_is_never_named():
    class_index, values = draw_events(4)
    values[np.flatnonzero(class_index == 2)[1:]] = np.nan
    probabilities = baselines.gaussian(values, class_index, FOLDS, 4)
    assert (probabilities[:, 2] == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("value", [np.nan, 3.0], ids=["unknown", "constant"])
def test_a_value_that_is_unknown_or_never_varies_leaves_all_classes_alike(value):
    class_index, _ = draw_events(5)
    probabilities = baselines.gaussian(np.full((N, 1), value), class_index, FOLDS, 4)
    np.testing.assert_allclose(probabilities, 0.25)


def test_the_clock_is_round():
    quarters = [[1, 0], [0, 1], [-1, 0], [0, -1], [1, 0]]
    np.testing.assert_allclose(baselines.clock([0, 6, 12, 18, 24]), quarters, atol=1e-12)
    before, after = baselines.clock([23.5, 0.5])
    assert np.linalg.norm(before - after) == pytest.approx(2 * np.sin(np.pi / 24))


def test_the_hour_of_the_day_counts_minutes_and_is_unknown_without_a_time():
    clips = []
    for time in (datetime(2024, 5, 1, 18, 45, 30), None):
        clips.append(Clip(0, "a.wav", 0.0, 1.0, "bee", "a", "", 8000, 0, 8000, time=time))
    empty = np.empty(0)
    events = Events(empty, empty, 8000, empty, [], empty, empty, clips, [])
    np.testing.assert_array_equal(baselines.hours_of_day(events), [18.75, np.nan])
