"""Fusing the views of photos and selecting weak boxes: seconds and memory of a million boxes, and fusion against ensemble-boxes.

A photo has six views of 50 boxes each: half lie about one of up to 20 insects, half anywhere, most of these with low scores.
Fusion is compared on the same photos in turn, one core, the peer compiled before the clock starts. The selection is
bin/select_weak_boxes.py itself, rule full: it reads the boxes file by file, fuses them, chooses thresholds on a tenth as many
validation photos, selects, and writes every candidate with its evidence. What it has to keep are the candidates.
"""

import json
import statistics
import sys
import time

import numpy as np

from measuring import ROOT, Row, peak, span, task

sys.path.insert(0, str(ROOT / "bin"))
VIEWS, BOXES, IN_A_FILE, TARGET = 6, 50, 500, "bug"
LONGEST, MOST_GROWTH, CLOSE = (
    60,
    1000,
    2e-6,
)  # seconds; bytes a candidate; in shares of the photo, as the peer keeps its means in 32 bits


def ask(folder, full):
    folder = folder / "fusion"
    folder.mkdir()
    yield compared(200 if full else 4, 3 if full else 1)
    few, many = (825, 3300) if full else (6, 12)
    found = {n: select(folder / str(n), n) for n in (few, many)}
    (least, _, kept), (most, seconds, all_kept) = (found[n] for n in (few, many))
    growth = (most - least) * 1e6 / (all_kept - kept)
    yield Row(
        f"fusing and selecting {many * VIEWS * BOXES:,} boxes of {many:,} photos (and a tenth to validate on), s, one core",
        f"{seconds:.1f}",
        "",
        f"{seconds / many / VIEWS / BOXES * 1e6:.0f} µs a box",
        f"< {LONGEST} s",
        seconds < LONGEST,
    )
    yield Row(
        f"its peak memory, of {few:,} and {many:,} photos ({all_kept / many:.0f} candidates each)",
        f"{least:.0f}, {most:.0f} MB",
        f"the first of them; {growth:.0f} bytes a candidate more",
        f"{most / least:.2f}",
        f"<= {MOST_GROWTH} bytes",
        growth <= MOST_GROWTH,
    )


def compared(n, repetitions):
    """Return the row of fusion alone against the peer."""
    rng = np.random.default_rng(1)
    photos, seconds, results = (
        [photo(rng, insects(rng)) for _ in range(n)],
        {"ours": [], "peer": []},
        {},
    )
    peer(photos[:1])
    for _ in range(repetitions):
        for name, fuse in (("ours", ours), ("peer", peer)):
            start = time.perf_counter()
            results[name] = fuse(photos)
            seconds[name].append(time.perf_counter() - start)
    apart = max(
        float(np.abs(np.concatenate([a - b, (scores - others)[:, None]], axis=1)).max())
        for (a, scores), (b, others) in zip(results["ours"], results["peer"])
    )
    ratio = statistics.median(seconds["peer"]) / statistics.median(seconds["ours"])
    return Row(
        f"fusing {n * VIEWS * BOXES:,} boxes of {n} photos, s, one core ({repetitions} runs each in turn; apart by {apart:.0e})",
        span(seconds["ours"], 2),
        f"{span(seconds['peer'], 2)} (ensemble-boxes)",
        f"{ratio:.1f} times as fast",
        f"apart <= {CLOSE:.0e}",
        apart <= CLOSE,
    )


def ours(photos):
    from entoflow.boxes import weighted_box_fusion

    views = np.repeat(np.arange(VIEWS), BOXES)
    fused = [weighted_box_fusion(boxes, scores, views, VIEWS) for boxes, scores in photos]
    return [(each.xyxy / 1000, each.scores) for each in fused]


def peer(photos):
    from ensemble_boxes import weighted_boxes_fusion

    fused = []
    for boxes, scores in photos:
        views = [slice(start, start + BOXES) for start in range(0, len(boxes), BOXES)]
        fused.append(
            weighted_boxes_fusion(
                [boxes[view] / 1000 for view in views],
                [scores[view] for view in views],
                [np.zeros(BOXES)] * VIEWS,
                iou_thr=0.55,
                conf_type="avg",
            )[:2]
        )
    return fused


def insects(rng):
    """Return true boxes of a photo of 1,000 pixels a side."""
    corners = rng.uniform(0, 900, (rng.integers(1, 21), 2))
    return np.hstack([corners, np.minimum(corners + rng.uniform(20, 200, corners.shape), 1000)])


def photo(rng, truth):
    """Return the boxes (n x 4) and scores of all views of a photo, view by view."""
    n = VIEWS * BOXES
    true = truth[rng.integers(0, len(truth), n)]
    near = true + rng.normal(0, 0.06, (n, 4)) * np.tile(true[:, 2:] - true[:, :2], 2)
    corners = rng.uniform(0, 850, (n, 2))
    anywhere = np.hstack([corners, corners + rng.uniform(10, 150, (n, 2))])
    real = rng.random(n) < 0.5
    boxes = np.clip(np.where(real[:, None], near, anywhere), 0, 1000)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1).clip(max=1000)
    return boxes, 0.001 + 0.998 * np.where(real, rng.beta(2, 2, n), rng.beta(0.5, 20, n))


def select(folder, n):
    """Run the task on n photos and return (peak MB, seconds, candidates that it wrote)."""
    folder.mkdir()
    rng = np.random.default_rng(2)
    labelled, photos = write(folder / "labelled", n, 0, rng)
    insect, validation = write(folder / "insect", max(n // 10, 2), n, rng)
    command = task(
        "select_weak_boxes",
        labelled=labelled,
        predictions=photos,
        reference=insect,
        validation_predictions=validation,
        n_views=VIEWS,
        target=TARGET,
        weak_boxes=folder / "weak_boxes.json",
        training=folder / "training.json",
        audit=folder / "audit.json",
    )
    megabytes, seconds = peak(command, folder)
    return (
        megabytes,
        seconds,
        len(json.loads((folder / "weak_boxes.json").read_text())["annotations"]),
    )


def write(path, n, first, rng):
    """Write a data set of n photos with true boxes and their predictions, IN_A_FILE photos each; return the paths."""
    from entoflow import dataset
    from entoflow.boxes import Prediction, to_xywh
    from entoflow.dataset import Box, Dataset, Image
    from entoflow.detection import predictions

    numbers, true_boxes, files = range(first, first + n), [], []
    for start in range(0, n, IN_A_FILE):
        rows = []
        for number in numbers[start : start + IN_A_FILE]:
            truth = insects(rng)
            true_boxes += [Box(number, TARGET, tuple(bbox)) for bbox in to_xywh(truth).tolist()]
            boxes, scores = photo(rng, truth)
            for view in range(VIEWS):
                of_view = slice(view * BOXES, (view + 1) * BOXES)
                rows.append(Prediction.in_view(number, view, boxes[of_view], scores[of_view]))
        files.append(path.with_name(f"{path.name}_{start}.npz"))
        predictions.write(files[-1], rows)
    images = []
    for k, number in enumerate(numbers):
        part = "validation" if first or k % 7 == 0 else "train"
        images.append(
            Image(
                number,
                f"{number}.jpg",
                group=str(number),
                label=TARGET,
                width=1000,
                height=1000,
                part=part,
            )
        )
    dataset.write(path.with_suffix(".json"), Dataset(images, true_boxes if first else [], [TARGET]))
    return path.with_suffix(".json"), files
