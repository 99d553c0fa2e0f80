#!/usr/bin/env python3
"""Make a synthetic set of wingbeat recordings, so that everything can be tried without a sensor.
recordings.csv lists a recording per event, as sensors write them: named after the date and time, in
a folder per sensor. Kinds of insects differ in their fundamental frequency and harmonics, and fly
at their hour; sensors differ in what they hear and how well; nights in temperature. The truth is
known, so figures on these sounds say that the suite works and nothing about real insects.
"""

import argparse
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow import files
from entoflow.task import InputError, run

if TYPE_CHECKING:
    import numpy as np

FIRST_NIGHT = datetime(2021, 5, 21, 12)
NOTE = (
    "Synthetic wingbeats made by entoflow's make_recordings. "
    "No recordings: figures on them say nothing about real insects.\n"
)
COLUMNS = ("recording", "label", "sensor", "temperature", "f0_hz")  # the last one only in truth.csv


def main(argv: list[str]) -> None:
    args = parse_arguments(argv)
    import numpy as np

    from entoflow.demo import transits

    scene = transits.Scene(nights=args.nights)
    clips, truth = transits.draw(args.events, np.random.default_rng(args.seed), scene)
    names = name_recordings(truth)
    for place, name in enumerate(names):
        first = round(float(truth["start_s"][place]) * scene.sample_rate) - args.margin
        last = round(float(truth["stop_s"][place]) * scene.sample_rate) + args.margin
        write_sound(args.folder / name, clips[place][max(0, first) : last], scene.sample_rate)
    rows = sorted(truth_row(name, truth, place) for place, name in enumerate(names))
    files.write_csv(args.folder / "recordings.csv", COLUMNS[:-1], [row[:-1] for row in rows])
    files.write_csv(args.folder / "truth.csv", COLUMNS, rows)
    files.write_text(args.folder / "README.txt", NOTE)
    n_kinds = len(set(truth["kind"].tolist()))
    n_sensors = len(set(truth["sensor"].tolist()))
    print(
        f"Made {len(rows)} events of {n_kinds} kinds at {n_sensors} sensors in {args.nights} "
        "nights, "
        f"in {args.folder}: all synthetic."
    )


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument("--folder", type=Path, required=True, help="folder to write to")
    p.add_argument("--events", type=int, default=480, help="events (default %(default)s)")
    p.add_argument("--nights", type=int, default=8, help="nights (default %(default)s)")
    p.add_argument(
        "--margin",
        type=int,
        default=200,
        help="samples before and after an insect's passage (default %(default)s)",
    )
    p.add_argument("--seed", type=int, default=1, help="seed (default %(default)s)")
    return p


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """Return the checked arguments. Raises InputError for a number out of its range."""
    args = parser().parse_args(argv)
    for name, least in (("events", 1), ("nights", 1), ("margin", 0)):
        if getattr(args, name) < least:
            raise InputError(f"--{name} is {getattr(args, name)}; wanted at least {least}.")
    return args


def name_recordings(truth: dict[str, "np.ndarray"]) -> list[str]:
    """Return the path of each recording below the folder.

    Sensor/yy-mm-dd_hh.mm.ss.hundredths.wav, none twice.
    """
    names: dict[str, None] = {}
    for sensor, night, hour in zip(truth["sensor"], truth["night"], truth["hour"]):
        time = time_of_event(int(night), float(hour))
        name = recording_name(str(sensor), time)
        while name in names:
            time += timedelta(seconds=0.01)
            name = recording_name(str(sensor), time)
        names[name] = None
    return list(names)


def time_of_event(night: int, hour: float) -> datetime:
    """Return when an event is: nights last from noon to noon, so an hour before noon is of the next
    day.
    """
    return FIRST_NIGHT + timedelta(days=night, hours=(hour - 12) % 24)


def recording_name(sensor: str, time: datetime) -> str:
    return f"{sensor}/{time:%y-%m-%d_%H.%M.%S}.{time.microsecond // 10000:02}.wav"


def write_sound(path: Path, samples: "np.ndarray", sample_rate: int) -> None:
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, sample_rate, "PCM_16")


def truth_row(name: str, truth: dict[str, "np.ndarray"], place: int) -> tuple[str, ...]:
    """Return the row of an event, as COLUMNS."""
    temperature = f"{truth['temperature_degc'][place]:.1f}"
    f0_hz = f"{truth['f0_hz'][place]:.2f}"
    return name, str(truth["kind"][place]), str(truth["sensor"][place]), temperature, f0_hz


if __name__ == "__main__":
    run(main)
