import numpy as np
import pytest
from sklearn.metrics import f1_score
from threadpoolctl import threadpool_limits

from entoflow.task import InputError
from entoflow.wingbeat import tabular

FEW = {
    "gradient_boosting": [{"learning_rate": 0.1, "max_leaf_nodes": 8}],
    "extra_trees": [{"max_features": "sqrt", "min_samples_leaf": 3}],
}


@pytest.fixture
def few(monkeypatch):
    """Two kinds of trial setting each and machines of four: quick."""
    monkeypatch.setattr(tabular, "SETTINGS", {**FEW, "svm": tabular.SETTINGS["svm"]})


def events(seed, n=150, n_classes=3, n_groups=10, spread=1.0):
    """Return (table, labels, groups): Gaussian classes, each group with an offset of its own."""
    rng = np.random.default_rng(seed)
    means, class_index, group = (
        1.5 * rng.normal(size=(n_classes, 6)),
        np.arange(n) % n_classes,
        rng.integers(0, n_groups, n),
    )
    table = (
        means[class_index]
        + spread * rng.normal(size=(n, 6))
        + 0.5 * rng.normal(size=(n_groups, 6))[group]
    )
    return table, np.array(["aedes", "culex", "anopheles", "mansonia"])[class_index], group


def test_each_kind_may_try_as_many_settings_as_the_others_and_all_of_them_differ():
    assert {len(settings) for settings in tabular.SETTINGS.values()} == {4}
    assert all(
        len({str(trial) for trial in settings}) == 4 for settings in tabular.SETTINGS.values()
    )


@pytest.mark.parametrize("kind", ["gradient_boosting", "extra_trees", "svm"])
def test_each_kind_names_other_groups_well_and_its_probabilities_are_in_the_order_of_its_classes(
    kind, few
):
    table, labels, groups = events(1, n=300, spread=0.5)
    rest = groups >= 7
    model, _ = tabular.fit(table[~rest], labels[~rest], groups[~rest], 1, (kind,))
    probabilities = model.predict_proba(table[rest])
    assert model.kind == kind and model.classes.tolist() == ["aedes", "anopheles", "culex"]
    assert (
        f1_score(labels[rest], model.classes[probabilities.argmax(axis=1)], average="macro") > 0.75
    )


def test_what_was_tried_is_the_macro_f1_of_groups_that_were_held_out_and_the_best_is_chosen(few):
    table, labels, groups = events(2)
    model, trials = tabular.fit(table, labels, groups, 1)
    assert [trial.kind for trial in trials] == ["gradient_boosting", "extra_trees"] + 4 * ["svm"]
    best = max(trials, key=lambda trial: trial.macro_f1)
    rng = np.random.default_rng(1)
    folds = tabular.inner_folds(labels, groups, rng)
    with threadpool_limits(1):
        fitted = [
            (
                tabular.estimator(best.kind, best.settings, 1, 6).fit(
                    table[training], labels[training]
                ),
                held_out,
            )
            for training, held_out in folds
        ]
    rows = np.concatenate([held_out for _, held_out in fitted])
    predicted = np.concatenate([trial.predict(table[held_out]) for trial, held_out in fitted])
    assert model.kind == best.kind and len(set(rows.tolist())) == len(rows) == len(labels)
    assert f1_score(labels[rows], predicted, average="macro") == pytest.approx(
        best.macro_f1, abs=0.03
    )  # trees of another state


def test_a_machine_scores_held_out_groups_as_scikit_learn_does(few):
    table, labels, groups = events(3)
    _, trials = tabular.fit(table, labels, groups, 4, ("svm",))
    folds = tabular.inner_folds(labels, groups, np.random.default_rng(4))
    for trial in trials:
        fitted = [
            (
                tabular.estimator("svm", trial.settings, 0, 6).fit(
                    table[training], labels[training]
                ),
                held_out,
            )
            for training, held_out in folds
        ]
        class_index, predicted = (
            np.concatenate(parts)
            for parts in zip(
                *[
                    (labels[held_out], machine.predict(table[held_out]))
                    for machine, held_out in fitted
                ]
            )
        )
        assert trial.macro_f1 == pytest.approx(
            f1_score(class_index, predicted, average="macro"), abs=1e-12
        )


