"""Label Studio's JSON export: percent of the upright image, rectangles turned about their top left corner."""
import json
import math
import os
import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import quoteattr

from entoflow.images import is_image_name
from entoflow.sources import CROWD_NAMES, Box, Photo, bounds, declared_size, entries, existing, number
from entoflow.task import InputError

SHAPES = {"rectangle", "rectanglelabels", "polygon", "polygonlabels", "ellipse", "ellipselabels"}
OTHER_SHAPES = {"brush", "brushlabels", "keypoint", "keypointlabels", "vector", "vectorlabels"}


def recognises(content):
    """Tell whether what a JSON file holds is meant to be a Label Studio export."""
    return isinstance(content, list) and any(isinstance(task, dict) and "data" in task for task in content)


def read(path, content):
    """Return (photos, notes) of an export. Raises InputError for a task of another form."""
    photos, notes = [], []
    for row, task in enumerate(content, 1):
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            raise InputError(f"{path}: task {row} has no `data`; wanted Label Studio's JSON export.")
        name, found = _image(path, row, task["data"])
        annotation, unused = _annotation(task)
        if annotation is None:
            notes.append((name, row, "left out", "has no finished annotation, so it is not known to be empty"))
            continue
        photo = Photo(name, found, row=row)
        photo.notes += [(row, "note", f"{unused} further annotations of this task are not used")] if unused else []
        _add_boxes(photo, annotation)
        photos.append(photo)
    return photos, notes


def write(folder, photos):
    """Write tasks.json; return the folder where the images belong."""
    tasks = [{"id": number_, "data": {"image": f"images/{photo.file_name}"},
              "annotations": [{"id": number_, "was_cancelled": False, "result": _results(photo)}]}
             for number_, photo in enumerate(photos, 1)]
    (folder / "tasks.json").write_text(json.dumps(tasks, ensure_ascii=False), encoding="utf-8")
    return folder / "images"


def prefilled(photos, link):
    """Return tasks whose boxes are predictions, for a person to correct. link: what stands before an image's name in its address.

    More may be put into `data` behind the address: read() takes the first value that names an image.
    """
    return [{"data": {"image": link + photo.file_name}, "predictions": [{"model_version": "entoflow", "result": _results(photo)}]} for photo in photos]


def labelling(labels):
    """Return the labelling interface that such tasks belong to: rectangles of these labels."""
    values = "".join(f"    <Label value={quoteattr(label)}/>\n" for label in labels)
    return (f'<View>\n  <Text name="reason" value="$reason"/>\n  <Image name="image" value="$image" zoom="true"/>\n'
            f'  <RectangleLabels name="label" toName="image">\n{values}  </RectangleLabels>\n</View>\n')


def _results(photo):
    width, height = photo.size
    return [{"id": str(number_), "type": "rectanglelabels", "from_name": "label", "to_name": "image",
             "original_width": width, "original_height": height, "image_rotation": 0,
             "value": {"rectanglelabels": [box.label], "rotation": 0, **_percent(box.corners, width, height)},
             **({"meta": {"text": ["crowd"]}} if box.crowd else {})} for number_, box in enumerate(photo.boxes, 1)]


def _percent(corners, width, height):
    x1, y1, x2, y2 = corners
    return {"x": 100 * x1 / width, "y": 100 * y1 / height,
            "width": 100 * (x2 - x1) / width, "height": 100 * (y2 - y1) / height}


def _image(path, row, data):
    """Return (name as known, path) of a task's image: uploads, local files and links end in a name we look up here."""
    links = [value for value in data.values() if isinstance(value, str) and _names(value)]
    if not links:
        raise InputError(f"{path}: task {row} names no image in `data`; wanted a path or link that ends in .jpg or so.")
    for name in _names(links[0]):
        for folder in (path.parent, path.parent / "images"):
            found = existing(folder / name)
            if os.path.isfile(found):
                return found.relative_to(path.parent).as_posix(), found
    name = _names(links[0])[-1]
    return name, path.parent / name


def _names(link):
    """Return the relative names an image may have, the likeliest first. An upload's name starts with 8 hex digits."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return []
    asked = parts.query.partition("d=")[2] if parts.path.endswith("local-files/") else parts.path
    names = []
    for text in (link, unquote(asked)):
        pure = PurePosixPath(text)
        inside = [] if pure.is_absolute() or ".." in pure.parts or ":" in text else [text]
        names += [*inside, pure.name, re.sub(r"^[0-9a-f]{8}-", "", pure.name)]
    return [name for name in dict.fromkeys(names) if is_image_name(name)]


def _annotation(task):
    """Return (the annotation to use or None, number of others): ground truth goes before the first finished one."""
    given = entries(task.get("annotations", task.get("completions")))
    finished = [entry for entry in given if not entry.get("was_cancelled")]
    finished.sort(key=lambda entry: not entry.get("ground_truth"))
    return (finished[0], len(finished) - 1) if finished else (None, 0)


def _add_boxes(photo, annotation):
    results = entries(annotation.get("result"))
    labels = {str(entry.get("id")): _label(entry) for entry in results if entry.get("type") == "labels"}
    for row, entry in enumerate(results, 1):
        kind = str(entry.get("type"))
        if kind in OTHER_SHAPES:
            photo.notes.append((row, "dropped", f"{kind}; wanted a rectangle, polygon or ellipse"))
        elif kind in SHAPES:
            photo.boxes.append(_box(row, entry, labels))


def _box(row, entry, labels):
    value = _dict(entry, "value")
    width, height = declared_size(entry.get("original_width"), entry.get("original_height")) or (math.nan, math.nan)
    corners = bounds(_points(value, width / height))
    text = _dict(entry, "meta").get("text")
    crowd = any(str(word).strip().lower() in CROWD_NAMES for word in (text if isinstance(text, list) else [text]))
    label = _label(entry) or labels.get(str(entry.get("id"))) or "object"
    return Box(tuple(x / 100 for x in corners), label, crowd, row, True)


def _dict(entry, name):
    return entry[name] if isinstance(entry.get(name), dict) else {}


def _label(entry):
    value = _dict(entry, "value")
    given = value.get(str(entry.get("type"))) or value.get("labels")
    return str(given[0]) if isinstance(given, list) and given else None


def _points(value, aspect):
    """Return points around a shape in percent. A turn needs the aspect (width / height): angles are those of pixels."""
    if isinstance(value.get("points"), list):
        return [point for point in value["points"] if isinstance(point, list) and len(point) == 2]
    x, y, angle = (number(value.get(name, 0)) for name in ("x", "y", "rotation"))
    aspect = 1 if angle == 0 else aspect  # not needed, and not always known
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    if "radiusX" in value:
        across, down = number(value["radiusX"]), number(value.get("radiusY"))
        half_width = math.hypot(across * cos, down * sin / aspect)
        half_height = math.hypot(across * sin * aspect, down * cos)
        return [(x - half_width, y - half_height), (x + half_width, y + half_height)]
    width, height = number(value.get("width")), number(value.get("height"))
    if angle == 0:
        return [(x, y), (x + width, y + height)] if width > 0 and height > 0 else [(x, y), (x, y)]
    ends = ((0, 0), (width, 0), (0, height), (width, height))
    return [(x + a * cos - b * sin / aspect, y + a * sin * aspect + b * cos) for a, b in ends]
