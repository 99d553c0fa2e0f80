#!/usr/bin/env python3
"""Compare the families on the same held-out events, and make the model to ship of the best one.

Baselines are compared along with the families: the most frequent class, the fundamental frequency
alone, the time of day alone. How optimistic a random split of single events is, is shown, and
nothing is chosen by it. The figures of `metrics` count the choice of the family in: each fold is
predicted by the family that was best on the other folds.
"""

import argparse
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entoflow import files, model_folder
from entoflow.metric import Metric
from entoflow.task import InputError, run

if TYPE_CHECKING:
    from entoflow.wingbeat.comparisons import Comparison, Optimism
    from entoflow.wingbeat.event_arrays import Events
    from entoflow.wingbeat.fold_predictions import FoldPredictions
    from entoflow.wingbeat.held_out import HeldOutPredictions, NestedPredictions
    from entoflow.wingbeat.importances import Importances
    from entoflow.wingbeat.learning_curves import LearningCurves
    from entoflow.wingbeat.robustness import FamilyInNoise

MOST_PICTURES = 24


@dataclass(frozen=True)
class FamilyMetrics:
    """What is measured of a family beside its place in the comparison."""

    seconds: float  # of a training, median
    balanced_accuracy: Metric
    optimism: "Optimism"  # of a random split
    sensor_macro_f1: Metric | None  # on sensors that it was not trained on; None of a single sensor


@dataclass(frozen=True)
class ShippedCalibration:
    """What turns the scores of the shipped model into probabilities and verdicts."""

    temperature: float
    conformal: float
    known_above: float  # probability from which an event counts as of a known class


@dataclass(frozen=True)
class Results:
    """All that is computed."""

    comparison: "Comparison"  # rows are named by the titles of families and baselines
    best: str  # the family to ship: the first of the best ones
    families: dict[str, FamilyMetrics]
    nested: "NestedPredictions"
    calibration: ShippedCalibration  # of the family to ship
    metrics: dict[str, Metric]  # of metrics.json
    learning_curve: "LearningCurves | None"
    in_noise: "dict[str, FamilyInNoise]"
    importances: "Importances | None"


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    from entoflow.wingbeat import event_arrays, fold_predictions, held_out

    events = event_arrays.load(args.clips, args.samples, args.features)
    folds = fold_predictions.read_all(args.predictions)
    predictions = held_out.combine(folds, events)
    results = evaluate(events, folds, predictions, args.seed)
    write_metrics(args.metrics, predictions, results)
    write_comparison(args.comparison, predictions, results)
    write_predictions(args.predictions_csv, events, predictions, results)
    draw_plots(args.plots, predictions, results)
    draw_events(args, events, predictions, results)
    ship(args.models, args.best, results)
    print(results.comparison.verdict)


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument(
        "--clips",
        type=Path,
        required=True,
        help="data set of events that split_recordings.py wrote",
    )
    p.add_argument(
        "--samples",
        type=Path,
        required=True,
        help="npy file with their samples, of extract_features.py",
    )
    p.add_argument(
        "--features",
        type=Path,
        required=True,
        help="npz file with their features, of extract_features.py",
    )
    p.add_argument(
        "--predictions",
        type=Path,
        nargs="+",
        required=True,
        help="npz files of all folds and families",
    )
    p.add_argument(
        "--models",
        type=Path,
        nargs="+",
        required=True,
        help="model folders of the families, trained on all events",
    )
    p.add_argument(
        "--seed", type=int, default=1, help="seed of the bootstrap (default %(default)s)"
    )
    p.add_argument(
        "--comparison",
        type=Path,
        required=True,
        help="JSON to write: every family, and the verdict",
    )
    p.add_argument(
        "--metrics",
        type=Path,
        required=True,
        help="JSON to write: metrics of the chosen family, which count the choice in",
    )
    p.add_argument(
        "--predictions_csv",
        type=Path,
        required=True,
        help="CSV to write: how each held-out event was named",
    )
    p.add_argument("--plots", type=Path, required=True, help="folder for the pictures")
    p.add_argument(
        "--most_pictures",
        type=int,
        default=MOST_PICTURES,
        help="maximum number of events to draw (default %(default)s)",
    )
    p.add_argument(
        "--best",
        type=Path,
        required=True,
        help="model folder to write: the family to ship, calibrated",
    )
    return p


