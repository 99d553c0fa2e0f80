"""Evaluation on normal clouds, one a class, for which the metrics are plain arithmetic."""

import csv
import json
import subprocess
from dataclasses import asdict, replace

import evaluate_identification
import numpy as np
import pytest

from conftest import command
from entoflow import calibration, dataset
from entoflow.dataset import Dataset, Image
from entoflow.identification import embeddings, evaluation, identification_metrics
from entoflow.identification.identifier import Identifier
from entoflow.identification.retrieval_metrics import retrieval
from small_gallery import CALIBRATION as SMALL_CALIBRATION
from small_gallery import CLUSTERING as SMALL_CLUSTERING

CONTRACT = (
    "top1",
    "top5",
    "macro_top1",
    "recall_at_1",
    "map_at_r",
    "unknown_auroc",
    "unknown_fpr95",
    "ece",
    "cluster_ami",
)
CALIBRATION = {
    **SMALL_CALIBRATION,
    "temperature": 0.05,
    "known_temperature": 0.05,
    "known": {"weights": [20, 0, 0, 0], "offset": -15},
    "reject_below": 0.01,
    "conformal": 0.9,
}
CLUSTERING = {**SMALL_CLUSTERING, "distance": 0.5}


def classifier(vectors, head, top1):
    return {"vectors": vectors, "head": head, "top1": {"value": top1}}


COMPARISON = {
    "verdict": {"sentence": "No embedder was trained."},
    "classifiers": [
        classifier("frozen", "nearest", 0.8),
        classifier("frozen", "ridge", 0.7),
        classifier("colours", "nearest", 0.2),
        classifier("colours", "class_mean", 0.3),
    ],
}
KNOWN = [f"class {n:02}" for n in range(25)]
NEAR = [f"new {n:02}" for n in range(12)]
FAR = [f"new {n:02}" for n in range(12, 22)]
UNSEEN = [*NEAR, *FAR]


def draw_world(spread=0.25):
    """Return (images, vectors (n, 16)).

    Of 25 classes two images to train on, one to validate on and two to test on; of 22 others four.
    """
    rng = np.random.default_rng(1)
    members = []
    for label in KNOWN:
        members += [(label, part) for part in ("train", "train", "validation", "test", "test")]
    for label in UNSEEN:
        members += [(label, "unseen")] * 4
    members += [("new 00", "rest"), ("class 00", "rest")]
    middle = {label: rng.normal(size=16) for label in (*KNOWN, *UNSEEN)}
    images = []
    rows = []
    for n, (label, part) in enumerate(members):
        image = Image(id=1000 + n, file_name=f"{n}.jpg", label=label, group=f"g{n}", part=part)
        if part == "unseen":
            image = replace(image, tier="near" if label in NEAR else "far")
        images.append(image)
        direction = middle[label] / np.linalg.norm(middle[label])
        rows.append(direction + rng.normal(size=16) * spread)
    vectors = np.array(rows)
    return images, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def world():
    return draw_world()


@pytest.fixture
def evaluate(tmp_path):
    """Return a function that evaluates images by their vectors and returns metrics.json.

    It is read without leave for NaN.
    """

    def _evaluate(
        images, vectors, *options, calibration=CALIBRATION, comparison=COMPARISON, names=("frozen",)
    ):
        dataset.write(tmp_path / "specimens.json", Dataset(images))
        noise = np.random.default_rng(3).normal(size=(len(images), 8)).astype(np.float32)
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        arrays = {**dict.fromkeys(names, vectors), "colours": noise}
        embeddings.write(tmp_path / "e.npz", [image.id for image in images], arrays)
        facts = {"vectors": "frozen", "calibration": calibration, "clustering": CLUSTERING}
        (tmp_path / "model.json").write_text(json.dumps(facts))
        (tmp_path / "comparison.json").write_text(json.dumps(comparison))
        paths = {
            "specimens": "specimens.json",
            "embeddings": "e.npz",
            "model": "model.json",
            "comparison": "comparison.json",
            "metrics": "metrics.json",
            "predictions": "predictions.csv",
            "plots": "plots",
        }
        words = [f"--{name}={tmp_path}/{path}" for name, path in paths.items()]
        evaluate_identification.main([*words, *options])
        return json.loads((tmp_path / "metrics.json").read_text(), parse_constant=pytest.fail)

    return _evaluate


