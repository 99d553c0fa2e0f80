#!/usr/bin/env python3
"""Measure the weak boxes against true boxes of some of the labelled photos, which took no part in making them.

Only accepted boxes are weak boxes. A photo that was left out counts: none of its true boxes was found. So does one that the
audit knows to be empty: its boxes are wrong. A weak box in a region that the audit ignores counts neither way.
What each step of the rule gives is measured by leaving it out, on the stored evidence; how far the boxes' probability can be
believed, by the share of boxes of like probability that are right. Neither on photos that a person reviewed.
"""
import argparse
from pathlib import Path

from entoflow import coco, files
from entoflow.detection import weak_boxes
from entoflow.tables import plain_label
from entoflow.task import InputError, run

SIDES = ("left", "top", "right", "bottom")
BINS = 10  # of probability, of equal width


def main(argv):
    args = parser().parse_args(argv)
    weak, audit = coco.read(args.weak_boxes), coco.read(args.audit_boxes)
    photos, truth = {image["id"]: image for image in weak["images"]}, coco.boxes_by_image(audit)
    unsure = {number for number, (_, crowd) in truth.items() if len(crowd) and crowd.all()}
    ids = sorted(number for number in photos if number in truth and number not in unsure)
    if not any(len(truth[number][0]) for number in ids):
        raise InputError(f"{args.audit_boxes}: holds no true box of a photo labelled {args.target}; wanted some of those.")
    figures, overlaps = measure(ids, photos, accepted(weak), truth, args.seed)
    unseen = [number for number in ids if not photos[number]["reviewed"]]
    sums = reliability(unseen, weak, truth)
    figures["ece"] = calibration_error(unseen, photos, sums, args.seed)
    content = {"chain": "detection", "n": len(ids), "groups": len({photos[number]["group"] for number in ids}), "metrics": figures}
    files.write_json(args.quality, content)
    if args.ablation:
        rows, seconds = ablate(weak, unseen, photos, truth, args.seed) if unseen else ([], [])
        groups = {photos[number]["group"] for number in unseen}
        content = {"chain": "detection", "rule": weak["info"]["rule"], "n": len(unseen), "groups": len(groups), "rows": rows}
        files.write_json(args.ablation, content)
        print(markdown(rows, seconds))
    if args.plots:
        draw(args.plots, overlaps, sums.sum(axis=0))
    print("  ".join(f"{name} {figure['value']:.3f}" for name, figure in figures.items() if figure["value"] is not None))


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--weak_boxes", type=Path, required=True, help="weak boxes, as select_weak_boxes.py wrote them")
    p.add_argument("--audit_boxes", type=Path, required=True, help="data set with true boxes of some photos")
    p.add_argument("--target", type=plain_label, required=True, help="label of the photos")
    p.add_argument("--seed", type=int, default=1, help="seed of the bootstrap (default %(default)s)")
    p.add_argument("--quality", type=Path, required=True, help="JSON to write: every figure with its interval")
    p.add_argument("--ablation", type=Path, help="JSON to write: F1 with each step of the rule left out, and by the simple rules")
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

    from entoflow import statistics
    from entoflow.boxes import iou
    from entoflow.detection.sizes import size_names

    bootstrap = statistics.Bootstrap([photos[number]["group"] for number in ids], seed)
    found = [matched(weak[number], *truth[number]) for number in ids]
    right, wrong, overlap = (np.array(column) for column in zip(*(row[:3] for row in found)))
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
    pairs = [row[3] for row in found]
    shift = np.array([shifts(weak[number], truth[number][0], pair) for number, pair in zip(ids, pairs)])
    for k, side in enumerate(SIDES):
        figures[f"bias_{side}"] = bootstrap.ratio(shift[:, k], right[:, 0], right[:, 0].sum(), "share of the true box, outwards")
    of_size, got = by_size(ids, photos, truth, pairs)
    for k, name in enumerate(size_names()):
        if of_size[:, k].any():
            figures[f"recall50_{name}"] = bootstrap.ratio(got[:, k], of_size[:, k], of_size[:, k].sum(), "share of true boxes")
    every = sorted(photos)
    has_box = np.array([len(weak[number]) > 0 for number in every], int)
    of_all = statistics.Bootstrap([photos[number]["group"] for number in every], seed)
    figures["yield"] = of_all.ratio(has_box, np.ones(len(every), int), len(every), "share of photos")
    best = [iou(weak[number], truth[number][0][~truth[number][1]]).max(axis=1, initial=0) for number in ids]
    return figures, np.concatenate(best)


