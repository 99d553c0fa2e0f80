"""Metrics of an identification on specimens that neither the embedder nor any choice saw.

test: classes of the gallery. unseen: classes that it lacks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from entoflow import calibration, taxonomy
from entoflow.dataset import Dataset, Image
from entoflow.identification import clusters, embeddings, heads, identification_metrics
from entoflow.identification.cluster_metrics import cluster_metrics
from entoflow.identification.clusters import Clustering
from entoflow.identification.embedder_facts import REFIT
from entoflow.identification.identifier import Calibration, Identifier, Predictions
from entoflow.identification.retrieval_metrics import retrieval
from entoflow.identification.rollup import Rollup
from entoflow.metric import Difference, Metric
from entoflow.statistics import Intervals, paired
from entoflow.taxonomy import RANKS, Taxa

SHOTS = (1, 2, 3)  # groups of a new class that are enrolled
SHARE = "share of images"


@dataclass(frozen=True)
class Part:
    """The images of a part, as rows of the embeddings."""

    images: list[Image]  # n
    rows: np.ndarray  # (n,)

    @property
    def labels(self) -> np.ndarray:
        return np.array([image.label for image in self.images], str)

    @property
    def groups(self) -> np.ndarray:
        return np.array([image.group for image in self.images], str)

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Parts:
    """The specimens by what they are for."""

    test: Part
    unseen: Part
    gallery: Part  # those that the choice was made on or that were learned from

    @classmethod
    def of(cls, specimens: Dataset, ids: np.ndarray) -> Parts:
        """Return the parts of a data set; ids: (n,) sorted ones of the embeddings.

        A test image whose class the gallery lacks is an unseen one.
        """
        unseen_labels = {image.label for image in specimens.part("unseen").images}
        not_measured = specimens.keep(lambda image: image.part not in ("test", "unseen")).images
        enrolled_labels = {image.label for image in not_measured} - unseen_labels
        images: dict[str, list[Image]] = {"test": [], "unseen": [], "gallery": []}
        for image in specimens.images:
            is_enrolled = image.label in enrolled_labels
            if image.part == "unseen" or (image.part == "test" and not is_enrolled):
                images["unseen"].append(image)
            elif image.part == "test":
                images["test"].append(image)
            elif is_enrolled:
                images["gallery"].append(image)
        parts = {}
        for name, members in images.items():
            rows = embeddings.rows(ids, [image.id for image in members])
            parts[name] = Part(members, np.array(rows, int))
        return cls(**parts)

    def fit_identifier(
        self, vectors: np.ndarray, calibration: Calibration, enrolled: Sequence[int] = ()
    ) -> Identifier:
        """Return the identifier of the gallery, and of some more unseen images (their places)."""
        places = list(enrolled)
        rows = np.concatenate([self.gallery.rows, self.unseen.rows[places]]).astype(int)
        labels = [*self.gallery.labels.tolist(), *self.unseen.labels[places].tolist()]
        return Identifier.fit(vectors[rows], labels, calibration)


@dataclass(frozen=True)
class Evaluated:
    """The predictions of the chosen embedder."""

    parts: Parts
    vectors: np.ndarray  # (n, d) of all embedded images
    identifier: Identifier
    test: Predictions
    unseen: Predictions | None  # None where there is no unseen image

    @classmethod
    def of(cls, parts: Parts, vectors: np.ndarray, calibration: Calibration) -> Evaluated:
        """Return the predictions by the chosen vectors (n, d) and their calibration."""
        identifier = parts.fit_identifier(vectors, calibration)
        test = identifier.predict(vectors[parts.test.rows])
        unseen = None
        if len(parts.unseen):
            unseen = identifier.predict(vectors[parts.unseen.rows])
        return cls(parts, vectors, identifier, test, unseen)

    @property
    def is_right(self) -> np.ndarray:
        """Whether each test image (t,) is named right."""
        labels = self.parts.test.labels
        return likeliest_is_label(self.identifier.classes, self.test.probabilities, labels)

    @property
    def by_part(self) -> dict[str, tuple[Part, Predictions]]:
        """The evaluated parts, with the predictions of their images."""
        parts = {"test": (self.parts.test, self.test)}
        if self.unseen is not None:
            parts["unseen"] = (self.parts.unseen, self.unseen)
        return parts

    @property
    def labels(self) -> np.ndarray:
        """The labels of all evaluated images, test ones first."""
        return np.concatenate([part.labels for part, _ in self.by_part.values()])

    @property
    def groups(self) -> np.ndarray:
        """The groups of all evaluated images, test ones first."""
        return np.concatenate([part.groups for part, _ in self.by_part.values()])


def likeliest_is_label(
    classes: Sequence[str], scores: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Return whether the best class of each image is its label, (m,) bool. scores: (m, C)."""
    likeliest = [classes[column] for column in scores.argmax(axis=1)]
    return np.array([name == label for name, label in zip(likeliest, labels)], bool)


