#!/usr/bin/env python3
"""Split the images of all sources into parts that share no group, and fail where a test image is known to training.

A group is what the user named so (an observation, a camera-night), joined with near-duplicates. Sources keep their
roles: boxes and labelled photos are split into training and validation, and a test part only where no test boxes are
given. The evaluation's truth is then, in this order: the test boxes; the audit boxes of held-out labelled photos; the
target's own boxes among the held-out box images; only the labels of held-out photos. What a person reviewed takes no part
in the division: a reviewed photo has the part of the labelled photo it is, and teaches nothing if that is the test part.
"""
import argparse
import csv
import json
from collections import defaultdict
from pathlib import Path

from entoflow import coco
from entoflow.detection.reviewed import of_labelled
from entoflow.joining import group, merge, read, row
from entoflow.tables import plain_label
from entoflow.task import InputError, run

ROLES = ("boxes", "labelled", "test", "audit")
STAGE = "split_images"


def main(argv):
    args = checked(parser().parse_args(argv))
    audit = []
    roles = merge([read(path, (*ROLES, "reviewed")) for path in sorted(args.datasets, key=lambda path: path.name)], (*ROLES, "reviewed"), STAGE, audit)
    given = roles.pop("reviewed")
    check(roles, args.target)
    note_stray_audit(roles, audit)
    groups, alike = group(roles, args.duplicate_bits, STAGE, audit)
    leaks(roles, groups)
    split(roles, groups, args)
    refuse_no_parts(roles, args.target)
    note_lookalike_scenes(roles, alike, audit)
    test, audit_boxes = truth(roles, args.target, audit)
    reviewed, rows = of_labelled(given, roles["labelled"], args.target or "insect")
    audit += [row(image, image["source"], STAGE, action, reason) for image, action, reason in rows]
    coco.write(args.insect, roles["boxes"])
    coco.write(args.labelled, roles["labelled"])
    coco.write(args.test, test)
    coco.write(args.audit_boxes, audit_boxes)
    coco.write(args.reviewed, reviewed)
    write_ids(args.validation_ids, coco.part(roles["boxes"], "validation"))
    write_ids(args.labelled_ids, coco.part(roles["labelled"], "train", "validation"))
    write_ids(args.test_ids, test)
    write_split(args.split, roles)
    args.audit.write_text(json.dumps(audit, ensure_ascii=False, indent=1), encoding="utf-8")
    print(f"{len(set(groups.values()))} groups; evaluation on {len(test['images'])} images, truth: {test['info']['truth']}.")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--datasets", type=Path, nargs="+", required=True, help="data sets that import_images.py wrote, of all roles")
    p.add_argument("--target", type=plain_label, help="label whose detector is wanted (default: insects in general)")
    p.add_argument("--seed", type=int, default=1, help="seed (default %(default)s)")
    p.add_argument("--validation_share", type=float, default=0.15, help="share of the groups to validate on (default %(default)s)")
    p.add_argument("--test_share", type=float, default=0.15, help="share held out where no test boxes are given (default %(default)s)")
    p.add_argument("--duplicate_bits", type=int, default=6, help="near-duplicates differ in so many of 64 hash bits (default %(default)s)")
    for name in ("split", "audit", "insect", "labelled", "test", "audit_boxes", "reviewed", "validation_ids", "labelled_ids", "test_ids"):
        p.add_argument(f"--{name}", type=Path, required=True, help="file to write")
    return p


def checked(args):
    """Return the arguments. Raises InputError for shares that leave nothing to train on."""
    for name in ("validation_share", "test_share"):
        if not 0 < getattr(args, name) < 1:
            raise InputError(f"--{name} is {getattr(args, name)}; wanted a share above 0 and below 1.")
    if args.validation_share + args.test_share >= 1:
        raise InputError(f"--validation_share {args.validation_share} and --test_share {args.test_share} leave nothing to train on.")
    return args


def check(roles, target):
    """Raise InputError where there are no boxes, the target is not among the labels, or the audit boxes are of no labelled photo."""
    if not roles["boxes"]["images"]:
        raise InputError("--datasets: none holds images with boxes to train on; wanted at least one that was imported with --role boxes.")
    labels = sorted({image["label"] for image in roles["labelled"]["images"]})
    if target and labels and target not in labels:
        shown = ", ".join(labels[:10]) + (f" and {len(labels) - 10} more" if len(labels) > 10 else "")
        raise InputError(f"--target is '{target}'; wanted one of the labels of the labelled images: {shown}.")
    known = {image["id"] for image in roles["labelled"]["images"]}
    audited = [image for image in roles["audit"]["images"] if image["id"] in known]
    if roles["audit"]["images"] and not audited:
        raise InputError("--audit_boxes: none of its images is among the labelled images (compared by content); wanted boxes of those.")


def note_stray_audit(roles, audit):
    """Take out the audited images that are no labelled photo: there are no weak boxes to measure on them."""
    known = {image["id"] for image in roles["labelled"]["images"]}
    strays = [image for image in roles["audit"]["images"] if image["id"] not in known]
    audit += [row(image, image["source"], STAGE, "left out", "is not among the labelled images (compared by content)") for image in strays]
    roles["audit"] = keep(roles["audit"], lambda image: image["id"] in known)


