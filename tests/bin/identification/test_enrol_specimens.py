"""Galleries of a few hand-placed vectors; the embedder is a folder whose weights are one small tensor, as enrolling runs no network."""
import hashlib
import json
import shutil
import subprocess

import enrol_specimens
import numpy as np
import pytest

from conftest import command
from entoflow import coco, model_folder
from entoflow.identification import embedder_facts, embeddings, gallery
from entoflow.task import InputError

pytest.importorskip("safetensors")
from safetensors.numpy import save_file  # noqa: E402


def embedder(folder, head="nearest", weight=1.0, **more):
    """Write a model folder, and return it."""
    folder.mkdir(parents=True)
    save_file({"weight": np.array([weight], np.float32)}, folder / "weights.safetensors")
    facts = {"name": "embedder", "kind": "embedder", "classes": [], "threshold": 0.5, "metrics": {}, "metrics_of": "validation", "vectors": "frozen",
             "input": {"backend": "timm", "backbone": "test_resnet", "image_size": 32, "mean": [0.5] * 3, "std": [0.5] * 3},
             "calibration": {"head": head, "temperature": 0.1, "known": {"weights": [1, 0, 0, 0], "offset": 0}, "reject_below": 0.1, "conformal": 0.9}, **more}
    model_folder.write(folder, facts, {"data": {}, "parameters": {}, "seed": 1}, "none")
    return folder


def facts_of(folder):
    return json.loads((folder / "model.json").read_text())


def direction(degrees):
    return [np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))]


@pytest.fixture
def enrol(tmp_path):
    """Return a function that enrols [(image, label, group, vector)] and returns (the gallery's folder, the effect)."""
    if not (tmp_path / "embedder").exists():
        embedder(tmp_path / "embedder")

    def _enrol(rows, *options, name="gallery", made_by="embedder", vectors="frozen", taxa=(), info=None):
        images = [{"id": 10 + n, "file_name": image, "label": label, "group": group, "sha256": hashlib.sha256(image.encode()).hexdigest(),
                   **dict(taxa).get(label, {})}
                  for n, (image, label, group, _) in enumerate(rows)]
        coco.write(tmp_path / "new.json", {"info": info or {}, "images": images, "annotations": [], "categories": []})
        found = np.array([vector for *_, vector in rows], np.float32).reshape(len(rows), -1)
        embeddings.write(tmp_path / "e.npz", [image["id"] for image in images], {vectors: found})
        enrol_specimens.main([f"--specimens={tmp_path}/new.json", f"--embeddings={tmp_path}/e.npz", f"--embedder={tmp_path / made_by}",
                              f"--gallery={tmp_path / name}", f"--effect={tmp_path}/effect.json", "--at=2026-11-05T10:00:00+00:00", *options])
        return tmp_path / name, json.loads((tmp_path / "effect.json").read_text())
    return _enrol


# b2 lies nearer to the ants than to its like.
OLD = [("a1", "ant", "1", direction(0)), ("a2", "ant", "2", direction(10)), ("b1", "bee", "3", direction(90)), ("b2", "bee", "4", direction(40)),
       ("w1", "wasp", "5", direction(200))]
NEW = [("n1", "newt", "6", direction(11)), ("n2", "newt", "7", direction(300))]


def bytes_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_gallery_holds_the_specimens_with_the_embedder_beside_it(enrol, tmp_path, capsys):
    folder, effect = enrol(OLD, "--by=ada", "--source=labels.csv")
    held = gallery.read(folder)
    assert held.classes == {"ant": 2, "bee": 2, "wasp": 1} and held.images == ["a1", "a2", "b1", "b2", "w1"] and held.groups == list("12345")
    np.testing.assert_allclose(held.embeddings(), [vector for *_, vector in OLD], atol=1e-6)
    assert [(revision["by"], revision["at"], revision["source"]) for revision in held.revisions] == [("ada", "2026-11-05T10:00:00+00:00", "labels.csv")]
    assert bytes_of(folder / "embedder") == bytes_of(tmp_path / "embedder")
    assert effect == {"enrolled": 5, "skipped": 0, "sentence": "", "before": None, "after": None, "n": 0, "lost": {}, "rivals": {}}
    assert capsys.readouterr().out.startswith("5 specimens enrolled, 0 were there: 5 of 3 classes.")


