#!/usr/bin/env python3
"""How much of what true boxes would teach do the weak boxes teach? The student ratio: AP on weak boxes / AP on true boxes.

For each seed the chain's own scripts train an insect detector, make weak boxes of the labelled photos, and train the target's
detector twice from the same start: on the weak boxes, and on the true boxes (--audit_boxes) of the same photos. A photo that the
weak boxes lost is lost to them alone. Both stop on their own boxes of the same validation photos. The ratio is that of the mean AP of
all seeds on the test images; its interval resamples their groups, the same for both. Stages already in the folder are not run again.

With --doses the true boxes are spoiled in known ways as well: photos without their boxes, sides moved, boxes that are wrong. What that costs
says, by a straight line through F1 and overlap, what AP boxes of the weak ones' quality should give.
"""

import argparse
import csv
import json
import statistics
import sys
from pathlib import Path

from measuring import ROOT, script
from training import SPLIT

sys.path.insert(0, str(ROOT / "bin"))
VIEWS = "1,1f,0.75,0.75f,1.5,1.5f"
DOSES = (
    ("dropped", 0.25),
    ("dropped", 0.5),
    ("moved", 0.05),
    ("moved", 0.1),
    ("moved", 0.2),
    ("wrong", 0.25),
    ("wrong", 0.5),
)


