"""Choosing on vectors drawn around class means; no network is run.

Embedders are folders whose weights are one small tensor.
"""

import json
import subprocess
from dataclasses import replace

import choose_embedder
import numpy as np
import pytest

from conftest import command
from entoflow import dataset, model_folder
from entoflow.dataset import Dataset, Image
from entoflow.identification import embeddings, heads
from entoflow.identification.cluster_choice import choose_by_replay
from entoflow.identification.identifier import Calibration, Identifier
from entoflow.metric import Metric
from entoflow.model_folder import ModelFacts
from entoflow.task import InputError

pytest.importorskip("safetensors")
from safetensors.numpy import load_file, save_file  # noqa: E402

WEIGHTS = {
    "frozen": 1.0,
    "trained": 2.0,
    "trained_refit": 3.0,
    "projected": 4.0,
    "projected_refit": 5.0,
}
GOOD = 0.3  # spread of the images of a class
BAD = 1.6
FACTS = ModelFacts(
    name="",
    kind="embedder",
    classes=["a"],
    input={"backend": "timm", "backbone": "test_resnet", "image_size": 32},
    threshold=None,
    metrics={},
    metrics_of="validation",
    licence="Apache-2.0",
    data={"train images": 7},
    parameters={"rotation": 20},
    seed=5,
)


def collection(n_classes, parts):
    """Return a specimen of each part for each class, each of a group of its own."""
    images = []
    for label in range(n_classes):
        for n, part in enumerate(parts):
            image = Image(
                id=100 * label + n,
                file_name=f"{label}_{n}.jpg",
                label=f"class {label:02}",
                group=f"{label}/{n}",
                part=part,
            )
            images.append(image)
    return images


def draw_vectors(images, spread, seed=1, size=12):
    """Return (n, size) float32 of length 1, around a mean for each class."""
    rng = np.random.default_rng(seed)
    means = {label: rng.normal(size=size) for label in sorted({image.label for image in images})}
    rows = np.array([means[image.label] + spread * rng.normal(size=size) for image in images])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def options_for(folder):
    names = [name for name in WEIGHTS if (folder / "models" / name).exists()]
    return [
        "--models",
        *(str(folder / "models" / name) for name in names),
        f"--specimens={folder}/specimens.json",
        f"--embeddings={folder}/e.npz",
        f"--embedder={folder}/embedder",
        f"--comparison={folder}/classifier_comparison.json",
    ]


def lay_out(folder, images, vectors, models):
    """Write the files that a choice reads."""
    for name in models:
        model = folder / "models" / name
        model.mkdir(parents=True, exist_ok=True)
        save_file({"weight": np.array([WEIGHTS[name]], np.float32)}, model / "weights.safetensors")
        model_folder.write(model, replace(FACTS, name=name))
    dataset.write(folder / "specimens.json", Dataset(images))
    embeddings.write(folder / "e.npz", [image.id for image in images], vectors)


def read_comparison(folder):
    return json.loads((folder / "classifier_comparison.json").read_text())


@pytest.fixture
def choose(tmp_path, capsys):
    """Return a function that chooses by {name: vectors of images}.

    It returns (the comparison, model.json of the embedder, the last line printed).
    """

    def _choose(images, vectors, models=tuple(WEIGHTS)):
        lay_out(tmp_path, images, vectors, models)
        choose_embedder.main(options_for(tmp_path))
        facts = model_folder.read(tmp_path / "embedder")
        return read_comparison(tmp_path), facts, capsys.readouterr().out.splitlines()[-1]

    return _choose


@pytest.fixture
def few_heads(monkeypatch):
    """All heads take their time, and the choice between embedders does not depend on how many."""
    few = {name: heads.HEADS[name] for name in ("nearest", "class_mean", "ridge")}
    monkeypatch.setattr(heads, "HEADS", few)


def best_top1(comparison, name):
    """Return the highest validation top1 of an embedder."""
    rows = [row for row in comparison["classifiers"] if row["vectors"] == name]
    return max(row["top1"]["value"] for row in rows)


