"""Evaluation on made-up vectors: normal clouds, one a class, with which what the figures should be is plain arithmetic."""
import csv
import json
import subprocess

import evaluate_identification
import numpy as np
import pytest

from conftest import command
from entoflow import calibration, coco
from entoflow.identification import embeddings, identification
from entoflow.identification import identification_metrics as metrics

CONTRACT = ("top1", "top5", "macro_top1", "recall_at_1", "map_at_r", "unknown_auroc", "unknown_fpr95", "ece", "cluster_ami")
CALIBRATION = {"head": "nearest", "temperature": 0.05, "known": {"weights": [20, 0, 0, 0], "offset": -15}, "reject_below": 0.01, "conformal": 0.9}
CLUSTERING = {"method": "agglomerative", "distance": 0.5}
LADDER = {"verdict": {"sentence": "No embedder was trained."}, "ladder": [
    {"vectors": "frozen", "head": "nearest", "top1": {"value": 0.8}}, {"vectors": "frozen", "head": "ridge", "top1": {"value": 0.7}},
    {"vectors": "colours", "head": "nearest", "top1": {"value": 0.2}}, {"vectors": "colours", "head": "class_mean", "top1": {"value": 0.3}}]}
KNOWN = [f"class {n:02}" for n in range(25)]
UNSEEN = {f"new {n:02}": tier for n, tier in enumerate(["near"] * 12 + ["far"] * 10)}


def made_up(spread=0.25):
    """Return (images, vectors): of 25 classes two to train on, one to validate on and two to test on; of 22 others, four."""
    rng, members = np.random.default_rng(1), []
    for label in KNOWN:
        members += [(label, part, {}) for part in ("train", "train", "validation", "test", "test")]
    for label, tier in UNSEEN.items():
        members += [(label, "unseen", {"tier": tier})] * 4
    members += [("new 00", "rest", {}), ("class 00", "rest", {})]
    middle = {label: rng.normal(size=16) for label in (*KNOWN, *UNSEEN)}
    vectors = np.array([middle[label] / np.linalg.norm(middle[label]) + rng.normal(size=16) * spread for label, *_ in members])
    images = [{"id": 1000 + n, "file_name": f"{n}.jpg", "label": label, "group": f"g{n}", "part": part, "sha256": f"{n:064x}", **more}
              for n, (label, part, more) in enumerate(members)]
    return images, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def world():
    return made_up()


@pytest.fixture
def evaluate(tmp_path):
    """Return a function that evaluates images by their vectors and returns what is written, read without leave for NaN."""
    def _evaluate(images, vectors, *options, head="nearest"):
        rng = np.random.default_rng(3)
        coco.write(tmp_path / "specimens.json", {"images": images, "annotations": [], "categories": []})
        noise = rng.normal(size=(len(images), 8)).astype(np.float32)
        embeddings.write(tmp_path / "e.npz", [image["id"] for image in images], {
            "frozen": vectors, "colours": noise / np.linalg.norm(noise, axis=1, keepdims=True)})
        (tmp_path / "model.json").write_text(json.dumps({"vectors": "frozen", "calibration": {**CALIBRATION, "head": head}, "clustering": CLUSTERING}))
        (tmp_path / "ladder.json").write_text(json.dumps(LADDER))
        evaluate_identification.main([*(f"--{name}={tmp_path}/{file}" for name, file in (
            ("specimens", "specimens.json"), ("embeddings", "e.npz"), ("model", "model.json"), ("ladder", "ladder.json"), ("metrics", "metrics.json"),
            ("predictions", "predictions.csv"), ("plots", "plots"))), *options])
        return json.loads((tmp_path / "metrics.json").read_text(), parse_constant=pytest.fail)
    return _evaluate


