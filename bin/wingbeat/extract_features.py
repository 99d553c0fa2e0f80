#!/usr/bin/env python3
"""Describe each event by a table of features, and bring the events to one length for models of the
samples themselves.

An event is as long as it is, up to --clip_seconds: of a longer one that much is taken around the
middle of its energy.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow import files
from entoflow.task import InputError, run
from entoflow.wingbeat import clip_set
from entoflow.wingbeat.clip_set import Clip

if TYPE_CHECKING:
    import numpy as np

EVENTS_AT_ONCE = 512
CLIP_COLUMNS = ("recording", "start", "end", "label", "group")


def main(argv: list[str]) -> None:
    args = parse_arguments(argv)
    import numpy as np

    from entoflow.wingbeat import event_arrays, wingbeat_features

    content = clip_set.read(args.clips)
    clips = content.clips
    sample_rate = content.sample_rate
    names = list(wingbeat_features.FEATURES)
    n_samples = max(
        2, min(max(clip.samples for clip in clips), round(args.clip_seconds * sample_rate))
    )
    samples = np.lib.format.open_memmap(args.samples, "w+", np.float32, (len(clips), n_samples))
    table = np.empty((len(clips), len(names)), np.float32)
    lengths = np.empty(len(clips), int)
    signals = event_arrays.SignalFiles(args.signals)
    for first in range(0, len(clips), EVENTS_AT_ONCE):
        block = slice(first, first + EVENTS_AT_ONCE)
        lengths[block] = event_arrays.fill(samples[block], clips[block], signals)
        table[block] = wingbeat_features.table(samples[block], sample_rate, lengths[block])
    samples.flush()
    np.savez(args.features, table=table, names=np.array(names), lengths=lengths)
    files.write_csv(args.table, [*CLIP_COLUMNS, *names, "flags"], table_rows(clips, table))
    print(summary(clips, len(names), n_samples, sample_rate))


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument("--clips", type=Path, required=True, help="data set of events")
    p.add_argument(
        "--signals", type=Path, nargs="+", required=True, help="npy files with their samples"
    )
    p.add_argument(
        "--clip_seconds",
        type=float,
        default=2.0,
        help="longest part of an event that is looked at, seconds (default %(default)s)",
    )
    p.add_argument(
        "--samples",
        type=Path,
        required=True,
        help="npy file to write: the events as clips of one length, n x samples",
    )
    p.add_argument(
        "--features",
        type=Path,
        required=True,
        help="npz file to write: the table of features, and how long each event is",
    )
    p.add_argument(
        "--table", type=Path, required=True, help="CSV to write: the table of features, for people"
    )
    return p


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """Return the checked arguments. Raises InputError for clips of no length."""
    args = parser().parse_args(argv)
    if not 0 < args.clip_seconds <= 60:
        raise InputError(
            f"--clip_seconds is {args.clip_seconds:g}; wanted seconds, more than 0 and 60 at most."
        )
    return args


def table_rows(clips: Sequence[Clip], table: "np.ndarray") -> Iterator[list[object]]:
    """Yield a row of each event for people: which it is, its features, its flags."""
    for clip, values in zip(clips, table):
        identity = [getattr(clip, name) for name in CLIP_COLUMNS]
        features = [f"{value:.6g}" for value in values]
        yield [*identity, *features, " ".join(clip.flags)]


def summary(clips: Sequence[Clip], n_features: int, n_samples: int, sample_rate: int) -> str:
    """Return the last line printed."""
    seconds = n_samples / sample_rate
    text = f"{n_features} features of {len(clips)} events at {sample_rate} Hz, "
    text += f"in clips of {seconds:g} s"
    n_cut = sum(clip.samples > n_samples for clip in clips)
    if n_cut:
        text += f"; {n_cut} are longer and were cut"
    return f"{text}."


if __name__ == "__main__":
    run(main)
