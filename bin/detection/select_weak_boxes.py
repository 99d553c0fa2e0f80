#!/usr/bin/env python3
"""Turn a detector's boxes on labelled photos into weak boxes: accept, ignore or drop each.

A photo labelled with the target holds at least one, so boxes on it may be targets; a look-alike's
photo holds none, so no box there ever is. `top1` accepts a photo's best box (its best `count` boxes
where a count is given); `threshold` accepts from the score at which, on photos with boxes that the
detector did not learn from, F0.5 of the accepted boxes is best: a wrong box harms the next training
more than a missed photo. `full` accepts what passes that threshold and looks like the target to
classify_crops.py too, the likeliest box where none does, and no more than were counted. Boxes
between the lower threshold (best F2) and that one become ignore regions, unless their crop shows
something else. A photo with no accepted box is left out and never serves as background: the insect
is there, the detector missed it. What a person reviewed beats all rules: exactly the boxes drawn on
a photo are accepted, and a photo on which no box was left is background.

In the first round the detector is that of insects, compared with true boxes; in later ones it is
the target's of the round before, compared with the weak boxes that it was stopped on.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from entoflow import audit, dataset, grouping
from entoflow.audit import AuditRow
from entoflow.dataset import Box, Dataset, Image
from entoflow.detection import candidates as candidate_boxes
from entoflow.detection import weak_boxes
from entoflow.detection.candidates import Candidate, CandidatesByImage, Corners
from entoflow.detection.weak_boxes import Evidence, Selection, WeakBox, WeakBoxes
from entoflow.task import InputError, run

STAGE = "select_weak_boxes"
FEW_BOXES = 30  # true boxes below which a threshold is a guess, and the audit says so
SHOWN = 12  # photos of the picture of samples

BoxesByImage = Mapping[int, Sequence[WeakBox]]  # image id -> its weak boxes, best first


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    labelled = dataset.read(args.labelled)
    reference = dataset.read(args.reference)
    reviewed = boxes_of_person(dataset.read(args.reviewed)) if args.reviewed else {}
    photos = photos_of_target(args.target, labelled, reviewed)
    chosen, selection = choose_by_rule(args, photos, reference)
    weak = decide(args.target, photos, chosen, reviewed, selection)

    with_box = {box.image_id for box in weak.boxes if box.band == "accept"}
    background = {photo.id for photo in photos if photo.id in reviewed and not reviewed[photo.id]}
    left_out = [photo for photo in photos if photo.id not in with_box | background]
    weak_boxes.write(args.weak_boxes, weak)
    dataset.write(args.training, training_set(labelled, reference, weak, with_box | background))
    rows = [
        *rows_of_left_out(left_out),
        *rows_of_few_boxes(weak.selection),
        *rows_of_reviewed(labelled.images, reviewed, chosen, args.target),
    ]
    audit.write(args.audit, rows)
    if args.samples:
        draw(args.samples, weak, args.packs)
    refuse_no_boxes(args, weak, len(reference.part("validation").images))
    print(
        f"{len(with_box)} of {len(photos)} photos of {args.target} have an accepted box, "
        f"{len(left_out)} are left out; {weak.selection.crops} boxes classified by crop, "
        f"{weak.selection.reviewed} photos reviewed by a person."
    )


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    candidate_boxes.add_arguments(p)
    p.add_argument(
        "--crop_scores",
        type=Path,
        help="what classify_crops.py says of them (default: the rule full uses scores alone)",
    )
    p.add_argument(
        "--reviewed",
        type=Path,
        help="data set of photos whose boxes a person corrected (default: none)",
    )
    p.add_argument(
        "--packs",
        type=Path,
        nargs="*",
        default=[],
        help="packs with the labelled photos, for the samples",
    )
    p.add_argument(
        "--round",
        type=int,
        default=1,
        help="1 where the detector is that of insects, then one more each time "
        "(default %(default)s)",
    )
    p.add_argument(
        "--weak_rule",
        choices=sorted(weak_boxes.RULES),
        default="full",
        help="how boxes are chosen (default %(default)s)",
    )
    p.add_argument(
        "--weak_boxes",
        type=Path,
        required=True,
        help="COCO file to write: every box with its band, rule and evidence",
    )
    p.add_argument(
        "--training",
        type=Path,
        required=True,
        help="data set to write: what the target's detector learns from",
    )
    p.add_argument(
        "--audit", type=Path, required=True, help="JSON to write: photos left out and why"
    )
    p.add_argument("--samples", type=Path, help="picture to write: photos with their weak boxes")
    return p


def boxes_of_person(reviewed: Dataset) -> dict[int, list[WeakBox]]:
    """Return the boxes of each image as a person left them: accepted, or ignored where they are
    marked so.
    """
    boxes: dict[int, list[WeakBox]] = {image.id: [] for image in reviewed.images}
    for box in reviewed.boxes:
        x, y, width, height = map(float, box.bbox)
        corners = (x, y, x + width, y + height)
        rank = len(boxes[box.image_id]) + 1
        boxes[box.image_id].append(
            WeakBox(
                image_id=box.image_id,
                xyxy=corners,
                area=weak_boxes.rounded_area(corners),
                score=1.0,
                band="ignore" if box.iscrowd else "accept",
                rule=weak_boxes.REVIEWED,
                evidence=Evidence(
                    rank, count=None, views=None, spread=None, crop=None, probability=1.0
                ),
            )
        )
    return boxes


def photos_of_target(target: str, labelled: Dataset, reviewed: BoxesByImage) -> list[Image]:
    """Return the photos to learn the target from: labelled so, or shown to hold it by a person."""
    shown = {
        image_id
        for image_id, boxes in reviewed.items()
        if any(box.band == "accept" for box in boxes)
    }
    photos = labelled.part("train", "validation").images
    return [photo for photo in photos if photo.label == target or photo.id in shown]


def choose_by_rule(
    args: argparse.Namespace, photos: Sequence[Image], reference: Dataset
) -> tuple[dict[int, list[WeakBox]], Selection]:
    """Return the boxes of each photo as the rule chooses them, and how it does."""
    validation = candidate_boxes.read_validation(
        reference, args.validation_predictions, args.n_views
    )
    thresholds = candidate_boxes.choose_thresholds(validation)
    raised = {
        image_id: candidate_boxes.without_view_agreement(candidates, args.n_views)
        for image_id, candidates in validation.candidates.items()
    }
    without_agreement = candidate_boxes.choose_thresholds(replace(validation, candidates=raised))
    candidates = candidate_boxes.fuse_views(args.predictions, args.n_views)
    n_crops = 0
    if args.crop_scores:
        crop_probabilities = candidate_boxes.read_crop_probabilities(args.crop_scores)
        n_crops = len(crop_probabilities)
        candidates = with_crops(candidates, crop_probabilities)
    of_photos = [(photo.count, candidates.get(photo.id, [])) for photo in photos]
    rule = weak_boxes.RULES[args.weak_rule]
    boxes = {}
    for photo, likely in zip(photos, candidate_boxes.add_probabilities(of_photos, validation)):
        bands = rule(likely, photo.count, thresholds)
        boxes[photo.id] = [
            as_weak_box(candidate, photo, rank, band, args.weak_rule)
            for rank, (candidate, band) in enumerate(zip(likely, bands), 1)
        ]
    n_true = sum(not box.iscrowd for box in validation.truth.boxes)
    selection = Selection(
        args.weak_rule, args.round, thresholds, n_true, n_crops, args.n_views, without_agreement
    )
    return boxes, selection


def with_crops(
    candidates: CandidatesByImage, probabilities: candidate_boxes.CropProbabilities
) -> CandidatesByImage:
    """Return the candidates with what the crop classifier says of them."""
    result = {}
    for image_id, boxes in candidates.items():
        result[image_id] = [
            replace(candidate, crop=probabilities.get((image_id, rank)))
            for rank, candidate in enumerate(boxes, 1)
        ]
    return result


def as_weak_box(
    candidate: Candidate, photo: Image, rank: int, band: weak_boxes.Band, rule: str
) -> WeakBox:
    """Return a candidate with what was decided about it."""
    evidence = Evidence(
        rank, photo.count, candidate.views, candidate.spread, candidate.crop, candidate.probability
    )
    area = weak_boxes.rounded_area(candidate.xyxy)
    return WeakBox(photo.id, candidate.xyxy, area, candidate.score, band, rule, evidence)


def decide(
    target: str,
    photos: Sequence[Image],
    chosen: BoxesByImage,
    reviewed: BoxesByImage,
    selection: Selection,
) -> WeakBoxes:
    """Return the weak boxes of all photos: a person's where one reviewed the photo, else those of
    the rule.
    """
    images = [replace(photo, reviewed=photo.id in reviewed) for photo in photos]
    boxes: list[WeakBox] = []
    for photo in photos:
        boxes += reviewed.get(photo.id, chosen[photo.id])
    n_reviewed = sum(image.reviewed for image in images)
    return WeakBoxes(target, replace(selection, reviewed=n_reviewed), images, boxes)


def training_set(
    labelled: Dataset, reference: Dataset, weak: WeakBoxes, learned: set[int]
) -> Dataset:
    """Return what the target's detector learns from.

    These are photos with accepted boxes, look-alikes, and empty images of the reference. learned:
    ids of the target's photos that are learned from.
    """
    not_empty = {box.image_id for box in reference.boxes}
    not_empty |= {image.id for image in labelled.images}
    images = [
        image for image in reference.images if image.id not in not_empty and image.part != "test"
    ]
    for photo in labelled.images:
        if photo.part != "test" and (photo.label != weak.target or photo.id in learned):
            images.append(photo)
    boxes = []
    for box in weak.boxes:
        if box.band != "drop" and box.image_id in learned:
            bbox = weak_boxes.rounded_bbox(box.xyxy)
            boxes.append(Box(box.image_id, weak.target, bbox, iscrowd=box.band == "ignore"))
    images.sort(key=lambda image: (image.file_name, image.id))
    return Dataset(images, boxes, [weak.target], role="training")


def rows_of_left_out(photos: Sequence[Image]) -> list[AuditRow]:
    """Return the audit's rows of photos that their label promises the target on, and that got no
    accepted box.
    """
    reason = "no box was accepted: neither object nor background is learned from it"
    return [grouping.row(photo, STAGE, "left out", reason, source="labelled") for photo in photos]


def rows_of_few_boxes(selection: Selection) -> list[AuditRow]:
    """Return the audit's row on thresholds that rest on few boxes, if they do."""
    if selection.true_boxes >= FEW_BOXES:
        return []
    kind = "true boxes of the insect detector's"
    if selection.round > 1:
        kind = f"weak boxes of round {selection.round - 1}'s"
    reason = (
        f"the thresholds rest on {selection.true_boxes} {kind} validation part; "
        f"wanted {FEW_BOXES} or more"
    )
    return [AuditRow(None, None, "boxes", STAGE, "note", reason)]


