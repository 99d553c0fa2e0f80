"""Every figure of identification: in a closed and an open set, of retrieval, calibration, clusters, and of two systems.

Photos of one class err alike, and so do those of one group (a specimen, a drawer). A group may hold several classes and
a class several groups, so an interval is the wider of two: over classes and over groups. Shapes: n images, C classes.
"""
import numpy as np

from entoflow.statistics import Bootstrap, Intervals, auroc, divide, figure

SIMILARITIES_AT_ONCE = 1 << 22
DECIMALS = 12  # of a similarity: copies of an image shall tie, whatever the order in which their products were summed
FIRST, FIRST_FIVE = 1, 5
COMMON = 4  # images in the gallery from which a class is common
ACCEPTED = 0.95  # of the known, in unknown_fpr95


def closed_set(scores, truth, groups, support, seed):
    """Return the figures of naming images whose classes the gallery has: shares right, over images and over classes.

    scores: n x C, higher is likelier. truth: n columns. support: n, how many gallery images the true class has.
    Equal scores count by the chance to be right when drawn in any order. Macro figures are over the classes in truth.
    """
    scores, truth, support = np.asarray(scores, float), np.asarray(truth, int), np.asarray(support)
    of_truth = scores[np.arange(len(truth)), truth][:, None]
    above, tied = (scores > of_truth).sum(axis=1), (scores == of_truth).sum(axis=1)
    first, first_five = (np.clip((k - above) / tied, 0, 1) for k in (FIRST, FIRST_FIVE))
    intervals = Intervals(truth, groups, seed)
    return {
        "top1": intervals.mean(first, "share of images"),
        "top5": intervals.mean(first_five, "share of images"),
        "macro_top1": intervals.mean(first, "share of a class's images", 1 / np.bincount(truth)[truth]),
        "macro_f1": intervals.figure(_macro_f1(scores, truth), len(truth), "harmonic mean of precision and recall"),
        **_by_support(first, truth, np.asarray(groups), np.minimum(support, COMMON), seed),
    }


def _by_support(first, truth, groups, support, seed):
    figures = {}
    for size in range(1, COMMON + 1):
        at = support == size
        if at.any():
            name = f"top1_support_{size}" + ("_or_more" if size == COMMON else "")
            figures[name] = Intervals(truth[at], groups[at], seed).mean(first[at], "share of images")
    return figures


def _macro_f1(scores, truth):
    """Return f(weights): the mean F1 of the classes in truth, of expected counts where the best scores tie.

    A class drawn twice is two classes of its own size, not one of double size: else its own images would outweigh
    those that others are taken for it, and resamples would be better than the sample.
    """
    classes, place, sizes = np.unique(truth, return_inverse=True, return_counts=True)
    best = scores == scores.max(axis=1, keepdims=True, initial=-np.inf)
    misnamed = best[:, classes] / best.sum(axis=1, keepdims=True)
    everyone, order, starts = np.arange(len(truth)), np.argsort(place, kind="stable"), np.cumsum(sizes) - sizes
    hits = misnamed[everyone, place]
    misnamed[everyone, place] = 0

    def statistic(weights):
        drawn, right = (np.add.reduceat((weights * counted)[:, order], starts, axis=1) for counted in (1, hits))
        true, false = sizes * np.nan_to_num(divide(right, drawn)), weights @ misnamed
        return divide((drawn / sizes * 2 * true / (sizes + true + false)).sum(axis=1), (drawn / sizes).sum(axis=1))

    return statistic


