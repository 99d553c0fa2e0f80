#!/usr/bin/env python3
"""Is the wingbeat chain as good as MFCC and a support vector machine? A comparison of accuracy.

The peer, as many take it: means and standard deviations over time of librosa's 20 MFCC with its own
settings, scaled, and scikit-learn's SVC whose C is chosen by macro-F1 on groups within its training
events. It is trained on the same events as the families, fold by fold, and predicts the others.
Ours is evaluation/predictions.csv of a run: each fold is predicted by the family that was best on
the other folds. The difference has an interval over groups. Speed is not compared.
"""

import argparse
import csv
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from measuring import ROOT

sys.path.insert(0, str(ROOT / "bin"))
COSTS = (0.1, 1, 10, 100)


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    events = read_rows(args.results / "wingbeat/split.csv")
    named = read_rows(args.results / "wingbeat/evaluation/predictions.csv")
    folder = args.recordings if args.recordings.is_dir() else args.recordings.parent
    features = np.array(
        [mfcc(folder / row["recording"], row["start"], row["end"]) for row in events]
    )
    classes, class_index = np.unique([row["label"] for row in events], return_inverse=True)
    groups = np.array([row["group"] for row in events])
    parts = np.array([row["part"] for row in events])
    held_out = np.flatnonzero(parts != "train")
    peer = np.full(len(events), -1)
    for part in sorted(set(parts[held_out])):
        is_part = parts == part
        machine = fit(features[~is_part], class_index[~is_part], groups[~is_part])
        peer[is_part] = machine.predict(features[is_part])
    labels = {event_key(row): row["label"] for row in named}
    ours = np.searchsorted(classes, [labels[event_key(events[row])] for row in held_out])
    predicted = {"entoflow": ours, "MFCC + SVM": peer[held_out]}
    print(table(class_index[held_out], groups[held_out], predicted, len(classes)))


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument(
        "--results", type=Path, required=True, help="results folder of a run with --recordings"
    )
    p.add_argument(
        "--recordings",
        type=Path,
        required=True,
        help="what --recordings named: the table, or the folder",
    )
    return p


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def event_key(row: Mapping[str, str]) -> tuple[str, str, str]:
    return row["recording"], row["start"], row["end"]


def mfcc(path: Path, start: str, end: str) -> np.ndarray:
    """Return 40 numbers of an event (start to end in seconds), its channels mixed by librosa."""
    import librosa

    # librosa pads short events, as its users let it.
    warnings.filterwarnings("ignore", message="n_fft=.* is too large")
    duration = float(end) - float(start)
    samples, rate = librosa.load(path, sr=None, offset=float(start), duration=duration)
    coefficients = librosa.feature.mfcc(y=samples, sr=rate)
    return np.concatenate([coefficients.mean(axis=1), coefficients.std(axis=1)])


def fit(features: np.ndarray, class_index: np.ndarray, groups: np.ndarray) -> Any:
    from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    machine = make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
    folds = StratifiedGroupKFold(3, shuffle=True, random_state=1)
    search = GridSearchCV(machine, {"svc__C": COSTS}, scoring="f1_macro", cv=folds)
    return search.fit(features, class_index, groups=groups)


def table(
    class_index: np.ndarray, groups: np.ndarray, predicted: Mapping[str, np.ndarray], n_classes: int
) -> str:
    """Return the rows of a table: macro-F1 of each of two predictions, and the difference."""
    from entoflow.wingbeat import comparisons

    probabilities = {name: np.eye(n_classes)[columns] for name, columns in predicted.items()}
    scores = comparisons.scores(probabilities, class_index, groups, 1)
    difference = comparisons.difference(*scores.values())
    lines = ["| | macro-F1 |", "|---|---|"]
    for name, score in scores.items():
        macro_f1 = score.metric()
        lines.append(f"| {name} | {macro_f1.value:.3f}{interval(macro_f1)} |")
    name = " less ".join(scores)
    lines.append(f"| {name} | {difference.value:+.3f}{interval(difference)} |")
    lines.append(f"\n{len(class_index)} events of {len(set(groups))} groups.")
    return "\n".join(lines)


def interval(metric: Any) -> str:
    if metric.low is None:
        return ""
    return f" ({metric.low:.3f} to {metric.high:.3f})"


if __name__ == "__main__":
    main(sys.argv[1:])
