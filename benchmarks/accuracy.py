#!/usr/bin/env python3
"""Is a detector that the chain trains on given boxes as good as a plain `yolo train`? Same images, epochs, size and seeds.

Both learn from the same training part, stop on the same validation part, and find boxes on the same test images, each by
its own prediction (yolo: its defaults, from score 0.001). One code measures both: entoflow's, equal to pycocotools.
"""

import argparse
import csv
import json
import statistics
import sys
from pathlib import Path

from measuring import ROOT, run, script
from training import SPLIT, for_yolo

sys.path.insert(0, str(ROOT / "bin"))
SHOWN = ("ap", "ap50", "ap75", "recall_at_0.1_fppi")


def main():
    args = parser().parse_args()
    args.folder = args.folder.resolve()
    args.folder.mkdir(parents=True)
    split(args)
    trainers = {"entoflow": ours, "yolo train": plain}
    rows = [
        {"trainer": name, "seed": seed, **train(args, seed)}
        for seed in args.seeds.split(",")
        for name, train in trainers.items()
    ]
    with (args.folder / "accuracy.csv").open("w", newline="") as handle:
        table = csv.DictWriter(handle, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    print(markdown(args, rows))


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--boxes", type=Path, required=True, help="images with boxes to learn from")
    p.add_argument("--test_boxes", type=Path, required=True, help="images with boxes to measure on")
    p.add_argument("--image_size", default="256", help="pixels (default %(default)s)")
    p.add_argument("--batch_size", default="8", help="images a step (default %(default)s)")
    p.add_argument("--max_epochs", default="24", help="epochs (default %(default)s)")
    p.add_argument("--seeds", default="1,2,3", help="seeds of the training (default %(default)s)")
    p.add_argument(
        "--folder",
        type=Path,
        default=Path("accuracy"),
        help="folder for all that is made (default %(default)s)",
    )
    return p


def split(args):
    """Import both sources and split the boxes into training and validation, as the chain does."""
    for role, source in (("boxes", args.boxes), ("test", args.test_boxes)):
        script(
            "import_images",
            args.folder,
            source=source.resolve(),
            role=role,
            name=role,
            dataset=args.folder / f"{role}.json",
            audit=args.folder / f"{role}_audit.json",
            packs_folder=args.folder,
        )
    datasets = [args.folder / "boxes.json", args.folder / "test.json"]
    script(
        "split_images",
        args.folder,
        datasets=datasets,
        **{name: args.folder / f"of_{name}" for name in SPLIT},
    )


def ours(args, seed):
    """Train and predict by the chain's scripts, and return the figures."""
    out = args.folder / f"entoflow_{seed}"
    out.mkdir()
    done = script(
        "train_detector",
        out,
        dataset=args.folder / "of_insect",
        packs=sorted(args.folder.glob("boxes_*.zip")),
        name="insect_detector",
        class_name="insect",
        image_size=args.image_size,
        batch_size=args.batch_size,
        max_epochs=args.max_epochs,
        seed=seed,
        model="model",
        training="training.csv",
    )
    script(
        "predict_boxes",
        out,
        model="model",
        packs=sorted(args.folder.glob("test_*.zip")),
        predictions="p.npz",
    )
    from entoflow.detection import predictions

    return {
        "seconds": round(done.seconds),
        **figures(args, list(predictions.read([out / "p.npz"]))),
    }


def plain(args, seed):
    """Train by the `yolo` command, predict by ultralytics, and return the figures."""
    from entoflow import images
    from entoflow.boxes import Prediction

    out = args.folder / f"yolo_{seed}"
    out.mkdir()
    data = for_yolo(args.folder / "of_insect", sorted(args.folder.glob("boxes_*.zip")), out)
    done = run(
        [
            Path(sys.executable).parent / "yolo",
            "detect",
            "train",
            f"data={data}",
            "model=yolo11n.yaml",
            f"imgsz={args.image_size}",
            f"epochs={args.max_epochs}",
            f"batch={args.batch_size}",
            f"seed={seed}",
            f"project={out}",
            "name=run",
            "exist_ok=True",
            "patience=30",
            "device=cpu",
            "plots=False",
            "verbose=False",
        ],
        out,
    )
    from ultralytics import YOLO

    model, pack, found = (
        YOLO(out / "run/weights/best.pt"),
        images.Pack(sorted(args.folder.glob("test_*.zip"))),
        [],
    )
    for number in pack.ids():
        boxes = model.predict(
            pack.read(number)[:, :, ::-1], imgsz=int(args.image_size), conf=0.001, verbose=False
        )[0].boxes
        found.append(
            Prediction.in_view(
                number, 0, boxes.xyxy.numpy().astype(float), boxes.conf.numpy().astype(float)
            )
        )
    return {"seconds": round(done.seconds), **figures(args, found)}


def figures(args, found):
    from entoflow import dataset
    from entoflow.detection import detections, metrics

    test = dataset.read(args.folder / "of_test")
    measured, _ = metrics.measure_detector(
        test, detections.gather(found, metrics.image_ids(test)), 0.5, 1
    )
    return {name: round(measured[name].value, 4) for name in SHOWN}


def markdown(args, rows):
    head = ("trainer", "seed", *SHOWN, "seconds")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name in ("entoflow", "yolo train"):
        own = [row for row in rows if row["trainer"] == name]
        lines += [f"| {' | '.join(str(row[column]) for column in head)} |" for row in own]
        means = [
            f"{statistics.mean(row[column] for row in own):.3f} ± {statistics.pstdev(row[column] for row in own):.3f}"
            for column in SHOWN
        ]
        lines.append(
            f"| **{name}** | mean ± sd | {' | '.join(means)} | {statistics.mean(row['seconds'] for row in own):.0f} |"
        )
    n = {
        name: len(json.loads((args.folder / f"of_{name}").read_text())["images"])
        for name in ("insect", "test")
    }
    return "\n".join(lines) + (
        f"\n\n{args.boxes}: {n['insect']} images to train and validate on; {args.test_boxes}: {n['test']} to test on; yolo11n, random "
        f"weights, {args.image_size} pixels, {args.max_epochs} epochs, batch {args.batch_size}."
    )


if __name__ == "__main__":
    main()
