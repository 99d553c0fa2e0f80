#!/usr/bin/env python3
"""Lay out real sounds as recordings with labels and groups: fly courtship song, or ESC-10's environmental sounds with the set's own folds.

Of fly song, pulses come from three recordings, sine song and background from one alone: whoever knows the recording knows much of the label. With
--one_recording there is that one alone, and nothing of the kind to learn.
"""

import argparse
import csv
from pathlib import Path

TABLES = {"fly_song": "clips.csv", "esc10_sounds": "recordings.csv"}
ALONE = "20161207T102314_ch1"


def main():
    args = parser().parse_args()
    source = (args.data / args.set).resolve()
    args.folder.mkdir(parents=True, exist_ok=True)
    with open(source / TABLES[args.set], newline="", encoding="utf-8") as handle:
        rows = [
            row
            for row in csv.DictReader(handle)
            if not args.one_recording or row["recording"] == ALONE
        ]
    extra = [name for name in ("fold",) if name in rows[0]]
    with open(args.folder / "recordings.csv", "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("recording", "label", "group", *extra))
        writer.writerows(
            (source / row["file"], row["label"], row["group"], *(row[name] for name in extra))
            for row in rows
        )
    print(f"{args.folder / 'recordings.csv'}: {len(rows)} recordings")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument(
        "--data", type=Path, required=True, help="folder that holds fly_song/ and esc10_sounds/"
    )
    p.add_argument("--set", choices=sorted(TABLES), required=True, help="which")
    p.add_argument(
        "--one_recording",
        action="store_true",
        help="of fly_song the recording alone that has all labels",
    )
    p.add_argument("--folder", type=Path, required=True, help="folder to write recordings.csv to")
    return p


if __name__ == "__main__":
    main()
