import csv
import json

import numpy as np
import pytest
import write_predictions

from entoflow import coco
from entoflow.detection import predictions
from entoflow.task import InputError


@pytest.fixture
def run(tmp_path):
    def _run(names, model='{"classes": ["bmsb"]}'):
        coco.write(tmp_path / "set.json", {"images": [{"id": n, "file_name": name} for n, name in names.items()], "annotations": [], "categories": []})
        (tmp_path / "model.json").write_text(model)
        predictions.write(tmp_path / "b.npz", [(3, 0, np.zeros((0, 4)), np.zeros(0))])
        predictions.write(tmp_path / "a.npz", [(7, 0, np.array([[1, 2, 4, 8], [0, 0, 1.5, 1]]), np.array([0.75, 0.5]))])
        files = {name: tmp_path / name for name in ("predictions_csv", "predictions_json")}
        write_predictions.main(["--datasets", str(tmp_path / "set.json"), "--predictions", str(tmp_path / "b.npz"), str(tmp_path / "a.npz"),
                                f"--model={tmp_path / 'model.json'}", *(f"--{name}={path}" for name, path in files.items())])
        with files["predictions_csv"].open(newline="", encoding="utf-8") as file:
            return list(csv.reader(file)), json.loads(files["predictions_json"].read_text())
    return _run


def test_every_box_has_a_row_and_a_result(run):
    rows, results = run({3: "b.jpg", 7: 'Käfer, "a".jpg'})
    assert rows == [["image", "label", "score", "x1", "y1", "x2", "y2"], ['Käfer, "a".jpg', "bmsb", "0.75", "1.0", "2.0", "4.0", "8.0"],
                    ['Käfer, "a".jpg', "bmsb", "0.5", "0.0", "0.0", "1.5", "1.0"]]
    assert results == [{"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 6], "score": 0.75},
                       {"image_id": 7, "category_id": 1, "bbox": [0, 0, 1.5, 1], "score": 0.5}]


@pytest.mark.parametrize("names, model, sentence", [
    ({3: "b.jpg"}, '{"classes": ["bmsb"]}', "predictions: image 7 is in none of the data sets"),
    ({}, "{}", "model.json: names no classes; wanted the model.json of a model folder"),
])
def test_what_does_not_belong_together_is_told(run, names, model, sentence):
    with pytest.raises(InputError, match=sentence):
        run(names, model)
