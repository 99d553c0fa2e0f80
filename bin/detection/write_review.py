#!/usr/bin/env python3
"""Put the weak boxes most worth a person's look into a queue.

It is a table, a picture, and projects of two labelling tools.

What is worth most is what is likely wrong and costs the training most
(entoflow/detection/review_queue.py says how it is counted). A person corrects the photos in Label
Studio or Supervisely, from the boxes that were accepted or are ignored, and gives the result back
with --reviewed. The label "ignore" marks a region from which nothing is to be learned. A photo
without any box carries its likeliest one so marked, or is so marked as a whole: left as it is, it
stays left out and is not taken for empty.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from entoflow import files
from entoflow.dataset import Image
from entoflow.detection import review_queue, weak_boxes
from entoflow.detection.candidates import Corners
from entoflow.detection.review_queue import Item
from entoflow.detection.weak_boxes import WeakBox
from entoflow.formats import label_studio, supervisely
from entoflow.images import Pack
from entoflow.sources import AnnotatedImage, SourceBox
from entoflow.task import run

COLUMNS = (
    "rank",
    "image",
    "box_id",
    "x1",
    "y1",
    "x2",
    "y2",
    "band",
    "probability",
    "value",
    "reason",
)
IGNORE = "ignore"
SHOWN = 24  # photos of the picture
PROJECT = "supervisely"
IMAGES = f"/data/local-files/?d={PROJECT}/dataset/img/"  # where Label Studio finds them

BoxesByImage = Mapping[int, Sequence[WeakBox]]


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    weak = weak_boxes.read(args.weak_boxes)
    boxes_of = weak.by_image()
    items = review_queue.rank_items(weak)
    chosen = review_queue.first_photos(items, args.review_photos)
    args.review.mkdir(parents=True, exist_ok=True)
    files.write_csv(args.review / "review.csv", COLUMNS, table_rows(items))
    pack = Pack(args.packs)
    draw(args.review / "review.png", review_queue.first_photos(items, SHOWN), boxes_of, pack)
    labels = [weak.target, IGNORE]
    photos = [photo_for_tools(item.image, boxes_of[item.image.id], weak.target) for item in chosen]
    write_label_studio(args.review, photos, chosen, labels)
    write_supervisely(args.review / PROJECT, photos, chosen, labels, pack)
    print(
        f"{len(items)} boxes and photos are worth a look; "
        f"the first {len(photos)} photos are ready for Label Studio and Supervisely."
    )


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument(
        "--weak_boxes",
        type=Path,
        required=True,
        help="weak boxes, as select_weak_boxes.py wrote them",
    )
    p.add_argument("--packs", type=Path, nargs="+", required=True, help="packs with the photos")
    p.add_argument(
        "--review_photos",
        type=int,
        default=100,
        help="maximum number of photos for the labelling tools (default %(default)s)",
    )
    p.add_argument("--review", type=Path, required=True, help="folder to write")
    return p


def table_rows(items: Sequence[Item]) -> Iterator[list[object]]:
    """Yield a row for each item, best first; a photo as a whole has no box and no probability."""
    for rank, item in enumerate(items, 1):
        box = item.box
        box_cells: list[object] = [""] * 7
        if box:
            box_cells = [box.id, *corners(box), box.band, box.evidence.probability]
        yield [rank, item.image.file_name, *box_cells, round(item.value, 4), item.reason]


def corners(box: WeakBox) -> Corners:
    """Return the corners of a box, to a thousandth of a pixel."""
    x1, y1, x2, y2 = box.xyxy
    return round(x1, 3), round(y1, 3), round(x2, 3), round(y2, 3)


def draw(path: Path, items: Sequence[Item], boxes_of: BoxesByImage, pack: Pack) -> None:
    """Draw the first photos and why they are worth a look.

    A photo is drawn around its box most worth a look, or with all boxes that are not dropped.
    """
    from textwrap import fill

    from entoflow.contact_sheet import Tile, contact_sheet, short

    kinds = {"accept": "weak", "ignore": "ignored", "drop": "detection"}

    def tile(rank: int, item: Item) -> Tile:
        boxes = [box for box in boxes_of[item.image.id] if box.band != "drop"]
        if item.box:
            boxes = [item.box]
        drawn = [
            (corners(box), kinds[box.band], f"{box.evidence.probability:.2f}") for box in boxes
        ]
        title = f"{rank}: {short(item.image.file_name)}\n{fill(item.reason, 40)}"
        return Tile(pack.read(item.image.id), title, drawn)

    tiles = (tile(rank, item) for rank, item in enumerate(items, 1))
    contact_sheet(
        path, tiles, "Photos most worth a look; numbers: probability of the target", SHOWN
    )


def photo_for_tools(image: Image, boxes: Sequence[WeakBox], target: str) -> AnnotatedImage:
    """Return a photo with its boxes as the labelling tools get it."""
    drawn = []
    for box in boxes:
        if box.band != "drop":
            label = target if box.band == "accept" else IGNORE
            drawn.append(SourceBox(inside(box, image), label))
    if not drawn and boxes:
        likeliest = max(boxes, key=lambda box: box.evidence.probability or 0.0)
        drawn.append(SourceBox(inside(likeliest, image), IGNORE))
    if not drawn:
        drawn.append(SourceBox((0, 0, image.width, image.height), IGNORE))
    return AnnotatedImage(image.member, (image.width, image.height), drawn)


def inside(box: WeakBox, image: Image) -> Corners:
    """Return the corners of a box, not beyond the image: rounding may have put them a thousandth
    there.
    """
    x1, y1, x2, y2 = corners(box)
    return x1, y1, min(x2, image.width), min(y2, image.height)


def write_label_studio(
    folder: Path, photos: Sequence[AnnotatedImage], items: Sequence[Item], labels: Sequence[str]
) -> None:
    """Write the tasks and their labelling interface.

    The images are those of the Supervisely project.
    """
    tasks = label_studio.prefilled(photos, IMAGES)
    for task, item in zip(tasks, items):
        task["data"]["photo"] = item.image.file_name
        task["data"]["reason"] = item.reason
    files.write_json(folder / "label_studio.json", tasks)
    files.write_text(folder / "label_studio.xml", label_studio.labelling(labels))


def write_supervisely(
    folder: Path,
    photos: Sequence[AnnotatedImage],
    items: Sequence[Item],
    labels: Sequence[str],
    pack: Pack,
) -> None:
    """Write the project and its images."""
    folder.mkdir(exist_ok=True)
    images = supervisely.write(folder, photos, labels)
    images.mkdir(parents=True, exist_ok=True)
    for item in items:
        pack.extract(item.image.id, images)


if __name__ == "__main__":
    run(main)
