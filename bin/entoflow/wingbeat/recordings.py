"""Lists of recordings: a table or a folder per class where they are labelled.

A folder, a table or one file where they are not.
A row of a table is a recording or, with start and end, a part of one; a recording may have many
parts. No file is opened here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from entoflow.audit import Note
from entoflow.sources import existing_source, find_files, named_in_table, number, relative
from entoflow.tables import plain_label, plain_text, read_rows
from entoflow.task import InputError
from entoflow.wingbeat.audio import is_sound_name

# Columns of a table beside those that say what and where; a recording's name may say the same.
COLUMNS = ("sensor", "temperature", "humidity", "gain")


@dataclass(frozen=True)
class Recording:
    """A recording of a source, or a part of it."""

    file_name: str  # as the user knows it
    path: Path
    label: str | None = None
    group: str | None = None
    start: float | None = None  # seconds; None for the whole recording
    end: float | None = None  # seconds; None for its end
    fold: str | None = None  # of the user's own division
    columns: Mapping[str, Any] = field(
        default_factory=dict
    )  # of COLUMNS, those that the table fills
    row: int | None = None  # of the table
    problem: str | None = None  # why it cannot be used, whatever the file holds

    def __post_init__(self) -> None:
        object.__setattr__(self, "file_name", plain_text(self.file_name))
        for name in ("label", "group", "fold"):
            text = getattr(self, name)
            object.__setattr__(self, name, plain_label(text) if text else None)


@dataclass(frozen=True)
class Listing:
    """What a source lists."""

    format: str  # table, folders or recordings
    recordings: Sequence[Recording]  # or parts of them
    notes: Sequence[Note]  # on what is not among them


def read_labelled(source: Path) -> Listing:
    """Return the labelled recordings of a table or a folder per class.

    Raises InputError for a source of another form, times that are no numbers, or a part of a
    recording with two labels.
    """
    path = existing_source(source)
    if path.is_file() and is_sound_name(path.name):
        raise InputError(
            f"{path}: is one recording; wanted a table recording,label of several, or a folder "
            "per class."
        )
    if path.is_dir():
        return _read_class_folders(path)
    return _read_table(path, ["recording", "label"])


def read_unlabelled(source: Path) -> Listing:
    """Return the recordings of a folder and all below it, of a table, or one recording."""
    path = existing_source(source)
    if path.is_dir():
        files = find_files(path, is_sound_name, "recordings")
        return Listing("recordings", [Recording(relative(file, path), file) for file in files], [])
    if is_sound_name(path.name):
        return Listing("recordings", [Recording(path.name, path)], [])
    return _read_table(path, ["recording"])


def _read_class_folders(folder: Path) -> Listing:
    recordings = []
    notes = []
    for path in find_files(folder, is_sound_name, "recordings"):
        name = relative(path, folder)
        if path.parent == folder:
            notes.append(
                Note(name, None, "left out", "lies in no class folder, so it has no label")
            )
        else:
            recordings.append(Recording(name, path, label=name.split("/")[0]))
    if not recordings:
        raise InputError(
            f"{folder}: holds {len(notes)} recordings and none in a folder below; wanted a folder "
            "per class."
        )
    return Listing("folders", recordings, notes)


def _read_table(path: Path, required: Sequence[str]) -> Listing:
    """Return the recordings of a table.

    A part that several rows list is returned once, as the first row has it.
    """
    first_rows: dict[tuple[Path, float | None, float | None], Recording] = {}
    notes = []
    for row in read_rows(path, required=required):
        recording = _read_row(path, row)
        part = (recording.path, recording.start, recording.end)
        if part not in first_rows:
            first_rows[part] = recording
            continue
        first = first_rows[part]
        if first.label != recording.label:
            raise InputError(
                f"{path}, rows {first.row} and {recording.row}: {_describe_part(recording)} is "
                "labelled "
                f"'{first.label}' and '{recording.label}'; wanted one label for it."
            )
        notes.append(
            Note(recording.file_name, recording.row, "dropped", f"row {first.row} lists the same")
        )
    return Listing("table", list(first_rows.values()), notes)


def _read_row(path: Path, row: dict[str, Any]) -> Recording:
    start = _read_seconds(path, row, "start")
    end = _read_seconds(path, row, "end")
    if end is not None and end <= (start or 0):
        raise InputError(
            f"{path}, row {row['row']}: goes from {start or 0:g} to {end:g} s; wanted a start "
            "before the end."
        )
    if is_sound_name(row.get("label", "")) and not is_sound_name(row["recording"]):
        raise InputError(
            f"{path}, row {row['row']}: recording is '{row['recording']}' and label "
            f"'{row['label']}'; "
            "wanted the recording under recording."
        )
    return Recording(
        file_name=row["recording"],
        path=named_in_table(path, row["recording"]),
        label=row.get("label"),
        group=row.get("group"),
        start=0.0 if start is None and end is not None else start,
        end=end,
        fold=row.get("fold"),
        columns={name: _read_column(path, row, name) for name in COLUMNS if row.get(name)},
        row=row["row"],
    )


def _read_seconds(path: Path, row: dict[str, Any], name: str) -> float | None:
    text = row.get(name, "")
    if not text:
        return None
    seconds = number(text.replace(",", "."))
    if not 0 <= seconds < math.inf:
        raise InputError(
            f"{path}, row {row['row']}: {name} is '{text}'; "
            "wanted seconds from the start of the recording, 0 or more, or nothing."
        )
    return seconds


def _read_column(path: Path, row: dict[str, Any], name: str) -> str | float:
    """Return the name of the sensor, or the number in another column."""
    if name == "sensor":
        return plain_label(row[name])
    value = number(row[name].replace(",", "."))
    if not math.isfinite(value):
        raise InputError(
            f"{path}, row {row['row']}: {name} is '{row[name]}'; wanted a number or nothing."
        )
    return value


def _describe_part(recording: Recording) -> str:
    if recording.start is None:
        return recording.file_name
    end = "its end" if recording.end is None else f"{recording.end:g} s"
    return f"{recording.file_name} from {recording.start:g} s to {end}"
