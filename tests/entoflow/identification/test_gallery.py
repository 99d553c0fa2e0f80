import hashlib
import json
import unicodedata
from dataclasses import replace

import numpy as np
import pytest

from entoflow.dataset import Image
from entoflow.identification import gallery, gallery_files
from entoflow.identification.gallery import EnrolmentCounts
from entoflow.task import InputError

D = 6
WHO = {"by": "ada", "at": "2026-11-05T10:00:00+00:00"}


def images_of(labels, start=0):
    """Return an image of each label; their names and hashes are those of numbers from start."""
    images = []
    for n, label in enumerate(labels, start):
        sha256 = hashlib.sha256(bytes([n])).hexdigest()
        images.append(
            Image(id=n, file_name=f"{n}.jpg", label=label, group=f"g{n % 2}", sha256=sha256)
        )
    return images


def draw_vectors(n, seed=0, d=D):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def enrol(opened, labels, start=0, seed=0):
    vectors = draw_vectors(len(labels), seed)
    return opened.enrol(vectors, images_of(labels, start), "model 1", **WHO, source="labels.csv")


def enrol_images(opened, images, vectors=None, embedder="model 1", source="x"):
    if vectors is None:
        vectors = draw_vectors(len(images))
    return opened.enrol(vectors, images, embedder, **WHO, source=source)


def state(opened):
    vectors = opened.embeddings().tolist()
    return opened.images, opened.labels, opened.groups, opened.classes, opened.taxa, vectors


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def empty(tmp_path):
    return gallery.create(tmp_path / "gallery", "model 1", D)


@pytest.fixture
def opened(empty):
    enrol(empty, ["ant", "bee", "bee", "wasp"])
    return empty


def test_what_was_enrolled_is_there_in_order_and_of_length_1(opened):
    again = gallery.read(opened.folder)
    vectors = draw_vectors(4)
    assert state(again) == state(opened)
    assert again.images == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert again.labels == ["ant", "bee", "bee", "wasp"]
    assert again.groups == ["g0", "g1", "g0", "g1"]
    assert again.classes == {"ant": 1, "bee": 2, "wasp": 1}
    lengths = np.linalg.norm(vectors.astype(float), axis=1, keepdims=True)
    np.testing.assert_allclose(again.embeddings(), vectors / lengths, rtol=1e-6)
    assert again.embeddings().dtype == np.float32
    assert again.verify() == 2


def test_embeddings_of_a_single_enrolment_are_the_file_itself(opened):
    assert isinstance(opened.embeddings(), np.memmap)


def test_enrolling_in_two_calls_gives_the_state_of_one(tmp_path):
    one = gallery.create(tmp_path / "one", "model 1", 13)
    two = gallery.create(tmp_path / "two", "model 1", 13)
    vectors = draw_vectors(9, d=13)
    images = images_of("aabbccdde")
    enrol_images(one, images, vectors)
    enrol_images(two, images[:1], vectors[:1])
    enrol_images(two, images[1:], vectors[1:])
    assert state(one) == state(two) == state(gallery.read(two.folder))


def test_rows_are_gathered_over_enrolments_and_removals(opened):
    enrol(opened, ["ant", "fly", "fly"], start=10, seed=1)
    opened.remove(**WHO, images=["1.jpg", "11.jpg"])
    present = np.concatenate([draw_vectors(4)[[0, 2, 3]], draw_vectors(3, 1)[[0, 2]]])
    wanted = gallery.unit(present, "x")
    np.testing.assert_array_equal(opened.embeddings(), wanted)
    np.testing.assert_array_equal(opened.gather(np.array([1, 3, 4])), wanted[[1, 3, 4]])


def test_equal_input_gives_equal_bytes(tmp_path):
    for name, removed in (("one", ["2.jpg", "0.jpg"]), ("two", ["0.jpg", "2.jpg"])):
        opened = gallery.create(tmp_path / name, "model 1", D)
        enrol(opened, ["ant", "bee", "wasp"])
        opened.remove(**WHO, images=removed)
        opened.rename("bee", "honey bee", **WHO)
        opened.undo(**WHO)
    assert content(tmp_path / "one") == content(tmp_path / "two")


