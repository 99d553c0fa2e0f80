#!/usr/bin/env python3
"""Lay out two real sets of photos as the detection chain's input: BeeSense bumblebees and yellow sticky traps.

No photo is copied: tables and COCO files name those of the two sets. Whole groups (a recording hour, a minute, a run of
the camera) go to one purpose, so that no frame beside a test frame is ever learned from:

boxes.csv, traps_boxes.json  true boxes of insects, for the insect detector
labels.csv                   photos with a label alone: bumblebee, none, or sticky_trap (a look-alike: insects, but no bumblebee)
audit.csv                    the true boxes of the labelled bumblebee photos, to measure the weak boxes
test.csv                     true boxes for the final figures
"""

import argparse
import csv
import json
import os
from pathlib import Path

PURPOSE = {  # of each group; both scenes in each purpose
    "boxes": [
        "box_2025-12-02_1651",
        "box_2025-12-02_1652",
        "video_2025-05-23_17h",
        "video_2025-05-23_18h",
        "video_2025-05-27_15h",
    ],
    "labelled": [
        "box_2025-12-02_1653",
        "box_2025-12-02_1654",
        "video_2025-05-23_19h",
        "video_2025-05-23_20h",
        "video_2025-05-27_11h",
        "video_2025-05-27_16h",
    ],
    "test": [
        "box_2025-12-02_1655",
        "video_2025-05-27_17h",
        "video_2025-05-27_18h",
        "video_2025-05-27_20h",
        "video_2025-05-28_06h",
    ],
}
BOXED_TRAPS = ["camera_block00"]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument(
        "--data",
        type=Path,
        required=True,
        help="folder with beesense_bumblebees/ and yellow_sticky_traps/",
    )
    p.add_argument("--folder", type=Path, required=True, help="folder to write")
    args = p.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    bees, traps = rows(args.data / "beesense_bumblebees"), rows(args.data / "yellow_sticky_traps")
    by_purpose = {
        purpose: [row for row in bees if row["group"] in groups]
        for purpose, groups in PURPOSE.items()
    }
    labelled = [
        (row, "bumblebee" if int(row["n_objects"]) else "none") for row in by_purpose["labelled"]
    ]
    look_alikes = [(row, "sticky_trap") for row in traps if row["group"] not in BOXED_TRAPS]
    write(args.folder / "boxes.csv", [(row, "") for row in by_purpose["boxes"]])
    write(args.folder / "labels.csv", labelled + look_alikes)
    write(args.folder / "audit.csv", [pair for pair in labelled if pair[1] == "bumblebee"])
    write(args.folder / "test.csv", [(row, "") for row in by_purpose["test"]])
    write_traps(
        args.folder / "traps_boxes.json",
        args.data / "yellow_sticky_traps",
        [row for row in traps if row["group"] in BOXED_TRAPS],
    )


def rows(folder):
    with (folder / "images.csv").open(newline="", encoding="utf-8") as handle:
        return [{**row, "path": folder / row["file"]} for row in csv.DictReader(handle)]


def write(path, pairs):
    """Write a table of (row, label) pairs; its paths start at the table."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle)
        table.writerow(("image", "label", "group"))
        table.writerows(
            (os.path.relpath(row["path"], path.parent), label, row["group"]) for row, label in pairs
        )


def write_traps(path, folder, chosen):
    """Write the COCO file of the traps' set cut down to the chosen images, with their groups."""
    whole = json.loads((folder / "images/_annotations.coco.json").read_text(encoding="utf-8"))
    groups = {row["path"].name: row["group"] for row in chosen}
    images = [
        {
            **image,
            "file_name": os.path.relpath(folder / "images" / image["file_name"], path.parent),
            "group": groups[image["file_name"]],
        }
        for image in whole["images"]
        if image["file_name"] in groups
    ]
    ids = {image["id"] for image in images}
    boxes = [box for box in whole["annotations"] if box["image_id"] in ids]
    path.write_text(json.dumps({**whole, "images": images, "annotations": boxes}), encoding="utf-8")


if __name__ == "__main__":
    main()
