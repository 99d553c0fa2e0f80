"""Data sets of drawn-up images, each unlike all others, divided by split_images.py."""

import base64
import csv
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import split_images

from entoflow import audit, dataset
from entoflow.dataset import Box, Dataset, Image
from entoflow.task import InputError


def image(number, label=None, group=None):
    cells = bytes((number * 37 + k * (number % 7 + 1)) % 256 for k in range(256))
    name = f"{number}.jpg"
    return Image(
        id=number,
        file_name=name,
        pack="p.zip",
        member=name,
        width=9,
        height=9,
        group=group or name,
        phash=f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}",
        mirrored=f"{number * 0xD1B54A32D192ED03 % 2**64:016x}",
        thumbnail=base64.b64encode(cells).decode(),
        label=label,
    )


def boxed(role, numbers, category="bug", source=None):
    """Return images with a box each."""
    boxes = [Box(number, category, (0, 0, 4, 4)) for number in numbers]
    images = [image(number) for number in numbers]
    return Dataset(images, boxes, [category], role=role, format="coco", source=source or role)


def labelled(numbers, label="bmsb", source="labelled"):
    images = [image(number, label) for number in numbers]
    return Dataset(images, role="labelled", format="csv", source=source)


def changed(content, place, **values):
    """Return a data set with one image changed."""
    images = list(content.images)
    images[place] = replace(images[place], **values)
    return replace(content, images=images)


def added(content, *images):
    return replace(content, images=[*content.images, *images])


def relabelled(content, labels):
    """Return a data set whose first boxes have other labels."""
    boxes = [replace(box, label=label) for box, label in zip(content.boxes, labels)]
    every_label = list(dict.fromkeys([*content.labels, *labels]))
    return replace(content, boxes=[*boxes, *content.boxes[len(boxes) :]], labels=every_label)


LABELLED = labelled(range(100, 130))
BOXES = boxed("boxes", range(1, 20))
TEST = boxed("test", range(200, 210), "bmsb")


@dataclass(frozen=True)
class Outputs:
    """The files that split_images.py wrote."""

    folder: Path

    def dataset(self, name):
        return dataset.read(self.folder / name)

    def ids(self, name):
        return {image.id for image in self.dataset(name).images}

    def split(self, role):
        """Return the rows of split.csv of one role."""
        with open(self.folder / "split", newline="") as file:
            return [row for row in csv.DictReader(file) if row["role"] == role]

    def parts(self, role):
        return {row["image"]: row["part"] for row in self.split(role)}

    def audit(self):
        return audit.read(self.folder / "audit")

    def contents(self):
        return {name: (self.folder / name).read_text() for name in split_images.OUTPUTS}


@pytest.fixture
def run(tmp_path):
    """Return f(data sets, target, more options): the outputs."""
    runs = []

    def _run(*datasets, target="bmsb", more=()):
        folder = tmp_path / str(len(runs))
        folder.mkdir()
        runs.append(folder)
        paths = []
        for number, content in enumerate(datasets):
            paths.append(folder / f"{number}.json")
            dataset.write(paths[-1], content)
        options = [f"--{name}={folder / name}" for name in split_images.OUTPUTS]
        if target:
            options.append(f"--target={target}")
        split_images.main(["--datasets", *map(str, paths), *options, *more])
        return Outputs(folder)

    return _run


def test_the_order_of_the_sources_changes_nothing(run):
    sources = [BOXES, LABELLED, TEST]
    assert run(*sources).contents() == run(*sources[::-1]).contents()


LEAKS = pytest.mark.parametrize(
    "trained, held_out", [("boxes", "test"), ("labelled", "test"), ("boxes", "audit")]
)


def four_sources():
    audited = boxed("audit", range(100, 105), "bmsb")
    return {"boxes": BOXES, "labelled": LABELLED, "test": TEST, "audit": audited}


@LEAKS
def test_a_leak_between_stages_names_the_pair(run, trained, held_out):
    sources = four_sources()
    leaked = sources[trained].images[0]
    planted = replace(leaked, file_name="planted.jpg", label=None)
    sources[held_out] = added(sources[held_out], planted)
    if held_out == "audit":
        sources["labelled"] = added(sources["labelled"], replace(leaked, label="bmsb"))
    sentence = f"leak: 1 images for {held_out}.*{leaked.file_name} and "
    with pytest.raises(InputError, match=sentence):
        run(*sources.values())


