import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entoflow import statistics


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_the_step_down_rule_rejects(p_values):
    """The rule by its definition.

    From the least p on, compare with level / (m - rank); stop at the first that is above.
    """
    raised = statistics.holm(p_values)
    for level in (0.01, 0.05, 0.3):
        rejected = set()
        for rank, place in enumerate(np.argsort(p_values, kind="stable")):
            if p_values[place] * (len(p_values) - rank) > level:
                break
            rejected.add(place)
        assert {place for place, p in enumerate(raised) if p <= level} == rejected


def test_comparisons_without_a_p_value_do_not_count():
    assert statistics.holm([None, 0.02, None, 0.04]) == [None, 0.04, None, 0.04]


def test_no_interval_below_twenty_groups_and_one_that_holds_the_value_from_there_on():
    values = np.arange(40.0)
    few = statistics.Bootstrap(np.arange(40) % 19, 1).ratio(values, np.ones(40), 40, "mean")
    many = statistics.Bootstrap(np.arange(40) % 20, 1).ratio(values, np.ones(40), 40, "mean")
    assert (few.value, few.low, few.groups) == (19.5, None, 19)
    assert many.low < many.value < many.high and many.groups == 20


def test_a_ratio_of_nothing_is_undefined():
    nothing = statistics.Bootstrap(np.arange(25), 1).ratio(np.ones(25), np.zeros(25), 0, "share")
    assert (nothing.value, nothing.low, nothing.high) == (None, None, None)


UNSURE = "not distinguishable"


@pytest.mark.parametrize(
    "low, high, expected",
    [(0.1, 0.2, "better"), (-0.2, -0.1, "worse"), (-0.1, 0.1, UNSURE), (None, None, UNSURE)],
)
def test_a_verdict_needs_an_interval_on_one_side_of_nothing(low, high, expected):
    assert statistics.verdict(low, high) == expected
