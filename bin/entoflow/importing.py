"""What an import of images and one of recordings share: every file is checked, and whatever is not taken as given has a row in the audit.

A file, or item, has file_name, path, label, row and problem (why it cannot be used whatever it holds, or None). A note is (file name, row, action, reason).
"""
import json
from collections import defaultdict
from multiprocessing.pool import ThreadPool

from entoflow.tables import plain_text
from entoflow.task import InputError


def given(source):
    """Return the path that a person gave: a task has its source as a link to it, and errors are to name what the person knows."""
    return source.parent / source.readlink() if source.is_symlink() else source


def check_numbers(args, *counts):
    """Raise InputError for a share of bad files out of its range, or a count (name of an argument) below 1."""
    if not 0 <= args.max_bad_files <= 1:
        raise InputError(f"max_bad_files is {args.max_bad_files}; wanted a share from 0 to 1.")
    for name in counts:
        if getattr(args, name) < 1:
            raise InputError(f"{name} is {getattr(args, name)}; wanted 1 or more.")


def describe_all(items, describe, bad, cpus):
    """Return ({file name: what describe says of the path}, notes of the unusable: those it raises a `bad` error for). What it read is gone when it is done."""
    def described(item):
        if item.problem:
            return None, item.problem
        try:
            return describe(item.path), None
        except bad as error:
            return None, str(error)

    facts, notes = {}, []
    with ThreadPool(cpus) as pool:
        for item, (fact, reason) in zip(items, pool.imap(described, items)):
            if reason:
                notes.append((item.file_name, item.row, "left out", reason))
            else:
                facts[item.file_name] = fact
    return facts, notes


def refuse_too_many(source, items, bad, share, noun):
    """Raise InputError where more than the given share of items, or all of them, are in the notes `bad`. noun: what they are."""
    if len(bad) > share * len(items) or len(bad) == len(items):
        named = "; ".join(f"{name} {reason}" for name, _, _, reason in bad[:3])
        more = " and so on" if len(bad) > 3 else ""
        raise InputError(f"{source}: {len(bad)} of {len(items)} {noun} cannot be used ({len(bad) / len(items):.1%}): "
                         f"{named}{more}; wanted at most {share:.1%} (--max_bad_files).")


def without_doubles(items, content):
    """Return (items of different content, notes of the others): of equal ones the first, if their labels agree. content(item): what tells, hashable."""
    equal = defaultdict(list)
    for item in items:
        equal[content(item)].append(item)
    taken, notes = [], []
    for first, *others in equal.values():
        rival = next((other for other in others if other.label != first.label), None)
        if rival:
            reason = f"{first.file_name} ({first.label}) and {rival.file_name} ({rival.label}) have the same bytes"
            notes += [(item.file_name, item.row, "left out", reason) for item in (first, *others)]
        else:
            taken.append(first)
            reason = f"has the same bytes as {first.file_name}"
            notes += [(item.file_name, item.row, "left out", reason) for item in others]
    return taken, notes


def audit(source, stage, notes):
    """Return the rows of the audit, sorted."""
    rows = [{"image": plain_text(name), "row": row, "source": source, "stage": stage, "action": action, "reason": plain_text(reason)}
            for name, row, action, reason in notes]
    return sorted(rows, key=lambda row: (row["image"], row["row"] or 0, row["action"], row["reason"]))


def write_audit(path, rows):
    """Write rows of the audit, one a line."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(f"[{lines}]\n", encoding="utf-8")
