#!/usr/bin/env python3
"""Write the table of the rounds: what each made, how good it is, and which one is kept.

The held-out F1 is that of the round's detector against the round's own weak boxes: it says whether
boxes and detector agree, not whether they are right. That is measured, where audit boxes were
given, by the true F1 of the weak boxes, which decides nothing.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from entoflow import files
from entoflow.detection import weak_boxes
from entoflow.tables import read_json
from entoflow.task import run

Row = dict[str, Any]  # column -> cell


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    rows = []
    for place, (model, weak) in enumerate(zip(args.models, args.weak_boxes)):
        quality = args.qualities[place] if args.qualities else None
        rows.append(describe_round(place + 1, model, weak, quality, args.kept))
    files.write_csv(args.table, list(rows[0]), rows)
    f1s = ", ".join(as_text(row["held_out_f1"]) for row in rows)
    print(
        f"round {args.kept} is kept, of {len(rows)} run and {args.rounds} allowed; "
        f"held-out F1 by round: {f1s}"
    )


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument(
        "--models",
        type=Path,
        nargs="+",
        required=True,
        help="model.json of each round's detector, in order",
    )
    p.add_argument(
        "--weak_boxes", type=Path, nargs="+", required=True, help="weak boxes of each round"
    )
    p.add_argument(
        "--qualities",
        type=Path,
        nargs="+",
        help="quality.json of each round (default: not measured)",
    )
    p.add_argument("--kept", type=int, required=True, help="number of the round that is kept")
    p.add_argument(
        "--rounds", type=int, default=1, help="maximum number of rounds (default %(default)s)"
    )
    p.add_argument("--table", type=Path, required=True, help="CSV to write: a row per round")
    return p


def describe_round(
    number: int, model: Path, weak_boxes_path: Path, quality: Path | None, kept: int
) -> Row:
    """Return the row of a round.

    Metrics are followed by the ends of their intervals, empty where there are none.
    """
    weak = weak_boxes.read(weak_boxes_path)
    bands = Counter(box.band for box in weak.boxes)
    with_box = {box.image_id for box in weak.boxes if box.band == "accept"}
    row: Row = {
        "round": number,
        "kept": "yes" if number == kept else "no",
        "photos": len(weak.images),
        "photos_with_box": len(with_box),
        "accepted": bands["accept"],
        "ignored": bands["ignore"],
    }
    row |= read_metric("held_out_f1", model, "f1")
    if quality:
        row |= read_metric("true_f1", quality, "f1_50")
    return row


def read_metric(column: str, path: Path, name: str) -> Row:
    """Return the cells of a metric that a JSON file holds."""
    entry = read_json(path)["metrics"][name]
    return {column: entry["value"], f"{column}_low": entry["low"], f"{column}_high": entry["high"]}


def as_text(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    run(main)
