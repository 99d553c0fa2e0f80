#!/usr/bin/env python3
"""Join the sources of recordings and divide their events into folds, so that no group is both
trained on and held out.

A group is what the user calls one, else a sensor's night where names say it, else a recording.
Groups that hold the same sound, or overlapping parts of one recording, are joined. Models are
compared on the same folds: grouped_S for each seed S, or those of a column `fold`. Other partitions
answer other questions: random_S holds out single events whatever their group, for the optimism of a
random split; share_S_K trains on S per cent of the groups, for what more recordings bring; sensor
holds out one sensor at a time, where several are named; without_K leaves some classes out of
training, to see whether they are recognised as unknown. A class of a single group is trained on in
all folds and never held out, as a score of it could not be honest.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow import audit, files
from entoflow.audit import AuditRow
from entoflow.task import InputError, run
from entoflow.wingbeat import clip_set
from entoflow.wingbeat.clip_set import Clip, ClipSet
from entoflow.wingbeat.partitions import TRAIN_ONLY, UNUSED, Kind, Partition, of_kind

if TYPE_CHECKING:
    import numpy as np

STAGE = "split_recordings"
COMPARED_SECONDS = (
    1.0  # of an event, around the middle of its energy, in which the same sound is looked for
)
TRIES = 50  # shuffles, for one with which every held-out class is trained on in every fold
# Folds of the random partition that are held out: nothing is chosen by it, and each costs a
# training.
RANDOM_FOLDS = 2
CLASS_PARTS = 3  # into which classes are divided, to be left out

Pairs = list[tuple[int, int]]  # of events, by their place


@dataclass(frozen=True)
class Table:
    """What a division looks at, one row for each of n events."""

    labels: "np.ndarray"  # n, str
    class_index: "np.ndarray"  # n, into the sorted names of classes
    groups: "np.ndarray"  # n, str
    sensors: "np.ndarray"  # n, str; "" where unknown
    can_be_held_out: "np.ndarray"  # n bool: whether the class has a second group to train on


def main(argv: list[str]) -> None:
    args = parse_arguments(argv)
    sources = [read_source(path) for path in sorted(args.datasets, key=lambda path: path.name)]
    sample_rate = common_sample_rate(sources)
    rows: list[AuditRow] = []
    clips = merge(sources, rows)
    refuse_one_class(clips)
    clips = join_groups(clips, find_overlaps(clips), "overlaps", rows)
    clips = join_groups(
        clips, find_same_sounds(clips, args.signals, sample_rate), "sounds the same as", rows
    )
    folds = divide(clips, args.seeds, args.folds, rows)
    clips = [with_folds(clip, place, folds) for place, clip in enumerate(clips)]
    clip_set.write(args.clips, ClipSet(clips, sample_rate, list(folds)))
    files.write_csv(args.folds_table, ["partition", "fold"], held_out_folds(folds))
    write_split(args.split, clips, list(folds))
    audit.write(args.audit, sorted(rows, key=lambda row: (row.image or "", row.source, row.reason)))
    print(summary(clips, list(folds)))


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
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
        "--seeds",
        default="1",
        help="seeds of the folds, and of what is trained on them, separated by commas "
        "(default %(default)s)",
    )
    p.add_argument(
        "--folds",
        type=int,
        default=5,
        help="parts that are held out in turn, the others trained on (default %(default)s)",
    )
    p.add_argument(
        "--clips", type=Path, required=True, help="JSON file to write: all events with their folds"
    )
    p.add_argument(
        "--folds_table",
        type=Path,
        required=True,
        help="CSV to write: every fold that is to be held out",
    )
    p.add_argument(
        "--split",
        type=Path,
        required=True,
        help="CSV to write: the group and the folds of each event",
    )
    p.add_argument(
        "--audit",
        type=Path,
        required=True,
        help="JSON file to write: what was left out or joined, and why",
    )
    return p


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """Return the checked arguments.

    Raises InputError for seeds that are no numbers, or fewer than two folds.
    """
    args = parser().parse_args(argv)
    try:
        args.seeds = sorted({int(seed) for seed in str(args.seeds).split(",")})
    except ValueError:
        raise InputError(
            f"--seeds is '{args.seeds}'; wanted whole numbers separated by commas, such as 1,2,3."
        ) from None
    if args.folds < 2:
        raise InputError(f"--folds is {args.folds}; wanted at least 2.")
    return args


def read_source(path: Path) -> ClipSet:
    """Return the labelled events of one import. Raises InputError where the file holds none."""
    content = clip_set.read(path)
    if content.role != "recordings":
        raise InputError(
            f"{path}: holds no labelled events; wanted a data set that import_recordings.py wrote."
        )
    return content


def common_sample_rate(sources: Sequence[ClipSet]) -> int:
    """Return the sample rate of all sources. Raises InputError where they differ."""
    rates = {source.source: source.sample_rate for source in sources}
    if len(set(rates.values())) > 1:
        listed = ", ".join(f"{name} at {rate} Hz" for name, rate in rates.items())
        raise InputError(
            f"--recordings: have several sample rates ({listed}); wanted one, or --sample_rate to "
            "bring all to."
        )
    return sources[0].sample_rate


def merge(sources: Sequence[ClipSet], rows: list[AuditRow]) -> list[Clip]:
    """Return the events of all sources in order.

    One that several hold once, or not at all if they label it differently.
    What is left out has a row, which is added to `rows`.
    """
    labels: dict[int, set[str]] = defaultdict(set)
    for source in sources:
        for clip in source.clips:
            labels[clip.id].add(clip.label or "")
    merged: dict[int, Clip] = {}
    for source in sources:
        used_groups = {clip.group for clip in merged.values()}
        for clip in source.clips:
            if len(labels[clip.id]) > 1:
                reason = f"labelled {' and '.join(sorted(labels[clip.id]))} by two sources"
            elif clip.id in merged:
                reason = "the same event as one of another source"
            else:
                merged[clip.id] = _in_own_group(clip, used_groups)
                continue
            rows.append(
                AuditRow(clip.recording, None, source.source or "", STAGE, "left out", reason)
            )
    return sorted(merged.values(), key=lambda clip: (clip.recording, clip.start, clip.id))


def _in_own_group(clip: Clip, used_groups: set[str]) -> Clip:
    """Return a clip whose group no other source uses, unless a name says it.

    1.wav of one source is not the 1.wav of another.
    """
    if clip.named_group or clip.group not in used_groups:
        return clip
    return replace(clip, group=f"{clip.group} ({clip.source})")


def refuse_one_class(clips: Iterable[Clip]) -> None:
    """Raise InputError for fewer than two classes."""
    labels = sorted({clip.label or "" for clip in clips})
    if len(labels) < 2:
        raise InputError(
            f"--recordings: have {len(labels)} class ({', '.join(labels)}); wanted at least two "
            "to tell apart."
        )


def find_overlaps(clips: Sequence[Clip]) -> Pairs:
    """Return pairs of events (first, second) that overlap in one recording, or in recordings with
    the same bytes.
    """
    pairs = []
    latest: dict[str, int] = {}  # of each recording, the event so far that ends last
    in_order = sorted(
        range(len(clips)), key=lambda place: (clips[place].sha256, clips[place].start)
    )
    for place in in_order:
        clip = clips[place]
        before = latest.get(clip.sha256)
        if before is not None and clip.start < clips[before].end:
            pairs.append((before, place))
        if before is None or clip.end > clips[before].end:
            latest[clip.sha256] = place
    return pairs


def find_same_sounds(
    clips: Sequence[Clip], signal_paths: Iterable[Path], sample_rate: int
) -> Pairs:
    """Return pairs of events (first, second) that are the same sound, one cut, copied or scaled
    from the other.
    """
    import numpy as np

    from entoflow.wingbeat.event_arrays import SignalFiles, fill
    from entoflow.wingbeat.sound_duplicates import find_first_alike

    longest = max(clip.samples for clip in clips)
    n_samples = max(2, min(longest, round(COMPARED_SECONDS * sample_rate)))
    compared = Path("compared.npy")  # on disk, as all events may not fit into memory
    samples = np.lib.format.open_memmap(compared, "w+", np.float32, (len(clips), n_samples))
    compared.unlink()  # the open file stays readable, and nothing is left behind
    fill(samples, clips, SignalFiles(signal_paths))
    firsts = find_first_alike(samples).tolist()
    return [(first, place) for place, first in enumerate(firsts) if first != place]


def join_groups(
    clips: Sequence[Clip], pairs: Pairs, relation: str, rows: list[AuditRow]
) -> list[Clip]:
    """Return the clips with the groups of each pair made one.

    A pair of two groups has a row, which is added to `rows`.
    """
    from entoflow.splits import join

    groups = join([clip.group for clip in clips], pairs)
    for first, second in pairs:
        if clips[first].group != clips[second].group:
            reason = _describe_pair(clips[first], clips[second], relation)
            rows.append(
                AuditRow(
                    clips[second].recording,
                    None,
                    clips[second].source or "",
                    STAGE,
                    "joined",
                    reason,
                )
            )
    return [replace(clip, group=group) for clip, group in zip(clips, groups)]


def _describe_pair(first: Clip, second: Clip, relation: str) -> str:
    reason = (
        f"its event at {second.start:g} s {relation} that of {first.recording} at {first.start:g} "
        "s: "
        "both stay in one fold"
    )
    if first.label != second.label:
        reason += f"; labelled {second.label} and {first.label}: is one label wrong?"
    return reason


def divide(
    clips: Sequence[Clip], seeds: Sequence[int], n_folds: int, rows: list[AuditRow]
) -> dict[Partition, "np.ndarray"]:
    """Return {partition: fold of each event (n)}, from 0, TRAIN_ONLY or UNUSED.

    The first is the grouped one of the first seed.
    Raises InputError where no class has a second group. A class of one group has a row, which is
    added to `rows`.
    """
    from entoflow.wingbeat import learning_curves

    table = make_table(clips, rows)
    user_folds = read_user_folds(clips, table)
    if user_folds is None:
        n_folds = most_folds(table, n_folds)
    else:
        n_folds = int(user_folds.max()) + 1
    folds: dict[Partition, np.ndarray] = {}
    for seed in seeds:
        grouped = divide_groups(table, n_folds, seed) if user_folds is None else user_folds
        folds[_partition(Kind.GROUPED, grouped, seed, seed)] = grouped
    first_seed = seeds[0]
    first_grouped = next(iter(folds.values()))
    by_sensor = divide_sensors(table)
    if by_sensor is not None:
        folds[_partition(Kind.SENSOR, by_sensor, first_seed)] = by_sensor
    random = divide_events(table, n_folds, first_seed)
    folds[_partition(Kind.RANDOM, random, first_seed, first_seed)] = random
    for number, without in leave_out_classes(table, first_grouped):
        folds[_partition(Kind.LEFT_OUT, without, first_seed, number)] = without
    return folds | learning_curves.divide(
        table.class_index, table.groups, first_grouped, first_seed
    )


def _partition(kind: Kind, folds: "np.ndarray", seed: int, number: int | None = None) -> Partition:
    return Partition(kind, int(folds.max()) + 1, seed, number)


def make_table(clips: Sequence[Clip], rows: list[AuditRow]) -> Table:
    """Return what a division looks at. Raises InputError where no class has a second group."""
    import numpy as np

    labels = np.array([clip.label for clip in clips], str)
    groups = np.array([clip.group for clip in clips], str)
    sensors = np.array([clip.sensor or "" for clip in clips], str)
    classes, class_index = np.unique(labels, return_inverse=True)
    has_two_groups = np.array([len(set(groups[labels == label].tolist())) > 1 for label in classes])
    for label in classes[~has_two_groups]:
        reason = f"{label} is of one group alone, so it is trained on and never held out"
        rows.append(AuditRow(None, None, "all", STAGE, "note", reason))
    if not has_two_groups.any():
        raise InputError(
            f"--recordings: none of the {len(classes)} classes has events of two groups, one to "
            "train on and one to hold "
            "out; wanted a second recording session of some (a column `group` says what belongs "
            "together)."
        )
    return Table(labels, class_index, groups, sensors, has_two_groups[class_index])


def most_folds(table: Table, n_folds: int) -> int:
    """Return how many folds there can be.

    Not more than groups, nor than events of the commonest class.
    """
    import numpy as np

    n_groups = len(set(table.groups[table.can_be_held_out].tolist()))
    n_of_commonest = int(np.bincount(table.class_index[table.can_be_held_out]).max())
    return min(n_folds, n_groups, n_of_commonest)


def read_user_folds(clips: Sequence[Clip], table: Table) -> "np.ndarray | None":
    """Return the fold of each event by a column `fold`, None where there is none.

    Raises InputError where only some events have one, where there is one fold alone, and for a
    group in two folds.
    """
    import numpy as np

    names = np.array([clip.fold or "" for clip in clips], str)
    is_missing = names == ""
    if is_missing.all():
        return None
    used_names, numbers = np.unique(names[table.can_be_held_out], return_inverse=True)
    if is_missing.any() or len(used_names) < 2:
        raise InputError(
            f"--recordings: {int(is_missing.sum())} of {len(clips)} events have no fold, and the "
            "others "
            f"{', '.join(used_names[used_names != ''])}; wanted one of at least two for each, or "
            "no column `fold`."
        )
    _refuse_divided_groups(clips)
    folds = np.full(len(clips), TRAIN_ONLY)
    folds[table.can_be_held_out] = numbers
    return folds


def _refuse_divided_groups(clips: Iterable[Clip]) -> None:
    folds_of_group: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        folds_of_group[clip.group].add(clip.fold or "")
    for group, folds in folds_of_group.items():
        if len(folds) > 1:
            raise InputError(
                f"--recordings: group {group} is in folds {', '.join(sorted(folds))}; wanted each "
                "group in one, as the "
                "events of a group are alike (a column `group` says what is one; recordings of "
                "the same sound are one, too)."
            )


def divide_groups(table: Table, n_folds: int, seed: int) -> "np.ndarray":
    """Return the fold of each event (n): groups are whole, and classes are spread over the folds.

    Every class that is held out is trained on in every fold, if one of TRIES shuffles can do it.
    """
    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold

    rows = np.flatnonzero(table.can_be_held_out)
    class_index = table.class_index[rows]
    for attempt in range(TRIES):
        splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed + 1000 * attempt)
        folds = np.full(len(table.labels), TRAIN_ONLY)
        for number, (_, held_out) in enumerate(
            splitter.split(rows, class_index, table.groups[rows])
        ):
            folds[rows[held_out]] = number
        n_folds_of_class = [
            len(set(folds[table.class_index == index].tolist())) for index in np.unique(class_index)
        ]
        if min(n_folds_of_class) > 1:
            break
    return folds


def divide_sensors(table: Table) -> "np.ndarray | None":
    """Return the sensor of each event (n) as its fold, None where fewer than two are held out or
    one is unknown.
    """
    import numpy as np

    names = sorted(set(table.sensors[table.can_be_held_out].tolist()) - {""})
    if len(names) < 2 or (table.sensors == "").any():
        return None
    return np.where(table.can_be_held_out, np.searchsorted(names, table.sensors), TRAIN_ONLY)


def divide_events(table: Table, n_folds: int, seed: int) -> "np.ndarray":
    """Return the fold of each event (n) whatever its group.

    Folds above RANDOM_FOLDS are never held out.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    folds = np.full(len(table.labels), TRAIN_ONLY)
    for index in np.unique(table.class_index[table.can_be_held_out]):
        rows = rng.permutation(np.flatnonzero(table.can_be_held_out & (table.class_index == index)))
        folds[rows] = (np.arange(len(rows)) + rng.integers(n_folds)) % n_folds
    return np.where(folds < RANDOM_FOLDS, folds, TRAIN_ONLY)


