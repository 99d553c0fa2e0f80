#!/usr/bin/env python3
"""Train a detector of one class on images with boxes, and choose the score threshold that it ships with.

All boxes are one class: the caller decides which boxes the data set holds. Training stops when the validation part no
longer improves; the threshold is the one of best F1 on the same part and stays as it is from then on, so what is
reported of validation images flatters the detector a little and is named validation. A box counts as much as its weight
(1 where it has none), and in an ignore region nothing is learned but what a box there says.
"""
import argparse
import csv
import hashlib
import time
from pathlib import Path

from entoflow import coco, model_folder
from entoflow.detector import architectures, inference
from entoflow.memory import keep_memory
from entoflow.task import InputError, run


def main(argv):
    args = parser().parse_args(argv)
    dataset = coco.read(args.dataset)
    check(dataset, args.dataset)
    args.architecture = architectures.choose(args.detector, args.architecture)
    backend = inference.backend(args.detector)
    checkpoint = carried_on(args.resume_from, args.checkpoint)
    keep_memory()
    samples = extracted(dataset, args)
    settings = {name: getattr(args, name) for name in ("architecture", "image_size", "batch_size", "max_epochs", "patience", "seed")}
    train = training_of(args.detector)
    detector, rows = train(samples, args.scratch, {**settings, "weights": args.weights}, Progress(args.max_epochs), checkpoint)
    detector["tile_size"] = args.tile_size or 0
    judged = judge(detector, backend, dataset, args.packs, args.seed)
    args.model.mkdir(parents=True, exist_ok=True)
    seen = {**backend.save(detector, args.model), "tile_size": detector["tile_size"]}
    facts = {"name": args.name, "kind": "detector", "classes": [args.class_name], "input": seen}
    parameters = {**settings, "tile_size": detector["tile_size"], "detector": args.detector, "weights": sha256(args.weights) if args.weights else "none"}
    provenance = {"data": described(dataset, args.dataset), "parameters": parameters, "seed": args.seed}
    model_folder.write(args.model, {**facts, **judged}, provenance, backend.LICENCE)
    write_rows(args.training, rows)
    checkpoint.unlink()
    print(f"{args.name}: threshold {judged['threshold']:.3f}, validation AP50 {judged['metrics']['ap50']['value']}")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--dataset", type=Path, required=True, help="data set to read: images with part train or validation")
    p.add_argument("--packs", type=Path, nargs="+", required=True, help="packs with the images")
    p.add_argument("--name", required=True, help="name of the model")
    p.add_argument("--class_name", required=True, help="name of the one class")
    p.add_argument("--detector", choices=["yolo", "torchvision"], default="yolo", help="backend (default %(default)s)")
    p.add_argument("--architecture", help="network of the backend (default: the smallest)")
    p.add_argument("--weights", type=Path, help="safetensors to start from (default: random weights)")
    p.add_argument("--image_size", type=int, default=640, help="longer side the network sees, pixels (default %(default)s)")
    p.add_argument("--tile_size", type=int, help="side of the tiles that large images are seen in beside the whole, pixels; each is shown at the "
                   "image size (default: no tiles)")
    p.add_argument("--batch_size", type=int, default=16, help="images a step (default %(default)s)")
    p.add_argument("--max_epochs", type=int, default=100, help="epochs at most (default %(default)s)")
    p.add_argument("--patience", type=int, default=30, help="epochs without a better validation AP before the end (default %(default)s)")
    p.add_argument("--seed", type=int, default=1, help="seed (default %(default)s)")
    p.add_argument("--resume_from", type=Path, help="folder of an attempt that was cut off: its checkpoint is gone on with")
    p.add_argument("--checkpoint", type=Path, default=Path("checkpoint.pt"), help="file written after each epoch (default %(default)s)")
    p.add_argument("--scratch", type=Path, default=Path("scratch"), help="folder for the images in training (default %(default)s)")
    p.add_argument("--model", type=Path, required=True, help="model folder to write")
    p.add_argument("--training", type=Path, required=True, help="CSV to write: a row per epoch")
    return p


def check(dataset, path):
    """Raise InputError unless there are training boxes and a validation part."""
    parts = {image["id"]: image["part"] for image in dataset["images"]}
    boxed = {parts[box["image_id"]] for box in dataset["annotations"] if not box["iscrowd"]}
    if "train" not in boxed:
        raise InputError(f"{path}: holds no box in its training part; wanted at least one. More images with boxes are needed.")
    if "validation" not in parts.values():
        raise InputError(f"{path}: holds no validation image; wanted at least two groups of images, one of them to validate on.")


def extracted(dataset, args):
    """Return the samples of the data set. Raises InputError for tiles too small."""
    from entoflow import images
    from entoflow.detection import samples
    from entoflow.detector import tiles

    tiles.check(args.tile_size)
    found = samples.extract(dataset, images.Pack(args.packs), args.scratch, args.tile_size, args.seed)
    if args.tile_size:
        n_images, n_all = sum(image["part"] in found for image in dataset["images"]), sum(map(len, found.values()))
        print(f"{n_images} images, and {n_all - n_images} tiles of those longer than {tiles.TILED * args.tile_size:.0f} pixels", flush=True)
    return found


def training_of(backend):
    """Return the function that trains a backend's networks."""
    if backend == "yolo":
        from entoflow.detection import yolo_training

        return yolo_training.train
    from entoflow.detection import fcos_training

    return fcos_training.train


class Progress:
    """Prints a line per epoch: loss, validation, time left."""

    def __init__(self, max_epochs):
        self.max_epochs, self.start, self.epochs = max_epochs, time.monotonic(), 0

    def __call__(self, row):
        self.epochs += 1
        minutes = (time.monotonic() - self.start) / self.epochs * (self.max_epochs - row["epoch"]) / 60
        print(f"epoch {row['epoch']}/{self.max_epochs}  loss {row['loss']}  validation AP50 {row['validation_ap50']}  "
              f"AP {row['validation_ap']} (best: epoch {row['best_epoch']})  at most {minutes:.1f} min left", flush=True)


def carried_on(resume_from, checkpoint):
    """Return the checkpoint's path, after taking over the one of a cut-off attempt where that can be reached."""
    import shutil

    earlier = resume_from / checkpoint.name if resume_from else None
    if earlier and earlier.exists() and not checkpoint.exists():
        part = checkpoint.with_suffix(".part")
        shutil.copyfile(earlier, part)
        part.replace(checkpoint)  # whole or not there, should this attempt be cut off too
        print(f"going on from the checkpoint of {resume_from}", flush=True)
    return checkpoint


def judge(detector, backend, dataset, packs, seed):
    """Return the threshold of best F1 on the validation part, and the validation metrics with their intervals."""
    from entoflow import images
    from entoflow.detection import metrics

    validation = coco.part(dataset, "validation")
    predictions = list(inference.predict(detector, backend, images.Pack(packs), sorted(image["id"] for image in validation["images"])))
    threshold = metrics.chosen_threshold(validation, predictions, beta=1)
    return {"threshold": threshold, "metrics": metrics.detection(validation, predictions, threshold, seed), "metrics_of": "validation"}


def described(dataset, path):
    """Return what the model learned from: counts by part, and the data set's hash."""
    parts = {image["id"]: image["part"] for image in dataset["images"]}
    counts = {}
    for part in ("train", "validation"):
        boxes = sum(parts[box["image_id"]] == part and not box["iscrowd"] for box in dataset["annotations"])
        counts[f"{part} images"], counts[f"{part} boxes"] = sum(value == part for value in parts.values()), boxes
    return {**counts, "sha256": sha256(path)}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_rows(path, rows):
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    run(main)
