"""What goes wrong, by kind, and what each kind costs: TIDE's errors (Bolya et al.

2020) of a detector of one class.

Every false alarm is of one kind, by the true box that it overlaps most: poorly placed from an IoU
of 0.1 to 0.5, a duplicate above that (a better-scored detection has found the box), background
below. A true box is missed where nothing finds it and no poorly placed detection is nearest to it.
TIDE's errors of class cannot occur with one class. In their place stands the look-alike: a
background error on an image that shows another species, as its label or its boxes say.

The cost of a kind is the AP50 gained by mending all errors of that kind and no other: false alarms
are taken out, of the poorly placed ones the best of each box not found yet counts as right, missed
boxes are no longer asked for. Counts and costs equal tidecv's, but for what tidecv does otherwise
than COCO: detections in ignore regions, which are no errors here; false alarms of the same score as
right detections, which tidecv counts before them once one is mended; and the last digit of COCO's
recall levels.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np

from entoflow.boxes import to_xyxy
from entoflow.detection.average_precision import average_precision, max_detections
from entoflow.detection.detections import Detections
from entoflow.detection.matching import FALSE, IGNORED, NO_DETECTION, TRUE, Matches, Truth
from entoflow.detection.sizes import size_bin, size_names
from entoflow.metric import Metric
from entoflow.statistics import Bootstrap, metric

FOREGROUND = 0.5  # IoU
BACKGROUND = 0.1
FALSE_KINDS = ("background", "look_alike", "duplicate", "poorly_placed")
KINDS = ("missed", *FALSE_KINDS)


@dataclass(frozen=True)
class ErrorCost(Metric):
    """The AP50 gained by mending all errors of one kind; n is their number."""

    n_at_threshold: int  # of them, those from the detector's threshold up


@dataclass(frozen=True)
class FalseAlarm:
    """A detection that lies on no true box."""

    image: int  # row in the list of images
    xyxy: list[float]  # pixels
    score: float
    is_look_alike: bool


def measure_errors(
    matches: Matches,
    truth: Truth,
    shows_other: np.ndarray | None,
    threshold: float,
    bootstrap: Bootstrap,
) -> dict[str, ErrorCost]:
    """Return what each kind of error costs.

    matches: the first IoU threshold is 0.5. shows_other: n_images bool, whether the image shows
    another species alone, or None where that is known of no image.
    """
    limited = _limit_detections(matches)
    false_kinds = _false_alarms(limited, shows_other)
    missed = _missed_boxes(limited, truth, false_kinds["poorly_placed"], -np.inf)
    missed_at_threshold = _missed_boxes(limited, truth, false_kinds["poorly_placed"], threshold)
    is_shown = limited.scores >= threshold
    n_errors = {"missed": missed.sum()}
    n_shown = {"missed": missed_at_threshold.sum()}
    for kind, is_error in false_kinds.items():
        n_errors[kind] = is_error.sum()
        n_shown[kind] = (is_error & is_shown).sum()

    gains = _gains_by_mending(limited, truth, false_kinds, missed)
    values = gains(np.ones((1, truth.n_images), int))[0]
    resamples = bootstrap.resample(gains).reshape(-1, len(KINDS))
    costs = {}
    for k, kind in enumerate(KINDS):
        is_known = shows_other is not None or kind != "look_alike"
        value = values[k] if is_known else None
        cost = metric(
            value,
            resamples[:, k],
            n_errors[kind],
            bootstrap.n_groups,
            "AP50 gained by mending them",
        )
        costs[kind] = ErrorCost(**asdict(cost), n_at_threshold=int(n_shown[kind]))
    return costs


def measure_by_size(
    matches: Matches,
    truth: Truth,
    detections: Detections,
    longer_sides: np.ndarray,
    threshold: float,
    bootstrap: Bootstrap,
) -> dict[str, Metric]:
    """Return recall from a threshold up and AP50, for true boxes of each of four relative sizes.

    A detection that finds a true box of another size does not count, nor does a false alarm that is
    of another size itself: as COCO has it, but with the one matching that all metrics rest on.
    longer_sides: n_images, pixels.
    """
    size_of_box = size_bin(truth.bbox[:, 2:].prod(axis=1), longer_sides[truth.image])
    size_of_detection = size_bin(
        detections.bbox[matches.row, 2:].prod(axis=1), longer_sides[matches.image]
    )
    is_found = np.flatnonzero(matches.finder != NO_DETECTION)
    size_of_detection[matches.finder[is_found]] = size_of_box[is_found]
    metrics = {}
    for k, name in enumerate(size_names()):
        of_size = (size_of_box == k) & ~truth.crowd
        n_truth = np.bincount(truth.image[of_size], minlength=truth.n_images)
        recall, ap50 = _measure_one_size(
            matches, size_of_detection == k, n_truth, threshold, bootstrap
        )
        metrics[f"recall_{name}"] = recall
        metrics[f"ap50_{name}"] = ap50
    return metrics


def worst_false_alarms(
    matches: Matches, detections: Detections, shows_other: np.ndarray | None, most: int
) -> list[FalseAlarm]:
    """Return the best-scored background errors, at most so many."""
    kinds = _false_alarms(_limit_detections(matches), shows_other)
    worst = np.flatnonzero(kinds["background"])[:most]
    images = matches.image[worst].tolist()
    corners = to_xyxy(detections.bbox[matches.row[worst]]).tolist()
    scores = matches.scores[worst].tolist()
    look_alike = kinds["look_alike"][worst].tolist()
    return [FalseAlarm(*alarm) for alarm in zip(images, corners, scores, look_alike)]


def _limit_detections(matches: Matches) -> Matches:
    """Return the matches as if what is beyond COCO's limit of detections per image found nothing
    and were ignored.
    """
    is_beyond = matches.rank >= max_detections(matches.n_truth)
    finder_is_beyond = np.append(is_beyond, False)[
        matches.finder
    ]  # the last one stands for NO_DETECTION
    finder = np.where(finder_is_beyond, NO_DETECTION, matches.finder)
    return replace(matches, outcome=np.where(is_beyond, IGNORED, matches.outcome), finder=finder)


def _false_alarms(matches: Matches, shows_other: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return {kind: N bool} of FALSE_KINDS; look-alikes are background errors, too."""
    is_false = matches.outcome[0] == FALSE
    is_background = is_false & (matches.overlap < BACKGROUND)
    look_alike = np.zeros_like(is_background)
    if shows_other is not None:
        look_alike = is_background & shows_other[matches.image]
    return {
        "background": is_background,
        "look_alike": look_alike,
        "duplicate": is_false & (matches.overlap > FOREGROUND),
        "poorly_placed": is_false
        & (matches.overlap >= BACKGROUND)
        & (matches.overlap <= FOREGROUND),
    }


