"""Which of a detector's boxes on a photo show what the photo's label says: the rules, and the evidence they rest on.

A candidate is a box that several views of the photo were fused to: {"xyxy", "score", "views", "spread"}, and, where a crop
classifier has looked at it, "crop": the probability that it shows the target. The same evidence always gives the same boxes, so each
step of a rule can be left out later, without a second run of any detector.
"""
from pathlib import Path

from entoflow.tables import plain_label

SHARPNESS = 4  # of the fused box's mean: with 1, as usual, views that see an insect badly loosen its box
FLOOR = 0.001  # candidates below this score are gone
LOOKED_AT = 30  # candidates of a photo that the crop classifier sees at most
CROP_ACCEPT, CROP_IGNORE = 0.5, 0.2  # probability of the target from which a crop is taken for one, or may be one
MISCOUNTED = 0.01  # how likely a photo that shows more targets than were counted is to have that count
STEPS = ("second opinion", "view agreement", "label promise", "count cap")


def add_inputs(p):
    """Add to a parser what candidates and their thresholds are made of."""
    p.add_argument("--labelled", type=Path, required=True, help="data set of the class-labelled photos")
    p.add_argument("--predictions", type=Path, nargs="+", required=True, help="the detector's boxes on them, all views")
    p.add_argument("--reference", type=Path, required=True, help="data set that the detector learned from: its boxes of the validation part are "
                   "what it is judged by (true boxes of insects, or the weak boxes of the round before)")
    p.add_argument("--validation_predictions", type=Path, nargs="+", required=True, help="the detector's boxes on that validation part")
    p.add_argument("--n_views", type=int, required=True, help="views of each photo in the predictions")
    p.add_argument("--target", type=plain_label, required=True, help="label to box")


def judged_by(reference, paths, n_views):
    """Return (the validation part of a data set, the detector's candidates on it)."""
    from entoflow import coco

    validation = coco.part(reference, "validation")
    return validation, fuse(paths, n_views, {image["id"] for image in validation["images"]})


def fuse(paths, n_views, images=None):
    """Return {image id: [candidate]}, best first: the views of each photo fused. paths: what predict_boxes.py wrote; images: ids, None for all."""
    from entoflow import boxes
    from entoflow.detection import predictions

    fused = {}
    for image_id, views, xyxy, scores in predictions.read(paths):
        if images is not None and image_id not in images:
            continue
        merged = zip(*boxes.weighted_box_fusion(xyxy, scores, views, n_views, power=SHARPNESS))
        found = [{"xyxy": box, "score": float(score), "views": int(seen), "spread": float(std.mean())} for box, score, seen, std in merged]
        fused[image_id] = [box for box in found if box["score"] >= FLOOR]
    return fused


def choose_thresholds(validation, candidates):
    """Return (accept, ignore): the scores of best F0.5 and best F2 on true boxes that the detector did not learn from."""
    from entoflow.detection import metrics

    found = [(image_id, 0, *as_arrays(boxes)) for image_id, boxes in sorted(candidates.items())]
    accept = metrics.chosen_threshold(validation, found, beta=0.5)
    return accept, min(accept, metrics.chosen_threshold(validation, found, beta=2))


def give_probabilities(photos, validation, judged):
    """Give each candidate the probability that it shows the target, in place. photos: [(count or None, [candidate])] of the target's photos.

    That of its score on the detector's validation images (judged: their candidates), times that of its crop, given what is known
    of the photo: it shows a target, and if no candidate does, the detector missed it; and no more of them than were counted.
    """
    curve, missed = calibrated(validation, judged)
    for count, boxes in photos:
        chances = [float(chance) * (1 if box.get("crop") is None else box["crop"]) for box, chance in zip(boxes, curve([box["score"] for box in boxes]))]
        for box, chance in zip(boxes, given_photo(chances, count, missed)):
            box["probability"] = chance


def given_photo(chances, count, missed):
    """Return the probabilities of a photo's candidates, known each by itself, given that the photo shows 1 to count targets (1 or more for None).

    By Bayes' rule, the number of right candidates being evidence: none is as likely as missed, the detector's share of missed insects,
    more than were counted as MISCOUNTED, all else is certain to be seen so.
    """
    import numpy as np

    n, most, miscounted = len(chances), count or 0, MISCOUNTED if count else 1.0
    before, behind = tally(chances, most), tally(chances[::-1], most)[::-1]  # row k: of the first k, of those from k on
    fewer = behind.cumsum(axis=1)
    below = np.array([before[k, :most] @ fewer[k + 1, :most][::-1] for k in range(n)])  # fewer than counted are right among the others
    seen = (missed - 1) * before[n, 0] + (1 - miscounted) * before[n].sum() + miscounted
    return (np.array(chances) * ((1 - miscounted) * below + miscounted) / seen).tolist()


