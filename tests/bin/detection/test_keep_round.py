import csv
import json

import keep_round
import pytest


def measured(path, name, value, low=None, high=None):
    path.write_text(json.dumps({"metrics": {name: {"value": value, "low": low, "high": high, "n": 9}}}))
    return path


@pytest.fixture
def rounds(tmp_path):
    """Two rounds: (models, weak boxes, qualities)."""
    models = [measured(tmp_path / f"model_{n}.json", "f1", f1) for n, f1 in ((1, 0.5), (2, 0.75))]
    weak = []
    for number, bands in ((1, ["accept", "drop"]), (2, ["accept", "accept", "ignore"])):
        weak.append(tmp_path / f"weak_{number}.json")
        weak[-1].write_text(json.dumps({"images": [{"id": k} for k in range(4)], "categories": [], "annotations": [
            {"image_id": k, "band": band} for k, band in enumerate(bands)]}))
    return models, weak, [measured(tmp_path / f"quality_{n}.json", "f1_50", f1, f1 - 0.1, f1 + 0.1) for n, f1 in ((1, 0.8), (2, 0.7))]


def table(tmp_path, rounds, *more):
    models, weak, _ = rounds
    keep_round.main(["--models", *map(str, models), "--weak_boxes", *map(str, weak), "--kept=2", f"--table={tmp_path}/rounds.csv", *map(str, more)])
    with (tmp_path / "rounds.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_a_row_per_round_tells_what_it_made_and_which_is_kept(tmp_path, rounds, capsys):
    rows = table(tmp_path, rounds, "--rounds=3")
    assert [(row["round"], row["kept"], row["photos"], row["photos_with_box"], row["accepted"], row["ignored"], row["held_out_f1"]) for row in rows] == [
        ("1", "no", "4", "1", "1", "0", "0.5"), ("2", "yes", "4", "2", "2", "1", "0.75")]
    assert "true_f1" not in rows[0]
    assert capsys.readouterr().out == "round 2 is kept, of 2 run and 3 allowed; held-out F1 by round: 0.500, 0.750\n"


def test_with_audit_boxes_the_true_f1_stands_beside_it_and_decides_nothing(tmp_path, rounds):
    rows = table(tmp_path, rounds, "--qualities", *rounds[2])
    assert [(row["true_f1"], row["kept"]) for row in rows] == [("0.8", "no"), ("0.7", "yes")]
    assert (rows[0]["true_f1_low"], rows[0]["held_out_f1_low"]) == ("0.7000000000000001", "")


def test_a_detector_without_f1_is_one_of_none(tmp_path, rounds, capsys):
    measured(rounds[0][0], "f1", None)
    assert table(tmp_path, rounds)[0]["held_out_f1"] == ""
    assert "by round: none, 0.750" in capsys.readouterr().out
