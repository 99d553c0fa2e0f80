#!/usr/bin/env python3
"""Make embedders: the network as it is given (frozen), with a projection that learned behind it (projected), trained further itself (trained).

projected learns on features that the frozen network makes once, in seconds; trained is fine-tuned, which without a GPU takes from minutes to
hours. Both learn by supervised contrast on the part train; after each epoch the specimens of the part validation are each named by the
most similar one of another group, and of trained the best epoch is kept. Of each there is one more (_refit), that learned as many epochs from all
that is not to be measured, less some validation specimens that its scores are calibrated on: who remembers few specimens too well is surer than right.
It ships where choose_embedder.py finds, on specimens that neither learned from, that learning helped. With --max_epochs 0 there is the frozen one alone.
"""
import argparse
import csv
import hashlib
import json
import time
from pathlib import Path

from entoflow import coco, model_folder
from entoflow.identification import embedder_facts
from entoflow.joining import cropping
from entoflow.memory import keep_memory
from entoflow.task import InputError, run

LICENCE = "Apache-2.0 (timm's code); weights trained from random values are their trainer's own, others carry the terms of those they started from"


def main(argv):
    args = parser().parse_args(argv)
    dataset = coco.read(args.specimens)
    check(dataset, args)
    args.cropping = cropping([dataset])
    keep_memory()
    frozen = start(args)
    names = learners(args, gpu=frozen["device"] != "cpu")
    write(frozen, "frozen", [], args)
    rows, parts = [], to_learn_from(dataset) if names else {}
    members = sum(parts.values(), [])
    pixels = squares(members, args)
    for name in names:
        learn = LEARNERS[name](frozen, pixels, members, args)
        made, epochs = learn(len(parts["rest"]), len(parts["train"]), len(parts["validation"]) + len(parts["calibration"]), args.max_epochs)
        write(made, name, parts["train"], args)
        rows += [{"embedder": name, **row} for row in epochs]
        refit = members[:len(members) - len(parts["calibration"])]
        write(learn(0, len(refit), 0, len(epochs))[0], name + embedder_facts.REFIT, refit, args, max_epochs=len(epochs))
    with args.training.open("w", newline="", encoding="utf-8") as handle:
        table = csv.DictWriter(handle, fieldnames=["embedder", "epoch", "loss", "validation", "best_epoch"])
        table.writeheader()
        table.writerows(rows)


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--specimens", type=Path, required=True, help="data set that split_specimens.py wrote")
    p.add_argument("--packs", type=Path, nargs="+", required=True, help="packs with its images")
    p.add_argument("--backbone", default=embedder_facts.BACKBONE, help="network of timm's (default %(default)s)")
    p.add_argument("--weights", type=Path, help="safetensors to start from (default: random weights)")
    p.add_argument("--embedder_size", type=int, default=224, help="side of the square that the network sees, pixels (default %(default)s)")
    p.add_argument("--specimens_per_batch", type=int, default=64, help="images a step, each in two views (default %(default)s)")
    p.add_argument("--max_epochs", type=int, default=100, help="epochs at most (default %(default)s)")
    p.add_argument("--patience", type=int, default=30, help="epochs without a better validation before the end (default %(default)s)")
    p.add_argument("--fine_tune", choices=["auto", "true", "false"], default="auto", help="whether the network itself is trained; auto: where its weights "
                   "are random or a GPU is there (default %(default)s)")
    p.add_argument("--mirror", type=json.loads, choices=[True, False], default=True, metavar="{true,false}", help="whether a mirrored specimen is one "
                   "of its class; false for characters (default true)")
    p.add_argument("--rotation", type=float, default=20, help="degrees that specimens lie turned at most (default %(default)s)")
    p.add_argument("--seed", type=int, default=1, help="seed (default %(default)s)")
    p.add_argument("--models", type=Path, required=True, help="folder to write the model folders to")
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


def start(args):
    """Return the embedder as it is given."""
    from entoflow.identification import embedder

    return embedder.new(args.backbone, args.embedder_size, args.weights, args.seed)


def learners(args, gpu):
    """Return which embedders learn beside the frozen one, and say why."""
    from entoflow.identification import embedder

    if args.weights and embedder.has_projection(args.weights):
        print(f"{args.weights.name}: the network is taken; the projection that an earlier run learned behind it is not.", flush=True)
    if not args.max_epochs:
        print("Nothing learns: --max_epochs is 0.", flush=True)
        return []
    random, asked = not args.weights, {"true": True, "false": False}.get(args.fine_tune)
    fine = asked if asked is not None else random or gpu
    why = (f"--fine_tune is {args.fine_tune}" if asked is not None else "its weights are random" if random else "there is a GPU" if gpu
           else "there is no GPU, and its weights are not random (--fine_tune true does it all the same)")
    names = ["projected"] * (not random or not fine) + ["trained"] * fine
    what = "; ".join({"projected": "a projection behind the frozen network learns", "trained": "the network itself is fine-tuned"}[name] for name in names)
    print(f"{what[0].upper()}{what[1:]}. Fine-tuning: {'yes' if fine else 'no'}, as {why}.", flush=True)
    return names


def to_learn_from(dataset):
    """Return {part: images} of what is learned from or validated on, less classes held out: rest, train, validation, and of that what only calibrates."""
    unseen, parts = {image["label"] for image in dataset["images"] if image["part"] == "unseen"}, {"rest": [], "train": [], "validation": [], "calibration": []}
    for image in dataset["images"]:
        part = "calibration" if image.get("calibrates") else image["part"]
        if part in parts and image["label"] not in unseen:
            parts[part].append(image)
    return parts