def evaluate(
    events: "Events", folds: "list[FoldPredictions]", predictions: "HeldOutPredictions", seed: int
) -> Results:
    """Compare the families, choose the one to ship, and measure what else is published."""
    from entoflow.wingbeat import held_out, importances, learning_curves, robustness

    comparison = compare(events, predictions, seed)
    best = families_by_title()[comparison.best[0]]
    family_metrics = {}
    on_first_partition = {}
    for family in predictions.families:
        seconds = [fold.seconds for fold in folds if fold.family == family]
        family_metrics[family] = measure_family(events, predictions, family, seconds, seed)
        on_first_partition[family] = predictions.probabilities[family, predictions.grouped[0]]
    nested = held_out.predict_by_best_on_other_folds(predictions)
    true_class = predictions.true_class
    groups = predictions.groups
    noisy = robustness.gather(folds)
    return Results(
        comparison=comparison,
        best=best,
        families=family_metrics,
        nested=nested,
        calibration=calibrate(events, predictions, best),
        metrics=measure(events, predictions, nested, best, seed),
        learning_curve=learning_curves.measure(
            events, predictions.probabilities, predictions.families, best, seed
        ),
        in_noise=robustness.measure(noisy, on_first_partition, true_class, groups, seed),
        importances=importances.measure(folds, true_class, groups, events.feature_names, seed),
    )


def compare(events: "Events", predictions: "HeldOutPredictions", seed: int) -> "Comparison":
    """Compare families and baselines, by their titles, on the events of the grouped partitions."""
    import numpy as np

    from entoflow.wingbeat import baselines, comparisons, held_out

    rows = predictions.rows
    n_classes = len(predictions.classes)
    by_title = {}
    for family in predictions.families:
        by_title[held_out.TITLES[family]] = predictions.on(rows, family, predictions.grouped)
    by_partition = []
    for partition in predictions.grouped:
        by_partition.append(baselines.predict(events, predictions.true_class, partition, n_classes))
    names = list(by_partition[0])
    for name in names:
        by_title[name] = np.stack([by_name[name][rows] for by_name in by_partition])
    true_class = predictions.true_class[rows]
    return comparisons.compare(by_title, true_class, predictions.groups[rows], seed, names)


def families_by_title() -> dict[str, str]:
    """Return {title: family}; baselines are not in it."""
    from entoflow.wingbeat import held_out

    return {title: family for family, title in held_out.TITLES.items()}


def measure_family(
    events: "Events",
    predictions: "HeldOutPredictions",
    family: str,
    seconds: list[float],
    seed: int,
) -> FamilyMetrics:
    """Return what is measured of a family beside its place in the comparison."""
    import numpy as np

    from entoflow.wingbeat import comparisons, wingbeat_metrics
    from entoflow.wingbeat.partitions import Kind, of_kind

    rows = predictions.rows
    groups = predictions.groups
    true_class = predictions.true_class
    probabilities = predictions.probabilities
    on_first = probabilities[family, predictions.grouped[0]][rows]
    accuracy = wingbeat_metrics.balanced_accuracy(on_first, true_class[rows], groups[rows], seed)
    # A random partition may hold out a part of the events only; both are measured on that part.
    some_rows = events.held_out_rows(predictions.random[0])
    optimism = comparisons.optimism(
        predictions.on(some_rows, family, predictions.random),
        predictions.on(some_rows, family, predictions.grouped),
        true_class[some_rows],
        groups[some_rows],
        seed,
    )
    sensor_macro_f1 = None
    for partition in of_kind(events.partitions, Kind.SENSOR):
        if (family, partition) in probabilities:
            by_sensor = {"sensor": probabilities[family, partition][rows]}
            scores = comparisons.scores(by_sensor, true_class[rows], groups[rows], seed)
            sensor_macro_f1 = scores["sensor"].metric()
    return FamilyMetrics(float(np.median(seconds)), accuracy, optimism, sensor_macro_f1)


def measure(
    events: "Events",
    predictions: "HeldOutPredictions",
    nested: "NestedPredictions",
    best: str,
    seed: int,
) -> dict[str, Metric]:
    """Return the metrics of metrics.json."""
    from entoflow.wingbeat import wingbeat_metrics

    rows = predictions.rows
    true_class = predictions.true_class[rows]
    groups = predictions.groups[rows]
    known = wingbeat_metrics.measure_known_classes(nested, true_class, groups, seed)
    unknown_auroc = wingbeat_metrics.unknown_auroc(events, predictions, best, seed)
    f0 = wingbeat_metrics.measure_f0(events, seed)
    return {**known, "unknown_auroc": unknown_auroc, **f0}


def calibrate(events: "Events", predictions: "HeldOutPredictions", best: str) -> ShippedCalibration:
    """Return the calibration of the family to ship, by what it predicts of held-out events."""
    from entoflow.wingbeat import held_out, wingbeat_metrics

    rows = predictions.rows
    probabilities = predictions.probabilities[best, predictions.grouped[0]][rows]
    fitted = held_out.calibrate(probabilities, predictions.true_class[rows])
    threshold = wingbeat_metrics.known_threshold(events, predictions, best, fitted.temperature)
    return ShippedCalibration(fitted.temperature, fitted.conformal, threshold)


