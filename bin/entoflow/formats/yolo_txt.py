"""YOLO: a text file of lines per image, `class cx cy w h` or `class x1 y1 x2 y2 x3 y3 ...`, mixed as they come.

Numbers are shares of the upright image's width and height. YOLO's trainer reads any image without a label file as one
without objects, and so does this; but a forgotten file looks the same, so each has a note.
"""
import os
import re
from pathlib import Path, PurePosixPath
from unicodedata import normalize

import yaml

from entoflow import images
from entoflow.sources import Box, Photo, bounds, existing, find_images, number, plain, relative
from entoflow.tables import ALIASES, read_rows, read_text
from entoflow.task import InputError


def read_folder(folder):
    """Return (photos, notes) of a folder of images with its labels, or None where no label file is found."""
    paired = (folder / "images").is_dir() and (folder / "labels").is_dir()
    found = find_images(folder / "images" if paired else folder)
    labels = {path: label_path(path, folder) for path in found}
    if not any(label.is_file() for label in labels.values()):
        return None
    names = _class_names(folder)
    return [_photo(relative(path, folder), path, label, names) for path, label in labels.items()], _orphans(found, folder)


def is_data(path):
    """Tell whether a file is YOLO's data.yaml."""
    content = _load(path)
    return isinstance(content, dict) and "names" in content and any(part in content for part in ("train", "val"))


def read_data(path):
    """Return (photos, notes) of all parts of a data.yaml: the suite makes a split of its own."""
    content = _load(path)
    names = _names(path, content["names"])
    root = path.parent / str(content.get("path") or "")
    root = root if os.path.isdir(root) else path.parent  # a `path` of another computer
    found, notes = {}, [(path.name, None, "note", "train, val and test are all taken; parts are made anew, by group")]
    for part in ("train", "val", "test"):
        given = content.get(part) or []
        for entry in given if isinstance(given, list) else [given]:
            place = _place(path, root, str(entry))
            if place:
                found.update(dict.fromkeys(_part(place, root)))
            elif part == "test":  # exporters name one whether they made it or not
                notes.append((path.name, None, "note", f"test is '{entry}', which is not there"))
            else:
                raise InputError(f"{path}: {part} is '{entry}', which is not there; wanted a folder or a list of images.")
    photos = [_photo(relative(image, path.parent), image, label_path(image, root), names) for image in found]
    return photos, notes + _orphans(found, root)


def read_list(path):
    """Return (photos, notes) of a text file of image paths, which start at the file. Raises InputError for another."""
    photos, names = [], _class_names(path.parent)
    for row, line in enumerate(read_text(path).splitlines(), 1):
        name = line.strip().replace("\\", "/")
        if name and not images.is_image_name(name):
            raise InputError(f"{path}, row {row}: is '{name[:60]}'; wanted the path of an image.")
        if name:
            image = existing(path.parent / name)
            photos.append(_photo(name.removeprefix("./"), image, label_path(image, path.parent), names))
            photos[-1].row = row
    return photos, []


def is_table(path):
    """Tell whether a text file is a table of images: its first line names columns, one of them `image`, and is no image."""
    header = next((line for line in read_text(path).splitlines() if line.strip()), "")
    return not set(re.split(r'[\s",;]+', header.lower())).isdisjoint(("image", *ALIASES)) and not images.is_image_name(header.strip())


def read_table(path):
    """Return (photos, notes) of a table image[,group]; paths start at the table, labels lie where a list's do."""
    photos, names = [], _class_names(path.parent)
    for row in read_rows(path, required=["image"]):
        image = existing(path.parent / row["image"])
        photos.append(_photo(row["image"], image, label_path(image, path.parent), names))
        photos[-1].row, photos[-1].group = row["row"], row.get("group") or None
    return photos, []


def label_path(image, folder):
    """Return the label file of an image: in the `labels` twin of its `images` folder, in labels/ or beside it."""
    parts = image.parent.parts
    tried = [folder / "labels" / relative(image.with_suffix(".txt"), folder)]
    if "images" in parts:
        last = len(parts) - 1 - parts[::-1].index("images")
        tried.insert(0, Path(*parts[:last], "labels", *parts[last + 1:], image.stem + ".txt"))
    tried += [image.parent / "labels" / f"{image.stem}.txt", image.with_suffix(".txt")]
    return next((path for path in map(existing, tried) if os.path.isfile(path)), tried[0])


