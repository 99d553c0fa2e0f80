"""YOLO's data.yaml: the names of the classes, and where the images of train, val and test are."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from entoflow import sources
from entoflow.audit import Note
from entoflow.formats import yolo_txt
from entoflow.sources import Source, SourceContent
from entoflow.tables import read_text
from entoflow.task import InputError

PARTS = ("train", "val", "test")


def recognises(source: Source) -> bool:
    """Return whether a file is a data.yaml, or a folder holds one."""
    if source.is_folder:
        return bool(_data_files(source.path))
    return is_yaml(source.path) and not source.starts_with("{", "[", "<") and _is_data(source.path)


def is_yaml(path: Path) -> bool:
    """Return whether a file is meant to be YAML."""
    return path.suffix.lower() in (".yaml", ".yml")


def read(source: Source) -> SourceContent:
    """Return the images of all parts: the suite makes a split of its own.

    Raises InputError for a folder with two such files, and where the images of train or val are not
    there.
    """
    path = _only(source.path, _data_files(source.path)) if source.is_folder else source.path
    content = _load(path)
    names = _names(path, content["names"])
    root = path.parent / str(content.get("path") or "")
    if not os.path.isdir(root):
        root = path.parent  # a `path` of another computer
    notes = [
        Note(
            path.name,
            None,
            "note",
            "train, val and test are all taken; parts are made anew, by group",
        )
    ]
    image_paths: dict[Path, None] = {}  # in order, each once
    for part in PARTS:
        for entry in _entries(content.get(part)):
            place = _place(path, root, entry)
            if place:
                image_paths.update(dict.fromkeys(_images(place, root)))
            elif part == "test":  # exporters name one whether they made it or not
                notes.append(
                    Note(path.name, None, "note", f"test is '{entry}', which is not there")
                )
            else:
                raise InputError(
                    f"{path}: {part} is '{entry}', which is not there; "
                    "wanted a folder or a list of images."
                )
    images = []
    for image in image_paths:
        name = sources.relative(image, path.parent)
        images.append(yolo_txt.read_labels(name, image, yolo_txt.label_path(image, root), names))
    return SourceContent(images, notes + yolo_txt.orphans(list(image_paths), root))


def _data_files(folder: Path) -> list[Path]:
    return [
        path for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]) if _is_data(path)
    ]


def _only(folder: Path, paths: list[Path]) -> Path:
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths[:4])
        raise InputError(f"{folder}: holds {names}; wanted one data.yaml: name the file.")
    return paths[0]


def _is_data(path: Path) -> bool:
    content = _load(path)
    return (
        isinstance(content, dict)
        and "names" in content
        and ("train" in content or "val" in content)
    )


def _load(path: Path) -> Any:
    try:
        return yaml.safe_load(read_text(path))
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        row = f", row {mark.line + 1}" if mark else ""
        raise InputError(f"{path}{row}: is not YAML; wanted YOLO's data.yaml.") from None


def _names(path: Path, listed: Any) -> dict[int, str]:
    pairs = dict(enumerate(listed)) if isinstance(listed, list) else listed
    if not isinstance(pairs, dict) or not all(str(key).isdecimal() for key in pairs):
        raise InputError(
            f"{path}: names is {str(listed)[:60]!r}; wanted a list of class names, or number: name."
        )
    return {int(key): str(name) for key, name in pairs.items()}


def _entries(value: Any) -> list[str]:
    """Return the folders and lists that a part names: one, several or none."""
    values = value if isinstance(value, list) else [value]
    return [str(entry) for entry in values] if value else []


def _place(path: Path, root: Path, entry: str) -> Path | None:
    """Return where an entry of a data.yaml is, or None."""
    as_roboflow_exports = root / entry.removeprefix("../")
    for candidate in (root / entry, path.parent / entry, as_roboflow_exports):
        place = sources.existing(candidate)
        if os.path.exists(place):
            return place
    return None


def _images(place: Path, root: Path) -> Iterable[Path]:
    """Return the images of one entry: a folder, or a file that lists images."""
    if place.is_dir():
        return sources.find_images(place.resolve())
    paths = []
    for line in read_text(place).splitlines():
        name = line.strip()
        if name:
            folder = place.parent if os.path.exists(place.parent / name) else root
            paths.append(sources.existing(folder / name))
    return paths
