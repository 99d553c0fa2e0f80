"""The detection chain in the report: its published files, typed, and what follows from them.

The words stand in templates/detection.html.j2.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from entoflow.metric import Metric
from entoflow.report import results
from entoflow.report.charts import LineChart, line_chart
from entoflow.report.results import UNMEASURED, Audit, Picture

FEW_GROUPS = 20  # below it there are no intervals
SOME_GROUPS = 50  # below it they are wide
COSTLY = 0.05  # AP50 that removing one kind of error would gain
MODELS = ("target_detector", "insect_detector")
KNOWN_PLOTS = (
    "precision_recall",
    "recall_vs_false_alarms",
    "confidence",
    "best",
    "worst",
    "false_alarms",
)
PARTS = ("train", "validation", "test")

Trust = Literal[
    "not_measured",
    "synthetic",
    "presence_only",
    "no_test_insects",
    "few_groups",
    "some_groups",
    "same_sources",
    "independent",
]


@dataclass(frozen=True)
class ErrorKind:
    """How often the detector makes one kind of error, and how much AP50 would rise without it."""

    gain: Metric
    n_at_threshold: int
    n: int

    @property
    def known(self) -> bool:
        return self.gain.value is not None


@dataclass(frozen=True)
class Evaluation:
    """How the final detector did on the test images."""

    n_images: int | None
    n_groups: int | None
    truth: str  # where the truth of the test images comes from: boxes, test_boxes, labels
    metrics: dict[str, Metric]
    errors: dict[str, ErrorKind]

    def metric(self, name: str) -> Metric:
        return self.metrics.get(name, UNMEASURED)

    @property
    def presence_only(self) -> bool:
        return self.truth == "labels"

    @property
    def false_alarms_per_image(self) -> float | None:
        """Return false alarms per image at the threshold, None where they were not measured.

        Precision is a share of so many detections in so many images.
        """
        if "precision" not in self.metrics or not self.n_images:
            return None
        precision = self.metric("precision")
        if precision.n == 0:
            return 0.0
        if precision.value is None:
            return None
        return (1 - precision.value) * precision.n / self.n_images


@dataclass(frozen=True)
class WeakBoxes:
    """What became of the candidate boxes on photos that have only a label."""

    n_photos: int
    n_with_box: int  # photos with an accepted box
    n_accepted: int
    n_ignored: int
    n_dropped: int
    rule: str | None
    accept: float | None  # score from which a box is accepted, and ignored
    ignore: float | None
    n_classified: int  # photos of which a crop classifier gave a second opinion
    n_reviewed: int  # photos that a person corrected

    @property
    def share(self) -> float | None:
        return self.n_with_box / self.n_photos if self.n_photos else None


@dataclass(frozen=True)
class Quality:
    """How the weak boxes compare with true boxes that took no part in making them."""

    metrics: dict[str, Metric]

    def metric(self, name: str) -> Metric:
        return self.metrics.get(name, UNMEASURED)


@dataclass(frozen=True)
class Ablation:
    """F1 of the weak boxes with each step of the rule left out."""

    rule: str
    n_photos: int
    rows: list[tuple[str, Metric, Metric | None]]  # boxes by, F1, gain of the rule that was used


@dataclass(frozen=True)
class Round:
    """One round of making weak boxes and training on them."""

    number: int
    is_kept: bool
    n_with_box: int
    n_accepted: int
    n_ignored: int
    held_out_f1: Metric
    true_f1: Metric


@dataclass(frozen=True)
class Model:
    """A detector of the run: its training and what model.json says."""

    name: str  # of its folder
    epochs: list[dict[str, float]]  # rows of training.csv
    metrics: dict[str, Metric]  # those that it was chosen by
    facts: list[tuple[str, str]]  # what else model.json says
    packages: dict[str, str]

    @property
    def last_epoch(self) -> float:
        return max(row["epoch"] for row in self.epochs)

    @property
    def best_epoch(self) -> float | None:
        """Return the epoch whose weights were kept, None where training.csv does not tell it."""
        if not self.epochs:
            return None
        if "best_epoch" in self.epochs[-1]:
            return self.epochs[-1]["best_epoch"]
        scores = []
        for row in self.epochs:
            scores += [
                (value, row["epoch"])
                for name, value in row.items()
                if name.endswith("_ap") or name == "val_ap50"
            ]
        return max(scores)[1] if scores else None

    @property
    def still_improving(self) -> bool:
        """Return whether the best epoch was among the last ones."""
        if self.best_epoch is None or len(self.epochs) <= 4:
            return False
        return self.best_epoch > self.last_epoch - max(2, len(self.epochs) // 20)

    @property
    def loss_chart(self) -> LineChart | None:
        names = [name for name in self._columns if "loss" in name]
        return self._chart("Training loss", {name: name.replace("_", " ") for name in names}, None)

    @property
    def validation_chart(self) -> LineChart | None:
        names = [name for name in self._columns if name.startswith("val") and "loss" not in name]
        labels = {
            name: name.replace("validation_", "").replace("val_", "").upper() for name in names
        }
        return self._chart("Validation", labels, 1)

    @property
    def _columns(self) -> list[str]:
        return (
            [name for name in self.epochs[-1] if name not in ("epoch", "best_epoch")]
            if self.epochs
            else []
        )

    def _chart(
        self, title: str, labels: Mapping[str, str], highest: float | None
    ) -> LineChart | None:
        lines = {}
        for column, label in labels.items():
            lines[label] = [(row["epoch"], row[column]) for row in self.epochs if column in row]
        return line_chart(title, lines, marked=self.best_epoch, highest=highest)


@dataclass(frozen=True)
class SplitTable:
    """Images by part, for each role and label, and groups by part."""

    keys: list[str]  # what the rows are told apart by
    parts: list[str]
    rows: list[tuple[str, list[int]]]  # name, images of each part and of all
    groups: list[int]  # of each part and of all; empty where there are none

    @property
    def part_names(self) -> list[str]:
        return [part or "no part" for part in self.parts]


@dataclass(frozen=True)
class Detection:
    """All that the report shows of the detection chain."""

    target: str | None
    synthetic: bool
    has_test_boxes: bool  # whether the user gave images to test on
    random_weights: bool  # whether training started from random weights
    evaluation: Evaluation | None
    quality: Quality | None
    ablation: Ablation | None
    weak_boxes: WeakBoxes | None
    rounds: list[Round]
    models: list[Model]
    split: SplitTable | None
    audit: Audit
    pictures: dict[str, Picture]  # by name: those that have words of their own
    other_plots: list[Picture]
    weak_plots: list[Picture]
    n_to_review: int

    @property
    def trust(self) -> Trust:
        """Return what limits the trust in the metrics most."""
        evaluation = self.evaluation
        if not evaluation:
            return "not_measured"
        if self.synthetic:
            return "synthetic"
        if evaluation.presence_only:
            return "presence_only"
        if evaluation.metric("recall").value is None and evaluation.metric("ap50").value is None:
            return "no_test_insects"
        n_groups = SOME_GROUPS if evaluation.n_groups is None else evaluation.n_groups
        if n_groups < FEW_GROUPS:
            return "few_groups"
        if n_groups < SOME_GROUPS:
            return "some_groups"
        return "independent" if self.has_test_boxes else "same_sources"

    @property
    def costly_error(self) -> str | None:
        """Return which kind of error costs much AP50: background, poorly_placed, or None."""
        errors = self.evaluation.errors if self.evaluation else {}
        gains = {
            name: errors[name].gain.value or 0
            for name in ("background", "poorly_placed")
            if name in errors
        }
        if not gains:
            return None
        costliest = max(gains, key=lambda name: gains[name])
        return costliest if gains[costliest] >= COSTLY else None

    @property
    def weak_share(self) -> float | None:
        """Return the share of the target's photos with an accepted weak box."""
        measured = self.quality.metric("yield").value if self.quality else None
        if measured is not None or not self.weak_boxes:
            return measured
        return self.weak_boxes.share

    @property
    def next_steps(self) -> list[str]:
        """Return what is likely to improve the detector or the trust in it, most important first.

        The last step is how to use it.
        """
        steps = ["own_data"] if self.synthetic else []
        return [
            *steps,
            *self._steps_of_truth(),
            *self._steps_of_weak_boxes(),
            *self._steps_of_detector(),
            "use",
        ]

    def _steps_of_truth(self) -> list[str]:
        evaluation = self.evaluation
        if not evaluation or evaluation.presence_only:
            return ["give_test_boxes"]
        if evaluation.n_groups and evaluation.n_groups < SOME_GROUPS:
            return ["test_more_groups"]
        return []

    def _steps_of_weak_boxes(self) -> list[str]:
        if not self.weak_boxes:
            return []
        steps = [] if self.quality else ["give_audit_boxes"]
        if self.weak_share is not None and self.weak_share < 0.6:
            steps.append("raise_yield")
        precision = self.quality.metric("precision50").value if self.quality else None
        if precision is not None and precision < 0.8:
            steps.append("correct_weak_boxes")
        return steps

    def _steps_of_detector(self) -> list[str]:
        steps = []
        recall = self.evaluation.metric("recall").value if self.evaluation else None
        precision = self.evaluation.metric("precision").value if self.evaluation else None
        if recall is not None and recall < 0.7:
            steps.append("reduce_misses")
        if precision is not None and precision < 0.8:
            steps.append("reduce_false_alarms")
        if self.costly_error:
            steps.append(self.costly_error)
        if any(model.still_improving for model in self.models):
            steps.append("train_longer")
        if self.random_weights:
            steps.append("use_pretrained_weights")
        return steps

    @property
    def n_unreadable(self) -> int:
        """Return how many files and boxes were left out while the input was read."""
        return len([row for row in self.audit.left_out if row.stage == "import_images"])

    @property
    def rounds_chart(self) -> LineChart | None:
        """Return F1 by round, None for a single round."""
        if len(self.rounds) < 2:
            return None
        kept_round = next(each.number for each in self.rounds if each.is_kept)
        lines = {
            "held-out F1": _f1_line(self.rounds, "held_out_f1"),
            "true F1": _f1_line(self.rounds, "true_f1"),
        }
        return line_chart("F1 by round", lines, "round", kept_round, 1)

    @property
    def final_model(self) -> str:
        """Return the folder of the model to use."""
        names = [model.name for model in self.models]
        return "target_detector" if "target_detector" in names else "insect_detector"


