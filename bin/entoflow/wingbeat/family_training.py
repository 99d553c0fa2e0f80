"""Training one family of sound models, either on all folds but one, to name the events of that one, or on all events, to ship.

A family is a module with NAME, FILE (what it writes beside model.json), fit, probabilities, save and load, and shuffled_names where it goes by a table; see
family_features.py.
"""
import argparse
import time
from pathlib import Path

from entoflow import model_folder
from entoflow.task import InputError

LICENCE = "Apache-2.0 (code); the weights are their trainer's own"


def parser(doc):
    """Return the parser of a family's script, whose own settings are added to it."""
    p = argparse.ArgumentParser(description=doc.splitlines()[0])
    p.add_argument("--clips", type=Path, required=True, help="data set of events that split_recordings.py wrote")
    p.add_argument("--samples", type=Path, required=True, help="npy file with their samples, of extract_features.py")
    p.add_argument("--features", type=Path, required=True, help="npz file with their features, of extract_features.py")
    p.add_argument("--partition", help="division of the events, such as grouped_1, of which one fold is named (default: none, all is learned from)")
    p.add_argument("--fold", type=int, help="the fold to name, from 1")
    p.add_argument("--seed", type=int, default=1, help="seed (default %(default)s; that of the partition where there is one)")
    p.add_argument("--predictions", type=Path, help="npz file to write: the probabilities of the fold's events")
    p.add_argument("--model", type=Path, help="model folder to write, learned from all")
    return p


def run(args, family, settings):
    """Train the family and write what is asked for. settings: of the family's own."""
    import numpy as np

    from entoflow.wingbeat import clips

    events = clips.load(args.clips, args.samples, args.features)
    learned, judged = rows_of(events, args)
    seed = events.partitions[args.partition]["seed"] if args.partition else args.seed
    begun = time.monotonic()
    fitted, facts = family.fit(events, learned, {**settings, "seed": seed})
    seconds = time.monotonic() - begun
    if args.model:
        write(args, family, fitted, events, {**settings, **facts})
        print(f"{family.NAME}: learned from {len(learned)} events in {seconds:.1f} s.")
        return
    names = sorted(set(events.labels.tolist()))
    found = {"rows": judged, "probabilities": widened(*family.probabilities(fitted, events, judged), names)}
    if args.partition == next(iter(events.partitions)):
        found |= beside(family, fitted, events, judged, names, seed)
    np.savez(args.predictions, **found, classes=np.array(names), family=family.NAME, partition=args.partition, fold=args.fold, seconds=seconds)
    right = float((np.array(names)[found["probabilities"].argmax(axis=1)] == events.labels[judged]).mean())
    print(f"{family.NAME}, {args.partition}, fold {args.fold}: learned from {len(learned)} events in {seconds:.1f} s; "
          f"of {len(judged)} named {right:.3f} right.")


def widened(probabilities, classes, names):
    """Return probabilities (.. x C) of some classes as such of all the names."""
    import numpy as np

    spread = np.zeros((*probabilities.shape[:-1], len(names)), np.float32)
    spread[..., [names.index(name) for name in classes]] = probabilities
    return spread


def beside(family, fitted, events, judged, names, seed):
    """Return what is told of the first division beside the comparison: the names in noise, and with features shuffled."""
    import numpy as np

    from entoflow.wingbeat import robustness

    rows, *noisy = robustness.named(family, fitted, events, judged, seed)
    found = {"noisy_rows": rows, "noisy": widened(*noisy, names)}
    if hasattr(family, "shuffled_names"):
        shuffled, classes = family.shuffled_names(fitted, events, judged, seed)
        found["shuffled"] = np.array([names.index(name) for name in classes])[shuffled]
    return found


def rows_of(events, args):
    """Return (rows to learn from, rows to name). Raises InputError where it is not said which, or there is no such fold."""
    import numpy as np

    from entoflow.wingbeat.clips import NONE

    if bool(args.model) == bool(args.predictions) or bool(args.predictions) != bool(args.partition and args.fold):
        raise InputError("wanted --model, or --predictions with --partition and --fold.")
    if args.model:
        return np.arange(len(events.clips)), np.empty(0, int)
    if args.partition not in events.partitions:
        raise InputError(f"--partition is '{args.partition}'; wanted one of {', '.join(events.partitions)}.")
    fold = np.array([clip["folds"][args.partition] for clip in events.clips])
    learned, judged = np.flatnonzero((fold != args.fold - 1) & (fold != NONE)), np.flatnonzero(fold == args.fold - 1)
    if not len(judged) or len(set(events.labels[learned].tolist())) < 2:
        raise InputError(f"--fold {args.fold} of {args.partition} leaves {len(learned)} events to learn from and {len(judged)} to name; "
                         "wanted two classes and one event.")
    return learned, judged


def write(args, family, fitted, events, parameters):
    """Write the model folder: what it is worth comes with compare_families.py."""
    args.model.mkdir(parents=True, exist_ok=True)
    said = family.save(fitted, events, args.model)
    facts = {"name": family.NAME, "kind": "wingbeat", "classes": sorted(set(events.labels.tolist())),
             "input": {"family": family.NAME, "sample_rate": events.sample_rate, "samples": int(events.samples.shape[1]), **said},
             "threshold": None, "metrics": {}, "metrics_of": "held-out groups"}
    data = {"events": len(events.clips), "groups": len(set(events.groups.tolist())), "classes": len(facts["classes"])}
    model_folder.write(args.model, facts, {"data": data, "parameters": parameters, "seed": args.seed}, LICENCE)
