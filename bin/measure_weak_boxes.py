#!/usr/bin/env python3
"""Measure the weak boxes against true boxes of some of the labelled photos, which took no part in making them.

Only accepted boxes are weak boxes. A photo that was left out counts: none of its true boxes was found. So does one that the
audit knows to be empty: its boxes are wrong. A weak box in a region that the audit ignores counts neither way.
"""
import argparse
import json
from pathlib import Path

from entoflow import coco
from entoflow.tables import plain_label
from entoflow.task import InputError, run


def main(argv):
    args = parser().parse_args(argv)
    weak, audit = coco.read(args.weak_boxes), coco.read(args.audit_boxes)
    photos, truth = {image["id"]: image for image in weak["images"]}, coco.boxes_by_image(audit)
    unsure = {number for number, (_, crowd) in truth.items() if len(crowd) and crowd.all()}
    ids = sorted(number for number in photos if number in truth and number not in unsure)
    if not any(len(truth[number][0]) for number in ids):
        raise InputError(f"{args.audit_boxes}: holds no true box of a photo labelled {args.target}; wanted some of those.")
    figures, overlaps = measure(ids, photos, accepted(weak), truth, args.seed)
    content = {"chain": "detection", "n": len(ids), "groups": len({photos[number]["group"] for number in ids}), "metrics": figures}
    args.quality.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if args.plots:
        draw(args.plots, overlaps)
    print("  ".join(f"{name} {figure['value']:.3f}" for name, figure in figures.items() if figure["value"] is not None))


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--weak_boxes", type=Path, required=True, help="weak boxes, as select_weak_boxes.py wrote them")
    p.add_argument("--audit_boxes", type=Path, required=True, help="data set with true boxes of some photos")
    p.add_argument("--target", type=plain_label, required=True, help="label of the photos")
    p.add_argument("--seed", type=int, default=1, help="seed of the bootstrap (default %(default)s)")
    p.add_argument("--quality", type=Path, required=True, help="JSON to write: every figure with its interval")
    p.add_argument("--plots", type=Path, help="folder for the picture")
    return p


def accepted(weak):
    """Return {image id: accepted boxes (n x 4), best first}."""
    boxes = sorted((box for box in weak["annotations"] if box["band"] == "accept"), key=lambda box: -box["score"])
    return {number: boxes for number, (boxes, _) in coco.boxes_by_image({**weak, "annotations": boxes}).items()}


def measure(ids, photos, weak, truth, seed):
    """Return ({name: figure}, IoU of each accepted box with the true box it lies on best).

    CorLoc: share of photos with a true box that have at least one right box. Yield: share of all the target's photos with an accepted box.
    """
    import numpy as np
    from entoflow import metrics
    from entoflow.boxes import iou

    bootstrap = metrics.Bootstrap([photos[number]["group"] for number in ids], seed)
    found = [matched(weak[number], *truth[number]) for number in ids]
    right, wrong, overlap = (np.array(column) for column in zip(*found))
    n_truth = np.array([(~truth[number][1]).sum() for number in ids])
    has_truth = (n_truth > 0).astype(int)
    figures = {}
    for k, name in enumerate(("50", "75")):
        good, kept = right[:, k], right[:, k] + wrong[:, k]
        figures[f"corloc{name}"] = bootstrap.ratio((good > 0).astype(int), has_truth, has_truth.sum(), "share of photos")
        figures[f"precision{name}"] = bootstrap.ratio(good, kept, kept.sum(), "share of weak boxes")
        figures[f"recall{name}"] = bootstrap.ratio(good, n_truth, n_truth.sum(), "share of true boxes")
        figures[f"f1_{name}"] = bootstrap.ratio(2 * good, kept + n_truth, n_truth.sum(), "harmonic mean of precision and recall")
    figures["mean_iou"] = bootstrap.ratio(overlap, right[:, 0], right[:, 0].sum(), "IoU of weak boxes right at 0.5")
    every = sorted(photos)
    has_box = np.array([len(weak[number]) > 0 for number in every], int)
    of_all = metrics.Bootstrap([photos[number]["group"] for number in every], seed)
    figures["yield"] = of_all.ratio(has_box, np.ones(len(every), int), len(every), "share of photos")
    best = [iou(weak[number], truth[number][0][~truth[number][1]]).max(axis=1, initial=0) for number in ids]
    return figures, np.concatenate(best)


def matched(weak, truth, crowd):
    """Return (right weak boxes, wrong ones, each at IoU 0.5 and 0.75; sum of the IoU of those right at 0.5) of a photo."""
    from entoflow.boxes import iou
    from entoflow.matching import NO_BOX, match

    found = match(weak, truth, crowd, [0.5, 0.75])
    at = (found[0] >= 0).nonzero()[0]
    return (found >= 0).sum(axis=1), (found == NO_BOX).sum(axis=1), iou(weak, truth)[at, found[0, at]].sum()


def draw(folder, overlaps):
    import numpy as np
    from entoflow import plots

    folder.mkdir(parents=True, exist_ok=True)
    plots.histogram(folder / "overlap.png", {"weak boxes": overlaps}, "How well weak boxes lie on true ones",
                    ("IoU with the true box", "boxes"), np.linspace(0, 1, 21), (0.5, "right from here"))


if __name__ == "__main__":
    run(main)