def projecting(frozen, pixels, members, args):
    """Return learn(first, n, n_validation, max_epochs): (embedder, rows of its epochs), from n images from first on, validated on those behind them."""
    from entoflow.identification import embedder, projection

    begun = time.monotonic()
    features = projection.views(frozen, pixels, settings_of(args), lambda done: print(f"features of {done} of {len(pixels)} images", flush=True))
    print(f"features of {features.shape[1]} views of each image: {time.monotonic() - begun:.1f} s", flush=True)
    labels, groups = columns(members)

    def learn(first, n, n_validation, max_epochs):
        learned, seen = slice(first, first + n), slice(first, first + n + n_validation)

        def validate(made):
            return recall(embedder.finished({"projection": made}, features[seen, 0]), labels[seen], groups[seen], n) if n_validation else None

        rows, on_epoch = told("projected", min(max_epochs, projection.EPOCHS))
        made = projection.train(features[learned], labels[learned], validate, settings_of(args, max_epochs), on_epoch)
        return {**frozen, "projection": made}, rows
    return learn


def fine_tuning(_frozen, pixels, members, args):
    """Return learn as `projecting` does."""
    from entoflow.identification import embedder, embedder_trainer

    labels, groups = columns(members)

    def learn(first, n, n_validation, max_epochs):
        learned, seen = slice(first, first + n), slice(first, first + n + n_validation)

        def validate(made):
            return recall(embedder.embed(made, pixels[seen]), labels[seen], groups[seen], n) if n_validation else None

        made, (rows, on_epoch) = start(args), told("trained", max_epochs)
        embedder_trainer.train(made, pixels[learned], labels[learned], validate, settings_of(args, max_epochs), on_epoch)
        return made, rows
    return learn


LEARNERS = {"projected": projecting, "trained": fine_tuning}


def settings_of(args, max_epochs=None):
    """Return the settings of a training."""
    given = {name: getattr(args, name) for name in ("specimens_per_batch", "max_epochs", "patience", "seed", "mirror", "rotation")}
    return given if max_epochs is None else {**given, "max_epochs": max_epochs}


def told(name, max_epochs):
    """Return (a list, a function that adds an epoch's row to it and prints it)."""
    rows, begun = [], time.monotonic()

    def on_epoch(row):
        rows.append(row)
        seconds = time.monotonic() - begun
        found = "refit" if row["validation"] is None else f"validation recall@1 {row['validation']} (best: epoch {row['best_epoch']})"
        left = seconds / row["epoch"] * (max_epochs - row["epoch"]) / 60
        print(f"{name}: epoch {row['epoch']}/{max_epochs}  loss {row['loss']}  {found}  {seconds:.1f} s, at most {left:.1f} min left", flush=True)
    return rows, on_epoch


def columns(members):
    """Return the labels and the groups of images."""
    import numpy as np

    return (np.array([image[key] for image in members], str) for key in ("label", "group"))


def squares(members, args):
    """Return the images as n x size x size x 3 uint8 in a file of the folder at hand: memory holds those in use alone."""
    import numpy as np

    from entoflow import images
    from entoflow.identification.embedder import squared

    size = args.embedder_size
    if not members:
        return np.empty((0, size, size, 3), np.uint8)
    pack = images.Pack(args.packs)
    found = np.lib.format.open_memmap("squares.npy", "w+", np.uint8, (len(members), size, size, 3))
    for row, image in enumerate(members):
        found[row] = squared(pack.read(image["id"]), size)
    Path("squares.npy").unlink()  # the open file stays readable, and nothing is left behind
    return found


def recall(vectors, labels, groups, first):
    """Return the share of images from the first on whose most similar one of another group has their label, of those where one has it.

    vectors: n x d of length 1. labels, groups: n, or more, of which the first n count.
    """
    import numpy as np

    labels, groups = labels[:len(vectors)], groups[:len(vectors)]
    likeness = vectors[first:] @ vectors.T
    likeness[groups[first:, None] == groups[None]] = -np.inf
    same = (labels[first:, None] == labels[None]) & np.isfinite(likeness)
    asked = same.any(axis=1)
    return float(same[np.arange(len(same)), likeness.argmax(axis=1)][asked].mean()) if asked.any() else 0.0


def write(made, name, members, args, **other):
    """Write a model folder: its figures and its calibration come with choose_embedder.py. members: what it learned from. other: settings unlike args."""
    from entoflow.identification import embedder

    folder = args.models / name
    folder.mkdir(parents=True, exist_ok=True)
    settings = ("backbone", "embedder_size", "specimens_per_batch", "max_epochs", "patience", "mirror", "rotation", "seed")
    parameters = {**{key: getattr(args, key) for key in settings}, **other, "weights": sha256(args.weights) if args.weights else "none"}
    data = {"train images": len(members), "train classes": len({image["label"] for image in members}), "sha256": sha256(args.specimens)}
    facts = {"name": name, "kind": "embedder", "classes": sorted({image["label"] for image in members}), "input": embedder.save(made, folder),
             "threshold": None, "metrics": {}, "metrics_of": "validation", **args.cropping}
    model_folder.write(folder, facts, {"data": data, "parameters": parameters, "seed": args.seed}, LICENCE)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    run(main)
