#!/usr/bin/env python3
"""Compare the families on the same held-out events, say which is best if one is, and make the model to ship of it.

Beside the families stand ways that hardly listen: the most frequent class, the fundamental frequency alone, the time of day alone. How much single events
held out flatter, whatever their group, is shown and nothing is chosen by it. The figures of `metrics` count the choice in: each fold is named by the family
that was best on the other folds.
"""
import argparse
import shutil
from pathlib import Path

from entoflow import files, model_folder
from entoflow.task import InputError, run
from entoflow.wingbeat import chosen_events


def main(argv):
    args = parser().parse_args(argv)
    from entoflow.wingbeat import clips, held_out, wingbeat_plots

    events = clips.load(args.clips, args.samples, args.features)
    named = held_out.Named(events, args.predictions)
    comparison, best = compared(events, named, args.seed)
    chosen = named.chosen_by_other_folds()
    figures = measured(events, named, chosen, best, args.seed)
    content = {"chain": "wingbeat", "n": len(named.rows), "metrics": figures}
    files.write_json(args.metrics, content)
    files.write_json(args.comparison, {"chain": "wingbeat", "n": len(named.rows), **comparison})
    args.plots.mkdir(parents=True, exist_ok=True)
    wingbeat_plots.draw(args.plots, named, comparison, chosen[0])
    calibration = calibrated(events, named, best)
    write_predictions(args.predictions_csv, events, named, chosen[0], calibration["known_above"])
    draw_events(args, events, named, chosen[0], calibration["known_above"])
    ship(args, best, comparison, calibration)
    print(comparison["verdict"])


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--clips", type=Path, required=True, help="data set of events that split_recordings.py wrote")
    p.add_argument("--samples", type=Path, required=True, help="npy file with their samples, of extract_features.py")
    p.add_argument("--features", type=Path, required=True, help="npz file with their features, of extract_features.py")
    p.add_argument("--predictions", type=Path, nargs="+", required=True, help="npz files of all folds and families")
    p.add_argument("--models", type=Path, nargs="+", required=True, help="model folders of the families, learned from all events")
    p.add_argument("--seed", type=int, default=1, help="seed of the bootstrap (default %(default)s)")
    p.add_argument("--comparison", type=Path, required=True, help="JSON to write: every family, and the verdict")
    p.add_argument("--metrics", type=Path, required=True, help="JSON to write: what the chosen family is worth, the choice counted in")
    p.add_argument("--predictions_csv", type=Path, required=True, help="CSV to write: what each held-out event was named")
    p.add_argument("--plots", type=Path, required=True, help="folder for the pictures")
    p.add_argument("--most_pictures", type=int, default=chosen_events.MOST, help="events to draw at most (default %(default)s)")
    p.add_argument("--best", type=Path, required=True, help="model folder to write: the family to ship, calibrated")
    return p


def compared(events, named, seed):
    """Return (the comparison, the family to ship): the first of the best ones."""
    import numpy as np

    from entoflow.wingbeat import comparisons, learning_curves, robustness, wingbeat_metrics
    from entoflow.wingbeat.held_out import FAMILIES, FLOORS, floors_of

    truth, groups = named.columns[named.rows], named.groups[named.rows]
    said = {FAMILIES[family]: named.of(family, named.grouped) for family in named.families}
    floors = {name: np.stack(found) for name, found in zip(FLOORS, zip(*(floors_of(events, named, partition) for partition in named.grouped)))
              if found[0] is not None}
    result = comparisons.compare({**said, **floors}, truth, groups, seed, list(floors))
    rows = {}
    for name, row in result["rows"].items():
        family = next((family for family in named.families if FAMILIES[family] == name), None)
        rows[family or name] = {"name": name, "floor": family is None, **row}
        if family:
            rows[family] |= {"seconds": float(np.median(named.seconds[family])),
                             "balanced_accuracy": wingbeat_metrics.balanced_accuracy(said[name][0], truth, groups, seed)}
            flattered = optimism(events, named, family, seed)
            rows[family] |= {"random_macro_f1": flattered["random"], "optimism_gap": flattered["gap"]}
            if (family, "sensor") in named.by:
                of_sensors = comparisons.scores({"sensor": named.by[family, "sensor"][named.rows]}, truth, groups, seed)
                rows[family]["sensor_macro_f1"] = of_sensors["sensor"].figure()
    best = next(family for family in named.families if FAMILIES[family] == result["best"][0])
    return {"verdict": result["verdict"], "best": [family for word in result["best"] for family in named.families if FAMILIES[family] == word],
            "families": rows, "pairs": result["pairs"], "seeds": [events.partitions[name]["seed"] for name in named.grouped],
            "folds": events.partitions[named.grouped[0]]["folds"], "learning_curve": learning_curves.figures(events, named, best, seed),
            "robustness": robustness.figures(named, seed), "importances": importances_of(events, named, seed)}, best


