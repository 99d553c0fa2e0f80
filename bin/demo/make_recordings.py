#!/usr/bin/env python3
"""Make a synthetic set of wingbeat recordings, so that everything can be tried without a sensor.

recordings.csv with a recording an event, as sensors write them: named after the date and time, in a folder a sensor. Kinds of insects differ in their
fundamental frequency and harmonics, and fly at their hour; sensors differ in what they hear and how well; nights in temperature. Every name is known, so
figures on these sounds say that the suite works and nothing about real insects.
"""
import argparse
import csv
from datetime import datetime, timedelta
from pathlib import Path

from entoflow.task import InputError, run

FIRST_NIGHT = datetime(2021, 5, 21, 12)
NOTE = "Synthetic wingbeats made by entoflow's make_recordings. No recordings: figures on them say nothing about real insects.\n"


def main(argv):
    args = checked(parser().parse_args(argv))
    import numpy as np
    import soundfile

    from entoflow.demo import transits

    rng = np.random.default_rng(args.seed)
    clips, truth = transits.draw(args.events, rng, transits.Scene(nights=args.nights))
    rows, used = [], set()
    for at, clip in enumerate(clips):
        name = f"{truth['sensor'][at]}/{free(moment(truth['night'][at], truth['hour'][at]), truth['sensor'][at], used)}.wav"
        path = args.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        first, last = (round(float(truth[key][at]) * transits.Scene().sample_rate) for key in ("start_s", "stop_s"))
        soundfile.write(path, clip[max(0, first - args.margin):last + args.margin], transits.Scene().sample_rate, "PCM_16")
        rows.append((name, truth["kind"][at], truth["sensor"][at], f"{truth['temperature_degc'][at]:.1f}", f"{truth['f0_hz'][at]:.2f}"))
    (args.folder / "README.txt").write_text(NOTE)
    for file, width in (("recordings.csv", 4), ("truth.csv", 5)):
        with (args.folder / file).open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(("recording", "label", "sensor", "temperature", "f0_hz")[:width])
            writer.writerows(row[:width] for row in sorted(rows))
    kinds, sensors = (len(set(truth[key].tolist())) for key in ("kind", "sensor"))
    print(f"Made {len(rows)} events of {kinds} kinds at {sensors} sensors in {args.nights} nights, in {args.folder}: all synthetic.")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--folder", type=Path, required=True, help="folder to write to")
    p.add_argument("--events", type=int, default=480, help="events (default %(default)s)")
    p.add_argument("--nights", type=int, default=8, help="nights (default %(default)s)")
    p.add_argument("--margin", type=int, default=200, help="samples before and after an insect's passage (default %(default)s)")
    p.add_argument("--seed", type=int, default=1, help="seed (default %(default)s)")
    return p


def checked(args):
    """Return the arguments. Raises InputError for a number out of its range."""
    for name, least in (("events", 1), ("nights", 1), ("margin", 0)):
        if getattr(args, name) < least:
            raise InputError(f"--{name} is {getattr(args, name)}; wanted at least {least}.")
    return args


def moment(night, hour):
    """Return when an event is: nights last from noon to noon, so an hour before noon is of the next day."""
    return FIRST_NIGHT + timedelta(days=int(night), hours=float((hour - 12) % 24))


def free(time, sensor, used):
    """Return the name of a time that the sensor has not used: yy-mm-dd_hh.mm.ss.hundredths."""
    while (sensor, name := f"{time:%y-%m-%d_%H.%M.%S}.{time.microsecond // 10000:02}") in used:
        time += timedelta(seconds=0.01)
    used.add((sensor, name))
    return name


if __name__ == "__main__":
    run(main)
