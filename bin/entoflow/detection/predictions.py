"""A detector's boxes on the images of a pack, as tasks hand them on: arrays in one .npz file, never pickled.

image_id (n whole numbers), view (n), xyxy (n x 4 float32 pixels of the upright image), score (n float32), and images:
the ids of all images looked at, with boxes or without. Sorted by image, view and falling score.
"""
import numpy as np

from entoflow.task import InputError

ARRAYS = ("image_id", "view", "xyxy", "score", "images")


def write(path, predictions):
    """Write (image id, view, xyxy boxes, scores) tuples, sorted by image and view, and return the number of boxes."""
    rows = [(image_id, view, xyxy, scores) for image_id, view, xyxy, scores in predictions]
    lengths = [len(row[3]) for row in rows]
    content = {
        "image_id": np.repeat(np.array([row[0] for row in rows], np.int64), lengths),
        "view": np.repeat(np.array([row[1] for row in rows], np.uint8), lengths),
        "xyxy": np.concatenate([row[2] for row in rows] or [np.zeros((0, 4))]).astype(np.float32).reshape(-1, 4),
        "score": np.concatenate([row[3] for row in rows] or [np.zeros(0)]).astype(np.float32),
        "images": np.unique(np.array([row[0] for row in rows], np.int64)),
    }
    with open(path, "wb") as handle:
        np.savez(handle, **content)
    return len(content["score"])


def read(paths):
    """Yield (image id, views, xyxy boxes, scores) for each image looked at, sorted by id within a file: one file in memory.

    Raises InputError where a file holds no predictions.
    """
    for path in sorted(paths, key=str):
        try:
            with np.load(path, allow_pickle=False) as file:
                content = {name: file[name] for name in ARRAYS}
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path}: holds no predictions ({error}); wanted a file that predict_boxes.py wrote.") from None
        starts = np.searchsorted(content["image_id"], content["images"])
        ends = np.searchsorted(content["image_id"], content["images"], side="right")
        for image_id, start, end in zip(content["images"].tolist(), starts, ends):
            yield (image_id, content["view"][start:end].astype(int), content["xyxy"][start:end].astype(float),
                   content["score"][start:end].astype(float))
