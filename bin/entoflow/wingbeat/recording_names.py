"""What the name of a recording says (when it was made, by which sensor, at what temperature), and
the groups that follow.

A pattern is a regular expression with named groups: year, month and day, or the date's parts d1, d2
and d3 in an order that one name alone does not determine; hour, minute, second, fraction (digits
behind the point); sensor, temperature, humidity, gain. The default patterns read no sensor: a word
before the date may as well be a species, and a night that two "sensors" of that kind share would
end up on both sides of a split.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import PurePosixPath

from entoflow.task import InputError

PATTERNS = (
    # Event: 21-05-21_19.00.11.52
    r"(?<!\d)(?P<d1>\d\d)-(?P<d2>\d\d)-(?P<d3>\d\d)_(?P<hour>\d\d)\.(?P<minute>\d\d)\.(?P<second>\d\d)"
    r"(\.(?P<fraction>\d{1,3}))?(?!\d)",
    # Wingbeats: F170301_105922_039_G_050_T_25.2_H_51.1
    r"(?<![0-9A-Za-z])F(?P<year>\d\d)(?P<month>\d\d)(?P<day>\d\d)_(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)_\d+"
    r"_G_(?P<gain>\d+)_T_(?P<temperature>-?\d+(\.\d+)?)_H_(?P<humidity>\d+(\.\d+)?)",
    # AudioMoth and others: 20210521_190011
    r"(?<!\d)(?P<year>(19|20)\d\d)(?P<month>0\d|1[0-2])(?P<day>[0-3]\d)[_T]"
    r"(?P<hour>[01]\d|2[0-3])(?P<minute>[0-5]\d)(?P<second>[0-5]\d)(?!\d)",
)
# Which part of a date is the year, the month and the day.
ORDERS = {"ymd": ("d1", "d2", "d3"), "dmy": ("d3", "d2", "d1"), "mdy": ("d3", "d1", "d2")}
DATE = ("year", "month", "day")
DATE_PARTS = ("d1", "d2", "d3")
CLOCK = ("hour", "minute", "second", "fraction")
MEASURES = ("temperature", "humidity", "gain")
BURST = timedelta(seconds=5)

Texts = Mapping[str, str]  # named groups of a pattern that a name fills


@dataclass(frozen=True)
class NameFacts:
    """What a name says, None where it says nothing."""

    time: datetime | None = None
    sensor: str | None = None
    temperature: float | None = None  # degrees Celsius
    humidity: float | None = None  # relative, %
    gain: float | None = None  # in the sensor's own unit


def read(
    names: Sequence[str], pattern: str | None = None, date_order: str | None = None
) -> list[NameFacts]:
    """Return what each name says, by a pattern searched in the whole name, or by PATTERNS in its
    last part.

    date_order: one of ORDERS; None takes the only one in which all names are dates. Raises
    InputError for a wrong pattern, names that do not match the user's pattern, a date or number
    that does not exist, and where several orders fit and give different dates.
    """
    if pattern:
        check_pattern(pattern)
        texts = [_match(name, [pattern]) for name in names]
        _refuse_unmatched(names, texts, pattern)
    else:
        texts = [_match(PurePosixPath(name).name, PATTERNS) for name in names]
    dated = {name: match for name, match in zip(names, texts) if match and "d1" in match}
    order = _determine_order(dated, date_order) if dated else None
    return [_read_facts(name, match or {}, order) for name, match in zip(names, texts)]


def night(time: datetime) -> date:
    """Return the date on which a night began: nights last from noon to noon."""
    return (time - timedelta(hours=12)).date()


def night_groups(facts: Sequence[NameFacts]) -> list[str | None]:
    """Return the default group of each recording.

    Its sensor and night, or None where its time is not known.
    A burst is likely one insect: where less than 5 s lie between a sensor's recordings on both
    sides of noon, their nights are one group.
    """
    groups: list[str | None] = [None] * len(facts)
    # Of each sensor: time and group of the recording before.
    last: dict[str | None, tuple[datetime, str]] = {}
    timed = [(entry.time, at) for at, entry in enumerate(facts) if entry.time]
    for time, at in sorted(timed):
        sensor = facts[at].sensor
        group = " ".join(filter(None, (sensor, str(night(time)))))
        if sensor in last:
            time_before, group_before = last[sensor]
            if time - time_before < BURST or night(time) == night(time_before):
                group = group_before
        groups[at] = group
        last[sensor] = (time, group)
    return groups


def check_pattern(pattern: str) -> None:
    """Raise InputError for a pattern that is no regular expression, or whose named groups make no
    sense.
    """
    try:
        names = set(re.compile(pattern).groupindex)
    except re.error as error:
        raise InputError(
            f"the pattern {pattern} is no regular expression ({error}); wanted one with named "
            "groups such as (?P<hour>..)."
        ) from None
    allowed = [*DATE, *DATE_PARTS, *CLOCK, "sensor", *MEASURES]
    unknown = sorted(names - set(allowed))
    if unknown or not names:
        raise InputError(
            f"the pattern {pattern} names {', '.join(unknown) or 'no group'}; wanted some of "
            f"{', '.join(allowed)}."
        )
    if not _has_whole_time(names) and not names <= {"sensor", *MEASURES}:
        raise InputError(
            f"the pattern {pattern} names {', '.join(sorted(names))}; "
            "wanted a time as year, month, day (or d1, d2, d3) and hour, or none."
        )


def _has_whole_time(names: set[str]) -> bool:
    """Return whether the named groups of a pattern give an hour, and a date in one form."""
    in_words = names & set(DATE)
    in_parts = names & set(DATE_PARTS)
    if in_words and in_parts:
        return False
    return "hour" in names and (in_words == set(DATE) or in_parts == set(DATE_PARTS))


def _match(text: str, patterns: Sequence[str]) -> dict[str, str] | None:
    """Return {named group: text} of the first pattern that matches, or None."""
    for pattern in patterns:
        match = re.search(pattern, text)
        if match:
            return {name: value for name, value in match.groupdict().items() if value}
    return None


def _refuse_unmatched(names: Sequence[str], texts: Sequence[Texts | None], pattern: str) -> None:
    unmatched = [name for name, match in zip(names, texts) if match is None]
    if unmatched:
        raise InputError(
            f"{unmatched[0]}: does not match the pattern {pattern} "
            f"(nor do {len(unmatched) - 1} more of {len(names)} names); wanted all to match."
        )


def _determine_order(dated: Mapping[str, Texts], date_order: str | None) -> str:
    """Return the order in which all names {name: texts} are dates.

    Raises InputError where none fits, or several that differ.
    """
    if date_order and date_order not in ORDERS:
        raise InputError(f"date_order is {date_order}; wanted one of {', '.join(ORDERS)}.")
    candidates = [date_order] if date_order else list(ORDERS)
    first_wrong = {order: _find_wrong_date(dated, order) for order in candidates}
    fitting = [order for order in candidates if first_wrong[order] is None]
    if not fitting:
        raise InputError(
            f"{_describe_wrong(first_wrong)}; wanted one order in which all {len(dated)} names "
            "are dates (--date_order)."
        )
    for name, texts in dated.items():
        times = {order: _read_time(texts, order) for order in fitting}
        if len(set(times.values())) > 1:
            readings = " or ".join(f"{time:%d %B %Y} ({order})" for order, time in times.items())
            raise InputError(
                f"{name}: is {readings}, and all {len(dated)} names are dates in each of these "
                "orders; "
                "wanted the right one (--date_order)."
            )
    return fitting[0]


def _find_wrong_date(dated: Mapping[str, Texts], order: str) -> str | None:
    """Return the first name that is no date in an order."""
    return next((name for name, texts in dated.items() if _read_time(texts, order) is None), None)


def _describe_wrong(first_wrong: Mapping[str, str | None]) -> str:
    sentences = []
    for name in dict.fromkeys(first_wrong.values()):
        orders = " or ".join(order for order in first_wrong if first_wrong[order] == name)
        sentences.append(f"{name} is no date and time as {orders}")
    return "; ".join(sentences)


def _read_time(texts: Texts, order: str | None) -> datetime | None:
    """Return a time, or None where a part of it is missing or does not exist.

    Two digits of a year are 1970 to 2069.
    """
    names = ORDERS[order] if order and "d1" in texts else DATE
    try:
        year, month, day = (int(texts[name]) for name in names)
        if year <= 99:
            year += 2000 if year < 70 else 1900
        hour = int(texts["hour"])
        minute = int(texts.get("minute", 0))
        second = int(texts.get("second", 0))
        time = datetime(year, month, day, hour, minute, second)
        return time + timedelta(seconds=float("0." + texts.get("fraction", "0")))
    except (KeyError, ValueError):
        return None


def _read_facts(name: str, texts: Texts, order: str | None) -> NameFacts:
    time = _read_time(texts, order) if "hour" in texts else None
    if "hour" in texts and time is None:
        parts = ", ".join(f"{group} {text}" for group, text in texts.items())
        raise InputError(f"{name}: says {parts}; wanted a date and time that exist.")
    measures = [_read_measure(name, texts, measure) for measure in MEASURES]
    return NameFacts(time, texts.get("sensor"), *measures)


def _read_measure(name: str, texts: Texts, measure: str) -> float | None:
    try:
        return float(texts[measure]) if measure in texts else None
    except ValueError:
        raise InputError(f"{name}: says {measure} '{texts[measure]}'; wanted a number.") from None
