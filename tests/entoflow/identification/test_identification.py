from functools import cache

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import betabinom
from sklearn.metrics import roc_auc_score

from entoflow.identification import heads
from entoflow.identification.identification import (
    HeldOut,
    Identifier,
    by_folds,
    evidence,
    fit_known,
    known_chance,
    of_full_gallery,
)
from entoflow.probabilities import fitted_temperature, label_sets, mass, of_names, softmax

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def noise(seed, n_classes=60, each=4):
    """Return (vectors, columns, groups) that have nothing to do with each other."""
    columns = np.repeat(np.arange(n_classes), each)
    return unit(np.random.default_rng(seed).normal(size=(len(columns), 16))), columns, np.arange(len(columns)).astype(str)


def likelihood(scores, columns, temperature):
    scaled = scores / temperature
    return (scaled[np.arange(len(columns)), columns] - logsumexp(scaled, axis=1)).sum()


@pytest.mark.parametrize("seed", range(4))
def test_the_temperature_is_that_of_the_highest_likelihood_on_a_fine_grid(seed):
    rng = np.random.default_rng(seed)
    columns, size = rng.integers(0, 8, 150), 10.0 ** (seed - 1)
    scores = size * (rng.normal(size=(150, 8)) + np.eye(8)[columns])
    scores[:, 5][columns != 5] = -np.inf
    grid = np.exp(np.arange(-7, 7, 0.002))
    best = grid[np.argmax([likelihood(scores, columns, t) for t in grid])]
    assert fitted_temperature(scores, columns) == pytest.approx(best, rel=0.01)


def test_the_temperature_by_which_labels_were_drawn_is_found_again():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(20000, 5))
    drawn = (scores / 0.3 + rng.gumbel(size=scores.shape)).argmax(axis=1)  # Gumbel's trick: a draw from softmax(scores / 0.3)
    assert fitted_temperature(scores, drawn) == pytest.approx(0.3, rel=0.05)


def test_without_a_row_the_temperature_is_1():
    assert fitted_temperature(np.empty((0, 3)), np.empty(0, int)) == 1


def test_minus_infinity_has_no_probability_and_large_scores_do_not_overflow():
    found = softmax(np.array([[0, -np.inf, np.log(3)], [1e4, 1e4, -np.inf], [-1e4, -np.inf, -np.inf]]))
    np.testing.assert_allclose(found, [[0.25, 0, 0.75], [0.5, 0.5, 0], [1, 0, 0]])


def test_evidence_counted_by_hand():
    scores, near = np.array([[3, 1, -np.inf], [2, 2, 2]]), np.array([[0.25, 0.5, -np.inf], [0.125, 0, 0]])
    np.testing.assert_allclose(evidence(scores, near, 2.0), [[0.5, 3, 2, 2 * np.log(np.exp(1.5) + np.exp(0.5))], [0.125, 2, 0, 2 + 2 * np.log(3)]])


def test_the_lead_of_the_only_class_is_0():
    np.testing.assert_allclose(evidence(np.array([[3.0]]), np.array([[0.5]]), 1.0), [[0.5, 3, 0, 3]])
    np.testing.assert_allclose(evidence(np.array([[3.0, -np.inf]]), np.array([[0.5, -np.inf]]), 1.0), [[0.5, 3, 0, 3]])


def test_known_and_unknown_weigh_the_same_however_many_there_are():
    rng = np.random.default_rng(2)
    known, unknown = rng.normal(1, 1, (4000, 4)), rng.normal(-1, 1, (100, 4))
    fitted = fit_known(known, unknown)
    assert known_chance(np.zeros((1, 4)), fitted)[0] == pytest.approx(0.5, abs=0.15)
    assert (known_chance(known, fitted) >= 0.5).mean() == pytest.approx((known_chance(unknown, fitted) < 0.5).mean(), abs=0.04)


def test_the_chance_to_be_known_is_that_of_two_gaussians():
    rng = np.random.default_rng(3)
    known, unknown = (np.concatenate([rng.normal(m, 1, (20000, 1)), np.zeros((20000, 3))], axis=1) for m in (1, -1))
    asked = np.array([[x, 0, 0, 0] for x in (-2, -0.5, 0, 0.5, 2)])
    np.testing.assert_allclose(known_chance(asked, fit_known(known, unknown)), 1 / (1 + np.exp(-2 * asked[:, 0])), atol=0.02)


