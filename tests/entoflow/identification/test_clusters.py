"""Clusters of points whose classes are known, against scikit-learn, by hand, and by what must hold whatever the points."""
import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from entoflow.identification import clusters


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def blobs(n_classes, each, spread, seed=0, dimension=32):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), each)
    return unit(rng.normal(size=(n_classes, dimension))[labels] + spread * rng.normal(size=(len(labels), dimension))), labels


def apart(found):
    """The clusters with each image alone as one of its own."""
    return np.where(found < 0, found.max() + 1 + np.arange(len(found)), found)


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.8])
def test_average_linkage_is_that_of_scikit_learn(cut):
    vectors, _ = blobs(12, 7, 0.6)
    theirs = AgglomerativeClustering(None, metric="cosine", linkage="average", distance_threshold=cut).fit_predict(vectors.astype(float))
    ours = clusters.grouped(vectors, {"method": "agglomerative", "distance": cut})
    assert adjusted_rand_score(theirs, apart(ours)) == 1
    assert (ours == -1).sum() == (np.bincount(theirs) == 1).sum()


def test_clusters_are_numbered_by_size_and_those_alone_have_none():
    assert clusters.by_size(np.array([7, 3, 3, 9, 9, 9, -1, -1, 5])).tolist() == [-1, 2, 2, 1, 1, 1, -1, -1, -1]
    assert clusters.by_size(np.array([4, 4, 2, 2])).tolist() == [1, 1, 2, 2]  # of equals that of the first image first


def test_distances_are_in_the_order_that_scipy_wants():
    from scipy.spatial.distance import pdist

    vectors, _ = blobs(4, 5, 0.5)
    assert clusters.all_distances(vectors) == pytest.approx(pdist(vectors.astype(float), "cosine"), abs=1e-6)


@pytest.mark.parametrize("way", [{"method": "agglomerative", "distance": 0.4}, {"method": "hdbscan", "min_cluster_size": 2, "selection": "eom"}])
@pytest.mark.parametrize("n", [0, 1])
def test_none_and_one_image_are_alone(way, n):
    assert clusters.grouped(np.ones((n, 3), np.float32), way).tolist() == [-1] * n


def test_fewer_images_than_a_cluster_needs_are_alone():
    assert clusters.grouped(unit(np.ones((3, 2))), {"method": "hdbscan", "min_cluster_size": 5, "selection": "leaf"}).tolist() == [-1] * 3


def test_classes_well_apart_are_found_again_by_the_way_that_replay_chooses():
    vectors, labels = blobs(60, 5, 0.5)
    known, new = labels < 30, labels >= 30
    way = clusters.replayed(vectors[known], labels[known], np.arange(known.sum()), 1)
    assert way["cluster_ami"] > 0.95 and way["n_classes"] == 30
    found = clusters.clustered(vectors[new], way, np.ones(new.sum()), 1)
    assert adjusted_mutual_info_score(labels[new], apart(found)) > 0.95


def test_replay_takes_the_best_of_the_ways_it_tries():
    vectors, labels = blobs(10, 4, 1.2)  # fewer than 11, as names are sorted as text
    way = clusters.replayed(vectors, labels, np.arange(40) % 4, 3)
    draws = clusters.drawn(labels, 3)
    tried = [np.mean([adjusted_mutual_info_score(labels[rows], apart(clusters.grouped(vectors[rows], one))) for rows in draws])
             for one in clusters.ways(clusters.within(vectors, labels))]
    assert way["cluster_ami"] == pytest.approx(max(tried), abs=1e-12) and min(tried) < max(tried)


def test_photos_of_one_specimen_are_no_merit_of_a_way():
    vectors, labels = blobs(10, 3, 1.0)
    groups = np.arange(30)
    doubled = clusters.replayed(np.repeat(vectors, 4, axis=0), np.repeat(labels, 4), np.repeat(groups, 4), 1)
    assert doubled == clusters.replayed(vectors, labels, groups, 1)


def test_without_a_class_of_two_groups_there_is_no_way():
    vectors, labels = blobs(5, 1, 0.1)
    with pytest.raises(ValueError, match="no class has specimens of two groups"):
        clusters.replayed(vectors, labels, labels, 1)


def test_of_three_classes_the_usual_cut_is_taken():
    vectors, labels = blobs(3, 6, 0.8)
    way = clusters.replayed(vectors, labels, np.arange(18), 1)
    distances = [1 - float(vectors[a] @ vectors[b]) for a in range(18) for b in range(a) if labels[a] == labels[b]]
    assert way["method"] == "agglomerative" and way["distance"] == pytest.approx(np.quantile(distances, clusters.USUAL), abs=1e-6)
    assert way["cluster_ami"] is None


