#!/usr/bin/env python3
"""Join the sources of recordings and divide their events into folds: no group is both learned from and judged on.

A group is what the user calls one, else a sensor's night where names tell it, else a recording. Groups that hold the same sound, or overlapping
parts of one recording, are one. Families are compared on the same folds: `grouped_S` for each seed S, or those of a column `fold`. Others show something
beside: `random_S` divides events whatever their group, and so how much that flatters; `share_S_K` learns from S per cent of the groups, and so what more
recordings bring; `sensor` leaves out one sensor at a time, where several are told; `without_K` leaves out classes whole, to see whether they are told as
unknown. A class of a single group is learned from in all folds and never judged: nothing honest could be said of it.
"""
import argparse
import csv
import json
from collections import defaultdict
from pathlib import Path

from entoflow.tables import read_json
from entoflow.task import InputError, run
from entoflow.wingbeat.clips import EVERY, NONE

STAGE = "split_recordings"
COMPARED = 1.0  # seconds of an event, around the middle of its energy, that are looked at for the same sound
TRIES = 50  # shuffles, for one in which every judged class is learned from in every fold
FLATTERED = 2  # folds of a random division that are judged: nothing is chosen by it, and each costs a training
CLASS_FOLDS = 3  # into which classes are divided, to be left out


def main(argv):
    args = checked(parser().parse_args(argv))
    datasets = [read(path) for path in sorted(args.datasets, key=lambda path: path.name)]
    rate, audit = one_rate(datasets), []
    clips = merged(datasets, audit)
    refuse_one_class(clips)
    join_groups(clips, overlapping(clips), "overlaps", audit)
    join_groups(clips, alike(clips, args.signals, rate), "sounds the same as", audit)
    partitions, folds = divided(clips, args, audit)
    for clip, own in zip(clips, folds):
        clip["folds"] = own
    content = {"info": {"sample_rate": rate, "partitions": partitions}, "clips": clips}
    args.clips.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
    args.folds_table.write_text("partition,fold\n" + "".join(f"{name},{fold}\n" for name, said in partitions.items() for fold in range(1, said["folds"] + 1)))
    write_split(args.split, clips)
    audit.sort(key=lambda row: (row["image"] or "", row["source"], row["reason"]))
    args.audit.write_text(json.dumps(audit, ensure_ascii=False, indent=1), encoding="utf-8")
    print(summary(clips))


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--datasets", type=Path, nargs="+", required=True, help="data sets that import_recordings.py wrote")
    p.add_argument("--signals", type=Path, nargs="+", required=True, help="npy files with their samples")
    p.add_argument("--seeds", default="1", help="seeds of the folds, and of what is learned on them, separated by commas (default %(default)s)")
    p.add_argument("--folds", type=int, default=5, help="parts that are judged in turn by what learned from the others (default %(default)s)")
    p.add_argument("--clips", type=Path, required=True, help="JSON file to write: all events with their folds")
    p.add_argument("--folds_table", type=Path, required=True, help="CSV to write: every fold that is to be judged")
    p.add_argument("--split", type=Path, required=True, help="CSV to write: the group and the folds of each event")
    p.add_argument("--audit", type=Path, required=True, help="JSON file to write: what was left out or joined, and why")
    return p


def checked(args):
    """Return the arguments. Raises InputError for seeds that are no numbers, or fewer than two folds."""
    try:
        args.seeds = sorted({int(seed) for seed in str(args.seeds).split(",")})
    except ValueError:
        raise InputError(f"--seeds is '{args.seeds}'; wanted whole numbers separated by commas, such as 1,2,3.") from None
    if args.folds < 2:
        raise InputError(f"--folds is {args.folds}; wanted at least 2.")
    return args


def read(path):
    """Return a data set of recordings. Raises InputError where it is none."""
    dataset = read_json(path)
    if not isinstance(dataset, dict) or dataset.get("info", {}).get("role") != "recordings":
        raise InputError(f"{path}: holds no labelled events; wanted a data set that import_recordings.py wrote.")
    return dataset


def one_rate(datasets):
    """Return the sample rate of all sources. Raises InputError where they differ."""
    rates = {dataset["info"]["source"]: dataset["info"]["sample_rate"] for dataset in datasets}
    if len(set(rates.values())) > 1:
        told = ", ".join(f"{source} at {rate} Hz" for source, rate in rates.items())
        raise InputError(f"--recordings: have several sample rates ({told}); wanted one, or --sample_rate to bring all to.")
    return next(iter(rates.values()))


