import csv
import re

import make_recordings
import numpy as np
import pytest
import soundfile

from entoflow.task import InputError
from entoflow.wingbeat import recording_names


def made(folder, *options):
    make_recordings.main([f"--folder={folder}", *options])
    actual = []
    for name in ("recordings.csv", "truth.csv"):
        with (folder / name).open(newline="") as handle:
            actual.append(list(csv.DictReader(handle)))
    return actual


def test_every_recording_is_there_once_with_its_kind_its_sensor_and_a_name_that_says_when(tmp_path):
    rows, truth = made(tmp_path, "--events=60", "--nights=3")
    assert len(rows) == len({row["recording"] for row in rows}) == 60 and [
        row["recording"] for row in rows
    ] == [row["recording"] for row in truth]
    assert all(
        re.fullmatch(row["sensor"] + r"/21-05-\d\d_\d\d\.\d\d\.\d\d\.\d\d\.wav", row["recording"])
        for row in rows
    )
    nights = {
        recording_names.night(printed.time)
        for printed in recording_names.read([row["recording"] for row in rows], date_order="ymd")
    }
    assert len(nights) == 3 and "synthetic" in (tmp_path / "README.txt").read_text().lower()
    for row in rows:
        samples, rate = soundfile.read(tmp_path / row["recording"])
        assert rate == 8000 and 400 < len(samples) <= 5000 and 0 < np.abs(samples).max() < 1


def test_most_recordings_have_their_highest_line_at_a_multiple_of_their_pitch(tmp_path):
    _, truth = made(tmp_path, "--events=60")
    near = []
    for row in truth:
        samples, rate = soundfile.read(tmp_path / row["recording"])
        power = (
            np.abs(np.fft.rfft((samples - samples.mean()) * np.hanning(len(samples)), 1 << 15)) ** 2
        )
        hz = np.arange(len(power)) * rate / (1 << 15)
        top = hz[np.where(hz > 70, power, 0).argmax()]
        near.append(abs(top / float(row["f0_hz"]) - round(top / float(row["f0_hz"]))) < 0.08)
    assert np.mean(near) > 0.8


def test_equal_seeds_give_equal_bytes_and_others_do_not(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        made(tmp_path / name, "--events=12", f"--seed={seed}")
    one, again, other = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in sorted((tmp_path / name).rglob("*.wav"))
        }
        for name in "abc"
    )
    assert one == again and one != other


@pytest.mark.parametrize(
    "option, sentence",
    [
        ("--events=0", "--events is 0; wanted at least 1"),
        ("--nights=0", "--nights is 0"),
        ("--margin=-1", "--margin is -1"),
    ],
)
def test_a_number_out_of_its_range_is_told(tmp_path, option, sentence):
    with pytest.raises(InputError, match=sentence):
        made(tmp_path, option)
