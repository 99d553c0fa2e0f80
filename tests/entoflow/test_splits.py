import base64
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from entoflow import images, splits


def image(phash, cells):
    thumbnail = base64.b64encode(np.asarray(cells, np.uint8).tobytes()).decode()
    return SimpleNamespace(
        phash=f"{phash:016x}", mirrored=f"{phash ^ (2**64 - 1):016x}", thumbnail=thumbnail
    )


def near_duplicates(pictures, bits):
    phashes = [picture.phash for picture in pictures]
    mirrored = [picture.mirrored for picture in pictures]
    thumbnails = [picture.thumbnail for picture in pictures]
    return splits.near_duplicates(phashes, mirrored, thumbnails, bits)


@pytest.mark.parametrize("at_once", [1 << 22, 1 << 8])
def test_hash_and_thumbnail_together_decide(monkeypatch, at_once):
    monkeypatch.setattr(
        splits, "PAIRS_AT_ONCE", at_once
    )  # with the least, a row and a pair at a time
    scene = np.arange(256)
    moved = scene.copy()
    moved[100] = 255
    pictures = [
        image(0, scene),
        image(0b111, scene // 2 + 20),
        image(0b1, moved),
        image(2**40 - 1, scene),
    ]
    sure, alike = near_duplicates(pictures, 6)
    assert (sure.tolist(), alike.tolist()) == ([[0, 1]], [[0, 2], [1, 2]])


def test_a_mirrored_copy_is_a_near_duplicate_and_another_scene_is_none(tmp_path):
    def scene(seed):
        coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        return Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)

    scene(1).save(tmp_path / "0.png")
    scene(1).transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((200, 150)).save(
        tmp_path / "1.jpg", quality=60
    )
    scene(2).save(tmp_path / "2.png")
    facts = [images.describe(path) for path in sorted(tmp_path.iterdir())]
    sure, alike = near_duplicates(facts, 6)
    assert (sure.tolist(), alike.tolist()) == ([[0, 1]], [])


def test_names_and_chains_of_pairs_join():
    assert splits.join(["b", "a", "c", "a", "d"], [(0, 1), (0, 2)]) == ["a", "a", "a", "a", "d"]


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), min_size=1, max_size=60),
    st.integers(0, 9),
)
def test_no_group_is_split_each_row_has_a_part_and_order_does_not_matter(rows, seed):
    groups, labels = [f"g{g}" for g, _ in rows], [label for _, label in rows]
    parts = splits.assign(groups, labels, {"validation": 0.2, "test": 0.2}, seed)
    assert set(parts) <= {"train", "validation", "test"}
    assert len(set(zip(groups, parts))) == len(set(groups))
    turned = splits.assign(groups[::-1], labels[::-1], {"validation": 0.2, "test": 0.2}, seed)
    assert turned[::-1] == parts


def test_each_label_keeps_a_group_to_train_on_and_one_to_validate_on():
    groups, labels = ["a", "b", "c", "d", "e"], ["rare", "common", "common", "common", "common"]
    parts = dict(zip(groups, splits.assign(groups, labels, {"validation": 0.15}, 1)))
    assert parts["a"] == "train"
    assert sorted(parts[name] for name in "bcde") == ["train", "train", "train", "validation"]


@pytest.mark.parametrize("seed", range(10))
def test_a_group_of_more_than_half_of_a_label_is_for_training(seed):
    groups = ["night"] * 90 + [f"g{k}" for k in range(9)]
    parts = dict(
        zip(groups, splits.assign(groups, ["bug"] * 99, {"validation": 0.15, "test": 0.15}, seed))
    )
    assert parts["night"] == "train"
    assert sorted(parts.values()) == ["test"] * 2 + ["train"] * 6 + ["validation"] * 2
