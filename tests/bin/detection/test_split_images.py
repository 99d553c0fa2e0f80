import base64
import json
from copy import deepcopy

import pytest
import split_images

from entoflow.task import InputError

FILES = ("split", "audit", "insect", "labelled", "test", "audit_boxes", "reviewed", "validation_ids", "labelled_ids", "test_ids")


def image(number, label=None, group=None):
    cells = bytes((number * 37 + k * (number % 7 + 1)) % 256 for k in range(256))
    name = f"{number}.jpg"
    return {"id": number, "file_name": name, "pack": "p.zip", "member": name, "width": 9, "height": 9, "sha256": "", "group": group or name,
            "phash": f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}",
            "mirrored": f"{number * 0xD1B54A32D192ED03 % 2**64:016x}", "thumbnail": base64.b64encode(cells).decode(), "label": label, "count": None}


def dataset(role, numbers, category="bug", label=None):
    boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [0, 0, 4, 4], "area": 16, "iscrowd": 0} for n in numbers if role != "labelled"]
    return {"info": {"role": role, "format": "coco", "source": role}, "images": [image(n, label) for n in numbers],
            "annotations": boxes, "categories": [{"id": 1, "name": category}] if boxes else []}


@pytest.fixture
def run(tmp_path):
    def _run(*datasets, target="bmsb", more=()):
        paths = []
        for number, content in enumerate(datasets):
            paths.append(tmp_path / f"{number}.json")
            paths[-1].write_text(json.dumps(content))
        outputs = [f"--{name}={tmp_path / name}" for name in FILES]
        split_images.main(["--datasets", *map(str, paths), *([f"--target={target}"] if target else []), *more, *outputs])
        return {name: (tmp_path / name).read_text() for name in FILES}
    return _run


LABELLED = dataset("labelled", range(100, 130), label="bmsb")


def test_the_order_of_the_sources_changes_nothing(run):
    given = [dataset("boxes", range(1, 20)), LABELLED, dataset("test", range(200, 210), "bmsb")]
    assert run(*given) == run(*given[::-1])


@pytest.mark.parametrize("known, held", [("boxes", "test"), ("labelled", "test"), ("boxes", "audit")])
def test_a_leak_between_stages_names_the_pair(run, known, held):
    sources = {"boxes": dataset("boxes", range(1, 20)), "labelled": deepcopy(LABELLED), "test": dataset("test", range(200, 210), "bmsb"),
               "audit": dataset("audit", range(100, 105), "bmsb")}
    planted = sources[known]["images"][0]
    sources[held]["images"].append({**planted, "file_name": "planted.jpg"})
    if (known, held) == ("boxes", "audit"):
        sources["labelled"]["images"].append({**planted, "label": "bmsb"})
    with pytest.raises(InputError, match=f"leak: 1 images for {held}.*{planted['file_name']} and "):
        run(*sources.values())


@pytest.mark.parametrize("known, held", [("boxes", "test"), ("labelled", "test"), ("boxes", "audit")])
@pytest.mark.parametrize("how", ["group", "mirror"])
def test_a_group_given_by_name_or_a_mirrored_copy_in_two_stages_is_a_leak(run, known, held, how):
    sources = {"boxes": dataset("boxes", range(1, 20)), "labelled": deepcopy(LABELLED), "test": dataset("test", range(200, 210), "bmsb"),
               "audit": dataset("audit", range(100, 105), "bmsb")}
    for picture in sources["labelled"]["images"]:
        picture["group"] = "visit " + picture["file_name"]
    first, other = sources[known]["images"][0], sources["labelled" if held == "audit" else held]["images"][1]
    if how == "group":
        first["group"] = other["group"] = "night 7"
    else:
        cells = [base64.b64decode(first["thumbnail"])[row:row + 16][::-1] for row in range(0, 256, 16)]
        first["mirrored"], other["mirrored"] = other["phash"], first["phash"]
        other["thumbnail"] = base64.b64encode(b"".join(cells)).decode()
        if held == "audit":  # the audit's copy of the photo has the same bytes
            sources["audit"]["images"][1] = {**other, "label": None, "group": other["file_name"]}
    with pytest.raises(InputError, match=f"leak: 1 images for {held} .*of one group with them: {first['file_name']} and {other['file_name']}"):
        run(*sources.values())


