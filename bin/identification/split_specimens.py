#!/usr/bin/env python3
"""Split labelled specimens into parts: no group is both learned from and tested on, and whole classes are held out beside.

train: what the embedder learns from before a choice. validation: what choices are made on, whole classes that it does not learn from, and groups
of the other classes. test: groups of the classes above. unseen: whole classes that neither embedding nor gallery knows, to be told
as unknown and to be enrolled as new; near ones have a sister in the collection (genus, or family where no genus is given), far ones
have not. rest: images of a group that other parts hold, so that nothing honest could be measured on them; like all others they are in the
gallery that ships. A `split` column with train and test decides for itself what is test, and with it which classes are unseen.
"""
import argparse
import csv
import json
from collections import defaultdict
from pathlib import Path

from entoflow import coco, taxonomy
from entoflow.joining import group, merge, read, row
from entoflow.task import InputError, run

ROLES, STAGE = ("specimens", "unlabelled"), "split_specimens"
FEWEST_CLASSES = 10  # below, no class is held out: each is worth more in the gallery than what one or two would tell
CALIBRATING = 20  # groups at least, where there are so many, that say how far scores of what ships can be believed
MANY_GROUPS = 3  # a class with so many to learn from gives some for validation; of those with two every third does


def main(argv):
    args = checked(parser().parse_args(argv))
    audit = []
    roles = merge([read(path, ROLES) for path in sorted(args.datasets, key=lambda path: path.name)], ROLES, STAGE, audit)
    check(roles["specimens"]["images"])
    groups, _ = group(roles, args.duplicate_bits, STAGE, audit)
    for dataset in roles.values():
        for image in dataset["images"]:
            image["group"] = groups[image["id"]]
    specimens = roles["specimens"]["images"]
    note_labels(specimens, audit)
    parts = divide(specimens, args, audit)
    for image, part in zip(specimens, parts):
        image["part"] = part
    note_calibrating(specimens, args.seed)
    note_tiers(specimens)
    refuse_no_parts(specimens)
    coco.write(args.specimens, roles["specimens"])
    coco.write(args.unlabelled, roles["unlabelled"])
    write_split(args.split, specimens)
    audit.sort(key=lambda row: (row["image"] or "", row["source"], row["reason"]))
    args.audit.write_text(json.dumps(audit, ensure_ascii=False, indent=1), encoding="utf-8")
    print(summary(specimens))


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--datasets", type=Path, nargs="+", required=True, help="data sets that import_images.py wrote")
    p.add_argument("--seed", type=int, default=1, help="seed (default %(default)s)")
    p.add_argument("--validation_share", type=float, default=0.15, help="share of the classes, and of the groups of large ones, to validate on "
                   "(default %(default)s)")
    p.add_argument("--test_share", type=float, default=0.15, help="share of a class's groups to test on, at least one of two (default %(default)s)")
    p.add_argument("--unseen_share", type=float, default=0.15, help="share of the classes that are held out whole (default %(default)s)")
    p.add_argument("--duplicate_bits", type=int, default=6, help="near-duplicates differ in so many of 64 hash bits (default %(default)s)")
    for name in ("specimens", "unlabelled", "split", "audit"):
        p.add_argument(f"--{name}", type=Path, required=True, help="file to write")
    return p


def checked(args):
    """Return the arguments. Raises InputError for shares that leave nothing to learn from."""
    for name in ("validation_share", "test_share", "unseen_share"):
        if not 0 < getattr(args, name) < 1:
            raise InputError(f"--{name} is {getattr(args, name)}; wanted a share above 0 and below 1.")
    if args.validation_share + args.unseen_share >= 1:
        raise InputError(f"--validation_share {args.validation_share} and --unseen_share {args.unseen_share} leave no class to learn from.")
    return args


def check(images):
    """Raise InputError for a split that is no part, a class of two genera or families, a genus of two families, or fewer than two classes."""
    for image in images:
        if image.get("split") not in (None, "train", "test"):
            raise InputError(f"{image['source']}: {image['file_name']} has split '{image['split']}'; wanted train, test or nothing.")
    taxonomy.of(images, "--specimens", "file_name")
    labels = {image["label"] for image in images}
    if len(labels) < 2:
        raise InputError(f"--specimens: have {len(labels)} class ({', '.join(labels)}); wanted at least two to tell apart.")


def note_labels(images, audit):
    """Tell of near-duplicates under different labels: look-alikes, or a wrong label."""
    first = {}
    for image in images:
        other = first.setdefault(image["group"], image)
        if other["label"] != image["label"] and not image["given"] and not other["given"]:
            audit.append(row(image, image["source"], STAGE, "note", f"nearly the same photo as {other['file_name']}, which is labelled "
                             f"{other['label']}, not {image['label']}: is one label wrong?"))


