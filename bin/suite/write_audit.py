#!/usr/bin/env python3
"""Gather what every task found, repaired or left out into the one audit of a run, with counts."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from entoflow import audit
from entoflow.audit import AuditRow
from entoflow.task import run


def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    rows: list[AuditRow] = []
    for path in args.audits:
        rows += audit.read(path)
    counts = audit.write_summary(args.audit, rows)
    print(", ".join(f"{kind} {n}" for kind, n in counts.items()) or "nothing to report")


def parser() -> argparse.ArgumentParser:
    assert __doc__
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument(
        "--audits", type=Path, nargs="+", required=True, help="JSON lists of rows to read"
    )
    p.add_argument("--audit", type=Path, required=True, help="JSON to write: summary and rows")
    return p


if __name__ == "__main__":
    run(main)
