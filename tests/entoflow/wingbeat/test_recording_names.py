from datetime import date, datetime, timedelta

import numpy as np
import pytest

from entoflow.task import InputError
from entoflow.wingbeat import recording_names
from entoflow.wingbeat.recording_names import NameFacts, night, night_groups, read

SENSOR = r"(?P<sensor>\w+)/(?P<d1>\d+)-(?P<d2>\d+)-(?P<d3>\d+)_(?P<hour>\d+)"
NOON = datetime(2021, 5, 21, 12)


def after(seconds, sensor=None):
    return NameFacts(NOON + timedelta(seconds=seconds), sensor)


@pytest.mark.parametrize(
    "name",
    [
        "Event: 21-05-21_19.00.11.52",
        "21-05-21_19.00.11.52.wav",
        "night/Event 21-05-21_19.00.11.52.flac",
    ],
)
def test_an_event_says_its_time_to_a_hundredth_of_a_second(name):
    assert read([name]) == [NameFacts(datetime(2021, 5, 21, 19, 0, 11, 520_000))]


def test_wingbeats_say_time_gain_temperature_and_humidity():
    expected = NameFacts(datetime(2017, 3, 1, 10, 59, 22), None, 25.2, 51.1, 50.0)
    assert read(["Ae. aegypti/F170301_105922_039_G_050_T_25.2_H_51.1.wav"]) == [expected]


@pytest.mark.parametrize(
    "name, time",
    [
        ("20210521_190011.WAV", datetime(2021, 5, 21, 19, 0, 11)),
        ("S4A01234_20210521_190011.wav", datetime(2021, 5, 21, 19, 0, 11)),
        ("20161207T102314_ch1.wav", datetime(2016, 12, 7, 10, 23, 14)),
        ("21-05-21_19.00.11.wav", datetime(2021, 5, 21, 19, 0, 11)),
        ("1-100032-A.ogg", None),
        ("fly.wav", None),
        ("121-05-21_19.00.11.52.wav", None),
        ("20211321_190011.wav", None),
        ("", None),
        ("21-05-21_19.00.11.52/fly.wav", None),
    ],
)
def test_the_default_patterns_read_what_recorders_write_and_other_names_say_nothing(name, time):
    assert read([name]) == [NameFacts(time)]


@pytest.mark.parametrize(
    "order, expected",
    [("ymd", date(2001, 2, 3)), ("dmy", date(2003, 2, 1)), ("mdy", date(2003, 1, 2))],
)
def test_the_order_given_is_that_of_the_date(order, expected):
    assert read(["01-02-03_19.00.11.52"], date_order=order)[0].time.date() == expected


@pytest.mark.parametrize(
    "names, expected",
    [
        (["21-05-21_19.00.11"], date(2021, 5, 21)),  # the same day as ymd and dmy
        (
            ["21-05-20_19.00.11", "21-05-31_19.00.11", "99-05-20_19.00.11"],
            date(2021, 5, 20),
        ),  # no day is 99
        (["13-05-20_19.00.11", "01-05-99_19.00.11"], date(2020, 5, 13)),
        (["05-13-20_19.00.11", "12-31-99_19.00.11"], date(2020, 5, 13)),
    ],
)
def test_the_only_order_in_which_all_names_are_dates_needs_not_be_given(names, expected):
    assert read(names)[0].time.date() == expected


@pytest.mark.parametrize(
    "names, sentence",
    [
        (
            ["21-05-21_19.00.11", "21-05-20_19.00.11"],
            r"^21-05-20_19.00.11: is 20 May 2021 \(ymd\) or 21 May 2020 \(dmy\), and all 2 names "
            r"are dates in each of these orders; wanted the right one \(",
        ),
        (
            ["01-02-03_19.00.11"],
            r"is 03 February 2001 \(ymd\) or 01 February 2003 \(dmy\) or 02 January 2003 \(mdy\), "
            "and all 1 names",
        ),
    ],
)
def test_an_order_that_matters_and_could_be_several_is_asked_for_with_the_readings(names, sentence):
    with pytest.raises(InputError, match=sentence):
        read(names)


