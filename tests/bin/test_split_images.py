import base64
import json

import pytest
import split_images
from entoflow.task import InputError

FILES = ("split", "audit", "insect", "labelled", "test", "audit_boxes", "validation_ids", "labelled_ids", "test_ids")


def image(number, label=None, group=None):
    cells = bytes((number * 37 + k * (number % 7 + 1)) % 256 for k in range(256))
    name = f"{number}.jpg"
    return {"id": number, "file_name": name, "pack": "p.zip", "member": name, "width": 9, "height": 9, "sha256": "", "group": group or name,
            "phash": f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}", "thumbnail": base64.b64encode(cells).decode(), "label": label, "count": None}


def dataset(role, numbers, category="bug", label=None):
    boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [0, 0, 4, 4], "area": 16, "iscrowd": 0} for n in numbers if role != "labelled"]
    return {"info": {"role": role, "format": "coco", "source": role}, "images": [image(n, label) for n in numbers],
            "annotations": boxes, "categories": [{"id": 1, "name": category}] if boxes else []}


@pytest.fixture
def run(tmp_path):
    def _run(*datasets, target="bmsb"):
        paths = []
        for number, content in enumerate(datasets):
            paths.append(tmp_path / f"{number}.json")
            paths[-1].write_text(json.dumps(content))
        outputs = [f"--{name}={tmp_path / name}" for name in FILES]
        split_images.main(["--datasets", *map(str, paths), *([f"--target={target}"] if target else []), *outputs])
        return {name: (tmp_path / name).read_text() for name in FILES}
    return _run


LABELLED = dataset("labelled", range(100, 130), label="bmsb")


def test_the_order_of_the_sources_changes_nothing(run):
    given = [dataset("boxes", range(1, 20)), LABELLED, dataset("test", range(200, 210), "bmsb")]
    assert run(*given) == run(*given[::-1])


@pytest.mark.parametrize("known, held", [("boxes", "test"), ("labelled", "test"), ("boxes", "audit")])
def test_a_leak_between_stages_names_the_pair(run, known, held):
    sources = {"boxes": dataset("boxes", range(1, 20)), "labelled": LABELLED, "test": dataset("test", range(200, 210), "bmsb"),
               "audit": dataset("audit", range(100, 105), "bmsb")}
    planted = sources[known]["images"][0]
    sources[held]["images"].append({**planted, "file_name": "planted.jpg"})
    if (known, held) == ("boxes", "audit"):
        sources["labelled"]["images"].append({**planted, "label": "bmsb"})
    with pytest.raises(InputError, match=f"leak: 1 images for {held}.*{planted['file_name']} and "):
        run(*sources.values())


def test_without_test_boxes_the_targets_own_held_out_boxes_are_the_truth(run):
    test = json.loads(run(dataset("boxes", range(1, 30), "bmsb"), LABELLED)["test"])
    assert test["info"]["truth"] == "boxes" and test["annotations"]
    assert {picture["part"] for picture in test["images"]} == {"test"}


def test_with_labels_alone_no_box_is_made_up(run):
    test = json.loads(run(dataset("boxes", range(1, 30), "fly"), LABELLED)["test"])
    assert test["info"]["truth"] == "labels" and test["annotations"] == []


def test_audit_boxes_of_held_out_photos_are_truth_and_measure_nothing_else(run):
    out = run(dataset("boxes", range(1, 30), "fly"), LABELLED, dataset("audit", range(100, 130), "bmsb"))
    test, audit = json.loads(out["test"]), json.loads(out["audit_boxes"])
    assert test["info"]["truth"] == "audit_boxes"
    assert not {picture["id"] for picture in test["images"]} & {picture["id"] for picture in audit["images"]}


@pytest.mark.parametrize("target, sources, sentence", [
    ("moth", [LABELLED], "--target is 'moth'; wanted one of the labels of the labelled images: bmsb"),
    ("bmsb", [LABELLED, dataset("test", range(200, 205), "moth")], "--test_boxes: has boxes of moth; wanted boxes of bmsb"),
    ("bmsb", [LABELLED, dataset("audit", range(300, 305), "bmsb")], "none of its images is among the labelled images"),
])
def test_what_does_not_fit_together_is_told(run, target, sources, sentence):
    with pytest.raises(InputError, match=sentence):
        run(dataset("boxes", range(1, 30)), *sources, target=target)
