import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import multivariate_normal, ortho_group
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge

from blobs import at_length_one
from entoflow.identification import heads

NAMES = list(heads.HEADS)


def draw(seed, n_classes=6, each=4, size=16, spread=0.5, n_queries=80):
    """Return (vectors, labels, queries, their labels): normal classes around random means."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(n_classes, size))
    labels = np.repeat(np.arange(n_classes), each)
    truth = rng.integers(0, n_classes, n_queries)
    vectors = at_length_one(means[labels] + spread * rng.normal(size=(len(labels), size)))
    queries = at_length_one(means[truth] + spread * rng.normal(size=(len(truth), size)))
    return vectors, labels, queries, truth


def standardise(vectors, queries):
    """Return both, moved and scaled so that vectors have mean 0 and a mean squared length of 1."""
    middle = vectors.mean(axis=0)
    size = np.sqrt(((vectors - middle) ** 2).sum(axis=1).mean())
    return (vectors - middle) / size, (queries - middle) / size


def test_the_heads_are_the_six_of_the_docs():
    assert NAMES == ["nearest", "class_mean", "cache", "lda", "ridge", "logistic"]


@pytest.mark.parametrize("seed", range(3))
def test_nearest_is_the_best_cosine_of_a_plain_loop(seed):
    vectors, labels, queries, _ = draw(seed)
    expected = np.full((len(queries), 6), -np.inf)
    for row, query in enumerate(queries):
        for vector, label in zip(vectors, labels):
            expected[row, label] = max(expected[row, label], float(query @ vector))
    scores = heads.nearest(vectors, labels, 6)(queries)
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def cosine(a, b):
    return a @ b / np.sqrt((a @ a) * (b @ b))


@pytest.mark.parametrize("seed", range(3))
def test_class_mean_is_the_cosine_to_the_mean_of_centred_vectors_of_a_plain_loop(seed):
    vectors, labels, queries, _ = draw(seed)
    middle = vectors.mean(axis=0)
    means = []
    for index in range(6):
        centred = [vector - middle for vector in vectors[labels == index]]
        means.append(sum(vector / np.sqrt(vector @ vector) for vector in centred))
    expected = [[cosine(query - middle, mean) for mean in means] for query in queries]
    scores = heads.class_mean(vectors, labels, 6)(queries)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_cache_adds_the_mean_affinity_to_a_class_to_its_mean():
    vectors, labels, queries, _ = draw(1)
    affinity = np.empty((len(queries), 6))
    for row, query in enumerate(queries):
        for index in range(6):
            cosines = [query @ vector for vector in vectors[labels == index]]
            affinity[row, index] = np.mean(np.exp(-20 * (1 - np.array(cosines))))
    expected = heads.class_mean(vectors, labels, 6)(queries) + affinity
    np.testing.assert_allclose(heads.cache(vectors, labels, 6)(queries), expected, atol=1e-5)


@pytest.mark.parametrize("each, size", [(2, 64), (30, 16)])
def test_ridge_is_that_of_scikit_learn_less_the_share_of_the_class(each, size):
    vectors, labels, queries, _ = draw(2, each=each, size=size)
    vectors = vectors[1:]
    labels = labels[1:]
    x, x_queries = standardise(vectors, queries)
    model = Ridge(alpha=1.0).fit(x, np.eye(6)[labels])
    expected = model.predict(x_queries) - np.bincount(labels) / len(labels)
    np.testing.assert_allclose(heads.ridge(vectors, labels, 6)(queries), expected, atol=1e-4)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_logistic_gives_the_probabilities_of_scikit_learn(n_classes):
    vectors, labels, queries, _ = draw(3, n_classes=n_classes)
    x, x_queries = standardise(vectors, queries)
    model = LogisticRegression(C=10, max_iter=5000, tol=1e-8).fit(x, labels)
    probabilities = softmax(heads.logistic(vectors, labels, n_classes)(queries), axis=1)
    np.testing.assert_allclose(probabilities, model.predict_proba(x_queries), atol=0.01)


def test_lda_decides_as_that_of_scikit_learn_where_classes_are_of_one_size_and_many():
    vectors, labels, queries, truth = draw(
        4, n_classes=8, each=100, size=12, spread=0.9, n_queries=1000
    )
    oracle = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(vectors, labels)
    expected = oracle.predict(queries)
    assert 0.5 < (expected == truth).mean() < 0.99  # so that there is something to agree on
    decided = heads.lda(vectors, labels, 8)(queries).argmax(axis=1)
    assert (decided == expected).mean() >= 0.99


@pytest.mark.parametrize("sizes", [(5, 1, 1, 3, 2, 8), (4,) * 6])
def test_lda_is_the_predictive_density_of_normal_classes_against_that_of_a_new_one(sizes):
    """By Ioffe 2006, where W within classes is 1 and B between them is diagonal.

    A class of n has mean m B / (B + 1/n) and variance 1 + B / (n B + 1); a new one 1 + B.
    """
    vectors, labels, queries, _ = draw(5, each=8, size=10, spread=0.8)
    members = [np.flatnonzero(labels == index)[:n] for index, n in enumerate(sizes)]
    rows = np.concatenate(members)
    vectors = vectors[rows].astype(float)
    labels = labels[rows]
    means = np.array([vectors[labels == index].mean(axis=0) for index in range(6)])
    residuals = []
    for vector, index in zip(vectors, labels):
        n = sizes[index]
        if n > 1:
            residuals.append((vector - means[index]) * np.sqrt(n / (n - 1)))
    covariance, _ = ledoit_wolf(np.array(residuals), assume_centered=True)
    variances, axes = np.linalg.eigh(covariance)
    whiten = axes / np.sqrt(variances)
    white = (means - means.mean(axis=0)) @ whiten
    noise = np.mean([1 / n for n in sizes])
    between = np.maximum((white**2).mean(axis=0) - noise, 1e-3)
    x = (queries - means.mean(axis=0)) @ whiten
    new_class = multivariate_normal(np.zeros(10), np.diag(1 + between)).logpdf(x)
    expected = []
    for mean, n in zip(white, sizes):
        middle = mean * between / (between + 1 / n)
        spread = np.diag(1 + between / (n * between + 1))
        expected.append(multivariate_normal(middle, spread).logpdf(x) - new_class)
    scores = heads.lda(vectors.astype(np.float32), labels, 6)(queries)
    np.testing.assert_allclose(scores, np.stack(expected, axis=1), atol=0.01)


def test_a_class_of_one_specimen_competes_fairly_in_lda_and_hardly_in_ridge():
    rng = np.random.default_rng(6)
    right = {name: [] for name in NAMES}
    labels = np.repeat(np.arange(6), [1, 20, 20, 20, 20, 20])
    for _ in range(5):
        means = rng.normal(size=(6, 16))
        vectors = at_length_one(means[labels] + 0.4 * rng.normal(size=(len(labels), 16)))
        queries = at_length_one(means[0] + 0.4 * rng.normal(size=(50, 16)))
        for name, fit in heads.HEADS.items():
            decided = fit(vectors, labels, 6)(queries).argmax(axis=1)
            right[name] += (decided == 0).tolist()
    share = {name: np.mean(hits) for name, hits in right.items()}
    assert all(share[name] > 0.85 for name in ("nearest", "class_mean", "cache", "lda"))
    assert share["lda"] > share["ridge"]


@pytest.mark.parametrize("name", NAMES)
def test_a_class_without_a_vector_never_wins_and_changes_no_other_score(name):
    vectors, labels, queries, _ = draw(7)
    present = np.array([0, 2, 3, 5, 6, 8])
    scores = heads.HEADS[name](vectors, present[labels], 10)(queries)
    assert (scores.shape, scores.dtype) == ((80, 10), np.float32)
    assert (scores[:, [1, 4, 7, 9]] == -np.inf).all()
    expected = heads.HEADS[name](vectors, labels, 6)(queries)
    np.testing.assert_allclose(scores[:, present], expected, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_equal_vectors_of_a_class_and_a_query_at_the_mean_have_finite_scores(name):
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    score = heads.HEADS[name](vectors, np.array([0, 0, 1, 1]), 2)
    scores = score(np.concatenate([vectors, vectors.mean(axis=0, keepdims=True)]))
    assert np.isfinite(scores).all()
    assert scores[:4].argmax(axis=1).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("seed", range(3))
def test_a_copy_of_a_specimen_changes_no_score_of_the_nearest(seed):
    vectors, labels, queries, _ = draw(seed)
    expected = heads.nearest(vectors, labels, 6)(queries)
    more = np.concatenate([vectors, vectors[5:6]])
    scores = heads.nearest(more, np.append(labels, labels[5]), 6)(queries)
    np.testing.assert_allclose(scores, expected, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_specimens_and_the_number_of_a_class_change_no_score(name, seed):
    vectors, labels, queries, _ = draw(seed)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(labels))
    numbers = rng.permutation(6)
    fit = heads.HEADS[name]
    scores = fit(vectors[rows], numbers[labels][rows], 6)(queries)
    expected = fit(vectors, labels, 6)(queries)
    tolerance = 1e-2 if name == "logistic" else 1e-3
    np.testing.assert_allclose(scores[:, numbers], expected, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("each, size", [(4, 16), (2, 64)])
def test_turning_all_vectors_changes_no_decision(name, each, size):
    vectors, labels, queries, _ = draw(8, each=each, size=size)
    turn = ortho_group.rvs(size, random_state=1).astype(np.float32)
    fit = heads.HEADS[name]
    scores = fit(vectors, labels, 6)(queries)
    turned = fit(vectors @ turn, labels, 6)(queries @ turn)
    assert (scores.argmax(axis=1) == turned.argmax(axis=1)).all()


def test_turning_all_vectors_changes_no_score_of_lda_however_few_they_are():
    vectors, labels, queries, _ = draw(8, each=2, size=64)
    turn = ortho_group.rvs(64, random_state=1)
    turned_vectors = (vectors @ turn).astype(np.float32)
    turned_queries = (queries @ turn).astype(np.float32)
    turned = heads.lda(turned_vectors, labels, 6)(turned_queries)
    np.testing.assert_allclose(heads.lda(vectors, labels, 6)(queries), turned, atol=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_separate_classes_are_named_right(name):
    vectors, labels, queries, truth = draw(9, spread=0.1)
    scores = heads.HEADS[name](vectors, labels, 6)(queries)
    assert (scores.argmax(axis=1) == truth).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [1, 3])
def test_a_gallery_of_one_class_names_all_by_it(name, n):
    vectors, _, queries, _ = draw(10)
    scores = heads.HEADS[name](vectors[:n], np.ones(n, int), 3)(queries)
    assert np.isfinite(scores[:, 1]).all()
    assert (scores[:, [0, 2]] == -np.inf).all()
