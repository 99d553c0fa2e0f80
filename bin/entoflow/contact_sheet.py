"""Contact sheets: small photos with their boxes on one picture."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from entoflow.plot_style import BLUE, GREEN, GREY, PINK, RED, SKY, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
SIDE = 480  # pixels of a small photo's longer side
SMALL_BOX = 36  # pixels in the small photo: a box below that gets a thin frame
MAX_TEXTS = 15  # boxes on a photo, above which none has a text
LONGEST_NAME = 24  # characters of a file name

Corners = Sequence[float]  # x1, y1, x2, y2
TileBox = tuple[Corners, str, str]  # corners in pixels of the photo, kind (see KINDS), text


@dataclass(frozen=True)
class Kind:
    """How a kind of box is drawn."""

    colour: str
    line: Literal["-", "--", ":"]
    name: str  # in the legend


KINDS = {
    "truth": Kind(GREEN, "-", "true box"),
    "found": Kind(SKY, "-", "right detection"),
    "false": Kind(PINK, "-", "false alarm"),
    "missed": Kind(RED, "--", "missed"),
    "ignored": Kind(GREY, ":", "ignored"),
    "weak": Kind(BLUE, "-", "weak box"),
    "detection": Kind(SKY, "-", "detection"),
}


@dataclass(frozen=True)
class Tile:
    """A photo of a contact sheet."""

    pixels: np.ndarray  # H x W x 3, uint8
    title: str
    boxes: Sequence[TileBox]
    focus: Corners | None = None  # the box around which the photo is shown; None shows all boxes


def short(file_name: str) -> str:
    """Return an image's name without its folders, its middle left out where it is long.

    It stands above a small picture.
    """
    return shortened(PurePosixPath(file_name).name, LONGEST_NAME)


def shortened(text: str, most: int) -> str:
    """Return a text, its middle left out where it is longer than `most` characters."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"


def contact_sheet(path: Path, tiles: Iterable[Tile], title: str, most: int = 12) -> None:
    """Draw up to `most` tiles, four a row, with their boxes.

    The legend names the kinds of box that occur.

    A photo is shown from a little beyond its boxes, so that small insects can be seen. tiles may be
    a generator: each photo is made small before the next one is read.
    """
    small = [_shrink(tile) for tile in islice(tiles, most)]
    rows = max(1, -(-len(small) // COLUMNS))
    with drawing(path, rows, COLUMNS, size=(12.8, 3.3 * rows + 0.9)) as axes:
        for ax in axes.flat:
            ax.set_axis_off()
        for ax, tile in zip(axes.flat, small):
            _draw_tile(ax, tile)
        figure = axes[0, 0].figure
        figure.suptitle(title if small else f"{title}: none", fontsize=14, fontweight="bold")
        _add_legend(figure, small)


def _shrink(tile: Tile) -> Tile:
    """Cut a photo to a window around its boxes and make it at most SIDE pixels a side."""
    from PIL import Image

    shown = [tile.focus] if tile.focus else [corners for corners, _, _ in tile.boxes]
    left, top, right, bottom = _window(tile.pixels.shape, shown)
    image = Image.fromarray(tile.pixels[top:bottom, left:right])
    factor = SIDE / max(image.size)
    width = max(1, round(image.width * factor))
    height = max(1, round(image.height * factor))
    image = image.resize((width, height), Image.Resampling.LANCZOS)
    boxes: list[TileBox] = []
    for corners, kind, text in tile.boxes:
        moved = (np.asarray(corners, float) - [left, top, left, top]) * factor
        boxes.append((moved.tolist(), kind, text))
    return Tile(np.asarray(image), tile.title, boxes)


def _window(shape: Sequence[int], boxes: Sequence[Corners]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom.

    The boxes with half their extent around, or the photo where that is most of it.
    """
    height, width = shape[:2]
    if not boxes:
        return 0, 0, width, height
    corners = np.array(boxes, float)
    low = corners[:, :2].min(axis=0)
    high = corners[:, 2:].max(axis=0)
    half = max((high - low).max(), max(width, height) / 8)
    middle = (low + high) / 2
    left, top = np.clip(middle - half, 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(middle + half), [left + 1, top + 1], [width, height]).astype(
        int
    )
    return left, top, right, bottom


def _draw_tile(ax: "Axes", tile: Tile) -> None:
    ax.imshow(tile.pixels, interpolation="lanczos")
    ax.set_title(tile.title, fontsize=10)
    for corners, kind, text in tile.boxes:
        _draw_box(ax, corners, KINDS[kind], text if len(tile.boxes) <= MAX_TEXTS else "")


def _draw_box(ax: "Axes", corners: Corners, kind: Kind, text: str) -> None:
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import Normal, Stroke

    x1, y1, x2, y2 = corners
    frame: dict[str, Any]
    if min(x2 - x1, y2 - y1) < SMALL_BOX:  # a wide outlined frame would hide what is in it
        frame = {"linestyle": kind.line if kind.line == "-" else (0, (2, 1)), "linewidth": 1.4}
    else:
        outline = Stroke(linewidth=3.6, foreground="black", alpha=0.55)
        frame = {"linestyle": kind.line, "linewidth": 1.9, "path_effects": [outline, Normal()]}
    ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=kind.colour, **frame))
    if text:
        is_below = y1 < 24
        ax.text(
            x1,
            y2 + 3 if is_below else y1 - 3,
            text,
            color="black",
            fontsize=8,
            va="top" if is_below else "bottom",
            clip_on=True,
            bbox={"facecolor": kind.colour, "edgecolor": "none", "pad": 1.2, "alpha": 0.9},
        )


def _add_legend(figure: "Figure", tiles: Sequence[Tile]) -> None:
    from matplotlib.lines import Line2D

    occurring: set[str] = set()
    for tile in tiles:
        occurring.update(kind for _, kind, _ in tile.boxes)
    lines = []
    for name, kind in KINDS.items():
        if name in occurring:
            lines.append(
                Line2D(
                    [], [], color=kind.colour, linestyle=kind.line, linewidth=2.5, label=kind.name
                )
            )
    if lines:
        figure.legend(handles=lines, loc="outside lower center", ncols=len(lines), fontsize=12)