def tally(chances, most):
    """Return the probabilities that 0, 1, ... most of the first k independent events happen, for k from 0 to n: (n + 1) x (most + 1)."""
    import numpy as np

    rows = np.zeros((len(chances) + 1, most + 1))
    rows[0, 0] = 1
    for k, chance in enumerate(chances):
        rows[k + 1] = rows[k] * (1 - chance)
        rows[k + 1, 1:] += rows[k, :-1] * chance
    return rows


def calibrated(validation, judged):
    """Return (f(n scores) -> n probabilities that boxes of these scores are right at IoU 0.5, share of true boxes that no candidate is right on).

    From true boxes that the detector did not learn from: isotonic regression of being right on the score. A box that is half right
    at either end of the scores, and one half missed, stand for what few boxes cannot tell: nothing is certain.
    """
    import numpy as np
    from sklearn.isotonic import IsotonicRegression

    from entoflow.detection import detections, matching, metrics

    ids = metrics.image_ids(validation)
    found = detections.gather([(image_id, 0, *as_arrays(boxes)) for image_id, boxes in sorted(judged.items())], ids)
    matches = matching.match_all(found, metrics.true_boxes(validation, ids), [0.5])
    counted = matches.outcome[0] != matching.IGNORED
    scores, right = matches.scores[counted], matches.outcome[0][counted] == matching.TRUE
    curve = IsotonicRegression(y_min=0, y_max=1).fit(np.concatenate([[0.0], scores, [1.0]]), np.concatenate([[0.5], right, [0.5]]))
    n_truth = matches.n_truth.sum()
    return (lambda asked: curve.predict(np.array(asked, float).reshape(-1)) if len(asked) else []), (n_truth - right.sum() + 0.5) / (n_truth + 1)


def as_arrays(boxes):
    """Return (n x 4 boxes, n scores) of candidates."""
    import numpy as np

    return np.array([box["xyxy"] for box in boxes], float).reshape(-1, 4), np.array([box["score"] for box in boxes], float)


def without_agreement(boxes, n_views):
    """Return candidates scored as if every view had seen them, best first."""
    raised = [{**box, "score": min(1.0, box["score"] * n_views / box["views"])} for box in boxes]
    return sorted(raised, key=lambda box: -box["score"])


def looked_at(boxes, ignore):
    """Return the candidates that a crop classifier is to see: those that may be accepted, and the best one in any case."""
    return [box for place, box in enumerate(boxes[:LOOKED_AT]) if place == 0 or box["score"] >= ignore]


def top1(boxes, count, accept, ignore):
    """Accept the best `count` boxes (1 where no count is known); those above the accept threshold behind them are ignored."""
    best = count or 1
    return ["accept" if place < best else "ignore" if box["score"] >= accept else "drop" for place, box in enumerate(boxes)]


def threshold(boxes, count, accept, ignore):
    """Accept every box from the accept threshold, ignore from the ignore threshold, drop the rest; count plays no part."""
    return ["accept" if box["score"] >= accept else "ignore" if box["score"] >= ignore else "drop" for box in boxes]


def full(boxes, count, accept, ignore, without=None):
    """Accept what score and crop agree on, at least one and at most `count`; ignore what else may be a target.

    boxes: candidates of one photo, best first. without: a step of STEPS to leave out ("view agreement" is left out by the
    caller, who gives other scores and thresholds). Returns the band of each.
    """
    crop = [None if without == "second opinion" else box.get("crop") for box in boxes]
    blind = all(p is None for p in crop)
    opinion = [1.0 if blind else p or 0.0 for p in crop]
    order = sorted(range(len(boxes)), key=lambda n: -boxes[n]["score"] * opinion[n])
    chosen = [n for n in order if boxes[n]["score"] >= accept and opinion[n] >= CROP_ACCEPT]
    if not chosen and without != "label promise":
        chosen = order[:1] if accept < 1 else []  # of a detector with no right box to its name, no box is taken on trust
    if count and without != "count cap":
        chosen = chosen[:count]
    may_be = [box["score"] >= ignore and (blind or p is None or p >= CROP_IGNORE) for box, p in zip(boxes, crop)]
    return ["accept" if n in chosen else "ignore" if may_be[n] else "drop" for n in range(len(boxes))]


RULES = {"full": full, "threshold": threshold, "top1": top1}
