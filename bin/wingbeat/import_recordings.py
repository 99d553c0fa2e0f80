#!/usr/bin/env python3
"""Read one source of recordings.

Check every file, find the events, and put the events' samples into one file.
A row with start and end is one event, and so is a whole recording, unless it is longer than any
event lasts: there the events are those that stand out of the noise, and each has the recording's
label. A name may say when and by which sensor a recording was made; one sensor's night is then a
group. Nothing is resampled unless --sample_rate asks for it. What looks wrong with an event is
flagged and counted, and what is not taken as it was given has a row in the audit.
"""

import argparse
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow import audit, importing
from entoflow.audit import AuditRow, Note
from entoflow.tables import plain_text
from entoflow.task import InputError, run
from entoflow.wingbeat import clip_set, recording_names
from entoflow.wingbeat.clip_set import Clip, ClipSet
from entoflow.wingbeat.recording_names import NameFacts

if TYPE_CHECKING:
    import numpy as np

    from entoflow.wingbeat.audio import SoundFacts
    from entoflow.wingbeat.recordings import Listing, Recording

STAGE = "import_recordings"
ROLES = ("recordings", "predict")  # labelled ones to learn from, and ones to predict
LEAST_RATE, HIGHEST_RATE = 200, 1_000_000  # Hz: lower ones hold no wingbeat, higher ones no memory
LONG = 10.0  # seconds; no insect passes a sensor for so long
SAMPLES_AT_ONCE = 1 << 22  # of events, padded to one length, that are checked together


@dataclass(frozen=True)
class Span:
    """An event: a part of a recording, in seconds."""

    part: "Recording"
    start: float
    end: float


@dataclass(frozen=True)
class Signal:
    """What was written of an event's samples."""

    n_samples: int
    flags: list[str]


def main(argv: list[str]) -> None:
    args = parse_arguments(argv)
    listing = read_source(args.source, args.role)
    files = first_of_each_file(listing.recordings)
    facts, unusable = describe_files(files, args.cpus)
    importing.refuse_too_many(args.source, files, unusable, args.max_bad_files, "recordings")
    parts, doubles = drop_doubles(listing.recordings, facts)
    refuse_outside(args.source, parts, facts)
    sample_rate = determine_sample_rate(args, parts, facts)
    name_facts, night_groups = read_names(parts, args.name_pattern, args.date_order)
    spans, without_event = find_spans(parts, facts, args.find_events)
    if not spans:
        raise InputError(
            f"{args.source}: has no event to take in its {len(parts)} recordings; wanted at least "
            "one."
        )
    signals = write_signals(args.signals, spans, facts, sample_rate)
    clips = list_clips(spans, signals, facts, name_facts, night_groups, sample_rate)
    content = ClipSet(
        clips, sample_rate, [], args.role, listing.format, args.source_name, args.signals.name
    )
    clip_set.write(args.dataset, content)
    notes = [
        *listing.notes,
        *unusable,
        *doubles,
        *without_event,
        *note_channels(files, facts),
        *note_flags(clips),
    ]
    rows = audit.rows_of(notes, args.source_name, STAGE)
    audit.write(args.audit, rows)
    print(summary(clips, rows, args.source_name, args.audit.name))


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument("--source", type=Path, required=True, help="file or folder to read")
    p.add_argument("--role", choices=ROLES, required=True, help="what its recordings are for")
    p.add_argument(
        "--sample_rate",
        type=int,
        help="Hz to bring all recordings to (default: their own, which must be one)",
    )
    p.add_argument(
        "--name_pattern",
        help="regular expression with named groups (d1 d2 d3 or year month day, "
        "hour minute second fraction, sensor, temperature, humidity, gain) that reads the "
        "recordings' names (default: those of 21-05-21_19.00.11.52 and other usual names)",
    )
    p.add_argument(
        "--date_order",
        choices=list(recording_names.ORDERS),
        help="order of the date's parts in names (default: the only one in which all are dates)",
    )
    p.add_argument(
        "--find_events",
        choices=["auto", "true", "false"],
        default="auto",
        help="whether events are searched in recordings without start and end; "
        f"auto: in those longer than {LONG:g} s (default %(default)s)",
    )
    p.add_argument(
        "--max_bad_files",
        type=float,
        default=0.05,
        help="share of files that may be unusable before that is an error (default %(default)s)",
    )
    p.add_argument(
        "--cpus", type=int, default=2, help="recordings to check at a time (default %(default)s)"
    )
    p.add_argument("--dataset", type=Path, required=True, help="JSON file to write: the events")
    p.add_argument(
        "--signals",
        type=Path,
        required=True,
        help="npy file to write: the events' samples in one row, float32",
    )
    p.add_argument(
        "--audit",
        type=Path,
        required=True,
        help="JSON file to write: what was not taken as it was given, and why",
    )
    return p


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """Return the checked arguments. Raises InputError for a number out of its range."""
    args = parser().parse_args(argv)
    importing.check_numbers(args, "cpus")
    if args.sample_rate is not None and not LEAST_RATE <= args.sample_rate <= HIGHEST_RATE:
        raise InputError(
            f"--sample_rate is {args.sample_rate}; wanted {LEAST_RATE} to {HIGHEST_RATE} Hz."
        )
    source = args.source if args.source.name else args.source.resolve()  # `.` has no name
    args.source_name = plain_text(source.name)
    args.source = importing.user_path(source)
    return args


