#!/usr/bin/env python3
"""Ask a second opinion of the detector's boxes: does the piece of photo in a box look like the target, another insect, or neither?

The detector knows insects and no names; the labels do. A crop classifier learns from what they promise: the best boxes of
the target's photos hold the target (trusted less where there are more sure boxes than insects promised); a look-alike's
photo holds other insects; squares clear of any box are background. Each photo is judged by a classifier that saw none of
its group, so that none only repeats what it was told; and only if that classifier can tell the promised crops of such
groups from other insects and from background. Few groups are told by their scenes: below 20 of the target none is asked.
What it finds likeliest in each photo is what the second round learns from.
"""
import argparse
from pathlib import Path
from typing import NamedTuple

from entoflow import coco
from entoflow.detection import weak_boxes
from entoflow.task import run

MOST = 4000  # crops of one kind that a classifier learns from: memory stays the same however many photos there are
OF_A_PHOTO = 5  # crops of other insects at most, so that one trap with 200 does not outvote the other photos
ROUNDS = 2  # of learning and judging; in later ones the promised boxes are those that the last one found likeliest
LEAST_SKILL = 0.8  # area under the ROC curve below which a classifier is not asked
KINDS = ("the target", "other insects", "background")
TARGET, OTHER, BACKGROUND = range(len(KINDS))


class Crop(NamedTuple):
    """A piece of an image. kind: a row of KINDS, or None where it is only to be judged; weight: trust in its kind, 0 to 1."""

    image: int
    group: str
    xyxy: tuple
    rank: int  # of the candidate, 1 the best; 0 for what is none
    kind: int | None = None
    weight: float = 1.0


def main(argv):
    args = parser().parse_args(argv)
    labelled, reference = coco.read(args.labelled), coco.read(args.reference)
    accept, ignore = weak_boxes.choose_thresholds(*weak_boxes.judged_by(reference, args.validation_predictions, args.n_views))
    candidates = weak_boxes.fuse(args.predictions, args.n_views)
    photos = of_photos(labelled, candidates, args.target, accept, ignore, args.seed)
    judged = [piece for piece in photos if piece.rank and piece.kind != OTHER]
    taught = [piece for piece in photos + of_boxes(reference, labelled, args.seed) if piece.kind is not None]
    from entoflow import crops, images

    pack = images.Pack(args.packs)
    for _ in range(ROUNDS):
        found = judge(pack, at_most(taught, args.seed), judged, args)
        if not found:
            break
        taught = repicked(taught, found, candidates, labelled)
    crops.write_scores(args.crop_scores, [(piece.image, piece.rank) for piece, _ in found], [chance for _, chance in found])
    print(f"{len(found)} of {len(judged)} boxes judged.")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    weak_boxes.add_inputs(p)
    p.add_argument("--packs", type=Path, nargs="+", required=True, help="packs with the images of both data sets")
    p.add_argument("--architecture", default="test_resnet", help="network, by timm's name (default %(default)s)")
    p.add_argument("--crop_size", type=int, default=64, help="side of a crop, pixels (default %(default)s)")
    p.add_argument("--epochs", type=int, default=8, help="passes over the crops (default %(default)s)")
    p.add_argument("--folds", type=int, default=2, help="classifiers, each judging the groups it has not seen (default %(default)s)")
    p.add_argument("--seed", type=int, default=1, help="seed (default %(default)s)")
    p.add_argument("--crop_scores", type=Path, required=True, help="file (.npz) to write: the probability that a box holds the target")
    return p


def of_photos(labelled, candidates, target, accept, ignore, seed):
    """Return the Crops of labelled photos: the candidates to judge, look-alikes, and a square of background of each photo."""
    import numpy as np

    from entoflow import crops

    found, rng = [], np.random.default_rng(seed)
    for image in sorted(labelled["images"], key=lambda image: image["id"]):
        if image["part"] == "test":
            continue
        own = candidates.get(image["id"], [])
        place = image["id"], image["group"]
        if image["label"] == target:
            sure, promised = sum(box["score"] >= accept for box in own), image["count"] or 1
            for rank, box in enumerate(weak_boxes.looked_at(own, ignore), 1):
                trust = min(1.0, promised / max(sure, 1))
                found.append(Crop(*place, tuple(box["xyxy"]), rank, TARGET if rank <= promised else None, trust))
        else:
            sure = [box for box in weak_boxes.looked_at(own, accept) if box["score"] >= accept]
            found += [Crop(*place, tuple(box["xyxy"]), rank, OTHER) for rank, box in enumerate(sure[:OF_A_PHOTO], 1)]
        taken, _ = weak_boxes.as_arrays([box for box in own if box["score"] >= ignore / 2])
        square = crops.background(image["width"], image["height"], taken, rng)
        found += [] if square is None else [Crop(*place, tuple(square), 0, BACKGROUND)]
    return found


