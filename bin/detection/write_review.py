#!/usr/bin/env python3
"""Put the weak boxes most worth a person's look into a queue: a table, a picture, and projects of two labelling tools.

What is worth most is what is likely wrong and costs the training most (entoflow/review_queue.py says how it is counted). A person
corrects the photos in Label Studio or Supervisely, from the boxes that were accepted or are ignored, and gives the result
back with --reviewed. The label "ignore" marks a region from which nothing is to be learned. A photo without any box
carries its likeliest one so marked, or is so marked as a whole: left as it is, it stays left out and is not taken for empty.
"""
import argparse
import csv
import json
from pathlib import Path

from entoflow import coco
from entoflow.detection import review_queue
from entoflow.formats import label_studio, supervisely
from entoflow.sources import Box, Photo
from entoflow.task import run

COLUMNS = ("rank", "image", "box_id", "x1", "y1", "x2", "y2", "band", "probability", "value", "reason")
IGNORE = "ignore"
SHEET = 24  # photos of the picture
PROJECT = "supervisely"


def main(argv):
    args = parser().parse_args(argv)
    weak = coco.read(args.weak_boxes)
    items = review_queue.ranked(weak)
    chosen = review_queue.first_photos(items, args.review_photos)
    args.review.mkdir(parents=True, exist_ok=True)
    write_table(args.review / "review.csv", items)
    from entoflow import images

    pack = images.Pack(args.packs)
    own = boxes_of(chosen + review_queue.first_photos(items, SHEET), weak)
    draw(args.review / "review.png", review_queue.first_photos(items, SHEET), own, pack)
    labels = [weak["categories"][0]["name"], IGNORE]
    photos = [photo(item.image, own[item.image["id"]], labels[0]) for item in chosen]
    write_label_studio(args.review, photos, chosen, labels)
    write_supervisely(args.review / PROJECT, photos, chosen, labels, pack)
    print(f"{len(items)} boxes and photos are worth a look; the first {len(photos)} photos are ready for Label Studio and Supervisely.")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--weak_boxes", type=Path, required=True, help="weak boxes, as select_weak_boxes.py wrote them")
    p.add_argument("--packs", type=Path, nargs="+", required=True, help="packs with the photos")
    p.add_argument("--review_photos", type=int, default=100, help="photos for the labelling tools at most (default %(default)s)")
    p.add_argument("--review", type=Path, required=True, help="folder to write")
    return p


def boxes_of(items, weak):
    """Return {image id: its boxes} of the Items' photos."""
    found = {item.image["id"]: [] for item in items}
    for box in weak["annotations"]:
        if box["image_id"] in found:
            found[box["image_id"]].append(box)
    return found


def write_table(path, items):
    """Write a row per Item, best first; a photo as a whole has no box and no probability."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for rank, item in enumerate(items, 1):
            box = item.box
            of_box = [box["id"], *corners(box), box["band"], box["evidence"]["probability"]] if box else [""] * 7
            writer.writerow([rank, item.image["file_name"], *of_box, round(item.value, 4), item.reason])


def corners(box):
    x, y, width, height = box["bbox"]
    return round(x, 3), round(y, 3), round(x + width, 3), round(y + height, 3)


def draw(path, items, own, pack):
    """Draw the first photos, each around its box most worth a look, or with all that are not dropped, and why it is worth one."""
    from textwrap import fill

    from entoflow import plots

    kinds = {"accept": "weak", "ignore": "ignored", "drop": "detection"}
    tiles = (plots.Tile(pack.read(item.image["id"]), f"{rank}: {plots.short(item.image['file_name'])}\n{fill(item.reason, 40)}",
                        [(corners(box), kinds[box["band"]], f"{box['evidence']['probability']:.2f}")
                         for box in ([item.box] if item.box else own[item.image["id"]]) if box is item.box or box["band"] != "drop"])
             for rank, item in enumerate(items, 1))
    plots.contact_sheet(path, tiles, "Photos most worth a look; numbers: probability of the target", SHEET)


def photo(image, own, target):
    """Return a photo with its boxes as the labelling tools get it."""
    right, bottom = image["width"], image["height"]

    def inside(box):
        x1, y1, x2, y2 = corners(box)
        return x1, y1, min(x2, right), min(y2, bottom)  # rounding may have put them a thousandth beyond

    boxes = [Box(inside(box), target if box["band"] == "accept" else IGNORE) for box in own if box["band"] != "drop"]
    likeliest = max(own, key=lambda box: box["evidence"]["probability"], default=None)
    return Photo(image["member"], None, boxes or [Box(inside(likeliest) if likeliest else (0, 0, right, bottom), IGNORE)], (right, bottom))


def write_label_studio(folder, photos, items, labels):
    """Write the tasks and their labelling interface; the images are those of the Supervisely project."""
    tasks = label_studio.prefilled(photos, f"/data/local-files/?d={PROJECT}/dataset/img/")
    for task, item in zip(tasks, items):
        task["data"] |= {"photo": item.image["file_name"], "reason": item.reason}
    (folder / "label_studio.json").write_text(json.dumps(tasks, ensure_ascii=False, indent=1), encoding="utf-8")
    (folder / "label_studio.xml").write_text(label_studio.labelling(labels), encoding="utf-8")


def write_supervisely(folder, photos, items, labels, pack):
    folder.mkdir(exist_ok=True)
    images = supervisely.write(folder, photos, labels)
    images.mkdir(parents=True, exist_ok=True)
    for item in items:
        pack.extract(item.image["id"], images)


if __name__ == "__main__":
    run(main)
