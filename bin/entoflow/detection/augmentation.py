"""Training images as no photo shows them: four in one or one alone, scaled, shifted, turned, mirrored and recoloured, with what they teach.

Every choice comes from the generator given, so equal seeds give equal images.
"""
import cv2
import numpy as np

GREY = 114
SCALES = (0.5, 1.5)  # of the size at which an image would fill the square
SEEN = 0.4  # a box of which less than this share is left says neither insect nor ground


def training_image(read, index, n, size, several, rng):
    """Return (size x size x 3 uint8 RGB, boxes k x 4 xyxy pixels, weights k, ignored m x 4) of the index-th of n images.

    read(index): (H x W x 3 uint8 RGB, Sample). several: four images share the square, around a point near its middle.
    """
    canvas = np.full((size, size, 3), GREY, np.uint8)
    if several:
        x, y = (int(size * share) for share in rng.uniform(0.3, 0.7, 2))
        windows = [(0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size)]
        members = [index, *rng.integers(0, n, 3)]
        parts = [_pasted(canvas, read(member), window, rng) for member, window in zip(members, windows)]
    else:
        parts = [_pasted(canvas, read(index), (0, 0, size, size), rng)]
    boxes, weights, ignored = (np.concatenate(values) for values in zip(*parts))
    canvas, boxes, ignored = _turned(canvas, boxes, ignored, rng)
    return _recoloured(canvas, rng), boxes, weights, ignored


def _pasted(canvas, image_and_sample, window, rng):
    """Paste an image, at a random scale, into a window (xyxy pixels) of the canvas; return its boxes, weights and ignored regions there."""
    image, sample = image_and_sample
    corner, space = np.array(window[:2]), np.array(window[2:]) - window[:2]
    size = np.array(image.shape[1::-1])
    scale = len(canvas) / size.max() * np.exp(rng.uniform(*np.log(SCALES)))
    room = space - size * scale
    shift = np.where(room > 0, rng.uniform(0, 1, 2), rng.uniform(0.2, 0.8, 2)) * room
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    x1, y1, x2, y2 = window
    canvas[y1:y2, x1:x2] = cv2.warpAffine(image, matrix, tuple(map(int, space)), flags=cv2.INTER_LINEAR, borderValue=(GREY,) * 3)
    boxes, ignored = (_corners(shares) * np.tile(size * scale, 2) + np.tile(shift, 2) for shares in (sample.boxes, sample.ignored))
    shown, left = _clipped(boxes, space)
    enough = left >= SEEN
    unsure = np.concatenate([shown[~enough & (left > 0)], *(regions[share > 0] for regions, share in [_clipped(ignored, space)])])
    return shown[enough] + np.tile(corner, 2), sample.weights[enough], unsure + np.tile(corner, 2)


def _corners(shares):
    return np.hstack([shares[:, :2] - shares[:, 2:] / 2, shares[:, :2] + shares[:, 2:] / 2])


def _clipped(boxes, space):
    """Return boxes (n x 4) clipped to a space (width, height), and the share of each that is left."""
    shown = boxes.clip(0, np.tile(space, 2))
    area, left = ((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in (boxes, shown))
    return shown, left / area


def _turned(canvas, boxes, ignored, rng):
    """Mirror the square or not, and turn it by none to three right angles: an insect sits any way up."""
    mirrored, turns, size = rng.integers(2), rng.integers(4), len(canvas)
    both = np.concatenate([boxes, ignored])
    if mirrored:
        canvas = canvas[:, ::-1]
        both = np.stack([size - both[:, 2], both[:, 1], size - both[:, 0], both[:, 3]], 1)
    for _ in range(turns):  # anticlockwise, as np.rot90
        both = np.stack([both[:, 1], size - both[:, 2], both[:, 3], size - both[:, 0]], 1)
    return np.rot90(canvas, turns), both[:len(boxes)], both[len(boxes):]


def _recoloured(image, rng):
    """Return the image with another brightness, contrast, saturation and white balance."""
    pixels = image.astype(np.float32)
    mean, grey = pixels.mean(), pixels.mean(2, keepdims=True)
    pixels = grey + (pixels - grey) * np.float32(rng.uniform(0.5, 1.5))
    pixels = (pixels - mean) * np.float32(rng.uniform(0.7, 1.3)) + mean * np.float32(rng.uniform(0.7, 1.3))
    return np.clip(pixels * rng.uniform(0.94, 1.06, 3).astype(np.float32), 0, 255).astype(np.uint8)
