"""Pictures in one style: colours that the colour-blind tell apart (Okabe and Ito), equal input gives equal bytes."""
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

BLUE, ORANGE, GREEN, RED, PINK, GREY = "#0072B2", "#E69F00", "#00B383", "#E8383D", "#E377C2", "#707070"
SKY = "#56B4E9"  # for detections: seen on leaves, bark and yellow traps alike, where orange is not
LINES, MARKERS = (BLUE, ORANGE, GREEN, PINK, GREY, RED), "osD^vP"  # of lines in one picture, which the eye tells apart by both
STYLE = {
    "font.size": 12, "axes.titlesize": 13, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.color": "#E4E4E4", "axes.axisbelow": True, "lines.linewidth": 2.2, "legend.frameon": False,
    "figure.facecolor": "white",
}
KINDS = {  # of box: colour, line, what the legend calls it
    "truth": (GREEN, "-", "true box"), "found": (SKY, "-", "right detection"), "false": (PINK, "-", "false alarm"),
    "missed": (RED, "--", "missed"), "ignored": (GREY, ":", "ignored"), "weak": (BLUE, "-", "weak box"),
    "detection": (SKY, "-", "detection"),
}
COLUMNS, SIDE, SMALL, MOST_SCORES, LONGEST_NAME, MOST_NAMES = 4, 480, 36, 15, 24, 25


class Tile(NamedTuple):
    """A photo of a contact sheet: pixels (H x W x 3 uint8), title, boxes [(x1, y1, x2, y2), kind, text], and what it is shown for.

    focus: the box around which the photo is shown; None shows all boxes.
    """

    pixels: np.ndarray
    title: str
    boxes: list
    focus: tuple | None = None


@contextmanager
def drawing(path, rows=1, columns=1, size=(6.4, 4.8)):
    """Give the axes (rows x columns) of a new figure and write it as PNG."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, dpi=110, layout="constrained")
        yield figure.subplots(rows, columns, squeeze=False)
        figure.savefig(path, format="png", metadata={"Software": None})


def chart(path, lines, title, labels, marks=(), log_x=False, most_x=1.0):
    """Draw lines {name: (x, y)} with y from 0 to 1 and marks [(x, y or None for a whole vertical line, text)]."""
    with drawing(path) as axes:
        ax = axes[0, 0]
        for (name, (x, y)), colour in zip(lines.items(), (BLUE, ORANGE, GREEN, PINK)):
            ax.plot(x, y, color=colour, label=name)
        for x, y, text in marks:
            _mark(ax, x, y, text)
        if log_x:
            ax.set_xscale("log")
        else:
            ax.set_xlim(0, most_x)
        ax.set(title=title, xlabel=labels[0], ylabel=labels[1], ylim=(0, 1.02))
        ax.legend(loc="best", fontsize=10.5)


def panels(path, groups, title, labels):
    """Draw lines {name: (x, y)} with y from 0 to 1 in a panel for each of the groups {title: lines}, two a row; a name has the same colour in all."""
    rows, columns = -(-len(groups) // 2), min(len(groups), 2)
    with drawing(path, rows, columns, size=(1.2 + 5.2 * columns, 1.0 + 3.4 * rows)) as axes:
        for ax, (name, lines) in zip(axes.flat, groups.items()):
            for (_, (x, y)), colour, marker in zip(lines.items(), LINES, MARKERS):
                ax.plot(x, y, color=colour, marker=marker, markersize=6)
            ax.set(title=name, ylim=(0, 1.02), xlabel=labels[0], ylabel=labels[1])
        figure = axes[0, 0].figure
        figure.suptitle(title, fontsize=14, fontweight="bold")
        figure.legend(handles=axes[0, 0].lines, labels=list(next(iter(groups.values()))), loc="outside lower center", ncols=3, fontsize=10.5)


def histogram(path, values, title, labels, bins, mark=None):
    """Draw the histograms of values {name: n numbers} side by side, and a vertical line at mark (x, text)."""
    with drawing(path) as axes:
        ax = axes[0, 0]
        names = [f"{name} ({len(numbers)})" for name, numbers in values.items()]
        ax.hist(list(values.values()), bins=bins, label=names, color=[BLUE, ORANGE][:len(values)])
        if mark:
            _mark(ax, mark[0], None, mark[1])
        ax.set(title=title, xlabel=labels[0], ylabel=labels[1], xlim=(bins[0], bins[-1]))
        ax.legend(loc="best", fontsize=10.5)


def intervals(path, figures, title, label):
    """Draw figures [(name, figure with value, low and high)] as points with their intervals, the first on top; x from 0 to 1."""
    with drawing(path, size=(7.2, 1.2 + 0.45 * len(figures))) as axes:
        ax = axes[0, 0]
        for at, (_, figure) in enumerate(figures):
            if figure["low"] is not None:
                ax.plot([figure["low"], figure["high"]], [at, at], color=BLUE, alpha=0.5, solid_capstyle="butt", linewidth=6)
            ax.plot([figure["value"]], [at], "o", color=BLUE, markersize=8, markeredgecolor="white")
            ax.text(1.02, at, f"{figure['value']:.3f}", va="center", fontsize=10.5)
        ax.set(title=title, xlabel=label, xlim=(0, 1), ylim=(len(figures) - 0.5, -0.5))
        ax.set_yticks(range(len(figures)), [name for name, _ in figures])
        ax.grid(axis="y", visible=False)


def confusion(path, truth, named, classes, title):
    """Draw how often events of each class (truth: n columns) are named as each (named: n), as shares of the class's events, with counts where there is room."""
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (truth, named), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(14.0, 3.5 + 0.45 * len(classes))
    with drawing(path, size=(side, side)) as axes:
        ax = axes[0, 0]
        ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in zip(*np.nonzero(counts)) if len(classes) <= MOST_NAMES else ():
            ax.text(column, row, counts[row, column], ha="center", va="center", fontsize=10, color="white" if shares[row, column] > 0.5 else "black")
        names = [f"{name[:LONGEST_NAME]}…" if len(name) > LONGEST_NAME else name for name in map(str, classes)]
        ax.set_xticks(range(len(classes)), names, rotation=45, ha="right")
        ax.set_yticks(range(len(classes)), names)
        ax.set(title=title, xlabel="named", ylabel="truth")
        ax.grid(visible=False)


