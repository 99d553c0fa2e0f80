import csv
import json
from dataclasses import replace

import import_images
import numpy as np
import pytest
import write_review
from PIL import Image as PillowImage

from entoflow import dataset, images
from entoflow.detection import weak_boxes as weak_boxes_file
from entoflow.detection.review_queue import rank_items
from entoflow.task import InputError
from weak_box_worlds import photo, weak_box, weak_boxes

FAR = (60, 50, 20, 20)


@pytest.fixture
def photos(tmp_path):
    """Return two photos, the second a 16-bit grey PNG that goes into the pack as another file.

    p.zip is a pack of both.
    """
    rng = np.random.default_rng(1)
    colour = rng.integers(0, 255, (60, 81, 3), np.uint8)
    PillowImage.fromarray(colour).save(tmp_path / "a käfer.jpg")
    PillowImage.fromarray(rng.integers(0, 65535, (50, 70), np.uint16)).save(tmp_path / "b.png")
    photos, members = [], []
    for name in ("a käfer.jpg", "b.png"):
        facts = images.describe(tmp_path / name)
        members.append((tmp_path / name, facts.sha256, facts.suffix))
        of_size = photo(facts.id, width=facts.width, height=facts.height)
        member = images.member_name(facts.sha256, facts.suffix)
        photos.append(replace(of_size, file_name=name, member=member))
    images.write_pack(tmp_path / "p.zip", members)
    return photos


def numbered(*boxes):
    return [replace(box, id=number) for number, box in enumerate(boxes, 1)]


def queue(photos, *boxes):
    """Return (photo, box or None, value) of what is worth a look."""
    items = rank_items(weak_boxes(photos, numbered(*boxes)))
    return [
        (item.image.id, item.box.id if item.box else None, round(item.value, 6)) for item in items
    ]


def test_the_order_is_how_likely_wrong_times_what_a_wrong_decision_costs():
    """A wrong lesson costs 1 (accepted, dropped), a lost one half (ignored, no box accepted)."""
    boxes = [
        weak_box(1, "accept", 0.7),
        weak_box(1, "ignore", 0.3, FAR),
        weak_box(2, "accept", 0.98),
        weak_box(2, "drop", 0.4, FAR),
        weak_box(3, "drop", 0.1),
        weak_box(3, "ignore", 0.2),
    ]
    assert queue([photo(n) for n in (1, 2, 3, 4)], *boxes) == [
        (3, None, 0.5),
        (4, None, 0.5),
        (2, 4, 0.4),
        (1, 1, 0.3),
        (1, 2, 0.15),
    ]


def test_what_a_count_promises_and_no_box_gives_is_an_item_of_the_photo():
    photos = [photo(1, count=3), photo(2, count=1), photo(3, count=4), photo(4, count=2)]
    boxes = [
        weak_box(1, "accept", 1.0),
        weak_box(2, "accept", 1.0),
        weak_box(2, "accept", 1.0, FAR),
        weak_box(4, "accept", 1.0),
        weak_box(4, "ignore", 0.0, FAR),
    ]
    assert queue(photos, *boxes) == [(1, None, 2.0), (3, None, 2.0), (2, None, 1.0)]


def test_a_second_box_on_an_accepted_one_and_a_photo_that_was_reviewed_are_no_items():
    on_accepted = weak_box(1, "drop", 0.5, (0, 0, 12, 20))
    boxes = [weak_box(1, "accept", 1.0), on_accepted, weak_box(2, "accept", 0.1)]
    assert queue([photo(1), photo(2, reviewed=True)], *boxes) == []


@pytest.mark.parametrize(
    "words, evidence",
    [
        ("crop and score disagree (crop 0.10, score 0.80)", {"crop": 0.1}),
        ("accepted on the label's promise, below the threshold", {"score": 0.3}),
        ("score near the threshold", {"score": 0.52}),
        ("view disagreement: seen in 3 of 6 views", {"views": 3}),
        ("view disagreement on its sides", {"spread": 4.0}),
        ("unusually large", {"bbox": (0, 0, 70, 60)}),
        ("unusually small", {"bbox": (0, 0, 6, 6)}),
        (
            "view disagreement: seen in 2 of 6 views; unusually small",
            {"views": 2, "bbox": (0, 0, 6, 6)},
        ),
        ("accepted at a probability of 0.40", {}),
    ],
)
def test_the_reason_is_written_in_words(words, evidence):
    usual = [weak_box(2, "accept", 1.0, (20 * n, 0, 20, 20)) for n in range(3)]
    boxes = [*usual, weak_box(1, "accept", 0.4, **evidence)]
    (item,) = rank_items(weak_boxes([photo(1), photo(2)], boxes))
    assert item.reason == words


@pytest.fixture
def review(tmp_path, photos):
    """Return the review of the first photo with an accepted, an ignored and a dropped box, and the
    second with a dropped one alone.
    """
    first, second = (photo.id for photo in photos)
    return write(
        tmp_path,
        photos,
        [
            weak_box(first, "accept", 0.5, (3.337, 4.5, 30.1, 25.25)),
            weak_box(first, "ignore", 0.4, (40, 30, 41, 30), score=0.3),
            weak_box(first, "drop", 0.1, (60, 0, 9, 9)),
            weak_box(second, "drop", 0.2, (10.5, 11, 20, 21.125)),
        ],
    )


def write(tmp_path, photos, boxes, *options):
    """Write the review of weak boxes and return its folder."""
    weak_boxes_file.write(tmp_path / "weak.json", weak_boxes(photos, boxes))
    write_review.main(
        [
            f"--weak_boxes={tmp_path}/weak.json",
            f"--packs={tmp_path}/p.zip",
            f"--review={tmp_path}/review",
            *options,
        ]
    )
    return tmp_path / "review"


