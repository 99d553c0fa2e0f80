"""The detections on many images as arrays, 50 bytes each: what is measured, drawn and published."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from entoflow import files
from entoflow.boxes import Prediction, to_xywh, to_xyxy
from entoflow.task import InputError

CSV_COLUMNS = ("image", "label", "score", "x1", "y1", "x2", "y2")


@dataclass(frozen=True)
class Detections:
    """N detections by image, best first within each."""

    image: np.ndarray  # (N,) rows in the list of image ids
    bbox: np.ndarray  # (N, 4) COCO's x, y, width, height in pixels
    scores: np.ndarray  # (N,)


def gather(predictions: Iterable[Prediction], ids: Sequence[int]) -> Detections:
    """Return the detections of predictions; ids: the sorted ids of all images.

    Raises InputError for an image that is not among them.
    """
    rows = list(predictions)
    unknown = sorted({row.image_id for row in rows}.difference(ids))
    if unknown:
        wanted = "predictions of its images only"
        raise InputError(
            f"predictions: image {unknown[0]} is not in the data set; wanted {wanted}."
        )
    row_of_image = np.searchsorted(np.array(ids, np.int64), [row.image_id for row in rows])
    image = np.repeat(row_of_image, [len(row.scores) for row in rows])
    bbox = np.concatenate([np.empty((0, 4)), *(to_xywh(row.xyxy) for row in rows)])
    scores = np.concatenate([np.empty(0), *(np.asarray(row.scores, float) for row in rows)])
    return rank(image, bbox, scores)


def rank(image: np.ndarray, bbox: np.ndarray, scores: np.ndarray) -> Detections:
    """Return detections in the one order: by image, falling score, and box where scores tie."""
    order = np.lexsort((*bbox.T[::-1], -scores, image))
    return Detections(image[order].astype(int), bbox[order], scores[order])


def round_as_published(detections: Detections) -> Detections:
    """Return detections with boxes to a thousandth of a pixel and scores to a millionth."""
    return rank(detections.image, detections.bbox.round(3), detections.scores.round(6))


class ResultsFile:
    """COCO's list of results of category 1, written one a line."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.n = 0

    def write(self, image_id: int, bbox: list[float], score: float) -> None:
        """Write one result. bbox: x, y, width, height in pixels."""
        result = {"image_id": image_id, "category_id": 1, "bbox": bbox, "score": score}
        self._file.write(("[\n" if self.n == 0 else ",\n") + json.dumps(result))
        self.n += 1

    def finish(self) -> None:
        """Close the list."""
        self._file.write("[\n]\n" if self.n == 0 else "\n]\n")


def write_json(path: Path, detections: Detections, ids: Sequence[int]) -> None:
    """Write detections as COCO results; ids: those of the images, in their order."""
    with files.whole(path) as file:
        results = ResultsFile(file)
        for image, bbox, score in zip(detections.image, detections.bbox, detections.scores):
            results.write(ids[image], bbox.tolist(), score.item())
        results.finish()


def write_csv(path: Path, detections: Detections, names: Sequence[str], label: str) -> None:
    """Write detections as predictions.csv, by name of image, best first.

    names: those of the images, in their order.
    """
    with files.whole(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        writer.writerows(_csv_rows(detections, names, label))


def _csv_rows(detections: Detections, names: Sequence[str], label: str) -> Iterator[list[object]]:
    corners = to_xyxy(detections.bbox).round(3)
    ends = np.searchsorted(detections.image, np.arange(len(names) + 1))
    for image in sorted(range(len(names)), key=names.__getitem__):
        for row in range(ends[image], ends[image + 1]):
            yield [names[image], label, detections.scores[row].item(), *corners[row].tolist()]
