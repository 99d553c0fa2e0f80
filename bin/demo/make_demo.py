#!/usr/bin/env python3
"""Draw a synthetic world of insects on cluttered grounds, laid out as a user's own folder, with
every true box known.

No photograph is in it: figures measured on it show that the suite works, and say nothing about real
insects. `boxes/` holds insects in general and never the target; `labelled/` has photos of the
target and of two look-alikes with labels only; `test/` is for measuring. Each image is drawn from
its own seed, so equal seeds give equal bytes.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entoflow import files
from entoflow.task import InputError, run

if TYPE_CHECKING:
    import numpy as np

    from entoflow.demo.scenes import TrueBox

SYNTHETIC = (
    "Synthetic insects drawn by entoflow's make_demo. "
    "No photographs: figures on them say nothing about real insects."
)

# Draws what an observation shows: kinds of insects, and its label if it has one.
Plan = Callable[["np.random.Generator"], tuple[list[str], str | None]]


@dataclass(frozen=True)
class DrawnImage:
    """An image of the world."""

    file_name: str
    label: str | None
    group: str  # the observation that it is of
    kinds: Sequence[str]  # of the insects in it
    seed: Sequence[int]
    boxes: "Sequence[TrueBox]" = ()


def main(argv: list[str]) -> None:
    args = parse_arguments(argv)
    folder = args.folder
    plan_labelled = partial(plan_labelled_scene, distractors=args.demo_distractors)
    boxes = draw_all(folder / "boxes", plan_box_scene, args.demo_boxes, args.demo_size, args.seed)
    labelled = draw_all(
        folder / "labelled", plan_labelled, args.demo_labelled, args.demo_size, args.seed
    )
    test = draw_all(folder / "test", plan_test_scene, args.demo_test, args.demo_size, args.seed)
    write_coco(folder / "boxes/annotations.json", boxes, "")
    write_labels(folder / "labelled/labels.csv", labelled)
    write_coco(folder / "audit_boxes.json", audited(labelled), "labelled/")
    write_coco(folder / "test_boxes.json", test, "test/")
    files.write_text(folder / "README.txt", SYNTHETIC + "\n")
    print(
        f"Drew {len(boxes)} in boxes/, {len(labelled)} in labelled/, {len(test)} in test/ "
        f"of {folder}: all synthetic."
    )


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument("--folder", type=Path, required=True, help="folder to write")
    p.add_argument(
        "--seed", type=int, default=1, help="another seed, another world (default %(default)s)"
    )
    p.add_argument(
        "--demo_boxes",
        type=int,
        default=180,
        help="images with boxes of insects (default %(default)s)",
    )
    p.add_argument(
        "--demo_labelled",
        type=int,
        default=200,
        help="images with labels only (default %(default)s)",
    )
    p.add_argument(
        "--demo_test",
        type=int,
        default=80,
        help="images with boxes to test on (default %(default)s)",
    )
    p.add_argument(
        "--demo_distractors",
        type=float,
        default=0.12,
        help="share of the labelled insects beside which another one sits (default %(default)s)",
    )
    p.add_argument(
        "--demo_size",
        type=int,
        default=256,
        help="side of an image in pixels (default %(default)s)",
    )
    return p


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """Return the checked arguments. Raises InputError for a count or size that makes no world."""
    args = parser().parse_args(argv)
    least = {"demo_boxes": 1, "demo_labelled": 1, "demo_test": 1, "demo_size": 96, "seed": 0}
    for name, lowest in least.items():
        value = getattr(args, name)
        if value < lowest:
            raise InputError(
                f"--{name}: found {value}; wanted a whole number of at least {lowest}."
            )
    if not 0 <= args.demo_distractors <= 1:
        raise InputError(
            f"--demo_distractors: found {args.demo_distractors}; wanted a share from 0 to 1."
        )
    return args


def draw_all(folder: Path, plan: Plan, count: int, size: int, seed: int) -> list[DrawnImage]:
    """Draw and save `count` images in a folder, and return them with their boxes."""
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    world = [seed, *folder.name.encode()]
    images = []
    for k, observation in enumerate(number_observations(count, np.random.default_rng(world))):
        kinds, label = plan(np.random.default_rng([*world, 0, observation]))
        name = f"{folder.name}_{k + 1:04d}.jpg"
        group = f"observation_{observation + 1:04d}"
        images.append(DrawnImage(name, label, group, kinds, [*world, 1, k]))
    with ThreadPoolExecutor() as threads:
        return list(threads.map(partial(draw_one, folder, size), images))


def draw_one(folder: Path, size: int, image: DrawnImage) -> DrawnImage:
    """Draw and save one image from its own seed, and return it with its boxes."""
    import numpy as np
    from PIL import Image

    from entoflow.demo.scenes import scene

    pixels, boxes = scene(image.kinds, size, np.random.default_rng(image.seed))
    picture = Image.fromarray(pixels)
    picture.save(folder / image.file_name, quality=90, comment=SYNTHETIC.encode())
    return replace(image, boxes=boxes)


def number_observations(count: int, rng: "np.random.Generator") -> list[int]:
    """Return the observation of each image, from 0: each has one image or two."""
    observations = [0]
    while len(observations) < count:
        latest = observations[-1]
        is_alone = observations.count(latest) < 2
        has_second = is_alone and rng.random() < 0.25
        observations.append(latest if has_second else latest + 1)
    return observations[:count]


def plan_box_scene(rng: "np.random.Generator") -> tuple[list[str], str | None]:
    """Return insects in general, green shield bugs among them; never the target."""
    from entoflow.demo.insects import OTHERS

    known = [*OTHERS, "nezara_viridula"]
    n_insects = rng.choice([0, 1, 2, 3], p=[0.08, 0.52, 0.28, 0.12])
    return [known[rng.integers(len(known))] for _ in range(n_insects)], None


def plan_labelled_scene(
    rng: "np.random.Generator", distractors: float
) -> tuple[list[str], str | None]:
    """Return mostly the target, once or twice; else a look-alike, or nothing.

    distractors: share of the photos that hold another insect too.
    """
    from entoflow.demo.insects import LOOK_ALIKES, OTHERS, TARGET

    label = str(rng.choice([TARGET, *LOOK_ALIKES, "empty"], p=[0.6, 0.16, 0.16, 0.08]))
    if label == "empty":
        return [], label
    kinds = [label, label] if rng.random() < 0.12 else [label]
    if rng.random() < distractors:
        kinds.append(OTHERS[rng.integers(len(OTHERS))])
    return kinds, label


def plan_test_scene(rng: "np.random.Generator") -> tuple[list[str], str | None]:
    """Return what the labelled photos show, and look-alikes beside the target, and other insects
    alone.
    """
    from entoflow.demo.insects import LOOK_ALIKES, OTHERS, TARGET

    others = [*LOOK_ALIKES, *OTHERS]
    other = others[rng.integers(len(others))]
    kinds: tuple[list[str], ...] = ([TARGET], [TARGET, TARGET], [TARGET, other], [other], [])
    return kinds[rng.choice(5, p=[0.5, 0.08, 0.1, 0.22, 0.1])], None


def audited(images: Sequence[DrawnImage]) -> list[DrawnImage]:
    """Return every second image of the target, with the target's boxes only."""
    from entoflow.demo.insects import TARGET

    of_target = [image for image in images if image.label == TARGET]
    return [
        replace(image, boxes=[box for box in image.boxes if box.kind == TARGET])
        for image in of_target[::2]
    ]


