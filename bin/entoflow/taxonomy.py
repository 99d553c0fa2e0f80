"""The genus and family of classes, and the finest rank by which an image can be named for sure.

A class has at most one genus and one family, and a genus at most one family; each may be lacking. taxa are {label: {rank: name}}, without what is lacking.
"""
from entoflow.task import InputError

RANKS = ("genus", "family")  # above the species, the finest first
CONFIDENCE = 0.9  # --confidence of what names images and of what measures the names


def check_confidence(confidence):
    """Raise InputError for a confidence that is no chance above a half."""
    if not 0.5 <= confidence <= 1:
        raise InputError(f"--confidence is {confidence}; wanted a chance from 0.5 to 1.")


def of(records, source, name="image"):
    """Return the taxa of the classes of images, dicts with label and maybe genus and family. Raises InputError where images of a class differ in one,
    or classes of a genus in the family. name: the key of an image's own name."""
    first = {}
    for record in records:
        other = first.setdefault(record["label"], record)
        for rank in RANKS:
            if (record.get(rank) or "") != (other.get(rank) or ""):
                raise InputError(f"{record.get('source', source)}: {other[name]} and {record[name]} are both {record['label']}, of {rank} "
                                 f"'{other.get(rank) or ''}' and '{record.get(rank) or ''}'; wanted one {rank} for a class.")
    told = {label: {rank: record[rank] for rank in RANKS if record.get(rank)} for label, record in first.items()}
    return joined({}, {label: named for label, named in sorted(told.items()) if named}, source)


def joined(taxa, more, source):
    """Return taxa with more of the same or of other classes. Raises InputError for a class of two genera or families, or a genus of two families."""
    found = dict(taxa)
    for label, named in more.items():
        own = found.get(label, {})
        for rank in RANKS:
            if own.get(rank, named.get(rank)) != named.get(rank, own.get(rank)):
                raise InputError(f"{source}: class '{label}' is of {rank} '{own[rank]}' and '{named[rank]}'; wanted one {rank} for a class.")
        if own or named:
            found[label] = {**own, **named}
    first = {}
    for label, named in found.items():
        if all(rank in named for rank in RANKS):
            other = first.setdefault(named["genus"], label)
            family = found[other]["family"]
            if family != named["family"]:
                raise InputError(f"{source}: genus '{named['genus']}' is of family '{family}' ({other}) and '{named['family']}' ({label}); "
                                 "wanted one family for a genus.")
    return found
