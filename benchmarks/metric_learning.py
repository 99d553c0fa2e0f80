#!/usr/bin/env python3
"""Is the identification chain as good as a plain recipe of pytorch-metric-learning?

A comparison of accuracy, not of speed. The recipe is that of the library's own documentation: its
front page's loop (TripletMarginLoss with MultiSimilarityMiner; here MultiSimilarityLoss, too), with
a linear layer behind the network, MPerClassSampler, four of a class, and Adam, as in its example
MetricLossOnly. It trains the network of a run of ours from the same random weights, on the images
that the refit embedder learned from and for as many image views as that was shown (epochs x passes
x two views), in batches of as many: once without augmentation, once with ours, made by torchvision.
Only the learning rate is not the example's, whose 1e-5 is for published weights: it is Adam's own.
Each names the test images by the nearest of the gallery (cosine), and that cosine is its score of a
known class; by what the layer gives, as the example does, and by what the network gives to it.

Ours is measured twice: by the head that the run chose, and by the nearest, as the others are.
Pixels and the same network untrained are baselines. A difference has an interval over classes and
groups, the wider. A training that is in the folder is not done again.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from measuring import ROOT

sys.path.insert(0, str(ROOT / "bin"))
if TYPE_CHECKING:
    from entoflow.identification.evaluation import Parts
    from entoflow.metric import Metric

OF_A_CLASS = 4
DIMENSIONS = 64
RATE = 1e-3
WEIGHT_DECAY = 1e-4
TAUGHT_BY = (
    "backbone",
    "image_size",
    "specimens_per_batch",
    "max_epochs",
    "mirror",
    "rotation",
    "seed",
)
LOSSES = ("TripletMarginLoss", "MultiSimilarityLoss")
FIGURES = {
    "top1": "named right",
    "macro_top1": "mean of the classes",
    "recall_at_1": "unseen: nearest is of the class",
    "unknown_auroc": "unseen: AUROC",
}


def main(argv):
    args = parser().parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    facts = json.loads((args.results / "identification/embedder/model.json").read_text())
    parts, names = read_parts(args.results)
    vectors = gallery_vectors(args.results, names)
    comparison = Comparison.of(parts, facts["provenance"]["seed"])
    ours = {
        "entoflow, chosen way": comparison.name_by_calibration(vectors, facts["calibration"]),
        "entoflow, nearest": comparison.name_by_nearest(vectors),
    }
    systems = train_peers(args, parts, names, facts)
    theirs = {name: comparison.name_by_nearest(each.vectors) for name, each in systems.items()}
    measured = {name: comparison.measure(named) for name, named in {**ours, **theirs}.items()}
    differences = {}
    for a, named in ours.items():
        for b, other in theirs.items():
            differences[a, b] = comparison.compare(named, other)
    seconds = dict.fromkeys(ours, trace(args.results))
    for name, system in systems.items():
        seconds[name] = f"{system.seconds:.0f} s" if system.seconds else ""
    write(args.folder / "metric_learning.json", measured, differences)
    print(markdown(measured, differences, seconds))
    print(f"\n{describe(parts, facts)}")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument(
        "--results",
        type=Path,
        required=True,
        help="results folder of a run with --specimens and --weights none",
    )
    p.add_argument(
        "--images",
        type=Path,
        default=Path(),
        help="folder that the images of its split.csv are named from (default: where you are)",
    )
    p.add_argument(
        "--folder",
        type=Path,
        default=Path("metric_learning"),
        help="folder for all that is made (default %(default)s)",
    )
    return p


def read_parts(results: Path) -> tuple[Parts, list[str]]:
    """Return (the specimens of a run by part, their names), in the order of its split.csv."""
    from entoflow.dataset import Dataset, Image
    from entoflow.identification.evaluation import Parts

    images = []
    with (results / "identification/split.csv").open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file)):
            image = Image(
                id=number,
                file_name=row["image"],
                label=row["label"],
                group=row["group"],
                part=row["part"],
            )
            images.append(image)
    parts = Parts.of(Dataset(images), np.arange(len(images)))
    if not len(parts.test) or not len(parts.unseen):
        sys.exit(f"error: {results}: has no test or no unseen images; wanted a run with both.")
    return parts, [image.file_name for image in images]


def gallery_vectors(results: Path, names: list[str]) -> np.ndarray:
    """Return the run's own vectors of the images: its gallery holds those of all specimens."""
    from entoflow.identification import gallery

    opened = gallery.read(results / "identification/gallery")
    row_of = {image: row for row, image in enumerate(opened.images)}
    return opened.embeddings()[[row_of[name] for name in names]]


