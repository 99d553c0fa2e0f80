"""The files of a gallery: its log of revisions, and what each enrolment added.

gallery.json says which model made the embeddings and lists the revisions. Revision 7, an enrolment,
has its specimens in specimens_0007.csv and their embeddings, of length 1, in embeddings_0007.npy,
row for row; the genus and family of its classes are in the log, as "taxa". Later revisions are
entries of the log and rewrite neither.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

import numpy as np

from entoflow import files
from entoflow.tables import read_json
from entoflow.task import InputError

VERSION = 1
LOG = "gallery.json"
COLUMNS = ("image", "label", "group", "sha256", "source")
WANTED_LOG = "wanted the log that entoflow wrote"


@dataclass(frozen=True)
class Specimen:
    """A labelled image, and where its embedding is: a row of an enrolment's file."""

    image: str
    label: str
    group: str
    sha256: str
    source: str
    revision: int
    row: int


@dataclass(frozen=True)
class StoredFile:
    """What the log says of a file."""

    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class Enrolment:
    """Specimens were added."""

    specimens: int  # number
    skipped: int  # that were there already
    source: str
    taxa: dict[str, dict[str, str]] = field(default_factory=dict)  # {label: {rank: name}}
    files: dict[str, StoredFile] = field(default_factory=dict)


@dataclass(frozen=True)
class Removal:
    """A class, or images, were taken out."""

    label: str | None
    images: list[str]
    specimens: int  # number


@dataclass(frozen=True)
class Renaming:
    """A class was given another label."""

    old: str
    new: str
    specimens: int  # number


@dataclass(frozen=True)
class Merging:
    """Classes were made one."""

    labels: list[str]
    into: str
    specimens: int  # number


@dataclass(frozen=True)
class Undo:
    """An earlier revision was taken back."""

    undone: int  # its number


Change = Enrolment | Removal | Renaming | Merging | Undo
ACTIONS: dict[str, type[Change]] = {
    "enrol": Enrolment,
    "remove": Removal,
    "rename": Renaming,
    "merge": Merging,
    "undo": Undo,
}


@dataclass(frozen=True)
class Revision:
    """An entry of the log."""

    number: int  # from 1
    by: str
    at: str  # ISO time
    change: Change

    def to_json(self) -> dict[str, Any]:
        """Return the entry as the log holds it."""
        action = next(name for name, kind in ACTIONS.items() if isinstance(self.change, kind))
        entry = {"number": self.number, "action": action, "by": self.by, "at": self.at}
        content = asdict(self.change)
        if not content.get("taxa", True):
            del content["taxa"]
        return entry | content


@dataclass(frozen=True)
class Log:
    """What gallery.json holds."""

    embedder: str  # id of the model that made the embeddings
    dimension: int  # numbers of an embedding
    revisions: list[Revision]


def read_log(folder: Path) -> Log:
    """Return the log of a gallery. Raises InputError where it is absent, or no such log."""
    path = folder / LOG
    if not path.is_file():
        raise InputError(f"{folder}: has no {LOG}; wanted the folder of a gallery.")
    content = read_json(path)
    keys = ("version", "embedder", "dimension", "revisions")
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    if missing:
        raise InputError(f"{path}: has no {', '.join(missing)}; {WANTED_LOG}.")
    if content["version"] != VERSION:
        raise InputError(
            f"{path}: has format version {content['version']}; "
            f"wanted {VERSION} (a newer entoflow may read it)."
        )
    revisions = [
        _revision(path, number, entry) for number, entry in enumerate(content["revisions"], 1)
    ]
    return Log(content["embedder"], content["dimension"], revisions)


