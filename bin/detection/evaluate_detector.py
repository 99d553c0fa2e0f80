#!/usr/bin/env python3
"""Measure a detector on images it never learned from, at the threshold that it ships with, and draw what it does.

Nothing is chosen here: the threshold comes with the model. All stored boxes, from score 0.001, are published and count
for average precision and the curves. Where the test images have labels but no boxes, only presence can be measured.
"""
import argparse
from pathlib import Path

from entoflow import coco, files
from entoflow.tables import read_json
from entoflow.task import InputError, run

SHOWN = 12


def main(argv):
    args = parser().parse_args(argv)
    from entoflow.detection import detections, metrics

    test, model = coco.read(args.test), read_json(args.model)
    ids, threshold, label = metrics.image_ids(test), model["threshold"], model["classes"][0]
    found = read_predictions(args.predictions, ids)
    figures, matches = metrics.detection_figures(test, found, threshold, args.seed, label if labels_only(test) else None)
    errors, alarms = {}, []
    if not labels_only(test):
        by_size, errors, alarms = analyse(test, found, matches, threshold, args.seed, label)
        figures.update(by_size)
    write_metrics(args.metrics, test, figures, errors, matches)
    names = {image["id"]: image["file_name"] for image in test["images"]}
    detections.write_json(args.predictions_json, found, ids)
    detections.write_csv(args.predictions_csv, found, [names[number] for number in ids], label)
    args.plots.mkdir(parents=True, exist_ok=True)
    draw_curves(args.plots, matches, figures, threshold)
    draw_sheets(args.plots, ids, args.packs, viewer(test, ids, found, threshold, label))
    if errors:
        draw_false_alarms(args.plots / "false_alarms.png", test, ids, args.packs, alarms)
    print("  ".join(f"{name} {figure['value']:.3f}" for name, figure in figures.items() if figure["value"] is not None))


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--test", type=Path, required=True, help="data set with the truth")
    p.add_argument("--predictions", type=Path, nargs="+", required=True, help="the detector's boxes on its images")
    p.add_argument("--model", type=Path, required=True, help="model.json of the detector")
    p.add_argument("--packs", type=Path, nargs="+", required=True, help="packs with the images")
    p.add_argument("--seed", type=int, default=1, help="seed of the bootstrap (default %(default)s)")
    p.add_argument("--metrics", type=Path, required=True, help="JSON to write: every figure with its interval")
    p.add_argument("--predictions_json", type=Path, required=True, help="COCO results to write")
    p.add_argument("--predictions_csv", type=Path, required=True, help="CSV to write")
    p.add_argument("--plots", type=Path, required=True, help="folder for the pictures")
    return p


def read_predictions(paths, ids):
    """Return the Detections on the images of ids (sorted); a pack may hold others too. Raises InputError if one lacks."""
    from entoflow.detection import detections, predictions

    wanted = set(ids)
    found = [row for row in predictions.read(paths) if row[0] in wanted]
    missing = wanted.difference(row[0] for row in found)
    if missing:
        raise InputError(f"predictions: {len(missing)} of {len(wanted)} test images were not looked at; wanted all of them.")
    return detections.rounded(detections.gather(found, ids))


def labels_only(test):
    return test["info"].get("truth") == "labels"


def analyse(test, found, matches, threshold, seed, label):
    """Return (figures by size, errors by kind, the worst false alarms). A photo whose label is known and another holds look-alikes."""
    import numpy as np

    from entoflow import statistics
    from entoflow.detection import error_analysis, metrics

    images = sorted(test["images"], key=lambda image: image["id"])
    truth, bootstrap = metrics.true_boxes(test, metrics.image_ids(test)), statistics.Bootstrap([image["group"] for image in images], seed)
    other = np.array([image["label"] not in (None, label) for image in images])
    other = other if any(image["label"] for image in images) else None
    sides = np.array([max(image["width"], image["height"]) for image in images])
    return (error_analysis.by_size(matches, truth, found, sides, threshold, bootstrap),
            error_analysis.tide_errors(matches, truth, other, threshold, bootstrap),
            error_analysis.worst_false_alarms(matches, found, other, SHOWN))


def write_metrics(path, test, figures, errors, matches):
    from entoflow.detection.average_precision import max_detections

    content = {"chain": "detection", "n": len(test["images"]), "groups": len({image["group"] for image in test["images"]}),
               "truth": test["info"].get("truth"), "max_detections": max_detections(matches.n_truth), "metrics": figures, "errors": errors}
    files.write_json(path, content)


