"""Events as arrays: their samples at one length, their features, labels, groups and folds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from entoflow.task import InputError
from entoflow.wingbeat import clip_set
from entoflow.wingbeat.clip_set import Clip
from entoflow.wingbeat.partitions import UNUSED, Partition


@dataclass(frozen=True)
class Events:
    """What models learn from and predict: n events in the order of the set of clips."""

    samples: np.ndarray  # n x samples float32, zeros behind an event's end
    lengths: np.ndarray  # n, true numbers of samples
    sample_rate: int  # Hz
    table: np.ndarray  # n x d float32, features
    feature_names: list[str]  # d
    labels: np.ndarray  # n, str; "" where unknown
    groups: np.ndarray  # n, str
    clips: Sequence[Clip]  # n
    partitions: Sequence[Partition]  # the first is the grouped partition of the first seed

    def feature(self, name: str) -> np.ndarray:
        """Return one column of the table (n)."""
        return self.table[:, self.feature_names.index(name)]

    def partition(self, name: str) -> Partition:
        """Return the partition of a name. Raises KeyError where there is none."""
        return {partition.name: partition for partition in self.partitions}[name]

    def folds(self, partition: Partition) -> np.ndarray:
        """Return the fold of each event (n) in a partition: from 0, TRAIN_ONLY or UNUSED."""
        return np.array([clip.folds[partition] for clip in self.clips], int)

    def held_out_rows(self, partition: Partition, fold: int | None = None) -> np.ndarray:
        """Return the rows that are held out in one fold (from 0) of a partition, or in any."""
        folds = self.folds(partition)
        return np.flatnonzero(folds >= 0 if fold is None else folds == fold)

    def training_rows(self, partition: Partition, fold: int) -> np.ndarray:
        """Return the rows that are trained on where a fold (from 0) of a partition is held out."""
        folds = self.folds(partition)
        return np.flatnonzero((folds != fold) & (folds != UNUSED))


class SignalFiles:
    """The files of samples, by name.

    They are mapped: only the samples that are asked for come into memory.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._arrays = {path.name: np.load(path, mmap_mode="r") for path in paths}

    def cut(self, clip: Clip, n_samples: int) -> np.ndarray:
        """Return an event's samples, but not more than n_samples.

        Of a longer event they are those around the middle of its energy.
        """
        assert clip.signals is not None, "clip_set.read says in which file its samples are"
        samples = self._arrays[clip.signals][clip.first : clip.first + clip.samples]
        if len(samples) <= n_samples:
            return samples
        energy = np.cumsum(samples.astype(float) ** 2)
        middle = int(np.searchsorted(energy, energy[-1] / 2))
        start = min(max(0, middle - n_samples // 2), len(samples) - n_samples)
        return samples[start : start + n_samples]


def fill(out: np.ndarray, clips: Sequence[Clip], signals: SignalFiles) -> np.ndarray:
    """Fill `out` (n x samples float32) with the events' samples, and zeros behind them.

    Returns how many samples of each event are in it (n).
    """
    lengths = np.zeros(len(clips), int)
    for row, clip in enumerate(clips):
        samples = signals.cut(clip, out.shape[1])
        out[row, : len(samples)] = samples
        out[row, len(samples) :] = 0
        lengths[row] = len(samples)
    return lengths


def load(clips: Path, samples: Path, features: Path) -> Events:
    """Return the events of a set of clips with what extract_features.py wrote of it.

    Raises InputError where they do not match.
    """
    listed = clip_set.read(clips)
    with np.load(features) as file:
        table, names, lengths = file["table"], file["names"], file["lengths"]
    sample_rows = np.load(samples, mmap_mode="r")
    if not len(listed.clips) == len(sample_rows) == len(table):
        raise InputError(
            f"{clips}: has {len(listed.clips)} events, and {samples} {len(sample_rows)}; "
            "wanted what extract_features.py made of them."
        )
    return Events(
        samples=sample_rows,
        lengths=lengths,
        sample_rate=listed.sample_rate,
        table=table,
        feature_names=names.tolist(),
        labels=np.array([clip.label or "" for clip in listed.clips], str),
        groups=np.array([clip.group for clip in listed.clips], str),
        clips=listed.clips,
        partitions=listed.partitions,
    )
