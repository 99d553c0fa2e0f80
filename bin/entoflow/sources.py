"""What every reader of a source hands over: photos with their boxes as given. No image is opened here."""
import math
import os
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from entoflow import images
from entoflow.tables import plain_label, plain_text
from entoflow.task import InputError

CROWD_NAMES = {"crowd", "iscrowd", "difficult", "ignore"}  # tags that make a box an ignore region


class Box(NamedTuple):
    """A box as given: half-open corners x1, y1, x2, y2 in pixels, or in shares of the upright image's sides."""

    corners: tuple
    label: str
    crowd: bool = False
    row: int | None = None  # line, or place in the list, from 1
    shares: bool = False


@dataclass
class Photo:
    """An image of a source. `notes`: (row, action, reason) of what the reader could not take."""

    file_name: str  # as the user knows it
    path: Path
    boxes: list = field(default_factory=list)
    size: tuple | None = None  # declared width and height
    label: str | None = None
    count: int | None = None
    group: str | None = None
    columns: dict = field(default_factory=dict)  # what a table says of it beside: split, genus, family
    row: int | None = None
    problem: str | None = None  # why it cannot be used, whatever its pixels are
    notes: list = field(default_factory=list)

    def __post_init__(self):
        self.file_name = plain_text(self.file_name)
        self.label, self.group = (plain_label(text) if text else None for text in (self.label, self.group))


def find_images(folder):
    """Return the sorted paths of all images in a folder and below, as find_files does."""
    return find_files(folder, images.is_image_name, "images")


def find_files(folder, wanted, noun):
    """Return the sorted paths of all files of a wanted name in a folder and below; hidden files and folders are none.

    noun: what they are. Raises InputError for a folder that cannot be read.
    """
    def refuse(error):
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}); wanted a folder of {noun}.")

    found, seen = [], set()
    for name, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        status = os.stat(name)
        if (status.st_dev, status.st_ino) in seen:  # a link back up would never end
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = [child for child in folders if not child.startswith((".", "__MACOSX"))]
        found += [Path(name, file) for file in files if wanted(file) and not file.startswith(".")]
    return sorted(found)


def existing(path):
    """Return the path in the Unicode form that exists: macOS and Linux write umlauts differently. Else as it is."""
    name = os.path.normpath(path)
    forms = (name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))
    return Path(next((form for form in forms if os.path.exists(form)), name))


def named_in_table(table, name):
    """Return the path of a file as a table names it. A name with backslashes was written under Windows, unless a file is called that."""
    found = existing(table.parent / name)
    return existing(table.parent / name.replace("\\", "/")) if "\\" in name and not os.path.exists(found) else found


def relative(path, folder):
    """Return a path as its user knows it: from the folder, with forward slashes."""
    return Path(os.path.relpath(path, folder)).as_posix()


def existing_source(path):
    """Return the real path of what a person gave, so that files beside a linked file are found. Raises InputError."""
    try:
        path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); wanted a file or folder.") from None
    return path.resolve()


def number(value):
    """Return a value as float: NaN for what is no number."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def entries(value):
    """Return the dicts of a list read from JSON: none where it is no list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def declared_size(width, height):
    """Return (width, height) in whole pixels, or None where the source does not say."""
    width, height = number(width), number(height)
    return (int(width), int(height)) if 0 < width < math.inf and 0 < height < math.inf else None


def bounds(points):
    """Return the corners of the box around points [(x, y)]: NaN if there is none or one is no number."""
    flat = [number(value) for point in points for value in point]
    if not flat or not all(map(math.isfinite, flat)):
        return (math.nan,) * 4
    return min(flat[0::2]), min(flat[1::2]), max(flat[0::2]), max(flat[1::2])


def plain(value):
    """Return a number for a text format: whole where it is whole, else all of its digits."""
    return str(int(value)) if value == int(value) else repr(float(value))
