import csv
import json
from collections import Counter

import numpy as np
import pytest
import split_recordings

from entoflow.task import InputError
from entoflow.wingbeat.partitions import TRAIN_ONLY, UNUSED


def clip(number, label, group=None, **more):
    name = more.get("recording", f"{number:03}.wav")
    return {"id": number, "recording": name, "start": 0.0, "end": 0.5, "label": label, "group": group or name, "named_group": bool(group), "sha256": f"{number:064}",
            "sample_rate": 8000, "first": 400 * number, "samples": 400, "time": None, "sensor": None, "temperature": None, "fold": None,
            "flags": [], **more}


def collection(n_classes=3, n_groups=6, each=4):
    """Return clips of classes a, b, c...; group g of each class holds `each` of them."""
    return [clip(k, "abcdefgh"[k % n_classes], f"{'abcdefgh'[k % n_classes]}{k // n_classes % n_groups}") for k in range(n_classes * n_groups * each)]


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Return a function that splits sources of clips, each of a sound of its own: (clips by id, split rows, audit rows, last line printed)."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(1).normal(size=1000 * 400).astype(np.float32)

    def _run(*sources, rates=(8000, 8000, 8000), flags=(), sound=noise):
        paths = [tmp_path / f"recordings_{number}.json" for number in range(1, len(sources) + 1)]
        for path, clips, rate in zip(paths, sources, rates):
            info = {"role": "recordings", "source": path.stem, "sample_rate": rate, "signals": f"{path.stem}.npy"}
            path.write_text(json.dumps({"info": info, "clips": clips}), encoding="utf-8")
            np.save(path.with_suffix(".npy"), sound)
        names = ("clips", "split", "audit", "folds_table")
        sounds = [str(path.with_suffix(".npy")) for path in paths]
        split_recordings.main(["--datasets", *map(str, paths), "--signals", *sounds, *flags, *(f"--{name}={tmp_path / name}" for name in names)])
        with (tmp_path / "split").open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        content = json.loads((tmp_path / "clips").read_text())
        return {one["id"]: one for one in content["clips"]}, rows, json.loads((tmp_path / "audit").read_text()), capsys.readouterr().out.strip()
    return _run


@pytest.mark.parametrize("seeds", ["1", "1,2,3"])
def test_no_group_is_in_two_folds_and_every_class_is_learned_from_in_each(run, seeds):
    clips, rows, audit, said = run(collection(), flags=[f"--seeds={seeds}"])
    for name in (f"grouped_{seed}" for seed in seeds.split(",")):
        fold = {}
        for one in clips.values():
            assert fold.setdefault(one["group"], one["folds"][name]) == one["folds"][name]
        assert set(fold.values()) == set(range(5))
        for left in range(5):
            assert {one["label"] for one in clips.values() if one["folds"][name] != left} == {"a", "b", "c"}
    assert audit == [] and said == "72 events of 72 recordings, 18 groups and 3 classes, in 5 folds."
    assert rows[0].keys() == {"recording", "start", "end", "label", "group", "part", *clips[0]["folds"]} - {"grouped_1"}
    assert {row["recording"]: row["part"] for row in rows} == {one["recording"]: f"fold {one['folds']['grouped_1'] + 1}" for one in clips.values()}


def test_folds_that_a_table_gives_are_those_of_every_seed(run):
    given = [{**one, "fold": f"part {'xyz'[int(one['group'][1]) % 3]}"} for one in collection()]
    clips, rows, _, said = run(given, flags=["--seeds=1,2"])
    for one in clips.values():
        assert one["folds"]["grouped_1"] == one["folds"]["grouped_2"] == "xyz".index(one["fold"][-1])
        assert one["folds"]["random_1"] in (0, 1, TRAIN_ONLY)
    assert said.endswith("in 3 folds.") and {row["part"] for row in rows} == {"fold 1", "fold 2", "fold 3"}


