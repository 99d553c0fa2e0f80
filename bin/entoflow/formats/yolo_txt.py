"""YOLO: a text file of lines per image, `class cx cy w h` or `class x1 y1 x2 y2 x3 y3 ...`, mixed
as they come.

Numbers are shares of the upright image's width and height. YOLO's trainer reads any image without a
label file as one without objects, and so does this; but a forgotten file looks the same, so each
has a note.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

from entoflow import images, sources
from entoflow.audit import Note
from entoflow.sources import Corners, Source, SourceBox, SourceContent, SourceImage
from entoflow.tables import ALIASES, read_rows, read_text
from entoflow.task import InputError

Names = Mapping[int, str]  # class number -> its name


def recognises(source: Source) -> bool:
    """Return whether a folder holds images with label files, or a file is text that may list
    images.
    """
    if source.is_folder:
        return any(label_path(image, source.path).is_file() for image in _images_of(source))
    is_markup = source.starts_with("{", "[", "<") or source.path.suffix.lower() in (".yaml", ".yml")
    return bool(source.text.strip()) and not is_markup


def read(source: Source) -> SourceContent:
    """Return the images of a folder with labels, of a table image[,group], or of a text file that
    lists images.

    Raises InputError for a list with a line that is no image.
    """
    if source.is_folder:
        return _read_folder(source)
    return _read_table(source) if _is_table(source) else _read_list(source)


def label_path(image: Path, folder: Path) -> Path:
    """Return the label file of an image.

    In the `labels` twin of its `images` folder, in labels/ or next to it.
    """
    parts = image.parent.parts
    candidates = [folder / "labels" / sources.relative(image.with_suffix(".txt"), folder)]
    if "images" in parts:
        last = len(parts) - 1 - parts[::-1].index("images")
        candidates.insert(0, Path(*parts[:last], "labels", *parts[last + 1 :], image.stem + ".txt"))
    candidates += [image.parent / "labels" / f"{image.stem}.txt", image.with_suffix(".txt")]
    for candidate in candidates:
        path = sources.existing(candidate)
        if os.path.isfile(path):
            return path
    return candidates[0]


def read_labels(name: str, path: Path, labels: Path, names: Names) -> SourceImage:
    """Return an image with the boxes of its label file."""
    if not os.path.isfile(labels):
        reason = f"has no label file {labels.name}: taken as an image without objects"
        return SourceImage(name, path, notes=[Note(name, None, "note", reason)])
    try:
        lines = read_text(labels).splitlines()
    except InputError:
        return SourceImage(name, path, problem=f"its label file {labels.name} is not readable text")
    boxes: list[SourceBox] = []
    notes: list[Note] = []
    unnamed: set[int] = set()
    for row, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        fault = _fault(words)
        if fault:
            notes.append(Note(name, row, "dropped", fault))
            continue
        number, *values = (sources.number(word) for word in words)
        label = int(number)
        if names and label not in names and label not in unnamed:
            notes.append(Note(name, row, "note", f"class {label} has no name: taken as it is"))
            unnamed.add(label)
        boxes.append(
            SourceBox(_corners(values), names.get(label, str(label)), False, row, relative=True)
        )
    return SourceImage(name, path, boxes, notes=notes)


def orphans(paths: Sequence[Path], folder: Path) -> list[Note]:
    """Return a note on each label file without an image in the folders of the images.

    An image was lost, or renamed.
    """
    neighbours: list[Path] = []
    for place in {path.parent for path in paths if path.parent.is_dir()}:
        neighbours += [path for path in place.iterdir() if images.is_image_name(path.name)]
    labels = {label_path(image, folder) for image in (*paths, *neighbours)}
    known = {normalize("NFC", str(label)) for label in labels}
    label_files: set[Path] = set()
    for place in {label.parent for label in labels if "labels" in label.parent.parts}:
        label_files.update(place.glob("*.txt"))
    notes = []
    for path in sorted(label_files):
        if path.name != "classes.txt" and normalize("NFC", str(path)) not in known:
            notes.append(
                Note(sources.relative(path, folder), None, "left out", "label file of no image")
            )
    return notes


def _images_of(source: Source) -> list[Path]:
    is_paired = (source.path / "images").is_dir() and (source.path / "labels").is_dir()
    return sources.find_images(source.path / "images") if is_paired else source.images


def _read_folder(source: Source) -> SourceContent:
    folder = source.path
    paths = _images_of(source)
    names = _class_names(folder)
    content = [
        read_labels(sources.relative(path, folder), path, label_path(path, folder), names)
        for path in paths
    ]
    return SourceContent(content, orphans(paths, folder))


def _read_list(source: Source) -> SourceContent:
    folder = source.path.parent
    names = _class_names(folder)
    content = []
    for row, line in enumerate(source.text.splitlines(), 1):
        name = line.strip().replace("\\", "/")
        if not name:
            continue
        if not images.is_image_name(name):
            raise InputError(
                f"{source.path}, row {row}: is '{name[:60]}'; wanted the path of an image."
            )
        path = sources.existing(folder / name)
        image = read_labels(name.removeprefix("./"), path, label_path(path, folder), names)
        content.append(replace(image, row=row))
    return SourceContent(content)


def _is_table(source: Source) -> bool:
    """Return whether the first line names columns, one of them `image` or an alias of it, and is no
    image itself.
    """
    lines = (line for line in source.text.splitlines() if line.strip())
    header = next(lines, "")
    columns = set(re.split(r'[\s",;]+', header.lower()))
    return not columns.isdisjoint(("image", *ALIASES)) and not images.is_image_name(header.strip())


def _read_table(source: Source) -> SourceContent:
    folder = source.path.parent
    names = _class_names(folder)
    content = []
    for row in read_rows(source.path, required=["image"]):
        path = sources.existing(folder / row["image"])
        image = read_labels(row["image"], path, label_path(path, folder), names)
        content.append(replace(image, row=row["row"], group=row.get("group") or None))
    return SourceContent(content)


def _class_names(folder: Path) -> dict[int, str]:
    """Return the names of classes.txt where labelling tools leave it.

    In the folder, its labels, or those of the two above.
    """
    for place in (folder, *list(folder.parents)[:2]):
        for path in (place / "classes.txt", place / "labels" / "classes.txt"):
            if path.is_file():
                lines = [line.strip() for line in read_text(path).splitlines()]
                return {number: name for number, name in enumerate(lines) if name}
    return {}


def _fault(words: Sequence[str]) -> str | None:
    """Return why a line is neither a box nor a polygon of a class, None where it is one."""
    n_values = len(words)
    if n_values != 5 and (n_values < 7 or n_values % 2 == 0):
        return f"line of {n_values} values; wanted class cx cy w h, or a class and 3 or more points"
    number = sources.number(words[0])
    if not (number >= 0 and number.is_integer()):
        return f"class is '{words[0][:60]}'; wanted a whole number from 0"
    return None


def _corners(values: Sequence[float]) -> Corners:
    if len(values) > 4:
        points: Iterable[tuple[float, float]] = zip(values[0::2], values[1::2])
        return sources.bounds(points)
    cx, cy, width, height = values
    return cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2