def read_source(source: Path, role: str) -> "Listing":
    """Return what a source lists, its recordings in order. Raises InputError for no recording."""
    from entoflow.wingbeat import recordings

    read = recordings.read_labelled if role == "recordings" else recordings.read_unlabelled
    listing = read(source)
    if not listing.recordings:
        raise InputError(
            f"{source}: has no recording to take; wanted at least one WAV, FLAC or OGG file."
        )
    ordered = sorted(
        listing.recordings, key=lambda part: (part.file_name, part.start or 0, part.end or 0)
    )
    return replace(listing, recordings=ordered)


def first_of_each_file(parts: Iterable["Recording"]) -> list["Recording"]:
    """Return the first part of each recording, in order."""
    firsts: dict[Path, Recording] = {}
    for part in parts:
        firsts.setdefault(part.path, part)
    return list(firsts.values())


def describe_files(
    files: Sequence["Recording"], cpus: int
) -> tuple[dict[Path, "SoundFacts"], list[Note]]:
    """Return ({path: facts of the recording}, notes on the unusable ones)."""
    from entoflow.wingbeat import audio

    by_name, unusable = importing.describe_all(files, audio.describe, audio.BadRecordingError, cpus)
    return {
        file.path: by_name[file.file_name] for file in files if file.file_name in by_name
    }, unusable


def drop_doubles(
    parts: Iterable["Recording"], facts: Mapping[Path, "SoundFacts"]
) -> tuple[list["Recording"], list[Note]]:
    """Return (usable parts, each content once, notes on the others)."""
    usable = [part for part in parts if part.path in facts]
    return importing.without_doubles(
        usable, lambda part: (facts[part.path].sha256, part.start, part.end)
    )


def refuse_outside(
    source: Path, parts: Iterable["Recording"], facts: Mapping[Path, "SoundFacts"]
) -> None:
    """Raise InputError for a part that its recording does not hold.

    It lies, wholly or in part, behind the end, or between two samples.
    """
    from entoflow.wingbeat.audio import ROUNDING

    for part in parts:
        rate = facts[part.path].sample_rate
        seconds = facts[part.path].seconds
        start = part.start or 0.0
        last = start if part.end is None else part.end
        if last > seconds + ROUNDING or start >= seconds:
            raise InputError(
                f"{source}, row {part.row}: asks for {part.file_name} up to {last:g} s, which "
                f"lasts {seconds:g} s; "
                "wanted a part of it."
            )
        end = part.end or seconds
        if part.start is not None and round(start * rate) >= round(min(end, seconds) * rate):
            raise InputError(
                f"{source}, row {part.row}: asks for {part.file_name} from {start:g} to {end:g} "
                "s, which holds none of "
                f"its {rate} samples a second; wanted one or more."
            )