def write_labels(path: Path, images: Sequence[DrawnImage]) -> None:
    """Write image,label,group,count; an empty photo has no count."""
    rows = []
    for image in images:
        count = sum(box.kind == image.label for box in image.boxes)
        rows.append([image.file_name, image.label, image.group, count or ""])
    files.write_csv(path, ["image", "label", "group", "count"], rows)


def write_coco(path: Path, images: Sequence[DrawnImage], prefix: str) -> None:
    """Write COCO ground truth; prefix: from the COCO file's own folder to the images."""
    from PIL import Image

    kinds = sorted({box.kind for image in images for box in image.boxes})
    listed = []
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(images, 1):
        name = prefix + image.file_name
        with Image.open(path.parent / name) as picture:
            width, height = picture.size
        listed.append({"id": number, "file_name": name, "width": width, "height": height})
        for box in image.boxes:
            annotation = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": kinds.index(box.kind) + 1,
                "bbox": box.bbox,
                "area": box.bbox[2] * box.bbox[3],
                "iscrowd": 0,
            }
            annotations.append(annotation)
    content = {
        "info": {"description": SYNTHETIC},
        "images": listed,
        "annotations": annotations,
        "categories": [{"id": number, "name": kind} for number, kind in enumerate(kinds, 1)],
    }
    files.write_text(path, json.dumps(content, indent=1))


if __name__ == "__main__":
    run(main)
