#!/usr/bin/env python3
"""Measure a detector on images it never learned from, at the threshold that it ships with, and draw what it does.

Nothing is chosen here: the threshold comes with the model. All stored boxes, from score 0.001, are published and count
for average precision and the curves.
"""
import argparse
import json
from pathlib import Path

from entoflow import coco, detections, matching, metrics, plots, predictions
from entoflow.task import run

SHOWN = 12


def main(argv):
    args = parser().parse_args(argv)
    test, model = coco.read(args.test), json.loads(args.model.read_text(encoding="utf-8"))
    ids = metrics.image_ids(test)
    found = detections.rounded(detections.gather(of_images(args.predictions, ids), ids))
    target = model["classes"][0] if test["info"].get("truth") == "labels" else None
    figures, matches = metrics.detection_figures(test, found, model["threshold"], args.seed, target)
    write_metrics(args.metrics, test, figures)
    detections.write_json(args.predictions_json, found, ids)
    names = {image["id"]: image["file_name"] for image in test["images"]}
    detections.write_csv(args.predictions_csv, found, [names[number] for number in ids], model["classes"][0])
    args.plots.mkdir(parents=True, exist_ok=True)
    curves(args.plots, matches, figures, model["threshold"])
    sheets(args.plots, test, ids, found, model["threshold"], args.packs)
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


def of_images(paths, ids):
    """Yield (image id, view, boxes, scores) of the test images; a pack may hold others too."""
    wanted = set(ids)
    return ((image, views, xyxy, scores) for image, views, xyxy, scores in predictions.read(paths) if image in wanted)


def write_metrics(path, test, figures):
    groups = len({image["group"] for image in test["images"]})
    content = {"chain": "detection", "n": len(test["images"]), "groups": groups, "truth": test["info"].get("truth"), "metrics": figures}
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def curves(folder, matches, figures, threshold):
    """Draw precision against recall, recall against false alarms, and all against the threshold; none without true boxes."""
    import numpy as np

    n_truth, n_images = int(matches.n_truth.sum()), max(1, len(matches.n_truth))
    if not n_truth:
        return
    scores, true, false = matching.operating_points(matches.scores, matches.outcome[0])
    recall, precision = true / n_truth, true / np.maximum(true + false, 1)
    at = figures["recall"]["value"] or 0, figures["precision"]["value"] or 0
    ap50 = figures["ap50"]["value"]
    plots.chart(folder / "precision_recall.png", {f"AP50 {ap50:.3f}": (recall, precision)}, "Precision and recall",
                ("recall", "precision"), [(*at, f"threshold {threshold:.3f}")])
    alarms = false / n_images
    plots.chart(folder / "recall_vs_false_alarms.png", {"recall": (np.maximum(alarms, 0.5 / n_images), recall)},
                "Recall against false alarms", ("false alarms per image", "recall"), [(0.1, None, "0.1 per image")], log_x=True)
    f1 = matching.f_score(true, false, n_truth)
    plots.chart(folder / "confidence.png", {"precision": (scores, precision), "recall": (scores, recall), "F1": (scores, f1)},
                "Against the threshold", ("threshold", "share"), [(threshold, None, f"shipped: {threshold:.3f}")])


def sheets(folder, test, ids, found, threshold, packs):
    """Draw the images where the detector does best and worst, with true boxes, detections from the threshold and misses."""
    from entoflow import images

    pack = images.Pack(packs)
    names = {image["id"]: Path(image["file_name"]).name for image in test["images"]}
    judged = [judge(number, names[number], *truth, *from_threshold(found, row, threshold))
              for row, (number, truth) in enumerate(zip(ids, metrics.true_boxes(test, ids)))]
    judged = [image for image in judged if image["boxes"]]
    judged.sort(key=lambda image: (-image["f1"], -image["score"], image["id"]))
    for name, title, chosen in (("best", "Best images", judged[:SHOWN]), ("worst", "Worst images", judged[::-1][:SHOWN])):
        tiles = (plots.Tile(pack.read(image["id"]), image["name"], image["boxes"]) for image in chosen)
        plots.contact_sheet(folder / f"{name}.png", tiles, title, SHOWN)


def from_threshold(found, row, threshold):
    from entoflow.boxes import to_xyxy

    chosen = (found.image == row) & (found.scores >= threshold)
    return to_xyxy(found.bbox[chosen]), found.scores[chosen]


def judge(number, name, truth, crowd, boxes, scores):
    """Return an image with its boxes to draw, its F1 at IoU 0.5 and the score it is sorted by among equals."""
    matched = matching.match(boxes, truth, crowd, [0.5])[0]
    missed = set(range(len(truth))) - set(matched[matched >= 0].tolist())
    kinds = ["found" if at >= 0 else "ignored" if at == matching.IN_IGNORE_REGION else "false" for at in matched]
    drawn = [(tuple(box), "ignored" if crowd[n] else "missed" if n in missed else "truth", "") for n, box in enumerate(truth)]
    drawn += [(tuple(box), kind, f"{score:.2f}") for box, kind, score in zip(boxes, kinds, scores)]
    f1 = float(matching.f_score(kinds.count("found"), kinds.count("false"), (~crowd).sum()))
    alarm = max((score for kind, score in zip(kinds, scores) if kind == "false"), default=0)
    return {"id": number, "name": name, "boxes": drawn, "f1": f1, "score": float(sum(scores)) if f1 == 1 else -float(alarm)}


if __name__ == "__main__":
    run(main)
