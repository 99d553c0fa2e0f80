import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from entoflow.wingbeat import temperatures


def world(seed, n=120, rise=0.03):
    """Return (degC, log2 F0, columns) of three classes that are flown at other temperatures and rise alike."""
    rng, columns = np.random.default_rng(seed), np.arange(n) % 3
    degc = 18 + 5.0 * columns + rng.normal(0, 2, n)
    return degc, np.log2([200.0, 400, 700])[columns] + rise * (degc - 25) + rng.normal(0, 0.05, n), columns


def test_the_slope_is_that_of_a_regression_with_a_level_for_each_class_weighted_as_often_as_each_event_counts():
    degc, pitch, columns = world(1)
    weights = np.random.default_rng(2).integers(0, 4, (5, len(degc)))
    for own, found in zip(weights, temperatures.slope(degc, pitch, columns, weights)):
        oracle = LinearRegression(fit_intercept=False).fit(np.column_stack([degc, np.eye(3)[columns]]), pitch, own)
        assert found == pytest.approx(oracle.coef_[0], rel=1e-6)
    assert temperatures.slope(degc, pitch, columns, np.ones((1, 120)))[0] == pytest.approx(0.03, abs=0.01)


def test_a_temperature_that_never_changes_moves_nothing():
    _, pitch, columns = world(1)
    assert temperatures.slope(np.full(120, 21.3), pitch, columns, np.ones((1, 120))).tolist() == [0.0]


def test_at_25_degrees_the_classes_are_where_they_were_drawn():
    degc, pitch, columns = world(3)
    rise = temperatures.slope(degc, pitch, columns, np.ones((1, 120)))[0]
    moved = temperatures.at_reference(pitch, degc, rise)
    for column, hz in enumerate((200, 400, 700)):
        assert np.median(2 ** moved[columns == column]) == pytest.approx(hz, rel=0.05)
        assert moved[columns == column].std() < pitch[columns == column].std()


def test_temperatures_that_are_not_given_are_no_numbers():
    assert np.isnan(temperatures.of([{"temperature": None}, {}])).all() and temperatures.of([{"temperature": "21.5"}]).tolist() == [21.5]
