"""The boxes from which weak boxes are chosen, and how likely each of them shows the target.

A candidate is a box that several views of a photo were fused to. The same evidence always gives the
same weak boxes, so each step of a rule can be left out later, without a second run of any detector.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow.dataset import Dataset
from entoflow.tables import plain_label
from entoflow.task import InputError

if TYPE_CHECKING:
    import numpy as np

    from entoflow.boxes import Prediction

SHARPNESS = (
    4  # of the fused box's mean: with 1, as usual, views that see an insect badly loosen its box
)
MIN_SCORE = 0.001  # candidates below it are dropped
MISCOUNTED = (
    0.01  # how likely a photo that shows more targets than were counted is to have that count
)

Corners = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels
CropProbabilities = dict[
    tuple[int, int], float
]  # {(image id, rank of the candidate from 1): probability of the target}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A box on a photo, and the evidence on whether it shows the target."""

    xyxy: Corners
    score: float
    views: int  # number of views that it was found in
    spread: float  # pixels: mean standard deviation of its sides among the views
    crop: float | None = (
        None  # probability of the target by the crop classifier, None where that has not seen it
    )
    probability: float | None = None  # of the target, all evidence taken together


CandidatesByImage = dict[int, list[Candidate]]  # image id -> its candidates, best first


@dataclass(frozen=True)
class Thresholds:
    """Scores from which a candidate is accepted and, below that, ignored."""

    accept: float
    ignore: float


@dataclass(frozen=True)
class Validation:
    """Images with boxes that the detector did not learn from, and its candidates on them."""

    truth: Dataset
    candidates: CandidatesByImage