def leaks(roles, groups):
    """Raise InputError where a group, a near-duplicate or the same bytes span training and test, or boxes and audit."""
    for known, held in (("boxes", "test"), ("labelled", "test"), ("boxes", "audit")):
        first = {}
        for image in roles[known]["images"]:
            first.setdefault(groups[image["id"]], image["file_name"])
        pairs = [(first[groups[image["id"]]], image["file_name"]) for image in roles[held]["images"] if groups[image["id"]] in first]
        if pairs:
            shown = "; ".join(f"{a} and {b}" for a, b in pairs[:5]) + (f"; and {len(pairs) - 5} more" if len(pairs) > 5 else "")
            raise InputError(f"leak: {len(pairs)} images for {held} are also among the {known} images, nearly so, or of one group with them: "
                             f"{shown}. Take them out of one of the two.")


def split(roles, groups, args):
    """Give every image its group and part. A group has one part in all roles; each role's classes are spread by the shares."""
    from entoflow.splits import assign

    held_out = {} if roles["test"]["images"] else {"test": args.test_share}
    images = [image for role in ("boxes", "labelled") for image in roles[role]["images"]]
    labels = [*box_labels(roles["boxes"], args.target), *(f"labelled: {image['label']}" for image in roles["labelled"]["images"])]
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


def box_labels(boxes, target):
    """Return what of each box image must be in every part: the target's boxes, others, none."""
    names = {category["id"]: category["name"] for category in boxes["categories"]}
    held = defaultdict(set)
    for box in boxes["annotations"]:
        held[box["image_id"]].add(names[box["category_id"]])
    return [f"boxes: {target in held[image['id']]}, {image['id'] in held}" for image in boxes["images"]]


def refuse_no_parts(roles, target):
    """Raise InputError where boxes, or photos of the target, are not in both the training and the validation part."""
    boxed = {box["image_id"] for box in roles["boxes"]["annotations"] if not box["iscrowd"]}
    labelled = roles["labelled"]["images"]
    for images, what in (([image for image in roles["boxes"]["images"] if image["id"] in boxed], "--boxes: images with boxes"),
                         ([image for image in labelled if image["label"] == target], f"--labelled_images: photos labelled {target}")):
        if images and not {"train", "validation"} <= {image["part"] for image in images}:
            n = len({image["group"] for image in images})
            raise InputError(f"{what} come in {n} group{'s' * (n > 1)}, none left to {'validate' if n == 1 else 'train or validate'} on; wanted at "
                             "least 2 groups, better 20: near-duplicates are one, and so is what `group` says.")


def note_lookalike_scenes(roles, alike, audit):
    """Tell of photos in different parts whose hashes agree though they are different photos: one camera, perhaps."""
    import numpy as np

    parts = {image["id"]: image["part"] for role in ("boxes", "labelled") for image in roles[role]["images"]}
    ids = np.array(sorted(parts))
    at = np.searchsorted(ids, alike).clip(max=len(ids) - 1)
    part = np.array([parts[number] for number in ids.tolist()])
    apart = ((ids[at] == alike).all(axis=1) & (part[at[:, 0]] != part[at[:, 1]])).sum()
    if apart:
        audit.append({"image": None, "row": None, "source": "all", "stage": STAGE, "action": "note",
                      "reason": f"{apart} pairs of images in different parts look alike (one camera?): give a group"})


def truth(roles, target, audit):
    """Return (test set with its truth, audit boxes of the photos that weak boxes are made for)."""
    audit_boxes = of_label(roles["audit"], target, "--audit_boxes")
    parts = {image["id"]: image["part"] for image in roles["audit"]["images"]}
    measured = keep(audit_boxes, lambda image: parts[image["id"]] in ("train", "validation"))
    held = keep(audit_boxes, lambda image: parts[image["id"]] == "test")
    boxes, names = coco.part(roles["boxes"], "test"), {category["name"] for category in roles["boxes"]["categories"]}
    own = of_label(boxes, target, "--boxes") if not target or target in names else None
    if roles["test"]["images"]:
        chosen, source = of_label(roles["test"], target, "--test_boxes"), "test_boxes"
    elif has_boxes(held):
        chosen, source = held, "audit_boxes"
    elif own and has_boxes(own):
        chosen, source = own, "boxes"
    else:
        chosen, source = coco.part(roles["labelled"], "test"), "labels"
    if source == "labels" and not any(image["label"] == target for image in chosen["images"]):
        raise InputError("no image is left to test on: too few groups of images; give more images, or --test_boxes.")
    return {**chosen, "info": {"role": "test", "truth": source}}, measured


def of_label(dataset, target, parameter):
    """Return the data set with the target's boxes alone (all without a target), as one category.

    A photo without a label whose boxes are all of others gets their names as its label.
    """
    names = {category["id"]: category["name"] for category in dataset["categories"]}
    if target and dataset["images"] and target not in names.values():
        if len(names) != 1 or not next(iter(names.values())).isdecimal():
            raise InputError(f"{parameter}: has boxes of {', '.join(sorted(names.values())) or 'nothing'}; wanted boxes of {target}.")
        names = dict.fromkeys(names, target)
    held = defaultdict(set)
    for box in dataset["annotations"]:
        held[box["image_id"]].add(names[box["category_id"]])
    others = {number: " and ".join(sorted(labels)) for number, labels in held.items() if target and target not in labels}
    images = [{**image, "label": image["label"] or others.get(image["id"])} for image in dataset["images"]]
    boxes = [{**box, "category_id": 1} for box in dataset["annotations"] if not target or names[box["category_id"]] == target]
    return {"info": dataset["info"], "images": images, "annotations": boxes, "categories": [{"id": 1, "name": target or "insect"}]}


def has_boxes(dataset):
    return not all(box["iscrowd"] for box in dataset["annotations"])


def keep(dataset, wanted):
    images = [image for image in dataset["images"] if wanted(image)]
    ids = {image["id"] for image in images}
    return {**dataset, "images": images, "annotations": [box for box in dataset["annotations"] if box["image_id"] in ids]}


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
