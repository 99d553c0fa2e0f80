import csv
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, replace

import numpy as np
import pytest
import split_recordings

from entoflow.task import InputError
from entoflow.wingbeat import clip_set
from entoflow.wingbeat.clip_set import Clip, ClipSet
from entoflow.wingbeat.partitions import TRAIN_ONLY, UNUSED

N_SAMPLES = 400  # of each clip
MOST_CLIPS = 1000
LABELS = "abcdefgh"


@dataclass
class Split:
    """What split_recordings.py wrote and printed."""

    clips: dict  # by id
    rows: list  # of split.csv
    audit: list
    folds: list  # lines of folds.csv
    printed: str

    def fold(self, clip, name):
        """Return a clip's fold in the partition of a name."""
        return {partition.name: fold for partition, fold in clip.folds.items()}[name]

    def partitions(self):
        """Return the names of the partitions."""
        clip = next(iter(self.clips.values()))
        return [partition.name for partition in clip.folds]

    def ids(self, name, fold):
        """Return the ids of the clips in a fold of a partition."""
        return {clip.id for clip in self.clips.values() if self.fold(clip, name) == fold}

    def labels(self, name, folds):
        """Return the labels of the clips in some folds of a partition."""
        return {clip.label for clip in self.clips.values() if self.fold(clip, name) in folds}


def make_clip(number, label, group=None, recording=None, start=0.0, end=0.5, **values):
    """Return a clip of a recording of its own, or of the one that is named."""
    recording = recording or f"{number:03}.wav"
    values = {"sha256": f"{number:064}", "named_group": bool(group), **values}
    return Clip(
        id=number,
        recording=recording,
        start=start,
        end=end,
        label=label,
        group=group or recording,
        sample_rate=8000,
        first=N_SAMPLES * number,
        samples=N_SAMPLES,
        **values,
    )


def collection(n_classes=3, n_groups=6, n_each=4):
    """Return clips of classes a, b, c ...; each class has groups a0, a1 ... of so many clips."""
    clips = []
    for number in range(n_classes * n_groups * n_each):
        label = LABELS[number % n_classes]
        group = f"{label}{number // n_classes % n_groups}"
        clips.append(make_clip(number, label, group))
    return clips


