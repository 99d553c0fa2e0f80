"""What the name of a recording says: when it was made, by which sensor, and in what air; and what follows for groups.

A pattern is a regular expression with named groups: year, month and day, or the date's parts d1, d2 and d3 in an order that a name alone does not
tell; hour, minute, second, fraction (digits behind the point); sensor, temperature, humidity, gain. The default patterns read no sensor: a word
before the date may as well be a species, and a night shared by two "sensors" of that kind would end up on both sides of a split.
"""
import re
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import NamedTuple

from entoflow.task import InputError

PATTERNS = (
    # Event: 21-05-21_19.00.11.52
    r"(?<!\d)(?P<d1>\d\d)-(?P<d2>\d\d)-(?P<d3>\d\d)_(?P<hour>\d\d)\.(?P<minute>\d\d)\.(?P<second>\d\d)(\.(?P<fraction>\d{1,3}))?(?!\d)",
    # Wingbeats: F170301_105922_039_G_050_T_25.2_H_51.1
    r"(?<![0-9A-Za-z])F(?P<year>\d\d)(?P<month>\d\d)(?P<day>\d\d)_(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)_\d+"
    r"_G_(?P<gain>\d+)_T_(?P<temperature>-?\d+(\.\d+)?)_H_(?P<humidity>\d+(\.\d+)?)",
    # AudioMoth and others: 20210521_190011
    r"(?<!\d)(?P<year>(19|20)\d\d)(?P<month>0\d|1[0-2])(?P<day>[0-3]\d)[_T](?P<hour>[01]\d|2[0-3])(?P<minute>[0-5]\d)(?P<second>[0-5]\d)(?!\d)",
)
ORDERS = {"ymd": ("d1", "d2", "d3"), "dmy": ("d3", "d2", "d1"), "mdy": ("d3", "d1", "d2")}  # which part is the year, the month, the day
DATE, PARTS = ("year", "month", "day"), ("d1", "d2", "d3")
CLOCK, MEASURES = ("hour", "minute", "second", "fraction"), ("temperature", "humidity", "gain")
BURST = timedelta(seconds=5)


class Said(NamedTuple):
    """What a name says, None where it says nothing: temperature in degrees Celsius, relative humidity in %, gain in the sensor's own unit."""

    time: datetime | None = None
    sensor: str | None = None
    temperature: float | None = None
    humidity: float | None = None
    gain: float | None = None


def read(names, pattern=None, date_order=None):
    """Return what each name says: [Said], by a pattern searched in the whole name, or by PATTERNS in its last part.

    `date_order` is one of ORDERS; None takes the only one in which all names are dates. Raises InputError for a wrong pattern, names that do not
    match the one given, a date or number that is none, and an order that has to be given: several fit, and the dates differ.
    """
    found = [_matched(name, _compiled(pattern) if pattern else PATTERNS) for name in names]
    missed = [name for name, parts in zip(names, found) if parts is None]
    if pattern and missed:
        raise InputError(f"{missed[0]}: does not match the pattern {pattern} (nor do {len(missed) - 1} more of {len(names)} names); wanted all to match.")
    dated = {name: parts for name, parts in zip(names, found) if parts and "d1" in parts}
    order = _order(dated, date_order) if dated else None
    return [_said(name, parts or {}, order) for name, parts in zip(names, found)]


def night(time):
    """Return the date on which a night began: nights last from noon to noon."""
    return (time - timedelta(hours=12)).date()


def groups(said):
    """Return the default group of each recording: its sensor and night, or None where its time is not known.

    A burst is likely one insect: where less than 5 s lie between a sensor's recordings on both sides of noon, their nights are one group.
    """
    named, last = {}, {}
    for at in sorted((at for at, one in enumerate(said) if one.time), key=lambda at: said[at].time):
        sensor, time = said[at].sensor, said[at].time
        before = last.get(sensor)
        same = before is not None and (time - said[before].time < BURST or night(time) == night(said[before].time))
        named[at] = named[before] if same else " ".join(filter(None, (sensor, str(night(time)))))
        last[sensor] = at
    return [named.get(at) for at in range(len(said))]


