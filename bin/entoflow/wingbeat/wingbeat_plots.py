"""The pictures of a comparison of families."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from entoflow import plots
from entoflow.calibration import reliability
from entoflow.metric import Metric
from entoflow.wingbeat.learning_curves import LearningCurves
from entoflow.wingbeat.robustness import SNRS_DB, FamilyInNoise


def draw_scores(path: Path, scores: Sequence[tuple[str, Metric]]) -> None:
    """Draw the macro-F1 of families and baselines, by their titles, with intervals."""
    label = "macro-F1 (95 % interval over groups)"
    plots.intervals(path, scores, "Events of held-out groups", label)


def draw_confusion(
    path: Path, true_class: np.ndarray, probability: np.ndarray, classes: Sequence[str]
) -> None:
    """Draw how often events of each true class (n) are named as each (probability: n x C)."""
    predicted = probability.argmax(axis=1)
    plots.confusion(path, true_class, predicted, classes, "Which class is taken for which")


def draw_calibration(path: Path, true_class: np.ndarray, probability: np.ndarray) -> None:
    """Draw the share of events named right by the probability (n x C) of the name."""
    is_right = probability.argmax(axis=1) == true_class
    bins = reliability(probability.max(axis=1), is_right, 10)
    probabilities = [row.probability for row in bins]
    shares = [row.right for row in bins]
    lines = {"held-out events": (probabilities, shares), "as it should be": ([0, 1], [0, 1])}
    labels = ("probability of the name", "share right")
    plots.chart(path, lines, "How far probabilities can be believed", labels)


def draw_noise(
    path: Path, families: Mapping[str, FamilyInNoise], titles: Mapping[str, str]
) -> None:
    """Draw the macro-F1 of the families by signal-to-noise ratio, a panel for each noise."""
    noises = next(iter(families.values())).by_noise
    panels = {}
    for noise in noises:
        lines = {}
        for family, in_noise in families.items():
            values = [macro_f1.value for macro_f1 in in_noise.by_noise[noise]]
            lines[titles[family]] = (list(SNRS_DB), values)
        panels[noise] = lines
    labels = ("SNR, dB: event by noise", "macro-F1")
    plots.panels(path, panels, "Held-out events with noise added", labels)


def draw_learning_curve(path: Path, curves: LearningCurves, titles: Mapping[str, str]) -> None:
    """Draw the macro-F1 of the families by the number of events that they were trained on."""
    lines = {}
    for family, points in curves.families.items():
        n_events = [point.events for point in points]
        values = [point.macro_f1.value for point in points]
        lines[titles[family]] = (n_events, values)
    labels = ("events learned from", "macro-F1")
    plots.panels(path, {"What more recordings bring": lines}, "", labels)