def divide(images, args, audit):
    """Return the part of each image."""
    from entoflow.splits import assign, order

    if any(image.get("split") for image in images):
        held = given(images)
    else:
        unseen = held_out(images, args.unseen_share, args.seed)
        if not any(n > 1 for label, n in several(images).items() if label not in unseen):
            unseen = set()  # what could be tested is needed for that
        known = [image for image in images if image["label"] not in unseen]
        parts = assign([image["group"] for image in known], [image["label"] for image in known], {"test": args.test_share}, args.seed)
        kept = {image["label"] for image, part in zip(known, parts) if part == "train"}  # groups of several classes may leave one nothing
        parts = ["unseen" if image["label"] not in kept else part for image, part in zip(known, parts)]
        held = spread(images, known, parts, "test", "unseen")
    if "unseen" not in held:
        audit.append(note("no class is held out as unseen (too few, or too small a share of them), so nothing is measured of the unknown"))
    learned = [image for image, part in zip(images, held) if part == "train"]
    counts = several(learned)
    apart = held_out([image for image in learned if counts[image["label"]] > 1], args.validation_share, args.seed + 1)
    taught = [image for image in learned if image["label"] not in apart]
    counts = several(taught)
    large = {label for label, n in counts.items() if n >= MANY_GROUPS} | set(order([label for label, n in counts.items() if n == 2], args.seed)[::3])
    many = [image for image in taught if image["label"] in large]
    chosen = dict(zip([image["group"] for image in many], assign([image["group"] for image in many], [image["label"] for image in many],
                                                                 {"validation": args.validation_share}, args.seed + 1)))
    inner = iter(spread(learned, taught, [chosen.get(image["group"], "train") for image in taught], "validation", "validation"))
    return [next(inner) if part == "train" else part for part in held]


def spread(images, kept, parts, shared, name):
    """Return the part of each image: its own where it is kept; else that of a class held out, and rest where its group is elsewhere than in `shared`."""
    own = {image["id"]: part for image, part in zip(kept, parts)}
    of_group = {image["group"]: part for image, part in zip(kept, parts)}
    return [own.get(image["id"]) or (name if of_group.get(image["group"], shared) == shared else "rest") for image in images]


def given(images):
    """Return train, test, and unseen for test images of a class that has none to learn from. Raises InputError for a group in both."""
    learned = {image["label"] for image in images if image.get("split") != "test"}
    first = {}
    for image in images:
        other = first.setdefault(image["group"], image)
        if (other.get("split") == "test") != (image.get("split") == "test"):
            raise InputError(f"{image['source']}: leak: {other['file_name']} and {image['file_name']} are of one group, or nearly the same photo, "
                             "one with split train and one with test; wanted a group in one of the two.")
    return ["train" if image.get("split") != "test" else "test" if image["label"] in learned else "unseen" for image in images]


def held_out(images, share, seed):
    """Return the labels of a share of the classes: half of them as whole genera (or families), which makes them far, where that is told."""
    from entoflow.splits import order

    labels = sorted({image["label"] for image in images})
    wanted = round(share * len(labels)) if len(labels) >= FEWEST_CLASSES else 0
    of_genus = defaultdict(set)
    for image in images:
        if kin(image):
            of_genus[kin(image)].add(image["label"])
    held = set()
    for genus in order(of_genus, seed):
        if len(held) + len(of_genus[genus]) <= wanted / 2:
            held |= of_genus[genus]
    for label in order(set(labels) - held, seed):
        if len(held) < wanted:
            held.add(label)
    return held


def kin(image):
    return image.get("genus") or image.get("family")


def several(images):
    """Return {label: number of its groups}."""
    groups = defaultdict(set)
    for image in images:
        groups[image["label"]].add(image["group"])
    return {label: len(names) for label, names in groups.items()}


def note_calibrating(images, seed):
    """Tell which validation images of classes that are learned from only calibrate what ships: a third of them, by group, but CALIBRATING where there are.

    None where they are of a few groups that span classes, such as drawers: without one, the gallery that a group is judged by is another than what ships.
    """
    from entoflow.splits import order

    learned = {image["label"] for image in images if image["part"] == "train"}
    held = [image for image in images if image["part"] == "validation" and image["label"] in learned]
    groups = {image["group"] for image in held}
    if len(groups) < min(CALIBRATING, len(held)):
        return
    chosen = set(order(groups, seed)[::min(3, max(1, len(groups) // CALIBRATING))])
    for image in held:
        if image["group"] in chosen:
            image["calibrates"] = True


def note_tiers(images):
    """Give unseen images their tier: near where the gallery's classes include one of the same genus (or family), far where not."""
    unseen = {image["label"] for image in images if image["part"] == "unseen"}
    known = {kin(image) for image in images if image["label"] not in unseen}
    for image in images:
        if image["part"] == "unseen" and kin(image):
            image["tier"] = "near" if kin(image) in known else "far"


def refuse_no_parts(images):
    """Raise InputError where nothing is left to learn from, or no class has a second group to test on."""
    parts = {image["part"] for image in images}
    lacking = [part for part in ("train", "test") if part not in parts]
    if lacking and any(image.get("split") for image in images):
        raise InputError(f"--specimens: its column split leaves nothing for {' and '.join(lacking)}; wanted specimens of a class in both train and test.")
    if lacking:
        n = len({image["label"] for image in images})
        raise InputError(f"--specimens: none of the {n} classes has specimens of two groups, one to learn from and one to test on; wanted a second "
                         "specimen of some (near-duplicates are one, and so is what `group` says).")


def note(reason):
    return {"image": None, "row": None, "source": "all", "stage": STAGE, "action": "note", "reason": reason}


def write_split(path, images):
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("image", "group", "part", "label", "tier"))
        writer.writerows(sorted((image["file_name"], image["group"], image["part"], image["label"], image.get("tier", "")) for image in images))


def summary(images):
    names = ("train", "validation", "test", "unseen", "rest")
    held = {part: [image for image in images if image["part"] == part] for part in names}
    counts = ", ".join(f"{part} {len(held[part])} of {len({image['label'] for image in held[part]})} classes" for part in names if held[part])
    return f"{len(images)} images of {len({image['label'] for image in images})} classes: {counts}."


if __name__ == "__main__":
    run(main)