class Oracle:
    """The nearest specimens of the gallery, by loops."""

    def __init__(self, images, vectors, more=()):
        unseen = {image["label"] for image in images if image["part"] == "unseen"}
        self.images, self.vectors = images, vectors
        self.gallery = [row for row, image in enumerate(images) if image["part"] in ("train", "validation", "rest") and image["label"] not in unseen]
        self.gallery += list(more)
        self.classes = sorted({images[row]["label"] for row in self.gallery})

    def rows(self, part):
        return [row for row, image in enumerate(self.images) if image["part"] == part]

    def nearest(self, asked):
        """Return the likeness to the nearest specimen of each class, asked x classes."""
        found = np.full((len(asked), len(self.classes)), -np.inf)
        for place, row in enumerate(asked):
            for other in self.gallery:
                column = self.classes.index(self.images[other]["label"])
                found[place, column] = max(found[place, column], float(self.vectors[row] @ self.vectors[other]))
        return found

    def names(self, asked):
        return [self.classes[column] for column in self.nearest(asked).argmax(axis=1)]

    def of(self, rows, key):
        return [self.images[row][key] for row in rows]

    def right(self, asked):
        return np.array(self.names(asked)) == self.of(asked, "label")


def closely(found, wanted):
    """Tell whether two figures are equal but for rounding."""
    return all(found[key] == (wanted[key] if wanted[key] is None else pytest.approx(wanted[key], abs=1e-5)) for key in ("value", "low", "high", "n"))


def test_figures_of_known_classes_are_those_of_the_nearest_specimens(evaluate, world):
    found, oracle = evaluate(*world)["metrics"], Oracle(*world)
    test = oracle.rows("test")
    scaled = np.exp(oracle.nearest(test) / CALIBRATION["temperature"])
    probability, labels = scaled / scaled.sum(axis=1, keepdims=True), oracle.of(test, "label")
    support = [oracle.of(oracle.gallery, "label").count(label) for label in labels]
    truth = np.array([oracle.classes.index(label) for label in labels])
    wanted = metrics.closed_set(probability, truth, oracle.of(test, "group"), support, 1)
    assert 0.5 < wanted["top1"]["value"] < 1 and wanted["top1"]["low"] is not None
    assert set(wanted) >= {"top1_support_3", "top1_support_4_or_more"}  # class 00 has one more, of the part rest
    wanted |= calibration.calibration(probability.max(axis=1), oracle.right(test), labels, oracle.of(test, "group"), 1)
    wrong = 1 - oracle.right(test)[np.argsort(-probability.max(axis=1))]
    assert found["aurc"]["value"] == pytest.approx(np.mean(np.cumsum(wrong) / np.arange(1, len(test) + 1)), abs=1e-6)
    assert all(closely(found[name], figure) for name, figure in wanted.items())
    plain = np.exp(oracle.nearest(test))
    before = calibration.calibration((plain / plain.sum(axis=1, keepdims=True)).max(axis=1), oracle.right(test), labels, oracle.of(test, "group"), 1)
    assert closely(found["ece_before"], before["ece"])
    inside = [[sum(other for other in row if other > value) + value / 2 <= 0.9 for value in row] for row in probability.tolist()]
    assert found["label_set_coverage"]["value"] == pytest.approx(np.mean([row[column] for row, column in zip(inside, truth)]))
    assert found["label_set_size"]["value"] == pytest.approx(np.sum(inside) / len(test))


def test_figures_of_unknown_classes_are_those_of_the_likeness_to_the_nearest(evaluate, world):
    found, oracle = evaluate(*world)["metrics"], Oracle(*world)
    test, unseen = oracle.rows("test"), oracle.rows("unseen")
    chance = 1 / (1 + np.exp(15 - 20 * oracle.nearest(test + unseen).max(axis=1)))
    known, right = np.arange(len(chance)) < len(test), np.append(oracle.right(test), np.zeros(len(unseen), bool))
    labels, groups = oracle.of(test + unseen, "label"), oracle.of(test + unseen, "group")
    wanted = metrics.open_set(chance, known, right, labels, groups, 1)
    assert 0.6 < wanted["unknown_auroc"]["value"] < 1
    assert all(closely(found[name], figure) for name, figure in wanted.items())
    for tier in ("near", "far"):
        kept = [row for row in range(len(chance)) if known[row] or UNSEEN[labels[row]] == tier]
        won = [(chance[a] > chance[b]) + (chance[a] == chance[b]) / 2 for a in kept if known[a] for b in kept if not known[b]]
        assert found[f"unknown_auroc_{tier}"]["value"] == pytest.approx(np.mean(won), abs=1e-4)
    assert found["known_accepted"]["value"] == pytest.approx((chance[known] >= 0.5).mean())
    assert found["unknown_refused"]["value"] == pytest.approx((chance[~known] < 0.5).mean())


