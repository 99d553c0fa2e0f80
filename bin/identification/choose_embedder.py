#!/usr/bin/env python3
"""Choose the embedder and the head that classifies by its vectors, and calibrate them.

Every combination is measured on the validation specimens, each named by a gallery without its own
group. From the simplest embedder on (frozen, projected, trained) the next one replaces the one
before only if it is better beyond the interval; an embedder that learned ships refit on all that is
not to be measured. Which won, and by how much, is in classifier_comparison.json. Colours and pixels
are there as baselines and never ship.
"""

from __future__ import annotations

import argparse
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entoflow import dataset, files, model_folder, taxonomy
from entoflow.dataset import Dataset, Image
from entoflow.identification import embedder_facts
from entoflow.metric import Difference, Metric
from entoflow.task import InputError, run

if TYPE_CHECKING:
    import numpy as np

    from entoflow.identification.clusters import Clustering
    from entoflow.identification.held_out import LabelledVectors
    from entoflow.identification.identifier import Calibration, RankFit
    from entoflow.probabilities import NameCalibration

FEWEST_UNKNOWN = 20  # images of classes nobody learned from; below, all validation images stand in
FOLDS = 25  # of what calibrates: few specimens are lacking at a time, as what ships lacks none
ENROLLED_PARTS = ("train", "validation", "rest")
SIMPLEST_FIRST = ("frozen", "projected", "trained")
BASELINES = ("colours", "pixels")
BASELINE_HEADS = ("nearest", "class_mean", "ridge")


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    from entoflow.identification import embeddings

    specimens = read_specimens(args.specimens)
    ids, every_vector = embeddings.read(args.embeddings)
    rows = embeddings.rows(ids, [image.id for image in specimens.images])
    vectors = {name: values[rows] for name, values in every_vector.items()}
    results = compare_classifiers(vectors, specimens, args.seed)
    choice = choose(results, specimens, has_random_weights(args.models), args.seed)
    chosen = choice.result
    clustering = choose_clustering(vectors[chosen.vectors], specimens, args.seed)
    calibration = calibrate(vectors, specimens, chosen, args.specimens)
    write_embedder(args, chosen, calibration, clustering)
    write_comparison(args.comparison, choice, results)
    print(
        f"{chosen.vectors} vectors, {chosen.head}: validation top1 {chosen.top1.value:.3f} of "
        f"{chosen.n}. {choice.sentence}"
    )


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument(
        "--specimens", type=Path, required=True, help="data set that split_specimens.py wrote"
    )
    p.add_argument(
        "--embeddings", type=Path, nargs="+", required=True, help="embeddings of its images"
    )
    p.add_argument(
        "--models",
        type=Path,
        nargs="+",
        required=True,
        help="model folders of the embedders, named as their vectors are",
    )
    p.add_argument(
        "--seed", type=int, default=1, help="seed of the bootstrap (default %(default)s)"
    )
    p.add_argument(
        "--embedder",
        type=Path,
        required=True,
        help="model folder to write: the chosen embedder with its calibration",
    )
    p.add_argument(
        "--comparison",
        type=Path,
        required=True,
        help="JSON to write: how each embedder did with each head",
    )
    return p


@dataclass(frozen=True)
class Specimens:
    """The specimens that the gallery of the choice holds, and those that it is made on."""

    images: list[Image]  # n, enrolled
    evaluated: np.ndarray  # (k,) rows of images that are named to compare
    unknown: np.ndarray  # (u,) of these: rows whose classes stand for unknown ones

    @property
    def labels(self) -> np.ndarray:
        import numpy as np

        return np.array([image.label for image in self.images], str)

    @property
    def groups(self) -> np.ndarray:
        import numpy as np

        return np.array([image.group for image in self.images], str)

    @property
    def classes(self) -> list[str]:
        return sorted(set(self.labels.tolist()))

    def with_vectors(self, vectors: np.ndarray) -> LabelledVectors:
        """Return the specimens with their vectors (n, d)."""
        import numpy as np

        from entoflow.identification.held_out import LabelledVectors

        classes, class_index = np.unique(self.labels, return_inverse=True)
        return LabelledVectors(vectors, class_index, self.groups, len(classes))


