"""COCO json: boxes x, y, width, height in pixels; lists of images, annotations and categories."""
import json
import os
from pathlib import Path

from entoflow.sources import Box, Photo, bounds, declared_size, existing, number, relative
from entoflow.task import InputError


def recognises(content):
    """Tell whether what a JSON file holds is meant to be COCO."""
    return isinstance(content, dict) and ("annotations" in content or "images" in content)


def read(path, content, folder):
    """Return (photos, notes) of a COCO file; file names start at the folder. Raises InputError for a missing list."""
    listed = _by_id(path, "images", "file_name", _entries(path, content, "images"))
    categories = _by_id(path, "categories", "name", _entries(path, content, "categories", []))
    photos = {key: _photo(path, row, entry, folder) for key, (row, entry) in listed.items()}
    names = {key: str(entry.get("name")) for key, (_, entry) in categories.items()}
    notes = []
    for row, entry in _entries(path, content, "annotations"):
        image = _key(entry.get("image_id"))
        category = _key(entry.get("category_id"))
        if image not in photos:
            notes.append((path.name, row, "dropped", f"box of image {image}, which `images` does not list"))
        elif isinstance(entry.get("bbox"), list) or isinstance(entry.get("segmentation"), list):
            photos[image].boxes.append(_box(row, entry, names.get(category, category)))
        else:
            photos[image].notes.append((row, "dropped", "has no bbox and no polygon; wanted one of them"))
    return list(photos.values()), notes


def write(folder, photos):
    """Write annotations.json; return the folder where the images belong."""
    labels = sorted({box.label for photo in photos for box in photo.boxes})
    images = [{"id": i, "file_name": photo.file_name, "width": photo.size[0], "height": photo.size[1]}
              for i, photo in enumerate(photos, 1)]
    boxes = [(i, box) for i, photo in enumerate(photos, 1) for box in photo.boxes]
    content = {"images": images, "annotations": [_entry(k, i, box, labels) for k, (i, box) in enumerate(boxes, 1)],
               "categories": [{"id": k, "name": label} for k, label in enumerate(labels, 1)]}
    (folder / "annotations.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return folder / "images"


def _entry(number_, image, box, labels):
    x1, y1, x2, y2 = box.corners
    return {"id": number_, "image_id": image, "category_id": labels.index(box.label) + 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": int(box.crowd)}


def _entries(path, content, name, default=None):
    entries = content.get(name, default)
    if not isinstance(entries, list):
        raise InputError(f"{path}: has no list `{name}`; wanted COCO with images, annotations and categories.")
    for row, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise InputError(f"{path}: entry {row} of `{name}` is {json.dumps(entry)[:40]}; wanted an object.")
        yield row, entry


def _by_id(path, part, name, listed):
    """Return {id: (row, entry)}. Raises InputError for an id of two names: its boxes would go to either."""
    found = {}
    for row, entry in listed:
        first, known = found.setdefault(_key(entry.get("id")), (row, entry))
        if known.get(name) != entry.get(name):
            raise InputError(f"{path}: entries {first} and {row} of `{part}` have the id {entry.get('id')} for {known.get(name)} and "
                             f"{entry.get(name)}; wanted an id for each.")
    return found


def _photo(path, row, entry, folder):
    name = entry.get("file_name")
    if not isinstance(name, str) or not name or _key(entry.get("id")) == "None":
        raise InputError(f"{path}: entry {row} of `images` has no id or no file_name; wanted both.")
    found = _find(path, name.replace("\\", "/"))
    known = relative(found, folder) if found.is_relative_to(folder) else name
    group = entry.get("group")
    return Photo(known, found, size=declared_size(entry.get("width"), entry.get("height")), row=row,
                 group=None if group in (None, "") else str(group))


def _find(path, name):
    """Look where exporters put images: beside the file, in images/, or beside annotations/, by split or not."""
    beside, above = path.parent, path.parent.parent
    split = path.stem.removeprefix("instances_")
    for folder in (beside, beside / "images", above, above / "images", above / split, above / "images" / split):
        for tried in (folder / name, folder / Path(name).name):
            found = existing(tried)
            if os.path.isfile(found):
                return found
    return beside / name


def _box(row, entry, label):
    crowd = any(str(entry.get(name, 0)).lower() in ("1", "true") for name in ("iscrowd", "ignore", "difficult"))
    return Box(_corners(entry), label, crowd, row)


def _corners(entry):
    bbox, outline = entry.get("bbox"), entry.get("segmentation")
    if isinstance(bbox, list) and len(bbox) == 4:
        x, y, width, height = map(number, bbox)
        return x, y, x + width, y + height
    if isinstance(outline, list) and all(isinstance(part, list) for part in outline):
        return bounds([point for part in outline for point in zip(part[0::2], part[1::2])])
    return bounds([])


def _key(value):
    """Return an id as text, so that 7, 7.0 and "7" are one."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
