"""Clusters of images by their vectors: which are of one class, where nobody has named them.

Vectors have length 1; clusters are numbered from 1 by falling size, and -1 is an image alone. How
to cluster is chosen in cluster_choice.py.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from entoflow.identification.vectors import normalise

ALONE = -1
MOST = 10000  # images clustered at once: average linkage takes memory by the square
JOINED_AT_ONCE = 1000


@dataclass(frozen=True)
class AverageLinkage:
    """Agglomerative clustering by average linkage."""

    distance: float  # cosine distance that the tree is cut at

    def fit_predict(self, vectors: np.ndarray) -> np.ndarray:
        """Return the cluster (n,) of each of two vectors (n, d) or more."""
        from scipy.cluster.hierarchy import fcluster, linkage

        tree = linkage(cosine_distances(vectors), "average")
        return fcluster(tree, self.distance, "distance")


@dataclass(frozen=True)
class Hdbscan:
    """HDBSCAN (Campello et al. 2013)."""

    min_cluster_size: int
    selection: str  # eom or leaf

    def fit_predict(self, vectors: np.ndarray) -> np.ndarray:
        """Return the cluster (n,) of each of two vectors (n, d) or more; negative where in none."""
        from sklearn.cluster import HDBSCAN

        if len(vectors) < self.min_cluster_size:
            return np.full(len(vectors), ALONE)
        model = HDBSCAN(
            min_cluster_size=self.min_cluster_size,
            cluster_selection_method=self.selection,
            copy=True,
            algorithm="brute",
        )
        return model.fit_predict(vectors.astype(float))


Method = AverageLinkage | Hdbscan
METHODS: dict[str, type[Method]] = {"agglomerative": AverageLinkage, "hdbscan": Hdbscan}


@dataclass(frozen=True)
class SameClassFit:
    """Logistic regression of whether an image is of its cluster's most frequent class."""

    weight: float  # of the cosine to the middle of the cluster
    offset: float

    def probability(self, cosines: np.ndarray) -> np.ndarray:
        """Return how likely images are of the class, by their cosines (n,) to the middle."""
        return 1 / (1 + np.exp(-(self.weight * np.asarray(cosines) + self.offset)))


@dataclass(frozen=True)
class Clustering:
    """A way to cluster, as it was chosen on classes whose labels are known."""

    method: Method
    cluster_ami: float | None  # mean agreement with the labels; None where it was not measured
    n_classes: int  # that it was chosen on
    same: SameClassFit

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Clustering:
        """Return the clustering that model.json holds."""
        settings = dict(content)
        method = METHODS[settings.pop("method")]
        cluster_ami = settings.pop("cluster_ami")
        n_classes = settings.pop("n_classes")
        same = SameClassFit(**settings.pop("same"))
        return cls(method(**settings), cluster_ami, n_classes, same)

    def to_json(self) -> dict[str, Any]:
        """Return the clustering as model.json holds it."""
        name = next(name for name, kind in METHODS.items() if isinstance(self.method, kind))
        return {
            "method": name,
            **asdict(self.method),
            "cluster_ami": self.cluster_ami,
            "n_classes": self.n_classes,
            "same": asdict(self.same),
        }


def cluster(vectors: np.ndarray, method: Method) -> np.ndarray:
    """Return the cluster (n,) of each image by vectors (n, d); all are compared with all."""
    if len(vectors) < 2:
        return np.full(len(vectors), ALONE)
    return number_by_size(method.fit_predict(vectors))


