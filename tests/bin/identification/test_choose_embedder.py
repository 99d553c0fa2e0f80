"""Embedders are folders whose weights are one small tensor, as choosing runs no network; their vectors are drawn around class means."""
import json
import shutil
import subprocess

import choose_embedder
import numpy as np
import pytest

from conftest import command
from entoflow import coco, model_folder
from entoflow.identification import embeddings, heads
from entoflow.identification.identification import Identifier
from entoflow.task import InputError

pytest.importorskip("safetensors")
from safetensors.numpy import load_file, save_file  # noqa: E402

WEIGHTS = {"frozen": 1.0, "trained": 2.0, "trained_refit": 3.0, "projected": 4.0, "projected_refit": 5.0}
GOOD, BAD = 0.3, 1.6


def collection(n_classes, parts):
    """A specimen of each part for each class, one of the parts where a class is held out of training whole."""
    return [{"id": 100 * label + n, "file_name": f"{label}_{n}.jpg", "label": f"class {label:02}", "group": f"{label}/{n}", "part": part}
            for label in range(n_classes) for n, part in enumerate(parts)]


def vectors(images, spread, seed=1, size=12):
    """Return n x size of length 1, around a mean for each class."""
    rng = np.random.default_rng(seed)
    means = {label: rng.normal(size=size) for label in sorted({image["label"] for image in images})}
    found = np.array([means[image["label"]] + spread * rng.normal(size=size) for image in images])
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def paths(folder):
    models = [str(folder / "models" / name) for name in WEIGHTS if (folder / "models" / name).exists()]
    return ["--models", *models, f"--specimens={folder}/specimens.json", f"--embeddings={folder}/e.npz", f"--embedder={folder}/embedder",
            f"--ladder={folder}/ladder.json"]


def lay_out(folder, images, found, models=tuple(WEIGHTS)):
    for name in models:
        (folder / "models" / name).mkdir(parents=True)
        save_file({"weight": np.array([WEIGHTS[name]], np.float32)}, folder / "models" / name / "weights.safetensors")
        facts = {"name": name, "kind": "embedder", "classes": ["a"], "threshold": None, "metrics": {}, "metrics_of": "validation",
                 "input": {"backend": "timm", "backbone": "test_resnet", "image_size": 32}}
        model_folder.write(folder / "models" / name, facts, {"data": {"train images": 7}, "parameters": {"rotation": 20}, "seed": 5}, "Apache-2.0")
    coco.write(folder / "specimens.json", {"images": images, "annotations": [], "categories": []})
    embeddings.write(folder / "e.npz", [image["id"] for image in images], found)


@pytest.fixture
def choose(tmp_path, capsys):
    """Return a function that chooses by the vectors of images: (the ladder, model.json of the embedder, the last line printed)."""
    def _choose(images, found, models=tuple(WEIGHTS)):
        lay_out(tmp_path, images, found, models)
        choose_embedder.main(paths(tmp_path))
        return json.loads((tmp_path / "ladder.json").read_text()), model_folder.read(tmp_path / "embedder"), capsys.readouterr().out.splitlines()[-1]
    return _choose


@pytest.fixture
def two_heads(monkeypatch):
    """The whole ladder takes its time, and the choice between embedders does not depend on its length."""
    monkeypatch.setattr(heads, "HEADS", {"nearest": heads.nearest, "class_mean": heads.class_mean, "ridge": heads.ridge})


IMAGES = collection(22, ("train", "train", "validation", "validation", "test"))


def test_a_clearly_better_trained_embedder_is_chosen_and_ships_refit(choose, two_heads, tmp_path):
    found = {"frozen": vectors(IMAGES, BAD), "trained": vectors(IMAGES, GOOD), "trained_refit": vectors(IMAGES, GOOD)}
    ladder, facts, line = choose(IMAGES, found)
    [difference] = ladder["verdict"]["comparisons"]
    assert ladder["chosen"]["vectors"] == "trained" and facts["vectors"] == "trained_refit" and facts["calibration"]["head"] == ladder["chosen"]["head"]
    best = {name: max(row["top1"]["value"] for row in ladder["ladder"] if row["vectors"] == name) for name in ("trained", "frozen")}
    assert difference["verdict"] == "better" and difference["low"] > 0 and difference["value"] == pytest.approx(best["trained"] - best["frozen"])
    assert load_file(tmp_path / "embedder" / "weights.safetensors")["weight"] == WEIGHTS["trained_refit"]
    assert line.startswith(f"trained vectors, {ladder['chosen']['head']}: validation top1 {best['trained']:.3f} of 44. Validation top1 of the trained")
    assert line.endswith(", better; the trained one is used.")