def with_visits(content):
    """Return labelled photos each of which has a group that the user named."""
    images = [replace(each, group=f"visit {each.file_name}") for each in content.images]
    return replace(content, images=images)


@LEAKS
def test_a_group_given_by_name_in_two_stages_is_a_leak(run, trained, held_out):
    sources = four_sources()
    sources["labelled"] = with_visits(sources["labelled"])
    other_role = "labelled" if held_out == "audit" else held_out
    sources[trained] = changed(sources[trained], 0, group="night 7")
    sources[other_role] = changed(sources[other_role], 1, group="night 7")
    first = sources[trained].images[0].file_name
    second = sources[other_role].images[1].file_name
    sentence = f"leak: 1 images for {held_out} .*of one group with them: {first} and {second}"
    with pytest.raises(InputError, match=sentence):
        run(*sources.values())


def mirrored_thumbnail(image):
    cells = base64.b64decode(image.thumbnail)
    rows = [cells[start : start + 16][::-1] for start in range(0, 256, 16)]
    return base64.b64encode(b"".join(rows)).decode()


@LEAKS
def test_a_mirrored_copy_in_two_stages_is_a_leak(run, trained, held_out):
    sources = four_sources()
    sources["labelled"] = with_visits(sources["labelled"])
    other_role = "labelled" if held_out == "audit" else held_out
    first = sources[trained].images[0]
    second = sources[other_role].images[1]
    sources[trained] = changed(sources[trained], 0, mirrored=second.phash)
    copy = {"mirrored": first.phash, "thumbnail": mirrored_thumbnail(first)}
    sources[other_role] = changed(sources[other_role], 1, **copy)
    if held_out == "audit":  # the audit's copy of the photo has the same bytes
        sources["audit"] = changed(sources["audit"], 1, **copy)
    sentence = f"leak: 1 images for {held_out} .*: {first.file_name} and {second.file_name}"
    with pytest.raises(InputError, match=sentence):
        run(*sources.values())


@pytest.mark.parametrize("seed", range(8))
def test_a_photo_in_boxes_and_labelled_has_one_part_so_that_none_is_trained_on_and_tested(
    run, seed
):
    copies = [image(number, "bmsb") for number in range(1, 16)]
    out = run(
        boxed("boxes", range(1, 30), "bmsb"), added(LABELLED, *copies), more=[f"--seed={seed}"]
    )
    of_boxes = out.parts("boxes")
    of_labelled = out.parts("labelled")
    names = [copy.file_name for copy in copies]
    assert {of_boxes[name] for name in names} == {"train", "validation", "test"}
    assert all(of_boxes[name] == of_labelled[name] for name in names)


@pytest.mark.parametrize("seed", range(8))
def test_a_few_boxes_of_the_target_among_many_are_in_every_part(run, seed):
    boxes = relabelled(boxed("boxes", range(1, 60), "fly"), ["bmsb"] * 3)
    test = run(boxes, LABELLED, more=[f"--seed={seed}"]).dataset("test")
    assert (test.truth, len(test.boxes)) == ("boxes", 1)


def test_the_same_file_name_in_two_sources_is_two_photos(run):
    second = boxed("boxes", range(40, 60), source="second")
    images = []
    for number, each in enumerate(second.images, 1):
        images.append(replace(each, file_name=f"{number}.jpg", group=f"{number}.jpg"))
    rows = run(BOXES, replace(second, images=images), LABELLED).split("boxes")
    assert len({row["group"] for row in rows}) == 39


def test_a_photo_that_two_sources_label_differently_is_in_neither(run):
    other = labelled(range(128, 140), "nezara", source="second")
    out = run(BOXES, LABELLED, other, TEST)
    assert out.ids("labelled") == {*range(100, 128), *range(130, 140)}
    rows = sorted((row.image, row.source, row.reason) for row in out.audit())
    assert rows == [
        (f"{number}.jpg", source, "labelled bmsb and nezara by two sources")
        for number in (128, 129)
        for source in ("labelled", "second")
    ]


def test_audited_images_that_are_no_labelled_photo_have_rows(run):
    out = run(BOXES, LABELLED, TEST, boxed("audit", range(127, 132), "bmsb"))
    assert out.ids("audit_boxes") == {127, 128, 129}
    rows = [(row.image, row.action) for row in out.audit()]
    assert rows == [("130.jpg", "left out"), ("131.jpg", "left out")]


