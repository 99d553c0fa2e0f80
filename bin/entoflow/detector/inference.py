"""Running a detector: a model folder becomes a network of its backend, which looks at images whole, in views and in tiles."""
from itertools import islice
from pathlib import Path

from entoflow import model_folder
from entoflow.task import InputError, first_line

BATCH = 16


def backend(name):
    """Return the detector backend of that name: a module as backend_yolo.py describes. Raises InputError where there is none."""
    if name == "yolo":
        from entoflow.detector import backend_yolo

        return backend_yolo
    if name == "torchvision":
        from entoflow.detector import backend_torchvision

        return backend_torchvision
    raise InputError(f"detector backend is '{name}'; wanted yolo or torchvision.")


def load(folder, scratch):
    """Return (detector, its backend, model.json). Raises InputError for another kind of model, or weights that do not fit the architecture."""
    from safetensors import SafetensorError

    facts = model_folder.read(folder)
    if facts["kind"] != "detector":
        raise InputError(f"{folder}: is a model of kind {facts['kind']}; wanted a detector.")
    chosen = backend(facts["input"].get("backend"))
    try:
        return {**chosen.load(Path(folder), facts["input"], scratch), "tile_size": facts["input"].get("tile_size", 0)}, chosen, facts
    except (KeyError, RuntimeError, ValueError, OSError, SafetensorError) as error:
        raise InputError(f"{folder}: its weights cannot be loaded: {first_line(error)}") from None


def predict(detector, chosen, pack, image_ids, views=((1.0, False),)):
    """Yield (image id, view number, xyxy boxes, scores) for each image and view: memory stays that of one batch.

    views: (scale of the image size, flipped left to right) each. Boxes are those of the upright, unflipped image.
    Large images are looked at as a whole and in tiles, where the detector has a tile_size.
    """
    for start in range(0, len(image_ids), BATCH):
        batch = image_ids[start:start + BATCH]
        pixels = [pack.read(image_id) for image_id in batch]
        found = [_view(detector, chosen, pixels, scale, flipped) for scale, flipped in views]
        for index, image_id in enumerate(batch):
            for view, results in enumerate(found):
                yield image_id, view, *results[index]


def _view(detector, chosen, pixels, scale, flipped):
    size = max(32, round(detector["image_size"] * scale / 32) * 32)
    results = _in_windows(detector, chosen, [image[:, ::-1] if flipped else image for image in pixels], size)
    if not flipped:
        return results
    return [(_mirrored(boxes, image.shape[1]), scores) for (boxes, scores), image in zip(results, pixels)]


def _in_windows(detector, chosen, images, size):
    from entoflow.detector import tiles

    side = detector.get("tile_size", 0)
    windows = [tiles.windows(image.shape[1], image.shape[0], side) for image in images]
    pieces = [image[y1:y2, x1:x2] for image, own in zip(images, windows) for x1, y1, x2, y2 in own]
    found = iter([result for start in range(0, len(pieces), BATCH) for result in chosen.predict(detector, pieces[start:start + BATCH], size)])
    return [tiles.merge(own, list(islice(found, len(own))), side) for own in windows]


def _mirrored(boxes, width):
    boxes = boxes.copy()
    boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    return boxes
