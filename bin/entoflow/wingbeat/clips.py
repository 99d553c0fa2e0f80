"""Events as data sets list them, and their samples as clips of one length."""
from typing import NamedTuple

import numpy as np

from entoflow.tables import read_json
from entoflow.task import InputError

EVERY, NONE = -1, -2  # the fold of an event that is learned from in all folds, and of one that is not learned from and not judged


def read(path):
    """Return a data set of events {"info": .., "clips": [..]}. Raises InputError where it is none."""
    content = read_json(path)
    if not isinstance(content, dict) or not content.get("clips") or "sample_rate" not in content.get("info", {}):
        raise InputError(f"{path}: holds no events; wanted a data set that import_recordings.py or split_recordings.py wrote.")
    return content


class Signals:
    """The files of samples of the sources, by name; memory holds what is asked for alone."""

    def __init__(self, paths):
        self._files = {path.name: np.load(path, mmap_mode="r") for path in paths}

    def of(self, clip, samples):
        """Return an event's samples, of a longer one the `samples` around the middle of its energy."""
        whole = self._files[clip["signals"]][clip["first"]:clip["first"] + clip["samples"]]
        if len(whole) <= samples:
            return whole
        energy = np.cumsum(whole.astype(float) ** 2)
        middle = int(np.searchsorted(energy, energy[-1] / 2))
        start = min(max(0, middle - samples // 2), len(whole) - samples)
        return whole[start:start + samples]


def arrays(clips, signals, samples, out):
    """Fill out (n x samples float32) with the events' samples, zeros behind them, and return their true numbers of samples (n)."""
    lengths = np.zeros(len(clips), int)
    for row, clip in enumerate(clips):
        own = signals.of(clip, samples)
        out[row, :len(own)], out[row, len(own):], lengths[row] = own, 0, len(own)
    return lengths


class Events(NamedTuple):
    """What families learn from, and what they are asked about; n events in the order of the data set."""

    samples: np.ndarray  # n x samples float32, zeros behind an event's end
    lengths: np.ndarray  # n, true numbers of samples
    sample_rate: int  # Hz
    table: np.ndarray  # n x d features
    features: list  # d names
    labels: np.ndarray  # n, str
    groups: np.ndarray  # n, str
    clips: list  # n dicts, as the data set lists them
    partitions: dict  # of the events, by name: number of folds, and the seed to learn with


def load(clips, samples, features):
    """Return the Events of a data set and what extract_features.py wrote of it. Raises InputError where these are not of one another."""
    content = read(clips)
    listed = content["clips"]
    with np.load(features) as file:
        found = {name: file[name] for name in ("table", "names", "lengths")}
    held = np.load(samples, mmap_mode="r")
    if not len(listed) == len(held) == len(found["table"]):
        raise InputError(f"{clips}: has {len(listed)} events, and {samples} {len(held)}; wanted what extract_features.py made of them.")
    labels, groups = (np.array([clip[key] or "" for clip in listed], str) for key in ("label", "group"))
    return Events(held, found["lengths"], content["info"]["sample_rate"], found["table"], found["names"].tolist(), labels, groups, listed,
                  content["info"].get("partitions", {}))