@pytest.fixture
def spy(monkeypatch):
    """Put a head into the ladder that knows the rows it was fitted on by their first number, and return [(rows fitted on, rows asked)]."""
    seen = []

    def fitted(vectors, labels, n_classes):
        kept, present = set(vectors[:, 0].astype(int).tolist()), np.isin(np.arange(n_classes), labels)

        def score(queries):
            seen.append((kept, set(queries[:, 0].astype(int).tolist())))
            return np.where(present, -np.arange(n_classes), -np.inf).astype(np.float32) * np.ones((len(queries), 1), np.float32)
        return score

    monkeypatch.setitem(heads.HEADS, "spy", fitted)
    return seen


@pytest.mark.parametrize("spanning", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_a_known_row_is_judged_without_its_group_and_an_unknown_one_without_its_class_too(spy, spanning, seed):
    rng = np.random.default_rng(seed)
    columns = rng.integers(0, 10, 80)
    groups = rng.integers(0, 25, 80) + (0 if spanning else 100 * columns)
    judged = np.sort(rng.permutation(80)[:50])
    strange = judged[columns[judged] < 6]
    vectors = np.concatenate([np.arange(80)[:, None], rng.normal(size=(80, 3))], axis=1)
    held = HeldOut(vectors, columns, groups.astype(str), judged, strange, 10, "spy")
    asked = [row for _, rows in spy for row in sorted(rows)]
    assert sorted(asked) == sorted([*judged, *judged, *strange])  # as known, as known to a gallery without some classes, and the strange as unknown
    calls = {row: [kept for kept, rows in spy if row in rows] for row in judged}
    for place, row in enumerate(judged.tolist()):
        own, like = (set(np.flatnonzero(names == names[row])) for names in (groups, columns))
        assert all(not kept & own for kept in calls[row])
        assert len(calls[row]) == 2 + (row in strange)
        assert row not in strange or sum(not kept & like for kept in calls[row]) >= 1
        assert not held.enrolled[place] or any(kept & like for kept in calls[row])


def test_with_a_second_group_of_each_class_each_row_is_enrolled_and_right_where_the_best_is_its_class():
    columns, groups = np.array([0, 0, 1, 1, 2, 2]), np.arange(6).astype(str)
    held = HeldOut(directions(0, 10, 90, 80, 180, 75), columns, groups, np.arange(6), np.arange(6), 3, "nearest")
    assert held.enrolled.all() and held.right().tolist() == [True, True, True, False, False, False]


def test_a_row_without_another_group_of_its_class_is_not_enrolled_and_never_right():
    vectors, columns, groups = unit(np.eye(4) + 0.1), np.array([0, 0, 1, 1]), np.array(["a", "b", "c", "c"])
    held = HeldOut(vectors, columns, groups, np.arange(4), np.arange(4), 2, "nearest")
    assert held.enrolled.tolist() == [True, True, False, False] and not held.right()[2:].any()


@pytest.mark.parametrize("n_classes, each, n_strange", [(60, 4, 60), (60, 4, 12), (3, 30, 3)])
@pytest.mark.parametrize("head", ["nearest", "ridge"])
def test_the_size_of_the_gallery_alone_does_not_tell_known_from_unknown(head, n_classes, each, n_strange):
    areas = []
    for seed in range(3):
        vectors, columns, groups = noise(seed, n_classes, each)
        rows = np.arange(len(columns))
        held = HeldOut(vectors, columns, groups, rows, rows[columns < n_strange], n_classes, head)
        areas.append(held.told_apart(held.calibration(head)))
    assert np.mean(areas) < 0.63  # four weights fitted to noise reach 0.53 to 0.61 by chance


@cache
def simulated(head):
    """Return what a gallery of 60 Gaussian classes of 8 specimens says of 2,000 fresh images of these and of 30 other classes."""
    rng = np.random.default_rng(1)
    means, columns = rng.normal(size=(90, 32)), np.repeat(np.arange(60), 8)

    def draw(at):
        return unit(means[at] + 1.2 * rng.normal(size=(len(at), 32)))

    vectors, rows, truth = draw(columns), np.arange(480), rng.integers(0, 60, 2000)
    held = HeldOut(vectors, columns, rows.astype(str), rows, rows, 60, head)
    calibration = held.calibration(head)
    identifier = Identifier(vectors, [f"{column:02}" for column in columns], calibration)
    return {"truth": truth, "identifier": identifier, "told_apart": held.told_apart(calibration), "calibration": calibration,
            "known": identifier.judge(draw(truth)), "unknown": identifier.judge(draw(rng.integers(60, 90, 2000)))}


@pytest.mark.parametrize("head", ["nearest", "class_mean", "lda"])
def test_label_sets_of_fresh_images_cover_nine_of_ten_within_the_bounds_of_chance(head):
    world = simulated(head)
    covered = world["identifier"].label_sets(world["known"][0])[np.arange(2000), world["truth"]].sum()
    low, high = betabinom.interval(0.999, 2000, 433, 481 - 433)  # of the 433rd of 480 calibrating images, rank ceil(481 * 0.9)
    assert world["calibration"]["n_known"] == 480 and low <= covered <= high


@pytest.mark.parametrize("head", ["class_mean", "lda"])
def test_of_three_specimens_the_one_that_is_judged_is_made_up_for(head):
    """With two specimens of three a class is told worse than it will be: without more ado fresh images would seem too unsure."""
    rng = np.random.default_rng(5)
    means, columns = unit(rng.normal(size=(150, 24))), np.repeat(np.arange(150), 3)

    def draw(at):
        return unit(means[at] + 0.25 * rng.normal(size=(len(at), 24)))

    vectors, truth, rows, groups = draw(columns), rng.integers(0, 150, 4000), np.arange(450), np.arange(450).astype(str)
    fold = rows % 25
    scores = by_folds(vectors, columns, fold, rows, 150, head, groups)
    plain, made = of_names(scores, columns), of_full_gallery(vectors, columns, fold, rows, 150, head, groups)
    asked = heads.HEADS[head](vectors, columns, 150)(draw(truth))
    right = (asked.argmax(axis=1) == truth).mean()
    off = [abs(softmax(asked / named["temperature"]).max(axis=1).mean() - right) for named in (made, plain)]
    assert off[0] < 0.015 < 0.05 < off[1] and made["conformal"] == plain["conformal"] and made["n_known"] == 450


def test_a_class_with_one_other_specimen_says_nothing_of_what_more_would_bring_and_one_with_none_nothing_at_all():
    vectors, columns, groups = noise(2, 2, 20)
    rows, fold = np.arange(len(columns)), np.arange(len(columns)) % 5
    plain = of_names(by_folds(vectors, columns, fold, rows, 2, "nearest", groups), columns)
    two = np.concatenate([np.flatnonzero(columns == column)[:2] for column in (0, 1)])
    pair = (vectors[two], columns[two], fold[two], np.arange(4), 2, "nearest", groups[two])
    assert of_full_gallery(*pair) == of_names(by_folds(*pair), columns[two])
    assert of_full_gallery(vectors, columns, fold, rows, 2, "nearest", groups)["temperature"] <= plain["temperature"]
    lone = (vectors[[0, 20]], columns[[0, 20]], fold[[0, 20]], np.arange(2), 2, "nearest", groups[[0, 20]])
    assert of_full_gallery(*lone) == {}


@pytest.mark.parametrize("head", ["nearest", "class_mean", "lda"])
def test_probabilities_of_fresh_images_are_the_shares_right(head):
    world = simulated(head)
    probability = world["known"][0]
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-5)
    assert probability.max(axis=1).mean() == pytest.approx((probability.argmax(axis=1) == world["truth"]).mean(), abs=0.05)