@dataclass(frozen=True)
class ClassifierResult:
    """How one head did with the vectors of one embedder on the evaluated specimens."""

    vectors: str  # name of the embedder, or of a baseline
    head: str
    top1: Metric
    unknown_auroc: float | None  # None where there are no unknown classes
    seconds: float
    is_right: np.ndarray  # (k,) bool
    is_enrolled: np.ndarray  # (k,) bool, whether the class has another group in the gallery
    calibration: Calibration

    @property
    def n(self) -> int:
        """The number of specimens that top1 is of."""
        return int(self.is_enrolled.sum())

    def to_json(self) -> dict[str, Any]:
        """Return the row of the comparison."""
        return {
            "vectors": self.vectors,
            "head": self.head,
            "top1": asdict(self.top1),
            "unknown_auroc": self.unknown_auroc,
            "seconds": self.seconds,
            "n": self.n,
        }


@dataclass(frozen=True)
class Comparison:
    """By how much one embedder names more specimens right than a simpler one."""

    vectors: str
    less: str  # name of the simpler one
    difference: Difference

    def to_json(self) -> dict[str, Any]:
        return {"vectors": self.vectors, "less": self.less, **asdict(self.difference)}


@dataclass(frozen=True)
class Choice:
    """The chosen embedder with its head, and what the choice rests on."""

    result: ClassifierResult
    comparisons: list[Comparison]

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        if not self.comparisons:
            return "No embedder was trained."
        differences = "; ".join(describe(comparison) for comparison in self.comparisons)
        return f"Validation top1 {differences}; the {self.result.vectors} one is used."


def describe(comparison: Comparison) -> str:
    """Return a comparison in words."""
    difference = comparison.difference
    interval = "too few classes or groups for an interval"
    verdict = ""
    if difference.low is not None:
        interval = f"{difference.low:+.3f} to {difference.high:+.3f}"
        verdict = f", {difference.verdict}"
    return (
        f"of the {comparison.vectors} embedder less the {comparison.less} one's: "
        f"{difference.value:+.3f} ({interval}){verdict}"
    )


def read_specimens(path: Path) -> Specimens:
    """Return the specimens of a data set. Raises InputError where there is nothing to evaluate."""
    return select_specimens(dataset.read(path))


def select_specimens(content: Dataset) -> Specimens:
    """Return the specimens that the gallery of the choice holds.

    No image is of a class held out as unseen. Where no specimen was held out to validate on, those
    that the embedder learned from are evaluated. Raises InputError where there are none.
    """
    import numpy as np

    unseen_labels = {image.label for image in content.part("unseen").images}
    enrolled = content.part(*ENROLLED_PARTS).images
    images = [image for image in enrolled if image.label not in unseen_labels]
    groups: dict[str | None, set[str]] = {}
    for image in images:
        groups.setdefault(image.label, set()).add(image.group)
    validation = [row for row, image in enumerate(images) if image.part == "validation"]
    candidates = validation or range(len(images))
    of_several_groups = [row for row in candidates if len(groups[images[row].label]) > 1]
    if not of_several_groups:
        raise InputError(
            "--specimens: no class has specimens of two groups beside those to test on, so no way "
            "to classify can be chosen; wanted a third specimen of some."
        )
    evaluated = validation or of_several_groups
    learned_labels = {image.label for image in images if image.part == "train"}
    unknown = [row for row in validation if images[row].label not in learned_labels]
    if len(unknown) < FEWEST_UNKNOWN:
        unknown = evaluated
    return Specimens(images, np.array(evaluated), np.array(unknown))


