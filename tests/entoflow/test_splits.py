import base64

import numpy as np
from entoflow import splits
from hypothesis import given
from hypothesis import strategies as st


def image(phash, cells):
    return {"phash": f"{phash:016x}", "thumbnail": base64.b64encode(np.asarray(cells, np.uint8).tobytes()).decode()}


def test_hash_and_thumbnail_together_decide():
    scene = np.arange(256)
    moved = scene.copy()
    moved[100] = 255
    pictures = [image(0, scene), image(0b111, scene // 2 + 20), image(0b1, moved), image(2**40 - 1, scene)]
    sure, alike = splits.near_duplicates(pictures, 6)
    assert (sure, alike) == ([(0, 1)], [(0, 2), (1, 2)])


def test_names_and_chains_of_pairs_join():
    assert splits.join(["b", "a", "c", "a", "d"], [(0, 1), (0, 2)]) == ["a", "a", "a", "a", "d"]


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), min_size=1, max_size=60), st.integers(0, 9))
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