def weight_of(folder):
    return load_file(folder / "embedder" / "weights.safetensors")["weight"]


IMAGES = collection(22, ("train", "train", "validation", "validation", "test"))


def test_a_clearly_better_trained_embedder_is_chosen_and_ships_refit(choose, few_heads, tmp_path):
    good = draw_vectors(IMAGES, GOOD)
    bad = draw_vectors(IMAGES, BAD)
    vectors = {"frozen": bad, "trained": good, "trained_refit": good}
    comparison, facts, line = choose(IMAGES, vectors)
    [difference] = comparison["verdict"]["comparisons"]
    chosen = comparison["chosen"]
    assert chosen["vectors"] == "trained"
    assert facts.more["vectors"] == "trained_refit"
    assert facts.more["calibration"]["head"] == chosen["head"]
    trained = best_top1(comparison, "trained")
    assert difference["verdict"] == "better"
    assert difference["low"] > 0
    assert difference["value"] == pytest.approx(trained - best_top1(comparison, "frozen"))
    assert weight_of(tmp_path) == WEIGHTS["trained_refit"]
    start = f"trained vectors, {chosen['head']}: validation top1 {trained:.3f} of 44. Validation"
    assert line.startswith(f"{start} top1 of the trained")
    assert line.endswith(", better; the trained one is used.")


@pytest.mark.parametrize(
    "spread, verdict, sign",
    [(0.7, "not distinguishable", 0), (BAD, "worse", -1), (0.66, "not distinguishable", 1)],
    ids=["equal", "worse", "a little better"],
)
def test_a_trained_embedder_that_is_not_better_beyond_the_interval_is_not_chosen(
    choose, few_heads, tmp_path, spread, verdict, sign
):
    trained = draw_vectors(IMAGES, spread)
    vectors = {
        "frozen": draw_vectors(IMAGES, 0.7),
        "trained": trained,
        "trained_refit": trained,
    }
    comparison, facts, line = choose(IMAGES, vectors)
    [difference] = comparison["verdict"]["comparisons"]
    assert comparison["chosen"]["vectors"] == facts.more["vectors"] == "frozen"
    assert line.endswith("the frozen one is used.")
    assert difference["verdict"] == verdict
    assert np.sign(difference["value"]) == sign
    assert weight_of(tmp_path) == WEIGHTS["frozen"]


def test_without_an_interval_nothing_is_better_beyond_it(choose, few_heads):
    images = collection(12, ("train", "train", "validation", "validation"))
    trained = draw_vectors(images, 0.8)
    vectors = {
        "frozen": draw_vectors(images, 0.9),
        "trained": trained,
        "trained_refit": trained,
    }
    comparison, facts, _ = choose(images, vectors)
    [difference] = comparison["verdict"]["comparisons"]
    assert difference["low"] is None
    assert difference["value"] > 0
    assert facts.more["vectors"] == "frozen"


def by_hand(n_right, n_enrolled=60):
    """Return (results of one head for each embedder, specimens).

    n_right: {embedder: n}; it names the first n of 60 images right, each of a class of its own.
    """
    images = [Image(id=n, file_name="", label=f"class {n}", group=f"{n}") for n in range(60)]
    specimens = choose_embedder.Specimens(images, np.arange(60), np.arange(60))
    results = []
    for name, n in n_right.items():
        result = choose_embedder.ClassifierResult(
            vectors=name,
            head="nearest",
            top1=Metric(n / 60, None, None, 60, 60, "share of images"),
            unknown_auroc=None,
            seconds=0.0,
            is_right=np.arange(60) < n,
            is_enrolled=np.arange(60) < n_enrolled,
            calibration=None,
        )
        results.append(result)
    return results, specimens


