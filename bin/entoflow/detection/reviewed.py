"""What a person made of weak boxes, matched to the labelled photos it is of.

A photo is known by its bytes, or by the name that write_review.py gave its copy: a photo that is no plain JPEG or PNG is copied as
one, and so has other bytes.
"""
import re
from collections import Counter, defaultdict
from pathlib import PurePosixPath

from entoflow.images import image_id
from entoflow.sources import CROWD_NAMES
from entoflow.task import InputError

MEMBER = re.compile(r"[0-9a-f]{32}")  # the name of an image in its pack


def of_labelled(reviewed, labelled, target):
    """Return (data set of the reviewed labelled photos with their boxes of the target, audit rows (image, action, reason)).

    Photos and parts are those of labelled; held-out photos are not among them. Boxes named like an ignore region ("ignore",
    "crowd") are one; those of other labels are dropped. Raises InputError for a source with no labelled photo, or whose boxes all
    have other labels.
    """
    pairs, rows = matched(reviewed["images"], {image["id"]: image for image in labelled["images"]})
    names = named(reviewed, target)
    boxes, other = defaultdict(list), defaultdict(Counter)
    for box in reviewed["annotations"]:
        name = names[box["category_id"]]
        ignored = bool(box["iscrowd"]) or name.lower() in CROWD_NAMES
        if name == target or name.lower() in CROWD_NAMES:
            boxes[box["image_id"]].append({**box, "category_id": 1, "iscrowd": int(ignored)})
        else:
            other[box["image_id"]][name] += 1
    images, annotations = [], []
    for image, photo in pairs:
        told = {**photo, "source": image["source"]}
        found = ", ".join(f"{n} of {name}" for name, n in sorted(other[image["id"]].items()))
        rows += [(told, "dropped", f"reviewed boxes that are not of {target}: {found}")] if found else []
        if photo["part"] == "test":
            rows.append((told, "left out", "is held out for testing: the reviewed boxes on it teach nothing"))
            continue
        images.append(photo)
        annotations += [{**box, "image_id": photo["id"]} for box in boxes[image["id"]]]
    return {"info": {"role": "reviewed"}, "images": images, "categories": [{"id": 1, "name": target}],
            "annotations": [{**box, "id": n} for n, box in enumerate(annotations, 1)]}, rows


def matched(images, known):
    """Return ([(reviewed image, the labelled photo it is of)], rows of the others). Raises InputError for a source without any."""
    pairs, taken, rows, sources = [], set(), [], Counter()
    for image in images:
        photo = known.get(image["id"]) or copied(image, known)
        sources[image["source"]] += photo is not None
        if photo is None:
            rows.append((image, "left out", "is not among the labelled images (compared by content, or by the name that the review gave)"))
        elif photo["id"] in taken:
            rows.append((image, "left out", f"is reviewed twice: the boxes on another copy of {photo['file_name']} count"))
        else:
            taken.add(photo["id"])
            pairs.append((image, photo))
    strange = sorted(source for source, n in sources.items() if not n)
    if strange:
        n = sum(image["source"] == strange[0] for image in images)
        raise InputError(f"--reviewed: none of the {n} images of {strange[0]} is among the labelled images (compared by content, or by the name "
                         "that the review gave); wanted corrected boxes of those.")
    return sorted(pairs, key=lambda pair: (pair[1]["file_name"], pair[1]["id"])), rows


def copied(image, known):
    """Return the labelled photo of which an image is the review's copy, or None: its name says so, and it is as large."""
    stem = PurePosixPath(image["file_name"]).stem
    photo = known.get(image_id(stem)) if MEMBER.fullmatch(stem) else None
    return photo if photo and (photo["width"], photo["height"]) == (image["width"], image["height"]) else None


def named(reviewed, target):
    """Return {category id: label}. A single number is a class of YOLO without a name: the target. Raises InputError where none is the target."""
    names = {category["id"]: category["name"] for category in reviewed["categories"]}
    if len(names) == 1 and next(iter(names.values())).isdecimal():
        return dict.fromkeys(names, target)
    others = sorted(name for name in names.values() if name.lower() not in CROWD_NAMES)
    if others and target not in others:
        raise InputError(f"--reviewed: has boxes of {', '.join(others)}; wanted boxes of {target}.")
    return names
