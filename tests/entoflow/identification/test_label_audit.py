"""Wrong labels planted among vectors, and which specimens are named by which vectors."""

import numpy as np

from blobs import blobs
from entoflow.identification import label_audit


def collection(each=4):
    """Return (vectors, classes, groups) of 20 classes well apart, each image a group."""
    vectors, class_index = blobs(20, each, 0.3, seed=1, dimension=24)
    return vectors, class_index, np.arange(len(class_index))


def test_a_planted_error_is_doubted_and_its_true_class_suggested():
    vectors, class_index, groups = collection()
    labels = class_index.copy()
    labels[[5, 41]] = [9, 2]
    rows, other, doubt = label_audit.doubts(vectors, labels, groups, np.ones(80, bool))
    assert set(rows[doubt > 0]) == {5, 41}
    suggested = dict(zip(rows.tolist(), other.tolist()))
    assert (suggested[5], suggested[41]) == (1, 10)


def test_right_labels_of_classes_far_apart_are_not_doubted():
    vectors, class_index, groups = collection()
    _, _, doubt = label_audit.doubts(vectors, class_index, groups, np.ones(80, bool))
    assert ((-1 <= doubt) & (doubt < 0)).all()


def test_a_specimen_is_not_named_by_its_own_group_and_not_without_another():
    vectors, class_index, groups = collection(each=2)
    groups[:2] = 0  # both of class 0
    groups[[2, 4]] = 99  # one of class 1 and one of class 2: neither helps the other's class
    every_one = np.ones(40, bool)
    rows, _, doubt = label_audit.doubts(vectors, class_index, groups, every_one)
    assert rows.tolist() == list(range(2, 40))
    assert (doubt < 0).all()
    # A copy of the first under a wrong label, in its group, says nothing of itself.
    copies = np.concatenate([vectors, vectors[:1]])
    rows, other, doubt = label_audit.doubts(
        copies, np.append(class_index, 5), np.append(groups, 0), np.arange(41) == 40
    )
    assert rows.tolist() == [40]
    assert doubt[0] < 1
    assert other[0] != 0


def test_only_those_that_are_wanted_are_named():
    vectors, class_index, groups = collection()
    wanted = np.arange(80) % 3 == 0
    rows, _, _ = label_audit.doubts(vectors, class_index, groups, wanted)
    assert rows.tolist() == np.flatnonzero(wanted).tolist()


def views(parts, chosen):
    """Return {name of the vectors: which specimens they name}."""
    comparison = {"chosen": {"vectors": chosen}}
    return {name: named.tolist() for name, named in label_audit.views(parts, comparison)}


def test_what_the_chosen_embedder_learned_from_is_named_by_the_frozen_one():
    parts = ["train", "test", "train", "validation", "unseen", "rest"]
    learned = [True, False, True, False, False, False]
    assert views(parts, "trained") == {
        "frozen": learned,
        "trained": [not value for value in learned],
    }
    assert views(parts, "frozen") == {"frozen": [True] * 6}
    assert views(["test", "validation"], "trained") == {"trained": [True, True]}