@pytest.mark.parametrize("trained", ["equal", "worse", "a little better"])
def test_a_trained_embedder_that_is_not_better_beyond_the_interval_is_not_chosen(choose, two_heads, tmp_path, trained):
    frozen = vectors(IMAGES, 0.7)
    found = {"equal": frozen, "worse": vectors(IMAGES, BAD), "a little better": vectors(IMAGES, 0.66)}[trained]
    ladder, facts, line = choose(IMAGES, {"frozen": frozen, "trained": found, "trained_refit": found})
    assert ladder["chosen"]["vectors"] == facts["vectors"] == "frozen" and line.endswith("the frozen one is used.")
    assert ladder["verdict"]["comparisons"][0]["verdict"] == ("worse" if trained == "worse" else "not distinguishable")
    assert np.sign(ladder["verdict"]["comparisons"][0]["value"]) == {"equal": 0, "worse": -1, "a little better": 1}[trained]
    assert load_file(tmp_path / "embedder" / "weights.safetensors")["weight"] == WEIGHTS["frozen"]


def test_without_an_interval_nothing_is_better_beyond_it(choose, two_heads):
    images = collection(12, ("train", "train", "validation", "validation"))
    ladder, facts, _ = choose(images, {"frozen": vectors(images, 0.9), "trained": vectors(images, 0.8), "trained_refit": vectors(images, 0.8)})
    assert ladder["verdict"]["comparisons"][0]["low"] is None and ladder["verdict"]["comparisons"][0]["value"] > 0
    assert facts["vectors"] == "frozen"


def by_hand(**right):
    """Return (table, enrolled, judged) of one way for each embedder, which names the images right that are said to be: the first so many of 60 classes."""
    kept, enrolled = np.ones(60, bool), [{"label": f"class {n}", "group": f"{n}"} for n in range(60)]
    table = {(name, "nearest"): {"top1": {"value": n / 60}, "right": np.arange(60) < n, "kept": kept} for name, n in right.items()}
    return table, enrolled, np.arange(60)


@pytest.mark.parametrize("right, random, chosen, verdicts", [
    # Of 60 images, each of a class of its own, ten more right are beyond the interval and two are not.
    ({"frozen": 30, "projected": 40, "trained": 50}, False, "trained", ["better", "better"]),
    ({"frozen": 30, "projected": 40, "trained": 42}, False, "projected", ["better", "not distinguishable"]),
    ({"frozen": 30, "projected": 40, "trained": 20}, False, "projected", ["better", "worse"]),
    ({"frozen": 30, "projected": 32, "trained": 40}, False, "trained", ["not distinguishable", "better"]),
    ({"frozen": 30, "projected": 32, "trained": 31}, False, "frozen", ["not distinguishable", "not distinguishable"]),
    ({"frozen": 30, "projected": 20, "trained": 40}, False, "trained", ["worse", "better"]),
    ({"frozen": 30, "projected": 40}, False, "projected", ["better"]), ({"frozen": 30, "projected": 32}, True, "frozen", ["not distinguishable"]),
    ({"frozen": 30}, True, "frozen", []),
])
def test_the_next_embedder_takes_the_place_of_the_simpler_one_only_by_beating_it(right, random, chosen, verdicts):
    (name, head), verdict = choose_embedder.choose(*by_hand(**right, colours=60), random, 1)
    assert (name, head) == (chosen, "nearest") and [row["verdict"] for row in verdict["comparisons"]] == verdicts
    standing = "frozen"
    for row, (other, n) in zip(verdict["comparisons"], list(right.items())[1:]):
        assert (row["vectors"], row["less"]) == (other, standing) and row["value"] == pytest.approx((n - right[standing]) / 60)
        assert f"of the {other} embedder less the {standing} one's: {row['value']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f}), {row['verdict']}" in (
            verdict["sentence"])
        standing = other if row["verdict"] == "better" else standing
    assert not right.keys() - {"frozen"} or verdict["sentence"].endswith(f"; the {chosen} one is used.")


