"""Wrong labels planted among vectors, and who may judge whom."""
import numpy as np

from entoflow.identification import label_audit


def collection(spread=0.3, n_classes=20, each=4):
    rng = np.random.default_rng(1)
    columns = np.repeat(np.arange(n_classes), each)
    vectors = rng.normal(size=(n_classes, 24))[columns] + spread * rng.normal(size=(len(columns), 24))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), columns, np.arange(len(columns))


def test_a_planted_error_is_doubted_and_its_true_class_suggested():
    vectors, columns, groups = collection()
    given = columns.copy()
    given[[5, 41]] = [9, 2]
    rows, other, doubt = label_audit.doubts(vectors, given, groups, np.ones(80, bool))
    assert set(rows[doubt > 0]) == {5, 41} and dict(zip(rows, other))[5] == 1 and dict(zip(rows, other))[41] == 10


def test_right_labels_of_classes_far_apart_are_not_doubted():
    vectors, columns, groups = collection()
    _, _, doubt = label_audit.doubts(vectors, columns, groups, np.ones(80, bool))
    assert (doubt < 0).all() and (doubt >= -1).all()


def test_a_specimen_is_not_judged_by_its_own_group_and_not_without_another():
    vectors, columns, groups = collection(each=2)
    groups[:2] = 0  # both of class 0
    groups[2] = groups[4] = 99  # one of class 1 and one of class 2: neither helps the other's class
    rows, _, doubt = label_audit.doubts(vectors, columns, groups, np.ones(40, bool))
    assert rows.tolist() == list(range(2, 40)) and (doubt < 0).all()
    copies = np.concatenate([vectors, vectors[:1]])  # a copy of the first under a wrong label, in its group: it tells nothing of itself
    rows, other, doubt = label_audit.doubts(copies, np.append(columns, 5), np.append(groups, 0), np.arange(41) == 40)
    assert rows.tolist() == [40] and doubt[0] < 1 and other[0] != 0


def test_only_those_asked_for_are_judged():
    vectors, columns, groups = collection()
    judged = np.arange(80) % 3 == 0
    rows, _, _ = label_audit.doubts(vectors, columns, groups, judged)
    assert rows.tolist() == np.flatnonzero(judged).tolist()


def test_what_the_chosen_embedder_learned_from_is_judged_by_the_frozen_one():
    parts = ["train", "test", "train", "validation", "unseen", "rest"]
    (frozen, by_frozen), (trained, by_trained) = label_audit.views(parts, {"chosen": {"vectors": "trained"}})
    assert (frozen, trained) == ("frozen", "trained")
    assert by_frozen.tolist() == [True, False, True, False, False, False] and (by_trained == ~by_frozen).all()
    (name, judged), = label_audit.views(parts, {"chosen": {"vectors": "frozen"}})
    assert name == "frozen" and judged.all()
    (name, judged), = label_audit.views(["test", "validation"], {"chosen": {"vectors": "trained"}})
    assert name == "trained" and judged.all()
