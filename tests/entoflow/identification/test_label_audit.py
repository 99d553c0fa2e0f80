"""Wrong labels planted among vectors, and which specimens check which."""

import numpy as np

from entoflow.identification import label_audit


def collection(spread=0.3, n_classes=20, each=4):
    """Return unit vectors of separate classes, the class of each, and a group for each."""
    rng = np.random.default_rng(1)
    classes = np.repeat(np.arange(n_classes), each)
    centres = rng.normal(size=(n_classes, 24))
    vectors = centres[classes] + spread * rng.normal(size=(len(classes), 24))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), classes, np.arange(len(classes))


def test_a_planted_error_is_doubted_and_its_true_class_suggested():
    vectors, classes, groups = collection()
    labels = classes.copy()
    labels[[5, 41]] = [9, 2]
    doubts = label_audit.doubts(vectors, labels, groups, np.ones(80, bool))
    suggested = dict(zip(doubts.rows, doubts.others))
    assert set(doubts.rows[doubts.doubt > 0]) == {5, 41}
    assert suggested[5] == 1 and suggested[41] == 10


def test_correct_labels_of_classes_far_apart_are_not_doubted():
    vectors, classes, groups = collection()
    doubt = label_audit.doubts(vectors, classes, groups, np.ones(80, bool)).doubt
    assert (doubt < 0).all() and (doubt >= -1).all()


def test_a_specimen_is_not_checked_by_its_own_group_and_not_without_another():
    vectors, classes, groups = collection(each=2)
    groups[:2] = 0  # both of class 0
    groups[2] = groups[4] = 99  # one of class 1 and one of class 2: neither helps the other's class
    doubts = label_audit.doubts(vectors, classes, groups, np.ones(40, bool))
    assert doubts.rows.tolist() == list(range(2, 40)) and (doubts.doubt < 0).all()


def test_a_copy_with_a_wrong_label_in_the_same_group_says_nothing_about_it():
    vectors, classes, groups = collection(each=2)
    groups[:2] = 0
    copies = np.concatenate([vectors, vectors[:1]])
    doubts = label_audit.doubts(
        copies, np.append(classes, 5), np.append(groups, 0), np.arange(41) == 40
    )
    assert doubts.rows.tolist() == [40] and doubts.doubt[0] < 1 and doubts.others[0] != 0


def test_only_the_wanted_specimens_are_checked():
    vectors, classes, groups = collection()
    is_checked = np.arange(80) % 3 == 0
    doubts = label_audit.doubts(vectors, classes, groups, is_checked)
    assert doubts.rows.tolist() == np.flatnonzero(is_checked).tolist()


def test_specimens_that_the_chosen_embedder_was_trained_on_are_checked_with_the_frozen_one():
    parts = ["train", "test", "train", "validation", "unseen", "rest"]
    masks = label_audit.checked_specimens(parts, {"chosen": {"vectors": "trained"}})
    assert list(masks) == ["frozen", "trained"]
    assert masks["frozen"].tolist() == [True, False, True, False, False, False]
    assert (masks["trained"] == ~masks["frozen"]).all()


def test_vectors_without_a_specimen_to_check_are_left_out():
    frozen_alone = label_audit.checked_specimens(
        ["train", "test"], {"chosen": {"vectors": "frozen"}}
    )
    assert list(frozen_alone) == ["frozen"] and frozen_alone["frozen"].all()
    none_trained_on = label_audit.checked_specimens(
        ["test", "validation"], {"chosen": {"vectors": "trained"}}
    )
    assert list(none_trained_on) == ["trained"] and none_trained_on["trained"].all()