def of_boxes(reference, labelled, seed):
    """Return a Crop of background of each further image of the reference. Their insects teach nothing: no one knows by which name."""
    import numpy as np

    from entoflow import crops

    found, rng = [], np.random.default_rng(seed)
    boxes, known = coco.boxes_by_image(reference), {image["id"] for image in labelled["images"]}
    for image in sorted(reference["images"], key=lambda image: image["id"]):
        square = None if image["part"] == "test" or image["id"] in known else crops.background(image["width"], image["height"], boxes[image["id"]][0], rng)
        found += [] if square is None else [Crop(image["id"], image["group"], tuple(square), 0, BACKGROUND)]
    return found


def repicked(taught, found, candidates, labelled):
    """Return the Crops to learn from, with as many of each judged photo as promised: the likeliest by score and last opinion."""
    photos, likely = {image["id"]: image for image in labelled["images"]}, {}
    for piece, chance in found:
        likely.setdefault(piece.image, []).append((candidates[piece.image][piece.rank - 1]["score"] * chance, piece))
    kept = [piece for piece in taught if not (piece.kind == TARGET and piece.image in likely)]
    for image, own in likely.items():
        best = sorted(own, key=lambda row: -row[0])[:photos[image]["count"] or 1]
        kept += [piece._replace(kind=TARGET, weight=1.0) for _, piece in best]
    return sorted(kept, key=lambda piece: (piece.image, piece.kind, piece.rank, piece.xyxy))


def at_most(pieces, seed):
    """Return the pieces, of each kind MOST at most, chosen at random."""
    import numpy as np

    rng, kept = np.random.default_rng(seed), []
    for kind in range(len(KINDS)):
        own = [piece for piece in pieces if piece.kind == kind]
        kept += [own[n] for n in sorted(rng.permutation(len(own))[:MOST].tolist())]
    return kept


def judge(pack, learned, judged, args):
    """Return [(Crop, probability of the target)] of the pieces judged, each by a classifier that learned nothing of its group.

    Pieces are missing whose groups no classifier can judge that has the skill.
    """
    import numpy as np

    from entoflow import statistics
    from entoflow.detection import crop_classifier

    counts = ", ".join(f"{sum(piece.kind == kind for piece in learned)} crops of {name}" for kind, name in enumerate(KINDS))
    print(f"learning from {counts}", flush=True)
    of_target = len({piece.group for piece in learned if piece.kind == TARGET})
    if of_target < max(statistics.FEWEST_GROUPS, args.folds):
        print(f"no classifier is asked: the target's photos are of {of_target} groups, wanted {statistics.FEWEST_GROUPS}", flush=True)
        return []
    groups = sorted({piece.group for piece in learned + judged})
    fold = dict(zip(np.random.default_rng(args.seed).permutation(groups).tolist(), (n % args.folds for n in range(len(groups)))))
    pixels = np.zeros((len(learned), args.crop_size, args.crop_size, 3), np.uint8)
    rows = {id(piece): row for row, piece in enumerate(learned)}
    for piece, square in cut(pack, learned, args.crop_size):
        pixels[rows[id(piece)]] = square
    kinds, weights = np.array([piece.kind for piece in learned]), np.array([piece.weight for piece in learned])
    home, found = np.array([fold[piece.group] for piece in learned]), []
    for number in range(args.folds):
        seen = home != number
        if len(set(kinds[seen].tolist())) < 2:
            continue
        model = crop_classifier.train(pixels[seen], kinds[seen], weights[seen], len(KINDS), args.architecture, args.epochs, args.seed)
        skill = skill_of(crop_classifier.predict(model, pixels[~seen])[:, TARGET], kinds[~seen], weights[~seen])
        held = [piece for piece in judged if fold[piece.group] == number] if skill >= LEAST_SKILL else []
        for batch in batches(cut(pack, held, args.crop_size), crop_classifier.JUDGED_AT_ONCE):
            probabilities = crop_classifier.predict(model, np.stack([square for _, square in batch]))[:, TARGET]
            found += zip((piece for piece, _ in batch), probabilities.tolist())
        print(f"fold {number + 1} of {args.folds}: learned from {seen.sum()} crops, skill {skill:.3f}, judged {len(held)}", flush=True)
    return sorted(found, key=lambda row: (row[0].image, row[0].rank))


def skill_of(answers, kinds, weights):
    """Return how well probabilities of the target tell its promised crops from those of the other kind that they tell worst.

    The area under the ROC curve; 0 where one of the two sides is missing.
    """
    from sklearn.metrics import roc_auc_score

    target, others = kinds == TARGET, [kinds == kind for kind in (OTHER, BACKGROUND) if kind in kinds]
    if not target.any() or not others:
        return 0.0
    return min(roc_auc_score(target[asked], answers[asked], sample_weight=weights[asked]) for asked in (target | other for other in others))


def cut(pack, pieces, size):
    """Yield (Crop, size x size x 3 pixels), opening each image once."""
    from itertools import groupby

    from entoflow import crops

    for image, own in groupby(sorted(pieces, key=lambda piece: piece.image), key=lambda piece: piece.image):
        pixels = pack.read(image)
        for piece in own:
            yield piece, crops.crop(pixels, piece.xyxy, size)


def batches(rows, size):
    """Yield lists of up to size rows."""
    from itertools import islice

    rows = iter(rows)
    while batch := list(islice(rows, size)):
        yield batch


if __name__ == "__main__":
    run(main)
