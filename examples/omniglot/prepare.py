#!/usr/bin/env python3
"""Lay Omniglot's characters out as specimens with three labels a class, and an alphabet that nobody enrolled.

Of three alphabets the characters of three drawers are to learn from and those of the other seventeen to test on; of Japanese (katakana) all are to test
on, so that each of its characters is an unseen class. A group is a drawer of an alphabet.
"""

import argparse
import csv
from pathlib import Path

UNSEEN, LABELLED = "Japanese_(katakana)", ("01", "02", "03")


def main():
    args = parser().parse_args()
    source = (args.data / "omniglot").resolve()
    args.folder.mkdir(parents=True, exist_ok=True)
    with open(source / "images.csv", newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    with open(args.folder / "specimens.csv", "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("image", "label", "group", "split"))
        for row in rows:
            learned = row["alphabet"] != UNSEEN and row["group"].endswith(LABELLED)
            writer.writerow(
                (source / row["file"], row["label"], row["group"], "train" if learned else "test")
            )
    print(f"{args.folder / 'specimens.csv'}: {len(rows)} images")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--data", type=Path, required=True, help="folder that holds omniglot/")
    p.add_argument("--folder", type=Path, required=True, help="folder to write specimens.csv to")
    return p


if __name__ == "__main__":
    main()
