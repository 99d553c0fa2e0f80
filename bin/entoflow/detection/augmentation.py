"""Training images as no photo shows them: four in one or one alone, scaled, shifted, turned,
mirrored and recoloured.

What they teach moves along. Every choice comes from the generator passed in, so equal seeds give
equal images.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from entoflow.detection.samples import Targets

GREY = 114  # where no image is
SCALES = (0.5, 1.5)  # of the size at which an image would fill the square
MIN_SHOWN = (
    0.4  # a box of which less than this share is shown teaches neither insect nor background
)

Window = tuple[int, int, int, int]  # x1, y1, x2, y2 in pixels
ReadImage = Callable[
    [int], "tuple[np.ndarray, Targets]"
]  # index -> (H x W x 3 uint8 RGB, what it teaches)


@dataclass(frozen=True)
class Objects:
    """What an image, or a piece of it, teaches; boxes are xyxy in pixels."""

    boxes: np.ndarray  # (k, 4)
    weights: np.ndarray  # (k,) how much each box counts in the loss
    ignored: np.ndarray  # (m, 4) regions where nothing is learned but what a box says


@dataclass(frozen=True)
class TrainingImage:
    """A square image, and what it teaches."""

    pixels: np.ndarray  # (size, size, 3) uint8 RGB
    objects: Objects


def training_image(
    read: ReadImage, index: int, n: int, size: int, several: bool, rng: np.random.Generator
) -> TrainingImage:
    """Return a training image made of the index-th of n images.

    size: its side in pixels. several: four images share the square, around a point near its middle.
    """
    canvas = np.full((size, size, 3), GREY, np.uint8)
    members = [index]
    windows: list[Window] = [(0, 0, size, size)]
    if several:
        share_x, share_y = rng.uniform(0.3, 0.7, 2)
        x = int(size * share_x)
        y = int(size * share_y)
        members += rng.integers(0, n, 3).tolist()
        windows = [(0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size)]
    parts = []
    for member, window in zip(members, windows):
        image, targets = read(member)
        parts.append(_paste(canvas, image, targets, window, rng))
    objects = Objects(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.ignored for part in parts]),
    )
    turned = _turn(TrainingImage(canvas, objects), rng)
    return TrainingImage(recolour(turned.pixels, rng), turned.objects)


def recolour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an image with another brightness, contrast, saturation and white balance."""
    pixels = image.astype(np.float32)
    mean = pixels.mean()
    grey = pixels.mean(2, keepdims=True)
    pixels = grey + (pixels - grey) * np.float32(rng.uniform(0.5, 1.5))
    contrast = np.float32(rng.uniform(0.7, 1.3))
    brightness = np.float32(rng.uniform(0.7, 1.3))
    pixels = (pixels - mean) * contrast + mean * brightness
    white_balance = rng.uniform(0.94, 1.06, 3).astype(np.float32)
    return np.clip(pixels * white_balance, 0, 255).astype(np.uint8)


def _paste(
    canvas: np.ndarray,
    image: np.ndarray,
    targets: Targets,
    window: Window,
    rng: np.random.Generator,
) -> Objects:
    """Paste an image, at a random scale, into a window of the canvas.

    Return what it teaches there.
    """
    x1, y1, x2, y2 = window
    corner = np.array([x1, y1])
    space = np.array([x2, y2]) - corner
    size = np.array(image.shape[1::-1])
    scale = len(canvas) / size.max() * np.exp(rng.uniform(*np.log(SCALES)))
    room = space - size * scale
    share = np.where(room > 0, rng.uniform(0, 1, 2), rng.uniform(0.2, 0.8, 2))
    shift = share * room
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    canvas[y1:y2, x1:x2] = cv2.warpAffine(
        image, matrix, (x2 - x1, y2 - y1), flags=cv2.INTER_LINEAR, borderValue=(GREY, GREY, GREY)
    )
    boxes = _corners(targets.boxes) * np.tile(size * scale, 2) + np.tile(shift, 2)
    ignored = _corners(targets.ignored) * np.tile(size * scale, 2) + np.tile(shift, 2)
    shown_boxes, share_of_box = _clip(boxes, space)
    shown_regions, share_of_region = _clip(ignored, space)
    is_box = share_of_box >= MIN_SHOWN
    is_rest = ~is_box & (share_of_box > 0)
    unsure = np.concatenate([shown_boxes[is_rest], shown_regions[share_of_region > 0]])
    offset = np.tile(corner, 2)
    return Objects(shown_boxes[is_box] + offset, targets.weights[is_box], unsure + offset)


def _corners(shares: np.ndarray) -> np.ndarray:
    """Return the corners (n x 4) of boxes given by centre and size."""
    half_sizes = shares[:, 2:] / 2
    return np.hstack([shares[:, :2] - half_sizes, shares[:, :2] + half_sizes])


def _clip(boxes: np.ndarray, space: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes (n x 4) clipped to a space (width, height), and the share of each that is left
    (n).
    """
    clipped = boxes.clip(0, np.tile(space, 2))
    return clipped, _areas(clipped) / _areas(boxes)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _turn(image: TrainingImage, rng: np.random.Generator) -> TrainingImage:
    """Mirror the square or not, and turn it by none to three right angles: an insect sits any way
    up.
    """
    is_mirrored = rng.integers(2)
    n_turns = int(rng.integers(4))
    pixels = image.pixels
    objects = image.objects
    size = len(pixels)
    corners = np.concatenate([objects.boxes, objects.ignored])
    if is_mirrored:
        pixels = pixels[:, ::-1]
        x1, y1, x2, y2 = corners.T
        corners = np.stack([size - x2, y1, size - x1, y2], 1)
    for _ in range(n_turns):  # anticlockwise, as np.rot90
        x1, y1, x2, y2 = corners.T
        corners = np.stack([y1, size - x2, y2, size - x1], 1)
    n_boxes = len(objects.boxes)
    turned = Objects(corners[:n_boxes], objects.weights, corners[n_boxes:])
    return TrainingImage(np.rot90(pixels, n_turns), turned)
