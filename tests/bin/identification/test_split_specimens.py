import base64
import csv
import hashlib
import json
import random
import subprocess
import tempfile
from collections import Counter, defaultdict
from itertools import count, groupby
from pathlib import Path

import import_images
import numpy as np
import pytest
import split_specimens
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from conftest import command
from entoflow import coco
from entoflow.task import InputError

FILES = ("specimens", "unlabelled", "split", "audit")


def image(number, label, group=None, **more):
    """An image that resembles no other; without a group it is one of its own, as import_images.py writes it."""
    digest, name = hashlib.sha256(str(number).encode()).digest(), f"{number}.jpg"
    return {"id": number, "file_name": name, "pack": "p.zip", "member": name, "width": 9, "height": 9, "sha256": "", "group": group or name,
            "phash": digest[:8].hex(), "mirrored": digest[8:16].hex(), "thumbnail": base64.b64encode(digest * 8).decode(), "label": label,
            "count": None, **more}


def dataset(images, role="specimens", source="labels.csv"):
    return {"info": {"role": role, "format": "table", "source": source}, "images": images, "annotations": [], "categories": []}


def collection(n_classes, n_groups, **more):
    """n_groups specimens of one photo for each class."""
    return [image(100 * label + n, f"class {label:02}", f"{label:02}/{n}", **more) for label in range(n_classes) for n in range(n_groups)]


def split(folder, *datasets, more=()):
    """Return {file: its bytes} of what the task makes of data sets."""
    paths = [folder / f"{n}.json" for n in range(len(datasets))]
    for path, content in zip(paths, datasets):
        coco.write(path, content)
    split_specimens.main(["--datasets", *map(str, paths), *(f"--{name}={folder / name}" for name in FILES), *more])
    return {name: (folder / name).read_bytes() for name in FILES}


def parts_of(out):
    """Return the rows of the split, {image: its row}."""
    return {row["image"]: row for row in csv.DictReader(out["split"].decode().splitlines())}


@pytest.fixture
def run(tmp_path):
    def _run(images, *more):
        out = split(tmp_path, dataset(images), more=more)
        return list(parts_of(out).values()), json.loads(out["audit"])
    return _run


