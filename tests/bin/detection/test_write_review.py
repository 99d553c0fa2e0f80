import csv
import json

import import_images
import numpy as np
import pytest
import write_review
from PIL import Image

from entoflow import coco, images
from entoflow.detection.review_queue import ranked

INFO = {"rule": "full", "accept": 0.5, "ignore": 0.2, "n_views": 6}


@pytest.fixture
def photos(tmp_path):
    """Two photos, the second a 16-bit grey PNG that goes into the pack as another file, and their entries; a pack of both."""
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 255, (60, 81, 3), np.uint8)).save(tmp_path / "a käfer.jpg")
    Image.fromarray(rng.integers(0, 65535, (50, 70), np.uint16)).save(tmp_path / "b.png")
    facts = {name: images.describe(tmp_path / name) for name in ("a käfer.jpg", "b.png")}
    images.write_pack(tmp_path / "p.zip", [(tmp_path / name, fact["sha256"], fact["suffix"]) for name, fact in facts.items()])
    return [{**photo(fact["id"], width=fact["width"], height=fact["height"]), "file_name": name,
             "member": images.member_name(fact["sha256"], fact["suffix"])} for name, fact in facts.items()]


def photo(number, count=None, reviewed=False, width=100, height=80):
    return {"id": number, "file_name": f"{number}.jpg", "part": "train", "label": "bmsb", "count": count, "reviewed": reviewed,
            "width": width, "height": height}


def box(image, band, probability, bbox=(0, 0, 20, 20), score=0.8, crop=None, views=6, spread=0.0):
    return {"image_id": image, "category_id": 1, "bbox": list(bbox), "area": bbox[2] * bbox[3], "band": band, "score": score, "iscrowd": 0,
            "evidence": {"rank": 1, "count": None, "views": views, "spread": spread, "crop": crop, "probability": probability}}


def weak(pictures, *boxes):
    return {"info": INFO, "images": pictures, "annotations": [{"id": n, **one} for n, one in enumerate(boxes, 1)], "categories": [{"id": 1, "name": "bmsb"}]}


def queue(pictures, *boxes):
    return [(item.image["id"], item.box["id"] if item.box else None, round(item.value, 6)) for item in ranked(weak(pictures, *boxes))]


def test_the_order_is_how_likely_wrong_times_what_a_wrong_decision_costs():
    """A wrong lesson costs 1 (accepted, dropped), a lost one half (ignored, no box accepted)."""
    far = (60, 50, 20, 20)
    assert queue([photo(1), photo(2), photo(3), photo(4)], box(1, "accept", 0.7), box(1, "ignore", 0.3, far), box(2, "accept", 0.98), box(2, "drop", 0.4, far),
                 box(3, "drop", 0.1), box(3, "ignore", 0.2)) == [(3, None, 0.5), (4, None, 0.5), (2, 4, 0.4), (1, 1, 0.3), (1, 2, 0.15)]


def test_what_a_count_promises_and_no_box_gives_is_an_item_of_the_photo():
    far, pictures = (60, 50, 20, 20), [photo(1, 3), photo(2, 1), photo(3, 4), photo(4, 2)]
    assert queue(pictures, box(1, "accept", 1.0), box(2, "accept", 1.0), box(2, "accept", 1.0, far), box(4, "accept", 1.0), box(4, "ignore", 0.0, far)) == [
        (1, None, 2.0), (3, None, 2.0), (2, None, 1.0)]


def test_a_second_box_on_an_accepted_one_and_a_photo_that_was_reviewed_are_no_items():
    assert queue([photo(1), photo(2, reviewed=True)], box(1, "accept", 1.0), box(1, "drop", 0.5, (0, 0, 12, 20)), box(2, "accept", 0.1)) == []


@pytest.mark.parametrize("words, given", [
    ("crop and score disagree (crop 0.10, score 0.80)", {"crop": 0.1}),
    ("accepted on the label's promise, below the threshold", {"score": 0.3}),
    ("score near the threshold", {"score": 0.52}),
    ("view disagreement: seen in 3 of 6 views", {"views": 3}),
    ("view disagreement on its sides", {"spread": 4.0}),
    ("unusually large", {"bbox": (0, 0, 70, 60)}),
    ("unusually small", {"bbox": (0, 0, 6, 6)}),
    ("view disagreement: seen in 2 of 6 views; unusually small", {"views": 2, "bbox": (0, 0, 6, 6)}),
    ("accepted at a probability of 0.40", {}),
])
def test_the_reason_is_told_in_words(words, given):
    usual = [box(2, "accept", 1.0, (20 * n, 0, 20, 20)) for n in range(3)]
    [item] = ranked(weak([photo(1), photo(2)], *usual, box(1, "accept", 0.4, **given)))
    assert item.reason == words


@pytest.fixture
def review(tmp_path, photos):
    """The review of the first photo with an accepted, an ignored and a dropped box and the second with a dropped one alone."""
    a, b = (picture["id"] for picture in photos)
    (tmp_path / "weak.json").touch()
    coco.write(tmp_path / "weak.json", weak(photos, box(a, "accept", 0.5, (3.337, 4.5, 30.1, 25.25)), box(a, "ignore", 0.4, (40, 30, 41, 30), 0.3),
                                            box(a, "drop", 0.1, (60, 0, 9, 9)), box(b, "drop", 0.2, (10.5, 11, 20, 21.125))))
    write_review.main([f"--weak_boxes={tmp_path / 'weak.json'}", f"--packs={tmp_path / 'p.zip'}", f"--review={tmp_path / 'review'}"])
    return tmp_path / "review"