def _missed_boxes(
    matches: Matches, truth: Truth, poorly_placed: np.ndarray, threshold: float
) -> np.ndarray:
    """Return which true boxes (M bool) no detection from a threshold up finds, nor is nearest to
    while poorly placed.
    """
    is_shown = matches.scores >= threshold
    is_found = np.append(is_shown, False)[matches.finder]  # the last one stands for NO_DETECTION
    is_found[matches.nearest[poorly_placed & is_shown]] = True
    return ~is_found & ~truth.crowd


def _gains_by_mending(
    matches: Matches, truth: Truth, false_kinds: dict[str, np.ndarray], missed: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Return f(weights): the AP50 gained by mending each of the KINDS (b x 5, 0 or more.

    NaN without truth).
    """
    outcome = matches.outcome[0]
    mended = [np.where(is_error, IGNORED, outcome) for is_error in false_kinds.values()]
    mended[-1][_best_placed(matches, false_kinds["poorly_placed"])] = TRUE
    limit = max_detections(matches.n_truth)
    before_and_mended = average_precision(
        replace(matches, outcome=np.array([outcome, *mended])), limit
    )
    n_not_missed = matches.n_truth - np.bincount(truth.image[missed], minlength=truth.n_images)
    without_missed = average_precision(
        replace(matches, outcome=outcome[None], n_truth=n_not_missed), limit
    )

    def gains(weights: np.ndarray) -> np.ndarray:
        values = before_and_mended(weights)
        none_missed = np.nan_to_num(
            without_missed(weights)
        )  # TIDE: if every true box is missed, nothing can be gained
        return np.maximum(np.hstack([none_missed, values[:, 1:]]) - values[:, :1], 0)

    return gains


def _best_placed(matches: Matches, poorly_placed: np.ndarray) -> np.ndarray:
    """Return the best-scored of the poorly placed detections of each true box that none finds."""
    places = np.flatnonzero(poorly_placed)
    places = places[matches.finder[matches.nearest[places]] == NO_DETECTION]
    _, first = np.unique(matches.nearest[places], return_index=True)
    return places[first]


def _measure_one_size(
    matches: Matches,
    of_size: np.ndarray,
    n_truth: np.ndarray,
    threshold: float,
    bootstrap: Bootstrap,
) -> tuple[Metric, Metric]:
    """Return recall and AP50 by the detections of one size (N bool) for the true boxes of it
    (n_images).
    """
    image = matches.image[of_size]
    outcome = matches.outcome[:1, of_size]
    is_right = (outcome[0] == TRUE) & (matches.scores[of_size] >= threshold)
    n_right = np.bincount(image[is_right], minlength=len(n_truth))
    chosen = replace(
        matches, image=image, rank=matches.rank[of_size], outcome=outcome, n_truth=n_truth
    )
    average = average_precision(chosen, max_detections(matches.n_truth))
    n = int(n_truth.sum())
    recall = bootstrap.ratio(n_right, n_truth, n, "share of true boxes")
    ap50 = bootstrap.metric(lambda weights: average(weights)[:, 0], n, "average precision")
    return recall, ap50
