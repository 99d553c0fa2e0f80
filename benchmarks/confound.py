#!/usr/bin/env python3
"""What does the wingbeat chain say where there is nothing to learn?

Two SYNTHETIC sets with a known answer go through the real command. Rigged: one kind of insect at 24
sensors, each with a response and a noise of its own; twelve of them, drawn by lot, are labelled one
thing and twelve another. The sensor determines the label, and no new sensor says anything: with
single events held out the scores are high, with whole sensors (the groups) they are chance.
Shuffled: six kinds of insects, their labels dealt out anew among the events: chance either way.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from measuring import ROOT, run

sys.path.insert(0, str(ROOT / "bin"))
if TYPE_CHECKING:
    from entoflow.demo.transits import Scene, Sensor

N_SENSORS = 24
METRICS = ("macro_f1", "random_macro_f1", "optimism_gap")
HEADER = (
    "| set | chance | family | macro-F1, whole sensors held out | single events held out | gap |\n"
    "|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class RecordedSet:
    """Recordings that were written, and what is known of them."""

    paths: list[Path]  # n, from the folder of the tables
    kinds: np.ndarray  # n
    sensors: np.ndarray  # n, names


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    from entoflow.demo import transits

    rng = np.random.default_rng(args.seed)
    sensors = draw_sensors(rng)
    one_kind = transits.Scene(kinds=transits.KINDS[2:3], sensors=sensors)
    rigged = record(args.folder / "one_kind", args.events, rng, one_kind)
    shuffled = record(args.folder / "six_kinds", args.events, rng, transits.Scene(sensors=sensors))
    lots = rng.permutation(np.repeat(["one", "other"], N_SENSORS // 2))
    label_of_sensor = {sensor.name: lot for sensor, lot in zip(sensors, lots)}
    rigged_labels = np.array([label_of_sensor[name] for name in rigged.sensors])
    shuffled_labels = rng.permutation(shuffled.kinds)
    print(HEADER)
    compare(args, "rigged", rigged, rigged_labels)
    compare(args, "shuffled", shuffled, shuffled_labels)


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument("--folder", type=Path, required=True, help="folder for recordings and results")
    p.add_argument("--events", type=int, default=600, help="(default %(default)s)")
    p.add_argument(
        "--families", default="features,random_convolutions", help="(default %(default)s)"
    )
    p.add_argument("--seed", type=int, default=1, help="(default %(default)s)")
    return p


def draw_sensors(rng: np.random.Generator) -> "tuple[Sensor, ...]":
    """Return sensors that differ in their response and their noise."""
    from entoflow.demo.transits import Sensor
    from entoflow.sound_noise import NOISES

    sensors = []
    for number, tilt_db in enumerate(rng.permutation(np.linspace(-12, 12, N_SENSORS))):
        noise = NOISES[number % len(NOISES)]
        sensors.append(Sensor(f"sensor_{number:02}", tilt_db, 0, noise, rng.uniform(0, 15)))
    return tuple(sensors)


def record(folder: Path, n: int, rng: np.random.Generator, scene: "Scene") -> RecordedSet:
    """Write n transits, each as a recording."""
    import soundfile

    from entoflow.demo import transits

    clips, truth = transits.draw(n, rng, scene)
    folder.mkdir(parents=True)
    paths = []
    for number, clip in enumerate(clips):
        path = folder / f"{number:04}.wav"
        soundfile.write(path, clip, scene.sample_rate, "PCM_16")
        paths.append(path.relative_to(folder.parent))
    return RecordedSet(paths, truth["kind"], truth["sensor"])


def compare(args: argparse.Namespace, name: str, recorded: RecordedSet, labels: np.ndarray) -> None:
    """Run the chain on one set, and print a row for each family."""
    from entoflow import files

    table = args.folder / f"{name}.csv"
    rows = zip(recorded.paths, labels, recorded.sensors)
    files.write_csv(table, ["recording", "label", "group"], rows)
    outdir = args.folder / name
    options = ["--recordings", table, "--families", args.families, "--folds", 4, "--outdir", outdir]
    run([ROOT / "nextflow", "run", ROOT, *options], args.folder)
    comparison = json.loads((outdir / "wingbeat/comparison.json").read_text())
    chance = 1 / len(set(labels.tolist()))
    for row in comparison["families"].values():
        if not row["baseline"]:
            values = " | ".join(f"{row[metric]['value']:.2f}" for metric in METRICS)
            print(f"| {name} | {chance:.2f} | {row['name']} | {values} |", flush=True)
    print(f"{name}: {comparison['verdict']}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
