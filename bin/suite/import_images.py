#!/usr/bin/env python3
"""Read one source of images.

Check every file, bring boxes and labels into one form, and pack the images.

An image is taken if it decodes to its last byte; then its boxes are drawn on the upright image,
clipped to it or dropped. Of files with the same bytes one is taken, of those with the same bytes
and different labels none: nobody can tell which label is right. Whatever is not taken as it was
given has a row in the audit.
"""

import argparse
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from entoflow import audit, dataset, images, importing, taxonomy
from entoflow.audit import AuditRow, Note
from entoflow.dataset import Box, Dataset, Image
from entoflow.formats.box_placing import PlacedBox, place
from entoflow.images import ImageFacts
from entoflow.sources import SourceContent, SourceImage
from entoflow.tables import plain_text
from entoflow.task import InputError, run

BOX_ROLES = ("boxes", "test", "audit", "reviewed")
LABEL_ROLES = ("labelled", "specimens")
BARE_ROLES = ("unlabelled", "predict")

Facts = Mapping[str, ImageFacts]  # by file name
Boxes = Mapping[str, Sequence[PlacedBox]]  # by file name


def main(argv: Sequence[str] | None = None) -> None:
    args = check_arguments(parser().parse_args(argv))
    warnings.filterwarnings("ignore", module="PIL")  # odd metadata; what matters is an error
    content = read_source(args.source, args.role)
    facts, unusable = importing.describe_all(
        content.images, images.describe, images.BadImage, args.cpus
    )
    importing.refuse_too_many(args.source, content.images, unusable, args.max_bad_files, "images")
    usable = [image for image in content.images if image.file_name in facts]
    unique, doubles = importing.without_doubles(usable, lambda image: facts[image.file_name].sha256)
    boxes, repairs = place_boxes(unique, facts)
    if args.role in BOX_ROLES:
        refuse_useless_boxes(args, boxes, repairs)
    taken, emptied = leave_out_emptied(unique, boxes, repairs)
    content_set = build_dataset(args, taken, facts, boxes, content.format)
    if args.role == "specimens":
        check_taxonomy(content_set.images, args.source)

    write_packs(args.packs_folder, args.name, args.pack_size, taken, facts)
    dataset.write(args.dataset, content_set)
    notes = [*content.notes, *unusable, *doubles, *repairs, *emptied]
    rows = audit.rows_of(notes, args.source_name, "import_images")
    audit.write(args.audit, rows)
    print(summarise(args, content_set, rows))


def parser() -> argparse.ArgumentParser:
    assert __doc__
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--source", type=Path, required=True, help="file or folder to read")
    roles = [*BOX_ROLES, *LABEL_ROLES, *BARE_ROLES]
    p.add_argument("--role", choices=roles, required=True, help="what its images are for")
    p.add_argument("--name", required=True, help="start of the packs' names, such as boxes_1")
    p.add_argument(
        "--max_bad_files",
        type=float,
        default=0.05,
        help="share of files that may be unusable before that is an error (default %(default)s)",
    )
    p.add_argument(
        "--pack_size", type=int, default=500, help="images in a pack at most (default %(default)s)"
    )
    p.add_argument(
        "--cpus", type=int, default=2, help="images to check at a time (default %(default)s)"
    )
    p.add_argument(
        "--dataset", type=Path, required=True, help="JSON file to write: the images and their boxes"
    )
    p.add_argument(
        "--audit",
        type=Path,
        required=True,
        help="JSON file to write: what was not taken as given, and why",
    )
    p.add_argument(
        "--packs_folder", type=Path, required=True, help="folder to write the packs of images to"
    )
    return p


def check_arguments(args: argparse.Namespace) -> argparse.Namespace:
    """Return the arguments, with source_name: the source's name as text.

    Raises InputError for a number out of its range.
    """
    importing.check_numbers(args, "pack_size", "cpus")
    if not args.source.name:  # `.` has no name
        args.source = args.source.resolve()
    args.source_name = plain_text(args.source.name)
    args.source = importing.user_path(args.source)
    return args


def read_source(source: Path, role: str) -> SourceContent:
    """Return the images of a source, sorted by file name. Raises InputError where it has none."""
    from entoflow.formats import box_formats, image_lists

    if role in BOX_ROLES:
        content = box_formats.read(source)
    elif role in LABEL_ROLES:
        content = image_lists.read_labelled(source)
    else:
        content = image_lists.read_images(source)
    if not content.images:
        left_out = [
            f"{note.file_name}: {note.reason}"
            for note in content.notes
            if note.action == "left out"
        ]
        first = f", the first {left_out[0]}" if left_out else ""
        raise InputError(
            f"{source}: has no image to take ({len(left_out)} left out{first}); "
            "wanted at least one."
        )
    ordered = sorted(content.images, key=lambda image: image.file_name)
    return SourceContent(ordered, content.notes, content.format)