class Oracle:
    """The nearest specimens of the gallery, by loops."""

    def __init__(self, images, vectors, more=()):
        unseen_labels = {image.label for image in images if image.part == "unseen"}
        self.images = images
        self.vectors = vectors
        self.gallery = [
            row
            for row, image in enumerate(images)
            if image.part in ("train", "validation", "rest") and image.label not in unseen_labels
        ]
        self.gallery += list(more)
        self.classes = sorted({images[row].label for row in self.gallery})

    def rows(self, part):
        return [row for row, image in enumerate(self.images) if image.part == part]

    def labels(self, rows):
        return [self.images[row].label for row in rows]

    def groups(self, rows):
        return [self.images[row].group for row in rows]

    def nearest(self, queries):
        """Return the cosine to the nearest specimen of each class, queries x classes."""
        cosines = np.full((len(queries), len(self.classes)), -np.inf)
        for place, row in enumerate(queries):
            for other in self.gallery:
                column = self.classes.index(self.images[other].label)
                cosine = float(self.vectors[row] @ self.vectors[other])
                cosines[place, column] = max(cosines[place, column], cosine)
        return cosines

    def right(self, queries):
        names = [self.classes[column] for column in self.nearest(queries).argmax(axis=1)]
        return np.array(names) == self.labels(queries)


def assert_close(metrics, wanted):
    """Check that metrics are equal but for rounding; wanted: {name: Metric}."""
    for name, metric in wanted.items():
        for field in ("value", "low", "high", "n"):
            value = asdict(metric)[field]
            expected = value if value is None else pytest.approx(value, abs=1e-5)
            assert metrics[name][field] == expected, (name, field)


def softmax(scores):
    scaled = np.exp(scores)
    return scaled / scaled.sum(axis=1, keepdims=True)


def test_metrics_of_known_classes_are_those_of_the_nearest_specimens(evaluate, world):
    metrics = evaluate(*world)["metrics"]
    oracle = Oracle(*world)
    test = oracle.rows("test")
    labels = oracle.labels(test)
    groups = oracle.groups(test)
    right = oracle.right(test)
    cosines = oracle.nearest(test)
    probabilities = softmax(cosines / CALIBRATION["temperature"])
    gallery_labels = oracle.labels(oracle.gallery)
    support = [gallery_labels.count(label) for label in labels]
    truth = np.array([oracle.classes.index(label) for label in labels])
    wanted = identification_metrics.closed_set(probabilities, truth, groups, support, 1)
    assert 0.5 < wanted["top1"].value < 1
    assert wanted["top1"].low is not None
    # class 00 has one more, of the part rest
    assert set(wanted) >= {"top1_support_3", "top1_support_4_or_more"}
    best = probabilities.max(axis=1)
    wanted |= calibration.calibration_metrics(best, right, labels, groups, 1)
    assert_close(metrics, wanted)
    wrong = 1 - right[np.argsort(-best)]
    errors = np.cumsum(wrong) / np.arange(1, len(test) + 1)
    assert metrics["aurc"]["value"] == pytest.approx(np.mean(errors), abs=1e-6)
    plain = softmax(cosines).max(axis=1)
    before = calibration.calibration_metrics(plain, right, labels, groups, 1)
    assert_close(metrics, {"ece_before": before["ece"]})