def rows_of_reviewed(
    photos: Sequence[Image], reviewed: BoxesByImage, chosen: BoxesByImage, target: str
) -> list[AuditRow]:
    """Return the audit's rows of reviewed photos: what became of the boxes that the rule had
    chosen.
    """
    rows = []
    for photo in photos:
        if photo.id not in reviewed:
            continue
        if photo.id not in chosen:
            reason = f"reviewed: no {target} to learn from, as its label {photo.label} says"
        elif reviewed[photo.id]:
            drawn = count_bands(reviewed[photo.id])
            reason = (
                f"reviewed: {drawn} of a person take the place of {count_bands(chosen[photo.id])}"
            )
            if photo.label != target:
                reason += f", though it is labelled {photo.label}"
        else:
            reason = f"reviewed: no {target} on it, so it is background"
        rows.append(grouping.row(photo, STAGE, "note", reason, source="reviewed"))
    return rows


def count_bands(boxes: Sequence[WeakBox]) -> str:
    bands = [box.band for box in boxes]
    return f"{bands.count('accept')} accepted and {bands.count('ignore')} ignored boxes"


def refuse_no_boxes(args: argparse.Namespace, weak: WeakBoxes, n_validation: int) -> None:
    """Raise InputError unless photos to train on and photos to validate on have an accepted box.

    n_validation: the number of the detector's validation images.
    """
    with_box = {box.image_id for box in weak.boxes if box.band == "accept"}
    parts = {image.part for image in weak.images if image.id in with_box}
    if {"train", "validation"} <= parts:
        return
    n = len(weak.images)
    if args.round > 1:
        raise InputError(
            f"the target's detector of round {args.round - 1} finds too little to make "
            "weak boxes from, to train on and to validate on; wanted a detector that can teach. "
            f"Give --rounds {args.round - 1}."
        )
    if with_box:
        raise InputError(
            f"{len(with_box)} of {n} photos labelled {args.target} got a weak box, "
            f"all in the {parts.pop()} part; wanted some to train on and some to validate on: "
            "give more photos, or --weak_rule top1."
        )
    no_box_is_right = weak.selection.thresholds.accept == 1 and n_validation > 0
    if no_box_is_right and args.weak_rule != "top1":
        raise InputError(
            f"none of the insect detector's boxes on its {n_validation} validation images is "
            f"right, so no score can be trusted and no photo of {args.target} gets a box; "
            "give more boxes (--boxes), better weights (--weights), or --weak_rule top1."
        )
    raise InputError(
        f"no photo labelled {args.target} got a weak box ({n} photos); wanted at least one. "
        "The insect detector finds nothing on them: give it boxes of insects that look like these "
        "(--boxes)."
    )


