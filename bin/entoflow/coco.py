"""The one internal form of a set of images, a superset of COCO, and COCO's list of results."""
import json

from entoflow.tables import read_json
from entoflow.task import InputError

PARTS = ("images", "annotations", "categories")


def read(path):
    """Return the dataset a task wrote. Raises InputError where the file is none."""
    dataset = read_json(path)
    if not isinstance(dataset, dict) or not all(isinstance(dataset.get(part), list) for part in PARTS):
        raise InputError(f"{path}: is no set of images; wanted the lists images, annotations and categories.")
    return dataset


def write(path, dataset):
    """Write a dataset with one image, annotation or category a line: equal sets give equal bytes."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(f'{{"info": {_line(dataset.get("info", {}))}')
        for part in PARTS:
            file.write(f',\n"{part}": [')
            _write_lines(file, dataset[part])
            file.write("]")
        file.write("}\n")


def read_results(path):
    """Return COCO's list of results: dicts with image_id, bbox [x, y, w, h] in pixels and score."""
    results = read_json(path)
    if not isinstance(results, list) or not all(_is_result(result) for result in results):
        raise InputError(f"{path}: is no list of results; wanted image_id, bbox and score in each.")
    return results


def write_results(path, results):
    """Write a list of results, one a line, sorted by image, view and falling score."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        _write_lines(file, sorted(results, key=_result_order))
        file.write("]\n")


def boxes_by_image(dataset, labels=None):
    """Return {image id: (n x 4 float boxes x1, y1, x2, y2; n bool, true for an ignore region)}, for every image.

    `labels`: names of the categories to take; None takes all.
    """
    import numpy as np

    taken = {category["id"] for category in dataset["categories"] if labels is None or category["name"] in labels}
    found = {image["id"]: [] for image in dataset["images"]}
    for box in dataset["annotations"]:
        if box["category_id"] in taken:
            found[box["image_id"]].append(box)
    return {image: _arrays(boxes, np) for image, boxes in found.items()}


def weights_by_image(dataset):
    """Return {image id: how much each box of boxes_by_image counts in training, above 0 to 1: 1 unless it says otherwise}."""
    import numpy as np

    found = {image["id"]: [] for image in dataset["images"]}
    for box in dataset["annotations"]:
        found[box["image_id"]].append(box.get("weight", 1.0))
    return {image: np.array(weights, float) for image, weights in found.items()}


def part(dataset, *parts):
    """Return the dataset with the images of these parts alone, and their annotations."""
    images = [image for image in dataset["images"] if image["part"] in parts]
    ids = {image["id"] for image in images}
    boxes = [box for box in dataset["annotations"] if box["image_id"] in ids]
    return {**dataset, "images": images, "annotations": boxes}


def _arrays(boxes, np):
    corners = np.array([box["bbox"] for box in boxes], dtype=float).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    return corners, np.array([bool(box.get("iscrowd", 0)) for box in boxes], dtype=bool)


def _is_result(result):
    return isinstance(result, dict) and {"image_id", "bbox", "score"} <= result.keys()


def _result_order(result):
    return result["image_id"], result.get("view", 0), -result["score"], result["bbox"]


def _write_lines(file, values):
    for number, value in enumerate(values):
        file.write(("\n" if number == 0 else ",\n") + _line(value))


def _line(value):
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
