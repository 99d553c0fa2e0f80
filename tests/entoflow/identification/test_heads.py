import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import multivariate_normal, ortho_group
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge

from entoflow.identification import heads

NAMES = list(heads.HEADS)


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def tables(seed, n_classes=6, each=4, size=16, spread=0.5, asked=80):
    """Return (vectors, labels, queries, their labels): Gaussian classes around random means."""
    rng = np.random.default_rng(seed)
    means, labels, truth = rng.normal(size=(n_classes, size)), np.repeat(np.arange(n_classes), each), rng.integers(0, n_classes, asked)
    vectors, queries = (unit(means[at] + spread * rng.normal(size=(len(at), size))) for at in (labels, truth))
    return vectors, labels, queries, truth


def test_the_ladder_has_the_six_ways_of_the_docstring_each_by_its_own_name():
    assert NAMES == ["nearest", "class_mean", "cache", "lda", "ridge", "logistic"] and all(heads.HEADS[name].__name__ == name for name in NAMES)


@pytest.mark.parametrize("seed", range(3))
def test_nearest_is_the_best_cosine_of_a_plain_loop(seed):
    vectors, labels, queries, _ = tables(seed)
    expected = [[max(float(q @ v) for v, label in zip(vectors, labels) if label == c) for c in range(6)] for q in queries]
    np.testing.assert_allclose(heads.nearest(vectors, labels, 6)(queries), expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_class_mean_is_the_cosine_to_the_mean_of_centred_vectors_of_a_plain_loop(seed):
    vectors, labels, queries, _ = tables(seed)
    middle = vectors.mean(axis=0)

    def cosine(a, b):
        return a @ b / np.sqrt((a @ a) * (b @ b))

    means = []
    for c in range(6):
        moved = [v - middle for v, label in zip(vectors, labels) if label == c]
        means.append(sum(v / np.sqrt(v @ v) for v in moved))
    np.testing.assert_allclose(heads.class_mean(vectors, labels, 6)(queries), [[cosine(q - middle, m) for m in means] for q in queries], atol=1e-5)


def test_cache_adds_the_mean_likeness_of_a_class_to_its_mean():
    vectors, labels, queries, _ = tables(1)
    near = [[np.mean([np.exp(-20 * (1 - q @ v)) for v in vectors[labels == c]]) for c in range(6)] for q in queries]
    np.testing.assert_allclose(heads.cache(vectors, labels, 6)(queries), heads.class_mean(vectors, labels, 6)(queries) + near, atol=1e-5)


@pytest.mark.parametrize("each, size", [(2, 64), (30, 16)])
def test_ridge_is_that_of_scikit_learn_less_the_share_of_the_class(each, size):
    vectors, labels, queries, _ = tables(2, each=each, size=size)
    vectors, labels = vectors[1:], labels[1:]
    middle = vectors.mean(axis=0)
    scale = np.sqrt(((vectors - middle) ** 2).sum(axis=1).mean())
    fitted = Ridge(alpha=1.0).fit((vectors - middle) / scale, np.eye(6)[labels])
    expected = fitted.predict((queries - middle) / scale) - np.bincount(labels) / len(labels)
    np.testing.assert_allclose(heads.ridge(vectors, labels, 6)(queries), expected, atol=1e-4)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_logistic_gives_the_chances_of_scikit_learn(n_classes):
    vectors, labels, queries, _ = tables(3, n_classes=n_classes)
    middle = vectors.mean(axis=0)
    scale = np.sqrt(((vectors - middle) ** 2).sum(axis=1).mean())
    fitted = LogisticRegression(C=10, max_iter=5000, tol=1e-8).fit((vectors - middle) / scale, labels)
    found = softmax(heads.logistic(vectors, labels, n_classes)(queries), axis=1)
    np.testing.assert_allclose(found, fitted.predict_proba((queries - middle) / scale), atol=0.01)


def test_lda_decides_as_that_of_scikit_learn_where_classes_are_of_one_size_and_many():
    vectors, labels, queries, truth = tables(4, n_classes=8, each=100, size=12, spread=0.9, asked=1000)
    oracle = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(vectors, labels)
    found, expected = heads.lda(vectors, labels, 8)(queries).argmax(axis=1), oracle.predict(queries)
    assert 0.5 < (expected == truth).mean() < 0.99  # so that there is something to agree on
    assert (found == expected).mean() >= 0.99


@pytest.mark.parametrize("sizes", [(5, 1, 1, 3, 2, 8), (4,) * 6])
def test_lda_is_the_predictive_density_of_gaussian_classes_against_that_of_a_class_that_is_drawn_anew(sizes):
    """By Ioffe 2006: W within, B between, diagonal where W is 1; a class of n has mean m B / (B + 1/n), variance 1 + B / (n B + 1); a new one 1 + B."""
    vectors, labels, queries, _ = tables(5, each=8, size=10, spread=0.8)
    kept = np.concatenate([np.flatnonzero(labels == c)[:n] for c, n in enumerate(sizes)])
    vectors, labels = vectors[kept].astype(float), labels[kept]
    means = np.array([vectors[labels == c].mean(axis=0) for c in range(6)])
    residuals = [(v - means[c]) * np.sqrt(sizes[c] / (sizes[c] - 1)) for v, c in zip(vectors, labels) if sizes[c] > 1]
    values, axes = np.linalg.eigh(ledoit_wolf(np.array(residuals), assume_centered=True)[0])
    whiten = axes / np.sqrt(values)
    white = (means - means.mean(axis=0)) @ whiten
    between = np.maximum((white ** 2).mean(axis=0) - np.mean([1 / n for n in sizes]), 1e-3)
    asked = (queries - means.mean(axis=0)) @ whiten
    expected = np.stack([multivariate_normal(m * between / (between + 1 / n), np.diag(1 + between / (n * between + 1))).logpdf(asked)
                         for m, n in zip(white, sizes)], axis=1)
    anew = multivariate_normal(np.zeros(10), np.diag(1 + between)).logpdf(asked)
    np.testing.assert_allclose(heads.lda(vectors.astype(np.float32), labels, 6)(queries), expected - anew[:, None], atol=0.01)


def test_a_class_of_one_specimen_competes_fairly_in_lda_and_hardly_in_ridge():
    rng, right = np.random.default_rng(6), {name: [] for name in NAMES}
    for _ in range(5):
        means, labels = rng.normal(size=(6, 16)), np.repeat(np.arange(6), [1, 20, 20, 20, 20, 20])
        vectors, queries = (unit(means[at] + 0.4 * rng.normal(size=(len(at), 16))) for at in (labels, np.zeros(50, int)))
        for name in NAMES:
            right[name] += (heads.HEADS[name](vectors, labels, 6)(queries).argmax(axis=1) == 0).tolist()
    share = {name: np.mean(hits) for name, hits in right.items()}
    assert all(share[name] > 0.85 for name in ("nearest", "class_mean", "cache", "lda")) and share["lda"] > share["ridge"]


@pytest.mark.parametrize("name", NAMES)
def test_a_class_without_a_vector_never_wins_and_the_others_score_as_if_it_were_not_there(name):
    vectors, labels, queries, _ = tables(7)
    apart = np.array([0, 2, 3, 5, 6, 8])[labels]
    found = heads.HEADS[name](vectors, apart, 10)(queries)
    assert found.shape == (80, 10) and found.dtype == np.float32 and (found[:, [1, 4, 7, 9]] == -np.inf).all()
    np.testing.assert_allclose(found[:, [0, 2, 3, 5, 6, 8]], heads.HEADS[name](vectors, labels, 6)(queries), atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_equal_vectors_of_some_class_and_queries_equal_to_the_mean_have_finite_scores(name):
    vectors = unit(np.array([[1, 0], [1, 0], [0, 1], [0, 1]], float))
    found = heads.HEADS[name](vectors, np.array([0, 0, 1, 1]), 2)(np.concatenate([vectors, vectors.mean(axis=0, keepdims=True)]))
    assert np.isfinite(found).all() and found[:4].argmax(axis=1).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("seed", range(3))
def test_a_copy_of_a_specimen_changes_no_score_of_the_nearest(seed):
    vectors, labels, queries, _ = tables(seed)
    more = heads.nearest(np.concatenate([vectors, vectors[5:6]]), np.append(labels, labels[5]), 6)(queries)
    np.testing.assert_allclose(more, heads.nearest(vectors, labels, 6)(queries), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_specimens_and_the_number_of_a_class_change_no_score(name, seed):
    vectors, labels, queries, _ = tables(seed)
    rng = np.random.default_rng(seed)
    rows, numbers = rng.permutation(len(labels)), rng.permutation(6)
    found = heads.HEADS[name](vectors[rows], numbers[labels][rows], 6)(queries)
    np.testing.assert_allclose(found[:, numbers], heads.HEADS[name](vectors, labels, 6)(queries), atol=1e-2 if name == "logistic" else 1e-3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("each, size", [(4, 16), (2, 64)])
def test_turning_all_vectors_changes_no_decision(name, each, size):
    vectors, labels, queries, _ = tables(8, each=each, size=size)
    turn = ortho_group.rvs(size, random_state=1).astype(np.float32)
    found, turned = heads.HEADS[name](vectors, labels, 6)(queries), heads.HEADS[name](vectors @ turn, labels, 6)(queries @ turn)
    assert (found.argmax(axis=1) == turned.argmax(axis=1)).all()


def test_turning_all_vectors_changes_no_score_of_lda_however_few_they_are():
    vectors, labels, queries, _ = tables(8, each=2, size=64)
    turn = ortho_group.rvs(64, random_state=1)
    found, turned = (heads.lda(v.astype(np.float32), labels, 6)(q.astype(np.float32)) for v, q in ((vectors, queries), (vectors @ turn, queries @ turn)))
    np.testing.assert_allclose(found, turned, atol=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_separate_classes_are_named_right(name):
    vectors, labels, queries, truth = tables(9, spread=0.1)
    assert (heads.HEADS[name](vectors, labels, 6)(queries).argmax(axis=1) == truth).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [1, 3])
def test_a_gallery_of_one_class_names_all_by_it(name, n):
    vectors, _, queries, _ = tables(10)
    found = heads.HEADS[name](vectors[:n], np.ones(n, int), 3)(queries)
    assert np.isfinite(found[:, 1]).all() and (found[:, [0, 2]] == -np.inf).all()
