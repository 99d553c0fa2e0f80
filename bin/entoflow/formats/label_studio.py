"""Label Studio's JSON export.

Shapes are in percent of the upright image; rectangles are turned about their top left corner.
"""

import math
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import quoteattr

from entoflow import sources
from entoflow.audit import Note
from entoflow.images import is_image_name
from entoflow.sources import AnnotatedImage, Corners, Source, SourceBox, SourceContent, SourceImage
from entoflow.task import InputError

SHAPES = {"rectangle", "rectanglelabels", "polygon", "polygonlabels", "ellipse", "ellipselabels"}
OTHER_SHAPES = {"brush", "brushlabels", "keypoint", "keypointlabels", "vector", "vectorlabels"}

Entry = dict[str, Any]
Point = tuple[float, float]


def recognises(source: Source) -> bool:
    """Return whether a JSON file, or one in a folder, is meant to be a Label Studio export."""
    return any(is_document(content) for content in source.documents.values())


def is_document(content: Any) -> bool:
    """Return whether the content of a JSON file is meant to be a Label Studio export."""
    return isinstance(content, list) and any(
        isinstance(task, dict) and "data" in task for task in content
    )


def read(source: Source) -> SourceContent:
    """Return the images of an export. Raises InputError for a task of another form."""
    path, tasks = next(
        (path, content) for path, content in source.documents.items() if is_document(content)
    )
    images: list[SourceImage] = []
    notes: list[Note] = []
    for row, task in enumerate(tasks, 1):
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            raise InputError(
                f"{path}: task {row} has no `data`; wanted Label Studio's JSON export."
            )
        name, image_path = _find_image(path, row, task["data"])
        annotations = _finished_annotations(task)
        if annotations:
            images.append(_image(name, image_path, row, annotations))
        else:
            reason = "has no finished annotation, so it is not known to be empty"
            notes.append(Note(name, row, "left out", reason))
    return SourceContent(images, notes)


def prefilled(images: Iterable[AnnotatedImage], link: str) -> list[Entry]:
    """Return tasks whose boxes are predictions, for a person to correct.

    link: what stands before an image's name in its address. More may be put into `data` after the
    address: read() takes the first value that names an image.
    """
    tasks = []
    for image in images:
        prediction = {"model_version": "entoflow", "result": results(image)}
        tasks.append({"data": {"image": link + image.file_name}, "predictions": [prediction]})
    return tasks


def labelling(labels: Iterable[str]) -> str:
    """Return the labelling interface that such tasks belong to: rectangles of these labels."""
    values = "".join(f"    <Label value={quoteattr(label)}/>\n" for label in labels)
    return (
        '<View>\n  <Text name="reason" value="$reason"/>\n'
        '  <Image name="image" value="$image" zoom="true"/>\n'
        f'  <RectangleLabels name="label" toName="image">\n{values}  </RectangleLabels>\n</View>\n'
    )


def results(image: AnnotatedImage) -> list[Entry]:
    """Return an image's boxes as Label Studio lists those of an annotation or a prediction."""
    width, height = image.size
    listed: list[Entry] = []
    for place, box in enumerate(image.boxes, 1):
        entry: Entry = {
            "id": str(place),
            "type": "rectanglelabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {
                "rectanglelabels": [box.label],
                "rotation": 0,
                **_percent(box.corners, width, height),
            },
        }
        if box.iscrowd:
            entry["meta"] = {"text": ["crowd"]}
        listed.append(entry)
    return listed


def _percent(corners: Corners, width: int, height: int) -> dict[str, float]:
    x1, y1, x2, y2 = corners
    return {
        "x": 100 * x1 / width,
        "y": 100 * y1 / height,
        "width": 100 * (x2 - x1) / width,
        "height": 100 * (y2 - y1) / height,
    }


def _find_image(path: Path, row: int, data: Entry) -> tuple[str, Path]:
    """Return (name as the user knows it, path) of a task's image.

    Uploads, local files and links end in a name to look up.
    """
    links = [value for value in data.values() if isinstance(value, str) and _names(value)]
    if not links:
        raise InputError(
            f"{path}: task {row} names no image in `data`; "
            "wanted a path or link that ends in .jpg or so."
        )
    names = _names(links[0])
    for name in names:
        for folder in (path.parent, path.parent / "images"):
            image = sources.existing(folder / name)
            if os.path.isfile(image):
                return image.relative_to(path.parent).as_posix(), image
    return names[-1], path.parent / names[-1]


