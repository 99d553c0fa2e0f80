"""Running a detector: a model folder becomes a network of its backend, which looks at images whole,
in views and in tiles.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow import model_folder
from entoflow.detector.network import STRIDE, Backend, BoxesAndScores, Detector
from entoflow.images import Pack
from entoflow.model_folder import ModelFacts
from entoflow.task import InputError, first_line

if TYPE_CHECKING:
    import numpy as np

    from entoflow.boxes import Prediction

BATCH = 16  # images, or pieces of them, that a backend is given at once

View = tuple[float, bool]  # scale of the image size, and whether it is flipped left to right
PLAIN: View = (1.0, False)


def load_backend(name: str | None) -> Backend:
    """Return the detector backend of that name. Raises InputError where there is none."""
    if name == "yolo":
        from entoflow.detector import backend_yolo

        return backend_yolo
    if name == "torchvision":
        from entoflow.detector import backend_torchvision

        return backend_torchvision
    raise InputError(f"detector backend is '{name}'; wanted yolo or torchvision.")


def load(folder: Path, scratch: Path) -> tuple[Detector, Backend, ModelFacts]:
    """Return the detector of a model folder, its backend, and what model.json says.

    scratch: a folder for what the backend writes beside. Raises InputError for another kind of
    model, or weights that do not fit the architecture.
    """
    from safetensors import SafetensorError

    facts = model_folder.read(folder)
    if facts.kind != "detector":
        raise InputError(f"{folder}: is a model of kind {facts.kind}; wanted a detector.")
    backend = load_backend(facts.input.get("backend"))
    try:
        detector = backend.load(Path(folder), facts.input, scratch)
    except (KeyError, RuntimeError, ValueError, OSError, SafetensorError) as error:
        raise InputError(f"{folder}: its weights cannot be loaded: {first_line(error)}") from None
    return replace(detector, tile_size=facts.input.get("tile_size", 0)), backend, facts


def predict(
    detector: Detector,
    backend: Backend,
    pack: Pack,
    image_ids: Sequence[int],
    views: Sequence[View] = (PLAIN,),
) -> "Iterator[Prediction]":
    """Yield what the detector finds, image by image and view by view: memory stays that of one
    batch.

    Boxes are those of the upright, unflipped image. Large images are looked at as a whole and in
    tiles, where the detector has a tile_size.
    """
    from entoflow.boxes import Prediction

    for start in range(0, len(image_ids), BATCH):
        batch = image_ids[start : start + BATCH]
        pixels = [pack.read(image_id) for image_id in batch]
        results_of_view = [_predict_view(detector, backend, pixels, view) for view in views]
        for index, image_id in enumerate(batch):
            for view_number, results in enumerate(results_of_view):
                boxes, scores = results[index]
                yield Prediction.in_view(image_id, view_number, boxes, scores)


def _predict_view(
    detector: Detector, backend: Backend, pixels: "list[np.ndarray]", view: View
) -> list[BoxesAndScores]:
    scale, is_flipped = view
    size = max(STRIDE, round(detector.image_size * scale / STRIDE) * STRIDE)
    if not is_flipped:
        return _predict_windows(detector, backend, pixels, size)
    flipped = [image[:, ::-1] for image in pixels]
    results = _predict_windows(detector, backend, flipped, size)
    return [
        (_mirror(boxes, image.shape[1]), scores) for (boxes, scores), image in zip(results, pixels)
    ]


def _predict_windows(
    detector: Detector, backend: Backend, images: "list[np.ndarray]", size: int
) -> list[BoxesAndScores]:
    """Return the boxes of images, each seen whole and, if it is large, in tiles."""
    from entoflow.detector import tiles

    side = detector.tile_size
    windows = [tiles.windows(image.shape[1], image.shape[0], side) for image in images]
    pieces = []
    for image, windows_of_image in zip(images, windows):
        pieces += [image[y1:y2, x1:x2] for x1, y1, x2, y2 in windows_of_image]
    results: list[BoxesAndScores] = []
    for start in range(0, len(pieces), BATCH):
        results += backend.predict(detector, pieces[start : start + BATCH], size)
    remaining = iter(results)
    return [tiles.merge(each, list(islice(remaining, len(each))), side) for each in windows]


def _mirror(boxes: "np.ndarray", width: int) -> "np.ndarray":
    mirrored = boxes.copy()
    mirrored[:, [0, 2]] = width - mirrored[:, [2, 0]]
    return mirrored
