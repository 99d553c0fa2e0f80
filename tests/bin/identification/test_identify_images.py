"""Images named by a gallery of a few hand-placed vectors."""

import csv
import hashlib
import json
import shutil
import subprocess
from dataclasses import replace

import identify_images
import numpy as np
import pytest

from conftest import command
from entoflow import model_folder
from entoflow.dataset import Image
from entoflow.identification import embedder_facts, gallery
from entoflow.task import InputError
from small_gallery import CALIBRATION, GALLERY, ask, direction, lay_out, write_embedder

CONTRACT = ["image", "label", "score", "second", "second_score", "verdict"]
IMAGES = {
    "z.jpg": direction(1, 0.1, 0),
    "b.jpg": direction(0, 1, 0.35),
    "Ä <b>.jpg": direction(0.9, 0, -1),
    "x.jpg": direction(-1, -0.3, 0),
    "a.jpg": direction(0, 0.3, 1),
}
AT = "2026-11-06T10:00:00+00:00"


@pytest.fixture
def shared(tmp_path):
    return lay_out(tmp_path / "shared")


@pytest.fixture
def identify(shared, tmp_path):
    """Return a function that names {image: vector} and returns the rows of identified.csv."""

    def _identify(vectors, *options, name="frozen"):
        paths = [f"--gallery={shared}", f"--identified={tmp_path}/identified.csv"]
        identify_images.main([*ask(tmp_path, vectors, name), *paths, *options])
        with (tmp_path / "identified.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    return _identify


def by_hand(vector):
    """Return what is to be said of an image by its vector.

    ({label: probability that its class is known and this one}, P(known), [labels of the label set:
    the likeliest whose mass, with half of the last, is 0.8 at most]).
    """
    cosines = {label: float(np.dot(vector, other)) for label, other in GALLERY.items()}
    p_known = 1 / (1 + np.exp(14 - 20 * max(cosines.values())))
    total = sum(np.exp(cosine / 0.1) for cosine in cosines.values())
    p_class = {label: np.exp(cosine / 0.1) / total for label, cosine in cosines.items()}
    label_set = []
    for label, p in p_class.items():
        likelier = sum(other for other in p_class.values() if other > p)
        if likelier + p / 2 <= 0.8:
            label_set.append(label)
    label_set.sort(key=lambda label: -p_class[label])
    return {label: p_known * p for label, p in p_class.items()}, p_known, label_set


def test_images_are_named_with_the_columns_of_the_contract_sorted_by_image(identify, capsys):
    rows = identify(IMAGES)
    assert list(rows[0])[:6] == CONTRACT
    assert [row["image"] for row in rows] == sorted(IMAGES)
    names = {row["image"]: (row["label"], row["second"], row["verdict"]) for row in rows}
    assert names == {
        "z.jpg": ("ant", "bee", "known"),
        "b.jpg": ("bee", "wasp", "known"),
        "a.jpg": ("wasp", "bee", "known"),
        "Ä <b>.jpg": ("ant", "bee", "unknown"),
        "x.jpg": ("wasp", "bee", "reject"),
    }
    assert capsys.readouterr().out == "known 3, unknown 1, reject 1\n"


def test_a_score_is_the_chance_that_the_class_is_known_times_that_it_is_this_one(identify):
    for row in identify(IMAGES):
        probabilities, p_known, label_set = by_hand(IMAGES[row["image"]])
        score = float(row["score"])
        second_score = float(row["second_score"])
        assert score == pytest.approx(probabilities[row["label"]], abs=1e-4)
        assert second_score == pytest.approx(probabilities[row["second"]], abs=1e-4)
        assert float(row["known"]) == pytest.approx(p_known, abs=1e-4)
        assert 1 >= score >= second_score >= 0
        assert row["score"] == f"{score:.4f}"
        assert row["labels"] == " | ".join(label_set)


def test_a_label_set_of_many_names_is_cut(identify, monkeypatch, shared):
    monkeypatch.setattr(identify_images, "MOST", 1)
    monkeypatch.setitem(CALIBRATION, "conformal", 1.0)
    write_embedder(shared / "embedder", 1)
    assert all(row["labels"] == row["label"] for row in identify(IMAGES))


def test_scores_are_in_order_and_do_not_depend_on_the_other_images(identify):
    rng = np.random.default_rng(2)
    many = {f"{n:04}.jpg": direction(*rng.normal(size=3)) for n in range(1100)}  # two blocks
    rows = {row["image"]: row for row in identify(many)}
    assert len(rows) == 1100
    for row in rows.values():
        assert 1 >= float(row["score"]) >= float(row["second_score"]) >= 0
    for row in identify({name: many[name] for name in ("1099.jpg", "0003.jpg")}):
        assert row == rows[row["image"]]


def classify(folder):
    """Enrol the specimens once more, with taxa of two: the bee and the wasp are of one family."""
    genera = {"bee": "Apis", "wasp": "Vespa"}
    images = []
    for label in GALLERY:
        sha256 = hashlib.sha256(label.encode()).hexdigest()
        image = Image(id=0, file_name=label, label=label, sha256=sha256)
        if label in genera:
            image = replace(image, genus=genera[label], family="Hymen")
        images.append(image)
    opened = gallery.read(folder)
    vectors = np.array(list(GALLERY.values()), np.float32)
    opened.enrol(vectors, images, opened.embedder, "ada", AT, "taxa.csv")


def test_a_taxon_is_the_finest_name_whose_sum_is_sure_enough(identify, shared):
    plain = identify(IMAGES)
    classify(shared)
    rows = identify(IMAGES)
    for row, before in zip(rows, plain):
        probabilities, _, _ = by_hand(IMAGES[row["image"]])
        name = (before["taxon"], before["rank"])
        if float(row["score"]) >= 0.9:
            assert (row["taxon"], row["rank"]) == name == (row["label"], "species")
        else:
            p_family = probabilities["bee"] + probabilities["wasp"]
            wanted = ("Hymen", "family") if p_family >= 0.9 else ("", "")
            assert (row["taxon"], row["rank"]) == wanted
            assert name == ("", "")
        for column in before.keys() - {"taxon", "rank"}:
            assert row[column] == before[column]
    assert {row["rank"] for row in rows} == {"species", "family", ""}
    assert list(rows[0])[-2:] == ["taxon", "rank"]


def test_the_confidence_is_that_of_the_option(identify, shared):
    classify(shared)
    assert {row["rank"] for row in identify(IMAGES, "--confidence=1")} == {""}
    at_half = identify(IMAGES, "--confidence=0.5")
    assert sum(row["rank"] == "species" for row in at_half) == 3
    with pytest.raises(InputError, match="--confidence is 1.5; wanted a chance from 0.5 to 1"):
        identify(IMAGES, "--confidence=1.5")


def test_a_gallery_of_one_class_has_no_second(identify, shared):
    gallery.read(shared).remove("ada", AT, images=["ant.jpg", "wasp.jpg"])
    (row,) = identify({"b.jpg": IMAGES["b.jpg"]})
    assert (row["label"], row["verdict"], row["labels"]) == ("bee", "known", "bee")
    assert (row["second"], row["second_score"]) == ("", "")
    assert row["score"] == row["known"]


def test_no_images_give_a_table_of_no_rows(identify, tmp_path, capsys):
    assert identify({}) == []
    assert (tmp_path / "identified.csv").read_text().startswith(",".join(CONTRACT))
    assert capsys.readouterr().out == "known 0, unknown 0, reject 0\n"


def test_a_gallery_without_its_embedder_is_refused(identify, shared):
    shutil.rmtree(shared / "embedder")
    with pytest.raises(InputError, match="shared/embedder: holds no model; wanted a model folder"):
        identify(IMAGES)


def test_vectors_of_another_size_are_refused(identify):
    sentence = "shared: holds vectors of 3 dimensions; wanted 2, as the embedder makes"
    with pytest.raises(InputError, match=sentence):
        identify({"a.jpg": [1, 0]})


def test_vectors_may_have_the_name_embedder_too(identify):
    assert identify(IMAGES, name="embedder") == identify(IMAGES)


def test_embeddings_without_those_of_the_gallerys_embedder_are_refused(identify):
    with pytest.raises(InputError, match="e.npz: holds vectors of trained; wanted frozen"):
        identify(IMAGES, name="trained")


def test_a_gallery_whose_embedder_is_another_than_that_of_its_vectors_is_refused(identify, shared):
    write_embedder(shared / "embedder", 2)
    with pytest.raises(InputError, match="shared.* another model"):
        identify(IMAGES)


def test_whole_images_are_refused_where_the_gallerys_were_cropped(identify, shared):
    facts = model_folder.read(shared / "embedder")
    cropped = replace(facts, more={**facts.more, "cropped_by": "0123456789abcdef"})
    model_folder.write(shared / "embedder", cropped)
    log = json.loads((shared / "gallery.json").read_text())
    log["embedder"] = embedder_facts.identity(model_folder.read(shared / "embedder"))
    (shared / "gallery.json").write_text(json.dumps(log))
    sentence = (
        "0.json: its images are whole; wanted them cropped by the detector 0123456789ab, "
        "as those that the embedder"
    )
    with pytest.raises(InputError, match=sentence):
        identify(IMAGES)


def test_a_gallery_of_which_all_was_removed_is_refused(identify, shared):
    for label in GALLERY:
        gallery.read(shared).remove("ada", AT, label=label)
    with pytest.raises(InputError, match="shared: holds no specimen"):
        identify(IMAGES)


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    names = ("datasets", "embeddings", "gallery", "identified")
    options = [f"--{name}={tmp_path}/{name}" for name in names]
    done = subprocess.run([*command("identify_images"), *options], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert "gallery/embedder: holds no model" in done.stderr
    assert len(done.stderr.splitlines()) == 1
