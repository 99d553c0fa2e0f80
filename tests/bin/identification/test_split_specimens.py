import base64
import csv
import hashlib
import json
import random
import subprocess
import tempfile
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import count
from pathlib import Path

import import_images
import numpy as np
import pytest
import split_specimens
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PILImage

from conftest import command
from entoflow import dataset
from entoflow.dataset import Dataset, Image
from entoflow.task import InputError

FILES = ("specimens", "unlabelled", "split", "audit")


def image(number, label, group=None, **more):
    """Return an image that resembles no other; without a group it is one of its own."""
    digest = hashlib.sha256(str(number).encode()).digest()
    name = f"{number}.jpg"
    return Image(
        id=number,
        file_name=name,
        pack="p.zip",
        member=name,
        width=9,
        height=9,
        phash=digest[:8].hex(),
        mirrored=digest[8:16].hex(),
        thumbnail=base64.b64encode(digest * 8).decode(),
        group=group or name,
        label=label,
        **more,
    )


def imported(images, role="specimens", source="labels.csv"):
    return Dataset(images, role=role, format="table", source=source)


def collection(n_classes, n_groups, **more):
    """Return n_groups specimens of one photo for each class."""
    images = []
    for label in range(n_classes):
        for n in range(n_groups):
            images.append(image(100 * label + n, f"class {label:02}", f"{label:02}/{n}", **more))
    return images


def options_for(folder, n_datasets):
    paths = [str(folder / f"{n}.json") for n in range(n_datasets)]
    return ["--datasets", *paths, *(f"--{name}={folder / name}" for name in FILES)]


def split(folder, *datasets, more=()):
    """Return {file: its bytes} of what the task writes for data sets."""
    for n, content in enumerate(datasets):
        dataset.write(folder / f"{n}.json", content)
    split_specimens.main([*options_for(folder, len(datasets)), *more])
    return {name: (folder / name).read_bytes() for name in FILES}


def rows_by_image(written):
    """Return {image: its row} of split.csv."""
    rows = csv.DictReader(written["split"].decode().splitlines())
    return {row["image"]: row for row in rows}


@pytest.fixture
def run(tmp_path):
    """Return a function that splits images: (rows of split.csv, rows of the audit)."""

    def _run(images, *more):
        written = split(tmp_path, imported(images), more=more)
        return list(rows_by_image(written).values()), json.loads(written["audit"])

    return _run


