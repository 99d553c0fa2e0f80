"""Classifiers of a table of features: gradient boosting, extra trees, a support vector machine.

Each kind may try as many settings as the others. The choice is that of the highest macro-F1 on
groups left out of the training, where classes weigh the same however few events they have; then it
is trained on all of them. The result is plain arrays: see tabular_model.py. n events, d features, C
classes.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from entoflow.task import InputError
from entoflow.wingbeat import tabular_model
from entoflow.wingbeat.tabular_model import TableModel

INNER_FOLDS = 3
SETTINGS: dict[str, list[dict[str, Any]]] = {  # four of each kind: an equal budget
    "gradient_boosting": [
        {"learning_rate": 0.1, "max_leaf_nodes": 8},
        {"learning_rate": 0.1, "max_leaf_nodes": 24},
        {"learning_rate": 0.05, "max_leaf_nodes": 8},
        {"learning_rate": 0.05, "max_leaf_nodes": 24},
    ],
    "extra_trees": [
        {"max_features": "sqrt", "min_samples_leaf": 1},
        {"max_features": "sqrt", "min_samples_leaf": 3},
        {"max_features": 0.3, "min_samples_leaf": 1},
        {"max_features": 0.3, "min_samples_leaf": 3},
    ],
    "svm": [  # narrowness: gamma times the number of features
        {"C": 1, "narrowness": 0.25},
        {"C": 1, "narrowness": 1},
        {"C": 10, "narrowness": 0.25},
        {"C": 10, "narrowness": 1},
    ],
}
# Of scikit-learn, where a fold has few events or a feature few values: both are as they should be.
HARMLESS = "(Feature .* is constant|Bins whose width are too small)"

Folds = Sequence[tuple[np.ndarray, np.ndarray]]  # training rows, held-out rows


@dataclass(frozen=True)
class Trial:
    """One setting of one kind, on groups left out of the training."""

    kind: str
    settings: dict[str, Any]
    macro_f1: float | None  # None where no group could be left out
    scores: np.ndarray  # n x C of the rows when they were held out; see held_out_scores


def fit(
    table: np.ndarray | Sequence[Sequence[float]],
    labels: np.ndarray | Sequence[str],
    groups: np.ndarray | Sequence[Any],
    seed: int,
    kinds: Sequence[str] = tuple(SETTINGS),
) -> tuple[TableModel, list[Trial]]:
    """Return the best model of a table (n x d) and all trials.

    labels, groups: n. The first is chosen among equals, and the first of all where there is but one
    group. Raises InputError for features that are no numbers and for labels of one class.
    """
    from threadpoolctl import threadpool_limits

    table = np.asarray(table, float)
    labels = np.asarray(labels, str)
    _check(table, labels)
    rng = np.random.default_rng(seed)
    folds = inner_folds(labels, groups, rng)
    random_state = int(rng.integers(1 << 31))
    classes, class_index = np.unique(labels, return_inverse=True)
    n_features = table.shape[1]
    trials = []
    # Threads wait for one another longer than a table of events takes.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=HARMLESS)
        for kind in kinds:
            for settings in SETTINGS[kind]:
                trials.append(_try(kind, settings, random_state, table, class_index, folds))
        best = max(trials, key=lambda trial: trial.macro_f1 or 0)
        fitted = estimator(best.kind, best.settings, random_state, n_features)
        fitted.fit(table, class_index)
    scale = 1.0
    if best.kind == "svm":  # the others have probabilities of their own
        scale = sharpness(best.scores, class_index)
    return tabular_model.exported(fitted, scale).renamed(classes), trials


def inner_folds(
    labels: np.ndarray, groups: np.ndarray | Sequence[Any], rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return training rows and held-out rows of each fold; none where there is but one group.

    Groups are never split, and classes are spread over the folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    group_names, group_index = np.unique(np.asarray(groups, str), return_inverse=True)
    largest_class = np.unique(labels, return_counts=True)[1].max()
    n_folds = min(INNER_FOLDS, len(group_names), largest_class)
    if n_folds < 2:
        return []
    random_state = int(rng.integers(1 << 31))
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=random_state)
    folds = []
    with warnings.catch_warnings():
        # A rare class is in few of the folds, which is as it should be.
        warnings.filterwarnings("ignore", message="The least populated class")
        for training, held_out in splitter.split(labels, labels, group_index):
            n_classes = len(set(labels[training].tolist()))
            if len(held_out) and n_classes > 1:
                folds.append((training, held_out))
    return folds


def estimator(kind: str, settings: dict[str, Any], random_state: int, n_features: int) -> Any:
    """Return scikit-learn's estimator of a kind with settings as in SETTINGS.

    Classes weigh the same.
    """
    if kind == "gradient_boosting":
        return _gradient_boosting(settings, random_state)
    if kind == "extra_trees":
        from sklearn.ensemble import ExtraTreesClassifier

        return ExtraTreesClassifier(
            200, class_weight="balanced", random_state=random_state, **settings
        )
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    gamma = settings["narrowness"] / n_features
    machine = SVC(C=settings["C"], gamma=gamma, class_weight="balanced", cache_size=500)
    return make_pipeline(StandardScaler(), OneVsRestClassifier(machine))


def held_out_scores(
    new_estimator: Callable[[], Any], table: np.ndarray, class_index: np.ndarray, folds: Folds
) -> np.ndarray:
    """Return the scores (n x C) of rows when they were held out.

    They are -inf of a class that was not trained on, and where a row was never held out.
    """
    scores = np.full((len(class_index), class_index.max() + 1), -np.inf)
    for training, held_out in folds:
        fitted = new_estimator().fit(table[training], class_index[training])
        model = tabular_model.exported(fitted, 1.0)
        scores[np.ix_(held_out, model.classes)] = model.scores(table[held_out])
    return scores


def sharpness(scores: np.ndarray, class_index: np.ndarray) -> float:
    """Return the factor of scores (n x C, -inf where unknown) whose softmax has the least log-loss.

    class_index: n. This is temperature scaling (Guo et al. 2017), and the factor the inverse of the
    temperature. It is 1 where no row has a score of its class.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    has_score = np.isfinite(scores[np.arange(len(class_index)), class_index])
    if not has_score.any():
        return 1.0
    known_scores = scores[has_score]
    rows = np.arange(has_score.sum())
    columns = class_index[has_score]

    def log_loss(log_factor: float) -> float:
        log_probabilities = log_softmax(np.exp(log_factor) * known_scores, axis=1)
        loss: float = -log_probabilities[rows, columns].mean()
        return loss

    best = minimize_scalar(log_loss, bounds=(-10, 10), options={"xatol": 1e-10})
    return float(np.exp(best.x))