def place_boxes(sources: Sequence[SourceImage], facts: Facts) -> tuple[Boxes, list[Note]]:
    """Return ({file name: boxes in the upright image, clipped and sorted}, notes on what was mended
    or dropped).
    """
    boxes: dict[str, list[PlacedBox]] = {}
    notes: list[Note] = []
    for image in sources:
        fact = facts[image.file_name]
        boxes[image.file_name], repairs = place(image, fact.width, fact.height, fact.orientation)
        notes += [*image.notes, *repairs]
    return boxes, notes


def refuse_useless_boxes(args: argparse.Namespace, boxes: Boxes, notes: Sequence[Note]) -> None:
    """Raise InputError where no box is left, ignore regions aside, or all are in shares of the
    sides, not in pixels.

    A review may find every photo empty.
    """
    objects = []
    for placed in boxes.values():
        objects += [box for box in placed if not box.iscrowd]
    if objects:
        if max(max(box.corners) for box in objects) <= 1:
            raise InputError(
                f"{args.source}: all its boxes lie in the first pixel of their images "
                "(shares of the sides?); wanted corners in pixels."
            )
        return
    if args.role != "reviewed":
        dropped = [f"{note.file_name}: {note.reason}" for note in notes if note.action == "dropped"]
        first = f" ({len(dropped)} dropped, the first in {dropped[0]})" if dropped else ""
        raise InputError(
            f"{args.source}: has no box in its {len(boxes)} images{first}; wanted at least one."
        )


def leave_out_emptied(
    sources: Sequence[SourceImage], boxes: Boxes, notes: Sequence[Note]
) -> tuple[list[SourceImage], list[Note]]:
    """Return (images, notes).

    One whose boxes were all dropped is left out, as it would pose as an image without objects.
    """
    dropped = {plain_text(note.file_name) for note in notes if note.action == "dropped"}
    taken: list[SourceImage] = []
    emptied: list[Note] = []
    for image in sources:
        if image.file_name in dropped and not boxes[image.file_name]:
            reason = "none of its boxes can be used: not known to be empty"
            emptied.append(Note(image.file_name, None, "left out", reason))
        else:
            taken.append(image)
    return taken, emptied


def build_dataset(
    args: argparse.Namespace,
    sources: Sequence[SourceImage],
    facts: Facts,
    boxes: Boxes,
    source_format: str,
) -> Dataset:
    """Return the data set: images in the order of their names, with their boxes."""
    members = []
    placed: list[Box] = []
    for position, source in enumerate(sources):
        fact = facts[source.file_name]
        members.append(
            describe_member(source, fact, pack_name(args.name, position // args.pack_size))
        )
        placed += [as_dataset_box(fact.id, box) for box in boxes[source.file_name]]
    labels = sorted({box.label for box in placed})
    return Dataset(
        members, placed, labels, role=args.role, format=source_format, source=args.source_name
    )


def describe_member(source: SourceImage, fact: ImageFacts, pack: str) -> Image:
    return Image(
        fact.id,
        source.file_name,
        pack=pack,
        member=images.member_name(fact.sha256, fact.suffix),
        width=fact.width,
        height=fact.height,
        sha256=fact.sha256,
        phash=fact.phash,
        mirrored=fact.mirrored,
        thumbnail=fact.thumbnail,
        group=source.group or source.file_name,
        label=source.label,
        count=source.count,
        split=source.columns.get("split"),
        genus=source.columns.get("genus"),
        family=source.columns.get("family"),
    )


def as_dataset_box(image_id: int, box: PlacedBox) -> Box:
    x1, y1, x2, y2 = box.corners
    return Box(image_id, box.label, (x1, y1, x2 - x1, y2 - y1), box.iscrowd)


def check_taxonomy(members: Sequence[Image], source: Path) -> None:
    """Raise InputError where images of a class differ in genus or family."""
    taxonomy.taxa_of_images(members, source)


def write_packs(
    folder: Path, name: str, size: int, sources: Sequence[SourceImage], facts: Facts
) -> None:
    """Write the images to packs, reading each file once more, as none was held in memory."""
    for start in range(0, len(sources), size):
        files = []
        for source in sources[start : start + size]:
            fact = facts[source.file_name]
            files.append((source.path, fact.sha256, fact.suffix))
        images.write_pack(folder / pack_name(name, start // size), files)


def pack_name(name: str, number: int) -> str:
    """Return the name of a pack by its number, from 0."""
    return f"{name}_{number + 1:04d}.zip"


def summarise(args: argparse.Namespace, content: Dataset, rows: Sequence[AuditRow]) -> str:
    """Return the last line printed: what was taken and what was not."""
    counts = Counter(row.action for row in rows)
    boxes = f" with {len(content.boxes)} boxes" if args.role in BOX_ROLES else ""
    others = [
        f"{action} {counts[action]}"
        for action in ("dropped", "clipped", "joined", "note")
        if counts[action]
    ]
    more = f" (other rows: {', '.join(others)})" if others else ""
    taken = f"Took {len(content.images)} images{boxes} from {content.source}"
    return f"{taken}, left out {counts['left out']}{more}: see {args.audit.name}."


if __name__ == "__main__":
    run(main)
