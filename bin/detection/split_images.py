#!/usr/bin/env python3
"""Split the images of all sources into parts that share no group, and refuse leaks.

A group is what the user named so (an observation, a camera-night), joined with near-duplicates.
Sources keep their roles: boxes and labelled photos are split into training and validation, and a
test part only where no test boxes are given. The evaluation's truth is then, in this order: the
test boxes; the audit boxes of held-out labelled photos; the target's own boxes among the held-out
box images; only the labels of held-out photos. What a person reviewed takes no part in the
division: a reviewed photo has the part of the labelled photo it is, and teaches nothing if that is
the test part.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow import audit, dataset, files, grouping
from entoflow.audit import AuditRow
from entoflow.dataset import Dataset, Image
from entoflow.detection.reviewed import match_reviewed
from entoflow.tables import plain_label
from entoflow.task import InputError, run

if TYPE_CHECKING:
    import numpy as np

DIVIDED = ("boxes", "labelled", "test", "audit")  # roles that take part in the division
ROLES = (*DIVIDED, "reviewed")
STAGE = "split_images"
OUTPUTS = (
    "split",
    "audit",
    "insect",
    "labelled",
    "test",
    "audit_boxes",
    "reviewed",
    "validation_ids",
    "labelled_ids",
    "test_ids",
)
SHOWN_LABELS, SHOWN_LEAKS = 10, 5  # in error messages

Roles = dict[str, Dataset]  # role -> its images
Groups = dict[int, str]  # image id -> its group


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    check_shares(args)
    rows: list[AuditRow] = []
    roles = read_roles(args.datasets, rows)
    reviewed = roles.pop("reviewed")
    check_roles(roles, args.target)
    roles["audit"] = without_strays(roles["audit"], roles["labelled"], rows)
    groups, look_alikes = grouping.group(roles, args.duplicate_bits, STAGE, rows)
    refuse_leaks(roles, groups)
    roles = split(roles, groups, args)
    refuse_missing_parts(roles, args.target)
    note_look_alike_scenes(roles, look_alikes, rows)
    audit_boxes = select_target(roles["audit"], args.target, "--audit_boxes")
    test = choose_truth(roles, audit_boxes.part("test"), args.target)
    reviewed_boxes, review_rows = match_reviewed(
        reviewed, roles["labelled"], args.target or "insect", STAGE
    )
    dataset.write(args.insect, roles["boxes"])
    dataset.write(args.labelled, roles["labelled"])
    dataset.write(args.test, test)
    dataset.write(args.audit_boxes, audit_boxes.part("train", "validation"))
    dataset.write(args.reviewed, reviewed_boxes)
    write_ids(args.validation_ids, roles["boxes"].part("validation"))
    write_ids(args.labelled_ids, roles["labelled"].part("train", "validation"))
    write_ids(args.test_ids, test)
    write_split(args.split, roles)
    audit.write(args.audit, rows + review_rows)
    print(
        f"{len(set(groups.values()))} groups; "
        f"evaluation on {len(test.images)} images, truth: {test.truth}."
    )


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument(
        "--datasets",
        type=Path,
        nargs="+",
        required=True,
        help="data sets that import_images.py wrote, of all roles",
    )
    p.add_argument(
        "--target",
        type=plain_label,
        help="label whose detector is wanted (default: insects in general)",
    )
    p.add_argument("--seed", type=int, default=1, help="seed (default %(default)s)")
    p.add_argument(
        "--validation_share",
        type=float,
        default=0.15,
        help="share of the groups to validate on (default %(default)s)",
    )
    p.add_argument(
        "--test_share",
        type=float,
        default=0.15,
        help="share held out where no test boxes are given (default %(default)s)",
    )
    p.add_argument(
        "--duplicate_bits",
        type=int,
        default=6,
        help="near-duplicates differ in so many of 64 hash bits (default %(default)s)",
    )
    for name in OUTPUTS:
        p.add_argument(f"--{name}", type=Path, required=True, help="file to write")
    return p


def check_shares(args: argparse.Namespace) -> None:
    """Raise InputError for shares that leave nothing to train on."""
    for name in ("validation_share", "test_share"):
        share = getattr(args, name)
        if not 0 < share < 1:
            raise InputError(f"--{name} is {share}; wanted a share above 0 and below 1.")
    if args.validation_share + args.test_share >= 1:
        raise InputError(
            f"--validation_share {args.validation_share} and --test_share {args.test_share} "
            "leave nothing to train on."
        )


def read_roles(paths: Sequence[Path], rows: list[AuditRow]) -> Roles:
    """Return the images of each role; what is left out has a row in `rows`, which is added to."""
    by_name = sorted(paths, key=lambda path: path.name)
    return grouping.merge([grouping.read(path, ROLES) for path in by_name], ROLES, STAGE, rows)


def check_roles(roles: Roles, target: str | None) -> None:
    """Raise InputError where the sources do not fit together.

    That is where there are no boxes, the target is not among the labels, or the audit boxes are of
    no labelled photo.
    """
    if not roles["boxes"].images:
        raise InputError(
            "--datasets: none holds images with boxes to train on; "
            "wanted at least one that was imported with --role boxes."
        )
    labels = sorted({image.label or "" for image in roles["labelled"].images})
    if target and labels and target not in labels:
        shown = shorten(labels, SHOWN_LABELS, ", ", " and {} more")
        raise InputError(
            f"--target is '{target}'; wanted one of the labels of the labelled images: {shown}."
        )
    labelled_ids = {image.id for image in roles["labelled"].images}
    audited = roles["audit"].images
    if audited and not any(image.id in labelled_ids for image in audited):
        raise InputError(
            "--audit_boxes: none of its images is among the labelled images (compared by content); "
            "wanted boxes of those."
        )


def shorten(texts: list[str], most: int, separator: str, rest: str) -> str:
    """Return the first texts joined, and how many more there are."""
    shown = separator.join(texts[:most])
    return shown if len(texts) <= most else shown + rest.format(len(texts) - most)


def without_strays(audited: Dataset, labelled: Dataset, rows: list[AuditRow]) -> Dataset:
    """Return the audit boxes without images that are no labelled photo: there are no weak boxes to
    measure on them.
    """
    labelled_ids = {image.id for image in labelled.images}
    reason = "is not among the labelled images (compared by content)"
    for image in audited.images:
        if image.id not in labelled_ids:
            rows.append(grouping.row(image, STAGE, "left out", reason))
    return audited.keep(lambda image: image.id in labelled_ids)


def refuse_leaks(roles: Roles, groups: Groups) -> None:
    """Raise InputError where a group, a near-duplicate or the same bytes span training and test, or
    boxes and audit.
    """
    for trained, held_out in (("boxes", "test"), ("labelled", "test"), ("boxes", "audit")):
        first_of_group: dict[str, Image] = {}
        for image in roles[trained].images:
            first_of_group.setdefault(groups[image.id], image)
        pairs = []
        for image in roles[held_out].images:
            leaked = first_of_group.get(groups[image.id])
            if leaked:
                pairs.append(f"{leaked.file_name} and {image.file_name}")
        if pairs:
            shown = shorten(pairs, SHOWN_LEAKS, "; ", "; and {} more")
            raise InputError(
                f"leak: {len(pairs)} images for {held_out} are also among the {trained} images, "
                f"nearly so, or of one group with them: {shown}. Take them out of one of the two."
            )


def split(roles: Roles, groups: Groups, args: argparse.Namespace) -> Roles:
    """Return the roles with the group and part of every image.

    A group has one part in all roles; each role's classes are spread by the shares.
    """
    from entoflow.splits import assign

    shares = {"validation": args.validation_share}
    if not roles["test"].images:
        shares["test"] = args.test_share
    boxes = roles["boxes"].images
    labelled = roles["labelled"].images
    names = [groups[image.id] for image in [*boxes, *labelled]]
    strata = box_strata(roles["boxes"], args.target) + [
        f"labelled: {image.label}" for image in labelled
    ]
    parts = assign(names, strata, shares, args.seed)
    part_of_photo = dict(zip([image.id for image in labelled], parts[len(boxes) :]))
    return {
        "boxes": with_parts(roles["boxes"], parts[: len(boxes)], groups),
        "labelled": with_parts(roles["labelled"], parts[len(boxes) :], groups),
        "test": with_parts(roles["test"], ["test"] * len(roles["test"].images), groups),
        "audit": with_parts(
            roles["audit"], [part_of_photo[image.id] for image in roles["audit"].images], groups
        ),
    }


def with_parts(content: Dataset, parts: Sequence[str], groups: Groups) -> Dataset:
    """Return a data set with the part and group of each image."""
    images = []
    for image, part in zip(content.images, parts):
        images.append(replace(image, part=part, group=groups[image.id]))
    return replace(content, images=images)


def box_strata(boxes: Dataset, target: str | None) -> list[str]:
    """Return what of each box image must be in every part: the target's boxes, others, none."""
    labels = labels_by_image(boxes)
    return [f"boxes: {target in labels[image.id]}, {image.id in labels}" for image in boxes.images]


