"""Square pieces of photos around boxes, and beside them."""

import math
from collections.abc import Sequence

import numpy as np

from entoflow.boxes import iou

MARGIN = 0.15  # share of the box's longer side that is added on each side of it
BACKGROUND_TRIALS = 20
MAX_BACKGROUND_IOU = 0.1  # of a square of background with any box


def crop(pixels: np.ndarray, xyxy: Sequence[float] | np.ndarray, size: int) -> np.ndarray:
    """Return the size x size x 3 uint8 square around a box, with a margin.

    The photo is mirrored at its borders.
    """
    import cv2

    x1, y1, x2, y2 = map(float, xyxy)
    side = max(x2 - x1, y2 - y1, 1) * (1 + 2 * MARGIN)
    left = (x1 + x2 - side) / 2
    top = (y1 + y2 - side) / 2
    scale = min(
        1.0, 2 * size / side
    )  # shrunk by area first, as a single interpolation would skip pixels
    if scale < 1:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    zoom = size / (side * scale)
    shift_x = (0.5 - left * scale) * zoom - 0.5
    shift_y = (0.5 - top * scale) * zoom - 0.5
    matrix = np.array([[zoom, 0, shift_x], [0, zoom, shift_y]])
    return cv2.warpAffine(
        pixels, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )


def window(
    xyxy: Sequence[float] | np.ndarray, width: int, height: int
) -> tuple[int, int, int, int]:
    """Return the window x1, y1, x2, y2 around a box with its margin, in whole pixels of the photo.

    It is square to a pixel, moved inwards at a border and cut to the photo. The box lies in it as
    far as it lies in the photo.
    """
    x1, y1, x2, y2 = map(float, xyxy)
    side = max(x2 - x1, y2 - y1) * (1 + 2 * MARGIN)
    left, right = _span((x1 + x2) / 2, side, width)
    top, bottom = _span((y1 + y2) / 2, side, height)
    return left, top, right, bottom


def background(
    width: int, height: int, boxes: np.ndarray, rng: np.random.Generator
) -> np.ndarray | None:
    """Return the xyxy of a random square that is clear of boxes (n x 4), or None if 20 trials give
    none.

    Its side is 1/8 to 1/2 of the photo's shorter side.
    """
    for _ in range(BACKGROUND_TRIALS):
        side = rng.uniform(0.125, 0.5) * min(width, height)
        corner = rng.uniform(0, [width - side, height - side])
        square = np.array([*corner, *(corner + side)])
        if not len(boxes) or iou(square[None], boxes).max() < MAX_BACKGROUND_IOU:
            return square
    return None


def _span(middle: float, side: float, limit: int) -> tuple[int, int]:
    start = min(max(middle - side / 2, 0), max(limit - side, 0))
    return math.floor(start), min(math.ceil(start + side), limit)