def determine_sample_rate(
    args: argparse.Namespace, parts: Iterable["Recording"], facts: Mapping[Path, "SoundFacts"]
) -> int:
    """Return the sample rate of the events.

    Raises InputError where the recordings have several and none is asked for, and for one too low
    or too high.
    """
    counts = Counter(facts[part.path].sample_rate for part in first_of_each_file(parts))
    for rate, n_recordings in counts.items():
        if not LEAST_RATE <= rate <= HIGHEST_RATE:
            raise InputError(
                f"{args.source}: has {n_recordings} recordings at {rate} Hz; "
                f"wanted {LEAST_RATE} to {HIGHEST_RATE} Hz, which hold a wingbeat."
            )
    if args.sample_rate:
        return args.sample_rate
    if len(counts) > 1:
        rates = ", ".join(
            f"{rate} Hz ({n_recordings})" for rate, n_recordings in sorted(counts.items())
        )
        raise InputError(
            f"{args.source}: has recordings at {rates}; wanted one sample rate, or --sample_rate "
            "to bring all to."
        )
    return next(iter(counts))


def read_names(
    parts: Iterable["Recording"], pattern: str | None, date_order: str | None
) -> tuple[dict[Path, NameFacts], dict[Path, str | None]]:
    """Return ({path: what the table, or else the name, says}, {path: sensor's night, None where its
    time is unknown}).
    """
    firsts = first_of_each_file(parts)
    read_facts = recording_names.read([part.file_name for part in firsts], pattern, date_order)
    facts = [replace(read, **part.columns) for read, part in zip(read_facts, firsts)]
    paths = [part.path for part in firsts]
    return dict(zip(paths, facts)), dict(zip(paths, recording_names.night_groups(facts)))


def find_spans(
    parts: Iterable["Recording"], facts: Mapping[Path, "SoundFacts"], find_events: str
) -> tuple[list[Span], list[Note]]:
    """Return (events, notes on the recordings in which nothing stands out).

    find_events: auto, true or false.
    """
    from entoflow.wingbeat import audio, events

    spans: list[Span] = []
    notes: list[Note] = []
    for part in parts:
        sound = facts[part.path]
        seconds = sound.seconds
        searched = find_events == "true" or (find_events == "auto" and seconds > LONG)
        if part.start is not None or not searched:
            end = seconds if part.end is None else min(part.end, seconds)
            spans.append(Span(part, part.start or 0.0, end))
            continue
        blocks = audio.read_blocks(part.path, LONG, sound.channels)
        detected = list(events.detect(blocks, sound.sample_rate))
        spans += [Span(part, start, min(end, seconds)) for start, end in detected]
        if not detected:
            reason = f"nothing stands out of the noise of its {seconds:g} s"
            notes.append(Note(part.file_name, part.row, "left out", reason))
    return spans, notes


def write_signals(
    path: Path, spans: Sequence[Span], facts: Mapping[Path, "SoundFacts"], sample_rate: int
) -> list[Signal]:
    """Write the samples of all events to one file, in constant memory, with 0 for those that are
    not finite.
    """
    import numpy as np

    from entoflow.wingbeat import audio

    raw_path = path.with_suffix(".raw")
    signals = []
    with raw_path.open("wb") as file:
        for batch in batches(read_spans(spans, facts)):
            for (samples, own_rate), flags in zip(batch, raise_flags(batch)):
                samples = np.nan_to_num(samples, nan=0, posinf=0, neginf=0)
                if own_rate != sample_rate:
                    samples = audio.resample(samples, own_rate, sample_rate)
                samples.astype(np.float32).tofile(file)
                signals.append(Signal(len(samples), flags))
    total = sum(signal.n_samples for signal in signals)
    raw = np.memmap(raw_path, np.float32, "r", shape=(total,))
    out = np.lib.format.open_memmap(path, "w+", np.float32, (total,))
    for first in range(0, total, SAMPLES_AT_ONCE):
        out[first : first + SAMPLES_AT_ONCE] = raw[first : first + SAMPLES_AT_ONCE]
    out.flush()
    raw_path.unlink()
    return signals


def read_spans(
    spans: Iterable[Span], facts: Mapping[Path, "SoundFacts"]
) -> Iterator[tuple["np.ndarray", int]]:
    """Yield (samples, sample rate) of each event."""
    from entoflow.wingbeat import audio

    for span in spans:
        path = span.part.path
        yield audio.read(path, span.start, span.end, facts[path].channels)