@pytest.mark.parametrize("head", ["nearest", "class_mean", "lda", "ridge"])
def test_known_is_told_from_unknown_as_well_on_fresh_classes_as_it_said(head):
    world = simulated(head)
    area = roc_auc_score(np.arange(4000) < 2000, np.concatenate([world["known"][1], world["unknown"][1]]))
    assert area > 0.75 and area == pytest.approx(world["told_apart"], abs=0.05)


@pytest.mark.parametrize("head", ["class_mean", "lda"])
def test_half_or_more_of_each_kind_are_on_their_side_of_0_5_and_few_are_rejected(head):
    world = simulated(head)
    assert (world["known"][1] >= 0.5).mean() > 0.75 and (world["unknown"][1] < 0.5).mean() > 0.75
    assert 0 <= (world["unknown"][2] == "reject").mean() <= 0.03  # 1 % of the calibrating ones are


def calibrated(**more):
    return {"head": "nearest", "temperature": 0.1, "known": {"weights": [10, 0, 0, 0], "offset": -5}, "reject_below": 0.1, "conformal": 0.2, **more}


def directions(*degrees):
    return unit(np.stack([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))], axis=1))


@pytest.mark.parametrize("reject_below, verdicts", [
    (0.1, ["known", "known", "unknown", "reject"]),  # the chance is 0.1 where 10 cosine - 5 = ln(1/9): at a cosine of 0.28
    (0.5, ["known", "known", "reject", "reject"]),
    (0.9, ["known", "known", "reject", "reject"]),
    (0.0, ["known", "known", "unknown", "unknown"]),
])
def test_a_verdict_is_known_from_a_half_else_reject_below_else_unknown(reject_below, verdicts):
    identifier = Identifier(directions(0, 1), ["ant", "ant"], calibrated(reject_below=reject_below))
    probability, known, found = identifier.judge(directions(0, -55, -65, -80))  # cosines 1, 0.57, 0.42, 0.17
    assert found.tolist() == verdicts and probability.tolist() == [[1.0]] * 4
    np.testing.assert_allclose(known, 1 / (1 + np.exp(5 - 10 * np.cos(np.deg2rad([0, 55, 65, 80])))), rtol=1e-4)


