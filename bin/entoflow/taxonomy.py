"""The genus and family of classes.

A class has at most one genus and one family, and a genus at most one family; each may be lacking.
"""

from collections.abc import Iterable, Mapping

from entoflow.dataset import Image
from entoflow.task import InputError

RANKS = ("genus", "family")  # above the species, the finest first
CONFIDENCE = 0.9  # --confidence of what names images and of what measures the names

Taxa = Mapping[str, Mapping[str, str]]  # {label: {rank: name}}, without what is lacking


def check_confidence(confidence: float) -> None:
    """Raise InputError for a confidence that is no chance from a half up."""
    if not 0.5 <= confidence <= 1:
        raise InputError(f"--confidence is {confidence}; wanted a chance from 0.5 to 1.")


def taxa_of_images(images: Iterable[Image], source: object) -> dict[str, dict[str, str]]:
    """Return the taxa of the classes of images.

    source: what to name in an error where an image does not say its own. Raises InputError where
    images of a class differ in a rank, or classes of a genus in the family.
    """
    first: dict[str, Image] = {}
    for image in images:
        earlier = first.setdefault(image.label or "", image)
        for rank in RANKS:
            name = getattr(image, rank) or ""
            earlier_name = getattr(earlier, rank) or ""
            if name != earlier_name:
                raise InputError(
                    f"{image.source or source}: {earlier.file_name} and {image.file_name} are both "
                    f"{image.label}, of {rank} '{earlier_name}' and '{name}'; "
                    f"wanted one {rank} for a class."
                )
    taxa = {}
    for label, image in sorted(first.items()):
        names = {rank: getattr(image, rank) for rank in RANKS if getattr(image, rank)}
        if names:
            taxa[label] = names
    return join({}, taxa, source)


def join(taxa: Taxa, more: Taxa, source: object) -> dict[str, dict[str, str]]:
    """Return taxa with those of the same or other classes added.

    Raises InputError for a class of two genera or families, or a genus of two families.
    """
    joined = {label: dict(names) for label, names in taxa.items()}
    for label, names in more.items():
        known = joined.get(label, {})
        for rank in RANKS:
            if rank in known and rank in names and known[rank] != names[rank]:
                raise InputError(
                    f"{source}: class '{label}' is of {rank} '{known[rank]}' and '{names[rank]}'; "
                    f"wanted one {rank} for a class."
                )
        if known or names:
            joined[label] = {**known, **names}
    _check_one_family_for_a_genus(joined, source)
    return joined


def _check_one_family_for_a_genus(taxa: Taxa, source: object) -> None:
    first: dict[str, str] = {}  # genus -> its first class of which the family is known
    for label, names in taxa.items():
        if "genus" not in names or "family" not in names:
            continue
        earlier = first.setdefault(names["genus"], label)
        family = taxa[earlier]["family"]
        if family != names["family"]:
            raise InputError(
                f"{source}: genus '{names['genus']}' is of family '{family}' ({earlier}) and "
                f"'{names['family']}' ({label}); wanted one family for a genus."
            )
