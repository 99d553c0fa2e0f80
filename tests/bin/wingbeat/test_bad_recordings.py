"""Bad recordings and tables, through the scripts of the wingbeat chain.

There is one sentence, a row in the audit or a flag, and never a traceback.
"""

import csv
import json
import re

import extract_features
import import_recordings
import numpy as np
import pytest
import soundfile
import split_recordings
import train_features

from entoflow.task import InputError

RATE = 8000


def sound(seed, seconds=0.3, rate=RATE):
    """Return a transit-like sound that no other seed has."""
    rng, t = np.random.default_rng(seed), np.arange(round(seconds * rate)) / rate
    made = sum(
        rng.uniform(0.3, 1) * np.sin(2 * np.pi * (150 + 37 * seed) * k * t + rng.uniform(0, 6))
        for k in (1, 2, 3)
    )
    return (0.1 * made * np.sin(np.pi * t / seconds) ** 2 + 0.003 * rng.normal(size=len(t))).astype(
        np.float32
    )


def write(path, samples=None, rate=RATE, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound(99) if samples is None else samples, rate, **options)


@pytest.fixture
def source(tmp_path):
    """Return a folder of two classes, a and b, three recordings each."""
    for seed in range(6):
        write(tmp_path / "src" / "ab"[seed % 2] / f"{seed}.wav", sound(seed))
    return tmp_path / "src"


@pytest.fixture
def run(tmp_path):
    """Return a function that imports a source: ({recording: event}, {recording: audit})."""

    def _run(source, *more, role="recordings"):
        import_recordings.main(
            [
                f"--source={source}",
                f"--role={role}",
                "--max_bad_files=0.9",
                f"--dataset={tmp_path / 'dataset.json'}",
                f"--signals={tmp_path / 'signals.npy'}",
                f"--audit={tmp_path / 'audit.json'}",
                *more,
            ]
        )
        assert np.isfinite(np.load(tmp_path / "signals.npy")).all()
        clips, audit = (
            json.loads((tmp_path / name).read_text(encoding="utf-8"))
            for name in ("dataset.json", "audit.json")
        )
        return {clip["recording"]: clip for clip in clips["clips"]}, {
            row["image"]: f"{row['action']}: {row['reason']}" for row in audit
        }

    return _run


def data(content, name="x.wav"):
    return lambda folder: (folder / name).write_bytes(content)


def saved(samples, name="x.wav", **options):
    """Return what writes a recording by the content that `options` give, whatever its name says."""

    def fill(folder):
        with (folder / name).open("wb") as file:
            soundfile.write(file, samples, RATE, **{"format": "WAV", **options})

    return fill


def truncated(folder):
    write(folder / "x.wav")
    (folder / "x.wav").write_bytes((folder / "x.wav").read_bytes()[:-900])