def test_a_probability_is_the_softmax_of_the_scores_and_columns_are_sorted_labels():
    identifier = Identifier(directions(0, 90), ["wasp", "ant"], calibrated())
    probability = identifier.judge(directions(30))[0]
    cosines = np.cos(np.deg2rad([60, 30]))
    assert identifier.classes == ["ant", "wasp"]
    np.testing.assert_allclose(probability[0], np.exp(10 * cosines) / np.exp(10 * cosines).sum(), rtol=1e-4)
    np.testing.assert_allclose(identifier.uncalibrated(probability)[0], np.exp(cosines) / np.exp(cosines).sum(), rtol=1e-4)


def test_the_temperature_of_known_and_unknown_may_be_another_than_that_of_names():
    vectors, asked = directions(0, 90), directions(20, 70, 45)
    one, other = (Identifier(vectors, ["wasp", "ant"], calibrated(temperature=0.2, known={"weights": [1, 1, 1, 5], "offset": 0}, **more))
                  for more in ({}, {"known_temperature": 0.5}))
    np.testing.assert_array_equal(one.judge(asked)[0], other.judge(asked)[0])
    assert (one.judge(asked)[1] != other.judge(asked)[1]).all()


def test_a_label_set_holds_the_likeliest_up_to_the_mass_that_the_calibration_asks():
    identifier = Identifier(directions(0, 90), ["wasp", "ant"], calibrated(conformal=0.9))
    assert identifier.label_sets(np.array([[0.25, 0.75], [0.1, 0.9], [0.5, 0.5]])).tolist() == [[True, True], [False, True], [True, True]]


def test_a_label_set_is_never_empty():
    sure = np.array([[0.98, 0.02], [0.3, 0.7]])
    assert label_sets(sure, 0.2).tolist() == [[True, False], [False, True]]  # the likeliest have masses of 0.49 and 0.35


def test_the_mass_of_a_class_is_that_of_all_likelier_ones_and_half_its_own():
    np.testing.assert_allclose(mass(np.array([[0.1, 0.6, 0.3], [1.0, 0.0, 0.0]])), [[0.95, 0.3, 0.75], [0.5, 1.0, 1.0]])
    np.testing.assert_allclose(mass(np.full((1, 4), 0.25)), [[0.125, 0.375, 0.625, 0.875]])  # of equals the first comes first


@pytest.mark.parametrize("n", [1, 5, 8, 9, 15])
def test_below_nine_calibrating_images_a_label_set_holds_all_classes(n):
    vectors, columns, groups = noise(1, 2, 20)
    calibration = HeldOut(vectors, columns, groups, np.arange(n), np.arange(40), 2, "nearest").calibration("nearest")
    assert calibration["n_known"] == n and (calibration["conformal"] == 1.0) == (n < 9)  # ceil(0.9 (n + 1)) > n


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("head", list(heads.HEADS))
@pytest.mark.parametrize("n_classes, each", [(2, 2), (2, 20), (3, 4)])
def test_few_classes_can_be_calibrated_and_named(head, n_classes, each):
    rng = np.random.default_rng(4)
    columns = np.repeat(np.arange(n_classes), each)
    vectors, rows = unit(4 * np.eye(8)[columns] + 0.2 * rng.normal(size=(len(columns), 8))), np.arange(len(columns))
    calibration = HeldOut(vectors, columns, rows.astype(str), rows, rows, n_classes, head).calibration(head)
    probability, known, _ = Identifier(vectors, columns.astype(str).tolist(), calibration).judge(vectors)
    assert np.isfinite([calibration[key] for key in ("temperature", "reject_below", "conformal")]).all()
    assert (probability.argmax(axis=1) == columns).all() and np.isfinite(known).all()


@pytest.mark.parametrize("head", list(heads.HEADS))
def test_a_gallery_of_one_class_names_all_by_it_with_certainty(head):
    probability, known, _ = Identifier(directions(0, 10, 20), ["ant"] * 3, calibrated(head=head)).judge(directions(5, 120))
    assert probability.tolist() == [[1.0], [1.0]] and known[0] > 0.5 > known[1]


def test_without_a_class_left_nothing_is_computed_of_nothing():
    rows = np.arange(6)
    HeldOut(directions(0, 1, 2, 3, 4, 5), np.zeros(6, int), rows.astype(str), rows, rows, 1, "nearest").calibration("nearest")
