#!/usr/bin/env python3
"""Turn the images of packs into vectors by one embedder or several.

Each image is read once and seen once by each network: embedders that differ by their projections
alone share what their network makes of it. With --baselines also by what needs no learning, its
colours (a histogram of hue, saturation and value) and its pixels (32 x 32), so that metrics can say
what an embedder is worth beyond them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow import model_folder
from entoflow.memory import keep_memory
from entoflow.task import InputError, run

if TYPE_CHECKING:
    import numpy as np

    from entoflow.identification.embedder import Embedder

READ_AT_ONCE = 64
COLOUR_BINS = 8  # of hue, of saturation and of value
SMALL = 32  # pixels of the side of the baseline by pixels


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    keep_memory()
    from entoflow.identification import embeddings
    from entoflow.images import Pack

    embedders = {path.name: load_embedder(path) for path in args.models}
    baselines = BASELINES if args.baselines else {}
    check_names([path.name for path in args.models], baselines)
    pack = Pack(args.packs)
    ids = pack.ids()
    families = group_by_network(embedders)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in (*embedders, *baselines)}
    for start in range(0, len(ids), READ_AT_ONCE):
        batch = [pack.read(image_id) for image_id in ids[start : start + READ_AT_ONCE]]
        for name, vectors in embed_batch(batch, families, baselines).items():
            parts[name].append(vectors)
        print(f"{start + len(batch)} of {len(ids)} images", flush=True)
    stacked = {name: stack(vectors) for name, vectors in parts.items()}
    embeddings.write(args.embeddings, ids, stacked)


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument(
        "--models",
        type=Path,
        nargs="+",
        required=True,
        help="model folders of embedders; a folder's name is that of its vectors",
    )
    p.add_argument("--packs", type=Path, nargs="+", required=True, help="packs with the images")
    p.add_argument(
        "--baselines",
        type=json.loads,
        choices=[True, False],
        default=False,
        metavar="{true,false}",
        help="also by colours and by pixels (default false)",
    )
    p.add_argument("--embeddings", type=Path, required=True, help="embeddings (.npz) to write")
    return p


def load_embedder(folder: Path) -> Embedder:
    """Return an embedder. Raises InputError for a model folder of another kind."""
    from entoflow.identification import embedder

    facts = model_folder.read(folder)
    if facts.kind != "embedder":
        raise InputError(f"{folder}: is a model of kind {facts.kind}; wanted an embedder.")
    return embedder.load(folder, facts)


def check_names(names: Sequence[str], baselines: Mapping[str, object]) -> None:
    """Raise InputError where two arrays of the embeddings would have the same name."""
    from entoflow.identification.embeddings import IDS

    taken = [*names, *baselines, IDS]
    for name in taken:
        if taken.count(name) > 1:
            raise InputError(
                f"--models: the name {name} is taken; wanted folders of different names, "
                f"none of them {', '.join([*BASELINES, IDS])}."
            )


def group_by_network(embedders: Mapping[str, Embedder]) -> list[dict[str, Embedder]]:
    """Return the embedders by name, those together whose networks are the same, weight for weight.

    These share one network, so that the memory holds it once.
    """
    from entoflow.identification.embedder import same_network

    families: list[dict[str, Embedder]] = []
    for name, embedder in embedders.items():
        for family in families:
            first = next(iter(family.values()))
            if same_network(first, embedder):
                family[name] = replace(embedder, network=first.network)
                break
        else:
            families.append({name: embedder})
    return families


def embed_batch(
    batch: Sequence[np.ndarray],
    families: Sequence[Mapping[str, Embedder]],
    baselines: Mapping[str, Callable[[Sequence[np.ndarray]], np.ndarray]],
) -> dict[str, np.ndarray]:
    """Return {name: (n, d) float32 of length 1} of images."""
    from entoflow.identification.vectors import normalise

    vectors = {}
    for family in families:
        features = next(iter(family.values())).features(batch)
        for name, embedder in family.items():
            vectors[name] = embedder.project(features)
    for name, describe in baselines.items():
        vectors[name] = normalise(describe(batch))
    return vectors


def describe_colours(batch: Sequence[np.ndarray]) -> np.ndarray:
    """Return the square roots of the shares of pixels by hue, saturation and value, (n, 512).

    Their dot product is the coefficient of Bhattacharyya.
    """
    import cv2
    import numpy as np

    histograms = []
    for image in batch:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        ranges = [0, 180, 0, 256, 0, 256]
        histograms.append(cv2.calcHist([hsv], [0, 1, 2], None, [COLOUR_BINS] * 3, ranges))
    return np.sqrt(np.stack(histograms).reshape(len(batch), -1))


def describe_pixels(batch: Sequence[np.ndarray]) -> np.ndarray:
    """Return each image at 32 x 32 pixels, less its mean: (n, 3072) float32."""
    import numpy as np

    from entoflow.identification.embedder import pad_to_square

    squares = np.stack([pad_to_square(image, SMALL) for image in batch])
    small = squares.reshape(len(batch), -1).astype(np.float32)
    return small - small.mean(axis=1, keepdims=True)


def stack(parts: Sequence[np.ndarray]) -> np.ndarray:
    import numpy as np

    return np.concatenate(parts) if parts else np.empty((0, 1), np.float32)


BASELINES = {"colours": describe_colours, "pixels": describe_pixels}

if __name__ == "__main__":
    run(main)
