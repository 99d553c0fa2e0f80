"""Square pieces of photos around boxes, and the file that tells what a classifier thinks of them."""
import math

import numpy as np

from entoflow.boxes import iou
from entoflow.task import InputError

MARGIN = 0.15  # of the box's longer side, added on each side of it


def crop(pixels, xyxy, size):
    """Return the size x size x 3 uint8 square around a box, with a margin; what lies outside the photo mirrors it."""
    import cv2

    x1, y1, x2, y2 = map(float, xyxy)
    side = max(x2 - x1, y2 - y1, 1) * (1 + 2 * MARGIN)
    left, top = (x1 + x2 - side) / 2, (y1 + y2 - side) / 2
    scale = min(1.0, 2 * size / side)  # shrunk by area first, as a single interpolation would skip pixels
    if scale < 1:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    zoom = size / (side * scale)
    move = np.array([[zoom, 0, (0.5 - left * scale) * zoom - 0.5], [0, zoom, (0.5 - top * scale) * zoom - 0.5]])
    return cv2.warpAffine(pixels, move, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def window(xyxy, width, height):
    """Return x1, y1, x2, y2, whole pixels of the photo, around a box with its margin: square to a pixel, moved inwards at a border, cut to the photo.

    The box lies in it as far as it lies in the photo.
    """
    x1, y1, x2, y2 = map(float, xyxy)
    side = max(x2 - x1, y2 - y1) * (1 + 2 * MARGIN)
    (left, right), (top, bottom) = _span((x1 + x2) / 2, side, width), _span((y1 + y2) / 2, side, height)
    return left, top, right, bottom


def background(width, height, taken, rng):
    """Return the xyxy of a random square clear of the boxes taken (n x 4), 1/8 to 1/2 of the shorter side; None if none is found."""
    for _ in range(20):
        side = rng.uniform(0.125, 0.5) * min(width, height)
        corner = rng.uniform(0, [width - side, height - side])
        square = np.array([*corner, *(corner + side)])
        if not len(taken) or iou(square[None], taken).max() < 0.1:
            return square
    return None


def write_scores(path, keys, probabilities):
    """Write how likely candidates show the target. keys: n of (image id, rank); probabilities: n."""
    keys = np.asarray(keys, np.int64).reshape(-1, 2)
    with open(path, "wb") as handle:
        np.savez(handle, image_id=keys[:, 0], rank=keys[:, 1], probability=np.asarray(probabilities, float).round(4))


def read_scores(path):
    """Return {(image id, rank): probability}. Raises InputError for another file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            rows = zip(file["image_id"].tolist(), file["rank"].tolist(), file["probability"].tolist())
            return {(image, rank): chance for image, rank, chance in rows}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: holds no crop scores ({error}); wanted a file that classify_crops.py wrote.") from None


def _span(middle, side, limit):
    start = min(max(middle - side / 2, 0), max(limit - side, 0))
    return math.floor(start), min(math.ceil(start + side), limit)