@pytest.mark.parametrize(
    "n_right, random_start, chosen, verdicts",
    [
        # Of 60 images, ten more right are beyond the interval and two are not.
        (
            {"frozen": 30, "projected": 40, "trained": 50},
            False,
            "trained",
            ["better", "better"],
        ),
        (
            {"frozen": 30, "projected": 40, "trained": 42},
            False,
            "projected",
            ["better", "not distinguishable"],
        ),
        (
            {"frozen": 30, "projected": 40, "trained": 20},
            False,
            "projected",
            ["better", "worse"],
        ),
        (
            {"frozen": 30, "projected": 32, "trained": 40},
            False,
            "trained",
            ["not distinguishable", "better"],
        ),
        (
            {"frozen": 30, "projected": 32, "trained": 31},
            False,
            "frozen",
            ["not distinguishable", "not distinguishable"],
        ),
        (
            {"frozen": 30, "projected": 20, "trained": 40},
            False,
            "trained",
            ["worse", "better"],
        ),
        ({"frozen": 30, "projected": 40}, False, "projected", ["better"]),
        ({"frozen": 30, "projected": 32}, True, "frozen", ["not distinguishable"]),
        ({"frozen": 30}, True, "frozen", []),
    ],
)
def test_the_next_embedder_replaces_the_simpler_one_only_by_being_better(
    n_right, random_start, chosen, verdicts
):
    results, specimens = by_hand({**n_right, "colours": 60})
    choice = choose_embedder.choose(results, specimens, random_start, 1)
    assert (choice.result.vectors, choice.result.head) == (chosen, "nearest")
    assert [each.difference.verdict for each in choice.comparisons] == verdicts
    simpler = "frozen"
    for comparison, name in zip(choice.comparisons, list(n_right)[1:]):
        difference = comparison.difference
        assert (comparison.vectors, comparison.less) == (name, simpler)
        assert difference.value == pytest.approx((n_right[name] - n_right[simpler]) / 60)
        words = (
            f"of the {name} embedder less the {simpler} one's: {difference.value:+.3f} "
            f"({difference.low:+.3f} to {difference.high:+.3f}), {difference.verdict}"
        )
        assert words in choice.sentence
        if difference.verdict == "better":
            simpler = name
    if len(n_right) > 1:
        assert choice.sentence.endswith(f"; the {chosen} one is used.")


@pytest.mark.parametrize("random_start, chosen", [(False, "frozen"), (True, "projected")])
def test_without_an_interval_the_better_one_ships_only_over_random_weights(random_start, chosen):
    n_right = {"frozen": 3, "projected": 5, "trained": 5}
    results, specimens = by_hand(n_right, n_enrolled=10)  # ten classes: too few for an interval
    choice = choose_embedder.choose(results, specimens, random_start, 1)
    assert choice.result.vectors == chosen
    assert [each.difference.low for each in choice.comparisons] == [None, None]
    words = "less the frozen one's: +0.200 (too few classes or groups for an interval); "
    assert words in choice.sentence


def test_a_better_projection_ships_refit(choose, few_heads, tmp_path):
    good = draw_vectors(IMAGES, GOOD)
    bad = draw_vectors(IMAGES, BAD)
    vectors = {"frozen": bad, "projected": good, "projected_refit": good}
    comparison, facts, _ = choose(IMAGES, vectors)
    assert comparison["chosen"]["vectors"] == "projected"
    assert facts.more["vectors"] == "projected_refit"
    assert {row["vectors"] for row in comparison["classifiers"]} == {"frozen", "projected"}
    assert weight_of(tmp_path) == WEIGHTS["projected_refit"]


