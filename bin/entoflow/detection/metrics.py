"""The metrics of a detector on test images, each with its interval."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from entoflow.boxes import Prediction
from entoflow.dataset import Dataset, Image
from entoflow.detection import matching
from entoflow.detection.average_precision import IOU_THRESHOLDS, average_precision, max_detections
from entoflow.detection.detections import Detections, gather
from entoflow.detection.matching import FALSE, IGNORED, TRUE, Matches, Truth
from entoflow.metric import Metric
from entoflow.statistics import Bootstrap, auroc, divide, metric

LABELS_ONLY = "labels"  # where the truth of test images comes from if they have no boxes
FALSE_ALARMS = 0.1  # an image, of recall_at_0.1_fppi
UNKNOWN = -1  # whether an image shows the target, and how many


def choose_threshold(dataset: Dataset, predictions: Iterable[Prediction], beta: float) -> float:
    """Return the score from which detections give the best F_beta at IoU 0.5 (1.0 where none is
    right).
    """
    matches = matching.match_all(
        gather(predictions, image_ids(dataset)), true_boxes(dataset), [0.5]
    )
    threshold, _ = matching.best_threshold(
        matches.scores, matches.outcome[0], matches.n_truth.sum(), beta
    )
    return threshold


def measure_detector(
    dataset: Dataset, detections: Detections, threshold: float, seed: int, target: str | None = None
) -> tuple[dict[str, Metric], Matches]:
    """Return the contract's metrics of a detector on images with true boxes, and the matches at
    IOU_THRESHOLDS.

    COCO's average precision counts the best max_detections of an image, all else every detection.
    Precision, recall, F1 and counts are those from the threshold up, at IoU 0.5; detections in
    ignore regions do not count. Where only labels are known (the data set's truth is "labels"), so
    are only presence, and counts where given; what needs boxes is null. target: the label that such
    images have; None takes any.
    """
    matches = matching.match_all(detections, true_boxes(dataset), IOU_THRESHOLDS)
    images = sorted_images(dataset)
    bootstrap = Bootstrap([image.group for image in images], seed)
    has_boxes = dataset.truth != LABELS_ONLY
    if has_boxes:
        present, counts = _presence_by_boxes(dataset, matches)
    else:
        present, counts = _presence_by_labels(images, target)
    metrics = {
        **_average_precisions(bootstrap, matches),
        **_at_threshold(bootstrap, matches, threshold, has_boxes),
        **_by_image(bootstrap, matches, threshold, present, counts),
    }
    return metrics, matches


def sorted_images(dataset: Dataset) -> list[Image]:
    """Return a data set's images by id: the order in which everything here counts them."""
    return sorted(dataset.images, key=lambda image: image.id)


def image_ids(dataset: Dataset) -> list[int]:
    """Return the sorted ids of a data set's images."""
    return sorted(image.id for image in dataset.images)


def true_boxes(dataset: Dataset) -> Truth:
    """Return the true boxes of a data set's images."""
    ids = image_ids(dataset)
    rows = {image_id: row for row, image_id in enumerate(ids)}
    boxes = sorted(dataset.boxes, key=lambda box: rows[box.image_id])
    return Truth(
        image=np.array([rows[box.image_id] for box in boxes], int),
        bbox=np.array([box.bbox for box in boxes], float).reshape(-1, 4),
        crowd=np.array([box.iscrowd for box in boxes], bool),
        n_images=len(ids),
    )


def recall_at_false_alarms(
    matches: Matches, max_false_alarms: float
) -> Callable[[np.ndarray], np.ndarray]:
    """Return f(weights): the best recall (b, IoU 0.5) of any threshold with at most so many false
    alarms per image.
    """
    last = matching.last_of_each_score(matches.scores)
    true_places = np.flatnonzero(matches.outcome[0] == TRUE)
    false_places = np.flatnonzero(matches.outcome[0] == FALSE)

    def count_down_to_each_score(weights: np.ndarray, places: np.ndarray) -> np.ndarray:
        counts = np.cumsum(weights[:, matches.image[places]], axis=1)
        return np.pad(counts, ((0, 0), (1, 0)))[:, np.searchsorted(places, last, side="right")]

    def statistic(weights: np.ndarray) -> np.ndarray:
        true = count_down_to_each_score(weights, true_places)
        false = count_down_to_each_score(weights, false_places)
        is_allowed = false <= max_false_alarms * weights.sum(axis=1, keepdims=True)
        best = np.where(is_allowed, true, 0).max(axis=1, initial=0)
        return divide(best, weights @ matches.n_truth)

    return statistic


def _average_precisions(bootstrap: Bootstrap, matches: Matches) -> dict[str, Metric]:
    n = matches.n_truth.sum()
    n_thresholds = len(IOU_THRESHOLDS)
    statistic = average_precision(matches, max_detections(matches.n_truth))
    resamples = np.empty((0, n_thresholds))
    if n:
        resamples = bootstrap.resample(statistic).reshape(-1, n_thresholds)
    values = statistic(np.ones((1, len(matches.n_truth)), int))[0]

    def mean_over(thresholds: slice | list[int]) -> Metric:
        means = resamples[:, thresholds].mean(axis=1)
        return metric(values[thresholds].mean(), means, n, bootstrap.n_groups, "average precision")

    return {"ap": mean_over(slice(None)), "ap50": mean_over([0]), "ap75": mean_over([5])}


def _at_threshold(
    bootstrap: Bootstrap, matches: Matches, threshold: float, has_boxes: bool
) -> dict[str, Metric]:
    true = _count_per_image(matches, threshold, TRUE)
    n_counted = np.zeros_like(true)
    if has_boxes:
        n_counted = true + _count_per_image(matches, threshold, FALSE)
    truth = matches.n_truth
    n = truth.sum()
    best_recall = recall_at_false_alarms(matches, FALSE_ALARMS)
    return {
        "recall_at_0.1_fppi": bootstrap.metric(best_recall, n, "share of true boxes"),
        "precision": bootstrap.ratio(true, n_counted, n_counted.sum(), "share of detections"),
        "recall": bootstrap.ratio(true, truth, n, "share of true boxes"),
        "f1": bootstrap.ratio(
            2 * true, n_counted + truth, n, "harmonic mean of precision and recall"
        ),
        "threshold": metric(threshold, [], len(truth), bootstrap.n_groups, "score"),
    }


def _by_image(
    bootstrap: Bootstrap,
    matches: Matches,
    threshold: float,
    present: np.ndarray,
    counts: np.ndarray,
) -> dict[str, Metric]:
    """Return the metrics of images as a whole.

    present: n of 1, 0 and UNKNOWN; counts: n, the insects of an image, UNKNOWN where nobody
    counted.
    """
    is_known = present != UNKNOWN
    best_scores = np.zeros(len(present))
    counting = matches.outcome[0] != IGNORED
    np.maximum.at(best_scores, matches.image[counting], matches.scores[counting])
    n_detections = _count_per_image(matches, threshold, TRUE) + _count_per_image(
        matches, threshold, FALSE
    )
    is_counted = (counts != UNKNOWN).astype(int)
    is_empty = (present == 0).astype(int)
    errors = abs(n_detections - counts) * is_counted

    def presence(weights: np.ndarray) -> np.ndarray:
        return auroc(best_scores[is_known], present[is_known] == 1, weights[:, is_known])

    n_false_alarms = n_detections * is_empty
    return {
        "presence_auroc": bootstrap.metric(presence, is_known.sum(), "area under the ROC curve"),
        "false_alarms_per_empty_image": bootstrap.ratio(
            n_false_alarms, is_empty, is_empty.sum(), "false alarms per image"
        ),
        "count_mae": bootstrap.ratio(errors, is_counted, is_counted.sum(), "insects per image"),
    }


def _presence_by_boxes(dataset: Dataset, matches: Matches) -> tuple[np.ndarray, np.ndarray]:
    """Return presence and counts of each image.

    One with ignore regions alone may hold an insect or not.
    """
    with_crowd = {box.image_id for box in dataset.boxes if box.iscrowd}
    has_crowd = np.array([image_id in with_crowd for image_id in image_ids(dataset)], bool)
    is_unsure = has_crowd & (matches.n_truth == 0)
    return np.where(is_unsure, UNKNOWN, matches.n_truth > 0), matches.n_truth


def _presence_by_labels(
    images: Sequence[Image], target: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return presence and counts of each image by its label."""
    present = []
    counts = []
    for image in images:
        is_present = image.label == target if target else image.label is not None
        present.append(int(is_present))
        if not is_present:
            counts.append(0)
        else:
            counts.append(UNKNOWN if image.count is None else image.count)
    return np.array(present, int), np.array(counts, int)


def _count_per_image(matches: Matches, threshold: float, outcome: int) -> np.ndarray:
    """Return how many detections of an outcome each image has from the threshold up."""
    chosen = (matches.scores >= threshold) & (matches.outcome[0] == outcome)
    return np.bincount(matches.image[chosen], minlength=len(matches.n_truth))
