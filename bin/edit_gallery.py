#!/usr/bin/env python3
"""Look at a gallery or change it by hand: one action a call.

Each action but --list, --history and --verify is a revision that --undo takes back. Nothing is
deleted: what is removed is no longer used, and stays in the folder with who did it and when.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow.task import InputError, login, run

if TYPE_CHECKING:
    from entoflow.identification.gallery import Gallery
    from entoflow.identification.gallery_files import Change, Revision

SHOWN = 3  # names in a sentence


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    if bool(args.merge) != bool(args.into):
        option = "merge" if args.merge else "into"
        raise InputError(f"--{option} was given alone; wanted --merge LABEL... --into NEW.")
    from entoflow.identification import gallery

    opened = gallery.read(args.gallery)
    if args.list:
        lines = [f"{label}\t{n}" for label, n in opened.classes.items()]
        print("\n".join([*lines, describe_gallery(opened)]))
    elif args.history:
        lines = [history_line(revision, opened.undone) for revision in opened.revisions]
        print("\n".join([*lines, describe_gallery(opened)]))
    elif args.verify:
        n_files = opened.verify()
        print(f"{n_files} files are as they were written; {describe_gallery(opened)}")
    else:
        sentence = edit(opened, args)
        print(f"{sentence}; {describe_gallery(opened)}")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument("gallery", metavar="GALLERY", type=Path, help="folder of the gallery")
    one = p.add_mutually_exclusive_group(required=True)
    one.add_argument(
        "--list", action="store_true", help="show the classes and their numbers of images"
    )
    one.add_argument("--history", action="store_true", help="show the revisions")
    one.add_argument("--verify", action="store_true", help="check every file by its SHA-256")
    one.add_argument("--remove", metavar="LABEL", help="remove a class")
    one.add_argument("--remove_image", metavar="NAME", help="remove an image")
    one.add_argument("--rename", nargs=2, metavar=("OLD", "NEW"), help="give a class another label")
    one.add_argument(
        "--merge", nargs="+", metavar="LABEL", help="make one class of these, named by --into"
    )
    one.add_argument("--undo", action="store_true", help="take the last revision back")
    p.add_argument("--into", metavar="NEW", help="label of the merged classes")
    p.add_argument("--by", metavar="NAME", help="who does it (default: your login name)")
    return p


def edit(gallery: Gallery, args: argparse.Namespace) -> str:
    """Make the change that is wanted and return what it did, in words."""
    by = args.by or login()
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    if args.undo:
        undone = gallery.undo(by, at)
        return f"undid revision {undone.number}: {describe(undone.change)}"
    if args.rename:
        old, new = args.rename
        return describe(gallery.rename(old, new, by, at).change)
    if args.merge:
        return describe(gallery.merge(args.merge, args.into, by, at).change)
    images = [] if args.remove_image is None else [args.remove_image]
    return describe(gallery.remove(by, at, images, args.remove).change)


def describe(change: Change) -> str:
    """Return what a change did, in words."""
    from entoflow.identification import gallery_files

    if isinstance(change, gallery_files.Undo):
        return f"undid revision {change.undone}"
    n = count_images(change.specimens)
    if isinstance(change, gallery_files.Enrolment):
        return f"enrolled {n} from {change.source} ({change.skipped} skipped)"
    if isinstance(change, gallery_files.Renaming):
        return f"renamed '{change.old}' to '{change.new}' ({n})"
    if isinstance(change, gallery_files.Merging):
        return f"merged {quote(change.labels)} into '{change.into}' ({n})"
    if change.label:
        return f"removed class '{change.label}' ({n})"
    return f"removed {n}: {quote(change.images)}"


def history_line(revision: Revision, undone: set[int]) -> str:
    """Return a revision as a line: number, time, person, change."""
    words = describe(revision.change)
    if revision.number in undone:
        words += " (undone)"
    return f"{revision.number}\t{revision.at}\t{revision.by}\t{words}"


def describe_gallery(gallery: Gallery) -> str:
    """Return how many images and classes a gallery holds, in words."""
    n_classes = len(gallery.classes)
    noun = "class" if n_classes == 1 else "classes"
    return f"{count_images(len(gallery))} in {n_classes} {noun}."


def count_images(n: int) -> str:
    return f"{n} image{'' if n == 1 else 's'}"


def quote(names: Sequence[str]) -> str:
    """Return the first names in quotes, and how many more there are."""
    quoted = ", ".join(f"'{name}'" for name in names[:SHOWN])
    if len(names) > SHOWN:
        return f"{quoted} and {len(names) - SHOWN} more"
    return quoted


if __name__ == "__main__":
    run(main)
