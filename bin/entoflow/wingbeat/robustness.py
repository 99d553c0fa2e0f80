"""How a model does in noise: held-out events are named again with noise added to them, the same for all families."""
import numpy as np

from entoflow import sound_noise
from entoflow.wingbeat import comparisons, wingbeat_features

SNRS_DB = (20, 10, 5, 0, -5)  # power of an event as it was recorded, by that of the noise added over its length
CONDITIONS = [(noise, snr_db) for noise in sound_noise.NOISES for snr_db in SNRS_DB]
MOST = 100  # events of a fold: each is named once in every condition


def named(family, fitted, events, rows, seed):
    """Return (which of the rows of Events were named: m, their probabilities in CONDITIONS: conditions x m x C, the C classes) by a family's model."""
    asked, found = spread(rows), []
    for condition in range(len(CONDITIONS)):
        heard = noisy(events, asked, condition, seed, measured=hasattr(family, "shuffled_names"))
        probability, classes = family.probabilities(fitted, heard, np.arange(len(asked)))
        found.append(probability)
    return asked, np.stack(found), classes


def spread(rows):
    """Return at most MOST rows, evenly from the first to the last."""
    return rows if len(rows) <= MOST else rows[np.linspace(0, len(rows) - 1, MOST).round().astype(int)]


def noisy(events, rows, condition, seed, measured=True):
    """Return the rows of Events in noise of CONDITIONS[condition]: their samples and, for who goes by a table, what is measured of these; else no table."""
    rng, (kind, snr_db) = np.random.default_rng([seed, condition]), CONDITIONS[condition]
    clips, lengths = np.asarray(events.samples[rows], np.float32), events.lengths[rows]
    noises = sound_noise.noise(kind, len(rows), clips.shape[1], events.sample_rate, rng)
    noises[np.arange(clips.shape[1]) >= lengths[:, None]] = 0
    clips = sound_noise.mixed(clips, noises, snr_db)
    columns = [list(wingbeat_features.FEATURES).index(name) for name in events.features]
    table = wingbeat_features.table(clips, events.sample_rate, lengths)[:, columns] if measured else None
    return events._replace(samples=clips, lengths=lengths, table=table, labels=events.labels[rows], groups=events.groups[rows],
                           clips=[events.clips[row] for row in rows])


def figures(named, seed):
    """Return the macro-F1 of the families in noise, None where there was none: {"snrs_db", "families": {family: {"as recorded": figure, noise: figures}}}.

    named: held_out.Named. A family's figures of a noise are in the order of snrs_db; all are of the same events.
    """
    if not named.noisy:
        return None
    found = {}
    for family in filter(named.noisy.get, named.families):
        rows, probability = named.noisy[family]
        said = np.concatenate([named.by[family, named.grouped[0]][None, rows], probability]).argmax(axis=2)
        clean, *others = comparisons.each_macro_f1(said, named.columns[rows], named.groups[rows], seed)
        at = {noise: [figure for figure, (kind, _) in zip(others, CONDITIONS) if kind == noise] for noise in sound_noise.NOISES}
        found[family] = {"as recorded": clean, **at}
    return {"snrs_db": list(SNRS_DB), "families": found}