@pytest.mark.parametrize("seed", range(8))
def test_a_photo_in_boxes_and_labelled_has_one_part_so_that_none_is_trained_on_and_tested(run, seed):
    copies = [image(n, "bmsb") for n in range(1, 16)]
    labelled = {**LABELLED, "images": LABELLED["images"] + copies}
    out = run(dataset("boxes", range(1, 30), "bmsb"), labelled, more=[f"--seed={seed}"])
    rows = [line.split(",") for line in out["split"].splitlines()[1:]]
    parts = {role: {name: part for name, _, part, of, _ in rows if of == role} for role in ("boxes", "labelled")}
    assert {parts["boxes"][picture["file_name"]] for picture in copies} == {"train", "validation", "test"}
    assert all(parts["boxes"][picture["file_name"]] == parts["labelled"][picture["file_name"]] for picture in copies)


@pytest.mark.parametrize("seed", range(8))
def test_a_few_boxes_of_the_target_among_many_are_in_every_part(run, seed):
    boxes = dataset("boxes", range(1, 60), "fly")
    boxes["categories"].append({"id": 2, "name": "bmsb"})
    for box in boxes["annotations"][:3]:
        box["category_id"] = 2
    test = json.loads(run(boxes, LABELLED, more=[f"--seed={seed}"])["test"])
    assert (test["info"]["truth"], len(test["annotations"])) == ("boxes", 1)


def test_the_same_file_name_in_two_sources_is_two_photos(run):
    second = {**dataset("boxes", range(40, 60)), "info": {"role": "boxes", "source": "second"}}
    for picture, other in zip(second["images"], range(1, 20)):
        picture["file_name"] = picture["group"] = f"{other}.jpg"
    rows = [line.split(",") for line in run(dataset("boxes", range(1, 20)), second, LABELLED)["split"].splitlines()[1:]]
    assert len({row[1] for row in rows if row[3] == "boxes"}) == 39


def test_a_photo_that_two_sources_label_differently_is_in_neither(run):
    other = {**dataset("labelled", range(128, 140), label="nezara"), "info": {"role": "labelled", "source": "second"}}
    out = run(dataset("boxes", range(1, 20)), LABELLED, other, dataset("test", range(200, 205), "bmsb"))
    assert {picture["id"] for picture in json.loads(out["labelled"])["images"]} == {*range(100, 128), *range(130, 140)}
    assert sorted((row["image"], row["source"], row["reason"]) for row in json.loads(out["audit"])) == [
        (f"{n}.jpg", source, "labelled bmsb and nezara by two sources") for n in (128, 129) for source in ("labelled", "second")]


def test_audited_images_that_are_no_labelled_photo_have_rows(run):
    out = run(dataset("boxes", range(1, 20)), LABELLED, dataset("test", range(200, 205), "bmsb"), dataset("audit", range(127, 132), "bmsb"))
    assert {picture["id"] for picture in json.loads(out["audit_boxes"])["images"]} == {127, 128, 129}
    assert [(row["image"], row["action"]) for row in json.loads(out["audit"])] == [("130.jpg", "left out"), ("131.jpg", "left out")]


def test_without_test_boxes_the_targets_own_held_out_boxes_are_the_truth(run):
    test = json.loads(run(dataset("boxes", range(1, 30), "bmsb"), LABELLED)["test"])
    assert test["info"]["truth"] == "boxes" and test["annotations"]
    assert {picture["part"] for picture in test["images"]} == {"test"}