def _compiled(pattern):
    """Return [a person's pattern], checked."""
    try:
        known = set(re.compile(pattern).groupindex)
    except re.error as error:
        raise InputError(f"the pattern {pattern} is no regular expression ({error}); wanted one with named groups such as (?P<hour>..).") from None
    strange = sorted(known - {*DATE, *PARTS, *CLOCK, *MEASURES, "sensor"})
    if strange or not known:
        raise InputError(f"the pattern {pattern} names {', '.join(strange) or 'no group'}; "
                         f"wanted some of {', '.join((*DATE, *PARTS, *CLOCK, 'sensor', *MEASURES))}.")
    dates = [set(parts) for parts in (DATE, PARTS) if known & set(parts)]
    if len(dates) > 1 or dates and not known >= dates[0] | {"hour"} or not dates and known & set(CLOCK):
        raise InputError(f"the pattern {pattern} names {', '.join(sorted(known))}; wanted a time as year, month, day (or d1, d2, d3) and hour, or none.")
    return [pattern]


def _matched(name, patterns):
    """Return {group: text} of the first pattern found in a name, or None."""
    text = name if patterns is not PATTERNS else PurePosixPath(name).name
    for pattern in patterns:
        if match := re.search(pattern, text):
            return {group: found for group, found in match.groupdict().items() if found}
    return None


def _order(dated, asked):
    """Return the order in which all names {name: parts} are dates. Raises InputError where there is none, or several that differ."""
    if asked and asked not in ORDERS:
        raise InputError(f"date_order is {asked}; wanted one of {', '.join(ORDERS)}.")
    wrong = {order: _first_wrong(dated, order) for order in ([asked] if asked else ORDERS)}
    fit = [order for order in wrong if not wrong[order]]
    if not fit:
        shown = "; ".join(f"{name} is no date and time as {' or '.join(order for order in wrong if wrong[order] == name)}"
                          for name in dict.fromkeys(wrong.values()))
        raise InputError(f"{shown}; wanted one order in which all {len(dated)} names are dates (--date_order).")
    for name, parts in dated.items():
        readings = {order: _time(parts, order) for order in fit}
        if len(set(readings.values())) > 1:
            shown = " or ".join(f"{time:%d %B %Y} ({order})" for order, time in readings.items())
            raise InputError(f"{name}: is {shown}, and all {len(dated)} names are dates in each of these orders; wanted the right one (--date_order).")
    return fit[0]


def _first_wrong(dated, order):
    return next((name for name, parts in dated.items() if _time(parts, order) is None), None)


def _time(parts, order):
    """Return the time that parts say, or None where a part is missing or does not exist. Two digits of a year are 1970 to 2069."""
    try:
        year, month, day = (int(parts[group]) for group in (ORDERS[order] if "d1" in parts else DATE))
        year += 0 if year > 99 else 2000 if year < 70 else 1900
        clock = datetime(year, month, day, int(parts["hour"]), int(parts.get("minute", 0)), int(parts.get("second", 0)))
        return clock + timedelta(seconds=float("0." + parts.get("fraction", "0")))
    except (KeyError, ValueError):
        return None


def _said(name, parts, order):
    time = _time(parts, order) if "hour" in parts else None
    if "hour" in parts and time is None:
        raise InputError(f"{name}: says {', '.join(f'{group} {text}' for group, text in parts.items())}; wanted a date and time that exist.")
    return Said(time, parts.get("sensor"), *(_measure(name, parts, measure) for measure in MEASURES))


def _measure(name, parts, measure):
    try:
        return float(parts[measure]) if measure in parts else None
    except ValueError:
        raise InputError(f"{name}: says {measure} '{parts[measure]}'; wanted a number.") from None