@pytest.mark.parametrize(
    "names, order, sentence",
    [
        (
            ["21-05-20_19.00.11", "21-13-20_19.00.11"],
            "ymd",
            "^21-13-20_19.00.11 is no date and time as ymd; wanted one order in which all 2 names "
            "are dates",
        ),
        (
            ["31-31-31_19.00.11"],
            None,
            "^31-31-31_19.00.11 is no date and time as ymd or dmy or mdy; wanted one order in "
            "which all 1 names are dates",
        ),
        (
            ["99-31-12_19.00.11", "31-12-99_19.00.11"],
            None,
            "^99-31-12_19.00.11 is no date and time as ymd or dmy or mdy; wanted one order in "
            "which all 2 names are dates",
        ),
        (
            ["99-12-31_19.00.11", "31-12-99_19.00.11"],
            None,
            "^31-12-99_19.00.11 is no date and time as ymd; 99-12-31_19.00.11 is no date and time "
            "as dmy or mdy; wanted one order",
        ),
        (
            ["21-05-20_19.00.11", "21-05-20_24.00.11"],
            "ymd",
            "^21-05-20_24.00.11 is no date and time as ymd",
        ),
        (
            ["F170230_105922_039_G_050_T_25.2_H_51.1"],
            None,
            "^F170230_105922_039_G_050_T_25.2_H_51.1: says year 17, month 02, day 30, .*; wanted "
            "a date and time that exist",
        ),
        (
            ["20210231_190011.WAV"],
            None,
            "^20210231_190011.WAV: says year 2021, month 02, day 31, .*; wanted a date and time "
            "that exist",
        ),
    ],
)
def test_an_impossible_date_is_told_with_its_name(names, order, sentence):
    with pytest.raises(InputError, match=sentence):
        read(names, date_order=order)


def test_an_order_of_another_name_is_told():
    with pytest.raises(InputError, match="^date_order is ydm; wanted one of ymd, dmy, mdy"):
        read(["21-05-20_19.00.11"], date_order="ydm")


def test_a_pattern_of_ones_own_reads_the_whole_name():
    pattern = r"(?P<sensor>[^/]+)/.*T(?P<temperature>[-\d.]+)g(?P<gain>\w+)"
    assert read(["trap 1/night/T-3.5g7"], pattern) == [NameFacts(None, "trap 1", -3.5, None, 7.0)]
    assert read(["a/21-5-20_19"], SENSOR, "ymd") == [NameFacts(datetime(2021, 5, 20, 19), "a")]


@pytest.mark.parametrize("text, hundredths", [("5", 50), ("05", 5), ("52", 52), ("520", 52)])
def test_a_fraction_is_what_stands_behind_the_point(text, hundredths):
    assert read([f"21-05-21_19.00.11.{text}"])[0].time.microsecond == hundredths * 10_000


@pytest.mark.parametrize(
    "year, expected", [("69", 2069), ("70", 1970), ("00", 2000), ("1999", 1999)]
)
def test_two_digits_of_a_year_are_1970_to_2069(year, expected):
    assert read([f"a/1-2-{year}_3"], SENSOR, "dmy")[0].time.year == expected


def test_names_that_do_not_match_a_pattern_of_ones_own_are_told_with_their_number():
    with pytest.raises(
        InputError,
        match=r"^b.wav: does not match the pattern .* \(nor do 1 more of 3 names\); wanted all",
    ):
        read(["a/21-5-20_19", "b.wav", "c.wav"], SENSOR, "ymd")


