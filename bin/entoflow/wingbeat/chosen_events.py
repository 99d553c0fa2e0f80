"""Which events deserve a picture: a few of each kind that says something.

Events pass by one block at a time, whatever their number; only those chosen so far stay in memory.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from entoflow.wingbeat.event_arrays import Events

# The surest of each name, the nearest to the threshold between known and unknown, the least sure of
# the unknown ones.
PREDICTED = ("sure", "limit", "unknown")
# The surest of the wrong ones, the least sure of all, the surest right ones of each class.
HELD_OUT = ("wrong", "unsure", "right")
NAMES = 3


@dataclass(frozen=True, eq=False)
class Event:
    """What a picture of an event shows."""

    samples: np.ndarray  # float32, of the event or of the middle of a longer one
    sample_rate: int  # Hz
    recording: str
    start: float  # seconds from the start of the recording
    end: float
    is_part: bool  # whether the samples are of a longer event
    f0_hz: float  # 0 where it is silent
    f0_confidence: float
    names: list[str]  # the NAMES likeliest, or all there are, the likeliest first
    probabilities: list[float]  # theirs
    known: bool
    label: str  # the true class, "" where it is unknown


@dataclass(frozen=True)
class _Entry:
    """An event on a shortlist; `rank`: how many of its group come before it."""

    rank: int
    negative_score: float
    order: int  # in which it was offered
    group: str
    event: Event

    @property
    def place(self) -> tuple[int, float, int]:
        return self.rank, self.negative_score, self.order


class Shortlist:
    """The first `most` of the events that are offered one by one, by score.

    Groups take turns, the best of each first; of equals the earlier is first. An event that is
    dropped could not come back: its place is only ever taken by better ones.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._n_offered = 0
        self._entries: list[_Entry] = []  # sorted by their place

    def offer(self, group: str, score: float, make: Callable[[], Event]) -> None:
        """Add what make() returns if the score is good enough; else make() is not called."""
        self._n_offered += 1
        order = self._n_offered
        rank = 0
        for entry in self._entries:
            if entry.group == group and (entry.negative_score, entry.order) < (-score, order):
                rank += 1
        if self._most == 0:
            return
        if len(self._entries) == self._most and (rank, -score, order) > self._entries[-1].place:
            return
        entries = [_Entry(rank, -score, order, group, make())]
        for entry in self._entries:
            moves_back = entry.group == group and entry.rank >= rank
            new_rank = entry.rank + 1 if moves_back else entry.rank
            entries.append(
                _Entry(new_rank, entry.negative_score, entry.order, entry.group, entry.event)
            )
        entries.sort(key=lambda entry: entry.place)
        self._entries = entries[: self._most]

    def events(self) -> list[Event]:
        """Return the events, the first ones first."""
        return [entry.event for entry in self._entries]


class EventChoice:
    """At most `most` events of three kinds: half of the first kind, a quarter of each other."""

    def __init__(self, most: int, kinds: Sequence[str]) -> None:
        quarter = most // 4
        sizes = (most - 2 * quarter, quarter, quarter)
        self._lists = {kind: Shortlist(size) for kind, size in zip(kinds, sizes)}

    def offer(
        self,
        events: Events,
        rows: Iterable[int],
        probabilities: np.ndarray,
        classes: Sequence[str],
        known_threshold: float,
    ) -> None:
        """Consider rows (k) of Events that are named with probabilities (k x C) of classes.

        An event is known from known_threshold on.
        """
        for row, probability in zip(rows, probabilities):
            make = cache(partial(_event, events, row, probability, classes, known_threshold))
            best = int(probability.argmax())
            name = str(classes[best])
            score = float(probability[best])
            merits = _merits(name, score, known_threshold, str(events.labels[row]))
            for kind, (group, merit) in merits.items():
                if kind in self._lists:
                    self._lists[kind].offer(group, merit, make)

    def events(self) -> list[tuple[str, Event]]:
        """Return (kind, event), kind by kind; an event of two kinds is listed once."""
        chosen: list[tuple[str, Event]] = []
        for kind, shortlist in self._lists.items():
            for event in shortlist.events():
                if not any(event is other for _, other in chosen):
                    chosen.append((kind, event))
        return chosen


def _merits(
    name: str, score: float, known_threshold: float, label: str
) -> dict[str, tuple[str, float]]:
    """Return {kind: (group, merit)}: within a group, the highest merit deserves a picture first."""
    merits = {"limit": ("", -abs(score - known_threshold)), "unsure": ("", -score)}
    if score >= known_threshold:
        merits["sure"] = (name, score)
    else:
        merits["unknown"] = ("", -score)
    if name == label:
        merits["right"] = (name, score)
    else:
        merits["wrong"] = ("", score)
    return merits


def _event(
    events: Events,
    row: int,
    probability: np.ndarray,
    classes: Sequence[str],
    known_threshold: float,
) -> Event:
    order = np.argsort(-probability, kind="stable")[:NAMES]
    clip = events.clips[row]
    samples = np.array(events.samples[row, : events.lengths[row]])  # a copy, not to hold the block
    return Event(
        samples=samples,
        sample_rate=events.sample_rate,
        recording=clip.recording,
        start=clip.start,
        end=clip.end,
        is_part=clip.samples > len(samples),
        f0_hz=float(events.feature("f0_hz")[row]),
        f0_confidence=float(events.feature("f0_confidence")[row]),
        names=[str(classes[column]) for column in order],
        probabilities=[float(probability[column]) for column in order],
        known=bool(probability[order[0]] >= known_threshold),
        label=str(events.labels[row]),
    )
