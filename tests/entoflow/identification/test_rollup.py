"""Names at the finest rank that is sure: sums by hand, logistic regressions of known truth, and a world of Gaussian families, genera and species."""
from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from entoflow.identification import heads, rollup
from entoflow.identification.identification import HeldOut, Identifier
from entoflow.identification.rollup import Rollup

CLASSES = ["ant", "bee", "hornet", "moth", "wasp"]
TAXA = {"wasp": {"genus": "Vespula", "family": "Vespidae"}, "hornet": {"genus": "Vespa", "family": "Vespidae"}, "bee": {"genus": "Apis"},
        "ant": {"genus": "Lasius", "family": "Formicidae"}, "fly": {"genus": "Musca"}}  # the moth has none; the gallery has no fly


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_without_a_fit_the_chance_of_a_taxon_is_the_sum_over_its_classes_times_that_of_a_known_class():
    probability, known = np.array([[0.1, 0, 0.5, 0, 0.4], [0.2, 0.3, 0, 0.5, 0]]), np.array([0.9, 0.5])
    found = Rollup(CLASSES, TAXA, {}).chances(probability, known)
    assert {rank: names for rank, (names, _) in found.items()} == {"genus": ["Vespa", "Apis"], "family": ["Vespidae", "Formicidae"]}
    np.testing.assert_allclose(found["genus"][1], [0.9 * 0.5, 0.5 * 0.3])
    np.testing.assert_allclose(found["family"][1], [0.9 * (0.5 + 0.4), 0.5 * 0.2])


def test_an_unknown_class_adds_the_chance_that_was_fitted():
    probability, known = np.array([[0.25, 0, 0.5, 0, 0.25]]), np.array([0.2])
    fitted = {"family": {"weights": [2.0, 0.5], "offset": -1.0}}
    odds = 2 * np.log(0.75 / 0.25) + 0.5 * np.log(0.2 / 0.8) - 1
    names, chance = Rollup(CLASSES, TAXA, {"ranks": fitted}).chances(probability, known)["family"]
    assert names == ["Vespidae"] and chance[0] == pytest.approx(0.2 * 0.75 + 0.8 / (1 + np.exp(-odds)))


def test_a_sure_or_impossible_taxon_has_a_chance_all_the_same():
    fitted = {"ranks": {"genus": {"weights": [1.0, 1.0], "offset": 0.0}}}
    _, chance = Rollup(["ant", "moth"], TAXA, fitted).chances(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1.0, 0.0]))["genus"]
    assert np.isfinite(chance).all() and chance[0] == pytest.approx(1) and chance[1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("taxa", [TAXA, {}, {"bee": {"genus": "Apis"}}])
def test_a_name_is_never_finer_than_is_sure_and_no_coarser_than_need_be(taxa):
    rng = np.random.default_rng(1)
    probability, known = rng.dirichlet(np.full(5, 0.2), 500), rng.uniform(0.3, 1, 500)
    verdicts = np.where(known >= 0.7, "known", np.where(known < 0.4, "reject", "unknown"))
    made = Rollup(CLASSES, taxa, {"ranks": {rank: {"weights": [1.0, 0.5], "offset": 1.0} for rank in ("genus", "family")}})
    named, ranks = made.named(probability, known, verdicts, 0.8)
    chances = made.chances(probability, known)
    for row in range(500):
        best = int(probability[row].argmax())
        sure = {"species": CLASSES[best]} if verdicts[row] == "known" and probability[row, best] * known[row] >= 0.8 else {}
        sure |= {rank: names[row] for rank, (names, chance) in chances.items() if verdicts[row] != "reject" and chance[row] >= 0.8}
        assert (ranks[row], named[row]) == next(iter(sure.items()), ("", ""))
    assert set(ranks) == {"species", "", *(rank for rank in ("genus", "family") if any(rank in own for own in taxa.values()))}


def test_a_regression_by_which_rights_were_drawn_is_found_again():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(20000, 2))
    fitted = rollup.fit_right(x, rng.random(20000) < 1 / (1 + np.exp(-(1.5 * x[:, 0] - 0.5 * x[:, 1] + 0.7))))
    np.testing.assert_allclose([*fitted["weights"], fitted["offset"]], [1.5, -0.5, 0.7], atol=0.08)


@pytest.mark.parametrize("n, right, chance", [(3, True, 4 / 5), (8, True, 9 / 10), (3, False, 1 / 5)])
def test_a_few_images_that_all_are_right_make_nothing_sure(n, right, chance):
    fitted = rollup.fit_right(np.ones((n, 2)), np.full(n, right))
    assert 1 / (1 + np.exp(-(np.sum(fitted["weights"]) + fitted["offset"]))) == pytest.approx(chance, abs=1e-3)  # Platt's targets


def collection(columns, **more):
    return [{"label": f"{column:02}", "group": str(row), **more} for row, column in enumerate(columns)]


