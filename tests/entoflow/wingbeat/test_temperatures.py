from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from entoflow.wingbeat import temperatures
from entoflow.wingbeat.clip_set import Clip
from entoflow.wingbeat.event_arrays import Events


def draw_world(seed, n=120, octaves_per_degc=0.03):
    """Return (degC, log2 F0, class index) of three classes.

    They fly at different temperatures, and their F0 rises alike.
    """
    rng = np.random.default_rng(seed)
    class_index = np.arange(n) % 3
    degc = 18 + 5.0 * class_index + rng.normal(0, 2, n)
    level = np.log2([200.0, 400, 700])[class_index]
    log2_f0 = level + octaves_per_degc * (degc - 25) + rng.normal(0, 0.05, n)
    return degc, log2_f0, class_index


def test_the_slope_is_that_of_a_weighted_regression_with_a_level_for_each_class():
    degc, log2_f0, class_index = draw_world(1)
    weights = np.random.default_rng(2).integers(0, 4, (5, len(degc)))
    slopes = temperatures.f0_slope(degc, log2_f0, class_index, weights)
    design = np.column_stack([degc, np.eye(3)[class_index]])
    for row, slope in zip(weights, slopes):
        regression = LinearRegression(fit_intercept=False).fit(design, log2_f0, row)
        assert slope == pytest.approx(regression.coef_[0], rel=1e-6)
    unweighted = temperatures.f0_slope(degc, log2_f0, class_index, np.ones((1, 120)))
    assert unweighted[0] == pytest.approx(0.03, abs=0.01)


def test_the_slope_is_0_where_the_temperature_never_changes():
    _, log2_f0, class_index = draw_world(1)
    assert temperatures.f0_slope(
        np.full(120, 21.3), log2_f0, class_index, np.ones((1, 120))
    ).tolist() == [0.0]


def test_f0_at_25_degrees_is_that_which_the_classes_were_drawn_with():
    degc, log2_f0, class_index = draw_world(3)
    slope = temperatures.f0_slope(degc, log2_f0, class_index, np.ones((1, 120)))[0]
    at_25 = temperatures.f0_at_reference(log2_f0, degc, slope)
    for number, hz in enumerate((200, 400, 700)):
        members = class_index == number
        assert np.median(2 ** at_25[members]) == pytest.approx(hz, rel=0.05)
        assert at_25[members].std() < log2_f0[members].std()


def test_an_unknown_temperature_is_nan():
    clip = Clip(0, "a.wav", 0, 1, "a", "g", "", 8000, 0, 8000)
    degc = temperatures.degrees_celsius([clip, replace(clip, temperature=21.5)])
    assert np.isnan(degc[0]) and degc[1] == 21.5


def test_f0_is_sure_where_it_is_above_0_with_a_confidence_of_a_half_or_more():
    table = np.array([[200, 0.5], [200, 0.49], [0, 0.9]])
    events = Events(
        np.zeros((3, 1)),
        np.ones(3),
        8000,
        table,
        ["f0_hz", "f0_confidence"],
        np.array([]),
        np.array([]),
        [],
        [],
    )
    assert temperatures.has_sure_f0(events).tolist() == [True, False, False]
