#!/usr/bin/env python3
"""Train a detector of one class on images with boxes, and choose its score threshold.

All boxes are one class: the caller decides which boxes the data set holds. Training stops when the
validation part no longer improves; the threshold is the one of best F1 on the same part and stays
as it is from then on, so what is reported of validation images flatters the detector a little and
is named validation. A box counts as much as its weight (1 where it has none), and in an ignore
region nothing is learned but what a box there says.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entoflow import dataset as datasets
from entoflow import files, model_folder
from entoflow.dataset import Dataset
from entoflow.detection.training import Epoch, OnEpoch, Settings
from entoflow.detector import architectures, inference
from entoflow.detector.network import Backend, Detector
from entoflow.memory import keep_memory
from entoflow.metric import Metric
from entoflow.model_folder import ModelFacts
from entoflow.task import InputError, run

if TYPE_CHECKING:
    from entoflow.detection.samples import Samples

Train = Callable[["Samples", Path, Settings, OnEpoch, Path], "tuple[Detector, list[Epoch]]"]


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    dataset = datasets.read(args.dataset)
    check(dataset, args.dataset)
    architecture = architectures.choose(args.detector, args.architecture)
    backend = inference.load_backend(args.detector)
    take_over_checkpoint(args.resume_from, args.checkpoint)
    keep_memory()
    samples = extract_samples(dataset, args)
    settings = Settings(
        architecture,
        args.image_size,
        args.batch_size,
        args.max_epochs,
        args.patience,
        args.seed,
        args.weights,
    )
    train = load_training(args.detector)
    detector, epochs = train(
        samples, args.scratch, settings, Progress(args.max_epochs).show, args.checkpoint
    )
    detector = replace(detector, tile_size=args.tile_size or 0)
    threshold, metrics = evaluate(detector, backend, dataset, args.packs, args.seed)
    write_model(args, settings, dataset, detector, backend, threshold, metrics)
    files.write_csv(
        args.training, [each.name for each in fields(Epoch)], [asdict(epoch) for epoch in epochs]
    )
    args.checkpoint.unlink()
    print(f"{args.name}: threshold {threshold:.3f}, validation AP50 {metrics['ap50'].value}")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument(
        "--dataset",
        type=Path,
        required=True,
        help="data set to read: images with part train or validation",
    )
    p.add_argument("--packs", type=Path, nargs="+", required=True, help="packs with the images")
    p.add_argument("--name", required=True, help="name of the model")
    p.add_argument("--class_name", required=True, help="name of the one class")
    p.add_argument(
        "--detector",
        choices=["yolo", "torchvision"],
        default="yolo",
        help="backend (default %(default)s)",
    )
    p.add_argument("--architecture", help="network of the backend (default: the smallest)")
    p.add_argument(
        "--weights", type=Path, help="safetensors to start from (default: random weights)"
    )
    p.add_argument(
        "--image_size",
        type=int,
        default=640,
        help="longer side the network sees, pixels (default %(default)s)",
    )
    p.add_argument(
        "--tile_size",
        type=int,
        help="side of the tiles that large images are seen in beside the whole, pixels; "
        "each is shown at the image size (default: no tiles)",
    )
    p.add_argument("--batch_size", type=int, default=16, help="images a step (default %(default)s)")
    p.add_argument(
        "--max_epochs", type=int, default=100, help="maximum number of epochs (default %(default)s)"
    )
    p.add_argument(
        "--patience",
        type=int,
        default=30,
        help="epochs without a better validation AP before the end (default %(default)s)",
    )
    p.add_argument("--seed", type=int, default=1, help="seed (default %(default)s)")
    p.add_argument(
        "--resume_from",
        type=Path,
        help="folder of an attempt that was cut off: training resumes from its checkpoint",
    )
    p.add_argument(
        "--checkpoint",
        type=Path,
        default=Path("checkpoint.pt"),
        help="file written after each epoch (default %(default)s)",
    )
    p.add_argument(
        "--scratch",
        type=Path,
        default=Path("scratch"),
        help="folder for the images in training (default %(default)s)",
    )
    p.add_argument("--model", type=Path, required=True, help="model folder to write")
    p.add_argument("--training", type=Path, required=True, help="CSV to write: a row per epoch")
    return p


def check(dataset: Dataset, path: Path) -> None:
    """Raise InputError unless there are training boxes and a validation part."""
    parts = {image.id: image.part for image in dataset.images}
    parts_with_boxes = {parts[box.image_id] for box in dataset.boxes if not box.iscrowd}
    if "train" not in parts_with_boxes:
        raise InputError(
            f"{path}: holds no box in its training part; wanted at least one. "
            "More images with boxes are needed."
        )
    if "validation" not in parts.values():
        raise InputError(
            f"{path}: holds no validation image; "
            "wanted at least two groups of images, one of them to validate on."
        )


def take_over_checkpoint(resume_from: Path | None, checkpoint: Path) -> None:
    """Copy the checkpoint of an attempt that was cut off, where it can be reached."""
    import shutil

    if resume_from is None or checkpoint.exists():
        return
    earlier = resume_from / checkpoint.name
    if not earlier.exists():
        return
    unfinished = checkpoint.with_suffix(".part")
    shutil.copyfile(earlier, unfinished)
    unfinished.replace(checkpoint)  # whole or not there, should this attempt be cut off, too
    print(f"resuming from the checkpoint of {resume_from}", flush=True)


def extract_samples(dataset: Dataset, args: argparse.Namespace) -> "Samples":
    """Return the samples of the data set. Raises InputError for tiles too small."""
    from entoflow import images
    from entoflow.detection import samples
    from entoflow.detector import tiles

    tiles.check(args.tile_size)
    extracted = samples.extract(
        dataset, images.Pack(args.packs), args.scratch, args.tile_size, args.seed
    )
    if args.tile_size:
        n_images = len(dataset.part("train", "validation").images)
        n_tiles = len(extracted) - n_images
        length = tiles.TILED * args.tile_size
        print(
            f"{n_images} images, and {n_tiles} tiles of those longer than {length:.0f} pixels",
            flush=True,
        )
    return extracted


def load_training(backend: str) -> Train:
    """Return the function that trains a backend's networks."""
    if backend == "yolo":
        from entoflow.detection import yolo_training

        return yolo_training.train
    from entoflow.detection import fcos_trainer

    return fcos_trainer.train