def test_without_test_boxes_the_targets_own_held_out_boxes_are_the_truth(run):
    test = run(boxed("boxes", range(1, 30), "bmsb"), LABELLED).dataset("test")
    assert test.truth == "boxes"
    assert test.boxes
    assert {image.part for image in test.images} == {"test"}


def test_a_test_image_whose_boxes_are_all_of_others_is_labelled_by_them(run):
    test = relabelled(boxed("test", range(200, 204), "bmsb"), ["bmsb", "moth", "fly"])
    more = [Box(202, "moth", (0, 0, 4, 4)), Box(203, "moth", (0, 0, 4, 4))]
    test = replace(test, boxes=[*test.boxes, *more])
    chosen = run(BOXES, LABELLED, test).dataset("test")
    assert [image.label for image in chosen.images] == [None, "moth", "fly and moth", None]
    assert [box.image_id for box in chosen.boxes] == [200, 203]


def test_with_labels_alone_no_box_is_made_up(run):
    test = run(boxed("boxes", range(1, 30), "fly"), LABELLED).dataset("test")
    assert test.truth == "labels"
    assert test.boxes == []


def test_audit_boxes_of_held_out_photos_are_truth_and_measure_nothing_else(run):
    audited = boxed("audit", range(100, 130), "bmsb")
    out = run(boxed("boxes", range(1, 30), "fly"), LABELLED, audited)
    assert out.dataset("test").truth == "audit_boxes"
    assert not out.ids("test") & out.ids("audit_boxes")


@pytest.mark.parametrize(
    "target, sources, sentence",
    [
        (
            "moth",
            [LABELLED],
            "--target is 'moth'; wanted one of the labels of the labelled images: bmsb",
        ),
        (
            "bmsb",
            [LABELLED, boxed("test", range(200, 205), "moth")],
            "--test_boxes: has boxes of moth; wanted boxes of bmsb",
        ),
        (
            "bmsb",
            [LABELLED, boxed("audit", range(300, 305), "bmsb")],
            "none of its images is among the labelled images",
        ),
        (
            "bmsb",
            [labelled([100])],
            "photos labelled bmsb come in 1 group, none left to validate on; wanted at least 2",
        ),
        (
            "bmsb",
            [labelled([100, 101])],
            "no image is left to test on: too few groups of images; give more images, or --test_bo",
        ),
    ],
)
def test_what_does_not_fit_together_is_an_error(run, target, sources, sentence):
    with pytest.raises(InputError, match=sentence):
        run(boxed("boxes", range(1, 30)), *sources, target=target)


@pytest.mark.parametrize(
    "more, sentence",
    [
        (["--validation_share=0"], "--validation_share is 0.0; wanted a share above 0 and below 1"),
        (["--test_share=nan"], "--test_share is nan; wanted a share above 0"),
        (["--validation_share=0.6", "--test_share=0.4"], "leave nothing to train on"),
    ],
)
def test_shares_that_leave_a_part_empty_are_an_error(run, more, sentence):
    with pytest.raises(InputError, match=sentence):
        run(BOXES, LABELLED, more=more)


def test_boxes_in_one_group_leave_none_to_validate_on(run):
    images = [replace(each, group="night 1") for each in BOXES.images]
    sentence = "--boxes: images with boxes come in 1 group, none left to validate on; wanted at le"
    with pytest.raises(InputError, match=sentence):
        run(replace(BOXES, images=images), LABELLED, TEST)


def test_an_umlaut_typed_is_the_umlaut_of_a_folders_name(run):
    out = run(BOXES, labelled(range(100, 130), "K\u00e4fer"), target="Ka\u0308fer")
    assert out.dataset("test").truth == "labels"


def test_a_file_that_is_no_imported_set_is_an_error(run):
    sentence = "0.json: says no role of its images; wanted a data set that import_images.py wrote"
    with pytest.raises(InputError, match=sentence):
        run(Dataset([]))


def test_photos_of_different_parts_that_look_alike_are_counted_in_a_note(run):
    boxes = boxed("boxes", range(1, 30))
    images = [replace(each, phash=boxes.images[0].phash) for each in boxes.images]
    out = run(replace(boxes, images=images), LABELLED, TEST)
    parts = list(out.parts("boxes").values())
    n = parts.count("train") * parts.count("validation")
    assert [row.reason for row in out.audit()] == [
        f"{n} pairs of images in different parts look alike (one camera?): give a group"
    ]


