#!/usr/bin/env python3
"""Are our random convolutions as good and as fast as aeon's MiniRocket (BSD-3)?

They are compared on the folds of a run, with one head for both: RidgeClassifierCV. aeon asks for
older packages than ours, so it lives in an environment of its own (`uv venv aeon && uv pip install
--python aeon aeon`), whose Python is named. Both see the same signals at a mean square of 1, are
trained on the same events fold by fold, and take turns, in one thread; the clock counts fitting and
transforming both parts, warm. The difference of macro-F1 has an interval over groups.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from measuring import ROOT, span
from mfcc_svm import table

sys.path.insert(0, str(ROOT / "bin"))
PEER = """import sys, time, numpy as np
from aeon.transformations.collection.convolution_based import MiniRocket
for line in sys.stdin:
    data = np.load(line.strip())
    training, held_out = data["training"][:, None], data["held_out"][:, None]
    MiniRocket(random_state=1, n_jobs=1).fit(training[:9]).transform(held_out[:2])
    start = time.perf_counter()
    fitted = MiniRocket(random_state=1, n_jobs=1).fit(training)
    features = [np.asarray(fitted.transform(part), np.float32) for part in (training, held_out)]
    seconds = time.perf_counter() - start
    path = line.strip() + ".features.npz"
    np.savez(path, training=features[0], held_out=features[1], seconds=seconds)
    print("done", flush=True)
"""


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    from entoflow.wingbeat import event_arrays
    from entoflow.wingbeat.family_random_convolutions import normalised

    events = event_arrays.load(args.clips, args.samples, args.features)
    partition = events.partitions[0]
    fold = events.folds(partition)
    classes, class_index = np.unique(events.labels, return_inverse=True)
    predicted = {"ours": np.zeros(len(fold), int), "aeon": np.zeros(len(fold), int)}
    seconds: dict[str, list[float]] = {"ours": [], "aeon": []}
    with tempfile.TemporaryDirectory() as folder, start_aeon(args.aeon) as peer:
        for number in range(fold.max() + 1):
            training = np.flatnonzero(fold != number)
            held_out = np.flatnonzero(fold == number)
            series = [normalised(events.samples[rows]) for rows in (training, held_out)]
            features = {}
            features["ours"], of_ours = transform(series)
            features["aeon"], of_aeon = ask_aeon(peer, Path(folder) / f"{number}.npz", series)
            seconds["ours"].append(of_ours)
            seconds["aeon"].append(of_aeon)
            for name, (of_training, of_held_out) in features.items():
                fitted = new_head().fit(of_training, class_index[training])
                predicted[name][held_out] = fitted.predict(of_held_out)
            line = f"fold {number + 1}: {of_ours:.1f} s, aeon {of_aeon:.1f} s"
            print(line, file=sys.stderr, flush=True)
    rows = np.flatnonzero(fold >= 0)
    on_rows = {name: columns[rows] for name, columns in predicted.items()}
    print(table(class_index[rows], events.groups[rows], on_rows, len(classes)))
    ratio = statistics.median(seconds["ours"]) / statistics.median(seconds["aeon"])
    print(
        f"Seconds a fold, {events.samples.shape[1]} samples each: {span(seconds['ours'])} "
        f"(aeon {span(seconds['aeon'])}), {ratio:.2f} times as long."
    )


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    where = "in the work folder of a run with --recordings"
    p.add_argument(
        "--clips", type=Path, required=True, help=f"clips.json of split_recordings.py, {where}"
    )
    p.add_argument("--samples", type=Path, required=True, help=f"samples.npy, {where}")
    p.add_argument(
        "--features", type=Path, required=True, help=f"features.npz of extract_features.py, {where}"
    )
    p.add_argument(
        "--aeon", type=Path, required=True, help="Python of an environment that has aeon"
    )
    return p


def transform(series: list[np.ndarray]) -> tuple[list[np.ndarray], float]:
    """Return (our features of training and held-out signals, seconds)."""
    from entoflow.wingbeat import random_convolutions

    start = time.perf_counter()
    fitted = random_convolutions.fit(series[0], np.random.default_rng(1))
    features = [random_convolutions.transform(part, fitted) for part in series]
    return features, time.perf_counter() - start


def start_aeon(python: Path) -> "subprocess.Popen[str]":
    """Start aeon's side in one thread: it reads names of files of signals, and writes features."""
    command = [str(python), "-c", PEER]
    trial = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if trial.returncode:
        sys.exit(f"error: {python} cannot run aeon's MiniRocket.")
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    one_thread = {**os.environ, **{name: "1" for name in threads}}
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=one_thread
    )


def ask_aeon(
    peer: "subprocess.Popen[str]", path: Path, series: list[np.ndarray]
) -> tuple[list[np.ndarray], float]:
    """Return (aeon's features of training and held-out signals, seconds)."""
    assert peer.stdin is not None and peer.stdout is not None
    np.savez(path, training=series[0], held_out=series[1])
    peer.stdin.write(f"{path}\n")
    peer.stdin.flush()
    peer.stdout.readline()
    with np.load(f"{path}.features.npz") as file:
        return [file["training"], file["held_out"]], float(file["seconds"])


def new_head() -> Any:
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    ridge = RidgeClassifierCV(alphas=np.logspace(-3, 3, 10), class_weight="balanced")
    return make_pipeline(StandardScaler(), ridge)


if __name__ == "__main__":
    main(sys.argv[1:])