def merged(datasets, audit):
    """Return the events of all sources in order: one that several hold is kept once, or not if they label it differently."""
    labels, kept = defaultdict(set), {}
    for clip in (clip for dataset in datasets for clip in dataset["clips"]):
        labels[clip["id"]].add(clip["label"])
    for dataset in datasets:
        source, used = dataset["info"]["source"], {clip["group"] for clip in kept.values()}
        for clip in dataset["clips"]:
            reason = (f"labelled {' and '.join(sorted(labels[clip['id']]))} by two sources" if len(labels[clip["id"]]) > 1
                      else "the same event as one of another source" if clip["id"] in kept else None)
            if reason:
                audit.append(row(clip["recording"], source, "left out", reason))
                continue
            alone = not clip["given"] and clip["group"] in used  # 1.wav of one source is not the 1.wav of another; a group as given is the same in all
            kept[clip["id"]] = {**clip, "group": f"{clip['group']} ({source})" if alone else clip["group"], "source": source,
                                "signals": dataset["info"]["signals"]}
    return sorted(kept.values(), key=lambda clip: (clip["recording"], clip["start"], clip["id"]))


def refuse_one_class(clips):
    """Raise InputError for fewer than two classes."""
    labels = sorted({clip["label"] for clip in clips})
    if len(labels) < 2:
        raise InputError(f"--recordings: have {len(labels)} class ({', '.join(labels)}); wanted at least two to tell apart.")


def overlapping(clips):
    """Return pairs of events (first, second) that overlap in one recording, or in recordings with the same bytes."""
    pairs, last = [], {}
    for at, clip in sorted(enumerate(clips), key=lambda item: (item[1]["sha256"], item[1]["start"])):
        before = last.get(clip["sha256"])
        if before is not None and clip["start"] < clips[before]["end"]:
            pairs.append((before, at))
        if before is None or clip["end"] > clips[before]["end"]:
            last[clip["sha256"]] = at
    return pairs


def alike(clips, paths, rate):
    """Return pairs of events (first, second) that are the same sound, one cut, copied or scaled from the other."""
    import numpy as np

    from entoflow.wingbeat.clips import Signals, arrays
    from entoflow.wingbeat.sound_duplicates import first_alike

    samples = max(2, min(max(clip["samples"] for clip in clips), round(COMPARED * rate)))
    held = np.lib.format.open_memmap("compared.npy", "w+", np.float32, (len(clips), samples))
    Path("compared.npy").unlink()  # the open file stays readable, and nothing is left behind
    arrays(clips, Signals(paths), samples, held)
    return [(int(first), at) for at, first in enumerate(first_alike(held)) if first != at]


def join_groups(clips, pairs, how, audit):
    """Make one group of those of each pair, and tell of pairs of two."""
    from entoflow.splits import join

    groups = join([clip["group"] for clip in clips], pairs)
    for a, b in pairs:
        if clips[a]["group"] != clips[b]["group"]:
            labels = "" if clips[a]["label"] == clips[b]["label"] else f"; labelled {clips[b]['label']} and {clips[a]['label']}: is one label wrong?"
            audit.append(row(clips[b]["recording"], clips[b]["source"], "joined", f"its event at {clips[b]['start']:g} s {how} that of "
                             f"{clips[a]['recording']} at {clips[a]['start']:g} s: both stay in one fold{labels}"))
    for clip, group in zip(clips, groups):
        clip["group"] = group


def divided(clips, args, audit):
    """Return ({partition: its number of folds and the seed to learn with}, [{partition: fold} of each event])."""
    import numpy as np

    from entoflow.wingbeat import learning_curves

    classes, columns = np.unique([clip["label"] for clip in clips], return_inverse=True)
    groups, sensors = np.array([clip["group"] for clip in clips], str), np.array([clip["sensor"] or "" for clip in clips], str)
    several = np.array([len(set(groups[columns == column].tolist())) > 1 for column in range(len(classes))])
    for label in classes[~several]:
        audit.append(row(None, "all", "note", f"{label} is of one group alone, so it is learned from and never judged"))
    judged = several[columns]
    n_groups = len(set(groups[judged].tolist()))
    if n_groups < 2:
        raise InputError(f"--recordings: none of the {len(classes)} classes has events of two groups, one to learn from and one to judge on; wanted a second "
                         "recording session of some (a column `group` says what belongs together).")
    given = given_folds(clips, judged)
    n = int(given.max()) + 1 if given is not None else min(args.folds, n_groups, int(np.bincount(columns[judged]).max()))
    found = {}
    for seed in args.seeds:
        found[f"grouped_{seed}"] = grouped(columns, groups, judged, n, seed) if given is None else given
    told = sorted(set(sensors[judged].tolist()) - {""})
    if len(told) > 1 and (sensors != "").all():
        found["sensor"] = np.where(judged, np.searchsorted(told, sensors), EVERY)
    first, apart = found[f"grouped_{args.seeds[0]}"], at_random(columns, judged, n, args.seeds[0])
    found[f"random_{args.seeds[0]}"] = np.where(apart < FLATTERED, apart, EVERY)
    found |= without(columns, judged, first) | learning_curves.partitions(columns, groups, first, args.seeds[0])
    seeds = {f"grouped_{seed}": seed for seed in args.seeds}
    partitions = {name: {"folds": int(fold.max()) + 1, "seed": seeds.get(name, args.seeds[0])} for name, fold in found.items()}
    return partitions, [{name: int(fold[at]) for name, fold in found.items()} for at in range(len(clips))]


