#!/usr/bin/env python3
"""Measure a detector on images it never learned from, at its threshold, and draw what it does.

Nothing is chosen here: the threshold comes with the model. All stored boxes, from score 0.001, are
published and count for average precision and the curves. Where the test images have labels but no
boxes, only presence can be measured.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow import dataset, files
from entoflow.dataset import Dataset, Image
from entoflow.images import Pack
from entoflow.metric import Metric
from entoflow.tables import read_json
from entoflow.task import InputError, run

if TYPE_CHECKING:
    import numpy as np

    from entoflow.contact_sheet import TileBox
    from entoflow.detection.detections import Detections
    from entoflow.detection.error_analysis import ErrorCost, FalseAlarm
    from entoflow.detection.matching import Matches

SHOWN = 12  # images of a sheet
LABELS_ONLY = "labels"  # where the truth of test images comes from if they have no boxes


@dataclass(frozen=True)
class Shipped:
    """What of a detector's model.json is needed here."""

    threshold: float
    label: str


@dataclass(frozen=True)
class Drawing:
    """How good the detector is on one image, and what to draw of it."""

    quality: float  # 0 to 1
    margin: float  # among images of equal quality, how clearly
    title: str
    boxes: "list[TileBox]"


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    from entoflow.detection import detections as published
    from entoflow.detection import metrics as detection_metrics

    test = dataset.read(args.test)
    model = read_model(args.model)
    images = detection_metrics.sorted_images(test)
    ids = [image.id for image in images]
    detections = read_detections(args.predictions, ids)
    target = model.label if test.truth == LABELS_ONLY else None
    metrics, matches = detection_metrics.measure_detector(
        test, detections, model.threshold, args.seed, target
    )
    errors: dict[str, ErrorCost] = {}
    alarms: list[FalseAlarm] = []
    if test.truth != LABELS_ONLY:
        by_size, errors, alarms = analyse_errors(test, detections, matches, model, args.seed)
        metrics |= by_size
    write_metrics(args.metrics, test, metrics, errors, matches)
    published.write_json(args.predictions_json, detections, ids)
    published.write_csv(
        args.predictions_csv, detections, [image.file_name for image in images], model.label
    )
    args.plots.mkdir(parents=True, exist_ok=True)
    draw_curves(args.plots, matches, metrics, model.threshold)
    pack = Pack(args.packs)
    draw_sheets(args.plots, images, pack, describe_images(test, images, detections, model))
    if errors:
        draw_false_alarms(args.plots / "false_alarms.png", test, images, pack, alarms)
    known = {name: metric.value for name, metric in metrics.items() if metric.value is not None}
    print("  ".join(f"{name} {value:.3f}" for name, value in known.items()))


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--test", type=Path, required=True, help="data set with the truth")
    p.add_argument(
        "--predictions",
        type=Path,
        nargs="+",
        required=True,
        help="the detector's boxes on its images",
    )
    p.add_argument("--model", type=Path, required=True, help="model.json of the detector")
    p.add_argument("--packs", type=Path, nargs="+", required=True, help="packs with the images")
    p.add_argument(
        "--seed", type=int, default=1, help="seed of the bootstrap (default %(default)s)"
    )
    p.add_argument(
        "--metrics", type=Path, required=True, help="JSON to write: every metric with its interval"
    )
    p.add_argument("--predictions_json", type=Path, required=True, help="COCO results to write")
    p.add_argument("--predictions_csv", type=Path, required=True, help="CSV to write")
    p.add_argument("--plots", type=Path, required=True, help="folder for the pictures")
    return p


def read_model(path: Path) -> Shipped:
    """Return threshold and class of a detector."""
    content = read_json(path)
    return Shipped(content["threshold"], content["classes"][0])


def read_detections(paths: Sequence[Path], ids: Sequence[int]) -> "Detections":
    """Return the detections on the images of ids (sorted); a pack may hold others, too.

    Raises InputError if one of the images is missing.
    """
    from entoflow.detection import detections, predictions

    wanted = set(ids)
    of_test = [
        prediction for prediction in predictions.read(paths) if prediction.image_id in wanted
    ]
    missing = wanted.difference(prediction.image_id for prediction in of_test)
    if missing:
        raise InputError(
            f"predictions: {len(missing)} of {len(wanted)} test images were not looked at; "
            "wanted all of them."
        )
    return detections.round_as_published(detections.gather(of_test, ids))


