"""The wingbeat chain in the report: its published files, typed, and what follows from them.

The words stand in templates/wingbeat.html.j2.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from entoflow.metric import Metric
from entoflow.report import results
from entoflow.report.results import UNMEASURED, Audit, Picture

FEW_GROUPS = 20  # below it there are no intervals
LARGE_DROP = 0.05  # of macro-F1, on new sensors
LARGE_OPTIMISM = 0.02  # of macro-F1, when single events are held out
MOST_FEATURES = 10  # rows of the table
EVENTS = {
    "wrong": 6,
    "unsure": 3,
    "right": 3,
}  # pictures of each kind at most, so that the page stays light
PLOTS = ("families", "confusion", "calibration", "learning_curve", "noise")
F0 = "f0_median_hz_"  # of a class, and what it would be at 25 degrees C
F0_AT_25 = "f0_at_25_median_hz_"
F0_RISE = "f0_percent_per_degc"
RECORDED = "as recorded"

Trust = Literal[
    "not_measured", "synthetic", "few_groups", "close_baseline", "worse_on_new_sensors", "measured"
]


@dataclass(frozen=True)
class Family:
    """A family of models, or a baseline, on held-out groups."""

    key: str  # for --families; of a baseline its name
    name: str
    is_baseline: bool
    macro_f1: Metric
    p_best: float | None  # how often it is the best when groups are drawn anew
    balanced_accuracy: Metric
    seconds: float | None  # to train on one fold
    optimism: Metric  # by how much macro-F1 would seem higher with single events held out
    new_sensor_macro_f1: Metric  # on sensors that it was not trained on

    @property
    def drop_on_new_sensors(self) -> float:
        """Return how much macro-F1 falls on new sensors, 0 where that was not measured."""
        if self.macro_f1.value is None or self.new_sensor_macro_f1.value is None:
            return 0.0
        return self.macro_f1.value - self.new_sensor_macro_f1.value


@dataclass(frozen=True)
class Pair:
    """The difference of two families on the same resamples of the groups."""

    first: str
    second: str
    difference: Metric
    p: float | None  # by Holm's correction
    verdict: str


@dataclass(frozen=True)
class NoiseRow:
    """Macro-F1 of a family as recorded, and with noise as strong as the event."""

    name: str
    as_recorded: Metric
    at_0_db: list[Metric]  # in the order of the kinds of noise


@dataclass(frozen=True)
class Pitch:
    """The median fundamental frequency of a class."""

    label: str
    hz: Metric
    hz_at_25: Metric


@dataclass(frozen=True)
class ClassCount:
    """Events and groups of a class."""

    label: str
    n_events: int
    n_groups: int


@dataclass(frozen=True)
class Wingbeat:
    """All that the report shows of the wingbeat chain."""

    synthetic: bool
    is_compared: bool
    verdict: str
    n_events: int
    n_groups: int
    n_folds: int
    seeds: list[int]
    metrics: dict[str, Metric]  # of the choice, without the fundamental frequencies
    families: list[Family]  # baselines, too
    best: str | None  # key of the family to ship
    pairs: list[Pair]
    learning_curve: str  # a sentence: would more recordings help?
    more_recordings_help: bool
    noise_kinds: list[str]
    noise: list[NoiseRow]
    kinds_of_features: list[
        tuple[str, Metric]
    ]  # by how much macro-F1 falls without them, largest first
    features: list[tuple[str, Metric]]
    pitches: list[Pitch]
    f0_rise: Metric  # per cent per degree C, within classes
    classes: list[ClassCount]
    audit: Audit
    plots: dict[str, Picture]
    events: list[Picture]

    @property
    def best_family(self) -> Family | None:
        return next((family for family in self.families if family.key == self.best), None)

    @property
    def compared_families(self) -> list[Family]:
        """Return the families without the baselines."""
        return [family for family in self.families if not family.is_baseline]

    @property
    def most_optimistic(self) -> Family | None:
        """Return the family with the most optimism of a random split, None where it is small."""
        families = [family for family in self.families if family.optimism.value is not None]
        most = max(families, key=lambda family: family.optimism.value or 0, default=None)
        return most if most and (most.optimism.value or 0) > LARGE_OPTIMISM else None

    @property
    def falls_on_new_sensors(self) -> bool:
        return self.best_family is not None and self.best_family.drop_on_new_sensors >= LARGE_DROP

    @property
    def best_on_new_sensors(self) -> Family | None:
        """Return the family to use on new sensors if that is not the best one, None otherwise."""
        families = [
            family
            for family in self.compared_families
            if family.new_sensor_macro_f1.value is not None
        ]
        first = max(
            families, key=lambda family: family.new_sensor_macro_f1.value or 0, default=None
        )
        return first if self.falls_on_new_sensors and first and first.key != self.best else None

    @property
    def close_baseline(self) -> Family | None:
        """Return the best baseline if it reaches the best family's interval, None otherwise."""
        lowest = self.best_family.macro_f1.low if self.best_family else None
        baselines = [family for family in self.families if family.is_baseline]
        first = max(baselines, key=lambda family: family.macro_f1.value or 0, default=None)
        return (
            first
            if lowest is not None and first and (first.macro_f1.value or 0) >= lowest
            else None
        )

    @property
    def trust(self) -> Trust:
        """Return what limits the trust in the metrics most."""
        if not self.is_compared or not self.best_family:
            return "not_measured"
        if self.synthetic:
            return "synthetic"
        if self.best_family.macro_f1.low is None:
            return "few_groups"
        if self.close_baseline:
            return "close_baseline"
        return "worse_on_new_sensors" if self.falls_on_new_sensors else "measured"

    @property
    def next_steps(self) -> list[str]:
        """Return what to do next, the most important first; the last is how to use the model."""
        steps = {
            "own_data": self.synthetic,
            "record_groups": self.is_compared and self.n_groups < FEW_GROUPS,
            "train_for_new_sensors": self.best_on_new_sensors is not None,
            "record_sensors": self.falls_on_new_sensors,
            "record_more": self.more_recordings_help,
            "use": True,
        }
        return [step for step, is_due in steps.items() if is_due]

    @property
    def split_notes(self) -> list[str]:
        """Return what the split noted: classes of a single group."""
        rows = [
            row
            for row in self.audit.rows
            if row.stage == "split_recordings" and row.action == "note"
        ]
        return [row.reason for row in rows]