def test_a_test_image_whose_boxes_are_all_of_others_is_labelled_by_them(run):
    test = dataset("test", range(200, 204), "bmsb")
    test["categories"] += [{"id": 2, "name": "moth"}, {"id": 3, "name": "fly"}]
    for box, category in zip(test["annotations"], (1, 2, 3, 1)):
        box["category_id"] = category
    test["annotations"] += [{**test["annotations"][2], "id": 300, "category_id": 2}, {**test["annotations"][3], "id": 301, "category_id": 2}]
    chosen = json.loads(run(dataset("boxes", range(1, 20)), LABELLED, test)["test"])
    assert [picture["label"] for picture in chosen["images"]] == [None, "moth", "fly and moth", None]
    assert [box["image_id"] for box in chosen["annotations"]] == [200, 203]


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
    ("bmsb", [dataset("labelled", [100], label="bmsb")], "photos labelled bmsb come in 1 group, none left to validate on; wanted at least 2"),
    ("bmsb", [dataset("labelled", [100, 101], label="bmsb")], "no image is left to test on: too few groups of images; give more images, or --test_boxes"),
])
def test_what_does_not_fit_together_is_told(run, target, sources, sentence):
    with pytest.raises(InputError, match=sentence):
        run(dataset("boxes", range(1, 30)), *sources, target=target)


@pytest.mark.parametrize("more, sentence", [
    (["--validation_share=0"], "--validation_share is 0.0; wanted a share above 0 and below 1"),
    (["--test_share=nan"], "--test_share is nan; wanted a share above 0"),
    (["--validation_share=0.6", "--test_share=0.4"], "leave nothing to train on"),
])
def test_shares_that_leave_a_part_empty_are_told(run, more, sentence):
    with pytest.raises(InputError, match=sentence):
        run(dataset("boxes", range(1, 20)), LABELLED, more=more)


def test_boxes_in_one_group_leave_none_to_validate_on(run):
    boxes = dataset("boxes", range(1, 20))
    boxes["images"] = [{**picture, "group": "night 1"} for picture in boxes["images"]]
    with pytest.raises(InputError, match="--boxes: images with boxes come in 1 group, none left to validate on; wanted at least 2 groups"):
        run(boxes, LABELLED, dataset("test", range(200, 205), "bmsb"))


def test_an_umlaut_typed_is_the_umlaut_of_a_folders_name(run):
    labelled = dataset("labelled", range(100, 130), label="K\u00e4fer")
    assert json.loads(run(dataset("boxes", range(1, 20)), labelled, target="Ka\u0308fer")["test"])["info"]["truth"] == "labels"


def test_a_file_that_is_no_imported_set_is_told(run):
    with pytest.raises(InputError, match="0.json: says no role of its images; wanted a data set that import_images.py wrote"):
        run({"images": [], "annotations": [], "categories": []})


def test_photos_of_different_parts_that_look_alike_are_counted_in_a_note(run):
    boxes = dataset("boxes", range(1, 30))
    for picture in boxes["images"]:
        picture["phash"] = boxes["images"][0]["phash"]
    out = run(boxes, LABELLED, dataset("test", range(200, 205), "bmsb"))
    parts = [line.split(",")[2] for line in out["split"].splitlines() if ",boxes," in line]
    apart = parts.count("train") * parts.count("validation")
    assert [row["reason"] for row in json.loads(out["audit"])] == [f"{apart} pairs of images in different parts look alike (one camera?): give a group"]


def test_a_look_alike_with_one_photo_is_trained_on(run):
    labelled = {**LABELLED, "images": [*LABELLED["images"], image(150, "nezara")]}
    assert {picture["part"] for picture in json.loads(run(dataset("boxes", range(1, 20)), labelled)["labelled"])["images"] if picture["id"] == 150} == {"train"}


def test_without_boxes_there_is_nothing_to_train_on(run):
    with pytest.raises(InputError, match="none holds images with boxes to train on; wanted at least one that was imported with --role boxes"):
        run(LABELLED, dataset("test", range(200, 205), "bmsb"))


BOXES, TEST = dataset("boxes", range(1, 20)), dataset("test", range(200, 205), "bmsb")


def review(numbers, category="bmsb", name="review.json"):
    return {**dataset("reviewed", numbers, category), "info": {"role": "reviewed", "format": "coco", "source": name}}