EXPECTED = {  # by height of the image
    60: [("bmsb", (3.337, 4.5, 33.437, 29.75)), ("ignore", (40, 30, 81, 60))],
    50: [("ignore", (10.5, 11, 30.5, 32.125))],
}


def import_review(source, folder):
    """Return ({height of the image: [(label, corners)]}, audit) of a source, as import_images.py
    reads it.
    """
    import_images.main(
        [
            f"--source={source}",
            "--role=reviewed",
            "--name=reviewed_1",
            f"--dataset={folder}/d.json",
            f"--audit={folder}/audit.json",
            f"--packs_folder={folder}",
        ]
    )
    imported = dataset.read(folder / "d.json")
    boxes = {}
    for image in imported.images:
        of_image = []
        for box in imported.boxes:
            if box.image_id == image.id:
                x, y, width, height = box.bbox
                of_image.append((box.label, (x, y, x + width, y + height)))
        boxes[image.height] = sorted(of_image)
    return boxes, json.loads((folder / "audit.json").read_text())


def test_what_label_studio_exports_unchanged_are_the_accepted_and_ignored_boxes(review, tmp_path):
    tasks = json.loads((review / "label_studio.json").read_text())
    submitted = []
    for task in tasks:
        result = task["predictions"][0]["result"]
        data = dict(sorted(task["data"].items()))
        submitted.append(
            {"data": data, "annotations": [{"was_cancelled": False, "result": result}]}
        )
    (review / "export.json").write_text(json.dumps(submitted))
    boxes, rows = import_review(review / "export.json", tmp_path)
    assert rows == []
    assert boxes.keys() == EXPECTED.keys()
    for height, expected in EXPECTED.items():
        assert len(boxes[height]) == len(expected)
        for (label, corners), (expected_label, expected_corners) in zip(boxes[height], expected):
            assert label == expected_label
            assert corners == pytest.approx(expected_corners, abs=1e-3)


def test_what_supervisely_gives_back_unchanged_are_the_same_boxes_in_whole_pixels(review, tmp_path):
    boxes, rows = import_review(review / "supervisely", tmp_path)
    assert rows == []
    assert boxes == {
        60: [("bmsb", (3, 4, 34, 30)), ("ignore", (40, 30, 81, 60))],
        50: [("ignore", (10, 11, 31, 33))],
    }
    meta = json.loads((review / "supervisely/meta.json").read_text())
    assert {entry["title"] for entry in meta["classes"]} == {"bmsb", "ignore"}


def test_tasks_that_nobody_submitted_in_label_studio_are_no_review(review, tmp_path):
    sentence = "has no image to take .*has no finished annotation, so it is not known to be empty"
    with pytest.raises(InputError, match=sentence):
        import_review(review / "label_studio.json", tmp_path)


def test_the_copies_of_photos_are_known_by_their_bytes_or_their_names(review, photos):
    from entoflow.detection import reviewed

    copies = []
    for path in (review / "supervisely/dataset/img").iterdir():
        facts = images.describe(path)
        size = {"width": facts.width, "height": facts.height}
        copies.append(dataset.Image(facts.id, f"dataset/img/{path.name}", **size, source="export"))
    assert {copy.id for copy in copies} != {photo.id for photo in photos}
    labelled = {photo.id: photo for photo in photos}
    pairs, rows = reviewed.match_photos(copies, labelled, "split_images")
    assert [pair.photo for pair in pairs] == photos
    assert rows == []


def test_the_table_has_every_item_and_label_studio_the_labels_to_choose_from(review):
    with open(review / "review.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        [
            "rank",
            "image",
            "box_id",
            "x1",
            "y1",
            "x2",
            "y2",
            "band",
            "probability",
            "value",
            "reason",
        ],
        [
            "1",
            "a käfer.jpg",
            "1",
            "3.337",
            "4.5",
            "33.437",
            "29.75",
            "accept",
            "0.5",
            "0.5",
            "accepted at a probability of 0.50",
        ],
        [
            "2",
            "b.png",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "0.5",
            "no box accepted, though the label promises the target",
        ],
        [
            "3",
            "a käfer.jpg",
            "2",
            "40.0",
            "30.0",
            "81.0",
            "60.0",
            "ignore",
            "0.4",
            "0.2",
            "ignored at a probability of 0.40",
        ],
        [
            "4",
            "a käfer.jpg",
            "3",
            "60.0",
            "0.0",
            "69.0",
            "9.0",
            "drop",
            "0.1",
            "0.1",
            "unusually small",
        ],
    ]
    interface = (review / "label_studio.xml").read_text()
    assert '<Label value="bmsb"/>' in interface
    assert '<Label value="ignore"/>' in interface
    data = json.loads((review / "label_studio.json").read_text())[0]["data"]
    assert data["photo"] == "a käfer.jpg"
    assert data["image"].startswith("/data/local-files/?d=supervisely/dataset/img/")
    assert PillowImage.open(review / "review.png").width > 1000


def test_a_photo_without_candidates_is_marked_whole_so_that_it_is_not_taken_for_empty(
    photos, tmp_path
):
    review = write(tmp_path, photos[:1], [], "--review_photos=1")
    boxes, _ = import_review(review / "supervisely", tmp_path)
    assert boxes == {60: [("ignore", (0, 0, 81, 60))]}


def test_with_nothing_worth_a_look_there_are_empty_files(photos, tmp_path):
    review = write(tmp_path, photos[:1], [weak_box(photos[0].id, "accept", 1.0)])
    assert (review / "review.csv").read_text().count("\n") == 1
    assert json.loads((review / "label_studio.json").read_text()) == []
    assert (review / "review.png").stat().st_size > 1000