def read(folder: Path, params: Mapping[str, Any]) -> Wingbeat:
    """Return what results/wingbeat holds. params: the run's parameters.

    Raises InputError for a file that cannot be read.
    """
    content = results.read_object(folder / "comparison.json")
    metrics = results.read_metrics(results.read_object(folder / "evaluation/metrics.json"))
    rows = results.read_table(folder / "split.csv")
    curve = content.get("learning_curve") or {}
    importances = content.get("importances") or {}
    plots = {name: results.read_picture(folder / f"evaluation/plots/{name}.png") for name in PLOTS}
    families = [_family(key, row) for key, row in content.get("families", {}).items()]
    return Wingbeat(
        synthetic=bool(params.get("demo")),
        is_compared=bool(content),
        verdict=content.get("verdict", ""),
        n_events=content.get("n", 0),
        n_groups=len({row["group"] for row in rows}),
        n_folds=content.get("folds", 0),
        seeds=content.get("seeds", []),
        metrics={name: metric for name, metric in metrics.items() if not name.startswith("f0_")},
        families=families,
        best=next(iter(content.get("best", [])), None),
        pairs=_pairs(content.get("pairs", []), {family.name for family in families}),
        learning_curve=curve.get("verdict", ""),
        more_recordings_help=(results.read_metric(curve.get("gain")).low or 0) > 0,
        noise_kinds=_noise_kinds(content),
        noise=_noise_rows(content),
        kinds_of_features=_largest_first(importances.get("kinds", {})),
        features=_largest_first(importances.get("features", {}))[:MOST_FEATURES],
        pitches=_pitches(metrics),
        f0_rise=metrics.get(F0_RISE, UNMEASURED),
        classes=_classes(rows),
        audit=results.read_audit(folder / "audit.json"),
        plots={name: picture for name, picture in plots.items() if picture},
        events=_read_events(folder / "evaluation/plots"),
    )


def _family(key: str, row: Mapping[str, Any]) -> Family:
    return Family(
        key=key,
        name=row["name"],
        is_baseline=row["baseline"],
        macro_f1=results.read_metric(row["macro_f1"]),
        p_best=row.get("p_best"),
        balanced_accuracy=results.read_metric(row.get("balanced_accuracy")),
        seconds=row.get("seconds"),
        optimism=results.read_metric(row.get("optimism_gap")),
        new_sensor_macro_f1=results.read_metric(row.get("sensor_macro_f1")),
    )


def _pairs(entries: Sequence[Mapping[str, Any]], names: set[str]) -> list[Pair]:
    pairs = []
    for entry in entries:
        if {entry["a"], entry["b"]} <= names:
            pairs.append(
                Pair(
                    entry["a"],
                    entry["b"],
                    results.read_metric(entry),
                    entry["p_holm"],
                    entry["verdict"],
                )
            )
    return pairs


def _noise_kinds(content: Mapping[str, Any]) -> list[str]:
    families = (content.get("robustness") or {}).get("families", {})
    return [kind for kind in next(iter(families.values()), {}) if kind != RECORDED]


def _noise_rows(content: Mapping[str, Any]) -> list[NoiseRow]:
    robustness = content.get("robustness")
    if not robustness:
        return []
    at_0_db = robustness["snrs_db"].index(0)
    kinds = _noise_kinds(content)
    rows = []
    for key, entries in robustness["families"].items():
        noisy = [results.read_metric(entries[kind][at_0_db]) for kind in kinds]
        rows.append(
            NoiseRow(
                content["families"][key]["name"], results.read_metric(entries[RECORDED]), noisy
            )
        )
    return rows


def _largest_first(entries: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Metric]]:
    metrics = [(name, results.read_metric(entry)) for name, entry in entries.items()]
    return sorted(metrics, key=lambda item: -(item[1].value or 0))


def _pitches(metrics: Mapping[str, Metric]) -> list[Pitch]:
    pitches = []
    for name, metric in metrics.items():
        if name.startswith(F0):
            label = name.removeprefix(F0)
            pitches.append(Pitch(label, metric, metrics.get(F0_AT_25 + label, UNMEASURED)))
    return pitches


def _classes(rows: Sequence[Mapping[str, str]]) -> list[ClassCount]:
    n_events = Counter(row["label"] for row in rows)
    groups: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        groups[row["label"]].add(row["group"])
    return [ClassCount(label, n, len(groups[label])) for label, n in sorted(n_events.items())]


def _read_events(folder: Path) -> list[Picture]:
    """Return the pictures of held-out events: wrong ones, unsure ones, right ones."""
    paths = []
    for kind, most in EVENTS.items():
        paths += sorted(folder.glob(f"event_*_{kind}.png"))[:most]
    return [results.read_described_picture(path) for path in paths]
