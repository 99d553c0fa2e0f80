"""Events of two data sets named by a model that learned from tones: the oracle is what each tone is."""
import csv
import json

import name_events
import numpy as np
import pytest
import train_features
import train_random_convolutions
import train_rnn
from PIL import Image

from entoflow import model_folder
from entoflow.task import InputError
from entoflow.wingbeat import wingbeat_features

RATE, SAMPLES, CLASSES, HZ = 2000, 800, ("bee", "fly", "wasp"), (110, 230, 350)
SCRIPTS = {"features": train_features, "random_convolutions": train_random_convolutions, "rnn": train_rnn}
pytestmark = pytest.mark.usefixtures("one_thread")


def tones(n, seed, length=SAMPLES):
    rng, columns = np.random.default_rng(seed), np.arange(n) % 3
    hz = np.array(HZ)[columns] * rng.uniform(0.97, 1.03, n)
    times = np.arange(length) / RATE
    sound = sum(np.sin(2 * np.pi * k * hz[:, None] * times + rng.uniform(0, 6, (n, 1))) / k for k in (1, 2))
    return (sound + 0.2 * rng.normal(size=(n, length))).astype(np.float32), columns, hz


def listed(n, length, **more):
    return [{"id": at, "recording": f"{at:03}.wav", "start": 0.0, "end": length / RATE, "first": at * length, "samples": length, "flags": [],
             "group": f"g{at % 10}", "label": None, **more} for at in range(n)]


@pytest.fixture
def trained(tmp_path):
    """Return a function that trains a family on 60 tones and gives its calibrated model folder."""
    def _trained(family):
        sound, columns, _ = tones(60, 1)
        clips = [{**clip, "label": CLASSES[column], "folds": {}} for clip, column in zip(listed(60, SAMPLES), columns)]
        (tmp_path / "clips.json").write_text(json.dumps({"info": {"sample_rate": RATE, "partitions": {}}, "clips": clips}))
        np.save(tmp_path / "samples.npy", sound)
        np.savez(tmp_path / "features.npz", table=wingbeat_features.table(sound, RATE), names=np.array(list(wingbeat_features.FEATURES)),
                 lengths=np.full(60, SAMPLES))
        files = [f"--{name}={tmp_path / file}" for name, file in (("clips", "clips.json"), ("samples", "samples.npy"), ("features", "features.npz"))]
        SCRIPTS[family].main([*files, f"--model={tmp_path / family}", *(["--views=3000"] if family == "rnn" else [])])
        facts = model_folder.read(tmp_path / family)
        (tmp_path / family / "model.json").write_text(json.dumps({**facts, "calibration": {"temperature": 1.0, "known_above": 0.5}}))
        return tmp_path / family
    return _trained


@pytest.fixture
def run(tmp_path, capsys):
    """Return a function that names tones of two sources, of other lengths than those learned from: (CSV rows, JSON, last line printed, truth, F0)."""
    def _run(folder, rate=RATE, n=30, more=()):
        made = [tones(n, 2, 600), tones(n, 3, 1100)]
        for number, (sound, _, _) in enumerate(made, 1):
            np.save(tmp_path / f"predict_{number}.npy", sound.ravel())
            info = {"role": "predict", "source": f"night {number}", "sample_rate": rate, "signals": f"predict_{number}.npy"}
            (tmp_path / f"predict_{number}.json").write_text(json.dumps({"info": info, "clips": listed(n, sound.shape[1])}))
        paths = {end: [str(tmp_path / f"predict_{number}.{end}") for number in (2, 1)] for end in ("json", "npy")}
        name_events.main(["--datasets", *paths["json"], "--signals", *paths["npy"], "--model", str(folder), "--predictions_csv", str(tmp_path / "p.csv"),
                          "--predictions_json", str(tmp_path / "p.json"), *more])
        with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        truth, hz = (np.concatenate([parts[which] for parts in made]) for which in (1, 2))
        return rows, json.loads((tmp_path / "p.json").read_text()), capsys.readouterr().out.strip().splitlines()[-1], truth, hz
    return _run


@pytest.mark.parametrize("family", SCRIPTS)
def test_events_of_all_sources_are_named_in_order_whatever_their_length(run, trained, family, monkeypatch):
    folder = trained(family)
    rows, said, last, truth, hz = run(folder)
    assert [row["recording"] for row in rows] == [f"{at:03}.wav" for at in range(30)] * 2 and [row["end"] for row in rows] == ["0.3"] * 30 + ["0.55"] * 30
    right = np.mean([CLASSES[column] == row["label"] for column, row in zip(truth, rows)])
    assert right > 0.9 and last == f"60 events named by the family {family}."
    assert np.mean(np.abs(np.array([float(row["f0_hz"]) for row in rows]) / hz - 1) < 0.02) > 0.9
    assert all((float(row["score"]) >= 0.5) == (row["verdict"] == "known") for row in rows)
    assert said == [{**row, **{name: float(row[name]) for name in ("start", "end", "score", "f0_hz")}} for row in rows]
    monkeypatch.setattr(name_events, "AT_ONCE", 7)
    again = run(folder)[0]
    assert [row["label"] for row in again] == [row["label"] for row in rows]


def test_events_of_each_kind_are_drawn_and_say_what_the_table_says(run, trained, tmp_path):
    folder = trained("features")
    facts = model_folder.read(folder)
    (folder / "model.json").write_text(json.dumps({**facts, "calibration": {"temperature": 1.0, "known_above": 0.9}}))
    rows = run(folder, more=[f"--pictures={tmp_path / 'events'}", "--most_pictures=8"])[0]
    pictures = sorted((tmp_path / "events").iterdir())
    assert [path.name for path in pictures[:4]] == [f"{at:02}_sure.png" for at in (1, 2, 3, 4)] and 4 < len(pictures) <= 8
    told = [Image.open(path).info["Description"] for path in pictures]
    assert {words.split("s: ")[1].split(",")[0] for words in told[:3]} == set(CLASSES)  # one of each first
    score = {f"{row['recording']}, {float(row['start']):.2f} to {float(row['end']):.2f} s: {row['label']}": float(row["score"]) for row in rows}
    best = [max(value for name, value in score.items() if name.endswith(label)) for label in CLASSES]
    assert sorted(score[words.rsplit(", ", 1)[0]] for words in told[:3]) == sorted(best)


def test_no_picture_is_drawn_where_none_is_asked_for(run, trained, tmp_path):
    run(trained("features"), more=[f"--pictures={tmp_path / 'events'}", "--most_pictures=0"])
    assert not list((tmp_path / "events").iterdir())


def test_recordings_of_another_rate_are_refused(run, trained):
    with pytest.raises(InputError, match="--predict: night 1 has 4000 Hz, and the model learned from 2000 Hz; wanted the same, or --sample_rate 2000"):
        run(trained("features"), rate=4000)


@pytest.mark.parametrize("change, sentence", [
    ({"kind": "detector"}, "is a model of kind 'detector'; wanted best/ of a run with --recordings"),
    ({"calibration": None}, "is a model of kind 'wingbeat'; wanted best/"),
    ({"input": {"family": "features", "sample_rate": RATE, "samples": SAMPLES, "features": ["f0_hz"]}}, "learned from other features than this version"),
])
def test_a_model_that_cannot_name_events_is_refused(run, trained, change, sentence):
    folder = trained("features")
    facts = {**json.loads((folder / "model.json").read_text()), **change}
    (folder / "model.json").write_text(json.dumps({name: value for name, value in facts.items() if name not in change or value is not None}))
    with pytest.raises(InputError, match=sentence):
        run(folder)
