#!/usr/bin/env python3
"""Cut each photo around the surest insect that a detector finds, so that what follows sees insects.

A crop is the square around the box, with a margin, at the photo's own resolution. It keeps the
name, hash and id of its photo: what is named and enrolled later is the user's file. A photo in
which no box reaches the detector's threshold stays whole, with a row in the audit.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from entoflow import audit, dataset, grouping
from entoflow.dataset import Dataset, Image, Photo
from entoflow.detector import inference
from entoflow.identification import embedder_facts
from entoflow.memory import keep_memory
from entoflow.task import InputError, run

if TYPE_CHECKING:
    from entoflow.boxes import Prediction
    from entoflow.images import Pack

STAGE = "crop_images"


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    photos = dataset.read(args.photos)
    images_of_pack = group_by_pack(photos.images, args)
    keep_memory()
    detector, backend, facts = inference.load(args.detector, args.scratch)
    threshold = facts.threshold or 0.0
    from entoflow.images import Pack

    pack = Pack(args.packs)
    image_ids = sorted(image.id for image in photos.images)
    insects = surest_boxes(inference.predict(detector, backend, pack, image_ids), threshold)
    cropped: dict[int, Image] = {}
    for name, images in images_of_pack.items():
        cropped |= crop_pack(pack, images, insects, args.packs_folder / name)
    crops = replace(
        photos,
        images=[cropped[image.id] for image in photos.images],
        cropped_by=embedder_facts.detector_identity(args.detector, facts),
    )
    dataset.write(args.dataset, crops)
    n_whole = write_audit(args.audit, photos, insects, threshold)
    print(
        f"Cropped {len(insects)} of {len(cropped)} images; no insect found in {n_whole}, "
        f"used whole: see {args.audit.name}."
    )


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument(
        "--photos", type=Path, required=True, help="data set that import_images.py wrote"
    )
    p.add_argument("--packs", type=Path, nargs="+", required=True, help="packs with its images")
    p.add_argument("--detector", type=Path, required=True, help="model folder of the detector")
    p.add_argument(
        "--scratch",
        type=Path,
        default=Path("scratch"),
        help="folder for what the backend keeps (default %(default)s)",
    )
    p.add_argument(
        "--dataset", type=Path, required=True, help="JSON file to write: the data set of the crops"
    )
    p.add_argument(
        "--audit", type=Path, required=True, help="JSON file to write: the images that stayed whole"
    )
    p.add_argument(
        "--packs_folder",
        type=Path,
        required=True,
        help="folder to write the packs of crops to, named as those of the photos",
    )
    return p


@dataclass(frozen=True)
class Insect:
    """The surest box on a photo."""

    box: list[float]  # x1, y1, x2, y2 in pixels
    score: float


def group_by_pack(images: Sequence[Image], args: argparse.Namespace) -> dict[str, list[Image]]:
    """Return {name of a pack: its images}.

    Raises InputError where a pack is not given, or would be written over.
    """
    images_of_pack = defaultdict(list)
    for image in images:
        images_of_pack[image.pack].append(image)
    missing = sorted(images_of_pack.keys() - {path.name for path in args.packs})
    if missing:
        raise InputError(
            f"--packs: lack {missing[0]}, which {args.photos} names; "
            "wanted all packs of its images."
        )
    folders = [path.absolute().parent.resolve() for path in args.packs]
    if args.packs_folder.resolve() in folders:
        raise InputError(
            f"--packs_folder: {args.packs_folder} holds the packs of the photos; "
            "wanted another folder for those of the crops."
        )
    return images_of_pack


def surest_boxes(predictions: Iterable[Prediction], threshold: float) -> dict[int, Insect]:
    """Return {image id: the best box of an image} where it reaches the threshold."""
    insects = {}
    for prediction in predictions:
        scores = prediction.scores
        if len(scores) and scores.max() >= threshold:
            box = prediction.xyxy[scores.argmax()].tolist()
            insects[prediction.image_id] = Insect(box, float(scores.max()))
    return insects


def crop_pack(
    pack: Pack, images: Sequence[Image], insects: Mapping[int, Insect], path: Path
) -> dict[int, Image]:
    """Write a pack of crops, and of whole photos without a box; return its images by id."""
    from entoflow.images import write_pack

    entries = {}
    members = []
    with TemporaryDirectory(dir=path.parent) as name:
        folder = Path(name)
        for image in images:
            if image.id in insects:
                entry, file = crop_image(pack, image, insects[image.id], folder)
            else:
                entry = image
                file = pack.extract(image.id, folder)
            entries[image.id] = entry
            members.append((file, image.sha256, file.suffix))
        write_pack(path, members)
    return entries


def crop_image(pack: Pack, image: Image, insect: Insect, folder: Path) -> tuple[Image, Path]:
    """Write the crop of a photo as PNG; return (its image, its path)."""
    from PIL import Image as PILImage

    from entoflow import crops, images

    pixels = pack.read(image.id)
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = crops.window(insect.box, width, height)
    path = folder / images.member_name(image.sha256, ".png")
    PILImage.fromarray(pixels[y1:y2, x1:x2]).save(path, compress_level=1)
    photo = Photo(
        width=image.width,
        height=image.height,
        phash=image.phash,
        mirrored=image.mirrored,
        thumbnail=image.thumbnail,
        box=insect.box,
        score=insect.score,
        crop=[x1, y1, x2, y2],
    )
    crop = images.describe(path)
    cropped = replace(
        image,
        member=path.name,
        width=crop.width,
        height=crop.height,
        phash=crop.phash,
        mirrored=crop.mirrored,
        thumbnail=crop.thumbnail,
        photo=photo,
    )
    return cropped, path


def write_audit(
    path: Path, photos: Dataset, insects: Mapping[int, Insect], threshold: float
) -> int:
    """Write a note for each photo that stayed whole, and return their number."""
    reason = f"no insect found (no box scores {threshold:.3f} or more): used whole"
    whole = [image for image in photos.images if image.id not in insects]
    rows = [grouping.row(image, STAGE, "note", reason, photos.source) for image in whole]
    audit.write(path, rows)
    return len(whole)


if __name__ == "__main__":
    run(main)
