"""What a detector backend learns from: images laid out as files, each with boxes, their weights, and ignore regions."""
from pathlib import Path
from typing import NamedTuple

import numpy as np

from entoflow.coco import boxes_by_image, weights_by_image


class Sample(NamedTuple):
    """An upright image. Boxes and regions are centre x, centre y, width and height in shares of the image."""

    path: Path
    boxes: np.ndarray  # n x 4
    weights: np.ndarray  # n, above 0 to 1: how much each box counts in the loss
    ignored: np.ndarray  # m x 4 regions where nothing is learned but what a box says


def extract(dataset, pack, folder):
    """Lay the images of parts train and validation out as files under the folder; return {part: [Sample]} by image id."""
    boxes, weights = boxes_by_image(dataset), weights_by_image(dataset)
    samples = {"train": [], "validation": []}
    for image in sorted(dataset["images"], key=lambda image: image["id"]):
        if image["part"] in samples:
            into = folder / image["part"] / "images"
            into.mkdir(parents=True, exist_ok=True)
            xyxy, crowd = boxes[image["id"]]
            shares = relative(xyxy, image["width"], image["height"])
            samples[image["part"]].append(Sample(pack.extract(image["id"], into), shares[~crowd], weights[image["id"]][~crowd], shares[crowd]))
    return samples


def relative(xyxy, width, height):
    """Return boxes (n x 4, pixels) as centre and size in shares of the image."""
    size = np.array([width, height])
    return np.hstack([(xyxy[:, :2] + xyxy[:, 2:]) / 2 / size, (xyxy[:, 2:] - xyxy[:, :2]) / size])