def write_log(folder: Path, log: Log) -> None:
    """Write the log: it is on disk, whole, when this returns."""
    content = {
        "version": VERSION,
        "embedder": log.embedder,
        "dimension": log.dimension,
        "revisions": [revision.to_json() for revision in log.revisions],
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    unfinished = folder / "gallery.unfinished"
    store(unfinished, lambda file: file.write(text.encode()))
    unfinished.replace(folder / LOG)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a gallery's log, so that two processes do not change it at once."""
    with (folder / LOG).open("r+b") as file:  # NFS locks only what is open for writing
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_enrolment(
    folder: Path, number: int, specimens: Sequence[Specimen], embeddings: np.ndarray
) -> dict[str, StoredFile]:
    """Write the files of an enrolment and return what the log says of them.

    embeddings: (n, d) float32, row for row those of the specimens.
    """
    table, array = enrolment_names(number)

    def save_array(file: IO[bytes]) -> None:
        np.save(file, embeddings, allow_pickle=False)

    return {
        table: store(folder / table, lambda file: file.write(_table(specimens))),
        array: store(folder / array, save_array),
    }


def read_specimens(folder: Path, number: int, enrolment: Enrolment) -> list[Specimen]:
    """Return the specimens of an enrolment.

    Raises InputError where they are not as the log says.
    """
    path = folder / enrolment_names(number)[0]
    wanted = f"wanted {enrolment.specimens} rows of {', '.join(COLUMNS)}"
    _check_size(path, enrolment)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file, strict=True)
    except (ValueError, csv.Error) as error:  # ValueError: not UTF-8, or empty
        raise InputError(f"{path}: is no table of specimens ({error}); {wanted}.") from None
    has_cells = all(len(cells) == len(COLUMNS) for cells in rows)
    if tuple(header) != COLUMNS or len(rows) != enrolment.specimens or not has_cells:
        raise InputError(
            f"{path}: has {len(rows)} rows of {', '.join(header)}; {wanted}, as the log says."
        )
    specimens = []
    for row, (image, label, group, sha256, source) in enumerate(rows):
        specimens.append(Specimen(image, label, group, sha256, source, number, row))
    return specimens


def read_embeddings(folder: Path, number: int, enrolment: Enrolment, dimension: int) -> np.ndarray:
    """Return the embeddings of an enrolment, (n, dimension) float32, mapped from their file.

    Raises InputError where they are not as the log says.
    """
    path = folder / enrolment_names(number)[1]
    wanted = f"wanted {enrolment.specimens} x {dimension} float32"
    _check_size(path, enrolment)
    try:
        embeddings = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise InputError(f"{path}: is no array of embeddings ({error}); {wanted}.") from None
    is_right_shape = embeddings.shape == (enrolment.specimens, dimension)
    if not is_right_shape or embeddings.dtype != np.float32:
        shape = " x ".join(map(str, embeddings.shape))
        raise InputError(f"{path}: holds {shape} {embeddings.dtype}; {wanted}, as the log says.")
    return embeddings


def enrolment_names(number: int) -> tuple[str, str]:
    """Return the names of the files of an enrolment: its table and its embeddings."""
    return f"specimens_{number:04}.csv", f"embeddings_{number:04}.npy"


def store(path: Path, write: Callable[[IO[bytes]], Any]) -> StoredFile:
    """Write a file by write(file): it is on disk when this returns. Returns its size and hash."""
    with path.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    return StoredFile(path.stat().st_size, files.sha256(path))


def _revision(path: Path, number: int, entry: dict[str, Any]) -> Revision:
    """Return an entry of the log. Raises InputError where it is no such entry."""
    kind = ACTIONS.get(entry.get("action", ""))
    names = [each.name for each in fields(kind)] if kind else []
    required = [name for name in names if name != "taxa"]
    keys = ("number", "by", "at", "action", *required)
    absent = [key for key in keys if key not in entry]
    if absent:
        raise InputError(f"{path}: revision {number} has no {', '.join(absent)}; {WANTED_LOG}.")
    if entry["number"] != number or kind is None:
        raise InputError(
            f"{path}: revision {number} is number {entry['number']} of action "
            f"'{entry['action']}'; {WANTED_LOG}."
        )
    values = {name: entry[name] for name in names if name in entry}
    if kind is Enrolment:
        if sorted(entry["files"]) != sorted(enrolment_names(number)):
            raise InputError(
                f"{path}: revision {number} lists the files {', '.join(entry['files'])}; "
                f"{WANTED_LOG}."
            )
        values["files"] = {name: StoredFile(**stored) for name, stored in entry["files"].items()}
    return Revision(number, entry["by"], entry["at"], kind(**values))


def _check_size(path: Path, enrolment: Enrolment) -> None:
    size = enrolment.files[path.name].size
    if not path.is_file():
        raise InputError(f"{path}: is absent; wanted a file of {size} bytes, as the log says.")
    if path.stat().st_size != size:
        raise InputError(
            f"{path}: has {path.stat().st_size} bytes; wanted {size}, as the log says."
        )


def _table(specimens: Sequence[Specimen]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(specimen)[: len(COLUMNS)] for specimen in specimens)
    return text.getvalue().encode()