def analyse_errors(
    test: Dataset, detections: "Detections", matches: "Matches", model: Shipped, seed: int
) -> "tuple[dict[str, Metric], dict[str, ErrorCost], list[FalseAlarm]]":
    """Return metrics by size, errors by kind, and the worst false alarms.

    A photo whose label is known and another one holds look-alikes.
    """
    import numpy as np

    from entoflow import statistics
    from entoflow.detection import error_analysis, metrics

    images = metrics.sorted_images(test)
    truth = metrics.true_boxes(test)
    bootstrap = statistics.Bootstrap([image.group for image in images], seed)
    shows_other = None
    if any(image.label for image in images):
        shows_other = np.array([image.label not in (None, model.label) for image in images])
    sides = np.array([max(image.width, image.height) for image in images])
    by_size = error_analysis.measure_by_size(
        matches, truth, detections, sides, model.threshold, bootstrap
    )
    errors = error_analysis.measure_errors(matches, truth, shows_other, model.threshold, bootstrap)
    alarms = error_analysis.worst_false_alarms(matches, detections, shows_other, SHOWN)
    return by_size, errors, alarms


def write_metrics(
    path: Path,
    test: Dataset,
    metrics: Mapping[str, Metric],
    errors: "Mapping[str, ErrorCost]",
    matches: "Matches",
) -> None:
    from entoflow.detection.average_precision import max_detections

    files.write_json(
        path,
        {
            "chain": "detection",
            "n": len(test.images),
            "groups": len({image.group for image in test.images}),
            "truth": test.truth,
            "max_detections": max_detections(matches.n_truth),
            "metrics": metrics,
            "errors": errors,
        },
    )


def draw_curves(
    folder: Path, matches: "Matches", metrics: Mapping[str, Metric], threshold: float
) -> None:
    """Draw precision against recall, recall against false alarms, and all against the threshold.

    None is drawn without true boxes.
    """
    import numpy as np

    from entoflow import plots
    from entoflow.detection.matching import f_score, operating_points

    n_truth = int(matches.n_truth.sum())
    n_images = len(matches.n_truth)
    if not n_truth:
        return
    points = {
        name: operating_points(matches.scores, matches.outcome[k])
        for name, k in (("IoU 0.5", 0), ("IoU 0.75", 5))
    }
    curves = {}
    for name, (_, true, false) in points.items():
        curves[name] = true / n_truth, true / np.maximum(true + false, 1)
    marks: list[plots.Mark] = []
    recall_at_threshold = metrics["recall"].value
    if recall_at_threshold is not None and metrics["precision"].value is not None:
        text = f"threshold {threshold:.3f}"
        marks.append((recall_at_threshold, metrics["precision"].value, text))
    title = f"AP {metrics['ap'].value:.3f}   AP50 {metrics['ap50'].value:.3f}"
    plots.chart(folder / "precision_recall.png", curves, title, ("recall", "precision"), marks)

    scores, true, false = points["IoU 0.5"]
    recall, precision = curves["IoU 0.5"]
    alarms = np.maximum(
        false / n_images, 0.5 / n_images
    )  # a log axis has no 0: none is drawn at half an alarm in all
    plots.chart(
        folder / "recall_vs_false_alarms.png",
        {"IoU 0.5": (alarms, recall)},
        f"Recall {metrics['recall_at_0.1_fppi'].value:.3f} at 0.1 false alarms per image",
        ("false alarms per image", "recall"),
        [(0.1, None, "0.1 per image")],
        log_x=True,
    )
    shares = {
        "precision": (scores, precision),
        "recall": (scores, recall),
        "F1": (scores, f_score(true, false, n_truth)),
    }
    title = f"F1 {metrics['f1'].value:.3f} at the threshold"
    at_threshold = [(threshold, None, f"threshold {threshold:.3f}")]
    plots.chart(folder / "confidence.png", shares, title, ("threshold", "share"), at_threshold)


def draw_sheets(
    folder: Path, images: Sequence[Image], pack: Pack, drawings: Sequence[Drawing]
) -> None:
    """Draw the images where the detector does best, and those where it errs most."""
    from entoflow.contact_sheet import Tile, contact_sheet

    rows = [row for row, drawing in enumerate(drawings) if drawing.boxes or drawing.quality < 1]
    best = [row for row in rows if drawings[row].quality > 0]
    best.sort(key=lambda row: (-drawings[row].quality, -drawings[row].margin, row))
    worst = [row for row in rows if drawings[row].quality < 1]
    worst.sort(key=lambda row: (drawings[row].quality, drawings[row].margin, row))

    def tile(row: int) -> Tile:
        return Tile(pack.read(images[row].id), drawings[row].title, drawings[row].boxes)

    contact_sheet(folder / "best.png", map(tile, best[:SHOWN]), "Best test images", SHOWN)
    contact_sheet(folder / "worst.png", map(tile, worst[:SHOWN]), "Worst test images", SHOWN)


