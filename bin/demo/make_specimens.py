#!/usr/bin/env python3
"""Draw a synthetic collection of insects to identify, laid out as a user's own folders, with every
true name known.

No photograph is in it: figures measured on it show that the suite works, and say nothing about real
insects. `specimens/` is the labelled collection; `test/` has further specimens of its classes,
unseen classes and junk to measure on; `unlabelled/` is a mix of the same kinds, one more specimen
of each class among them, whose truth lies beside it. `collection.csv` has the specimens and what
there is to test on in one table, with a column that says which is which. Half of the unseen classes
are near, sisters in a genus of the collection; the others are far, of genera or families that it
lacks. Equal seeds give equal bytes, and no file name tells a class.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow import files
from entoflow.task import InputError, run

if TYPE_CHECKING:
    import numpy as np

    from entoflow.demo.species import Species

SYNTHETIC = (
    "Synthetic insects drawn by entoflow's make_specimens. "
    "No photographs: figures on them say nothing about real insects."
)
PARTS = ("specimens", "test", "unlabelled")
LABELLED = ("image", "label", "group", "genus", "family")
FEWEST_CLASSES = 6  # fewer may not fill a genus with sisters near to the unseen
SPARE = 8  # a genus that is cut to fit the far classes loses fewer species than this


@dataclass(frozen=True)
class Classes:
    """The species of a collection, and those that it lacks."""

    known: "list[Species]"
    near: "list[Species]"  # unseen, with a sister in the collection
    far: "list[Species]"  # unseen, without


@dataclass(frozen=True)
class Specimen:
    """One specimen, or one piece of junk."""

    part: str  # of PARTS
    kind: str  # known, unseen or junk
    tier: str  # of an unseen class: near or far
    species: "Species | None"  # None of junk
    n_photos: int


@dataclass(frozen=True)
class SpecimenPhoto:
    """One photo: what tables say of it, and what it is drawn from."""

    image: str
    part: str
    kind: str
    tier: str
    label: str
    genus: str
    family: str
    group: str  # the specimen
    species: "Species | None"
    seed: Sequence[int]  # of the specimen
    view: Sequence[int]  # seed of pose, light and ground


def main(argv: list[str]) -> None:
    args = parse_arguments(argv)
    classes = divide(args.classes, args.unseen_classes, args.seed)
    photos = plan_photos(args, classes)
    with ThreadPoolExecutor() as threads:
        list(threads.map(partial(draw_one, args.folder, args.size), photos))
    parts = {part: [photo for photo in photos if photo.part == part] for part in PARTS}
    write_tables(args.folder, parts)
    files.write_text(args.folder / "README.txt", SYNTHETIC + "\n")
    counts = ", ".join(f"{len(members)} in {name}/" for name, members in parts.items())
    print(
        f"Drew {args.classes} classes and {args.unseen_classes} unseen ones, {counts} "
        f"of {args.folder}: all synthetic."
    )


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument("--folder", type=Path, required=True, help="folder to write")
    counts = {
        "seed": (1, "another seed, another world"),
        "classes": (60, "species in the collection"),
        "labels_per_class": (3, "labelled specimens of each"),
        "tests_per_class": (2, "further specimens of each to test on"),
        "unseen_classes": (10, "species that the collection lacks"),
        "unseen_per_class": (4, "specimens of each of these, to test on and unlabelled"),
        "junk": (20, "photos of no insect, to test on and unlabelled"),
        "photos_per_specimen": (1, "photos of each specimen, its group"),
        "size": (64, "side of a photo in pixels"),
    }
    for name, (default, text) in counts.items():
        p.add_argument(f"--{name}", type=int, default=default, help=f"{text} (default %(default)s)")
    p.add_argument(
        "--singletons",
        type=float,
        default=0,
        help="share of the classes with a single labelled photo (default %(default)s)",
    )
    return p


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """Return the checked arguments.

    Raises InputError for a number that makes no collection, and for a folder that holds one.
    """
    args = parser().parse_args(argv)
    least = {
        "seed": 0,
        "classes": FEWEST_CLASSES,
        "labels_per_class": 1,
        "tests_per_class": 1,
        "unseen_classes": 0,
        "unseen_per_class": 1,
        "junk": 0,
        "photos_per_specimen": 1,
        "size": 32,
    }
    for name, lowest in least.items():
        value = getattr(args, name)
        if value < lowest:
            raise InputError(
                f"--{name}: found {value}; wanted a whole number of at least {lowest}."
            )
    if args.unseen_classes > args.classes:
        raise InputError(
            f"--unseen_classes: found {args.unseen_classes}; "
            f"wanted at most as many as --classes, {args.classes}."
        )
    if not 0 <= args.singletons <= 1:
        raise InputError(f"--singletons: found {args.singletons}; wanted a share from 0 to 1.")
    for part in PARTS:
        if any(args.folder.glob(f"{part}/*")):
            raise InputError(
                f"--folder: found files in {args.folder / part}; "
                "wanted a folder without, as photos of two worlds would mix."
            )
    return args


def divide(n_classes: int, n_unseen: int, seed: int) -> Classes:
    """Return the classes.

    Every genus of the known and near ones keeps its first species among the known.
    """
    import numpy as np

    from entoflow.demo.species import taxonomy

    rng = np.random.default_rng([seed, 1])
    genera: dict[str, list[Species]] = defaultdict(list)
    for species in taxonomy(n_classes + n_unseen + SPARE, seed):
        genera[species.genus].append(species)
    order = [str(genus) for genus in rng.permutation(list(genera))]
    # One family's genera go first, so that many far classes empty a whole family.
    lacking = genera[order[0]][0].family
    order.sort(key=lambda genus: genera[genus][0].family != lacking)
    n_far = n_unseen // 2
    far: list[Species] = []
    while len(far) < n_far:
        far += genera.pop(order.pop(0))
    others = [species for members in genera.values() for species in members[1:]]
    rng.shuffle(others)
    n_near = n_unseen - n_far
    first_species = [members[0] for members in genera.values()]
    n_more = n_classes - len(first_species)
    known = first_species + others[n_near:][:n_more]
    return Classes(known, others[:n_near], far[:n_far])


def plan_photos(args: argparse.Namespace, classes: Classes) -> list[SpecimenPhoto]:
    """Return every photo, under a name that says nothing of its class."""
    import numpy as np

    rng = np.random.default_rng([args.seed, 2])
    photos = []
    for number, specimen in enumerate(list_specimens(args, classes, rng), 1):
        for view in range(specimen.n_photos):
            photos.append(plan_photo(specimen, number, view, args.seed))
    shuffled = rng.permutation(len(photos))
    return [
        replace(photo, image=f"photo_{place + 1:05d}.jpg") for photo, place in zip(photos, shuffled)
    ]


def plan_photo(specimen: Specimen, number: int, view: int, seed: int) -> SpecimenPhoto:
    """Return one photo of a specimen, not named yet."""
    species = specimen.species
    return SpecimenPhoto(
        image="",
        part=specimen.part,
        kind=specimen.kind,
        tier=specimen.tier,
        label=species.label if species else "",
        genus=species.genus if species else "",
        family=species.family if species else "",
        group=f"specimen_{number:05d}",
        species=species,
        seed=[seed, 3, number],
        view=[seed, 4, number, view],
    )


def list_specimens(
    args: argparse.Namespace, classes: Classes, rng: "np.random.Generator"
) -> Iterator[Specimen]:
    """Yield the specimens, part by part."""
    n_photos = args.photos_per_specimen
    n_singletons = round(args.singletons * args.classes)
    singletons = set(rng.permutation(args.classes)[:n_singletons].tolist())
    for place, species in enumerate(classes.known):
        if place in singletons:
            yield Specimen("specimens", "known", "", species, 1)
        else:
            yield from [
                Specimen("specimens", "known", "", species, n_photos)
            ] * args.labels_per_class
    for part, n_known in (("test", args.tests_per_class), ("unlabelled", 1)):
        for species in classes.known:
            yield from [Specimen(part, "known", "", species, n_photos)] * n_known
        for species in classes.near:
            yield from [Specimen(part, "unseen", "near", species, n_photos)] * args.unseen_per_class
        for species in classes.far:
            yield from [Specimen(part, "unseen", "far", species, n_photos)] * args.unseen_per_class
        yield from [Specimen(part, "junk", "", None, 1)] * args.junk


def draw_one(folder: Path, size: int, photo: SpecimenPhoto) -> None:
    """Draw and save one photo from its own seeds."""
    import numpy as np
    from PIL import Image

    from entoflow.demo.specimens import draw, draw_junk

    view = np.random.default_rng(photo.view)
    pixels = draw(photo.species, photo.seed, view, size) if photo.species else draw_junk(view, size)
    path = folder / photo.part / photo.image
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=92, comment=SYNTHETIC.encode())


def write_tables(folder: Path, parts: dict[str, list[SpecimenPhoto]]) -> None:
    """Write the table of each part, and collection.csv."""
    specimens = by_image(parts["specimens"])
    write_table(folder / "specimens/specimens.csv", LABELLED, specimens)
    write_table(folder / "test/test.csv", [*LABELLED, "kind", "tier"], parts["test"])
    hidden = [replace(photo, image=f"unlabelled/{photo.image}") for photo in parts["unlabelled"]]
    columns = ["image", "label", "kind", "tier"]
    write_table(folder / "unlabelled_truth.csv", columns, by_image(hidden))
    rows = []
    for name, split in (("specimens", "train"), ("test", "test")):
        for photo in by_image(parts[name]):
            if photo.label:
                cells = {**vars(photo), "image": f"{name}/{photo.image}", "split": split}
                rows.append(cells)
    files.write_csv(folder / "collection.csv", [*LABELLED, "split"], rows)


def by_image(photos: Iterable[SpecimenPhoto]) -> list[SpecimenPhoto]:
    """Return photos in the order of their names."""
    return sorted(photos, key=lambda photo: photo.image)


def write_table(path: Path, columns: Sequence[str], photos: Iterable[SpecimenPhoto]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_csv(path, columns, [vars(photo) for photo in photos])


if __name__ == "__main__":
    run(main)
