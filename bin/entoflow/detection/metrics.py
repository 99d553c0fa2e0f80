"""The figures of a detector on images with true boxes, each with its interval."""
import numpy as np

from entoflow.detection.average_precision import OVERLAPS, average_precision, max_detections
from entoflow.detection.detections import gather
from entoflow.detection.matching import FALSE, IGNORED, TRUE, Truth, best_threshold, match_all
from entoflow.statistics import Bootstrap, auroc, divide, figure

FALSE_ALARMS = 0.1  # an image, of recall_at_0.1_fppi


def chosen_threshold(dataset, predictions, beta):
    """Return the score from which detections give the best F_beta at IoU 0.5 (1.0 where none is right).

    predictions: (image id, view, xyxy boxes, scores) of the dataset's images.
    """
    ids = image_ids(dataset)
    matches = match_all(gather(predictions, ids), true_boxes(dataset, ids), [0.5])
    return best_threshold(matches.scores, matches.outcome[0], matches.n_truth.sum(), beta)[0]


def detection(dataset, predictions, threshold, seed):
    """Return the figures of detection_figures for predictions as chosen_threshold takes them."""
    return detection_figures(dataset, gather(predictions, image_ids(dataset)), threshold, seed)[0]


def detection_figures(dataset, detections, threshold, seed, target=None):
    """Return ({name: figure}, Matches at OVERLAPS): the contract's figures of a detector on images with true boxes.

    COCO's average precision counts the best max_detections of an image, all else every detection. Precision, recall,
    F1 and counts are those from the threshold up, at IoU 0.5; detections in ignore regions do not count.
    Where only labels are known (info.truth "labels"), so are only presence, and counts where given; boxes give null.
    target: the label that such images have; None takes any.
    """
    ids = image_ids(dataset)
    matches = match_all(detections, true_boxes(dataset, ids), OVERLAPS)
    by_id = {image["id"]: image for image in dataset["images"]}
    images = [by_id[image] for image in ids]
    bootstrap = Bootstrap([image["group"] for image in images], seed)
    boxed = dataset["info"].get("truth") != "labels"
    present, counts = _of_boxes(dataset, matches) if boxed else _of_labels(images, target)
    figures = {**_average_precision(bootstrap, matches),
               **_at_threshold(bootstrap, matches, threshold, boxed),
               **_by_image(bootstrap, matches, threshold, present, counts)}
    return figures, matches


def image_ids(dataset):
    """Return the sorted ids of a dataset's images: the order in which everything here counts them."""
    return sorted(image["id"] for image in dataset["images"])


def true_boxes(dataset, ids):
    """Return the Truth of images by their ids."""
    rows = {image: row for row, image in enumerate(ids)}
    boxes = sorted((box for box in dataset["annotations"] if box["image_id"] in rows), key=lambda box: rows[box["image_id"]])
    return Truth(np.array([rows[box["image_id"]] for box in boxes], int), np.array([box["bbox"] for box in boxes], float).reshape(-1, 4),
                 np.array([bool(box.get("iscrowd", 0)) for box in boxes], bool), len(ids))


def recall_at_false_alarms(matches, allowed):
    """Return f(weights): the best recall (b, IoU 0.5) of any threshold with at most allowed false alarms per image."""
    last = np.flatnonzero(np.append(np.diff(matches.scores) != 0, True)[:len(matches.scores)])
    places = [np.flatnonzero(matches.outcome[0] == outcome) for outcome in (TRUE, FALSE)]
    down_to = [np.searchsorted(at, last, side="right") for at in places]

    def statistic(weights):
        true, false = (np.pad(np.cumsum(weights[:, matches.image[at]], axis=1), ((0, 0), (1, 0)))[:, ends]
                       for at, ends in zip(places, down_to))
        allowable = false <= allowed * weights.sum(axis=1, keepdims=True)
        return divide(np.where(allowable, true, 0).max(axis=1, initial=0), weights @ matches.n_truth)

    return statistic


def _average_precision(bootstrap, matches):
    n, statistic = matches.n_truth.sum(), average_precision(matches, max_detections(matches.n_truth))
    resamples = bootstrap.resample(statistic) if n else np.empty((0, len(OVERLAPS)))
    values = statistic(np.ones((1, len(matches.n_truth)), int))[0]
    chosen = {"ap": slice(None), "ap50": [0], "ap75": [5]}
    return {name: figure(values[at].mean(), resamples.reshape(-1, len(OVERLAPS))[:, at].mean(axis=1), n, bootstrap.n_groups, "average precision")
            for name, at in chosen.items()}


def _at_threshold(bootstrap, matches, threshold, boxed):
    true, false = _per_image(matches, threshold, TRUE), _per_image(matches, threshold, FALSE)
    truth, n = matches.n_truth, matches.n_truth.sum()
    kept = true + false if boxed else np.zeros_like(true)
    return {
        "recall_at_0.1_fppi": bootstrap.figure(
            recall_at_false_alarms(matches, FALSE_ALARMS), n, "share of true boxes"),
        "precision": bootstrap.ratio(true, kept, kept.sum(), "share of detections"),
        "recall": bootstrap.ratio(true, truth, n, "share of true boxes"),
        "f1": bootstrap.ratio(2 * true, kept + truth, n, "harmonic mean of precision and recall"),
        "threshold": figure(threshold, [], len(truth), bootstrap.n_groups, "score"),
    }


def _by_image(bootstrap, matches, threshold, present, counts):
    """present: n of 1, 0 and -1 where unknown; counts: n, the insects of an image, -1 where unknown."""
    known = present >= 0
    best = np.zeros(len(present))
    np.maximum.at(best, matches.image[matches.outcome[0] != IGNORED], matches.scores[matches.outcome[0] != IGNORED])
    found = _per_image(matches, threshold, TRUE) + _per_image(matches, threshold, FALSE)
    counted, empty = (counts >= 0).astype(int), (present == 0).astype(int)
    return {
        "presence_auroc": bootstrap.figure(
            lambda weights: auroc(best[known], present[known] == 1, weights[:, known]), known.sum(), "area under the ROC curve"),
        "false_alarms_per_empty_image": bootstrap.ratio(found * empty, empty, empty.sum(), "false alarms per image"),
        "count_mae": bootstrap.ratio(abs(found - counts) * counted, counted, counted.sum(), "insects per image"),
    }


def _of_boxes(dataset, matches):
    """An image with ignore regions alone may hold an insect or not: its presence is unknown."""
    ignored = {box["image_id"] for box in dataset["annotations"] if box.get("iscrowd", 0)}
    unsure = np.array([image in ignored for image in image_ids(dataset)], bool) & (matches.n_truth == 0)
    return np.where(unsure, -1, matches.n_truth > 0), matches.n_truth


def _of_labels(images, target):
    present = np.array([image["label"] == target if target else image["label"] is not None for image in images], int)
    counts = [image.get("count") if has else 0 for image, has in zip(images, present)]
    return present, np.array([-1 if count is None else count for count in counts], int)


def _per_image(matches, threshold, outcome):
    chosen = (matches.scores >= threshold) & (matches.outcome[0] == outcome)
    return np.bincount(matches.image[chosen], minlength=len(matches.n_truth))
