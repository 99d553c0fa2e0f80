"""The finest rank at which an image can be named for sure: its species, else its genus, else its family (taxonomic rollup).

The chance that a genus is right is P(known) times the sum of P(species | known) over its species in the gallery, plus P(unknown) times the chance
that it is right for an image of an unknown species. That is fitted on validation images, each judged by galleries without its class, without its whole
genus and without its whole family: as if each were as frequent among the unknown. So with the family.
"""
import numpy as np

from entoflow.identification.identification import evidence, known_chance, of_known, softmax, strangers
from entoflow.taxonomy import RANKS

MOST = 10.0  # log-odds; beyond, a chance is as good as 0 or 1


class Rollup:
    """Names images at the finest rank by what an Identifier of these classes says of them. taxa: {label: {rank: name}}."""

    def __init__(self, classes, taxa, calibration):
        self._classes, self._fitted = classes, calibration.get("ranks", {})
        self._members = {rank: members(classes, taxa, rank) for rank in RANKS if any(rank in taxa.get(label, {}) for label in classes)}

    def chances(self, probability, known):
        """Return {rank: (the likeliest names m, the chances m that they are right)} by P(class | known), m x classes, and P(known), m.

        Where nothing was fitted, as in a gallery whose embedder saw no taxonomy, an unknown class says nothing of its genus: the chance is a lower bound.
        """
        found = {}
        for rank, (names, belongs) in self._members.items():
            best, inside = likeliest(probability, belongs)
            outside = unknown_chance(inside, known, self._fitted[rank]) if rank in self._fitted else 0
            found[rank] = [names[column] for column in best], known * inside + (1 - known) * outside
        return found

    def named(self, probability, known, verdicts, confidence):
        """Return (taxa m, ranks m): species of known classes, else genus, else family, whichever is first as sure as told; "" where none is, and of rejects."""
        best, score = probability.argmax(axis=1), probability.max(axis=1) * known
        taxa, ranks = [""] * len(best), [""] * len(best)
        sure = {"species": ([self._classes[column] for column in best], np.where(verdicts == "known", score, 0)), **self.chances(probability, known)}
        for rank, (names, chance) in reversed(sure.items()):
            for row in np.flatnonzero((chance >= confidence) & (verdicts != "reject")):
                taxa[row], ranks[row] = names[row], rank
        return taxa, ranks


def fit(vectors, images, judged, strange, taxa, calibration):
    """Return {rank: logistic regression of whether the likeliest taxon of an unknown class is right}, on the strange rows of a gallery's images.

    vectors: n x d; images: n dicts with label and group. A rank of which the gallery has a single taxon is left out: nothing tells others from it.
    """
    classes = sorted({image["label"] for image in images})
    columns, groups = np.array([classes.index(image["label"]) for image in images]), np.array([image["group"] for image in images], str)
    units = {rank: units_of(classes, taxa, rank) for rank in RANKS}
    units = {rank: of_class for rank, of_class in units.items() if of_class.max(initial=-1) > 0}
    seen = [asked(vectors, columns, groups, judged, strange, lacking, calibration) for lacking in (np.arange(len(classes)), *units.values())]
    rows, probability, known = (np.concatenate(parts) for parts in zip(*seen))
    found = {}
    for rank, of_class in units.items():
        told = of_class[columns[rows]] >= 0
        if told.any():
            best, inside = likeliest(probability[told], members(classes, taxa, rank)[1])
            found[rank] = fit_right(log_odds(inside, known[told]), best == of_class[columns[rows[told]]])
    return found


def asked(vectors, columns, groups, judged, strange, units, calibration):
    """Return (rows, P(class | known), P(known)) of the strange rows as judged without their unit; of those only that have one, and a gallery left."""
    rows = strange[units[columns[strange]] >= 0]
    scores, near = strangers(vectors, columns, groups, judged, rows, units, calibration["head"])
    left = np.isfinite(scores).any(axis=1)
    scores, near = scores[left], near[left]
    known = known_chance(evidence(scores, near, of_known(calibration)), calibration["known"])
    return rows[left], softmax(scores / calibration["temperature"]), known


def units_of(classes, taxa, rank):
    """Return the number of each class's taxon, in the order of their names; -1 where it has none."""
    names = sorted({taxa[label][rank] for label in classes if rank in taxa.get(label, {})})
    return np.array([names.index(taxa[label][rank]) if rank in taxa.get(label, {}) else -1 for label in classes], int)


def members(classes, taxa, rank):
    """Return (names of the taxa of a rank, which classes are of each: classes x taxa of 0 and 1)."""
    names, of_class = sorted({taxa[label][rank] for label in classes if rank in taxa.get(label, {})}), units_of(classes, taxa, rank)
    return names, (of_class[:, None] == np.arange(len(names))).astype(np.float32)


def likeliest(probability, belongs):
    """Return (columns m of the likeliest taxa, their probabilities m), which are the sums of those of their classes."""
    sums = probability @ belongs
    return sums.argmax(axis=1), np.clip(sums.max(axis=1), 0, 1)


def log_odds(*chances):
    """Return chances (k arrays of m) as log-odds, m x k."""
    odds = np.stack([np.asarray(chance, float) for chance in chances], axis=1)
    with np.errstate(divide="ignore"):
        return np.clip(np.log(odds) - np.log1p(-odds), -MOST, MOST)


def unknown_chance(inside, known, fitted):
    """Return the chance that the likeliest taxon is right if the class is unknown, by its probability and P(known) (m each)."""
    return 1 / (1 + np.exp(-(log_odds(inside, known) @ np.array(fitted["weights"]) + fitted["offset"])))


def fit_right(x, right):
    """Return the logistic regression of right (m) on x (m x k), to the targets of Platt (1999), which are never 0 or 1: few images make nothing sure."""
    from sklearn.linear_model import LogisticRegression

    n, n_right = len(right), int(right.sum())
    target = np.where(right, (n_right + 1) / (n_right + 2), 1 / (n - n_right + 2))
    middle, size = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    standard = (x - middle) / size
    fitted = LogisticRegression().fit(np.concatenate([standard, standard]), np.repeat([1, 0], n), np.concatenate([target, 1 - target]))
    weights = fitted.coef_[0] / size
    return {"weights": weights.tolist(), "offset": float(fitted.intercept_[0] - middle @ weights), "n": n}
