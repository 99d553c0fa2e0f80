"""Names at the finest rank that is sure.

Sums by hand, logistic regressions of known truth, and a world of normal families, genera, species.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from blobs import at_length_one
from entoflow.identification import heads, held_out, identifier, rollup_fit
from entoflow.identification.held_out import LabelledVectors
from entoflow.identification.identifier import Calibration, Identifier, RankFit
from entoflow.identification.rollup import Rollup

CLASSES = ["ant", "bee", "hornet", "moth", "wasp"]
TAXA = {  # the moth has none; the gallery has no fly
    "wasp": {"genus": "Vespula", "family": "Vespidae"},
    "hornet": {"genus": "Vespa", "family": "Vespidae"},
    "bee": {"genus": "Apis"},
    "ant": {"genus": "Lasius", "family": "Formicidae"},
    "fly": {"genus": "Musca"},
}
CALIBRATION = Calibration(
    head="nearest",
    temperature=1.0,
    conformal=0.9,
    n_known=10,
    known_temperature=1.0,
    known=identifier.KnownFit([0.0] * 4, 0.0),
    reject_below=0.0,
    n_unknown=10,
)


def rollup_of(classes, taxa, **fits):
    return Rollup.of_gallery(classes, taxa, replace(CALIBRATION, ranks=fits))


def predictions_of(probabilities, p_known, verdicts=None):
    if verdicts is None:
        verdicts = np.full(len(p_known), "known")
    return identifier.Predictions(np.array(probabilities), np.array(p_known), verdicts)


def test_without_a_fit_the_chance_of_a_taxon_is_the_sum_over_its_classes_times_p_known():
    predictions = predictions_of([[0.1, 0, 0.5, 0, 0.4], [0.2, 0.3, 0, 0.5, 0]], [0.9, 0.5])
    taxa = rollup_of(CLASSES, TAXA).predict_taxa(predictions)
    assert taxa.keys() == {"genus", "family"}
    assert taxa["genus"].names == ["Vespa", "Apis"]
    np.testing.assert_allclose(taxa["genus"].p_right, [0.9 * 0.5, 0.5 * 0.3])
    assert taxa["family"].names == ["Vespidae", "Formicidae"]
    np.testing.assert_allclose(taxa["family"].p_right, [0.9 * (0.5 + 0.4), 0.5 * 0.2])


def test_an_unknown_class_adds_the_chance_that_was_fitted():
    predictions = predictions_of([[0.25, 0, 0.5, 0, 0.25]], [0.2])
    rollup = rollup_of(CLASSES, TAXA, family=RankFit([2.0, 0.5], -1.0, 10))
    log_odds = 2 * np.log(0.75 / 0.25) + 0.5 * np.log(0.2 / 0.8) - 1
    family = rollup.predict_taxa(predictions)["family"]
    assert family.names == ["Vespidae"]
    expected = 0.2 * 0.75 + 0.8 / (1 + np.exp(-log_odds))
    assert family.p_right[0] == pytest.approx(expected)


def test_a_sure_or_impossible_taxon_has_a_finite_chance():
    rollup = rollup_of(["ant", "moth"], TAXA, genus=RankFit([1.0, 1.0], 0.0, 10))
    predictions = predictions_of([[1.0, 0.0], [0.0, 1.0]], [1.0, 0.0])
    sure, impossible = rollup.predict_taxa(predictions)["genus"].p_right
    assert sure == pytest.approx(1)
    assert impossible == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("taxa", [TAXA, {}, {"bee": {"genus": "Apis"}}])
def test_a_name_is_never_finer_than_is_sure_and_no_coarser_than_need_be(taxa):
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.full(5, 0.2), 500)
    p_known = rng.uniform(0.3, 1, 500)
    verdicts = np.where(p_known >= 0.7, "known", np.where(p_known < 0.4, "reject", "unknown"))
    predictions = predictions_of(probabilities, p_known, verdicts)
    fit = RankFit([1.0, 0.5], 1.0, 10)
    rollup = rollup_of(CLASSES, taxa, genus=fit, family=fit)
    finest = rollup.finest_names(predictions, 0.8)
    by_rank = rollup.predict_taxa(predictions)
    for row in range(500):
        sure = []
        best = int(probabilities[row].argmax())
        if verdicts[row] == "known" and probabilities[row, best] * p_known[row] >= 0.8:
            sure.append(("species", CLASSES[best]))
        for rank, predicted in by_rank.items():
            if verdicts[row] != "reject" and predicted.p_right[row] >= 0.8:
                sure.append((rank, predicted.names[row]))
        expected = sure[0] if sure else ("", "")
        assert (finest.ranks[row], finest.taxa[row]) == expected
    present = {rank for names in taxa.values() for rank in names}
    assert set(finest.ranks) == {"species", "", *present}


def test_a_regression_by_which_rights_were_drawn_is_found_again():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(20000, 2))
    log_odds = 1.5 * x[:, 0] - 0.5 * x[:, 1] + 0.7
    fit = rollup_fit.fit_right(x, rng.random(20000) < 1 / (1 + np.exp(-log_odds)))
    np.testing.assert_allclose([*fit.weights, fit.offset], [1.5, -0.5, 0.7], atol=0.08)


@pytest.mark.parametrize(
    "n, right, chance", [(3, True, 4 / 5), (8, True, 9 / 10), (3, False, 1 / 5)]
)
def test_a_few_images_that_all_are_right_make_nothing_sure(n, right, chance):
    fit = rollup_fit.fit_right(np.ones((n, 2)), np.full(n, right))
    log_odds = np.sum(fit.weights) + fit.offset
    # Platt's targets
    assert 1 / (1 + np.exp(-log_odds)) == pytest.approx(chance, abs=1e-3)


def labelled(vectors, class_index, n_classes):
    groups = np.arange(len(class_index)).astype(str)
    return LabelledVectors(vectors, class_index, groups, n_classes)


@pytest.fixture
def calls(monkeypatch):
    """Add the head spy, and return the list of its calls: (rows of the gallery, rows scored)."""
    seen = []

    def rows_of(vectors):
        return vectors[:, 0].astype(int).tolist()

    def spy(vectors, labels, n_classes):
        gallery = set(rows_of(vectors))
        scores = np.where(np.isin(np.arange(n_classes), labels), 0, -np.inf)

        def score(queries):
            seen.append((gallery, rows_of(queries)))
            return np.tile(scores.astype(np.float32), (len(queries), 1))

        return score

    monkeypatch.setitem(heads.HEADS, "spy", spy)
    return seen


@pytest.mark.parametrize("seed", range(4))
def test_unknown_images_are_scored_without_their_class_then_their_genus_and_family(calls, seed):
    rng = np.random.default_rng(seed)
    class_index = rng.integers(0, 12, 90)
    class_index[:12] = np.arange(12)
    classes = [f"{k:02}" for k in range(12)]
    taxa = {  # two classes have neither
        f"{k:02}": {"genus": f"g{k // 2}", "family": f"f{k // 4}"} for k in range(10)
    }
    evaluated = np.sort(rng.permutation(90)[:60])
    unknown = evaluated[class_index[evaluated] % 3 > 0]
    numbers = np.arange(90)[:, None]
    vectors = np.concatenate([numbers, rng.normal(size=(90, 3))], axis=1).astype(np.float32)
    specimens = labelled(vectors, class_index, 12)
    calibration = replace(CALIBRATION, head="spy")
    fits = rollup_fit.fit_ranks(specimens, classes, evaluated, unknown, taxa, calibration)
    without_taxon = -1 - class_index
    genus = np.where(class_index < 10, class_index // 2, without_taxon)
    family = np.where(class_index < 10, class_index // 4, without_taxon)
    for row in unknown.tolist():
        galleries = [gallery for gallery, rows in calls if row in rows]
        has_taxa = class_index[row] < 10
        assert len(galleries) == (3 if has_taxa else 1)
        lacking = [class_index, genus, family]
        for gallery, unit in zip(galleries, lacking):
            assert row not in gallery
            assert not gallery & set(np.flatnonzero(unit == unit[row]).tolist())
    n = 3 * (class_index[unknown] < 10).sum()
    assert fits["genus"].n == fits["family"].n == n


def test_a_rank_of_a_single_taxon_is_not_fitted_as_nothing_tells_others_from_it():
    class_index = np.repeat(np.arange(6), 4)
    noise = np.random.default_rng(3).normal(size=(24, 8))
    specimens = labelled(at_length_one(noise + 4 * np.eye(8)[class_index]), class_index, 6)
    rows = np.arange(24)
    classes = [f"{k:02}" for k in range(6)]
    scores = held_out.held_out_scores(specimens, rows, rows, "nearest")
    calibration = held_out.calibrate(scores)

    def fit(taxa):
        return rollup_fit.fit_ranks(specimens, classes, rows, rows, taxa, calibration)

    taxa = {f"{k:02}": {"genus": f"g{k // 2}", "family": "f"} for k in range(6)}
    assert fit(taxa).keys() == {"genus"}
    assert fit({"00": {"genus": "g"}}) == {}


@cache
def simulate(head, seed, tight):
    """Return (ranks, whether the names are right) of 4,000 new images.

    The gallery is of normal species. 2,000 images are of these, 1,000 of other species of its
    genera (near) and 1,000 of other genera (far). tight: how much the species of a genus differ.
    """
    rng = np.random.default_rng(seed)
    family = rng.normal(size=(5, 32))
    genus = np.repeat(family, 4, 0) + 0.9 * rng.normal(size=(20, 32))
    species = np.repeat(genus, 3, 0) + tight * rng.normal(size=(60, 32))
    # of the last two genera none, of every third genus two of three
    known = np.array([k for k in range(54) if k % 9])
    near = np.arange(0, 54, 9)
    far = np.arange(54, 60)
    taxa = {f"{k:02}": {"genus": f"g{k // 3}", "family": f"f{k // 12}"} for k in range(60)}

    def draw(classes):
        return at_length_one(species[classes] + 0.6 * rng.normal(size=(len(classes), 32)))

    members = np.repeat(known, 4)
    labels = [f"{k:02}" for k in members]
    classes, class_index = np.unique(labels, return_inverse=True)
    specimens = labelled(draw(members), class_index, len(known))
    rows = np.arange(len(members))
    calibration = held_out.calibrate(held_out.held_out_scores(specimens, rows, rows, head))
    fits = rollup_fit.fit_ranks(specimens, classes.tolist(), rows, rows, taxa, calibration)
    calibration = replace(calibration, ranks=fits)
    fitted = Identifier.fit(specimens.vectors, labels, calibration)
    parts = [rng.choice(part, n) for part, n in ((known, 2000), (near, 1000), (far, 1000))]
    truth = np.concatenate(parts)
    rollup = Rollup.of_gallery(fitted.classes, taxa, calibration)
    finest = rollup.finest_names(fitted.predict(draw(truth)), 0.9)
    right = []
    for k, name, rank in zip(truth, finest.taxa, finest.ranks):
        names = {**taxa[f"{k:02}"], "species": f"{k:02}", "": ""}
        right.append(name == names[rank])
    return np.array(finest.ranks), np.array(right)


@pytest.mark.parametrize("tight", [0.6, 0.3])
@pytest.mark.parametrize("head", ["class_mean", "lda"])
def test_of_new_images_nine_of_ten_names_are_right_at_every_rank(head, tight):
    worlds = [simulate(head, seed, tight) for seed in (1, 2)]
    ranks = np.concatenate([world[0] for world in worlds])
    right = np.concatenate([world[1] for world in worlds])
    for rank in ("species", "genus", "family"):
        at_rank = ranks == rank
        least = binom.ppf(0.001, at_rank.sum(), 0.9)
        assert right[at_rank].sum() >= least, rank
    assert (ranks == "genus").mean() > 0.1


def test_images_of_unknown_species_have_a_genus_of_the_gallery_only_where_it_is_theirs():
    ranks, right = simulate("class_mean", 1, 0.3)
    near = slice(2000, 3000)
    far = slice(3000, 4000)
    by_genus = ranks[near] == "genus"
    assert by_genus.mean() > 0.1
    assert right[near][by_genus].mean() > 0.9
    assert (ranks[far] == "genus").mean() < 0.05
    assert (ranks[near] == "species").mean() < 0.02
