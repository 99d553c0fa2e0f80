#!/usr/bin/env python3
"""Are our random convolutions as good and as fast as aeon's MiniRocket (BSD-3)? On the folds of a run, with one head for both: RidgeClassifierCV.

aeon asks for older packages than ours, so it lives in an environment of its own (`uv venv aeon && uv pip install --python aeon aeon`), whose Python is named.
Both see the same signals at a mean square of 1, learn from the same events fold by fold, and take turns, in one thread; the clock counts fitting and
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

import numpy as np

from measuring import ROOT, span
from mfcc_svm import table

sys.path.insert(0, str(ROOT / "bin"))
PEER = """import sys, time, numpy as np
from aeon.transformations.collection.convolution_based import MiniRocket
for line in sys.stdin:
    data = np.load(line.strip())
    learn, held = (data[name][:, None] for name in ("learn", "held"))
    MiniRocket(random_state=1, n_jobs=1).fit(learn[:9]).transform(held[:2])
    start = time.perf_counter()
    made = MiniRocket(random_state=1, n_jobs=1).fit(learn)
    found = [np.asarray(made.transform(part), np.float32) for part in (learn, held)]
    np.savez(line.strip() + ".made.npz", learn=found[0], held=found[1], seconds=time.perf_counter() - start)
    print("done", flush=True)
"""


def main(argv):
    args = parser().parse_args(argv)
    from entoflow.wingbeat import clips, random_convolutions
    from entoflow.wingbeat.family_random_convolutions import levelled

    events = clips.load(args.clips, args.samples, args.features)
    fold = np.array([clip["folds"][next(iter(events.partitions))] for clip in events.clips])
    classes, truth = np.unique(events.labels, return_inverse=True)
    judged, named, seconds = np.flatnonzero(fold >= 0), {"ours": np.zeros(len(fold), int), "aeon": np.zeros(len(fold), int)}, {"ours": [], "aeon": []}
    with tempfile.TemporaryDirectory() as folder, aeon(args.aeon) as peer:
        for number in range(fold.max() + 1):
            learn, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            series = [levelled(events.samples[rows]) for rows in (learn, held)]
            start = time.perf_counter()
            fitted = random_convolutions.fit(series[0], np.random.default_rng(1))
            made = {"ours": [random_convolutions.transform(part, fitted) for part in series]}
            seconds["ours"].append(time.perf_counter() - start)
            made["aeon"], took = asked(peer, Path(folder) / f"{number}.npz", series)
            seconds["aeon"].append(took)
            for name, (features, others) in made.items():
                named[name][held] = head().fit(features, truth[learn]).predict(others)
            print(f"fold {number + 1}: {seconds['ours'][-1]:.1f} s, aeon {took:.1f} s", file=sys.stderr, flush=True)
    print(table(truth[judged], events.groups[judged], {name: columns[judged] for name, columns in named.items()}, len(classes)))
    print(f"Seconds a fold, {events.samples.shape[1]} samples each: {span(seconds['ours'])} (aeon {span(seconds['aeon'])}), "
          f"{statistics.median(seconds['ours']) / statistics.median(seconds['aeon']):.2f} times as long.")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, what in (("clips", "clips.json of split_recordings.py"), ("samples", "samples.npy"), ("features", "features.npz of extract_features.py")):
        p.add_argument(f"--{name}", type=Path, required=True, help=f"{what}, in the work folder of a run with --recordings")
    p.add_argument("--aeon", type=Path, required=True, help="Python of an environment that has aeon")
    return p


def aeon(python):
    """Start aeon's side in one thread: it reads names of files with signals, and writes what it makes of them beside."""
    if subprocess.run([str(python), "-c", PEER], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        sys.exit(f"error: {python} cannot run aeon's MiniRocket.")
    one = {**os.environ, **{name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")}}
    return subprocess.Popen([str(python), "-c", PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=one)


def asked(peer, path, series):
    """Return (features of both parts, seconds) of aeon's."""
    np.savez(path, learn=series[0], held=series[1])
    peer.stdin.write(f"{path}\n")
    peer.stdin.flush()
    peer.stdout.readline()
    with np.load(f"{path}.made.npz") as file:
        return [file["learn"], file["held"]], float(file["seconds"])


def head():
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=np.logspace(-3, 3, 10), class_weight="balanced"))


if __name__ == "__main__":
    main(sys.argv[1:])
