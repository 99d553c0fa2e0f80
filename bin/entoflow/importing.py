"""What an import of images and one of recordings share.

Check every file, and write an audit row for what is not taken as it was given.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Protocol, TypeVar

from entoflow.audit import Note
from entoflow.task import InputError


class Item(Protocol):
    """An image, or a recording or a part of one, as a reader of sources hands it over."""

    @property
    def file_name(self) -> str: ...  # as its user knows it

    @property
    def path(self) -> Path: ...

    @property
    def label(self) -> str | None: ...

    @property
    def row(self) -> int | None: ...  # of the table or list that names it, from 1

    @property
    def problem(self) -> str | None: ...  # why it cannot be used, whatever the file holds


AnyItem = TypeVar("AnyItem", bound=Item)
Facts = TypeVar("Facts")


def user_path(source: Path) -> Path:
    """Return the path as the user knows it.

    A task has its source as a link to it, and errors name what the user gave.
    """
    return source.parent / source.readlink() if source.is_symlink() else source


def check_numbers(args: argparse.Namespace, *counts: str) -> None:
    """Raise InputError for --max_bad_files out of its range, or a count (the name of an argument)
    below 1.
    """
    if not 0 <= args.max_bad_files <= 1:
        raise InputError(f"max_bad_files is {args.max_bad_files}; wanted a share from 0 to 1.")
    for name in counts:
        if getattr(args, name) < 1:
            raise InputError(f"{name} is {getattr(args, name)}; wanted 1 or more.")


def describe_all(
    items: Sequence[Item], describe: Callable[[Path], Facts], bad: type[Exception], cpus: int
) -> tuple[dict[str, Facts], list[Note]]:
    """Return ({file name: description of the file}, notes on the unusable files), in the order of
    the items.

    describe: reads a file and returns its description, or raises `bad` with the reason why it is
    unusable.
    """

    def describe_item(item: Item) -> tuple[Facts | None, str]:
        if item.problem:
            return None, item.problem
        try:
            return describe(item.path), ""
        except bad as error:
            return None, str(error)

    facts: dict[str, Facts] = {}
    notes: list[Note] = []
    with ThreadPool(cpus) as pool:
        for item, (description, reason) in zip(items, pool.imap(describe_item, items)):
            if description is None:
                notes.append(Note(item.file_name, item.row, "left out", reason))
            else:
                facts[item.file_name] = description
    return facts, notes


def refuse_too_many(
    source: Path, items: Sequence[Item], bad: Sequence[Note], share: float, noun: str
) -> None:
    """Raise InputError where more than a share of the items, or all of them, are unusable.

    bad: notes on the unusable ones; noun: what the items are, such as images.
    """
    if len(bad) <= share * len(items) and len(bad) < len(items):
        return
    examples = "; ".join(f"{note.file_name} {note.reason}" for note in bad[:3])
    more = " and so on" if len(bad) > 3 else ""
    raise InputError(
        f"{source}: {len(bad)} of {len(items)} {noun} cannot be used "
        f"({len(bad) / len(items):.1%}): {examples}{more}; "
        f"wanted at most {share:.1%} (--max_bad_files)."
    )


def without_doubles(
    items: Sequence[AnyItem], content: Callable[[AnyItem], Hashable]
) -> tuple[list[AnyItem], list[Note]]:
    """Return (items of different content, notes on the others).

    Of items with equal content(item) the first is taken if all their labels agree, else none.
    """
    groups: dict[Hashable, list[AnyItem]] = defaultdict(list)
    for item in items:
        groups[content(item)].append(item)
    taken: list[AnyItem] = []
    notes: list[Note] = []
    for first, *others in groups.values():
        rival = next((other for other in others if other.label != first.label), None)
        if rival is None:
            taken.append(first)
            left_out = others
            reason = f"has the same bytes as {first.file_name}"
        else:
            left_out = [first, *others]
            pair = f"{first.file_name} ({first.label}) and {rival.file_name} ({rival.label})"
            reason = f"{pair} have the same bytes"
        notes += [Note(item.file_name, item.row, "left out", reason) for item in left_out]
    return taken, notes
