"""How to cluster, chosen by replay on known classes that the embedder did not learn from.

They are clustered as if nobody knew them, and the way whose clusters agree best with their labels
is taken.
"""

from collections.abc import Sequence

import numpy as np

from entoflow.identification import clusters
from entoflow.identification.cluster_metrics import cluster_agreement
from entoflow.identification.clusters import Clustering, Method, SameClassFit, cluster

QUANTILES = (
    0.5,
    0.6,
    0.7,
    0.8,
    0.85,
    0.9,
    0.95,
    0.99,
)  # of the distances within classes: cuts to try
SIZES = (2, 3, 5)
SELECTIONS = ("eom", "leaf")
DRAWS = 20  # replays, each of half the classes
DRAWN = 1000  # images of a replay at most
FEWEST = 4  # classes to replay; with fewer the usual cut is taken
USUAL = 0.8  # quantile of the distances within classes that is cut at where nothing can be replayed
NO_PAIRS = "no class has specimens of two groups"

Names = Sequence[str] | np.ndarray


def choose_by_replay(vectors: np.ndarray, labels: Names, groups: Names, seed: int) -> Clustering:
    """Return the clustering of the highest mean adjusted mutual information over replays.

    vectors: (n, d) of length 1. labels, groups: (n,); of each class's group one image counts, so
    that clusters of photos of one specimen are no merit. Raises ValueError where no class has two
    groups.
    """
    class_index = _numbered(labels)
    _, rows = np.unique(np.stack([class_index, _numbered(groups)]), axis=1, return_index=True)
    vectors = vectors[rows]
    class_index = class_index[rows]
    distances = distances_within(vectors, class_index)
    if not len(distances):
        raise ValueError(NO_PAIRS)
    n_classes = len(np.unique(class_index))
    if n_classes < FEWEST:
        every_row = np.arange(len(rows))
        return usual_clustering(vectors, class_index, every_row, every_row)
    replays = draw_replays(class_index, seed)
    best: Method | None = None
    best_agreement = -np.inf
    for method in methods_to_try(distances):
        agreement = mean_agreement(vectors, class_index, replays, method)
        if agreement > best_agreement:
            best = method
            best_agreement = agreement
    assert best is not None
    same = fit_same_class(vectors, class_index, cluster(vectors, best))
    return Clustering(best, best_agreement, n_classes, same)


def usual_clustering(
    vectors: np.ndarray, labels: Names, groups: Names, held_out: np.ndarray
) -> Clustering:
    """Return average linkage, cut at a usual distance of held-out rows from others of their class.

    For where no class is new to the embedder: images that it learned from lie nearer to each other
    than new ones will, but held-out ones lie from these as far as new ones do. Raises ValueError
    where no held-out row has another group of its class.
    """
    class_index = _numbered(labels)
    group_index = _numbered(groups)
    parts = []
    for row in held_out:
        same_class = class_index == class_index[row]
        others = same_class & (group_index != group_index[row])
        parts.append(1 - vectors[others] @ vectors[row])
    distances = np.concatenate(parts) if parts else np.empty(0)
    if not len(distances):
        raise ValueError(NO_PAIRS)
    method = clusters.AverageLinkage(float(np.quantile(distances, USUAL)))
    same = fit_same_class(vectors, class_index, cluster(vectors, method))
    return Clustering(method, None, len(np.unique(class_index)), same)


def methods_to_try(distances: np.ndarray) -> list[Method]:
    """Return the methods to try, by the distances within classes."""
    cuts = dict.fromkeys(float(cut) for cut in np.quantile(distances, QUANTILES))
    methods: list[Method] = [clusters.AverageLinkage(cut) for cut in cuts]
    for size in SIZES:
        methods += [clusters.Hdbscan(size, selection) for selection in SELECTIONS]
    return methods


def draw_replays(class_index: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return the rows of each replay: those of half the classes."""
    rng = np.random.default_rng(seed)
    classes = np.unique(class_index)
    n_drawn = max(FEWEST, len(classes) // 2)
    halves = [rng.permutation(classes)[:n_drawn] for _ in range(DRAWS)]
    replays = []
    for half in halves:
        rows = np.flatnonzero(np.isin(class_index, half))
        replays.append(np.sort(rng.permutation(rows)[:DRAWN]))
    return replays


def distances_within(vectors: np.ndarray, class_index: np.ndarray) -> np.ndarray:
    """Return the cosine distances between the images of each class, all classes together."""
    parts = []
    for index in np.unique(class_index):
        members = vectors[class_index == index]
        pairs = np.triu_indices(len(members), 1)
        parts.append((1 - members @ members.T)[pairs])
    return np.concatenate(parts)


def mean_agreement(
    vectors: np.ndarray, class_index: np.ndarray, replays: list[np.ndarray], method: Method
) -> float:
    """Return the mean adjusted mutual information of clusters and classes over replays."""
    agreements = []
    for rows in replays:
        agreement = cluster_agreement(cluster(vectors[rows], method), class_index[rows])
        agreements.append(agreement["cluster_ami"].value)
    return float(np.mean(np.array(agreements, float)))


def fit_same_class(
    vectors: np.ndarray, class_index: np.ndarray, cluster_of: np.ndarray
) -> SameClassFit:
    """Return the regression of whether an image is of its cluster's most frequent class.

    vectors: (n, d). class_index, cluster_of: (n,). It is on the cosine to the cluster's middle.
    """
    from sklearn.linear_model import LogisticRegression

    in_cluster = cluster_of > 0
    middles = clusters.cluster_middles(vectors, cluster_of)
    x = clusters.cosines_to_middle(vectors, cluster_of, middles)[in_cluster]
    numbers = range(1, cluster_of.max(initial=0) + 1)
    majorities = [np.bincount(class_index[cluster_of == number]).argmax() for number in numbers]
    majority = np.array(majorities, int)
    is_same = class_index[in_cluster] == majority[cluster_of[in_cluster] - 1]
    share = (is_same.sum() + 1) / (len(is_same) + 2)  # Laplace's rule of succession
    if len(np.unique(is_same)) < 2:
        return SameClassFit(0.0, float(np.log(share / (1 - share))))
    mean = float(x.mean())
    deviation = max(float(x.std()), 1e-9)
    model = LogisticRegression().fit((x[:, None] - mean) / deviation, is_same)
    weight = float(model.coef_[0, 0]) / deviation
    return SameClassFit(weight, float(model.intercept_[0]) - mean * weight)


def _numbered(names: Names) -> np.ndarray:
    """Return the number (n,) of each name among the sorted names."""
    return np.unique(np.asarray(names, str), return_inverse=True)[1]
