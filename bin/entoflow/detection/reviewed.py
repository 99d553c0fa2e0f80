"""What a person made of weak boxes, matched to the labelled photos that were reviewed.

A photo is known by its bytes, or by the name that write_review.py gave its copy: a photo that is no
plain JPEG or PNG is copied as one, and so has other bytes.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from entoflow.audit import AuditRow
from entoflow.dataset import Box, Dataset, Image
from entoflow.grouping import row
from entoflow.images import image_id
from entoflow.sources import CROWD_NAMES
from entoflow.task import InputError

MEMBER = re.compile(r"[0-9a-f]{32}")  # the name of an image in its pack
HOW_COMPARED = "compared by content, or by the name that the review gave"


@dataclass(frozen=True)
class ReviewedPhoto:
    """An image of a review, and the labelled photo that it shows."""

    review: Image
    photo: Image


def match_reviewed(
    reviewed: Dataset, labelled: Dataset, target: str, stage: str
) -> tuple[Dataset, list[AuditRow]]:
    """Return the reviewed labelled photos with their boxes of the target, and the audit's rows of
    what was left out.

    Photos and parts are those of labelled; held-out photos are not among them. Boxes named like an
    ignore region ("ignore", "crowd") are one; those of other labels are dropped. Raises InputError
    for a source with no labelled photo, or whose boxes all have other labels.
    """
    pairs, rows = match_photos(reviewed.images, labelled.by_id(), stage)
    new_label = _new_labels(reviewed.labels, target)
    boxes_of: dict[int, list[Box]] = defaultdict(list)
    others_of: dict[int, Counter[str]] = defaultdict(Counter)
    for box in reviewed.boxes:
        label = new_label[box.label]
        is_crowd = label.lower() in CROWD_NAMES
        if label == target or is_crowd:
            boxes_of[box.image_id].append(
                replace(box, label=target, iscrowd=box.iscrowd or is_crowd)
            )
        else:
            others_of[box.image_id][label] += 1
    images = []
    boxes = []
    for pair in pairs:
        image = replace(pair.photo, source=pair.review.source)
        others = [f"{n} of {label}" for label, n in sorted(others_of[pair.review.id].items())]
        if others:
            reason = f"reviewed boxes that are not of {target}: {', '.join(others)}"
            rows.append(row(image, stage, "dropped", reason))
        if pair.photo.part == "test":
            reason = "is held out for testing: the reviewed boxes on it teach nothing"
            rows.append(row(image, stage, "left out", reason))
            continue
        images.append(pair.photo)
        boxes += [replace(box, image_id=pair.photo.id) for box in boxes_of[pair.review.id]]
    return Dataset(images, boxes, [target], role="reviewed"), rows


def match_photos(
    images: Sequence[Image], labelled: Mapping[int, Image], stage: str
) -> tuple[list[ReviewedPhoto], list[AuditRow]]:
    """Return the reviewed images with the labelled photos that they show, by name, and rows of the
    others.

    labelled: {id: photo}. Raises InputError for a source with no labelled photo.
    """
    pairs = []
    rows = []
    taken = set()
    n_matched: Counter[str] = Counter()
    for image in images:
        photo = labelled.get(image.id) or _copied_photo(image, labelled)
        n_matched[image.source or ""] += photo is not None
        if photo is None:
            reason = f"is not among the labelled images ({HOW_COMPARED})"
            rows.append(row(image, stage, "left out", reason))
        elif photo.id in taken:
            reason = f"is reviewed twice: the boxes on another copy of {photo.file_name} count"
            rows.append(row(image, stage, "left out", reason))
        else:
            taken.add(photo.id)
            pairs.append(ReviewedPhoto(image, photo))
    _refuse_unmatched(images, n_matched)
    return sorted(pairs, key=lambda pair: (pair.photo.file_name, pair.photo.id)), rows


def _refuse_unmatched(images: Sequence[Image], n_matched: Mapping[str, int]) -> None:
    unmatched = sorted(source for source, n in n_matched.items() if n == 0)
    if not unmatched:
        return
    source = unmatched[0]
    n_images = sum((image.source or "") == source for image in images)
    raise InputError(
        f"--reviewed: none of the {n_images} images of {source} is among the labelled images "
        f"({HOW_COMPARED}); wanted corrected boxes of those."
    )


def _copied_photo(image: Image, labelled: Mapping[int, Image]) -> Image | None:
    """Return the labelled photo of which an image is the review's copy, or None: its name says so,
    and it is as large.
    """
    stem = PurePosixPath(image.file_name).stem
    if not MEMBER.fullmatch(stem):
        return None
    photo = labelled.get(image_id(stem))
    if photo and (photo.width, photo.height) == (image.width, image.height):
        return photo
    return None


def _new_labels(labels: Sequence[str], target: str) -> dict[str, str]:
    """Return {label of a reviewed box: its label here}.

    A single number is a class of YOLO without a name: the target. Raises InputError where none is
    the target.
    """
    if len(labels) == 1 and labels[0].isdecimal():
        return {labels[0]: target}
    others = sorted(label for label in labels if label.lower() not in CROWD_NAMES)
    if others and target not in others:
        raise InputError(f"--reviewed: has boxes of {', '.join(others)}; wanted boxes of {target}.")
    return {label: label for label in labels}