def labels_by_image(content: Dataset) -> dict[int, set[str]]:
    """Return {image id: labels of its boxes} of images with boxes; others have no labels."""
    labels: dict[int, set[str]] = defaultdict(set)
    for box in content.boxes:
        labels[box.image_id].add(box.label)
    return labels


def refuse_missing_parts(roles: Roles, target: str | None) -> None:
    """Raise InputError where boxes, or photos of the target, are not in both the training and the
    validation part.
    """
    ids_with_box = {box.image_id for box in roles["boxes"].boxes if not box.iscrowd}
    with_box = [image for image in roles["boxes"].images if image.id in ids_with_box]
    of_target = [image for image in roles["labelled"].images if image.label == target]
    refuse_missing_part(with_box, "--boxes: images with boxes")
    refuse_missing_part(of_target, f"--labelled_images: photos labelled {target}")


def refuse_missing_part(images: Sequence[Image], name: str) -> None:
    """Raise InputError where there are images, but none in the training or none in the validation
    part.
    """
    if not images or {"train", "validation"} <= {image.part for image in images}:
        return
    n = len({image.group for image in images})
    groups = "1 group" if n == 1 else f"{n} groups"
    purpose = "validate" if n == 1 else "train or validate"
    raise InputError(
        f"{name} come in {groups}, none left to {purpose} on; wanted at least 2 groups, better 20: "
        "near-duplicates are one, and so is what `group` says."
    )


