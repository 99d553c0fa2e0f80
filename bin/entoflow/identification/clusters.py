"""Clusters of images by their vectors: which are of one class, where nobody has said so.

A way to cluster is {"method": "agglomerative", "distance": the cosine distance that average linkage is cut at}, or {"method": "hdbscan",
"min_cluster_size", "selection"} (Campello et al. 2013). Which serves is found by replay: classes that are known, but that the embedder did not learn
from, are clustered as if nobody knew them. Vectors have length 1; clusters are numbered from 1 by falling size, and -1 is an image alone.
"""
import numpy as np

from entoflow.identification.identification_metrics import clustering

QUANTILES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99)  # of the distances within classes, tried as cuts
SIZES, SELECTIONS = (2, 3, 5), ("eom", "leaf")
DRAWS, DRAWN = 20, 1000  # replays, each of half the classes; images of one at most
FEWEST = 4  # classes to replay; with fewer the usual cut is taken
USUAL = 0.8  # the quantile of the distances within classes that is cut at where nothing can be replayed
MOST = 10000  # images clustered at once; the others join the clusters of these: average linkage takes memory by the square


def replayed(vectors, labels, groups, seed):
    """Return the way whose clusters agree best with the labels, as the mean adjusted mutual information over replays.

    vectors: n x d. labels, groups: n; of each class's group one image counts, so that clusters of specimens are no merit. Returned besides the way:
    cluster_ami, n_classes, and "same", by which `chances` tells how likely an image is of its cluster's class.
    Raises ValueError where no class has two groups.
    """
    labels, groups = (np.unique(np.asarray(names, str), return_inverse=True)[1] for names in (labels, groups))
    rows = np.unique(np.stack([labels, groups]), axis=1, return_index=True)[1]
    vectors, labels = vectors[rows], labels[rows]
    distances = within(vectors, labels)
    if not len(distances):
        raise ValueError("no class has specimens of two groups")
    n_classes = len(np.unique(labels))
    if n_classes < FEWEST:
        return usual(vectors, labels, np.arange(len(labels)), np.arange(len(labels)))
    draws = drawn(labels, seed)
    found = [(way, float(np.mean([agreement(vectors[rows], labels[rows], way) for rows in draws]))) for way in ways(distances)]
    best, score = max(found, key=lambda pair: pair[1])
    return {**best, "cluster_ami": score, "n_classes": n_classes, "same": same_class(vectors, labels, grouped(vectors, best))}


def usual(vectors, labels, groups, judged):
    """Return what `replayed` does, without a replay: average linkage, cut at a usual distance of the judged rows from the others of their class.

    For where nobody's classes are new to the embedder: images that it learned from lie nearer to each other than new ones will, but the judged
    ones, which it did not learn from, lie from these as far as new ones do. Raises ValueError where no judged row has another group of its class.
    """
    labels, groups = (np.unique(np.asarray(names, str), return_inverse=True)[1] for names in (labels, groups))
    found = [1 - vectors[(labels == labels[row]) & (groups != groups[row])] @ vectors[row] for row in judged]
    distances = np.concatenate(found) if found else np.empty(0)
    if not len(distances):
        raise ValueError("no class has specimens of two groups")
    way = {"method": "agglomerative", "distance": float(np.quantile(distances, USUAL))}
    return {**way, "cluster_ami": None, "n_classes": len(np.unique(labels)), "same": same_class(vectors, labels, grouped(vectors, way))}


def ways(distances):
    """Return the ways to try, by the distances within classes."""
    cuts = dict.fromkeys(float(cut) for cut in np.quantile(distances, QUANTILES))
    return [*({"method": "agglomerative", "distance": cut} for cut in cuts),
            *({"method": "hdbscan", "min_cluster_size": size, "selection": selection} for size in SIZES for selection in SELECTIONS)]


