"""Which events deserve a picture: a few of each kind that says something, kept as they pass by, whatever their number."""
from functools import cache
from typing import NamedTuple

import numpy as np

PREDICTED = ("sure", "limit", "unknown")  # surest of each name, nearest to the limit between known and unknown, least sure of the unknown
HELD_OUT = ("wrong", "unsure", "right")  # surest of the wrong ones, least sure of all, surest right ones of each class
NAMES = 3
MOST = 24  # pictures, unless told otherwise


class Event(NamedTuple):
    """What a picture of an event shows."""

    samples: np.ndarray  # float32, of the event or of the middle of a longer one
    sample_rate: int  # Hz
    clip: dict  # the event as its data set lists it
    f0_hz: float  # 0 where it is silent
    f0_confidence: float
    names: list  # the NAMES likeliest, or all there are, the likeliest first
    probabilities: list  # theirs
    known: bool
    label: str  # the true one, "" where nobody knows


class Shortlist:
    """The first `most` of what is offered one by one, by score: groups take turns, the best of each first; of equals the earlier is first.

    What is dropped could not come back: its place is only ever taken by better ones.
    """

    def __init__(self, most):
        self._most, self._offered, self._kept = most, 0, []  # kept: (rank within its group, -score, order, group, thing), sorted

    def offer(self, group, score, make):
        """Keep what make() gives if its score is good enough; it is not called otherwise."""
        self._offered += 1
        place = (-score, self._offered)
        rank = sum(entry[3] == group and entry[1:3] < place for entry in self._kept)
        if len(self._kept) == self._most and (not self._kept or (rank, *place) > self._kept[-1][:3]):
            return
        moved = [(entry[0] + (entry[3] == group and entry[0] >= rank), *entry[1:]) for entry in self._kept]
        self._kept = sorted([*moved, (rank, *place, group, make())], key=lambda entry: entry[:3])[:self._most]

    def things(self):
        return [entry[4] for entry in self._kept]


class Chosen:
    """At most `most` Events of the kinds PREDICTED or HELD_OUT: half of the first kind, a quarter of each other."""

    def __init__(self, most, kinds):
        quarter = most // 4
        self._lists = {kind: Shortlist(size) for kind, size in zip(kinds, (most - 2 * quarter, quarter, quarter))}

    def offer(self, events, asked, probability, classes, known_above):
        """Look at the asked rows of clips.Events, named with probability (k x C) of classes; an event is known from known_above on."""
        for at, row in zip(asked, probability):
            best = int(row.argmax())
            make = cache(lambda at=at, row=row: _event(events, at, row, classes, known_above))  # one Event, of however many kinds it is
            for kind, merit in _merits(str(classes[best]), float(row[best]), known_above, str(events.labels[at])).items():
                if kind in self._lists:
                    self._lists[kind].offer(*merit, make)

    def events(self):
        """Return [(kind, Event)], kind by kind; what is of two kinds is listed once."""
        found = [(kind, event) for kind, shortlist in self._lists.items() for event in shortlist.things()]
        return [(kind, event) for k, (kind, event) in enumerate(found) if not any(event is before for _, before in found[:k])]


def _merits(name, score, known_above, label):
    """Return {kind: (group, score)} of the kinds that an event is of: within a group, the highest score deserves a picture first."""
    known, right = score >= known_above, name == label
    merits = {"limit": ("", -abs(score - known_above)), "unsure": ("", -score)}
    merits |= {"sure": (name, score)} if known else {"unknown": ("", -score)}
    return merits | ({"right": (name, score)} if right else {"wrong": ("", score)})


def _event(events, at, row, classes, known_above):
    order = np.argsort(-row, kind="stable")[:NAMES]
    f0, confidence = (float(events.table[at, events.features.index(name)]) for name in ("f0_hz", "f0_confidence"))
    samples = np.array(events.samples[at, :events.lengths[at]])  # of its own: the block it came in is let go
    return Event(samples, events.sample_rate, events.clips[at], f0, confidence, [str(classes[k]) for k in order], [float(row[k]) for k in order],
                 bool(row[order[0]] >= known_above), str(events.labels[at]))
