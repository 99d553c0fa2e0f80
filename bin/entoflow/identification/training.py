"""What both trainings of an embedder share: settings, rows of epochs, batches, views."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from entoflow.identification.vectors import normalise

if TYPE_CHECKING:
    import torch

PER_CLASS = 2  # images of a class together in a batch, where it has them
NEIGHBOURS = 6  # classes that look alike, together in a batch of every second pass
VIEWS_AN_EPOCH = 4000  # at least: a few hundred images are shown more than once before validation
SHIFT = 0.06  # of the side, at most
ZOOM = (0.85, 1.15)  # factors
LIGHT = 0.2  # change of contrast at most and, half of it, of brightness


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of a training."""

    specimens_per_batch: int  # images a step, each in two views
    max_epochs: int
    patience: int  # epochs without a better validation before the end
    seed: int
    mirror: bool  # whether a mirrored specimen is one of its class
    rotation: float  # degrees that a view is turned at most


@dataclass(frozen=True)
class EpochRow:
    """An epoch of a training: a row of training.csv."""

    epoch: int  # from 1
    loss: float
    validation: float | None  # recall at 1; None where there is nothing to validate on
    best_epoch: int


OnEpoch = Callable[[EpochRow], None]


def epoch_row(epoch: int, losses: list[float], validation: float | None, best: int) -> EpochRow:
    """Return the row of an epoch, its numbers rounded to five digits."""
    rounded = None if validation is None else round(float(validation), 5)
    return EpochRow(epoch, round(float(np.mean(losses)), 5), rounded, best)


def passes_of_epoch(n_images: int) -> int:
    """Return how often each image is shown in an epoch, in two views each time."""
    return -(-VIEWS_AN_EPOCH // (2 * n_images))  # rounded up


def batches(
    class_index: np.ndarray,
    size: int,
    rng: np.random.Generator,
    vectors: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Return batches of about size rows, every row once: up to PER_CLASS of a class side by side.

    class_index: (n,). In random order; where vectors (n, d) are given, with NEIGHBOURS classes
    that are like each other by their means side by side: apart from those others teach little. A
    last row alone stays out.
    """
    pieces = {}
    for index in np.unique(class_index):
        rows = rng.permutation(np.flatnonzero(class_index == index))
        starts = range(0, len(rows), PER_CLASS)
        pieces[index] = [rows[start : start + PER_CLASS].tolist() for start in starts]
    if vectors is None:
        every_piece = [piece for of_class in pieces.values() for piece in of_class]
        ordered = [every_piece[place] for place in rng.permutation(len(every_piece))]
    else:
        classes = neighbours_together(class_index, vectors, rng)
        ordered = [piece for index in classes for piece in pieces[index]]
    filled: list[list[int]] = [[]]
    for piece in ordered:
        if len(filled[-1]) + len(piece) > size and len(filled[-1]) > 1:
            filled.append([])
        filled[-1] += piece
    return [np.array(batch) for batch in filled if len(batch) > 1]


def neighbours_together(
    class_index: np.ndarray, vectors: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the classes in random order, but NEIGHBOURS of them together.

    These are one class and those not yet placed whose mean vectors are most like its own (cosine).
    """
    classes, places = np.unique(class_index, return_inverse=True)
    sums = np.zeros((len(classes), vectors.shape[1]), np.float32)
    np.add.at(sums, places, vectors)
    means = normalise(sums)
    is_left = np.ones(len(classes), bool)
    clusters = []
    for first in rng.permutation(len(classes)):
        if not is_left[first]:
            continue
        others = np.flatnonzero(is_left & (np.arange(len(classes)) != first))
        by_likeness = np.argsort(-means[others] @ means[first], kind="stable")
        members = np.append(first, others[by_likeness[: NEIGHBOURS - 1]])
        is_left[members] = False
        clusters.append(classes[members])
    return np.concatenate([clusters[place] for place in rng.permutation(len(clusters))])


def augment(
    x: "torch.Tensor", rng: np.random.Generator, mirror: bool, rotation: float
) -> "torch.Tensor":
    """Return another view of each image of a batch (n, 3, s, s).

    Each is turned by up to `rotation` degrees, moved, zoomed, lit and, if mirror, half of the time
    mirrored; its edge is repeated.
    """
    import torch

    n = len(x)
    angle = np.deg2rad(rng.uniform(-rotation, rotation, n))
    zoom = 1 / rng.uniform(*ZOOM, n)
    flip = np.where(rng.random(n) < 0.5, -1, 1) if mirror else np.ones(n)
    shift = rng.uniform(-2 * SHIFT, 2 * SHIFT, (n, 2))
    across = np.stack([zoom * np.cos(angle) * flip, -zoom * np.sin(angle), shift[:, 0]], axis=1)
    down = np.stack([zoom * np.sin(angle) * flip, zoom * np.cos(angle), shift[:, 1]], axis=1)
    affine = torch.from_numpy(np.stack([across, down], axis=1).astype(np.float32)).to(x.device)
    grid = torch.nn.functional.affine_grid(affine, list(x.shape), align_corners=False)
    moved = torch.nn.functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
    contrast = _random_change(n, rng, x.device)
    brightness = _random_change(n, rng, x.device) / 2
    return moved * (1 + contrast) + brightness


def _random_change(n: int, rng: np.random.Generator, device: "torch.device") -> "torch.Tensor":
    import torch

    change = rng.uniform(-LIGHT, LIGHT, (n, 1, 1, 1)).astype(np.float32)
    return torch.from_numpy(change).to(device)
