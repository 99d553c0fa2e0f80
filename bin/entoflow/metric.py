"""A measured number with its interval, as every metrics.json holds it.

How it is made stands in statistics.py.
"""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """A measured number, and how far it can be trusted."""

    value: float | None
    low: float | None  # of the 95 % interval
    high: float | None
    n: int  # what it rests on: boxes, images, events
    groups: int | None
    unit: str

    def __getitem__(self, name: str) -> Any:  # until no caller takes it for a dict
        return getattr(self, name)

    def keys(self) -> list[str]:
        return list(asdict(self))


@dataclass(frozen=True)
class Difference(Metric):
    """By how much one system is better than another on the same items."""

    verdict: (
        str  # better, worse, or not distinguishable where the interval holds 0 or there is none
    )