def read(folder: Path, params: Mapping[str, Any]) -> Detection:
    """Return what results/detection holds. params: the run's parameters.

    Raises InputError for a file that cannot be read.
    """
    models = [
        _read_model(folder / name) for name in MODELS if (folder / name / "model.json").is_file()
    ]
    facts = {
        model.name: results.read_object(folder / model.name / "model.json") for model in models
    }
    starts = [_parameters(content).get("weights") for content in facts.values()]
    plots = folder / "evaluation/plots"
    named = {name: results.read_picture(plots / f"{name}.png") for name in KNOWN_PLOTS}
    named["samples"] = results.read_picture(folder / "weak_boxes/samples.png")
    named["review"] = results.read_picture(folder / "weak_boxes/review/review.png")
    synthetic = bool(params.get("demo"))
    evaluation = _read_evaluation(folder / "evaluation/metrics.json")
    return Detection(
        target=params.get("target") or _first_class(facts.get("target_detector", {})),
        synthetic=synthetic,
        has_test_boxes=bool(params.get("test_boxes")) or synthetic or _tested_on_given(evaluation),
        random_weights=params.get("weights") == "none" or "none" in starts,
        evaluation=evaluation,
        quality=_read_quality(folder / "weak_boxes/quality.json"),
        ablation=_read_ablation(folder / "weak_boxes/ablation.json"),
        weak_boxes=_read_weak_boxes(folder / "weak_boxes/weak_boxes.json"),
        rounds=[_round(row) for row in results.read_table(folder / "weak_boxes/rounds.csv")],
        models=models,
        split=_split_table(results.read_table(folder / "split.csv")),
        audit=results.read_audit(folder / "audit.json"),
        pictures={name: picture for name, picture in named.items() if picture},
        other_plots=_pictures(
            path for path in sorted(plots.glob("*.png")) if path.stem not in KNOWN_PLOTS
        ),
        weak_plots=_pictures(_weak_plots(folder / "weak_boxes")),
        n_to_review=len(results.read_table(folder / "weak_boxes/review/review.csv")),
    )


