"""Line charts of the report: where everything stands. charts.html.j2 draws them as SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HIGH = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 30, 40  # margins
TICKS = 4
ROUND_STEPS = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10)

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Tick:
    """A line across the chart at a value of the y axis."""

    y: float
    label: str


@dataclass(frozen=True)
class Series:
    """One line of the chart and the place of its key."""

    name: str
    points: str  # of a polyline: x,y x,y ...
    dot: tuple[float, float] | None  # in place of a line of a single point, which would not be seen
    key_x: float


@dataclass(frozen=True)
class LineChart:
    """A line chart in a box of WIDTH x HIGH."""

    description: str  # in words, for those who cannot see it
    ticks: list[Tick]
    first: str  # labels of the x axis
    last: str
    unit: str
    series: list[Series]
    marked_x: float | None
    width: int = WIDTH
    height: int = HIGH
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HIGH - BOTTOM


def line_chart(
    title: str,
    lines: Mapping[str, Points],
    unit: str = "epoch",
    marked: float | None = None,
    highest: float | None = None,
) -> LineChart | None:
    """Return a chart of lines over epochs or another unit, None where there is no point.

    lines: {name: [(x, y)]}. marked: an x to point out. highest: the top of the y axis, None to fit
    the values.
    """
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        return None
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    scale = _Scale(min(xs), max(xs), highest or round_up(max(ys)))
    ticks = []
    for step in range(TICKS + 1):
        value = scale.highest * step / TICKS
        ticks.append(Tick(round(scale.y(value), 1), f"{value:.3g}"))
    series = []
    for place, (name, points) in enumerate(lines.items()):
        key_x = LEFT + place * (WIDTH - LEFT - RIGHT) / len(lines)
        places = [(round(scale.x(x), 1), round(scale.y(y), 1)) for x, y in points]
        polyline = " ".join(f"{x},{y}" for x, y in places)
        series.append(
            Series(name, polyline, places[0] if len(places) == 1 else None, round(key_x, 1))
        )
    return LineChart(
        description=f"{title}: "
        + "; ".join(_summary(name, points) for name, points in lines.items()),
        ticks=ticks,
        first=f"{scale.first:g}",
        last=f"{scale.last:g}",
        unit=unit,
        series=series,
        marked_x=None if marked is None else round(scale.x(marked), 1),
    )


@dataclass(frozen=True)
class _Scale:
    """From data to pixels."""

    first: float
    last: float
    highest: float

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - self.first) / max(self.last - self.first, 1)

    def y(self, value: float) -> float:
        share = min(max(value / self.highest, 0), 1)
        return HIGH - BOTTOM - (HIGH - TOP - BOTTOM) * share


def round_up(value: float) -> float:
    """Return a round number at or a little above a value."""
    if value <= 0:
        return 1
    unit: float = 10 ** math.floor(math.log10(value))
    return next(step * unit for step in ROUND_STEPS if step * unit >= value * 0.999)


def _summary(name: str, points: Points) -> str:
    return f"{name} from {points[0][1]:.3g} to {points[-1][1]:.3g}"
