#!/usr/bin/env python3
"""Classify the detector's boxes: does a box show the target, another insect, or neither?

The detector knows insects and no names; the labels do. A crop classifier learns from what they
promise: the best boxes of the target's photos hold the target (trusted less where there are more
sure boxes than insects promised); a look-alike's photo holds other insects; squares clear of any
box are background. Each photo is classified by a network that saw none of its group, so that none
only repeats what it was taught; and only if that network can tell the promised crops of such groups
from other insects and from background. Photos of few groups are recognised by their scenes: below
20 groups of the target no network is used. What it finds likeliest in each photo is what the second
round learns from.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow import dataset
from entoflow.dataset import Dataset, Image
from entoflow.detection import candidates as candidate_boxes
from entoflow.detection import weak_boxes
from entoflow.detection.candidates import Candidate, CandidatesByImage, Corners, Thresholds
from entoflow.images import Pack
from entoflow.task import run

if TYPE_CHECKING:
    import numpy as np

MAX_CROPS = 4000  # of one kind that a classifier learns from: so much memory, however many photos
MAX_OTHERS = 5  # crops of other insects of a photo: one trap with 200 must not outvote all photos
# Rounds of learning and classifying. In later ones the promised boxes are those that the last one
# found likeliest.
ROUNDS = 2
MIN_SKILL = 0.8  # area under the ROC curve below which a classifier is not used
KINDS = ("the target", "other insects", "background")
TARGET, OTHER, BACKGROUND = range(len(KINDS))


@dataclass(frozen=True)
class Crop:
    """A piece of an image."""

    image_id: int
    group: str
    xyxy: Corners
    rank: int  # of the candidate, 1 the best; 0 for what is none
    kind: int | None = (
        None  # row of KINDS that it is learned as, None where it is only to be classified
    )
    weight: float = 1.0  # trust in its kind, 0 to 1


@dataclass(frozen=True)
class ClassifiedCrop:
    """A crop, and the probability that it shows the target."""

    crop: Crop
    probability: float


@dataclass(frozen=True)
class Training:
    """How a crop classifier is trained."""

    architecture: str
    crop_size: int  # pixels
    epochs: int
    folds: int
    seed: int


@dataclass(frozen=True)
class LearnedCrops:
    """The n crops that are learned from, as arrays."""

    pixels: "np.ndarray"  # (n, size, size, 3) uint8
    kinds: "np.ndarray"  # (n,)
    weights: "np.ndarray"  # (n,)
    folds: "np.ndarray"  # (n,) fold of each crop's group

    def select(self, chosen: "np.ndarray") -> "LearnedCrops":
        return LearnedCrops(
            self.pixels[chosen], self.kinds[chosen], self.weights[chosen], self.folds[chosen]
        )


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    labelled = dataset.read(args.labelled)
    reference = dataset.read(args.reference)
    validation = candidate_boxes.read_validation(
        reference, args.validation_predictions, args.n_views
    )
    thresholds = candidate_boxes.choose_thresholds(validation)
    candidates = candidate_boxes.fuse_views(args.predictions, args.n_views)
    crops = crops_of_photos(labelled, candidates, args.target, thresholds, args.seed)
    to_classify = [crop for crop in crops if crop.rank and crop.kind != OTHER]
    crops += crops_of_reference(reference, labelled, args.seed)
    learned = [crop for crop in crops if crop.kind is not None]

    pack = Pack(args.packs)
    training = Training(args.architecture, args.crop_size, args.epochs, args.folds, args.seed)
    classified: list[ClassifiedCrop] = []
    for _ in range(ROUNDS):
        classified = classify(pack, at_most_of_each_kind(learned, args.seed), to_classify, training)
        if not classified:
            break
        learned = relearn(learned, classified, candidates, labelled)
    probabilities = {(each.crop.image_id, each.crop.rank): each.probability for each in classified}
    candidate_boxes.write_crop_probabilities(args.crop_scores, probabilities)
    print(f"{len(classified)} of {len(to_classify)} boxes classified.")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    candidate_boxes.add_arguments(p)
    p.add_argument(
        "--packs",
        type=Path,
        nargs="+",
        required=True,
        help="packs with the images of both data sets",
    )
    p.add_argument(
        "--architecture",
        default="test_resnet",
        help="network, by timm's name (default %(default)s)",
    )
    p.add_argument(
        "--crop_size", type=int, default=64, help="side of a crop, pixels (default %(default)s)"
    )
    p.add_argument(
        "--epochs", type=int, default=8, help="passes over the crops (default %(default)s)"
    )
    p.add_argument(
        "--folds",
        type=int,
        default=2,
        help="classifiers, each for the groups that it has not seen (default %(default)s)",
    )
    p.add_argument("--seed", type=int, default=1, help="seed (default %(default)s)")
    p.add_argument(
        "--crop_scores",
        type=Path,
        required=True,
        help="file (.npz) to write: the probability that a box holds the target",
    )
    return p


def crops_of_photos(
    labelled: Dataset, candidates: CandidatesByImage, target: str, thresholds: Thresholds, seed: int
) -> list[Crop]:
    """Return the crops of labelled photos.

    They are the candidates to classify, look-alikes, and a square of background of each photo.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    crops = []
    for photo in sorted(labelled.images, key=lambda image: image.id):
        if photo.part == "test":
            continue
        boxes = candidates.get(photo.id, [])
        if photo.label == target:
            crops += crops_of_target(photo, boxes, thresholds)
        else:
            crops += crops_of_others(photo, boxes, thresholds)
        likely = [box for box in boxes if box.score >= thresholds.ignore / 2]
        crops += crops_of_background(photo, candidate_boxes.corners_of(likely), rng)
    return crops