@pytest.mark.parametrize(
    "pattern, sentence",
    [
        ("(?P<hour>", "^the pattern .* is no regular expression .*; wanted one with named groups"),
        (r"(\d+)", "names no group; wanted some of year, month, day, d1,"),
        (r"(?P<hour>\d)(?P<trap>\d)", "names trap; wanted some of year"),
        (
            r"(?P<year>\d)(?P<month>\d)(?P<hour>\d)",
            "names hour, month, year; wanted a time as year, month, day .or d1, d2, d3. and hour",
        ),
        (r"(?P<d1>\d)(?P<d2>\d)(?P<d3>\d)", "names d1, d2, d3; wanted a time as"),
        (
            r"(?P<d1>\d)(?P<d2>\d)(?P<d3>\d)(?P<year>\d)(?P<hour>\d)",
            "names d1, d2, d3, hour, year; wanted a time as",
        ),
        (r"(?P<sensor>\w)(?P<minute>\d)", "names minute, sensor; wanted a time as"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_told(pattern, sentence):
    with pytest.raises(InputError, match=sentence):
        read(["a"], pattern)


def test_a_measure_that_is_no_number_is_told():
    with pytest.raises(InputError, match="^a_warm: says temperature 'warm'; wanted a number"):
        read(["a_warm"], r"_(?P<temperature>\w+)")


def test_a_part_of_the_date_that_is_optional_and_missing_leaves_the_time_unknown():
    pattern = r"(?P<sensor>\w+)(-(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)_(?P<hour>\d\d))?"
    assert read(["a-20210520_19", "b"], pattern) == [
        NameFacts(datetime(2021, 5, 20, 19), "a"),
        NameFacts(None, "b"),
    ]


def test_no_names_say_nothing():
    assert read([]) == [] == night_groups([])


@pytest.mark.parametrize(
    "hours, expected", [(-0.01, 20), (0, 21), (11, 21), (12, 21), (23.99, 21), (24, 22)]
)
def test_a_night_lasts_from_noon_to_noon_and_is_called_by_its_evening(hours, expected):
    assert night(NOON + timedelta(hours=hours)) == date(2021, 5, expected)


def test_a_group_is_a_sensor_and_a_night_and_none_without_a_time():
    printed = [
        after(0, "a"),
        after(3600, "a"),
        after(3600, "b"),
        after(-3600, "a"),
        after(60),
        NameFacts(None, "a"),
        NameFacts(),
    ]
    assert night_groups(printed) == [
        "a 2021-05-21",
        "a 2021-05-21",
        "b 2021-05-21",
        "a 2021-05-20",
        "2021-05-21",
        None,
        None,
    ]


@pytest.mark.parametrize("gap, one_group", [(0.01, True), (4.99, True), (5, False), (60, False)])
def test_a_burst_across_noon_joins_its_two_nights(gap, one_group):
    actual = night_groups([after(-7200), after(-gap / 2), after(gap / 2), after(7200)])
    assert actual == ["2021-05-20"] * 4 if one_group else ["2021-05-20"] * 2 + ["2021-05-21"] * 2


def test_a_burst_of_two_sensors_joins_nothing():
    assert night_groups([after(-1, "a"), after(1, "b")]) == ["a 2021-05-20", "b 2021-05-21"]


@pytest.mark.parametrize("seed", range(5))
def test_no_burst_and_no_night_of_a_sensor_is_ever_in_two_groups_whatever_the_order(seed):
    rng = np.random.default_rng(seed)
    printed = [
        after(float(s), str(sensor))
        for s, sensor in zip(rng.normal(0, 20, 60).cumsum() - 300, rng.choice(list("ab"), 60))
    ]
    actual = night_groups(printed)
    for i, one in enumerate(printed):
        for j, other in enumerate(printed):
            near = abs(one.time - other.time) < timedelta(seconds=5) or night(one.time) == night(
                other.time
            )
            assert one.sensor != other.sensor or not near or actual[i] == actual[j]
            assert one.sensor == other.sensor or actual[i] != actual[j]
    order = rng.permutation(60)
    assert night_groups([printed[at] for at in order]) == [actual[at] for at in order]


def test_the_default_patterns_can_be_used():
    for pattern in recording_names.PATTERNS:
        recording_names.check_pattern(pattern)