def _orphans(found, folder):
    """Return a note of each label file that is of no image in the folders of those found: an image was lost, or renamed."""
    beside = [path for place in {image.parent for image in found if image.parent.is_dir()} for path in place.iterdir()]
    labels = {label_path(image, folder) for image in (*found, *filter(images.is_image_name, beside))}
    known = {normalize("NFC", str(label)) for label in labels}
    there = {path for place in {label.parent for label in labels if "labels" in label.parent.parts} for path in place.glob("*.txt")}
    return [(relative(path, folder), None, "left out", "label file of no image") for path in sorted(there)
            if path.name != "classes.txt" and normalize("NFC", str(path)) not in known]


def write(folder, photos):
    """Write labels/ and data.yaml; return the folder where images belong. Raises ValueError for an ignore region."""
    labels = sorted({box.label for photo in photos for box in photo.boxes})
    for photo in photos:
        path = folder / "labels" / PurePosixPath(photo.file_name).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(_line(box, photo.size, labels) for box in photo.boxes))
    content = {"path": ".", "train": "images", "val": "images", "names": dict(enumerate(labels))}
    (folder / "data.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return folder / "images"


def _line(box, size, labels):
    if box.crowd:
        raise ValueError("YOLO has no ignore regions")
    x1, y1, x2, y2 = box.corners
    shares = (x1 + x2) / 2 / size[0], (y1 + y2) / 2 / size[1], (x2 - x1) / size[0], (y2 - y1) / size[1]
    return " ".join([str(labels.index(box.label)), *map(plain, shares)]) + "\n"


def _photo(name, path, label, names):
    photo = Photo(name, path)
    if not os.path.isfile(label):
        photo.notes.append((None, "note", f"has no label file {label.name}: taken as an image without objects"))
        return photo
    try:
        lines = read_text(label).splitlines()
    except InputError:
        photo.problem = f"its label file {label.name} is not readable text"
        return photo
    for row, line in enumerate(lines, 1):
        if line.strip():
            _take(photo, row, line.split(), names)
    return photo


def _take(photo, row, words, names):
    values = [number(word) for word in words]
    if len(values) != 5 and (len(values) < 7 or len(values) % 2 == 0):
        reason = f"line of {len(values)} values; wanted class cx cy w h, or a class and 3 or more points"
        photo.notes.append((row, "dropped", reason))
        return
    if not (values[0] >= 0 and values[0].is_integer()):
        photo.notes.append((row, "dropped", f"class is '{words[0][:60]}'; wanted a whole number from 0"))
        return
    label = int(values[0])
    unnamed = f"class {label} has no name: taken as it is"
    if names and label not in names and unnamed not in [reason for _, _, reason in photo.notes]:
        photo.notes.append((row, "note", unnamed))
    photo.boxes.append(Box(_corners(values[1:]), names.get(label, str(label)), False, row, True))


def _corners(values):
    if len(values) > 4:
        return bounds(list(zip(values[0::2], values[1::2])))
    cx, cy, width, height = values
    return cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2


def _class_names(folder):
    """Read classes.txt where labelling tools leave it: in the folder, its labels, or those of the two folders above."""
    for place in (folder, *list(folder.parents)[:2]):
        for path in (place / "classes.txt", place / "labels" / "classes.txt"):
            if path.is_file():
                return {k: line.strip() for k, line in enumerate(read_text(path).splitlines()) if line.strip()}
    return {}


def _load(path):
    try:
        return yaml.safe_load(read_text(path))
    except (yaml.YAMLError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        row = f", row {where.line + 1}" if where else ""
        raise InputError(f"{path}{row}: is not YAML; wanted YOLO's data.yaml.") from None


def _names(path, given):
    pairs = dict(enumerate(given)) if isinstance(given, list) else given
    if not isinstance(pairs, dict) or not all(str(key).isdecimal() for key in pairs):
        raise InputError(f"{path}: names is {str(given)[:60]!r}; wanted a list of class names, or number: name.")
    return {int(key): str(name) for key, name in pairs.items()}


def _place(path, root, entry):
    """Return where an entry of a data.yaml is, or None."""
    tried = [root / entry, path.parent / entry, root / entry.removeprefix("../")]  # the last: as Roboflow exports it
    return next((existing(place) for place in tried if os.path.exists(existing(place))), None)


def _part(found, root):
    """Return the images of one entry: a folder, or a file that lists images."""
    if found.is_dir():
        return find_images(found.resolve())
    names = [line.strip() for line in read_text(found).splitlines() if line.strip()]
    return [existing(found.parent / name if os.path.exists(found.parent / name) else root / name) for name in names]
