import numpy as np
import pytest
from sklearn.metrics import f1_score

from entoflow.wingbeat import learning_curves
from entoflow.wingbeat.clip_set import Clip
from entoflow.wingbeat.event_arrays import Events
from entoflow.wingbeat.partitions import TRAIN_ONLY, UNUSED, Kind, Partition

N = 300


@pytest.fixture
def divided():
    """Return (class index, groups, fold) of 300 events of four classes, one of them rare.

    They are in 60 groups of one class each, and in five folds.
    """
    rng = np.random.default_rng(1)
    of_group = np.where(np.arange(60) < 6, 3, np.arange(60) % 3)
    group = np.sort(rng.integers(0, 60, N))
    return of_group[group], np.array([f"g{one:02}" for one in group]), group % 5


def by_name(columns, groups, fold, seed):
    """Return {name: fold of each event} of learning_curves.divide."""
    return {
        partition.name: folds
        for partition, folds in learning_curves.divide(columns, groups, fold, seed).items()
    }


def events_of(columns, groups, folds):
    """Return Events with nothing but labels, groups and folds {partition: n}."""
    clips = []
    for row in range(len(columns)):
        own_folds = {partition: int(fold[row]) for partition, fold in folds.items()}
        clips.append(
            Clip(
                row,
                f"{row}.wav",
                0,
                1,
                str(columns[row]),
                groups[row],
                "",
                8000,
                0,
                1,
                folds=own_folds,
            )
        )
    empty = np.zeros((len(columns), 0))
    return Events(
        empty,
        np.zeros(len(columns)),
        8000,
        empty,
        [],
        columns.astype(str),
        groups,
        clips,
        list(folds),
    )


def test_a_share_has_whole_groups_of_the_rest_and_the_smaller_lies_in_the_larger(
    divided,
):
    columns, groups, fold = divided
    actual = by_name(columns, groups, fold, 1)
    assert list(actual) == [f"share_{share}_{number}" for number in (1, 2, 3) for share in (25, 50)]
    for number in (1, 2, 3):
        quarter, half = (actual[f"share_{share}_{number}"] for share in (25, 50))
        for own, share in ((quarter, 0.25), (half, 0.5)):
            assert ((own == 0) == (fold == number - 1)).all() and set(own.tolist()) == {
                0,
                TRAIN_ONLY,
                UNUSED,
            }
            assert not set(groups[own == TRAIN_ONLY].tolist()) & set(
                groups[own != TRAIN_ONLY].tolist()
            )
            rest, most = (fold != number - 1).sum(), np.unique(groups, return_counts=True)[1].max()
            assert share * rest <= (own == TRAIN_ONLY).sum() <= share * rest + most
        assert set(np.flatnonzero(quarter == TRAIN_ONLY).tolist()) < set(
            np.flatnonzero(half == TRAIN_ONLY).tolist()
        )


def test_each_class_has_its_share_the_rare_one_too(divided):
    columns, groups, fold = divided
    actual = by_name(columns, groups, fold, 1)["share_50_1"]
    for column in range(4):
        rest = (columns == column) & (fold != 0)
        assert 0.25 < ((actual == TRAIN_ONLY) & rest).sum() / rest.sum() < 0.85


def test_what_is_never_judged_may_be_learned_from_and_one_group_for_each_class_has_no_curve():
    columns, groups = np.array([0, 0, 0, 1, 1, 1, 2, 2]), np.array(list("abcdefgg"))
    actual = by_name(columns, groups, np.array([0, 1, 1, 0, 1, 1, TRAIN_ONLY, TRAIN_ONLY]), 1)
    assert all(
        (own[6:] != 0).all() and len(set(columns[own == TRAIN_ONLY].tolist())) > 1
        for own in actual.values()
    )
    for k in range(2, 40):  # few groups of any size and class: a fold has all its parts, or none
        rng = np.random.default_rng(k)
        group = np.concatenate([[0, 1], rng.integers(0, 2 + k % 5, k)])  # two folds at least
        made = by_name(
            rng.integers(0, 3, k + 2), group.astype(str), group % 2 if k % 2 else group % 3, k
        )
        assert all(
            f"share_{share}_{name[-1]}" in made for name in made for share in learning_curves.SHARES
        )
    assert by_name(np.array([0, 1, 0, 1]), np.array(list("abcd")), np.array([0, 0, 1, 1]), 1) == {}


def test_the_points_are_those_of_scikit_learn_and_the_verdict_follows_the_gain(divided):
    columns, groups, fold = divided
    grouped = Partition(Kind.GROUPED, 5, 1, number=1)
    folds = {grouped: fold, **learning_curves.divide(columns, groups, fold, 1)}
    events = events_of(columns, groups, folds)
    rng = np.random.default_rng(3)
    probabilities = {}
    for partition, own in folds.items():
        right = {25: 0.4, 50: 0.6, None: 0.95}[partition.share]
        predicted = np.where(rng.random(N) < right, columns, (columns + 1) % 4)
        probabilities["rnn", partition] = np.where(
            (own >= 0)[:, None], np.eye(4)[predicted], np.nan
        )
    curves = learning_curves.measure(events, probabilities, ["rnn"], "rnn", 1)
    points = curves.families["rnn"]
    rows = np.flatnonzero(fold < 3)
    assert [point.share for point in points] == [25, 50, 100]
    assert points[2].events == np.mean([(fold != k).sum() for k in range(3)])
    for share, point in zip((25, 50), points):
        parts = [partition for partition in folds if partition.share == share]
        predicted = np.choose(
            fold % 3, [probabilities["rnn", part].argmax(axis=1) for part in parts]
        )
        expected = f1_score(columns[rows], predicted[rows], average="macro")
        assert point.macro_f1.value == pytest.approx(expected)
        assert point.groups == np.mean(
            [len(set(groups[folds[part] == TRAIN_ONLY])) for part in parts]
        )
    with_all = probabilities["rnn", grouped][rows].argmax(axis=1)
    assert points[2].macro_f1.value == pytest.approx(
        f1_score(columns[rows], with_all, average="macro")
    )
    gain = points[2].macro_f1.value - points[1].macro_f1.value
    assert curves.gain.value == pytest.approx(gain)
    assert curves.share == 50 and curves.verdict.endswith("more recordings are likely to help.")


@pytest.mark.parametrize(
    ("low", "high", "end"),
    [
        (0.01, 0.1, "more recordings are likely to help."),
        (-0.02, 0.01, "more such recordings would hardly help."),
        (-0.02, 0.1, "whether more recordings would help cannot be told."),
        (None, None, "too few groups to say whether more recordings would help."),
    ],
)
def test_the_verdict_says_what_the_interval_allows(low, high, end):
    assert learning_curves.verdict(0.0, low, high).endswith(end)


def test_without_parts_there_is_no_curve(divided):
    columns, groups, fold = divided
    events = events_of(columns, groups, {Partition(Kind.GROUPED, 5, 1, number=1): fold})
    assert learning_curves.measure(events, {}, ["rnn"], "rnn", 1) is None