def main():
    args = parser().parse_args()
    args.folder = args.folder.resolve()
    args.folder.mkdir(parents=True, exist_ok=True)
    split(args)
    rows, found = [], {"weak": [], "true": []}
    for seed in args.seeds.split(","):
        folder = args.folder / f"seed_{seed}"
        folder.mkdir(exist_ok=True)
        teach(args, folder, seed)
        sets = {
            "weak": weak_set,
            "true": true_set,
            **{
                f"{kind} {dose}": spoiler(kind, dose, seed)
                for kind, dose in (DOSES if args.doses else ())
            },
        }
        for name, make in sets.items():
            predictions = student(args, folder, name, make, seed)
            rows.append(
                {
                    "boxes": name,
                    "seed": seed,
                    **quality(args, folder / f"{name}.json"),
                    **figures(args, predictions),
                }
            )
            found.get(name, []).append(predictions)
    with (args.folder / "student_ratio.csv").open("w", newline="") as handle:
        table = csv.DictWriter(handle, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    print(markdown(args, rows, ratio(args, found["weak"], found["true"])))
    if args.doses:
        print(dose_response(rows))


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("boxes", "labelled_images", "audit_boxes", "test_boxes"):
        p.add_argument(
            f"--{name}",
            type=sources,
            required=True,
            help="as the pipeline's, several joined by commas",
        )
    p.add_argument("--target", required=True, help="label whose detector is wanted")
    p.add_argument(
        "--weak_rule", default="full", help="rule of the weak boxes (default %(default)s)"
    )
    p.add_argument("--image_size", default="416", help="pixels (default %(default)s)")
    p.add_argument("--batch_size", default="8", help="images a step (default %(default)s)")
    p.add_argument("--max_epochs", default="60", help="epochs (default %(default)s)")
    p.add_argument("--seeds", default="1,2,3", help="seeds of the training (default %(default)s)")
    p.add_argument("--doses", action="store_true", help="train on spoiled true boxes as well")
    p.add_argument(
        "--folder",
        type=Path,
        default=Path("student_ratio"),
        help="folder for all that is made (default %(default)s)",
    )
    return p


def sources(text):
    return [Path(path).resolve() for path in text.split(",")]


def once(folder, made, task, /, **options):
    """Run a task's script in a folder unless what it makes is there."""
    if not (folder / made).exists():
        script(task, folder, **options)


def split(args):
    """Import all sources and split them, as the chain does."""
    names = []
    for role, paths in (
        ("boxes", args.boxes),
        ("labelled", args.labelled_images),
        ("audit", args.audit_boxes),
        ("test", args.test_boxes),
    ):
        for number, path in enumerate(paths, 1):
            names.append(f"{role}_{number}")
            once(
                args.folder,
                f"{names[-1]}.json",
                "import_images",
                source=path,
                role=role,
                name=names[-1],
                dataset=f"{names[-1]}.json",
                audit=f"{names[-1]}_audit.json",
                packs_folder=".",
            )
    once(
        args.folder,
        "of_split",
        "split_images",
        datasets=[f"{name}.json" for name in names],
        target=args.target,
        **{name: f"of_{name}" for name in SPLIT},
    )


def teach(args, folder, seed):
    """Train the insect detector, and make the weak boxes of the labelled photos."""
    home, packs = args.folder, packs_of(args)
    inputs = {
        "labelled": home / "of_labelled",
        "predictions": "labelled.npz",
        "reference": home / "of_insect",
        "validation_predictions": "validation.npz",
        "n_views": len(VIEWS.split(",")),
        "target": args.target,
    }
    once(
        folder,
        "insect_detector/model.json",
        "train_detector",
        dataset=home / "of_insect",
        packs=packs,
        name="insect_detector",
        class_name="insect",
        seed=seed,
        model="insect_detector",
        training="insect.csv",
        **training(args),
    )
    for name in ("labelled", "validation"):
        once(
            folder,
            f"{name}.npz",
            "predict_boxes",
            model="insect_detector",
            packs=packs,
            images=home / f"of_{name}_ids",
            views=VIEWS,
            predictions=f"{name}.npz",
        )
    second = {}
    if args.weak_rule == "full":
        once(
            folder,
            "crop_scores.npz",
            "classify_crops",
            **inputs,
            packs=packs,
            seed=seed,
            crop_scores="crop_scores.npz",
        )
        second = {"crop_scores": "crop_scores.npz"}
    once(
        folder,
        "weak_boxes.json",
        "select_weak_boxes",
        **inputs,
        **second,
        weak_rule=args.weak_rule,
        weak_boxes="weak_boxes.json",
        training="training.json",
        audit="audit.json",
    )


def packs_of(args):
    return sorted(args.folder.glob("*.zip"))


def training(args):
    return {name: getattr(args, name) for name in ("image_size", "batch_size", "max_epochs")}


def audited(args):
    """Return the true boxes of the labelled photos."""
    from entoflow import dataset

    return dataset.read(args.folder / "of_audit_boxes")


def weak_set(args, folder):
    """Return what the chain would learn from, without the target's photos that have no true boxes."""
    from entoflow import dataset

    known = audited(args).by_id()
    weak = dataset.read(folder / "training.json")
    return weak.keep(lambda image: image.label != args.target or image.id in known)


def true_set(args, folder):
    """Return the same with the true boxes of all photos of the target that have them."""
    from dataclasses import replace

    from entoflow import dataset

    weak = dataset.read(folder / "training.json")
    audit = audited(args)
    known = audit.by_id()
    photos = [photo for photo in target_photos(args) if photo.id in known]
    others = [image for image in weak.images if image.label != args.target]
    ids = {image.id for image in photos}
    boxes = [replace(box, label=args.target) for box in audit.boxes if box.image_id in ids]
    images = sorted(photos + others, key=lambda image: (image.file_name, image.id))
    return replace(weak, images=images, boxes=boxes)


def target_photos(args):
    """Return the target's labelled photos that are not held out."""
    from entoflow import dataset

    photos = dataset.read(args.folder / "of_labelled").images
    return [photo for photo in photos if photo.label == args.target and photo.part != "test"]


def spoiler(kind, dose, seed):
    """Return a maker of true boxes spoiled in the training and validation photos.

    dropped: photos lose their boxes, and are left out, with probability dose; moved: each side moves by a normal deviate of standard
    deviation dose times the box's size; wrong: with probability dose a box is put elsewhere in its photo, in its size.
    """
    from dataclasses import replace

    import numpy as np

    def make(args, folder):
        true, rng = true_set(args, folder), np.random.default_rng(int(seed))
        sizes = {image.id: (image.width, image.height) for image in true.images}
        boxed = sorted({box.image_id for box in true.boxes})
        gone = {image for image in boxed if kind == "dropped" and rng.random() < dose}
        boxes = [
            replace(box, bbox=spoiled(box.bbox, sizes[box.image_id], kind, dose, rng))
            for box in true.boxes
        ]
        return replace(true, boxes=boxes).keep(lambda image: image.id not in gone)

    return make


def spoiled(bbox, size, kind, dose, rng):
    x, y, w, h = bbox
    if kind == "wrong" and rng.random() < dose:
        x, y = rng.uniform(0, size[0] - w), rng.uniform(0, size[1] - h)
    if kind == "moved":
        left, right = x + rng.normal(0, dose) * w, x + w + rng.normal(0, dose) * w
        top, bottom = y + rng.normal(0, dose) * h, y + h + rng.normal(0, dose) * h
        left, right = (min(max(side, 0), size[0]) for side in (left, right))
        top, bottom = (min(max(side, 0), size[1]) for side in (top, bottom))
        x, y, w, h = left, top, max(right - left, 1), max(bottom - top, 1)
    return tuple(round(float(value), 3) for value in (x, y, w, h))


def student(args, folder, name, make, seed):
    """Train the target's detector on a set of boxes and return its predictions on the test images."""
    from entoflow import dataset
    from entoflow.detection import predictions

    path, packs = folder / f"{name}.json", packs_of(args)
    if not path.exists():
        dataset.write(path, make(args, folder))
    once(
        folder,
        f"{name}/model.json",
        "train_detector",
        dataset=path,
        packs=packs,
        name="target_detector",
        class_name=args.target,
        seed=seed,
        weights=folder / "insect_detector/weights.safetensors",
        model=name,
        training=f"{name}.csv",
        scratch=f"scratch_{name}",
        **training(args),
    )
    once(
        folder,
        f"{name}.npz",
        "predict_boxes",
        model=name,
        packs=packs,
        images=args.folder / "of_test_ids",
        predictions=f"{name}.npz",
    )
    return list(predictions.read([folder / f"{name}.npz"]))


def quality(args, path):
    """Return how good the boxes of a set are, against the true ones of the labelled photos: F1 at IoU 0.5 and 0.75, mean overlap."""
    import numpy as np

    from entoflow import dataset
    from entoflow.boxes import iou
    from entoflow.detection.matching import match

    truth = dataset.arrays_by_image(audited(args))
    found = dataset.arrays_by_image(dataset.read(path))
    n_true = n_boxes = 0
    right, overlaps = np.zeros(2), []
    for number in [photo.id for photo in target_photos(args)]:
        if number not in truth:
            continue
        true, unsure = truth[number]
        boxes, crowd = found.get(number, (np.empty((0, 4)), np.empty(0, bool)))
        n_true, n_boxes = n_true + (~unsure).sum(), n_boxes + (~crowd).sum()
        if len(true) and (~crowd).any():
            right += (match(boxes[~crowd], true, unsure, [0.5, 0.75]) >= 0).sum(axis=1)
            overlaps += iou(boxes[~crowd], true).max(axis=1).tolist()
    f1 = 2 * right / max(n_true + n_boxes, 1)
    return {
        "f1_50": round(f1[0], 4),
        "f1_75": round(f1[1], 4),
        "overlap": round(float(np.mean(overlaps)), 4) if overlaps else None,
    }


def figures(args, found):
    from entoflow import dataset
    from entoflow.detection import detections, metrics

    test = dataset.read(args.folder / "of_test")
    measured, _ = metrics.measure_detector(
        test, detections.gather(found, metrics.image_ids(test)), 0.5, 1
    )
    return {name: round(measured[name].value, 4) for name in ("ap", "ap50", "ap75")}


def ratio(args, weak, true):
    """Return the figure of mean AP of the students on weak boxes / that of those on true boxes, resampled by group alike."""
    import numpy as np

    from entoflow import dataset, statistics
    from entoflow.detection import metrics
    from entoflow.detection.average_precision import (
        IOU_THRESHOLDS,
        average_precision,
        max_detections,
    )
    from entoflow.detection.detections import gather
    from entoflow.detection.matching import match_all

    test = dataset.read(args.folder / "of_test")
    ids = metrics.image_ids(test)
    groups = [image.group for image in metrics.sorted_images(test)]
    truth = metrics.true_boxes(test)

    def mean_ap(students):
        matched = [match_all(gather(found, ids), truth, IOU_THRESHOLDS) for found in students]
        statistics_ = [average_precision(each, max_detections(each.n_truth)) for each in matched]
        return lambda weights: np.mean(
            [statistic(weights).mean(axis=1) for statistic in statistics_], axis=0
        )

    above, below = mean_ap(weak), mean_ap(true)
    n = int((~truth.crowd).sum())
    return statistics.Bootstrap(groups, 1).metric(
        lambda weights: statistics.divide(above(weights), below(weights)), n, "ratio"
    )


def dose_response(rows):
    """Return in words AP / AP on true boxes as a least-squares line over F1 and overlap of the spoiled boxes, and what that says of the weak ones."""
    import numpy as np

    full = {row["seed"]: row["ap"] for row in rows if row["boxes"] == "true"}

    def table(kept):
        kept = [row for row in rows if kept(row["boxes"])]
        return np.array([[1, row["f1_50"], row["overlap"]] for row in kept]), np.array(
            [row["ap"] / full[row["seed"]] for row in kept]
        )

    quality, share = table(lambda name: name not in ("weak", "true"))
    line, *_ = np.linalg.lstsq(quality, share, rcond=None)
    others = [
        np.linalg.lstsq(np.delete(quality, k, 0), np.delete(share, k), rcond=None)[0]
        for k in range(len(share))
    ]
    error = np.abs(
        [row @ other - measured for row, other, measured in zip(quality, others, share)]
    ).mean()
    weak, measured = table(lambda name: name == "weak")
    return (
        f"\nDose-response, of {len(share)} trainings on spoiled true boxes: AP / AP on true boxes = "
        f"{line[0]:.2f} {line[1]:+.2f} F1 {line[2]:+.2f} overlap, off by {error:.3f} on a training left out. "
        f"For boxes as good as the weak ones it says {(weak @ line).mean():.3f}; they gave {measured.mean():.3f}."
    )


def markdown(args, rows, found):
    head = list(rows[0])
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [f"| {' | '.join(str(value) for value in row.values())} |" for row in rows]
    by_seed = {
        name: {row["seed"]: row["ap"] for row in rows if row["boxes"] == name}
        for name in ("weak", "true")
    }
    each = [by_seed["weak"][seed] / by_seed["true"][seed] for seed in by_seed["weak"]]
    n = json.loads((args.folder / "of_test").read_text())["images"]
    span = (
        "too few groups for an interval"
        if found.low is None
        else f"{found.low:.3f} to {found.high:.3f}"
    )
    return "\n".join(lines) + (
        f"\n\nStudent ratio {found.value:.3f} ({span}; {len(n)} test images in {found.groups} groups); by seed "
        f"{', '.join(f'{value:.3f}' for value in each)}, mean {statistics.mean(each):.3f} ± {statistics.pstdev(each):.3f}."
    )


if __name__ == "__main__":
    main()