def test_label_sets_are_those_up_to_the_mass_of_the_calibration(evaluate, world):
    metrics = evaluate(*world)["metrics"]
    oracle = Oracle(*world)
    test = oracle.rows("test")
    sizes = []
    covered = []
    for row, probabilities in zip(test, softmax(oracle.nearest(test) / 0.05).tolist()):
        label_set = set()
        for label, p in zip(oracle.classes, probabilities):
            likelier = sum(other for other in probabilities if other > p)
            if likelier + p / 2 <= 0.9:
                label_set.add(label)
        sizes.append(len(label_set))
        covered.append(world[0][row].label in label_set)
    assert metrics["label_set_coverage"]["value"] == pytest.approx(np.mean(covered))
    assert metrics["label_set_size"]["value"] == pytest.approx(np.mean(sizes))


def test_metrics_of_unknown_classes_are_those_of_the_cosine_to_the_nearest(evaluate, world):
    metrics = evaluate(*world)["metrics"]
    oracle = Oracle(*world)
    test = oracle.rows("test")
    unseen = oracle.rows("unseen")
    labels = oracle.labels(test + unseen)
    groups = oracle.groups(test + unseen)
    p_known = 1 / (1 + np.exp(15 - 20 * oracle.nearest(test + unseen).max(axis=1)))
    known = np.arange(len(p_known)) < len(test)
    right = np.append(oracle.right(test), np.zeros(len(unseen), bool))
    wanted = identification_metrics.open_set(p_known, known, right, labels, groups, 1)
    assert 0.6 < wanted["unknown_auroc"].value < 1
    assert_close(metrics, wanted)
    for tier, tier_labels in (("near", NEAR), ("far", FAR)):
        of_known = p_known[known][:, None]
        of_tier = p_known[np.isin(labels, tier_labels)]
        won = (of_known > of_tier) + (of_known == of_tier) / 2
        auroc = metrics[f"unknown_auroc_{tier}"]["value"]
        assert auroc == pytest.approx(np.mean(won), abs=1e-4)
    accepted = p_known >= 0.5
    assert metrics["known_accepted"]["value"] == pytest.approx(accepted[known].mean())
    assert metrics["unknown_refused"]["value"] == pytest.approx(1 - accepted[~known].mean())


def test_new_classes_are_named_by_the_old_specimens_and_the_first_groups_of_the_new(
    evaluate, world
):
    images, vectors = world
    metrics = evaluate(*world)["metrics"]
    oracle = Oracle(*world)
    unseen = oracle.rows("unseen")
    test = oracle.rows("test")
    labels = oracle.labels(unseen)
    assert_close(metrics, retrieval(vectors[unseen], labels, oracle.groups(unseen), 1))
    for shots in (1, 2, 3):
        enrolled = []
        for label in UNSEEN:
            rows = [row for row in unseen if images[row].label == label]
            rows.sort(key=lambda row: images[row].group)
            enrolled += rows[:shots]
        others = [row for row in unseen if row not in enrolled]
        grown = Oracle(*world, enrolled)
        top1 = metrics[f"enrolled_top1_{shots}"]
        assert top1["value"] == pytest.approx(grown.right(others).mean())
        assert top1["n"] == len(UNSEEN) * (4 - shots)
        change = grown.right(test).mean() - oracle.right(test).mean()
        assert metrics[f"old_top1_change_{shots}"]["value"] == pytest.approx(change)
        assert change <= 0


@pytest.mark.parametrize("shots, places", [(1, [1, 3]), (2, [0, 1]), (3, [])])
def test_the_first_image_of_each_of_the_first_groups_is_enrolled_of_classes_that_have_more(
    shots, places
):
    # Class a has the groups p, q, r (twice q); class b has p and s.
    labels = np.array(list("aaabab"))
    groups = np.array(list("qpqprs"))
    assert evaluation.first_of_groups(labels, groups, shots) == places