def draw(path: Path, weak: WeakBoxes, packs: Sequence[Path]) -> None:
    """Draw photos with their accepted and ignored boxes.

    They are spread evenly over the scores of their best boxes.
    """
    from entoflow import images
    from entoflow.contact_sheet import Tile, contact_sheet, short

    boxes_of = {}
    for image_id, boxes in weak.by_image().items():
        boxes_of[image_id] = [box for box in boxes if box.band != "drop"]
    photos = [image for image in weak.images if boxes_of[image.id]]
    photos.sort(key=lambda image: -boxes_of[image.id][0].score)
    if len(photos) > SHOWN:
        photos = [photos[round(k * (len(photos) - 1) / (SHOWN - 1))] for k in range(SHOWN)]
    pack = images.Pack(packs)

    def tile(photo: Image) -> Tile:
        drawn = [drawn_box(box) for box in boxes_of[photo.id]]
        return Tile(pack.read(photo.id), short(photo.file_name), drawn)

    contact_sheet(path, map(tile, photos), "Weak boxes, from the surest photo to the least sure")


def drawn_box(box: WeakBox) -> tuple[Corners, str, str]:
    """Return a box as a contact sheet draws it: corners, kind, text."""
    kind = "weak" if box.band == "accept" else "ignored"
    return box.xyxy, kind, f"{box.score:.2f}"


if __name__ == "__main__":
    run(main)
