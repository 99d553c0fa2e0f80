import csv
import json

import extract_features
import numpy as np
import pytest

from entoflow.demo import transits
from entoflow.task import InputError
from entoflow.wingbeat import event_arrays, wingbeat_features

RATE = 8000


@pytest.fixture
def world(tmp_path, capsys):
    """Return a function that describes five events of two sources.

    It returns (CSV rows, the npz, the samples, the last line printed).
    """
    sound = transits.draw(5, np.random.default_rng(1))[0]
    made = []
    for number in range(5):
        name, first = ("one.npy", 5000 * number) if number < 3 else ("two.npy", 5000 * (number - 3))
        made.append(
            {
                "id": number,
                "recording": f"{number}.wav",
                "start": 0.25 * number,
                "end": 0.25 * number + 0.5,
                "label": "bee,wild",
                "group": f"g{number}",
                "sha256": "",
                "sample_rate": RATE,
                "signals": name,
                "first": first,
                "samples": 5000 - 600 * number,
                "time": None,
                "sensor": None,
                "temperature": None,
                "flags": ["hum", "clipped"] if number == 2 else [],
                "folds": {"grouped_1": 0},
            }
        )
    (tmp_path / "clips.json").write_text(
        json.dumps(
            {
                "info": {"sample_rate": RATE, "partitions": {"grouped_1": {"seed": 1, "folds": 5}}},
                "clips": made,
            }
        )
    )
    np.save(tmp_path / "one.npy", sound[:3].ravel())
    np.save(tmp_path / "two.npy", sound[3:].ravel())

    def run(*flags):
        names = {
            name: str(tmp_path / name) for name in ("samples.npy", "features.npz", "features.csv")
        }
        extract_features.main(
            [
                "--clips",
                str(tmp_path / "clips.json"),
                "--signals",
                str(tmp_path / "two.npy"),
                str(tmp_path / "one.npy"),
                "--samples",
                names["samples.npy"],
                "--features",
                names["features.npz"],
                "--table",
                names["features.csv"],
                *flags,
            ]
        )
        with open(names["features.csv"], newline="", encoding="utf-8") as handle:
            return (
                list(csv.DictReader(handle)),
                np.load(names["features.npz"]),
                np.load(names["samples.npy"]),
                capsys.readouterr().out.strip(),
            )

    return run, sound, tmp_path


def test_each_event_has_a_row_of_the_features_of_its_own_samples(world):
    run, sound, folder = world
    rows, made, samples, said = run()
    lengths = 5000 - 600 * np.arange(5)
    held = np.where(np.arange(5000) < lengths[:, None], sound, 0)
    np.testing.assert_array_equal(samples, held)
    np.testing.assert_array_equal(made["lengths"], lengths)
    np.testing.assert_allclose(
        made["table"], wingbeat_features.table(held, RATE, lengths), rtol=1e-5
    )
    assert list(made["names"]) == list(wingbeat_features.FEATURES)
    assert list(rows[0]) == [
        "recording",
        "start",
        "end",
        "label",
        "group",
        *wingbeat_features.FEATURES,
        "flags",
    ]
    assert (
        [row["recording"] for row in rows] == [f"{k}.wav" for k in range(5)]
        and rows[2]["flags"] == "hum clipped"
        and rows[0]["label"] == "bee,wild"
    )
    np.testing.assert_allclose(
        [float(row["f0_hz"]) for row in rows], made["table"][:, 0], rtol=1e-5
    )
    assert said == "100 features of 5 events at 8000 Hz, in clips of 0.625 s."
    events = event_arrays.load(
        folder / "clips.json", folder / "samples.npy", folder / "features.npz"
    )
    assert events.feature_names == list(wingbeat_features.FEATURES) and events.sample_rate == RATE


def test_of_a_longer_event_the_part_around_the_middle_of_its_energy_is_taken_and_said(world):
    run, sound, _ = world
    _, made, samples, said = run("--clip_seconds", "0.4")
    assert samples.shape == (5, 3200) and (made["lengths"] == [3200, 3200, 3200, 3200, 2600]).all()
    start = next(k for k in range(1801) if np.array_equal(sound[0][k : k + 3200], samples[0]))
    energy = (sound[0].astype(float) ** 2).cumsum()
    assert abs(energy[start + 1600] / energy[-1] - 0.5) < 0.05 or start in (0, 1800)
    assert said.endswith("in clips of 0.4 s; 3 are longer and were cut.")


@pytest.mark.parametrize("seconds", ["0", "-1", "61", "nan"])
def test_clips_of_no_length_are_told(world, seconds):
    with pytest.raises(
        InputError, match="--clip_seconds is .*; wanted seconds, more than 0 and 60 at most"
    ):
        world[0]("--clip_seconds", seconds)
