#!/usr/bin/env python3
"""Name the events of recordings by a model of the wingbeat chain.

The tables say of each event what it is, how likely that is, its fundamental frequency, and whether
it is of a known class. Memory is constant: some hundred events are in it at a time.
"""

import argparse
import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entoflow import files, model_folder
from entoflow.model_folder import ModelFacts
from entoflow.task import InputError, run

if TYPE_CHECKING:
    from entoflow.wingbeat.chosen_events import EventChoice
    from entoflow.wingbeat.clip_set import Clip
    from entoflow.wingbeat.event_arrays import Events, SignalFiles

AT_ONCE = 512  # events
MOST_PICTURES = 24


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    from entoflow.wingbeat import chosen_events, event_pictures

    facts = read_model(args.model)
    most_pictures = args.most_pictures if args.pictures else 0
    choice = chosen_events.EventChoice(most_pictures, chosen_events.PREDICTED)
    rows = named_events(args, facts, choice)
    n = write(args.predictions_csv, args.predictions_json, rows)
    if args.pictures:
        event_pictures.draw(args.pictures, choice.events())
    print(f"{n} events named by the family {facts.input['family']}.")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument(
        "--datasets",
        type=Path,
        nargs="+",
        required=True,
        help="data sets that import_recordings.py wrote",
    )
    p.add_argument(
        "--signals", type=Path, nargs="+", required=True, help="npy files with their samples"
    )
    p.add_argument(
        "--model", type=Path, required=True, help="model folder, best/ of a run with --recordings"
    )
    p.add_argument(
        "--predictions_csv",
        type=Path,
        required=True,
        help="CSV to write: recording,start,end,label,score,f0_hz,verdict",
    )
    p.add_argument("--predictions_json", type=Path, required=True, help="the same as JSON")
    p.add_argument(
        "--pictures", type=Path, help="folder for pictures of some events (default: none are drawn)"
    )
    p.add_argument(
        "--most_pictures",
        type=int,
        default=MOST_PICTURES,
        help="maximum number of events to draw (default %(default)s)",
    )
    return p


def read_model(folder: Path) -> ModelFacts:
    """Return model.json. Raises InputError for a model of another kind, or an uncalibrated one."""
    facts = model_folder.read(folder)
    if facts.kind != "wingbeat" or "calibration" not in facts.more:
        raise InputError(
            f"{folder}: is a model of kind '{facts.kind}'; wanted best/ of a run with --recordings."
        )
    return facts


def named_events(
    args: argparse.Namespace, facts: ModelFacts, choice: "EventChoice"
) -> Iterator[tuple[Any, ...]]:
    """Yield the row of each event, sources by name; offer the events to the choice of pictures."""
    import numpy as np

    from entoflow.wingbeat import clip_set, event_arrays, event_names, families, held_out

    model = families.by_name(facts.input["family"]).load(args.model, facts)
    calibration = facts.more["calibration"]
    threshold = calibration["known_above"]
    signals = event_arrays.SignalFiles(args.signals)
    for path in sorted(args.datasets, key=lambda path: path.name):
        dataset = clip_set.read(path)
        check_sample_rate(dataset.sample_rate, facts, dataset.source or path.name)
        for first in range(0, len(dataset.clips), AT_ONCE):
            clips = dataset.clips[first : first + AT_ONCE]
            events = read_events(clips, signals, facts)
            rows = np.arange(len(clips))
            probabilities = held_out.at_temperature(
                model.predict_proba(events, rows), calibration["temperature"]
            )
            choice.offer(events, rows, probabilities, model.classes, threshold)
            yield from event_names.rows(events, rows, probabilities, model.classes, threshold)


def check_sample_rate(sample_rate: int, facts: ModelFacts, source: str) -> None:
    """Raise InputError for recordings of another sample rate than the model's."""
    wanted = facts.input["sample_rate"]
    if sample_rate != wanted:
        raise InputError(
            f"--predict: {source} has {sample_rate} Hz, and the model was trained on {wanted} Hz; "
            f"wanted the same, or --sample_rate {wanted} to bring recordings to it."
        )


def read_events(clips: "Sequence[Clip]", signals: "SignalFiles", facts: ModelFacts) -> "Events":
    """Return clips as the model takes them. Raises InputError for a model of other features."""
    import numpy as np

    from entoflow.wingbeat import event_arrays, wingbeat_features

    feature_names = list(wingbeat_features.FEATURES)
    if facts.input.get("features", feature_names) != feature_names:
        raise InputError(
            "--model: was trained on other features than this version extracts; "
            "wanted a model of this version."
        )
    sample_rate = facts.input["sample_rate"]
    samples = np.zeros((len(clips), facts.input["samples"]), np.float32)
    lengths = event_arrays.fill(samples, clips, signals)
    unknown = np.full(len(clips), "")
    return event_arrays.Events(
        samples=samples,
        lengths=lengths,
        sample_rate=sample_rate,
        table=wingbeat_features.table(samples, sample_rate, lengths),
        feature_names=feature_names,
        labels=unknown,
        groups=unknown,
        clips=clips,
        partitions=[],
    )


def write(csv_path: Path, json_path: Path, rows: Iterable[tuple[Any, ...]]) -> int:
    """Write both files row by row, as memory is to stay constant; return the number of rows."""
    from entoflow.wingbeat import event_names

    n = 0
    with files.whole(csv_path) as csv_file, files.whole(json_path) as json_file:
        writer = csv.writer(csv_file, lineterminator="\n")
        writer.writerow(event_names.COLUMNS)
        json_file.write("[")
        for row in rows:
            writer.writerow(row)
            entry = dict(zip(event_names.COLUMNS, row))
            json_file.write(",\n" if n else "\n")
            json_file.write(json.dumps(entry, ensure_ascii=False))
            n += 1
        json_file.write("\n]\n" if n else "]\n")
    return n


if __name__ == "__main__":
    run(main)
