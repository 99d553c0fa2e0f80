#!/usr/bin/env python3
"""Describe each event by a table of features, and bring the events to one length for what learns from the samples themselves.

An event is as long as it is, up to --clip_seconds: of a longer one that much is taken around the middle of its energy.
"""
import argparse
import csv
from pathlib import Path

from entoflow.task import InputError, run

AT_ONCE = 512  # events
LISTED = ("recording", "start", "end", "label", "group")


def main(argv):
    args = checked(parser().parse_args(argv))
    import numpy as np

    from entoflow.wingbeat import clips, wingbeat_features

    content = clips.read(args.clips)
    events, rate = content["clips"], content["info"]["sample_rate"]
    samples = max(2, min(max(event["samples"] for event in events), round(args.clip_seconds * rate)))
    held = np.lib.format.open_memmap(args.samples, "w+", np.float32, (len(events), samples))
    signals, names = clips.Signals(args.signals), list(wingbeat_features.FEATURES)
    table, lengths = np.empty((len(events), len(names)), np.float32), np.empty(len(events), int)
    for first in range(0, len(events), AT_ONCE):
        block = slice(first, first + AT_ONCE)
        lengths[block] = clips.arrays(events[block], signals, samples, held[block])
        table[block] = wingbeat_features.table(held[block], rate, lengths[block])
    held.flush()
    np.savez(args.features, table=table, names=np.array(names), lengths=lengths)
    write_table(args.table, events, names, table)
    cut = sum(event["samples"] > samples for event in events)
    told = f"; {cut} are longer and were cut" if cut else ""
    print(f"{len(names)} features of {len(events)} events at {rate} Hz, in clips of {samples / rate:g} s{told}.")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--clips", type=Path, required=True, help="data set of events")
    p.add_argument("--signals", type=Path, nargs="+", required=True, help="npy files with their samples")
    p.add_argument("--clip_seconds", type=float, default=2.0, help="longest part of an event that is looked at, seconds (default %(default)s)")
    p.add_argument("--samples", type=Path, required=True, help="npy file to write: the events as clips of one length, n x samples")
    p.add_argument("--features", type=Path, required=True, help="npz file to write: the table of features, and how long each event is")
    p.add_argument("--table", type=Path, required=True, help="CSV to write: the table of features, for people")
    return p


def checked(args):
    """Return the arguments. Raises InputError for clips of no length."""
    if not 0 < args.clip_seconds <= 60:
        raise InputError(f"--clip_seconds is {args.clip_seconds:g}; wanted seconds, more than 0 and 60 at most.")
    return args


def write_table(path, events, names, table):
    """Write a row per event."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow((*LISTED, *names, "flags"))
        writer.writerows((*(event[key] for key in LISTED), *(f"{value:.6g}" for value in row), " ".join(event["flags"])) for event, row in zip(events, table))


if __name__ == "__main__":
    run(main)
