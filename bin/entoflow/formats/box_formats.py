"""The table of box formats. Which one a source has is told by its content, not by its name."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from entoflow.audit import Note
from entoflow.formats import coco_json, label_studio, pascal_voc, supervisely, yolo_data, yolo_txt
from entoflow.sources import Source, SourceContent, SourceImage, existing_source, relative
from entoflow.task import InputError


class BoxFormat(Protocol):
    """A module that reads one format."""

    def recognises(self, source: Source) -> bool:
        """Return whether a file or folder is meant to be of this format."""

    def read(self, source: Source) -> SourceContent:
        """Return the images with their boxes. Raises InputError where the source is broken."""


# The first format that recognises a source reads it. Those that need more to be recognised come
# first.
FORMATS: tuple[tuple[str, BoxFormat], ...] = (
    ("supervisely", supervisely),
    ("yolo", yolo_data),
    ("label_studio", label_studio),
    ("coco", coco_json),
    ("voc", pascal_voc),
    ("yolo", yolo_txt),
)
WANTED = (
    "wanted COCO json, a Pascal VOC folder, YOLO (data.yaml, a list or table of images, "
    "or images with their labels), a Supervisely project or a Label Studio export "
    "(its JSON, not JSON-MIN or CSV)"
)


def read(path: Path) -> SourceContent:
    """Return the images of a source, sorted by file name, each path once.

    An image in a given folder that no annotation mentions has a note: it is not known to be empty.
    Raises InputError where the source is of no known format, or is broken.
    """
    source = Source(existing_source(path))
    name, box_format = _format(source)
    _refuse_several_documents(source, box_format)
    content = box_format.read(source)
    images = _join_records(content.images)
    notes = list(content.notes)
    if source.is_folder:
        notes += _note_unmentioned(source, images, notes)
    return SourceContent(images, notes, name)


def _format(source: Source) -> tuple[str, BoxFormat]:
    for name, box_format in FORMATS:
        if box_format.recognises(source):
            return name, box_format
    if source.is_folder:
        n_images = len(source.images)
        raise InputError(
            f"{source.path}: holds {n_images} images and no boxes in a known format; {WANTED}."
        )
    if source.documents:
        raise InputError(
            f"{source.path}: is JSON, but neither COCO nor a Label Studio export; {WANTED}."
        )
    if yolo_data.is_yaml(source.path):
        raise InputError(f"{source.path}: is YAML without names, train and val; {WANTED}.")
    raise InputError(f"{source.path}: is empty; {WANTED}.")


def _refuse_several_documents(source: Source, box_format: BoxFormat) -> None:
    """Raise InputError for a folder with two JSON files of boxes.

    Either may be the one that was meant.
    """
    if box_format not in (coco_json, label_studio):
        return
    paths = []
    for path, content in source.documents.items():
        if coco_json.is_document(content) or label_studio.is_document(content):
            paths.append(path)
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths[:4])
        raise InputError(
            f"{source.path}: holds {names}; wanted one JSON file of boxes: name the file."
        )


def _note_unmentioned(
    source: Source, images: Sequence[SourceImage], notes: Sequence[Note]
) -> list[Note]:
    mentioned = {image.path for image in images} | {source.path / note.file_name for note in notes}
    unmentioned = [path for path in source.images if path not in mentioned]
    reason = "no annotation mentions it: not known to be empty"
    return [Note(relative(path, source.path), None, "left out", reason) for path in unmentioned]


def _join_records(images: Sequence[SourceImage]) -> list[SourceImage]:
    """Return images sorted, each path once.

    Boxes of two records of an image are joined, equal ones taken once.
    """
    joined: dict[Path, SourceImage] = {}
    for image in images:
        first = joined.get(image.path)
        joined[image.path] = _join_two(first, image) if first else image
    return sorted(joined.values(), key=lambda image: image.file_name)


def _join_two(first: SourceImage, second: SourceImage) -> SourceImage:
    known = [(box.corners, box.label, box.iscrowd) for box in first.boxes]
    new = [box for box in second.boxes if (box.corners, box.label, box.iscrowd) not in known]
    reason = f"is annotated twice: {len(new)} boxes added to the first record's"
    notes = [replace(note, file_name=first.file_name) for note in second.notes]
    notes.append(Note(first.file_name, second.row, "joined", reason))
    return replace(
        first,
        boxes=[*first.boxes, *new],
        notes=[*first.notes, *notes],
        problem=first.problem or second.problem,
    )
