"""Events as the tasks of the wingbeat chain hand them on.

One JSON file lists them, beside an npy file with their samples.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from entoflow import files
from entoflow.tables import read_json
from entoflow.task import InputError
from entoflow.wingbeat import partitions
from entoflow.wingbeat.partitions import Partition


@dataclass(frozen=True)
class Clip:
    """One event: a part of a recording in which an insect is heard, or a whole recording."""

    id: int  # of the recording's bytes and the part of it
    recording: str  # name of the file, as its user knows it
    start: float  # seconds from the start of the recording
    end: float
    label: str | None
    group: str  # what is never divided between training and testing
    sha256: str  # of the recording's bytes
    sample_rate: int  # Hz
    first: int  # place of its first sample in the file of samples
    samples: int  # how many there are
    # Whether a table or a time names the group, so that it is the same group in all sources.
    named_group: bool = False
    fold: str | None = None  # as a column `fold` names it
    time: datetime | None = None
    sensor: str | None = None
    temperature: float | None = None  # degrees Celsius
    humidity: float | None = None  # relative, %
    gain: float | None = None  # in the sensor's own unit
    flags: Sequence[str] = ()  # names of signal_quality.FLAGS that are raised
    source: str | None = None  # what the user gave
    signals: str | None = None  # name of the file of samples
    # Of each partition, from 0, TRAIN_ONLY or UNUSED; empty before the split.
    folds: Mapping[Partition, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ClipSet:
    """The events of one import, or of all imports together once they are divided into folds."""

    clips: Sequence[Clip]
    sample_rate: int  # Hz, of all of them
    partitions: Sequence[Partition] = ()  # the first is the grouped partition of the first seed
    role: str | None = None  # of one import: recordings (labelled) or predict
    format: str | None = None  # table, folders or recordings
    source: str | None = None  # what the user gave
    signals: str | None = None  # name of the file of samples


def read(path: Path) -> ClipSet:
    """Return a set of clips.

    Each clip of one import has its source and its file of samples. Raises InputError for a file
    that holds no events.
    """
    content = read_json(path)
    info = content.get("info", {}) if isinstance(content, dict) else {}
    if "sample_rate" not in info or not content.get("clips"):
        raise InputError(
            f"{path}: holds no events; wanted a data set that import_recordings.py or "
            "split_recordings.py wrote."
        )
    by_name = {
        name: partitions.parse(name, facts["folds"], facts["seed"])
        for name, facts in info.get("partitions", {}).items()
    }
    clips = [_read_clip(entry, info, by_name) for entry in content["clips"]]
    return ClipSet(
        clips,
        info["sample_rate"],
        list(by_name.values()),
        info.get("role"),
        info.get("format"),
        info.get("source"),
        info.get("signals"),
    )


def write(path: Path, clip_set: ClipSet) -> None:
    """Write a set of clips."""
    info = {
        name: value
        for name, value in vars(clip_set).items()
        if name != "clips" and value is not None
    }
    info["partitions"] = {
        partition.name: {"folds": partition.n_folds, "seed": partition.seed}
        for partition in clip_set.partitions
    }
    clips = [_entry(clip) for clip in clip_set.clips]
    files.write_text(path, json.dumps({"info": info, "clips": clips}, ensure_ascii=False) + "\n")


def _read_clip(entry: dict[str, Any], info: dict[str, Any], by_name: dict[str, Partition]) -> Clip:
    values: dict[str, Any] = {"source": info.get("source"), "signals": info.get("signals")} | entry
    values["time"] = datetime.fromisoformat(entry["time"]) if entry.get("time") else None
    values["flags"] = tuple(entry.get("flags", ()))
    values["folds"] = {by_name[name]: fold for name, fold in entry.get("folds", {}).items()}
    return Clip(**values)


def _entry(clip: Clip) -> dict[str, Any]:
    entry = {
        name: value
        for name, value in vars(clip).items()
        if name not in ("source", "signals") or value is not None
    }
    entry["time"] = clip.time.isoformat() if clip.time else None
    entry["folds"] = {partition.name: fold for partition, fold in clip.folds.items()}
    return entry
