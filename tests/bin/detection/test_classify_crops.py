"""Photos with a disc (the target), a square (another insect) or both.

The detector finds both alike, only the labels tell which is which.
"""

from dataclasses import replace

import classify_crops
import numpy as np
import pytest
from classify_crops import BACKGROUND, OTHER, TARGET, ClassifiedCrop, Crop, Training
from PIL import Image as PillowImage
from PIL import ImageDraw

from entoflow.dataset import Box, Dataset, Image
from entoflow.detection import weak_boxes
from entoflow.detection.candidates import Candidate, Thresholds

PLACES = {"disc": (6, 24, 30, 48), "square": (42, 24, 66, 48)}
TRAINING = Training("test_resnet", crop_size=32, epochs=14, folds=2, seed=1)
THRESHOLDS = Thresholds(0.5, 0.2)


class Pack:
    """Photos by id, as images.Pack reads them."""

    def __init__(self, shows):
        self.shows = shows
        self.n_opened = 0

    def read(self, image_id):
        self.n_opened += 1
        rng = np.random.default_rng(image_id)
        picture = PillowImage.fromarray(rng.integers(60, 120, (72, 72, 3), np.uint8))
        draw = ImageDraw.Draw(picture)
        for kind in self.shows[image_id]:
            shape = draw.ellipse if kind == "disc" else draw.rectangle
            shape(PLACES[kind], fill=(210, 190, int(rng.integers(100, 200))))
        return np.asarray(picture)


def world(n=60):
    """Return ({photo: what it shows}, labelled data set, candidates): where both are, the wrong box
    is the best.
    """
    shows = {k: (("disc", "square"), ("disc",), ("square",))[k % 3] for k in range(1, n + 1)}
    photos = []
    candidates = {}
    for k, shown in shows.items():
        label = "bug" if "disc" in shown else "other"
        photos.append(photo(k, label))
        best_first = zip(sorted(shown, reverse=True), (0.9, 0.8))
        candidates[k] = [Candidate(PLACES[kind], score, 1, 0.0) for kind, score in best_first]
    return shows, Dataset(photos), candidates


def photo(number, label=None, part="train", group=None, width=72, height=72):
    return Image(
        number,
        f"{number}.jpg",
        group=group or f"g{number}",
        part=part,
        width=width,
        height=height,
        label=label,
    )


def with_photos(labelled, change):
    """Return a data set with changed photos."""
    return replace(labelled, images=[change(image) for image in labelled.images])


def crops_of(labelled, candidates):
    return classify_crops.crops_of_photos(labelled, candidates, "bug", THRESHOLDS, 1)


def classified(labelled, candidates, pack):
    crops = crops_of(labelled, candidates)
    learned = [crop for crop in crops if crop.kind is not None]
    to_classify = [crop for crop in crops if crop.rank and crop.kind != OTHER]
    return classify_crops.classify(pack, learned, to_classify, TRAINING)


def test_the_classifier_tells_the_target_from_an_insect_that_the_detector_scores_higher():
    shows, labelled, candidates = world()
    results = classified(labelled, candidates, Pack(shows))
    probabilities = {(each.crop.image_id, each.crop.rank): each.probability for each in results}
    both = [k for k, shown in shows.items() if len(shown) == 2]
    assert len(both) == 20
    assert np.mean([probabilities[k, 2] > probabilities[k, 1] for k in both]) >= 0.9


def test_a_classifier_without_skill_is_not_used():
    shows, labelled, candidates = world()
    labels = np.random.default_rng(1).permutation(["bug"] * 40 + ["other"] * 20).tolist()
    labelled = with_photos(labelled, lambda image: replace(image, label=labels[image.id - 1]))
    assert classified(labelled, candidates, Pack(shows)) == []


def test_photos_of_few_groups_are_told_by_their_scenes_and_no_classifier_is_used(capsys):
    shows, labelled, candidates = world()
    labelled = with_photos(labelled, lambda image: replace(image, group=f"g{image.id % 19}"))
    assert classified(labelled, candidates, Pack(shows)) == []
    assert "the target's photos are of 19 groups, wanted 20" in capsys.readouterr().out


def test_no_photo_is_classified_by_a_network_that_learned_from_its_group(monkeypatch):
    shows, labelled, candidates = world(66)
    labelled = with_photos(labelled, lambda image: replace(image, group=f"g{image.id % 25}"))
    learned = []

    def train(pixels, *_):
        learned.append({crop.tobytes() for crop in pixels})
        return len(learned) - 1

    def predict(network, pixels):
        """Return 2 for a crop that the network learned from, else 0."""
        has_seen = [2 * (crop.tobytes() in learned[network]) for crop in pixels]
        return np.array([[seen, 0.5, 0.5] for seen in has_seen])

    monkeypatch.setattr("entoflow.detection.crop_classifier.train", train)
    monkeypatch.setattr("entoflow.detection.crop_classifier.predict", predict)
    monkeypatch.setattr(classify_crops, "MIN_SKILL", 0)
    results = classified(labelled, candidates, Pack(shows))
    assert results
    assert all(each.probability == 0 for each in results)


