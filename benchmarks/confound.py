#!/usr/bin/env python3
"""What does the wingbeat chain say where there is nothing to learn? Two SYNTHETIC sets with a known answer go through the real command.

Rigged: insects of the same kinds at twelve sensors, each with a response and a noise of its own; six of them are labelled one thing and six another. Who
knows the sensor knows the label, and no new sensor tells anything: with single events held out the scores are high, with whole sensors (the groups) they
are chance. Shuffled: the kinds of insects, dealt out anew among the events: chance either way.
"""
import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np
from measuring import ROOT, run

sys.path.insert(0, str(ROOT / "bin"))
SENSORS = 12


def main(argv):
    args = parser().parse_args(argv)
    rng = np.random.default_rng(args.seed)
    recordings, truth = drawn(args.folder / "recordings", args.events, rng)
    labels = {"rigged": np.where(np.unique(truth["sensor"], return_inverse=True)[1] % 2, "one", "other"), "shuffled": rng.permutation(truth["kind"])}
    print("| set | chance | family | macro-F1, whole sensors held out | single events held out | gap |\n|---|---|---|---|---|---|")
    for name, column in labels.items():
        table = args.folder / f"{name}.csv"
        with table.open("w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(("recording", "label", "group"))
            writer.writerows(zip(recordings, column, truth["sensor"]))
        outdir = args.folder / name
        run([ROOT / "nextflow", "run", ROOT, "--recordings", table, "--families", args.families, "--folds", 4, "--outdir", outdir], args.folder)
        comparison = json.loads((outdir / "wingbeat/comparison.json").read_text())
        for row in comparison["families"].values():
            if not row["floor"]:
                figures = " | ".join(f"{row[key]['value']:.2f}" for key in ("macro_f1", "random_macro_f1", "optimism_gap"))
                print(f"| {name} | {1 / len(set(column)):.2f} | {row['name']} | {figures} |", flush=True)
        print(f"{name}: {comparison['verdict']}", file=sys.stderr, flush=True)


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--folder", type=Path, required=True, help="folder for recordings and results")
    p.add_argument("--events", type=int, default=600, help="(default %(default)s)")
    p.add_argument("--families", default="features,random_convolutions", help="(default %(default)s)")
    p.add_argument("--seed", type=int, default=1, help="(default %(default)s)")
    return p


def drawn(folder, n, rng):
    """Write n transits at SENSORS sensors; return (their paths, truth of transits.draw)."""
    import soundfile
    from entoflow import transits

    sensors = tuple(transits.Sensor(f"sensor_{at:02}", rng.uniform(-6, 6), 0, transits.NOISES[at // 2 % len(transits.NOISES)], rng.uniform(5, 20))
                    for at in range(SENSORS))
    clips, truth = transits.draw(n, rng, transits.Scene(sensors=sensors))
    folder.mkdir(parents=True)
    paths = [folder / f"{at:04}.wav" for at in range(n)]
    for path, clip in zip(paths, clips):
        soundfile.write(path, clip, transits.SCENE.sample_rate, "PCM_16")
    return [path.relative_to(folder.parent) for path in paths], truth


if __name__ == "__main__":
    main(sys.argv[1:])
