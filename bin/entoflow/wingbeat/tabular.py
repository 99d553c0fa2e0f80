"""Classifiers of a table of features: gradient boosting, extra trees and a support vector machine, chosen by groups that were left out.

Each kind may try as many settings as the others. The choice is that of the highest macro-F1 on held-out groups of the training part, where classes weigh the
same however few events they have; then it learns from all of it. What comes out is plain arrays: see tabular_model.py.
"""
import warnings
from functools import partial

import numpy as np

from entoflow.task import InputError
from entoflow.wingbeat import tabular_model

INNER_FOLDS = 3
SETTINGS = {  # four of each kind: an equal budget
    "gradient_boosting": [{"learning_rate": rate, "max_leaf_nodes": leaves} for rate in (0.1, 0.05) for leaves in (8, 24)],
    "extra_trees": [{"max_features": share, "min_samples_leaf": least} for share in ("sqrt", 0.3) for least in (1, 3)],
    "svm": [{"C": cost, "narrowness": narrowness} for cost in (1, 10) for narrowness in (0.25, 1)],  # gamma times the number of features
}


def fit(table, labels, groups, seed, kinds=tuple(SETTINGS)):
    """Return (Model, what was tried: dicts of kind, settings, macro_f1 of held-out groups or None) learned from a table (n x d).

    labels, groups: n. The best of the kinds named is chosen, the first among equals; and the first untried where there is but one group.
    Raises InputError for features that are no numbers and for labels of one class.
    """
    from threadpoolctl import threadpool_limits

    table, labels, rng = np.asarray(table, float), np.asarray(labels, str), np.random.default_rng(seed)
    _check(table, labels)
    folds, random_state = inner_folds(labels, groups, rng), int(rng.integers(1 << 31))
    classes, truth = np.unique(labels, return_inverse=True)
    with threadpool_limits(1), warnings.catch_warnings():  # threads wait for one another longer than a table of events takes
        warnings.filterwarnings("ignore", message="(Feature .* is constant|Bins whose width are too small)")
        tried = [_tried((kind, settings, random_state), table, truth, folds) for kind in kinds for settings in SETTINGS[kind]]
        best = max(tried, key=lambda one: one["macro_f1"] or 0)
        fitted = estimator(best["kind"], best["settings"], random_state, table.shape[1]).fit(table, truth)
    scale = sharpness(best["held_out"], truth) if best["kind"] == "svm" else 1.0  # the others have probabilities of their own
    told = [{name: one[name] for name in ("kind", "settings", "macro_f1")} for one in tried]
    return tabular_model.exported(fitted, scale).named(classes), told


def _check(table, labels):
    bad = ~np.isfinite(table).all(axis=1)
    if bad.any():
        raise InputError(f"{bad.sum()} of {len(bad)} events have features that are no numbers; wanted finite numbers.")
    if len(set(labels.tolist())) < 2:
        raise InputError(f"events have labels {', '.join(sorted(set(labels.tolist()))) or '(none)'}; wanted two classes or more.")


def _tried(trial, table, truth, folds):
    from sklearn.metrics import f1_score

    scores = held_out(partial(estimator, *trial, table.shape[1]), table, truth, folds)
    rows = np.concatenate([held for _, held in folds]) if folds else []
    score = f1_score(truth[rows], scores[rows].argmax(axis=1), average="macro", zero_division=0) if folds else None
    return {"kind": trial[0], "settings": trial[1], "macro_f1": score, "held_out": scores}


def inner_folds(labels, groups, rng):
    """Return [(rows to learn from, rows held out)]: groups are never split, classes shared out; empty where there is but one group."""
    from sklearn.model_selection import StratifiedGroupKFold

    names, group = np.unique(np.asarray(groups, str), return_inverse=True)
    n_folds = min(INNER_FOLDS, len(names), np.unique(labels, return_counts=True)[1].max())
    if n_folds < 2:
        return []
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=int(rng.integers(1 << 31)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # it is in few folds, as can be
        return [(learn, held) for learn, held in folds.split(labels, labels, group) if len(held) and len(set(labels[learn].tolist())) > 1]


def estimator(kind, settings, random_state, n_features):
    """Return scikit-learn's estimator of a kind with settings as in SETTINGS, all else fixed here; classes weigh the same."""
    if kind == "gradient_boosting":
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import KBinsDiscretizer

        # Binned before: most of the time would go into weighted quantiles. 63 bins: some thousand events fill no more
        bins = KBinsDiscretizer(63, encode="ordinal", strategy="quantile", quantile_method="averaged_inverted_cdf", subsample=None)
        return make_pipeline(bins, HistGradientBoostingClassifier(
            max_iter=100, max_bins=63, min_samples_leaf=5, l2_regularization=1.0, max_features=0.3, early_stopping=False, class_weight="balanced",
            random_state=random_state, **settings))
    if kind == "extra_trees":
        from sklearn.ensemble import ExtraTreesClassifier

        return ExtraTreesClassifier(200, class_weight="balanced", random_state=random_state, **settings)
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    machine = SVC(C=settings["C"], gamma=settings["narrowness"] / n_features, class_weight="balanced", cache_size=500)
    return make_pipeline(StandardScaler(), OneVsRestClassifier(machine))


def held_out(make, table, truth, folds):
    """Return the scores (n x C) of rows when they were held out, by what make() makes: -inf of a class that was not learned, and where never held out."""
    scores = np.full((len(truth), truth.max() + 1), -np.inf)
    for learn, held in folds:
        model = tabular_model.exported(make().fit(table[learn], truth[learn]), 1.0)
        scores[np.ix_(held, model.classes)] = model.scores(table[held])
    return scores


def sharpness(scores, truth):
    """Return by what to multiply scores (n x C, -inf where unknown) so that their softmax has the least log-loss for truth (n columns).

    Known as temperature scaling (Guo et al. 2017), the inverse of the temperature. 1 where no row has a score of its class.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    known = np.isfinite(scores[np.arange(len(truth)), truth])
    if not known.any():
        return 1.0
    scores, at = scores[known], (np.arange(known.sum()), truth[known])
    found = minimize_scalar(lambda log: -log_softmax(np.exp(log) * scores, axis=1)[at].mean(), bounds=(-10, 10), options={"xatol": 1e-10})
    return float(np.exp(found.x))
