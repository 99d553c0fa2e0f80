"""What a detector backend learns from: images laid out as files, each with boxes, their weights, and ignore regions."""
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from entoflow.coco import boxes_by_image, weights_by_image
from entoflow.detector import tiles


class Sample(NamedTuple):
    """An upright image. Boxes and regions are centre x, centre y, width and height in shares of the image."""

    path: Path
    boxes: np.ndarray  # n x 4
    weights: np.ndarray  # n, above 0 to 1: how much each box counts in the loss
    ignored: np.ndarray  # m x 4 regions where nothing is learned but what a box says


class Window(NamedTuple):
    """What is to be learned of a window of an image: its sample, still without a path."""

    image: int  # id
    number: int  # 0 is the whole image
    xyxy: np.ndarray  # pixels
    sample: Sample


def extract(dataset, pack, folder, tile_size, seed):
    """Lay the images of parts train and validation out as files under the folder; return {part: [Sample]} by image id.

    Of large images, their tiles follow: those that show a box, and as many of those that show none, drawn at random.
    """
    boxes, weights = boxes_by_image(dataset), weights_by_image(dataset)
    samples = {"train": [], "validation": []}
    for part, own in samples.items():
        into = folder / part / "images"
        into.mkdir(parents=True, exist_ok=True)
        images = sorted((image for image in dataset["images"] if image["part"] == part), key=lambda image: image["id"])
        windows = [window for image in images for window in windows_of(image, *boxes[image["id"]], weights[image["id"]], tile_size)]
        for image, members in groupby(chosen(windows, seed), key=lambda window: window.image):
            own += written(pack, image, list(members), into)
    return samples


def windows_of(image, xyxy, crowd, weights, tile_size):
    """Return the Windows of an image of the dataset. xyxy: n x 4 pixels; crowd: n, true for ignore regions; weights: n."""
    windows = tiles.windows(image["width"], image["height"], tile_size)
    return [Window(image["id"], number, window, of_window(xyxy, crowd, weights, tiles.lesson(xyxy, windows, number, tile_size), window))
            for number, window in enumerate(windows)]


def of_window(xyxy, crowd, weights, lesson, window):
    cut, taught, ignored = lesson
    taught, ignored = taught & ~crowd, ignored | (taught & crowd)
    shares = relative(cut, *(window[2:] - window[:2]))
    return Sample(None, shares[taught], weights[taught], shares[ignored])


def chosen(windows, seed):
    """Return whole images, tiles with boxes, and as many without anything, in their order."""
    boxed = [n for n, window in enumerate(windows) if window.number and len(window.sample.boxes)]
    blank = [n for n, window in enumerate(windows) if window.number and not len(window.sample.boxes) and not len(window.sample.ignored)]
    drawn = np.random.default_rng(seed).permutation(blank)[:len(boxed)].tolist()
    kept = {*boxed, *drawn}
    return [window for n, window in enumerate(windows) if not window.number or n in kept]


def written(pack, image, windows, folder):
    """Write the files of an image's Windows, the whole one first, and return their Samples."""
    from PIL import Image

    whole = pack.extract(image, folder)
    samples = [windows[0].sample._replace(path=whole)]
    pixels = pack.read(image) if len(windows) > 1 else None
    for window in windows[1:]:
        x1, y1, x2, y2 = window.xyxy
        path = folder / f"{whole.stem}_{window.number}.jpg"
        Image.fromarray(pixels[y1:y2, x1:x2]).save(path, quality=95, subsampling=0)
        samples.append(window.sample._replace(path=path))
    return samples


def relative(xyxy, width, height):
    """Return boxes (n x 4, pixels) as centre and size in shares of the image."""
    size = np.array([width, height])
    return np.hstack([(xyxy[:, :2] + xyxy[:, 2:]) / 2 / size, (xyxy[:, 2:] - xyxy[:, :2]) / size])