@pytest.mark.parametrize("fold, sentence", [
    (lambda one: "1", "0 of 72 events have no fold, and the others 1; wanted one of at least two"),
    (lambda one: str(one["id"] % 2) if one["id"] else None, "1 of 72 events have no fold, and the others 0, 1; wanted one"),
    (lambda one: str(one["id"] // 36), "group a0 is in folds 0, 1; wanted each group in one"),
])
def test_folds_that_cannot_be_are_told(run, fold, sentence):
    with pytest.raises(InputError, match=sentence):
        run([{**one, "fold": fold(one)} for one in collection()])


def test_seeds_divide_differently_and_the_same_seed_equally(run):
    first, again = (run(collection(), flags=["--seeds=1,2"])[0] for _ in range(2))
    assert first == again
    assert any(one["folds"]["grouped_1"] != one["folds"]["grouped_2"] for one in first.values())


def test_the_random_division_spreads_each_class_and_knows_no_group(run):
    clips = run(collection(each=10))[0].values()
    for label in "abc":
        counts = Counter(one["folds"]["random_1"] for one in clips if one["label"] == label)
        assert counts == {0: 12, 1: 12, TRAIN_ONLY: 36}  # two of five folds are judged
    folds = {}
    for one in clips:
        folds.setdefault(one["group"], set()).add(one["folds"]["random_1"])
    assert all(len(found) > 1 for found in folds.values())


def test_a_class_of_one_group_is_always_learned_from_and_never_judged(run):
    lone = [clip(100 + k, "lone", "night") for k in range(5)]
    clips, rows, audit, _ = run([*collection(), *lone])
    assert all(set(clips[100 + k]["folds"].values()) == {TRAIN_ONLY} for k in range(5))
    assert [row["reason"] for row in audit] == ["lone is of one group alone, so it is trained on and never held out"]
    assert {row["part"] for row in rows if row["label"] == "lone"} == {"train"}


def test_with_two_groups_of_a_class_there_are_two_folds(run):
    clips = run(collection(n_classes=2, n_groups=1) + [clip(200, "a", "z"), clip(201, "b", "z")])[0].values()
    assert {one["folds"]["grouped_1"] for one in clips} == {0, 1, 2}


def test_with_three_events_of_each_class_there_are_three_folds(run):
    clips, _, _, said = run(collection(n_classes=2, n_groups=3, each=1))
    assert sorted(one["folds"]["grouped_1"] for one in clips.values()) == [0, 0, 1, 1, 2, 2] and said.endswith("in 3 folds.")


def test_sensors_are_left_out_one_by_one_where_all_are_told(run):
    told = [{**one, "sensor": f"s{one['id'] % 2}"} for one in collection()]
    clips = run(told)[0].values()
    assert all(one["folds"]["sensor"] == one["id"] % 2 for one in clips)
    assert "sensor" not in next(iter(run([{**told[0], "sensor": None}, *told[1:]])[0].values()))["folds"]


def test_classes_are_left_out_of_learning_whole_and_judged_beside_the_others(run, tmp_path):
    clips = run(collection(n_classes=4))[0].values()
    for number, labels in ((1, "ad"), (2, "b"), (3, "c")):
        for one in clips:
            judged = one["folds"]["grouped_1"] == 0
            assert one["folds"][f"without_{number}"] == (0 if judged else UNUSED if one["label"] in labels else TRAIN_ONLY)
    listed = (tmp_path / "folds_table").read_text().split()
    assert listed[0] == "partition,fold" and {"without_1,1", "grouped_1,5", "random_1,1"} <= set(listed) and "without_1,2" not in listed
    assert not any(name.startswith("without") for name in next(iter(run(collection(n_classes=2))[0].values()))["folds"])


def test_parts_of_the_groups_are_learned_from_beside_all_of_them(run, tmp_path):
    clips = run(collection(), flags=["--seeds=2,1"])[0].values()
    for name in (f"share_{share}_{number}" for share in (25, 50) for number in (1, 2, 3)):
        assert {one["id"] for one in clips if one["folds"][name] == 0} == {one["id"] for one in clips if one["folds"]["grouped_1"] == int(name[-1]) - 1}
        assert {one["label"] for one in clips if one["folds"][name] == TRAIN_ONLY} == {"a", "b", "c"}
    listed = (tmp_path / "folds_table").read_text().split()
    assert "share_50_2,1" in listed and "share_50_2,2" not in listed and not any(row.startswith("random_2") for row in listed)


def test_overlapping_parts_of_a_recording_share_a_fold_and_parts_that_touch_need_not(run):
    def part(number, start, end, group):
        return clip(300 + number, "a", group, recording="long.wav", sha256="f" * 64, start=start, end=end)

    clips, _, audit, _ = run([*collection(), part(1, 0, 1, "p"), part(2, 0.9, 1.5, "q"), part(3, 1.5, 2, "r")])
    assert clips[301]["group"] == clips[302]["group"] and clips[303]["group"] == "r"
    assert [(row["image"], row["action"]) for row in audit] == [("long.wav", "joined")] and "overlaps that of long.wav at 0 s" in audit[0]["reason"]


def test_the_same_sound_louder_is_of_one_group_and_under_another_label_it_is_asked_about(run):
    sound = np.random.default_rng(2).normal(size=1000 * 400).astype(np.float32)
    sound[71 * 400:72 * 400] = 0.3 * sound[:400]
    clips, _, audit, _ = run(collection(), sound=sound)
    assert clips[0]["group"] == clips[71]["group"] and len({one["group"] for one in clips.values()}) == 17
    assert [row["image"] for row in audit] == ["071.wav"] and audit[0]["reason"].endswith("labelled c and a: is one label wrong?")


def test_what_two_sources_hold_is_kept_once_and_not_at_all_where_they_label_it_differently(run):
    ours = collection()
    theirs = [ours[0], {**ours[1], "label": "z"}, clip(500, "a", recording="000.wav"), clip(501, "b", recording="new.wav")]
    clips, _, audit, _ = run(ours, theirs)
    assert set(clips) == {one["id"] for one in ours if one["id"] != 1} | {500, 501}
    assert clips[500]["signals"] == "recordings_2.npy" and clips[0]["signals"] == "recordings_1.npy"
    assert sorted(row["reason"] for row in audit) == ["labelled b and z by two sources"] * 2 + ["the same event as one of another source"]


def test_a_name_that_two_sources_use_is_two_groups_and_a_group_as_given_is_one(run):
    one, other = [clip(1, "a", recording="1.wav"), clip(2, "b", "night")], [clip(3, "a", recording="1.wav"), clip(4, "b", "night"), clip(5, "a")]
    clips, *_ = run(one, other)
    assert clips[1]["group"] != clips[3]["group"] and clips[2]["group"] == clips[4]["group"] == "night"


@pytest.mark.parametrize("clips, flags, sentence", [
    ([clip(1, "a"), clip(2, "a")], (), r"have 1 class \(a\); wanted at least two"),
    ([clip(1, "a"), clip(2, "b")], (), "none of the 2 classes has events of two groups"),
    (collection(), ("--seeds=1,x",), "--seeds is '1,x'; wanted whole numbers"),
    (collection(), ("--folds=1",), "--folds is 1; wanted at least 2"),
])
def test_what_cannot_be_divided_is_told(run, clips, flags, sentence):
    with pytest.raises(InputError, match=sentence):
        run(clips, flags=flags)


def test_sources_of_two_sample_rates_are_refused(run):
    with pytest.raises(InputError, match="recordings_1 at 8000 Hz, recordings_2 at 44100 Hz.*--sample_rate"):
        run(collection(), [clip(900, "a")], rates=(8000, 44100))


def test_a_file_that_is_no_data_set_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(InputError, match="holds no events"):
        split_recordings.main(["--datasets=x.json", "--signals=x.npy", "--clips=clips", "--split=split", "--audit=audit", "--folds_table=folds"])