@pytest.fixture
def split(tmp_path, capsys, monkeypatch):
    """Return a function that splits sources of clips, each of a sound of its own."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(1).normal(size=MOST_CLIPS * N_SAMPLES).astype(np.float32)

    def run(*sources, sample_rates=(8000, 8000), options=(), samples=noise):
        datasets = []
        signals = []
        for number, (clips, sample_rate) in enumerate(zip(sources, sample_rates), 1):
            name = f"recordings_{number}"
            content = ClipSet(clips, sample_rate, [], "recordings", "table", name, f"{name}.npy")
            clip_set.write(tmp_path / f"{name}.json", content)
            np.save(tmp_path / f"{name}.npy", samples)
            datasets.append(f"{name}.json")
            signals.append(f"{name}.npy")
        outputs = ["--clips=clips", "--split=split", "--audit=audit", "--folds_table=folds"]
        arguments = ["--datasets", *datasets, "--signals", *signals, *options, *outputs]
        split_recordings.main(arguments)
        with open("split", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        with open("audit", encoding="utf-8") as file:
            audit = json.load(file)
        with open("folds", encoding="utf-8") as file:
            folds = file.read().split()
        by_id = {clip.id: clip for clip in clip_set.read(tmp_path / "clips").clips}
        return Split(by_id, rows, audit, folds, capsys.readouterr().out.strip())

    return run


@pytest.mark.parametrize("seeds", ["1", "1,2,3"])
def test_no_group_is_in_two_folds_and_every_class_is_trained_on_in_each(split, seeds):
    result = split(collection(), options=[f"--seeds={seeds}"])
    for name in [f"grouped_{seed}" for seed in seeds.split(",")]:
        folds_of_group = defaultdict(set)
        for clip in result.clips.values():
            folds_of_group[clip.group].add(result.fold(clip, name))
        assert all(len(folds) == 1 for folds in folds_of_group.values())
        assert set.union(*folds_of_group.values()) == set(range(5))
        for fold in range(5):
            assert result.labels(name, set(range(5)) - {fold}) == {"a", "b", "c"}
    assert result.audit == []
    assert result.printed == ("72 events of 72 recordings, 18 groups and 3 classes, in 5 folds.")


def test_the_table_says_in_which_fold_of_each_partition_an_event_is_held_out(split):
    result = split(collection())
    first, *others = result.partitions()
    columns = ["recording", "start", "end", "label", "group", "part", *others]
    assert list(result.rows[0]) == columns and first == "grouped_1"
    parts = {row["recording"]: row["part"] for row in result.rows}
    for clip in result.clips.values():
        assert parts[clip.recording] == f"fold {result.fold(clip, 'grouped_1') + 1}"


def test_folds_of_a_table_are_those_of_every_seed(split):
    clips = []
    for clip in collection():
        number = int(clip.group[1]) % 3
        clips.append(replace(clip, fold=f"part {number}"))
    result = split(clips, options=["--seeds=1,2"])
    for clip in result.clips.values():
        fold = int(clip.fold[-1])
        assert result.fold(clip, "grouped_1") == result.fold(clip, "grouped_2") == fold
        assert result.fold(clip, "random_1") in (0, 1, TRAIN_ONLY)
    assert result.printed.endswith("in 3 folds.")
    assert {row["part"] for row in result.rows} == {"fold 1", "fold 2", "fold 3"}


def one_fold(clip):
    return "1"


def no_fold_for_the_first(clip):
    return str(clip.id % 2) if clip.id else None


def first_half_and_second_half(clip):
    return str(clip.id // 36)


@pytest.mark.parametrize(
    "fold_of, sentence",
    [
        (one_fold, "0 of 72 events have no fold, and the others 1; wanted one of at least two"),
        (no_fold_for_the_first, "1 of 72 events have no fold, and the others 0, 1; wanted one"),
        (first_half_and_second_half, "group a0 is in folds 0, 1; wanted each group in one"),
    ],
)
def test_folds_of_a_table_that_make_no_division_are_an_error(split, fold_of, sentence):
    clips = [replace(clip, fold=fold_of(clip)) for clip in collection()]
    with pytest.raises(InputError, match=sentence):
        split(clips)


def test_seeds_divide_differently_and_the_same_seed_equally(split):
    first = split(collection(), options=["--seeds=1,2"])
    again = split(collection(), options=["--seeds=1,2"])
    assert first.clips == again.clips
    differing = [
        clip
        for clip in first.clips.values()
        if first.fold(clip, "grouped_1") != first.fold(clip, "grouped_2")
    ]
    assert differing


def test_the_random_partition_spreads_each_class_and_divides_groups(split):
    result = split(collection(n_each=10))
    counts = defaultdict(Counter)
    folds_of_group = defaultdict(set)
    for clip in result.clips.values():
        fold = result.fold(clip, "random_1")
        counts[clip.label][fold] += 1
        folds_of_group[clip.group].add(fold)
    expected = {0: 12, 1: 12, TRAIN_ONLY: 36}  # two of five folds are held out
    assert counts == {"a": expected, "b": expected, "c": expected}
    assert all(len(folds) > 1 for folds in folds_of_group.values())


def test_a_class_of_one_group_is_always_trained_on_and_never_held_out(split):
    lone = [make_clip(100 + k, "lone", "night") for k in range(5)]
    result = split([*collection(), *lone])
    for clip in lone:
        assert set(result.clips[clip.id].folds.values()) == {TRAIN_ONLY}
    reason = "lone is of one group alone, so it is trained on and never held out"
    assert [row["reason"] for row in result.audit] == [reason]
    assert {row["part"] for row in result.rows if row["label"] == "lone"} == {"train"}


def test_there_are_not_more_folds_than_groups(split):
    more = [make_clip(200, "a", "z"), make_clip(201, "b", "z")]
    result = split(collection(n_classes=2, n_groups=1) + more)
    folds = {result.fold(clip, "grouped_1") for clip in result.clips.values()}
    assert folds == {0, 1, 2}


def test_there_are_not_more_folds_than_events_of_a_class(split):
    result = split(collection(n_classes=2, n_groups=3, n_each=1))
    folds = [result.fold(clip, "grouped_1") for clip in result.clips.values()]
    assert sorted(folds) == [0, 0, 1, 1, 2, 2]
    assert result.printed.endswith("in 3 folds.")


def test_sensors_are_held_out_one_by_one_where_all_are_known(split):
    clips = [replace(clip, sensor=f"s{clip.id % 2}") for clip in collection()]
    result = split(clips)
    assert all(result.fold(clip, "sensor") == clip.id % 2 for clip in result.clips.values())
    clips[0] = replace(clips[0], sensor=None)
    assert "sensor" not in split(clips).partitions()


def test_classes_are_left_out_of_training_whole_and_held_out_with_the_others(split):
    result = split(collection(n_classes=4))
    for name, left_out in (("without_1", "ad"), ("without_2", "b"), ("without_3", "c")):
        for clip in result.clips.values():
            expected = UNUSED if clip.label in left_out else TRAIN_ONLY
            if result.fold(clip, "grouped_1") == 0:
                expected = 0
            assert result.fold(clip, name) == expected
    assert result.folds[0] == "partition,fold"
    assert {"without_1,1", "grouped_1,5", "random_1,1"} <= set(result.folds)
    assert "without_1,2" not in result.folds


def test_of_two_classes_none_is_left_out(split):
    names = split(collection(n_classes=2)).partitions()
    assert not [name for name in names if name.startswith("without")]


def test_shares_of_the_groups_are_trained_on_and_the_same_events_held_out(split):
    result = split(collection(), options=["--seeds=2,1"])
    for share in (25, 50):
        for number in (1, 2, 3):
            name = f"share_{share}_{number}"
            assert result.ids(name, 0) == result.ids("grouped_1", number - 1)
            assert result.labels(name, {TRAIN_ONLY}) == {"a", "b", "c"}
    assert "share_50_2,1" in result.folds and "share_50_2,2" not in result.folds
    assert not [line for line in result.folds if line.startswith("random_2")]


def test_overlapping_parts_of_a_recording_share_a_fold_and_parts_that_touch_need_not(split):
    long = {"recording": "long.wav", "sha256": "f" * 64}
    parts = [
        make_clip(301, "a", "p", start=0, end=1, **long),
        make_clip(302, "a", "q", start=0.9, end=1.5, **long),
        make_clip(303, "a", "r", start=1.5, end=2, **long),
    ]
    result = split([*collection(), *parts])
    assert result.clips[301].group == result.clips[302].group
    assert result.clips[303].group == "r"
    (row,) = result.audit
    assert (row["image"], row["action"]) == ("long.wav", "joined")
    assert "overlaps that of long.wav at 0 s" in row["reason"]


def test_the_same_sound_louder_is_of_one_group_and_its_other_label_is_asked_about(split):
    samples = np.random.default_rng(2).normal(size=MOST_CLIPS * N_SAMPLES).astype(np.float32)
    samples[71 * N_SAMPLES : 72 * N_SAMPLES] = 0.3 * samples[:N_SAMPLES]
    result = split(collection(), samples=samples)
    assert result.clips[0].group == result.clips[71].group
    assert len({clip.group for clip in result.clips.values()}) == 17
    (row,) = result.audit
    assert row["image"] == "071.wav"
    assert row["reason"].endswith("labelled c and a: is one label wrong?")


def test_an_event_of_two_sources_is_taken_once_and_not_at_all_under_two_labels(split):
    ours = collection()
    theirs = [
        ours[0],
        replace(ours[1], label="z"),
        make_clip(500, "a", recording="000.wav"),
        make_clip(501, "b", recording="new.wav"),
    ]
    result = split(ours, theirs)
    assert set(result.clips) == {clip.id for clip in ours} - {1} | {500, 501}
    assert result.clips[500].signals == "recordings_2.npy"
    assert result.clips[0].signals == "recordings_1.npy"
    assert sorted(row["reason"] for row in result.audit) == [
        "labelled b and z by two sources",
        "labelled b and z by two sources",
        "the same event as one of another source",
    ]


def test_a_file_name_in_two_sources_is_two_groups_and_a_named_group_is_one(split):
    one = [make_clip(1, "a", recording="1.wav"), make_clip(2, "b", "night")]
    other = [make_clip(3, "a", recording="1.wav"), make_clip(4, "b", "night"), make_clip(5, "a")]
    clips = split(one, other).clips
    assert clips[1].group != clips[3].group
    assert clips[2].group == clips[4].group == "night"


@pytest.mark.parametrize(
    "clips, options, sentence",
    [
        ([make_clip(1, "a"), make_clip(2, "a")], (), r"have 1 class \(a\); wanted at least two"),
        ([make_clip(1, "a"), make_clip(2, "b")], (), "none of the 2 classes has events of two"),
        (collection(), ("--seeds=1,x",), "--seeds is '1,x'; wanted whole numbers"),
        (collection(), ("--folds=1",), "--folds is 1; wanted at least 2"),
    ],
)
def test_what_cannot_be_divided_is_an_error(split, clips, options, sentence):
    with pytest.raises(InputError, match=sentence):
        split(clips, options=options)


def test_sources_of_two_sample_rates_are_refused(split):
    sentence = "recordings_1 at 8000 Hz, recordings_2 at 44100 Hz.*--sample_rate"
    with pytest.raises(InputError, match=sentence):
        split(collection(), [make_clip(900, "a")], sample_rates=(8000, 44100))


@pytest.mark.parametrize(
    "role, sentence", [("predict", "holds no labelled events"), (None, "no events")]
)
def test_a_file_without_labelled_events_is_refused(tmp_path, monkeypatch, role, sentence):
    monkeypatch.chdir(tmp_path)
    clips = [make_clip(1, None)] if role else []
    clip_set.write(tmp_path / "x.json", ClipSet(clips, 8000, [], role))
    outputs = ["--clips=clips", "--split=split", "--audit=audit", "--folds_table=folds"]
    with pytest.raises(InputError, match=sentence):
        split_recordings.main(["--datasets=x.json", "--signals=x.npy", *outputs])