def test_a_look_alike_with_one_photo_is_trained_on(run):
    out = run(BOXES, added(LABELLED, image(150, "nezara")))
    assert out.parts("labelled")["150.jpg"] == "train"


def test_without_boxes_there_is_nothing_to_train_on(run):
    sentence = "none holds images with boxes to train on; wanted at least one that was imported wi"
    with pytest.raises(InputError, match=sentence):
        run(LABELLED, TEST)


def review(numbers, category="bmsb", name="review.json"):
    return boxed("reviewed", numbers, category, source=name)


def test_a_review_moves_no_photo_to_another_part_and_changes_no_other_file(run):
    without = run(BOXES, LABELLED, TEST)
    out = run(BOXES, LABELLED, TEST, review([100, 101, 300]))
    before, after = without.contents(), out.contents()
    assert {name for name in before if before[name] != after[name]} == {"audit", "reviewed"}
    photos = [image for image in out.dataset("labelled").images if image.id in (100, 101)]
    reviewed = out.dataset("reviewed")
    assert reviewed.images == photos
    assert [box.bbox for box in reviewed.boxes] == [(0, 0, 4, 4)] * 2
    assert without.dataset("reviewed").images == []
    (row,) = out.audit()
    assert (row.image, row.source, row.action) == ("300.jpg", "review.json", "left out")
    assert row.reason.startswith("is not among the labelled images")


def test_a_reviewed_photo_of_the_test_part_teaches_nothing(run):
    out = run(BOXES, LABELLED, review(range(100, 130)))
    held_out = [name for name, part in out.parts("labelled").items() if part == "test"]
    reviewed = out.dataset("reviewed")
    assert held_out
    assert {image.part for image in reviewed.images} == {"train", "validation"}
    assert len(reviewed.boxes) == len(reviewed.images) == 30 - len(held_out)
    left_out = [row.image for row in out.audit() if "held out for testing" in row.reason]
    assert left_out == held_out


def test_a_review_of_no_labelled_photo_is_an_error_with_its_name(run):
    other = review([300, 301], name="other.json")
    sentence = "--reviewed: none of the 2 images of other.json is among the labelled images .*; wa"
    with pytest.raises(InputError, match=sentence):
        run(BOXES, LABELLED, TEST, review([100]), other)


def test_boxes_of_other_labels_in_a_review_have_rows(run):
    reviewed = relabelled(review([100, 101, 102]), ["bmsb", "fly", "Ignore"])
    out = run(BOXES, LABELLED, TEST, reviewed)
    boxes = [(box.image_id, box.iscrowd) for box in out.dataset("reviewed").boxes]
    assert boxes == [(100, False), (102, True)]
    (row,) = out.audit()
    assert (row.image, row.action) == ("101.jpg", "dropped")
    assert row.reason == "reviewed boxes that are not of bmsb: 1 of fly"


def test_a_review_of_other_labels_alone_is_an_error(run):
    with pytest.raises(InputError, match="--reviewed: has boxes of fly; wanted boxes of bmsb"):
        run(BOXES, LABELLED, TEST, review([100], "fly"))


def test_a_class_of_yolo_without_a_name_is_the_target_in_a_review(run):
    out = run(BOXES, LABELLED, TEST, review([100], "0"))
    assert len(out.dataset("reviewed").boxes) == 1


def copy_of(reviewed, place, number, width=9):
    """Return a review in which an image has the name that the review gave its copy of a photo."""
    name = f"img/{number:013x}{'a' * 19}.png"
    return changed(reviewed, place, file_name=name, width=width)


def test_a_copy_with_other_bytes_is_known_by_the_name_that_the_review_gave_it(run):
    reviewed = copy_of(copy_of(review([900, 901]), 0, 100), 1, 100)
    out = run(BOXES, LABELLED, TEST, reviewed)
    assert out.ids("reviewed") == {100}
    assert [row.reason for row in out.audit() if row.action == "left out"] == [
        "is reviewed twice: the boxes on another copy of 100.jpg count"
    ]


def test_a_file_of_another_size_is_no_copy_whatever_its_name(run):
    with pytest.raises(InputError, match="none of the 1 images of review.json"):
        run(BOXES, LABELLED, TEST, copy_of(review([902]), 0, 101, width=8))
