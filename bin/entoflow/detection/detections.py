"""The detections of many images as arrays, 50 bytes each: what is measured, drawn and published."""
import csv
import json
from typing import NamedTuple

import numpy as np

from entoflow.boxes import to_xywh, to_xyxy
from entoflow.task import InputError

CSV_COLUMNS = ("image", "label", "score", "x1", "y1", "x2", "y2")


class Detections(NamedTuple):
    """N detections by image, best first within each."""

    image: np.ndarray  # N rows in the list of image ids
    bbox: np.ndarray  # N x 4, COCO's x, y, width, height in pixels
    scores: np.ndarray  # N


def gather(predictions, ids):
    """Return the Detections of predictions: (image id, view or views, xyxy boxes, scores) of each image.

    ids: the sorted ids of all images. Raises InputError for an image that is not among them.
    """
    found = list(predictions)
    stray = sorted({row[0] for row in found}.difference(ids))
    if stray:
        raise InputError(f"predictions: image {stray[0]} is not in the data set; wanted predictions of its images only.")
    image = np.repeat(np.searchsorted(np.array(ids, np.int64), [row[0] for row in found]), [len(row[3]) for row in found])
    bbox = np.concatenate([to_xywh(row[2]) for row in found] or [np.empty((0, 4))])
    scores = np.concatenate([np.asarray(row[3], float) for row in found] or [np.empty(0)])
    return ranked(image, bbox, scores)


def ranked(image, bbox, scores):
    """Return Detections in the one order: by image, falling score, and box where scores tie."""
    order = np.lexsort((*bbox.T[::-1], -scores, image))
    return Detections(image[order].astype(int), bbox[order], scores[order])


def rounded(detections):
    """Return Detections with boxes to a thousandth of a pixel and scores to a millionth: as they are published."""
    return ranked(detections.image, detections.bbox.round(3), detections.scores.round(6))


def write_json(path, detections, ids):
    """Write Detections as COCO results of category 1, one a line."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        for row, (image, score) in enumerate(zip(detections.image, detections.scores)):
            result = {"image_id": ids[image], "category_id": 1, "bbox": detections.bbox[row].tolist(), "score": score.item()}
            file.write((",\n" if row else "\n") + json.dumps(result))
        file.write("\n]\n")


def write_csv(path, detections, names, label):
    """Write Detections as predictions.csv, by name of image, best first; names: those of the images, in their order."""
    corners = to_xyxy(detections.bbox).round(3)
    named = sorted(range(len(names)), key=names.__getitem__)
    ends = np.searchsorted(detections.image, np.arange(len(names) + 1))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for image in named:
            for row in range(ends[image], ends[image + 1]):
                writer.writerow([names[image], label, detections.scores[row].item(), *corners[row].tolist()])