EXPECTED = {60: [("bmsb", (3.337, 4.5, 33.437, 29.75)), ("ignore", (40, 30, 81, 60))], 50: [("ignore", (10.5, 11, 30.5, 32.125))]}


def imported(source, folder):
    """Return {height of the image: [(label, corners)]} of a source, as import_images.py reads it."""
    import_images.main([f"--source={source}", "--role=reviewed", "--name=reviewed_1", f"--dataset={folder / 'd.json'}", f"--audit={folder / 'audit.json'}",
                        f"--packs_folder={folder}"])
    dataset = json.loads((folder / "d.json").read_text())
    names = {category["id"]: category["name"] for category in dataset["categories"]}
    found = {image["id"]: [] for image in dataset["images"]}
    for one in dataset["annotations"]:
        x, y, width, height = one["bbox"]
        found[one["image_id"]].append((names[one["category_id"]], (x, y, x + width, y + height)))
    return {image["height"]: sorted(found[image["id"]]) for image in dataset["images"]}, json.loads((folder / "audit.json").read_text())


def test_what_label_studio_exports_unchanged_are_the_boxes_accepted_and_ignored_to_a_thousandth_of_a_pixel(review, tmp_path):
    tasks = json.loads((review / "label_studio.json").read_text())
    submitted = [{"data": dict(sorted(task["data"].items())), "annotations": [{"was_cancelled": False, "result": task["predictions"][0]["result"]}]}
                 for task in tasks]
    (review / "export.json").write_text(json.dumps(submitted))
    found, rows = imported(review / "export.json", tmp_path)
    assert rows == [] and found.keys() == EXPECTED.keys()
    for height, boxes in EXPECTED.items():
        assert [label for label, _ in found[height]] == [label for label, _ in boxes]
        assert np.array([corners for _, corners in found[height]]) == pytest.approx(np.array([corners for _, corners in boxes]), abs=1e-3)


def test_what_supervisely_gives_back_unchanged_are_the_same_boxes_in_whole_pixels(review, tmp_path):
    found, rows = imported(review / "supervisely", tmp_path)
    assert rows == [] and found == {60: [("bmsb", (3, 4, 34, 30)), ("ignore", (40, 30, 81, 60))], 50: [("ignore", (10, 11, 31, 33))]}
    assert {entry["title"] for entry in json.loads((review / "supervisely/meta.json").read_text())["classes"]} == {"bmsb", "ignore"}


def test_tasks_that_nobody_submitted_in_label_studio_are_no_review(review, tmp_path):
    with pytest.raises(import_images.InputError, match="has no image to take .*has no finished annotation, so it is not known to be empty"):
        imported(review / "label_studio.json", tmp_path)


def test_the_copies_of_photos_are_known_by_their_bytes_or_their_names(review, photos):
    from entoflow.detection import reviewed

    copies = {path.name: images.describe(path) for path in (review / "supervisely/dataset/img").iterdir()}
    assert {fact["id"] for fact in copies.values()} != {picture["id"] for picture in photos}
    given = [{**fact, "file_name": f"dataset/img/{name}", "source": "export"} for name, fact in copies.items()]
    pairs, rows = reviewed.matched(given, {picture["id"]: picture for picture in photos})
    assert [picture["id"] for _, picture in pairs] == [picture["id"] for picture in photos] and rows == []


def test_the_table_has_every_item_and_label_studio_the_labels_to_choose_from(review):
    with open(review / "review.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["rank", "image", "box_id", "x1", "y1", "x2", "y2", "band", "probability", "value", "reason"],
        ["1", "a käfer.jpg", "1", "3.337", "4.5", "33.437", "29.75", "accept", "0.5", "0.5", "accepted at a probability of 0.50"],
        ["2", "b.png", "", "", "", "", "", "", "", "0.5", "no box accepted, though the label promises the target"],
        ["3", "a käfer.jpg", "2", "40", "30", "81", "60", "ignore", "0.4", "0.2", "ignored at a probability of 0.40"],
        ["4", "a käfer.jpg", "3", "60", "0", "69", "9", "drop", "0.1", "0.1", "unusually small"]]
    interface = (review / "label_studio.xml").read_text()
    assert '<Label value="bmsb"/>' in interface and '<Label value="ignore"/>' in interface
    task = json.loads((review / "label_studio.json").read_text())[0]
    assert task["data"]["photo"] == "a käfer.jpg" and task["data"]["image"].startswith("/data/local-files/?d=supervisely/dataset/img/")
    assert Image.open(review / "review.png").width > 1000


def test_a_photo_without_any_candidate_is_marked_whole_so_that_left_as_it_is_it_is_not_taken_for_empty(photos, tmp_path):
    coco.write(tmp_path / "weak.json", weak(photos[:1]))
    write_review.main([f"--weak_boxes={tmp_path / 'weak.json'}", f"--packs={tmp_path / 'p.zip'}", f"--review={tmp_path / 'review'}", "--review_photos=1"])
    assert imported(tmp_path / "review/supervisely", tmp_path)[0] == {60: [("ignore", (0, 0, 81, 60))]}


def test_with_nothing_worth_a_look_there_are_empty_files(photos, tmp_path):
    coco.write(tmp_path / "weak.json", weak(photos[:1], box(photos[0]["id"], "accept", 1.0)))
    write_review.main([f"--weak_boxes={tmp_path / 'weak.json'}", f"--packs={tmp_path / 'p.zip'}", f"--review={tmp_path / 'review'}"])
    assert (tmp_path / "review/review.csv").read_text().count("\n") == 1 and json.loads((tmp_path / "review/label_studio.json").read_text()) == []
    assert (tmp_path / "review/review.png").stat().st_size > 1000
