"""The pictures of a comparison of families."""
from entoflow import plots
from entoflow.calibration import reliability
from entoflow.sound_noise import NOISES


def draw(folder, named, comparison, probability):
    """Draw the families with their intervals, which classes are taken for which, how far probabilities can be believed, and curves of noise and of learning.

    named: held_out.Named. comparison: what compare_families.py writes. probability: n judged events x C.
    """
    rows, truth = comparison["families"], named.columns[named.rows]
    plots.intervals(folder / "families.png", [(row["name"], row["macro_f1"]) for row in rows.values()], "Events of held-out groups",
                    "macro-F1 (95 % interval over groups)")
    plots.confusion(folder / "confusion.png", truth, probability.argmax(axis=1), named.classes, "Which class is taken for which")
    bins = reliability(probability.max(axis=1), probability.argmax(axis=1) == truth, 10)
    plots.chart(folder / "calibration.png", {"held-out events": ([row["probability"] for row in bins], [row["right"] for row in bins]),
                                             "as it should be": ([0, 1], [0, 1])},
                "How far probabilities can be believed", ("probability of the name", "share right"))
    names = {family: row["name"] for family, row in rows.items()}
    if comparison["robustness"]:
        in_noise(folder / "noise.png", comparison["robustness"], names)
    if comparison["learning_curve"]:
        curves(folder / "learning_curve.png", comparison["learning_curve"], names)


def in_noise(path, robustness, names):
    """Draw the macro-F1 of the families (names: {family: what it is called}) by SNR, a panel a noise."""
    panels = {noise: {names[family]: (robustness["snrs_db"], [figure["value"] for figure in found[noise]]) for family, found in robustness["families"].items()}
              for noise in NOISES}
    plots.panels(path, panels, "Held-out events with noise added", ("SNR, dB: event by noise", "macro-F1"))


def curves(path, learning_curve, names):
    """Draw the macro-F1 of the families by how many events they learned from."""
    lines = {names[family]: ([point["events"] for point in points], [point["macro_f1"]["value"] for point in points])
             for family, points in learning_curve["families"].items()}
    plots.panels(path, {"What more recordings bring": lines}, "", ("events learned from", "macro-F1"))