def test_the_written_folder_has_the_chosen_weights_its_calibration_and_a_card(choose, tmp_path):
    vectors = {"frozen": draw_vectors(IMAGES, GOOD)}
    comparison, facts, line = choose(IMAGES, vectors, models=["frozen"])
    source = model_folder.read(tmp_path / "models" / "frozen")
    weights = (tmp_path / "embedder/weights.safetensors").read_bytes()
    assert weights == (tmp_path / "models/frozen/weights.safetensors").read_bytes()
    for name in ("input", "classes", "licence", "data", "parameters", "seed", "weights_sha256"):
        assert getattr(facts, name) == getattr(source, name)
    assert (facts.name, facts.threshold) == ("embedder", 0.5)
    assert facts.more["vectors"] == "frozen"
    assert facts.more["calibration"].keys() == {
        "head",
        "temperature",
        "known_temperature",
        "known",
        "reject_below",
        "conformal",
        "n_known",
        "n_unknown",
    }
    top1 = facts.metrics["top1"]
    assert facts.more["calibration"]["n_known"] == top1.n == 44
    card = (tmp_path / "embedder/README.md").read_text()
    assert f"| top1 | {top1.value:.3f} |" in card
    assert "validation images" in card
    assert comparison["verdict"] == {"comparisons": [], "sentence": "No embedder was trained."}
    assert line.endswith("of 44. No embedder was trained.")


def test_the_head_of_the_best_top1_is_chosen_and_each_has_a_row(choose):
    vectors = {"frozen": draw_vectors(IMAGES, 0.9), "colours": draw_vectors(IMAGES, BAD)}
    comparison, facts, _ = choose(IMAGES, vectors, models=["frozen"])
    row_of = {(row["vectors"], row["head"]): row for row in comparison["classifiers"]}
    baselines = [("colours", head) for head in ("nearest", "class_mean", "ridge")]
    assert set(row_of) == {*baselines, *(("frozen", head) for head in heads.HEADS)}
    chosen = row_of["frozen", comparison["chosen"]["head"]]
    best = best_top1(comparison, "frozen")
    assert chosen["top1"]["value"] == best == facts.metrics["top1"].value


def test_the_nearest_is_among_all_images_but_those_of_its_group_and_those_to_test_on(
    few_heads, tmp_path
):
    outcomes = set()
    for query in range(6):
        images = collection(6, ("train", "train", "train", "test"))
        row = 4 * query
        images[row] = replace(images[row], part="validation")
        images[row + 1] = replace(images[row + 1], group=images[row].group)
        vectors = draw_vectors(images, 0.9, seed=query)
        folder = tmp_path / str(query)
        lay_out(folder, images, {"frozen": vectors}, ["frozen"])
        choose_embedder.main(options_for(folder))
        results = read_comparison(folder)["classifiers"]
        result = next(each for each in results if each["head"] == "nearest")
        gallery = [n for n, image in enumerate(images) if image.part == "train" and n != row + 1]
        best = max(gallery, key=lambda n: float(vectors[row] @ vectors[n]))  # noqa: B023
        is_right = images[best].label == images[row].label
        assert (result["n"], result["top1"]["value"]) == (1, is_right)
        outcomes.add(is_right)
    assert outcomes == {True, False}


def test_the_clustering_is_that_of_a_replay_on_classes_that_nobody_learned_from(choose, few_heads):
    images = collection(30, ("train", "train", "validation", "validation"))
    for n, image in enumerate(images):
        if image.label < "class 12":
            images[n] = replace(image, part="validation")
    vectors = {"frozen": draw_vectors(images, 0.3)}
    _, facts, _ = choose(images, vectors)
    rows = [row for row, image in enumerate(images) if image.label < "class 12"]
    labels = [images[row].label for row in rows]
    groups = [images[row].group for row in rows]
    replayed = choose_by_replay(vectors["frozen"][rows], labels, groups, 1)
    assert facts.more["clustering"] == replayed.to_json()
    assert replayed.n_classes == 12


