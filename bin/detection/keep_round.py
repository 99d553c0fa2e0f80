#!/usr/bin/env python3
"""Write the table of the rounds: what each made, how it did on the photos it was stopped on, and which one is kept.

The held-out F1 is that of the round's detector against the round's own weak boxes: it says whether boxes and detector agree, not
whether they are right. That is said, where audit boxes were given, by the true F1 of the weak boxes, which decides nothing.
"""
import argparse
import csv
import json
from collections import Counter
from pathlib import Path

from entoflow import coco
from entoflow.task import run


def main(argv):
    args = parser().parse_args(argv)
    qualities = args.qualities or [None] * len(args.models)
    rows = [row(number, *paths, args.kept) for number, paths in enumerate(zip(args.models, args.weak_boxes, qualities), 1)]
    with args.table.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    f1s = ", ".join("none" if row["held_out_f1"] is None else f"{row['held_out_f1']:.3f}" for row in rows)
    print(f"round {args.kept} is kept, of {len(rows)} run and {args.rounds} allowed; held-out F1 by round: {f1s}")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--models", type=Path, nargs="+", required=True, help="model.json of each round's detector, in order")
    p.add_argument("--weak_boxes", type=Path, nargs="+", required=True, help="weak boxes of each round")
    p.add_argument("--qualities", type=Path, nargs="+", help="quality.json of each round (default: not measured)")
    p.add_argument("--kept", type=int, required=True, help="number of the round that is kept")
    p.add_argument("--rounds", type=int, default=1, help="rounds at most (default %(default)s)")
    p.add_argument("--table", type=Path, required=True, help="CSV to write: a row per round")
    return p


def row(number, model, weak_boxes, quality, kept):
    """Return the row of a round. Figures have the ends of their intervals beside them, empty where there are none."""
    weak = coco.read(weak_boxes)
    bands = Counter(box["band"] for box in weak["annotations"])
    boxed = {box["image_id"] for box in weak["annotations"] if box["band"] == "accept"}
    told = {"round": number, "kept": "yes" if number == kept else "no", "photos": len(weak["images"]), "photos_with_box": len(boxed),
            "accepted": bands["accept"], "ignored": bands["ignore"]}
    told.update(figure("held_out_f1", "f1", model))
    return {**told, **(figure("true_f1", "f1_50", quality) if quality else {})}


def figure(name, measured, path):
    entry = json.loads(path.read_text(encoding="utf-8"))["metrics"][measured]
    return {name: entry["value"], f"{name}_low": entry["low"], f"{name}_high": entry["high"]}


if __name__ == "__main__":
    run(main)