def leave_out_classes(table: Table, grouped: "np.ndarray") -> Iterator[tuple[int, "np.ndarray"]]:
    """Yield (number of a part of the classes, from 1, fold of each event).

    Its classes are not trained on.
    The first fold of the grouped partition (n) is held out. There is nothing for fewer than three
    classes: of two, one would be left.
    """
    import numpy as np

    if len(np.unique(table.class_index)) < 3:
        return
    indices = np.unique(table.class_index[table.can_be_held_out])
    is_held_out = grouped == 0
    for number in range(min(CLASS_PARTS, len(indices))):
        is_left_out = np.isin(table.class_index, indices[number::CLASS_PARTS])
        folds = np.where(is_left_out, UNUSED, TRAIN_ONLY)
        folds[is_held_out] = 0
        if (is_left_out & is_held_out).any() and (~is_left_out & is_held_out).any():
            yield number + 1, folds


def with_folds(clip: Clip, place: int, folds: dict[Partition, "np.ndarray"]) -> Clip:
    """Return the clip at a place with its fold of each partition."""
    return replace(clip, folds={partition: int(fold[place]) for partition, fold in folds.items()})


def held_out_folds(partitions: Iterable[Partition]) -> Iterator[tuple[str, int]]:
    """Yield (name of a partition, fold, from 1) of all that is to be held out."""
    for partition in partitions:
        for number in range(1, partition.n_folds + 1):
            yield partition.name, number