@pytest.mark.parametrize(
    "fill, reason",
    [
        (data(b""), "left out: is empty"),
        (truncated, r"left out: is truncated \(declares 4800 bytes of samples, has 3900\)"),
        (
            saved(np.full(4000, np.nan, np.float32), subtype="FLOAT"),
            "left out: has no finite sample",
        ),
        (
            saved(np.full(4000, np.inf, np.float32), subtype="FLOAT"),
            "left out: has no finite sample",
        ),
        (saved(np.ones(1, np.float32)), "left out: has 1 samples; wanted 2 or more"),
        (saved(np.zeros(0, np.float32)), "left out: has 0 samples"),
        (data(b"recording,label\n"), "left out: is no WAV, FLAC or OGG"),
        (data(b"\xff\xf1\x50\x80" + bytes(range(256)) * 9), "left out: is no WAV"),
        (
            data(b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(range(256)) * 9, "x.mp4"),
            "left out: is no WAV",
        ),
        (saved(sound(9), format="MP3"), "left out: is MP3; wanted WAV, FLAC or OGG"),
        (saved(sound(9), "x.aiff", format="AIFF"), "left out: is AIFF; wanted WAV"),
        (
            lambda folder: (folder / "x.wav").symlink_to("x.wav"),
            "left out: cannot be read .Too many levels of symbolic links",
        ),
        (lambda folder: (folder / "x.wav").symlink_to("gone.wav"), "left out: is absent"),
        (
            saved(np.zeros(11 * RATE, np.float32)),
            "left out: nothing stands out of the noise of its 11 s",
        ),
        (saved(np.zeros(4000, np.float32)), "note: of 1 events flagged: silence 1"),
        (saved(np.full(4000, 0.3, np.float32)), "note: of 1 events flagged: silence 1"),
        (
            saved(
                np.where(np.arange(2400) < 9, np.nan, sound(9)).astype(np.float32), subtype="FLOAT"
            ),
            "note: of 1 events flagged: .*non_finite 1",
        ),
        (
            saved(np.stack([0 * sound(9), sound(9)], axis=1)),
            "note: channel 2 of 2 is taken; no signal in 1",
        ),
        (
            saved(np.stack([sound(9), np.nan * sound(9)], axis=1), subtype="FLOAT"),
            "note: channel 1 of 2 is taken; no signal in 2",
        ),
    ],
)
def test_a_file_that_cannot_be_taken_as_it_is_has_its_row_and_the_others_are_taken(
    run, source, fill, reason
):
    fill(source / "a")
    clips, audit = run(source)
    ((name, printed),) = audit.items()
    assert name.startswith("a/x.") and re.match(reason, printed), printed
    assert len(clips) == (6 if printed.startswith("left out") else 7)


@pytest.mark.parametrize(
    "fill",
    [
        saved(sound(9), format="FLAC"),
        saved(sound(9), format="OGG"),
        saved(sound(9), "x.flac"),
        saved(sound(9), "my fly 1 .WAV"),
        saved(sound(9), subtype="PCM_U8"),
        saved(sound(9), subtype="PCM_24"),
        saved(sound(9), subtype="DOUBLE"),
        lambda folder: write(folder / "night 1" / "trap" / "5 \U0001f41d" / "x.wav", sound(9)),
        lambda folder: [
            saved(sound(9))(folder),
            (folder / "back").symlink_to(folder.parent),
            (folder / "y.wav").mkdir(),
            data(b"junk", "._0.wav")(folder),
        ],
    ],
)
def test_any_name_depth_or_place_is_taken_and_links_folders_and_hidden_files_are_not(
    run, source, fill
):
    fill(source / "a")
    clips, audit = run(source)
    (name,) = set(clips) - {f"{'ab'[seed % 2]}/{seed}.wav" for seed in range(6)}
    assert (
        len(clips) == 7
        and audit == {}
        and clips[name]["label"] == "a"
        and clips[name]["flags"] == []
        and 2400 <= clips[name]["samples"] < 2800
    )


@pytest.mark.parametrize(
    "table",
    [
        "\ufeffrecording;label;temperature\r\na/0.wav;a;21,5\r\nb/1.wav;b;\r\n",
        "File\tLabel\n a/0.wav \ta\n{source}/b/1.wav\tb\n",
        "label,path,start\na,a\\0.wav,\nb,./b/../b/1.wav,0\n",
    ],
)
def test_tables_of_any_usual_form_are_read(run, source, table):
    (source / "t.csv").write_text(
        table.replace("{source}", str(source)), encoding="utf-8", newline=""
    )
    clips, audit = run(source / "t.csv")
    assert sorted(clip["label"] for clip in clips.values()) == ["a", "b"] and audit == {}