def note_look_alike_scenes(roles: Roles, look_alikes: "np.ndarray", rows: list[AuditRow]) -> None:
    """Note pairs of photos in different parts whose hashes agree though they are different photos:
    one camera, perhaps.

    look_alikes: ids, k x 2.
    """
    parts: dict[int, str | None] = {}
    for role in ("boxes", "labelled"):
        parts.update({image.id: image.part for image in roles[role].images})
    n = 0
    for first, second in look_alikes.tolist():
        if first in parts and second in parts:
            n += parts[first] != parts[second]
    if n:
        reason = f"{n} pairs of images in different parts look alike (one camera?): give a group"
        rows.append(AuditRow(None, None, "all", STAGE, "note", reason))


def choose_truth(roles: Roles, held_out_audit: Dataset, target: str | None) -> Dataset:
    """Return the test set, which says where its truth comes from.

    Raises InputError where none is left.

    held_out_audit: the audit boxes of held-out photos.
    """
    if roles["test"].images:
        return as_test(select_target(roles["test"], target, "--test_boxes"), "test_boxes")
    if has_boxes(held_out_audit):
        return as_test(held_out_audit, "audit_boxes")
    if not target or target in roles["boxes"].labels:
        held_out_boxes = select_target(roles["boxes"].part("test"), target, "--boxes")
        if has_boxes(held_out_boxes):
            return as_test(held_out_boxes, "boxes")
    photos = roles["labelled"].part("test")
    if not any(image.label == target for image in photos.images):
        raise InputError(
            "no image is left to test on: too few groups of images; "
            "give more images, or --test_boxes."
        )
    return as_test(photos, "labels")


def as_test(content: Dataset, truth: str) -> Dataset:
    """Return a data set as the test set; truth: where its truth comes from."""
    return replace(content, role="test", truth=truth)


def select_target(content: Dataset, target: str | None, option: str) -> Dataset:
    """Return the data set with the target's boxes alone (all without a target), of one label.

    A photo without a label whose boxes are all of others gets their labels as its own. Raises
    InputError where the data set has boxes of others alone; a class of YOLO without a name, which
    is a number, is the target.
    """
    is_unnamed_class = len(content.labels) == 1 and content.labels[0].isdecimal()
    if target and content.images and target not in content.labels:
        if not is_unnamed_class:
            labels = ", ".join(sorted(content.labels)) or "nothing"
            raise InputError(f"{option}: has boxes of {labels}; wanted boxes of {target}.")
        boxes = [replace(box, label=target) for box in content.boxes]
        content = replace(content, boxes=boxes, labels=[target])
    label = target or "insect"
    others = {}
    for image_id, labels_of_image in labels_by_image(content).items():
        if target and target not in labels_of_image:
            others[image_id] = " and ".join(sorted(labels_of_image))
    images = [replace(image, label=image.label or others.get(image.id)) for image in content.images]
    boxes = [
        replace(box, label=label) for box in content.boxes if not target or box.label == target
    ]
    return replace(content, images=images, boxes=boxes, labels=[label])


def has_boxes(content: Dataset) -> bool:
    """Return whether a data set has a box that is no ignore region."""
    return any(not box.iscrowd for box in content.boxes)


def write_ids(path: Path, content: Dataset) -> None:
    """Write the ids of a data set's images, one a line."""
    files.write_text(
        path, "".join(f"{image_id}\n" for image_id in sorted(image.id for image in content.images))
    )


def write_split(path: Path, roles: Roles) -> None:
    """Write split.csv: the group and part of every image, by name."""
    rows = []
    for role in ("boxes", "labelled", "test"):
        for image in roles[role].images:
            rows.append((image.file_name, image.group, image.part, role, image.label or ""))
    files.write_csv(path, ("image", "group", "part", "role", "label"), sorted(rows))


if __name__ == "__main__":
    run(main)
