"""Supervisely projects: datasets of img/ and ann/ with a JSON file per image, and a meta.json that is not needed here.

Its pixels are whole and both corners lie inside the object: exterior [[10, 5], [19, 14]] is 10 x 10 pixels. So
x1 = left, x2 = right + 1 on reading, and left = floor(x1), right = ceil(x2) - 1 on writing.
"""
import base64
import binascii
import json
import math
import zlib
from pathlib import PurePosixPath

from entoflow import sources
from entoflow.sources import Box, Photo, bounds, entries, number, relative
from entoflow.tables import read_json
from entoflow.task import InputError


def datasets(folder):
    """Return the sorted dataset folders of a project, or of a dataset given by itself; none for another folder."""
    return sorted(path.parent for path in folder.rglob("ann") if (path.parent / "img").is_dir() and any(path.rglob("*.json")))


def read(found, folder):
    """Return (photos, notes) of dataset folders; images without an annotation file are not among them."""
    photos = []
    for dataset in found:
        images = {relative(path, dataset / "img"): path for path in sources.find_images(dataset / "img")}
        for annotation in sorted((dataset / "ann").rglob("*.json")):
            name = relative(annotation, dataset / "ann").removesuffix(".json")
            path = images.get(name) or sources.existing(dataset / "img" / name)
            photos.append(_photo(relative(path, folder), path, annotation))
    return photos, []


def write(folder, photos, labels=()):
    """Write meta.json and dataset/ann/; return the folder where the images belong. labels: classes to offer beside those of the boxes."""
    labels = sorted({box.label for photo in photos for box in photo.boxes}.union(labels))
    meta = {"classes": [{"title": label, "shape": "rectangle", "color": "#E69F00"} for label in labels],
            "tags": [{"name": "crowd", "value_type": "none", "color": "#999999"}]}
    _dump(folder / "meta.json", meta)
    for photo in photos:
        objects = [_object(box) for box in photo.boxes]
        size = dict(zip(("width", "height"), photo.size))
        content = {"description": "", "tags": [], "size": size, "objects": objects}
        _dump(folder / "dataset" / "ann" / PurePosixPath(photo.file_name + ".json"), content)
    return folder / "dataset" / "img"


def _dump(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, sort_keys=True), encoding="utf-8")


def _object(box):
    x1, y1, x2, y2 = box.corners
    exterior = [[math.floor(x1), math.floor(y1)], [math.ceil(x2) - 1, math.ceil(y2) - 1]]
    return {"classTitle": box.label, "geometryType": "rectangle", "points": {"exterior": exterior, "interior": []},
            "tags": [{"name": "crowd", "value": None}] if box.crowd else []}


def _photo(name, path, annotation):
    photo = Photo(name, path)
    try:
        content = read_json(annotation)
        objects = [(row, _known(entry)) for row, entry in enumerate(content["objects"], 1)]
        photo.size = sources.declared_size(*(content.get("size", {}).get(side) for side in ("width", "height")))
    except (InputError, LookupError, TypeError, AttributeError):
        photo.problem = f"its annotation {annotation.name} is not one of Supervisely's"
        return photo
    for row, entry in objects:
        corners = _corners(entry)
        if corners is None:
            reason = f"{entry.get('geometryType')} of {entry['classTitle']}; wanted a rectangle, polygon or bitmap"
            photo.notes.append((row, "dropped", reason))
        else:
            photo.boxes.append(Box(corners, str(entry["classTitle"]), _is_crowd(entry), row))
    return photo


def _known(entry):
    return {"classTitle": "object", **entry}


def _is_crowd(entry):
    return any(str(tag.get("name")).lower() in sources.CROWD_NAMES for tag in entries(entry.get("tags")))


def _corners(entry):
    """Return half-open corners, NaN where they cannot be read, or None for a geometry that is no area."""
    kind = entry.get("geometryType") or ("bitmap" if entry.get("bitmap") else "polygon")
    if kind == "bitmap":
        return _bitmap_corners(entry.get("bitmap"))
    if kind not in ("rectangle", "polygon"):
        return None
    points = entry.get("points")
    exterior = points.get("exterior") if isinstance(points, dict) else None
    readable = isinstance(exterior, list) and all(isinstance(point, list) and len(point) == 2 for point in exterior)
    left, top, right, bottom = bounds(exterior if readable else [])
    return left, top, right + 1, bottom + 1


def _bitmap_corners(bitmap):
    """A bitmap is a PNG, deflated, in base64; its origin is its top left corner. Its size stands in bytes 16 to 24."""
    try:
        header = zlib.decompressobj().decompress(base64.b64decode(bitmap["data"]), 24)
        x, y = map(number, bitmap["origin"])
        return x, y, x + int.from_bytes(header[16:20], "big"), y + int.from_bytes(header[20:24], "big")
    except (LookupError, TypeError, ValueError, binascii.Error, zlib.error):
        return bounds([])
