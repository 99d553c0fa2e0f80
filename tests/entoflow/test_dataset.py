import json

import numpy as np
import pytest

from entoflow import dataset
from entoflow.dataset import Box, Dataset, Image
from entoflow.task import InputError

IMAGES = [
    Image(7, "a.jpg", width=40, height=30, part="train"),
    Image(9, "b.jpg", label="bee", count=2, part="test", genus="Apis"),
]
BOXES = [Box(7, "bee", (1, 2, 3, 4)), Box(9, "ant", (0, 0, 5, 5), iscrowd=True, weight=0.5)]
SET = Dataset(IMAGES, BOXES, ["bee", "ant"], role="boxes", source="s")


def test_a_data_set_reads_back_as_it_was_written_and_gives_the_same_bytes(tmp_path):
    dataset.write(tmp_path / "set.json", SET)
    again = dataset.read(tmp_path / "set.json")
    assert again == SET
    dataset.write(tmp_path / "again.json", again)
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "set.json").read_bytes()


def test_pycocotools_reads_its_file(tmp_path, capsys):
    coco = pytest.importorskip("pycocotools.coco")
    dataset.write(tmp_path / "set.json", SET)
    read = coco.COCO(tmp_path / "set.json")
    assert sorted(read.getImgIds()) == [7, 9]
    assert [box["bbox"] for box in read.loadAnns(read.getAnnIds(imgIds=7))] == [[1, 2, 3, 4]]
    assert {category["name"] for category in read.loadCats(read.getCatIds())} == {"bee", "ant"}


def test_a_part_holds_its_images_and_their_boxes_alone():
    train = SET.part("train")
    assert train.images == IMAGES[:1]
    assert train.boxes == BOXES[:1]


def test_arrays_hold_every_image_and_the_boxes_of_a_label(tmp_path):
    arrays = dataset.arrays_by_image(SET, "bee")
    assert arrays[7][0].tolist() == [[1, 2, 4, 6]]
    assert arrays[9][0].shape == (0, 4)
    corners, ignored = dataset.arrays_by_image(SET)[9]
    assert ignored.tolist() == [True]
    assert np.array_equal(dataset.weights_by_image(SET)[9], [0.5])


@pytest.mark.parametrize(
    "content", [[], {"images": []}, {"images": {}, "annotations": [], "categories": []}]
)
def test_a_file_that_holds_no_data_set_is_refused(tmp_path, content):
    (tmp_path / "set.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="is no set of images"):
        dataset.read(tmp_path / "set.json")