def test_new_classes_are_named_by_the_old_specimens_and_the_first_groups_of_the_new(evaluate, world):
    found, oracle = evaluate(*world)["metrics"], Oracle(*world)
    unseen, test = oracle.rows("unseen"), oracle.rows("test")
    for name, figure in metrics.retrieval(world[1][unseen], oracle.of(unseen, "label"), oracle.of(unseen, "group"), 1).items():
        assert closely(found[name], figure)
    for shots in (1, 2, 3):
        shown = []
        for label in UNSEEN:
            shown += sorted((row for row in unseen if world[0][row]["label"] == label), key=lambda row: world[0][row]["group"])[:shots]
        more, asked = Oracle(*world, shown), [row for row in unseen if row not in shown]
        assert found[f"enrolled_top1_{shots}"]["value"] == pytest.approx(more.right(asked).mean())
        assert found[f"enrolled_top1_{shots}"]["n"] == len(UNSEEN) * (4 - shots)
        change = more.right(test).mean() - oracle.right(test).mean()
        assert found[f"old_top1_change_{shots}"]["value"] == pytest.approx(change) and change <= 0


@pytest.mark.parametrize("shots, shown", [(1, [1, 3]), (2, [0, 1]), (3, [])])
def test_the_first_image_of_each_of_the_first_groups_is_shown_of_classes_that_have_one_more(shots, shown):
    # Class a has the groups p, q, r (twice q); class b has p and s.
    labels, groups = ["a", "a", "a", "b", "a", "b"], np.array(["q", "p", "q", "p", "r", "s"])
    assert evaluate_identification.first_groups(labels, groups, shots) == shown


def test_an_image_of_a_group_that_was_shown_is_not_asked(evaluate, world):
    images, vectors = [dict(image) for image in world[0]], world[1]
    unseen = [row for row, image in enumerate(images) if image["part"] == "unseen"]
    for row in unseen:
        images[row]["group"] = f"{images[row]['label']} {row % 2}"  # two groups of two images each
    found = evaluate(images, vectors)["metrics"]
    assert found["enrolled_top1_1"]["n"] == 2 * len(UNSEEN)
    assert not {"enrolled_top1_2", "enrolled_top1_3", "old_top1_change_2"} & set(found)


def test_beside_it_stand_chance_and_each_kind_of_vectors_by_its_best_way(evaluate, world):
    rows = evaluate(*world)["comparison"]
    assert [(row["vectors"], row["head"]) for row in rows] == [("chance", ""), ("frozen", "nearest"), ("colours", "class_mean")]
    assert rows[0]["top1"]["value"] == 1 / 25
    oracle = Oracle(*world)
    test = oracle.rows("test")
    assert rows[1]["top1"]["value"] == pytest.approx(oracle.right(test).mean()) and rows[1]["chosen_less_this"]["value"] == 0
    assert rows[1]["chosen_less_this"]["verdict"] == "not distinguishable" and rows[2]["chosen_less_this"]["verdict"] == "better"
    assert rows[2]["chosen_less_this"]["value"] == pytest.approx(rows[1]["top1"]["value"] - rows[2]["top1"]["value"])


def test_clusters_of_unseen_images_are_compared_with_their_classes(evaluate, world):
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.metrics import adjusted_mutual_info_score

    figure = evaluate(*world)["metrics"]["cluster_ami"]
    rows = [row for row, image in enumerate(world[0]) if image["part"] == "unseen"]
    theirs = AgglomerativeClustering(None, metric="cosine", linkage="average", distance_threshold=CLUSTERING["distance"]).fit_predict(world[1][rows])
    assert figure["value"] == pytest.approx(adjusted_mutual_info_score([world[0][row]["label"] for row in rows], theirs), abs=1e-9)
    assert figure["n"] == 88 and figure["groups"] == 22 and figure["low"] < figure["value"] < figure["high"]


