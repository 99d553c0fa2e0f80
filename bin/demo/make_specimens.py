#!/usr/bin/env python3
"""Draw a synthetic collection of insects to identify, laid out as a user's own folders, with every true name known.

No photograph is in it: figures measured on it show that the suite works, and say nothing about real insects. `specimens/` is the labelled
collection; `test/` has further specimens of its classes, unseen classes and junk to measure on; `unlabelled/` is a mix of the same kinds, one
more specimen of each class among them, whose truth lies beside it. `collection.csv` has the specimens and what there is to test on in one
table, with a column that says which is which. Half of the unseen classes are near, sisters in a genus of the
collection; the others are far, of genera or families that it lacks. Equal seeds give equal bytes, and no file name tells a class.
"""
import argparse
import csv
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from entoflow.task import InputError, run

SYNTHETIC = "Synthetic insects drawn by entoflow's make_specimens. No photographs: figures on them say nothing about real insects."
PARTS = ("specimens", "test", "unlabelled")
LABELLED = ["image", "label", "group", "genus", "family"]
FEWEST_CLASSES = 6  # fewer may not fill a genus with sisters near to the unseen
SPARE = 8  # a genus that is cut to fit the far classes loses fewer species than this


def main(argv):
    args = parser().parse_args(argv)
    check(args)
    classes = divide(args.classes, args.unseen_classes, args.seed)
    photos = plan(args, classes)
    with ThreadPoolExecutor() as threads:
        list(threads.map(partial(draw_one, args), photos))
    parts = {name: [photo for photo in photos if photo["part"] == name] for name in PARTS}
    write(args.folder / "specimens/specimens.csv", LABELLED, sorted(parts["specimens"], key=lambda photo: photo["image"]))
    write(args.folder / "test/test.csv", [*LABELLED, "kind", "tier"], parts["test"])
    together = [{**photo, "image": f"{name}/{photo['image']}", "split": split} for name, split in (("specimens", "train"), ("test", "test"))
                for photo in sorted(parts[name], key=lambda photo: photo["image"]) if photo["label"]]
    write(args.folder / "collection.csv", [*LABELLED, "split"], together)
    hidden = [{**photo, "image": f"unlabelled/{photo['image']}"} for photo in parts["unlabelled"]]
    write(args.folder / "unlabelled_truth.csv", ["image", "label", "kind", "tier"], sorted(hidden, key=lambda photo: photo["image"]))
    (args.folder / "README.txt").write_text(SYNTHETIC + "\n")
    counts = ", ".join(f"{len(members)} in {name}/" for name, members in parts.items())
    print(f"Drew {args.classes} classes and {args.unseen_classes} unseen ones, {counts} of {args.folder}: all synthetic.")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--folder", type=Path, required=True, help="folder to write")
    p.add_argument("--seed", type=int, default=1, help="another seed, another world (default %(default)s)")
    p.add_argument("--classes", type=int, default=60, help="species in the collection (default %(default)s)")
    p.add_argument("--labels_per_class", type=int, default=3, help="labelled specimens of each (default %(default)s)")
    p.add_argument("--tests_per_class", type=int, default=2, help="further specimens of each to test on (default %(default)s)")
    p.add_argument("--unseen_classes", type=int, default=10, help="species that the collection lacks (default %(default)s)")
    p.add_argument("--unseen_per_class", type=int, default=4, help="specimens of each of these, to test on and unlabelled (default %(default)s)")
    p.add_argument("--junk", type=int, default=20, help="photos of no insect, to test on and unlabelled (default %(default)s)")
    p.add_argument("--photos_per_specimen", type=int, default=1, help="photos of each specimen, its group (default %(default)s)")
    p.add_argument("--singletons", type=float, default=0, help="share of the classes with a single labelled photo (default %(default)s)")
    p.add_argument("--size", type=int, default=64, help="side of a photo in pixels (default %(default)s)")
    return p


