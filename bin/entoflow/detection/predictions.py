"""A detector's boxes on the images of a pack, as tasks hand them on: arrays in one .npz file, never
pickled.

image_id (n whole numbers), view (n), xyxy (n x 4 float32 pixels of the upright image), score (n
float32), and images: the ids of all images that were looked at, with boxes or without. Sorted by
image, view and falling score.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from entoflow.boxes import Prediction
from entoflow.task import InputError

ARRAYS = ("image_id", "view", "xyxy", "score", "images")


def write(path: Path, predictions: Iterable[Prediction]) -> int:
    """Write predictions, sorted by image and view, and return the number of boxes."""
    rows = list(predictions)
    image_ids = np.array([row.image_id for row in rows], np.int64)
    n_boxes = [len(row.scores) for row in rows]
    xyxy = np.concatenate([np.empty((0, 4)), *(row.xyxy for row in rows)])
    views = np.concatenate([np.empty(0, int), *(row.views for row in rows)])
    scores = np.concatenate([np.empty(0), *(row.scores for row in rows)])
    with open(path, "wb") as file:
        np.savez(
            file,
            image_id=np.repeat(image_ids, n_boxes),
            view=views.astype(np.uint8),
            xyxy=xyxy.astype(np.float32),
            score=scores.astype(np.float32),
            images=np.unique(image_ids),
        )
    return len(scores)


def read(paths: Iterable[Path]) -> Iterator[Prediction]:
    """Yield the predictions of each image, with those of all its views, sorted by id within a file.

    One file is in memory at a time. Raises InputError where a file holds no predictions.
    """
    for path in sorted(paths, key=str):
        try:
            with np.load(path, allow_pickle=False) as file:
                content = {name: file[name] for name in ARRAYS}
        except (OSError, ValueError, KeyError) as error:
            wanted = "a file that predict_boxes.py wrote"
            raise InputError(f"{path}: holds no predictions ({error}); wanted {wanted}.") from None
        starts = np.searchsorted(content["image_id"], content["images"])
        ends = np.searchsorted(content["image_id"], content["images"], side="right")
        for image_id, start, end in zip(content["images"].tolist(), starts, ends):
            rows = slice(start, end)
            views = content["view"][rows].astype(int)
            xyxy = content["xyxy"][rows].astype(float)
            yield Prediction(image_id, views, xyxy, content["score"][rows].astype(float))
