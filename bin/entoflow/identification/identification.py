"""From vectors to names: which class, how likely, and whether it is a known one at all.

Whatever is chosen or fitted here is fitted on validation images, each judged by a gallery without its own group (is it told as what it
is?) and once more by one without its whole class (is it told as unknown?), so that no fit sees a class that the gallery lacks.
"""
import numpy as np

from entoflow.identification import heads
from entoflow.probabilities import NONE, fitted_temperature, label_sets, log_sum_exp, of_names, softmax
from entoflow.splits import order

FOLDS, CLASS_FOLDS = 5, 3  # of groups; of classes that stand for unknown ones
STRANGE = 0.01  # an image stranger than all but this share of insects of unknown classes is none of ours: reject


class Identifier:
    """A gallery's vectors (n x d of length 1), their labels and a calibration: names images by their vectors."""

    def __init__(self, vectors, labels, calibration):
        self.classes = sorted(set(labels))
        place = {label: column for column, label in enumerate(self.classes)}
        columns = np.array([place[label] for label in labels])
        self.calibration = calibration
        self._score = heads.HEADS[calibration["head"]](vectors, columns, len(self.classes))
        self._near = heads.nearest(vectors, columns, len(self.classes))

    def judge(self, vectors):
        """Return (probabilities m x classes given that the class is known, P(known) m, verdicts m) of images by their vectors (m x d)."""
        scores, near = self._score(vectors), self._near(vectors)
        probability = softmax(scores / self.calibration["temperature"])
        known = known_chance(evidence(scores, near, of_known(self.calibration)), self.calibration["known"])
        verdicts = np.where(known >= 0.5, "known", np.where(known < self.calibration["reject_below"], "reject", "unknown"))
        return probability, known, verdicts

    def uncalibrated(self, probability):
        """Return the probabilities as they would be at a temperature of 1."""
        with np.errstate(divide="ignore"):
            return softmax(np.log(probability) * self.calibration["temperature"])

    def label_sets(self, probability):
        """Return which classes (m x classes bool) the label set of each image holds."""
        return label_sets(probability, self.calibration["conformal"])


class HeldOut:
    """What a head says of judged rows by galleries that lack something of them, and how near the nearest of each class is; k x classes each.

    known: without the row's group. unknown: the strange rows, without their class, too; these are of classes that the embedder did not learn from, as
    those that it did are easier to tell. familiar: the judged rows once more, without as many other strange classes: else the size of the gallery
    would tell known from unknown. All lack the groups of one fold.
    """

    def __init__(self, vectors, columns, groups, judged, strange, n_classes, head):
        self.columns = columns[judged]
        by_group, n = folds(columns, groups), np.arange(len(judged))
        fold = unit_folds(np.arange(n_classes), columns[strange])
        n_folds = max(1, fold.max(initial=0) + 1)
        own = fold[self.columns]
        other = np.where(own >= 0, (own + 1) % n_folds, n % n_folds)

        def scores(rows, lacking):
            return [_without(vectors, columns, groups, fold, by_group, judged, rows, lacking, n_classes, name) for name in (head, "nearest")]

        self.known, self.known_near = scores(judged, np.full(len(judged), -1))
        self.familiar, self.familiar_near = scores(judged, other)
        self.unknown, self.unknown_near = scores(strange, fold[columns[strange]])
        self.enrolled = np.isfinite(self.known[n, self.columns])  # whether the class has another group in the gallery
        self._usable = np.isfinite(self.familiar[n, self.columns])

    def right(self):
        """Return whether each row was named right."""
        return self.enrolled & (self.known.argmax(axis=1) == self.columns)

    def calibration(self, head):
        """Return the calibration of the head: a dict of numbers."""
        named = of_names(self.known[self.enrolled], self.columns[self.enrolled])
        familiar, strange = self._evidence(named["temperature"])
        known = fit_known(familiar, strange)
        return {"head": head, **named, "known_temperature": named["temperature"], "known": known,
                "reject_below": min(float(np.quantile(known_chance(strange, known), STRANGE)), 0.5), "n_unknown": len(strange)}

    def told_apart(self, calibration):
        """Return the area under the ROC curve of known against unknown, on the images that the calibration was fitted on."""
        from entoflow.statistics import auroc

        familiar, strange = self._evidence(of_known(calibration))
        chances = known_chance(np.concatenate([familiar, strange]), calibration["known"])
        return float(auroc(chances, np.arange(len(chances)) < len(familiar), np.ones((1, len(chances))))[0])

    def _evidence(self, temperature):
        return (evidence(self.familiar[self._usable], self.familiar_near[self._usable], temperature),
                evidence(self.unknown, self.unknown_near, temperature))


def unit_folds(units, strange):
    """Return the fold of each class by its unit (itself, its genus; -1: none): the units of the strange columns are divided, other classes are in -1."""
    odd = order(np.unique(units[strange]).tolist(), 0)
    fold = np.full(max(units.max(initial=0), 0) + 2, -1)  # the last for classes of no unit
    fold[odd] = np.arange(len(odd)) % CLASS_FOLDS
    return fold[units]


def strangers(vectors, columns, groups, judged, strange, units, head):
    """Return what a head says of the strange rows, and how near each class is, by galleries without their units and the groups of a fold (k x classes)."""
    fold, by_group = unit_folds(units, columns[strange]), folds(columns, groups)
    return [_without(vectors, columns, groups, fold, by_group, judged, strange, fold[columns[strange]], len(units), name) for name in (head, "nearest")]


