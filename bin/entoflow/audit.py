"""The audit: what was not taken as it was given, one row each, and why.

Nothing is left out without a row.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from entoflow import files
from entoflow.tables import plain_text, read_json


@dataclass(frozen=True)
class AuditRow:
    """What became of one file, or of something in it."""

    image: (
        str | None
    )  # name of the image or recording, as its user knows it; None where it is about no single one
    row: int | None  # of the table or list that names it, from 1
    source: str  # name of what the user gave
    stage: str  # the task that left it out, mended or noted it
    action: str  # left out, dropped, clipped, joined, note, rejected, left open
    reason: str


@dataclass(frozen=True)
class Note:
    """What a reader of one source has to say of a file.

    The task adds the source and its own name.
    """

    file_name: str
    row: int | None
    action: str
    reason: str


def rows_of(notes: Iterable[Note], source: str, stage: str) -> list[AuditRow]:
    """Return the rows of notes on one source, sorted by file, row, action and reason."""
    rows = [
        AuditRow(
            plain_text(note.file_name),
            note.row,
            source,
            stage,
            note.action,
            plain_text(note.reason),
        )
        for note in notes
    ]
    return sorted(rows, key=lambda row: (row.image, row.row or 0, row.action, row.reason))


def write(path: Path, rows: Iterable[AuditRow]) -> None:
    """Write the rows of one task, one a line."""
    lines = ",\n".join(json.dumps(asdict(row), ensure_ascii=False) for row in rows)
    files.write_text(path, f"[{lines}]\n")


def read(path: Path) -> list[AuditRow]:
    """Return the rows that a task wrote."""
    return [AuditRow(**row) for row in read_json(path)]


def write_summary(path: Path, rows: Iterable[AuditRow]) -> dict[str, int]:
    """Write audit.json.

    All rows of a chain in one order, and how many there are of each kind, which is returned.
    """
    ordered = sorted(rows, key=_order)
    counts = dict(sorted(Counter(f"{row.stage}: {row.action}" for row in ordered).items()))
    files.write_json(path, {"summary": counts, "rows": [asdict(row) for row in ordered]})
    return counts


def _order(row: AuditRow) -> tuple[str, str, str, int, str, str]:
    return row.stage, row.action, str(row.source), row.row or 0, str(row.image), row.reason