@pytest.mark.parametrize("seed", range(3))
def test_inner_folds_hold_out_each_event_once_and_never_split_a_group(seed):
    _, labels, groups = events(seed)
    folds = tabular.inner_folds(labels, groups, np.random.default_rng(seed))
    assert (
        sorted(np.concatenate([held_out for _, held_out in folds]).tolist()) == list(range(150))
        and len(folds) == 3
    )
    for training, held_out in folds:
        assert (
            not set(groups[training]) & set(groups[held_out])
            and len(training) + len(held_out) == 150
        )


def test_the_same_seed_gives_the_same_probabilities_and_another_seed_others(few):
    table, labels, groups = events(5)
    trial, same, other = (
        tabular.fit(table, labels, groups, seed, ("extra_trees",))[0].predict_proba(table)
        for seed in (1, 1, 2)
    )
    assert (trial == same).all() and (trial != other).any()


def test_a_class_in_one_group_alone_is_learned_though_folds_lack_it(few):
    table, labels, groups = events(6)
    labels = np.where((groups == 0) & (np.arange(150) % 2 == 0), "mansonia", labels)
    for kind in tabular.SETTINGS:
        model, trials = tabular.fit(table, labels, groups, 1, (kind,))
        assert (
            "mansonia" in model.classes
            and np.isfinite(model.predict_proba(table)).all()
            and all(0 < trial.macro_f1 < 1 for trial in trials)
        )


@pytest.mark.parametrize(
    "groups", [["night"] * 12, ["a"] * 6 + ["b"] * 6], ids=["trial group", "a class to a group"]
)
def test_where_no_group_can_be_held_out_the_first_settings_are_taken_untried(groups, few):
    table, labels = np.arange(24.0).reshape(12, 2), np.repeat(["aedes", "culex"], 6)
    model, trials = tabular.fit(table, labels, groups, 1, ("svm",))
    assert [trial.macro_f1 for trial in trials] == 4 * [None] and model.sharpness == 1
    assert model.classes[model.predict_proba(table).argmax(axis=1)].tolist() == labels.tolist()


def test_events_of_one_each_of_two_classes_are_learned_without_a_choice(few):
    model, trials = tabular.fit([[0.0], [1.0]], ["aedes", "culex"], ["a", "b"], 1, ("svm",))
    assert model.classes.tolist() == ["aedes", "culex"] and {
        trial.macro_f1 for trial in trials
    } == {None}


def test_permuted_labels_are_named_by_chance(few):
    rng, right = np.random.default_rng(7), []
    for seed in range(4):
        table, labels, groups = events(seed)
        labels = rng.permutation(labels)
        rest = groups >= 7
        model, _ = tabular.fit(table[~rest], labels[~rest], groups[~rest], 1, ("svm",))
        right += (
            model.classes[model.predict_proba(table[rest]).argmax(axis=1)] == labels[rest]
        ).tolist()
    assert abs(np.mean(right) - 1 / 3) < 4 * np.sqrt(2 / 9 / len(right))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused(bad):
    table, labels, groups = events(8)
    table[3, 2] = table[3, 4] = table[9, 0] = bad
    with pytest.raises(
        InputError, match="2 of 150 events have features that are no numbers; wanted finite numbers"
    ):
        tabular.fit(table, labels, groups, 1)


def test_events_of_one_class_are_refused():
    with pytest.raises(InputError, match="events have labels aedes; wanted two classes or more"):
        tabular.fit(np.zeros((3, 2)), ["aedes"] * 3, ["a", "b", "c"], 1)


@pytest.mark.parametrize("n_classes", [2, 6])
def test_sharpness_brings_back_a_temperature_that_scores_were_divided_by(n_classes):
    rng = np.random.default_rng(9)
    scores = rng.normal(size=(20_000, n_classes))
    chances = np.exp(2.5 * scores) / np.exp(2.5 * scores).sum(axis=1, keepdims=True)
    class_index = (chances.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    assert tabular.sharpness(scores, class_index) == pytest.approx(2.5, rel=0.05)


def test_sharpness_takes_no_notice_of_rows_whose_class_was_not_learned():
    scores, class_index = np.random.default_rng(1).normal(size=(50, 3)), np.arange(50) % 3
    more = np.concatenate([scores, [[1, -np.inf, 0], [-np.inf] * 3]])
    assert tabular.sharpness(more, np.append(class_index, [1, 2])) == pytest.approx(
        tabular.sharpness(scores, class_index), rel=1e-6
    )
    assert tabular.sharpness(np.full((2, 3), -np.inf), np.array([0, 1])) == 1