def _without(vectors, columns, groups, fold, by_group, judged, rows, lacking, n_classes, head):
    """Return the scores of rows by galleries without the groups judged in the row's fold, and without the classes of the fold that each lacks (-1: none)."""
    found = np.empty((len(rows), n_classes), np.float32)
    for number in np.unique(by_group[rows]):
        gone = np.isin(groups, np.unique(groups[judged[by_group[judged] == number]]))
        for other in np.unique(lacking[by_group[rows] == number]):
            asked = (by_group[rows] == number) & (lacking == other)
            kept = ~gone & ((fold[columns] != other) | (other < 0))
            found[asked] = heads.HEADS[head](vectors[kept], columns[kept], n_classes)(vectors[rows[asked]]) if kept.any() else -np.inf
    return found


def of_full_gallery(vectors, columns, fold, judged, n_classes, head, groups):
    """Return of_names() of the judged rows for a gallery that lacks none of their groups, as that which ships; {} where no class has a group left.

    Each row is judged without its group, and of three specimens that is one: scores are then less telling than they will be. The temperature is taken
    to go as a power of the number of groups; the power is found by galleries that lack one more of the row's class.
    """
    scores = by_folds(vectors, columns, fold, judged, n_classes, head, groups)
    usable = np.isfinite(scores[np.arange(len(judged)), columns[judged]])
    if not usable.any():
        return {}
    named = of_names(scores[usable], columns[judged[usable]])
    others = [order(set(groups[columns == columns[row]].tolist()) - {groups[row]}, 0) for row in judged]
    several = np.flatnonzero([len(names) > 1 for names in others])
    if len(several):
        rows = judged[several]
        thinner = np.concatenate([by_folds(vectors, columns, fold, rows, n_classes, head, groups, [others[at][one] for at in several]) for one in (0, 1)])
        fall = fitted_temperature(scores[several], columns[rows]) / fitted_temperature(thinner, np.tile(columns[rows], 2))
        held = np.mean([len(others[at]) for at in several])
        named["temperature"] *= float(min(1.0, fall) ** (np.log1p(1 / held) / -np.log1p(-1 / held)))
    return named


def by_folds(vectors, columns, fold, judged, n_classes, head, groups, lacking=()):
    """Return k x classes scores of the judged rows, each fold by a gallery without the groups of its judged rows, nor those that `lacking` names for them."""
    found, lacking = np.empty((len(judged), n_classes), np.float32), np.array(lacking, str) if len(lacking) else groups[judged]
    for number in np.unique(fold[judged]):
        asked = fold[judged] == number
        kept = ~np.isin(groups, np.concatenate([groups[judged[asked]], lacking[asked]]))
        found[asked] = heads.HEADS[head](vectors[kept], columns[kept], n_classes)(vectors[judged[asked]])
    return found


def evidence(scores, near, temperature):
    """Return what tells a known class from an unknown (m x 4): likeness of the nearest, best score, its lead, and all scores together."""
    ranked = np.maximum(-np.sort(-scores, axis=1)[:, :2], NONE)
    if ranked.shape[1] < 2:
        ranked = np.concatenate([ranked, ranked], axis=1)
    together = temperature * log_sum_exp(scores / temperature)
    found = np.stack([np.maximum(near.max(axis=1), NONE), ranked[:, 0], ranked[:, 0] - ranked[:, 1], together], axis=1)
    return np.where(abs(found) < -NONE / 10, found, 0)  # 0 where there is no class, or no second


def of_known(calibration):
    """Return the temperature of the evidence that the calibration of known and unknown was fitted on: that of the names may be of another embedder."""
    return calibration.get("known_temperature", calibration["temperature"])


def fit_known(known, unknown):
    """Return the logistic regression that tells known from unknown by their evidence, both kinds weighing the same."""
    from sklearn.linear_model import LogisticRegression

    if not len(known) or not len(unknown):
        return {"weights": [0.0] * 4, "offset": 0.0}  # nothing tells: all are known
    x = np.concatenate([known, unknown]).astype(float)
    middle, size = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    fitted = LogisticRegression(class_weight="balanced").fit((x - middle) / size, np.arange(len(x)) < len(known))
    weights = fitted.coef_[0] / size
    return {"weights": weights.tolist(), "offset": float(fitted.intercept_[0] - middle @ weights)}


def known_chance(found, known):
    """Return P(known) of images by their evidence (m x 4), as if every second image were of an unknown class."""
    return 1 / (1 + np.exp(-np.clip(found @ np.array(known["weights"]) + known["offset"], -50, 50)))


def folds(columns, groups):
    """Return the fold of each row: a class's groups lie in different ones as far as there are folds, and folds are of like size."""
    fold, sizes = {}, np.zeros(FOLDS, int)
    for column in np.unique(columns):
        held = np.zeros(FOLDS, int)
        own = set(groups[columns == column].tolist())
        for group in own & fold.keys():
            held[fold[group]] += 1
        for group in order(own - fold.keys(), 0):
            fold[group] = int(np.lexsort((sizes, held))[0])
            held[fold[group]] += 1
            sizes[fold[group]] += 1
    return np.array([fold[group] for group in groups.tolist()], int)
