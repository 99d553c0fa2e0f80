import csv
import json

import numpy as np
import pytest

from entoflow.boxes import Prediction
from entoflow.detection.detections import gather, round_as_published, write_csv, write_json
from entoflow.task import InputError

IDS = [3, 7, 2**52 - 1]
THREE_BOXES = np.array([[0, 0, 4, 4], [1, 1, 2.00049, 3], [5, 5, 8, 9.0]])
PREDICTIONS = [
    Prediction.in_view(7, 0, THREE_BOXES, np.array([0.2, 0.9, 0.2])),
    Prediction.in_view(3, 0, np.array([[1, 2, 3, 4.5]]), np.array([0.5])),
    Prediction.in_view(2**52 - 1, 0, np.zeros((0, 4)), np.zeros(0)),
]


def test_detections_are_ordered_by_image_score_and_box_whatever_order_they_come_in():
    first = gather(PREDICTIONS, IDS)
    second = gather(PREDICTIONS[::-1], IDS)
    assert first.image.tolist() == second.image.tolist() == [0, 1, 1, 1]
    assert first.scores.tolist() == second.scores.tolist() == [0.5, 0.9, 0.2, 0.2]
    assert first.bbox[2:].tolist() == [[0, 0, 4, 4], [5, 5, 3, 4]]
    assert (first.bbox == second.bbox).all()


def test_no_detection_at_all():
    detections = gather([], IDS)
    assert len(detections.image) == len(detections.bbox) == len(detections.scores) == 0


def test_an_image_outside_the_data_set_is_told():
    with pytest.raises(InputError, match="image 5 is not in the data set"):
        gather([Prediction.in_view(5, 0, np.zeros((0, 4)), np.zeros(0))], IDS)


def test_written_files_hold_every_detection(tmp_path):
    detections = round_as_published(gather(PREDICTIONS, IDS))
    write_json(tmp_path / "p.json", detections, IDS)
    results = json.loads((tmp_path / "p.json").read_text())
    assert len(results) == 4
    assert results[1] == {
        "image_id": 7,
        "category_id": 1,
        "bbox": [1.0, 1.0, 1.0, 2.0],
        "score": 0.9,
    }
    write_csv(tmp_path / "p.csv", detections, ["b, ü.jpg", "a.jpg", "c.jpg"], "bmsb")
    with open(tmp_path / "p.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["a.jpg", "a.jpg", "a.jpg", "b, ü.jpg"]
    assert rows[3] == {
        "image": "b, ü.jpg",
        "label": "bmsb",
        "score": "0.5",
        "x1": "1.0",
        "y1": "2.0",
        "x2": "3.0",
        "y2": "4.5",
    }


def test_no_detections_are_an_empty_list(tmp_path):
    write_json(tmp_path / "p.json", gather([], IDS), IDS)
    assert json.loads((tmp_path / "p.json").read_text()) == []