def batches(sounds: Iterable[tuple["np.ndarray", int]]) -> Iterator[list[tuple["np.ndarray", int]]]:
    """Yield lists of one sound (samples, sample rate) or more, which padded to one length have at
    most SAMPLES_AT_ONCE samples.
    """
    batch: list[tuple[np.ndarray, int]] = []
    longest = 0
    for sound in sounds:
        longest = max(longest, len(sound[0]))
        if batch and longest * (len(batch) + 1) > SAMPLES_AT_ONCE:
            yield batch
            batch = []
            longest = len(sound[0])
        batch.append(sound)
    if batch:
        yield batch


def raise_flags(batch: Sequence[tuple["np.ndarray", int]]) -> list[list[str]]:
    """Return the names of the flags that each sound (samples, sample rate) raises.

    They are raised at its own rate: once it is resampled, what was clipped or not finite no longer
    looks it.
    """
    import numpy as np

    from entoflow.wingbeat import signal_quality

    lengths = np.array([len(samples) for samples, _ in batch])
    rates = np.array([rate for _, rate in batch])
    padded = np.zeros((len(batch), lengths.max()), np.float32)
    for row, (samples, _) in enumerate(batch):
        padded[row, : len(samples)] = samples
    raised = np.zeros((len(batch), len(signal_quality.FLAGS)), bool)
    for rate in np.unique(rates):
        rows = np.flatnonzero(rates == rate)
        raised[rows] = signal_quality.flags(padded[rows], int(rate), lengths[rows])
    names = np.array(signal_quality.FLAGS)
    return [names[row].tolist() for row in raised]


def list_clips(
    spans: Iterable[Span],
    signals: Iterable[Signal],
    facts: Mapping[Path, "SoundFacts"],
    name_facts: Mapping[Path, NameFacts],
    night_groups: Mapping[Path, str | None],
    sample_rate: int,
) -> list[Clip]:
    """Return the events as the data set lists them, in the order of their samples."""
    clips = []
    first = 0
    for span, signal in zip(spans, signals):
        part = span.part
        sha256 = facts[part.path].sha256
        named_group = part.group or night_groups[part.path]
        key = hashlib.sha256(f"{sha256} {span.start:.6f} {span.end:.6f}".encode()).hexdigest()
        clip = Clip(
            id=int(key[:13], 16),
            recording=part.file_name,
            start=round(span.start, 6),
            end=round(span.end, 6),
            label=part.label,
            group=named_group or part.file_name,
            named_group=bool(named_group),
            fold=part.fold,
            sha256=sha256,
            sample_rate=sample_rate,
            first=first,
            samples=signal.n_samples,
            flags=signal.flags,
            **vars(name_facts[part.path]),
        )
        clips.append(clip)
        first += signal.n_samples
    return clips


def note_channels(files: Iterable["Recording"], facts: Mapping[Path, "SoundFacts"]) -> list[Note]:
    """Return a note on each recording of several channels."""
    notes = []
    for file in files:
        sound = facts.get(file.path)
        if sound and sound.note:
            notes.append(Note(file.file_name, None, "note", sound.note))
    return notes


def note_flags(clips: Iterable[Clip]) -> list[Note]:
    """Return a note on each recording with flagged events."""
    n_events: Counter[str] = Counter()
    raised: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        n_events[clip.recording] += 1
        raised[clip.recording].update(clip.flags)
    notes = []
    for recording, counts in raised.items():
        if counts:
            flags = ", ".join(f"{flag} {n}" for flag, n in sorted(counts.items()))
            reason = f"of {n_events[recording]} events flagged: {flags}"
            notes.append(Note(recording, None, "note", reason))
    return notes


def summary(
    clips: Sequence[Clip], rows: Iterable[AuditRow], source_name: str, audit_name: str
) -> str:
    """Return the last line printed: what was taken and what was not."""
    n_recordings = len({clip.recording for clip in clips})
    n_left_out = sum(row.action == "left out" for row in rows)
    text = f"Took {len(clips)} events of {n_recordings} recordings from {source_name}, "
    text += f"left out {n_left_out}"
    raised = Counter(flag for clip in clips for flag in clip.flags)
    if raised:
        text += "; flagged: " + ", ".join(f"{flag} {n}" for flag, n in raised.most_common())
    return f"{text}: see {audit_name}."


if __name__ == "__main__":
    run(main)
