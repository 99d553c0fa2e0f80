"""Exact search in a gallery, against brute force and scikit-learn."""

import numpy as np
import pytest

import exact_search
from entoflow.dataset import Image
from entoflow.identification import gallery
from entoflow.task import InputError

WHO = {"by": "ada", "at": "2026-11-05T10:00:00+00:00"}


def draw_vectors(n, seed=0, d=6):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


@pytest.fixture
def fill(tmp_path):
    """Return a function that makes a gallery of vectors, in enrolments of some sizes."""

    def _fill(vectors, sizes):
        opened = gallery.create(tmp_path / "filled", "m", vectors.shape[1])
        images = [
            Image(id=n, file_name=f"{n}", label=f"c{n % 7}", sha256=f"{n}")
            for n in range(len(vectors))
        ]
        start = 0
        for size in sizes:
            end = start + size
            opened.enrol(vectors[start:end], images[start:end], "m", **WHO, source="x")
            start = end
        return opened

    return _fill


@pytest.fixture(params=[False, True], ids=["float32", "bfloat16"])
def small_blocks(request, monkeypatch):
    """Search in many small blocks, with and without rounding first, whatever the processor."""
    monkeypatch.setattr(exact_search, "BLOCK", 100)
    monkeypatch.setattr(exact_search, "BATCH", 16)
    monkeypatch.setattr(exact_search, "PAIRS", 3000)
    monkeypatch.setattr(exact_search, "HALF_FROM", 1)
    monkeypatch.setattr(exact_search, "has_fast_half", lambda: request.param)


def by_brute_force(rows, queries, k):
    """Return (cosines in float64 rounded to float32, rows); of equal ones the lower row first."""
    products = queries[:, None].astype(float) * rows[None].astype(float)
    cosines = products.sum(2).astype(np.float32)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(cosines, order, 1), order


def repeated():
    order = np.random.default_rng(3).permutation(730)
    return np.repeat(draw_vectors(73, d=24), 10, axis=0)[order]


def integers(n, seed):
    return np.random.default_rng(seed).integers(1, 4, (n, 5))


@pytest.mark.parametrize("k", [1, 5, 60, 1000])
@pytest.mark.parametrize(
    "rows, queries",
    [
        (draw_vectors(730, d=24), draw_vectors(50, 1, d=24)),
        # as untrained networks do: all cosines near 1
        (draw_vectors(730, d=24) * 1e-4 + 1, draw_vectors(50, 1, d=24) * 1e-4 + 1),
        (repeated(), draw_vectors(50, d=24)),
        (integers(730, 4), integers(50, 5)),
        (np.ones((730, 4)), np.ones((50, 4))),
    ],
    ids=["spread", "all alike", "ten of each", "many ties", "all equal"],
)
def test_search_equals_brute_force_in_values_rows_and_ties(fill, small_blocks, rows, queries, k):
    opened = fill(rows, [300, 1, 9, 420])
    opened.remove(**WHO, label="c3")
    cosines, nearest = exact_search.search_gallery(opened, queries, k)
    unit_queries = gallery.unit(queries, "queries")
    expected_cosines, expected = by_brute_force(opened.embeddings(), unit_queries, k)
    np.testing.assert_array_equal(nearest, expected)
    np.testing.assert_array_equal(cosines, expected_cosines)


def test_search_agrees_with_the_nearest_neighbours_of_scikit_learn(fill):
    from sklearn.neighbors import NearestNeighbors

    vectors = draw_vectors(3000, d=32)
    queries = draw_vectors(600, 1, d=32)
    model = NearestNeighbors(n_neighbors=4, metric="cosine", algorithm="brute").fit(vectors)
    distances, order = model.kneighbors(queries)
    cosines, rows = exact_search.search_gallery(fill(vectors, [1000, 2000]), queries, 4)
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_allclose(cosines, 1 - distances, atol=1e-6)


def test_no_search_returns_what_was_removed(fill):
    vectors = draw_vectors(70)
    opened = fill(vectors, [70])
    _, nearest = exact_search.search_gallery(opened, vectors, 1)
    assert nearest[:, 0].tolist() == list(range(70))
    opened.remove(**WHO, label="c2")
    opened.remove(**WHO, images=["0", "1"])
    _, rows = exact_search.search_gallery(opened, vectors, 70)
    present = {opened.images[row] for row in rows.ravel()}
    assert present == {f"{n}" for n in range(2, 70) if n % 7 != 2}


def test_search_does_not_depend_on_the_lengths_of_the_vectors(fill):
    opened = fill(draw_vectors(40), [40])
    queries = draw_vectors(5, 1)
    expected = exact_search.search_gallery(opened, queries, 3)
    np.testing.assert_array_equal(exact_search.search_gallery(opened, queries * 8, 3), expected)


@pytest.mark.parametrize(
    "n, m, k, shape", [(0, 3, 5, (3, 0)), (2, 3, 5, (3, 2)), (2, 0, 1, (0, 1))]
)
def test_a_search_for_more_than_there_is_is_cut(fill, n, m, k, shape):
    opened = fill(draw_vectors(n), [n])
    cosines, rows = exact_search.search_gallery(opened, draw_vectors(m, 1), k)
    assert cosines.shape == rows.shape == shape


@pytest.mark.parametrize(
    "queries, sentence",
    [
        (draw_vectors(1, d=4), r"embeddings of shape \(1, 4\); wanted n x 6"),
        (
            np.array([[1.0] * 6, [np.nan] * 6]),
            "queries: embedding 2 of 2 has length nan; wanted finite numbers",
        ),
    ],
)
def test_queries_of_another_kind_are_refused(fill, queries, sentence):
    with pytest.raises(InputError, match=sentence):
        exact_search.search_gallery(fill(draw_vectors(4), [4]), queries, 1)