def _tested_on_given(evaluation: Evaluation | None) -> bool:
    return evaluation is not None and evaluation.truth == "test_boxes"


def _read_evaluation(path: Path) -> Evaluation | None:
    content = results.read_json(path)
    if content is None:
        return None
    errors = {}
    for name, entry in (content.get("errors") or {}).items():
        errors[name] = ErrorKind(results.read_metric(entry), entry["n_at_threshold"], entry["n"])
    return Evaluation(
        n_images=content.get("n"),
        n_groups=content.get("groups"),
        truth=content.get("truth", ""),
        metrics=results.read_metrics(content),
        errors=errors,
    )


def _read_quality(path: Path) -> Quality | None:
    content = results.read_json(path)
    return None if content is None else Quality(results.read_metrics(content))


def _read_ablation(path: Path) -> Ablation | None:
    content = results.read_json(path)
    if not content or not content["rows"]:
        return None
    rows = []
    for row in content["rows"]:
        gain = results.read_metric(row["gain"]) if row["gain"] else None
        rows.append((row["boxes"], results.read_metric(row["f1_50"]), gain))
    return Ablation(content["rule"], content["n"], rows)


def _read_weak_boxes(path: Path) -> WeakBoxes | None:
    content = results.read_json(path)
    if content is None:
        return None
    bands = Counter(box.get("band") for box in content["annotations"])
    info = content.get("info", {})
    return WeakBoxes(
        n_photos=len(content["images"]),
        n_with_box=len(
            {box["image_id"] for box in content["annotations"] if box.get("band") == "accept"}
        ),
        n_accepted=bands["accept"],
        n_ignored=bands["ignore"],
        n_dropped=bands["drop"],
        rule=info.get("rule"),
        accept=info.get("accept"),
        ignore=info.get("ignore"),
        n_classified=info.get("crops") or 0,
        n_reviewed=info.get("reviewed") or 0,
    )