def test_where_nothing_can_be_replayed_the_cut_is_by_the_distance_of_unlearned_images_from_their_class():
    vectors, labels = blobs(10, 4, 0.9)
    judged = np.flatnonzero(np.arange(40) % 4 == 0)
    vectors = vectors.copy()
    for row in range(40):  # the others lie together, as images do that were learned from
        if row not in judged:
            vectors[row] = unit((0.2 * vectors[row] + vectors[row - row % 4 + 1])[None])[0]
    groups = np.arange(40) % 8  # a group holds five classes, as drawers do
    way = clusters.usual(vectors, labels, groups, judged)
    cross = [1 - float(vectors[row] @ vectors[other]) for row in judged for other in range(row + 1, row + 4)]
    assert way["method"] == "agglomerative" and way["distance"] == pytest.approx(np.quantile(cross, clusters.USUAL), abs=1e-6)
    assert way["distance"] > np.quantile(clusters.within(vectors, labels), 0.5)
    with pytest.raises(ValueError, match="no class has specimens of two groups"):
        clusters.usual(vectors, labels, labels, judged)


def test_images_beyond_the_most_join_the_cluster_that_they_are_as_near_to_as_its_members(monkeypatch):
    vectors, labels = blobs(8, 30, 0.3)
    vectors = np.concatenate([vectors, unit(-vectors[:2])])  # two of no cluster
    monkeypatch.setattr(clusters, "MOST", 120)
    way = {"method": "agglomerative", "distance": 0.4}
    found = clusters.clustered(vectors, way, np.zeros(len(vectors)), 1)
    assert found[-2:].tolist() == [-1, -1] and found.max() == 8
    joined = found[:-2] > 0
    assert adjusted_rand_score(labels[joined], found[:-2][joined]) == 1 and joined.mean() > 0.85


def test_the_images_that_are_to_come_first_are_clustered_first(monkeypatch):
    vectors, labels = blobs(4, 20, 0.3)
    monkeypatch.setattr(clusters, "MOST", 40)
    seen = []
    monkeypatch.setattr(clusters, "grouped", lambda own, way: seen.append(len(own)) or np.arange(len(own)) % 2 + 1)
    first = np.isin(labels, (1, 2))
    found = clusters.clustered(vectors, {}, first, 1)
    assert seen == [40] and set(found[first]) == {1, 2}  # exactly those, in turns
    assert (found[first] == clusters.by_size(np.arange(40) % 2 + 1)).all()


def test_middles_and_how_typical_an_image_is_by_hand():
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8], [-1, 0]], np.float32)
    found = np.array([1, 1, -1, -1])
    means = clusters.middles(vectors, found)
    assert means == pytest.approx(np.array([[0.5 ** 0.5, 0.5 ** 0.5]]), abs=1e-6)
    assert clusters.typical(vectors, found, means) == pytest.approx([0.5 ** 0.5, 0.5 ** 0.5, 1, 1], abs=1e-6)
    assert clusters.middles(vectors, np.full(4, -1)).shape == (0, 2) and clusters.typical(vectors, np.full(4, -1), np.zeros((0, 2))).tolist() == [1] * 4


def test_the_less_typical_are_less_likely_of_the_clusters_class():
    vectors, labels = blobs(30, 8, 0.7)
    found = labels + 1
    spoiled = labels.copy()
    likeness = clusters.typical(vectors, found, clusters.middles(vectors, found))
    for label in range(30):  # in each class the two least typical are in truth of another
        own = np.flatnonzero(labels == label)
        spoiled[own[np.argsort(likeness[own])[:2]]] = (label + 1) % 30
    same = clusters.same_class(vectors, spoiled, found)
    chance = clusters.chances(likeness, same)
    assert same["weight"] > 0 and chance.mean() == pytest.approx(0.75, abs=0.02) and chance[spoiled == labels].mean() > chance[spoiled != labels].mean() + 0.1


def test_pure_clusters_leave_a_doubt_that_shrinks_with_their_number():
    vectors, labels = blobs(4, 5, 0.1)
    same = clusters.same_class(vectors, labels, labels + 1)
    assert clusters.chances([0.3, 0.9], same) == pytest.approx([21 / 22] * 2)  # the rule of succession on 20 of 20


def test_gain_is_right_names_won_by_click_by_hand():
    found, chance, known = np.array([1, 1, 1, 2, 2, -1]), np.array([1, 1, 0.5, 0.8, 0.8, 1]), np.array([0, 0.5, 0, 0.9, 0.9, 0])
    assert clusters.gains(found, chance, known) == pytest.approx([(1 + 0.5 + 0.5) / 1.5, 0.16 / 1.4])
    assert len(clusters.gains(np.array([-1, -1]), np.ones(2), np.zeros(2))) == 0
