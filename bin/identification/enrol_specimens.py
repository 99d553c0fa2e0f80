#!/usr/bin/env python3
"""Enrol labelled specimens into a gallery: a new one, or one of an earlier run.

Their vectors are of the gallery's embedder; no weight changes. What it does to the classes that
were there is measured, each of their specimens named by a gallery without its group, before and
after, and reported with the nearest old classes of each new one.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow import dataset, files, model_folder
from entoflow.dataset import Dataset
from entoflow.identification import embedder_facts
from entoflow.model_folder import ModelFacts
from entoflow.task import InputError, login, run

if TYPE_CHECKING:
    import numpy as np

    from entoflow.identification.gallery import EnrolmentCounts, Gallery

RIVALS = 3  # nearest old classes of a new one


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    from entoflow.identification import embeddings

    facts = model_folder.read(args.embedder)
    ids, every_vector = embeddings.read(args.embeddings)
    vectors = embeddings.select(every_vector, facts, args.embedder.name, args.embeddings)
    if "calibration" not in facts.more:
        raise InputError(
            f"{args.embedder}: has no calibration; "
            "wanted an embedder that choose_embedder.py wrote."
        )
    datasets = {path: dataset.read(path) for path in args.specimens}
    for path, specimens in datasets.items():
        embedder_facts.check_crops(facts, specimens, path)
    gallery = open_gallery(args, facts, vectors.shape[1])
    n_before = len(gallery)
    counts = enrol(args, gallery, datasets, ids, vectors, facts)
    effect = measure_effect(gallery, n_before, facts.more["calibration"]["head"])
    files.write_json(args.effect, {**asdict(counts), **asdict(effect)})
    print(
        f"{counts.enrolled} specimens enrolled, {counts.skipped} were there: {len(gallery)} of "
        f"{len(gallery.classes)} classes. {effect.sentence}"
    )
    for label, rivals in effect.rivals.items():
        nearest = ", ".join(f"{name} ({cosine:.2f})" for name, cosine in rivals)
        print(f"{label}: nearest {nearest}")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument("--specimens", type=Path, nargs="+", required=True, help="data sets with labels")
    p.add_argument(
        "--embeddings", type=Path, nargs="+", required=True, help="embeddings of their images"
    )
    p.add_argument(
        "--embedder", type=Path, required=True, help="model folder of the embedder that made them"
    )
    p.add_argument(
        "--detector",
        type=Path,
        help="model folder of the detector that cropped the images, for a new gallery of cropped "
        "ones",
    )
    p.add_argument("--into", type=Path, help="gallery to enrol into (default: a new one)")
    p.add_argument("--by", help="who enrols (default: the login name)")
    p.add_argument("--at", help="when, ISO time (default: now)")
    p.add_argument("--source", help="what the labels come from (default: the data set's name)")
    p.add_argument("--gallery", type=Path, required=True, help="gallery folder to write")
    p.add_argument(
        "--effect",
        type=Path,
        required=True,
        help="JSON to write: what the enrolment does to the classes that were there",
    )
    return p


def open_gallery(args: argparse.Namespace, facts: ModelFacts, dimension: int) -> Gallery:
    """Return the gallery to enrol into, in its new folder.

    A new one has the embedder in its folder, and the detector that cropped the images, if any.
    """
    from entoflow.identification import gallery

    if args.into:
        if args.gallery.resolve() == args.into.resolve():
            raise InputError(
                f"--gallery and --into are both {args.into}; "
                "wanted a new folder for the gallery with what is enrolled."
            )
        gallery.read(args.into)  # so that an error comes before anything is copied
        shutil.copytree(args.into, args.gallery, dirs_exist_ok=True)
        return gallery.read(args.gallery)
    check_detector(args.detector, facts)
    opened = gallery.create(args.gallery, embedder_facts.identity(facts), dimension)
    shutil.copytree(args.embedder, args.gallery / "embedder", dirs_exist_ok=True)
    if args.detector:
        shutil.copytree(args.detector, args.gallery / "detector", dirs_exist_ok=True)
    return opened


def check_detector(folder: Path | None, facts: ModelFacts) -> None:
    """Raise InputError unless the detector is the one that cropped what the embedder learned from.

    None is wanted where nothing was cropped.
    """
    present = None
    if folder:
        present = embedder_facts.detector_identity(folder, model_folder.read(folder))
    wanted = facts.more.get("cropped_by")
    if present != wanted:
        present_one = present[:12] if present else "not given"
        wanted_one = f"detector {wanted[:12]}" if wanted else "none"
        raise InputError(
            f"--detector: is {present_one}; wanted {wanted_one}, "
            "as the embedder's model.json says in cropped_by."
        )


def enrol(
    args: argparse.Namespace,
    gallery: Gallery,
    datasets: dict[Path, Dataset],
    ids: np.ndarray,
    vectors: np.ndarray,
    facts: ModelFacts,
) -> EnrolmentCounts:
    """Enrol the images of data sets by their vectors (n, d), those of sorted ids (n,)."""
    from entoflow.identification import embeddings
    from entoflow.identification.gallery import EnrolmentCounts

    embedder = embedder_facts.identity(facts)
    at = args.at or datetime.now(timezone.utc).isoformat(timespec="seconds")
    n_enrolled = 0
    n_skipped = 0
    for path, specimens in datasets.items():
        rows = embeddings.rows(ids, [image.id for image in specimens.images])
        by = args.by or login()
        source = args.source or path.name
        counts = gallery.enrol(vectors[rows], specimens.images, embedder, by, at, source)
        n_enrolled += counts.enrolled
        n_skipped += counts.skipped
    return EnrolmentCounts(n_enrolled, n_skipped)


@dataclass(frozen=True)
class Effect:
    """What an enrolment did to the classes that were there."""

    sentence: str = ""
    before: float | None = None  # share of the old specimens named right
    after: float | None = None
    n: int = 0  # old specimens that have another of their class
    lost: dict[str, int] = field(default_factory=dict)  # {old class: specimens no longer right}
    rivals: dict[str, list[tuple[str, float]]] = field(default_factory=dict)  # of each new class


def measure_effect(gallery: Gallery, n_before: int, head: str) -> Effect:
    """Return what the enrolment of all but the first n_before specimens did to these."""
    import numpy as np

    if not n_before or len(gallery) == n_before:
        return Effect()
    labels = np.array(gallery.labels, str)
    groups = np.array(gallery.groups, str)
    vectors = np.asarray(gallery.embeddings(), np.float32)
    rivals = nearest_old_classes(labels, vectors, n_before)
    old_labels, right_before, right_after = name_old_specimens(
        labels, groups, vectors, n_before, head
    )
    n = len(old_labels)
    if not n:
        return Effect(rivals=rivals)
    lost = {}
    for label in sorted(set(old_labels.tolist())):
        is_lost = (old_labels == label) & right_before & ~right_after
        if is_lost.any():
            lost[label] = int(is_lost.sum())
    before = float(right_before.mean())
    after = float(right_after.mean())
    sentence = (
        f"Old specimens named right: {before:.3f} before, {after:.3f} after "
        f"({n} that have another of their class)."
    )
    return Effect(sentence, before, after, n, lost, rivals)


def name_old_specimens(
    labels: np.ndarray, groups: np.ndarray, vectors: np.ndarray, n_before: int, head: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (labels of old specimens, whether right before, whether right after), (k,) each.

    labels, groups: (n,). vectors: (n, d). Each is named without its group, and only those that
    have another group of their class both times are returned.
    """
    import numpy as np

    from entoflow.identification.held_out import LabelledVectors, group_folds, scores_by_folds

    old = np.arange(n_before)
    _, old_class_index = np.unique(labels[:n_before], return_inverse=True)
    fold = group_folds(old_class_index, groups[:n_before])
    has_class = np.ones(n_before, bool)
    right = []
    for n in (n_before, len(labels)):
        classes, class_index = np.unique(labels[:n], return_inverse=True)
        specimens = LabelledVectors(vectors[:n], class_index, groups[:n], len(classes))
        scores = scores_by_folds(specimens, fold, old, head)
        truth = class_index[:n_before]
        has_class &= np.isfinite(scores[old, truth])
        right.append(scores.argmax(axis=1) == truth)
    return labels[old][has_class], right[0][has_class], right[1][has_class]


def nearest_old_classes(
    labels: np.ndarray, vectors: np.ndarray, n_before: int
) -> dict[str, list[tuple[str, float]]]:
    """Return the old classes that each new one is most like: {label: [(old label, cosine)]}.

    The cosine is the mean of that of its specimens to the old class's mean.
    """
    import numpy as np

    from entoflow.identification import heads

    classes, class_index = np.unique(labels[:n_before], return_inverse=True)
    score = heads.class_mean(vectors[:n_before], class_index, len(classes))
    nearest = {}
    for label in sorted(set(labels[n_before:].tolist()) - set(classes.tolist())):
        cosines = score(vectors[labels == label]).mean(axis=0)
        best = np.argsort(-cosines, kind="stable")[:RIVALS]
        nearest[label] = [
            (str(classes[column]), round(float(cosines[column]), 3)) for column in best
        ]
    return nearest


if __name__ == "__main__":
    run(main)