def test_new_classes_go_into_a_copy_and_no_file_that_was_there_changes(enrol, capsys):
    old, _ = enrol(OLD)
    before = bytes_of(old)
    new, _ = enrol(NEW, f"--into={old}", name="grown")
    assert bytes_of(old) == before
    after = bytes_of(new)
    assert {name for name in before if after[name] != before[name]} == {"gallery.json"}
    assert set(after) - set(before) == {"specimens_0002.csv", "embeddings_0002.npy"}
    assert after["embedder/weights.safetensors"] == before["embedder/weights.safetensors"]
    log, grown = json.loads(before["gallery.json"]), json.loads(after["gallery.json"])
    assert grown["revisions"][:1] == log["revisions"] and gallery.read(new).verify() == 4
    assert gallery.read(new).classes == {"ant": 2, "bee": 2, "newt": 2, "wasp": 1}


def test_the_genus_and_family_of_the_classes_go_into_the_gallery_and_may_not_contradict_it(enrol):
    taxa = {"ant": {"genus": "Lasius", "family": "Formicidae"}, "bee": {"genus": "Apis"}}
    old, _ = enrol(OLD, taxa=taxa)
    new, _ = enrol(NEW, f"--into={old}", name="grown", taxa={"newt": {"genus": "Triton"}})
    assert gallery.read(old).taxa == taxa and gallery.read(new).taxa == {**taxa, "newt": {"genus": "Triton"}}
    with pytest.raises(InputError, match="new.json: class 'bee' is of genus 'Apis' and 'Bombus'; wanted one genus for a class"):
        enrol([("b9", "bee", "9", direction(80))], f"--into={old}", name="third", taxa={"bee": {"genus": "Bombus"}})


def plainly(rows, asked):
    """Return {image: whether its nearest one of another group has its label}, of those asked that have one of their class there."""
    found = {}
    for image, label, group, vector in asked:
        others = [row for row in rows if row[2] != group]
        if any(row[1] == label for row in others):
            found[image] = max(others, key=lambda row: float(np.dot(row[3], vector)))[1] == label
    return found


def test_old_specimens_named_right_before_and_after_are_those_of_leaving_each_group_out(enrol, capsys):
    old, _ = enrol(OLD)
    _, effect = enrol(NEW, f"--into={old}", name="grown")
    before, after = plainly(OLD, OLD), plainly(OLD + NEW, OLD)
    assert before == {"a1": True, "a2": True, "b1": True, "b2": False} and after == {"a1": True, "a2": False, "b1": True, "b2": False}  # a2 is lost to n1
    assert (effect["before"], effect["after"], effect["n"]) == (3 / 4, 2 / 4, 4)
    assert effect["lost"] == {"ant": 1}
    assert effect["sentence"] == "Old specimens named right: 0.750 before, 0.500 after (4 that have another of their class)."
    assert effect["sentence"] in capsys.readouterr().out


def crowd(seed):
    """Return (48 specimens of 12 classes, each class in 3 groups; 5 of 5 classes at right angles to all of them, between them by name)."""
    rng, old, far = np.random.default_rng(seed), [], []
    for label in range(12):
        middle = rng.normal(size=8)
        for n in range(4):
            vector = np.append(middle + rng.normal(size=8), [0] * 4)
            old.append((f"o{label} {n}", f"old {label:02}", f"{label} {n % 3}", vector / np.linalg.norm(vector)))
    for label in range(5):
        far.append((f"f{label}", f"old {2 * label:02}, far from it", f"f{label}", np.append([0] * 8, rng.normal(size=4))))
    return old, far


def test_new_classes_far_from_all_old_ones_cost_nothing(enrol):
    for seed in range(5):
        old, far = crowd(seed)
        folder, _ = enrol(old, name=f"gallery {seed}")
        _, effect = enrol(far, f"--into={folder}", name=f"grown {seed}")
        assert effect["after"] == effect["before"] and effect["lost"] == {}


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

    wanted = {}
    for label in ("ant", "bee", "wasp"):
        mean = np.mean([centred(vector) for _, other, _, vector in OLD if other == label], axis=0)
        wanted[label] = np.mean([centred(vector) @ (mean / np.linalg.norm(mean)) for *_, vector in NEW])
    assert list(effect["rivals"]) == ["newt"]
    assert [name for name, _ in effect["rivals"]["newt"]] == sorted(wanted, key=wanted.get, reverse=True)
    assert dict(effect["rivals"]["newt"]) == pytest.approx(wanted, abs=1e-3)
    assert f"newt: nearest {effect['rivals']['newt'][0][0]} (" in capsys.readouterr().out


