#!/usr/bin/env python3
"""Measure the weak boxes against true boxes of some of the labelled photos, which took no part in making them.

Only accepted boxes are weak boxes. A photo that was left out counts: none of its true boxes was found.
"""
import argparse
import json
from pathlib import Path

from entoflow import coco
from entoflow.task import InputError, run


def main(argv):
    args = parser().parse_args(argv)
    weak, audit = coco.read(args.weak_boxes), coco.read(args.audit_boxes)
    photos = {image["id"]: image for image in weak["images"]}
    boxed = coco.boxes_by_image({**audit, "annotations": [box for box in audit["annotations"] if not box["iscrowd"]]})
    ids = sorted(number for number in photos if len(boxed.get(number, ([],))[0]))
    if not ids:
        raise InputError(f"{args.audit_boxes}: holds no true box of a photo labelled {args.target}; wanted some of those.")
    accepted = {**weak, "annotations": [{**box, "iscrowd": 0} for box in weak["annotations"] if box["band"] == "accept"]}
    figures, overlaps = measure(ids, photos, coco.boxes_by_image(accepted), boxed, args.seed)
    content = {"chain": "detection", "n": len(ids), "groups": len({photos[number]["group"] for number in ids}), "metrics": figures}
    args.quality.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if args.plots:
        draw(args.plots, overlaps)
    print("  ".join(f"{name} {figure['value']:.3f}" for name, figure in figures.items() if figure["value"] is not None))


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--weak_boxes", type=Path, required=True, help="weak boxes, as select_weak_boxes.py wrote them")
    p.add_argument("--audit_boxes", type=Path, required=True, help="data set with true boxes of some photos")
    p.add_argument("--target", required=True, help="label of the photos")
    p.add_argument("--seed", type=int, default=1, help="seed of the bootstrap (default %(default)s)")
    p.add_argument("--quality", type=Path, required=True, help="JSON to write: every figure with its interval")
    p.add_argument("--plots", type=Path, help="folder for the picture")
    return p


def measure(ids, photos, weak, truth, seed):
    """Return ({name: figure}, IoU of each accepted box with the true box it lies on best).

    CorLoc: share of photos with at least one right box. Yield: share of all the target's photos with an accepted box.
    """
    import numpy as np
    from entoflow import matching, metrics
    from entoflow.boxes import iou

    bootstrap = metrics.Bootstrap([photos[number]["group"] for number in ids], seed)
    figures = {}
    n_weak = np.array([len(weak[number][0]) for number in ids])
    n_truth = np.array([len(truth[number][0]) for number in ids])
    for name, least in (("50", 0.5), ("75", 0.75)):
        right = np.array([(matching.match(weak[number][0], *truth[number], [least])[0] >= 0).sum() for number in ids])
        figures[f"corloc{name}"] = bootstrap.ratio((right > 0).astype(int), np.ones(len(ids), int), len(ids), "share of photos")
        figures[f"precision{name}"] = bootstrap.ratio(right, n_weak, n_weak.sum(), "share of weak boxes")
        figures[f"recall{name}"] = bootstrap.ratio(right, n_truth, n_truth.sum(), "share of true boxes")
        figures[f"f1_{name}"] = bootstrap.ratio(2 * right, n_weak + n_truth, n_truth.sum(), "F1")
    every = sorted(photos)
    has_box = np.array([len(weak[number][0]) > 0 for number in every], int)
    of_all = metrics.Bootstrap([photos[number]["group"] for number in every], seed)
    figures["yield"] = of_all.ratio(has_box, np.ones(len(every), int), len(every), "share of photos")
    best = [iou(weak[number][0], truth[number][0]).max(axis=1) for number in ids if len(weak[number][0])]
    return figures, np.concatenate(best) if best else np.zeros(0)


def draw(folder, overlaps):
    import numpy as np
    from entoflow import plots

    folder.mkdir(parents=True, exist_ok=True)
    plots.histogram(folder / "overlap.png", {"weak boxes": overlaps}, "How well weak boxes lie on true ones",
                    ("IoU with the true box", "boxes"), np.linspace(0, 1, 21), (0.5, "right from here"))


if __name__ == "__main__":
    run(main)
