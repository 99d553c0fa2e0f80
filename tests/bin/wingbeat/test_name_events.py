"""Events of two data sets are named by a model that was trained on tones."""

import csv
import json
from dataclasses import dataclass, replace

import name_events
import numpy as np
import pytest
import train_features
import train_random_convolutions
import train_rnn
from PIL import Image

from entoflow import model_folder
from entoflow.task import InputError
from entoflow.wingbeat import clip_set, wingbeat_features
from entoflow.wingbeat.clip_set import Clip, ClipSet

RATE = 2000
SAMPLES = 800
CLASSES = ("bee", "fly", "wasp")
HZ = (110, 230, 350)
SCRIPTS = {
    "features": train_features,
    "random_convolutions": train_random_convolutions,
    "rnn": train_rnn,
}
pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass
class Tones:
    samples: np.ndarray  # n x samples
    class_index: np.ndarray
    hz: np.ndarray


@dataclass
class Named:
    rows: list  # of the CSV
    entries: list  # of the JSON
    last_line: str
    class_index: np.ndarray
    hz: np.ndarray


def tones(n, seed, n_samples=SAMPLES):
    rng = np.random.default_rng(seed)
    class_index = np.arange(n) % 3
    hz = np.array(HZ)[class_index] * rng.uniform(0.97, 1.03, n)
    times = np.arange(n_samples) / RATE
    sound = np.zeros((n, n_samples))
    for harmonic in (1, 2):
        phase = rng.uniform(0, 6, (n, 1))
        sound += np.sin(2 * np.pi * harmonic * hz[:, None] * times + phase) / harmonic
    sound += 0.2 * rng.normal(size=(n, n_samples))
    return Tones(sound.astype(np.float32), class_index, hz)


def clips_of(sound):
    n, n_samples = sound.samples.shape
    clips = []
    for row in range(n):
        clips.append(
            Clip(
                id=row,
                recording=f"{row:03}.wav",
                start=0.0,
                end=n_samples / RATE,
                label=None,
                group=f"g{row % 10}",
                sha256="",
                sample_rate=RATE,
                first=row * n_samples,
                samples=n_samples,
            )
        )
    return clips


def calibrate(folder, known_above):
    """Write the calibration that compare_families.py would into a model folder."""
    calibration = {"temperature": 1.0, "known_above": known_above}
    facts = model_folder.read(folder)
    model_folder.write(folder, replace(facts, more={"calibration": calibration}))


@pytest.fixture
def train(tmp_path):
    """Return a function that trains a family on 60 tones: it returns a calibrated model folder."""

    def train_family(family):
        sound = tones(60, 1)
        clips = []
        for clip, column in zip(clips_of(sound), sound.class_index):
            clips.append(replace(clip, label=CLASSES[column]))
        clip_set.write(tmp_path / "clips.json", ClipSet(clips, RATE))
        np.save(tmp_path / "samples.npy", sound.samples)
        np.savez(
            tmp_path / "features.npz",
            table=wingbeat_features.table(sound.samples, RATE),
            names=np.array(list(wingbeat_features.FEATURES)),
            lengths=np.full(60, SAMPLES),
        )
        short = ["--views=3000"] if family == "rnn" else []
        SCRIPTS[family].main(
            [
                f"--clips={tmp_path / 'clips.json'}",
                f"--samples={tmp_path / 'samples.npy'}",
                f"--features={tmp_path / 'features.npz'}",
                f"--model={tmp_path / family}",
                *short,
            ]
        )
        calibrate(tmp_path / family, known_above=0.5)
        return tmp_path / family

    return train_family


@pytest.fixture
def run(tmp_path, capsys):
    """Return a function that names tones of two sources, of other lengths than those trained on."""

    def run_script(folder, *options, rate=RATE, n=30):
        sources = [tones(n, 2, 600), tones(n, 3, 1100)]
        for number, sound in enumerate(sources, 1):
            np.save(tmp_path / f"predict_{number}.npy", sound.samples.ravel())
            clips = ClipSet(
                clips_of(sound),
                rate,
                role="predict",
                source=f"night {number}",
                signals=f"predict_{number}.npy",
            )
            clip_set.write(tmp_path / f"predict_{number}.json", clips)
        datasets = [str(tmp_path / f"predict_{number}.json") for number in (2, 1)]
        signals = [str(tmp_path / f"predict_{number}.npy") for number in (2, 1)]
        name_events.main(
            [
                *["--datasets", *datasets, "--signals", *signals],
                f"--model={folder}",
                f"--predictions_csv={tmp_path / 'p.csv'}",
                f"--predictions_json={tmp_path / 'p.json'}",
                *options,
            ]
        )
        with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        entries = json.loads((tmp_path / "p.json").read_text())
        last_line = capsys.readouterr().out.strip().splitlines()[-1]
        class_index = np.concatenate([sound.class_index for sound in sources])
        return Named(rows, entries, last_line, class_index, np.concatenate([s.hz for s in sources]))

    return run_script