def drawn(labels, seed):
    """Return the rows of each replay: those of half the classes."""
    rng, classes = np.random.default_rng(seed), np.unique(labels)
    halves = [rng.permutation(classes)[:max(FEWEST, len(classes) // 2)] for _ in range(DRAWS)]
    return [np.sort(rng.permutation(np.flatnonzero(np.isin(labels, half)))[:DRAWN]) for half in halves]


def within(vectors, labels):
    """Return the distances between the images of each class, all classes together."""
    found = []
    for label in np.unique(labels):
        own = vectors[labels == label]
        found.append((1 - own @ own.T)[np.triu_indices(len(own), 1)])
    return np.concatenate(found)


def agreement(vectors, labels, way):
    return clustering(grouped(vectors, way), labels)["cluster_ami"]["value"]


def grouped(vectors, way):
    """Return the cluster of each image (n); all are compared with all."""
    if len(vectors) < 2:
        return np.full(len(vectors), -1)
    if way["method"] == "agglomerative":
        from scipy.cluster.hierarchy import fcluster, linkage

        return by_size(fcluster(linkage(all_distances(vectors), "average"), way["distance"], "distance"))
    if len(vectors) < way["min_cluster_size"]:
        return np.full(len(vectors), -1)
    from sklearn.cluster import HDBSCAN

    fitted = HDBSCAN(min_cluster_size=way["min_cluster_size"], cluster_selection_method=way["selection"], copy=True, algorithm="brute")
    return by_size(fitted.fit_predict(vectors.astype(float)))


def all_distances(vectors):
    """Return the cosine distances of all pairs, as scipy holds them: those of the first image to all after it, of the second, and so on."""
    n, start = len(vectors), 0
    found = np.empty(n * (n - 1) // 2)
    for row in range(n - 1):
        found[start:start + n - 1 - row] = np.maximum(1 - vectors[row + 1:] @ vectors[row], 0)
        start += n - 1 - row
    return found


def by_size(found):
    """Return clusters numbered from 1 by falling size, of equals the one of the first row first; an image alone, or with a negative number, has -1."""
    numbers, first, place, sizes = np.unique(found, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    order = order[(sizes[order] > 1) & (numbers[order] >= 0)]
    new = np.full(len(numbers), -1)
    new[order] = np.arange(1, len(order) + 1)
    return new[place]


def clustered(vectors, way, first, seed):
    """Return the cluster of each image (n), of any number of images.

    first: n bool, whose images are clustered before others; beyond MOST, images join the cluster whose middle is nearest, if they are as near to it as
    a member is.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(vectors))
    chosen = np.sort(order[np.argsort(~np.asarray(first, bool)[order], kind="stable")][:MOST])
    found = np.full(len(vectors), -1)
    found[chosen] = grouped(vectors[chosen], way)
    others = np.setdiff1d(np.arange(len(vectors)), chosen)
    if not len(others) or found.max() < 1:
        return found
    means, reach = middles(vectors[chosen], found[chosen]), np.full(found.max(), np.inf)
    members = chosen[found[chosen] > 0]
    np.minimum.at(reach, found[members] - 1, typical(vectors[members], found[members], means))
    for start in range(0, len(others), 1000):
        some = others[start:start + 1000]
        likeness = vectors[some] @ means.T
        nearest = likeness.argmax(axis=1)
        joins = likeness[np.arange(len(some)), nearest] >= reach[nearest]
        found[some[joins]] = nearest[joins] + 1
    return by_size(found)


def middles(vectors, clusters):
    """Return the mean direction of each cluster, the number of clusters x d, those of cluster 1 first."""
    means = np.zeros((max(clusters.max(initial=0), 0), vectors.shape[1]), np.float32)
    np.add.at(means, clusters[clusters > 0] - 1, vectors[clusters > 0])
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)


def typical(vectors, clusters, means):
    """Return the cosine of each image and the middle of its cluster; 1 for an image alone."""
    return np.where(clusters > 0, np.einsum("nd,nd->n", vectors, means[np.maximum(clusters, 1) - 1]), 1.0) if len(means) else np.ones(len(vectors))


def same_class(vectors, labels, clusters):
    """Return {"weight", "offset"}: the logistic regression of whether an image is of its cluster's most frequent class, by how typical it is."""
    from sklearn.linear_model import LogisticRegression

    kept = clusters > 0
    x = typical(vectors, clusters, middles(vectors, clusters))[kept]
    majority = np.array([np.bincount(labels[clusters == cluster]).argmax() for cluster in range(1, clusters.max(initial=0) + 1)], int)
    right = labels[kept] == majority[clusters[kept] - 1]
    share = (right.sum() + 1) / (len(right) + 2)
    if len(np.unique(right)) < 2:
        return {"weight": 0.0, "offset": float(np.log(share / (1 - share)))}
    middle, size = float(x.mean()), max(float(x.std()), 1e-9)
    fitted = LogisticRegression().fit((x[:, None] - middle) / size, right)
    weight = float(fitted.coef_[0, 0]) / size
    return {"weight": weight, "offset": float(fitted.intercept_[0]) - middle * weight}


def chances(likeness, same):
    """Return how likely images (n) are of their cluster's most frequent class, by how typical they are."""
    return 1 / (1 + np.exp(-(same["weight"] * np.asarray(likeness) + same["offset"])))


def gains(clusters, chance, known):
    """Return, for each cluster from 1, how many images get a right name per click when a person names it.

    chance: n, that an image is of its cluster's class. known: n, that the name it has is right already. One click names a cluster, and each
    image of another class is to be taken out by one more.
    """
    n = max(clusters.max(initial=0), 0)
    kept = clusters > 0
    won, clicks = (np.bincount(clusters[kept] - 1, values[kept], n) for values in (chance * (1 - known), 1 - chance))
    return won / (1 + clicks)