def test_each_test_and_unseen_image_has_a_row_with_its_name(evaluate, world, tmp_path):
    figures = evaluate(*world)["metrics"]
    with (tmp_path / "predictions.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert sorted(int(row["id"]) for row in rows) == [image["id"] for image in world[0] if image["part"] in ("test", "unseen")]
    tested = [row for row in rows if row["part"] == "test"]
    assert np.mean([row["right"] == "yes" for row in tested]) == pytest.approx(figures["top1"]["value"])
    assert all((row["right"] == "yes") == (row["named"] == row["label"]) for row in tested)
    assert {row["right"] for row in rows if row["part"] == "unseen"} == {""}
    assert np.mean([row["verdict"] == "known" for row in tested]) == pytest.approx(figures["known_accepted"]["value"])


def test_a_refit_embedder_stands_by_the_way_that_its_twin_was_judged_by(world, evaluate, monkeypatch):
    images, vectors = world
    monkeypatch.setitem(LADDER, "ladder", [*LADDER["ladder"], {"vectors": "projected", "head": "ridge", "top1": {"value": 0.5}}])
    ids = [image["id"] for image in images]
    monkeypatch.setattr(embeddings, "read", lambda paths: (np.array(ids), {"frozen": vectors, "projected": vectors, "projected_refit": vectors}))
    assert [(row["vectors"], row["head"]) for row in evaluate(*world)["comparison"]] == [
        ("chance", ""), ("frozen", "nearest"), ("projected", "ridge"), ("projected_refit", "ridge")]


def test_the_names_of_the_contract_are_there_with_the_pictures(evaluate, world, tmp_path):
    content = evaluate(*world)
    assert content["chain"] == "identification" and content["n"] == 2 * 25 + 4 * 22 and content["verdict"] == "No embedder was trained."
    for name in CONTRACT:
        assert set(content["metrics"][name]) >= {"value", "low", "high", "n", "unit"} and content["metrics"][name]["value"] is not None
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["calibration.png", "known_unknown.png", "risk_coverage.png"]


def test_equal_input_gives_equal_bytes(evaluate, world, tmp_path):
    evaluate(*world)
    first = (tmp_path / "metrics.json").read_bytes()
    evaluate(*world)
    assert (tmp_path / "metrics.json").read_bytes() == first


@pytest.mark.parametrize("head", ["class_mean", "lda"])
def test_perfect_vectors_give_perfect_figures(evaluate, head):
    found = evaluate(*made_up(spread=1e-3), head=head)["metrics"]
    for name in ("top1", "top5", "macro_top1", "macro_f1", "recall_at_1", "map_at_r", "unknown_auroc", "oscr", "enrolled_top1_1", "enrolled_top1_3"):
        assert found[name]["value"] == pytest.approx(1), name
    assert found["unknown_fpr95"]["value"] == found["aurc"]["value"] == found["old_top1_change_3"]["value"] == 0


def with_taxa(images):
    """Return the images with the genus of all but class 24, two classes a genus, near ones in those of the gallery, and the family of the first 10 classes."""
    def taxon(label):
        n = int(label[-2:])
        known = label.startswith("class")
        genus = "" if label == "class 24" else f"g{n // 2}" if known or UNSEEN[label] == "near" else f"other {n}"
        return {"genus": genus, **({"family": f"f{n // 6}"} if genus.startswith("g") and n < 10 else {})}
    return [{**image, **taxon(image["label"])} for image in images]


def test_names_at_the_finest_rank_that_is_sure_are_counted_and_those_right(evaluate, world, monkeypatch):
    monkeypatch.setitem(CALIBRATION, "known", {"weights": [20, 0, 0, 0], "offset": -10})
    images, rng = with_taxa(world[0]), np.random.default_rng(5)
    alike = {genus: rng.normal(size=16) / 2 for genus in sorted({image["genus"] for image in images})}
    vectors = (world[1] + [alike[image["genus"]] for image in images]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found, oracle = evaluate(images, vectors, "--confidence=0.8")["metrics"], Oracle(images, vectors)
    rows, taxa = oracle.rows("test") + oracle.rows("unseen"), {image["label"]: image for image in images}
    near = oracle.nearest(rows)
    scaled = np.exp(near / CALIBRATION["temperature"])
    chances = scaled / scaled.sum(axis=1, keepdims=True) / (1 + np.exp(10 - 20 * near.max(axis=1)))[:, None]
    named = []
    for row, chance in zip(rows, chances):
        own = images[row]
        for rank in ("species", "genus", "family"):
            of = [label if rank == "species" else taxa[label].get(rank, "") for label in oracle.classes]
            name, sure = max(((name, sum(c for c, other in zip(chance, of) if other == name)) for name in set(of) - {""}), key=lambda pair: pair[1])
            true = own["label"] if rank == "species" else own.get(rank, "")
            if sure >= 0.8:
                named.append((rank, name == true if true else None, own["part"] == "unseen" and UNSEEN[own["label"]] == "near"))
                break
        else:
            named.append(("", None, own["part"] == "unseen" and UNSEEN[own["label"]] == "near"))
    kinds = {rank: (rank, named) for rank in ("species", "genus", "family")} | {"near_genus": ("genus", [one for one in named if one[2]])}
    for name, (rank, among) in kinds.items():
        right = [one[1] for one in among if one[0] == rank and one[1] is not None]
        assert (found[f"{name}_named"]["value"], found[f"{name}_named"]["n"]) == (pytest.approx(np.mean([one[0] == rank for one in among])), len(among))
        assert (found[f"{name}_named_right"]["value"], found[f"{name}_named_right"]["n"]) == (pytest.approx(np.mean(right)) if right else None, len(right))
    assert len(kinds["near_genus"][1]) == 12 * 4 and all(found[f"{name}_named"]["value"] > 0 for name in kinds)
    assert found["species_named"]["low"] < found["species_named"]["value"] < found["species_named"]["high"]


def test_without_a_taxonomy_no_figure_is_of_ranks(evaluate, world):
    assert not [name for name in evaluate(*world)["metrics"] if "_named" in name]


def test_with_a_genus_but_no_family_none_is_of_families(evaluate, world):
    images = [{key: value for key, value in image.items() if key != "family"} for image in with_taxa(world[0])]
    assert {name for name in evaluate(images, world[1])["metrics"] if "_named" in name} == {
        f"{rank}_{what}" for rank in ("species", "genus", "near_genus") for what in ("named", "named_right")}


def test_without_unseen_classes_what_is_of_them_is_null(evaluate, world, tmp_path):
    kept = [row for row, image in enumerate(world[0]) if not image["label"].startswith("new")]
    content = evaluate([world[0][row] for row in kept], world[1][kept])
    assert content["n"] == 50 and content["metrics"]["top1"]["value"] > 0.5
    for name in ("unknown_auroc", "unknown_fpr95", "oscr", "unknown_refused", "recall_at_1", "map_at_r"):
        assert content["metrics"][name]["value"] is None and content["metrics"][name]["low"] is None
    assert set(CONTRACT) <= set(content["metrics"]) and (tmp_path / "plots/known_unknown.png").is_file()


def test_no_unseen_class_and_no_test_image_is_in_the_gallery_that_tells_unknown_ones(evaluate, world, monkeypatch):
    made, judge = [], identification.Identifier.judge

    class Spied(identification.Identifier):
        def __init__(self, vectors, labels, calibration):
            super().__init__(vectors, labels, calibration)
            self.labels, self.rows, self.asked = list(labels), {row.tobytes() for row in vectors}, []
            made.append(self)

        def judge(self, vectors):
            self.asked += [row.tobytes() for row in vectors]
            return judge(self, vectors)

    monkeypatch.setattr(identification, "Identifier", Spied)
    evaluate(*world)
    assert [sorted(set(one.labels)) for one in made] == [KNOWN] + [sorted([*KNOWN, *UNSEEN])] * 3
    assert len(made[0].labels) == 25 * 3 + 1  # and the one of the part rest, but not that of an unseen class
    for one in made:
        assert not one.rows & set(one.asked)


def test_a_test_image_whose_class_the_gallery_lacks_breaks_nothing(evaluate, world):
    # split_images' assign does so where groups hold several classes: of the groups of c, one went for a and one for b.
    kept = [row for row, image in enumerate(world[0]) if image["label"] != "class 07" or image["part"] == "test"]
    content = evaluate([world[0][row] for row in kept], world[1][kept])
    assert content["metrics"]["top1"]["value"] < 1


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    names = ("specimens", "embeddings", "model", "ladder", "metrics", "predictions", "plots")
    done = subprocess.run([*command("evaluate_identification"), *(f"--{name}={tmp_path}/{name}" for name in names)],
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and "model: cannot be read" in done.stderr and len(done.stderr.splitlines()) == 1
