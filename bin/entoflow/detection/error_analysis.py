"""What goes wrong, by kind, and what each kind costs: TIDE's errors (Bolya et al. 2020) of a detector of one class.

Every false alarm is of one kind, by the true box that it overlaps most: poorly placed from an IoU of 0.1 to 0.5, a
duplicate above that (a better-scored detection has found the box), background below. A true box is missed where nothing
finds it and no poorly placed detection is nearest to it. TIDE's errors of class cannot occur with one class. In their
place stands the look-alike: a background error on an image that shows another species, as its label or its boxes say.

The cost of a kind is the AP50 gained by mending all errors of that kind and no other: false alarms are taken out, of the
poorly placed ones the best of each box not found yet counts as right, missed boxes are no longer asked for. Counts and
costs equal tidecv's, but for what tidecv does otherwise than COCO: detections in ignore regions, which are no errors
here; false alarms of the same score as right detections, which tidecv counts before them once one is mended; and the
last digit of COCO's recall levels.
"""
import numpy as np

from entoflow.boxes import to_xyxy
from entoflow.detection.average_precision import average_precision, max_detections
from entoflow.detection.matching import FALSE, IGNORED, TRUE
from entoflow.detection.sizes import size_bin, size_names
from entoflow.statistics import figure

FOREGROUND, BACKGROUND = 0.5, 0.1  # IoU
FALSE_KINDS = ("background", "look_alike", "duplicate", "poorly_placed")


def counted(matches):
    """Return Matches in which the detections that COCO's limit of detections per image leaves out find nothing and are ignored."""
    beyond = matches.rank >= max_detections(matches.n_truth)
    found = np.where(np.append(beyond, False)[matches.finder], -1, matches.finder)
    return matches._replace(outcome=np.where(beyond, IGNORED, matches.outcome), finder=found)


def false_alarms(matches, other):
    """Return {kind: N bool} of FALSE_KINDS; look-alikes are background errors too. other: n_images bool, or None, as in tide_errors."""
    false, overlap = matches.outcome[0] == FALSE, matches.overlap
    background = false & (overlap < BACKGROUND)
    return {"background": background, "look_alike": background & (other is not None and other[matches.image]),
            "duplicate": false & (overlap > FOREGROUND), "poorly_placed": false & (overlap >= BACKGROUND) & (overlap <= FOREGROUND)}


def missed(matches, truth, poorly_placed, threshold):
    """Return which true boxes (M bool) no detection from a threshold up finds, nor is nearest to while poorly placed."""
    shown = matches.scores >= threshold
    found = np.append(shown, False)[matches.finder]
    found[matches.nearest[poorly_placed & shown]] = True
    return ~found & ~truth.crowd


def tide_errors(matches, truth, other, threshold, bootstrap):
    """Return {kind: figure of the AP50 gained by mending it}; n is the number of errors, n_at_threshold that from a score up.

    matches: Matches, the first overlap 0.5; truth: their Truth; other: n_images bool, whether the image shows another species
    alone, or None where that is known of no image.
    """
    matches, shown = counted(matches), matches.scores >= threshold
    kinds = false_alarms(matches, other)
    never, unseen = (missed(matches, truth, kinds["poorly_placed"], least) for least in (-np.inf, threshold))
    counts = {"missed": (never.sum(), unseen.sum()), **{name: (kind.sum(), (kind & shown).sum()) for name, kind in kinds.items()}}
    gained = _gains(matches, truth, kinds, never)
    values, resamples = gained(np.ones((1, truth.n_images), int))[0], bootstrap.resample(gained).reshape(-1, len(counts))
    errors = {}
    for k, (name, (n, n_shown)) in enumerate(counts.items()):
        known = other is not None or name != "look_alike"
        errors[name] = {**figure(values[k] if known else None, resamples[:, k], n, bootstrap.n_groups, "AP50 gained by mending them"),
                        "n_at_threshold": int(n_shown)}
    return errors


def _gains(matches, truth, kinds, never):
    """Return f(weights): the AP50 gained by mending missed boxes and each of the kinds (b x 5, 0 or more; NaN without truth)."""
    outcome = matches.outcome[0]
    mended = [np.where(kind, IGNORED, outcome) for kind in kinds.values()]
    mended[-1][_best_placed(matches, kinds["poorly_placed"])] = TRUE
    limit = max_detections(matches.n_truth)
    as_they_are = average_precision(matches._replace(outcome=np.array([outcome, *mended])), limit)
    asked = matches.n_truth - np.bincount(truth.image[never], minlength=truth.n_images)
    without_missed = average_precision(matches._replace(outcome=outcome[None], n_truth=asked), limit)

    def gained(weights):
        values = as_they_are(weights)
        all_found = np.nan_to_num(without_missed(weights))  # TIDE: where every true box is missed, nothing is left to gain on
        return np.maximum(np.hstack([all_found, values[:, 1:]]) - values[:, :1], 0)

    return gained


def _best_placed(matches, poorly_placed):
    """Return the best-scored of the poorly placed detections of each true box that none finds."""
    at = np.flatnonzero(poorly_placed)
    at = at[matches.finder[matches.nearest[at]] < 0]
    return at[np.unique(matches.nearest[at], return_index=True)[1]]


def by_size(matches, truth, detections, longer_sides, threshold, bootstrap):
    """Return {name: figure}: recall from a threshold up and AP50, for true boxes of each of four relative sizes.

    A detection that finds a true box of another size does not count, nor does a false alarm that is of another size
    itself: as COCO has it, but with the one matching that all figures rest on.
    longer_sides: n_images, pixels.
    """
    sizes = size_bin(truth.bbox[:, 2:].prod(axis=1), longer_sides[truth.image])
    own = size_bin(detections.bbox[matches.row, 2:].prod(axis=1), longer_sides[matches.image])
    found = np.flatnonzero(matches.finder >= 0)
    own[matches.finder[found]] = sizes[found]
    limit, figures = max_detections(matches.n_truth), {}
    for k, name in enumerate(size_names()):
        asked, kept = (sizes == k) & ~truth.crowd, own == k
        n_truth, n = np.bincount(truth.image[asked], minlength=truth.n_images), asked.sum()
        image, outcome, scores = matches.image[kept], matches.outcome[:1, kept], matches.scores[kept]
        right = np.bincount(image[(outcome[0] == TRUE) & (scores >= threshold)], minlength=truth.n_images)
        ap50 = average_precision(matches._replace(image=image, rank=matches.rank[kept], outcome=outcome, n_truth=n_truth), limit)
        figures[f"recall_{name}"] = bootstrap.ratio(right, n_truth, n, "share of true boxes")
        figures[f"ap50_{name}"] = bootstrap.figure(lambda weights, ap50=ap50: ap50(weights)[:, 0], n, "average precision")
    return figures


def worst_false_alarms(matches, detections, other, most):
    """Return [(image row, box x1, y1, x2, y2, score, whether a look-alike)] of the best-scored background errors, at most so many."""
    kinds = false_alarms(counted(matches), other)
    at = np.flatnonzero(kinds["background"])[:most]
    return list(zip(matches.image[at].tolist(), to_xyxy(detections.bbox[matches.row[at]]).tolist(), matches.scores[at].tolist(),
                    kinds["look_alike"][at].tolist()))
