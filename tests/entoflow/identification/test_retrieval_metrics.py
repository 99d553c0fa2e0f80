import json
from dataclasses import asdict
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import ortho_group

from entoflow.identification import retrieval_metrics
from entoflow.identification.retrieval_metrics import retrieval

NAMES = ("recall_at_1", "recall_at_5", "r_precision", "map_at_r")


def values(of_names):
    return {name: metric.value for name, metric in of_names.items()}


def draw(seed, n=60, n_labels=6, n_groups=25):
    """Return (vectors (n, 8), labels, groups)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_labels, n)
    vectors = rng.normal(size=(n_labels, 8))[labels] + rng.normal(size=(n, 8))
    return vectors, labels, rng.integers(0, n_groups, n)


def by_definition(hits, n_targets):
    """Return recall at 1 and 5, R-precision and MAP@R.

    hits: whether each image is a target, nearest first.
    """
    precisions = [sum(hits[:k]) / k for k in range(1, n_targets + 1)]
    at_hits = [precision for precision, hit in zip(precisions, hits) if hit]
    first = hits[:n_targets]
    return any(hits[:1]), any(hits[:5]), sum(first) / n_targets, sum(at_hits) / n_targets


def by_loop(vectors, labels, groups, orders_of):
    """Return the mean of the definitions over queries, and over orders of looking at images.

    orders_of(images): the orders; equals stay in the order in which they are looked at.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = vectors / np.maximum(lengths, 1e-9)
    per_query = []
    n_lone = 0
    for query in range(len(labels)):
        others = [k for k in range(len(labels)) if groups[k] != groups[query]]
        n_targets = sum(labels[k] == labels[query] for k in others)
        if not n_targets:
            n_lone += 1
            continue
        cosines = [round(float(directions[query] @ other), 9) for other in directions]
        measures = []
        for order in orders_of(others):
            ranked = sorted(order, key=lambda k: -cosines[k])  # noqa: B023
            hits = [labels[k] == labels[query] for k in ranked]
            measures.append(by_definition(hits, n_targets))
        per_query.append(np.mean(measures, axis=0))
    return dict(zip(NAMES, np.mean(per_query, axis=0)), lone_queries=n_lone)


def one_order(images):
    return [images]


@pytest.mark.parametrize("seed", range(5))
def test_retrieval_equals_a_loop_by_the_definitions(seed):
    data = draw(seed, n_labels=15)
    assert values(retrieval(*data, 1)) == pytest.approx(by_loop(*data, one_order))


@pytest.mark.parametrize("seed", range(8))
def test_equal_similarities_count_as_if_drawn_in_every_order(seed):
    rng = np.random.default_rng(seed)
    data = rng.integers(0, 2, (7, 2)), rng.integers(0, 2, 7), rng.integers(0, 7, 7)
    assert values(retrieval(*data, 1)) == pytest.approx(by_loop(*data, permutations))


@pytest.mark.parametrize(
    "hits, r_precision, map_at_r", [([0], 0.1, 0.1), ([0, 9], 0.2, 0.12), ([0, 1], 0.2, 0.2)]
)
def test_the_definitions_give_the_examples_of_musgrave(hits, r_precision, map_at_r):
    is_hit = [rank in hits for rank in range(20)]
    measures = by_definition(is_hit, 10)  # of ten that are sought
    assert measures[2:] == pytest.approx((r_precision, map_at_r))


def test_images_of_the_same_group_are_neither_found_nor_in_the_way():
    vectors = [[1, 0], [1, 0.01], [1, 0.3], [1, 0.5], [0, 1]]
    measured = retrieval(vectors, list("xxyxz"), list("aabbc"), 1)
    # The queries are images 1, 2 and 4: the first two pass over each other and find 4 behind 3; 4
    # finds both.
    assert values(measured) == pytest.approx(
        {
            "recall_at_1": 1 / 3,
            "recall_at_5": 1,
            "r_precision": 1 / 3,
            "map_at_r": 1 / 3,
            "lone_queries": 2,
        }
    )
    assert (measured["map_at_r"].n, measured["map_at_r"].groups) == (3, 2)
    assert measured["lone_queries"].n == 5


def test_rotation_length_and_order_change_nothing():
    vectors, labels, groups = draw(9)
    expected = values(retrieval(vectors, labels, groups, 1))
    rng = np.random.default_rng(9)
    turned = vectors @ ortho_group.rvs(8, random_state=1) * rng.uniform(0.1, 9, (60, 1))
    assert values(retrieval(turned, labels, groups, 1)) == pytest.approx(expected)
    order = rng.permutation(60)
    shuffled = retrieval(vectors[order], labels[order], groups[order], 1)
    assert values(shuffled) == pytest.approx(expected)


def test_blocks_of_any_size_give_the_same(monkeypatch):
    expected = retrieval(*draw(10), 1)
    for at_once in (1, 700):
        monkeypatch.setattr(retrieval_metrics, "SIMILARITIES_AT_ONCE", at_once)
        assert retrieval(*draw(10), 1) == expected


def test_it_is_perfect_for_one_direction_a_label():
    labels = np.repeat(np.arange(10), 8)
    value = values(retrieval(np.eye(10)[labels], labels, np.arange(80), 1))
    assert value == {**dict.fromkeys(NAMES, 1), "lone_queries": 0}


@pytest.mark.parametrize(
    "vectors",
    [
        np.zeros((80, 4)),
        np.outer(np.random.default_rng(1).uniform(0.1, 9, 80), [0.3, 0.1, 0.7]),
    ],
    ids=["zeros", "one direction"],
)
def test_it_is_by_chance_for_one_direction_in_all(vectors):
    value = values(retrieval(vectors, np.repeat(np.arange(10), 8), np.arange(80), 1))
    assert value["recall_at_1"] == pytest.approx(7 / 79)
    assert value["r_precision"] == pytest.approx(7 / 79)
    misses = [(72 - k) / (79 - k) for k in range(5)]
    assert value["recall_at_5"] == pytest.approx(1 - np.prod(misses))


def test_a_zero_vector_is_as_far_from_all_and_harms_no_other():
    value = values(retrieval([[0, 0], [1, 0], [1, 0.1]], list("xyy"), list("abc"), 1))
    assert value["recall_at_1"] == 1
    assert value["lone_queries"] == 1


@pytest.mark.parametrize(
    "vectors, labels, groups, n_lone",
    [(np.zeros((0, 8)), [], [], 0), ([[1, 2]], ["x"], ["a"], 1)],
    ids=["no image", "one image"],
)
def test_without_a_query_all_is_null_but_the_lone_ones(vectors, labels, groups, n_lone):
    measured = retrieval(vectors, labels, groups, 1)
    assert values(measured) == {**dict.fromkeys(NAMES), "lone_queries": n_lone}
    json.dumps({name: asdict(metric) for name, metric in measured.items()}, allow_nan=False)