def crops_of_target(
    photo: Image, candidates: Sequence[Candidate], thresholds: Thresholds
) -> list[Crop]:
    """Return the crops of a target's photo: as many as promised to learn from, all of them to
    classify.
    """
    n_promised = photo.count or 1
    n_sure = sum(candidate.score >= thresholds.accept for candidate in candidates)
    weight = min(1.0, n_promised / max(n_sure, 1))
    crops = []
    selected = weak_boxes.select_for_classifier(candidates, thresholds.ignore)
    for rank, candidate in enumerate(selected, 1):
        kind = TARGET if rank <= n_promised else None
        crops.append(Crop(photo.id, photo.group, candidate.xyxy, rank, kind, weight))
    return crops


def crops_of_others(
    photo: Image, candidates: Sequence[Candidate], thresholds: Thresholds
) -> list[Crop]:
    """Return the crops of sure boxes on a photo of another label."""
    selected = weak_boxes.select_for_classifier(candidates, thresholds.accept)
    sure = [candidate for candidate in selected if candidate.score >= thresholds.accept]
    return [
        Crop(photo.id, photo.group, candidate.xyxy, rank, OTHER)
        for rank, candidate in enumerate(sure[:MAX_OTHERS], 1)
    ]


def crops_of_background(
    photo: Image, boxes: "np.ndarray", rng: "np.random.Generator"
) -> list[Crop]:
    """Return a random square of a photo that is clear of boxes (n x 4), or nothing where there is
    none.
    """
    from entoflow import crops

    square = crops.background(photo.width, photo.height, boxes, rng)
    if square is None:
        return []
    x1, y1, x2, y2 = square.tolist()
    return [Crop(photo.id, photo.group, (x1, y1, x2, y2), 0, BACKGROUND)]