def check(args):
    """Raise InputError for a number that makes no collection, and for a folder that holds one."""
    least = {"seed": 0, "classes": FEWEST_CLASSES, "labels_per_class": 1, "tests_per_class": 1, "unseen_classes": 0, "unseen_per_class": 1,
             "junk": 0, "photos_per_specimen": 1, "size": 32}
    for name, lowest in least.items():
        if getattr(args, name) < lowest:
            raise InputError(f"--{name}: found {getattr(args, name)}; wanted a whole number of at least {lowest}.")
    if args.unseen_classes > args.classes:
        raise InputError(f"--unseen_classes: found {args.unseen_classes}; wanted at most as many as --classes, {args.classes}.")
    if not 0 <= args.singletons <= 1:
        raise InputError(f"--singletons: found {args.singletons}; wanted a share from 0 to 1.")
    for part in PARTS:
        if any(args.folder.glob(f"{part}/*")):
            raise InputError(f"--folder: found files in {args.folder / part}; wanted a folder without, as photos of two worlds would mix.")


def divide(classes, unseen, seed):
    """Return {"": known species, "near": .., "far": ..}. Every genus of the known and near keeps its first species among the known."""
    import numpy as np

    from entoflow.demo.specimens import taxonomy
    rng, genera = np.random.default_rng([seed, 1]), defaultdict(list)
    for species in taxonomy(classes + unseen + SPARE, seed):
        genera[species.genus].append(species)
    order = [str(genus) for genus in rng.permutation(list(genera))]
    lacking = genera[order[0]][0].family  # its genera go first, so that many far classes empty a whole family
    order.sort(key=lambda genus: genera[genus][0].family != lacking)
    far = []
    while len(far) < unseen // 2:
        far += genera.pop(order.pop(0))
    far = far[:unseen // 2]
    others = [species for members in genera.values() for species in members[1:]]
    rng.shuffle(others)
    near, others = others[:unseen - len(far)], others[unseen - len(far):]
    known = [members[0] for members in genera.values()]
    return {"": known + others[:classes - len(known)], "near": near, "far": far}


def plan(args, classes):
    """Return every photo's row: part, image, label, group, genus, family, kind, tier, and what draw_one draws it from."""
    import numpy as np
    rng, photos = np.random.default_rng([args.seed, 2]), []
    for number, (part, kind, tier, species, views) in enumerate(specimens(args, classes, rng), 1):
        named = {name: getattr(species, name, "") for name in ("label", "genus", "family")}
        photos += [{"part": part, "kind": kind, "tier": tier, **named, "group": f"specimen_{number:05d}", "species": species,
                    "seed": [args.seed, 3, number], "view": [args.seed, 4, number, view]} for view in range(views)]
    for photo, shuffled in zip(photos, rng.permutation(len(photos))):
        photo["image"] = f"photo_{shuffled + 1:05d}.jpg"
    return photos


def specimens(args, classes, rng):
    """Return (part, kind, tier, species, number of photos) of each specimen; of junk, the species is None."""
    single = set(rng.permutation(args.classes)[:round(args.singletons * args.classes)].tolist())
    found, views = [], args.photos_per_specimen
    for k, species in enumerate(classes[""]):
        found += [("specimens", "known", "", species, 1)] if k in single else [("specimens", "known", "", species, views)] * args.labels_per_class
    for part, each in (("test", args.tests_per_class), ("unlabelled", 1)):
        for tier, kind, wanted in (("", "known", each), ("near", "unseen", args.unseen_per_class), ("far", "unseen", args.unseen_per_class)):
            found += [(part, kind, tier, species, views) for species in classes[tier] for _ in range(wanted)]
        found += [(part, "junk", "", None, 1)] * args.junk
    return found


def draw_one(args, photo):
    """Draw and save one photo from its own seeds."""
    import numpy as np
    from PIL import Image

    from entoflow.demo.specimens import draw, junk
    view = np.random.default_rng(photo["view"])
    pixels = draw(photo["species"], photo["seed"], view, args.size) if photo["species"] else junk(view, args.size)
    path = args.folder / photo["part"] / photo["image"]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=92, comment=SYNTHETIC.encode())


def write(path, columns, photos):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as stream:
        rows = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
        rows.writeheader()
        rows.writerows(photos)


if __name__ == "__main__":
    run(main)
