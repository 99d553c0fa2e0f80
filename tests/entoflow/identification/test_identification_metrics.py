import json
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn import metrics as sklearn_metrics

from entoflow import calibration, statistics
from entoflow.identification import identification_metrics as identification
from entoflow.statistics import Bootstrap

SEEDS = st.integers(0, 2**32 - 1)


def values(figures):
    return {name: figure["value"] for name, figure in figures.items()}


def named(seed, n=300, n_classes=12, levels=None):
    """Return (scores, truth, groups, support) of n images; scores are whole numbers below levels, if given."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_classes, n)
    scores = rng.integers(0, levels, (n, n_classes)) if levels else rng.random((n, n_classes)) + 0.5 * np.eye(n_classes)[truth]
    return scores, truth, rng.integers(0, n, n), rng.integers(1, 6, n_classes)[truth]


def embedded(seed, n=60, n_labels=6, n_groups=25):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_labels, n)
    return rng.normal(size=(n_labels, 8))[labels] + rng.normal(size=(n, 8)), labels, rng.integers(0, n_groups, n)


def opened(seed, n=200, levels=1000):
    """Return (known_score, known, right, classes, groups)"""
    rng = np.random.default_rng(seed)
    known = rng.random(n) < 0.6
    score = rng.integers(0, levels, n) / levels + 0.3 * known
    return score, known, known & (rng.random(n) < 0.7), rng.integers(0, 30, n), rng.integers(0, 80, n)


def test_an_interval_is_the_wider_of_that_over_classes_and_that_over_groups():
    rng = np.random.default_rng(1)
    classes = np.repeat(np.arange(30), 20)
    hits = (rng.random(600) < np.repeat(rng.random(30), 20)).astype(float)
    by_class, by_image = (Bootstrap(units, 3).ratio(hits, np.ones(600), 600, "") for units in (classes, np.arange(600)))
    assert by_class["low"] < by_image["low"] and by_class["high"] > by_image["high"]
    for units in ((classes, np.arange(600)), (np.arange(600), classes)):
        figure = statistics.Intervals(*units, 3).mean(hits, "share")
        assert (figure["value"], figure["low"], figure["high"]) == pytest.approx((by_class["value"], by_class["low"], by_class["high"]))
        assert figure["groups"] == len(set(units[1])) and figure["n"] == 600


@pytest.mark.parametrize("n_classes, n_groups, known", [(19, 60, False), (60, 19, False), (20, 20, True)])
def test_an_interval_takes_20_classes_and_20_groups(n_classes, n_groups, known):
    figure = statistics.Intervals(np.arange(60) % n_classes, np.arange(60) % n_groups, 1).mean(np.arange(60) % 2, "share")
    assert figure["value"] == 0.5 and figure["groups"] == n_groups
    assert (figure["low"] is not None) == (figure["high"] is not None) == known


def test_the_interval_of_a_mean_over_classes_of_one_size_is_that_of_the_mean_over_images():
    rng = np.random.default_rng(2)
    truth = np.repeat(np.arange(40), 3)
    figures = identification.closed_set(rng.random((120, 40)) + 0.7 * np.eye(40)[truth], truth, np.arange(120), np.ones(120), 5)
    low, high = figures["top1"]["low"], figures["top1"]["high"]
    assert low < high and (figures["macro_top1"]["low"], figures["macro_top1"]["high"]) == pytest.approx((low, high))


def test_the_interval_of_macro_f1_over_classes_of_one_image_without_confusion_is_that_of_a_share():
    wrong = np.random.default_rng(8).random(60) < 0.3  # named as classes that are not in truth
    figures = identification.closed_set(np.eye(120)[np.arange(60) + 60 * wrong], np.arange(60), np.arange(60), np.ones(60), 1)
    low, high = figures["top1"]["low"], figures["top1"]["high"]
    assert low < high and (figures["macro_f1"]["low"], figures["macro_f1"]["high"]) == pytest.approx((low, high))


def test_resamples_of_macro_f1_are_as_good_as_the_sample():
    figure = identification.closed_set(*named(3, n=1500, n_classes=100), seed=1)["macro_f1"]
    width = figure["high"] - figure["low"]
    assert 0.02 < width < 0.2 and (figure["low"] + figure["high"]) / 2 == pytest.approx(figure["value"], abs=0.2 * width)


def test_the_same_seed_gives_the_same_figures_and_another_other_intervals():
    figures = [identification.closed_set(*named(4, n_classes=30), seed=seed) for seed in (1, 1, 2)]
    assert figures[0] == figures[1] and figures[0]["top1"]["low"] != figures[2]["top1"]["low"]


@pytest.mark.parametrize("seed", range(5))
def test_shares_right_and_f1_equal_those_of_scikit_learn(seed):
    scores, truth, groups, support = named(seed)
    value, best = values(identification.closed_set(scores, truth, groups, support, 1)), scores.argmax(axis=1)
    for name, k in (("top1", 1), ("top5", 5)):
        assert value[name] == pytest.approx(sklearn_metrics.top_k_accuracy_score(truth, scores, k=k, labels=range(12)))
    assert value["macro_top1"] == pytest.approx(sklearn_metrics.balanced_accuracy_score(truth, best))
    assert value["macro_f1"] == pytest.approx(sklearn_metrics.f1_score(truth, best, average="macro"))


def test_macro_figures_are_over_the_classes_that_are_asked_for():
    scores, truth, groups, support = named(6, n_classes=20)
    kept = truth % 2 == 0
    value = values(identification.closed_set(scores[kept], truth[kept], groups[kept], support[kept], 1))
    expected = sklearn_metrics.f1_score(truth[kept], scores[kept].argmax(axis=1), labels=range(0, 20, 2), average="macro")
    assert value["macro_f1"] == pytest.approx(expected)


def test_figures_of_a_closed_set_counted_by_hand():
    scores = [[9, 1, 0], [1, 9, 0], [9, 1, 0], [0, 1, 9]]
    value = values(identification.closed_set(scores, [0, 0, 0, 2], list("aabc"), [1, 2, 2, 7], 1))
    assert value == pytest.approx({"top1": 3 / 4, "top5": 1, "macro_top1": (2 / 3 + 1) / 2, "macro_f1": (4 / 5 + 1) / 2,
                                   "top1_support_1": 1, "top1_support_2": 1 / 2, "top1_support_4_or_more": 1})


def test_support_has_its_own_images_and_groups():
    scores, truth, groups, support = named(7)
    figures = identification.closed_set(scores, truth, groups, support, 1)
    for size, name in ((1, "1"), (2, "2"), (3, "3"), (4, "4_or_more")):
        at, figure = np.minimum(support, 4) == size, figures.get(f"top1_support_{name}")
        assert at.any() == (figure is not None)
        assert not at.any() or (figure["value"], figure["n"], figure["groups"]) == pytest.approx(
            ((scores[at].argmax(axis=1) == truth[at]).mean(), at.sum(), len(set(groups[at]))))


def test_constant_scores_are_right_by_chance():
    truth = np.repeat(np.arange(20), 5)
    value = values(identification.closed_set(np.zeros((100, 20)), truth, np.arange(100), np.full(100, 3), 1))
    assert value == pytest.approx({"top1": 1 / 20, "top5": 1 / 4, "macro_top1": 1 / 20, "macro_f1": 1 / 20, "top1_support_3": 1 / 20})


@pytest.mark.parametrize("seed", range(3))
def test_equal_scores_count_as_if_drawn_in_every_order(seed):
    scores, truth, groups, support = named(seed, n=20, n_classes=6, levels=3)
    value = values(identification.closed_set(scores, truth, groups, support, 1))
    ranks = [(np.array(order)[np.argsort(-scores[:, order], axis=1, kind="stable")] == truth[:, None]).argmax(axis=1)
             for order in permutations(range(6))]
    assert (value["top1"], value["top5"]) == pytest.approx((np.less(ranks, 1).mean(), np.less(ranks, 5).mean()))


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_the_order_of_images_and_of_columns_changes_nothing(seed):
    scores, truth, groups, support = named(seed, n=15, n_classes=4, levels=3)
    images, columns = (np.random.default_rng(seed).permutation(n) for n in scores.shape)
    expected = values(identification.closed_set(scores, truth, groups, support, 1))
    shuffled = identification.closed_set(scores[images][:, columns], columns.argsort()[truth[images]], groups[images], support[images], 1)
    assert values(shuffled) == pytest.approx(expected)
    assert all(0 <= value <= 1 for value in expected.values()) and expected["top1"] <= expected["top5"]


def by_definition(hits, n_relevant):
    """hits: whether each image is relevant, nearest first."""
    precision = [sum(hits[:k]) / k for k in range(1, n_relevant + 1)]
    return (any(hits[:1]), any(hits[:5]), sum(hits[:n_relevant]) / n_relevant,
            sum(p for p, hit in zip(precision, hits) if hit) / n_relevant)


def retrieved(embeddings, labels, groups, orders):
    """The mean of the definitions over queries, and over the orders in which images are looked at; and the lone."""
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-9)
    found, lone = [], 0
    for query in range(len(labels)):
        others = [k for k in range(len(labels)) if groups[k] != groups[query]]
        n_relevant = sum(labels[k] == labels[query] for k in others)
        lone += n_relevant == 0
        for order in orders(others) if n_relevant else []:
            ranked = sorted(order, key=lambda k: -round(float(unit[query] @ unit[k]), 9))
            found.append((query, *by_definition([labels[k] == labels[query] for k in ranked], n_relevant)))
    queries, found = np.array(found)[:, 0], np.array(found)[:, 1:]
    means = np.mean([found[queries == query].mean(axis=0) for query in np.unique(queries)], axis=0)
    return dict(zip(("recall_at_1", "recall_at_5", "r_precision", "map_at_r"), means), lone_queries=lone)


@pytest.mark.parametrize("seed", range(5))
def test_retrieval_equals_a_loop_by_the_definitions(seed):
    embeddings, labels, groups = embedded(seed, n_labels=15)
    assert values(identification.retrieval(embeddings, labels, groups, 1)) == pytest.approx(retrieved(embeddings, labels, groups, lambda order: [order]))


@pytest.mark.parametrize("seed", range(8))
def test_equal_similarities_count_as_if_drawn_in_every_order(seed):
    rng = np.random.default_rng(seed)
    embeddings, labels, groups = rng.integers(0, 2, (7, 2)), rng.integers(0, 2, 7), rng.integers(0, 7, 7)
    assert values(identification.retrieval(embeddings, labels, groups, 1)) == pytest.approx(retrieved(embeddings, labels, groups, permutations))


def test_the_definitions_give_the_examples_of_musgrave():
    hits = np.zeros((3, 20), bool)
    hits[0, 0] = hits[1, [0, 9]] = hits[2, :2] = True  # of ten that are sought
    assert [by_definition(list(row), 10)[2:] for row in hits] == [pytest.approx(pair) for pair in ((0.1, 0.1), (0.2, 0.12), (0.2, 0.2))]


def test_images_of_the_same_group_are_neither_found_nor_in_the_way():
    embeddings = [[1, 0], [1, 0.01], [1, 0.3], [1, 0.5], [0, 1]]
    figures = identification.retrieval(embeddings, list("xxyxz"), list("aabbc"), 1)
    # The queries are images 1, 2 and 4: the first two pass over each other and find 4 behind 3; 4 finds both.
    assert values(figures) == pytest.approx({"recall_at_1": 1 / 3, "recall_at_5": 1, "r_precision": 1 / 3, "map_at_r": 1 / 3, "lone_queries": 2})
    assert (figures["map_at_r"]["n"], figures["map_at_r"]["groups"]) == (3, 2) and figures["lone_queries"]["n"] == 5


def test_rotation_length_and_order_change_nothing_in_retrieval():
    embeddings, labels, groups = embedded(9)
    expected, rng = values(identification.retrieval(embeddings, labels, groups, 1)), np.random.default_rng(9)
    turned, order = embeddings @ ortho_group.rvs(8, random_state=1), rng.permutation(60)
    assert values(identification.retrieval(turned * rng.uniform(0.1, 9, (60, 1)), labels, groups, 1)) == pytest.approx(expected)
    assert values(identification.retrieval(embeddings[order], labels[order], groups[order], 1)) == pytest.approx(expected)


def test_blocks_of_any_size_give_the_same(monkeypatch):
    figures = identification.retrieval(*embedded(10), 1)
    for at_once in (1, 700):
        monkeypatch.setattr(identification, "SIMILARITIES_AT_ONCE", at_once)
        assert identification.retrieval(*embedded(10), 1) == figures


def test_retrieval_is_perfect_for_one_direction_a_label_and_by_chance_for_one_in_all():
    labels = np.repeat(np.arange(10), 8)
    value = values(identification.retrieval(np.eye(10)[labels], labels, np.arange(80), 1))
    assert value == {"recall_at_1": 1, "recall_at_5": 1, "r_precision": 1, "map_at_r": 1, "lone_queries": 0}
    for constant in (np.zeros((80, 4)), np.outer(np.random.default_rng(1).uniform(0.1, 9, 80), [0.3, 0.1, 0.7])):
        value = values(identification.retrieval(constant, labels, np.arange(80), 1))
        assert (value["recall_at_1"], value["r_precision"]) == pytest.approx((7 / 79, 7 / 79))
        assert value["recall_at_5"] == pytest.approx(1 - np.prod([(72 - k) / (79 - k) for k in range(5)]))


def test_a_zero_vector_is_as_far_from_all_and_harms_no_other():
    value = values(identification.retrieval([[0, 0], [1, 0], [1, 0.1]], list("xyy"), list("abc"), 1))
    assert value["recall_at_1"] == 1 and value["lone_queries"] == 1


@pytest.mark.parametrize("seed, levels", [(1, 1000), (2, 1000), (3, 7), (4, 2)])
def test_rejection_equals_scikit_learn_and_a_loop_over_thresholds(seed, levels):
    score, known, right, *units = opened(seed, levels=levels)
    value = values(identification.open_set(score, known, right, *units, 1))
    assert value["unknown_auroc"] == pytest.approx(sklearn_metrics.roc_auc_score(known, score))
    false, true, _ = sklearn_metrics.roc_curve(known, score, drop_intermediate=False)
    assert value["unknown_fpr95"] == pytest.approx(false[(true >= 0.95).argmax()])
    curve = [(0, 0)] + [((score[~known] >= t).mean(), (right & (score >= t))[known].mean()) for t in sorted(set(score), reverse=True)]
    assert value["oscr"] == pytest.approx(sum((x - x0) * (y + y0) / 2 for (x0, y0), (x, y) in zip(curve, curve[1:])))


def test_rejection_counted_by_hand():
    known = np.arange(24) < 20
    score = np.append(np.arange(20), [0, 0.5, 1, 30])  # 19 of 20 known, and the two last, are let in from 1 up
    figures = identification.open_set(score, known, np.arange(24) != 19, np.arange(24), np.arange(24), 1)
    assert values(figures) == pytest.approx({
        "unknown_auroc": (19.5 + 19 + 18.5 + 0) / 80, "unknown_fpr95": 1 / 2, "oscr": (18.5 + 18 + 17.5 + 0) / 80})  # known images above each unknown
    assert [figure["n"] for figure in figures.values()] == [24, 4, 24]


def test_perfect_and_constant_rejection():
    known = np.arange(60) < 40
    units = np.arange(60), np.arange(60), 1
    assert values(identification.open_set(known, known, known, *units)) == {"unknown_auroc": 1, "unknown_fpr95": 0, "oscr": 1}
    assert values(identification.open_set(known * 0, known, known, *units)) == {"unknown_auroc": 0.5, "unknown_fpr95": 1, "oscr": 0.5}
    assert values(identification.open_set(known, known, known * 0, *units))["oscr"] == 0
    assert values(identification.open_set(known, known, known | True, *units))["oscr"] == 1  # an unknown image is never right


@pytest.mark.parametrize("known", [True, False])
def test_without_known_or_without_unknown_images_rejection_is_undefined(known):
    figures = identification.open_set(np.arange(30), np.full(30, known), np.full(30, known), np.arange(30), np.arange(30), 1)
    assert {(figure["value"], figure["low"], figure["high"]) for figure in figures.values()} == {(None, None, None)}


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_the_order_of_images_changes_nothing_in_the_open_set_calibration_and_risk(seed):
    score, known, right, *units = opened(seed, n=19, levels=5)
    order = np.random.default_rng(seed).permutation(19)
    for function, arrays in ((identification.open_set, [score, known, right]), (calibration.calibration, [score, right])):
        shuffled = function(*(array[order] for array in arrays + units), 1)
        assert values(shuffled) == pytest.approx(values(function(*arrays, *units, 1)))
    (left, errors), (_, again) = (list(calibration.risk_coverage(score[by], right[by]).values())[:2] for by in (np.arange(19), order))
    assert again == pytest.approx(errors) and left == pytest.approx([k / 19 for k in range(1, 20)])


def test_intervals_of_the_open_set_and_calibration_hold_the_value():
    score, known, right, *units = opened(5)
    figures = {**identification.open_set(score, known, right, *units, 1), **calibration.calibration(score / 2, right, *units, 1)}
    assert all(figure["low"] < figure["value"] < figure["high"] and figure["groups"] == len(set(units[1])) for figure in figures.values())


@pytest.mark.parametrize("n", [7, 15, 100, 455])
def test_calibration_equals_a_loop_over_15_bins_of_equal_mass_and_scikit_learn(n):
    rng = np.random.default_rng(n)
    probability = rng.random(n)
    right = rng.random(n) < probability ** 2
    ranked, total = np.argsort(probability), 0
    for k in range(15):
        members = [image for rank, image in enumerate(ranked) if (2 * rank + 1) * 15 // (2 * n) == k]
        total += abs(probability[members].mean() - right[members].mean()) * len(members) / n if members else 0
    value = values(calibration.calibration(probability, right, np.arange(n), np.arange(n), 1))
    assert value == pytest.approx({"ece": total, "brier": sklearn_metrics.brier_score_loss(right, probability, labels=[0, 1])})


def test_a_constant_probability_that_is_the_share_right_is_calibrated():
    right = np.random.default_rng(1).permutation(100) < 70
    assert values(calibration.calibration(np.full(100, 0.7), right, np.arange(100), np.arange(100), 1)) == pytest.approx({"ece": 0, "brier": 0.21})


def test_reliability_counted_by_hand():
    assert calibration.reliability([0.9, 0.2, 0.4, 0.8], [1, 0, 1, 1], 2) == [
        {"probability": pytest.approx(0.3), "right": 0.5, "n": 2}, {"probability": pytest.approx(0.85), "right": 1, "n": 2}]
    assert calibration.reliability([0.5, 0.5, 0.5], [1, 0, 0], 15) == [{"probability": 0.5, "right": pytest.approx(1 / 3), "n": 3}]
    sizes = [entry["n"] for entry in calibration.reliability(np.random.default_rng(1).random(100), np.ones(100), 15)]
    assert len(sizes) == 15 and set(sizes) == {6, 7}


def test_risk_falls_with_the_least_sure_counted_by_hand():
    curve = calibration.risk_coverage([0.6, 0.9, 0.7, 0.8], [False, True, False, True])
    assert curve["coverages"] == [0.25, 0.5, 0.75, 1] and curve["errors"] == pytest.approx([0, 0, 1 / 3, 1 / 2])
    assert curve["aurc"]["value"] == pytest.approx((1 / 3 + 1 / 2) / 4)


def test_risk_of_equals_is_the_mean_over_every_order():
    probability, right = np.array([0.9, 0.5, 0.5, 0.5, 0.2]), np.array([True, False, True, True, False])
    errors = [np.cumsum(~right[[0, *order, 4]]) / np.arange(1, 6) for order in permutations([1, 2, 3])]
    assert calibration.risk_coverage(probability, right)["errors"] == pytest.approx(np.mean(errors, axis=0))


def test_coverage_and_size_of_sets_counted_by_hand():
    sets = [[True, True, False], [False, False, True], [False, False, False], [True, True, True]]
    assert values(identification.conformal(sets, [1, 0, 2, 2])) == {"coverage": 1 / 2, "mean_set_size": 6 / 4}


@pytest.mark.parametrize("seed", range(3))
def test_agreement_of_clusters_equals_scikit_learn_with_the_unclustered_alone(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 8, 150)
    clusters = np.where(rng.random(150) < 0.2, -1, np.where(rng.random(150) < 0.7, labels, rng.integers(0, 8, 150)))
    own = [f"alone {k}" if cluster == -1 else str(cluster) for k, cluster in enumerate(clusters)]
    value = values(identification.clustering(clusters, labels))
    assert value["cluster_ami"] == pytest.approx(sklearn_metrics.adjusted_mutual_info_score(labels, own))
    assert value["ari"] == pytest.approx(sklearn_metrics.adjusted_rand_score(labels, own))
    assert value["v_measure"] == pytest.approx(sklearn_metrics.v_measure_score(labels, own))
    order = rng.permutation(150)
    assert values(identification.clustering(rng.permutation(8)[clusters[order]] * (clusters[order] >= 0) - (clusters[order] < 0), labels[order])) == \
        pytest.approx(value)


def test_clusters_counted_by_hand():
    figures = identification.clustering([4, 4, 4, 9, 9, -1, -1], list("xxyyyxz"))
    value = values(figures)
    assert value["purity"] == pytest.approx(6 / 7) and value["share_unclustered"] == pytest.approx(2 / 7)
    assert (value["n_clusters"], value["n_classes"]) == (2, 3)
    assert {(figure["low"], figure["high"], figure["n"]) for figure in figures.values()} == {(None, None, 7)}


def test_perfect_clusters_agree_wholly_and_random_ones_by_nothing_but_chance():
    rng, labels = np.random.default_rng(1), np.repeat(np.arange(10), 30)
    perfect, random = (values(identification.clustering(clusters, labels)) for clusters in (labels + 7, rng.permutation(labels)))
    assert [perfect[name] for name in ("cluster_ami", "ari", "v_measure", "purity")] == pytest.approx([1] * 4)
    assert random["cluster_ami"] == pytest.approx(0, abs=0.03) and random["ari"] == pytest.approx(0, abs=0.03)


def test_of_two_systems_one_is_better_only_where_the_interval_says_so():
    rng = np.random.default_rng(1)
    strong, weak, units = rng.random(300) < 0.9, rng.random(300) < 0.5, (np.arange(300) // 3, np.arange(300))
    figure, other = statistics.paired(strong, weak, *units, 1), statistics.paired(weak, strong, *units, 1)
    assert figure["value"] == pytest.approx(strong.mean() - weak.mean()) and other["value"] == -figure["value"]
    assert (figure["verdict"], other["verdict"]) == ("better", "worse") and figure["low"] > 0 > other["high"]
    assert statistics.paired(strong, strong, *units, 1)["verdict"] == "not distinguishable"
    assert statistics.paired(strong[:50], weak[:50], *(unit[:50] for unit in units), 1)["verdict"] == "not distinguishable"  # 17 classes


def test_the_interval_of_a_paired_difference_is_that_of_the_normal_distribution():
    a, b = np.arange(400) < 240, (np.arange(400) >= 40) & (np.arange(400) < 240)
    figure = statistics.paired(a, b, np.arange(400), np.arange(400), 1)
    half = 1.96 * np.sqrt(0.1 * 0.9 / 400)
    assert (figure["value"], figure["low"], figure["high"]) == pytest.approx((0.1, 0.1 - half, 0.1 + half), abs=0.005)


def test_of_no_image_all_figures_are_null_and_nothing_crashes():
    none = np.zeros(0)
    figures = {
        **identification.closed_set(np.zeros((0, 5)), [], [], [], 1), **identification.closed_set(np.zeros((0, 0)), [], [], [], 1),
        **identification.retrieval(np.zeros((0, 8)), [], [], 1), **identification.open_set(none, none, none, [], [], 1),
        **calibration.calibration(none, none, [], [], 1), **identification.conformal(np.zeros((0, 5)), []),
        **identification.clustering([], []), "paired": statistics.paired([], [], [], [], 1), "aurc": calibration.risk_coverage([], [])["aurc"],
    }
    known = {name: figure["value"] for name, figure in figures.items() if figure["value"] is not None}
    assert known == {"lone_queries": 0, "n_clusters": 0, "n_classes": 0} and len(figures) == 25
    assert "NaN" not in json.dumps(figures) and figures["paired"]["verdict"] == "not distinguishable"
    assert calibration.reliability([], [], 15) == calibration.risk_coverage([], [])["errors"] == []


def test_one_image_alone_gives_no_nan_and_can_be_written_as_json():
    one = np.ones(1)
    figures = [identification.closed_set([[1, 2]], [1], ["a"], [1], 1), identification.retrieval([[1, 2]], ["x"], ["a"], 1),
               identification.open_set(one, one, one, ["x"], ["a"], 1), calibration.calibration(one, one, ["x"], ["a"], 1),
               identification.clustering([-1], ["x"]), calibration.risk_coverage(one, one), statistics.paired(one, one, ["x"], ["a"], 1)]
    assert "NaN" not in json.dumps(figures, allow_nan=False)
    assert values(figures[1]) == {"recall_at_1": None, "recall_at_5": None, "r_precision": None, "map_at_r": None, "lone_queries": 1}