@pytest.mark.parametrize("random, chosen", [(False, "frozen"), (True, "projected")])
def test_without_an_interval_the_better_one_ships_only_over_random_weights(random, chosen):
    table, enrolled, judged = by_hand(frozen=3, projected=5, trained=5)
    for row in table.values():
        row["kept"] = np.arange(60) < 10  # ten classes: too few
    (name, _), verdict = choose_embedder.choose(table, enrolled, judged, random, 1)
    assert name == chosen and [row["low"] for row in verdict["comparisons"]] == [None, None]
    assert "less the frozen one's: +0.200 (too few classes or groups for an interval); " in verdict["sentence"]


def test_a_better_projection_ships_refit(choose, two_heads, tmp_path):
    good, bad = vectors(IMAGES, GOOD), vectors(IMAGES, BAD)
    ladder, facts, _ = choose(IMAGES, {"frozen": bad, "projected": good, "projected_refit": good})
    assert ladder["chosen"]["vectors"] == "projected" and facts["vectors"] == "projected_refit"
    assert {row["vectors"] for row in ladder["ladder"]} == {"frozen", "projected"}
    assert load_file(tmp_path / "embedder" / "weights.safetensors")["weight"] == WEIGHTS["projected_refit"]


def test_the_written_folder_has_the_chosen_weights_its_calibration_and_a_card(choose, tmp_path):
    ladder, facts, line = choose(IMAGES, {"frozen": vectors(IMAGES, GOOD)}, models=["frozen"])
    source = model_folder.read(tmp_path / "models" / "frozen")
    assert (tmp_path / "embedder/weights.safetensors").read_bytes() == (tmp_path / "models/frozen/weights.safetensors").read_bytes()
    assert facts["input"] == source["input"] and facts["classes"] == source["classes"] and facts["licence"] == "Apache-2.0"
    assert {key: facts["provenance"][key] for key in ("data", "parameters", "seed", "weights_sha256")} == {
        key: source["provenance"][key] for key in ("data", "parameters", "seed", "weights_sha256")}
    assert (facts["name"], facts["vectors"], facts["threshold"]) == ("embedder", "frozen", 0.5)
    assert facts["calibration"].keys() == {"head", "temperature", "known_temperature", "known", "reject_below", "conformal", "n_known", "n_unknown"}
    assert facts["calibration"]["n_known"] == facts["metrics"]["top1"]["n"] == 44
    card = (tmp_path / "embedder/README.md").read_text()
    assert f"| top1 | {facts['metrics']['top1']['value']:.3f} |" in card and "validation images" in card
    assert ladder["verdict"] == {"comparisons": [], "sentence": "No embedder was trained."} and line.endswith("of 44. No embedder was trained.")


def test_the_best_head_of_the_ladder_is_chosen_and_each_has_a_row(choose):
    ladder, facts, _ = choose(IMAGES, {"frozen": vectors(IMAGES, 0.9), "colours": vectors(IMAGES, BAD)}, models=["frozen"])
    rows = {(row["vectors"], row["head"]): row for row in ladder["ladder"]}
    assert set(rows) == {*(("frozen", head) for head in heads.HEADS), *(("colours", head) for head in ("nearest", "class_mean", "ridge"))}
    best = max(row["top1"]["value"] for (name, _), row in rows.items() if name == "frozen")
    assert rows["frozen", ladder["chosen"]["head"]]["top1"]["value"] == best == facts["metrics"]["top1"]["value"]


def test_the_nearest_is_judged_by_all_images_but_its_own_group_and_those_to_test_on(two_heads, tmp_path):
    found = []
    for asked in range(6):
        images = collection(6, ("train", "train", "train", "test"))
        images[4 * asked]["part"] = "validation"
        images[4 * asked + 1]["group"] = images[4 * asked]["group"]
        own = vectors(images, 0.9, seed=asked)
        lay_out(tmp_path / str(asked), images, {"frozen": own}, ["frozen"])
        choose_embedder.main(paths(tmp_path / str(asked)))
        row = next(row for row in json.loads((tmp_path / str(asked) / "ladder.json").read_text())["ladder"] if row["head"] == "nearest")
        gallery = [n for n, image in enumerate(images) if image["part"] == "train" and n != 4 * asked + 1]
        best = max(gallery, key=lambda n: float(own[4 * asked] @ own[n]))
        found.append(images[best]["label"] == images[4 * asked]["label"])
        assert (row["n"], row["top1"]["value"]) == (1, found[-1])
    assert set(found) == {True, False}


