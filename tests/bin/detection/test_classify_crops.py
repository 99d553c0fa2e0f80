"""Photos with a disc (the target), a square (another insect) or both: the detector finds both alike, only the labels tell which is which."""
from types import SimpleNamespace

import classify_crops
import numpy as np
import pytest
from PIL import Image, ImageDraw

from entoflow.detection import weak_boxes

PLACES = {"disc": (6, 24, 30, 48), "square": (42, 24, 66, 48)}
ARGS = SimpleNamespace(crop_size=32, architecture="test_resnet", epochs=14, folds=2, seed=1)


class Pack:
    """Photos by id, as images.Pack reads them."""

    def __init__(self, shows):
        self.shows, self.opened = shows, 0

    def read(self, number):
        self.opened += 1
        rng = np.random.default_rng(number)
        picture = Image.fromarray(rng.integers(60, 120, (72, 72, 3), np.uint8))
        for kind in self.shows[number]:
            draw = ImageDraw.Draw(picture)
            (draw.ellipse if kind == "disc" else draw.rectangle)(PLACES[kind], fill=(210, 190, int(rng.integers(100, 200))))
        return np.asarray(picture)


def world(n=60):
    """Return ({photo: what it shows}, labelled data set, {photo: candidates}): where both are, the wrong box is the best."""
    shows = {k: (("disc", "square"), ("disc",), ("square",))[k % 3] for k in range(1, n + 1)}
    photos = [{"id": k, "group": f"g{k}", "part": "train", "width": 72, "height": 72, "count": None, "label": "bug" if "disc" in shown else "other"}
              for k, shown in shows.items()]
    candidates = {k: [{"xyxy": np.array(PLACES[kind], float), "score": score} for kind, score in zip(sorted(shown, reverse=True), (0.9, 0.8))]
                  for k, shown in shows.items()}
    return shows, {"images": photos}, candidates


def opinions(labelled, candidates, pack):
    photos = classify_crops.of_photos(labelled, candidates, "bug", 0.5, 0.2, 1)
    learned = [piece for piece in photos if piece.kind is not None]
    judged = [piece for piece in photos if piece.rank and piece.kind != classify_crops.OTHER]
    return classify_crops.judge(pack, learned, judged, ARGS)


def test_the_classifier_tells_the_target_from_what_sits_beside_it_though_the_detector_likes_that_better():
    shows, labelled, candidates = world()
    chances = {(piece.image, piece.rank): chance for piece, chance in opinions(labelled, candidates, Pack(shows))}
    both = [k for k, shown in shows.items() if len(shown) == 2]
    assert len(both) == 20 and all((k, rank) in chances for k in both for rank in (1, 2))
    assert np.mean([chances[k, 2] > chances[k, 1] for k in both]) >= 0.9


def test_a_classifier_that_cannot_tell_is_not_asked():
    shows, labelled, candidates = world()
    for photo, kind in zip(labelled["images"], np.random.default_rng(1).permutation(["bug"] * 40 + ["other"] * 20).tolist()):
        photo["label"] = kind
    assert opinions(labelled, candidates, Pack(shows)) == []


def test_photos_of_few_groups_are_told_by_their_scenes_and_no_classifier_is_asked(capsys):
    shows, labelled, candidates = world()
    for photo in labelled["images"]:
        photo["group"] = f"g{photo['id'] % 19}"
    assert opinions(labelled, candidates, Pack(shows)) == []
    assert "no classifier is asked: the target's photos are of 19 groups, wanted 20" in capsys.readouterr().out


def test_no_photo_is_judged_by_a_classifier_that_learned_of_its_group(monkeypatch):
    shows, labelled, candidates = world(66)
    for photo in labelled["images"]:
        photo["group"] = f"g{photo['id'] % 25}"
    seen = []
    monkeypatch.setattr("entoflow.detection.crop_classifier.train", lambda pixels, *_: seen.append({crop.tobytes() for crop in pixels}) or len(seen) - 1)
    monkeypatch.setattr("entoflow.detection.crop_classifier.predict", lambda model, pixels: (
        np.array([[0 if crop.tobytes() not in seen[model] else 2, 0.5, 0.5] for crop in pixels])))
    monkeypatch.setattr(classify_crops, "LEAST_SKILL", 0)
    found = opinions(labelled, candidates, Pack(shows))
    assert found and all(chance == 0 for _, chance in found)


