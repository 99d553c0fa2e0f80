"""Large images in overlapping square tiles, so that a network sees small objects large, and each
object counts once.

Windows are what the network looks at: the whole image, for objects from an eighth of a tile's side,
and tiles, for what they show whole. Tiles overlap by a quarter: an object up to a fifth of their
side is whole in one, wherever it lies. What touches an inner edge of a tile may go on behind it and
is left to other windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from entoflow.boxes import area, intersection
from entoflow.task import InputError

SMALLEST = 32  # pixels
OVERLAP = 1 / 4  # of two tiles, as a share of their side
MARGIN = 1 / 100  # at an inner edge, as a share of a tile's side
LARGE = 1 / 8  # size of an object that the whole image is for, as a share of a tile's side
TILED = (
    1.5  # an image up to so many tiles' sides long is not tiled: as a whole it shows hardly less
)
SAME = 0.5  # IoU above which boxes of two windows are one object
VISIBLE = 0.5  # share of a box from which a tile teaches it


@dataclass(frozen=True)
class WindowTargets:
    """What one window of an image teaches of the image's n boxes."""

    boxes: np.ndarray  # (n, 4) as cut by the window, in its own pixels
    taught: np.ndarray  # (n,) bool
    ignored: np.ndarray  # (n,) bool: too small for the whole image, or largely outside the tile


def check(side: int | None) -> None:
    """Raise InputError unless side is one of a tile, or 0 or None for none."""
    if side and side < SMALLEST:
        raise InputError(
            f"--tile_size is {side}; wanted 0 for no tiles, or at least {SMALLEST} pixels."
        )


def windows(width: int, height: int, side: int | None) -> np.ndarray:
    """Return the windows of an image, n x 4 whole numbers x1, y1, x2, y2: all of it, then its tiles
    row by row.

    side: of a tile, pixels; 0 or None for none. An image whose longer side is at most 1.5 of it has
    none.
    """
    corners = [(0, 0, width, height)]
    if side and max(width, height) > TILED * side:
        for y in _tile_starts(height, side):
            for x in _tile_starts(width, side):
                corners.append((x, y, min(x + side, width), min(y + side, height)))
    return np.array(corners)


def merge(
    windows: np.ndarray, results: Sequence[tuple[np.ndarray, np.ndarray]], side: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return (boxes n x 4, scores n) of an image, best first and each object once.

    results: (boxes, scores) of each window, in its pixels.
    """
    if len(windows) == 1:
        return results[0]
    boxes_of_window = []
    scores_of_window = []
    for window, (boxes, scores) in zip(windows, results):
        in_image = boxes + window[[0, 1, 0, 1]]
        belongs = belongs_to_window(in_image, window, windows[0], side or 0)
        boxes_of_window.append(in_image[belongs])
        scores_of_window.append(scores[belongs])
    boxes = np.concatenate(boxes_of_window)
    scores = np.concatenate(scores_of_window)
    origin = np.repeat(np.arange(len(windows)), [len(scores) for scores in scores_of_window])
    order = np.argsort(-scores, kind="stable")
    order = order[~_repeats(boxes[order], origin[order])]
    return boxes[order], scores[order]


def window_targets(
    boxes: np.ndarray, windows: np.ndarray, row: int, side: int | None
) -> WindowTargets:
    """Return what one of an image's windows teaches of boxes (n x 4, pixels of the image)."""
    window = windows[row]
    shared = intersection(boxes, window)[:, 0]
    if row > 0:
        taught = shared >= VISIBLE * area(boxes)
    elif len(windows) > 1:
        taught = belongs_to_window(boxes, window, window, side or 0)
    else:
        taught = np.ones(len(boxes), bool)
    x1, y1, x2, y2 = window
    cut = np.clip(boxes, [x1, y1, x1, y1], [x2, y2, x2, y2]) - [x1, y1, x1, y1]
    return WindowTargets(cut, taught & (shared > 0), ~taught & (shared > 0))


def belongs_to_window(
    boxes: np.ndarray, window: np.ndarray, whole: np.ndarray, side: int
) -> np.ndarray:
    """Return for each box (n x 4) from a window whether that is the window to take it from (n
    bool).

    All in pixels of the image; whole: the window of the whole image.
    """
    if (window == whole).all():
        return (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0) >= LARGE * side
    clear_above_left = (boxes[:, :2] >= window[:2] + MARGIN * side) | (window[:2] == whole[:2])
    clear_below_right = (boxes[:, 2:] <= window[2:] - MARGIN * side) | (window[2:] == whole[2:])
    return (clear_above_left & clear_below_right).all(axis=1)


def _tile_starts(length: int, side: int) -> list[int]:
    """Return where tiles start along a length: evenly, the first and last flush with the ends."""
    n = max(1, -(-(length - side * OVERLAP) // (side * (1 - OVERLAP))))
    return np.linspace(0, max(length - side, 0), int(n)).round().astype(int).tolist()


def _repeats(boxes: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Return which boxes (n x 4, best first) repeat a better one of another window.

    Boxes of one window (origin: n) are left as they are.
    """
    x1, y1, x2, y2 = boxes.T.copy()
    areas = area(boxes)
    repeated = np.zeros(len(boxes), bool)
    for n in range(len(boxes)):
        if repeated[n]:
            continue
        worse = slice(n + 1, None)
        width = np.minimum(x2[worse], x2[n]) - np.maximum(x1[worse], x1[n])
        height = np.minimum(y2[worse], y2[n]) - np.maximum(y1[worse], y1[n])
        shared = width.clip(0) * height.clip(0)
        same_object = shared > SAME * (areas[worse] + areas[n] - shared)
        repeated[worse] |= same_object & (origin[worse] != origin[n])
    return repeated