def reliability(ids, weak, truth):
    """Return what the boxes accepted or ignored say and hold, by probability: photos x BINS x (boxes, their probabilities, right ones), summed."""
    import numpy as np

    from entoflow.detection.matching import IN_IGNORE_REGION, match

    sums = np.zeros((len(ids), BINS, 3))
    taken = {**weak, "annotations": [box for box in weak["annotations"] if box["band"] != "drop"]}
    for row, found in enumerate(map(stored(taken).get, ids)):
        if not found:
            continue
        boxes, crowd = truth[ids[row]]
        outcome = match(np.array([box["xyxy"] for box in found]), boxes, crowd, [0.5])[0]
        chance = np.array([box["probability"] for box in found])
        counted = outcome != IN_IGNORE_REGION
        place = np.minimum(chance * BINS, BINS - 1).astype(int)[counted]
        np.add.at(sums[row], place, np.stack([np.ones(counted.sum()), chance[counted], outcome[counted] >= 0], axis=1))
    return sums


def calibration_error(ids, photos, sums, seed):
    """Return the figure of the expected calibration error: how far mean probability and share of right boxes are apart, mean over boxes."""
    import numpy as np

    from entoflow import statistics

    def error(weights):
        boxes, chance, right = np.moveaxis(np.tensordot(weights, sums, axes=1), 2, 0)
        return statistics.divide(abs(chance - right).sum(axis=1), boxes.sum(axis=1))

    bootstrap = statistics.Bootstrap([photos[number]["group"] for number in ids], seed)
    return bootstrap.figure(error, sums[:, :, 0].sum(), "difference of probability, accepted and ignored boxes")


def ablate(weak, ids, photos, truth, seed):
    """Return ([{"boxes", "f1_50", "gain"}], seconds of each): F1 by the rule used, with a step left out, and by the simple rules.

    gain: how much F1 the rule used has over that, over the same resamples of groups. Nothing is predicted anew.
    """
    from time import perf_counter

    import numpy as np

    from entoflow import statistics

    info, candidates = weak["info"], stored(weak)
    bootstrap = statistics.Bootstrap([photos[number]["group"] for number in ids], seed)
    n_truth = np.array([(~truth[number][1]).sum() for number in ids])
    n = int(n_truth.sum())
    counted, seconds, start = {}, [], perf_counter()
    for name, rule, own, thresholds in variants(info, candidates):
        boxes = {number: [box["xyxy"] for box, band in zip(found, rule(found, photos[number]["count"], *thresholds)) if band == "accept"]
                 for number, found in own.items()}
        found = [matched(np.array(boxes.get(number, []), float).reshape(-1, 4), *truth[number])[:2] for number in ids]
        counted[name] = np.array([(2 * right[0], right[0] + wrong[0]) for right, wrong in found]).T
        seconds.append(perf_counter() - start - sum(seconds))

    def f1(weights, name):
        twice, kept = counted[name]
        return statistics.divide(weights @ twice, weights @ (kept + n_truth))

    def row(name):
        gain = bootstrap.figure(lambda weights: f1(weights, used) - f1(weights, name), n, "difference of F1")
        return {"boxes": name, "f1_50": bootstrap.figure(lambda weights: f1(weights, name), n, "harmonic mean of precision and recall"),
                "gain": None if name == used else gain}

    used = next(iter(counted))
    return [row(name) for name in counted], seconds


def stored(weak):
    """Return {image id: [candidate]}, best first, as they were when the rule judged them."""
    from entoflow.boxes import to_xyxy

    found = {}
    for box in weak["annotations"]:
        xyxy = to_xyxy([box["bbox"]])[0]
        found.setdefault(box["image_id"], []).append({**box["evidence"], "xyxy": xyxy, "score": box["score"]})
    return {number: sorted(boxes, key=lambda box: box["rank"]) for number, boxes in found.items()}


