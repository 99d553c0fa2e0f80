import hashlib
import json
import unicodedata

import numpy as np
import pytest

from entoflow.identification import exact_search, gallery
from entoflow.task import InputError

D = 6
WHO = {"by": "ada", "at": "2026-11-05T10:00:00+00:00"}


def records(labels, start=0):
    return [{"image": f"{n}.jpg", "label": label, "group": f"g{n % 2}", "sha256": hashlib.sha256(bytes([n])).hexdigest()}
            for n, label in enumerate(labels, start)]


def vectors(n, seed=0, d=D):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def enrol(opened, labels, start=0, seed=0):
    return opened.enrol(vectors(len(labels), seed), records(labels, start), "model 1", **WHO, source="labels.csv")


def state(opened):
    return opened.images, opened.labels, opened.groups, opened.classes, opened.embeddings().tolist()


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def brute(rows, queries, k):
    """The definition: cosines in float64, rounded to float32; of equal ones the lower row first."""
    exact = (queries[:, None].astype(float) * rows[None].astype(float)).sum(2).astype(np.float32)
    order = np.argsort(-exact, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(exact, order, 1), order


@pytest.fixture
def empty(tmp_path):
    return gallery.create(tmp_path / "gallery", "model 1", D)


@pytest.fixture
def opened(empty):
    enrol(empty, ["ant", "bee", "bee", "wasp"])
    return empty


def test_what_was_enrolled_is_there_in_order_and_of_length_1(opened):
    again = gallery.read(opened.folder)
    expected = vectors(4) / np.linalg.norm(vectors(4).astype(float), axis=1, keepdims=True)
    assert state(again) == state(opened)
    assert (again.images, again.labels) == (["0.jpg", "1.jpg", "2.jpg", "3.jpg"], ["ant", "bee", "bee", "wasp"])
    assert (again.groups, again.classes) == (["g0", "g1", "g0", "g1"], {"ant": 1, "bee": 2, "wasp": 1})
    np.testing.assert_allclose(again.embeddings(), expected, rtol=1e-6)
    assert again.embeddings().dtype == np.float32 and again.verify() == 2


def test_embeddings_of_a_single_enrolment_are_the_file_itself(opened):
    assert isinstance(opened.embeddings(), np.memmap)


def test_enrolling_in_two_calls_gives_the_state_of_one(tmp_path):
    one, two = (gallery.create(tmp_path / name, "model 1", 13) for name in ("one", "two"))
    given, rows = vectors(9, d=13), records("aabbccdde")
    one.enrol(given, rows, "model 1", **WHO, source="x")
    for part in (slice(0, 1), slice(1, 9)):
        two.enrol(given[part], rows[part], "model 1", **WHO, source="x")
    assert state(one) == state(two) == state(gallery.read(two.folder))


def test_equal_input_gives_equal_bytes(tmp_path):
    for name in ("one", "two"):
        opened = gallery.create(tmp_path / name, "model 1", D)
        enrol(opened, ["ant", "bee", "wasp"])
        opened.remove(**WHO, images=["2.jpg", "0.jpg"] if name == "one" else ["0.jpg", "2.jpg"])
        opened.rename("bee", "honey bee", **WHO)
        opened.undo(**WHO)
    assert content(tmp_path / "one") == content(tmp_path / "two")


CHANGES = [
    lambda opened: enrol(opened, ["ant", "fly"], start=10, seed=1),
    lambda opened: opened.remove(**WHO, label="bee"),
    lambda opened: opened.remove(**WHO, images=["3.jpg", "0.jpg"]),
    lambda opened: opened.rename("bee", "fly", **WHO),
    lambda opened: opened.merge(["ant", "bee"], "fly", **WHO),
    lambda opened: opened.merge(["ant"], "bee", **WHO),
]


@pytest.mark.parametrize("change", CHANGES)
def test_undo_restores_the_state_whatever_was_done_and_rewrites_no_file(opened, change):
    before, files = state(opened), content(opened.folder)
    change(opened)
    changed = state(opened)
    assert changed != before and state(gallery.read(opened.folder)) == changed
    undone = opened.undo(**WHO)
    assert (undone["number"], opened.undone) == (2, {2})
    assert state(opened) == before == state(gallery.read(opened.folder))
    after = content(opened.folder)
    assert all(after[name] == data for name, data in files.items() if name != "gallery.json")
    assert opened.revisions[-1] == {"number": 3, "action": "undo", **WHO, "undone": 2}


def test_undoing_all_changes_one_by_one_ends_with_an_empty_gallery(opened):
    states = [state(opened)]
    for change in CHANGES[:3]:
        change(opened)
        states.append(state(opened))
    while states:
        assert state(opened) == states.pop()
        opened.undo(**WHO)
    assert len(opened) == 0 and opened.embeddings().shape == (0, D)
    with pytest.raises(InputError, match="gallery: has no revision to undo; wanted one that is not undone"):
        opened.undo(**WHO)


def test_a_change_after_an_undo_counts_and_is_undone_first(opened):
    opened.remove(**WHO, label="bee")
    opened.undo(**WHO)
    opened.rename("ant", "fly", **WHO)
    assert opened.classes == {"bee": 2, "fly": 1, "wasp": 1}
    assert [opened.undo(**WHO)["number"] for _ in range(2)] == [4, 1]


def test_what_was_removed_can_be_enrolled_again_under_another_label(opened):
    opened.remove(**WHO, images=["1.jpg"])
    assert opened.enrol(vectors(2)[1:], [{**records(["x"], 1)[0], "label": "fly"}], "model 1", **WHO, source="x") == {"enrolled": 1, "skipped": 0}
    again = gallery.read(opened.folder)
    assert list(zip(again.images, again.labels))[-1] == ("1.jpg", "fly") and len(again) == 4
    np.testing.assert_array_equal(again.embeddings()[3], gallery.unit(vectors(2), "x")[1])


def test_an_image_that_is_there_under_the_same_label_is_skipped_and_counted(opened):
    before = content(opened.folder)
    assert enrol(opened, ["ant", "bee"]) == {"enrolled": 0, "skipped": 2}
    assert content(opened.folder) == before
    assert enrol(opened, ["bee", "wasp", "fly"], start=2) == {"enrolled": 1, "skipped": 2}
    twice = [*records(["moth"], 7), *records(["moth"], 7)]
    assert opened.enrol(vectors(2), twice, "model 1", **WHO, source="x") == {"enrolled": 1, "skipped": 1}
    assert opened.classes == {"ant": 1, "bee": 2, "fly": 1, "moth": 1, "wasp": 1}


def test_a_label_in_two_spellings_of_unicode_is_one_class(opened):
    composed, apart = "K\u00e4fer", unicodedata.normalize("NFD", "K\u00e4fer")
    enrol(opened, [composed, apart, f" {apart} "], start=10)
    assert opened.classes[composed] == 3
    opened.remove(**WHO, label=apart)
    assert composed not in gallery.read(opened.folder).classes


TAXA = {"ant": {"genus": "Lasius", "family": "Formicidae"}, "bee": {"genus": "Apis"}, "wasp": {"genus": "Vespula"}}


def enrol_taxa(opened, labels, taxa, start=0):
    given = [{**record, **taxa.get(record["label"], {})} for record in records(labels, start)]
    return opened.enrol(vectors(len(labels), start), given, "model 1", **WHO, source="labels.csv")


@pytest.fixture
def classified(empty):
    enrol_taxa(empty, ["ant", "bee", "bee", "wasp", "moth"], TAXA)
    return empty


def test_the_genus_and_family_of_classes_are_in_the_log_of_their_enrolment(classified):
    assert gallery.read(classified.folder).taxa == classified.taxa == TAXA == classified.revisions[0]["taxa"]


def test_a_gallery_without_them_is_as_it_was_before_they_were_kept(opened):
    assert opened.taxa == {} and "taxa" not in opened.revisions[0]
    assert enrol_taxa(opened, ["ant"], TAXA, start=10) == {"enrolled": 1, "skipped": 0}
    assert gallery.read(opened.folder).taxa == {"ant": TAXA["ant"]}


def test_the_genus_of_specimens_that_are_there_is_taken_though_all_are_skipped(opened):
    assert enrol_taxa(opened, ["ant", "bee"], TAXA) == {"enrolled": 0, "skipped": 2}
    again = gallery.read(opened.folder)
    assert again.taxa == {"ant": TAXA["ant"], "bee": TAXA["bee"]} and again.classes == {"ant": 1, "bee": 2, "wasp": 1} and again.verify() == 4
    assert enrol_taxa(again, ["ant", "bee"], TAXA) == {"enrolled": 0, "skipped": 2} and len(again.revisions) == 2
    again.undo(**WHO)
    assert gallery.read(opened.folder).taxa == {}


@pytest.mark.parametrize("change, taxa", [
    (lambda g: g.rename("ant", "pismire", **WHO), {"pismire": TAXA["ant"], "bee": TAXA["bee"], "wasp": TAXA["wasp"]}),
    (lambda g: g.remove(**WHO, label="bee"), {"ant": TAXA["ant"], "wasp": TAXA["wasp"]}),
    (lambda g: g.remove(**WHO, images=["0.jpg", "1.jpg"]), {"bee": TAXA["bee"], "wasp": TAXA["wasp"]}),  # the only ant, and one of two bees
    (lambda g: g.merge(["ant", "bee"], "wasp", **WHO), {"wasp": TAXA["wasp"]}),  # what is merged into says
    (lambda g: g.merge(["ant", "bee"], "ant", **WHO), {"ant": TAXA["ant"], "wasp": TAXA["wasp"]}),
    (lambda g: g.merge(["ant", "moth"], "x", **WHO), {"x": TAXA["ant"], "bee": TAXA["bee"], "wasp": TAXA["wasp"]}),
    (lambda g: g.merge(["bee"], "moth", **WHO), {"ant": TAXA["ant"], "moth": TAXA["bee"], "wasp": TAXA["wasp"]}),
    (lambda g: enrol_taxa(g, ["bee", "fly"], {"bee": {"genus": "Apis", "family": "Apidae"}, "fly": {"genus": "Musca"}}, start=10),
     {**TAXA, "bee": {"genus": "Apis", "family": "Apidae"}, "fly": {"genus": "Musca"}}),
    (lambda g: enrol(g, ["bee", "fly"], start=10), TAXA),
])
def test_genus_and_family_follow_their_class_and_undo_brings_them_back(classified, change, taxa):
    change(classified)
    assert classified.taxa == gallery.read(classified.folder).taxa == taxa
    classified.undo(**WHO)
    assert classified.taxa == gallery.read(classified.folder).taxa == TAXA


def test_a_class_that_was_removed_may_come_back_in_another_genus(classified):
    classified.remove(**WHO, label="bee")
    enrol_taxa(classified, ["bee"], {"bee": {"genus": "Bombus"}}, start=10)
    assert gallery.read(classified.folder).taxa["bee"] == {"genus": "Bombus"}


@pytest.mark.parametrize("change, sentence", [
    (lambda g: enrol_taxa(g, ["bee"], {"bee": {"genus": "Bombus"}}, 10), "labels.csv: class 'bee' is of genus 'Apis' and 'Bombus'; wanted one genus"),
    (lambda g: enrol_taxa(g, ["fly"], {"fly": {"genus": "Lasius", "family": "Muscidae"}}, 10),
     r"genus 'Lasius' is of family 'Formicidae' \(ant\) and 'Muscidae' \(fly\); wanted one family for a genus"),
    (lambda g: g.merge(["ant", "bee"], "x", **WHO), "gallery: class 'x' is of genus 'Lasius' and 'Apis'; wanted one genus for a class"),
])
def test_a_class_of_two_genera_is_told_and_changes_nothing(classified, change, sentence):
    before, files = (state(classified), classified.taxa), content(classified.folder)
    with pytest.raises(InputError, match=sentence):
        change(classified)
    assert (state(classified), classified.taxa) == before and content(classified.folder) == files


def test_names_with_anything_in_them_come_back_as_they_were(empty):
    names = [' a,"b"\n.jpg', "\u2603 .jpg", "'", "=1", "trailing "]
    given = [{**record, "image": name, "group": name} for record, name in zip(records("abcde"), names)]
    empty.enrol(vectors(5), given, "model 1", **WHO, source="x, y")
    assert gallery.read(empty.folder).images == names == gallery.read(empty.folder).groups


def test_enrolling_writes_as_much_into_a_large_gallery_as_into_a_small_one(empty):
    sizes = []
    for start in range(0, 100, 10):
        before = content(empty.folder)
        enrol(empty, ["ant"] * 10, start=start + 100)
        sizes.append(sum(len(data) for name, data in content(empty.folder).items() if name not in before))
    assert len(set(sizes)) == 1


@pytest.mark.parametrize("step", ["specimens_0002.csv", "embeddings_0002.npy", "gallery.unfinished"])
def test_a_crash_between_the_files_leaves_the_old_state_and_enrolling_again_works(opened, monkeypatch, step):
    before, store = state(opened), gallery._store

    def crashing(path, write):
        if path.name == step:
            path.write_bytes(b"half")
            raise KeyboardInterrupt
        return store(path, write)

    monkeypatch.setattr(gallery, "_store", crashing)
    with pytest.raises(KeyboardInterrupt):
        enrol(opened, ["fly"], start=10)
    monkeypatch.undo()
    again = gallery.read(opened.folder)
    assert state(again) == state(opened) == before
    assert enrol(again, ["fly"], start=10) == {"enrolled": 1, "skipped": 0}
    assert gallery.read(opened.folder).verify() == 4


def test_a_gallery_that_someone_else_changed_is_not_written_over(opened):
    other = gallery.read(opened.folder)
    other.rename("ant", "fly", **WHO)
    files = content(opened.folder)
    with pytest.raises(InputError, match="gallery.json: was changed by someone else meanwhile; wanted to be read again"):
        enrol(opened, ["moth"], start=10)
    assert content(opened.folder) == files


@pytest.mark.parametrize("change, sentence", [
    (lambda g: g.enrol(vectors(1), records(["a"], 9), "model 2", **WHO, source="x"),
     "gallery: refuses embeddings of another model: holds those of 'model 1', was given those of 'model 2'"),
    (lambda g: g.enrol(vectors(1, d=4), records(["a"], 9), "model 1", **WHO, source="x"), r"embeddings of shape \(1, 4\); wanted n x 6"),
    (lambda g: g.search(vectors(1, d=4), 1), r"embeddings of shape \(1, 4\); wanted n x 6"),
    (lambda g: g.enrol(vectors(2), records(["a"], 9), "model 1", **WHO, source="x.csv"), "x.csv: has 1 images and 2 embeddings; wanted one for each"),
    (lambda g: enrol(g, ["bee"]), "labels.csv: 0.jpg is labelled 'bee', and the same file is in the gallery, as 0.jpg, labelled 'ant'; wanted one label"),
    (lambda g: g.enrol(vectors(2), [*records(["a"], 9), {**records(["b"], 9)[0], "image": "copy.jpg"}], "model 1", **WHO, source="x"),
     "x: copy.jpg is labelled 'b', and the same file is here too, as 9.jpg, labelled 'a'; wanted one label"),
    (lambda g: enrol(g, [" "], start=9), "was given an empty label; wanted the name of a class"),
    (lambda g: g.enrol(np.zeros((1, D)), records(["a"], 9), "model 1", **WHO, source="x"), "x: embedding 1 of 1 has length 0.0; wanted finite numbers"),
    (lambda g: g.search(np.array([[1.0] * D, [np.nan] * D]), 1), "queries: embedding 2 of 2 has length nan; wanted finite numbers"),
    (lambda g: g.remove(**WHO, label="bees"), "has no class 'bees'; wanted one of its 3 classes, such as 'bee'"),
    (lambda g: g.remove(**WHO, images=["0.jpg", "9.jpg"]), "has no image 9.jpg; wanted one that is in the gallery"),
    (lambda g: g.remove(**WHO), "has no image without a name"),
    (lambda g: g.rename("moth", "fly", **WHO), "has no class 'moth'; wanted one of its 3 classes"),
    (lambda g: g.rename("ant", "bee", **WHO), "has a class 'bee' already; wanted a label that is free, or to merge the two"),
    (lambda g: g.rename("ant", "", **WHO), "was given an empty label"),
    (lambda g: g.merge(["ant", "moth"], "bee", **WHO), "has no class 'moth'"),
    (lambda g: g.merge(["ant"], "ant", **WHO), "was asked to merge 'ant' into itself; wanted other classes"),
    (lambda g: gallery.create(g.folder, "model 1", D), "gallery: is a gallery already; wanted a new folder"),
])
def test_what_cannot_be_done_is_told_and_changes_nothing(opened, change, sentence):
    before, files = state(opened), content(opened.folder)
    with pytest.raises(InputError, match=sentence):
        change(opened)
    assert state(opened) == before and content(opened.folder) == files


def edit_log(folder, change):
    log = json.loads((folder / "gallery.json").read_text())
    change(log)
    (folder / "gallery.json").write_text(json.dumps(log))


def cut(folder, name, keep):
    (folder / name).write_bytes((folder / name).read_bytes()[:keep])


def replace(folder, name, data):
    """Put other bytes into a file and its size into the log, as a careless edit of both would."""
    (folder / name).write_bytes(data)
    edit_log(folder, lambda log: log["revisions"][0]["files"][name].update(size=len(data)))


def save(folder, array):
    np.save(folder / "other.npy", array, allow_pickle=True)
    replace(folder, "embeddings_0001.npy", (folder / "other.npy").read_bytes())


@pytest.mark.parametrize("damage, sentence", [
    (lambda f: (f / "gallery.json").unlink(), "gallery: has no gallery.json; wanted the folder of a gallery"),
    (lambda f: cut(f, "gallery.json", 40), "gallery.json, row 3: is not JSON"),
    (lambda f: (f / "gallery.json").write_text("[]"), "gallery.json: has no version, embedder, dimension, revisions; wanted the log"),
    (lambda f: edit_log(f, lambda log: log.update(version=2)), r"gallery.json: has format version 2; wanted 1 \(a newer entoflow may read it\)"),
    (lambda f: edit_log(f, lambda log: log["revisions"][0].pop("at")), "gallery.json: revision 1 has no at; wanted the log"),
    (lambda f: edit_log(f, lambda log: log["revisions"][0].update(action="bless")), "revision 1 is number 1 of action 'bless'; wanted the log"),
    (lambda f: edit_log(f, lambda log: log["revisions"][0].update(number=2)), "revision 1 is number 2 of action 'enrol'; wanted the log"),
    (lambda f: edit_log(f, lambda log: log["revisions"][0].update(files={"../x": {}})), r"revision 1 lists the files \.\./x; wanted the log"),
    (lambda f: (f / "embeddings_0001.npy").unlink(), "embeddings_0001.npy: is absent; wanted a file of 224 bytes, as the log says"),
    (lambda f: cut(f, "embeddings_0001.npy", 200), "embeddings_0001.npy: has 200 bytes; wanted 224, as the log says"),
    (lambda f: cut(f, "specimens_0001.csv", 100), "specimens_0001.csv: has 100 bytes; wanted [0-9]+, as the log says"),
    (lambda f: replace(f, "embeddings_0001.npy", b"not numpy"), "embeddings_0001.npy: is no array of embeddings .*; wanted 4 x 6 float32"),
    (lambda f: save(f, np.array([{}])), "embeddings_0001.npy: is no array of embeddings .*; wanted 4 x 6 float32"),
    (lambda f: save(f, vectors(3)), "embeddings_0001.npy: holds 3 x 6 float32; wanted 4 x 6 float32, as the log says"),
    (lambda f: save(f, vectors(4).astype(float)), "embeddings_0001.npy: holds 4 x 6 float64; wanted 4 x 6 float32"),
    (lambda f: replace(f, "specimens_0001.csv", b"image,label,group,sha256,source\na,b,c,d,e\n"),
     "specimens_0001.csv: has 1 rows of image, label, group, sha256, source; wanted 4 rows of"),
    (lambda f: replace(f, "specimens_0001.csv", b""), "specimens_0001.csv: is no table of specimens .*; wanted 4 rows of"),
    (lambda f: replace(f, "specimens_0001.csv", b"\xff"), "specimens_0001.csv: is no table of specimens .*; wanted 4 rows of"),
])
def test_a_broken_gallery_is_told_with_the_file_what_was_found_and_wanted(opened, damage, sentence):
    damage(opened.folder)
    with pytest.raises(InputError, match=sentence):
        gallery.read(opened.folder)


def test_verifying_finds_a_single_changed_byte(opened):
    path = opened.folder / "embeddings_0001.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="embeddings_0001.npy: has SHA-256 [0-9a-f]{12}; wanted [0-9a-f]{12}, as when it was written"):
        gallery.read(opened.folder).verify()


@pytest.fixture
def filled(tmp_path):
    """Return a gallery with those embeddings, in enrolments of the given sizes."""
    def _filled(rows, sizes):
        opened = gallery.create(tmp_path / "filled", "m", rows.shape[1])
        given = [{"image": f"{n}", "label": f"c{n % 7}", "group": "", "sha256": f"{n}"} for n in range(len(rows))]
        for start, end in zip(np.cumsum([0, *sizes]), np.cumsum(sizes)):
            opened.enrol(rows[start:end], given[start:end], "m", **WHO, source="x")
        return opened
    return _filled


@pytest.fixture(params=[False, True], ids=["float32", "bfloat16"])
def small_blocks(request, monkeypatch):
    """Search in many small blocks, with and without rounding first, whatever the processor."""
    monkeypatch.setattr(exact_search, "BLOCK", 100)
    monkeypatch.setattr(exact_search, "BATCH", 16)
    monkeypatch.setattr(exact_search, "PAIRS", 3000)
    monkeypatch.setattr(exact_search, "HALF_FROM", 1)
    monkeypatch.setattr(exact_search, "_has_fast_half", lambda: request.param)


@pytest.mark.parametrize("k", [1, 5, 60, 1000])
@pytest.mark.parametrize("rows, queries", [
    (vectors(730, d=24), vectors(50, 1, d=24)),
    (vectors(730, d=24) * 1e-4 + 1, vectors(50, 1, d=24) * 1e-4 + 1),  # as untrained networks do: all cosines near 1
    (np.repeat(vectors(73, d=24), 10, 0)[np.random.default_rng(3).permutation(730)], vectors(50, d=24)),
    (np.random.default_rng(4).integers(1, 4, (730, 5)), np.random.default_rng(5).integers(1, 4, (50, 5))),
    (np.ones((730, 4)), np.ones((50, 4))),
], ids=["spread", "all alike", "ten of each", "many ties", "all equal"])
def test_search_equals_brute_force_in_values_rows_and_ties(filled, small_blocks, rows, queries, k):
    opened = filled(rows, [300, 1, 9, 420])
    opened.remove(**WHO, label="c3")
    similarities, found = opened.search(queries, k)
    expected, order = brute(opened.embeddings(), gallery.unit(queries, "q"), k)
    np.testing.assert_array_equal(found, order)
    np.testing.assert_array_equal(similarities, expected)


def test_search_agrees_with_the_nearest_neighbours_of_scikit_learn(filled):
    from sklearn.neighbors import NearestNeighbors

    opened = filled(vectors(3000, d=32), [1000, 2000])
    distances, order = NearestNeighbors(n_neighbors=4, metric="cosine", algorithm="brute").fit(vectors(3000, d=32)).kneighbors(vectors(600, 1, d=32))
    similarities, rows = opened.search(vectors(600, 1, d=32), 4)
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_allclose(similarities, 1 - distances, atol=1e-6)


def test_no_search_returns_what_was_removed(filled):
    rows = vectors(70)
    opened = filled(rows, [70])
    assert [opened.images[row] for row in opened.search(rows, 1)[1][:, 0]] == [f"{n}" for n in range(70)]
    opened.remove(**WHO, label="c2")
    opened.remove(**WHO, images=["0", "1"])
    found = {opened.images[row] for row in opened.search(rows, 70)[1].ravel()}
    assert found == {f"{n}" for n in range(2, 70) if n % 7 != 2}


def test_search_does_not_depend_on_the_lengths_of_the_vectors(filled):
    opened, queries = filled(vectors(40), [40]), vectors(5, 1)
    np.testing.assert_array_equal(opened.search(queries * 8, 3), opened.search(queries, 3))


@pytest.mark.parametrize("n, m, k, shape", [(0, 3, 5, (3, 0)), (2, 3, 5, (3, 2)), (2, 0, 1, (0, 1))])
def test_a_search_for_more_than_there_is_is_cut(empty, n, m, k, shape):
    enrol(empty, ["ant"] * n)
    similarities, rows = empty.search(vectors(m, 1), k)
    assert similarities.shape == rows.shape == shape
