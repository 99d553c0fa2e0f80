#!/usr/bin/env python3
"""Read one source of images: check every file, bring boxes and labels into one form, and pack the images.

An image is taken if it decodes to its last byte; then its boxes are drawn on the upright image, clipped to it or
dropped. Of files with the same bytes one is taken, of those with the same bytes and different labels none: nobody can
tell which label is right. Whatever is not taken as it was given has a row in the audit.
"""
import argparse
import warnings
from collections import Counter
from pathlib import Path

from entoflow import coco, images, importing, taxonomy
from entoflow.tables import plain_text
from entoflow.task import InputError, run

BOX_ROLES = ("boxes", "test", "audit", "reviewed")
LISTS = {"labelled": "read_labelled", "specimens": "read_labelled", "unlabelled": "read_images", "predict": "read_images"}  # role -> its reader


def main(argv):
    args = checked(parser().parse_args(argv))
    warnings.filterwarnings("ignore", module="PIL")  # odd metadata; what matters is an error
    form, photos, notes = read(args.source, args.role)
    facts, bad = importing.describe_all(photos, images.describe, images.BadImage, args.cpus)
    importing.refuse_too_many(args.source, photos, bad, args.max_bad_files, "images")
    taken, doubles = importing.without_doubles([photo for photo in photos if photo.file_name in facts], lambda photo: facts[photo.file_name]["sha256"])
    boxes, repairs = place_all(taken, facts)
    refuse_no_boxes(args, boxes, repairs)
    taken, unsure = without_lost(taken, boxes, repairs)
    dataset = build(taken, facts, boxes, args.name, args.pack_size)
    if args.role == "specimens":
        taxonomy.of(dataset["images"], args.source, "file_name")
    dataset["info"] = {"role": args.role, "format": form, "source": args.source_name}
    write_packs(args.packs_folder, args.name, args.pack_size, taken, facts)
    coco.write(args.dataset, dataset)
    rows = importing.audit(dataset["info"]["source"], "import_images", [*notes, *bad, *doubles, *repairs, *unsure])
    importing.write_audit(args.audit, rows)
    print(summary(args, dataset, rows))


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--source", type=Path, required=True, help="file or folder to read")
    p.add_argument("--role", choices=[*BOX_ROLES, *LISTS], required=True, help="what its images are for")
    p.add_argument("--name", required=True, help="start of the packs' names, such as boxes_1")
    p.add_argument("--max_bad_files", type=float, default=0.05,
                   help="share of files that may be unusable before that is an error (default %(default)s)")
    p.add_argument("--pack_size", type=int, default=500, help="images in a pack at most (default %(default)s)")
    p.add_argument("--cpus", type=int, default=2, help="images to check at a time (default %(default)s)")
    p.add_argument("--dataset", type=Path, required=True, help="JSON file to write: the images and their boxes")
    p.add_argument("--audit", type=Path, required=True, help="JSON file to write: what was not taken as given, and why")
    p.add_argument("--packs_folder", type=Path, required=True, help="folder to write the packs of images to")
    return p


def checked(args):
    """Return the arguments. Raises InputError for a number out of its range."""
    importing.check_numbers(args, "pack_size", "cpus")
    args.source = args.source if args.source.name else args.source.resolve()  # `.` has no name to go by
    args.source_name, args.source = plain_text(args.source.name), importing.given(args.source)
    return args


def read(source, role):
    """Return (format, photos by file name, notes (image, row, action, reason)). Raises InputError for no image."""
    from entoflow.formats import box_formats, image_lists

    reader = getattr(image_lists, LISTS[role]) if role in LISTS else box_formats.read
    form, photos, notes = reader(source)
    if not photos:
        out = [f"{name}: {reason}" for name, _, action, reason in notes if action == "left out"]
        first = f", the first {out[0]}" if out else ""
        raise InputError(f"{source}: has no image to take ({len(out)} left out{first}); wanted at least one.")
    return form, sorted(photos, key=lambda photo: photo.file_name), notes


def place_all(photos, facts):
    """Return ({file name: boxes in the upright image, clipped and sorted}, notes of what was mended or dropped)."""
    from entoflow.formats.box_placing import place

    boxes, notes = {}, []
    for photo in photos:
        fact = facts[photo.file_name]
        boxes[photo.file_name], repairs = place(photo, fact["width"], fact["height"], fact["orientation"])
        notes += [(photo.file_name, *note) for note in (*photo.notes, *repairs)]
    return boxes, notes