def test_the_way_to_cluster_is_that_of_a_replay_on_classes_that_nobody_learned_from(choose, two_heads, tmp_path):
    from entoflow.identification.clusters import replayed

    images = collection(30, ("train", "train", "validation", "validation"))
    for image in images:
        image["part"] = "validation" if int(image["label"].split()[-1]) < 12 else image["part"]
    found = {name: vectors(images, 0.3, seed) for seed, name in enumerate(("frozen", "trained", "refit"), 1)}
    choose(images, found)
    facts = json.loads((tmp_path / "embedder/model.json").read_text())
    rows = [row for row, image in enumerate(images) if int(image["label"].split()[-1]) < 12]
    own = found["trained" if facts["vectors"] == "refit" else facts["vectors"]]
    assert facts["clustering"] == replayed(own[rows], [images[row]["label"] for row in rows], [images[row]["group"] for row in rows], 1)
    assert facts["clustering"]["n_classes"] == 12


def test_a_refit_is_calibrated_on_specimens_that_it_did_not_learn_from(choose, two_heads, tmp_path):
    """It remembers what it learned from (specimens close to their mean), so that by its gallery alone its scores would seem far too sure."""
    flagged = [{**image, "calibrates": True} if image["id"] % 100 == 3 else image for image in IMAGES]
    trained = vectors(IMAGES, 0.7)
    remembered, fresh = vectors(IMAGES, 0.05), vectors(IMAGES, 0.7)
    held = np.array([bool(image.get("calibrates")) or image["part"] == "test" for image in flagged])
    refit = np.where(held[:, None], fresh, remembered)
    found = {"frozen": vectors(IMAGES, 5.0), "trained": trained, "trained_refit": refit}
    plain = choose(IMAGES, found)[1]["calibration"]
    for folder in (tmp_path / "models").iterdir():
        shutil.rmtree(folder)
    _, facts, _ = choose(flagged, found)
    own = facts["calibration"]
    assert facts["vectors"] == "trained_refit" and own["n_known"] == 22 and plain["n_known"] == 44
    same = ("head", "known", "reject_below", "known_temperature", "n_unknown")
    assert {key: own[key] for key in same} == {key: plain[key] for key in same} and own["temperature"] != plain["temperature"]
    labels = np.array([image["label"] for image in IMAGES])
    gallery, asked = ~held, np.array([image["part"] == "test" for image in IMAGES])
    probability = Identifier(refit[gallery], labels[gallery].tolist(), own).judge(refit[asked])[0]
    classes = np.unique(labels)
    assert probability.max(axis=1).mean() == pytest.approx((classes[probability.argmax(axis=1)] == labels[asked]).mean(), abs=0.2)


def test_with_a_taxonomy_the_ranks_are_calibrated_and_nothing_else_changes(choose, two_heads, tmp_path):
    found = {"frozen": vectors(IMAGES, 0.6)}
    plain = choose(IMAGES, found, models=["frozen"])[1]["calibration"]
    for folder in (tmp_path / "models").iterdir():
        shutil.rmtree(folder)
    images = [{**image, "genus": f"g{int(image['label'][-2:]) // 2}", "family": "all"} for image in IMAGES]
    ranked = choose(images, found, models=["frozen"])[1]["calibration"]
    assert ranked.pop("ranks").keys() == {"genus"} and ranked == plain


def test_baselines_never_ship_however_good_they_are(choose, two_heads):
    found = {"frozen": vectors(IMAGES, BAD), "colours": vectors(IMAGES, 0.01), "pixels": vectors(IMAGES, 0.01)}
    ladder, facts, _ = choose(IMAGES, found, models=["frozen"])
    best = {name: max(row["top1"]["value"] for row in ladder["ladder"] if row["vectors"] == name) for name in found}
    assert best["colours"] == best["pixels"] == 1 > best["frozen"] and ladder["chosen"]["vectors"] == facts["vectors"] == "frozen"


def test_test_and_unseen_images_change_nothing(choose, two_heads, tmp_path):
    held = [{**image, "label": "class 30", "part": "unseen", "id": 9000 + n} for n, image in enumerate(IMAGES[:5])]
    shared = {**IMAGES[0], "label": "class 30", "part": "rest", "id": 9100}
    own, strange = vectors(IMAGES, 0.7), vectors(held, 0.1)
    more = {"frozen": np.concatenate([own, strange, strange[:1]])}
    moved = more["frozen"].copy()
    moved[[n for n, image in enumerate([*IMAGES, *held, shared]) if image["part"] in ("test", "unseen") or image["label"] == "class 30"]] *= -1
    calibrations = []
    for name, found in (("a", {"frozen": own}), ("b", more), ("c", {"frozen": moved})):
        images = IMAGES if name == "a" else [*IMAGES, *held, shared]
        lay_out(tmp_path / name, images, found, ["frozen"])
        choose_embedder.main(paths(tmp_path / name))
        calibrations.append(model_folder.read(tmp_path / name / "embedder")["calibration"])
    assert calibrations[0] == calibrations[1] == calibrations[2]