@pytest.mark.parametrize("family", SCRIPTS)
def test_events_of_all_sources_are_named_in_order(run, train, family, monkeypatch):
    folder = train(family)
    named = run(folder)
    assert [row["recording"] for row in named.rows] == [f"{row:03}.wav" for row in range(30)] * 2
    assert [row["end"] for row in named.rows] == ["0.3"] * 30 + ["0.55"] * 30
    labels = [row["label"] for row in named.rows]
    is_right = [CLASSES[column] == label for column, label in zip(named.class_index, labels)]
    assert np.mean(is_right) > 0.9
    assert named.last_line == f"60 events named by the family {family}."
    f0_hz = np.array([float(row["f0_hz"]) for row in named.rows])
    assert np.mean(np.abs(f0_hz / named.hz - 1) < 0.02) > 0.9
    for row in named.rows:
        assert (float(row["score"]) >= 0.5) == (row["verdict"] == "known")
    for row, entry in zip(named.rows, named.entries):
        numbers = {name: float(row[name]) for name in ("start", "end", "score", "f0_hz")}
        assert entry == {**row, **numbers}
    monkeypatch.setattr(name_events, "AT_ONCE", 7)
    assert [row["label"] for row in run(folder).rows] == labels


def test_events_of_each_kind_are_drawn_and_described_as_the_table_has_them(run, train, tmp_path):
    folder = train("features")
    calibrate(folder, known_above=0.9)
    named = run(folder, f"--pictures={tmp_path / 'events'}", "--most_pictures=8")
    pictures = sorted((tmp_path / "events").iterdir())
    assert [path.name for path in pictures[:4]] == [f"{n:02}_sure.png" for n in (1, 2, 3, 4)]
    assert 4 < len(pictures) <= 8
    descriptions = [Image.open(path).info["Description"] for path in pictures[:3]]
    labels = {text.split("s: ")[1].split(",")[0] for text in descriptions}
    assert labels == set(CLASSES)  # one of each first
    scores = {}
    for row in named.rows:
        span = f"{float(row['start']):.2f} to {float(row['end']):.2f} s"
        scores[f"{row['recording']}, {span}: {row['label']}"] = float(row["score"])
    highest = []
    for label in CLASSES:
        highest.append(max(score for name, score in scores.items() if name.endswith(label)))
    drawn = [scores[text.rsplit(", ", 1)[0]] for text in descriptions]
    assert sorted(drawn) == sorted(highest)


def test_no_picture_is_drawn_where_none_is_wanted(run, train, tmp_path):
    run(train("features"), f"--pictures={tmp_path / 'events'}", "--most_pictures=0")
    assert not list((tmp_path / "events").iterdir())


def test_recordings_of_another_rate_are_refused(run, train):
    sentence = (
        "--predict: night 1 has 4000 Hz, and the model was trained on 2000 Hz; "
        "wanted the same, or --sample_rate 2000"
    )
    with pytest.raises(InputError, match=sentence):
        run(train("features"), rate=4000)


def test_a_model_of_another_kind_is_refused(run, train):
    folder = train("features")
    write_entry(folder, "kind", "detector")
    sentence = "is a model of kind 'detector'; wanted best/ of a run with --recordings"
    with pytest.raises(InputError, match=sentence):
        run(folder)


def test_a_model_without_calibration_is_refused(run, train):
    folder = train("features")
    facts = model_folder.read(folder)
    model_folder.write(folder, replace(facts, more={}))
    with pytest.raises(InputError, match="is a model of kind 'wingbeat'; wanted best/"):
        run(folder)


def test_a_model_of_other_features_is_refused(run, train):
    folder = train("features")
    model_input = model_folder.read(folder).input
    write_entry(folder, "input", {**model_input, "features": ["f0_hz"]})
    with pytest.raises(InputError, match="other features than this version"):
        run(folder)


def write_entry(folder, name, value):
    """Change one entry of model.json."""
    content = json.loads((folder / "model.json").read_text())
    content[name] = value
    (folder / "model.json").write_text(json.dumps(content))