def given_folds(clips, judged):
    """Return the fold of each event that a column `fold` gives, None where there is none.

    Raises InputError where only some have one, where there is one alone, and for a group in two.
    """
    import numpy as np

    names = np.array([clip["fold"] or "" for clip in clips], str)
    if not names.astype(bool).any():
        return None
    told, fold = np.unique(names[judged], return_inverse=True)
    if not names.astype(bool).all() or len(told) < 2:
        raise InputError(f"--recordings: {int((names == '').sum())} of {len(clips)} events have no fold, and the others {', '.join(told[told != ''])}; "
                         "wanted one of at least two for each, or no column `fold`.")
    own = defaultdict(set)
    for clip in clips:
        own[clip["group"]].add(clip["fold"])
    group = next((group for group, folds in own.items() if len(folds) > 1), None)
    if group is not None:
        raise InputError(f"--recordings: group {group} is in folds {', '.join(sorted(own[group]))}; wanted each group in one, as what is of a "
                         "group is alike (a column `group` says what is; recordings of the same sound are one, too).")
    found = np.full(len(clips), EVERY)
    found[judged] = fold
    return found


def without(columns, judged, fold):
    """Return {without_K: fold of each event}: the first fold of a division is judged by what learned from the others without some judged classes.

    Nothing for fewer than three classes: of two, one would be left.
    """
    import numpy as np

    asked, found = np.unique(columns[judged]), {}
    if len(np.unique(columns)) < 3:
        return {}
    for number in range(min(CLASS_FOLDS, len(asked))):
        left_out = np.isin(columns, asked[number::CLASS_FOLDS])
        own = np.where(fold == 0, 0, np.where(left_out, NONE, EVERY))
        if (own == 0).any() and (left_out & (own == 0)).any() and (~left_out & (own == 0)).any():
            found[f"without_{number + 1}"] = own
    return found


def grouped(columns, groups, judged, n, seed):
    """Return the fold of each event: classes spread, groups whole, and every judged class learned from in every fold, if a shuffle can do it."""
    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold

    rows = np.flatnonzero(judged)
    for turn in range(TRIES):
        fold = np.full(len(columns), EVERY)
        parts = StratifiedGroupKFold(n, shuffle=True, random_state=seed + 1000 * turn).split(rows, columns[rows], groups[rows])
        for number, (_, held) in enumerate(parts):
            fold[rows[held]] = number
        if all(len(set(fold[columns == column].tolist())) > 1 for column in np.unique(columns[rows])):
            return fold
    return fold


def at_random(columns, judged, n, seed):
    """Return the fold of each event, whatever its group."""
    import numpy as np

    rng, fold = np.random.default_rng(seed), np.full(len(columns), EVERY)
    for column in np.unique(columns[judged]):
        rows = rng.permutation(np.flatnonzero(judged & (columns == column)))
        fold[rows] = (np.arange(len(rows)) + rng.integers(n)) % n
    return fold


def row(recording, source, action, reason):
    return {"image": recording, "row": None, "source": source, "stage": STAGE, "action": action, "reason": reason}


def write_split(path, clips):
    """Write where each event is judged: its fold, from 1, or train. `part` is its fold of the first seed."""
    first, *others = clips[0]["folds"]
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("recording", "start", "end", "label", "group", "part", *others))
        writer.writerows((clip["recording"], clip["start"], clip["end"], clip["label"], clip["group"],
                          *({EVERY: "train", NONE: "left out"}.get(clip["folds"][name], f"fold {clip['folds'][name] + 1}") for name in (first, *others)))
                         for clip in clips)


def summary(clips):
    counts = [len({clip[key] for clip in clips}) for key in ("recording", "group", "label")]
    folds = {clip["folds"][name] for clip in clips for name in clip["folds"] if name.startswith("grouped")} - {EVERY}
    return f"{len(clips)} events of {counts[0]} recordings, {counts[1]} groups and {counts[2]} classes, in {len(folds)} folds."


if __name__ == "__main__":
    run(main)