def cluster_many(vectors: np.ndarray, method: Method, first: np.ndarray, seed: int) -> np.ndarray:
    """Return the cluster (n,) of each image by vectors (n, d), of any number of images.

    first: (n,) bool, whose images are clustered before others. Beyond MOST, images join the
    cluster whose middle is nearest, if they are as near to it as a member is.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(vectors))
    is_later = ~np.asarray(first, bool)
    chosen = np.sort(order[np.argsort(is_later[order], kind="stable")][:MOST])
    clusters = np.full(len(vectors), ALONE)
    clusters[chosen] = cluster(vectors[chosen], method)
    others = np.setdiff1d(np.arange(len(vectors)), chosen)
    if len(others) and clusters.max() >= 1:
        _join_nearest(vectors, clusters, chosen, others)
        return number_by_size(clusters)
    return clusters


def _join_nearest(
    vectors: np.ndarray, clusters: np.ndarray, chosen: np.ndarray, others: np.ndarray
) -> None:
    """Put other rows into the clusters (n,) of the chosen rows, in place."""
    middles = cluster_middles(vectors[chosen], clusters[chosen])
    members = chosen[clusters[chosen] > 0]
    farthest = np.full(len(middles), np.inf)  # lowest cosine of a member of each cluster
    cosines = cosines_to_middle(vectors[members], clusters[members], middles)
    np.minimum.at(farthest, clusters[members] - 1, cosines)
    for start in range(0, len(others), JOINED_AT_ONCE):
        some = others[start : start + JOINED_AT_ONCE]
        to_middles = vectors[some] @ middles.T
        nearest = to_middles.argmax(axis=1)
        joins = to_middles[np.arange(len(some)), nearest] >= farthest[nearest]
        clusters[some[joins]] = nearest[joins] + 1


def cosine_distances(vectors: np.ndarray) -> np.ndarray:
    """Return the cosine distances of all pairs, as scipy holds them.

    Those of the first image to all after it, then of the second, and so on: (n (n - 1) / 2,).
    """
    n = len(vectors)
    distances = np.empty(n * (n - 1) // 2)
    start = 0
    for row in range(n - 1):
        end = start + n - 1 - row
        distances[start:end] = np.maximum(1 - vectors[row + 1 :] @ vectors[row], 0)
        start = end
    return distances


def number_by_size(clusters: np.ndarray) -> np.ndarray:
    """Return clusters (n,) numbered from 1 by falling size, of equals that of the first row first.

    An image alone, or with a negative number, has -1.
    """
    numbers, first, place, sizes = np.unique(
        clusters, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -sizes))
    order = order[(sizes[order] > 1) & (numbers[order] >= 0)]
    new_numbers = np.full(len(numbers), ALONE)
    new_numbers[order] = np.arange(1, len(order) + 1)
    return new_numbers[place]


def cluster_middles(vectors: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Return the mean direction of each cluster, (number of clusters, d), cluster 1 first."""
    sums = np.zeros((max(clusters.max(initial=0), 0), vectors.shape[1]), np.float32)
    in_cluster = clusters > 0
    np.add.at(sums, clusters[in_cluster] - 1, vectors[in_cluster])
    return normalise(sums)


def cosines_to_middle(vectors: np.ndarray, clusters: np.ndarray, middles: np.ndarray) -> np.ndarray:
    """Return the cosine (n,) of each image and the middle of its cluster; 1 for an image alone."""
    if not len(middles):
        return np.ones(len(vectors))
    own_middles = middles[np.maximum(clusters, 1) - 1]
    return np.where(clusters > 0, np.einsum("nd,nd->n", vectors, own_middles), 1.0)


def gains_of_naming(clusters: np.ndarray, p_same: np.ndarray, p_right: np.ndarray) -> np.ndarray:
    """Return how many images of each cluster get a right name per click when a person names it.

    p_same: (n,) that an image is of its cluster's class. p_right: (n,) that the name it has is
    right already. One click names a cluster, and one more takes out each image of another class.
    Returned: (number of clusters,), cluster 1 first.
    """
    n_clusters = max(clusters.max(initial=0), 0)
    in_cluster = clusters > 0
    place = clusters[in_cluster] - 1
    newly_right = np.bincount(place, (p_same * (1 - p_right))[in_cluster], n_clusters)
    taken_out = np.bincount(place, (1 - p_same)[in_cluster], n_clusters)
    return newly_right / (1 + taken_out)
