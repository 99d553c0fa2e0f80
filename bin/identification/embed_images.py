#!/usr/bin/env python3
"""Turn the images of packs into vectors by one embedder or several, each image read once and seen once by each network.

Embedders that differ by their projections alone share what their network makes of an image.

With --baselines also by what needs no learning: its colours (a histogram of hue, saturation and value) and its pixels (32 x 32), so that
figures can say what an embedder is worth beyond them.
"""
import argparse
import json
from pathlib import Path

from entoflow import model_folder
from entoflow.memory import keep_memory
from entoflow.task import InputError, run

READ_AT_ONCE = 64


def main(argv):
    args = parser().parse_args(argv)
    keep_memory()
    from entoflow import images
    from entoflow.identification import embeddings

    embedders = {path.name: loaded(path) for path in args.models}
    taken = [*(path.name for path in args.models), *(BASELINES if args.baselines else ()), embeddings.IDS]
    twice = next((name for name in taken if taken.count(name) > 1), None)
    if twice:
        raise InputError(f"--models: the name {twice} is taken; wanted folders of different names, none of them {', '.join([*BASELINES, embeddings.IDS])}.")
    pack = images.Pack(args.packs)
    ids = pack.ids()
    found, families = {name: [] for name in (*embedders, *(BASELINES if args.baselines else ()))}, by_network(embedders)
    for start in range(0, len(ids), READ_AT_ONCE):
        batch = [pack.read(image) for image in ids[start:start + READ_AT_ONCE]]
        for name, vectors in vectors_of(batch, families, args.baselines).items():
            found[name].append(vectors)
        print(f"{min(start + READ_AT_ONCE, len(ids))} of {len(ids)} images", flush=True)
    embeddings.write(args.embeddings, ids, {name: stacked(parts) for name, parts in found.items()})


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--models", type=Path, nargs="+", required=True, help="model folders of embedders; a folder's name is that of its vectors")
    p.add_argument("--packs", type=Path, nargs="+", required=True, help="packs with the images")
    p.add_argument("--baselines", type=json.loads, choices=[True, False], default=False, metavar="{true,false}", help="also by colours and by pixels "
                   "(default false)")
    p.add_argument("--embeddings", type=Path, required=True, help="embeddings (.npz) to write")
    return p


def loaded(path):
    """Return an embedder. Raises InputError for a model folder of another kind."""
    from entoflow.identification import embedder

    facts = model_folder.read(path)
    if facts["kind"] != "embedder":
        raise InputError(f"{path}: is a model of kind {facts['kind']}; wanted an embedder.")
    return embedder.load(path, facts)


def by_network(embedders):
    """Return lists of (name, embedder) whose networks are the same, weight for weight: the memory holds one of each."""
    from entoflow.identification import embedder

    families = []
    for name, chosen in embedders.items():
        family = next((family for family in families if embedder.same_network(family[0][1], chosen)), None)
        if family:
            family.append((name, {**chosen, "network": family[0][1]["network"]}))
        else:
            families.append([(name, chosen)])
    return families


def vectors_of(batch, families, baselines):
    """Return {name: n x d float32 of length 1} of images."""
    from entoflow.identification import embedder

    found = {}
    for family in families:
        features = embedder.features(family[0][1], batch)
        found |= {name: embedder.finished(chosen, features) for name, chosen in family}
    for name, describe in (BASELINES if baselines else {}).items():
        found[name] = embedder.normalised(describe(batch))
    return found


def colours(batch):
    """Return n x 512 shares of the pixels by hue, saturation and value, 8 bins each, square roots of them: their dot product is Bhattacharyya's."""
    import cv2
    import numpy as np

    histograms = [cv2.calcHist([cv2.cvtColor(image, cv2.COLOR_RGB2HSV)], [0, 1, 2], None, [8, 8, 8], [0, 180, 0, 256, 0, 256]) for image in batch]
    return np.sqrt(np.stack(histograms).reshape(len(batch), -1))


def pixels(batch):
    """Return n x 3072: each image at 32 x 32 pixels, less its mean."""
    import numpy as np

    from entoflow.identification.embedder import squared

    small = np.stack([squared(image, 32) for image in batch]).reshape(len(batch), -1).astype(np.float32)
    return small - small.mean(axis=1, keepdims=True)


def stacked(parts):
    import numpy as np

    return np.concatenate(parts) if parts else np.empty((0, 1), np.float32)


BASELINES = {"colours": colours, "pixels": pixels}

if __name__ == "__main__":
    run(main)
