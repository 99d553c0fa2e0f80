#!/usr/bin/env python3
"""Lay out the yellow sticky traps as the detection chain's input: boxes.json to learn from and test.json for the figures.

No photo is copied: the COCO files name those of the set. Runs of the camera are groups: two to learn from, the third to test on.
"""

import argparse
import csv
import json
import os
from pathlib import Path

PURPOSE = {"boxes": ["camera_block00", "camera_block01"], "test": ["camera_block02"]}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--data", type=Path, required=True, help="folder with yellow_sticky_traps/")
    p.add_argument("--folder", type=Path, required=True, help="folder to write")
    args = p.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    traps = args.data / "yellow_sticky_traps"
    whole = json.loads((traps / "images/_annotations.coco.json").read_text(encoding="utf-8"))
    with (traps / "images.csv").open(newline="", encoding="utf-8") as handle:
        group = {Path(row["file"]).name: row["group"] for row in csv.DictReader(handle)}
    for purpose, groups in PURPOSE.items():
        images = [
            {
                **image,
                "file_name": os.path.relpath(traps / "images" / image["file_name"], args.folder),
                "group": group[image["file_name"]],
            }
            for image in whole["images"]
            if group[image["file_name"]] in groups
        ]
        ids = {image["id"] for image in images}
        boxes = [box for box in whole["annotations"] if box["image_id"] in ids]
        (args.folder / f"{purpose}.json").write_text(
            json.dumps({**whole, "images": images, "annotations": boxes}), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
