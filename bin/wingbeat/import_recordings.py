#!/usr/bin/env python3
"""Read one source of recordings: check every file, find what is one event, and put the events' samples into one file.

A row with start and end is one event, and so is a whole recording, unless it is longer than any event lasts: there the events are those that stand out
of the noise, and each has the recording's label. A name may say when and by which sensor a recording was made; one sensor's night is then a
group. Nothing is resampled unless --sample_rate asks for it; what looks wrong with an event is flagged and counted, and whatever is not taken as it
was given has a row in the audit.
"""
import argparse
import hashlib
import json
from collections import Counter, defaultdict
from pathlib import Path

from entoflow import importing
from entoflow.tables import plain_text
from entoflow.task import InputError, run

READERS = {"recordings": "read_labelled", "predict": "read_unlabelled"}  # role -> its reader
RATES = 200, 1_000_000  # Hz, that hold a wingbeat and can be held
LONG = 10.0  # seconds; no insect passes a sensor for so long
AT_ONCE = 1 << 22  # samples of events, padded to one length, to look at for flags


def main(argv):
    args = checked(parser().parse_args(argv))
    form, parts, notes = read(args.source, args.role)
    files = list({part.path: part for part in reversed(parts)}.values())[::-1]
    facts, bad = described(files, args.cpus)
    importing.refuse_too_many(args.source, files, bad, args.max_bad_files, "recordings")
    taken, doubles = importing.without_doubles([part for part in parts if part.path in facts], lambda part: (facts[part.path]["sha256"], part.start, part.end))
    refuse_outside(args.source, taken, facts)
    rate = one_rate(args, [facts[path]["sample_rate"] for path in {part.path for part in taken}])
    said = said_of(taken, args)
    spans, empty = found_events(taken, facts, args.find_events)
    if not spans:
        raise InputError(f"{args.source}: has no event to take in its {len(taken)} recordings; wanted at least one.")
    flags = write_signals(args.signals, spans, facts, rate)
    clips = build(spans, facts, said, flags, rate)
    info = {"role": args.role, "format": form, "source": args.source_name, "sample_rate": rate, "signals": args.signals.name}
    args.dataset.write_text(json.dumps({"info": info, "clips": clips}, ensure_ascii=False) + "\n", encoding="utf-8")
    channels = [(part.file_name, None, "note", facts[part.path]["note"]) for part in files if part.path in facts and facts[part.path]["note"]]
    rows = importing.audit(args.source_name, "import_recordings", [*notes, *bad, *doubles, *empty, *channels, *flagged(clips)])
    importing.write_audit(args.audit, rows)
    print(summary(args, clips, rows))


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--source", type=Path, required=True, help="file or folder to read")
    p.add_argument("--role", choices=list(READERS), required=True, help="what its recordings are for")
    p.add_argument("--sample_rate", type=int, help="Hz to bring all recordings to (default: their own, which must be one)")
    p.add_argument("--name_pattern", help="regular expression with named groups (d1 d2 d3 or year month day, hour minute second fraction, sensor, temperature, "
                   "humidity, gain) that says what a recording's name says (default: those of 21-05-21_19.00.11.52 and other usual names)")
    p.add_argument("--date_order", choices=["ymd", "dmy", "mdy"], help="order of the date's parts in names (default: the only one in which all are dates)")
    p.add_argument("--find_events", choices=["auto", "true", "false"], default="auto", help="whether events are searched in recordings without start and end; "
                   f"auto: in those longer than {LONG:g} s (default %(default)s)")
    p.add_argument("--max_bad_files", type=float, default=0.05,
                   help="share of files that may be unusable before that is an error (default %(default)s)")
    p.add_argument("--cpus", type=int, default=2, help="recordings to check at a time (default %(default)s)")
    p.add_argument("--dataset", type=Path, required=True, help="JSON file to write: the events")
    p.add_argument("--signals", type=Path, required=True, help="npy file to write: the events' samples one behind the other, float32")
    p.add_argument("--audit", type=Path, required=True, help="JSON file to write: what was not taken as given, and why")
    return p


