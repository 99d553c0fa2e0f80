"""The family of random convolutions: thousands of features that nobody chose, and a ridge regression on them (MiniRocket, Dempster et al. 2021).

The ridge is solved in the space of the events, as there are fewer of them than features; how strong it is, and how sharp its probabilities, is what does
best on groups left out of the training.
"""
import zipfile

import numpy as np

from entoflow.probabilities import softmax
from entoflow.task import InputError, first_line
from entoflow.wingbeat import random_convolutions, tabular

NAME, FILE = "random_convolutions", "convolutions.npz"
AT_ONCE = 256  # events
STRENGTHS = np.logspace(-3, 3, 7)  # of the ridge, in mean squares of the features


def fit(events, rows, settings):
    """Return (model, facts of its choice) learned from rows (k) of Events. settings: seed."""
    rng = np.random.default_rng(settings["seed"])
    series = levelled(events.samples[rows])
    convolutions = random_convolutions.fit(series, rng)
    features = random_convolutions.transform(series, convolutions)
    middle, scale = features.mean(axis=0), features.std(axis=0) + 1e-3
    features = (features - middle) / scale
    classes, truth = np.unique(events.labels[rows], return_inverse=True)
    strength, sharpness = chosen(features @ features.T, truth, tabular.inner_folds(events.labels[rows], events.groups[rows], rng))
    dual, offset = solved(features @ features.T, truth, strength)
    model = {"classes": classes, "middle": middle, "scale": scale, "weights": (features.T @ dual).astype(np.float32), "offset": offset.astype(np.float32),
             "sharpness": np.array(sharpness), **{f"convolutions_{name}": value for name, value in convolutions.items()}}
    return model, {"strength": strength}


def probabilities(model, events, rows):
    """Return (probabilities k x C, the C classes) of rows of Events."""
    own = {name.removeprefix("convolutions_"): value for name, value in model.items() if name.startswith("convolutions_")}
    found = np.empty((len(rows), len(model["classes"])), np.float32)
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start:start + AT_ONCE]
        features = (random_convolutions.transform(levelled(events.samples[part]), own) - model["middle"]) / model["scale"]
        found[start:start + len(part)] = softmax(float(model["sharpness"]) * (features @ model["weights"] + model["offset"]))
    return found, list(map(str, model["classes"]))


def save(model, events, folder):
    """Write the model to a folder and return what model.json says of its input."""
    np.savez(folder / FILE, **model)
    return {"samples": int(events.samples.shape[1])}


def load(folder, facts):
    """Return the model that save wrote. Raises InputError where there is none that can be read."""
    try:
        with np.load(folder / FILE, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{folder / FILE}: holds no model that can be read ({first_line(error)}); wanted one that entoflow wrote.") from None


def levelled(samples):
    """Return signals (n x samples) at a mean square of 1: how loud an event is says how near the insect was."""
    samples = np.asarray(samples, np.float32)
    return samples / np.maximum(np.sqrt((samples ** 2).mean(axis=1, keepdims=True)), 1e-9)


def chosen(gram, truth, folds):
    """Return (the strength whose scores of held-out rows have the least log-loss, by what to multiply them); gram: n x n, truth: n columns."""
    best = (np.inf, float(STRENGTHS[len(STRENGTHS) // 2]), 1.0)
    for strength in STRENGTHS if folds else ():
        scores = np.full((len(truth), truth.max() + 1), -np.inf)
        for learn, held in folds:
            present, columns = np.unique(truth[learn], return_inverse=True)
            dual, offset = solved(gram[np.ix_(learn, learn)], columns, strength)
            scores[np.ix_(held, present)] = gram[np.ix_(held, learn)] @ dual + offset
        sharpness = tabular.sharpness(scores, truth)
        known = np.isfinite(scores[np.arange(len(truth)), truth])
        loss = -np.log(np.maximum(softmax(sharpness * scores[known])[np.arange(known.sum()), truth[known]], 1e-12)).mean() if known.any() else np.inf
        best = min(best, (loss, float(strength), sharpness))
    return best[1:]


def solved(gram, truth, strength):
    """Return (dual weights n x C, offsets C) of a ridge regression on one-hot classes, those of few events weighing as much as those of many."""
    counts = np.bincount(truth)
    weights = 1 / counts[truth]
    targets = np.eye(len(counts))[truth]
    root = np.sqrt(weights / weights.mean())
    offset = (weights[:, None] * targets).sum(axis=0) / weights.sum()
    system = root[:, None] * gram * root + strength * np.trace(gram) / len(gram) * np.eye(len(gram))
    return (root[:, None] * np.linalg.solve(system, root[:, None] * (targets - offset))).astype(np.float32), offset
