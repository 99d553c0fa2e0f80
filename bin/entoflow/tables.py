"""Tables and JSON files that people and their tools write.

Any usual delimiter, and errors that name the row.
"""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from entoflow.task import InputError

FILES = ("image", "recording")  # columns that name files
ALIASES = ("file", "path")  # what such a column may be called instead
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
RUN = (  # what a spreadsheet would run, after blanks and quotes
    r"(?=[\"'\s\x1c-\x1f\x85\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20])"
)
NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"

Record = tuple[int, list[str]]  # number of the line where it starts, cells


def plain_text(text: str) -> str:
    """Return text that any file can hold: of a name, bytes that are no UTF-8 are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def plain_label(text: str) -> str:
    """Return a label in one Unicode form: an umlaut typed is the umlaut of a folder's name."""
    return plain_text(unicodedata.normalize("NFC", text))


def safe_cell(text: str) -> str:
    """Return a cell that no spreadsheet runs, whatever it takes for the delimiter.

    An apostrophe before = + - or @ makes it text.
    """
    if re.fullmatch(NUMBER, text):
        return text
    return re.sub(rf"(^|[;\t\r\n]){RUN}", r"\1'", text)


def typed_cell(cell: str) -> str:
    """Return the text of a cell of safe_cell.

    Typed_cell(safe_cell(text)) == text, and what a person typed stays.
    """
    return re.sub(rf"(^|[;\t\r\n])'{RUN}", r"\1", cell)


def read_rows(
    path: Path, required: Sequence[str], integers: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return the rows of a table with a header as dicts.

    Text, or whole numbers above 0 (or None) for `integers`.

    Commas, semicolons or tabs; UTF-8 with or without a byte order mark; any line ends. Column names
    lose their case and the spaces around them; where `image` or `recording` is required, `file` or
    `path` will do. Each dict has its number as "row" (the header is row 1). Raises InputError for
    what is no such table, an empty required cell or a wrong number.
    """
    records = _records(path)
    while records and not any(records[0][1]):
        records.pop(0)
    header = [name.lower() for name in records[0][1]] if records else []
    columns = _columns(path, header, required)
    rows = []
    for number, cells in records[1:]:
        if any(cells):
            row = _row(path, number, columns, cells)
            _check(path, row, required, integers)
            rows.append(row)
    return rows


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises InputError where it is none, with the line that is wrong.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, row {error.lineno}: is not JSON ({error.msg}); wanted a whole JSON file."
        ) from None
    except ValueError as error:
        raise InputError(
            f"{path}: holds a number too long to read ({error}); wanted plain JSON."
        ) from None
    except RecursionError:
        raise InputError(
            f"{path}: is nested too deeply; wanted a JSON file of images and boxes."
        ) from None


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises InputError where it is absent, cannot be read, is no text, or is not UTF-8.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(4096)
            is_utf_16 = data[:2] in UTF_16_MARKS
            if b"\0" in data and not is_utf_16:
                raise InputError(
                    f"{path}: is no text (an archive, a spreadsheet, a picture, a video, "
                    "a recording?); wanted text saved as UTF-8, or a folder."
                )
            data += file.read()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); wanted a text file."
        ) from None
    try:
        return data.decode("utf-16" if is_utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, row {row}: has a byte that is not UTF-8; wanted text saved as UTF-8."
        ) from None


def _records(path: Path) -> list[Record]:
    text = read_text(path)
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=_delimiter(text),
        skipinitialspace=True,
        strict=True,
    )
    records: list[Record] = []
    start = 1
    try:
        for cells in reader:
            records.append((start, [cell.strip() for cell in cells]))
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{path}, row {start}: is no table row ({error}); wanted cells and closed quotes."
        ) from None
    return records


def _delimiter(text: str) -> str:
    lines = (line for line in text.splitlines() if line.strip())
    header = next(lines, "")
    return max(",;\t", key=header.count)


def _columns(path: Path, header: Sequence[str], required: Sequence[str]) -> list[str]:
    """Return the names of the columns.

    The one that names files as `required` has it, "" for another of that name.
    """
    columns = list(header)
    file_column = next((name for name in FILES if name in required), None)
    if file_column:
        place = _place_of_files(header, file_column)
        columns = ["" if name == file_column else name for name in columns]
        if place is not None:
            columns[place] = file_column
    missing = [name for name in required if name not in columns]
    if missing:
        raise InputError(
            f"{path}: has columns {', '.join(header) or 'none'}; wanted {', '.join(required)}."
        )
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise InputError(f"{path}: has column {twice[0]} twice; wanted each column once.")
    return columns


def _place_of_files(header: Sequence[str], file_column: str) -> int | None:
    """Return which column names the files.

    The first if it may be called so, else that of the name, else of an alias.
    """
    names = (file_column, *ALIASES)
    if header and header[0] in names:
        return 0
    return next((header.index(name) for name in names if name in header), None)


def _row(path: Path, number: int, columns: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    if len(cells) > len(columns) and any(cells[len(columns) :]):
        raise InputError(
            f"{path}, row {number}: has {len(cells)} cells; wanted {len(columns)} "
            "(quote a name with the delimiter in it)."
        )
    empty = [""] * (len(columns) - len(cells))
    return {**dict(zip(columns, [*cells, *empty])), "row": number}


def _check(
    path: Path, row: dict[str, Any], required: Sequence[str], integers: Sequence[str]
) -> None:
    """Raise InputError for an empty required cell or a wrong number.

    Make whole numbers of the text of `integers`.
    """
    for name in required:
        if not row[name]:
            raise InputError(f"{path}, row {row['row']}: {name} is empty; wanted a value.")
    for name in integers:
        text = row.get(name, "")
        digits = text.removesuffix(".0")  # pandas writes whole numbers so where a cell is empty
        is_count = digits.isdecimal() and len(digits) < 10 and int(digits) > 0
        if text and not is_count:
            cell = f"{path}, row {row['row']}: {name} is '{text}'"
            raise InputError(f"{cell}; wanted a whole number above 0, or nothing.")
        row[name] = int(digits) if text else None
