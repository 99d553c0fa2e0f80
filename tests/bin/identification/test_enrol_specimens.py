"""Galleries of a few hand-placed vectors; enrolling runs no network.

The embedder is a folder whose weights are one small tensor.
"""

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace

import enrol_specimens
import numpy as np
import pytest

from conftest import command
from entoflow import dataset, model_folder
from entoflow.dataset import Dataset, Image
from entoflow.identification import embedder_facts, embeddings, gallery
from entoflow.model_folder import ModelFacts
from entoflow.task import InputError
from small_gallery import CALIBRATION, FACTS

pytest.importorskip("safetensors")
from safetensors.numpy import save_file  # noqa: E402

DETECTOR = ModelFacts(
    name="insect",
    kind="detector",
    classes=["insect"],
    input={},
    threshold=0.5,
    metrics={},
    metrics_of="validation",
    licence="none",
    data={},
    parameters={},
    seed=1,
)
AT = "2026-11-05T10:00:00+00:00"


def write_model(folder, facts, weight=1.0):
    """Write a model folder whose weights are one number, and return its facts."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"weight": np.array([weight], np.float32)}, folder / "weights.safetensors")
    model_folder.write(folder, facts)
    return model_folder.read(folder)


def write_embedder(folder, head="nearest", weight=1.0, **more):
    calibration = {**CALIBRATION, "head": head}
    facts = replace(FACTS, more={"vectors": "frozen", "calibration": calibration, **more})
    return write_model(folder, facts, weight)


def direction(degrees):
    return [np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))]


@pytest.fixture
def enrol(tmp_path):
    """Return a function that enrols [(image, label, group, vector)].

    It returns (the gallery's folder, the effect).
    """
    if not (tmp_path / "embedder").exists():
        write_embedder(tmp_path / "embedder")

    def _enrol(
        rows, *options, name="gallery", embedder="embedder", vectors="frozen", taxa=(), crops=None
    ):
        images = []
        for n, (image, label, group, _) in enumerate(rows):
            sha256 = hashlib.sha256(image.encode()).hexdigest()
            named = Image(id=10 + n, file_name=image, label=label, group=group, sha256=sha256)
            images.append(replace(named, **dict(taxa).get(label, {})))
        dataset.write(tmp_path / "new.json", Dataset(images, cropped_by=crops))
        values = np.array([vector for *_, vector in rows], np.float32)
        embeddings.write(tmp_path / "e.npz", [image.id for image in images], {vectors: values})
        paths = [
            f"--specimens={tmp_path}/new.json",
            f"--embeddings={tmp_path}/e.npz",
            f"--embedder={tmp_path / embedder}",
            f"--gallery={tmp_path / name}",
            f"--effect={tmp_path}/effect.json",
        ]
        enrol_specimens.main([*paths, f"--at={AT}", *options])
        return tmp_path / name, json.loads((tmp_path / "effect.json").read_text())

    return _enrol


# b2 lies nearer to the ants than to its like.
OLD = [
    ("a1", "ant", "1", direction(0)),
    ("a2", "ant", "2", direction(10)),
    ("b1", "bee", "3", direction(90)),
    ("b2", "bee", "4", direction(40)),
    ("w1", "wasp", "5", direction(200)),
]
NEW = [("n1", "newt", "6", direction(11)), ("n2", "newt", "7", direction(300))]


def bytes_of(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_new_gallery_holds_the_specimens_and_the_embedder(enrol, tmp_path, capsys):
    folder, effect = enrol(OLD, "--by=ada", "--source=labels.csv")
    opened = gallery.read(folder)
    assert opened.classes == {"ant": 2, "bee": 2, "wasp": 1}
    assert opened.images == ["a1", "a2", "b1", "b2", "w1"]
    assert opened.groups == list("12345")
    np.testing.assert_allclose(opened.embeddings(), [vector for *_, vector in OLD], atol=1e-6)
    (revision,) = opened.revisions
    assert (revision.by, revision.at, revision.change.source) == ("ada", AT, "labels.csv")
    assert bytes_of(folder / "embedder") == bytes_of(tmp_path / "embedder")
    assert effect == {
        "enrolled": 5,
        "skipped": 0,
        "sentence": "",
        "before": None,
        "after": None,
        "n": 0,
        "lost": {},
        "rivals": {},
    }
    sentence = "5 specimens enrolled, 0 were there: 5 of 3 classes."
    assert capsys.readouterr().out.startswith(sentence)


def test_new_classes_go_into_a_copy_and_no_file_that_was_there_changes(enrol):
    old, _ = enrol(OLD)
    before = bytes_of(old)
    new, _ = enrol(NEW, f"--into={old}", name="grown")
    assert bytes_of(old) == before
    after = bytes_of(new)
    assert {name for name in before if after[name] != before[name]} == {"gallery.json"}
    assert set(after) - set(before) == {"specimens_0002.csv", "embeddings_0002.npy"}
    revisions = json.loads(before["gallery.json"])["revisions"]
    assert json.loads(after["gallery.json"])["revisions"][:1] == revisions
    assert gallery.read(new).verify() == 4
    assert gallery.read(new).classes == {"ant": 2, "bee": 2, "newt": 2, "wasp": 1}


def test_the_taxa_of_the_classes_go_into_the_gallery_and_may_not_contradict_it(enrol):
    taxa = {"ant": {"genus": "Lasius", "family": "Formicidae"}, "bee": {"genus": "Apis"}}
    triton = {"newt": {"genus": "Triton"}}
    old, _ = enrol(OLD, taxa=taxa)
    new, _ = enrol(NEW, f"--into={old}", name="grown", taxa=triton)
    assert gallery.read(old).taxa == taxa
    assert gallery.read(new).taxa == {**taxa, **triton}
    sentence = "new.json: class 'bee' is of genus 'Apis' and 'Bombus'; wanted one genus for a class"
    with pytest.raises(InputError, match=sentence):
        enrol(
            [("b9", "bee", "9", direction(80))],
            f"--into={old}",
            name="third",
            taxa={"bee": {"genus": "Bombus"}},
        )


def named_right(rows, queries):
    """Return {image: whether its nearest one of another group has its label}.

    Only of queries that have another group of their class.
    """
    right = {}
    for image, label, group, vector in queries:
        others = [row for row in rows if row[2] != group]
        if any(row[1] == label for row in others):
            nearest = max(others, key=lambda row: float(np.dot(row[3], vector)))  # noqa: B023
            right[image] = nearest[1] == label
    return right


def test_old_specimens_named_right_before_and_after_are_those_of_leaving_each_group_out(
    enrol, capsys
):
    old, _ = enrol(OLD)
    _, effect = enrol(NEW, f"--into={old}", name="grown")
    # a2 is lost to n1
    assert named_right(OLD, OLD) == {"a1": True, "a2": True, "b1": True, "b2": False}
    assert named_right(OLD + NEW, OLD) == {"a1": True, "a2": False, "b1": True, "b2": False}
    assert (effect["before"], effect["after"], effect["n"]) == (3 / 4, 2 / 4, 4)
    assert effect["lost"] == {"ant": 1}
    assert effect["sentence"] == (
        "Old specimens named right: 0.750 before, 0.500 after (4 that have another of their class)."
    )
    assert effect["sentence"] in capsys.readouterr().out


def crowd(seed):
    """Return (48 specimens of 12 classes in 3 groups each, 5 of 5 classes far from all of them).

    The far ones are at right angles, and between the others by name.
    """
    rng = np.random.default_rng(seed)
    old = []
    far = []
    for label in range(12):
        middle = rng.normal(size=8)
        for n in range(4):
            vector = np.append(middle + rng.normal(size=8), [0] * 4)
            vector /= np.linalg.norm(vector)
            old.append((f"o{label} {n}", f"old {label:02}", f"{label} {n % 3}", vector))
    for label in range(5):
        vector = np.append([0] * 8, rng.normal(size=4))
        far.append((f"f{label}", f"old {2 * label:02}, far from it", f"f{label}", vector))
    return old, far


def test_new_classes_far_from_all_old_ones_cost_nothing(enrol):
    for seed in range(5):
        old, far = crowd(seed)
        folder, _ = enrol(old, name=f"gallery {seed}")
        _, effect = enrol(far, f"--into={folder}", name=f"grown {seed}")
        assert effect["after"] == effect["before"]
        assert effect["lost"] == {}


def test_a_second_specimen_of_an_old_class_is_enrolled(enrol):
    old, _ = enrol(OLD)
    new, effect = enrol([("w2", "wasp", "8", direction(210))], f"--into={old}", name="grown")
    assert gallery.read(new).classes["wasp"] == 2
    assert (effect["before"], effect["after"]) == (3 / 4, 3 / 4)


def test_the_rivals_of_a_new_class_are_the_old_ones_with_the_likest_means(enrol, capsys):
    old, _ = enrol(OLD)
    _, effect = enrol(NEW, f"--into={old}", name="grown")
    middle = np.mean([vector for *_, vector in OLD], axis=0)

    def centred(vector):
        return (vector - middle) / np.linalg.norm(vector - middle)

    cosines = {}
    for label in ("ant", "bee", "wasp"):
        members = [centred(vector) for _, other, _, vector in OLD if other == label]
        mean = np.mean(members, axis=0)
        mean /= np.linalg.norm(mean)
        cosines[label] = np.mean([centred(vector) @ mean for *_, vector in NEW])
    assert list(effect["rivals"]) == ["newt"]
    rivals = effect["rivals"]["newt"]
    assert [name for name, _ in rivals] == sorted(cosines, key=cosines.get, reverse=True)
    assert dict(rivals) == pytest.approx(cosines, abs=1e-3)
    assert f"newt: nearest {rivals[0][0]} (" in capsys.readouterr().out


def test_what_is_there_already_is_skipped_and_counted(enrol):
    old, _ = enrol(OLD)
    new, effect = enrol([OLD[0], NEW[0]], f"--into={old}", name="grown")
    assert (effect["enrolled"], effect["skipped"]) == (1, 1)
    assert len(gallery.read(new)) == 6


def test_the_same_image_under_another_label_is_refused_with_both_labels(enrol):
    old, _ = enrol(OLD)
    sentence = (
        "a1 is labelled 'bee', and the same file is in the gallery, as a1, labelled 'ant'; "
        "wanted one label"
    )
    with pytest.raises(InputError, match=sentence):
        enrol([("a1", "bee", "1", direction(0))], f"--into={old}", name="grown")
    assert len(gallery.read(old)) == 5


def test_embeddings_of_another_embedder_are_refused(enrol, tmp_path):
    old, _ = enrol(OLD)
    write_embedder(tmp_path / "other", weight=2.0)
    sentence = (
        "refuses embeddings of another model: holds those of '[0-9a-f]{64}', "
        "was given those of '[0-9a-f]{64}'"
    )
    with pytest.raises(InputError, match=sentence):
        enrol(NEW, f"--into={old}", name="grown", embedder="other")
    sentence = r"was given embeddings of shape \(1, 3\); wanted n x 2"
    with pytest.raises(InputError, match=sentence):
        enrol([("n1", "newt", "6", [1, 0, 0])], f"--into={old}", name="grown 2")
    assert len(gallery.read(old)) == 5


def test_embedders_of_the_same_weights_and_input_have_one_identity(tmp_path):
    identity = embedder_facts.identity
    facts = write_embedder(tmp_path / "a")
    same = write_embedder(tmp_path / "b", vectors="refit")
    assert identity(replace(same, name="b")) == identity(facts)
    assert identity(write_embedder(tmp_path / "c", weight=2)) != identity(facts)
    larger = replace(facts, input={**facts.input, "image_size": 64})
    assert identity(larger) != identity(facts)


@pytest.fixture
def cropped_by(tmp_path):
    """Return the id of the detector in the folder detector.

    The embedder in the folder embedder learned from its crops; another one is in `another`.
    """
    facts = write_model(tmp_path / "detector", DETECTOR, 5)
    write_model(tmp_path / "another", DETECTOR, 6)
    shutil.rmtree(tmp_path / "embedder", ignore_errors=True)
    identity = embedder_facts.detector_identity(tmp_path / "detector", facts)
    write_embedder(tmp_path / "embedder", cropped_by=identity)
    return identity


def test_a_gallery_of_cropped_images_holds_their_detector_and_takes_only_its_crops(
    enrol, cropped_by, tmp_path
):
    detector = tmp_path / "detector"
    folder, _ = enrol(OLD, f"--detector={detector}", crops=cropped_by)
    assert bytes_of(folder / "detector") == bytes_of(detector)
    card = (folder / "embedder/README.md").read_text()
    assert "Photos are cropped first, by the detector in the gallery." in card
    grown, _ = enrol(NEW, f"--into={folder}", name="grown", crops=cropped_by)
    assert bytes_of(grown / "detector") == bytes_of(detector)
    assert len(gallery.read(grown)) == 7
    wanted = f"cropped by the detector {cropped_by[:12]}, as those that the embedder learned from"
    for crops, present in (
        (None, "whole"),
        ("0123456789abcdef", "cropped by the detector 0123456789ab"),
    ):
        sentence = f"new.json: its images are {present}; wanted them {wanted}"
        with pytest.raises(InputError, match=sentence):
            enrol(NEW, f"--into={folder}", name="refused", crops=crops)
    assert not (tmp_path / "refused").exists()


def test_a_gallery_of_whole_images_takes_no_crops_and_no_detector(enrol):
    sentence = "new.json: its images are cropped by the detector abc; wanted them whole"
    with pytest.raises(InputError, match=sentence):
        enrol(OLD, crops="abc")
    folder, _ = enrol(OLD)
    assert not (folder / "detector").exists()


def test_the_detector_of_a_new_gallery_is_the_one_that_cropped_its_images(
    enrol, cropped_by, tmp_path
):
    wanted = f"detector {cropped_by[:12]}, as the embedder's model.json says in cropped_by"
    for options, present in (
        ([], "not given"),
        ([f"--detector={tmp_path}/another"], "[0-9a-f]{12}"),
    ):
        with pytest.raises(InputError, match=f"--detector: is {present}; wanted {wanted}"):
            enrol(OLD, *options, crops=cropped_by)
    write_embedder(tmp_path / "embedder")
    with pytest.raises(InputError, match="--detector: is [0-9a-f]{12}; wanted none"):
        enrol(OLD, f"--detector={tmp_path}/detector")
    assert not (tmp_path / "gallery").exists()


def test_an_embedder_of_crops_is_another_than_the_same_one_of_whole_images(tmp_path):
    facts = write_embedder(tmp_path / "a")
    every = [facts]
    for detector in ("x", "y"):
        every.append(replace(facts, more={**facts.more, "cropped_by": detector}))
    assert len({embedder_facts.identity(one) for one in every}) == 3


def test_embeddings_have_the_name_of_the_choice_or_of_the_folder(enrol):
    folder, _ = enrol(OLD, vectors="embedder")
    assert len(gallery.read(folder)) == 5


def test_embeddings_without_those_of_the_embedder_are_refused(enrol):
    with pytest.raises(InputError, match="e.npz: holds vectors of trained; wanted frozen"):
        enrol(OLD, vectors="trained")


def test_an_embedder_that_was_not_chosen_and_has_no_calibration_is_refused(enrol, tmp_path):
    write_model(tmp_path / "embedder", replace(FACTS, more={"vectors": "frozen"}))
    with pytest.raises(InputError, match="embedder: has no calibration; wanted an embedder that"):
        enrol(OLD)


def test_enrolling_into_the_same_folder_is_refused(enrol):
    old, _ = enrol(OLD)
    with pytest.raises(InputError, match=f"--gallery and --into are both {old}; wanted a new"):
        enrol(NEW, f"--into={old}")


@pytest.mark.parametrize("head", ["nearest", "class_mean", "cache", "lda", "ridge", "logistic"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_gallery_of_two_specimens_takes_new_ones_whatever_the_head(enrol, tmp_path, head):
    write_embedder(tmp_path / "embedder", head=head)
    old, _ = enrol([OLD[0], OLD[2]])
    new, effect = enrol(NEW, f"--into={old}", name="grown")
    assert len(gallery.read(new)) == 4
    assert (effect["n"], effect["before"]) == (0, None)


def test_a_folder_that_is_no_gallery_is_refused_before_anything_is_written(enrol, tmp_path):
    (tmp_path / "empty").mkdir()
    sentence = "empty: has no gallery.json; wanted the folder of a gallery"
    with pytest.raises(InputError, match=sentence):
        enrol(NEW, f"--into={tmp_path}/empty", name="grown")
    assert not (tmp_path / "grown").exists()


def test_an_image_without_an_embedding_is_an_error(enrol, monkeypatch):
    write = embeddings.write

    def write_all_but_the_first(path, ids, vectors):
        write(path, ids[1:], {name: rows[1:] for name, rows in vectors.items()})

    monkeypatch.setattr(embeddings, "write", write_all_but_the_first)
    sentence = "embeddings: image 10 has none; wanted those of all images"
    with pytest.raises(InputError, match=sentence):
        enrol(OLD)


def test_a_user_without_a_login_name_says_who_enrols(enrol, monkeypatch):
    def nameless():
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr("getpass.getuser", nameless)
    folder, _ = enrol(OLD, "--by=ada")
    assert gallery.read(folder).revisions[0].by == "ada"
    with pytest.raises(InputError, match="--by is missing and you have no login name"):
        enrol(OLD, name="second")


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    names = ("specimens", "embeddings", "embedder", "gallery", "effect")
    options = [f"--{name}={tmp_path}/{name}" for name in names]
    done = subprocess.run([*command("enrol_specimens"), *options], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert "embedder: holds no model" in done.stderr
    assert len(done.stderr.splitlines()) == 1