def checked(args):
    """Return the arguments. Raises InputError for a number out of its range."""
    importing.check_numbers(args, "cpus")
    if args.sample_rate is not None and not RATES[0] <= args.sample_rate <= RATES[1]:
        raise InputError(f"--sample_rate is {args.sample_rate}; wanted {RATES[0]} to {RATES[1]} Hz.")
    args.source = args.source if args.source.name else args.source.resolve()  # `.` has no name to go by
    args.source_name, args.source = plain_text(args.source.name), importing.given(args.source)
    return args


def read(source, role):
    """Return (format, recordings or parts of them in order, notes). Raises InputError for no recording."""
    from entoflow.wingbeat import recordings

    form, parts, notes = getattr(recordings, READERS[role])(source)
    if not parts:
        raise InputError(f"{source}: has no recording to take; wanted at least one WAV, FLAC or OGG file.")
    return form, sorted(parts, key=lambda part: (part.file_name, part.start or 0, part.end or 0)), notes


def described(files, cpus):
    """Return ({path: what audio.describe says}, notes of the unusable)."""
    from entoflow.wingbeat import audio

    facts, bad = importing.describe_all(files, audio.describe, audio.BadRecording, cpus)
    return {part.path: facts[part.file_name] for part in files if part.file_name in facts}, bad


def refuse_outside(source, parts, facts):
    """Raise InputError for a part that ends, or starts, where its recording has ended, or that lies between two of its samples."""
    from entoflow.wingbeat.audio import ROUNDING

    for part in parts:
        rate = facts[part.path]["sample_rate"]
        seconds = facts[part.path]["frames"] / rate
        last = part.end if part.end is not None else part.start or 0
        if last > seconds + ROUNDING or (part.start or 0) >= seconds:
            raise InputError(f"{source}, row {part.row}: asks for {part.file_name} up to {last:g} s, which lasts {seconds:g} s; wanted a part of it.")
        if part.start is not None and round(part.start * rate) >= round(min(part.end or seconds, seconds) * rate):
            raise InputError(f"{source}, row {part.row}: asks for {part.file_name} from {part.start:g} to {part.end or seconds:g} s, which holds none of its "
                             f"{rate} samples a second; wanted one or more.")


def one_rate(args, rates):
    """Return the sample rate of the events. Raises InputError where recordings have several and none is asked for, and for one too low or too high."""
    counts = Counter(rates)
    wrong = [rate for rate in counts if not RATES[0] <= rate <= RATES[1]]
    if wrong:
        raise InputError(f"{args.source}: has {counts[wrong[0]]} recordings at {wrong[0]} Hz; wanted {RATES[0]} to {RATES[1]} Hz, which hold a wingbeat.")
    if args.sample_rate or len(counts) == 1:
        return args.sample_rate or rates[0]
    told = ", ".join(f"{rate} Hz ({n})" for rate, n in sorted(counts.items()))
    raise InputError(f"{args.source}: has recordings at {told}; wanted one sample rate, or --sample_rate to bring all to.")


def said_of(parts, args):
    """Return {path: (what name and table say, default group or None)}; what a table says goes before what a name says."""
    from entoflow.wingbeat import recording_names

    first = {part.path: part for part in reversed(parts)}
    said = recording_names.read([part.file_name for part in first.values()], args.name_pattern, args.date_order)
    said = [one._replace(**part.columns) for one, part in zip(said, first.values())]
    return dict(zip(first, zip(said, recording_names.groups(said))))


def found_events(parts, facts, asked):
    """Return ([(part, start, end) in seconds], notes of the recordings in which nothing stands out)."""
    from entoflow.wingbeat import audio, events

    spans, notes = [], []
    for part in parts:
        fact = facts[part.path]
        seconds = fact["frames"] / fact["sample_rate"]
        if part.start is not None or asked == "false" or (asked == "auto" and seconds <= LONG):
            spans.append((part, part.start or 0.0, seconds if part.end is None else min(part.end, seconds)))
            continue
        found = list(events.stream(audio.blocks(part.path, LONG, fact["taken"]), fact["sample_rate"]))
        spans += [(part, start, min(end, seconds)) for start, end in found]
        if not found:
            notes.append((part.file_name, part.row, "left out", f"nothing stands out of the noise of its {seconds:g} s"))
    return spans, notes