def draw_curves(folder, matches, figures, threshold):
    """Draw precision against recall, recall against false alarms, and all against the threshold; none without true boxes."""
    import numpy as np

    from entoflow import plots
    from entoflow.detection.matching import f_score, operating_points

    n_truth, n_images = int(matches.n_truth.sum()), len(matches.n_truth)
    if not n_truth:
        return
    points = {name: operating_points(matches.scores, matches.outcome[k]) for name, k in (("IoU 0.5", 0), ("IoU 0.75", 5))}
    lines = {name: (true / n_truth, true / np.maximum(true + false, 1)) for name, (_, true, false) in points.items()}
    at = [(figures["recall"]["value"], figures["precision"]["value"], f"threshold {threshold:.3f}")]
    plots.chart(folder / "precision_recall.png", lines, f"AP {figures['ap']['value']:.3f}   AP50 {figures['ap50']['value']:.3f}",
                ("recall", "precision"), at if at[0][1] is not None else [])
    scores, true, false = points["IoU 0.5"]
    recall, precision = lines["IoU 0.5"]
    alarms = np.maximum(false / n_images, 0.5 / n_images)  # a log axis has no 0: none is drawn at half an alarm in all
    plots.chart(folder / "recall_vs_false_alarms.png", {"IoU 0.5": (alarms, recall)},
                f"Recall {figures['recall_at_0.1_fppi']['value']:.3f} at 0.1 false alarms per image",
                ("false alarms per image", "recall"), [(0.1, None, "0.1 per image")], log_x=True)
    shares = {"precision": (scores, precision), "recall": (scores, recall), "F1": (scores, f_score(true, false, n_truth))}
    plots.chart(folder / "confidence.png", shares, f"F1 {figures['f1']['value']:.3f} at the threshold",
                ("threshold", "share"), [(threshold, None, f"threshold {threshold:.3f}")])


def draw_sheets(folder, ids, packs, view):
    """Draw the images where the detector does best, and those where it errs most."""
    from entoflow import images, plots

    pack = images.Pack(packs)
    seen = [(good, margin, row) for row in range(len(ids)) for good, margin, _, boxes in [view(row)] if boxes or good < 1]
    best = sorted((image for image in seen if image[0] > 0), key=lambda image: (-image[0], -image[1], image[2]))
    worst = sorted(image for image in seen if image[0] < 1)
    for name, title, chosen in (("best", "Best test images", best), ("worst", "Worst test images", worst)):
        tiles = (plots.Tile(pack.read(ids[row]), *view(row)[2:]) for _, _, row in chosen[:SHOWN])
        plots.contact_sheet(folder / f"{name}.png", tiles, title, SHOWN)


def draw_false_alarms(path, test, ids, packs, alarms):
    """Draw the best-scored detections that lie on no true box, with their surroundings: a person sees insects that the truth misses."""
    from entoflow import images, plots

    pack, truth, by_id = images.Pack(packs), coco.boxes_by_image(test), {image["id"]: image for image in test["images"]}

    def tile(row, box, score, look_alike):
        image, (boxes, crowd) = by_id[ids[row]], truth[ids[row]]
        near = [(true_box, "ignored" if ignored else "truth", "") for true_box, ignored in zip(boxes.tolist(), crowd.tolist())]
        title = f"{plots.short(image['file_name'])}: {image['label']}" if look_alike else plots.short(image["file_name"])
        return plots.Tile(pack.read(image["id"]), title, [*near, (box, "false", f"{score:.2f}")], box)

    plots.contact_sheet(path, (tile(*alarm) for alarm in alarms), "Surest false alarms: is one of them a real insect that the truth misses?", SHOWN)


def viewer(test, ids, found, threshold, label):
    """Return f(row) -> (how good from 0 to 1, margin among equals, title, boxes to draw) of an image."""
    import numpy as np

    from entoflow.boxes import to_xyxy
    from entoflow.plots import short

    images, truth = {image["id"]: image for image in test["images"]}, coco.boxes_by_image(test)
    ends = np.searchsorted(found.image, np.arange(len(ids) + 1))

    def view(row):
        start, end = ends[row], ends[row + 1]
        end = start + np.count_nonzero(found.scores[start:end] >= threshold)
        boxes, scores, image = to_xyxy(found.bbox[start:end]), found.scores[start:end].tolist(), images[ids[row]]
        if labels_only(test):
            return (*against_label(image["label"] == label, scores, threshold), f"{short(image['file_name'])}: {image['label']}",
                    [(box, "detection", f"{score:.2f}") for box, score in zip(boxes.tolist(), scores)])
        good, margin, drawn = against_boxes(boxes, scores, *truth[ids[row]], threshold)
        return good, margin, f"{short(image['file_name'])}: F1 {good:.2f}", drawn

    return view


def against_label(present, scores, threshold):
    """Return (1 where the label and the detections agree, else 0; how clearly). scores: those from the threshold up."""
    margin = max(scores, default=0) - threshold
    return (1, margin) if present == bool(scores) else (0, -abs(margin))


def against_boxes(boxes, scores, truth, crowd, threshold):
    """Return (F1 at IoU 0.5, margin, boxes to draw): each miss and the surest false alarm lessen the margin."""
    from entoflow.detection.matching import IN_IGNORE_REGION, f_score, match

    matched = match(boxes, truth, crowd, [0.5])[0].tolist()
    missed = set(range(len(truth))).difference(matched, crowd.nonzero()[0].tolist())
    kinds = ["found" if at >= 0 else "ignored" if at == IN_IGNORE_REGION else "false" for at in matched]
    drawn = [(box, "ignored" if crowd[n] else "missed" if n in missed else "truth", "") for n, box in enumerate(truth.tolist())]
    drawn += [(box, kind, f"{score:.2f}") for box, kind, score in zip(boxes.tolist(), kinds, scores)]
    right, wrong = ([score for score, kind in zip(scores, kinds) if kind == name] for name in ("found", "false"))
    good = float(f_score(len(right), len(wrong), (~crowd).sum())) if missed or wrong else 1.0
    return good, min(right, default=threshold) - max(wrong, default=threshold) - len(missed), drawn


if __name__ == "__main__":
    run(main)
