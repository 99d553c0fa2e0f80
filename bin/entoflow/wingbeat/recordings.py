"""Lists of recordings: a table or a folder per class where they have labels; a folder, a table or one file where not.

A row of a table is a recording or, with start and end, a part of one; a recording may have many parts. No file is opened here.
"""
import math
from dataclasses import dataclass, field
from pathlib import Path

from entoflow.sources import existing_source, find_files, named_in_table, number, relative
from entoflow.tables import plain_label, plain_text, read_rows
from entoflow.task import InputError
from entoflow.wingbeat.audio import is_sound_name

COLUMNS = ("sensor", "temperature", "humidity", "gain")  # of a table, beside those that say what and where; a name may say the same


@dataclass
class Recording:
    """A recording of a source, or a part of it: start and end in seconds, None for the whole."""

    file_name: str  # as the user knows it
    path: Path
    label: str | None = None
    group: str | None = None
    start: float | None = None
    end: float | None = None
    fold: str | None = None  # of a division that the user gives
    columns: dict = field(default_factory=dict)
    row: int | None = None
    problem: str | None = None  # why it cannot be used, whatever it holds

    def __post_init__(self):
        self.file_name = plain_text(self.file_name)
        self.label, self.group, self.fold = (plain_label(text) if text else None for text in (self.label, self.group, self.fold))


def read_labelled(source):
    """Return ("table" or "folders", recordings with labels, notes (name, row, action, reason)).

    Raises InputError for a source of another form, times that are none, or a part of a recording that is given with two labels.
    """
    path = existing_source(source)
    if path.is_file() and is_sound_name(path.name):
        raise InputError(f"{path}: is one recording; wanted a table recording,label of several, or a folder per class.")
    return ("folders", *_class_folders(path)) if path.is_dir() else ("table", *_table(path, ["recording", "label"]))


def read_unlabelled(source):
    """Return ("recordings" or "table", recordings, notes) of a folder and all below it, a table, or one recording."""
    path = existing_source(source)
    if path.is_dir():
        return "recordings", [Recording(relative(one, path), one) for one in find_files(path, is_sound_name, "recordings")], []
    return ("recordings", [Recording(path.name, path)], []) if is_sound_name(path.name) else ("table", *_table(path, ["recording"]))


def _class_folders(folder):
    found, notes = [], []
    for path in find_files(folder, is_sound_name, "recordings"):
        name = relative(path, folder)
        if path.parent == folder:
            notes.append((name, None, "left out", "lies in no class folder, so it has no label"))
        else:
            found.append(Recording(name, path, label=name.split("/")[0]))
    if not found:
        raise InputError(f"{folder}: holds {len(notes)} recordings and none in a folder below; wanted a folder per class.")
    return found, notes


def _table(path, required):
    """Return (recordings, notes) of a table: each part once, the row that gives it first."""
    first, taken, notes = {}, [], []
    for one in (_recording(path, row) for row in read_rows(path, required=required)):
        before = first.setdefault((one.path, one.start, one.end), one)
        if before.label != one.label:
            raise InputError(f"{path}, rows {before.row} and {one.row}: {_part(one)} is labelled '{before.label}' and '{one.label}'; wanted one label for it.")
        if before is one:
            taken.append(one)
        else:
            notes.append((one.file_name, one.row, "dropped", f"row {before.row} gives the same"))
    return taken, notes


def _recording(path, row):
    start, end = (_seconds(path, row, name) for name in ("start", "end"))
    if end is not None and end <= (start or 0):
        raise InputError(f"{path}, row {row['row']}: goes from {start or 0:g} to {end:g} s; wanted a start before the end.")
    if is_sound_name(row.get("label", "")) and not is_sound_name(row["recording"]):
        raise InputError(f"{path}, row {row['row']}: recording is '{row['recording']}' and label '{row['label']}'; wanted the recording under recording.")
    columns = {name: _column(path, row, name) for name in COLUMNS if row.get(name)}
    return Recording(row["recording"], named_in_table(path, row["recording"]), row.get("label") or None, row.get("group") or None,
                     0.0 if start is None and end is not None else start, end, row.get("fold") or None, columns, row["row"])


def _seconds(path, row, name):
    text = row.get(name, "")
    seconds = number(text.replace(",", "."))
    if text and not 0 <= seconds < math.inf:
        raise InputError(f"{path}, row {row['row']}: {name} is '{text}'; wanted seconds from the start of the recording, 0 or more, or nothing.")
    return seconds if text else None


def _column(path, row, name):
    """Return what a column says: a number, but of the sensor its name."""
    if name == "sensor":
        return plain_label(row[name])
    value = number(row[name].replace(",", "."))
    if not math.isfinite(value):
        raise InputError(f"{path}, row {row['row']}: {name} is '{row[name]}'; wanted a number or nothing.")
    return value


def _part(one):
    return one.file_name if one.start is None else f"{one.file_name} from {one.start:g} s to {'its end' if one.end is None else f'{one.end:g} s'}"
