import numpy as np
import pytest
from sklearn.metrics import f1_score

from entoflow.wingbeat import learning_curves
from entoflow.wingbeat.clips import EVERY, NONE, Events

N = 300


@pytest.fixture
def divided():
    """Return (columns, groups, fold) of 300 events of four classes, one of them rare, in 60 groups of one class each and five folds."""
    rng = np.random.default_rng(1)
    of_group = np.where(np.arange(60) < 6, 3, np.arange(60) % 3)
    group = np.sort(rng.integers(0, 60, N))
    return of_group[group], np.array([f"g{one:02}" for one in group]), group % 5


def test_a_share_holds_whole_groups_of_the_rest_as_many_events_as_asked_and_the_smaller_lies_in_the_larger(divided):
    columns, groups, fold = divided
    found = learning_curves.partitions(columns, groups, fold, 1)
    assert list(found) == [f"share_{share}_{number}" for number in (1, 2, 3) for share in (25, 50)]
    for number in (1, 2, 3):
        quarter, half = (found[f"share_{share}_{number}"] for share in (25, 50))
        for own, share in ((quarter, 0.25), (half, 0.5)):
            assert ((own == 0) == (fold == number - 1)).all() and set(own.tolist()) == {0, EVERY, NONE}
            assert not set(groups[own == EVERY].tolist()) & set(groups[own != EVERY].tolist())
            rest, most = (fold != number - 1).sum(), np.unique(groups, return_counts=True)[1].max()
            assert share * rest <= (own == EVERY).sum() <= share * rest + most
        assert set(np.flatnonzero(quarter == EVERY).tolist()) < set(np.flatnonzero(half == EVERY).tolist())


def test_each_class_has_its_share_the_rare_one_too(divided):
    columns, groups, fold = divided
    found = learning_curves.partitions(columns, groups, fold, 1)["share_50_1"]
    for column in range(4):
        rest = (columns == column) & (fold != 0)
        assert 0.25 < ((found == EVERY) & rest).sum() / rest.sum() < 0.85


def test_what_is_never_judged_may_be_learned_from_and_one_group_for_each_class_has_no_curve():
    columns, groups = np.array([0, 0, 0, 1, 1, 1, 2, 2]), np.array(list("abcdefgg"))
    found = learning_curves.partitions(columns, groups, np.array([0, 1, 1, 0, 1, 1, EVERY, EVERY]), 1)
    assert all((own[6:] != 0).all() and len(set(columns[own == EVERY].tolist())) > 1 for own in found.values())
    for k in range(2, 40):  # few groups of any size and class: a fold has all its parts, or none
        rng = np.random.default_rng(k)
        group = np.concatenate([[0, 1], rng.integers(0, 2 + k % 5, k)])  # two folds at least
        made = learning_curves.partitions(rng.integers(0, 3, k + 2), group.astype(str), group % 2 if k % 2 else group % 3, k)
        assert all(f"share_{share}_{name[-1]}" in made for name in made for share in learning_curves.SHARES)
    assert learning_curves.partitions(np.array([0, 1, 0, 1]), np.array(list("abcd")), np.array([0, 0, 1, 1]), 1) == {}


def test_the_points_are_those_of_scikit_learn_and_the_verdict_follows_the_gain(divided):
    columns, groups, fold = divided
    folds = {"grouped_1": fold, **learning_curves.partitions(columns, groups, fold, 1)}
    clips = [{"folds": {name: int(own[at]) for name, own in folds.items()}} for at in range(N)]
    events = Events(None, None, 8000, None, [], columns.astype(str), groups, clips, {name: {} for name in folds})

    class Named:
        families, grouped = ["rnn"], ["grouped_1"]

    Named.columns, Named.groups, Named.fold, Named.by = columns, groups, fold, {}
    rng = np.random.default_rng(3)
    for name, own in folds.items():
        right = {"2": 0.4, "5": 0.6}.get(name[6:7], 0.95)
        said = np.where(rng.random(N) < right, columns, (columns + 1) % 4)
        Named.by["rnn", name] = np.where((own >= 0)[:, None], np.eye(4)[said], np.nan)
    found = learning_curves.figures(events, Named, "rnn", 1)
    points, rows = found["families"]["rnn"], np.flatnonzero(fold < 3)
    assert [point["share"] for point in points] == [25, 50, 100] and points[2]["events"] == np.mean([(fold != k).sum() for k in range(3)])
    for share, point in zip((25, 50), points):
        said = np.choose(fold % 3, [Named.by["rnn", f"share_{share}_{k}"].argmax(axis=1) for k in (1, 2, 3)])
        assert point["macro_f1"]["value"] == pytest.approx(f1_score(columns[rows], said[rows], average="macro"))
        assert point["groups"] == np.mean([len(set(groups[folds[f"share_{share}_{k}"] == EVERY])) for k in (1, 2, 3)])
    whole = Named.by["rnn", "grouped_1"][rows].argmax(axis=1)
    assert points[2]["macro_f1"]["value"] == pytest.approx(f1_score(columns[rows], whole, average="macro"))
    assert found["gain"]["value"] == pytest.approx(points[2]["macro_f1"]["value"] - points[1]["macro_f1"]["value"])
    assert found["verdict"].startswith("From 50 % of the groups to all") and found["verdict"].endswith("more recordings are likely to help.")


@pytest.mark.parametrize(("low", "high", "end"), [(0.01, 0.1, "likely to help."), (-0.02, 0.01, "hardly help."), (-0.02, 0.1, "cannot be told."),
                                                  (None, None, "would help.")])
def test_the_verdict_says_what_the_interval_allows(low, high, end):
    assert learning_curves.in_words({"value": 0.0, "low": low, "high": high}, 50).endswith(end)


def test_without_parts_there_is_no_curve():
    assert learning_curves.figures(Events(None, None, 8000, None, [], None, None, [], {"grouped_1": {}}), None, "rnn", 1) is None
