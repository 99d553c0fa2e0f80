import csv
import hashlib
import json
from dataclasses import dataclass

import pytest

from entoflow import files


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path):
    content = b"x" * (files.BLOCK + 1)
    (tmp_path / "file").write_bytes(content)
    assert files.sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_a_file_whose_writing_fails_stays_as_it_was_and_nothing_lies_beside_it(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("before")
    with pytest.raises(KeyError):
        files.write_csv(path, ["a"], [{"a": 1}, {"b": 2}])
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_reads_back_as_it_was_written(tmp_path):
    rows = [["a,b", 'say "c"'], ["two\nlines", "ä"]]
    files.write_csv(tmp_path / "table.csv", ["x", "y"], rows)
    with open(tmp_path / "table.csv", newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["x", "y"], *rows]
    assert b"\r" not in (tmp_path / "table.csv").read_bytes()


def test_json_holds_dataclasses_as_objects_and_no_nan(tmp_path):
    @dataclass
    class Point:
        x: float

    files.write_json(tmp_path / "points.json", {"points": [Point(1.5)]})
    assert json.loads((tmp_path / "points.json").read_text()) == {"points": [{"x": 1.5}]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "points.json", [float("nan")])