def test_what_is_there_already_is_skipped_and_counted(enrol):
    old, _ = enrol(OLD)
    new, effect = enrol([OLD[0], NEW[0]], f"--into={old}", name="grown")
    assert (effect["enrolled"], effect["skipped"]) == (1, 1) and len(gallery.read(new)) == 6


def test_the_same_image_under_another_label_is_refused_with_both_labels(enrol, tmp_path):
    old, _ = enrol(OLD)
    with pytest.raises(InputError, match="a1 is labelled 'bee', and the same file is in the gallery, as a1, labelled 'ant'; wanted one label"):
        enrol([("a1", "bee", "1", direction(0))], f"--into={old}", name="grown")
    assert len(gallery.read(old)) == 5


def test_embeddings_of_another_embedder_are_refused(enrol, tmp_path):
    old, _ = enrol(OLD)
    embedder(tmp_path / "other", weight=2.0)
    with pytest.raises(InputError, match="refuses embeddings of another model: holds those of '[0-9a-f]{64}', was given those of '[0-9a-f]{64}'"):
        enrol(NEW, f"--into={old}", name="grown", made_by="other")
    with pytest.raises(InputError, match=r"was given embeddings of shape \(1, 3\); wanted n x 2"):
        enrol([("n1", "newt", "6", [1, 0, 0])], f"--into={old}", name="grown 2")
    assert len(gallery.read(old)) == 5


def test_an_embedder_is_who_has_the_same_weights_and_sees_alike(tmp_path):
    first, same, other = (facts_of(embedder(tmp_path / name, weight=weight)) for name, weight in (("a", 1), ("b", 1), ("c", 2)))
    assert embedder_facts.identity(first) == embedder_facts.identity({**same, "name": "b", "vectors": "refit"}) != embedder_facts.identity(other)
    assert embedder_facts.identity({**same, "input": {**same["input"], "image_size": 64}}) != embedder_facts.identity(first)


@pytest.fixture
def cropping(tmp_path):
    """Return the id of the detector in the folder detector, whose crops the embedder in the folder embedder learned from."""
    facts = {"name": "insect", "kind": "detector", "classes": ["insect"], "threshold": 0.5, "metrics": {}, "metrics_of": "validation", "input": {}}
    for name, weight in (("detector", 5), ("another", 6)):
        (tmp_path / name).mkdir()
        save_file({"weight": np.array([weight], np.float32)}, tmp_path / name / "weights.safetensors")
        model_folder.write(tmp_path / name, facts, {"data": {}, "parameters": {}, "seed": 1}, "none")
    shutil.rmtree(tmp_path / "embedder", ignore_errors=True)
    own = embedder_facts.detector_identity(tmp_path / "detector", facts)
    embedder(tmp_path / "embedder", cropped_by=own)
    return own


def test_a_gallery_of_cropped_images_holds_their_detector_and_takes_none_but_its_crops(enrol, cropping, tmp_path):
    folder, _ = enrol(OLD, f"--detector={tmp_path}/detector", info={"cropped_by": cropping})
    assert bytes_of(folder / "detector") == bytes_of(tmp_path / "detector")
    assert "Photos are cropped first, by the detector in the gallery." in (folder / "embedder/README.md").read_text()
    grown, _ = enrol(NEW, f"--into={folder}", name="grown", info={"cropped_by": cropping})
    assert bytes_of(grown / "detector") == bytes_of(tmp_path / "detector") and len(gallery.read(grown)) == 7
    for info, found in (({}, "whole"), ({"cropped_by": "0123456789abcdef"}, "cropped by the detector 0123456789ab")):
        with pytest.raises(InputError, match=f"new.json: its images are {found}; wanted them cropped by the detector {cropping[:12]}, as those that the "
                           "embedder learned from"):
            enrol(NEW, f"--into={folder}", name="refused", info=info)
    assert not (tmp_path / "refused").exists()


