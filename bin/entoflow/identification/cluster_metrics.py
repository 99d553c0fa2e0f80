"""How well clusters agree with the classes of their images. Shapes: n images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from entoflow.metric import Metric
from entoflow.statistics import Bootstrap, divide, metric

Names = Sequence[Any] | np.ndarray


def cluster_agreement(clusters: np.ndarray, labels: Names) -> dict[str, Metric]:
    """Return the agreement of clusters (n,), -1 where in none, with labels (n,), without intervals.

    Each image in no cluster is one of its own for all agreement, but is not counted by n_clusters.
    """
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, v_measure_score

    n = len(labels)
    alone = np.asarray(clusters, int) == -1
    separate = _separate(clusters)
    ami = ari = v_measure = purity = None
    if n:
        ami = adjusted_mutual_info_score(labels, separate)
        ari = adjusted_rand_score(labels, separate)
        v_measure = v_measure_score(labels, separate)
        purity = _purity(labels, separate)
    return {
        "cluster_ami": _metric(ami, n, "adjusted mutual information"),
        "ari": _metric(ari, n, "adjusted Rand index"),
        "v_measure": _metric(v_measure, n, "harmonic mean of homogeneity and completeness"),
        "purity": _metric(purity, n, "share of images"),
        "n_clusters": _metric(len(np.unique(separate[~alone])), n, "clusters"),
        "n_classes": _metric(len(np.unique(labels)), n, "classes"),
        "share_unclustered": _metric(float(divide(alone.sum(), n)), n, "share of images"),
    }


def cluster_metrics(clusters: np.ndarray, labels: Names, seed: int) -> dict[str, Metric]:
    """Return cluster_agreement, with an interval of cluster_ami over classes.

    Of the classes that a resample draws each counts once, since copies of a class would be
    clustered together.
    """
    from sklearn.metrics import adjusted_mutual_info_score

    agreement = cluster_agreement(clusters, labels)
    names = np.asarray(labels, str)
    separate = _separate(clusters)

    def mutual_information(weights: np.ndarray) -> np.ndarray:
        resamples = weights > 0  # (b, n)
        return np.array(
            [adjusted_mutual_info_score(names[drawn], separate[drawn]) for drawn in resamples]
        )

    over_classes = Bootstrap(names, seed)
    resamples = over_classes.resample(mutual_information)
    ami = agreement["cluster_ami"]
    agreement["cluster_ami"] = metric(
        ami.value, resamples, len(names), over_classes.n_groups, ami.unit
    )
    return agreement


def _purity(labels: Names, clusters: np.ndarray) -> float:
    """Return the share of images that are of their cluster's most frequent class."""
    from sklearn.metrics.cluster import contingency_matrix

    return contingency_matrix(labels, clusters, sparse=True).max(axis=0).sum() / len(labels)


def _separate(clusters: np.ndarray) -> np.ndarray:
    """Return clusters (n,) in which each image that was in none (-1) is one of its own."""
    numbers = np.asarray(clusters, int)
    next_number = numbers.max(initial=0) + 1
    return np.where(numbers == -1, next_number + np.arange(len(numbers)), numbers)


def _metric(value: float | None, n: int, unit: str) -> Metric:
    return metric(value, [], n, None, unit)
