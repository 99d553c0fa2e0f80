"""Reads published files for the report.

Each may be absent: a chain that was cut short, or had less input, leaves fewer.
"""

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entoflow import audit
from entoflow.audit import AuditRow
from entoflow.metric import Metric
from entoflow.pages import base64_text
from entoflow.task import InputError

UNMEASURED = Metric(value=None, low=None, high=None, n=0, groups=None, unit="")


@dataclass(frozen=True)
class Picture:
    """A PNG, ready to stand in a page."""

    png: str  # its bytes in base64
    name: str  # of its file, without the suffix
    description: str = ""  # what is on it, where the file says so


@dataclass(frozen=True)
class Audit:
    """What a chain left out, mended or noted while it read its input."""

    counts: list[tuple[str, str, int]]  # task, action, rows
    rows: list[AuditRow]

    @property
    def left_out(self) -> list[AuditRow]:
        return [row for row in self.rows if row.action == "left out"]


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, None where there is no file.

    Raises InputError where it is not JSON.
    """
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"{path}: is not JSON ({error}); wanted a file that entoflow wrote."
        ) from None


def read_object(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file, empty where there is no file."""
    return read_json(path) or {}


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, none where there is no file."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_metric(entry: Mapping[str, Any] | None) -> Metric:
    """Return a metric of a JSON file, UNMEASURED for none.

    Its value is None where it is no finite number.
    """
    if not entry:
        return UNMEASURED
    value, low, high = (_finite(entry.get(name)) for name in ("value", "low", "high"))
    return Metric(value, low, high, entry.get("n", 0), entry.get("groups"), entry.get("unit", ""))


def read_metrics(content: Mapping[str, Any] | None) -> dict[str, Metric]:
    """Return the metrics of metrics.json, quality.json or model.json, by name."""
    entries = (content or {}).get("metrics") or {}
    return {name: read_metric(entry) for name, entry in entries.items()}


def read_audit(path: Path) -> Audit:
    """Return what audit.json holds."""
    content = read_object(path)
    counts = []
    for name, count in sorted(content.get("summary", {}).items()):
        task, _, action = name.partition(": ")
        counts.append((task, action, count))
    return Audit(counts, [audit.AuditRow(**row) for row in content.get("rows", [])])


def read_picture(path: Path) -> Picture | None:
    """Return a PNG file as a picture, None where there is none."""
    if not path.is_file():
        return None
    return Picture(base64_text(path.read_bytes()), path.stem)


def read_described_picture(path: Path) -> Picture:
    """Return a PNG file that says what is on it."""
    from PIL import Image

    with Image.open(path) as image:
        description = image.info["Description"]
    return Picture(base64_text(path.read_bytes()), path.stem, description)


def numbers(row: Mapping[str, str]) -> dict[str, float]:
    """Return those cells of a row that are finite numbers."""
    cells = {}
    for name, cell in row.items():
        number = _number(cell)
        if number is not None:
            cells[name] = number
    return cells


def one_line(value: Any) -> str:
    """Return nested values as one readable line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {one_line(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(one_line, value))
    return "" if value is None else str(value)


def _number(cell: str) -> float | None:
    try:
        return _finite(float(cell))
    except (TypeError, ValueError):
        return None


def _finite(value: Any) -> float | None:
    if isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    return None