CHANGES = {
    "enrol": lambda opened: enrol(opened, ["ant", "fly"], start=10, seed=1),
    "remove a class": lambda opened: opened.remove(**WHO, label="bee"),
    "remove images": lambda opened: opened.remove(**WHO, images=["3.jpg", "0.jpg"]),
    "rename": lambda opened: opened.rename("bee", "fly", **WHO),
    "merge": lambda opened: opened.merge(["ant", "bee"], "fly", **WHO),
    "merge into": lambda opened: opened.merge(["ant"], "bee", **WHO),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_undo_restores_the_state_whatever_was_done_and_rewrites_no_file(opened, change):
    before = state(opened)
    files = content(opened.folder)
    change(opened)
    changed = state(opened)
    assert changed != before
    assert state(gallery.read(opened.folder)) == changed
    assert opened.undo(**WHO).number == 2
    assert opened.undone == {2}
    assert state(opened) == before == state(gallery.read(opened.folder))
    after = content(opened.folder)
    del files["gallery.json"]
    assert {name: after[name] for name in files} == files
    revisions = json.loads(after["gallery.json"])["revisions"]
    assert revisions[-1] == {"number": 3, "action": "undo", **WHO, "undone": 2}


def test_undoing_all_changes_one_by_one_ends_with_an_empty_gallery(opened):
    states = [state(opened)]
    for change in list(CHANGES.values())[:3]:
        change(opened)
        states.append(state(opened))
    while states:
        assert state(opened) == states.pop()
        opened.undo(**WHO)
    assert len(opened) == 0
    assert opened.embeddings().shape == (0, D)
    sentence = "gallery: has no revision to undo; wanted one that is not undone"
    with pytest.raises(InputError, match=sentence):
        opened.undo(**WHO)


def test_a_change_after_an_undo_counts_and_is_undone_first(opened):
    opened.remove(**WHO, label="bee")
    opened.undo(**WHO)
    opened.rename("ant", "fly", **WHO)
    assert opened.classes == {"bee": 2, "fly": 1, "wasp": 1}
    assert opened.undo(**WHO).number == 4
    assert opened.undo(**WHO).number == 1


def test_what_was_removed_can_be_enrolled_again_under_another_label(opened):
    opened.remove(**WHO, images=["1.jpg"])
    vectors = draw_vectors(2)[1:]
    counts = enrol_images(opened, images_of(["fly"], 1), vectors)
    assert counts == EnrolmentCounts(enrolled=1, skipped=0)
    again = gallery.read(opened.folder)
    assert (again.images[-1], again.labels[-1], len(again)) == ("1.jpg", "fly", 4)
    np.testing.assert_array_equal(again.embeddings()[3], gallery.unit(vectors, "x")[0])


def test_an_image_that_is_there_under_the_same_label_is_skipped_and_counted(opened):
    before = content(opened.folder)
    assert enrol(opened, ["ant", "bee"]) == EnrolmentCounts(0, 2)
    assert content(opened.folder) == before
    assert enrol(opened, ["bee", "wasp", "fly"], start=2) == EnrolmentCounts(1, 2)
    twice = [*images_of(["moth"], 7), *images_of(["moth"], 7)]
    assert enrol_images(opened, twice) == EnrolmentCounts(1, 1)
    assert opened.classes == {"ant": 1, "bee": 2, "fly": 1, "moth": 1, "wasp": 1}


def test_a_label_in_two_spellings_of_unicode_is_one_class(opened):
    composed = "K\u00e4fer"
    decomposed = unicodedata.normalize("NFD", composed)
    enrol(opened, [composed, decomposed, f" {decomposed} "], start=10)
    assert opened.classes[composed] == 3
    opened.remove(**WHO, label=decomposed)
    assert composed not in gallery.read(opened.folder).classes


TAXA = {
    "ant": {"genus": "Lasius", "family": "Formicidae"},
    "bee": {"genus": "Apis"},
    "wasp": {"genus": "Vespula"},
}


def enrol_taxa(opened, labels, taxa, start=0):
    images = [replace(image, **taxa.get(image.label, {})) for image in images_of(labels, start)]
    return enrol_images(opened, images, draw_vectors(len(labels), start), source="labels.csv")


@pytest.fixture
def classified(empty):
    enrol_taxa(empty, ["ant", "bee", "bee", "wasp", "moth"], TAXA)
    return empty


def test_the_genus_and_family_of_classes_are_in_the_log_of_their_enrolment(classified):
    assert gallery.read(classified.folder).taxa == classified.taxa == TAXA
    log = json.loads((classified.folder / "gallery.json").read_text())
    assert log["revisions"][0]["taxa"] == TAXA


def test_a_gallery_without_taxa_says_nothing_of_them(opened):
    assert opened.taxa == {}
    log = json.loads((opened.folder / "gallery.json").read_text())
    assert "taxa" not in log["revisions"][0]
    assert enrol_taxa(opened, ["ant"], TAXA, start=10) == EnrolmentCounts(1, 0)
    assert gallery.read(opened.folder).taxa == {"ant": TAXA["ant"]}


def test_the_genus_of_specimens_that_are_there_is_taken_though_all_are_skipped(opened):
    assert enrol_taxa(opened, ["ant", "bee"], TAXA) == EnrolmentCounts(0, 2)
    again = gallery.read(opened.folder)
    assert again.taxa == {"ant": TAXA["ant"], "bee": TAXA["bee"]}
    assert again.classes == {"ant": 1, "bee": 2, "wasp": 1}
    assert again.verify() == 4
    assert enrol_taxa(again, ["ant", "bee"], TAXA) == EnrolmentCounts(0, 2)
    assert len(again.revisions) == 2
    again.undo(**WHO)
    assert gallery.read(opened.folder).taxa == {}


ANT = TAXA["ant"]
BEE = TAXA["bee"]
WASP = TAXA["wasp"]
APIDAE = {"genus": "Apis", "family": "Apidae"}
MUSCA = {"genus": "Musca"}


@pytest.mark.parametrize(
    "change, taxa",
    [
        (
            lambda g: g.rename("ant", "pismire", **WHO),
            {"pismire": ANT, "bee": BEE, "wasp": WASP},
        ),
        (lambda g: g.remove(**WHO, label="bee"), {"ant": ANT, "wasp": WASP}),
        # the only ant, and one of two bees
        (
            lambda g: g.remove(**WHO, images=["0.jpg", "1.jpg"]),
            {"bee": BEE, "wasp": WASP},
        ),
        # the class that is merged into decides
        (lambda g: g.merge(["ant", "bee"], "wasp", **WHO), {"wasp": WASP}),
        (lambda g: g.merge(["ant", "bee"], "ant", **WHO), {"ant": ANT, "wasp": WASP}),
        (
            lambda g: g.merge(["ant", "moth"], "x", **WHO),
            {"x": ANT, "bee": BEE, "wasp": WASP},
        ),
        (
            lambda g: g.merge(["bee"], "moth", **WHO),
            {"ant": ANT, "moth": BEE, "wasp": WASP},
        ),
        (
            lambda g: enrol_taxa(g, ["bee", "fly"], {"bee": APIDAE, "fly": MUSCA}, start=10),
            {**TAXA, "bee": APIDAE, "fly": MUSCA},
        ),
        (lambda g: enrol(g, ["bee", "fly"], start=10), TAXA),
    ],
)
def test_genus_and_family_follow_their_class_and_undo_brings_them_back(classified, change, taxa):
    change(classified)
    assert classified.taxa == gallery.read(classified.folder).taxa == taxa
    classified.undo(**WHO)
    assert classified.taxa == gallery.read(classified.folder).taxa == TAXA


def test_a_class_that_was_removed_may_come_back_in_another_genus(classified):
    classified.remove(**WHO, label="bee")
    enrol_taxa(classified, ["bee"], {"bee": {"genus": "Bombus"}}, start=10)
    assert gallery.read(classified.folder).taxa["bee"] == {"genus": "Bombus"}


@pytest.mark.parametrize(
    "change, sentence",
    [
        (
            lambda g: enrol_taxa(g, ["bee"], {"bee": {"genus": "Bombus"}}, 10),
            "labels.csv: class 'bee' is of genus 'Apis' and 'Bombus'; wanted one genus",
        ),
        (
            lambda g: enrol_taxa(g, ["bee"], {"bee": {"genus": "Bombus"}}, 1),
            "labels.csv: class 'bee' is of genus 'Apis' and 'Bombus'; wanted one genus",
        ),
        (
            lambda g: enrol_taxa(
                g, ["fly"], {"fly": {"genus": "Lasius", "family": "Muscidae"}}, 10
            ),
            r"genus 'Lasius' is of family 'Formicidae' \(ant\) and 'Muscidae' \(fly\); "
            "wanted one family for a genus",
        ),
        (
            lambda g: g.merge(["ant", "bee"], "x", **WHO),
            "gallery: class 'x' is of genus 'Lasius' and 'Apis'; wanted one genus for a class",
        ),
    ],
)
def test_a_class_of_two_genera_is_an_error_and_changes_nothing(classified, change, sentence):
    before = state(classified)
    files = content(classified.folder)
    with pytest.raises(InputError, match=sentence):
        change(classified)
    assert state(classified) == before
    assert content(classified.folder) == files


def test_names_with_anything_in_them_come_back_as_they_were(empty):
    names = [' a,"b"\n.jpg', "\u2603 .jpg", "'", "=1", "trailing "]
    images = [
        replace(image, file_name=name, group=name) for image, name in zip(images_of("abcde"), names)
    ]
    enrol_images(empty, images, source="x, y")
    again = gallery.read(empty.folder)
    assert again.images == again.groups == names


def test_enrolling_writes_as_much_into_a_large_gallery_as_into_a_small_one(empty):
    sizes = set()
    for start in range(100, 200, 10):
        before = content(empty.folder)
        enrol(empty, ["ant"] * 10, start=start)
        new = content(empty.folder).items() - before.items()
        sizes.add(sum(len(data) for name, data in new if name != "gallery.json"))
    assert len(sizes) == 1


@pytest.mark.parametrize(
    "step", ["specimens_0002.csv", "embeddings_0002.npy", "gallery.unfinished"]
)
def test_a_crash_between_the_files_leaves_the_old_state_and_enrolling_again_works(
    opened, monkeypatch, step
):
    before = state(opened)
    store = gallery_files.store

    def crash(path, write):
        if path.name == step:
            path.write_bytes(b"half")
            raise KeyboardInterrupt
        return store(path, write)

    monkeypatch.setattr(gallery_files, "store", crash)
    with pytest.raises(KeyboardInterrupt):
        enrol(opened, ["fly"], start=10)
    monkeypatch.undo()
    again = gallery.read(opened.folder)
    assert state(again) == state(opened) == before
    assert enrol(again, ["fly"], start=10) == EnrolmentCounts(1, 0)
    assert gallery.read(opened.folder).verify() == 4


def test_a_gallery_that_someone_else_changed_is_not_written_over(opened):
    gallery.read(opened.folder).rename("ant", "fly", **WHO)
    files = content(opened.folder)
    sentence = "gallery.json: was changed by someone else meanwhile; wanted to be read again"
    with pytest.raises(InputError, match=sentence):
        enrol(opened, ["moth"], start=10)
    assert content(opened.folder) == files


ONE = images_of(["a"], 9)
COPY = [*ONE, replace(images_of(["b"], 9)[0], file_name="copy.jpg")]


@pytest.mark.parametrize(
    "change, sentence",
    [
        (
            lambda g: enrol_images(g, ONE, embedder="model 2"),
            "gallery: refuses embeddings of another model: holds those of 'model 1', "
            "was given those of 'model 2'",
        ),
        (
            lambda g: enrol_images(g, ONE, draw_vectors(1, d=4)),
            r"embeddings of shape \(1, 4\); wanted n x 6",
        ),
        (
            lambda g: enrol_images(g, ONE, draw_vectors(2), source="x.csv"),
            "x.csv: has 1 images and 2 embeddings; wanted one for each",
        ),
        (
            lambda g: enrol(g, ["bee"]),
            "labels.csv: 0.jpg is labelled 'bee', and the same file is in the gallery, "
            "as 0.jpg, labelled 'ant'; wanted one label",
        ),
        (
            lambda g: enrol_images(g, COPY),
            "x: copy.jpg is labelled 'b', and the same file is here too, as 9.jpg, "
            "labelled 'a'; wanted one label",
        ),
        (
            lambda g: enrol(g, [" "], start=9),
            "was given an empty label; wanted the name of a class",
        ),
        (
            lambda g: enrol_images(g, ONE, np.zeros((1, D))),
            "x: embedding 1 of 1 has length 0.0; wanted finite numbers",
        ),
        (
            lambda g: enrol_images(g, ONE, np.full((1, D), np.nan)),
            "x: embedding 1 of 1 has length nan; wanted finite numbers",
        ),
        (
            lambda g: g.remove(**WHO, label="bees"),
            "has no class 'bees'; wanted one of its 3 classes, such as 'bee'",
        ),
        (
            lambda g: g.remove(**WHO, images=["0.jpg", "9.jpg"]),
            "has no image 9.jpg; wanted one that is in the gallery",
        ),
        (lambda g: g.remove(**WHO), "has no image without a name"),
        (
            lambda g: g.rename("moth", "fly", **WHO),
            "has no class 'moth'; wanted one of its 3 classes",
        ),
        (
            lambda g: g.rename("ant", "bee", **WHO),
            "has a class 'bee' already; wanted a label that is free, or to merge the two",
        ),
        (lambda g: g.rename("ant", "", **WHO), "was given an empty label"),
        (lambda g: g.merge(["ant", "moth"], "bee", **WHO), "has no class 'moth'"),
        (
            lambda g: g.merge(["ant"], "ant", **WHO),
            "was asked to merge 'ant' into itself; wanted other classes",
        ),
        (
            lambda g: gallery.create(g.folder, "model 1", D),
            "gallery: is a gallery already; wanted a new folder",
        ),
    ],
)
def test_what_cannot_be_done_is_an_error_and_changes_nothing(opened, change, sentence):
    before = state(opened)
    files = content(opened.folder)
    with pytest.raises(InputError, match=sentence):
        change(opened)
    assert state(opened) == before
    assert content(opened.folder) == files


def edit_log(folder, change):
    log = json.loads((folder / "gallery.json").read_text())
    change(log)
    (folder / "gallery.json").write_text(json.dumps(log))


def edit_revision(folder, **values):
    """Change values of the first revision; those that are None are taken out."""

    def change(log):
        revision = log["revisions"][0]
        revision.update(values)
        for name in [name for name, value in values.items() if value is None]:
            del revision[name]

    edit_log(folder, change)


def cut(folder, name, size):
    (folder / name).write_bytes((folder / name).read_bytes()[:size])


def replace_file(folder, name, data):
    """Put other bytes into a file and its size into the log, as a careless edit of both would."""
    (folder / name).write_bytes(data)

    def change(log):
        log["revisions"][0]["files"][name]["size"] = len(data)

    edit_log(folder, change)


def replace_array(folder, array):
    np.save(folder / "other.npy", array, allow_pickle=True)
    replace_file(folder, "embeddings_0001.npy", (folder / "other.npy").read_bytes())


ONE_ROW = b"image,label,group,sha256,source\na,b,c,d,e\n"


@pytest.mark.parametrize(
    "damage, sentence",
    [
        (
            lambda f: (f / "gallery.json").unlink(),
            "gallery: has no gallery.json; wanted the folder of a gallery",
        ),
        (lambda f: cut(f, "gallery.json", 40), "gallery.json, row 3: is not JSON"),
        (
            lambda f: (f / "gallery.json").write_text("[]"),
            "gallery.json: has no version, embedder, dimension, revisions; wanted the log",
        ),
        (
            lambda f: edit_log(f, lambda log: log.update(version=2)),
            r"gallery.json: has format version 2; wanted 1 \(a newer entoflow may read it\)",
        ),
        (
            lambda f: edit_revision(f, at=None),
            "gallery.json: revision 1 has no at; wanted the log",
        ),
        (
            lambda f: edit_revision(f, skipped=None),
            "gallery.json: revision 1 has no skipped; wanted the log",
        ),
        (
            lambda f: edit_revision(f, action="bless"),
            "revision 1 is number 1 of action 'bless'; wanted the log",
        ),
        (
            lambda f: edit_revision(f, number=2),
            "revision 1 is number 2 of action 'enrol'; wanted the log",
        ),
        (
            lambda f: edit_revision(f, files={"../x": {}}),
            r"revision 1 lists the files \.\./x; wanted the log",
        ),
        (
            lambda f: (f / "embeddings_0001.npy").unlink(),
            "embeddings_0001.npy: is absent; wanted a file of 224 bytes, as the log says",
        ),
        (
            lambda f: cut(f, "embeddings_0001.npy", 200),
            "embeddings_0001.npy: has 200 bytes; wanted 224, as the log says",
        ),
        (
            lambda f: cut(f, "specimens_0001.csv", 100),
            "specimens_0001.csv: has 100 bytes; wanted [0-9]+, as the log says",
        ),
        (
            lambda f: replace_file(f, "embeddings_0001.npy", b"not numpy"),
            "embeddings_0001.npy: is no array of embeddings .*; wanted 4 x 6 float32",
        ),
        (
            lambda f: replace_array(f, np.array([{}])),
            "embeddings_0001.npy: is no array of embeddings .*; wanted 4 x 6 float32",
        ),
        (
            lambda f: replace_array(f, draw_vectors(3)),
            "embeddings_0001.npy: holds 3 x 6 float32; wanted 4 x 6 float32, as the log says",
        ),
        (
            lambda f: replace_array(f, draw_vectors(4).astype(float)),
            "embeddings_0001.npy: holds 4 x 6 float64; wanted 4 x 6 float32",
        ),
        (
            lambda f: replace_file(f, "specimens_0001.csv", ONE_ROW),
            "specimens_0001.csv: has 1 rows of image, label, group, sha256, source; "
            "wanted 4 rows of",
        ),
        (
            lambda f: replace_file(f, "specimens_0001.csv", b""),
            "specimens_0001.csv: is no table of specimens .*; wanted 4 rows of",
        ),
        (
            lambda f: replace_file(f, "specimens_0001.csv", b"\xff"),
            "specimens_0001.csv: is no table of specimens .*; wanted 4 rows of",
        ),
    ],
)
def test_a_broken_gallery_is_an_error_with_the_file_what_was_found_and_wanted(
    opened, damage, sentence
):
    damage(opened.folder)
    with pytest.raises(InputError, match=sentence):
        gallery.read(opened.folder)


def test_verifying_finds_a_single_changed_byte(opened):
    path = opened.folder / "embeddings_0001.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    sentence = (
        "embeddings_0001.npy: has SHA-256 [0-9a-f]{12}; wanted [0-9a-f]{12}, as when it was written"
    )
    with pytest.raises(InputError, match=sentence):
        gallery.read(opened.folder).verify()
