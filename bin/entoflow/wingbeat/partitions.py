"""Ways to divide events into folds, one of which is held out at a time.

Models are compared on grouped partitions; the others answer a question of their own (see
bin/wingbeat/split_recordings.py). In arrays folds count from 0; on command lines and in tables they
count from 1.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

TRAIN_ONLY = -1  # the fold of an event that is trained on in every fold and never held out
UNUSED = -2  # the fold of an event that is neither trained on nor held out


class Kind(Enum):
    """What a partition is for; the value begins its name."""

    GROUPED = "grouped"  # whole groups are held out: what models are compared on
    RANDOM = "random"  # single events are held out: how optimistic that is
    SENSOR = "sensor"  # one sensor is held out at a time
    LEFT_OUT = "without"  # some classes are not trained on: whether they are recognised as unknown
    SHARE = "share"  # a part of the groups is trained on: what more recordings would bring


@dataclass(frozen=True)
class Partition:
    """One division of the events into folds."""

    kind: Kind
    n_folds: int  # that are held out in turn
    seed: int  # of the models that are trained on it
    # Grouped, random: the seed of the division. Left out: which part of the classes, from 1.
    # Share: which fold of the first grouped partition is held out, from 1.
    number: int | None = None
    share: int | None = None  # per cent of the groups that are trained on

    @property
    def name(self) -> str:
        """The name in files and on command lines: grouped_1, sensor, without_2, share_25_1."""
        numbers = [number for number in (self.share, self.number) if number is not None]
        return "_".join([self.kind.value, *map(str, numbers)])


def parse(name: str, n_folds: int, seed: int) -> Partition:
    """Return the partition of a name. Raises ValueError for a name that no partition has."""
    word, *numbers = name.split("_")
    kind = Kind(word)
    values = [int(number) for number in numbers]
    if kind is Kind.SENSOR and not values:
        return Partition(kind, n_folds, seed)
    if kind is Kind.SHARE and len(values) == 2:
        return Partition(kind, n_folds, seed, number=values[1], share=values[0])
    if kind not in (Kind.SENSOR, Kind.SHARE) and len(values) == 1:
        return Partition(kind, n_folds, seed, number=values[0])
    raise ValueError(f"{name} is no name of a partition")


def of_kind(partitions: Iterable[Partition], kind: Kind) -> list[Partition]:
    """Return the partitions of one kind, in their order."""
    return [partition for partition in partitions if partition.kind is kind]
