"""What every reader of a source hands over: images with their boxes as the user gave them.

No image is opened here.
"""

import math
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from entoflow import images
from entoflow.audit import Note
from entoflow.tables import plain_label, plain_text, read_json, read_text
from entoflow.task import InputError

CROWD_NAMES = {"crowd", "iscrowd", "difficult", "ignore"}  # tags that make a box an ignore region

Corners = tuple[float, float, float, float]  # x1, y1, x2, y2; half-open: x2 and y2 lie just outside
NO_CORNERS: Corners = (math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class SourceBox:
    """A box as the user gave it: in pixels, or in shares of the upright image's sides."""

    corners: Corners
    label: str
    iscrowd: bool = False  # an ignore region
    row: int | None = None  # line, or place in a list, from 1
    relative: bool = False  # whether the corners are shares of the sides


@dataclass(frozen=True)
class AnnotatedImage:
    """An image as a labelling tool gets it: its boxes are in pixels."""

    file_name: str
    size: tuple[int, int]  # width and height
    boxes: Sequence[SourceBox] = ()


@dataclass(frozen=True)
class SourceImage:
    """An image of a source, with all that the source says of it."""

    file_name: str  # as the user knows it
    path: Path
    boxes: Sequence[SourceBox] = ()
    size: tuple[int, int] | None = None  # width and height as the source declares them
    label: str | None = None
    count: int | None = None
    group: str | None = None
    columns: Mapping[str, str] = field(
        default_factory=dict
    )  # further columns of a table: split, genus, family
    row: int | None = None
    problem: str | None = None  # why it cannot be used, whatever its pixels are
    notes: Sequence[Note] = ()  # on what the reader did not take as it was given

    def __post_init__(self) -> None:
        object.__setattr__(self, "file_name", plain_text(self.file_name))
        for name in ("label", "group"):
            text = getattr(self, name)
            object.__setattr__(self, name, plain_label(text) if text else None)


@dataclass(frozen=True)
class SourceContent:
    """All that a reader takes from a source."""

    images: list[SourceImage]
    notes: list[Note] = field(default_factory=list)  # on what belongs to none of these images
    format: str = ""


@dataclass(frozen=True)
class Source:
    """A file or folder that a user gave. What several readers look at is read once."""

    path: Path

    @cached_property
    def is_folder(self) -> bool:
        return self.path.is_dir()

    @cached_property
    def text(self) -> str:
        """The file's text. Raises InputError where it is no text."""
        return read_text(self.path)

    @cached_property
    def images(self) -> list[Path]:
        """All images in the folder and below."""
        return find_images(self.path)

    @cached_property
    def documents(self) -> dict[Path, Any]:
        """{path: content} of the JSON file, or of those in a folder where exporters put their
        annotations.
        """
        if not self.is_folder:
            return {self.path: read_json(self.path)} if self.starts_with("{", "[") else {}
        folders = (self.path, self.path / "annotations", self.path / "images")
        paths = sorted(path for folder in folders for path in folder.glob("*.json"))
        return {path: read_json(path) for path in paths}

    def starts_with(self, *characters: str) -> bool:
        """Return whether the first character of the file, after blanks, is one of these."""
        return self.text.lstrip().startswith(characters)


def find_images(folder: Path) -> list[Path]:
    """Return the sorted paths of all images in a folder and below, as find_files does."""
    return find_files(folder, images.is_image_name, "images")


def find_files(folder: Path, wanted: Callable[[str], bool], noun: str) -> list[Path]:
    """Return the sorted paths of all files with a wanted name in a folder and below, without hidden
    files and folders.

    noun: what the files are, for the error. Raises InputError for a folder that cannot be read.
    """

    def refuse(error: OSError) -> NoReturn:
        raise InputError(
            f"{error.filename}: cannot be read ({error.strerror}); wanted a folder of {noun}."
        )

    paths: list[Path] = []
    seen = set()
    for name, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        status = os.stat(name)
        identity = (status.st_dev, status.st_ino)
        if identity in seen:  # a link to a folder above would never end
            folders.clear()
            continue
        seen.add(identity)
        folders[:] = [child for child in folders if not child.startswith((".", "__MACOSX"))]
        visible = [file for file in files if not file.startswith(".")]
        paths += [Path(name, file) for file in visible if wanted(file)]
    return sorted(paths)


def existing(path: Path) -> Path:
    """Return the path in the Unicode form that exists, as macOS and Linux write umlauts
    differently; else as it is.
    """
    name = os.path.normpath(path)
    for form in (name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)):
        if os.path.exists(form):
            return Path(form)
    return Path(name)


def named_in_table(table: Path, name: str) -> Path:
    """Return the path of a file by its name in a table.

    A name with backslashes was written under Windows, unless a file is called that.
    """
    path = existing(table.parent / name)
    if "\\" not in name or os.path.exists(path):
        return path
    return existing(table.parent / name.replace("\\", "/"))


def relative(path: Path, folder: Path) -> str:
    """Return a path as its user knows it: from the folder, with forward slashes."""
    return Path(os.path.relpath(path, folder)).as_posix()


def existing_source(path: Path) -> Path:
    """Return the real path of a source, so that files next to a linked file are found.

    Raises InputError where the source is absent or cannot be read.
    """
    try:
        path.stat()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); wanted a file or folder."
        ) from None
    return path.resolve()


def number(value: Any) -> float:
    """Return a value as float: NaN for what is no number."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def entries(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list that was read from JSON: none where it is no list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def declared_size(width: Any, height: Any) -> tuple[int, int] | None:
    """Return (width, height) in whole pixels, or None where the source declares none."""
    sides = (number(width), number(height))
    if not all(0 < side < math.inf for side in sides):
        return None
    return int(sides[0]), int(sides[1])


def bounds(points: Iterable[Sequence[Any]]) -> Corners:
    """Return the corners of the box around points (x, y); NaN where one is no number."""
    numbers = [(number(x), number(y)) for x, y in points]
    if not numbers or not all(math.isfinite(x) and math.isfinite(y) for x, y in numbers):
        return NO_CORNERS
    xs = [x for x, _ in numbers]
    ys = [y for _, y in numbers]
    return min(xs), min(ys), max(xs), max(ys)


# Until write_review.py uses AnnotatedImage and SourceBox.
Box = SourceBox


def Photo(  # noqa: N802
    file_name: str, path: Any, boxes: Sequence[SourceBox], size: tuple[int, int]
) -> AnnotatedImage:
    return AnnotatedImage(file_name, size, boxes)
