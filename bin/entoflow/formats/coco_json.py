"""COCO json: boxes x, y, width, height in pixels; lists of images, annotations and categories."""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from entoflow import sources
from entoflow.audit import Note
from entoflow.sources import Corners, Source, SourceBox, SourceContent, SourceImage
from entoflow.tables import read_json
from entoflow.task import InputError

Entry = dict[str, Any]


def recognises(source: Source) -> bool:
    """Return whether a JSON file, one in a folder, or the parts of a Roboflow export are meant to
    be COCO.
    """
    return any(is_document(content) for content in source.documents.values()) or bool(
        _roboflow_parts(source)
    )


def is_document(content: Any) -> bool:
    """Return whether the content of a JSON file is meant to be COCO."""
    return isinstance(content, dict) and ("annotations" in content or "images" in content)


def read(source: Source) -> SourceContent:
    """Return the images of a COCO file, or of all parts of a Roboflow export.

    Raises InputError for a missing list.
    """
    folder = source.path if source.is_folder else source.path.parent
    documents = {
        path: content for path, content in source.documents.items() if is_document(content)
    }
    if not documents:
        documents = {path: read_json(path) for path in _roboflow_parts(source)}
    images: list[SourceImage] = []
    notes: list[Note] = []
    for path, content in documents.items():
        part = _read_document(path, content, folder)
        images += part.images
        notes += part.notes
    return SourceContent(images, notes)


def _roboflow_parts(source: Source) -> list[Path]:
    return sorted(source.path.glob("*/_annotations.coco.json")) if source.is_folder else []


def _read_document(path: Path, content: Entry, folder: Path) -> SourceContent:
    """Return the images of a COCO file; their file names start at the folder."""
    listed = _by_id(path, "images", "file_name", _entries(path, content, "images"))
    categories = _by_id(path, "categories", "name", _entries(path, content, "categories", []))
    images = {key: _image(path, row, entry, folder) for key, (row, entry) in listed.items()}
    names = {key: str(entry.get("name")) for key, (_, entry) in categories.items()}
    boxes: dict[str, list[SourceBox]] = defaultdict(list)
    notes_on: dict[str, list[Note]] = defaultdict(list)
    notes: list[Note] = []
    for row, entry in _entries(path, content, "annotations"):
        key = _key(entry.get("image_id"))
        category = _key(entry.get("category_id"))
        if key not in images:
            notes.append(
                Note(path.name, row, "dropped", f"box of image {key}, which `images` does not list")
            )
        elif isinstance(entry.get("bbox"), list) or isinstance(entry.get("segmentation"), list):
            boxes[key].append(_box(row, entry, names.get(category, category)))
        else:
            reason = "has no bbox and no polygon; wanted one of them"
            notes_on[key].append(Note(images[key].file_name, row, "dropped", reason))
    complete = [
        replace(image, boxes=boxes[key], notes=notes_on[key]) for key, image in images.items()
    ]
    return SourceContent(complete, notes)


def _entries(
    path: Path, content: Entry, name: str, default: Any = None
) -> Iterator[tuple[int, Entry]]:
    """Yield (row from 1, entry) of a list. Raises InputError where it is no list of objects."""
    listed = content.get(name, default)
    if not isinstance(listed, list):
        raise InputError(
            f"{path}: has no list `{name}`; wanted COCO with images, annotations and categories."
        )
    for row, entry in enumerate(listed, 1):
        if not isinstance(entry, dict):
            raise InputError(
                f"{path}: entry {row} of `{name}` is {json.dumps(entry)[:40]}; wanted an object."
            )
        yield row, entry


def _by_id(
    path: Path, part: str, name: str, listed: Iterable[tuple[int, Entry]]
) -> dict[str, tuple[int, Entry]]:
    """Return {id: (row, entry)}.

    Raises InputError for an id of two names: its boxes would go to either.
    """
    entries: dict[str, tuple[int, Entry]] = {}
    for row, entry in listed:
        first_row, first = entries.setdefault(_key(entry.get("id")), (row, entry))
        if first.get(name) != entry.get(name):
            raise InputError(
                f"{path}: entries {first_row} and {row} of `{part}` have the id {entry.get('id')} "
                f"for {first.get(name)} and {entry.get(name)}; wanted an id for each."
            )
    return entries


def _image(path: Path, row: int, entry: Entry, folder: Path) -> SourceImage:
    name = entry.get("file_name")
    if not isinstance(name, str) or not name or _key(entry.get("id")) == "None":
        raise InputError(f"{path}: entry {row} of `images` has no id or no file_name; wanted both.")
    image_path = _find(path, name.replace("\\", "/"))
    file_name = sources.relative(image_path, folder) if image_path.is_relative_to(folder) else name
    size = sources.declared_size(entry.get("width"), entry.get("height"))
    group = entry.get("group")
    return SourceImage(
        file_name, image_path, size=size, row=row, group=None if group is None else str(group)
    )


def _find(path: Path, name: str) -> Path:
    """Return an image's path where exporters put images.

    Next to the file, in images/, or next to annotations/, by split or not.
    """
    folder = path.parent
    above = folder.parent
    split = path.stem.removeprefix("instances_")
    for place in (
        folder,
        folder / "images",
        above,
        above / "images",
        above / split,
        above / "images" / split,
    ):
        for candidate in (place / name, place / Path(name).name):
            image = sources.existing(candidate)
            if os.path.isfile(image):
                return image
    return folder / name


def _box(row: int, entry: Entry, label: str) -> SourceBox:
    flags = [str(entry.get(name, 0)).lower() for name in ("iscrowd", "ignore", "difficult")]
    return SourceBox(_corners(entry), label, "1" in flags or "true" in flags, row)


def _corners(entry: Mapping[str, Any]) -> Corners:
    bbox = entry.get("bbox")
    outline = entry.get("segmentation")
    if isinstance(bbox, list) and len(bbox) == 4:
        x, y, width, height = map(sources.number, bbox)
        return x, y, x + width, y + height
    if not isinstance(outline, list) or not all(isinstance(part, list) for part in outline):
        return sources.NO_CORNERS
    points: list[tuple[Any, Any]] = []
    for part in outline:
        points += zip(part[0::2], part[1::2])
    return sources.bounds(points)


def _key(value: Any) -> str:
    """Return an id as text, so that 7, 7.0 and "7" are one."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
