#!/usr/bin/env python3
"""Run a detector on packs of images and keep every box from score 0.001.

Predictions are made once and low: whatever chooses among them later, by any threshold or rule,
needs no second run. With several views of each image (scales, left-right flips) every box says
which view saw it; fusing them is left to the reader, so that it too can change without a second
run. Large images are looked at in tiles as the model was trained.
"""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow.detector import inference
from entoflow.memory import keep_memory
from entoflow.tables import read_text
from entoflow.task import InputError, run

if TYPE_CHECKING:
    from entoflow.boxes import Prediction

MIN_SCALE, MAX_SCALE = 0.1, 4


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    views = read_views(args.views)
    keep_memory()
    detector, backend, _ = inference.load(args.model, args.scratch)
    from entoflow import images
    from entoflow.detection import predictions
    from entoflow.detector import tiles

    if args.tile_size is not None:
        tiles.check(args.tile_size)
        detector = replace(detector, tile_size=args.tile_size)
    pack = images.Pack(args.packs)
    image_ids = select_images(pack.ids(), args.images)
    found = inference.predict(detector, backend, pack, image_ids, views)
    n = predictions.write(args.predictions, with_progress(found, len(image_ids), len(views)))
    print(f"{n} boxes in {len(image_ids)} images, {len(views)} views of each.")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--model", type=Path, required=True, help="model folder")
    p.add_argument("--packs", type=Path, nargs="+", required=True, help="packs with the images")
    p.add_argument(
        "--images",
        type=Path,
        help="file with the ids of the images wanted, one a line (default: all in the packs)",
    )
    p.add_argument(
        "--views",
        default="1",
        help="scales of the image size to look at, comma-separated; 'f' behind one flips the image "
        "left to right, e.g. 1,1f,1.5 (default %(default)s)",
    )
    p.add_argument(
        "--tile_size",
        type=int,
        help="side of the tiles that large images are seen in beside the whole, pixels, 0 for none "
        "(default: as in the model's training)",
    )
    p.add_argument(
        "--scratch",
        type=Path,
        default=Path("scratch"),
        help="folder for what the backend keeps (default %(default)s)",
    )
    p.add_argument(
        "--predictions",
        type=Path,
        required=True,
        help="predictions (.npz) to write, with the view of each box",
    )
    return p


def read_views(text: str) -> list[inference.View]:
    """Return the views. Raises InputError where one is not a number from 0.1 to 4, with or without
    'f'.
    """
    views = []
    for entry in text.split(","):
        word = entry.strip()
        try:
            scale = float(word.removesuffix("f"))
        except ValueError:
            raise InputError(
                f"--views: '{entry}' is no view; wanted scales such as 1,1f,1.5."
            ) from None
        if not MIN_SCALE <= scale <= MAX_SCALE:
            raise InputError(f"--views: scale {scale:g} is outside {MIN_SCALE} to {MAX_SCALE}.")
        views.append((scale, word.endswith("f")))
    return views


def select_images(ids: list[int], path: Path | None) -> list[int]:
    """Return those of the packs' image ids that a file names; all without a file.

    Raises InputError for another file.
    """
    if not path:
        return ids
    words = read_text(path).split()
    if not all(word.isdecimal() for word in words):
        wanted = "one that split_images.py wrote, a number a line"
        raise InputError(f"{path}: is no list of image ids; wanted {wanted}.")
    named = {int(word) for word in words}
    return [image_id for image_id in ids if image_id in named]


def with_progress(
    predictions: "Iterable[Prediction]", n_images: int, n_views: int
) -> "Iterator[Prediction]":
    """Pass the predictions on, with a line for every tenth of the images."""
    step = max(1, n_images // 10) * n_views
    for number, prediction in enumerate(predictions, 1):
        if number % step == 0:
            print(f"{number // n_views} of {n_images} images", flush=True)
        yield prediction


if __name__ == "__main__":
    run(main)