def write_split(path: Path, clips: Sequence[Clip], partitions: Sequence[Partition]) -> None:
    """Write the group and the folds of each event; `part` is its fold of the first partition."""
    names = [partition.name for partition in partitions[1:]]
    columns = ["recording", "start", "end", "label", "group", "part", *names]
    rows = []
    for clip in clips:
        folds = [fold_name(clip.folds[partition]) for partition in partitions]
        rows.append([clip.recording, clip.start, clip.end, clip.label, clip.group, *folds])
    files.write_csv(path, columns, rows)


def fold_name(fold: int) -> str:
    """Return what a table calls a fold."""
    if fold == TRAIN_ONLY:
        return "train"
    if fold == UNUSED:
        return "left out"
    return f"fold {fold + 1}"


def summary(clips: Sequence[Clip], partitions: Sequence[Partition]) -> str:
    """Return the last line printed."""
    n_recordings = len({clip.recording for clip in clips})
    n_groups = len({clip.group for clip in clips})
    n_classes = len({clip.label for clip in clips})
    n_folds = max(partition.n_folds for partition in of_kind(partitions, Kind.GROUPED))
    return (
        f"{len(clips)} events of {n_recordings} recordings, {n_groups} groups "
        f"and {n_classes} classes, in {n_folds} folds."
    )


if __name__ == "__main__":
    run(main)