def without_lost(photos, boxes, notes):
    """Return (photos, notes): one whose boxes were all dropped is left out, as it would pose as an image without objects."""
    dropped = {name for name, _, action, _ in notes if action == "dropped"}
    lost = {photo.file_name for photo in photos if photo.file_name in dropped and not boxes[photo.file_name]}
    notes = [(name, None, "left out", "none of its boxes can be used: not known to be empty") for name in sorted(lost)]
    return [photo for photo in photos if photo.file_name not in lost], notes


def build(photos, facts, boxes, name, pack_size):
    """Return the dataset: images in the order of their names, with their boxes."""
    placed = [(facts[photo.file_name]["id"], *box) for photo in photos for box in boxes[photo.file_name]]
    names = sorted({label for _, _, label, _ in placed})
    categories = {label: number for number, label in enumerate(names, 1)}
    return {
        "images": [entry(p, facts[p.file_name], pack_name(name, i // pack_size)) for i, p in enumerate(photos)],
        "annotations": [annotation(i, categories, *box) for i, box in enumerate(placed, 1)],
        "categories": [{"id": number, "name": label} for label, number in categories.items()],
    }


def entry(photo, fact, pack):
    """Return a photo as the dataset lists it."""
    kept = {key: fact[key] for key in ("width", "height", "sha256", "phash", "mirrored", "thumbnail")}
    return {"id": fact["id"], "file_name": photo.file_name, "pack": pack,
            "member": images.member_name(fact["sha256"], fact["suffix"]), **kept,
            "group": photo.group or photo.file_name, "label": photo.label, "count": photo.count, **photo.columns}


def annotation(number, categories, image, corners, label, crowd):
    """Return a box as the dataset lists it."""
    x1, y1, x2, y2 = corners
    return {"id": number, "image_id": image, "category_id": categories[label], "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": (x2 - x1) * (y2 - y1), "iscrowd": int(crowd)}


def refuse_no_boxes(args, boxes, notes):
    """Raise InputError where images are to have boxes and not one, ignore regions aside, is left, or all are of shares, not pixels.

    A review may find every photo empty.
    """
    if args.role not in BOX_ROLES:
        return
    corners = [corners for placed in boxes.values() for corners, _, crowd in placed if not crowd]
    if not corners and args.role == "reviewed":
        return
    if not corners:
        dropped = [f"{note[0]}: {note[3]}" for note in notes if note[2] == "dropped"]
        found = f" ({len(dropped)} dropped, the first in {dropped[0]})" if dropped else ""
        raise InputError(f"{args.source}: has no box in its {len(boxes)} images{found}; wanted at least one.")
    if max(map(max, corners)) <= 1:
        raise InputError(f"{args.source}: all its boxes lie in the first pixel of their images (shares of the sides?); wanted corners in pixels.")


def write_packs(folder, name, size, photos, facts):
    """Write the images to packs, reading each file once more: nothing of it was kept."""
    for start in range(0, len(photos), size):
        chosen = [(photo.path, facts[photo.file_name]) for photo in photos[start:start + size]]
        files = [(path, fact["sha256"], fact["suffix"]) for path, fact in chosen]
        images.write_pack(folder / pack_name(name, start // size), files)


def pack_name(name, number):
    """Return the name of a pack by its number, from 0."""
    return f"{name}_{number + 1:04d}.zip"


def summary(args, dataset, rows):
    """Return the last line printed: what was taken and what was not."""
    counts = Counter(row["action"] for row in rows)
    boxes = f" with {len(dataset['annotations'])} boxes" if args.role in BOX_ROLES else ""
    others = [f"{action} {counts[action]}" for action in ("dropped", "clipped", "joined", "note") if counts[action]]
    more = f" (other rows: {', '.join(others)})" if others else ""
    taken = f"Took {len(dataset['images'])} images{boxes} from {dataset['info']['source']}"
    return f"{taken}, left out {counts['left out']}{more}: see {args.audit.name}."


if __name__ == "__main__":
    run(main)