def test_a_review_moves_no_photo_to_another_part_and_changes_no_other_file(run):
    without, given = run(BOXES, LABELLED, TEST), run(BOXES, LABELLED, TEST, review([100, 101, 300]))
    assert {name for name in FILES if without[name] != given[name]} == {"audit", "reviewed"}
    out = json.loads(given["reviewed"])
    assert [(picture["id"], picture["label"], picture["part"]) for picture in out["images"]] == [
        (picture["id"], "bmsb", picture["part"]) for picture in json.loads(given["labelled"])["images"] if picture["id"] in (100, 101)]
    assert [box["bbox"] for box in out["annotations"]] == [[0, 0, 4, 4]] * 2
    assert json.loads(without["reviewed"])["images"] == []
    assert [(row["image"], row["source"], row["action"], row["reason"]) for row in json.loads(given["audit"])] == [
        ("300.jpg", "review.json", "left out", "is not among the labelled images (compared by content, or by the name that the review gave)")]


def test_a_reviewed_photo_of_the_test_part_teaches_nothing(run):
    out = run(BOXES, LABELLED, review(range(100, 130)))
    held = [picture["file_name"] for picture in json.loads(out["labelled"])["images"] if picture["part"] == "test"]
    reviewed = json.loads(out["reviewed"])
    assert held and {picture["part"] for picture in reviewed["images"]} == {"train", "validation"}
    assert len(reviewed["annotations"]) == len(reviewed["images"]) == 30 - len(held)
    assert [row["image"] for row in json.loads(out["audit"]) if "held out for testing" in row["reason"]] == held


def test_a_review_of_no_labelled_photo_is_told_with_its_name(run):
    with pytest.raises(InputError, match="--reviewed: none of the 2 images of other.json is among the labelled images .*; wanted corrected boxes of those"):
        run(BOXES, LABELLED, TEST, review([100]), review([300, 301], name="other.json"))


def test_boxes_of_other_labels_in_a_review_have_rows_and_a_review_of_nothing_else_is_told(run):
    given = review([100, 101, 102])
    given["categories"] += [{"id": 2, "name": "fly"}, {"id": 3, "name": "Ignore"}]
    given["annotations"][1]["category_id"], given["annotations"][2]["category_id"] = 2, 3
    out = run(BOXES, LABELLED, TEST, given)
    assert [(box["image_id"], box["iscrowd"]) for box in json.loads(out["reviewed"])["annotations"]] == [(100, 0), (102, 1)]
    assert [(row["image"], row["action"], row["reason"]) for row in json.loads(out["audit"])] == [
        ("101.jpg", "dropped", "reviewed boxes that are not of bmsb: 1 of fly")]
    with pytest.raises(InputError, match="--reviewed: has boxes of fly; wanted boxes of bmsb"):
        run(BOXES, LABELLED, TEST, review([100], "fly"))


def test_a_class_of_yolo_without_a_name_is_the_target_in_a_review(run):
    assert len(json.loads(run(BOXES, LABELLED, TEST, review([100], "0"))["reviewed"])["annotations"]) == 1


def test_a_copy_with_other_bytes_is_known_by_the_name_that_the_review_gave_it_if_it_is_as_large(run):
    given, wrong = review([900, 901]), review([902])
    for picture, stem, width in ((given["images"][0], f"{100:013x}" + 19 * "a", 9), (given["images"][1], f"{100:013x}" + 19 * "a", 9),
                                 (wrong["images"][0], f"{101:013x}" + 19 * "a", 8)):
        picture.update(file_name=f"img/{stem}.png", width=width)
    out = run(BOXES, LABELLED, TEST, given)
    assert [picture["id"] for picture in json.loads(out["reviewed"])["images"]] == [100]
    assert [row["reason"] for row in json.loads(out["audit"]) if row["stage"] == "split_images" and row["action"] == "left out"] == [
        "is reviewed twice: the boxes on another copy of 100.jpg count"]
    with pytest.raises(InputError, match="none of the 1 images of review.json"):
        run(BOXES, LABELLED, TEST, wrong)