def test_what_is_learned_of_a_photo_is_what_its_label_promises():
    _, labelled, candidates = world(4)  # a disc, a square, both, a disc
    labelled["images"][3].update(part="test")
    labelled["images"][2].update(count=2)
    found = classify_crops.of_photos(labelled, candidates, "bug", 0.5, 0.2, 1)
    assert {piece.image for piece in found} == {1, 2, 3}
    assert [(piece.image, piece.rank, piece.kind, piece.weight) for piece in found if piece.rank] == [(1, 1, 0, 1), (2, 1, 1, 1), (3, 1, 0, 1), (3, 2, 0, 1)]
    labelled["images"][2].update(count=None)
    found = classify_crops.of_photos(labelled, candidates, "bug", 0.5, 0.2, 1)
    assert [(piece.kind, piece.weight) for piece in found if piece.image == 3 and piece.rank] == [(0, 0.5), (None, 0.5)]


def test_a_second_round_learns_from_the_likeliest_boxes():
    _, labelled, candidates = world(3)
    taught = [piece for piece in classify_crops.of_photos(labelled, candidates, "bug", 0.5, 0.2, 1) if piece.kind is not None]
    judged = [piece for piece in classify_crops.of_photos(labelled, candidates, "bug", 0.5, 0.2, 1) if piece.image == 3 and piece.rank]
    found = classify_crops.repicked(taught, list(zip(judged, (0.2, 0.9))), candidates, labelled)
    assert [(piece.image, piece.rank, piece.weight) for piece in found if piece.kind == classify_crops.TARGET] == [(1, 1, 1), (3, 2, 1)]
    assert [piece for piece in found if piece.kind != classify_crops.TARGET] == [piece for piece in taught if piece.kind != classify_crops.TARGET]


def test_background_is_clear_of_boxes_and_not_of_test_images():
    images = [{"id": k, "group": "g", "part": part, "width": 100, "height": 80} for k, part in ((1, "train"), (2, "test"), (3, "validation"))]
    box = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 60, 80], "iscrowd": 0}
    found = classify_crops.of_boxes({"images": images, "annotations": [box], "categories": [{"id": 1, "name": "beetle"}]}, {"images": []}, 1)
    assert [(piece.image, piece.kind) for piece in found] == [(1, classify_crops.BACKGROUND), (3, classify_crops.BACKGROUND)]
    assert found[0].xyxy[2] > 60


def test_memory_does_not_grow_with_the_photos(monkeypatch):
    monkeypatch.setattr(classify_crops, "MOST", 3)
    pieces = [classify_crops.Crop(k, "g", (0, 0, 1, 1), 1, k % 2) for k in range(20)] + [classify_crops.Crop(99, "g", (0, 0, 1, 1), 0, 2)]
    kept = classify_crops.at_most(pieces, 1)
    assert [sum(piece.kind == kind for piece in kept) for kind in (0, 1, 2)] == [3, 3, 1]
    assert kept == classify_crops.at_most(pieces, 1)


def test_each_image_is_opened_once_for_all_its_crops():
    shows, labelled, candidates = world(6)
    pack = Pack(shows)
    pieces = [classify_crops.Crop(k, "g", tuple(box["xyxy"]), 1) for k, boxes in candidates.items() for box in boxes]
    assert len(list(classify_crops.cut(pack, pieces, 16))) == len(pieces) > pack.opened == 6


@pytest.mark.parametrize("kinds, skill", [([0, 0, 1, 2], 1), ([0, 2, 0, 1], 0.5), ([0, 1, 0, 2], 0.5), ([2, 1, 0, 0], 0), ([1, 1, 2, 2], 0), ([0, 0, 0, 0], 0)])
def test_skill_is_that_against_the_kind_that_is_told_worst(kinds, skill):
    assert classify_crops.skill_of(np.array([0.9, 0.8, 0.3, 0.1]), np.array(kinds), np.ones(4)) == skill


def test_no_more_is_looked_at_than_weak_boxes_allow():
    assert classify_crops.OF_A_PHOTO < weak_boxes.LOOKED_AT


def test_background_is_cut_from_images_of_the_reference_but_from_no_labelled_photo_twice():
    reference = {"images": [{"id": k, "group": f"g{k}", "part": part, "width": 300, "height": 300} for k, part in ((1, "train"), (2, "train"), (3, "test"))],
                 "annotations": [{"image_id": 2, "category_id": 1, "bbox": [0, 0, 20, 20], "iscrowd": 0}], "categories": [{"id": 1, "name": "bug"}]}
    found = classify_crops.of_boxes(reference, {"images": [{"id": 1}]}, 1)
    assert [(piece.image, piece.kind) for piece in found] == [(2, classify_crops.BACKGROUND)]
