"""Large images in overlapping square tiles, so that a network sees small objects large, and each object found once.

Windows are what the network looks at: the whole image, asked for objects from an eighth of a tile's side, and tiles, asked for
what they hold whole. Tiles overlap by a quarter: an object up to a fifth of their side is whole in one, wherever it lies. What
touches an inner edge of a tile may go on behind it and is left to other windows.
"""
import numpy as np

from entoflow.boxes import area, intersection
from entoflow.task import InputError

SMALLEST = 32  # pixels
OVERLAP, MARGIN, LARGE = 1 / 4, 1 / 100, 1 / 8  # shares of a tile's side: of two tiles, at an inner edge, of an object
TILED = 1.5  # up to so many tiles' sides an image shows hardly less at once
SAME = 0.5  # IoU above which boxes of two windows are one object
VISIBLE = 0.5  # share of a box from which a tile teaches it


def check(side):
    """Raise InputError unless side is one of a tile, or 0 or None for none."""
    if side and side < SMALLEST:
        raise InputError(f"--tile_size is {side}; wanted 0 for no tiles, or at least {SMALLEST} pixels.")


def windows(width, height, side):
    """Return the windows of an image, n x 4 whole numbers x1, y1, x2, y2: all of it, then its tiles row by row.

    side: of a tile, pixels; 0 or None for none. An image whose longer side is at most 1.5 of it has none.
    """
    found = [(0, 0, width, height)]
    if side and max(width, height) > TILED * side:
        found += [(x, y, min(x + side, width), min(y + side, height)) for y in _starts(height, side) for x in _starts(width, side)]
    return np.array(found)


def merge(windows, found, side):
    """Return (boxes n x 4, scores n) of an image, best first and each object once. found: (boxes, scores) of each window, in its pixels."""
    if len(windows) == 1:
        return found[0]
    rows = [is_asked_for(boxes + window[[0, 1, 0, 1]], window, windows[0], side) for window, (boxes, _) in zip(windows, found)]
    boxes = np.concatenate([boxes[own] + window[[0, 1, 0, 1]] for window, (boxes, _), own in zip(windows, found, rows)])
    scores = np.concatenate([scores[own] for (_, scores), own in zip(found, rows)])
    origin = np.repeat(np.arange(len(windows)), [own.sum() for own in rows])
    order = np.argsort(-scores, kind="stable")
    order = order[~_repeats(boxes[order], origin[order])]
    return boxes[order], scores[order]


def lesson(boxes, windows, row, side):
    """Return what one of an image's windows teaches of boxes (n x 4, pixels of the image): as cut by it, in its own pixels (n x 4),
    which are taught (n bool), and which are to be ignored (n bool): too small for the whole image, or largely outside the tile.
    """
    window = windows[row]
    shared = intersection(boxes, window)[:, 0]
    if row == 0:
        taught = is_asked_for(boxes, window, window, side) if len(windows) > 1 else np.ones(len(boxes), bool)
    else:
        taught = shared >= VISIBLE * area(boxes)
    x1, y1, x2, y2 = window
    cut = np.clip(boxes, [x1, y1, x1, y1], [x2, y2, x2, y2]) - [x1, y1, x1, y1]
    return cut, taught & (shared > 0), ~taught & (shared > 0)


def is_asked_for(boxes, window, whole, side):
    """Return of each box (n x 4) that was found in a window whether that is the place to look for it; all in pixels of the image."""
    if (window == whole).all():
        return (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0) >= LARGE * side
    clear = (boxes[:, :2] >= window[:2] + MARGIN * side) | (window[:2] == whole[:2])
    return (clear & ((boxes[:, 2:] <= window[2:] - MARGIN * side) | (window[2:] == whole[2:]))).all(axis=1)


def _starts(length, side):
    """Return where tiles start along a length: evenly, the first and last flush with the ends."""
    n = max(1, -(-(length - side * OVERLAP) // (side * (1 - OVERLAP))))
    return np.linspace(0, max(length - side, 0), int(n)).round().astype(int).tolist()


def _repeats(boxes, origin):
    """Return which boxes (n x 4, best first) repeat a better one of another window; those of one window are left as they are."""
    x1, y1, x2, y2 = boxes.T.copy()
    areas, repeated = area(boxes), np.zeros(len(boxes), bool)
    for n in range(len(boxes)):
        if not repeated[n]:
            width = np.minimum(x2[n + 1:], x2[n]) - np.maximum(x1[n + 1:], x1[n])
            height = np.minimum(y2[n + 1:], y2[n]) - np.maximum(y1[n + 1:], y1[n])
            shared = width.clip(0) * height.clip(0)
            same = shared > SAME * (areas[n + 1:] + areas[n] - shared)
            repeated[n + 1:] |= same & (origin[n + 1:] != origin[n])
    return repeated
