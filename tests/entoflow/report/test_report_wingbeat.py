from pathlib import Path

import pytest

from entoflow.report import wingbeat


def figure(value, low=None, high=None):
    return {"value": value, "low": low, "high": high, "n": 100, "groups": 24, "unit": ""}


def comparison(**families):
    """families: macro-F1 on new groups, and on new sensors."""
    rows = {name: {"name": f"the {name}", "baseline": False, "macro_f1": figure(grouped), "p_best": 0.5, "sensor_macro_f1": figure(sensor)}
            for name, (grouped, sensor) in families.items()}
    return {"families": rows, "best": [next(iter(families))]}


@pytest.mark.parametrize(("families", "said"), [
    ({"features": (0.97, 0.78), "rnn": (0.9, 0.88)},
     "On a sensor that it did not learn from, the features falls from 0.97 to 0.78 in macro-F1. There the rnn is ahead (0.88): for other sensors, a model of "
     "it comes with --families rnn."),
    ({"features": (0.97, 0.78), "rnn": (0.9, 0.7)}, "On a sensor that it did not learn from, the features falls from 0.97 to 0.78 in macro-F1."),
    ({"features": (0.97, 0.95), "rnn": (0.9, 0.96)}, ""),
])
def test_what_new_sensors_cost_the_best_family_is_told_and_who_does_better(families, said):
    assert wingbeat.new_sensors(comparison(**families)) == said


def test_without_sensors_nothing_is_told_of_them():
    told = comparison(features=(0.97, 0.78))
    del told["families"]["features"]["sensor_macro_f1"]
    assert wingbeat.new_sensors(told) == wingbeat.new_sensors({}) == ""


def test_noise_at_0_db_stands_beside_the_events_as_recorded_for_each_family():
    told = comparison(rnn=(0.9, 0.9))
    told["robustness"] = {"snrs_db": [10, 0], "families": {"rnn": {"as recorded": figure(0.91, 0.8, 0.95), "wind": [figure(0.85), figure(0.42)]}}}
    table = "".join(map(str, wingbeat.in_noise({"comparison": told, "plots": Path("nowhere")})))
    assert "the rnn" in table and "0.91 (0.80 to 0.95)" in table and "0.42" in table and "0.85" not in table


def test_the_kinds_of_features_that_matter_most_come_first():
    told = {"importances": {"kinds": {"harmonics": figure(0.1), "cepstra": figure(0.3)}, "features": {f"f{k}": figure(k / 100) for k in range(20)}}}
    kinds, single = map(str, wingbeat.importances({"comparison": told}))
    assert kinds.index("cepstra") < kinds.index("harmonics") and single.index("f19") < single.index("f10") and "f9<" not in single


def test_f0_at_25_degrees_stands_beside_f0_where_it_is_known():
    metrics = {"f0_median_hz_bee": figure(220.0), "f0_at_25_median_hz_bee": figure(226.0), "f0_percent_per_degc": figure(1.75)}
    assert all(words in wingbeat.pitches({"metrics": metrics}) for words in ("226.00", "at 25 °C", "1.75 % per °C"))
    alone = wingbeat.pitches({"metrics": {"f0_median_hz_bee": figure(220.0)}})
    assert "220.00" in alone and "25" not in alone
