"""Charts in the one style of plot_style.py: lines, histograms, intervals, confusion matrices."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from entoflow.contact_sheet import LONGEST_NAME
from entoflow.metric import Metric
from entoflow.plot_style import BLUE, GREEN, GREY, LINES, MARKERS, ORANGE, PINK, RED, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_COUNTED = 25  # classes of a confusion matrix, above which its cells have no counts

Line = tuple[Any, Any]  # x and y: arrays or lists of one length
Mark = tuple[float, float | None, str]  # x, y or None for a whole vertical line, text


def chart(
    path: Path,
    lines: Mapping[str, Line],
    title: str,
    labels: tuple[str, str],
    marks: Sequence[Mark] = (),
    log_x: bool = False,
    most_x: float = 1.0,
) -> None:
    """Draw lines by name, with y from 0 to 1, and marks. labels: of the x axis and the y axis."""
    with drawing(path) as axes:
        ax = axes[0, 0]
        for (name, (x, y)), colour in zip(lines.items(), (BLUE, ORANGE, GREEN, PINK)):
            ax.plot(x, y, color=colour, label=name)
        for mark in marks:
            _draw_mark(ax, mark)
        if log_x:
            ax.set_xscale("log")
        else:
            ax.set_xlim(0, most_x)
        ax.set(title=title, xlabel=labels[0], ylabel=labels[1], ylim=(0, 1.02))
        ax.legend(loc="best", fontsize=10.5)


def panels(
    path: Path, groups: Mapping[str, Mapping[str, Line]], title: str, labels: tuple[str, str]
) -> None:
    """Draw a panel for each group of lines, two a row, with y from 0 to 1.

    A name has the same colour in all.

    groups: {title of the panel: {name: line}}.
    """
    rows = -(-len(groups) // 2)
    columns = min(len(groups), 2)
    with drawing(path, rows, columns, size=(1.2 + 5.2 * columns, 1.0 + 3.4 * rows)) as axes:
        for ax, (name, lines) in zip(axes.flat, groups.items()):
            for (x, y), colour, marker in zip(lines.values(), LINES, MARKERS):
                ax.plot(x, y, color=colour, marker=marker, markersize=6)
            ax.set(title=name, ylim=(0, 1.02), xlabel=labels[0], ylabel=labels[1])
        first = axes[0, 0]
        names = list(next(iter(groups.values())))
        first.figure.suptitle(title, fontsize=14, fontweight="bold")
        first.figure.legend(
            handles=first.lines, labels=names, loc="outside lower center", ncols=3, fontsize=10.5
        )


def histogram(
    path: Path,
    values: Mapping[str, Sequence[float]],
    title: str,
    labels: tuple[str, str],
    bins: np.ndarray,
    mark: tuple[float, str] | None = None,
) -> None:
    """Draw the histograms of up to two lists of values side by side, and a vertical line at mark
    (x, text).
    """
    with drawing(path) as axes:
        ax = axes[0, 0]
        names = [f"{name} ({len(numbers)})" for name, numbers in values.items()]
        ax.hist(list(values.values()), bins=bins, label=names, color=[BLUE, ORANGE][: len(values)])
        if mark:
            _draw_mark(ax, (mark[0], None, mark[1]))
        ax.set(title=title, xlabel=labels[0], ylabel=labels[1], xlim=(bins[0], bins[-1]))
        ax.legend(loc="best", fontsize=10.5)


def intervals(path: Path, metrics: Sequence[tuple[str, Metric]], title: str, label: str) -> None:
    """Draw named metrics as points with their intervals, the first on top; x from 0 to 1."""
    with drawing(path, size=(7.2, 1.2 + 0.45 * len(metrics))) as axes:
        ax = axes[0, 0]
        for place, (_, metric) in enumerate(metrics):
            if metric.low is not None:
                bar = {"color": BLUE, "alpha": 0.5, "solid_capstyle": "butt", "linewidth": 6}
                ax.plot([metric.low, metric.high], [place, place], **bar)
            ax.plot([metric.value], [place], "o", color=BLUE, markersize=8, markeredgecolor="white")
            ax.text(1.02, place, f"{metric.value:.3f}", va="center", fontsize=10.5)
        ax.set(title=title, xlabel=label, xlim=(0, 1), ylim=(len(metrics) - 0.5, -0.5))
        ax.set_yticks(range(len(metrics)), [name for name, _ in metrics])
        ax.grid(axis="y", visible=False)


def confusion(
    path: Path, truth: np.ndarray, predicted: np.ndarray, classes: Sequence[str], title: str
) -> None:
    """Draw how often items of each class are predicted as each, as shares of the class's items.

    truth, predicted: n indices into classes. Counts are written where there is room.
    """
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (truth, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(14.0, 3.5 + 0.45 * len(classes))
    with drawing(path, size=(side, side)) as axes:
        ax = axes[0, 0]
        ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        if len(classes) <= MAX_COUNTED:
            for row, column in zip(*np.nonzero(counts)):
                colour = "white" if shares[row, column] > 0.5 else "black"
                ax.text(
                    column,
                    row,
                    counts[row, column],
                    ha="center",
                    va="center",
                    fontsize=10,
                    color=colour,
                )
        names = [_class_name(str(name)) for name in classes]
        ax.set_xticks(range(len(classes)), names, rotation=45, ha="right")
        ax.set_yticks(range(len(classes)), names)
        ax.set(title=title, xlabel="named", ylabel="truth")
        ax.grid(visible=False)


def _class_name(name: str) -> str:
    return f"{name[:LONGEST_NAME]}…" if len(name) > LONGEST_NAME else name


def _draw_mark(ax: "Axes", mark: Mark) -> None:
    x, y, text = mark
    if y is None:
        ax.axvline(x, color=GREY, linestyle="--", linewidth=1.4, label=text)
    else:
        ax.plot(
            [x], [y], "o", color=RED, markersize=9, markeredgecolor="white", label=text, zorder=5
        )
