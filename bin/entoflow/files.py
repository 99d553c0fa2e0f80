"""Files that tasks write: whole or not there, in one form, and known by their SHA-256."""

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import IO, Any

BLOCK = 1 << 20  # bytes read at a time


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hexadecimal digits; memory is constant."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def whole(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file to write that is there only once all of it is written.

    Text as UTF-8, or bytes with mode "wb".

    An OSError of writing has the file's name.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    encoding = None if "b" in mode else "utf-8"
    newline = None if "b" in mode else "\n"
    try:
        with open(unfinished, mode, encoding=encoding, newline=newline) as file:
            yield file
        os.replace(unfinished, path)
    except Exception as error:
        _name_file(error, path, unfinished)
        raise
    finally:
        unfinished.unlink(missing_ok=True)


def _name_file(error: BaseException | None, path: Path, unfinished: Path) -> None:
    """Give an OSError of writing, or the one that another error followed, the name of the file,
    which Python leaves out.
    """
    while error is not None:
        if isinstance(error, OSError) and error.filename in (None, str(unfinished)):
            error.filename = str(path)
            error.filename2 = None
        error = error.__context__


def write_text(path: Path, text: str) -> None:
    """Write a text file, as UTF-8 with line ends of Unix."""
    with whole(path) as file:
        file.write(text)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file as people read it. Raises ValueError for NaN, which JSON does not have."""
    write_text(path, json_text(content))


def json_text(content: Any) -> str:
    """Return JSON as write_json writes it: dataclasses as objects of their fields."""
    return (
        json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False, default=_object) + "\n"
    )


def _object(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def write_csv(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any] | Mapping[str, Any]]
) -> None:
    """Write a table with a header.

    Rows are the cells in order, or mappings of which the columns are taken.
    """
    with whole(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            cells = [row[name] for name in columns] if isinstance(row, Mapping) else row
            writer.writerow(cells)