def test_a_refit_is_calibrated_on_specimens_that_it_did_not_learn_from(choose, few_heads):
    """It remembers what it learned from, specimens close to their mean.

    By its gallery alone its scores would be far too sure.
    """
    flagged = [replace(image, calibrates=image.id % 100 == 3) for image in IMAGES]
    fresh = draw_vectors(IMAGES, 0.7)
    remembered = draw_vectors(IMAGES, 0.05)
    is_fresh = np.array([image.calibrates or image.part == "test" for image in flagged])
    refit = np.where(is_fresh[:, None], fresh, remembered)
    vectors = {"frozen": draw_vectors(IMAGES, 5.0), "trained": fresh, "trained_refit": refit}
    _, facts, _ = choose(IMAGES, vectors)
    plain = Calibration.from_json(facts.more["calibration"])
    _, facts, _ = choose(flagged, vectors)
    calibration = Calibration.from_json(facts.more["calibration"])
    assert facts.more["vectors"] == "trained_refit"
    assert (calibration.n_known, plain.n_known) == (22, 44)
    assert calibration.temperature != plain.temperature
    of_names = {name: getattr(plain, name) for name in ("temperature", "conformal", "n_known")}
    assert replace(calibration, **of_names) == plain
    labels = np.array([image.label for image in IMAGES])
    is_test = np.array([image.part == "test" for image in IMAGES])
    identifier = Identifier.fit(refit[~is_fresh], labels[~is_fresh].tolist(), calibration)
    probabilities = identifier.predict(refit[is_test]).probabilities
    names = np.array(identifier.classes)[probabilities.argmax(axis=1)]
    share_right = (names == labels[is_test]).mean()
    assert probabilities.max(axis=1).mean() == pytest.approx(share_right, abs=0.2)


def test_with_a_taxonomy_the_ranks_are_calibrated_and_nothing_else_changes(choose, few_heads):
    vectors = {"frozen": draw_vectors(IMAGES, 0.6)}
    plain = choose(IMAGES, vectors, models=["frozen"])[1].more["calibration"]
    images = [
        replace(image, genus=f"g{int(image.label[-2:]) // 2}", family="all") for image in IMAGES
    ]
    ranked = choose(images, vectors, models=["frozen"])[1].more["calibration"]
    assert ranked.pop("ranks").keys() == {"genus"}
    assert ranked == plain


def test_baselines_never_ship_however_good_they_are(choose, few_heads):
    vectors = {
        "frozen": draw_vectors(IMAGES, BAD),
        "colours": draw_vectors(IMAGES, 0.01),
        "pixels": draw_vectors(IMAGES, 0.01),
    }
    comparison, facts, _ = choose(IMAGES, vectors, models=["frozen"])
    best = {name: best_top1(comparison, name) for name in vectors}
    assert best["colours"] == best["pixels"] == 1 > best["frozen"]
    assert comparison["chosen"]["vectors"] == facts.more["vectors"] == "frozen"


def test_test_and_unseen_images_change_nothing(few_heads, tmp_path):
    unseen = [
        replace(image, label="class 30", part="unseen", id=9000 + n)
        for n, image in enumerate(IMAGES[:5])
    ]
    shared = replace(IMAGES[0], label="class 30", part="rest", id=9100)
    every_image = [*IMAGES, *unseen, shared]
    known = draw_vectors(IMAGES, 0.7)
    unknown = draw_vectors(unseen, 0.1)
    with_unseen = np.concatenate([known, unknown, unknown[:1]])
    moved = with_unseen.copy()
    for row, image in enumerate(every_image):
        if image.part in ("test", "unseen") or image.label == "class 30":
            moved[row] *= -1
    worlds = {
        "a": (IMAGES, known),
        "b": (every_image, with_unseen),
        "c": (every_image, moved),
    }
    calibrations = []
    for name, (images, vectors) in worlds.items():
        lay_out(tmp_path / name, images, {"frozen": vectors}, ["frozen"])
        choose_embedder.main(options_for(tmp_path / name))
        facts = model_folder.read(tmp_path / name / "embedder")
        calibrations.append(facts.more["calibration"])
    assert calibrations[0] == calibrations[1] == calibrations[2]