def _names(link: str) -> list[str]:
    """Return the relative names that an image may have, the likeliest first.

    An upload's name starts with 8 hex digits.
    """
    try:
        parts = urlsplit(link)
    except ValueError:
        return []
    address = parts.query.partition("d=")[2] if parts.path.endswith("local-files/") else parts.path
    names = []
    for text in (link, unquote(address)):
        pure = PurePosixPath(text)
        if not pure.is_absolute() and ".." not in pure.parts and ":" not in text:
            names.append(text)
        names += [pure.name, re.sub(r"^[0-9a-f]{8}-", "", pure.name)]
    return [name for name in dict.fromkeys(names) if is_image_name(name)]


def _finished_annotations(task: Entry) -> list[Entry]:
    """Return the finished annotations of a task: ground truth first, else in their order."""
    annotations = sources.entries(task.get("annotations", task.get("completions")))
    finished = [entry for entry in annotations if not entry.get("was_cancelled")]
    return sorted(finished, key=lambda entry: not entry.get("ground_truth"))


def _image(name: str, path: Path, row: int, annotations: Sequence[Entry]) -> SourceImage:
    boxes: list[SourceBox] = []
    notes: list[Note] = []
    if len(annotations) > 1:
        notes.append(
            Note(
                name,
                row,
                "note",
                f"{len(annotations) - 1} further annotations of this task are not used",
            )
        )
    shapes = sources.entries(annotations[0].get("result"))
    labels = {
        str(entry.get("id")): _label(entry) for entry in shapes if entry.get("type") == "labels"
    }
    for place, entry in enumerate(shapes, 1):
        kind = str(entry.get("type"))
        if kind in OTHER_SHAPES:
            notes.append(
                Note(name, place, "dropped", f"{kind}; wanted a rectangle, polygon or ellipse")
            )
        elif kind in SHAPES:
            boxes.append(_box(place, entry, labels))
    return SourceImage(name, path, boxes, row=row, notes=notes)


def _box(row: int, entry: Entry, labels: dict[str, str | None]) -> SourceBox:
    size = sources.declared_size(entry.get("original_width"), entry.get("original_height"))
    aspect = size[0] / size[1] if size else math.nan
    left, top, right, bottom = sources.bounds(_points(_object(entry, "value"), aspect))
    text = _object(entry, "meta").get("text")
    words = text if isinstance(text, list) else [text]
    iscrowd = any(str(word).strip().lower() in sources.CROWD_NAMES for word in words)
    label = _label(entry) or labels.get(str(entry.get("id"))) or "object"
    corners = (left / 100, top / 100, right / 100, bottom / 100)
    return SourceBox(corners, label, iscrowd, row, relative=True)


def _object(entry: Entry, name: str) -> Entry:
    value = entry.get(name)
    return value if isinstance(value, dict) else {}


def _label(entry: Entry) -> str | None:
    value = _object(entry, "value")
    labels = value.get(str(entry.get("type"))) or value.get("labels")
    return str(labels[0]) if isinstance(labels, list) and labels else None


def _points(value: Entry, aspect: float) -> list[Point]:
    """Return points around a shape in percent.

    A turn needs the aspect (width / height): angles are those of pixels.
    """
    if isinstance(value.get("points"), list):
        return [
            (point[0], point[1])
            for point in value["points"]
            if isinstance(point, list) and len(point) == 2
        ]
    x, y, angle = (sources.number(value.get(name, 0)) for name in ("x", "y", "rotation"))
    if angle == 0:
        aspect = 1  # not needed, and not always known
    if "radiusX" in value:
        return _around_ellipse(
            x,
            y,
            sources.number(value["radiusX"]),
            sources.number(value.get("radiusY")),
            angle,
            aspect,
        )
    width = sources.number(value.get("width"))
    height = sources.number(value.get("height"))
    if angle == 0:
        return [(x, y), (x + width, y + height)] if width > 0 and height > 0 else [(x, y), (x, y)]
    return _turned_rectangle(x, y, width, height, angle, aspect)


def _around_ellipse(
    x: float, y: float, across: float, down: float, angle: float, aspect: float
) -> list[Point]:
    """Return two corners of the box around an ellipse: centre, radii, turn in degrees."""
    cos = math.cos(math.radians(angle))
    sin = math.sin(math.radians(angle))
    half_width = math.hypot(across * cos, down * sin / aspect)
    half_height = math.hypot(across * sin * aspect, down * cos)
    return [(x - half_width, y - half_height), (x + half_width, y + half_height)]


def _turned_rectangle(
    x: float, y: float, width: float, height: float, angle: float, aspect: float
) -> list[Point]:
    """Return the corners of a rectangle that is turned about its top left corner."""
    cos = math.cos(math.radians(angle))
    sin = math.sin(math.radians(angle))
    ends = ((0, 0), (width, 0), (0, height), (width, height))
    return [(x + a * cos - b * sin / aspect, y + a * sin * aspect + b * cos) for a, b in ends]
