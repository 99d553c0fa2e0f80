import csv
import hashlib
import re
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

import make_specimens
import numpy as np
import pytest
from PIL import Image

from conftest import command
from entoflow.demo import body_plans, species, specimens
from entoflow.task import InputError

COUNTS = [
    "--classes=12",
    "--unseen_classes=8",
    "--unseen_per_class=3",
    "--tests_per_class=2",
    "--junk=5",
    "--photos_per_specimen=2",
]
PARTS = {
    "specimens": 12 * 3 * 2,
    "test": (12 * 2 + 8 * 3) * 2 + 5,
    "unlabelled": (12 + 8 * 3) * 2 + 5,
}


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn specimens")
    make_specimens.main([f"--folder={folder}", *COUNTS])
    return folder


def rows(path):
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def tables(world):
    return (
        rows(world / "specimens/specimens.csv"),
        rows(world / "test/test.csv"),
        rows(world / "unlabelled_truth.csv"),
    )


def test_the_same_seed_draws_the_same_bytes_and_another_seed_other_photos_of_other_species(
    world, tmp_path
):
    make_specimens.main([f"--folder={tmp_path / 'again'}", *COUNTS])
    make_specimens.main([f"--folder={tmp_path / 'other'}", "--seed=2", *COUNTS])
    first, other = digests(world), digests(tmp_path / "other")
    assert digests(tmp_path / "again") == first
    assert not {first[name] for name in first if name.endswith(".jpg")} & set(other.values())
    assert not {row["label"] for row in tables(world)[0]} & {
        row["label"] for row in tables(tmp_path / "other")[0]
    }


def test_each_table_lists_the_photos_of_its_folder_and_all_say_that_they_are_synthetic(
    world,
):
    for (name, count), table in zip(PARTS.items(), tables(world)):
        files = sorted((world / name).glob("*.jpg"))
        assert len(files) == len(table) == count
        assert sorted(Path(row["image"]).name for row in table) == [path.name for path in files]
        with Image.open(files[0]) as picture:
            assert (picture.format, picture.size, picture.mode) == ("JPEG", (64, 64), "RGB")
            assert b"Synthetic" in picture.info["comment"]
    assert all((world / row["image"]).is_file() for row in tables(world)[2])
    assert "Synthetic" in (world / "README.txt").read_text()


def test_each_table_has_the_columns_that_it_promises(world):
    labelled = ["image", "label", "group", "genus", "family"]
    assert [list(table[0]) for table in tables(world)] == [
        labelled,
        [*labelled, "kind", "tier"],
        ["image", "label", "kind", "tier"],
    ]


def test_every_class_has_its_number_of_specimens_and_every_specimen_its_photos_in_one_part(world):
    labelled, test, _ = tables(world)
    groups = defaultdict(list)
    for part, table in (("specimens", labelled), ("test", test)):
        for row in table:
            groups[row["group"]].append((part, row["label"], row.get("kind", "known")))
    assert all(
        len(set(photos)) == 1 and len(photos) == (1 if photos[0][2] == "junk" else 2)
        for photos in groups.values()
    )
    each = Counter(photos[0] for photos in groups.values())
    assert Counter((part, kind, number) for (part, _, kind), number in each.items()) == {
        ("specimens", "known", 3): 12,
        ("test", "known", 2): 12,
        ("test", "unseen", 3): 8,
        ("test", "junk", 5): 1,
    }


def test_file_names_are_numbers_in_an_order_that_tells_no_class_and_no_kind(world):
    names = {Path(row["image"]).name: row for table in tables(world) for row in table}
    assert len(names) == sum(PARTS.values()) and all(
        re.fullmatch(r"photo_\d{5}\.jpg", name) for name in names
    )
    for told in (
        "label",
        "kind",
    ):  # as many neighbours agree as in a random order, which 200 shuffles tell
        told_in_order = [names[name].get(told, "known") for name in sorted(names)]
        rng = np.random.default_rng(0)
        shuffles = [rng.permutation(told_in_order) for _ in range(200)]
        agreeing = sum(a == b for a, b in zip(told_in_order, told_in_order[1:]))
        assert agreeing <= max(int((order[1:] == order[:-1]).sum()) for order in shuffles)


