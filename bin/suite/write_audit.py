#!/usr/bin/env python3
"""Gather what every task found, repaired or left out into the one audit of a run, with counts."""
import argparse
import json
from collections import Counter
from pathlib import Path

from entoflow.task import run


def main(argv):
    args = parser().parse_args(argv)
    rows = sorted((row for path in args.audits for row in json.loads(path.read_text(encoding="utf-8"))), key=order)
    counts = Counter(f"{row['stage']}: {row['action']}" for row in rows)
    with args.audit.open("w", encoding="utf-8") as handle:
        json.dump({"summary": dict(sorted(counts.items())), "rows": rows}, handle, ensure_ascii=False, indent=1)
    print(", ".join(f"{name} {n}" for name, n in sorted(counts.items())) or "nothing to tell")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--audits", type=Path, nargs="+", required=True, help="JSON lists of rows to read")
    p.add_argument("--audit", type=Path, required=True, help="JSON to write: summary and rows")
    return p


def order(row):
    return row["stage"], row["action"], str(row["source"]), row["row"] or 0, str(row["image"]), row["reason"]


if __name__ == "__main__":
    run(main)