@pytest.mark.parametrize(
    "table, sentence",
    [
        ("", "t.csv: has columns none; wanted recording, label"),
        ("recording,label\n", "t.csv: has no recording to take; wanted at least one"),
        ("a/0.wav,a\nb/1.wav,b\n", "t.csv: has columns a/0.wav, a; wanted recording, label"),
        ("name,label\na/0.wav,a\n", "t.csv: has columns name, label; wanted recording, label"),
        (
            "recording,label\na,a/0.wav\nb,b/1.wav\n",
            "row 2: recording is 'a' and label 'a/0.wav'; wanted the recording under recording",
        ),
        ("recording,label\na/0.wav,a\nb/1.wav,  \n", "row 3: label is empty; wanted a value"),
        (
            "recording,label,temperature\na/0.wav,a,n/a\n",
            "row 2: temperature is 'n/a'; wanted a number or nothing",
        ),
        (
            "recording,label,start,end\na/0.wav,a,-0.1,0.2\n",
            "row 2: start is '-0.1'; wanted seconds from the start",
        ),
        (
            "recording,label,start,end\na/0.wav,a,00:01,00:02\n",
            "row 2: start is '00:01'; wanted seconds",
        ),
        (
            "recording,label,start,end\na/0.wav,a,0.2,0.1\n",
            "row 2: goes from 0.2 to 0.1 s; wanted a start before the end",
        ),
        (
            "recording,label,start\na/0.wav,a,0.3\n",
            "row 2: asks for a/0.wav up to 0.3 s, which lasts 0.3 s; wanted a part of it",
        ),
        (
            "recording,label,start,end\na/0.wav,a,100,200\n",
            "row 2: asks for a/0.wav up to 200 s, which lasts 0.3 s",
        ),
        (
            "recording,label,start,end\na/0.wav,a,0.10001,0.10002\n",
            "row 2: asks for a/0.wav from 0.10001 to 0.10002 s, which holds none of its 8000",
        ),
        (
            "recording,label\na,x\nb,y\n",
            r"2 of 2 recordings cannot be used .*a cannot be read \(Is a directory\)",
        ),
    ],
)
def test_a_table_that_cannot_be_meant_is_told(run, source, table, sentence):
    (source / "t.csv").write_text(table)
    with pytest.raises(InputError, match=sentence):
        run(source / "t.csv")


def test_a_recording_given_for_a_table_is_told_and_to_predict_it_is_taken(run, source):
    with pytest.raises(
        InputError,
        match="0.wav: is one recording; wanted a table recording,label of several, or a folder",
    ):
        run(source / "a" / "0.wav")
    (source / "a" / "0.wav").rename(source / "t.csv")
    with pytest.raises(InputError, match="t.csv: is no text .*a recording"):
        run(source / "t.csv")
    assert list(run(source / "b" / "1.wav", role="predict")[0]) == ["1.wav"]


@pytest.mark.parametrize(
    "name, flags, sentence",
    [
        (
            "01-02-03_19.00.11.52",
            (),
            r"is 03 February 2001 \(ymd\) or 01 February 2003 \(dmy\) or 02 January 2003 \(mdy\)"
            r".*wanted the right one \(--date_order\)",
        ),
        ("31-31-31_19.00.11.52", (), "is no date and time as ymd or dmy or mdy"),
        ("21-05-21_29.00.11.52", (), "is no date and time as ymd or dmy or mdy"),
        ("30-02-21_19.00.11.52", ("--date_order=dmy",), "is no date and time as dmy"),
        (
            "F179901_105922_039_G_050_T_25.2_H_51.1",
            (),
            "says year 17, month 99, .*wanted a date and time that exist",
        ),
        (
            "s1_x",
            (r"--name_pattern=^b/(?P<sensor>s\d)_",),
            r"[ab]/\d.wav: does not match the pattern .* \(nor do 5 more of 7 names\); wanted all",
        ),
        ("x", ("--name_pattern=(?P<sensor",), "is no regular expression"),
    ],
)
def test_names_that_say_no_time_or_several_are_told(run, source, name, flags, sentence):
    write(source / "b" / f"{name}.wav", sound(9))
    with pytest.raises(InputError, match=sentence):
        run(source, *flags)