@dataclass(frozen=True)
class System:
    """A way to turn images into vectors."""

    vectors: np.ndarray  # (n, d) of all images
    seconds: float = 0.0  # of its training


def train_peers(args, parts: Parts, names: list[str], facts: dict) -> dict[str, System]:
    """Return the systems that ours is compared with, trained where they are to be."""
    from embed_images import describe_pixels

    from entoflow import images
    from entoflow.identification.embedder import pad_to_square
    from entoflow.identification.pretrained import new_embedder
    from entoflow.identification.vectors import normalise

    settings = {**facts["provenance"]["parameters"], **facts["input"]}
    if settings["weights"] != "none":
        sys.exit(
            f"error: {args.results}: began with the weights of a file; "
            "wanted a run with --weights none, so that all begin alike."
        )
    size = settings["image_size"]
    photos = [images.read_image(args.images / name) for name in names]
    squares = np.stack([pad_to_square(photo, size) for photo in photos])
    untrained = new_embedder(settings["backbone"], size, None, settings["seed"])
    systems = {
        "pixels": System(normalise(describe_pixels(squares))),
        "random weights": System(untrained.embed(squares)),
    }
    key = key_of(settings, names, parts)
    for loss in LOSSES:
        for augmented in (False, True):
            name = f"{loss}, augmented" if augmented else loss
            path = args.folder / f"{name.replace(', ', '_')}.npz"

            def make(loss=loss, augmented=augmented):
                return train_peer(loss, augmented, squares, parts, settings)

            vectors, before, seconds = once(path, key, make)
            systems[name] = System(vectors, seconds)
            systems[f"{name}, before its layer"] = System(before)
    return systems


def key_of(settings: dict, names: list[str], parts: Parts) -> str:
    """Return a hash of what a training depends on."""
    taught_by = [settings[name] for name in TAUGHT_BY]
    gallery = parts.gallery
    content = (taught_by, names, gallery.labels.tolist(), gallery.rows.tolist())
    return hashlib.sha256(repr(content).encode()).hexdigest()


def once(path: Path, key: str, make) -> tuple[np.ndarray, np.ndarray, float]:
    """Return (vectors, those before the layer, seconds), made unless the file has them."""
    if path.exists():
        with np.load(path) as file:
            if file["of"] == key:
                return file["vectors"], file["before"], float(file["seconds"])
    vectors, before, seconds = make()
    np.savez(path, vectors=vectors, before=before, seconds=seconds, of=key)
    return vectors, before, seconds


def train_peer(loss, augmented, squares, parts, settings):
    """Train the network by the recipe on what the gallery holds.

    Return (vectors of all images, those before the layer, seconds).
    """
    from dataclasses import replace

    import torch
    from pytorch_metric_learning import losses

    from entoflow.identification.pretrained import new_embedder

    bare = new_embedder(settings["backbone"], settings["image_size"], None, settings["seed"])
    torch.manual_seed(settings["seed"])
    layer = torch.nn.Linear(bare.dimension, DIMENSIONS).to(bare.device)
    with_layer = replace(bare, network=torch.nn.Sequential(bare.network, layer))
    np.random.seed(settings["seed"])  # the sampler draws from it
    gallery = parts.gallery
    change = transform(settings, augmented)
    shown = Shown(squares[gallery.rows], gallery.labels, change)
    start = time.monotonic()
    train(with_layer, shown, getattr(losses, loss)(), settings)
    seconds = time.monotonic() - start
    print(
        f"{loss}{', augmented' if augmented else ''}: {seconds:.0f} s", file=sys.stderr, flush=True
    )
    return with_layer.embed(squares), bare.embed(squares), seconds


class Shown:
    """The images that are learned from, as torch's loader takes them."""

    def __init__(self, squares, labels, change):
        self.squares = squares
        self.class_index = np.unique(labels, return_inverse=True)[1]
        self.change = change

    def __len__(self):
        return len(self.squares)

    def __getitem__(self, row):
        return self.change(self.squares[row]), self.class_index[row]