def write_signals(path, spans, facts, rate):
    """Write the samples of all events to one file, non-finite ones as 0, and return [(number of samples, names of its flags)] of each; memory is constant."""
    import numpy as np

    from entoflow.wingbeat import audio

    raw, found = path.with_suffix(".raw"), []
    with raw.open("wb") as file:
        for batch in batches(audio.read(part.path, start, end, facts[part.path]["taken"]) for part, start, end in spans):
            for (samples, own), raised in zip(batch, flags_of(batch)):
                samples = np.nan_to_num(samples, nan=0, posinf=0, neginf=0)
                samples = samples if own == rate else audio.resampled(samples, own, rate)
                samples.astype(np.float32).tofile(file)
                found.append((len(samples), raised))
    total = sum(n for n, _ in found)
    out, written = np.lib.format.open_memmap(path, "w+", np.float32, (total,)), np.memmap(raw, np.float32, "r", shape=(total,))
    for first in range(0, total, AT_ONCE):
        out[first:first + AT_ONCE] = written[first:first + AT_ONCE]
    out.flush()
    raw.unlink()
    return found


def batches(clips):
    """Yield lists of clips (samples, rate) that padded to the longest of them are AT_ONCE samples at most, one clip at least."""
    held, longest = [], 0
    for clip in clips:
        longest = max(longest, len(clip[0]))
        if held and longest * (len(held) + 1) > AT_ONCE:
            yield held
            held, longest = [], len(clip[0])
        held.append(clip)
    if held:
        yield held


def flags_of(batch):
    """Return the names of the flags of each clip (samples, rate), at its own rate: resampled, what was clipped or no number no longer looks it."""
    import numpy as np

    from entoflow.wingbeat import signal_quality

    found, padded = [None] * len(batch), np.zeros((len(batch), max(len(samples) for samples, _ in batch)), np.float32)
    for row, (samples, _) in zip(padded, batch):
        row[:len(samples)] = samples
    for rate in {rate for _, rate in batch}:
        rows = [at for at, (_, own) in enumerate(batch) if own == rate]
        raised = signal_quality.flags(padded[rows], rate, [len(batch[at][0]) for at in rows])
        for at, flags in zip(rows, raised):
            found[at] = [name for name, on in zip(signal_quality.FLAGS, flags) if on]
    return found


def build(spans, facts, said, flags, rate):
    """Return the events as the dataset lists them: in order, with the place of their samples in the file of signals."""
    clips, first = [], 0
    for (part, start, end), (n, raised) in zip(spans, flags):
        sha256, (name, group) = facts[part.path]["sha256"], said[part.path]
        key = hashlib.sha256(f"{sha256} {start:.6f} {end:.6f}".encode()).hexdigest()
        clips.append({"id": int(key[:13], 16), "recording": part.file_name, "start": round(start, 6), "end": round(end, 6), "label": part.label,
                      "group": part.group or group or part.file_name, "given": bool(part.group or group), "fold": part.fold, "sha256": sha256,
                      "sample_rate": rate, "first": first, "samples": n, **name._asdict(), "time": name.time and name.time.isoformat(),
                      "flags": raised})
        first += n
    return clips


def flagged(clips):
    """Return notes of the recordings with flagged events, one each."""
    raised, n = defaultdict(Counter), Counter(clip["recording"] for clip in clips)
    for clip in clips:
        raised[clip["recording"]].update(clip["flags"])
    return [(name, None, "note", f"of {n[name]} events flagged: {', '.join(f'{flag} {count}' for flag, count in sorted(counts.items()))}")
            for name, counts in raised.items() if counts]


def summary(args, clips, rows):
    """Return the last line printed: what was taken and what was not."""
    counts, raised = Counter(row["action"] for row in rows), Counter(flag for clip in clips for flag in clip["flags"])
    told = f"; flagged: {', '.join(f'{flag} {n}' for flag, n in raised.most_common())}" if raised else ""
    recordings = len({clip["recording"] for clip in clips})
    return f"Took {len(clips)} events of {recordings} recordings from {args.source_name}, left out {counts['left out']}{told}: see {args.audit.name}."


if __name__ == "__main__":
    run(main)