def parted(images, seed):
    """Return the rows of the split of images, in a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        return list(parts_of(split(Path(folder), dataset(images), more=[f"--seed={seed}"])).values())


def by_label(rows):
    """Return {label: {part: its groups}}."""
    found = defaultdict(lambda: defaultdict(set))
    for row in rows:
        found[row["label"]][row["part"]].add(row["group"])
    return found


BASE = collection(6, 3)  # so that there is something to test on, whichever classes are held out
ROWS = st.lists(st.tuples(st.integers(6, 18), st.integers(0, 25)), max_size=50)
SEEDS = st.integers(0, 99)


@settings(max_examples=40, deadline=None)
@given(ROWS, SEEDS)
def test_no_group_is_in_two_parts_though_groups_span_classes(rows, seed):
    found = parted(BASE + [image(9000 + n, f"class {label:02}", f"drawer {group}") for n, (label, group) in enumerate(rows)], seed)
    parts = defaultdict(set)
    for row in found:
        parts[row["group"]].add("held out" if row["part"] in ("test", "unseen") else row["part"])
    assert len(found) == 18 + len(rows) and all(len(names - {"rest"}) <= 1 for names in parts.values())
    for own in by_label(found).values():
        assert "unseen" not in own or own.keys() <= {"unseen", "rest"}
        assert "test" not in own or own.keys() & {"train", "validation", "rest"}


@settings(max_examples=40, deadline=None)
@given(ROWS, SEEDS)
def test_where_groups_are_of_one_class_each_class_is_tested_and_kept_or_held_out_whole_and_singletons_are_learned_from(rows, seed):
    found = by_label(parted(BASE + [image(9000 + n, f"class {label:02}", f"{label}: {group}") for n, (label, group) in enumerate(rows)], seed))
    held = [label for label, own in found.items() if "unseen" in own]
    assert len(held) == (round(0.15 * len(found)) if len(found) >= 10 else 0)
    for label, own in found.items():
        assert "rest" not in own
        if label in held:
            assert own.keys() == {"unseen"}
        elif sum(map(len, own.values())) == 1:
            assert own.keys() == {"train"}
        else:
            assert own["test"] and own["train"] | own["validation"]


DRAWERS = [image(1000 + 100 * label + n, f"class {label:02}", f"drawer {(label * 7 + n * 3) % 20}") for label in range(20) for n in range(4)]


def test_classes_are_tested_and_validated_in_the_shares_asked_for(run):
    found = by_label(run(collection(40, 20), "--unseen_share=0.25", "--validation_share=0.1", "--test_share=0.2")[0])
    sizes = Counter(tuple(sorted((part, len(groups)) for part, groups in own.items())) for own in found.values())
    # 10 of 40 classes are unseen, 3 of the other 30 are validated on whole; 4 of 20 groups are for test, and 2 of the 16 left (1.6) for validation
    assert sizes == {(("unseen", 20),): 10, (("test", 4), ("validation", 16)): 3, (("test", 4), ("train", 14), ("validation", 2)): 27}


@pytest.mark.parametrize("n_classes", [12, 30, 60, 90, 120])
def test_a_third_of_the_validation_groups_but_twenty_where_there_are_calibrates_and_none_of_a_class_held_out(tmp_path, n_classes):
    images = json.loads(split(tmp_path, dataset(collection(n_classes, 4)))["specimens"])["images"]
    learned = {row["label"] for row in images if row["part"] == "train"}
    asked = [row for row in images if row["part"] == "validation" and row["label"] in learned]
    calibrating = [row for row in images if row.get("calibrates")]
    assert {row["part"] for row in calibrating} == {"validation"} and {row["label"] for row in calibrating} <= learned
    assert len(calibrating) >= min(20, len(asked)) and (len(asked) < 60 or len(calibrating) == -(-len(asked) // 3))


@pytest.mark.parametrize("n_drawers, some", [(4, False), (120, True)])
def test_a_few_groups_that_span_classes_do_not_calibrate(tmp_path, n_drawers, some):
    images = [image(100 * label + n, f"class {label:02}", f"drawer {(label * 4 + n) % n_drawers}") for label in range(60) for n in range(4)]
    found = json.loads(split(tmp_path, dataset(images))["specimens"])["images"]
    assert any(row.get("calibrates", False) for row in found) == some and any(row["part"] == "validation" for row in found)


def test_of_classes_with_two_groups_left_to_learn_from_every_third_gives_one_for_validation(run):
    found = by_label(run(collection(9, 3))[0])
    assert Counter(tuple(sorted(own)) for own in found.values()) == {("test", "train", "validation"): 3, ("test", "train"): 6}


def test_the_order_of_images_and_of_data_sets_changes_no_byte(tmp_path):
    images = [*collection(9, 4), *({**row, "id": row["id"] + 20000} for row in DRAWERS)]
    one, other = dataset(images[::2]), dataset(images[1::2], source="more.csv")
    asked = dataset([image(n, None) for n in range(5000, 5009)], role="unlabelled")
    expected = split(tmp_path, one, other, asked)
    for content in (one, other, asked):
        random.Random(1).shuffle(content["images"])
    assert split(tmp_path, one, other, asked) == expected
    paths = [str(tmp_path / f"{n}.json") for n in (2, 0, 1)]
    split_specimens.main(["--datasets", *paths, *(f"--{name}={tmp_path / name}" for name in FILES)])
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == expected


@pytest.mark.parametrize("added", ["class 03", "class 30"])
def test_one_image_more_moves_few(tmp_path, added):
    before = parts_of(split(tmp_path, dataset(collection(30, 4))))
    after = parts_of(split(tmp_path, dataset([*collection(30, 4), image(9999, added)])))
    assert sum(before[name]["part"] != after[name]["part"] for name in before) <= 8  # two classes of 120 images


@pytest.mark.parametrize("seed", range(4))
def test_of_many_groups_another_seed_chooses_others(tmp_path, seed):
    parts = [parts_of(split(tmp_path, dataset(collection(30, 4)), more=[f"--seed={s}"])) for s in (seed, seed + 100)]
    assert sum(parts[0][name]["part"] != parts[1][name]["part"] for name in parts[0]) > 30


def test_an_unseen_class_is_near_with_a_sister_in_the_collection_and_far_without():
    def two(label, **taxon):
        return [image(n, label, **taxon) for n in (next(numbers), next(numbers))]

    numbers = count(1)
    known = [*two("ant", genus="A", family="F"), *two("bee", family="F"), *two("cimex")]
    held = [*two("near by genus", genus="A"), *two("far by genus", genus="B", family="F"), *two("near by family", family="F"),
            *two("far by family", family="H"), *two("without taxon")]
    for row in known[1::2] + held:
        row["split"] = "test"
    found = {row["label"]: (row["part"], row["tier"]) for row in parted(known + held, 1) if row["part"] != "train"}
    assert found == {**{name: ("test", "") for name in ("ant", "bee", "cimex")}, "near by genus": ("unseen", "near"), "far by genus": ("unseen", "far"),
                     "near by family": ("unseen", "near"), "far by family": ("unseen", "far"), "without taxon": ("unseen", "")}


def of_genera(n_classes, each, **more):
    return [{**row, "genus": f"genus {int(row['label'][-2:]) // each}"} for row in collection(n_classes, 3, **more)]


@pytest.mark.parametrize("seed", range(5))
def test_half_of_the_unseen_classes_are_whole_genera_and_tiers_follow_the_definition(seed):
    images = of_genera(40, 2)
    genus, found = {row["label"]: row["genus"] for row in images}, by_label(parted(images, seed))
    tier = {row["label"]: row["tier"] for row in parted(images, seed)}
    unseen = {label for label in found if "unseen" in found[label]}
    known = {genus[label] for label in found if label not in unseen}
    assert len(unseen) == 6 and {label: tier[label] for label in unseen} == {label: "near" if genus[label] in known else "far" for label in unseen}
    assert sum(tier[label] == "far" for label in unseen) >= 2  # of up to three classes, one genus of two


def test_a_class_is_no_sister_of_its_own():
    for seed in range(6):
        images = of_genera(40, 2) + [{**row, "id": row["id"] + 50, "file_name": f"d{row['id']}.jpg", "group": "drawer",
                                      "phash": image(row["id"] + 50, "")["phash"]} for row in of_genera(40, 2)[::3]]
        genus, rows = {row["label"]: row["genus"] for row in images}, parted(images, seed)
        unseen = {row["label"] for row in rows if row["part"] == "unseen"}
        known = {genus[row["label"]] for row in rows if row["label"] not in unseen}
        assert all(row["tier"] == ("near" if genus[row["label"]] in known else "far") for row in rows if row["part"] == "unseen")


def test_a_split_column_decides_what_is_test_and_which_classes_are_unseen(run):
    images = collection(12, 4, split="train")
    for row in images:
        if row["label"] in ("class 10", "class 11") or row["group"].endswith("/3"):
            row["split"] = "test"
    images[0].pop("split")
    rows, audit = run(images)
    parts = {row["image"]: row["part"] for row in rows}
    for row in images:
        wanted = {"train", "validation"} if row.get("split") != "test" else {"unseen"} if row["label"] > "class 09" else {"test"}
        assert parts[row["file_name"]] in wanted
    assert {"train", "validation"} <= set(parts.values()) and audit == []


def test_a_group_with_split_train_and_test_is_a_leak_told_with_both_names(run):
    images = collection(4, 4, split="train")
    images[1].update(split="test", group=images[6]["group"])
    with pytest.raises(InputError, match="labels.csv: leak: 1.jpg and 102.jpg are of one group.*one with split train and one with test; wanted"):
        run(images)


def test_near_duplicates_with_split_train_and_test_are_a_leak_too(run):
    images = [image(n, f"class {n % 4}", split="test" if n > 11 else "train") for n in range(16)]
    images[13].update({key: images[2][key] for key in ("phash", "mirrored", "thumbnail")})
    with pytest.raises(InputError, match="leak: 13.jpg and 2.jpg are of one group, or nearly the same photo"):
        run(images)


@pytest.mark.parametrize("change, sentence", [
    ({"split": "validation"}, "labels.csv: 1.jpg has split 'validation'; wanted train, test or nothing"),
    ({"genus": "Apis"}, "labels.csv: 0.jpg and 1.jpg are both class 00, of genus 'Vespa' and 'Apis'; wanted one genus for a class"),
    ({"genus": None}, "0.jpg and 1.jpg are both class 00, of genus 'Vespa' and ''; wanted one genus"),
    ({"family": "Apidae"}, "0.jpg and 1.jpg are both class 00, of family '' and 'Apidae'; wanted one family for a class"),
])
def test_a_cell_that_cannot_be_used_is_told_with_its_images(run, change, sentence):
    images = collection(3, 3, genus="Vespa")
    images[1].update(change)
    with pytest.raises(InputError, match=sentence):
        run(images)


def test_a_genus_of_two_families_is_told_with_both(run):
    images = [*collection(2, 3, genus="Vespa", family="Vespidae")]
    for row in images[3:]:
        row["family"] = "Apidae"
    with pytest.raises(InputError, match=r"genus 'Vespa' is of family 'Vespidae' \(class 00\) and 'Apidae' \(class 01\); wanted one family for a genus"):
        run(images)


@pytest.mark.parametrize("images, sentence", [
    (collection(1, 9), r"--specimens: have 1 class \(class 00\); wanted at least two to tell apart"),
    (collection(30, 1), "none of the 30 classes has specimens of two groups, one to learn from and one to test on; wanted a second specimen of some"),
    ([{**row, "group": row["label"]} for row in collection(5, 9)], "none of the 5 classes has specimens of two groups"),
])
def test_a_collection_of_which_nothing_can_be_measured_is_told(run, images, sentence):
    with pytest.raises(InputError, match=sentence):
        run(images)


@pytest.mark.parametrize("given", ["train", "test"])
def test_a_split_column_without_one_of_its_two_parts_is_told(run, given):
    with pytest.raises(InputError, match="split"):
        run(collection(12, 4, split=given))


def test_the_only_class_of_several_groups_is_not_held_out(run):
    images = collection(1, 4) + [image(9000 + n, f"lone {n}") for n in range(11)]
    for seed in range(12):
        assert "test" in by_label(run(images, f"--seed={seed}")[0])["class 00"]


def test_below_ten_classes_none_is_held_out_and_a_note_says_so(run):
    rows, audit = run(collection(9, 4))
    assert {row["part"] for row in rows} == {"train", "validation", "test"}
    assert [(row["action"], row["stage"], row["reason"]) for row in audit] == [
        ("note", "split_specimens", "no class is held out as unseen (too few, or too small a share of them), so nothing is measured of the unknown")]
    rows, audit = run(collection(10, 4))
    assert len({row["label"] for row in rows if row["part"] == "unseen"}) == 2 and audit == []


def test_a_share_too_small_to_hold_a_class_out_is_not_told_as_too_few_classes(run):
    rows, audit = run(collection(20, 4), "--unseen_share=0.02")
    assert "unseen" not in {row["part"] for row in rows} and len(audit) == 1 and "fewer than 10 classes" not in audit[0]["reason"]


def test_a_split_column_without_unseen_classes_has_a_note_too(run):
    images = collection(12, 4)
    for n, row in enumerate(images):
        row["split"] = "test" if n % 4 == 0 else "train"
    rows, audit = run(images)
    assert "unseen" not in {row["part"] for row in rows} and ["note"] == [row["action"] for row in audit]


def test_groups_are_counted_a_few_times_however_many_images_there_are(run, monkeypatch):
    calls, several = [], split_specimens.several
    monkeypatch.setattr(split_specimens, "several", lambda images: calls.append(1) or several(images))
    run(collection(12, 10))
    assert len(calls) <= 5


def alike(images, first, second):
    images[second].update({key: images[first][key] for key in ("phash", "mirrored", "thumbnail")})
    return images


def test_near_duplicates_under_two_labels_are_one_group_with_a_note(run):
    images = [{**row, "group": row["file_name"]} for row in collection(8, 4)]
    rows, audit = run(alike(images, 2, 9))
    groups = {row["image"]: row["group"] for row in rows}
    assert groups["2.jpg"] == groups["201.jpg"] and len(set(groups.values())) == 31
    told = [(row["image"], row["source"], row["action"], row["reason"]) for row in audit if row["action"] == "note" and row["image"]]
    assert told == [("201.jpg", "labels.csv", "note", "nearly the same photo as 2.jpg, which is labelled class 00, not class 02: is one label wrong?")] \
        or told == [("2.jpg", "labels.csv", "note", "nearly the same photo as 201.jpg, which is labelled class 02, not class 00: is one label wrong?")]


def test_near_duplicates_of_one_label_have_no_note(run):
    _, audit = run(alike([{**row, "group": row["file_name"]} for row in collection(12, 4)], 2, 3))
    assert [row["action"] for row in audit] == ["joined"]


def test_an_image_that_two_sources_label_differently_is_in_no_part_and_told_twice(tmp_path):
    out = split(tmp_path, dataset(collection(12, 4)), dataset([image(2, "another"), image(101, "class 01", "01/1")], source="more.csv"))
    assert "2.jpg" not in parts_of(out) and "101.jpg" in parts_of(out)
    assert sorted((row["image"], row["source"], row["reason"]) for row in json.loads(out["audit"])) == [
        ("101.jpg", "more.csv", "the same bytes as an image of another source"), ("2.jpg", "labels.csv", "labelled another and class 00 by two sources"),
        ("2.jpg", "more.csv", "labelled another and class 00 by two sources")]


def test_unlabelled_images_are_handed_on_and_have_no_part(tmp_path):
    out = split(tmp_path, dataset(collection(12, 4)), dataset([image(n, None) for n in range(7000, 7005)], role="unlabelled"))
    assert [row["id"] for row in json.loads(out["unlabelled"])["images"]] == list(range(7000, 7005))
    assert len(parts_of(out)) == 48 and {row["part"] for row in json.loads(out["specimens"])["images"]} == {row["part"] for row in parts_of(out).values()}


def test_the_last_line_counts_images_and_classes_of_each_part(tmp_path, capsys):
    rows = parts_of(split(tmp_path, dataset(collection(20, 4)))).values()
    found = capsys.readouterr().out.splitlines()[-1]
    counts = {part: list(members) for part, members in groupby(sorted(rows, key=lambda row: row["part"]), key=lambda row: row["part"])}
    told = ", ".join(f"{part} {len(counts[part])} of {len({row['label'] for row in counts[part]})} classes"
                     for part in ("train", "validation", "test", "unseen"))
    assert found == f"80 images of 20 classes: {told}."


@pytest.mark.parametrize("more, sentence", [
    (["--test_share=0"], "--test_share is 0.0; wanted a share above 0 and below 1"),
    (["--unseen_share=nan"], "--unseen_share is nan; wanted a share above 0"),
    (["--validation_share=0.5", "--unseen_share=0.5"], "leave no class to learn from"),
])
def test_shares_that_leave_a_part_empty_are_told(run, more, sentence):
    with pytest.raises(InputError, match=sentence):
        run(collection(12, 4), *more)


@pytest.fixture
def imported(tmp_path):
    """Return a function that imports a table of images of noise ({name: seed}): (the data set, the audit)."""
    def _imported(table, files):
        for name, seed in files.items():
            Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)).save(tmp_path / name)
        (tmp_path / "labels.csv").write_text(table, encoding="utf-8")
        import_images.main([f"--source={tmp_path}/labels.csv", "--role=specimens", "--name=specimens_1", f"--dataset={tmp_path}/0.json",
                            f"--audit={tmp_path}/imported.json", f"--packs_folder={tmp_path}", "--max_bad_files=1"])
        return coco.read(tmp_path / "0.json"), json.loads((tmp_path / "imported.json").read_text())
    return _imported


def test_a_label_in_two_spellings_of_unicode_is_one_class(imported, tmp_path):
    table = "image,label\n0.png,K\u00e4fer\n1.png,Ka\u0308fer\n2.png,K\u00e4fer\n" + "".join(f"{n}.png,bug\n" for n in range(3, 6))
    found, _ = imported(table, {f"{n}.png": n for n in range(6)})
    rows = parts_of(split(tmp_path, found)).values()
    assert Counter(row["label"] for row in rows) == {"K\u00e4fer": 3, "bug": 3}
    assert {row["part"] for row in rows if row["label"] != "bug"} >= {"train", "test"}


@pytest.mark.parametrize("table, sentence", [
    ("image,label\n0.png,bug\n1.png,fly\n0.png,fly\n", r"labels.csv, rows 2 and 4: 0.png is labelled 'bug' and 'fly'; wanted one label for an image"),
    ("image,species\n0.png,bug\n", "labels.csv: has columns image, species; wanted image, label"),
    ("image,label\n0.png,bug\n1.png,\n", "labels.csv, row 3: label is empty; wanted a value"),
])
def test_a_table_without_one_label_for_each_image_is_told_with_its_rows(imported, table, sentence):
    with pytest.raises(InputError, match=sentence):
        imported(table, {"0.png": 0, "1.png": 1})


def test_the_same_bytes_under_two_labels_are_no_specimen_and_told_with_both_rows(imported):
    found, audit = imported("image,label\n0.png,bug\n1.png,fly\n2.png,fly\n", {"0.png": 0, "1.png": 0, "2.png": 2})
    assert [row["file_name"] for row in found["images"]] == ["2.png"]
    assert [(row["image"], row["row"], row["reason"]) for row in audit] == [
        (name, number, "0.png (bug) and 1.png (fly) have the same bytes") for name, number in (("0.png", 2), ("1.png", 3))]


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    coco.write(tmp_path / "0.json", dataset(collection(1, 2)))
    words = [*command("split_specimens"), f"--datasets={tmp_path}/0.json", *(f"--{name}={tmp_path / name}" for name in FILES)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --specimens: have 1 class (class 00); wanted at least two to tell apart.\n"


def test_a_file_that_is_no_imported_set_is_told(tmp_path):
    with pytest.raises(InputError, match="0.json: says no role of its images; wanted a data set that import_images.py wrote"):
        split(tmp_path, dataset(collection(3, 3), role="boxes"))
