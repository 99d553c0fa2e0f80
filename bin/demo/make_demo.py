#!/usr/bin/env python3
"""Draw a synthetic world of insects on cluttered grounds, laid out as a user's own folder, with every true box known.

No photograph is in it: figures measured on it show that the suite works, and say nothing about real insects.
`boxes/` holds insects in general and never the target; `labelled/` has photos of the target and of two look-alikes with
labels only; `test/` is for measuring. Each image is drawn from its own seed, so equal seeds give equal bytes.
"""
import argparse
import csv
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from entoflow.task import InputError, run

SYNTHETIC = "Synthetic insects drawn by entoflow's make_demo. No photographs: figures on them say nothing about real insects."


def main(argv):
    args = parser().parse_args(argv)
    check(args)
    labelled = partial(labelled_scene, distractors=args.demo_distractors)
    worlds = {"boxes": (box_scene, args.demo_boxes), "labelled": (labelled, args.demo_labelled),
              "test": (test_scene, args.demo_test)}
    drawn = {name: draw_all(args, name, plan, count) for name, (plan, count) in worlds.items()}
    write_coco(args.folder / "boxes/annotations.json", drawn["boxes"], "")
    write_labels(args.folder / "labelled/labels.csv", drawn["labelled"])
    write_coco(args.folder / "audit_boxes.json", audited(drawn["labelled"]), "labelled/")
    write_coco(args.folder / "test_boxes.json", drawn["test"], "test/")
    (args.folder / "README.txt").write_text(SYNTHETIC + "\n")
    counts = ", ".join(f"{len(images)} in {name}/" for name, images in drawn.items())
    print(f"Drew {counts} of {args.folder}: all synthetic.")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--folder", type=Path, required=True, help="folder to write")
    p.add_argument("--seed", type=int, default=1, help="another seed, another world (default %(default)s)")
    p.add_argument("--demo_boxes", type=int, default=180, help="images with boxes of insects (default %(default)s)")
    p.add_argument("--demo_labelled", type=int, default=200, help="images with labels only (default %(default)s)")
    p.add_argument("--demo_test", type=int, default=80, help="images with boxes to test on (default %(default)s)")
    p.add_argument("--demo_distractors", type=float, default=0.12, help="share of the labelled insects beside which another one sits (default %(default)s)")
    p.add_argument("--demo_size", type=int, default=256, help="side of an image in pixels (default %(default)s)")
    return p


def check(args):
    """Raise InputError for a count or size that makes no world."""
    for name, least in (("demo_boxes", 1), ("demo_labelled", 1), ("demo_test", 1), ("demo_size", 96), ("seed", 0)):
        if getattr(args, name) < least:
            raise InputError(f"--{name}: found {getattr(args, name)}; wanted a whole number of at least {least}.")
    if not 0 <= args.demo_distractors <= 1:
        raise InputError(f"--demo_distractors: found {args.demo_distractors}; wanted a share from 0 to 1.")


def draw_all(args, name, plan, count):
    """Draw and save `count` images of one folder. Returns [{file, label, group, boxes: [(kind, xywh)]}]."""
    import numpy as np
    (args.folder / name).mkdir(parents=True, exist_ok=True)
    world = [args.seed, *name.encode()]
    jobs = []
    for k, observation in enumerate(pairs(count, np.random.default_rng(world))):
        kinds, label = plan(np.random.default_rng([*world, 0, observation]))
        jobs.append({"file": f"{name}_{k + 1:04d}.jpg", "label": label, "group": f"observation_{observation + 1:04d}",
                     "kinds": kinds, "seed": [*world, 1, k]})
    with ThreadPoolExecutor() as threads:
        return list(threads.map(lambda job: draw_one(args.folder / name, job, args.demo_size), jobs))


def draw_one(folder, job, size):
    """Draw and save one image from its own seed. Returns the job with the true boxes."""
    import numpy as np
    from PIL import Image

    from entoflow.demo.scenes import scene
    pixels, boxes = scene(job["kinds"], size, np.random.default_rng(job["seed"]))
    Image.fromarray(pixels).save(folder / job["file"], quality=90, comment=SYNTHETIC.encode())
    return {**job, "boxes": boxes}


def pairs(count, rng):
    """Return each image's observation: of one or two images."""
    observations = [0]
    while len(observations) < count:
        again = observations.count(observations[-1]) < 2 and rng.random() < 0.25
        observations.append(observations[-1] + (not again))
    return observations[:count]


def box_scene(rng):
    """Insects in general, green shield bugs among them; never the target."""
    from entoflow.demo.insects import OTHERS
    known = [*OTHERS, "nezara_viridula"]
    return [known[rng.integers(len(known))] for _ in range(rng.choice([0, 1, 2, 3], p=[0.08, 0.52, 0.28, 0.12]))], None


def labelled_scene(rng, distractors):
    """Mostly the target, once or twice; else a look-alike, or nothing. A share of the photos, distractors, hold another insect too."""
    from entoflow.demo.insects import LOOK_ALIKES, OTHERS, TARGET
    label = rng.choice([TARGET, *LOOK_ALIKES, "empty"], p=[0.6, 0.16, 0.16, 0.08])
    if label == "empty":
        return [], label
    kinds = [label] * (2 if rng.random() < 0.12 else 1)
    return kinds + ([OTHERS[rng.integers(len(OTHERS))]] if rng.random() < distractors else []), label


def test_scene(rng):
    """As the labelled, with look-alikes beside the target and other insects alone, for false alarms."""
    from entoflow.demo.insects import LOOK_ALIKES, OTHERS, TARGET
    others = [*LOOK_ALIKES, *OTHERS]
    other = others[rng.integers(len(others))]
    kinds = ([TARGET], [TARGET, TARGET], [TARGET, other], [other], [])
    return kinds[rng.choice(5, p=[0.5, 0.08, 0.1, 0.22, 0.1])], None


def audited(images):
    """Return every second image of the target, with the target's boxes only."""
    from entoflow.demo.insects import TARGET
    chosen = [image for image in images if image["label"] == TARGET][::2]
    return [{**image, "boxes": [box for box in image["boxes"] if box[0] == TARGET]} for image in chosen]


def write_labels(path, images):
    """Write image,label,group,count; an empty photo has no count."""
    with open(path, "w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["image", "label", "group", "count"])
        for image in images:
            count = sum(kind == image["label"] for kind, _ in image["boxes"])
            rows.writerow([image["file"], image["label"], image["group"], count or ""])


def write_coco(path, images, prefix):
    """Write COCO ground truth whose file names start at the COCO file's own folder."""
    from PIL import Image
    kinds = sorted({kind for image in images for kind, _ in image["boxes"]})
    listed, boxes = [], []
    for number, image in enumerate(images, 1):
        with Image.open(path.parent / prefix / image["file"]) as picture:
            width, height = picture.size
        listed.append({"id": number, "file_name": prefix + image["file"], "width": width, "height": height})
        for kind, box in image["boxes"]:
            boxes.append({"id": len(boxes) + 1, "image_id": number, "category_id": kinds.index(kind) + 1, "bbox": box,
                          "area": box[2] * box[3], "iscrowd": 0})
    path.write_text(json.dumps({
        "info": {"description": SYNTHETIC}, "images": listed, "annotations": boxes,
        "categories": [{"id": number, "name": kind} for number, kind in enumerate(kinds, 1)]}, indent=1))


if __name__ == "__main__":
    run(main)