@dataclass(frozen=True)
class ScoreCalibration:
    """What scores of a detector mean, by its validation images."""

    probability: Callable[[Sequence[float]], list[float]]  # scores -> of being right at IoU 0.5
    miss_rate: float  # share of true boxes on which no candidate is right


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add to a parser what candidates and their thresholds are made of."""
    parser.add_argument(
        "--labelled", type=Path, required=True, help="data set of the class-labelled photos"
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        nargs="+",
        required=True,
        help="the detector's boxes on them, all views",
    )
    parser.add_argument(
        "--reference",
        type=Path,
        required=True,
        help="data set that the detector learned from; the boxes of its validation part are "
        "what the detector is compared with (true boxes of insects, or the weak boxes of the round "
        "before)",
    )
    parser.add_argument(
        "--validation_predictions",
        type=Path,
        nargs="+",
        required=True,
        help="the detector's boxes on that validation part",
    )
    parser.add_argument(
        "--n_views", type=int, required=True, help="views of each photo in the predictions"
    )
    parser.add_argument("--target", type=plain_label, required=True, help="label to box")


def read_validation(reference: Dataset, paths: Iterable[Path], n_views: int) -> Validation:
    """Return the validation part of a data set with the candidates on it.

    paths: what predict_boxes.py wrote.
    """
    truth = reference.part("validation")
    return Validation(truth, fuse_views(paths, n_views, {image.id for image in truth.images}))


def fuse_views(
    paths: Iterable[Path], n_views: int, image_ids: set[int] | None = None
) -> CandidatesByImage:
    """Return the candidates of each photo: the boxes of its views fused.

    paths: what predict_boxes.py wrote; image_ids: of the photos to take, None for all.
    """
    from entoflow.boxes import weighted_box_fusion
    from entoflow.detection import predictions

    candidates = {}
    for found in predictions.read(paths):
        if image_ids is not None and found.image_id not in image_ids:
            continue
        fused = weighted_box_fusion(found.xyxy, found.scores, found.views, n_views, power=SHARPNESS)
        spreads = [float(deviation.mean()) for deviation in fused.deviation]
        rows = zip(fused.xyxy.tolist(), fused.scores.tolist(), fused.n_views.tolist(), spreads)
        candidates[found.image_id] = [
            Candidate((x1, y1, x2, y2), score, views, spread)
            for (x1, y1, x2, y2), score, views, spread in rows
            if score >= MIN_SCORE
        ]
    return candidates


def choose_thresholds(validation: Validation) -> Thresholds:
    """Return the scores of best F0.5 (accept) and best F2 (ignore) on boxes that the detector did
    not learn from.
    """
    from entoflow.detection import metrics

    predictions = as_predictions(validation.candidates)
    accept = metrics.choose_threshold(validation.truth, predictions, beta=0.5)
    ignore = metrics.choose_threshold(validation.truth, predictions, beta=2)
    return Thresholds(accept, min(accept, ignore))


def without_view_agreement(candidates: Sequence[Candidate], n_views: int) -> list[Candidate]:
    """Return candidates scored as if every view had seen them, best first."""
    raised = [
        replace(each, score=min(1.0, each.score * n_views / each.views)) for each in candidates
    ]
    return sorted(raised, key=lambda candidate: -candidate.score)


def add_probabilities(
    photos: Iterable[tuple[int | None, Sequence[Candidate]]], validation: Validation
) -> list[list[Candidate]]:
    """Return the candidates of each photo with the probability that they show the target.

    photos: (count or None, candidates) of each of the target's photos. The probability is that of
    the candidate's score on the detector's validation images, times that of its crop, given what is
    known of the photo: it shows a target, and if no candidate does, the detector missed it; and no
    more of them than were counted.
    """
    calibration = calibrate_scores(validation)
    results = []
    for count, candidates in photos:
        by_score = calibration.probability([candidate.score for candidate in candidates])
        alone = []
        for probability, candidate in zip(by_score, candidates):
            alone.append(probability * (1 if candidate.crop is None else candidate.crop))
        together = probabilities_given_photo(alone, count, calibration.miss_rate)
        results.append(
            [replace(each, probability=value) for each, value in zip(candidates, together)]
        )
    return results


def calibrate_scores(validation: Validation) -> ScoreCalibration:
    """Return what scores mean, by isotonic regression of being right on the score.

    A box that is half right at either end of the scores, and one half missed, stand for what few
    boxes cannot tell: nothing is certain.
    """
    import numpy as np
    from sklearn.isotonic import IsotonicRegression

    from entoflow.detection import detections, matching, metrics

    ids = metrics.image_ids(validation.truth)
    gathered = detections.gather(as_predictions(validation.candidates), ids)
    matches = matching.match_all(gathered, metrics.true_boxes(validation.truth), [0.5])
    is_counted = matches.outcome[0] != matching.IGNORED
    scores = matches.scores[is_counted]
    is_right = matches.outcome[0][is_counted] == matching.TRUE
    curve = IsotonicRegression(y_min=0, y_max=1)
    curve.fit(np.concatenate([[0.0], scores, [1.0]]), np.concatenate([[0.5], is_right, [0.5]]))
    n_truth = matches.n_truth.sum()
    miss_rate = (n_truth - is_right.sum() + 0.5) / (n_truth + 1)

    def probability(scores: Sequence[float]) -> list[float]:
        if not len(scores):
            return []
        return curve.predict(np.array(scores, float)).tolist()

    return ScoreCalibration(probability, miss_rate)


def probabilities_given_photo(
    probabilities: Sequence[float], count: int | None, miss_rate: float
) -> list[float]:
    """Return the probabilities of a photo's candidates given that it shows 1 to count targets (1 or
    more for None).

    probabilities: those of each candidate by itself. By Bayes' rule, the number of right candidates
    being evidence: none is as likely as the detector misses an insect, more than were counted as
    MISCOUNTED, all else is certain to be seen so.
    """
    import numpy as np

    n = len(probabilities)
    most = count or 0
    miscounted = MISCOUNTED if count else 1.0
    of_first = _tally(probabilities, most)  # row k: of the first k candidates
    of_rest = _tally(probabilities[::-1], most)[::-1]  # row k: of those from k on
    at_most_in_rest = of_rest.cumsum(axis=1)
    fewer_among_others = []  # that fewer than counted are right among the other candidates
    for k in range(n):
        fewer_among_others.append(of_first[k, :most] @ at_most_in_rest[k + 1, :most][::-1])
    seen = (miss_rate - 1) * of_first[n, 0] + (1 - miscounted) * of_first[n].sum() + miscounted
    likelihoods = (1 - miscounted) * np.array(fewer_among_others) + miscounted
    return (np.array(probabilities) * likelihoods / seen).tolist()


def as_predictions(candidates: Mapping[int, Sequence[Candidate]]) -> "list[Prediction]":
    """Return candidates as predictions in one view, by image id."""
    import numpy as np

    from entoflow.boxes import Prediction

    predictions = []
    for image_id, boxes in sorted(candidates.items()):
        scores = np.array([candidate.score for candidate in boxes], float)
        predictions.append(Prediction.in_view(image_id, 0, corners_of(boxes), scores))
    return predictions


def corners_of(candidates: Sequence[Candidate]) -> "np.ndarray":
    """Return the corners of candidates, n x 4."""
    import numpy as np

    return np.array([candidate.xyxy for candidate in candidates], float).reshape(-1, 4)


def write_crop_probabilities(path: Path, probabilities: CropProbabilities) -> None:
    """Write how likely the crops of candidates show the target, to four digits."""
    import numpy as np

    keys = np.array(list(probabilities), np.int64).reshape(-1, 2)
    values = np.array(list(probabilities.values()), float).round(4)
    with open(path, "wb") as file:
        np.savez(file, image_id=keys[:, 0], rank=keys[:, 1], probability=values)


def read_crop_probabilities(path: Path) -> CropProbabilities:
    """Return how likely the crops of candidates show the target.

    Raises InputError for another file.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            keys = zip(file["image_id"].tolist(), file["rank"].tolist())
            return dict(zip(keys, file["probability"].tolist()))
    except (OSError, ValueError, KeyError) as error:
        wanted = "a file that classify_crops.py wrote"
        raise InputError(f"{path}: holds no crop scores ({error}); wanted {wanted}.") from None


def _tally(probabilities: Sequence[float], most: int) -> "np.ndarray":
    """Return the probabilities that 0, 1, ... most of the first k independent events happen.

    A row for each k from 0 to n: (n + 1) x (most + 1).
    """
    import numpy as np

    rows = np.zeros((len(probabilities) + 1, most + 1))
    rows[0, 0] = 1
    for k, probability in enumerate(probabilities):
        rows[k + 1] = rows[k] * (1 - probability)
        rows[k + 1, 1:] += rows[k, :-1] * probability
    return rows
