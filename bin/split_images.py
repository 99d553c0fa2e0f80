#!/usr/bin/env python3
"""Split the images of all sources into parts that share no group, and fail where a test image is known to training.

A group is what the user named so (an observation, a camera-night), joined with near-duplicates. Sources keep their
roles: boxes and labelled photos are split into training and validation, and a test part only where no test boxes are
given. The evaluation's truth is then, in this order: the test boxes; the audit boxes of held-out labelled photos; the
target's own boxes among the held-out box images; only the labels of held-out photos.
"""
import argparse
import csv
import json
from pathlib import Path

from entoflow import coco
from entoflow.task import InputError, run

STAGE = "split_images"


def main(argv):
    args = parser().parse_args(argv)
    audit = []
    roles = merge([coco.read(path) for path in sorted(args.datasets, key=lambda path: path.name)], audit)
    check(roles, args.target)
    groups = group(roles, args.duplicate_bits, audit)
    leaks(roles, groups)
    split(roles, groups, args)
    note_lookalike_scenes(roles, args.duplicate_bits, audit)
    test, audit_boxes = truth(roles, args.target, audit)
    coco.write(args.insect, roles["boxes"])
    coco.write(args.labelled, roles["labelled"])
    coco.write(args.test, test)
    coco.write(args.audit_boxes, audit_boxes)
    write_ids(args.validation_ids, coco.part(roles["boxes"], "validation"))
    write_ids(args.labelled_ids, coco.part(roles["labelled"], "train", "validation"))
    write_ids(args.test_ids, test)
    write_split(args.split, roles)
    args.audit.write_text(json.dumps(audit, ensure_ascii=False, indent=1), encoding="utf-8")
    print(f"{len(set(groups.values()))} groups; evaluation on {len(test['images'])} images, truth: {test['info']['truth']}.")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--datasets", type=Path, nargs="+", required=True, help="data sets that import_images.py wrote, of all roles")
    p.add_argument("--target", help="label whose detector is wanted (default: insects in general)")
    p.add_argument("--seed", type=int, default=1, help="seed (default %(default)s)")
    p.add_argument("--validation_share", type=float, default=0.15, help="share of the groups to validate on (default %(default)s)")
    p.add_argument("--test_share", type=float, default=0.15, help="share held out where no test boxes are given (default %(default)s)")
    p.add_argument("--duplicate_bits", type=int, default=6, help="near-duplicates differ in so many of 64 hash bits (default %(default)s)")
    for name in ("split", "audit", "insect", "labelled", "test", "audit_boxes", "validation_ids", "labelled_ids", "test_ids"):
        p.add_argument(f"--{name}", type=Path, required=True, help="file to write")
    return p


def merge(datasets, audit):
    """Return {role: one data set}: an image that several sources of a role hold is kept once."""
    roles = {}
    for role in ("boxes", "labelled", "test", "audit"):
        given = [dataset for dataset in datasets if dataset["info"]["role"] == role]
        images, categories, annotations = {}, {}, []
        for dataset in given:
            names = {category["id"]: category["name"] for category in dataset["categories"]}
            new = {image["id"]: image for image in dataset["images"] if image["id"] not in images}
            audit += [row(image, dataset, "left out", "the same bytes as an image of another source")
                      for image in dataset["images"] if image["id"] not in new]
            images.update({key: {**image, "source": dataset["info"]["source"]} for key, image in new.items()})
            for box in dataset["annotations"]:
                if box["image_id"] in new:
                    number = categories.setdefault(names[box["category_id"]], len(categories) + 1)
                    annotations.append({**box, "category_id": number})
            for name in names.values():
                categories.setdefault(name, len(categories) + 1)
        ordered = sorted(images.values(), key=lambda image: (image["file_name"], image["id"]))
        annotations.sort(key=lambda box: (box["image_id"], box["bbox"], box["category_id"]))
        roles[role] = {
            "info": {"role": role}, "images": ordered, "annotations": [{**box, "id": n} for n, box in enumerate(annotations, 1)],
            "categories": [{"id": number, "name": name} for name, number in categories.items()],
        }
    return roles


def check(roles, target):
    """Raise InputError where the target is not among the labels, or the audit boxes are of no labelled photo."""
    labels = sorted({image["label"] for image in roles["labelled"]["images"]})
    if target and labels and target not in labels:
        shown = ", ".join(labels[:10]) + (f" and {len(labels) - 10} more" if len(labels) > 10 else "")
        raise InputError(f"--target is '{target}'; wanted one of the labels of the labelled images: {shown}.")
    known = {image["id"] for image in roles["labelled"]["images"]}
    audited = [image for image in roles["audit"]["images"] if image["id"] in known]
    if roles["audit"]["images"] and not audited:
        raise InputError("--audit_boxes: none of its images is among the labelled images (compared by content); wanted boxes of those.")


def group(roles, bits, audit):
    """Return {image id: group} over all roles: given groups, joined by near-duplicates."""
    from entoflow.splits import join, near_duplicates

    images = every_image(roles)
    sure, _ = near_duplicates(images, bits)
    for a, b in sure:
        if named(images[a]) != named(images[b]):
            audit.append(row(images[b], {"info": {"source": images[b]["source"]}}, "joined",
                             f"nearly the same photo as {images[a]['file_name']}: both stay in one part"))
    return dict(zip((image["id"] for image in images), join([named(image) for image in images], sure)))


