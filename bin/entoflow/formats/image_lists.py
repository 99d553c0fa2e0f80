"""Images without boxes.

With labels they come as a table or a folder per class, without as a folder, a table or a file.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from entoflow import sources
from entoflow.audit import Note
from entoflow.images import is_image_name
from entoflow.sources import SourceContent, SourceImage
from entoflow.tables import plain_label, read_rows
from entoflow.task import InputError

COLUMNS = ("split", "genus", "family")  # of a table of specimens


def read_labelled(source: Path) -> SourceContent:
    """Return the labelled images of a table, or of a folder per class.

    Raises InputError for a source of another form, or an image given with two labels.
    """
    path = sources.existing_source(source)
    return _class_folders(path) if path.is_dir() else _labelled_table(path)


def read_images(source: Path) -> SourceContent:
    """Return the images of a folder and all below it, of a table of images, or one image."""
    path = sources.existing_source(source)
    if path.is_dir():
        return SourceContent(
            [
                SourceImage(sources.relative(image, path), image)
                for image in sources.find_images(path)
            ],
            [],
            "images",
        )
    if is_image_name(path.name):
        return SourceContent([SourceImage(path.name, path)], [], "images")
    rows = read_rows(path, required=["image"])
    return _each_path_once([_image(path, row) for row in rows])


def _class_folders(folder: Path) -> SourceContent:
    images: list[SourceImage] = []
    notes: list[Note] = []
    for path in sources.find_images(folder):
        name = sources.relative(path, folder)
        if path.parent == folder:
            notes.append(
                Note(name, None, "left out", "lies in no class folder, so it has no label")
            )
        else:
            images.append(SourceImage(name, path, label=name.split("/")[0]))
    if not images:
        raise InputError(
            f"{folder}: holds {len(notes)} images and none in a folder below; "
            "wanted a folder per class."
        )
    return SourceContent(images, notes, "folders")


def _labelled_table(path: Path) -> SourceContent:
    rows = read_rows(path, required=["image", "label"], integers=["count"])
    images = [_image(path, row) for row in rows]
    first_of: dict[Path, SourceImage] = {}
    for image in images:
        first = first_of.setdefault(image.path, image)
        if first.label != image.label:
            raise InputError(
                f"{path}, rows {first.row} and {image.row}: {image.file_name} is labelled "
                f"'{first.label}' and '{image.label}'; wanted one label for an image."
            )
    return _each_path_once(images)


def _image(path: Path, row: dict[str, Any]) -> SourceImage:
    return SourceImage(
        row["image"],
        sources.named_in_table(path, row["image"]),
        label=row.get("label") or None,
        count=row.get("count"),
        group=row.get("group") or None,
        row=row["row"],
        columns={name: plain_label(row[name]) for name in COLUMNS if row.get(name)},
    )


def _each_path_once(images: Sequence[SourceImage]) -> SourceContent:
    """Return the content of a table: of the rows that give one image, the first."""
    first_of: dict[Path, SourceImage] = {}
    notes: list[Note] = []
    for image in images:
        first = first_of.setdefault(image.path, image)
        if first is not image:
            notes.append(
                Note(image.file_name, image.row, "dropped", f"row {first.row} gives the same image")
            )
    return SourceContent(list(first_of.values()), notes, "table")
