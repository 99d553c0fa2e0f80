"""Tables and JSON files that people and their tools write: any usual delimiter, and errors that name the row."""
import csv
import io
import json
import re
import unicodedata

from entoflow.task import InputError

FILES, ALIASES = ("image", "recording"), ("file", "path")  # a column that names files, and what it may be called instead
RUN = r"(?=[\"'\s\x1c-\x1f\x85\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20])"  # what a spreadsheet would run, after blanks and quotes
NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"


def plain_text(text):
    """Return text that any file can hold: of a name, bytes that are no UTF-8 are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def plain_label(text):
    """Return a label in one Unicode form, so that an umlaut typed is the umlaut of a folder's name."""
    return plain_text(unicodedata.normalize("NFC", text))


def safe_cell(text):
    """Return a cell that no spreadsheet runs, whatever it takes for the separator: an apostrophe before = + - or @ makes it text."""
    return text if re.fullmatch(NUMBER, text) else re.sub(rf"(^|[;\t\r\n]){RUN}", r"\1'", text)


def typed_cell(cell):
    """Return what safe_cell was given: typed_cell(safe_cell(text)) is the text, and what a person typed stays."""
    return re.sub(rf"(^|[;\t\r\n])'{RUN}", r"\1", cell)


def read_rows(path, required, integers=()):
    """Return the rows of a table with a header as dicts: text, or whole numbers above 0 (or None) for `integers`.

    Commas, semicolons or tabs; UTF-8 with or without a byte order mark; any line ends. Column names lose their case
    and the spaces around them; where `image` or `recording` is wanted, `file` or `path` will do. Each dict has its number as "row"
    (the header is row 1). Raises InputError for what is no such table, an empty required cell or a wrong number.
    """
    lines = _records(path)
    columns = _columns(path, lines, required)
    rows = [{**_cells(path, number, columns, cells), "row": number} for number, cells in lines[1:] if any(cells)]
    for row in rows:
        _check(path, row, required, integers)
    return rows


def read_json(path):
    """Return what a JSON file holds. Raises InputError where it is none, with the line that is wrong."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, row {error.lineno}: is not JSON ({error.msg}); wanted a whole JSON file.") from None
    except ValueError as error:
        raise InputError(f"{path}: holds a number too long to read ({error}); wanted plain JSON.") from None
    except RecursionError:
        raise InputError(f"{path}: is nested too deeply; wanted a JSON file of images and boxes.") from None


def read_text(path):
    """Return a file's text. Raises InputError where it is absent, cannot be read, is no text, or is not UTF-8."""
    try:
        with open(path, "rb") as file:
            data = file.read(4096)
            binary = b"\0" in data and data[:2] not in (b"\xff\xfe", b"\xfe\xff")
            data += b"" if binary else file.read()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); wanted a text file.") from None
    if binary:
        raise InputError(f"{path}: is no text (an archive, a spreadsheet, a picture, a video, a recording?); wanted text saved as UTF-8, or a folder.")
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, row {row}: has a byte that is not UTF-8; wanted text saved as UTF-8.") from None


def _records(path):
    """Return [(row number, cells)], the number being that of the line in the file where the row starts."""
    text = read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), skipinitialspace=True, strict=True)
    records, start = [], 1
    try:
        for cells in reader:
            records.append((start, [cell.strip() for cell in cells]))
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}, row {start}: is no table row ({error}); wanted cells and closed quotes.") from None
    return records


def _delimiter(text):
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=header.count)


def _columns(path, lines, required):
    while lines and not any(lines[0][1]):
        lines.pop(0)
    found = [name.lower() for name in lines[0][1]] if lines else []
    wanted = next((name for name in FILES if name in required), None)
    at = next((found.index(name) for name in (*found[:1], wanted, *ALIASES) if wanted and name in (wanted, *ALIASES) and name in found), None)
    columns = [wanted if place == at else "" if name == wanted else name for place, name in enumerate(found)]
    missing = [name for name in required if name not in columns]
    if missing:
        raise InputError(f"{path}: has columns {', '.join(found) or 'none'}; wanted {', '.join(required)}.")
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise InputError(f"{path}: has column {twice[0]} twice; wanted each column once.")
    return columns


def _cells(path, number, columns, cells):
    if len(cells) > len(columns) and any(cells[len(columns):]):
        raise InputError(f"{path}, row {number}: has {len(cells)} cells; wanted {len(columns)} (quote a name with "
                         "the delimiter in it).")
    return dict(zip(columns, cells + [""] * (len(columns) - len(cells))))


def _check(path, row, required, integers):
    for name in required:
        if not row[name]:
            raise InputError(f"{path}, row {row['row']}: {name} is empty; wanted a value.")
    for name in integers:
        text = row.get(name, "")
        digits = text.removesuffix(".0")  # pandas writes whole numbers so where a cell is empty
        if text and not (digits.isdecimal() and len(digits) < 10 and int(digits) > 0):
            found = f"{path}, row {row['row']}: {name} is '{text}'"
            raise InputError(f"{found}; wanted a whole number above 0, or nothing.")
        row[name] = int(digits) if text else None
