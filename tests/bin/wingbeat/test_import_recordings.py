import json
import os
import subprocess
from pathlib import Path

import import_recordings
import numpy as np
import pytest
import soundfile

from conftest import command
from entoflow.task import InputError

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("ENTOFLOW_DATA", ROOT.parent / "shared" / "data"))
RATE = 8000


def tone(seconds=0.5, seed=0, rate=RATE, hz=200):
    """Return a harmonic sound that no other seed has, fading in and out."""
    rng, t = np.random.default_rng(seed), np.arange(round(seconds * rate)) / rate
    sound = sum(np.sin(2 * np.pi * hz * k * t + rng.uniform(0, 6)) / k for k in range(1, 5))
    return (
        0.1 * sound * np.sin(np.pi * t / seconds) ** 2 + 0.001 * rng.normal(size=len(t))
    ).astype(np.float32)


def write(path, samples=None, rate=RATE, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(
        path,
        tone(seed=len(path.name) + sum(map(ord, str(path)))) if samples is None else samples,
        rate,
        **options,
    )


@pytest.fixture
def run(tmp_path, capsys):
    """Return a function that imports a source: (events, info, signals, audit, line printed)."""

    def _run(source, *more, role="recordings"):
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        import_recordings.main(
            [
                f"--source={source}",
                f"--role={role}",
                f"--dataset={out / 'd.json'}",
                f"--signals={out / 'recordings_1.npy'}",
                f"--audit={out / 'a.json'}",
                *more,
            ]
        )
        content = json.loads((out / "d.json").read_text(encoding="utf-8"))
        assert [path.name for path in out.iterdir() if path.suffix == ".raw"] == []
        return (
            content["clips"],
            content["info"],
            np.load(out / "recordings_1.npy"),
            json.loads((out / "a.json").read_text()),
            capsys.readouterr().out.strip(),
        )

    return _run


@pytest.fixture
def folders(tmp_path):
    for label in ("bmsb", "fly"):
        for k in range(3):
            write(
                tmp_path / "src" / label / f"{k}.wav",
                tone(0.3 + k / 10, seed=k + 10 * (label == "fly")),
                subtype="FLOAT",
            )
    return tmp_path / "src"


def test_a_folder_per_class_gives_an_event_per_recording_with_its_very_samples(run, folders):
    clips, info, signals, audit, said = run(folders)
    assert [(clip["recording"], clip["label"]) for clip in clips] == [
        (f"{label}/{k}.wav", label) for label in ("bmsb", "fly") for k in range(3)
    ]
    assert info == {
        "role": "recordings",
        "format": "folders",
        "source": "src",
        "sample_rate": RATE,
        "signals": "recordings_1.npy",
        "partitions": {},
    }
    for clip in clips:
        expected, _ = soundfile.read(folders / clip["recording"], dtype="float32")
        np.testing.assert_array_equal(
            signals[clip["first"] : clip["first"] + clip["samples"]], expected
        )
        assert (
            (clip["start"], clip["end"]) == (0, pytest.approx(len(expected) / RATE))
            and clip["group"] == clip["recording"]
            and not clip["named_group"]
        )
    assert (
        len({clip["id"] for clip in clips}) == 6
        and audit == []
        and said.startswith("Took 6 events of 6 recordings from src, left out 0")
    )


def test_a_table_gives_parts_groups_and_what_it_says_of_the_air(run, tmp_path):
    sound = tone(3, hz=300)
    write(tmp_path / "long.flac", sound)
    (tmp_path / "t.csv").write_text(
        "path,label,group,start,end,sensor,temperature,fold\nlong.flac,a,g1,0.5,1,s1,21.5,3\n"
        'long.flac,b,,"1,5",2.5,s1,,\nlong.flac,b,,2.5,,s1,,\n'
    )
    clips, info, signals, audit, _ = run(tmp_path / "t.csv")
    assert [
        (clip["start"], clip["end"], clip["label"], clip["group"], clip["named_group"])
        for clip in clips
    ] == [
        (0.5, 1, "a", "g1", True),
        (1.5, 2.5, "b", "long.flac", False),
        (2.5, 3, "b", "long.flac", False),
    ]
    assert [clip["fold"] for clip in clips] == ["3", None, None]
    assert (
        clips[0]["sensor"] == "s1" and clips[0]["temperature"] == 21.5 and info["format"] == "table"
    )
    np.testing.assert_allclose(signals[:4000], sound[4000:8000], atol=1e-4)  # 16 bits


def test_events_are_searched_in_what_is_longer_than_any_event(run, tmp_path):
    rng = np.random.default_rng(1)
    sound = (0.001 * rng.normal(size=30 * RATE)).astype(np.float32)
    for at in (4, 11.5, 20):
        sound[round(at * RATE) : round((at + 0.5) * RATE)] += tone(0.5, hz=250)
    write(tmp_path / "src" / "bmsb" / "night.wav", sound)
    write(tmp_path / "src" / "fly" / "one.wav")
    clips, *_ = run(tmp_path / "src")
    actual = [(clip["start"], clip["end"]) for clip in clips if clip["label"] == "bmsb"]
    assert len(actual) == 3 and all(
        abs((start + end) / 2 - at - 0.25) < 0.1 for (start, end), at in zip(actual, (4, 11.5, 20))
    )
    whole = run(tmp_path / "src", "--find_events=false")[0]
    assert [(clip["start"], clip["end"]) for clip in whole] == [(0, 30), (0, 0.5)]


def test_a_long_recording_without_an_event_is_left_out_and_told(run, tmp_path):
    write(
        tmp_path / "src" / "a" / "still.wav",
        (0.01 * np.random.default_rng(2).normal(size=20 * RATE)).astype(np.float32),
    )
    write(tmp_path / "src" / "b" / "one.wav")
    clips, _, _, audit, said = run(tmp_path / "src")
    assert [clip["label"] for clip in clips] == ["b"] and "left out 1" in said
    assert [(row["image"], row["action"]) for row in audit if row["action"] != "note"] == [
        ("a/still.wav", "left out")
    ]
    assert "nothing stands out" in audit[0]["reason"]


def test_names_say_when_and_a_sensors_night_is_a_group(run, tmp_path):
    for k, name in enumerate(
        ("21-05-21_19.00.11.52", "22-05-21_03.10.00.01", "22-05-21_19.30.00.00")
    ):
        write(tmp_path / "src" / "a" / f"Event: {name}.wav", tone(seed=k))
    write(tmp_path / "src" / "b" / "x.wav", tone(seed=9))
    clips, *_ = run(tmp_path / "src", "--date_order=dmy")
    groups = {clip["recording"]: clip["group"] for clip in clips}
    assert (
        groups["a/Event: 21-05-21_19.00.11.52.wav"]
        == groups["a/Event: 22-05-21_03.10.00.01.wav"]
        != groups["a/Event: 22-05-21_19.30.00.00.wav"]
    )
    assert [clip["time"] for clip in clips][0] == "2021-05-21T19:00:11.520000" and clips[-1][
        "time"
    ] is None


def test_a_date_that_is_none_in_the_order_given_is_told(run, tmp_path):
    write(tmp_path / "src" / "a" / "21-05-21_19.00.11.52.wav")
    with pytest.raises(InputError, match="mdy"):
        run(tmp_path / "src", "--date_order=mdy")


def test_mixed_sample_rates_are_told_and_brought_to_one_where_that_is_asked(run, tmp_path):
    write(tmp_path / "src" / "a" / "1.wav", tone(rate=RATE))
    write(tmp_path / "src" / "b" / "2.wav", tone(rate=44100, seed=2), rate=44100)
    with pytest.raises(InputError, match=r"8000 Hz \(1\), 44100 Hz \(1\).*--sample_rate"):
        run(tmp_path / "src")
    clips, info, *_ = run(tmp_path / "src", "--sample_rate=8000")
    assert (
        info["sample_rate"] == 8000
        and [clip["samples"] for clip in clips] == [4000, 4000]
        and clips[1]["end"] == 0.5
    )


def test_unusable_files_are_left_out_and_named_and_too_many_of_them_are_an_error(run, folders):
    for k in range(60):
        write(folders / "fly" / f"more{k:02}.wav", tone(seed=100 + k))
    (folders / "fly" / "empty.wav").write_bytes(b"")
    (folders / "fly" / "text.wav").write_text("no sound")
    (folders / "bmsb" / "cut.wav").write_bytes((folders / "bmsb" / "0.wav").read_bytes()[:500])
    (folders / "stray.wav").write_bytes((folders / "bmsb" / "0.wav").read_bytes())
    clips, _, _, audit, _ = run(folders)
    assert len(clips) == 66
    assert {row["image"] for row in audit if row["action"] == "left out"} == {
        "fly/empty.wav",
        "fly/text.wav",
        "bmsb/cut.wav",
        "stray.wav",
    }
    with pytest.raises(InputError, match=r"3 of 69 recordings cannot be used \(4.3%\)"):
        run(folders, "--max_bad_files=0.02")


def test_equal_bytes_are_taken_once_and_not_at_all_under_two_labels(run, tmp_path):
    for name in ("a/1", "a/2", "a/3", "b/3"):
        write(tmp_path / "src" / f"{name}.wav", tone(seed=3 if "3" in name else 1))
    clips, _, _, audit, _ = run(tmp_path / "src")
    assert [clip["recording"] for clip in clips] == ["a/1.wav"]
    assert sorted(row["image"] for row in audit if row["action"] == "left out") == [
        "a/2.wav",
        "a/3.wav",
        "b/3.wav",
    ]


def test_flags_are_on_the_event_counted_and_never_drop_it(run, tmp_path):
    loud = np.clip(20 * tone(seed=5), -1, 1)
    write(tmp_path / "src" / "a" / "clipped.wav", loud, subtype="PCM_16")
    write(
        tmp_path / "src" / "b" / "nan.wav",
        np.where(np.arange(4000) == 7, np.nan, tone(seed=6)).astype(np.float32),
        subtype="FLOAT",
    )
    clips, _, signals, audit, said = run(tmp_path / "src")
    assert (
        "clipping" in clips[0]["flags"]
        and "non_finite" in clips[1]["flags"]
        and np.isfinite(signals).all()
    )
    assert (
        "clipping 1" in said
        and {row["image"] for row in audit} == {"a/clipped.wav", "b/nan.wav"}
        and {row["action"] for row in audit} == {"note"}
    )


def test_the_live_one_of_two_channels_is_taken_and_told(run, tmp_path):
    sound = tone(seed=8)
    write(
        tmp_path / "src" / "a" / "stereo.wav",
        np.stack([np.zeros_like(sound), sound], axis=1),
        subtype="FLOAT",
    )
    write(tmp_path / "src" / "b" / "mono.wav")
    clips, _, signals, audit, _ = run(tmp_path / "src")
    np.testing.assert_allclose(signals[:4000], sound, atol=1e-6)
    assert audit[0]["image"] == "a/stereo.wav" and "channel 2 of 2" in audit[0]["reason"]


@pytest.mark.parametrize(
    "table, sentence",
    [
        (
            "recording,label,start,end\na.wav,x,1,0.5\n",
            "row 2: goes from 1 to 0.5 s; wanted a start before the end",
        ),
        (
            "recording,label,start,end\na.wav,x,0.1,9\n",
            "row 2: asks for a.wav up to 9 s, which lasts 0.5 s",
        ),
        ("recording,label,start,end\na.wav,x,-1,0.2\n", "row 2: start is '-1'; wanted seconds"),
        (
            "recording,label,start,end\na.wav,x,0,0.2\na.wav,y,0,0.2\n",
            "rows 2 and 3: a.wav from 0 s to 0.2 s is labelled 'x' and 'y'",
        ),
        (
            "recording,label,temperature\na.wav,x,warm\n",
            "row 2: temperature is 'warm'; wanted a number",
        ),
        ("recording\na.wav\n", "has columns recording; wanted recording, label"),
        (
            "recording,label\nabsent.wav,x\n",
            "1 of 1 recordings cannot be used .*absent.wav is absent",
        ),
    ],
)
def test_a_wrong_table_is_told_with_its_row(run, tmp_path, table, sentence):
    write(tmp_path / "a.wav")
    (tmp_path / "t.csv").write_text(table)
    with pytest.raises(InputError, match=sentence):
        run(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "option, sentence",
    [
        ("--sample_rate=20", "--sample_rate is 20; wanted 200 to 1000000 Hz"),
        ("--max_bad_files=2", "max_bad_files is 2.0"),
        ("--cpus=0", "cpus is 0"),
    ],
)
def test_a_number_out_of_its_range_is_told(run, folders, option, sentence):
    with pytest.raises(InputError, match=sentence):
        run(folders, option)


def test_a_folder_without_recordings_is_told(run, tmp_path):
    (tmp_path / "src").mkdir()
    with pytest.raises(InputError, match="none in a folder below; wanted a folder per class"):
        run(tmp_path / "src")


def test_recordings_to_predict_need_no_label(run, folders):
    clips, info, *_ = run(folders, role="predict")
    assert (
        len(clips) == 6
        and {clip["label"] for clip in clips} == {None}
        and info["role"] == "predict"
    )


def test_equal_input_gives_equal_bytes(run, folders, tmp_path):
    first = [
        run(folders) and (tmp_path / "out" / name).read_bytes()
        for name in ("d.json", "recordings_1.npy", "a.json")
    ]
    assert first == [
        run(folders) and (tmp_path / "out" / name).read_bytes()
        for name in ("d.json", "recordings_1.npy", "a.json")
    ]


def test_the_command_ends_with_one_sentence_and_status_2(tmp_path):
    done = subprocess.run(
        [
            *command("import_recordings"),
            f"--source={tmp_path / 'none'}",
            "--role=recordings",
            *(f"--{name}={tmp_path / name}" for name in ("dataset", "signals", "audit")),
        ],
        capture_output=True,
        text=True,
    )
    assert (
        done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    )


@pytest.mark.skipif(
    not (DATA / "fly_song").is_dir(), reason=f"{DATA / 'fly_song'} is missing (ENTOFLOW_DATA)"
)
def test_the_fly_songs_are_read_with_their_groups(run):
    clips, info, signals, audit, said = run(DATA / "fly_song" / "clips.csv")
    assert (
        len(clips) == 158
        and info["sample_rate"] == 2500
        and len({clip["group"] for clip in clips}) == 11
        and len(signals) == 158 * 500
    )
    assert {
        label: sum(clip["label"] == label for clip in clips)
        for label in ("mel-pulse", "mel-sine", "ambient")
    } == {"mel-pulse": 72, "mel-sine": 33, "ambient": 53}


@pytest.mark.skipif(
    not (DATA / "esc10_sounds").is_dir(),
    reason=f"{DATA / 'esc10_sounds'} is missing (ENTOFLOW_DATA)",
)
def test_the_environmental_sounds_are_read_whole(run):
    clips, info, *_ = run(DATA / "esc10_sounds" / "recordings.csv", "--find_events=false")
    assert (
        len(clips) == 238
        and info["sample_rate"] == 44100
        and len({clip["group"] for clip in clips}) == 186
    )