def short(file_name):
    """Return an image's name without its folders, its middle left out where it is long: it stands above a small picture."""
    return shortened(PurePosixPath(file_name).name, LONGEST_NAME)


def shortened(text, most):
    """Return a text, its middle left out where it is longer than `most` characters."""
    return text if len(text) <= most else f"{text[:most // 2]}…{text[-(most // 2):]}"


def contact_sheet(path, tiles, title, most=12):
    """Draw up to most Tiles, four a row, with their boxes; the legend names the kinds of box that occur.

    A photo is shown from a little beyond its boxes, so that small insects can be seen. tiles may be a generator: each
    photo is made small before the next one is read.
    """
    small = [_shrink(tile) for _, tile in zip(range(most), tiles)]
    rows = max(1, -(-len(small) // COLUMNS))
    with drawing(path, rows, COLUMNS, size=(12.8, 3.3 * rows + 0.9)) as axes:
        for ax in axes.flat:
            ax.set_axis_off()
        for ax, tile in zip(axes.flat, small):
            ax.imshow(tile.pixels, interpolation="lanczos")
            ax.set_title(tile.title, fontsize=10)
            for box, kind, text in tile.boxes:
                _draw_box(ax, box, kind, text if len(tile.boxes) <= MOST_SCORES else "")
        figure = axes[0, 0].figure
        figure.suptitle(title if small else f"{title}: none", fontsize=14, fontweight="bold")
        _legend(figure, {kind for tile in small for _, kind, _ in tile.boxes})


def _mark(ax, x, y, text):
    if y is None:
        ax.axvline(x, color=GREY, linestyle="--", linewidth=1.4, label=text)
    else:
        ax.plot([x], [y], "o", color=RED, markersize=9, markeredgecolor="white", label=text, zorder=5)


def _shrink(tile):
    """Cut a photo to a window around its boxes and make it at most SIDE pixels a side."""
    from PIL import Image

    left, top, right, bottom = _window(tile.pixels.shape, [tile.focus] if tile.focus else [box for box, _, _ in tile.boxes])
    image = Image.fromarray(tile.pixels[top:bottom, left:right])
    factor = SIDE / max(image.size)
    image = image.resize([max(1, round(side * factor)) for side in image.size], Image.Resampling.LANCZOS)
    boxes = [((np.asarray(box, float) - [left, top, left, top]) * factor, kind, text) for box, kind, text in tile.boxes]
    return Tile(np.asarray(image), tile.title, boxes)


def _window(shape, boxes):
    """Return left, top, right, bottom: the boxes with half their extent around, or the photo where that is most of it."""
    height, width = shape[:2]
    if not boxes:
        return 0, 0, width, height
    corners = np.array(boxes, float)
    low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    half = max((high - low).max(), max(width, height) / 8)
    middle = (low + high) / 2
    left, top = np.clip(middle - half, 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(middle + half), [left + 1, top + 1], [width, height]).astype(int)
    return left, top, right, bottom


def _draw_box(ax, box, kind, text):
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import Normal, Stroke

    colour, line, _ = KINDS[kind]
    x1, y1, x2, y2 = box
    drawn = {"linestyle": line, "linewidth": 1.9, "path_effects": [Stroke(linewidth=3.6, foreground="black", alpha=0.55), Normal()]}
    if min(x2 - x1, y2 - y1) < SMALL:  # a wide outlined frame would hide what is in it
        drawn = {"linestyle": line if line == "-" else (0, (2, 1)), "linewidth": 1.4}
    ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour, **drawn))
    if text:
        below = y1 < 24
        ax.text(x1, y2 + 3 if below else y1 - 3, text, color="black", fontsize=8, va="top" if below else "bottom",
                clip_on=True, bbox={"facecolor": colour, "edgecolor": "none", "pad": 1.2, "alpha": 0.9})


def _legend(figure, kinds):
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=colour, linestyle=line, linewidth=2.5, label=name)
             for kind, (colour, line, name) in KINDS.items() if kind in kinds]
    if lines:
        figure.legend(handles=lines, loc="outside lower center", ncols=len(lines), fontsize=12)