def train(embedder, shown, loss_function, settings):
    """The loop of the library's front page, with the sampler and the optimizer of its example."""
    import torch
    from pytorch_metric_learning.miners import MultiSimilarityMiner
    from pytorch_metric_learning.samplers import MPerClassSampler

    sampler = MPerClassSampler(
        shown.class_index, OF_A_CLASS, length_before_new_iter=views(len(shown))
    )
    batch_size = 2 * settings["specimens_per_batch"]
    loader = torch.utils.data.DataLoader(shown, batch_size, sampler=sampler)
    network = embedder.network.train()
    miner = MultiSimilarityMiner()
    optimizer = torch.optim.Adam(network.parameters(), RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(settings["max_epochs"]):
        for x, y in loader:
            optimizer.zero_grad()
            vectors = network(x.to(embedder.device))
            loss_function(vectors, y, miner(vectors, y)).backward()
            optimizer.step()
    network.eval()


def views(n: int) -> int:
    """Return how many views of n images an epoch of ours shows."""
    from entoflow.identification.training import passes_of_epoch

    return 2 * n * passes_of_epoch(n)


def transform(settings, augmented):
    """Return what turns a square into the network's input, by torchvision.

    augmented: as training.augment does, which repeats the edge, too.
    """
    from torchvision import transforms as t

    from entoflow.identification.training import LIGHT, SHIFT, ZOOM

    changes = [t.ToPILImage()]
    if augmented:
        side = settings["image_size"]
        edge = side // 4
        shift = SHIFT * side / (side + 2 * edge)  # a share of what is padded
        bilinear = t.InterpolationMode.BILINEAR
        changes += [
            t.Pad(edge, padding_mode="edge"),
            t.RandomAffine(settings["rotation"], (shift, shift), ZOOM, interpolation=bilinear),
            t.CenterCrop(side),
            t.RandomHorizontalFlip(0.5 if settings["mirror"] else 0),
            t.ColorJitter(LIGHT / 2, LIGHT),
        ]
    changes += [t.ToTensor(), t.Normalize(settings["mean"], settings["std"])]
    return t.Compose(changes)


@dataclass(frozen=True)
class Named:
    """How a system names the test images, and finds those of unseen classes."""

    is_right: np.ndarray  # (t,) of the test images
    nearest_is_right: np.ndarray  # of the unseen images that have another group of their class
    known_score: np.ndarray  # (t + u,) of the test and unseen images


@dataclass(frozen=True)
class Comparison:
    """Measures all systems in the same way."""

    parts: Parts
    seed: int
    other_group: np.ndarray  # (u, u) whether two unseen images are of different groups
    is_target: np.ndarray  # (u, u) whether they are of one class, too

    @classmethod
    def of(cls, parts: Parts, seed: int) -> Comparison:
        groups = parts.unseen.groups
        labels = parts.unseen.labels
        other_group = groups[:, None] != groups
        return cls(parts, seed, other_group, (labels[:, None] == labels) & other_group)

    @property
    def has_target(self) -> np.ndarray:
        """Whether each unseen image (u,) has another group of its class."""
        return self.is_target.any(axis=1)

    @property
    def known(self) -> np.ndarray:
        """Whether each of the test and unseen images is a test image."""
        n = len(self.parts.test)
        return np.arange(n + len(self.parts.unseen)) < n

    def name_by_nearest(self, vectors: np.ndarray) -> Named:
        """Name images by the nearest of the gallery; vectors: (n, d) of all images."""
        gallery = self.parts.gallery
        test_cosines = vectors[self.parts.test.rows] @ vectors[gallery.rows].T
        unseen_cosines = vectors[self.parts.unseen.rows] @ vectors[gallery.rows].T
        is_right = gallery.labels[test_cosines.argmax(axis=1)] == self.parts.test.labels
        known_score = np.concatenate([test_cosines.max(axis=1), unseen_cosines.max(axis=1)])
        return Named(is_right, self.nearest_is_right(vectors), known_score)

    def name_by_calibration(self, vectors: np.ndarray, calibration: dict) -> Named:
        """Name images by the head that a run chose."""
        from entoflow.identification.identifier import Calibration

        identifier = self.parts.fit_identifier(vectors, Calibration.from_json(calibration))
        test = identifier.predict(vectors[self.parts.test.rows])
        unseen = identifier.predict(vectors[self.parts.unseen.rows])
        names = np.array(identifier.classes)[test.probabilities.argmax(axis=1)]
        known_score = np.concatenate([test.p_known, unseen.p_known])
        is_right = names == self.parts.test.labels
        return Named(is_right, self.nearest_is_right(vectors), known_score)

    def nearest_is_right(self, vectors: np.ndarray) -> np.ndarray:
        unseen = vectors[self.parts.unseen.rows]
        cosines = np.where(self.other_group, unseen @ unseen.T, -np.inf)
        nearest = cosines.argmax(axis=1)
        return self.is_target[np.arange(len(unseen)), nearest][self.has_target]

    def measure(self, named: Named) -> dict[str, Metric]:
        """Return the metrics of a system."""
        return {
            name: self.intervals(name).metric(self.statistic(name, named), self.n(name), "share")
            for name in FIGURES
        }

    def compare(self, named: Named, other: Named) -> dict[str, Metric]:
        """Return how much higher the metrics of one system are than those of another."""
        from entoflow.metric import Difference
        from entoflow.statistics import verdict

        differences = {}
        for name in FIGURES:
            one = self.statistic(name, named)
            two = self.statistic(name, other)

            def difference(weights, one=one, two=two):
                return one(weights) - two(weights)

            metric = self.intervals(name).metric(difference, self.n(name), "difference")
            decided = verdict(metric.low, metric.high)
            differences[name] = Difference(**asdict(metric), verdict=decided)
        return differences

    def intervals(self, name: str):
        from entoflow.statistics import Intervals

        labels, groups = self.units(name)
        return Intervals(labels, groups, self.seed)

    def n(self, name: str) -> int:
        return len(self.units(name)[0])

    def units(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the labels and the groups of the images that a metric is of."""
        test = self.parts.test
        unseen = self.parts.unseen
        if name == "recall_at_1":
            return unseen.labels[self.has_target], unseen.groups[self.has_target]
        if name == "unknown_auroc":
            labels = np.concatenate([test.labels, unseen.labels])
            return labels, np.concatenate([test.groups, unseen.groups])
        return test.labels, test.groups

    def statistic(self, name: str, named: Named):
        """Return f(weights (b, n)): the metric of b resamples."""
        from entoflow.statistics import auroc, divide

        if name == "unknown_auroc":
            return lambda weights: auroc(named.known_score, self.known, weights)
        right = named.nearest_is_right if name == "recall_at_1" else named.is_right
        values = right.astype(float)
        counting = np.ones(len(values))
        if name == "macro_top1":
            class_index = np.unique(self.parts.test.labels, return_inverse=True)[1]
            counting = 1 / np.bincount(class_index)[class_index]
        return lambda weights: divide(weights @ (values * counting), weights @ counting)


def write(path: Path, measured, differences) -> None:
    """Write all metrics as JSON."""
    content = dict(measured)
    for (a, b), metrics in differences.items():
        content[f"{a} less {b}"] = metrics
    objects = {
        name: {key: asdict(metric) for key, metric in metrics.items()}
        for name, metrics in content.items()
    }
    path.write_text(json.dumps(objects, indent=1))


def trace(results: Path) -> str:
    """Return how long the run's TRAIN_EMBEDDER took.

    It trains twice: on the part train to choose, then on all that it may.
    """
    path = results / "pipeline_info/trace.txt"
    if not path.exists():
        return ""
    with path.open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if "TRAIN_EMBEDDER" in row["name"]:
                return f"{row['realtime']} (two trainings)"
    return ""


def markdown(measured, differences, seconds) -> str:
    """Return the tables of metrics and of differences."""
    head = " | ".join(FIGURES.values())
    lines = [f"| | {head} | training |", "|---" * (len(FIGURES) + 2) + "|"]
    for name, metrics in measured.items():
        cells = " | ".join(with_interval(metrics[key]) for key in FIGURES)
        lines.append(f"| {name} | {cells} | {seconds[name]} |")
    lines += ["", f"| difference | {head} |", "|---" * (len(FIGURES) + 1) + "|"]
    for (a, b), metrics in differences.items():
        cells = [f"{with_interval(metrics[key], '+')}, {metrics[key].verdict}" for key in FIGURES]
        lines.append(f"| {a} less {b} | {' | '.join(cells)} |")
    return "\n".join(lines)


def with_interval(metric: Metric, sign: str = "") -> str:
    if metric.low is None:
        return f"{metric.value:{sign}.3f}"
    return f"{metric.value:{sign}.3f} ({metric.low:{sign}.3f} to {metric.high:{sign}.3f})"


def describe(parts: Parts, facts: dict) -> str:
    """Return what was learned from and tested on, in words."""
    n = len(parts.gallery)
    n_classes = len(set(parts.gallery.labels.tolist()))
    n_unseen_classes = len(set(parts.unseen.labels.tolist()))
    settings = facts["provenance"]["parameters"]
    return (
        f"{n} images of {n_classes} classes to learn from, {len(parts.test)} to test on, "
        f"{len(parts.unseen)} of {n_unseen_classes} unseen classes; {settings['backbone']}, "
        f"{settings['embedder_size']} pixels, random weights, {settings['max_epochs']} epochs of "
        f"{views(n):,} views in batches of {2 * settings['specimens_per_batch']}, "
        f"seed {settings['seed']}."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