def variants(info, candidates):
    """Yield (name, rule, candidates, thresholds): the rule used, that without each step, and the other rules."""
    from functools import partial

    usual, plain = (info["accept"], info["ignore"]), info["without_agreement"]
    used = weak_boxes.RULES[info["rule"]]
    yield f"the rule {info['rule']}", used, candidates, usual
    if info["rule"] == "full":
        for step in weak_boxes.STEPS:
            if step == "view agreement":
                raised = {number: weak_boxes.without_agreement(boxes, info["n_views"]) for number, boxes in candidates.items()}
                yield f"without {step}", used, raised, plain
            elif step != "second opinion" or info["crops"]:
                yield f"without {step}", partial(used, without=step), candidates, usual
    for name in ("threshold", "top1"):
        if name != info["rule"]:
            yield f"the rule {name}", weak_boxes.RULES[name], candidates, usual


def markdown(rows, seconds):
    """Return the ablation as a table."""
    def words(entry):
        if entry is None or entry["value"] is None:
            return ""
        span = "" if entry["low"] is None else f" ({entry['low']:.3f} to {entry['high']:.3f})"
        return f"{entry['value']:.3f}{span}"

    lines = [f"| {row['boxes']} | {words(row['f1_50'])} | {words(row['gain'])} | {taken:.2f} |" for row, taken in zip(rows, seconds)]
    return "\n".join(["| boxes by | F1 at IoU 0.5 | gain of the rule used | seconds |", "|---|---|---|---|", *lines])


def matched(weak, truth, crowd):
    """Return (right weak boxes, wrong ones, each at IoU 0.5 and 0.75; sum of the IoU of those right at 0.5; pairs (weak, true) of these)."""
    from entoflow.boxes import iou
    from entoflow.detection.matching import NO_BOX, match

    found = match(weak, truth, crowd, [0.5, 0.75])
    at = (found[0] >= 0).nonzero()[0]
    return (found >= 0).sum(axis=1), (found == NO_BOX).sum(axis=1), iou(weak, truth)[at, found[0, at]].sum(), (at, found[0, at])


def shifts(weak, truth, pairs):
    """Return how far the sides of paired boxes lie outside the true ones (4: SIDES), summed, in shares of the true width or height."""
    import numpy as np

    own, true = weak[pairs[0]], truth[pairs[1]]
    sizes = np.tile(true[:, 2:] - true[:, :2], 2)
    return ((own - true) / sizes * [-1, -1, 1, 1]).sum(axis=0)


def by_size(ids, photos, truth, pairs):
    """Return (true boxes of each photo by relative size, those found): photos x bins of sizes.SIZES."""
    import numpy as np

    from entoflow.boxes import area
    from entoflow.detection.sizes import SIZES, size_bin

    counts, found = np.zeros((2, len(ids), len(SIZES) + 1), int)
    for row, (number, pair) in enumerate(zip(ids, pairs)):
        boxes, crowd = truth[number]
        size = size_bin(area(boxes), max(photos[number]["width"], photos[number]["height"]))
        counts[row] = np.bincount(size[~crowd], minlength=len(SIZES) + 1)
        found[row] = np.bincount(size[pair[1]], minlength=len(SIZES) + 1)
    return counts, found


def draw(folder, overlaps, sums):
    """sums: BINS x 3, as reliability gives them of each photo."""
    import numpy as np

    from entoflow import plots

    folder.mkdir(parents=True, exist_ok=True)
    plots.histogram(folder / "overlap.png", {"weak boxes": overlaps}, "How well weak boxes lie on true ones",
                    ("IoU with the true box", "boxes"), np.linspace(0, 1, 21), (0.5, "right from here"))
    boxes, chance, right = sums[sums[:, 0] > 0].T
    plots.chart(folder / "calibration.png", {"weak boxes, accepted or ignored": (chance / boxes, right / boxes), "as said": ([0, 1], [0, 1])},
                "How far the boxes' probability can be believed", ("probability of being right, as said", "share that is right"))


if __name__ == "__main__":
    run(main)
