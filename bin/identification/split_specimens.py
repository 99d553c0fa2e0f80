#!/usr/bin/env python3
"""Split labelled specimens into parts: no group is both learned from and tested on.

train: what the embedder learns from before a choice. validation: what choices are made on: whole
classes that it does not learn from, and groups of the other classes. test: groups of the classes
above. unseen: whole classes that neither embedder nor gallery knows, to be recognised as unknown
and to be enrolled as new; near ones have a sister in the collection (of their genus, or family
where no genus is given), far ones have not. rest: images of a group that other parts hold, so that
nothing honest could be measured on them; like all others they are in the gallery that ships. A
`split` column with train and test decides what is test, and with it which classes are unseen.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from entoflow import audit, dataset, files, grouping, taxonomy
from entoflow.audit import AuditRow
from entoflow.dataset import Dataset, Image
from entoflow.task import InputError, run

ROLES = ("specimens", "unlabelled")
STAGE = "split_specimens"
PARTS = ("train", "validation", "test", "unseen", "rest")
SHARES = ("validation_share", "test_share", "unseen_share")
FEWEST_CLASSES = 10  # below, no class is held out: each is worth more in the gallery
CALIBRATING = 20  # groups at least, where there are so many, that calibrate what ships
MANY_GROUPS = 3  # a class with so many to learn from gives some for validation
NO_UNSEEN = (
    "no class is held out as unseen (too few, or too small a share of them), "
    "so nothing is measured of the unknown"
)


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    check_shares(args)
    audit_rows: list[AuditRow] = []
    merged = read_merged(args.datasets, audit_rows)
    check_specimens(merged["specimens"].images)
    group_of, _ = grouping.group(merged, args.duplicate_bits, STAGE, audit_rows)
    grouped = [replace(image, group=group_of[image.id]) for image in merged["specimens"].images]
    audit_rows += contradicting_labels(grouped)
    parts = assign_parts(grouped, args, audit_rows)
    specimens = [replace(image, part=part) for image, part in zip(grouped, parts)]
    specimens = flag_calibrating(specimens, args.seed)
    specimens = add_tiers(specimens)
    check_parts(specimens)
    write_datasets(args, merged, specimens, group_of)
    write_split(args.split, specimens)
    audit.write(args.audit, sorted(audit_rows, key=by_image))
    print(summary(specimens))


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument(
        "--datasets",
        type=Path,
        nargs="+",
        required=True,
        help="data sets that import_images.py wrote",
    )
    p.add_argument("--seed", type=int, default=1, help="seed (default %(default)s)")
    p.add_argument(
        "--validation_share",
        type=float,
        default=0.15,
        help="share of the classes, and of the groups of large ones, to validate on "
        "(default %(default)s)",
    )
    p.add_argument(
        "--test_share",
        type=float,
        default=0.15,
        help="share of a class's groups to test on, at least one of two (default %(default)s)",
    )
    p.add_argument(
        "--unseen_share",
        type=float,
        default=0.15,
        help="share of the classes that are held out whole (default %(default)s)",
    )
    p.add_argument(
        "--duplicate_bits",
        type=int,
        default=6,
        help="near-duplicates differ in so many of 64 hash bits (default %(default)s)",
    )
    for name in ("specimens", "unlabelled", "split", "audit"):
        p.add_argument(f"--{name}", type=Path, required=True, help="file to write")
    return p


def check_shares(args: argparse.Namespace) -> None:
    """Raise InputError for shares that leave nothing to learn from."""
    for name in SHARES:
        share = getattr(args, name)
        if not 0 < share < 1:
            raise InputError(f"--{name} is {share}; wanted a share above 0 and below 1.")
    if args.validation_share + args.unseen_share >= 1:
        raise InputError(
            f"--validation_share {args.validation_share} and --unseen_share "
            f"{args.unseen_share} leave no class to learn from."
        )


def read_merged(paths: Sequence[Path], audit_rows: list[AuditRow]) -> dict[str, Dataset]:
    """Return {role: one data set of all files of that role}; audit_rows is added to."""
    ordered = sorted(paths, key=lambda path: path.name)
    datasets = [grouping.read(path, ROLES) for path in ordered]
    return grouping.merge(datasets, ROLES, STAGE, audit_rows)


def check_specimens(images: Sequence[Image]) -> None:
    """Raise InputError for a wrong split, contradicting taxa, or fewer than two classes."""
    for image in images:
        if image.split not in (None, "train", "test"):
            raise InputError(
                f"{image.source}: {image.file_name} has split '{image.split}'; "
                "wanted train, test or nothing."
            )
    taxonomy.taxa_of_images(images, "--specimens")
    labels = {str(image.label) for image in images}
    if len(labels) < 2:
        raise InputError(
            f"--specimens: have {len(labels)} class ({', '.join(labels)}); "
            "wanted at least two to tell apart."
        )


def contradicting_labels(images: Sequence[Image]) -> list[AuditRow]:
    """Return a note for near-duplicates under different labels: look-alikes, or a wrong label."""
    rows = []
    first: dict[str, Image] = {}
    for image in images:
        earlier = first.setdefault(image.group, image)
        if earlier.label != image.label and not image.given and not earlier.given:
            reason = (
                f"nearly the same photo as {earlier.file_name}, which is labelled "
                f"{earlier.label}, not {image.label}: is one label wrong?"
            )
            rows.append(grouping.row(image, STAGE, "note", reason))
    return rows


def assign_parts(
    images: Sequence[Image], args: argparse.Namespace, audit_rows: list[AuditRow]
) -> list[str]:
    """Return the part of each image; audit_rows gets a note where no class is unseen."""
    if any(image.split for image in images):
        parts = parts_of_column(images)
    else:
        parts = hold_out_test(images, args.test_share, args.unseen_share, args.seed)
    if "unseen" not in parts:
        audit_rows.append(AuditRow(None, None, "all", STAGE, "note", NO_UNSEEN))
    learned = [image for image, part in zip(images, parts) if part == "train"]
    inner_parts = hold_out_validation(learned, args.validation_share, args.seed)
    inner_part = {image.id: part for image, part in zip(learned, inner_parts)}
    return [inner_part.get(image.id, part) for image, part in zip(images, parts)]


def parts_of_column(images: Sequence[Image]) -> list[str]:
    """Return train, test, or unseen for test images of a class that has none to learn from.

    Raises InputError for a group in both.
    """
    first: dict[str, Image] = {}
    for image in images:
        earlier = first.setdefault(image.group, image)
        if (earlier.split == "test") != (image.split == "test"):
            raise InputError(
                f"{image.source}: leak: {earlier.file_name} and {image.file_name} are of one "
                "group, or nearly the same photo, one with split train and one with test; "
                "wanted a group in one of the two."
            )
    learned_labels = {image.label for image in images if image.split != "test"}
    parts = []
    for image in images:
        if image.split != "test":
            parts.append("train")
        else:
            parts.append("test" if image.label in learned_labels else "unseen")
    return parts


def hold_out_test(
    images: Sequence[Image], test_share: float, unseen_share: float, seed: int
) -> list[str]:
    """Return train, test, unseen or rest for each image."""
    from entoflow.splits import assign

    unseen_labels = choose_classes(images, unseen_share, seed)
    n_groups = count_groups(images)
    if not any(n > 1 for label, n in n_groups.items() if label not in unseen_labels):
        unseen_labels = set()  # the only classes that could be tested are needed for that
    known = [image for image in images if image.label not in unseen_labels]
    groups = [image.group for image in known]
    labels = [image.label for image in known]
    parts = assign(groups, labels, {"test": test_share}, seed)
    # Where groups hold several classes, a class may be left with nothing to learn from.
    learned_labels = {label for label, part in zip(labels, parts) if part == "train"}
    parts = [part if label in learned_labels else "unseen" for label, part in zip(labels, parts)]
    return fill_parts(images, known, parts, "test", "unseen")


def hold_out_validation(learned: Sequence[Image], share: float, seed: int) -> list[str]:
    """Return train, validation or rest for each image that could be learned from."""
    from entoflow.splits import assign, order

    n_groups = count_groups(learned)
    of_several = [image for image in learned if n_groups[str(image.label)] > 1]
    validation_labels = choose_classes(of_several, share, seed + 1)
    taught = [image for image in learned if image.label not in validation_labels]
    n_groups = count_groups(taught)
    of_two = [label for label, n in n_groups.items() if n == 2]
    giving = {label for label, n in n_groups.items() if n >= MANY_GROUPS}
    giving |= set(order(of_two, seed)[::3])  # every third class of two groups gives one, too
    large = [image for image in taught if image.label in giving]
    groups = [image.group for image in large]
    labels = [image.label for image in large]
    large_parts = assign(groups, labels, {"validation": share}, seed + 1)
    part_of_group = dict(zip(groups, large_parts))
    parts = [part_of_group.get(image.group, "train") for image in taught]
    return fill_parts(learned, taught, parts, "validation", "validation")


def fill_parts(
    images: Sequence[Image],
    assigned: Sequence[Image],
    parts: Sequence[str],
    shared_part: str,
    held_out_part: str,
) -> list[str]:
    """Return the part of each image, where only some were assigned one.

    The others are of classes that are held out whole: they get held_out_part, or rest where their
    group is in another part than shared_part.
    """
    part_of_image = {image.id: part for image, part in zip(assigned, parts)}
    part_of_group = {image.group: part for image, part in zip(assigned, parts)}
    filled = []
    for image in images:
        if image.id in part_of_image:
            filled.append(part_of_image[image.id])
        elif part_of_group.get(image.group, shared_part) == shared_part:
            filled.append(held_out_part)
        else:
            filled.append("rest")
    return filled


def choose_classes(images: Sequence[Image], share: float, seed: int) -> set[str]:
    """Return the labels of a share of the classes, to be held out whole.

    Half of them are whole genera (or families) where these are known, which makes them far.
    """
    from entoflow.splits import order

    labels = sorted({str(image.label) for image in images})
    n_wanted = round(share * len(labels)) if len(labels) >= FEWEST_CLASSES else 0
    labels_of_genus = defaultdict(set)
    for image in images:
        genus = genus_or_family(image)
        if genus:
            labels_of_genus[genus].add(str(image.label))
    chosen: set[str] = set()
    for genus in order(labels_of_genus, seed):
        if len(chosen) + len(labels_of_genus[genus]) <= n_wanted / 2:
            chosen |= labels_of_genus[genus]
    for label in order(set(labels) - chosen, seed):
        if len(chosen) < n_wanted:
            chosen.add(label)
    return chosen


def genus_or_family(image: Image) -> str | None:
    return image.genus or image.family


def count_groups(images: Iterable[Image]) -> dict[str, int]:
    """Return {label: number of its groups}."""
    groups = defaultdict(set)
    for image in images:
        groups[str(image.label)].add(image.group)
    return {label: len(names) for label, names in groups.items()}


def flag_calibrating(images: Sequence[Image], seed: int) -> list[Image]:
    """Return the images, with those flagged that calibrate what ships and are not learned from.

    They are a third of the validation images of classes that are learned from, by group, but
    CALIBRATING groups where there are. None where these are of a few groups that span classes,
    such as drawers: the gallery without one of them is another than what ships.
    """
    from entoflow.splits import order

    learned_labels = {image.label for image in images if image.part == "train"}
    in_validation = [image for image in images if image.part == "validation"]
    candidates = [image for image in in_validation if image.label in learned_labels]
    groups = {image.group for image in candidates}
    if len(groups) < min(CALIBRATING, len(candidates)):
        return list(images)
    step = min(3, max(1, len(groups) // CALIBRATING))
    chosen_groups = set(order(groups, seed)[::step])
    flagged = {image.id for image in candidates if image.group in chosen_groups}
    return [replace(image, calibrates=image.id in flagged) for image in images]


def add_tiers(images: Sequence[Image]) -> list[Image]:
    """Return the images, unseen ones with their tier.

    near where a class of the gallery is of the same genus (or family), far where none is.
    """
    unseen_labels = {image.label for image in images if image.part == "unseen"}
    known_genera = {genus_or_family(image) for image in images if image.label not in unseen_labels}
    with_tiers = []
    for image in images:
        genus = genus_or_family(image)
        if image.part == "unseen" and genus:
            image = replace(image, tier="near" if genus in known_genera else "far")
        with_tiers.append(image)
    return with_tiers


def check_parts(images: Sequence[Image]) -> None:
    """Raise InputError where nothing is left to learn from, or nothing to test on."""
    parts = {image.part for image in images}
    lacking = [part for part in ("train", "test") if part not in parts]
    if lacking and any(image.split for image in images):
        raise InputError(
            f"--specimens: its column split leaves nothing for {' and '.join(lacking)}; "
            "wanted specimens of a class in both train and test."
        )
    if lacking:
        n_classes = len({image.label for image in images})
        raise InputError(
            f"--specimens: none of the {n_classes} classes has specimens of two groups, one to "
            "learn from and one to test on; wanted a second specimen of some (near-duplicates "
            "are one, and so is what `group` says)."
        )


def write_datasets(
    args: argparse.Namespace,
    merged: Mapping[str, Dataset],
    specimens: list[Image],
    group_of: Mapping[int, str],
) -> None:
    """Write the specimens with their parts, and the unlabelled images with their groups."""
    unlabelled = merged["unlabelled"]
    grouped = [replace(image, group=group_of[image.id]) for image in unlabelled.images]
    dataset.write(args.specimens, replace(merged["specimens"], images=specimens))
    dataset.write(args.unlabelled, replace(unlabelled, images=grouped))


def write_split(path: Path, images: Iterable[Image]) -> None:
    """Write split.csv: a row per specimen, sorted."""
    rows = [
        (image.file_name, image.group, image.part, image.label, image.tier or "")
        for image in images
    ]
    files.write_csv(path, ("image", "group", "part", "label", "tier"), sorted(rows))


def by_image(row: AuditRow) -> tuple[str, str, str]:
    return row.image or "", row.source, row.reason


def summary(images: Sequence[Image]) -> str:
    """Return how many images and classes each part has, in a sentence."""
    counts = []
    for part in PARTS:
        labels = [image.label for image in images if image.part == part]
        if labels:
            counts.append(f"{part} {len(labels)} of {len(set(labels))} classes")
    n_classes = len({image.label for image in images})
    return f"{len(images)} images of {n_classes} classes: {', '.join(counts)}."


if __name__ == "__main__":
    run(main)