def test_what_is_learned_of_a_photo_is_what_its_label_promises():
    _, labelled, candidates = world(4)  # a disc, a square, both, a disc
    first, second, third, fourth = labelled.images
    fourth = replace(fourth, part="test")
    crops = crops_of(Dataset([first, second, replace(third, count=2), fourth]), candidates)
    assert {crop.image_id for crop in crops} == {1, 2, 3}
    assert [(crop.image_id, crop.rank, crop.kind, crop.weight) for crop in crops if crop.rank] == [
        (1, 1, TARGET, 1),
        (2, 1, OTHER, 1),
        (3, 1, TARGET, 1),
        (3, 2, TARGET, 1),
    ]
    crops = crops_of(Dataset([third]), candidates)
    assert [(crop.kind, crop.weight) for crop in crops if crop.rank] == [(TARGET, 0.5), (None, 0.5)]


def test_a_second_round_learns_from_the_likeliest_boxes():
    _, labelled, candidates = world(3)
    crops = crops_of(labelled, candidates)
    learned = [crop for crop in crops if crop.kind is not None]
    of_third = [crop for crop in crops if crop.image_id == 3 and crop.rank]
    results = [ClassifiedCrop(crop, value) for crop, value in zip(of_third, (0.2, 0.9))]
    again = classify_crops.relearn(learned, results, candidates, labelled)
    targets = [crop for crop in again if crop.kind == TARGET]
    assert [(crop.image_id, crop.rank, crop.weight) for crop in targets] == [(1, 1, 1), (3, 2, 1)]
    others = [crop for crop in again if crop.kind != TARGET]
    assert others == [crop for crop in learned if crop.kind != TARGET]


def test_background_is_clear_of_boxes_and_not_of_test_images():
    parts = {1: "train", 2: "test", 3: "validation"}
    images = [photo(k, part=part, width=100, height=80) for k, part in parts.items()]
    reference = Dataset(images, [Box(1, "beetle", (0, 0, 60, 80))], ["beetle"])
    first, second = classify_crops.crops_of_reference(reference, Dataset([]), 1)
    assert (first.image_id, first.kind) == (1, BACKGROUND)
    assert (second.image_id, second.kind) == (3, BACKGROUND)
    assert first.xyxy[2] > 60


def test_background_is_cut_from_images_of_the_reference_but_from_no_labelled_photo_twice():
    images = [photo(k, width=300, height=300) for k in (1, 2)]
    reference = Dataset(images, [Box(2, "bug", (0, 0, 20, 20))], ["bug"])
    (crop,) = classify_crops.crops_of_reference(reference, Dataset([photo(1)]), 1)
    assert (crop.image_id, crop.kind) == (2, BACKGROUND)


def crop(image_id, kind=None, rank=1):
    return Crop(image_id, "g", (0, 0, 1, 1), rank, kind)


def test_memory_does_not_grow_with_the_photos(monkeypatch):
    monkeypatch.setattr(classify_crops, "MAX_CROPS", 3)
    crops = [crop(k, k % 2) for k in range(20)] + [crop(99, BACKGROUND, rank=0)]
    chosen = classify_crops.at_most_of_each_kind(crops, 1)
    kinds = [each.kind for each in chosen]
    assert [kinds.count(kind) for kind in (TARGET, OTHER, BACKGROUND)] == [3, 3, 1]
    assert chosen == classify_crops.at_most_of_each_kind(crops, 1)


def test_each_image_is_opened_once_for_all_its_crops():
    shows, _, candidates = world(6)
    pack = Pack(shows)
    crops = [
        Crop(k, "g", candidate.xyxy, 1) for k, boxes in candidates.items() for candidate in boxes
    ]
    assert len(list(classify_crops.cut_crops(pack, crops, 16))) == len(crops) > 6
    assert pack.n_opened == 6


@pytest.mark.parametrize(
    "kinds, skill",
    [
        ([0, 0, 1, 2], 1),
        ([0, 2, 0, 1], 0.5),
        ([0, 1, 0, 2], 0.5),
        ([2, 1, 0, 0], 0),
        ([1, 1, 2, 2], 0),
        ([0, 0, 0, 0], 0),
    ],
)
def test_skill_is_that_against_the_kind_that_is_told_worst(kinds, skill):
    probabilities = np.array([0.9, 0.8, 0.3, 0.1])
    assert classify_crops.measure_skill(probabilities, np.array(kinds), np.ones(4)) == skill


def test_no_more_other_insects_are_learned_than_the_classifier_sees():
    assert classify_crops.MAX_OTHERS < weak_boxes.MAX_CLASSIFIED