def compare_classifiers(
    vectors: Mapping[str, np.ndarray], specimens: Specimens, seed: int
) -> list[ClassifierResult]:
    """Return how each head did with the vectors (n, d) of each embedder and baseline."""
    from entoflow.identification.heads import HEADS

    results = []
    for name, values in vectors.items():
        if name.endswith(embedder_facts.REFIT):
            continue
        for head in BASELINE_HEADS if name in BASELINES else HEADS:
            results.append(measure(name, head, values, specimens, seed))
    return results


def measure(
    name: str, head: str, vectors: np.ndarray, specimens: Specimens, seed: int
) -> ClassifierResult:
    """Return how a head did with the vectors (n, d) of an embedder on the evaluated specimens."""
    from entoflow.identification import held_out
    from entoflow.statistics import Intervals

    begun = time.monotonic()
    scores = held_out.held_out_scores(
        specimens.with_vectors(vectors), specimens.evaluated, specimens.unknown, head
    )
    calibration = held_out.calibrate(scores)
    seconds = time.monotonic() - begun
    is_enrolled = scores.is_enrolled
    is_right = scores.is_right
    classes = scores.class_index[is_enrolled]
    groups = specimens.groups[specimens.evaluated][is_enrolled]
    auroc = held_out.unknown_auroc(scores, calibration)
    return ClassifierResult(
        vectors=name,
        head=head,
        top1=Intervals(classes, groups, seed).mean(is_right[is_enrolled], "share of images"),
        unknown_auroc=None if math.isnan(auroc) else auroc,
        seconds=round(seconds, 2),
        is_right=is_right,
        is_enrolled=is_enrolled,
        calibration=calibration,
    )


def has_random_weights(models: Sequence[Path]) -> bool:
    """Tell whether the frozen embedder has random weights."""
    for path in models:
        if path.name == "frozen":
            return model_folder.read(path).parameters.get("weights") == "none"
    return False


def choose(
    results: Sequence[ClassifierResult], specimens: Specimens, random_start: bool, seed: int
) -> Choice:
    """Return the choice among embedders, each with its head of the best top1.

    The next less simple one is taken only if it is better beyond the interval. random_start:
    whether the frozen one has random weights. It is then no alternative to fall back on where there
    are too few classes for an interval.
    """
    best: dict[str, ClassifierResult] = {}
    for result in results:
        if result.vectors in BASELINES:
            continue
        before = best.setdefault(result.vectors, result)
        if top1_value(result) > top1_value(before):
            best[result.vectors] = result
    chosen = best["frozen"]
    comparisons = []
    for name in SIMPLEST_FIRST[1:]:
        if name not in best:
            continue
        difference = compare(best[name], chosen, specimens, seed)
        comparisons.append(Comparison(name, chosen.vectors, difference))
        no_interval = difference.low is None
        is_ahead = no_interval and random_start and (difference.value or 0) > 0
        if difference.verdict == "better" or is_ahead:
            chosen = best[name]
    return Choice(chosen, comparisons)


def top1_value(result: ClassifierResult) -> float:
    return -math.inf if result.top1.value is None else result.top1.value


def compare(
    one: ClassifierResult, other: ClassifierResult, specimens: Specimens, seed: int
) -> Difference:
    """Return by how much one result names more of the evaluated specimens right than another."""
    from entoflow.statistics import paired

    enrolled = one.is_enrolled
    rows = specimens.evaluated[enrolled]
    return paired(
        one.is_right[enrolled],
        other.is_right[enrolled],
        specimens.labels[rows],
        specimens.groups[rows],
        seed,
    )


def choose_clustering(vectors: np.ndarray, specimens: Specimens, seed: int) -> Clustering:
    """Return the clustering that recovers the unknown classes best.

    vectors: (n, d). Where none of these has two groups it is the usual one, by the evaluated rows.
    """
    from entoflow.identification import cluster_choice

    labels = specimens.labels
    groups = specimens.groups
    unknown = specimens.unknown
    pairs = set(zip(labels[unknown].tolist(), groups[unknown].tolist()))
    if len(pairs) == len(set(labels[unknown].tolist())):
        return cluster_choice.usual_clustering(vectors, labels, groups, specimens.evaluated)
    return cluster_choice.choose_by_replay(vectors[unknown], labels[unknown], groups[unknown], seed)