def test_unseen_classes_are_absent_from_the_collection_and_the_same_in_test_and_unlabelled(world):
    labelled, test, hidden = tables(world)
    known, unseen = (
        {row["label"] for row in labelled},
        {row["label"] for row in test if row["kind"] == "unseen"},
    )
    assert (len(known), len(unseen), known & unseen) == (12, 8, set())
    assert unseen == {row["label"] for row in hidden if row["kind"] == "unseen"}
    for table in (test, hidden):
        assert {row["label"] for row in table if row["kind"] == "known"} == known
        assert {row["label"] for row in table if row["kind"] == "junk"} == {""}


@pytest.mark.parametrize(
    "seed, classes, unseen",
    [(1, 6, 6), (2, 7, 5), (3, 60, 10), (4, 355, 60), (5, 20, 0), (6, 1000, 333)],
)
def test_a_near_class_has_a_sister_in_the_collection_and_a_far_class_none(seed, classes, unseen):
    divided = make_specimens.divide(classes, unseen, seed)
    genera = {one.genus for one in divided.known}
    sizes = (len(divided.known), len(divided.near), len(divided.far))
    assert sizes == (classes, unseen - unseen // 2, unseen // 2)
    labels = {one.label for one in divided.known + divided.near + divided.far}
    assert len(labels) == classes + unseen
    assert all(one.genus in genera for one in divided.near)
    assert not any(one.genus in genera for one in divided.far)


def test_the_tiers_of_the_tables_are_those_that_the_genera_tell(world):
    labelled, test, hidden = tables(world)
    genera, genus_of = (
        {row["genus"] for row in labelled},
        {row["label"]: row["genus"] for row in test},
    )
    for row in test + hidden:
        near = "near" if genus_of[row["label"]] in genera else "far"
        assert row["tier"] == (near if row["kind"] == "unseen" else "")


def test_a_whole_family_is_lacking_where_many_classes_are_far():
    divided = make_specimens.divide(355, 60, 1)
    families = {one.family for one in divided.known + divided.near}
    assert {one.family for one in divided.far} - families


def test_a_share_of_the_classes_has_a_single_labelled_photo(tmp_path):
    make_specimens.main([f"--folder={tmp_path}", *COUNTS, "--singletons=0.25"])
    labels = Counter(row["label"] for row in tables(tmp_path)[0])
    assert Counter(labels.values()) == {1: 3, 6: 9}


def test_a_thousand_species_have_unique_binomials_in_genera_and_families_of_a_natural_size():
    collection = species.taxonomy(1000, 1)
    assert len({one.label for one in collection}) == 1000
    assert all(re.fullmatch(rf"{one.genus}_[a-z]+", one.label) for one in collection)
    in_genus = Counter(one.genus for one in collection)
    families = defaultdict(set)
    for one in collection:
        families[one.family].add(one.genus)
    assert 3 <= min(in_genus.values()) and max(in_genus.values()) <= 8
    assert sum(map(len, families.values())) == len(in_genus)  # no genus in two families
    assert all(3 <= len(genera) <= 8 for genera in families.values())


@pytest.mark.parametrize("count", [1, 5, 13, 14, 71, 355, 2000])
def test_a_taxonomy_has_as_many_species_as_asked_and_none_draws_the_same_code_as_its_sister(count):
    collection = species.taxonomy(count, 3)
    assert len(collection) == count
    assert len({(one.genus, one.code) for one in collection}) == count


@pytest.mark.parametrize("plan", body_plans.PLANS)
def test_every_plan_draws_in_every_pattern_a_photo_of_the_size_asked_that_its_seeds_alone_decide(
    plan,
):
    for seed in range(12):
        choices = np.random.default_rng(seed).integers(list(species.CHOICES.values())).tolist()
        code = species.Code(**dict(zip(species.CHOICES, choices)))
        traits = species.draw_genus(plan, np.random.default_rng(seed))
        one = species.Species("a_b", "a", "c", traits, code)
        photo = specimens.draw(one, seed, np.random.default_rng(8), 48)
        assert (photo.shape, photo.dtype) == ((48, 48, 3), np.uint8)
        assert np.array_equal(photo, specimens.draw(one, seed, np.random.default_rng(8), 48))
        assert not np.array_equal(
            photo, specimens.draw(one, seed + 1, np.random.default_rng(8), 48)
        )
        assert not np.array_equal(photo, specimens.draw(one, seed, np.random.default_rng(9), 48))


def test_an_insect_stays_within_25_degrees_of_upright():
    for seed in range(200):
        head = specimens.Pinned(40, np.random.default_rng(seed)).matrix @ [0, -1]
        assert (
            head[1] < 0 and abs(np.degrees(np.arctan2(head[0], -head[1]))) < 25 + 6
        )  # and a few more by the camera's slant


@pytest.mark.parametrize("painter", specimens.JUNK)
def test_every_kind_of_junk_leaves_something_on_its_card(painter):
    changed = []
    for seed in range(8):
        image = Image.new("RGB", (192, 192), (1, 2, 3))
        painter(image, 192, np.random.default_rng(seed))
        changed.append((np.asarray(image) != (1, 2, 3)).any())
    assert all(changed) or painter is specimens.bare_card and any(changed)


def test_junk_has_the_size_asked_and_is_its_seed_s():
    photos = [specimens.draw_junk(np.random.default_rng(seed), 80) for seed in (1, 1, 2)]
    assert (
        photos[0].shape == (80, 80, 3)
        and np.array_equal(*photos[:2])
        and not np.array_equal(*photos[1:])
    )


@pytest.mark.parametrize(
    "option, sentence",
    [
        ("--classes=5", "--classes: found 5; wanted a whole number of at least 6"),
        (
            "--labels_per_class=0",
            "--labels_per_class: found 0; wanted a whole number of at least 1",
        ),
        ("--tests_per_class=0", "--tests_per_class: found 0; wanted a whole number of at least 1"),
        ("--unseen_classes=-1", "--unseen_classes: found -1; wanted a whole number of at least 0"),
        (
            "--unseen_classes=61",
            "--unseen_classes: found 61; wanted at most as many as --classes, 60",
        ),
        (
            "--unseen_per_class=0",
            "--unseen_per_class: found 0; wanted a whole number of at least 1",
        ),
        ("--junk=-1", "--junk: found -1; wanted a whole number of at least 0"),
        (
            "--photos_per_specimen=0",
            "--photos_per_specimen: found 0; wanted a whole number of at least 1",
        ),
        ("--size=31", "--size: found 31; wanted a whole number of at least 32"),
        ("--singletons=1.5", "--singletons: found 1.5; wanted a share from 0 to 1"),
        ("--singletons=nan", "--singletons: found nan; wanted a share from 0 to 1"),
    ],
)
def test_a_number_that_makes_no_collection_is_refused_in_one_sentence_before_anything_is_drawn(
    tmp_path, option, sentence
):
    with pytest.raises(InputError, match=sentence):
        make_specimens.main([f"--folder={tmp_path / 'none'}", option])
    assert not (tmp_path / "none").exists()


def test_a_folder_that_holds_a_collection_is_refused_as_two_worlds_would_mix(world):
    before = digests(world)
    with pytest.raises(
        InputError, match="--folder: found files in .*specimens; wanted a folder without"
    ):
        make_specimens.main([f"--folder={world}", *COUNTS, "--seed=2"])
    assert digests(world) == before


def test_the_real_command_draws_and_refuses_with_exit_status_2(tmp_path):
    def run(*options):
        return subprocess.run(
            [*command("make_specimens"), "--folder", tmp_path / "world", *options],
            capture_output=True,
            text=True,
            check=False,
        )

    done = run("--classes=6", "--unseen_classes=2", "--junk=1")
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout
        == "Drew 6 classes and 2 unseen ones, 18 in specimens/, 21 in test/, 15 in unlabelled/ "
        f"of {tmp_path / 'world'}: all synthetic.\n"
    )
    done = run("--seed=-1")
    assert (done.returncode, done.stderr) == (
        2,
        "error: --seed: found -1; wanted a whole number of at least 0.\n",
    )
