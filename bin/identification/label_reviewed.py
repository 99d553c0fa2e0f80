#!/usr/bin/env python3
"""Turn a person's review of clusters into labelled specimens, ready to enrol.

An image is taken with the name that a review gives it. Where two rows, a label that it has, or the
gallery contradict each other, nobody can tell what is right: it is left out, with a row in the
audit that names both. Images that the person rejects or leaves open are no specimens.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from entoflow import audit, dataset, grouping
from entoflow.audit import AuditRow
from entoflow.dataset import Dataset, Image
from entoflow.identification import cluster_review
from entoflow.identification.cluster_review import ReviewedImage
from entoflow.task import InputError, run

STAGE = "review"
ACTIONS = {cluster_review.REJECT: "rejected", cluster_review.OPEN: "left open"}


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    datasets = [dataset.read(path) for path in args.datasets]
    images = {image.id: image for each in datasets for image in each.images}
    reviewed = read_reviews(args.reviewed, images)
    known_labels = read_known_labels(args.specimens, args.gallery)
    source = " and ".join(path.name for path in args.reviewed)
    specimens, audit_rows = label_images(reviewed, images, known_labels, source)
    labelled = Dataset(
        images=specimens,
        role="specimens",
        source=args.reviewed[0].name,
        cropped_by=grouping.one_cropping(datasets),
    )
    dataset.write(args.dataset, labelled)
    audit.write(args.audit, audit_rows)
    n_classes = len({image.label for image in specimens})
    print(
        f"{len(specimens)} images of {n_classes} classes named by a person, "
        f"{len(audit_rows)} not taken (each in audit.json)"
    )


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument(
        "--reviewed",
        type=Path,
        nargs="+",
        required=True,
        help="tables of the cluster sheet that a person filled in",
    )
    p.add_argument(
        "--datasets",
        type=Path,
        nargs="+",
        required=True,
        help="data sets of the unlabelled images",
    )
    p.add_argument(
        "--specimens",
        type=Path,
        nargs="*",
        default=[],
        help="data sets of labelled images, which a review may contradict",
    )
    p.add_argument("--gallery", type=Path, help="gallery, which a review may contradict")
    p.add_argument(
        "--dataset",
        type=Path,
        required=True,
        help="data set to write: the images with their new labels",
    )
    p.add_argument(
        "--audit", type=Path, required=True, help="JSON to write: what was not taken, and why"
    )
    return p


@dataclass(frozen=True)
class KnownLabel:
    """A label that an image has already."""

    label: str
    where: str  # what says so


def read_reviews(paths: Sequence[Path], images: Mapping[int, Image]) -> list[ReviewedImage]:
    """Return what the tables say of images. Raises InputError where they are of other images."""
    names = {image_id: image.file_name for image_id, image in images.items()}
    reviewed = [row for path in paths for row in cluster_review.read(path, names)]
    if reviewed and all(row.id is None for row in reviewed):
        raise InputError(
            f"{paths[0]}: names no image of --unlabelled (the first is {reviewed[0].image}); "
            "wanted the photos that the sheet was made of."
        )
    return reviewed


def read_known_labels(paths: Sequence[Path], folder: Path | None) -> dict[int, KnownLabel]:
    """Return {image id: label} of what data sets and a gallery have labelled already."""
    from entoflow.identification import gallery
    from entoflow.images import image_id

    known = {}
    if folder:
        opened = gallery.read(folder)
        for sha256, label in zip(opened.sha256s, opened.labels):
            known[image_id(sha256)] = KnownLabel(label, "the gallery")
    for path in paths:
        specimens = dataset.read(path)
        source = specimens.source or "the specimens"
        for image in specimens.images:
            known[image.id] = KnownLabel(str(image.label), source)
    return known


def label_images(
    reviewed: Sequence[ReviewedImage],
    images: Mapping[int, Image],
    known_labels: Mapping[int, KnownLabel],
    source: str,
) -> tuple[list[Image], list[AuditRow]]:
    """Return (the images that get a label, sorted by name; rows of the audit for the others)."""
    rows_of_image: dict[int | str, list[ReviewedImage]] = {}
    for row in reviewed:
        rows_of_image.setdefault(row.id or row.image, []).append(row)
    specimens = []
    audit_rows = []
    for rows in rows_of_image.values():
        first = rows[0]
        refusal = why_not_taken(rows, known_labels)
        if refusal:
            action, reason = refusal
            audit_rows.append(AuditRow(first.image, None, source, STAGE, action, reason))
        elif first.id is not None:
            specimens.append(replace(images[first.id], label=first.label))
    specimens.sort(key=lambda image: (image.file_name, image.id))
    audit_rows.sort(key=lambda row: row.image or "")
    return specimens, audit_rows


def why_not_taken(
    rows: Sequence[ReviewedImage], known_labels: Mapping[int, KnownLabel]
) -> tuple[str, str] | None:
    """Return (action, reason) for an image that is not taken by the rows on it, or None."""
    first = rows[0]
    for row in rows:
        if row.label != first.label:
            reason = f"{first.where} says '{first.label}', {row.where} '{row.label}'"
            return "left out", reason
    if first.label in ACTIONS:
        return ACTIONS[first.label], f"by a person ({first.where})"
    if first.id is None:
        return "left out", f"is no image of --unlabelled ({first.where})"
    known = known_labels.get(first.id)
    if known and known.label != first.label:
        return "left out", f"{first.where} says '{first.label}', {known.where} '{known.label}'"
    return None


if __name__ == "__main__":
    run(main)