def calibrate(
    vectors: Mapping[str, np.ndarray],
    specimens: Specimens,
    chosen: ClassifierResult,
    source: Path,
) -> Calibration:
    """Return the calibration of what ships: the chosen embedder, or its refit.

    Names are calibrated for a full gallery. source: of the specimens, to name in an error.
    """
    calibration = chosen.calibration
    calibration = replace(calibration, ranks=fit_ranks(vectors, specimens, chosen, source))
    names = calibrate_shipped(vectors, specimens, chosen)
    if names is None:
        return calibration
    return replace(
        calibration,
        temperature=names.temperature,
        conformal=names.conformal,
        n_known=names.n_known,
    )


def fit_ranks(
    vectors: Mapping[str, np.ndarray],
    specimens: Specimens,
    chosen: ClassifierResult,
    source: Path,
) -> dict[str, RankFit] | None:
    """Return the fits of genus and family; None without a taxonomy."""
    from entoflow.identification import rollup_fit

    taxa = taxonomy.taxa_of_images(specimens.images, source)
    if not taxa:
        return None
    return rollup_fit.fit_ranks(
        specimens.with_vectors(vectors[chosen.vectors]),
        specimens.classes,
        specimens.evaluated,
        specimens.unknown,
        taxa,
        chosen.calibration,
    )


def calibrate_shipped(
    vectors: Mapping[str, np.ndarray], specimens: Specimens, chosen: ClassifierResult
) -> NameCalibration | None:
    """Return the calibration of names in the gallery that ships.

    A refit is calibrated on the images that it did not learn from. None where no such image is of
    a class with another group: then that of the choice stays.
    """
    import numpy as np

    from entoflow.identification.held_out import calibrate_full_gallery

    name = chosen.vectors
    held_out = specimens.evaluated
    if name + embedder_facts.REFIT in vectors:
        name += embedder_facts.REFIT
        held_out = np.flatnonzero([image.calibrates for image in specimens.images])
    _, group_index = np.unique(specimens.groups, return_inverse=True)
    gallery = specimens.with_vectors(vectors[name])
    return calibrate_full_gallery(gallery, group_index % FOLDS, held_out, chosen.head)


def write_embedder(
    args: argparse.Namespace,
    chosen: ClassifierResult,
    calibration: Calibration,
    clustering: Clustering,
) -> None:
    """Write the chosen model folder anew, with its calibration and its validation metrics."""
    name = chosen.vectors
    if name != "frozen":
        name += embedder_facts.REFIT
    source = next((path for path in args.models if path.name == name), None)
    if source is None:
        raise InputError(
            f"--models: holds no folder named {name}; wanted one for each of the vectors."
        )
    facts = model_folder.read(source)
    args.embedder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "weights.safetensors", args.embedder / "weights.safetensors")
    auroc = Metric(chosen.unknown_auroc, None, None, chosen.n, None, "area under the ROC curve")
    more = {
        **facts.more,
        "vectors": name,
        "calibration": calibration.to_json(),
        "clustering": clustering.to_json(),
    }
    metrics = {"top1": chosen.top1, "unknown_auroc": auroc}
    shipped = replace(facts, name="embedder", threshold=0.5, metrics=metrics, more=more)
    model_folder.write(args.embedder, shipped)


def write_comparison(path: Path, choice: Choice, results: Sequence[ClassifierResult]) -> None:
    """Write classifier_comparison.json: what was chosen, why, and how each combination did."""
    chosen = choice.result
    content = {
        "chosen": {"vectors": chosen.vectors, "head": chosen.head},
        "verdict": {
            "comparisons": [comparison.to_json() for comparison in choice.comparisons],
            "sentence": choice.sentence,
        },
        "classifiers": [result.to_json() for result in results],
    }
    files.write_json(path, content)


if __name__ == "__main__":
    run(main)