def test_a_gallery_of_whole_images_takes_no_crops_and_no_detector(enrol, tmp_path):
    with pytest.raises(InputError, match="new.json: its images are cropped by the detector abc; wanted them whole"):
        enrol(OLD, info={"cropped_by": "abc"})
    assert not (enrol(OLD)[0] / "detector").exists()


def test_the_detector_of_a_new_gallery_is_the_one_that_cropped_its_images(enrol, cropping, tmp_path):
    for options, found in (((), "not given"), ((f"--detector={tmp_path}/another",), "[0-9a-f]{12}")):
        with pytest.raises(InputError, match=f"--detector: is {found}; wanted detector {cropping[:12]}, as the embedder's model.json says in cropped_by"):
            enrol(OLD, *options, info={"cropped_by": cropping})
    shutil.rmtree(tmp_path / "embedder")
    embedder(tmp_path / "embedder")
    with pytest.raises(InputError, match="--detector: is [0-9a-f]{12}; wanted none"):
        enrol(OLD, f"--detector={tmp_path}/detector")
    assert not (tmp_path / "gallery").exists()


def test_an_embedder_of_crops_is_another_than_the_same_one_of_whole_images(tmp_path):
    facts = facts_of(embedder(tmp_path / "a"))
    cropped = [{**facts, "cropped_by": detector} for detector in ("x", "y")]
    assert len({embedder_facts.identity(one) for one in [facts, *cropped]}) == 3


def test_embeddings_are_found_by_the_name_of_the_choice_or_of_the_folder(enrol):
    assert len(gallery.read(enrol(OLD, vectors="embedder")[0])) == 5


def test_embeddings_without_those_of_the_embedder_are_told(enrol):
    with pytest.raises(InputError, match="e.npz.*: hold.* vectors of trained; wanted frozen"):
        enrol(OLD, vectors="trained")


def test_an_embedder_that_was_not_chosen_and_has_no_calibration_is_told(enrol, tmp_path):
    facts = facts_of(tmp_path / "embedder")
    del facts["calibration"]
    (tmp_path / "embedder/model.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match="calibration"):
        enrol(OLD)


def test_enrolling_into_the_same_folder_does_it_there_or_is_told(enrol):
    old, _ = enrol(OLD)
    try:
        enrol(NEW, f"--into={old}")
    except InputError as error:
        assert str(old) in str(error)


@pytest.mark.parametrize("head", ["nearest", "class_mean", "cache", "lda", "ridge", "logistic"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_gallery_of_two_specimens_takes_new_ones_whatever_the_way(enrol, tmp_path, head):
    shutil.rmtree(tmp_path / "embedder")
    embedder(tmp_path / "embedder", head=head)
    old, _ = enrol([OLD[0], OLD[2]])
    new, effect = enrol(NEW, f"--into={old}", name="grown")
    assert len(gallery.read(new)) == 4 and effect["n"] == 0 and effect["before"] is None


def test_a_folder_that_is_no_gallery_is_told_before_anything_is_written(enrol, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: has no gallery.json; wanted the folder of a gallery"):
        enrol(NEW, f"--into={tmp_path}/empty", name="grown")
    assert not (tmp_path / "grown").exists()


def test_an_image_without_an_embedding_is_told(enrol, tmp_path, monkeypatch):
    write = embeddings.write
    monkeypatch.setattr(embeddings, "write", lambda path, ids, vectors: write(path, ids[1:], {name: rows[1:] for name, rows in vectors.items()}))
    with pytest.raises(InputError, match="embeddings: image 10 has none; wanted those of all images"):
        enrol(OLD)


def test_a_user_without_a_name_says_who_enrols(enrol, monkeypatch):
    def nameless():
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert gallery.read(enrol(OLD, "--by=ada")[0]).revisions[0]["by"] == "ada"


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    names = ("specimens", "embeddings", "embedder", "gallery", "effect")
    done = subprocess.run([*command("enrol_specimens"), *(f"--{name}={tmp_path}/{name}" for name in names)],
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and "embedder: holds no model" in done.stderr and len(done.stderr.splitlines()) == 1
