import csv
import json

import numpy as np
import pytest
import write_predictions

from entoflow import dataset
from entoflow.boxes import Prediction
from entoflow.dataset import Dataset, Image
from entoflow.detection import predictions
from entoflow.task import InputError


@pytest.fixture
def run(tmp_path):
    """Return f(names, model): (rows of the table, results) of two predictions files."""

    def _run(names, model='{"classes": ["bmsb"]}'):
        images = [Image(number, name) for number, name in names.items()]
        dataset.write(tmp_path / "set.json", Dataset(images))
        (tmp_path / "model.json").write_text(model)
        empty = Prediction.in_view(3, 0, np.zeros((0, 4)), np.zeros(0))
        boxes = np.array([[1, 2, 4, 8], [0, 0, 1.5, 1]])
        two_boxes = Prediction.in_view(7, 0, boxes, np.array([0.75, 0.5]))
        predictions.write(tmp_path / "b.npz", [empty])
        predictions.write(tmp_path / "a.npz", [two_boxes])
        write_predictions.main(
            [
                f"--datasets={tmp_path}/set.json",
                "--predictions",
                f"{tmp_path}/b.npz",
                f"{tmp_path}/a.npz",
                f"--model={tmp_path}/model.json",
                f"--predictions_csv={tmp_path}/p.csv",
                f"--predictions_json={tmp_path}/p.json",
            ]
        )
        with open(tmp_path / "p.csv", newline="", encoding="utf-8") as file:
            return list(csv.reader(file)), json.loads((tmp_path / "p.json").read_text())

    return _run


def test_every_box_has_a_row_and_a_result(run):
    rows, results = run({3: "b.jpg", 7: 'Käfer, "a".jpg'})
    assert rows == [
        ["image", "label", "score", "x1", "y1", "x2", "y2"],
        ['Käfer, "a".jpg', "bmsb", "0.75", "1.0", "2.0", "4.0", "8.0"],
        ['Käfer, "a".jpg', "bmsb", "0.5", "0.0", "0.0", "1.5", "1.0"],
    ]
    assert results == [
        {"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 6], "score": 0.75},
        {"image_id": 7, "category_id": 1, "bbox": [0, 0, 1.5, 1], "score": 0.5},
    ]


def test_predictions_of_an_image_in_no_data_set_are_an_error(run):
    with pytest.raises(InputError, match="predictions: image 7 is in none of the data sets"):
        run({3: "b.jpg"})


def test_a_model_without_classes_is_an_error(run):
    with pytest.raises(InputError, match="model.json: names no classes; wanted the model.json of"):
        run({}, "{}")
