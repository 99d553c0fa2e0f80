"""What a detector learns from: images laid out as files, each with boxes, their weights, and ignore
regions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from entoflow.dataset import Dataset, Image, arrays_by_image, weights_by_image
from entoflow.detector import tiles
from entoflow.detector.tiles import WindowTargets
from entoflow.images import Pack


@dataclass(frozen=True)
class Targets:
    """What an image teaches.

    Boxes and regions are centre x, centre y, width and height in shares of the image.
    """

    boxes: np.ndarray  # (n, 4)
    weights: np.ndarray  # (n,) above 0 to 1: how much each box counts in the loss
    ignored: np.ndarray  # (m, 4) regions where nothing is learned but what a box says


@dataclass(frozen=True)
class Sample:
    """An upright image, and what it teaches."""

    path: Path
    targets: Targets


@dataclass(frozen=True)
class Samples:
    """What a detector learns from, and what its training is stopped by."""

    train: list[Sample]
    validation: list[Sample]

    def __len__(self) -> int:
        return len(self.train) + len(self.validation)


@dataclass(frozen=True)
class _Window:
    """A window of an image, and what it teaches."""

    image_id: int
    number: int  # 0 is the whole image
    xyxy: np.ndarray  # pixels
    targets: Targets

    @property
    def is_tile_with_boxes(self) -> bool:
        return self.number > 0 and len(self.targets.boxes) > 0

    @property
    def is_blank_tile(self) -> bool:
        return self.number > 0 and not len(self.targets.boxes) and not len(self.targets.ignored)


def extract(
    dataset: Dataset, pack: Pack, folder: Path, tile_size: int | None, seed: int
) -> Samples:
    """Lay the images of parts train and validation out as files under the folder.

    Return the samples by image id.

    Of large images, their tiles follow: those that show a box, and as many of those that show none,
    drawn at random.
    """
    train = _extract_part(dataset.part("train"), pack, folder / "train/images", tile_size, seed)
    validation = _extract_part(
        dataset.part("validation"), pack, folder / "validation/images", tile_size, seed
    )
    return Samples(train, validation)


def _extract_part(
    dataset: Dataset, pack: Pack, folder: Path, tile_size: int | None, seed: int
) -> list[Sample]:
    folder.mkdir(parents=True, exist_ok=True)
    boxes = arrays_by_image(dataset)
    weights = weights_by_image(dataset)
    windows = []
    for image in sorted(dataset.images, key=lambda image: image.id):
        corners, crowd = boxes[image.id]
        windows += _windows_of(image, corners, crowd, weights[image.id], tile_size)
    samples = []
    for image_id, members in groupby(
        _select_windows(windows, seed), key=lambda window: window.image_id
    ):
        samples += _write_windows(pack, image_id, list(members), folder)
    return samples


def _windows_of(
    image: Image, xyxy: np.ndarray, crowd: np.ndarray, weights: np.ndarray, tile_size: int | None
) -> list[_Window]:
    """Return the windows of an image.

    xyxy: n x 4 pixels; crowd: n, true for ignore regions; weights: n.
    """
    corners = tiles.windows(image.width, image.height, tile_size)
    windows = []
    for number, window in enumerate(corners):
        targets = _targets(
            tiles.window_targets(xyxy, corners, number, tile_size), crowd, weights, window
        )
        windows.append(_Window(image.id, number, window, targets))
    return windows


def _targets(
    shown: WindowTargets, crowd: np.ndarray, weights: np.ndarray, window: np.ndarray
) -> Targets:
    is_box = shown.taught & ~crowd
    is_ignored = shown.ignored | (shown.taught & crowd)
    x1, y1, x2, y2 = window
    shares = _relative(shown.boxes, x2 - x1, y2 - y1)
    return Targets(shares[is_box], weights[is_box], shares[is_ignored])


def _select_windows(windows: Sequence[_Window], seed: int) -> list[_Window]:
    """Return whole images, tiles with boxes, and as many blank ones, in their order."""
    with_boxes = [n for n, window in enumerate(windows) if window.is_tile_with_boxes]
    blank = [n for n, window in enumerate(windows) if window.is_blank_tile]
    drawn = np.random.default_rng(seed).permutation(blank)[: len(with_boxes)].tolist()
    chosen = {*with_boxes, *drawn}
    return [window for n, window in enumerate(windows) if window.number == 0 or n in chosen]


def _write_windows(
    pack: Pack, image_id: int, windows: Sequence[_Window], folder: Path
) -> list[Sample]:
    """Write the files of an image's windows, the whole one first, and return their samples."""
    from PIL import Image as PillowImage

    whole = pack.extract(image_id, folder)
    samples = [Sample(whole, windows[0].targets)]
    if len(windows) == 1:
        return samples
    pixels = pack.read(image_id)
    for window in windows[1:]:
        x1, y1, x2, y2 = window.xyxy
        path = folder / f"{whole.stem}_{window.number}.jpg"
        PillowImage.fromarray(pixels[y1:y2, x1:x2]).save(path, quality=95, subsampling=0)
        samples.append(Sample(path, window.targets))
    return samples


def _relative(xyxy: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return boxes (n x 4, pixels) as centre and size in shares of the image."""
    size = np.array([width, height])
    centres = (xyxy[:, :2] + xyxy[:, 2:]) / 2 / size
    return np.hstack([centres, (xyxy[:, 2:] - xyxy[:, :2]) / size])
