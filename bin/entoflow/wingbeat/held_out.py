"""What families said of events when these were held out, and what ways that hardly listen would have said."""
from collections import defaultdict

import numpy as np

from entoflow.probabilities import label_sets, of_names, softmax
from entoflow.task import InputError
from entoflow.wingbeat import floors, temperatures

FAMILIES = {"features": "features", "random_convolutions": "random convolutions", "image": "spectrogram image (CNN)", "rnn": "RNN",
            "transformer": "transformer"}  # and what they are called
FLOORS = ("most frequent class", "F0 alone", "F0 at 25 degC alone", "time of day alone")


class Named:
    """What the families said of the judged events: probabilities (n x C) by family and partition, in the rows of the first grouped partition."""

    def __init__(self, events, paths):
        self.classes = np.array(sorted(set(events.labels.tolist())))
        held = defaultdict(lambda: np.full((len(events.clips), len(self.classes)), np.nan, np.float32))
        self.seconds, beside = defaultdict(list), {"noisy": defaultdict(list), "shuffled": defaultdict(list)}
        for path in sorted(paths, key=lambda path: path.name):
            with np.load(path) as file:
                family, partition = str(file["family"]), str(file["partition"])
                held[family, partition][file["rows"]] = file["probabilities"]
                self.seconds[family].append(float(file["seconds"]))
                for what in beside:
                    if what in file:
                        beside[what][family].append((file["noisy_rows" if what == "noisy" else "rows"], file[what]))
        self.by = dict(held)
        # of the first division: (rows m, what is said of them, .. x m ..) by family, in noise and with features shuffled
        self.noisy, self.shuffled = ({family: tuple(np.concatenate(parts, axis=at) for at, parts in enumerate(zip(*found))) for family, found in
                                      beside[what].items()} for what in beside)
        self.families = sorted({family for family, _ in self.by}, key=lambda family: [*FAMILIES, family].index(family))
        self.grouped, self.random = ([name for name in events.partitions if name.startswith(how)] for how in ("grouped", "random"))
        self.fold = np.array([clip["folds"][self.grouped[0]] for clip in events.clips])
        self.rows = np.flatnonzero(self.fold >= 0)
        self.columns, self.groups = np.searchsorted(self.classes, events.labels), events.groups
        for family in self.families:
            for partition in (*self.grouped, *self.random):
                rows = judged(events, partition)
                if (family, partition) not in self.by or np.isnan(self.by[family, partition][rows]).any():
                    raise InputError(f"--predictions: {family} did not name all events of {partition}; wanted every fold of every family.")

    def of(self, family, partitions):
        """Return the probabilities of a family, partitions x judged events x C."""
        return np.stack([self.by[family, partition][self.rows] for partition in partitions])

    def chosen_by_other_folds(self):
        """Return (probabilities, the same before calibration, which classes the label set of each holds; judged events x C).

        They are of the family that was best on the other folds, and calibrated on these, too.
        """
        from sklearn.metrics import f1_score

        truth, fold = self.columns[self.rows], self.fold[self.rows]
        said = {family: self.of(family, self.grouped[:1])[0] for family in self.families}
        found, plain, sets = (np.empty((len(truth), len(self.classes)), kind) for kind in (float, float, bool))
        for number in np.unique(fold):
            own, others = fold == number, fold != number
            best = max(said, key=lambda family: f1_score(truth[others], said[family][others].argmax(axis=1), average="macro"))  # noqa: B023
            calibration = calibrated(said[best][others], truth[others])
            plain[own], found[own] = said[best][own], tempered(said[best][own], calibration["temperature"])
            sets[own] = label_sets(found[own], calibration["conformal"])
        return found, plain, sets


def judged(events, partition):
    """Return the rows of Events that are judged in a partition."""
    return np.flatnonzero([clip["folds"][partition] >= 0 for clip in events.clips])


def calibrated(probability, truth):
    """Return {"temperature", "conformal"} (see probabilities.of_names) by which probabilities (n x C) can be believed and label sets hold what they should."""
    found = of_names(logs(probability), truth)
    return {name: found[name] for name in ("temperature", "conformal")}


def tempered(probability, by):
    """Return probabilities at another temperature."""
    return softmax(logs(probability) / by)


def logs(probability):
    return np.log(np.maximum(probability, 1e-12))


def floors_of(events, named, partition):
    """Return what FLOORS say of the judged events in a partition, each n x C; None where the temperature, or the time of day, is not known of all."""
    fold = np.array([clip["folds"][partition] for clip in events.clips])
    folds = [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(fold.max() + 1)]
    pitch = np.log2(np.maximum(events.table[:, events.features.index("f0_hz")], 1))
    hours = np.array([np.nan if clip["time"] is None else int(clip["time"][11:13]) + int(clip["time"][14:16]) / 60 for clip in events.clips])
    degc, n_classes = temperatures.of(events.clips), len(named.classes)
    found = [floors.majority(named.columns, folds, n_classes), floors.gaussian(pitch[:, None], named.columns, folds, n_classes),
             warmed(events, named, folds, pitch, degc) if np.isfinite(degc).all() else None,
             floors.gaussian(floors.clock(hours), named.columns, folds, n_classes) if np.isfinite(hours).all() else None]
    return [None if said is None else said[named.rows] for said in found]


def warmed(events, named, folds, pitch, degc):
    """Return what F0 alone says, brought to 25 degC by what the events that are learned from tell of warmth."""
    found, sure = np.zeros((len(pitch), len(named.classes))), temperatures.sure(events)
    for learn, held in folds:
        known = learn[sure[learn]]
        rise = temperatures.slope(degc[known], pitch[known], named.columns[known], np.ones((1, len(known))))[0] if len(known) else 0.0
        at_25 = temperatures.at_reference(pitch, degc, rise)
        found[held] = floors.gaussian(at_25[:, None], named.columns, [(learn, held)], len(named.classes))[held]
    return found