def test_an_image_of_a_group_that_was_enrolled_is_not_named(evaluate, world):
    images = list(world[0])
    for row, image in enumerate(images):
        if image.part == "unseen":  # two groups of two images each
            images[row] = replace(image, group=f"{image.label} {row % 2}")
    metrics = evaluate(images, world[1])["metrics"]
    assert metrics["enrolled_top1_1"]["n"] == 2 * len(UNSEEN)
    absent = {"enrolled_top1_2", "enrolled_top1_3", "old_top1_change_2"}
    assert not absent & set(metrics)


def test_it_is_compared_with_chance_and_each_kind_of_vectors_by_its_best_head(evaluate, world):
    chance, frozen, colours = evaluate(*world)["comparison"]
    assert (chance["vectors"], chance["head"]) == ("chance", "")
    assert chance["top1"]["value"] == 1 / 25
    assert (frozen["vectors"], frozen["head"]) == ("frozen", "nearest")
    oracle = Oracle(*world)
    top1 = oracle.right(oracle.rows("test")).mean()
    assert frozen["top1"]["value"] == pytest.approx(top1)
    assert frozen["chosen_less_this"]["value"] == 0
    assert frozen["chosen_less_this"]["verdict"] == "not distinguishable"
    assert (colours["vectors"], colours["head"]) == ("colours", "class_mean")
    difference = colours["chosen_less_this"]
    assert difference["verdict"] == "better"
    assert difference["value"] == pytest.approx(top1 - colours["top1"]["value"])


def test_a_refit_embedder_is_compared_by_the_head_of_its_twin(world, evaluate):
    projected = classifier("projected", "ridge", 0.5)
    comparison = {**COMPARISON, "classifiers": [*COMPARISON["classifiers"], projected]}
    names = ("frozen", "projected", "projected_refit")
    rows = evaluate(*world, comparison=comparison, names=names)["comparison"]
    assert [(row["vectors"], row["head"]) for row in rows] == [
        ("chance", ""),
        ("frozen", "nearest"),
        ("projected", "ridge"),
        ("projected_refit", "ridge"),
        ("colours", "class_mean"),
    ]


def test_clusters_of_unseen_images_are_compared_with_their_classes(evaluate, world):
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.metrics import adjusted_mutual_info_score

    images, vectors = world
    metric = evaluate(*world)["metrics"]["cluster_ami"]
    rows = [row for row, image in enumerate(images) if image.part == "unseen"]
    theirs = AgglomerativeClustering(
        None, metric="cosine", linkage="average", distance_threshold=CLUSTERING["distance"]
    ).fit_predict(vectors[rows])
    labels = [images[row].label for row in rows]
    assert metric["value"] == pytest.approx(adjusted_mutual_info_score(labels, theirs), abs=1e-9)
    assert (metric["n"], metric["groups"]) == (88, 22)
    assert metric["low"] < metric["value"] < metric["high"]


def test_each_test_and_unseen_image_has_a_row_with_its_name(evaluate, world, tmp_path):
    metrics = evaluate(*world)["metrics"]
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    ids = [image.id for image in world[0] if image.part in ("test", "unseen")]
    assert sorted(int(row["id"]) for row in rows) == ids
    tested = [row for row in rows if row["part"] == "test"]
    for row in tested:
        assert (row["right"] == "yes") == (row["named"] == row["label"])
    share_right = np.mean([row["right"] == "yes" for row in tested])
    assert share_right == pytest.approx(metrics["top1"]["value"])
    share_known = np.mean([row["verdict"] == "known" for row in tested])
    assert share_known == pytest.approx(metrics["known_accepted"]["value"])
    assert {row["right"] for row in rows if row["part"] == "unseen"} == {""}


def test_the_names_of_the_contract_are_there_with_the_pictures(evaluate, world, tmp_path):
    content = evaluate(*world)
    assert content["chain"] == "identification"
    assert content["n"] == 2 * 25 + 4 * 22
    assert content["verdict"] == "No embedder was trained."
    for name in CONTRACT:
        assert set(content["metrics"][name]) >= {"value", "low", "high", "n", "unit"}
        assert content["metrics"][name]["value"] is not None
    pictures = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert pictures == ["calibration.png", "known_unknown.png", "risk_coverage.png"]


