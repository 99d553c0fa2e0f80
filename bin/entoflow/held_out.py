"""What families said of events when these were held out, and what ways that hardly listen would have said."""
from collections import defaultdict

import numpy as np

from entoflow import floors
from entoflow.probabilities import fitted_temperature, softmax
from entoflow.task import InputError

FAMILIES = {"features": "features", "random_convolutions": "random convolutions", "image": "spectrogram image (CNN)", "rnn": "RNN",
            "transformer": "transformer"}  # and what they are called
FLOORS = ("most frequent class", "F0 alone", "time of day alone")


class Named:
    """What the families said of the judged events: probabilities (n x C) by family and partition, in the rows of the first grouped partition."""

    def __init__(self, events, paths):
        self.classes = np.array(sorted(set(events.labels.tolist())))
        held = defaultdict(lambda: np.full((len(events.clips), len(self.classes)), np.nan, np.float32))
        self.seconds = defaultdict(list)
        for path in sorted(paths, key=lambda path: path.name):
            with np.load(path) as file:
                family, partition = str(file["family"]), str(file["partition"])
                held[family, partition][file["rows"]] = file["probabilities"]
                self.seconds[family].append(float(file["seconds"]))
        self.by = dict(held)
        self.families = sorted({family for family, _ in self.by}, key=lambda family: [*FAMILIES, family].index(family))
        self.grouped, self.random = ([name for name in events.partitions if name.startswith(how)] for how in ("grouped", "random"))
        self.fold = np.array([clip["folds"][self.grouped[0]] for clip in events.clips])
        self.rows = np.flatnonzero(self.fold >= 0)
        self.columns, self.groups = np.searchsorted(self.classes, events.labels), events.groups
        for family in self.families:
            for partition in (*self.grouped, *self.random):
                if (family, partition) not in self.by or np.isnan(self.by[family, partition][self.rows]).any():
                    raise InputError(f"--predictions: {family} did not name all events of {partition}; wanted every fold of every family.")

    def of(self, family, partitions):
        """Return the probabilities of a family, partitions x judged events x C."""
        return np.stack([self.by[family, partition][self.rows] for partition in partitions])

    def chosen_by_other_folds(self):
        """Return (probabilities, the same before calibration; judged events x C) of the family that was best on the other folds.

        It is calibrated on them, too: by one temperature.
        """
        from sklearn.metrics import f1_score

        truth, fold = self.columns[self.rows], self.fold[self.rows]
        said = {family: self.of(family, self.grouped[:1])[0] for family in self.families}
        found, plain = (np.empty((len(truth), len(self.classes))) for _ in range(2))
        for number in np.unique(fold):
            own, others = fold == number, fold != number
            best = max(said, key=lambda family: f1_score(truth[others], said[family][others].argmax(axis=1), average="macro"))  # noqa: B023
            plain[own] = said[best][own]
            found[own] = tempered(plain[own], temperature(said[best][others], truth[others]))
        return found, plain


def temperature(probability, truth):
    """Return the temperature at which probabilities (n x C) give the true columns the highest likelihood."""
    return fitted_temperature(logs(probability), truth)


def tempered(probability, by):
    """Return probabilities at another temperature."""
    return softmax(logs(probability) / by)


def logs(probability):
    return np.log(np.maximum(probability, 1e-12))


def floors_of(events, named, partition):
    """Return what FLOORS say of the judged events in a partition, each n x C; of the time of day None where it is not known of all."""
    fold = np.array([clip["folds"][partition] for clip in events.clips])
    folds = [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(fold.max() + 1)]
    pitch = np.log2(np.maximum(events.table[:, [events.features.index("f0_hz")]], 1))
    hours = np.array([np.nan if clip["time"] is None else int(clip["time"][11:13]) + int(clip["time"][14:16]) / 60 for clip in events.clips])
    n_classes = len(named.classes)
    return [floors.majority(named.columns, folds, n_classes)[named.rows], floors.gaussian(pitch, named.columns, folds, n_classes)[named.rows],
            floors.gaussian(floors.clock(hours), named.columns, folds, n_classes)[named.rows] if np.isfinite(hours).all() else None]