def draw_false_alarms(
    path: Path, test: Dataset, images: Sequence[Image], pack: Pack, alarms: "Sequence[FalseAlarm]"
) -> None:
    """Draw the best-scored detections that lie on no true box, with their surroundings.

    A person sees insects that the truth misses.
    """
    from entoflow.contact_sheet import Tile, contact_sheet, short

    truth = dataset.arrays_by_image(test)

    def tile(alarm: "FalseAlarm") -> Tile:
        image = images[alarm.image]
        corners, crowd = truth[image.id]
        boxes: list[TileBox] = []
        for box, is_crowd in zip(corners.tolist(), crowd.tolist()):
            boxes.append((box, "ignored" if is_crowd else "truth", ""))
        boxes.append((alarm.xyxy, "false", f"{alarm.score:.2f}"))
        title = short(image.file_name)
        if alarm.is_look_alike:
            title = f"{title}: {image.label}"
        return Tile(pack.read(image.id), title, boxes, alarm.xyxy)

    title = "Surest false alarms: is one of them a real insect that the truth misses?"
    contact_sheet(path, map(tile, alarms), title, SHOWN)


def describe_images(
    test: Dataset, images: Sequence[Image], detections: "Detections", model: Shipped
) -> list[Drawing]:
    """Return how good the detector is on each image, and what to draw of it: detections from the
    threshold up.
    """
    import numpy as np

    from entoflow.boxes import to_xyxy
    from entoflow.contact_sheet import short

    truth = dataset.arrays_by_image(test)
    starts = np.searchsorted(detections.image, np.arange(len(images) + 1))
    drawings = []
    for row, image in enumerate(images):
        start = starts[row]
        n_shown = np.count_nonzero(detections.scores[start : starts[row + 1]] >= model.threshold)
        boxes = to_xyxy(detections.bbox[start : start + n_shown])
        scores = detections.scores[start : start + n_shown].tolist()
        if test.truth == LABELS_ONLY:
            title = f"{short(image.file_name)}: {image.label}"
            drawings.append(
                against_label(image.label == model.label, boxes, scores, model.threshold, title)
            )
        else:
            corners, crowd = truth[image.id]
            drawings.append(
                against_boxes(
                    boxes, scores, corners, crowd, model.threshold, short(image.file_name)
                )
            )
    return drawings


def against_label(
    is_present: bool, boxes: "np.ndarray", scores: Sequence[float], threshold: float, title: str
) -> Drawing:
    """Return the drawing of an image with a label alone: quality is 1 where detections agree with
    it, else 0.

    boxes, scores: those from the threshold up.
    """
    drawn: list[TileBox] = [
        (box, "detection", f"{score:.2f}") for box, score in zip(boxes.tolist(), scores)
    ]
    margin = max(scores, default=0) - threshold
    if is_present == bool(scores):
        return Drawing(1, margin, title, drawn)
    return Drawing(0, -abs(margin), title, drawn)


def against_boxes(
    boxes: "np.ndarray",
    scores: Sequence[float],
    truth: "np.ndarray",
    crowd: "np.ndarray",
    threshold: float,
    name: str,
) -> Drawing:
    """Return the drawing of an image with true boxes: quality is F1 at IoU 0.5.

    Each miss and the surest false alarm lessen the margin. boxes, scores: those from the threshold
    up.
    """
    from entoflow.detection.matching import IN_IGNORE_REGION, f_score, match

    matches = match(boxes, truth, crowd, [0.5])[0].tolist()
    missed = set(range(len(truth))).difference(matches, crowd.nonzero()[0].tolist())
    drawn: list[TileBox] = []
    for row, box in enumerate(truth.tolist()):
        if crowd[row]:
            kind = "ignored"
        else:
            kind = "missed" if row in missed else "truth"
        drawn.append((box, kind, ""))
    right = []
    wrong = []
    for box, score, true_box in zip(boxes.tolist(), scores, matches):
        if true_box >= 0:
            kind = "found"
            right.append(score)
        elif true_box == IN_IGNORE_REGION:
            kind = "ignored"
        else:
            kind = "false"
            wrong.append(score)
        drawn.append((box, kind, f"{score:.2f}"))
    quality = 1.0
    if missed or wrong:
        quality = float(f_score(len(right), len(wrong), (~crowd).sum()))
    margin = min(right, default=threshold) - max(wrong, default=threshold) - len(missed)
    return Drawing(quality, margin, f"{name}: F1 {quality:.2f}", drawn)


if __name__ == "__main__":
    run(main)
