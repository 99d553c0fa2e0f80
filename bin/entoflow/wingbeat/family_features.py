"""The family of a table of features: gradient boosting, extra trees or a support vector machine, whichever does best on groups left out of the training."""
import numpy as np

from entoflow.wingbeat import importances, tabular, tabular_model, wingbeat_features

NAME, FILE = "features", tabular_model.FILE


def fit(events, rows, settings):
    """Return (model, facts of its choice) learned from rows (k) of Events. settings: seed."""
    model, tried = tabular.fit(events.table[rows], events.labels[rows], events.groups[rows], settings["seed"])
    return model, {"classifier": model.kind, "tried": tried}


def probabilities(model, events, rows):
    """Return (probabilities k x C, the C classes) of rows of Events."""
    return model.predict_proba(events.table[rows]).astype(np.float32), list(map(str, model.classes))


def shuffled_names(model, events, rows, seed):
    """Return (by which of the classes each of the rows is named, as importances.falls takes it; the classes): kinds of features shuffled, then single ones."""
    columns = {name: at for at, name in enumerate(events.features)}
    kinds = [[columns[name] for name in kind if name in columns] for kind in wingbeat_features.KINDS.values()]
    return importances.shuffled_names(model, events.table[rows], kinds + [[at] for at in columns.values()], seed), list(map(str, model.classes))


def save(model, events, folder):
    """Write the model to a folder and return what model.json says of its input."""
    tabular_model.save(model, folder)
    return {"features": events.features}


def load(folder, facts):
    """Return the model that save wrote."""
    return tabular_model.load(folder)
