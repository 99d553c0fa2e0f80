import numpy as np
import pytest
from scipy.special import softmax
from sklearn.calibration import CalibratedClassifierCV
from threadpoolctl import threadpool_limits

from entoflow.task import InputError
from entoflow.wingbeat import tabular, tabular_model

KINDS = list(tabular.SETTINGS)
pytestmark = pytest.mark.filterwarnings("ignore:Feature 0 is constant", "ignore:Bins whose width")


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def tables(seed, n_classes, n=120, d=7):
    """Return (training table, its classes, another table) of overlapping Gaussian classes.

    One column is constant, one has few values, one is huge.
    """
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(n_classes, d))
    class_index = np.arange(n) % n_classes
    both = []
    for _ in range(2):
        table = means[class_index] + 1.5 * rng.normal(size=(n, d))
        table[:, 0] = 3.0
        table[:, 1] = np.round(table[:, 1])
        table[:, 2] *= 1e6
        both.append(table)
    return both[0], class_index, both[1]


def fit(kind, settings, table, class_index):
    return tabular.estimator(kind, settings, 1, table.shape[1]).fit(table, class_index)


def expected_probabilities(kind, fitted, table):
    """Return scikit-learn's own probabilities; a machine has none, but scores."""
    if kind != "svm":
        return fitted.predict_proba(table)
    scores = fitted.decision_function(table)
    if scores.ndim == 1:
        scores = np.stack([-scores, scores], axis=1)
    return softmax(0.7 * scores, axis=1)


@pytest.mark.parametrize("n_classes", [2, 3, 12])
@pytest.mark.parametrize("kind, number", [(kind, number) for kind in KINDS for number in (0, 3)])
def test_probabilities_are_those_of_scikit_learn(kind, number, n_classes):
    table, class_index, other_table = tables(n_classes, n_classes)
    fitted = fit(kind, tabular.SETTINGS[kind][number], table, class_index)
    model = tabular_model.exported(fitted, 0.7 if kind == "svm" else 1.0)
    for rows in (table, other_table, other_table[:1]):
        np.testing.assert_allclose(
            model.predict_proba(rows), expected_probabilities(kind, fitted, rows), atol=1e-6
        )
    np.testing.assert_allclose(model.predict_proba(other_table).sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_values_at_and_beside_the_thresholds_of_trees_go_as_in_scikit_learn(kind):
    rng = np.random.default_rng(1)
    table, class_index = rng.integers(0, 4, (80, 3)).astype(float), rng.integers(0, 3, 80)
    fitted = fit(kind, tabular.SETTINGS[kind][0], table, class_index)
    model = tabular_model.exported(fitted, 0.7 if kind == "svm" else 1.0)
    steps = np.unique(model.arrays["threshold"]) if kind != "svm" else np.arange(4)
    other_table = rng.choice(
        np.concatenate([steps, np.nextafter(steps, 9), np.nextafter(steps, -9), [-1e9, 1e9]]),
        (400, 3),
    )
    np.testing.assert_allclose(
        model.predict_proba(other_table),
        expected_probabilities(kind, fitted, other_table),
        atol=1e-6,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_that_was_not_in_a_fold_has_no_column(kind):
    table, class_index, other_table = tables(3, 4)
    rows = class_index != 2
    fitted = fit(kind, tabular.SETTINGS[kind][0], table[rows], class_index[rows])
    model = tabular_model.exported(fitted, 0.7 if kind == "svm" else 1.0)
    assert model.classes.tolist() == [0, 1, 3] and model.renamed(
        ["a", "b", "c", "d"]
    ).classes.tolist() == ["a", "b", "d"]
    np.testing.assert_allclose(
        model.predict_proba(other_table),
        expected_probabilities(kind, fitted, other_table),
        atol=1e-6,
    )


@pytest.mark.parametrize("n_classes", [2, 5])
def test_sharpness_is_the_inverse_temperature_of_scikit_learn(n_classes):
    table, class_index, other_table = tables(4, n_classes)
    folds = [
        (
            np.flatnonzero(np.arange(120) // n_classes % 3 != k),
            np.flatnonzero(np.arange(120) // n_classes % 3 == k),
        )
        for k in range(3)
    ]
    settings = tabular.SETTINGS["svm"][0]
    oracle = CalibratedClassifierCV(
        tabular.estimator("svm", settings, 1, 7), method="temperature", ensemble=False, cv=folds
    ).fit(table, class_index)
    scores = tabular.held_out_scores(
        lambda: tabular.estimator("svm", settings, 1, 7), table, class_index, folds
    )
    model = tabular_model.exported(
        fit("svm", settings, table, class_index), tabular.sharpness(scores, class_index)
    )
    np.testing.assert_allclose(
        model.predict_proba(other_table), oracle.predict_proba(other_table), atol=1e-4
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_goes_through_a_folder_unchanged_and_without_python_objects(kind, tmp_path):
    table, class_index, other_table = tables(5, 3)
    model = tabular_model.exported(
        fit(kind, tabular.SETTINGS[kind][0], table, class_index), 0.5
    ).renamed(["Ä", "b", "c"])
    tabular_model.save(model, tmp_path)
    read = tabular_model.load(tmp_path)
    assert (read.kind, read.classes.tolist(), read.sharpness) == (kind, ["Ä", "b", "c"], 0.5)
    np.testing.assert_array_equal(read.predict_proba(other_table), model.predict_proba(other_table))
    with np.load(tmp_path / "classifier.npz", allow_pickle=False) as file:
        assert all(not file[name].dtype.hasobject for name in file)


def test_no_rows_have_no_probabilities():
    table, class_index, other_table = tables(5, 3)
    model = tabular_model.exported(fit("svm", tabular.SETTINGS["svm"][0], table, class_index), 1.0)
    assert model.predict_proba(other_table[:0]).shape == (0, 3)


def test_another_number_of_features_is_refused():
    table, class_index, other_table = tables(5, 3)
    model = tabular_model.exported(fit("svm", tabular.SETTINGS["svm"][0], table, class_index), 1.0)
    with pytest.raises(
        InputError, match="events have 6 features; wanted 7, as those that the model was trained on"
    ):
        model.predict_proba(other_table[:, 1:])


def break_file(path, how):
    """Write a model to a path, and break it."""
    table, class_index, _ = tables(5, 3)
    fitted = fit("svm", tabular.SETTINGS["svm"][0], table, class_index)
    tabular_model.save(tabular_model.exported(fitted, 1.0), path.parent)
    with np.load(path) as file:
        arrays = dict(file)
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:200])
    elif how == "text":
        path.write_text("not arrays")
    elif how == "one array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif how == "objects":
        arrays["weights"] = np.array([{}], object)
        np.savez(path, **arrays)
    elif how == "without weights":
        del arrays["weights"]
        np.savez(path, **arrays)
    else:
        arrays["model_kind"] = np.array(how)
        np.savez(path, **arrays)


BROKEN = ["missing", "cut", "text", "one array", "objects", "without weights"]
WRONG_KINDS = ["forest", "extra_trees"]


@pytest.mark.parametrize("how", [*BROKEN, *WRONG_KINDS])
def test_a_file_that_holds_no_classifier_is_refused(how, tmp_path):
    break_file(tmp_path / "classifier.npz", how)
    sentence = r"classifier.npz: holds no classifier that can be read \(.+\); wanted one that"
    with pytest.raises(InputError, match=sentence):
        tabular_model.load(tmp_path)
