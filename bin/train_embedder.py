#!/usr/bin/env python3
"""Make embedders: the network as it is given (frozen), trained further on the part train (trained), and on all that is not to be measured (refit).

Which is used is not decided here but by choose_embedder.py: frozen or trained, on specimens that neither learned from; where trained wins, refit
ships, which is the same with more to learn from and as many epochs. Training is supervised contrast; after each epoch the specimens of the
part validation are each named by the most similar one of another group, and the best epoch is kept. With --max_epochs 0 there is the frozen
one alone.
"""
import argparse
import csv
import hashlib
import json
import time
from pathlib import Path

from entoflow import coco, model
from entoflow.detector import keep_memory
from entoflow.joining import cropping
from entoflow.task import InputError, run

LICENCE = "Apache-2.0 (timm's code); weights trained from random values are their trainer's own, others carry the terms of those they started from"


def main(argv):
    args = parser().parse_args(argv)
    dataset = coco.read(args.specimens)
    check(dataset, args)
    args.cropping = cropping([dataset])
    keep_memory()
    from entoflow import embedder

    def start():
        return embedder.new(args.backbone, args.embedder_size, args.weights, args.seed)

    write(start(), "frozen", [], args)
    rows = []
    if args.max_epochs:
        unseen = {image["label"] for image in dataset["images"] if image["part"] == "unseen"}
        parts = {part: [image for image in dataset["images"] if image["part"] == part and image["label"] not in unseen]
                 for part in ("train", "validation", "rest")}
        made = start()
        rows = taught(made, parts["train"], parts["validation"], args)
        write(made, "trained", parts["train"], args)
        made, args.max_epochs = start(), len(rows)
        taught(made, sum(parts.values(), []), [], args)
        write(made, "refit", sum(parts.values(), []), args)
    with args.training.open("w", newline="", encoding="utf-8") as handle:
        table = csv.DictWriter(handle, fieldnames=["epoch", "loss", "validation", "best_epoch"])
        table.writeheader()
        table.writerows(rows)


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--specimens", type=Path, required=True, help="data set that split_specimens.py wrote")
    p.add_argument("--packs", type=Path, nargs="+", required=True, help="packs with its images")
    p.add_argument("--backbone", default=model.BACKBONE, help="network of timm's (default %(default)s)")
    p.add_argument("--weights", type=Path, help="safetensors to start from (default: random weights)")
    p.add_argument("--embedder_size", type=int, default=224, help="side of the square that the network sees, pixels (default %(default)s)")
    p.add_argument("--specimens_per_batch", type=int, default=64, help="images a step, each in two views (default %(default)s)")
    p.add_argument("--max_epochs", type=int, default=100, help="epochs at most (default %(default)s)")
    p.add_argument("--patience", type=int, default=30, help="epochs without a better validation before the end (default %(default)s)")
    p.add_argument("--mirror", type=json.loads, choices=[True, False], default=True, metavar="{true,false}", help="whether a mirrored specimen is one "
                   "of its class; false for characters (default true)")
    p.add_argument("--rotation", type=float, default=20, help="degrees that specimens lie turned at most (default %(default)s)")
    p.add_argument("--seed", type=int, default=1, help="seed (default %(default)s)")
    p.add_argument("--models", type=Path, required=True, help="folder to write the model folders frozen and trained to")
    p.add_argument("--training", type=Path, required=True, help="CSV to write: a row per epoch")
    return p


def check(dataset, args):
    """Raise InputError where there is nothing to learn from or to validate on, or a number is out of its range."""
    parts = [image["part"] for image in dataset["images"]]
    if args.max_epochs and parts.count("train") < 2:
        raise InputError(f"{args.specimens}: holds {'one' if 'train' in parts else 'no'} specimen to learn from; wanted some of the part train.")
    for name, least in (("embedder_size", 16), ("specimens_per_batch", 2), ("max_epochs", 0), ("patience", 1), ("rotation", 0)):
        if getattr(args, name) < least:
            raise InputError(f"--{name} is {getattr(args, name)}; wanted at least {least}.")


def taught(made, members, validation, args):
    """Train an embedder in place on members, and return the rows of its epochs."""
    import numpy as np
    from entoflow import embedder_trainer, images

    pack = images.Pack(args.packs)
    everyone = members + validation
    pixels = squares(everyone, pack, args)
    labels, groups = (np.array([image[key] for image in everyone], str) for key in ("label", "group"))
    settings = {name: getattr(args, name) for name in ("specimens_per_batch", "max_epochs", "patience", "seed", "mirror", "rotation")}
    rows, start = [], time.monotonic()

    def on_epoch(row):
        rows.append(row)
        minutes = (time.monotonic() - start) / row["epoch"] * (args.max_epochs - row["epoch"]) / 60
        found = f"validation recall@1 {row['validation']} (best: epoch {row['best_epoch']})" if validation else "refit"
        print(f"epoch {row['epoch']}/{args.max_epochs}  loss {row['loss']}  {found}  at most {minutes:.1f} min left", flush=True)

    def validate(embedder):
        return recall(embedder, pixels, labels, groups, len(members)) if validation else None

    embedder_trainer.train(made, pixels[:len(members)], labels[:len(members)], validate, settings, on_epoch)
    return rows


def squares(members, pack, args):
    """Return the images as n x size x size x 3 uint8 in a file of the folder at hand: memory holds those in use alone."""
    import numpy as np
    from entoflow.embedder import squared

    size = args.embedder_size
    path = Path(f"squares_{len(list(Path().glob('squares_*')))}.npy")
    found = np.lib.format.open_memmap(path, "w+", np.uint8, (len(members), size, size, 3))
    for row, image in enumerate(members):
        found[row] = squared(pack.read(image["id"]), size)
    path.unlink()  # the open file stays readable, and nothing is left behind
    return found


def recall(made, pixels, labels, groups, first):
    """Return the share of images from the first on whose most similar one of another group has their label, of those where one has it."""
    import numpy as np
    from entoflow import embedder

    vectors = embedder.embed(made, pixels)
    likeness = vectors[first:] @ vectors.T
    likeness[groups[first:, None] == groups[None]] = -np.inf
    same = (labels[first:, None] == labels[None]) & np.isfinite(likeness)
    asked = same.any(axis=1)
    return float(same[np.arange(len(same)), likeness.argmax(axis=1)][asked].mean()) if asked.any() else 0.0


def write(made, name, members, args):
    """Write a model folder: its figures and its calibration come with choose_embedder.py. members: what it learned from."""
    from entoflow import embedder

    folder = args.models / name
    folder.mkdir(parents=True, exist_ok=True)
    settings = ("backbone", "embedder_size", "specimens_per_batch", "max_epochs", "patience", "mirror", "rotation", "seed")
    parameters = {**{key: getattr(args, key) for key in settings}, "weights": sha256(args.weights) if args.weights else "none"}
    data = {"train images": len(members), "train classes": len({image["label"] for image in members}), "sha256": sha256(args.specimens)}
    facts = {"name": name, "kind": "embedder", "classes": sorted({image["label"] for image in members}), "input": embedder.save(made, folder),
             "threshold": None, "metrics": {}, "metrics_of": "validation", **args.cropping}
    model.write(folder, facts, {"data": data, "parameters": parameters, "seed": args.seed}, LICENCE)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    run(main)
