import json

import numpy as np
import pytest

from entoflow import coco
from entoflow.task import InputError

DATASET = {
    "info": {"role": "boxes"},
    "images": [{"id": 7, "file_name": "Käfer.jpg"}, {"id": 8, "file_name": "b.jpg"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "bbox": [1.5, 2, 3, 4], "area": 12, "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 2, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 1},
    ],
    "categories": [{"id": 1, "name": "bug"}, {"id": 2, "name": "fly"}],
}


def test_what_is_written_is_read_and_is_plain_json_of_one_entry_a_line(tmp_path):
    path = tmp_path / "dataset.json"
    coco.write(path, DATASET)
    assert coco.read(path) == json.loads(path.read_text(encoding="utf-8")) == DATASET
    assert sum(line.startswith('{"id"') for line in path.read_text(encoding="utf-8").splitlines()) == 6


def test_boxes_come_as_corners_for_every_image_with_its_ignore_regions(tmp_path):
    boxes = coco.boxes_by_image(DATASET)
    np.testing.assert_array_equal(boxes[7][0], [[1.5, 2, 4.5, 6], [0, 0, 9, 9]])
    assert boxes[7][1].tolist() == [False, True]
    assert boxes[8][0].shape == (0, 4)
    assert boxes[8][1].shape == (0,)


def test_boxes_of_the_wanted_labels_only():
    assert coco.boxes_by_image(DATASET, labels={"fly"})[7][0].tolist() == [[0, 0, 9, 9]]


def test_results_are_written_by_image_view_and_falling_score(tmp_path):
    given = [(8, 0, 0.1), (7, 1, 0.9), (7, 0, 0.2), (7, 0, 0.8)]
    results = [{"image_id": i, "category_id": 1, "bbox": [0, 0, 1, 1], "score": s, "view": v} for i, v, s in given]
    coco.write_results(tmp_path / "results.json", results)
    read = coco.read_results(tmp_path / "results.json")
    assert [(r["image_id"], r["view"], r["score"]) for r in read] == [
        (7, 0, 0.8),
        (7, 0, 0.2),
        (7, 1, 0.9),
        (8, 0, 0.1),
    ]


def test_no_results_are_a_list_too(tmp_path):
    coco.write_results(tmp_path / "results.json", [])
    assert coco.read_results(tmp_path / "results.json") == []


@pytest.mark.parametrize("content", ["[]", "{}", '{"images": [], "annotations": 3, "categories": []}'])
def test_what_is_no_dataset_is_told(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match="a.json: is no set of images; wanted the lists images, annotations"):
        coco.read(tmp_path / "a.json")


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"image_id": 1, "bbox": [0, 0, 1, 1]}]'])
def test_what_is_no_list_of_results_is_told(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match="a.json: is no list of results; wanted image_id, bbox and score"):
        coco.read_results(tmp_path / "a.json")
