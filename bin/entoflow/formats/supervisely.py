"""Supervisely projects.

Datasets of img/ and ann/ with a JSON file per image, and a meta.json that is not needed here.

Its pixels are whole and both corners lie inside the object: exterior [[10, 5], [19, 14]] is 10 x 10
pixels. So x1 = left, x2 = right + 1 on reading, and left = floor(x1), right = ceil(x2) - 1 on
writing.
"""

import base64
import binascii
import json
import math
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from entoflow import files, sources
from entoflow.audit import Note
from entoflow.sources import AnnotatedImage, Corners, Source, SourceBox, SourceContent, SourceImage
from entoflow.tables import read_json
from entoflow.task import InputError

Entry = dict[str, Any]


def recognises(source: Source) -> bool:
    """Return whether a folder is a project, or a dataset of one."""
    return source.is_folder and bool(_datasets(source.path))


def read(source: Source) -> SourceContent:
    """Return the images of all datasets; those without an annotation file are not among them."""
    images: list[SourceImage] = []
    for dataset in _datasets(source.path):
        paths = {
            sources.relative(path, dataset / "img"): path
            for path in sources.find_images(dataset / "img")
        }
        for annotation in sorted((dataset / "ann").rglob("*.json")):
            name = sources.relative(annotation, dataset / "ann").removesuffix(".json")
            path = paths.get(name) or sources.existing(dataset / "img" / name)
            images.append(_image(sources.relative(path, source.path), path, annotation))
    return SourceContent(images)


def write(folder: Path, images: Iterable[AnnotatedImage], labels: Iterable[str] = ()) -> Path:
    """Write meta.json and dataset/ann/ of a project; return the folder where the images belong.

    labels: classes to offer besides those of the boxes.
    """
    images = list(images)
    titles = set(labels)
    for image in images:
        titles.update(box.label for box in image.boxes)
    meta = {
        "classes": [
            {"title": title, "shape": "rectangle", "color": "#E69F00"} for title in sorted(titles)
        ],
        "tags": [{"name": "crowd", "value_type": "none", "color": "#999999"}],
    }
    _dump(folder / "meta.json", meta)
    for image in images:
        size = {"width": image.size[0], "height": image.size[1]}
        objects = [_object(box) for box in image.boxes]
        content = {"description": "", "tags": [], "size": size, "objects": objects}
        _dump(folder / "dataset" / "ann" / PurePosixPath(image.file_name + ".json"), content)
    return folder / "dataset" / "img"


def _datasets(folder: Path) -> list[Path]:
    """Return the sorted dataset folders of a project, or of a dataset given by itself.

    None for another folder.
    """
    annotations = folder.rglob("ann")
    return sorted(
        path.parent
        for path in annotations
        if (path.parent / "img").is_dir() and any(path.rglob("*.json"))
    )


def _dump(path: Path, content: Entry) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, json.dumps(content, ensure_ascii=False, sort_keys=True))


def _object(box: SourceBox) -> Entry:
    x1, y1, x2, y2 = box.corners
    exterior = [[math.floor(x1), math.floor(y1)], [math.ceil(x2) - 1, math.ceil(y2) - 1]]
    return {
        "classTitle": box.label,
        "geometryType": "rectangle",
        "points": {"exterior": exterior, "interior": []},
        "tags": [{"name": "crowd", "value": None}] if box.iscrowd else [],
    }


def _image(name: str, path: Path, annotation: Path) -> SourceImage:
    try:
        content = read_json(annotation)
        objects = [{"classTitle": "object", **entry} for entry in content["objects"]]
        sides = content.get("size", {})
        size = sources.declared_size(sides.get("width"), sides.get("height"))
    except (InputError, LookupError, TypeError, AttributeError):
        problem = f"its annotation {annotation.name} is not one of Supervisely's"
        return SourceImage(name, path, problem=problem)
    boxes: list[SourceBox] = []
    notes: list[Note] = []
    for row, entry in enumerate(objects, 1):
        corners = _corners(entry)
        if corners is None:
            shape = f"{entry.get('geometryType')} of {entry['classTitle']}"
            reason = f"{shape}; wanted a rectangle, polygon or bitmap"
            notes.append(Note(name, row, "dropped", reason))
        else:
            boxes.append(SourceBox(corners, str(entry["classTitle"]), _is_crowd(entry), row))
    return SourceImage(name, path, boxes, size, notes=notes)


def _is_crowd(entry: Entry) -> bool:
    return any(
        str(tag.get("name")).lower() in sources.CROWD_NAMES
        for tag in sources.entries(entry.get("tags"))
    )


def _corners(entry: Entry) -> Corners | None:
    """Return half-open corners, NaN where they cannot be read, or None for a geometry that is no
    area.
    """
    kind = entry.get("geometryType") or ("bitmap" if entry.get("bitmap") else "polygon")
    if kind == "bitmap":
        return _bitmap_corners(entry.get("bitmap"))
    if kind not in ("rectangle", "polygon"):
        return None
    points = entry.get("points")
    exterior = points.get("exterior") if isinstance(points, dict) else None
    if not isinstance(exterior, list) or not all(
        isinstance(point, list) and len(point) == 2 for point in exterior
    ):
        return sources.NO_CORNERS
    left, top, right, bottom = sources.bounds(exterior)
    return left, top, right + 1, bottom + 1


def _bitmap_corners(bitmap: Any) -> Corners:
    """Return the corners of a bitmap.

    A deflated PNG in base64, whose origin is its top left corner.

    Bytes 16 to 24 of a PNG are its width and height.
    """
    try:
        header = zlib.decompressobj().decompress(base64.b64decode(bitmap["data"]), 24)
        x, y = map(sources.number, bitmap["origin"])
    except (LookupError, TypeError, ValueError, binascii.Error, zlib.error):
        return sources.NO_CORNERS
    width = int.from_bytes(header[16:20], "big")
    height = int.from_bytes(header[20:24], "big")
    return x, y, x + width, y + height
