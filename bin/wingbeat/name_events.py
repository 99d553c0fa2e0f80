#!/usr/bin/env python3
"""Name the events of recordings by a model of the wingbeat chain: what each is, how likely, its fundamental frequency, and whether it is of a known class.

Memory is constant: some hundred events are in it at a time.
"""
import argparse
import json
from pathlib import Path

from entoflow import model_folder
from entoflow.task import InputError, run
from entoflow.wingbeat import chosen_events, event_names

AT_ONCE = 512  # events


def main(argv):
    args = parser().parse_args(argv)
    facts = read_model(args.model)
    chosen = chosen_events.Chosen(args.most_pictures if args.pictures else 0, chosen_events.PREDICTED)
    n = write(args, rows(args, facts, chosen))
    if args.pictures:
        draw(args.pictures, chosen.events())
    print(f"{n} events named by the family {facts['input']['family']}.")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--datasets", type=Path, nargs="+", required=True, help="data sets that import_recordings.py wrote")
    p.add_argument("--signals", type=Path, nargs="+", required=True, help="npy files with their samples")
    p.add_argument("--model", type=Path, required=True, help="model folder, best/ of a run with --recordings")
    p.add_argument("--predictions_csv", type=Path, required=True, help=f"CSV to write: {','.join(event_names.COLUMNS)}")
    p.add_argument("--predictions_json", type=Path, required=True, help="the same as JSON")
    p.add_argument("--pictures", type=Path, help="folder for pictures of some events (default: none are drawn)")
    p.add_argument("--most_pictures", type=int, default=chosen_events.MOST, help="events to draw at most (default %(default)s)")
    return p


def read_model(folder):
    """Return what model.json says. Raises InputError for a model of another kind, or one that was not calibrated."""
    facts = model_folder.read(folder)
    if facts.get("kind") != "wingbeat" or "calibration" not in facts:
        raise InputError(f"{folder}: is a model of kind '{facts.get('kind')}'; wanted best/ of a run with --recordings.")
    return facts


def rows(args, facts, chosen):
    """Yield the rows to write, event by event, sources by name; offer the events to chosen_events.Chosen."""
    from entoflow.wingbeat import clips, families, held_out

    family = families.of(facts["input"]["family"])
    fitted, signals = family.load(args.model, facts), clips.Signals(args.signals)
    for path in sorted(args.datasets, key=lambda path: path.name):
        content = clips.read(path)
        rate, wanted = content["info"]["sample_rate"], facts["input"]["sample_rate"]
        if rate != wanted:
            raise InputError(f"--predict: {content['info'].get('source', path.name)} has {rate} Hz, and the model learned from {wanted} Hz; wanted the same, "
                             f"or --sample_rate {wanted} to bring recordings to it.")
        for first in range(0, len(content["clips"]), AT_ONCE):
            listed = [{"signals": content["info"]["signals"], **clip} for clip in content["clips"][first:first + AT_ONCE]]
            events = described(listed, signals, facts)
            found, classes = family.probabilities(fitted, events, list(range(len(listed))))
            found = held_out.tempered(found, facts["calibration"]["temperature"])
            named = events, range(len(listed)), found, classes, facts["calibration"]["known_above"]
            chosen.offer(*named)
            yield from event_names.rows(*named)


def draw(folder, chosen):
    from entoflow.wingbeat import event_pictures

    event_pictures.draw(folder, chosen)


def described(listed, signals, facts):
    """Return Events as the model takes them."""
    import numpy as np

    from entoflow.wingbeat import clips, wingbeat_features

    samples, names = facts["input"]["samples"], list(wingbeat_features.FEATURES)
    if facts["input"].get("features", names) != names:
        raise InputError("--model: learned from other features than this version extracts; wanted a model of this version.")
    held = np.zeros((len(listed), samples), np.float32)
    lengths = clips.arrays(listed, signals, samples, held)
    table = wingbeat_features.table(held, facts["input"]["sample_rate"], lengths)
    blank = np.array([""] * len(listed))
    return clips.Events(held, lengths, facts["input"]["sample_rate"], table, names, blank, blank, listed, {})


def write(args, found):
    """Write both files row by row; return how many rows."""
    n = 0
    with args.predictions_json.open("w", encoding="utf-8") as results:
        def told():
            nonlocal n
            for n, row in enumerate(found, 1):
                results.write((",\n" if n > 1 else "[\n") + json.dumps(dict(zip(event_names.COLUMNS, row)), ensure_ascii=False))
                yield row
        event_names.write_csv(args.predictions_csv, told())
        results.write("\n]\n" if n else "[]\n")
    return n


if __name__ == "__main__":
    run(main)