@pytest.mark.parametrize("rate", [100, 2_000_000])
def test_a_sample_rate_that_holds_no_wingbeat_is_told(run, tmp_path, rate):
    for label in "ab":
        write(tmp_path / "src" / label / f"{label}.wav", sound(ord(label)), rate)
    with pytest.raises(
        InputError, match=f"has 2 recordings at {rate} Hz; wanted 200 to 1000000 Hz"
    ):
        run(tmp_path / "src")


def test_three_hours_give_their_events(run, tmp_path):
    at, rumble = (100, 5400.5, 10790), 0.01 * np.sin(2 * np.pi * 20 * np.arange(60_000) / 1000)
    with soundfile.SoundFile(tmp_path / "night.wav", "w", 1000, 1) as file:
        for minute in range(180):
            block = rumble.copy()
            for start in at:
                if start // 60 == minute:
                    first = round((start % 60) * 1000)
                    block[first : first + 300] += (
                        0.2 * np.sin(2 * np.pi * 180 * np.arange(300) / 1000) * np.hanning(300)
                    )
            file.write(block)
    run(tmp_path / "night.wav", role="predict")
    spans = [
        (clip["start"], clip["end"])
        for clip in json.loads((tmp_path / "dataset.json").read_text())["clips"]
    ]
    assert len(spans) == 3 and all(
        abs((start + end) / 2 - true - 0.15) < 0.05 for (start, end), true in zip(spans, at)
    )


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("rate", [200, 8000, 96_000])
def test_poor_events_among_good_ones_leave_all_features_finite_flagged_and_learned_from(
    run, source, tmp_path, monkeypatch, rate
):
    monkeypatch.chdir(tmp_path)
    write(source / "a" / "still.wav", np.zeros(900, np.float32))
    write(
        source / "b" / "holes.wav",
        np.where(np.arange(2400) % 3, np.nan, sound(11)).astype(np.float32),
        subtype="FLOAT",
    )
    write(source / "a" / "two.wav", np.array([0.1, -0.1], np.float32))
    write(source / "b" / "level.wav", np.full(900, 0.5, np.float32))
    write(source / "b" / "faint.wav", sound(12) * np.float32(1e-38), subtype="FLOAT")
    names = [
        "recording,label,start,end",
        "a/0.wav,a,0.1,0.10008",
        *(f"{path.parent.name}/{path.name},{path.parent.name},," for path in source.rglob("*.wav")),
    ]
    (source / "t.csv").write_text("\n".join(names))
    run(source / "t.csv", f"--sample_rate={rate}", "--find_events=false")
    split_recordings.main(
        [
            "--datasets=dataset.json",
            "--signals=signals.npy",
            "--clips=clips.json",
            "--folds_table=folds",
            "--split=split",
            "--audit=joined",
        ]
    )
    extract_features.main(
        [
            "--clips=clips.json",
            "--signals=signals.npy",
            "--samples=s.npy",
            "--features=f.npz",
            "--table=t.csv",
        ]
    )
    with np.load("f.npz") as file:
        assert file["table"].shape == (12, 100) and np.isfinite(file["table"]).all()
    with open("t.csv", newline="") as handle:
        flags = {(row["recording"], row["end"]): row["flags"] for row in csv.DictReader(handle)}
    assert (
        sum("silence" in printed for printed in flags.values()) >= 3
        and sum("non_finite" in printed for printed in flags.values()) == 1
    )
    train_features.main(
        [
            "--clips=clips.json",
            "--samples=s.npy",
            "--features=f.npz",
            "--partition=grouped_1",
            "--fold=1",
            "--predictions=p.npz",
        ]
    )
    with np.load("p.npz") as file:
        np.testing.assert_allclose(file["probabilities"].sum(axis=1), 1, rtol=1e-4)
