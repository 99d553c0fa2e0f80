#!/usr/bin/env python3
"""Measure the weak boxes against true boxes that took no part in making them.

Only accepted boxes are weak boxes. A photo that was left out counts: none of its true boxes was
found. So does one that the audit knows to be empty: its boxes are wrong. A weak box in a region
that the audit ignores counts neither way. What each step of the rule gives is measured by leaving
it out, on the stored evidence; how far the boxes' probability can be trusted, by the share of boxes
of like probability that are right. Neither on photos that a person reviewed.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entoflow import dataset, files
from entoflow.dataset import Image
from entoflow.detection import candidates as candidate_boxes
from entoflow.detection import weak_boxes
from entoflow.detection.candidates import Candidate, CandidatesByImage, Thresholds
from entoflow.detection.weak_boxes import Rule, WeakBox, WeakBoxes
from entoflow.metric import Metric
from entoflow.tables import plain_label
from entoflow.task import InputError, run

if TYPE_CHECKING:
    import numpy as np

SIDES = ("left", "top", "right", "bottom")
BINS = 10  # of probability, of equal width
F1_UNIT = "harmonic mean of precision and recall"


@dataclass(frozen=True)
class Photo:
    """A photo of the target with known true boxes."""

    image: Image
    truth: "np.ndarray"  # (m, 4) corners
    crowd: "np.ndarray"  # (m,) bool, true for a region that counts neither way

    @property
    def n_truth(self) -> int:
        return int((~self.crowd).sum())


@dataclass(frozen=True)
class Comparison:
    """The weak boxes of a photo compared with its true boxes, at IoU 0.5 and 0.75."""

    n_right: "np.ndarray"  # (2,) weak boxes
    n_wrong: "np.ndarray"  # (2,)
    iou_sum: float  # of the boxes right at 0.5
    right: "np.ndarray"  # (k,) rows of the weak boxes right at 0.5
    true: "np.ndarray"  # (k,) rows of the true boxes that they find


@dataclass(frozen=True)
class Variant:
    """A way to choose weak boxes from the stored candidates."""

    name: str
    rule: Rule
    candidates: CandidatesByImage
    thresholds: Thresholds


@dataclass(frozen=True)
class AblationRow:
    """How good the boxes of a variant are."""

    boxes: str  # name of the variant
    f1_50: Metric
    gain: Metric | None  # how much F1 the rule used has over it, over the same resamples of groups


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    weak = weak_boxes.read(args.weak_boxes)
    photos = audited_photos(weak, args.audit_boxes, args.target)
    accepted = accepted_corners(weak)
    metrics = measure(photos, accepted, weak.images, args.seed)
    not_reviewed = [photo for photo in photos if not photo.image.reviewed]
    sums = sum_by_probability(not_reviewed, weak)
    metrics["ece"] = measure_calibration_error(not_reviewed, sums, args.seed)
    files.write_json(
        args.quality,
        {
            "chain": "detection",
            "n": len(photos),
            "groups": count_groups(photos),
            "metrics": metrics,
        },
    )
    if args.ablation:
        rows, seconds = ablate(weak, not_reviewed, args.seed) if not_reviewed else ([], [])
        files.write_json(
            args.ablation,
            {
                "chain": "detection",
                "rule": weak.selection.rule,
                "n": len(not_reviewed),
                "groups": count_groups(not_reviewed),
                "rows": rows,
            },
        )
        print(as_markdown(rows, seconds))
    if args.plots:
        draw(args.plots, best_overlaps(photos, accepted), sums.sum(axis=0))
    known = {name: metric.value for name, metric in metrics.items() if metric.value is not None}
    print("  ".join(f"{name} {value:.3f}" for name, value in known.items()))


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument(
        "--weak_boxes",
        type=Path,
        required=True,
        help="weak boxes, as select_weak_boxes.py wrote them",
    )
    p.add_argument(
        "--audit_boxes", type=Path, required=True, help="data set with true boxes of some photos"
    )
    p.add_argument("--target", type=plain_label, required=True, help="label of the photos")
    p.add_argument(
        "--seed", type=int, default=1, help="seed of the bootstrap (default %(default)s)"
    )
    p.add_argument(
        "--quality", type=Path, required=True, help="JSON to write: every metric with its interval"
    )
    p.add_argument(
        "--ablation",
        type=Path,
        help="JSON to write: F1 with each step of the rule left out, and by the simple rules",
    )
    p.add_argument("--plots", type=Path, help="folder for the pictures")
    return p


def audited_photos(weak: WeakBoxes, path: Path, target: str) -> list[Photo]:
    """Return the photos whose true boxes are known, by id.

    Those with ignore regions alone are not among them.

    Raises InputError where there is no true box.
    """
    truth = dataset.arrays_by_image(dataset.read(path))
    photos = []
    for image in sorted(weak.images, key=lambda image: image.id):
        if image.id not in truth:
            continue
        corners, crowd = truth[image.id]
        if not len(crowd) or not crowd.all():
            photos.append(Photo(image, corners, crowd))
    if not any(len(photo.truth) for photo in photos):
        raise InputError(
            f"{path}: holds no true box of a photo labelled {target}; wanted some of those."
        )
    return photos


def count_groups(photos: Sequence[Photo]) -> int:
    return len({photo.image.group for photo in photos})


def accepted_corners(weak: WeakBoxes) -> "dict[int, np.ndarray]":
    """Return {image id: accepted boxes (n x 4), best first}."""
    corners = {}
    for image_id, boxes in weak.by_image().items():
        accepted = [box for box in boxes if box.band == "accept"]
        accepted.sort(key=lambda box: -box.score)
        corners[image_id] = as_corners([box.xyxy for box in accepted])
    return corners


def as_corners(boxes: Sequence[Sequence[float]]) -> "np.ndarray":
    import numpy as np

    return np.array(boxes, float).reshape(-1, 4)


def measure(
    photos: Sequence[Photo],
    accepted: "Mapping[int, np.ndarray]",
    images: Sequence[Image],
    seed: int,
) -> dict[str, Metric]:
    """Return the metrics of accepted boxes.

    CorLoc: share of photos with a true box that have at least one right box. Yield: share of all
    the target's photos (images) with an accepted box.
    """
    import numpy as np

    from entoflow import statistics

    bootstrap = statistics.Bootstrap([photo.image.group for photo in photos], seed)
    comparisons = [compare(accepted[photo.image.id], photo) for photo in photos]
    n_right = np.array([comparison.n_right for comparison in comparisons])
    n_wrong = np.array([comparison.n_wrong for comparison in comparisons])
    n_truth = np.array([photo.n_truth for photo in photos])
    metrics: dict[str, Metric] = {}
    for k, iou in enumerate(("50", "75")):
        metrics |= measure_shares(bootstrap, iou, n_right[:, k], n_wrong[:, k], n_truth)
    iou_sums = np.array([comparison.iou_sum for comparison in comparisons])
    n = n_right[:, 0].sum()
    metrics["mean_iou"] = bootstrap.ratio(
        iou_sums, n_right[:, 0], n, "IoU of weak boxes right at 0.5"
    )
    shifts = np.array(
        [
            shift_of_sides(accepted[photo.image.id], photo, comparison)
            for photo, comparison in zip(photos, comparisons)
        ]
    )
    for k, side in enumerate(SIDES):
        unit = "share of the true box, outwards"
        metrics[f"bias_{side}"] = bootstrap.ratio(shifts[:, k], n_right[:, 0], n, unit)
    metrics |= measure_by_size(bootstrap, photos, comparisons)
    metrics["yield"] = measure_yield(images, accepted, seed)
    return metrics


def measure_shares(
    bootstrap: Any, iou: str, n_right: "np.ndarray", n_wrong: "np.ndarray", n_truth: "np.ndarray"
) -> dict[str, Metric]:
    """Return the metrics of right and wrong boxes of each photo (n each) at one IoU."""
    has_truth = (n_truth > 0).astype(int)
    has_right = (n_right > 0).astype(int)
    n_boxes = n_right + n_wrong
    n = n_truth.sum()
    return {
        f"corloc{iou}": bootstrap.ratio(has_right, has_truth, has_truth.sum(), "share of photos"),
        f"precision{iou}": bootstrap.ratio(n_right, n_boxes, n_boxes.sum(), "share of weak boxes"),
        f"recall{iou}": bootstrap.ratio(n_right, n_truth, n, "share of true boxes"),
        f"f1_{iou}": bootstrap.ratio(2 * n_right, n_boxes + n_truth, n, F1_UNIT),
    }


def measure_by_size(
    bootstrap: Any, photos: Sequence[Photo], comparisons: Sequence[Comparison]
) -> dict[str, Metric]:
    """Return recall at IoU 0.5 for true boxes of each relative size that occurs."""
    import numpy as np

    from entoflow.boxes import area
    from entoflow.detection.sizes import size_bin, size_names

    names = size_names()
    n_truth = np.zeros((len(photos), len(names)), int)
    n_found = np.zeros((len(photos), len(names)), int)
    for row, (photo, comparison) in enumerate(zip(photos, comparisons)):
        sizes = size_bin(area(photo.truth), max(photo.image.width, photo.image.height))
        n_truth[row] = np.bincount(sizes[~photo.crowd], minlength=len(names))
        n_found[row] = np.bincount(sizes[comparison.true], minlength=len(names))
    metrics = {}
    for k, name in enumerate(names):
        if n_truth[:, k].any():
            n = n_truth[:, k].sum()
            metrics[f"recall50_{name}"] = bootstrap.ratio(
                n_found[:, k], n_truth[:, k], n, "share of true boxes"
            )
    return metrics


def measure_yield(
    images: Sequence[Image], accepted: "Mapping[int, np.ndarray]", seed: int
) -> Metric:
    """Return the share of photos with an accepted box."""
    import numpy as np

    from entoflow import statistics

    ordered = sorted(images, key=lambda image: image.id)
    has_box = np.array([len(accepted[image.id]) > 0 for image in ordered], int)
    bootstrap = statistics.Bootstrap([image.group for image in ordered], seed)
    return bootstrap.ratio(has_box, np.ones(len(ordered), int), len(ordered), "share of photos")


def compare(boxes: "np.ndarray", photo: Photo) -> Comparison:
    """Return how weak boxes (n x 4, best first) of a photo compare with its true boxes."""
    from entoflow.boxes import iou
    from entoflow.detection.matching import NO_BOX, match

    matches = match(boxes, photo.truth, photo.crowd, [0.5, 0.75])
    right = (matches[0] >= 0).nonzero()[0]
    true = matches[0, right]
    iou_sum = iou(boxes, photo.truth)[right, true].sum()
    return Comparison(
        (matches >= 0).sum(axis=1), (matches == NO_BOX).sum(axis=1), iou_sum, right, true
    )


def shift_of_sides(boxes: "np.ndarray", photo: Photo, comparison: Comparison) -> "np.ndarray":
    """Return how far the sides of right boxes lie outside the true ones, summed (4: SIDES).

    In shares of the true width or height.
    """
    import numpy as np

    weak = boxes[comparison.right]
    true = photo.truth[comparison.true]
    sizes = np.tile(true[:, 2:] - true[:, :2], 2)
    outwards = [-1, -1, 1, 1]
    return ((weak - true) / sizes * outwards).sum(axis=0)


def best_overlaps(photos: Sequence[Photo], accepted: "Mapping[int, np.ndarray]") -> "np.ndarray":
    """Return the IoU of each accepted box with the true box that it overlaps most."""
    import numpy as np

    from entoflow.boxes import iou

    overlaps = []
    for photo in photos:
        boxes = accepted[photo.image.id]
        overlaps.append(iou(boxes, photo.truth[~photo.crowd]).max(axis=1, initial=0))
    return np.concatenate(overlaps)


def sum_by_probability(photos: Sequence[Photo], weak: WeakBoxes) -> "np.ndarray":
    """Return sums over the boxes accepted or ignored, by photo and probability: photos x BINS x 3.

    The three are the number of boxes, their probabilities, and how many of them are right.
    """
    import numpy as np

    from entoflow.detection.matching import IN_IGNORE_REGION, match

    sums = np.zeros((len(photos), BINS, 3))
    boxes_of = weak.by_image()
    for row, photo in enumerate(photos):
        boxes = [box for box in best_first(boxes_of[photo.image.id]) if box.band != "drop"]
        if not boxes:
            continue
        matches = match(as_corners([box.xyxy for box in boxes]), photo.truth, photo.crowd, [0.5])[0]
        counts = matches != IN_IGNORE_REGION
        probabilities = np.array([box.evidence.probability for box in boxes])[counts]
        bins = np.minimum(probabilities * BINS, BINS - 1).astype(int)
        addends = np.stack([np.ones(counts.sum()), probabilities, matches[counts] >= 0], axis=1)
        np.add.at(sums[row], bins, addends)
    return sums


def best_first(boxes: Sequence[WeakBox]) -> list[WeakBox]:
    return sorted(boxes, key=lambda box: box.evidence.rank)


def measure_calibration_error(photos: Sequence[Photo], sums: "np.ndarray", seed: int) -> Metric:
    """Return the expected calibration error.

    It is how far mean probability and share of right boxes are apart, the mean over boxes. sums: as
    sum_by_probability returns them.
    """
    import numpy as np

    from entoflow import statistics

    def error(weights: "np.ndarray") -> "np.ndarray":
        n_boxes, probabilities, n_right = np.moveaxis(np.tensordot(weights, sums, axes=1), 2, 0)
        return statistics.divide(abs(probabilities - n_right).sum(axis=1), n_boxes.sum(axis=1))

    bootstrap = statistics.Bootstrap([photo.image.group for photo in photos], seed)
    n = sums[:, :, 0].sum()
    return bootstrap.metric(error, n, "difference of probability, accepted and ignored boxes")


def ablate(
    weak: WeakBoxes, photos: Sequence[Photo], seed: int
) -> tuple[list[AblationRow], list[float]]:
    """Return F1 by the rule used, with a step left out, and by the simple rules.

    And the seconds that each took.

    Nothing is predicted anew.
    """
    from time import perf_counter

    import numpy as np

    from entoflow import statistics

    bootstrap = statistics.Bootstrap([photo.image.group for photo in photos], seed)
    n_truth = np.array([photo.n_truth for photo in photos])
    n = int(n_truth.sum())
    n_right: dict[str, np.ndarray] = {}
    n_boxes: dict[str, np.ndarray] = {}
    seconds = []
    for variant in variants(weak, photos):
        start = perf_counter()
        comparisons = [compare(boxes_by_variant(variant, photo), photo) for photo in photos]
        n_right[variant.name] = np.array([each.n_right[0] for each in comparisons])
        n_boxes[variant.name] = np.array(
            [each.n_right[0] + each.n_wrong[0] for each in comparisons]
        )
        seconds.append(perf_counter() - start)

    def f1(weights: "np.ndarray", name: str) -> "np.ndarray":
        return statistics.divide(weights @ (2 * n_right[name]), weights @ (n_boxes[name] + n_truth))

    def gain_over(weights: "np.ndarray", name: str) -> "np.ndarray":
        return f1(weights, used) - f1(weights, name)

    used = next(iter(n_right))
    rows = []
    for name in n_right:
        value = bootstrap.metric(partial(f1, name=name), n, F1_UNIT)
        gain = (
            None
            if name == used
            else bootstrap.metric(partial(gain_over, name=name), n, "difference of F1")
        )
        rows.append(AblationRow(name, value, gain))
    return rows, seconds


def variants(weak: WeakBoxes, photos: Sequence[Photo]) -> Iterator[Variant]:
    """Yield the rule used, that without each step, and the other rules."""
    selection = weak.selection
    boxes_of = weak.by_image()
    candidates: CandidatesByImage = {}
    for photo in photos:
        candidates[photo.image.id] = [
            as_candidate(box) for box in best_first(boxes_of[photo.image.id])
        ]
    used = weak_boxes.RULES[selection.rule]
    yield Variant(f"the rule {selection.rule}", used, candidates, selection.thresholds)
    if selection.rule == "full":
        for step in weak_boxes.STEPS:
            if step == "view agreement":
                raised = {
                    image_id: candidate_boxes.without_view_agreement(boxes, selection.n_views)
                    for image_id, boxes in candidates.items()
                }
                yield Variant(f"without {step}", used, raised, selection.without_agreement)
            elif step != "second opinion" or selection.crops:
                without_step = partial(weak_boxes.full, without=step)
                yield Variant(f"without {step}", without_step, candidates, selection.thresholds)
    for name in ("threshold", "top1"):
        if name != selection.rule:
            yield Variant(
                f"the rule {name}", weak_boxes.RULES[name], candidates, selection.thresholds
            )


def as_candidate(box: WeakBox) -> Candidate:
    """Return a weak box as it was when the rule decided about it.

    It is of a photo that no person reviewed.
    """
    evidence = box.evidence
    return Candidate(
        box.xyxy, box.score, evidence.views or 1, evidence.spread or 0.0, evidence.crop
    )


def boxes_by_variant(variant: Variant, photo: Photo) -> "np.ndarray":
    """Return the boxes (n x 4) that a variant accepts on a photo, best first."""
    candidates = variant.candidates[photo.image.id]
    bands = variant.rule(candidates, photo.image.count, variant.thresholds)
    return as_corners(
        [candidate.xyxy for candidate, band in zip(candidates, bands) if band == "accept"]
    )


def as_markdown(rows: Sequence[AblationRow], seconds: Sequence[float]) -> str:
    """Return the ablation as a table."""
    lines = [
        "| boxes by | F1 at IoU 0.5 | gain of the rule used | seconds |",
        "|---|---|---|---|",
    ]
    for row, duration in zip(rows, seconds):
        lines.append(
            f"| {row.boxes} | {as_text(row.f1_50)} | {as_text(row.gain)} | {duration:.2f} |"
        )
    return "\n".join(lines)


def as_text(metric: Metric | None) -> str:
    if metric is None or metric.value is None:
        return ""
    if metric.low is None:
        return f"{metric.value:.3f}"
    return f"{metric.value:.3f} ({metric.low:.3f} to {metric.high:.3f})"


def draw(folder: Path, overlaps: "np.ndarray", sums: "np.ndarray") -> None:
    """Draw overlaps with true boxes and the reliability of probabilities.

    sums: BINS x 3, over all photos.
    """
    import numpy as np

    from entoflow import plots

    folder.mkdir(parents=True, exist_ok=True)
    plots.histogram(
        folder / "overlap.png",
        {"weak boxes": overlaps.tolist()},
        "How well weak boxes lie on true ones",
        ("IoU with the true box", "boxes"),
        np.linspace(0, 1, 21),
        (0.5, "right from here"),
    )
    n_boxes, probabilities, n_right = sums[sums[:, 0] > 0].T
    curves = {
        "weak boxes, accepted or ignored": (probabilities / n_boxes, n_right / n_boxes),
        "as said": ([0, 1], [0, 1]),
    }
    plots.chart(
        folder / "calibration.png",
        curves,
        "How far the boxes' probability can be believed",
        ("probability of being right, as said", "share that is right"),
    )


if __name__ == "__main__":
    run(main)