class Progress:
    """Prints how each epoch went, and how long the rest may take."""

    def __init__(self, max_epochs: int) -> None:
        self.max_epochs = max_epochs
        self.start = time.monotonic()
        self.n_epochs = 0  # of this attempt

    def show(self, epoch: Epoch) -> None:
        self.n_epochs += 1
        seconds_per_epoch = (time.monotonic() - self.start) / self.n_epochs
        minutes = seconds_per_epoch * (self.max_epochs - epoch.epoch) / 60
        print(
            f"epoch {epoch.epoch}/{self.max_epochs}  loss {epoch.loss}  "
            f"validation AP50 {epoch.validation_ap50}  AP {epoch.validation_ap} "
            f"(best: epoch {epoch.best_epoch})  at most {minutes:.1f} min left",
            flush=True,
        )


def evaluate(
    detector: Detector, backend: Backend, dataset: Dataset, packs: list[Path], seed: int
) -> tuple[float, dict[str, Metric]]:
    """Return the threshold of best F1 on the validation part, and the validation metrics with their
    intervals.
    """
    from entoflow import images
    from entoflow.detection import detections, metrics

    validation = dataset.part("validation")
    ids = metrics.image_ids(validation)
    predictions = list(inference.predict(detector, backend, images.Pack(packs), ids))
    threshold = metrics.choose_threshold(validation, predictions, beta=1)
    measured, _ = metrics.measure_detector(
        validation, detections.gather(predictions, ids), threshold, seed
    )
    return threshold, measured


def write_model(
    args: argparse.Namespace,
    settings: Settings,
    dataset: Dataset,
    detector: Detector,
    backend: Backend,
    threshold: float,
    metrics: dict[str, Metric],
) -> None:
    """Write the model folder."""
    args.model.mkdir(parents=True, exist_ok=True)
    architecture = backend.save(detector, args.model)
    model_folder.write(
        args.model,
        ModelFacts(
            name=args.name,
            kind="detector",
            classes=[args.class_name],
            input={**architecture, "tile_size": detector.tile_size},
            threshold=threshold,
            metrics=metrics,
            metrics_of="validation",
            licence=backend.LICENCE,
            data=describe_data(dataset, args.dataset),
            parameters={
                **{
                    each.name: getattr(settings, each.name)
                    for each in fields(settings)
                    if each.name != "weights"
                },
                "tile_size": detector.tile_size,
                "detector": args.detector,
                "weights": files.sha256(settings.weights) if settings.weights else "none",
            },
            seed=args.seed,
        ),
    )


def describe_data(dataset: Dataset, path: Path) -> dict[str, Any]:
    """Return what the model learned from: counts by part, and the data set's hash."""
    counts: dict[str, Any] = {}
    for name in ("train", "validation"):
        part = dataset.part(name)
        counts[f"{name} images"] = len(part.images)
        counts[f"{name} boxes"] = sum(not box.iscrowd for box in part.boxes)
    return {**counts, "sha256": files.sha256(path)}


if __name__ == "__main__":
    run(main)