def _round(row: Mapping[str, str]) -> Round:
    cells = results.numbers(row)
    return Round(
        number=int(cells["round"]),
        is_kept=row["kept"] == "yes",
        n_with_box=int(cells["photos_with_box"]),
        n_accepted=int(cells["accepted"]),
        n_ignored=int(cells["ignored"]),
        held_out_f1=_cell_metric(cells, "held_out_f1"),
        true_f1=_cell_metric(cells, "true_f1"),
    )


def _cell_metric(cells: Mapping[str, float], name: str) -> Metric:
    return Metric(
        cells.get(name),
        cells.get(f"{name}_low"),
        cells.get(f"{name}_high"),
        n=0,
        groups=None,
        unit="",
    )


def _f1_line(rounds: Sequence[Round], name: str) -> list[tuple[float, float]]:
    values = [(each.number, getattr(each, name).value) for each in rounds]
    return [(number, value) for number, value in values if value is not None]


def _read_model(folder: Path) -> Model:
    content = results.read_object(folder / "model.json")
    rows = [results.numbers(row) for row in results.read_table(folder / "training.csv")]
    return Model(
        name=folder.name,
        epochs=[row for row in rows if "epoch" in row],
        metrics=results.read_metrics(content),
        facts=_model_facts(content),
        packages=content.get("provenance", {}).get("packages", {}),
    )


def _model_facts(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    provenance = content.get("provenance", {})
    values = {
        "classes": content.get("classes"),
        "input": content.get("input"),
        "threshold": content.get("threshold"),
        "seed": provenance.get("seed"),
        "data": provenance.get("data"),
        "parameters": provenance.get("parameters"),
        "code": provenance.get("code"),
        "packages": provenance.get("packages"),
        "weights sha256": provenance.get("weights_sha256"),
        "licence": content.get("licence"),
    }
    lines = {name: results.one_line(value) for name, value in values.items()}
    return [(name, line) for name, line in lines.items() if line]


def _parameters(content: Mapping[str, Any]) -> dict[str, Any]:
    parameters: dict[str, Any] = content.get("provenance", {}).get("parameters", {})
    return parameters


def _first_class(content: Mapping[str, Any]) -> str | None:
    classes = content.get("classes") or [None]
    return classes[0]


def _weak_plots(folder: Path) -> list[Path]:
    """Return the plots of the weak boxes.

    They are in a folder of their own as published, beside the tables in the report's task.
    """
    paths = [*folder.glob("*.png"), *folder.glob("plots/*.png")]
    return sorted((path for path in paths if path.stem != "samples"), key=lambda path: path.name)


def _pictures(paths: Iterable[Path]) -> list[Picture]:
    pictures = [results.read_picture(path) for path in paths]
    return [picture for picture in pictures if picture]


def _split_table(rows: Sequence[Mapping[str, str]]) -> SplitTable | None:
    """Count the images of split.csv by part for each role and label, and the groups by part."""
    if not rows:
        return None
    keys = [name for name in ("role", "label", "class") if name in rows[0]]
    order = {part: place for place, part in enumerate(PARTS)}
    parts = sorted(
        {row.get("part") or "" for row in rows},
        key=lambda part: (order.get(part, len(PARTS)), part),
    )
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        kind = " / ".join(row[key] or "-" for key in keys) or "images"
        counts[kind, row.get("part") or ""] += 1
    table = []
    for kind in sorted({kind for kind, _ in counts}):
        numbers = [counts[kind, part] for part in parts]
        table.append((kind, [*numbers, sum(numbers)]))
    if len(table) > 1:
        table.append(
            ("all images", [sum(column) for column in zip(*(numbers for _, numbers in table))])
        )
    return SplitTable(keys, parts, table, _groups_by_part(rows, parts))


def _groups_by_part(rows: Sequence[Mapping[str, str]], parts: Sequence[str]) -> list[int]:
    if "group" not in rows[0]:
        return []
    members = [{row["group"] for row in rows if (row.get("part") or "") == part} for part in parts]
    return [*(len(groups) for groups in members), len({row["group"] for row in rows})]