def test_equal_input_gives_equal_bytes(evaluate, world, tmp_path):
    evaluate(*world)
    first = (tmp_path / "metrics.json").read_bytes()
    evaluate(*world)
    assert (tmp_path / "metrics.json").read_bytes() == first


@pytest.mark.parametrize("head", ["class_mean", "lda"])
def test_perfect_vectors_give_perfect_metrics(evaluate, head):
    metrics = evaluate(*draw_world(spread=1e-3), calibration={**CALIBRATION, "head": head})[
        "metrics"
    ]
    for name in (
        "top1",
        "top5",
        "macro_top1",
        "macro_f1",
        "recall_at_1",
        "map_at_r",
        "unknown_auroc",
        "oscr",
        "enrolled_top1_1",
        "enrolled_top1_3",
    ):
        assert metrics[name]["value"] == pytest.approx(1), name
    for name in ("unknown_fpr95", "aurc", "old_top1_change_3"):
        assert metrics[name]["value"] == 0, name


def with_taxa(images):
    """Return the images with the genus of all classes but class 24, two classes a genus.

    Genera of near classes are those of the gallery. The first ten classes have a family, too.
    """
    named = []
    for image in images:
        n = int(image.label[-2:])
        genus = f"other {n}" if image.label in FAR else f"g{n // 2}"
        if image.label == "class 24":
            genus = None
        has_family = genus is not None and genus.startswith("g") and n < 10
        named.append(replace(image, genus=genus, family=f"f{n // 6}" if has_family else None))
    return named


def finest_name(probability_of, taxon_of, confidence):
    """Return (rank, name) of the finest name that is sure enough, ("", "") where none is.

    probability_of: {class: probability}. taxon_of: {rank: {class: name}}.
    """
    for rank, names in taxon_of.items():
        sums = {}
        for label, p in probability_of.items():
            if names[label]:
                sums[names[label]] = sums.get(names[label], 0) + p
        best = max(sums, key=sums.get)
        if sums[best] >= confidence:
            return rank, best
    return "", ""


def test_names_at_the_finest_rank_that_is_sure_are_counted_and_those_right(evaluate, world):
    known = {"weights": [20, 0, 0, 0], "offset": -10}
    images = with_taxa(world[0])
    rng = np.random.default_rng(5)
    genera = sorted({image.genus or "" for image in images})
    shift_of = {genus: rng.normal(size=16) / 2 for genus in genera}
    shifts = [shift_of[image.genus or ""] for image in images]
    vectors = (world[1] + shifts).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    metrics = evaluate(
        images, vectors, "--confidence=0.8", calibration={**CALIBRATION, "known": known}
    )["metrics"]
    oracle = Oracle(images, vectors)
    image_of = {image.label: image for image in images}
    taxon_of = {
        "species": {label: label for label in oracle.classes},
        "genus": {label: image_of[label].genus for label in oracle.classes},
        "family": {label: image_of[label].family for label in oracle.classes},
    }
    rows = oracle.rows("test") + oracle.rows("unseen")
    cosines = oracle.nearest(rows)
    p_known = 1 / (1 + np.exp(10 - 20 * cosines.max(axis=1)))
    probabilities = softmax(cosines / CALIBRATION["temperature"]) * p_known[:, None]
    names = []
    for row, p_classes in zip(rows, probabilities):
        image = images[row]
        rank, name = finest_name(dict(zip(oracle.classes, p_classes)), taxon_of, 0.8)
        truth = {"species": image.label, "genus": image.genus, "family": image.family, "": None}
        is_right = name == truth[rank] if truth[rank] else None
        names.append((image.label, rank, is_right))
    near = [entry for entry in names if entry[0] in NEAR]
    assert len(near) == 12 * 4
    for metric, rank, entries in (
        ("species", "species", names),
        ("genus", "genus", names),
        ("family", "family", names),
        ("near_genus", "genus", near),
    ):
        named = metrics[f"{metric}_named"]
        share = np.mean([entry[1] == rank for entry in entries])
        assert (named["value"], named["n"]) == (pytest.approx(share), len(entries))
        assert named["value"] > 0
        right = [entry[2] for entry in entries if entry[1] == rank and entry[2] is not None]
        named_right = metrics[f"{metric}_named_right"]
        assert (named_right["value"], named_right["n"]) == (
            pytest.approx(np.mean(right)) if right else None,
            len(right),
        )
    species = metrics["species_named"]
    assert species["low"] < species["value"] < species["high"]