def test_without_a_validation_part_those_learned_from_are_judged_where_they_have_a_second_group(choose, two_heads):
    images = [*collection(8, ("train", "train", "test")), {**collection(9, ("train",))[-1], "id": 9999}]
    ladder, facts, _ = choose(images, {"frozen": vectors(images, GOOD)}, models=["frozen"])
    assert {row["n"] for row in ladder["ladder"]} == {16} and facts["calibration"]["n_known"] == 16


def test_classes_that_nobody_learned_from_stand_for_the_unknown_where_they_have_20_images(choose, two_heads):
    images = [*collection(22, ("train", "train", "validation", "test")), *({**image, "id": image["id"] + 9000, "group": f"new {image['group']}",
              "label": f"new {image['label']}"} for image in collection(7, ("validation",) * 3 + ("test",)))]
    own = vectors(images, GOOD)
    assert choose(images, {"frozen": own}, models=["frozen"])[1]["calibration"]["n_unknown"] == 21
    fewer = [image for image in images if image["label"] != "new class 00"]
    _, judged, strange = choose_embedder.gallery_of({"images": fewer})
    assert strange.tolist() == judged.tolist() and len(judged) == 22 + 18


@pytest.mark.parametrize("images", [collection(9, ("train", "test")), collection(9, ("validation", "test"))])
def test_with_nothing_to_judge_by_it_is_told(choose, images):
    with pytest.raises(InputError, match="--specimens: no class has specimens of two groups beside those to test on.*; wanted a third specimen of some"):
        choose(images, {"frozen": vectors(images, GOOD)}, models=["frozen"])


def test_a_model_folder_that_is_missing_is_told(choose, two_heads):
    with pytest.raises(InputError, match="--models: holds no folder named trained_refit; wanted one for each of the vectors"):
        choose(IMAGES, {"frozen": vectors(IMAGES, BAD), "trained": vectors(IMAGES, GOOD)}, models=["frozen", "trained"])


def test_an_image_without_vectors_is_told(tmp_path):
    lay_out(tmp_path, IMAGES, {"frozen": vectors(IMAGES, GOOD)}, ["frozen"])
    coco.write(tmp_path / "specimens.json", {"images": [*IMAGES, {**IMAGES[0], "id": 77777}], "annotations": [], "categories": []})
    with pytest.raises(InputError, match="embeddings: image 77777 has none; wanted those of all images"):
        choose_embedder.main(paths(tmp_path))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("n_classes", [2, 3])
def test_few_classes_are_enough_for_every_head(choose, n_classes):
    images = collection(n_classes, ("train", "train", "validation", "test"))
    ladder, facts, _ = choose(images, {"frozen": vectors(images, 0.05)}, models=["frozen"])
    assert {row["head"] for row in ladder["ladder"]} == set(heads.HEADS) and facts["metrics"]["top1"]["value"] == 1


def test_the_same_input_gives_the_same_bytes_but_for_the_seconds(choose, two_heads, tmp_path):
    ladders = []
    for name in ("a", "b"):
        lay_out(tmp_path / name, IMAGES, {"frozen": vectors(IMAGES, BAD)}, ["frozen"])
        choose_embedder.main(paths(tmp_path / name))
        ladder = json.loads((tmp_path / name / "ladder.json").read_text())
        ladders.append([{**row, "seconds": 0} for row in ladder.pop("ladder")] + [ladder])
    assert ladders[0] == ladders[1]
    assert (tmp_path / "a/embedder/model.json").read_bytes() == (tmp_path / "b/embedder/model.json").read_bytes()


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    images = collection(3, ("train", "test"))
    lay_out(tmp_path, images, {"frozen": vectors(images, GOOD)}, ["frozen"])
    done = subprocess.run([*command("choose_embedder"), *paths(tmp_path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith("error: --specimens: no class has specimens of two groups")
    assert done.stderr.count("\n") == 1
