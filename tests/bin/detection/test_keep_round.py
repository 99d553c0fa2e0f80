import csv
import json

import keep_round
import pytest

from entoflow.detection import weak_boxes as weak_boxes_file
from weak_box_worlds import photo, weak_box, weak_boxes


def write_metric(path, name, value, low=None, high=None):
    entry = {"value": value, "low": low, "high": high, "n": 9}
    path.write_text(json.dumps({"metrics": {name: entry}}))
    return path


@pytest.fixture
def rounds(tmp_path):
    """Return (models, weak boxes, qualities) of two rounds."""
    models = [
        write_metric(tmp_path / "model_1.json", "f1", 0.5),
        write_metric(tmp_path / "model_2.json", "f1", 0.75),
    ]
    weak = []
    for number, bands in ((1, ["accept", "drop"]), (2, ["accept", "accept", "ignore"])):
        boxes = [weak_box(image_id, band) for image_id, band in enumerate(bands)]
        weak.append(tmp_path / f"weak_{number}.json")
        weak_boxes_file.write(weak[-1], weak_boxes([photo(n) for n in range(4)], boxes))
    qualities = [
        write_metric(tmp_path / "quality_1.json", "f1_50", 0.8, 0.7, 0.9),
        write_metric(tmp_path / "quality_2.json", "f1_50", 0.7, 0.6, 0.8),
    ]
    return models, weak, qualities


def table(tmp_path, rounds, *more):
    models, weak, _ = rounds
    keep_round.main(
        [
            "--models",
            *map(str, models),
            "--weak_boxes",
            *map(str, weak),
            "--kept=2",
            f"--table={tmp_path}/rounds.csv",
            *map(str, more),
        ]
    )
    with (tmp_path / "rounds.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_per_round_says_what_it_made_and_which_is_kept(tmp_path, rounds, capsys):
    first, second = table(tmp_path, rounds, "--rounds=3")
    assert first == {
        "round": "1",
        "kept": "no",
        "photos": "4",
        "photos_with_box": "1",
        "accepted": "1",
        "ignored": "0",
        "held_out_f1": "0.5",
        "held_out_f1_low": "",
        "held_out_f1_high": "",
    }
    assert second == {
        "round": "2",
        "kept": "yes",
        "photos": "4",
        "photos_with_box": "2",
        "accepted": "2",
        "ignored": "1",
        "held_out_f1": "0.75",
        "held_out_f1_low": "",
        "held_out_f1_high": "",
    }
    assert "round 2 is kept, of 2 run and 3 allowed" in capsys.readouterr().out


def test_with_audit_boxes_the_true_f1_is_written_and_decides_nothing(tmp_path, rounds):
    rows = table(tmp_path, rounds, "--qualities", *rounds[2])
    assert [(row["true_f1"], row["kept"]) for row in rows] == [("0.8", "no"), ("0.7", "yes")]
    assert (rows[0]["true_f1_low"], rows[0]["true_f1_high"]) == ("0.7", "0.9")


def test_a_detector_without_f1_has_an_empty_cell(tmp_path, rounds, capsys):
    write_metric(rounds[0][0], "f1", None)
    assert table(tmp_path, rounds)[0]["held_out_f1"] == ""
    assert "by round: none, 0.750" in capsys.readouterr().out