def retrieval(embeddings, labels, groups, seed):
    """Return how well each image (n x D, any length) finds those of its label, by cosine, in all images of other groups.

    Means over queries with such an image; lone_queries are the rest. R is the number to be found: r_precision is
    their share of the first R, map_at_r the mean over R ranks of the precision down to each where one stands
    (Musgrave et al. 2020). Equals are in random order: figures are those expected. Only queries are resampled.
    """
    labels, groups = (np.unique(np.asarray(names, str), return_inverse=True)[1] for names in (labels, groups))
    found = _each_query(_unit_length(np.asarray(embeddings, float)), labels, groups)
    lone = np.isnan(found).any(axis=1)
    intervals = Intervals(labels[~lone], groups[~lone], seed)
    units = {"recall_at_1": "share of images", "recall_at_5": "share of images", "r_precision": "share of the first R",
             "map_at_r": "average precision"}
    return {**{name: intervals.mean(column, unit) for (name, unit), column in zip(units.items(), found[~lone].T)},
            "lone_queries": figure(lone.sum(), [], len(lone), len(np.unique(groups)), "images")}


def _unit_length(embeddings):
    lengths = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    return embeddings / np.where(lengths > 0, lengths, 1)


def _each_query(embeddings, labels, groups):
    """Return what _query gives for each image, n x 4; NaN where there is nothing to find."""
    found = np.full((len(labels), 4), np.nan)
    rows_at_once = max(1, SIMILARITIES_AT_ONCE // max(1, len(labels)))
    for start in range(0, len(labels), rows_at_once):
        block = np.round(-embeddings[start:start + rows_at_once] @ embeddings.T, DECIMALS)
        for query, distances in enumerate(block, start):
            same_group = groups == groups[query]
            distances[same_group] = np.inf
            relevant = distances[(labels == labels[query]) & ~same_group]
            if relevant.size:
                found[query] = _query(distances, np.sort(relevant))
    return found


def _query(distances, relevant):
    """Return recall at 1 and at 5, R-precision and MAP@R of a query, as expected if equals are in random order.

    distances: to all images, inf where out of question. relevant: the rising distances to the R that are to be found.
    Rank by rank: the chance that it holds one of these is their share among the equals there, and the precision, if it
    does, has them expected before it: all nearer ones and, of the equals at earlier ranks, their due share.
    """
    depth = min(max(len(relevant), FIRST_FIVE), len(distances))
    nearest = np.sort(np.partition(distances, depth - 1)[:depth])
    nearer = np.searchsorted(nearest, nearest)
    equal = np.searchsorted(nearest, nearest, side="right") - nearer
    equal[nearer[-1]:] = np.count_nonzero(distances == nearest[-1])  # further down than depth, too
    found = np.searchsorted(relevant, nearest)
    sought = np.searchsorted(relevant, nearest, side="right") - found
    rank, chance = np.arange(1, depth + 1), sought / equal
    precision = (found + 1 + (rank - nearer - 1) * (sought - 1) / np.maximum(equal - 1, 1)) / rank
    recalls = [_recall(min(k, depth) - nearer[min(k, depth) - 1], *(counts[min(k, depth) - 1] for counts in (found, sought, equal)))
               for k in (FIRST, FIRST_FIVE)]
    return *recalls, chance[:len(relevant)].mean(), (chance * precision)[:len(relevant)].mean()


def _recall(drawn, found, sought, equal):
    """Return the chance that one was found before, or that drawing so many of the equals hits one of the sought."""
    tries = np.arange(drawn)
    return 1 if found else 1 - np.prod((equal - sought - tries) / (equal - tries))


def open_set(known_score, known, right, classes, groups, seed):
    """Return how well known classes are told from unknown ones by a score (n) that is higher for known ones.

    known: n, whether the gallery has the class; right: n, whether the best class was the true one. unknown_fpr95: the
    share of unknown images let in by the highest threshold that lets in 95 % of the known. oscr: the area under the
    share of known images let in and named right, against that of unknown ones let in (Dhamija et al. 2018).
    """
    known_score, known = np.asarray(known_score, float), np.asarray(known, bool)
    right = np.asarray(right, bool) & known
    intervals = Intervals(classes, groups, seed)
    return {
        "unknown_auroc": intervals.figure(lambda weights: auroc(known_score, known, weights), len(known), "area under the ROC curve"),
        "unknown_fpr95": intervals.figure(_false_acceptance(known_score, known), (~known).sum(), "share of unknown images"),
        "oscr": intervals.figure(_oscr(known_score, known, right), len(known), "area under the curve"),
    }


def _false_acceptance(score, known):
    order = np.argsort(-score)
    falling, known = -score[order], known[order]
    last_equal = np.searchsorted(falling, falling, side="right") - 1

    def statistic(weights):
        right, wrong = (np.cumsum(weights[:, order] * kept, axis=1) for kept in (known, ~known))
        threshold = last_equal[(right >= ACCEPTED * right[:, -1:]).argmax(axis=1)]
        accepted = np.take_along_axis(wrong, threshold[:, None], axis=1)[:, 0]
        return np.where(right[:, -1] > 0, divide(accepted, wrong[:, -1]), np.nan)

    return statistic


def _oscr(score, known, right):
    """Return f(weights): the area, which is the share right of the known times the AUROC of these against the unknown."""
    kept = right | ~known

    def statistic(weights):
        share, unknown = divide(weights @ right, weights @ known), weights @ ~known
        area = auroc(score[kept], right[kept], weights[:, kept])
        return np.where((share == 0) & (unknown > 0), 0, share * area)

    return statistic


def conformal(sets, truth):
    """Return the coverage and the mean size of sets of classes (n x C bool). truth: n columns."""
    sets, truth = np.asarray(sets, bool), np.asarray(truth, int)
    n = len(truth)
    return {"coverage": _bare(divide(sets[np.arange(n), truth].sum(), n), n, "share of images"),
            "mean_set_size": _bare(divide(sets.sum(), n), n, "classes")}


def clustering(clusters, labels):
    """Return the agreement of clusters (n, -1 where in none) with labels (n), and how many there are, without intervals.

    Each image in no cluster is one of its own for all agreement, but is not counted by n_clusters.
    """
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, v_measure_score
    from sklearn.metrics.cluster import contingency_matrix

    n, alone, own = len(labels), np.asarray(clusters, int) == -1, _apart(clusters)
    measures = {"cluster_ami": (adjusted_mutual_info_score, "adjusted mutual information"), "ari": (adjusted_rand_score, "adjusted Rand index"),
                "v_measure": (v_measure_score, "harmonic mean of homogeneity and completeness"),
                "purity": (lambda labels, own: contingency_matrix(labels, own, sparse=True).max(axis=0).sum() / n, "share of images")}
    return {**{name: _bare(measure(labels, own) if n else None, n, unit) for name, (measure, unit) in measures.items()},
            "n_clusters": _bare(len(np.unique(own[~alone])), n, "clusters"),
            "n_classes": _bare(len(np.unique(labels)), n, "classes"),
            "share_unclustered": _bare(divide(alone.sum(), n), n, "share of images")}


def _apart(clusters):
    """Return clusters (n) in which each image that was in none (-1) is one of its own."""
    clusters = np.asarray(clusters, int)
    return np.where(clusters == -1, clusters.max(initial=0) + 1 + np.arange(len(clusters)), clusters)


def cluster_figures(clusters, labels, seed):
    """Return the figures of `clustering`, with an interval of cluster_ami: of the classes that a resample draws, each counts once, since copies of a
    class would be found together."""
    from sklearn.metrics import adjusted_mutual_info_score

    found, labels, own = clustering(clusters, labels), np.asarray(labels, str), _apart(clusters)
    over = Bootstrap(labels, seed)
    resamples = over.resample(lambda weights: np.array([adjusted_mutual_info_score(labels[drawn], own[drawn]) for drawn in weights > 0]))
    value = found["cluster_ami"]["value"]
    return {**found, "cluster_ami": figure(value, resamples, len(labels), over.n_groups, found["cluster_ami"]["unit"])}


def _bare(value, n, unit):
    """Return a figure without interval, of images whose groups are not asked for."""
    return figure(value, [], n, None, unit)
