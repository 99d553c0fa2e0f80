"""Small drawings of a report as inline SVG: training curves, and a figure with its interval."""
import math

from entoflow.pages import Html, text

WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM = 460, 240, 46, 12, 30, 40


def curves(title, series, marked=None, top=None, unit="epoch"):
    """Return a line chart over epochs or another unit; series: {name: [(epoch, value)]}; marked: an epoch to point out; top: of the scale."""
    points = [point for line in series.values() for point in line]
    if not points:
        return Html("")
    last, top = max(epoch for epoch, _ in points), top or ceiling(max(value for _, value in points))
    first = min(epoch for epoch, _ in points)

    def place(epoch, value):
        x = LEFT + (WIDE - LEFT - RIGHT) * (epoch - first) / max(last - first, 1)
        return x, HIGH - BOTTOM - (HIGH - TOP - BOTTOM) * min(max(value / top, 0), 1)

    parts = [f'<svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{text(told(title, series))}">']
    for k in range(5):
        _, y = place(first, top * k / 4)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                     f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{top * k / 4:.3g}</text>')
    parts.append(f'<text x="{LEFT}" y="{HIGH - 20}">{first:g}</text><text x="{WIDE - RIGHT}" y="{HIGH - 20}" text-anchor="end">{last:g}</text>'
                 f'<text x="{(LEFT + WIDE - RIGHT) / 2}" y="{HIGH - 20}" text-anchor="middle">{unit}</text>')
    if marked is not None:
        x, _ = place(marked, 0)
        parts.append(f'<line class="best" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HIGH - BOTTOM}"/>')
    for k, (name, line) in enumerate(series.items()):
        path = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in line)
        at = LEFT + k * (WIDE - LEFT - RIGHT) / len(series)
        parts.append(f'<polyline class="s{k % 3}" points="{path}" fill="none" stroke-width="2" stroke-linejoin="round"/>'
                     f'<line class="s{k % 3}" x1="{at}" x2="{at + 26}" y1="14" y2="14" stroke-width="2"/>'
                     f'<text x="{at + 32}" y="18">{text(name)}</text>')
    return Html("".join(parts) + "</svg>")


def told(title, series):
    """Return in words what the chart shows, for who cannot see it."""
    return f"{title}: " + "; ".join(f"{name} from {line[0][1]:.3g} to {line[-1][1]:.3g}" for name, line in series.items() if line)


def ceiling(value):
    """Return a round number at or a little above a value: the top of its scale."""
    if value <= 0:
        return 1
    unit = 10 ** math.floor(math.log10(value))
    return next(step * unit for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if step * unit >= value * 0.999)


def interval_bar(entry):
    """Return a figure between 0 and 1 as a dot on its interval; nothing where it was not measured."""
    value, low, high = entry.get("value"), entry.get("low"), entry.get("high")
    if value is None or not 0 <= value <= 1:
        return Html("")
    span = "" if low is None else f'<line class="s0" x1="{4 + 92 * low:.1f}" x2="{4 + 92 * high:.1f}" y1="8" y2="8" stroke-width="3"/>'
    return Html(f'<svg class="bar" viewBox="0 0 100 16" aria-hidden="true"><line class="grid" x1="4" x2="96" y1="8" y2="8"/>{span}'
                f'<circle class="dot" cx="{4 + 92 * value:.1f}" cy="8" r="4.5"/></svg>')
