#!/usr/bin/env python3
"""Is the wingbeat chain as good as MFCC and a support vector machine, as many take them? A comparison of accuracy on the folds of a run, not of speed.

The peer: means and standard deviations over time of librosa's 20 MFCC with its own settings, scaled, and scikit-learn's SVC whose C is chosen by macro-F1
on groups within what it learns from. It learns from the same events as the families did, fold by fold, and names the others. Ours is
evaluation/predictions.csv: each fold is named by the family that was best on the other folds. The difference has an interval over groups.
"""
import argparse
import csv
import sys
import warnings
from pathlib import Path

import numpy as np

from measuring import ROOT

sys.path.insert(0, str(ROOT / "bin"))
COSTS = (0.1, 1, 10, 100)


def main(argv):
    args = parser().parse_args(argv)
    events, named = rows(args.results / "wingbeat/split.csv"), rows(args.results / "wingbeat/evaluation/predictions.csv")
    folder = args.recordings if args.recordings.is_dir() else args.recordings.parent
    features = np.array([mfcc(folder / row["recording"], float(row["start"]), float(row["end"])) for row in events])
    classes, truth = np.unique([row["label"] for row in events], return_inverse=True)
    groups, parts = (np.array([row[name] for row in events]) for name in ("group", "part"))
    judged = np.flatnonzero(parts != "train")
    peer = np.full(len(events), -1)
    for part in sorted(set(parts[judged])):
        own = parts == part
        peer[own] = fitted(features[~own], truth[~own], groups[~own]).predict(features[own])
    key = {(row["recording"], row["start"], row["end"]): row["label"] for row in named}
    ours = np.searchsorted(classes, [key[events[at]["recording"], events[at]["start"], events[at]["end"]] for at in judged])
    print(table(truth[judged], groups[judged], {"entoflow": ours, "MFCC + SVM": peer[judged]}, len(classes)))


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--results", type=Path, required=True, help="results folder of a run with --recordings")
    p.add_argument("--recordings", type=Path, required=True, help="what --recordings named: the table, or the folder")
    return p


def rows(path):
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def mfcc(path, start, end):
    """Return 40 numbers of an event, its channels mixed as librosa does."""
    import librosa

    warnings.filterwarnings("ignore", message="n_fft=.* is too large")  # librosa pads short events, as its users let it
    samples, rate = librosa.load(path, sr=None, offset=start, duration=end - start)
    found = librosa.feature.mfcc(y=samples, sr=rate)
    return np.concatenate([found.mean(axis=1), found.std(axis=1)])


def fitted(features, truth, groups):
    from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    machine = make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
    folds = StratifiedGroupKFold(3, shuffle=True, random_state=1)
    return GridSearchCV(machine, {"svc__C": COSTS}, scoring="f1_macro", cv=folds).fit(features, truth, groups=groups)


def table(truth, groups, named, n_classes):
    """Return the rows of a table: macro-F1 of each, and the difference."""
    from entoflow.wingbeat import comparisons

    found = comparisons.scores({name: np.eye(n_classes)[columns] for name, columns in named.items()}, truth, groups, 1)
    told = [(name, score.figure()) for name, score in found.items()]
    told.append((" less ".join(found), comparisons.difference(*found.values())))
    return "\n".join(["| | macro-F1 |", "|---|---|", *(f"| {name} | {words(figure)} |" for name, figure in told),
                      f"\n{len(truth)} events of {len(set(groups))} groups."])


def words(figure):
    interval = f" ({figure['low']:.3f} to {figure['high']:.3f})" if figure["low"] is not None else ""
    return f"{figure['value']:+.3f}{interval}" if "difference" in figure["unit"] else f"{figure['value']:.3f}{interval}"


if __name__ == "__main__":
    main(sys.argv[1:])
