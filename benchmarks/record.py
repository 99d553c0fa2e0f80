"""Turn the rows of a benchmark into a file of benchmarks/figures."""

from __future__ import annotations

import re
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import figure_files
from measuring import ROOT, Row

RUN = "measured"  # the run that is written; others in the file are carried over
NUMBER = r"[-+]?\d[\d,]*\d(?:\.\d+)?|[-+]?\d(?:\.\d+)?"
CELL = re.compile(
    rf"(?P<numbers>(?:{NUMBER})(?:, (?:{NUMBER}))*)"
    rf"(?: \((?P<low>{NUMBER}) to (?P<high>{NUMBER})\))?"
    r"(?P<after>.*)"
)
UNIT = re.compile(r" (s|ms|MB|GB|KB)\b")
UNIT_OF_QUESTION = re.compile(r", (images/s|ms per clip|s)\b")


def write(folder: Path, name: str, rows: list[Row], machine: str) -> Path:
    """Write a question's rows to folder/name.json and return its path.

    What the file in benchmarks/figures has beside the run `measured` is kept: its title, its
    texts, and figures that are carried over.
    """
    published = figure_files.FOLDER / f"{name}.json"
    content = figure_files.load(published) if published.exists() else empty(name)
    content["runs"][RUN] = run_of(name, machine)
    kept = [figure for figure in content["figures"] if figure["run"] != RUN]
    content["figures"] = [figure for row in rows for figure in figures_of(row)] + kept
    for figure in content["figures"]:
        metric = {"name": figure["metric"], "digits": 0, "unit": ""}
        content["metrics"].setdefault(
            figure["metric"], {**metric, "signed": False, "duration": False}
        )
    content["headlines"] = []
    path = folder / f"{name}.json"
    figure_files.write(path, content)
    figure_files.read(path)
    return path


def empty(name: str) -> dict[str, Any]:
    return {
        "page": "benchmarks",
        "position": 99,
        "title": name,
        "question": f"{name}?",
        "runs": {},
        "metrics": {},
        "figures": [],
        "headlines": [],
        "content": [{"comparison": RUN}],
    }


def run_of(name: str, machine: str) -> dict[str, Any]:
    """Return what is to be known about a run that has just ended."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return {
        "data": "drawn by the benchmark",
        "kind": "SYNTHETIC",
        "n": None,
        "items": None,
        "groups": None,
        "peer": None,
        "command": f"./benchmarks/run {name}",
        "command_note": None,
        "seed": 1,
        "machine": machine,
        "commit": commit or None,
        "date": date.today().isoformat(),
        "rerun": True,
    }


def figures_of(row: Row) -> list[dict[str, Any]]:
    """Return the figures of a row: one for each number of its own cell.

    What stands behind the numbers is kept as it is, so that the page shows what the table showed.
    """
    ours = CELL.fullmatch(row.ours)
    if ours is None:
        raise SystemExit(f"error: {row.question}: {row.ours!r} begins with no number.")
    peer = CELL.fullmatch(row.peer)
    numbers = split(ours["numbers"])
    peer_numbers = split(peer["numbers"]) if peer else []
    unit = UNIT.match(ours["after"]) or UNIT_OF_QUESTION.search(row.question)
    figures = []
    for index, number in enumerate(numbers):
        last = index == len(numbers) - 1
        figure: dict[str, Any] = {
            "run": RUN,
            "subject": row.question,
            "metric": metric_name(index, len(numbers)),
            "value": value(number),
            "low": value(ours["low"]),
            "high": value(ours["high"]),
            "digits": digits(number),
            "unit": unit[1] if unit else "",
        }
        if last:
            figure |= {"after": ours["after"], "ratio": row.ratio, "wanted": row.wanted}
            figure["holds"] = row.holds
        if index < len(peer_numbers):
            figure["peer_value"] = value(peer_numbers[index])
            figure["peer_digits"] = digits(peer_numbers[index])
        if peer and index == len(peer_numbers) - 1:
            figure |= {"peer_low": value(peer["low"]), "peer_high": value(peer["high"])}
            figure["peer_after"] = peer["after"]
            figure["peer"] = peer["after"].strip().strip("()")
        elif last and row.peer and not peer:
            figure["peer"] = row.peer
        figures.append({name: entry for name, entry in figure.items() if entry != ""})
    return figures


def metric_name(index: int, n: int) -> str:
    """Return the name of a row's own figure; several of one row are numbered from 1."""
    return "entoflow" if n == 1 else f"entoflow {index + 1} of {n}"


def split(numbers: str) -> list[str]:
    return numbers.split(", ")


def value(number: str | None) -> float | None:
    return None if number is None else float(number.replace(",", ""))


def digits(number: str) -> int:
    return len(number.partition(".")[2])