def test_without_a_taxonomy_no_metric_is_of_ranks(evaluate, world):
    assert not [name for name in evaluate(*world)["metrics"] if "_named" in name]


def test_with_a_genus_but_no_family_none_is_of_families(evaluate, world):
    images = [replace(image, family=None) for image in with_taxa(world[0])]
    names = {name for name in evaluate(images, world[1])["metrics"] if "_named" in name}
    wanted = set()
    for rank in ("species", "genus", "near_genus"):
        wanted |= {f"{rank}_named", f"{rank}_named_right"}
    assert names == wanted


def test_without_unseen_classes_what_is_of_them_is_null(evaluate, world, tmp_path):
    images, vectors = world
    rows = [row for row, image in enumerate(images) if image.label in KNOWN]
    content = evaluate([images[row] for row in rows], vectors[rows])
    assert content["n"] == 50
    assert content["metrics"]["top1"]["value"] > 0.5
    for name in (
        "unknown_auroc",
        "unknown_fpr95",
        "oscr",
        "unknown_refused",
        "recall_at_1",
        "map_at_r",
    ):
        metric = content["metrics"][name]
        assert (metric["value"], metric["low"]) == (None, None)
    assert set(CONTRACT) <= set(content["metrics"])
    assert (tmp_path / "plots/known_unknown.png").is_file()


def test_no_unseen_class_and_no_test_image_is_in_the_gallery(evaluate, world, monkeypatch):
    galleries = []
    fit = Identifier.fit

    def spied_fit(vectors, labels, calibration):
        galleries.append((list(labels), {row.tobytes() for row in vectors}))
        return fit(vectors, labels, calibration)

    monkeypatch.setattr(Identifier, "fit", spied_fit)
    evaluate(*world)
    images, vectors = world
    every_class = sorted([*KNOWN, *UNSEEN])
    classes = [sorted(set(labels)) for labels, _ in galleries]
    assert classes == [KNOWN, every_class, every_class, every_class]
    # and the one of the part rest, but not that of an unseen class
    assert len(galleries[0][0]) == 25 * 3 + 1
    test_vectors = {vectors[n].tobytes() for n, image in enumerate(images) if image.part == "test"}
    for _, rows in galleries:
        assert not rows & test_vectors


def test_a_test_image_whose_class_the_gallery_lacks_is_an_unseen_one(evaluate, world):
    # Where groups hold several classes, all groups of a class may go to other parts.
    images, vectors = world
    rows = [
        row for row, image in enumerate(images) if image.label != "class 07" or image.part == "test"
    ]
    content = evaluate([images[row] for row in rows], vectors[rows])
    assert content["n"] == 2 * 25 + 4 * 22
    assert content["metrics"]["top1"]["n"] == 2 * 24


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    names = (
        "specimens",
        "embeddings",
        "model",
        "comparison",
        "metrics",
        "predictions",
        "plots",
    )
    options = [f"--{name}={tmp_path}/{name}" for name in names]
    words = [*command("evaluate_identification"), *options]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert "model: cannot be read" in done.stderr
    assert len(done.stderr.splitlines()) == 1
