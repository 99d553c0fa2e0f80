"""Several data sets as one.

An image that two sources hold is kept once, and near-duplicates are of one group.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow import dataset
from entoflow.audit import AuditRow
from entoflow.dataset import Box, Dataset, Image, Photo
from entoflow.task import InputError

if TYPE_CHECKING:
    import numpy as np


def read(path: Path, roles: Sequence[str]) -> Dataset:
    """Return a data set. Raises InputError where it is of none of the roles."""
    content = dataset.read(path)
    if content.role not in roles:
        raise InputError(
            f"{path}: says no role of its images; wanted a data set that import_images.py wrote."
        )
    return content


def merge(
    datasets: Sequence[Dataset], roles: Sequence[str], stage: str, audit: list[AuditRow]
) -> dict[str, Dataset]:
    """Return {role: one data set}; an image that several sources of a role hold is kept once.

    One that they label differently is not kept. What is left out has a row in `audit`, which is
    added to.
    """
    cropped_by = one_cropping(datasets)
    merged = {}
    for role in roles:
        of_role = [each for each in datasets if each.role == role]
        merged[role] = replace(_merged(of_role, stage, audit), role=role, cropped_by=cropped_by)
    return merged


def one_cropping(datasets: Iterable[Dataset]) -> str | None:
    """Return the id of the detector that cropped the images, None of whole ones.

    Raises InputError where they were cropped differently.
    """
    detectors = {each.cropped_by for each in datasets}
    if len(detectors) > 1:
        raise InputError(
            "--datasets: some are cropped and others not, or by another detector; "
            "wanted all by one, or none."
        )
    return detectors.pop() if detectors else None


def group(
    merged: Mapping[str, Dataset], duplicate_bits: int, stage: str, audit: list[AuditRow]
) -> tuple[dict[int, str], "np.ndarray"]:
    """Return ({image id: group} over all roles: given groups, joined by near-duplicates; ids (k x
    2) of images that look alike).

    Cropped images are near-duplicates if their crops are, or the photos they come from. `audit` is
    added to.
    """
    import numpy as np

    from entoflow.splits import join, near_duplicates

    members = _every_image(merged)
    images = [image for _, image in members]
    near, alike = near_duplicates(*_looks(images), duplicate_bits)
    if any(image.photo for image in images):
        near_photos, _ = near_duplicates(
            *_looks([image.photo or image for image in images]), duplicate_bits
        )
        near = np.unique(np.concatenate([near, near_photos]), axis=0)
    names = [_group_name(role, image) for role, image in members]
    for a, b in near.tolist():
        if names[a] != names[b] and images[a].id != images[b].id:
            reason = f"nearly the same photo as {images[a].file_name}: both stay in one part"
            audit.append(row(images[b], stage, "joined", reason))
    first: dict[str, int] = {}
    same = [
        (first.setdefault(image.group, place), place)
        for place, image in enumerate(images)
        if image.given
    ]
    groups = join(names, [*near.tolist(), *same])
    ids = np.array([image.id for image in images])
    return dict(zip(ids.tolist(), groups)), ids[alike]


def row(image: Image, stage: str, action: str, reason: str, source: str | None = None) -> AuditRow:
    """Return the audit's row of an image; its source is its own unless another is given."""
    return AuditRow(image.file_name, None, source or image.source or "", stage, action, reason)


def _merged(datasets: Sequence[Dataset], stage: str, audit: list[AuditRow]) -> Dataset:
    labels: dict[int, set[str]] = defaultdict(set)
    for each in datasets:
        for image in each.images:
            labels[image.id].add(image.label or "")
    images: dict[int, Image] = {}
    boxes: list[Box] = []
    box_labels: dict[str, int] = {}
    for each in datasets:
        new = [
            image for image in each.images if image.id not in images and len(labels[image.id]) == 1
        ]
        kept = {image.id: image for image in new}
        audit += [
            _left_out(image, labels[image.id], each.source, stage)
            for image in each.images
            if kept.get(image.id) is not image
        ]
        used = {image.group for image in images.values()}
        images |= {image.id: _renamed(image, used, each.source) for image in kept.values()}
        for box in each.boxes:
            if box.image_id in kept:
                box_labels.setdefault(box.label, len(box_labels) + 1)
                boxes.append(box)
        for label in each.labels:
            box_labels.setdefault(label, len(box_labels) + 1)
    ordered = sorted(images.values(), key=lambda image: (image.file_name, image.id))
    boxes.sort(key=lambda box: (box.image_id, box.bbox, box_labels[box.label]))
    return Dataset(ordered, boxes, list(box_labels))


def _left_out(image: Image, labels: set[str], source: str | None, stage: str) -> AuditRow:
    if len(labels) > 1:
        reason = f"labelled {' and '.join(sorted(labels))} by two sources"
    else:
        reason = "the same bytes as an image of another source"
    return row(image, stage, "left out", reason, source)


def _renamed(image: Image, used: set[str], source: str | None) -> Image:
    """Return an image with its source, and with a group of its own.

    1.jpg of one source is not the 1.jpg of another.
    """
    is_given = image.group != image.file_name
    name = image.group if is_given or image.group not in used else f"{image.group} ({image.id:x})"
    return replace(image, group=name, given=is_given, source=source)


def _looks(images: Sequence[Image | Photo]) -> tuple[list[str], list[str], list[str]]:
    """Return the perceptual hashes of images, of their mirror images, and their thumbnails."""
    phashes = [image.phash for image in images]
    mirrored = [image.mirrored for image in images]
    return phashes, mirrored, [image.thumbnail for image in images]


def _every_image(merged: Mapping[str, Dataset]) -> list[tuple[str, Image]]:
    """Return (role, image) of all roles by id.

    Of one content only the first, and those that have a group of their own.
    """
    members: list[tuple[str, Image]] = []
    seen: set[int] = set()
    for role, content in merged.items():
        for image in content.images:
            if image.id not in seen or image.given:
                members.append((role, image))
            seen.add(image.id)
    return sorted(members, key=lambda member: member[1].id)


def _group_name(role: str, image: Image) -> str:
    """Return a name for an image's group.

    A given one is one in all sources, a file name is one of its role.
    """
    return f"{role}: {image.group}"
