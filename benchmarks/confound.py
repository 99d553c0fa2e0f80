#!/usr/bin/env python3
"""What does the wingbeat chain say where there is nothing to learn? Two SYNTHETIC sets with a known answer go through the real command.

Rigged: one kind of insect at 24 sensors, each with a response and a noise of its own; twelve of them, drawn by lot, are labelled one thing and twelve
another. Who knows the sensor knows the label, and no new sensor tells anything: with single events held out the scores are high, with whole sensors (the
groups) they are chance. Shuffled: six kinds of insects, dealt out anew among the events: chance either way.
"""
import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np

from measuring import ROOT, run

sys.path.insert(0, str(ROOT / "bin"))
SENSORS = 24


def main(argv):
    args = parser().parse_args(argv)
    from entoflow import sound_noise
    from entoflow.demo import transits

    rng = np.random.default_rng(args.seed)
    sensors = tuple(transits.Sensor(f"sensor_{at:02}", tilt, 0, sound_noise.NOISES[at % len(sound_noise.NOISES)], rng.uniform(0, 15))
                    for at, tilt in enumerate(rng.permutation(np.linspace(-12, 12, SENSORS))))
    sets = {"rigged": drawn(args.folder / "one_kind", args.events, rng, transits.Scene(kinds=transits.KINDS[2:3], sensors=sensors)),
            "shuffled": drawn(args.folder / "six_kinds", args.events, rng, transits.Scene(sensors=sensors))}
    of_sensor = dict(zip((sensor.name for sensor in sensors), rng.permutation(np.repeat(["one", "other"], SENSORS // 2))))
    labels = {"rigged": [of_sensor[sensor] for sensor in sets["rigged"][1]["sensor"]], "shuffled": rng.permutation(sets["shuffled"][1]["kind"])}
    print("| set | chance | family | macro-F1, whole sensors held out | single events held out | gap |\n|---|---|---|---|---|---|")
    for name, (recordings, truth) in sets.items():
        table, column = args.folder / f"{name}.csv", labels[name]
        with table.open("w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(("recording", "label", "group"))
            writer.writerows(zip(recordings, column, truth["sensor"]))
        outdir = args.folder / name
        run([ROOT / "nextflow", "run", ROOT, "--recordings", table, "--families", args.families, "--folds", 4, "--outdir", outdir], args.folder)
        comparison = json.loads((outdir / "wingbeat/comparison.json").read_text())
        for row in comparison["families"].values():
            if not row["baseline"]:
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


def drawn(folder, n, rng, scene):
    """Write n transits; return (their paths, truth of transits.draw)."""
    import soundfile

    from entoflow.demo import transits

    clips, truth = transits.draw(n, rng, scene)
    folder.mkdir(parents=True)
    paths = [folder / f"{at:04}.wav" for at in range(n)]
    for path, clip in zip(paths, clips):
        soundfile.write(path, clip, scene.sample_rate, "PCM_16")
    return [path.relative_to(folder.parent) for path in paths], truth


if __name__ == "__main__":
    main(sys.argv[1:])