def closed_set_metrics(evaluated: Evaluated, seed: int) -> dict[str, Metric]:
    """Return the metrics of test images, whose classes the gallery has."""
    test = evaluated.parts.test
    identifier = evaluated.identifier
    probabilities = evaluated.test.probabilities
    column_of = {label: column for column, label in enumerate(identifier.classes)}
    truth = np.array([column_of[label] for label in test.labels.tolist()], int)
    counts = Counter(evaluated.parts.gallery.labels.tolist())
    support = [counts[label] for label in test.labels.tolist()]
    right = evaluated.is_right
    best = probabilities.max(axis=1)
    before = identifier.uncalibrated(probabilities).max(axis=1)
    units = (test.labels, test.groups, seed)
    label_sets = identifier.label_sets(probabilities)
    return {
        **identification_metrics.closed_set(probabilities, truth, test.groups, support, seed),
        **calibration.calibration_metrics(best, right, *units),
        "ece_before": calibration.calibration_metrics(before, right, *units)["ece"],
        **identification_metrics.label_set_metrics(label_sets, truth),
        "aurc": calibration.risk_coverage(best, right).aurc,
    }


def open_set_metrics(evaluated: Evaluated, seed: int) -> dict[str, Metric]:
    """Return the metrics of telling unseen classes from those of the gallery, and by tier."""
    predictions = [prediction for _, prediction in evaluated.by_part.values()]
    p_known = np.concatenate([each.p_known for each in predictions])
    verdicts = np.concatenate([each.verdicts for each in predictions])
    labels = evaluated.labels
    groups = evaluated.groups
    n_unseen = len(p_known) - len(evaluated.is_right)
    known = np.arange(len(p_known)) < len(evaluated.is_right)
    right = np.append(evaluated.is_right, np.zeros(n_unseen, bool))
    metrics = identification_metrics.open_set(p_known, known, right, labels, groups, seed)
    images = [image for part, _ in evaluated.by_part.values() for image in part.images]
    tiers = np.array([image.tier or "" for image in images])
    for tier in sorted(set(tiers.tolist()) - {""}):
        counted = known | (tiers == tier)
        of_tier = identification_metrics.open_set(
            p_known[counted], known[counted], right[counted], labels[counted], groups[counted], seed
        )
        metrics[f"unknown_auroc_{tier}"] = of_tier["unknown_auroc"]
    intervals = Intervals(labels, groups, seed)
    accepted = (verdicts == "known").astype(float)
    unit = "share of unknown images"
    metrics["known_accepted"] = intervals.mean(accepted, "share of known images", known.astype(int))
    metrics["unknown_refused"] = intervals.mean(1 - accepted, unit, (~known).astype(int))
    return metrics


def rank_metrics(evaluated: Evaluated, confidence: float, seed: int) -> dict[str, Metric]:
    """Return the metrics of naming images at the finest rank that is sure; none without taxonomy.

    near_genus: of the images of unseen classes whose genus the gallery has.
    """
    parts = evaluated.parts
    images = [*parts.test.images, *parts.unseen.images, *parts.gallery.images]
    taxa = taxonomy.taxa_of_images(images, "--specimens")
    if not taxa:
        return {}
    classes = evaluated.identifier.classes
    rollup = Rollup.of_gallery(classes, taxa, evaluated.identifier.calibration)
    predictions = [prediction for _, prediction in evaluated.by_part.values()]
    finest = [rollup.finest_names(each, confidence) for each in predictions]
    names = np.concatenate([np.array(each.taxa, str) for each in finest])
    ranks = np.concatenate([np.array(each.ranks, str) for each in finest])
    labels = evaluated.labels
    groups = evaluated.groups
    true_names = {rank: names_of_rank(labels, taxa, rank) for rank in RANKS}
    known_genera = sorted(set(names_of_rank(np.array(classes, str), taxa, "genus").tolist()) - {""})
    every_image = np.ones(len(labels), bool)
    sister_species = ~np.isin(labels, classes) & np.isin(true_names["genus"], known_genera)
    kinds = [
        ("species", "species", labels, every_image),
        ("near_genus", "genus", true_names["genus"], sister_species),
    ]
    kinds += [(rank, rank, true_names[rank], every_image) for rank in RANKS]
    metrics = {}
    for name, rank, truth, counted in kinds:
        if counted.any() and (truth != "").any():
            named, named_right = _metrics_of_rank(
                at_rank=(ranks == rank)[counted],
                right=(names == truth)[counted],
                has_taxon=(truth != "")[counted],
                labels=labels[counted],
                groups=groups[counted],
                seed=seed,
            )
            metrics[f"{name}_named"] = named
            metrics[f"{name}_named_right"] = named_right
    return metrics


def _metrics_of_rank(
    at_rank: np.ndarray,
    right: np.ndarray,
    has_taxon: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    seed: int,
) -> tuple[Metric, Metric]:
    """Return the share of images (n,) named at a rank, and of these the share named right.

    The second is without those whose own taxon is not known.
    """
    named = Intervals(labels, groups, seed).mean(at_rank.astype(float), SHARE)
    measured = at_rank & has_taxon
    intervals = Intervals(labels[measured], groups[measured], seed)
    return named, intervals.mean(right[measured].astype(float), "share of images so named")


