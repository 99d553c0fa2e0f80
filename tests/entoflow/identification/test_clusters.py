"""Clusters of points whose classes are known: against scikit-learn, by hand, and by properties."""

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from blobs import at_length_one, blobs, separate
from entoflow.identification import clusters
from entoflow.identification.clusters import AverageLinkage, Clustering, Hdbscan, SameClassFit


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.8])
def test_average_linkage_is_that_of_scikit_learn(cut):
    vectors, _ = blobs(12, 7, 0.6)
    theirs = AgglomerativeClustering(
        None, metric="cosine", linkage="average", distance_threshold=cut
    ).fit_predict(vectors.astype(float))
    ours = clusters.cluster(vectors, AverageLinkage(cut))
    assert adjusted_rand_score(theirs, separate(ours)) == 1
    assert (ours == -1).sum() == (np.bincount(theirs) == 1).sum()


def test_clusters_are_numbered_by_size_and_those_alone_have_none():
    numbers = np.array([7, 3, 3, 9, 9, 9, -1, -1, 5])
    assert clusters.number_by_size(numbers).tolist() == [-1, 2, 2, 1, 1, 1, -1, -1, -1]
    # of equals that of the first image first
    assert clusters.number_by_size(np.array([4, 4, 2, 2])).tolist() == [1, 1, 2, 2]


def test_distances_are_in_the_order_that_scipy_wants():
    from scipy.spatial.distance import pdist

    vectors, _ = blobs(4, 5, 0.5)
    theirs = pdist(vectors.astype(float), "cosine")
    assert clusters.cosine_distances(vectors) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("method", [AverageLinkage(0.4), Hdbscan(2, "eom")])
@pytest.mark.parametrize("n", [0, 1])
def test_none_and_one_image_are_alone(method, n):
    assert clusters.cluster(np.ones((n, 3), np.float32), method).tolist() == [-1] * n


def test_fewer_images_than_a_cluster_needs_are_alone():
    vectors = at_length_one(np.ones((3, 2)))
    assert clusters.cluster(vectors, Hdbscan(5, "leaf")).tolist() == [-1] * 3


@pytest.mark.parametrize("method", [AverageLinkage(0.25), Hdbscan(3, "leaf")])
def test_a_clustering_is_the_same_after_model_json(method):
    clustering = Clustering(method, 0.75, 12, SameClassFit(2.5, -1.0))
    content = clustering.to_json()
    assert Clustering.from_json(content) == clustering
    assert content["cluster_ami"] == 0.75
    assert content["same"] == {"weight": 2.5, "offset": -1.0}


def test_images_beyond_the_most_join_the_cluster_that_they_are_as_near_to_as_its_members(
    monkeypatch,
):
    vectors, labels = blobs(8, 30, 0.3)
    vectors = np.concatenate([vectors, at_length_one(-vectors[:2])])  # two of no cluster
    monkeypatch.setattr(clusters, "MOST", 120)
    first = np.zeros(len(vectors))
    numbers = clusters.cluster_many(vectors, AverageLinkage(0.4), first, 1)
    assert numbers[-2:].tolist() == [-1, -1]
    assert numbers.max() == 8
    joined = numbers[:-2] > 0
    assert adjusted_rand_score(labels[joined], numbers[:-2][joined]) == 1
    assert joined.mean() > 0.85


class InTurns:
    """Puts images into two clusters in turns, and notes how many it was called with."""

    def __init__(self):
        self.sizes = []

    def fit_predict(self, vectors):
        self.sizes.append(len(vectors))
        return np.arange(len(vectors)) % 2 + 1


def test_the_images_that_are_to_come_first_are_clustered_first(monkeypatch):
    vectors, labels = blobs(4, 20, 0.3)
    monkeypatch.setattr(clusters, "MOST", 40)
    method = InTurns()
    first = np.isin(labels, (1, 2))
    numbers = clusters.cluster_many(vectors, method, first, 1)
    assert method.sizes == [40]
    # exactly those, in turns
    assert (numbers[first] == clusters.number_by_size(np.arange(40) % 2 + 1)).all()


def test_middles_and_the_cosines_to_them_by_hand():
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8], [-1, 0]], np.float32)
    numbers = np.array([1, 1, -1, -1])
    middles = clusters.cluster_middles(vectors, numbers)
    assert middles == pytest.approx(np.array([[0.5**0.5, 0.5**0.5]]), abs=1e-6)
    cosines = clusters.cosines_to_middle(vectors, numbers, middles)
    assert cosines == pytest.approx([0.5**0.5, 0.5**0.5, 1, 1], abs=1e-6)


def test_without_clusters_there_are_no_middles_and_all_cosines_are_1():
    vectors = np.eye(4, 2, dtype=np.float32)
    alone = np.full(4, -1)
    middles = clusters.cluster_middles(vectors, alone)
    assert middles.shape == (0, 2)
    assert clusters.cosines_to_middle(vectors, alone, middles).tolist() == [1] * 4


def test_the_gain_is_right_names_won_by_click_by_hand():
    numbers = np.array([1, 1, 1, 2, 2, -1])
    p_same = np.array([1, 1, 0.5, 0.8, 0.8, 1])
    p_right = np.array([0, 0.5, 0, 0.9, 0.9, 0])
    gains = clusters.gains_of_naming(numbers, p_same, p_right)
    assert gains == pytest.approx([(1 + 0.5 + 0.5) / 1.5, 0.16 / 1.4])
    none = clusters.gains_of_naming(np.array([-1, -1]), np.ones(2), np.zeros(2))
    assert len(none) == 0


def test_separate_classes_are_clusters_of_their_own():
    vectors, labels = blobs(10, 5, 0.1)
    numbers = clusters.cluster_many(vectors, AverageLinkage(0.3), np.ones(50, bool), 1)
    assert adjusted_mutual_info_score(labels, separate(numbers)) == pytest.approx(1)
