"""A measured number with its interval, as every metrics.json holds it.

How it is made stands in statistics.py.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A measured number, and how far it can be trusted."""

    value: float | None
    low: float | None  # of the 95 % interval
    high: float | None
    n: int  # what it rests on: boxes, images, events
    groups: int | None
    unit: str


@dataclass(frozen=True)
class Difference(Metric):
    """By how much one system is better than another on the same items."""

    # better, worse, or not distinguishable where the interval holds 0 or there is none
    verdict: str
