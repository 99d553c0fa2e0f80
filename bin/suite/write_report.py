#!/usr/bin/env python3
"""Write the report of a run: one self-contained page, with what to know first on top.

It reads a results folder as it is published, so the report of an old run can be written anew. What
a chain did not leave there is left out: no number is made up, and what was not measured is shown as
such.
"""

import argparse
from pathlib import Path
from typing import Any

from entoflow import files
from entoflow.report import results, view
from entoflow.task import InputError, run


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    report = view.read(args.results, read_json_object(args.params), read_json_object(args.versions))
    files.write_text(args.report, view.page(report))
    print(f"{args.report}: {', '.join(report.chains)}, {args.report.stat().st_size / 1e6:.1f} MB")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--results", type=Path, required=True, help="results folder to read")
    p.add_argument(
        "--params", type=Path, help="JSON with the run's parameters (default: none are shown)"
    )
    p.add_argument(
        "--versions",
        type=Path,
        help="JSON with more software versions (default: only those in the model folders)",
    )
    p.add_argument("--report", type=Path, required=True, help="HTML file to write")
    return p


def read_json_object(path: Path | None) -> dict[str, Any]:
    """Return the object in a JSON file, empty for no path.

    Raises InputError for a missing file or anything else in it.
    """
    if path is None:
        return {}
    content = results.read_json(path)
    if not isinstance(content, dict):
        raise InputError(f'{path}: holds no JSON object; wanted one, {{"name": value}}.')
    return content


if __name__ == "__main__":
    run(main)