@pytest.mark.parametrize("seed", range(4))
def test_unknown_images_are_judged_without_their_class_then_without_their_genus_and_family(monkeypatch, seed):
    rng, seen = np.random.default_rng(seed), []
    columns = rng.integers(0, 12, 90)
    columns[:12] = np.arange(12)
    taxa = {f"{k:02}": {"genus": f"g{k // 2}", "family": f"f{k // 4}"} for k in range(10)}  # two classes have neither
    judged = np.sort(rng.permutation(90)[:60])
    strange = judged[columns[judged] % 3 > 0]

    def fitted(vectors, labels, n_classes):
        kept, present = set(vectors[:, 0].astype(int).tolist()), np.isin(np.arange(n_classes), labels)

        def score(queries):
            seen.append((kept, queries[:, 0].astype(int).tolist()))
            return np.where(present, 0, -np.inf).astype(np.float32) * np.ones((len(queries), 1), np.float32)
        return score

    monkeypatch.setitem(heads.HEADS, "spy", fitted)
    vectors = np.concatenate([np.arange(90)[:, None], rng.normal(size=(90, 3))], axis=1).astype(np.float32)
    calibration = {"head": "spy", "temperature": 1.0, "known": {"weights": [0.0] * 4, "offset": 0.0}}
    found = rollup.fit(vectors, collection(columns), judged, strange, taxa, calibration)
    of = {rank: np.array([taxa.get(f"{column:02}", {}).get(rank, f"none {column}") for column in columns]) for rank in ("genus", "family")}
    for row in strange.tolist():
        kept = [gallery for gallery, rows in seen if row in rows]
        assert len(kept) == (3 if columns[row] < 10 else 1) and all(row not in gallery for gallery in kept)
        assert all(not gallery & set(np.flatnonzero(columns == columns[row]).tolist()) for gallery in kept)
        for rank, at in (("genus", 1), ("family", 2)):
            assert all(not gallery & set(np.flatnonzero(of[rank] == of[rank][row]).tolist()) for gallery in kept[at:])
    assert found["genus"]["n"] == found["family"]["n"] == 3 * (columns[strange] < 10).sum()


def test_a_rank_of_a_single_taxon_is_not_fitted_as_nothing_tells_others_from_it():
    columns = np.repeat(np.arange(6), 4)
    vectors = unit(np.random.default_rng(3).normal(size=(24, 8)) + 4 * np.eye(8)[columns])
    taxa, rows = {f"{k:02}": {"genus": f"g{k // 2}", "family": "f"} for k in range(6)}, np.arange(24)
    calibration = HeldOut(vectors, columns, rows.astype(str), rows, rows, 6, "nearest").calibration("nearest")
    assert rollup.fit(vectors, collection(columns), rows, rows, taxa, calibration).keys() == {"genus"}
    assert rollup.fit(vectors, collection(columns), rows, rows, {"00": {"genus": "g"}}, calibration) == {}


@cache
def simulated(head, seed, tight):
    """Return, of 2,000 fresh images of a gallery of Gaussian species, 1,000 of other species of its genera (near) and 1,000 of other genera (far), the rank at
    which each is named and whether that is right. tight: how much the species of a genus differ."""
    rng = np.random.default_rng(seed)
    family = rng.normal(size=(5, 32))
    genus = np.repeat(family, 4, 0) + 0.9 * rng.normal(size=(20, 32))
    species = np.repeat(genus, 3, 0) + tight * rng.normal(size=(60, 32))
    known = np.array([k for k in range(54) if k % 9])  # of the last two genera none, of every third genus two of three
    near, far = np.arange(0, 54, 9), np.arange(54, 60)
    taxa = {f"{k:02}": {"genus": f"g{k // 3}", "family": f"f{k // 12}"} for k in range(60)}

    def draw(at):
        return unit(species[at] + 0.6 * rng.normal(size=(len(at), 32)))

    of, rows = np.repeat(known, 4), np.arange(4 * len(known))
    vectors, images = draw(of), collection(of)
    calibration = HeldOut(vectors, np.unique(of, return_inverse=True)[1], rows.astype(str), rows, rows, len(known), head).calibration(head)
    calibration["ranks"] = rollup.fit(vectors, images, rows, rows, taxa, calibration)
    identifier = Identifier(vectors, [image["label"] for image in images], calibration)
    truth = np.concatenate([rng.choice(part, n) for part, n in ((known, 2000), (near, 1000), (far, 1000))])
    named, ranks = Rollup(identifier.classes, taxa, calibration).named(*identifier.judge(draw(truth)), 0.9)
    own = [{**taxa[f"{k:02}"], "species": f"{k:02}", "": ""} for k in truth]
    return np.array(ranks), np.array([name == names[rank] for name, names, rank in zip(named, own, ranks)])


@pytest.mark.parametrize("tight", [0.6, 0.3])
@pytest.mark.parametrize("head", ["class_mean", "lda"])
def test_of_fresh_images_nine_of_ten_names_are_right_at_every_rank(head, tight):
    found = [simulated(head, seed, tight) for seed in (1, 2)]
    ranks, right = (np.concatenate(parts) for parts in zip(*found))
    for rank in ("species", "genus", "family"):
        at = ranks == rank
        assert right[at].sum() >= binom.ppf(0.001, at.sum(), 0.9), (rank, at.sum(), right[at].mean())
    assert (ranks == "genus").mean() > 0.1


def test_images_of_unknown_species_are_named_by_a_genus_of_the_gallery_only_where_it_is_theirs():
    ranks, right = simulated("class_mean", 1, 0.3)
    near, far = slice(2000, 3000), slice(3000, 4000)
    assert (ranks[near] == "genus").mean() > 0.1 and right[near][ranks[near] == "genus"].mean() > 0.9
    assert (ranks[far] == "genus").mean() < 0.05 and (ranks[near] == "species").mean() < 0.02