def optimism(events, named, family, seed):
    """Return what comparisons.optimism does, on the events that the first random division judges."""
    import numpy as np

    from entoflow.wingbeat import comparisons
    from entoflow.wingbeat.held_out import judged

    rows = judged(events, named.random[0])
    random, grouped = (np.stack([named.by[family, name][rows] for name in names]) for names in (named.random, named.grouped))
    return comparisons.optimism(random, grouped, named.columns[rows], named.groups[rows], seed)


def importances_of(events, named, seed):
    """Return what the family of features goes by, None where it is not compared: {"kinds": {name: figure}, "features": {name: figure}}."""
    from entoflow.wingbeat import importances, wingbeat_features

    if "features" not in named.shuffled:
        return None
    rows, said = named.shuffled["features"]
    figures, n_kinds = importances.falls(said, named.columns[rows], named.groups[rows], seed), len(wingbeat_features.KINDS)
    return {"kinds": dict(zip(wingbeat_features.KINDS, figures)), "features": dict(zip(events.features, figures[n_kinds:]))}


def measured(events, named, chosen, best, seed):
    """Return the figures of metrics.json."""
    from entoflow.wingbeat import wingbeat_metrics

    truth, groups = named.columns[named.rows], named.groups[named.rows]
    return {**wingbeat_metrics.closed(chosen, truth, groups, seed), **wingbeat_metrics.unknown(events, named, best, seed),
            **wingbeat_metrics.pitches(events, seed)}


def calibrated(events, named, best):
    """Return what makes the scores of a family's model probabilities, and from which on an event counts as known."""
    from entoflow.wingbeat import held_out
    from entoflow.wingbeat.wingbeat_metrics import known_above

    found = held_out.calibrated(named.of(best, named.grouped[:1])[0], named.columns[named.rows])
    return {**found, "known_above": known_above(events, named, best, found["temperature"])}


def write_predictions(path, events, named, probability, known_above):
    """Write a row for each judged event, as name_events.py does; of the model that its fold was named by."""
    from entoflow.wingbeat import event_names

    event_names.write_csv(path, event_names.rows(events, named.rows, probability, named.classes, known_above))


def draw_events(args, events, named, probability, known_above):
    """Draw some held-out events: wrong ones, unsure ones, right ones."""
    from entoflow.wingbeat import event_pictures

    chosen = chosen_events.Chosen(args.most_pictures, chosen_events.HELD_OUT)
    chosen.offer(events, named.rows, probability, named.classes, known_above)
    event_pictures.draw(args.plots, chosen.events(), "event_")


def ship(args, best, comparison, calibration):
    """Write the best family's model folder anew, with its calibration and its figures."""
    source = next((path for path in args.models if path.name == best), None)
    if source is None:
        raise InputError(f"--models: holds no folder named {best}; wanted one for each family.")
    facts, row = model_folder.read(source), comparison["families"][best]
    args.best.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(model_folder.weights_of(source), args.best / model_folder.weights_of(source).name)
    facts |= {"calibration": calibration, "metrics": {name: row[name] for name in ("macro_f1", "balanced_accuracy")}}
    given = facts.pop("provenance")
    model_folder.write(args.best, {key: value for key, value in facts.items() if key != "licence"}, {key: given[key] for key in ("data", "parameters", "seed")},
                facts["licence"])


if __name__ == "__main__":
    run(main)