def every_image(roles):
    """Return the images of all roles, each content once: what is labelled or for testing before the audit's copy of it."""
    found = {}
    for role in ("boxes", "labelled", "test", "audit"):
        for image in roles[role]["images"]:
            found.setdefault(image["id"], {**image, "role": role})
    return sorted(found.values(), key=lambda image: image["id"])


def named(image):
    """The group as given is one of its source; a file without one is a group of its own."""
    return f"{image['role']}: {image['group']}"


def leaks(roles, groups):
    """Raise InputError where a group, a near-duplicate or the same bytes span training and test, or boxes and audit."""
    for known, held in (("boxes", "test"), ("labelled", "test"), ("boxes", "audit")):
        first = {}
        for image in roles[known]["images"]:
            first.setdefault(groups[image["id"]], image["file_name"])
        pairs = [(first[groups[image["id"]]], image["file_name"]) for image in roles[held]["images"] if groups[image["id"]] in first]
        if pairs:
            shown = "; ".join(f"{a} and {b}" for a, b in pairs[:5]) + (f"; and {len(pairs) - 5} more" if len(pairs) > 5 else "")
            raise InputError(f"leak: {len(pairs)} images for {held} are also among the {known} images, or nearly so: {shown}. "
                             "Take them out of one of the two.")


def split(roles, groups, args):
    """Give every image its group and part."""
    from entoflow.splits import assign

    held_out = {} if roles["test"]["images"] else {"test": args.test_share}
    for role in ("boxes", "labelled"):
        images = roles[role]["images"]
        boxed = {box["image_id"] for box in roles[role]["annotations"]}
        labels = [image["label"] if role == "labelled" else image["id"] in boxed for image in images]
        names = [groups[image["id"]] for image in images]
        for image, part in zip(images, assign(names, labels, {"validation": args.validation_share, **held_out}, args.seed)):
            image["part"] = part
    parts = {image["id"]: image["part"] for image in roles["labelled"]["images"]}
    for image in roles["test"]["images"]:
        image["part"] = "test"
    for image in roles["audit"]["images"]:
        image["part"] = parts.get(image["id"])
    for dataset in roles.values():
        for image in dataset["images"]:
            image["group"] = groups[image["id"]]


def note_lookalike_scenes(roles, bits, audit):
    """Tell of photos in different parts whose hashes agree though they are different photos: one camera, perhaps."""
    from entoflow.splits import near_duplicates

    images = [image for role in ("boxes", "labelled") for image in roles[role]["images"]]
    _, alike = near_duplicates(images, bits)
    apart = sum(images[a]["part"] != images[b]["part"] for a, b in alike)
    if apart:
        audit.append({"image": None, "row": None, "source": "all", "stage": STAGE, "action": "note",
                      "reason": f"{apart} pairs of images in different parts look alike (one camera?): give a group"})


def truth(roles, target, audit):
    """Return (test set with its truth, audit boxes of the photos that weak boxes are made for)."""
    audit_boxes = of_label(roles["audit"], target, "--audit_boxes")
    parts = {image["id"]: image["part"] for image in roles["audit"]["images"]}
    measured = keep(audit_boxes, lambda image: parts[image["id"]] in ("train", "validation"))
    held = keep(audit_boxes, lambda image: parts[image["id"]] == "test")
    names = {category["name"] for category in roles["boxes"]["categories"]}
    if roles["test"]["images"]:
        chosen, source = of_label(roles["test"], target, "--test_boxes"), "test_boxes"
    elif target and held["images"]:
        chosen, source = held, "audit_boxes"
    elif not target or target in names:
        boxes = coco.part(roles["boxes"], "test")
        chosen, source = of_label(boxes, target, "--boxes"), "boxes"
    else:
        chosen, source = coco.part(roles["labelled"], "test"), "labels"
    if not chosen["images"]:
        raise InputError("no image is left to test on: too few groups of images; give more images, or --test_boxes.")
    return {**chosen, "info": {"role": "test", "truth": source}}, measured


def of_label(dataset, target, parameter):
    """Return the data set with the target's boxes alone (all without a target), as one category."""
    names = {category["id"]: category["name"] for category in dataset["categories"]}
    if target and dataset["images"] and target not in names.values():
        if len(names) != 1 or not next(iter(names.values())).isdecimal():
            raise InputError(f"{parameter}: has boxes of {', '.join(sorted(names.values())) or 'nothing'}; wanted boxes of {target}.")
        names = dict.fromkeys(names, target)
    boxes = [{**box, "category_id": 1} for box in dataset["annotations"] if not target or names[box["category_id"]] == target]
    return {"info": dataset["info"], "images": dataset["images"], "annotations": boxes, "categories": [{"id": 1, "name": target or "insect"}]}


def keep(dataset, wanted):
    images = [image for image in dataset["images"] if wanted(image)]
    ids = {image["id"] for image in images}
    return {**dataset, "images": images, "annotations": [box for box in dataset["annotations"] if box["image_id"] in ids]}


def row(image, dataset, action, reason):
    return {"image": image["file_name"], "row": None, "source": dataset["info"]["source"], "stage": STAGE, "action": action, "reason": reason}


def write_ids(path, dataset):
    path.write_text("".join(f"{number}\n" for number in sorted(image["id"] for image in dataset["images"])))


def write_split(path, roles):
    rows = [(image["file_name"], image["group"], image["part"], role, image["label"] or "")
            for role in ("boxes", "labelled", "test") for image in roles[role]["images"]]
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("image", "group", "part", "role", "label"))
        writer.writerows(sorted(rows))


if __name__ == "__main__":
    run(main)
