#!/usr/bin/env python3
"""Make embedders: a network as it is given, with a learned projection behind it, or fine-tuned.

These are frozen, projected and trained. projected learns on features that the frozen network makes
once, in seconds; trained is fine-tuned, which without a GPU takes from minutes to hours. Both learn
by supervised contrast on the part train.
After each epoch the specimens of the part validation are each named by the most similar one of
another group, and of trained the best epoch is kept. Of each there is one more (_refit), which
learned for as many epochs from all that is not to be measured, less some validation specimens that
its scores are calibrated on: an embedder that memorised a few specimens is overconfident. It ships
where choose_embedder.py finds, on specimens that neither learned from, that learning helped. With
--max_epochs 0 there is the frozen one alone.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow import dataset, files, grouping, model_folder
from entoflow.dataset import Dataset, Image
from entoflow.identification import embedder_facts
from entoflow.memory import keep_memory
from entoflow.model_folder import ModelFacts
from entoflow.task import InputError, run

if TYPE_CHECKING:
    import numpy as np

    from entoflow.identification.embedder import Embedder
    from entoflow.identification.projection import Projection
    from entoflow.identification.training import EpochRow, OnEpoch, TrainingSettings

LICENCE = (
    "Apache-2.0 (timm's code); weights trained from random values are their trainer's own, "
    "others carry the terms of those they started from"
)
SETTINGS = ("specimens_per_batch", "max_epochs", "patience", "seed", "mirror", "rotation")
PARAMETERS = (
    "backbone",
    "embedder_size",
    "specimens_per_batch",
    "max_epochs",
    "patience",
    "mirror",
    "rotation",
    "seed",
)
LEAST = {
    "embedder_size": 16,
    "specimens_per_batch": 2,
    "max_epochs": 0,
    "patience": 1,
    "rotation": 0,
}
COLUMNS = ("embedder", "epoch", "loss", "validation", "best_epoch")
SQUARES = Path("squares.npy")  # in the folder at hand, while it is in use
LEARNING = {
    "projected": "a projection behind the frozen network learns",
    "trained": "the network itself is fine-tuned",
}


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    specimens = dataset.read(args.specimens)
    check(specimens, args)
    keep_memory()
    frozen = start_embedder(args)
    names = embedders_to_train(args, has_gpu=frozen.device != "cpu")
    write_model(frozen, "frozen", [], args, specimens)
    rows: list[tuple[str, EpochRow]] = []
    if names:
        members = Members.of(specimens, args)
        for name in names:
            rows += [(name, row) for row in train_both(name, frozen, members, args, specimens)]
    cells = [{"embedder": name, **asdict(row)} for name, row in rows]
    files.write_csv(args.training, COLUMNS, cells)


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument(
        "--specimens", type=Path, required=True, help="data set that split_specimens.py wrote"
    )
    p.add_argument("--packs", type=Path, nargs="+", required=True, help="packs with its images")
    p.add_argument(
        "--backbone",
        default=embedder_facts.BACKBONE,
        help="network of timm's (default %(default)s)",
    )
    p.add_argument(
        "--weights", type=Path, help="safetensors to start from (default: random weights)"
    )
    p.add_argument(
        "--embedder_size",
        type=int,
        default=224,
        help="side of the square that the network sees, pixels (default %(default)s)",
    )
    p.add_argument(
        "--specimens_per_batch",
        type=int,
        default=64,
        help="images a step, each in two views (default %(default)s)",
    )
    p.add_argument(
        "--max_epochs",
        type=int,
        default=100,
        help="maximum number of epochs (default %(default)s)",
    )
    p.add_argument(
        "--patience",
        type=int,
        default=30,
        help="epochs without a better validation before the end (default %(default)s)",
    )
    p.add_argument(
        "--fine_tune",
        choices=["auto", "true", "false"],
        default="auto",
        help="whether the network itself is trained; auto: where its weights are random or there "
        "is a GPU (default %(default)s)",
    )
    p.add_argument(
        "--mirror",
        type=json.loads,
        choices=[True, False],
        default=True,
        metavar="{true,false}",
        help="whether a mirrored specimen is one of its class; false for characters (default true)",
    )
    p.add_argument(
        "--rotation",
        type=float,
        default=20,
        help="degrees that specimens lie turned at most (default %(default)s)",
    )
    p.add_argument("--seed", type=int, default=1, help="seed (default %(default)s)")
    p.add_argument(
        "--models", type=Path, required=True, help="folder to write the model folders to"
    )
    p.add_argument("--training", type=Path, required=True, help="CSV to write: a row per epoch")
    return p


def check(specimens: Dataset, args: argparse.Namespace) -> None:
    """Raise InputError where there is nothing to learn from, or a number is out of its range."""
    n_train = len(specimens.part("train").images)
    if args.max_epochs and n_train < 2:
        number = "one" if n_train else "no"
        raise InputError(
            f"{args.specimens}: holds {number} specimen to learn from; "
            "wanted some of the part train."
        )
    for name, least in LEAST.items():
        if getattr(args, name) < least:
            raise InputError(f"--{name} is {getattr(args, name)}; wanted at least {least}.")


def start_embedder(args: argparse.Namespace) -> Embedder:
    """Return the embedder as it is given."""
    from entoflow.identification import pretrained

    return pretrained.new_embedder(args.backbone, args.embedder_size, args.weights, args.seed)


def embedders_to_train(args: argparse.Namespace, has_gpu: bool) -> list[str]:
    """Return which embedders learn beside the frozen one, and print why."""
    from entoflow.identification import pretrained

    if args.weights and pretrained.has_projection(args.weights):
        print(
            f"{args.weights.name}: the network is taken; the projection that an earlier run "
            "learned behind it is not.",
            flush=True,
        )
    if not args.max_epochs:
        print("Nothing learns: --max_epochs is 0.", flush=True)
        return []
    fine_tune, reason = whether_to_fine_tune(args, has_gpu)
    names = []
    if args.weights or not fine_tune:
        names.append("projected")
    if fine_tune:
        names.append("trained")
    learning = "; ".join(LEARNING[name] for name in names)
    answer = "yes" if fine_tune else "no"
    print(f"{learning[0].upper()}{learning[1:]}. Fine-tuning: {answer}, as {reason}.", flush=True)
    return names


def whether_to_fine_tune(args: argparse.Namespace, has_gpu: bool) -> tuple[bool, str]:
    """Return whether the network itself is trained, and why."""
    if args.fine_tune != "auto":
        return args.fine_tune == "true", f"--fine_tune is {args.fine_tune}"
    if not args.weights:
        return True, "its weights are random"
    if has_gpu:
        return True, "there is a GPU"
    return False, (
        "there is no GPU, and its weights are not random (--fine_tune true does it all the same)"
    )


@dataclass(frozen=True)
class Members:
    """The specimens that embedders learn from or are validated on, in the order of their parts."""

    rest: list[Image]
    train: list[Image]
    validation: list[Image]
    calibration: list[Image]  # of the part validation; the refit does not learn from them
    pixels: np.ndarray  # (n, size, size, 3) uint8 of all of them

    @classmethod
    def of(cls, specimens: Dataset, args: argparse.Namespace) -> Members:
        """Return the members of a data set: none of a class that is held out as unseen."""
        unseen_labels = {image.label for image in specimens.part("unseen").images}
        parts: dict[str | None, list[Image]] = {
            "rest": [],
            "train": [],
            "validation": [],
            "calibration": [],
        }
        for image in specimens.images:
            part = "calibration" if image.calibrates else image.part
            if part in parts and image.label not in unseen_labels:
                parts[part].append(image)
        images = [image for members in parts.values() for image in members]
        return cls(
            rest=parts["rest"],
            train=parts["train"],
            validation=parts["validation"],
            calibration=parts["calibration"],
            pixels=read_squares(images, args),
        )

    @property
    def images(self) -> list[Image]:
        return [*self.rest, *self.train, *self.validation, *self.calibration]

    @property
    def labels(self) -> np.ndarray:
        import numpy as np

        return np.array([image.label for image in self.images], str)

    @property
    def groups(self) -> np.ndarray:
        import numpy as np

        return np.array([image.group for image in self.images], str)


@dataclass(frozen=True)
class Span:
    """Which members a training learns from, and which it is validated on."""

    first: int  # member that it learns from
    n_learned: int
    n_validated: int  # of those that follow

    @property
    def learned(self) -> slice:
        return slice(self.first, self.first + self.n_learned)

    @property
    def shown(self) -> slice:
        """The members that are learned from or validated on."""
        return slice(self.first, self.first + self.n_learned + self.n_validated)


Learn = Callable[[Span, int], tuple["Embedder", list["EpochRow"]]]


def train_both(
    name: str,
    frozen: Embedder,
    members: Members,
    args: argparse.Namespace,
    specimens: Dataset,
) -> list[EpochRow]:
    """Train an embedder and its refit, write both, and return the epochs of the first."""
    learn = LEARNERS[name](frozen, members, args)
    n_validated = len(members.validation) + len(members.calibration)
    embedder, rows = learn(
        Span(len(members.rest), len(members.train), n_validated), args.max_epochs
    )
    write_model(embedder, name, members.train, args, specimens)
    learned = [*members.rest, *members.train, *members.validation]
    refit, _ = learn(Span(0, len(learned), 0), len(rows))
    refit_name = name + embedder_facts.REFIT
    write_model(refit, refit_name, learned, args, specimens, max_epochs=len(rows))
    return rows


def learn_projection(frozen: Embedder, members: Members, args: argparse.Namespace) -> Learn:
    """Return learn(span, max_epochs), which returns the frozen embedder with a new projection."""
    from entoflow.identification import projection_trainer

    begun = time.monotonic()
    n = len(members.images)

    def on_batch(done: int) -> None:
        print(f"features of {done} of {n} images", flush=True)

    settings = training_settings(args, args.max_epochs)
    features = projection_trainer.view_features(frozen, members.pixels, settings, on_batch)
    seconds = time.monotonic() - begun
    print(f"features of {features.shape[1]} views of each image: {seconds:.1f} s", flush=True)
    labels = members.labels
    groups = members.groups

    def learn(span: Span, max_epochs: int) -> tuple[Embedder, list[EpochRow]]:
        def validate(projection: Projection) -> float | None:
            if not span.n_validated:
                return None
            vectors = replace(frozen, projection=projection).project(features[span.shown, 0])
            return recall_at_1(vectors, labels[span.shown], groups[span.shown], span.n_learned)

        rows, on_epoch = epoch_log("projected", min(max_epochs, projection_trainer.EPOCHS))
        projection = projection_trainer.train(
            features[span.learned],
            labels[span.learned],
            validate,
            training_settings(args, max_epochs),
            on_epoch,
        )
        return replace(frozen, projection=projection), rows

    return learn


def fine_tune(_frozen: Embedder, members: Members, args: argparse.Namespace) -> Learn:
    """Return learn(span, max_epochs), which returns a new embedder whose network was trained."""
    from entoflow.identification import embedder_trainer

    labels = members.labels
    groups = members.groups

    def learn(span: Span, max_epochs: int) -> tuple[Embedder, list[EpochRow]]:
        def validate(embedder: Embedder) -> float | None:
            if not span.n_validated:
                return None
            vectors = embedder.embed(members.pixels[span.shown])
            return recall_at_1(vectors, labels[span.shown], groups[span.shown], span.n_learned)

        embedder = start_embedder(args)
        rows, on_epoch = epoch_log("trained", max_epochs)
        embedder_trainer.train(
            embedder,
            members.pixels[span.learned],
            labels[span.learned],
            validate,
            training_settings(args, max_epochs),
            on_epoch,
        )
        return embedder, rows

    return learn


LEARNERS = {"projected": learn_projection, "trained": fine_tune}


def training_settings(args: argparse.Namespace, max_epochs: int) -> TrainingSettings:
    """Return the settings of a training."""
    from entoflow.identification.training import TrainingSettings

    values = {name: getattr(args, name) for name in SETTINGS}
    return TrainingSettings(**{**values, "max_epochs": max_epochs})


def epoch_log(name: str, max_epochs: int) -> tuple[list[EpochRow], OnEpoch]:
    """Return (a list, a function that adds the row of an epoch to it and prints it)."""
    rows: list[EpochRow] = []
    begun = time.monotonic()

    def on_epoch(row: EpochRow) -> None:
        rows.append(row)
        seconds = time.monotonic() - begun
        minutes_left = seconds / row.epoch * (max_epochs - row.epoch) / 60
        validation = "refit"
        if row.validation is not None:
            validation = f"validation recall@1 {row.validation} (best: epoch {row.best_epoch})"
        print(
            f"{name}: epoch {row.epoch}/{max_epochs}  loss {row.loss}  {validation}  "
            f"{seconds:.1f} s, at most {minutes_left:.1f} min left",
            flush=True,
        )

    return rows, on_epoch


def read_squares(images: Sequence[Image], args: argparse.Namespace) -> np.ndarray:
    """Return images as (n, size, size, 3) uint8, in a file: memory holds those in use alone."""
    import numpy as np

    from entoflow.identification.embedder import pad_to_square
    from entoflow.images import Pack

    size = args.embedder_size
    if not images:
        return np.empty((0, size, size, 3), np.uint8)
    pack = Pack(args.packs)
    shape = (len(images), size, size, 3)
    squares = np.lib.format.open_memmap(SQUARES, "w+", np.uint8, shape)
    for row, image in enumerate(images):
        squares[row] = pad_to_square(pack.read(image.id), size)
    SQUARES.unlink()  # the open file stays readable, and nothing is left behind
    return squares


def recall_at_1(vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray, first: int) -> float:
    """Return the share of images whose most similar one of another group has their label.

    vectors: (n, d) of length 1. labels, groups: (n,). Counted are images from the first on, where
    one of another group has their label.
    """
    import numpy as np

    cosines = vectors[first:] @ vectors.T
    cosines[groups[first:, None] == groups[None]] = -np.inf
    has_label = (labels[first:, None] == labels[None]) & np.isfinite(cosines)
    has_target = has_label.any(axis=1)
    if not has_target.any():
        return 0.0
    is_right = has_label[np.arange(len(has_label)), cosines.argmax(axis=1)]
    return float(is_right[has_target].mean())


def write_model(
    embedder: Embedder,
    name: str,
    learned: Sequence[Image],
    args: argparse.Namespace,
    specimens: Dataset,
    max_epochs: int | None = None,
) -> None:
    """Write a model folder, without metrics and calibration: they come with choose_embedder.py.

    learned: the images that it learned from. max_epochs: where it is not that of args.
    """
    from entoflow.identification.embedder import save

    folder = args.models / name
    folder.mkdir(parents=True, exist_ok=True)
    parameters = {key: getattr(args, key) for key in PARAMETERS}
    if max_epochs is not None:
        parameters["max_epochs"] = max_epochs
    parameters["weights"] = files.sha256(args.weights) if args.weights else "none"
    classes = sorted({str(image.label) for image in learned})
    cropped_by = grouping.one_cropping([specimens])
    facts = ModelFacts(
        name=name,
        kind="embedder",
        classes=classes,
        input=save(embedder, folder),
        threshold=None,
        metrics={},
        metrics_of="validation",
        licence=LICENCE,
        data={
            "train images": len(learned),
            "train classes": len(classes),
            "sha256": files.sha256(args.specimens),
        },
        parameters=parameters,
        seed=args.seed,
        more={} if cropped_by is None else {"cropped_by": cropped_by},
    )
    model_folder.write(folder, facts)


if __name__ == "__main__":
    run(main)
