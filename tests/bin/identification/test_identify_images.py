"""Images named by a gallery of a few hand-placed vectors."""
import csv
import hashlib
import json
import shutil
import subprocess

import identify_images
import numpy as np
import pytest

from conftest import command
from entoflow.identification import embedder_facts, gallery
from entoflow.task import InputError
from small_gallery import CALIBRATION, GALLERY, ask, direction, lay_out, write_embedder

CONTRACT = ["image", "label", "score", "second", "second_score", "verdict"]
IMAGES = {"z.jpg": direction(1, 0.1, 0), "b.jpg": direction(0, 1, 0.35), "Ä <b>.jpg": direction(0.9, 0, -1), "x.jpg": direction(-1, -0.3, 0),
          "a.jpg": direction(0, 0.3, 1)}


@pytest.fixture
def shared(tmp_path):
    return lay_out(tmp_path / "shared")


@pytest.fixture
def identify(shared, tmp_path):
    """Return a function that names {image: vector} and returns the rows of identified.csv."""
    def _identify(vectors, *options, name="frozen"):
        identify_images.main([*ask(tmp_path, vectors, name), f"--gallery={shared}", f"--identified={tmp_path}/identified.csv", *options])
        with (tmp_path / "identified.csv").open(newline="", encoding="utf-8") as handle:
            return list(csv.DictReader(handle))
    return _identify


def by_hand(vector):
    """Return ({label: probability that it is known and this one}, P(known), [labels of the likeliest whose mass, half of the last, is 0.8 at most])."""
    likeness = {label: float(np.dot(vector, own)) for label, own in GALLERY.items()}
    known = 1 / (1 + np.exp(14 - 20 * max(likeness.values())))
    together = sum(np.exp(value / 0.1) for value in likeness.values())
    given = {label: np.exp(value / 0.1) / together for label, value in likeness.items()}
    held = [label for label in given if sum(value for value in given.values() if value > given[label]) + given[label] / 2 <= 0.8]
    return {label: known * value for label, value in given.items()}, known, sorted(held, key=lambda label: -given[label])


def test_images_are_named_with_the_columns_of_the_contract_sorted_by_image(identify, capsys):
    rows = identify(IMAGES)
    assert list(rows[0])[:6] == CONTRACT
    assert [row["image"] for row in rows] == sorted(IMAGES)
    assert {row["image"]: (row["label"], row["second"], row["verdict"]) for row in rows} == {
        "z.jpg": ("ant", "bee", "known"), "b.jpg": ("bee", "wasp", "known"), "a.jpg": ("wasp", "bee", "known"),
        "Ä <b>.jpg": ("ant", "bee", "unknown"), "x.jpg": ("wasp", "bee", "reject")}
    assert capsys.readouterr().out == "known 3, unknown 1, reject 1\n"


def test_a_score_is_the_chance_that_the_class_is_known_times_that_it_is_this_one(identify):
    for row in identify(IMAGES):
        chances, known, held = by_hand(IMAGES[row["image"]])
        assert float(row["score"]) == pytest.approx(chances[row["label"]], abs=1e-4) and float(row["known"]) == pytest.approx(known, abs=1e-4)
        assert float(row["second_score"]) == pytest.approx(chances[row["second"]], abs=1e-4)
        assert 1 >= float(row["score"]) >= float(row["second_score"]) >= 0 and row["score"] == f"{float(row['score']):.4f}"
        assert row["labels"] == " | ".join(held)


def test_a_label_set_of_many_names_is_cut(identify, monkeypatch):
    monkeypatch.setattr(identify_images, "MOST", 1)
    monkeypatch.setitem(CALIBRATION, "conformal", 1.0)
    assert all(row["labels"] == row["label"] for row in identify(IMAGES))


def test_scores_of_random_vectors_are_in_order_and_do_not_depend_on_who_is_beside(identify):
    rng = np.random.default_rng(2)
    many = {f"{n:04}.jpg": direction(*rng.normal(size=3)) for n in range(1100)}  # two blocks
    rows = {row["image"]: row for row in identify(many)}
    assert len(rows) == 1100 and all(1 >= float(row["score"]) >= float(row["second_score"]) >= 0 for row in rows.values())
    for row in identify({name: many[name] for name in ("1099.jpg", "0003.jpg")}):
        assert row == rows[row["image"]]


def classify(folder):
    """Enrol the specimens once more, with the genus and family of two: the bee and the wasp are of one family."""
    taxa = {"bee": {"genus": "Apis", "family": "Hymen"}, "wasp": {"genus": "Vespa", "family": "Hymen"}}
    records = [{"image": label, "label": label, "group": "", "sha256": hashlib.sha256(label.encode()).hexdigest(), **taxa.get(label, {})} for label in GALLERY]
    held = gallery.read(folder)
    held.enrol(np.array(list(GALLERY.values()), np.float32), records, held.embedder, "ada", "2026-11-06T10:00:00+00:00", "taxa.csv")