def crops_of_reference(reference: Dataset, labelled: Dataset, seed: int) -> list[Crop]:
    """Return a square of background of each further image of the reference.

    Its insects teach nothing: nobody knows by which name.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    boxes = dataset.arrays_by_image(reference)
    labelled_ids = {image.id for image in labelled.images}
    crops = []
    for image in sorted(reference.images, key=lambda image: image.id):
        if image.part != "test" and image.id not in labelled_ids:
            corners, _ = boxes[image.id]
            crops += crops_of_background(image, corners, rng)
    return crops


def at_most_of_each_kind(crops: Sequence[Crop], seed: int) -> list[Crop]:
    """Return the crops, of each kind at most MAX_CROPS, chosen at random."""
    import numpy as np

    rng = np.random.default_rng(seed)
    chosen = []
    for kind in range(len(KINDS)):
        of_kind = [crop for crop in crops if crop.kind == kind]
        places = rng.permutation(len(of_kind))[:MAX_CROPS]
        chosen += [of_kind[place] for place in sorted(places.tolist())]
    return chosen


def relearn(
    learned: Sequence[Crop],
    classified: Sequence[ClassifiedCrop],
    candidates: CandidatesByImage,
    labelled: Dataset,
) -> list[Crop]:
    """Return the crops to learn from next: of each classified photo as many as promised, the
    likeliest ones.

    How likely a crop is, is its score times its probability.
    """
    photos = labelled.by_id()
    of_photo: dict[int, list[tuple[float, Crop]]] = defaultdict(list)
    for each in classified:
        crop = each.crop
        score = candidates[crop.image_id][crop.rank - 1].score
        of_photo[crop.image_id].append((score * each.probability, crop))
    crops = [crop for crop in learned if crop.kind != TARGET or crop.image_id not in of_photo]
    for image_id, rated in of_photo.items():
        n_promised = photos[image_id].count or 1
        likeliest = sorted(rated, key=lambda rated_crop: -rated_crop[0])[:n_promised]
        crops += [replace(crop, kind=TARGET, weight=1.0) for _, crop in likeliest]
    return sorted(crops, key=lambda crop: (crop.image_id, crop.kind, crop.rank, crop.xyxy))


def classify(
    pack: Pack, learned: Sequence[Crop], to_classify: Sequence[Crop], training: Training
) -> list[ClassifiedCrop]:
    """Return the crops with their probabilities, each by a classifier that learned nothing of its
    group.

    Crops are missing for whose groups no classifier has the skill.
    """
    from entoflow import statistics

    n_of_kind = [sum(crop.kind == kind for crop in learned) for kind in range(len(KINDS))]
    counts = ", ".join(f"{n} crops of {name}" for n, name in zip(n_of_kind, KINDS))
    print(f"learning from {counts}", flush=True)
    n_groups = len({crop.group for crop in learned if crop.kind == TARGET})
    if n_groups < max(statistics.FEWEST_GROUPS, training.folds):
        print(
            f"no classifier is used: the target's photos are of {n_groups} groups, "
            f"wanted {statistics.FEWEST_GROUPS}",
            flush=True,
        )
        return []
    fold_of_group = assign_folds([*learned, *to_classify], training)
    arrays = cut_learned(pack, learned, fold_of_group, training.crop_size)
    classified = []
    for fold in range(training.folds):
        held_out = [crop for crop in to_classify if fold_of_group[crop.group] == fold]
        classified += classify_fold(pack, arrays, held_out, fold, training)
    return sorted(classified, key=lambda each: (each.crop.image_id, each.crop.rank))


def assign_folds(crops: Sequence[Crop], training: Training) -> dict[str, int]:
    """Return the fold of each group of crops, drawn at random."""
    import numpy as np

    groups = sorted({crop.group for crop in crops})
    shuffled = np.random.default_rng(training.seed).permutation(groups).tolist()
    return {group: place % training.folds for place, group in enumerate(shuffled)}


def cut_learned(
    pack: Pack, learned: Sequence[Crop], fold_of_group: Mapping[str, int], size: int
) -> LearnedCrops:
    """Return the crops to learn from as arrays, in their order."""
    import numpy as np

    pixels = np.zeros((len(learned), size, size, 3), np.uint8)
    rows = {id(crop): row for row, crop in enumerate(learned)}
    for crop, square in cut_crops(pack, learned, size):
        pixels[rows[id(crop)]] = square
    return LearnedCrops(
        pixels,
        kinds=np.array([crop.kind for crop in learned]),
        weights=np.array([crop.weight for crop in learned]),
        folds=np.array([fold_of_group[crop.group] for crop in learned]),
    )


def classify_fold(
    pack: Pack, learned: LearnedCrops, held_out: Sequence[Crop], fold: int, training: Training
) -> list[ClassifiedCrop]:
    """Return the held-out crops of a fold with their probabilities.

    None if the classifier lacks the skill.
    """
    import numpy as np

    from entoflow.detection import crop_classifier

    seen = learned.select(learned.folds != fold)
    unseen = learned.select(learned.folds == fold)
    if len(set(seen.kinds.tolist())) < 2:
        return []
    network = crop_classifier.train(
        seen.pixels,
        seen.kinds,
        seen.weights,
        len(KINDS),
        training.architecture,
        training.epochs,
        training.seed,
    )
    skill = measure_skill(
        crop_classifier.predict(network, unseen.pixels)[:, TARGET], unseen.kinds, unseen.weights
    )
    classified = []
    if skill >= MIN_SKILL:
        for batch in batches(
            cut_crops(pack, held_out, training.crop_size), crop_classifier.PREDICTED_AT_ONCE
        ):
            squares = np.stack([square for _, square in batch])
            probabilities = crop_classifier.predict(network, squares)[:, TARGET]
            for (crop, _), probability in zip(batch, probabilities.tolist()):
                classified.append(ClassifiedCrop(crop, probability))
    print(
        f"fold {fold + 1} of {training.folds}: learned from {len(seen.kinds)} crops, "
        f"skill {skill:.3f}, classified {len(classified)}",
        flush=True,
    )
    return classified


def measure_skill(probabilities: "np.ndarray", kinds: "np.ndarray", weights: "np.ndarray") -> float:
    """Return how well the target's crops are told from those of the kind that is told worst.

    The area under the ROC curve; 0 where one of the two sides is missing. All: n.
    """
    from sklearn.metrics import roc_auc_score

    is_target = kinds == TARGET
    areas = []
    for kind in (OTHER, BACKGROUND):
        compared = is_target | (kinds == kind)
        if is_target.any() and (kinds == kind).any():
            area = roc_auc_score(
                is_target[compared], probabilities[compared], sample_weight=weights[compared]
            )
            areas.append(area)
    return min(areas, default=0.0)


def cut_crops(pack: Pack, crops: Sequence[Crop], size: int) -> "Iterator[tuple[Crop, np.ndarray]]":
    """Yield each crop with its pixels (size x size x 3), opening each image once."""
    from entoflow.crops import crop as cut

    by_image = sorted(crops, key=lambda crop: crop.image_id)
    for image_id, crops_of_image in groupby(by_image, key=lambda crop: crop.image_id):
        pixels = pack.read(image_id)
        for crop in crops_of_image:
            yield crop, cut(pixels, crop.xyxy, size)


def batches(
    rows: "Iterable[tuple[Crop, np.ndarray]]", size: int
) -> "Iterator[list[tuple[Crop, np.ndarray]]]":
    """Yield lists of up to size rows."""
    remaining = iter(rows)
    while batch := list(islice(remaining, size)):
        yield batch


if __name__ == "__main__":
    run(main)