def names_of_rank(labels: np.ndarray, taxa: Taxa, rank: str) -> np.ndarray:
    """Return the taxon (n,) of each label, "" where it is not known."""
    return np.array([taxa.get(label, {}).get(rank, "") for label in labels.tolist()], str)


def enrolment_metrics(evaluated: Evaluated, seed: int) -> dict[str, Metric]:
    """Return the metrics of unseen classes, before and after some of their groups are enrolled.

    Each image finds those of its class; then one to three groups of each class are enrolled, and
    the other images are named among old and new classes. old_top1_change is what that costs the
    test images.
    """
    parts = evaluated.parts
    labels = parts.unseen.labels
    groups = parts.unseen.groups
    vectors = evaluated.vectors[parts.unseen.rows]
    metrics = retrieval(vectors, labels, groups, seed)
    for shots in SHOTS:
        enrolled = first_of_groups(labels, groups, shots)
        others = ~np.isin(groups, groups[enrolled]) & np.isin(labels, labels[enrolled])
        if not others.any():
            continue
        identifier = parts.fit_identifier(
            evaluated.vectors, evaluated.identifier.calibration, enrolled
        )
        new_right = _named_right(identifier, vectors[others], labels[others])
        test_vectors = evaluated.vectors[parts.test.rows]
        old_right = _named_right(identifier, test_vectors, parts.test.labels)
        change = old_right.astype(float) - evaluated.is_right
        over_new = Intervals(labels[others], groups[others], seed)
        over_old = Intervals(parts.test.labels, parts.test.groups, seed)
        metrics[f"enrolled_top1_{shots}"] = over_new.mean(new_right.astype(float), SHARE)
        metrics[f"old_top1_change_{shots}"] = over_old.mean(
            change, "difference of shares of images"
        )
    return metrics


def _named_right(identifier: Identifier, vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    probabilities = identifier.predict(vectors).probabilities
    return likeliest_is_label(identifier.classes, probabilities, labels)


def first_of_groups(labels: np.ndarray, groups: np.ndarray, shots: int) -> list[int]:
    """Return the places of the first image of each of a class's first groups, as many as shots.

    labels, groups: (n,). Of each class that has one group more than that.
    """
    first: dict[str, dict[str, int]] = {}  # class -> group -> place of its first image
    for place, (label, group) in enumerate(zip(labels, groups)):
        first.setdefault(label, {}).setdefault(group, place)
    places = []
    for place_of_group in first.values():
        if len(place_of_group) > shots:
            places += [place_of_group[group] for group in sorted(place_of_group)[:shots]]
    return sorted(places)


def unseen_cluster_metrics(
    evaluated: Evaluated, clustering: Clustering, seed: int
) -> dict[str, Metric]:
    """Return the metrics of clusters of unseen images, made as if nobody knew their classes."""
    vectors = evaluated.vectors[evaluated.parts.unseen.rows]
    every_image = np.ones(len(vectors), bool)
    numbers = clusters.cluster_many(vectors, clustering.method, every_image, seed)
    return cluster_metrics(numbers, evaluated.parts.unseen.labels, seed)


@dataclass(frozen=True)
class ComparisonRow:
    """How well the test images are named by another embedder, a baseline, or chance."""

    vectors: str
    head: str  # the one that was best on the validation specimens
    top1: Metric
    chosen_less_this: Difference | None = None  # None for chance

    def to_json(self) -> dict[str, Any]:
        """Return the row as metrics.json holds it."""
        content = asdict(self)
        if self.chosen_less_this is None:
            del content["chosen_less_this"]
        return content


def compare_vectors(
    evaluated: Evaluated,
    vectors: Mapping[str, np.ndarray],
    comparison: Mapping[str, Any],
    seed: int,
) -> list[ComparisonRow]:
    """Return chance, and how each kind of vectors names the test images by its best head.

    vectors: {name: (n, d)}. comparison: what choose_embedder.py wrote.
    """
    parts = evaluated.parts
    classes, class_index = np.unique(parts.gallery.labels, return_inverse=True)
    labels = parts.test.labels
    groups = parts.test.groups
    chance = Metric(1 / len(classes), None, None, len(labels), None, SHARE)
    rows = [ComparisonRow("chance", "", chance)]
    for name, values in vectors.items():
        head = best_head(comparison, name.removesuffix(REFIT))
        fit = heads.HEADS[head]
        score = fit(values[parts.gallery.rows], class_index, len(classes))
        scores = score(values[parts.test.rows])
        right = likeliest_is_label(classes.tolist(), scores, labels)
        top1 = Intervals(labels, groups, seed).mean(right.astype(float), SHARE)
        difference = paired(evaluated.is_right, right, labels, groups, seed)
        rows.append(ComparisonRow(name, head, top1, difference))
    return rows


def best_head(comparison: Mapping[str, Any], name: str) -> str:
    """Return the head by which vectors named most validation specimens right."""
    rows = [row for row in comparison["classifiers"] if row["vectors"] == name]
    best = max(rows, key=lambda row: row["top1"]["value"])
    return str(best["head"])