def _check(table: np.ndarray, labels: np.ndarray) -> None:
    is_bad = ~np.isfinite(table).all(axis=1)
    if is_bad.any():
        raise InputError(
            f"{is_bad.sum()} of {len(is_bad)} events have features that are no numbers; "
            "wanted finite numbers."
        )
    classes = sorted(set(labels.tolist()))
    if len(classes) < 2:
        names = ", ".join(classes) or "(none)"
        raise InputError(f"events have labels {names}; wanted two classes or more.")


def _try(
    kind: str,
    settings: dict[str, Any],
    random_state: int,
    table: np.ndarray,
    class_index: np.ndarray,
    folds: Folds,
) -> Trial:
    from sklearn.metrics import f1_score

    def new_estimator() -> Any:
        return estimator(kind, settings, random_state, table.shape[1])

    scores = held_out_scores(new_estimator, table, class_index, folds)
    if not folds:
        return Trial(kind, settings, None, scores)
    rows = np.concatenate([held_out for _, held_out in folds])
    predicted = scores[rows].argmax(axis=1)
    macro_f1 = f1_score(class_index[rows], predicted, average="macro", zero_division=0)
    return Trial(kind, settings, macro_f1, scores)


def _gradient_boosting(settings: dict[str, Any], random_state: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import KBinsDiscretizer

    # Features are binned before: else most of the time would go into weighted quantiles. 63 bins:
    # some thousand events fill no more.
    bins = KBinsDiscretizer(
        63,
        encode="ordinal",
        strategy="quantile",
        quantile_method="averaged_inverted_cdf",
        subsample=None,
    )
    boosting = HistGradientBoostingClassifier(
        max_iter=100,
        max_bins=63,
        min_samples_leaf=5,
        l2_regularization=1.0,
        max_features=0.3,
        early_stopping=False,
        class_weight="balanced",
        random_state=random_state,
        **settings,
    )
    return make_pipeline(bins, boosting)
