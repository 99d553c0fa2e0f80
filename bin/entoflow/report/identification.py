"""The identification chain in the report: its files, typed, and what follows from them.

The words stand in templates/identification.html.j2.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from entoflow.metric import Metric
from entoflow.report import results
from entoflow.report.charts import LineChart, line_chart
from entoflow.report.results import UNMEASURED, Audit, Picture

PARTS = ("train", "validation", "test", "unseen", "rest")
VERDICTS = ("known", "unknown", "reject")
RANKS = ("species", "genus", "family")
PLOTS = ("known_unknown", "calibration", "risk_coverage")
MOST_NAMES, MOST_CLUSTERS, MOST_DOUBTS = 20, 15, 15  # rows of tables
LATE = 0.9  # a best epoch after this share of all is one of the last

Trust = Literal["not_measured", "synthetic", "few_groups", "known_only", "measured"]


@dataclass(frozen=True)
class Comparison:
    """A kind of vectors with a classifier on the test specimens, compared with the chosen one."""

    vectors: str
    classifier: str
    top1: Metric
    difference: Metric  # chosen less this one
    verdict: str


@dataclass(frozen=True)
class ClassifierScore:
    """A kind of vectors with a classifier on the validation specimens."""

    vectors: str
    classifier: str
    top1: Metric
    unknown_auroc: float
    seconds: float


@dataclass(frozen=True)
class Enrolment:
    """What enrolling specimens into the gallery did to it."""

    n_enrolled: int
    n_skipped: int
    sentence: str
    similar: list[
        tuple[str, list[tuple[str, float]]]
    ]  # new class, (old class, cosine) most similar first
    lost: list[tuple[str, int]]  # old class, specimens identified wrongly since


@dataclass(frozen=True)
class Identified:
    """How the unlabelled images were identified."""

    n_images: int
    verdicts: dict[str, int]  # images of each verdict
    ranks: dict[str, int]  # images identified to each rank, where there are ranks
    n_without_rank: int
    names: list[tuple[str, int]]  # the most frequent ones of known images


@dataclass(frozen=True)
class Cluster:
    """A cluster of unlabelled images and the known class that it is most similar to."""

    name: str
    n_images: int
    nearest_known: str
    distance: float


@dataclass(frozen=True)
class Clusters:
    """How the unlabelled images cluster."""

    n_clusters: int
    n_images: int  # in a cluster
    n_single: int  # in none
    largest: list[Cluster]


@dataclass(frozen=True)
class Doubt:
    """A label that other specimens contradict."""

    image: str
    label: str
    suggested: str
    doubt: float


@dataclass(frozen=True)
class Training:
    """One training of the run: of the embedder, or of a projection behind it."""

    name: str  # trained or projected
    last_epoch: float
    best_epoch: float
    chart: LineChart | None

    @property
    def still_improving(self) -> bool:
        return self.best_epoch >= LATE * self.last_epoch


@dataclass(frozen=True)
class Part:
    """The specimens of one part of the split."""

    name: str
    n_images: int
    n_classes: int
    n_groups: int


@dataclass(frozen=True)
class Identification:
    """All that the report shows of the identification chain."""

    synthetic: bool
    random_weights: bool
    metrics: dict[str, Metric] | None  # None where a gallery was only used
    comparisons: list[Comparison]
    scores: list[ClassifierScore]
    choice: str  # a sentence: how the trained embedder compares and which one is used
    enrolment: Enrolment | None
    identified: Identified | None
    clusters: Clusters | None
    doubts: list[Doubt]
    n_doubts: int
    trainings: list[Training]
    parts: list[Part]
    audit: Audit
    plots: dict[str, Picture]
    packages: dict[str, str]

    def metric(self, name: str) -> Metric:
        return (self.metrics or {}).get(name, UNMEASURED)

    def n_classes(self, part: str) -> int:
        """Return the number of classes of a part, 0 where it is not known."""
        return sum(each.n_classes for each in self.parts if each.name == part)

    @property
    def trust(self) -> Trust:
        """Return what limits the trust in the metrics most."""
        if not self.metrics:
            return "not_measured"
        if self.synthetic:
            return "synthetic"
        if self.metric("top1").low is None:
            return "few_groups"
        if self.metric("unknown_auroc").value is None:
            return "known_only"
        return "measured"

    @property
    def next_steps(self) -> list[str]:
        """Return what to do next, the most important first."""
        trained = [training for training in self.trainings if training.name == "trained"]
        steps = {
            "own_data": self.synthetic,
            "train_longer": any(training.still_improving for training in trained),
            "check_labels": self.n_doubts > 0,
            "identify": self.metrics is not None and not self.identified,
            "name_clusters": self.clusters is not None,
            "look_at_map": True,
            "enrol": True,
            "fine_tune": bool(self.trainings) and not trained,
        }
        return [step for step, is_due in steps.items() if is_due]


def read(folder: Path, params: Mapping[str, Any]) -> Identification:
    """Return what results/identification holds. params: the run's parameters.

    Raises InputError for a file that cannot be read.
    """
    evaluation = results.read_json(folder / "evaluation/metrics.json")
    comparison = results.read_object(folder / "evaluation/classifier_comparison.json")
    provenance = results.read_object(folder / "embedder/model.json").get("provenance", {})
    doubts = [_doubt(row) for row in results.read_table(folder / "label_audit.csv")]
    plots = {name: results.read_picture(folder / f"evaluation/plots/{name}.png") for name in PLOTS}
    return Identification(
        synthetic=bool(params.get("demo")),
        random_weights=provenance.get("parameters", {}).get("weights") == "none",
        metrics=results.read_metrics(evaluation) if evaluation else None,
        comparisons=[_comparison(row) for row in (evaluation or {}).get("comparison", [])],
        scores=[_score(row) for row in comparison.get("classifiers", [])],
        choice=(evaluation or {}).get("verdict", ""),
        enrolment=_read_enrolment(folder / "enrolment.json"),
        identified=_identified(results.read_table(folder / "identified.csv")),
        clusters=_clusters(results.read_table(folder / "clusters.csv")),
        doubts=doubts[:MOST_DOUBTS],
        n_doubts=len(doubts),
        trainings=_trainings(results.read_table(folder / "training.csv")),
        parts=_parts(results.read_table(folder / "split.csv")),
        audit=results.read_audit(folder / "audit.json"),
        plots={name: picture for name, picture in plots.items() if picture},
        packages=provenance.get("packages", {}),
    )


def _comparison(row: Mapping[str, Any]) -> Comparison:
    difference = row.get("chosen_less_this") or {}
    return Comparison(
        vectors=row["vectors"],
        classifier=row["head"],
        top1=results.read_metric(row["top1"]),
        difference=results.read_metric(difference),
        verdict=difference.get("verdict", ""),
    )


def _score(row: Mapping[str, Any]) -> ClassifierScore:
    top1 = results.read_metric(row["top1"])
    return ClassifierScore(row["vectors"], row["head"], top1, row["unknown_auroc"], row["seconds"])


def _read_enrolment(path: Path) -> Enrolment | None:
    content = results.read_json(path)
    if content is None:
        return None
    similar = []
    for label, classes in (content.get("rivals") or {}).items():
        similar.append((label, [(name, cosine) for name, cosine in classes]))
    return Enrolment(
        n_enrolled=content["enrolled"],
        n_skipped=content["skipped"],
        sentence=content.get("sentence", ""),
        similar=similar,
        lost=list((content.get("lost") or {}).items()),
    )


def _identified(rows: Sequence[Mapping[str, str]]) -> Identified | None:
    if not rows:
        return None
    verdicts = Counter(row["verdict"] for row in rows)
    ranks = Counter(row.get("rank", "") for row in rows)
    names = Counter(row["label"] for row in rows if row["verdict"] == "known")
    return Identified(
        n_images=len(rows),
        verdicts={verdict: verdicts[verdict] for verdict in VERDICTS},
        ranks={rank: ranks[rank] for rank in RANKS if ranks[rank]},
        n_without_rank=ranks[""],
        names=names.most_common(MOST_NAMES),
    )


def _clusters(rows: Sequence[Mapping[str, str]]) -> Clusters | None:
    if not rows:
        return None
    sizes = Counter(row["cluster"] for row in rows)
    n_single = sizes.pop("-1", 0)
    last_rows = {row["cluster"]: row for row in rows}
    largest = []
    for name, size in sizes.most_common(MOST_CLUSTERS):
        row = last_rows[name]
        largest.append(Cluster(name, size, row["nearest_known"], float(row["distance"])))
    return Clusters(len(sizes), sum(sizes.values()), n_single, largest)


def _doubt(row: Mapping[str, str]) -> Doubt:
    return Doubt(row["image"], row["label"], row["suggested"], float(row["doubt"]))


def _trainings(rows: Sequence[Mapping[str, str]]) -> list[Training]:
    """Return the trainings of training.csv that were validated."""
    epochs: dict[str, list[dict[str, float]]] = {}
    for row in rows:
        if row["validation"]:
            epochs.setdefault(row["embedder"], []).append(results.numbers(row))
    trainings = []
    for name, validated in epochs.items():
        last = validated[-1]
        lines = {"validation recall at 1": [(row["epoch"], row["validation"]) for row in validated]}
        chart = line_chart(f"Training ({name})", lines, marked=last["best_epoch"], highest=1)
        trainings.append(Training(name, last["epoch"], last["best_epoch"], chart))
    return trainings


def _parts(rows: Sequence[Mapping[str, str]]) -> list[Part]:
    parts = []
    for name in PARTS:
        members = [row for row in rows if row["part"] == name]
        classes = {row["label"] for row in members}
        groups = {row["group"] for row in members}
        if members:
            parts.append(Part(name, len(members), len(classes), len(groups)))
    return parts