def write_metrics(path: Path, predictions: "HeldOutPredictions", results: Results) -> None:
    """Write metrics.json: what the choice of a family by this comparison is worth."""
    n = len(predictions.rows)
    files.write_json(path, {"chain": "wingbeat", "n": n, "metrics": results.metrics})


def write_comparison(path: Path, predictions: "HeldOutPredictions", results: Results) -> None:
    """Write comparison.json: the verdict, all rows and all pairs, and what else was measured."""
    from entoflow.wingbeat import robustness

    family_of = families_by_title()
    comparison = results.comparison
    rows = {}
    for title, result in comparison.rows.items():
        family = family_of.get(title)
        row = {
            "name": title,
            "baseline": family is None,
            "macro_f1": result.macro_f1,
            "p_best": result.p_best,
        }
        if family is not None:
            row |= family_entry(results.families[family])
        rows[family or title] = row
    pairs = []
    for pair in comparison.pairs:
        verdict = {"p_holm": pair.p_holm, "verdict": pair.verdict}
        pairs.append({"a": pair.a, "b": pair.b, **asdict(pair.difference), **verdict})
    content = {
        "chain": "wingbeat",
        "n": len(predictions.rows),
        "verdict": comparison.verdict,
        "best": [family_of[title] for title in comparison.best],
        "families": rows,
        "pairs": pairs,
        "seeds": [partition.seed for partition in predictions.grouped],
        "folds": predictions.grouped[0].n_folds,
        "learning_curve": results.learning_curve,
        "robustness": robustness.to_json(results.in_noise),
        "importances": results.importances,
    }
    files.write_json(path, content)


def family_entry(family: FamilyMetrics) -> dict[str, Any]:
    """Return what comparison.json says of a family, not of a baseline."""
    entry = {
        "seconds": family.seconds,
        "balanced_accuracy": family.balanced_accuracy,
        "random_macro_f1": family.optimism.random,
        "optimism_gap": family.optimism.gap,
    }
    if family.sensor_macro_f1 is not None:
        entry["sensor_macro_f1"] = family.sensor_macro_f1
    return entry


def write_predictions(
    path: Path, events: "Events", predictions: "HeldOutPredictions", results: Results
) -> None:
    """Write a row for each held-out event, as name_events.py does."""
    from entoflow.wingbeat import event_names

    rows = event_names.rows(
        events,
        predictions.rows,
        results.nested.probabilities,
        predictions.classes,
        results.calibration.known_above,
    )
    files.write_csv(path, event_names.COLUMNS, rows)


def draw_plots(folder: Path, predictions: "HeldOutPredictions", results: Results) -> None:
    """Draw the comparison: scores, confusion, calibration, and curves of noise and of learning."""
    from entoflow.wingbeat import held_out, wingbeat_plots

    folder.mkdir(parents=True, exist_ok=True)
    true_class = predictions.true_class[predictions.rows]
    probability = results.nested.probabilities
    scores = [(title, row.macro_f1) for title, row in results.comparison.rows.items()]
    wingbeat_plots.draw_scores(folder / "families.png", scores)
    wingbeat_plots.draw_confusion(
        folder / "confusion.png", true_class, probability, predictions.classes
    )
    wingbeat_plots.draw_calibration(folder / "calibration.png", true_class, probability)
    if results.in_noise:
        wingbeat_plots.draw_noise(folder / "noise.png", results.in_noise, held_out.TITLES)
    if results.learning_curve:
        wingbeat_plots.draw_learning_curve(
            folder / "learning_curve.png", results.learning_curve, held_out.TITLES
        )


def draw_events(
    args: argparse.Namespace, events: "Events", predictions: "HeldOutPredictions", results: Results
) -> None:
    """Draw some held-out events: wrong ones, unsure ones, right ones."""
    from entoflow.wingbeat import chosen_events, event_pictures

    choice = chosen_events.EventChoice(args.most_pictures, chosen_events.HELD_OUT)
    choice.offer(
        events,
        predictions.rows,
        results.nested.probabilities,
        predictions.classes,
        results.calibration.known_above,
    )
    event_pictures.draw(args.plots, choice.events(), "event_")


def ship(models: list[Path], folder: Path, results: Results) -> None:
    """Write the best family's model folder anew, with its calibration and its metrics."""
    source = next((path for path in models if path.name == results.best), None)
    if source is None:
        raise InputError(
            f"--models: holds no folder named {results.best}; wanted one for each family."
        )
    facts = model_folder.read(source)
    weights = model_folder.weights_of(source)
    metrics = {
        "macro_f1": results.comparison.rows[results.comparison.best[0]].macro_f1,
        "balanced_accuracy": results.families[results.best].balanced_accuracy,
    }
    more = facts.more | {"calibration": asdict(results.calibration)}
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(weights, folder / weights.name)
    model_folder.write(folder, replace(facts, metrics=metrics, more=more))


if __name__ == "__main__":
    run(main)