def test_without_a_validation_part_learned_images_are_evaluated_that_have_a_second_group(
    choose, few_heads
):
    lone = replace(collection(9, ("train",))[-1], id=9999)
    images = [*collection(8, ("train", "train", "test")), lone]
    vectors = {"frozen": draw_vectors(images, GOOD)}
    comparison, facts, _ = choose(images, vectors, models=["frozen"])
    assert {row["n"] for row in comparison["classifiers"]} == {16}
    assert facts.more["calibration"]["n_known"] == 16


def test_classes_that_nobody_learned_from_are_the_unknown_ones_where_they_have_20_images(
    choose, few_heads
):
    images = collection(22, ("train", "train", "validation", "test"))
    for image in collection(7, ("validation", "validation", "validation", "test")):
        new = replace(
            image,
            id=image.id + 9000,
            group=f"new {image.group}",
            label=f"new {image.label}",
        )
        images.append(new)
    vectors = {"frozen": draw_vectors(images, GOOD)}
    _, facts, _ = choose(images, vectors, models=["frozen"])
    assert facts.more["calibration"]["n_unknown"] == 21
    fewer = [image for image in images if image.label != "new class 00"]
    specimens = choose_embedder.select_specimens(Dataset(fewer))
    assert specimens.unknown.tolist() == specimens.evaluated.tolist()
    assert len(specimens.evaluated) == 22 + 18


@pytest.mark.parametrize("parts", [("train", "test"), ("validation", "test")])
def test_with_nothing_to_choose_by_there_is_an_error(choose, parts):
    images = collection(9, parts)
    sentence = (
        "--specimens: no class has specimens of two groups beside those to test on.*; "
        "wanted a third specimen of some"
    )
    with pytest.raises(InputError, match=sentence):
        choose(images, {"frozen": draw_vectors(images, GOOD)}, models=["frozen"])


def test_a_missing_model_folder_is_an_error(choose, few_heads):
    vectors = {"frozen": draw_vectors(IMAGES, BAD), "trained": draw_vectors(IMAGES, GOOD)}
    sentence = "--models: holds no folder named trained_refit; wanted one for each of the vectors"
    with pytest.raises(InputError, match=sentence):
        choose(IMAGES, vectors, models=["frozen", "trained"])


def test_an_image_without_vectors_is_an_error(tmp_path):
    lay_out(tmp_path, IMAGES, {"frozen": draw_vectors(IMAGES, GOOD)}, ["frozen"])
    more = [*IMAGES, replace(IMAGES[0], id=77777)]
    dataset.write(tmp_path / "specimens.json", Dataset(more))
    sentence = "embeddings: image 77777 has none; wanted those of all images"
    with pytest.raises(InputError, match=sentence):
        choose_embedder.main(options_for(tmp_path))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("n_classes", [2, 3])
def test_few_classes_are_enough_for_every_head(choose, n_classes):
    images = collection(n_classes, ("train", "train", "validation", "test"))
    vectors = {"frozen": draw_vectors(images, 0.05)}
    comparison, facts, _ = choose(images, vectors, models=["frozen"])
    assert {row["head"] for row in comparison["classifiers"]} == set(heads.HEADS)
    assert facts.metrics["top1"].value == 1


def test_the_same_input_gives_the_same_bytes_but_for_the_seconds(few_heads, tmp_path):
    comparisons = []
    for name in ("a", "b"):
        lay_out(tmp_path / name, IMAGES, {"frozen": draw_vectors(IMAGES, BAD)}, ["frozen"])
        choose_embedder.main(options_for(tmp_path / name))
        comparison = read_comparison(tmp_path / name)
        for row in comparison["classifiers"]:
            del row["seconds"]
        comparisons.append(comparison)
    assert comparisons[0] == comparisons[1]
    models = [(tmp_path / name / "embedder/model.json").read_bytes() for name in ("a", "b")]
    assert models[0] == models[1]


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    images = collection(3, ("train", "test"))
    lay_out(tmp_path, images, {"frozen": draw_vectors(images, GOOD)}, ["frozen"])
    words = [*command("choose_embedder"), *options_for(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --specimens: no class has specimens of two groups")
    assert done.stderr.count("\n") == 1