def test_a_taxon_is_the_finest_name_whose_sum_is_sure_enough(identify, shared):
    plain = identify(IMAGES)
    classify(shared)
    rows = identify(IMAGES)
    family = {row["image"]: sum(by_hand(IMAGES[row["image"]])[0][label] for label in ("bee", "wasp")) for row in rows}
    for row, before in zip(rows, plain):
        species = float(row["score"]) >= 0.9
        assert (row["taxon"], row["rank"]) == ((row["label"], "species") if species else ("Hymen", "family") if family[row["image"]] >= 0.9 else ("", ""))
        assert (before["taxon"], before["rank"]) == ((row["label"], "species") if species else ("", ""))
        assert {key: row[key] for key in before if key not in ("taxon", "rank")} == {key: before[key] for key in before if key not in ("taxon", "rank")}
    assert {row["rank"] for row in rows} == {"species", "family", ""}
    assert list(rows[0])[-2:] == ["taxon", "rank"]


def test_the_confidence_is_that_which_is_asked_for(identify, shared):
    classify(shared)
    assert {row["rank"] for row in identify(IMAGES, "--confidence=1")} == {""}
    assert sum(row["rank"] == "species" for row in identify(IMAGES, "--confidence=0.5")) == 3
    with pytest.raises(InputError, match="--confidence is 1.5; wanted a chance from 0.5 to 1"):
        identify(IMAGES, "--confidence=1.5")


def test_a_gallery_of_one_class_has_no_second(identify, shared):
    gallery.read(shared).remove("ada", "2026-11-06T10:00:00+00:00", images=["ant.jpg", "wasp.jpg"])
    row, = identify({"b.jpg": IMAGES["b.jpg"]})
    assert (row["label"], row["second"], row["second_score"], row["verdict"], row["labels"]) == ("bee", "", "", "known", "bee")
    assert row["score"] == row["known"]


def test_no_images_give_a_table_of_no_rows(identify, tmp_path, capsys):
    assert identify({}) == []
    assert (tmp_path / "identified.csv").read_text().startswith(",".join(CONTRACT)) and capsys.readouterr().out == "known 0, unknown 0, reject 0\n"


def test_a_gallery_without_its_embedder_is_told(identify, shared):
    shutil.rmtree(shared / "embedder")
    with pytest.raises(InputError, match="shared/embedder: holds no model; wanted a model folder"):
        identify(IMAGES)


def test_vectors_of_another_size_are_told(identify):
    with pytest.raises(InputError, match="shared: holds vectors of 3 dimensions; wanted 2, as the embedder makes"):
        identify({"a.jpg": [1, 0]})


def test_vectors_are_found_under_the_name_embedder_too(identify):
    assert identify(IMAGES, name="embedder") == identify(IMAGES)


def test_embeddings_without_those_of_the_galleries_embedder_are_told(identify):
    with pytest.raises(InputError, match="e.npz.*: hold.* vectors of trained; wanted"):
        identify(IMAGES, name="trained")


def test_a_gallery_whose_embedder_is_another_than_that_of_its_vectors_is_refused(identify, shared):
    write_embedder(shared / "embedder", 2)
    with pytest.raises(InputError, match="shared.* another model"):
        identify(IMAGES)


def test_images_that_are_whole_are_refused_where_the_gallerys_were_cropped(identify, shared):
    facts = {**json.loads((shared / "embedder/model.json").read_text()), "cropped_by": "0123456789abcdef"}
    log = {**json.loads((shared / "gallery.json").read_text()), "embedder": embedder_facts.identity(facts)}
    (shared / "embedder/model.json").write_text(json.dumps(facts))
    (shared / "gallery.json").write_text(json.dumps(log))
    with pytest.raises(InputError, match="0.json: its images are whole; wanted them cropped by the detector 0123456789ab, as those that the embedder"):
        identify(IMAGES)


def test_a_gallery_of_which_all_was_removed_is_told(identify, shared):
    for label in GALLERY:
        gallery.read(shared).remove("ada", "2026-11-06T10:00:00+00:00", label=label)
    with pytest.raises(InputError, match="shared: holds no specimen"):
        identify(IMAGES)


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    names = ("datasets", "embeddings", "gallery", "identified")
    done = subprocess.run([*command("identify_images"), *(f"--{name}={tmp_path}/{name}" for name in names)],
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and "gallery/embedder: holds no model" in done.stderr and len(done.stderr.splitlines()) == 1