def rows_of_split(images, seed):
    """Return the rows of the split of images, in a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        written = split(Path(folder), imported(images), more=[f"--seed={seed}"])
    return list(rows_by_image(written).values())


def groups_by_label(rows):
    """Return {label: {part: its groups}}."""
    groups = defaultdict(lambda: defaultdict(set))
    for row in rows:
        groups[row["label"]][row["part"]].add(row["group"])
    return groups


def specimens_of(written):
    return json.loads(written["specimens"])["images"]


BASE = collection(6, 3)  # so that there is something to test on, whichever classes are held out
ROWS = st.lists(st.tuples(st.integers(6, 18), st.integers(0, 25)), max_size=50)
SEEDS = st.integers(0, 99)


@settings(max_examples=40, deadline=None)
@given(ROWS, SEEDS)
def test_no_group_is_in_two_parts_though_groups_span_classes(rows, seed):
    more = [
        image(9000 + n, f"class {label:02}", f"drawer {group}")
        for n, (label, group) in enumerate(rows)
    ]
    split_rows = rows_of_split(BASE + more, seed)
    assert len(split_rows) == 18 + len(rows)
    parts = defaultdict(set)
    for row in split_rows:
        part = "held out" if row["part"] in ("test", "unseen") else row["part"]
        parts[row["group"]].add(part)
    assert all(len(names - {"rest"}) <= 1 for names in parts.values())
    for groups in groups_by_label(split_rows).values():
        if "unseen" in groups:
            assert groups.keys() <= {"unseen", "rest"}
        if "test" in groups:
            assert groups.keys() & {"train", "validation", "rest"}


@settings(max_examples=40, deadline=None)
@given(ROWS, SEEDS)
def test_where_groups_are_of_one_class_each_class_is_tested_and_learned_or_held_out_whole(
    rows, seed
):
    more = [
        image(9000 + n, f"class {label:02}", f"{label}: {group}")
        for n, (label, group) in enumerate(rows)
    ]
    groups_of_label = groups_by_label(rows_of_split(BASE + more, seed))
    n_classes = len(groups_of_label)
    unseen = [label for label, groups in groups_of_label.items() if "unseen" in groups]
    assert len(unseen) == (round(0.15 * n_classes) if n_classes >= 10 else 0)
    for label, groups in groups_of_label.items():
        assert "rest" not in groups
        if label in unseen:
            assert groups.keys() == {"unseen"}
        elif sum(map(len, groups.values())) == 1:
            assert groups.keys() == {"train"}
        else:
            assert groups["test"]
            assert groups["train"] | groups["validation"]


def test_classes_are_tested_and_validated_in_the_shares_of_the_options(run):
    options = ["--unseen_share=0.25", "--validation_share=0.1", "--test_share=0.2"]
    rows, _ = run(collection(40, 20), *options)
    sizes = Counter()
    for groups in groups_by_label(rows).values():
        sizes[tuple(sorted((part, len(names)) for part, names in groups.items()))] += 1
    # 10 of 40 classes are unseen, 3 of the other 30 are validated on whole; 4 of 20 groups are for
    # test, and 2 of the 16 left (1.6) for validation
    assert sizes == {
        (("unseen", 20),): 10,
        (("test", 4), ("validation", 16)): 3,
        (("test", 4), ("train", 14), ("validation", 2)): 27,
    }


@pytest.mark.parametrize("n_classes", [12, 30, 60, 90, 120])
def test_a_third_of_the_validation_groups_calibrates_but_twenty_where_there_are(
    tmp_path, n_classes
):
    images = specimens_of(split(tmp_path, imported(collection(n_classes, 4))))
    learned = {row["label"] for row in images if row["part"] == "train"}
    candidates = [row for row in images if row["part"] == "validation" and row["label"] in learned]
    calibrating = [row for row in images if row.get("calibrates")]
    assert {row["part"] for row in calibrating} == {"validation"}
    assert {row["label"] for row in calibrating} <= learned
    assert len(calibrating) >= min(20, len(candidates))
    if len(candidates) >= 60:
        assert len(calibrating) == -(-len(candidates) // 3)


@pytest.mark.parametrize("n_drawers, some", [(4, False), (120, True)])
def test_a_few_groups_that_span_classes_do_not_calibrate(tmp_path, n_drawers, some):
    images = []
    for label in range(60):
        for n in range(4):
            drawer = f"drawer {(label * 4 + n) % n_drawers}"
            images.append(image(100 * label + n, f"class {label:02}", drawer))
    specimens = specimens_of(split(tmp_path, imported(images)))
    assert any(row.get("calibrates", False) for row in specimens) == some
    assert any(row["part"] == "validation" for row in specimens)


def test_of_classes_with_two_groups_left_every_third_gives_one_for_validation(run):
    rows, _ = run(collection(9, 3))
    parts = Counter(tuple(sorted(groups)) for groups in groups_by_label(rows).values())
    assert parts == {("test", "train", "validation"): 3, ("test", "train"): 6}


def drawers():
    """Return 80 images of 20 classes in 20 drawers, which span classes."""
    images = []
    for label in range(20):
        for n in range(4):
            drawer = f"drawer {(label * 7 + n * 3) % 20}"
            images.append(image(21000 + 100 * label + n, f"class {label:02}", drawer))
    return images


def test_the_order_of_images_and_of_data_sets_changes_no_byte(tmp_path):
    images = [*collection(9, 4), *drawers()]
    datasets = [
        imported(images[::2]),
        imported(images[1::2], source="more.csv"),
        imported([image(n, None) for n in range(5000, 5009)], role="unlabelled"),
    ]
    expected = split(tmp_path, *datasets)
    for content in datasets:
        random.Random(1).shuffle(content.images)
    assert split(tmp_path, *datasets) == expected
    _, first, second, third, *outputs = options_for(tmp_path, 3)
    split_specimens.main(["--datasets", third, first, second, *outputs])
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == expected


@pytest.mark.parametrize("added", ["class 03", "class 30"])
def test_one_image_more_moves_few(tmp_path, added):
    images = collection(30, 4)
    before = rows_by_image(split(tmp_path, imported(images)))
    after = rows_by_image(split(tmp_path, imported([*images, image(9999, added)])))
    n_moved = sum(before[name]["part"] != after[name]["part"] for name in before)
    assert n_moved <= 8  # two classes of 120 images


@pytest.mark.parametrize("seed", range(4))
def test_of_many_groups_another_seed_chooses_others(seed):
    one = rows_of_split(collection(30, 4), seed)
    other = rows_of_split(collection(30, 4), seed + 100)
    assert sum(a["part"] != b["part"] for a, b in zip(one, other)) > 30


def test_an_unseen_class_is_near_with_a_sister_in_the_collection_and_far_without():
    numbers = count(1)

    def two(label, split, **taxon):
        return [image(next(numbers), label, split=split, **taxon) for _ in range(2)]

    images = [
        *two("ant", "train", genus="A", family="F"),
        *two("bee", "train", family="F"),
        *two("cimex", "train"),
        *two("near by genus", "test", genus="A"),
        *two("far by genus", "test", genus="B", family="F"),
        *two("near by family", "test", family="F"),
        *two("far by family", "test", family="H"),
        *two("without taxon", "test"),
    ]
    for n in (1, 3, 5):
        images[n] = replace(images[n], split="test")
    tiers = {}
    for row in rows_of_split(images, 1):
        if row["part"] != "train":
            tiers[row["label"]] = (row["part"], row["tier"])
    assert tiers == {
        "ant": ("test", ""),
        "bee": ("test", ""),
        "cimex": ("test", ""),
        "near by genus": ("unseen", "near"),
        "far by genus": ("unseen", "far"),
        "near by family": ("unseen", "near"),
        "far by family": ("unseen", "far"),
        "without taxon": ("unseen", ""),
    }


def of_genera(n_classes, classes_of_genus):
    images = []
    for each in collection(n_classes, 3):
        genus = f"genus {int(each.label[-2:]) // classes_of_genus}"
        images.append(replace(each, genus=genus))
    return images


def wanted_tiers(images, rows):
    """Return {unseen class: near where a class that is not unseen has its genus, else far}."""
    genus_of = {each.label: each.genus for each in images}
    unseen = {row["label"] for row in rows if row["part"] == "unseen"}
    known_genera = {genus for label, genus in genus_of.items() if label not in unseen}
    return {label: "near" if genus_of[label] in known_genera else "far" for label in unseen}


def tiers_of(rows):
    return {row["label"]: row["tier"] for row in rows if row["part"] == "unseen"}


@pytest.mark.parametrize("seed", range(5))
def test_half_of_the_unseen_classes_are_whole_genera_and_tiers_follow_the_definition(seed):
    images = of_genera(40, 2)
    rows = rows_of_split(images, seed)
    tiers = tiers_of(rows)
    assert len(tiers) == 6
    assert tiers == wanted_tiers(images, rows)
    # of up to three classes, one genus of two
    assert sum(tier == "far" for tier in tiers.values()) >= 2


def test_a_class_is_no_sister_of_its_own():
    images = of_genera(40, 2)
    for each in of_genera(40, 2)[::3]:
        phash = image(each.id + 50, "").phash
        in_drawer = replace(
            each, id=each.id + 50, file_name=f"d{each.id}.jpg", group="drawer", phash=phash
        )
        images.append(in_drawer)
    for seed in range(6):
        rows = rows_of_split(images, seed)
        assert tiers_of(rows) == wanted_tiers(images, rows)


def test_a_split_column_decides_what_is_test_and_which_classes_are_unseen(run):
    images = []
    for each in collection(12, 4):
        is_test = each.label in ("class 10", "class 11") or each.group.endswith("/3")
        images.append(replace(each, split="test" if is_test else "train"))
    images[0] = replace(images[0], split=None)
    rows, audit_rows = run(images)
    part_of = {row["image"]: row["part"] for row in rows}
    for each in images:
        wanted = {"train", "validation"}
        if each.split == "test":
            wanted = {"unseen"} if each.label > "class 09" else {"test"}
        assert part_of[each.file_name] in wanted
    assert {"train", "validation"} <= set(part_of.values())
    assert audit_rows == []


def test_a_group_with_split_train_and_test_is_a_leak_with_both_names(run):
    images = collection(4, 4, split="train")
    images[1] = replace(images[1], split="test", group=images[6].group)
    sentence = (
        "labels.csv: leak: 1.jpg and 102.jpg are of one group.*"
        "one with split train and one with test; wanted"
    )
    with pytest.raises(InputError, match=sentence):
        run(images)


def alike(images, first, second):
    """Return the images, of which the second looks as the first does."""
    one = images[first]
    looks = {"phash": one.phash, "mirrored": one.mirrored, "thumbnail": one.thumbnail}
    changed = list(images)
    changed[second] = replace(images[second], **looks)
    return changed


def test_near_duplicates_with_split_train_and_test_are_a_leak_too(run):
    images = [image(n, f"class {n % 4}", split="test" if n > 11 else "train") for n in range(16)]
    sentence = "leak: 13.jpg and 2.jpg are of one group, or nearly the same photo"
    with pytest.raises(InputError, match=sentence):
        run(alike(images, 2, 13))


@pytest.mark.parametrize(
    "change, sentence",
    [
        (
            {"split": "validation"},
            "labels.csv: 1.jpg has split 'validation'; wanted train, test or nothing",
        ),
        (
            {"genus": "Apis"},
            "labels.csv: 0.jpg and 1.jpg are both class 00, of genus 'Vespa' and 'Apis'; "
            "wanted one genus for a class",
        ),
        (
            {"genus": None},
            "0.jpg and 1.jpg are both class 00, of genus 'Vespa' and ''; wanted one genus",
        ),
        (
            {"family": "Apidae"},
            "0.jpg and 1.jpg are both class 00, of family '' and 'Apidae'; "
            "wanted one family for a class",
        ),
    ],
)
def test_a_cell_that_cannot_be_used_is_an_error_with_its_images(run, change, sentence):
    images = collection(3, 3, genus="Vespa")
    images[1] = replace(images[1], **change)
    with pytest.raises(InputError, match=sentence):
        run(images)


def test_a_genus_of_two_families_is_an_error_with_both(run):
    images = collection(2, 3, genus="Vespa", family="Vespidae")
    images[3:] = [replace(each, family="Apidae") for each in images[3:]]
    sentence = (
        r"genus 'Vespa' is of family 'Vespidae' \(class 00\) and 'Apidae' \(class 01\); "
        "wanted one family for a genus"
    )
    with pytest.raises(InputError, match=sentence):
        run(images)


@pytest.mark.parametrize(
    "images, sentence",
    [
        (
            collection(1, 9),
            r"--specimens: have 1 class \(class 00\); wanted at least two to tell apart",
        ),
        (
            collection(30, 1),
            "none of the 30 classes has specimens of two groups, one to learn from and one to "
            "test on; wanted a second specimen of some",
        ),
        (
            [replace(each, group=each.label) for each in collection(5, 9)],
            "none of the 5 classes has specimens of two groups",
        ),
    ],
)
def test_a_collection_of_which_nothing_can_be_measured_is_an_error(run, images, sentence):
    with pytest.raises(InputError, match=sentence):
        run(images)


@pytest.mark.parametrize("present, lacking", [("train", "test"), ("test", "train and test")])
def test_a_split_column_without_one_of_its_two_parts_is_an_error(run, present, lacking):
    sentence = f"--specimens: its column split leaves nothing for {lacking}; wanted specimens"
    with pytest.raises(InputError, match=sentence):
        run(collection(12, 4, split=present))


def test_the_only_class_of_several_groups_is_not_held_out(run):
    images = collection(1, 4) + [image(9000 + n, f"lone {n}") for n in range(11)]
    for seed in range(12):
        rows, _ = run(images, f"--seed={seed}")
        assert "test" in groups_by_label(rows)["class 00"]


NO_UNSEEN = (
    "no class is held out as unseen (too few, or too small a share of them), "
    "so nothing is measured of the unknown"
)


def test_below_ten_classes_none_is_held_out_and_a_note_says_so(run):
    rows, audit_rows = run(collection(9, 4))
    assert {row["part"] for row in rows} == {"train", "validation", "test"}
    assert [(row["action"], row["stage"], row["reason"]) for row in audit_rows] == [
        ("note", "split_specimens", NO_UNSEEN)
    ]
    rows, audit_rows = run(collection(10, 4))
    assert len({row["label"] for row in rows if row["part"] == "unseen"}) == 2
    assert audit_rows == []


def test_too_small_a_share_to_hold_a_class_out_has_the_note_too(run):
    rows, audit_rows = run(collection(20, 4), "--unseen_share=0.02")
    assert "unseen" not in {row["part"] for row in rows}
    assert [row["reason"] for row in audit_rows] == [NO_UNSEEN]


def test_a_split_column_without_unseen_classes_has_the_note_too(run):
    images = []
    for n, each in enumerate(collection(12, 4)):
        images.append(replace(each, split="test" if n % 4 == 0 else "train"))
    rows, audit_rows = run(images)
    assert "unseen" not in {row["part"] for row in rows}
    assert [row["reason"] for row in audit_rows] == [NO_UNSEEN]


def test_groups_are_counted_a_few_times_however_many_images_there_are(run, monkeypatch):
    calls = []
    count_groups = split_specimens.count_groups

    def counted(images):
        calls.append(1)
        return count_groups(images)

    monkeypatch.setattr(split_specimens, "count_groups", counted)
    run(collection(12, 10))
    assert len(calls) <= 5


def without_groups(images):
    return [replace(each, group=each.file_name) for each in images]


def test_near_duplicates_under_two_labels_are_one_group_with_a_note(run):
    rows, audit_rows = run(alike(without_groups(collection(8, 4)), 2, 9))
    groups = {row["image"]: row["group"] for row in rows}
    assert groups["2.jpg"] == groups["201.jpg"]
    assert len(set(groups.values())) == 31
    (note,) = [row for row in audit_rows if row["action"] == "note" and row["image"]]
    assert note["source"] == "labels.csv"
    labels = {"2.jpg": "class 00", "201.jpg": "class 02"}
    name = note["image"]
    (other,) = labels.keys() - {name}
    assert note["reason"] == (
        f"nearly the same photo as {other}, which is labelled {labels[other]}, "
        f"not {labels[name]}: is one label wrong?"
    )


def test_near_duplicates_of_one_label_have_no_note(run):
    _, audit_rows = run(alike(without_groups(collection(12, 4)), 2, 3))
    assert [row["action"] for row in audit_rows] == ["joined"]


def test_an_image_that_two_sources_label_differently_is_in_no_part_and_has_two_rows(tmp_path):
    more = [image(2, "another"), image(101, "class 01", "01/1")]
    written = split(tmp_path, imported(collection(12, 4)), imported(more, source="more.csv"))
    rows = rows_by_image(written)
    assert "2.jpg" not in rows
    assert "101.jpg" in rows
    audit_rows = json.loads(written["audit"])
    two_labels = "labelled another and class 00 by two sources"
    assert sorted((row["image"], row["source"], row["reason"]) for row in audit_rows) == [
        ("101.jpg", "more.csv", "the same bytes as an image of another source"),
        ("2.jpg", "labels.csv", two_labels),
        ("2.jpg", "more.csv", two_labels),
    ]


def test_unlabelled_images_are_handed_on_and_have_no_part(tmp_path):
    unlabelled = imported([image(n, None) for n in range(7000, 7005)], role="unlabelled")
    written = split(tmp_path, imported(collection(12, 4)), unlabelled)
    handed_on = json.loads(written["unlabelled"])["images"]
    assert [row["id"] for row in handed_on] == list(range(7000, 7005))
    rows = rows_by_image(written)
    assert len(rows) == 48
    parts = {row["part"] for row in specimens_of(written)}
    assert parts == {row["part"] for row in rows.values()}


def test_the_last_line_counts_images_and_classes_of_each_part(tmp_path, capsys):
    rows = rows_by_image(split(tmp_path, imported(collection(20, 4)))).values()
    sentence = capsys.readouterr().out.splitlines()[-1]
    counts = []
    for part in ("train", "validation", "test", "unseen"):
        labels = [row["label"] for row in rows if row["part"] == part]
        counts.append(f"{part} {len(labels)} of {len(set(labels))} classes")
    assert sentence == f"80 images of 20 classes: {', '.join(counts)}."


@pytest.mark.parametrize(
    "more, sentence",
    [
        (
            ["--test_share=0"],
            "--test_share is 0.0; wanted a share above 0 and below 1",
        ),
        (["--unseen_share=nan"], "--unseen_share is nan; wanted a share above 0"),
        (
            ["--validation_share=0.5", "--unseen_share=0.5"],
            "leave no class to learn from",
        ),
    ],
)
def test_shares_that_leave_a_part_empty_are_an_error(run, more, sentence):
    with pytest.raises(InputError, match=sentence):
        run(collection(12, 4), *more)


@pytest.fixture
def import_table(tmp_path):
    """Return a function that imports a table of images of noise ({name: seed}).

    It returns (the data set, the rows of the audit).
    """

    def _import_table(table, files):
        for name, seed in files.items():
            pixels = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)
            PILImage.fromarray(pixels).save(tmp_path / name)
        (tmp_path / "labels.csv").write_text(table, encoding="utf-8")
        paths = [
            f"--source={tmp_path}/labels.csv",
            f"--dataset={tmp_path}/0.json",
            f"--audit={tmp_path}/imported.json",
            f"--packs_folder={tmp_path}",
        ]
        options = ["--role=specimens", "--name=specimens_1", "--max_bad_files=1"]
        import_images.main([*paths, *options])
        audit_rows = json.loads((tmp_path / "imported.json").read_text())
        return dataset.read(tmp_path / "0.json"), audit_rows

    return _import_table


def test_a_label_in_two_spellings_of_unicode_is_one_class(import_table, tmp_path):
    labels = ["K\u00e4fer", "Ka\u0308fer", "K\u00e4fer", "bug", "bug", "bug"]
    lines = [f"{n}.png,{label}\n" for n, label in enumerate(labels)]
    content, _ = import_table("image,label\n" + "".join(lines), {f"{n}.png": n for n in range(6)})
    rows = rows_by_image(split(tmp_path, content)).values()
    assert Counter(row["label"] for row in rows) == {"K\u00e4fer": 3, "bug": 3}
    assert {row["part"] for row in rows if row["label"] != "bug"} >= {"train", "test"}


@pytest.mark.parametrize(
    "table, sentence",
    [
        (
            "image,label\n0.png,bug\n1.png,fly\n0.png,fly\n",
            "labels.csv, rows 2 and 4: 0.png is labelled 'bug' and 'fly'; "
            "wanted one label for an image",
        ),
        (
            "image,species\n0.png,bug\n",
            "labels.csv: has columns image, species; wanted image, label",
        ),
        (
            "image,label\n0.png,bug\n1.png,\n",
            "labels.csv, row 3: label is empty; wanted a value",
        ),
    ],
)
def test_a_table_without_one_label_for_each_image_is_an_error_with_its_rows(
    import_table, table, sentence
):
    with pytest.raises(InputError, match=sentence):
        import_table(table, {"0.png": 0, "1.png": 1})


def test_the_same_bytes_under_two_labels_are_no_specimen_and_have_rows(import_table):
    table = "image,label\n0.png,bug\n1.png,fly\n2.png,fly\n"
    content, audit_rows = import_table(table, {"0.png": 0, "1.png": 0, "2.png": 2})
    assert [each.file_name for each in content.images] == ["2.png"]
    reason = "0.png (bug) and 1.png (fly) have the same bytes"
    assert [(row["image"], row["row"], row["reason"]) for row in audit_rows] == [
        ("0.png", 2, reason),
        ("1.png", 3, reason),
    ]


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    dataset.write(tmp_path / "0.json", imported(collection(1, 2)))
    words = [*command("split_specimens"), *options_for(tmp_path, 1)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    sentence = "error: --specimens: have 1 class (class 00); wanted at least two to tell apart.\n"
    assert done.stderr == sentence


def test_a_file_that_is_no_imported_set_is_refused(tmp_path):
    sentence = "0.json: says no role of its images; wanted a data set that import_images.py wrote"
    with pytest.raises(InputError, match=sentence):
        split(tmp_path, imported(collection(3, 3), role="boxes"))
