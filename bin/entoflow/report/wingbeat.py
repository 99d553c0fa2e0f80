"""The wingbeat chain's part of the report: which family, then what each is worth on groups that it did not learn from."""
from collections import Counter

from entoflow.pages import bullets, key_figures, paragraph, picture, section, side_by_side, table
from entoflow.report.curves import interval_bar
from entoflow.report.detection import audit_summary, left_out_table
from entoflow.report.events import events
from entoflow.report.results import read_csv, read_json
from entoflow.report.words import number

FIGURES = {
    "macro_f1": "F1, each class weighing the same",
    "balanced_accuracy": "Named right, each class weighing the same",
    "top2": "Right name among the two likeliest",
    "label_set_coverage": "Label sets that hold the right name (0.9 wanted)",
    "label_set_size": "Names in a label set",
    "ece": "Calibration error: how far probabilities are from the share right",
    "ece_before": "The same before calibration",
    "brier": "Brier score of the likeliest name",
    "unknown_auroc": "Telling classes left out of the learning from the others (AUROC)",
}
NO_SHARES = {"label_set_size"}
F0, F0_AT_25, F0_RISE = "f0_median_hz_", "f0_at_25_median_hz_", "f0_percent_per_degc"
MOST_FEATURES = 10  # listed
WORTH_TELLING = 0.05  # of macro-F1, lost on new sensors
PLOTS = {
    "families": ("Families on the same folds", "Macro-F1 of each family, and of ways that hardly listen, with intervals over groups."),
    "confusion": ("Which class is taken for which", "Events of held-out groups by the best family."),
    "calibration": ("Probability against share right", "How far a name's probability can be believed."),
}
NOISE = ("Macro-F1 of each family by the ratio of signal to noise, a panel for white, pink, hum and wind noise",
         "Noise was added to held-out events, the same for all families.")
LEARNING = ("Macro-F1 of each family by the number of events learned from", "A quarter and half of the groups, and all; the same held-out events.")


def told(folder, params):
    """Return (title, [Html]) of the chain: the verdict first, then what it rests on."""
    found = {"synthetic": bool(params.get("demo")), "metrics": (read_json(folder / "evaluation/metrics.json") or {}).get("metrics", {}),
             "comparison": read_json(folder / "comparison.json") or {}, "split": read_csv(folder / "split.csv"),
             "audit": read_json(folder / "audit.json") or {"summary": {}, "rows": []}, "plots": folder / "evaluation/plots"}
    found["left_out"] = [row for row in found["audit"]["rows"] if row.get("action") == "left out"]
    before = "SYNTHETIC DATA: " if found["synthetic"] else ""
    return "Wingbeat: which family of models?", [
        paragraph(f"{before}{found['comparison'].get('verdict', 'Nothing was compared.')}", "verdict"), paragraph(measured(found), "measured"), tiles(found),
        bullets(cautions(found), "caution"), section("Every family on the same folds", families(found), differences(found), other_divisions(found)),
        section("Pictures", side_by_side(*(picture(found["plots"] / f"{name}.png", *words) for name, words in PLOTS.items()))),
        events(found["plots"]),
        section("More recordings, or another family?", *more_recordings(found)), section("In noise", *in_noise(found)),
        section("What the features go by", *importances(found)),
        section("Figures of the choice", figures(found), pitches(found)), section("Data", classes(found), audit_summary(found), left_out_table(found))]


def measured(found):
    comparison = found["comparison"]
    if not comparison:
        return ""
    groups = len({row["group"] for row in found["split"]})
    return (f"Measured on {comparison['n']} events of {groups} groups, each named by models that learned from other groups ({comparison['folds']} folds, seed "
            f"{', '.join(map(str, comparison['seeds']))}). In brackets: 95 % intervals over groups.")


def tiles(found):
    remark = "SYNTHETIC data" if found["synthetic"] else ""
    shown = [(name, found["metrics"][key], remark) for key, name in (("macro_f1", "F1 over classes"), ("balanced_accuracy", "Named right, over classes"),
                                                                     ("top2", "Right among two")) if key in found["metrics"]]
    return key_figures([(name, number(entry), remark) for name, entry, remark in shown])


def cautions(found):
    gaps = [(row["name"], row["optimism_gap"]["value"]) for row in found["comparison"].get("families", {}).values() if row.get("optimism_gap")]
    most = max(gaps, key=lambda gap: gap[1], default=("", 0))
    lone = [row["reason"] for row in found["audit"]["rows"] if row.get("stage") == "split_recordings" and row.get("action") == "note"]
    return [words for words in (
        "SYNTHETIC: the sounds are made by a program. The figures show that the suite works; they say nothing about real insects."
        if found["synthetic"] else "",
        f"With single events held out instead of groups, {most[0]} would seem {most[1]:.2f} better in macro-F1: that is what events of one group "
        "tell of each other, and is lost on new recordings." if most[1] > 0.02 else "", new_sensors(found["comparison"]), *lone) if words]


def new_sensors(comparison):
    """Return what the best family loses on sensors that it did not learn from, and which one does better there; nothing where that is little."""
    by_sensor = {family: row["sensor_macro_f1"]["value"] for family, row in comparison.get("families", {}).items() if "sensor_macro_f1" in row}
    best = (comparison.get("best") or [None])[0]
    if best not in by_sensor or by_sensor[best] > comparison["families"][best]["macro_f1"]["value"] - WORTH_TELLING:
        return ""
    first, own = max(by_sensor, key=by_sensor.get), comparison["families"][best]
    better = (f" There {comparison['families'][first]['name']} is ahead ({by_sensor[first]:.2f}): for other sensors, a model of it comes with "
              f"--families {first}.") if first != best else ""
    return f"On a sensor that it did not learn from, {own['name']} falls from {own['macro_f1']['value']:.2f} to {by_sensor[best]:.2f} in macro-F1.{better}"


def families(found):
    rows = [(row["name"], number(row["macro_f1"]), interval_bar(row["macro_f1"]), "" if row["p_best"] is None else f"{row['p_best']:.2f}",
             number(row["balanced_accuracy"]) if "balanced_accuracy" in row else "", f"{row['seconds']:.1f}" if "seconds" in row else "")
            for row in found["comparison"].get("families", {}).values()]
    return table("Macro-F1 on held-out groups, how often a family is the best when groups are drawn anew, and seconds of one fold's learning.",
                 ("family", "macro-F1", "0 to 1", "chance to be best", "named right", "seconds"), rows, numbers=(1, 3, 4, 5))


def other_divisions(found):
    rows = [(row["name"], number(row["optimism_gap"]), number(row["sensor_macro_f1"]) if "sensor_macro_f1" in row else "")
            for row in found["comparison"].get("families", {}).values() if "optimism_gap" in row]
    return table("How much better macro-F1 would seem with single events held out, and what it is on sensors that were not learned from.",
                 ("family", "flattery", "new sensor"), rows, numbers=(1, 2))


def differences(found):
    names = {row["name"] for row in found["comparison"].get("families", {}).values()}
    rows = [(f"{pair['a']} less {pair['b']}", number(pair), "" if pair["p_holm"] is None else f"{pair['p_holm']:.3f}", pair["verdict"])
            for pair in found["comparison"].get("pairs", []) if {pair["a"], pair["b"]} <= names]
    return table("Differences on the same resamples; p by Holm's rule, as many pairs are looked at.", ("difference", "macro-F1", "p", "verdict"), rows,
                 numbers=(1, 2))


def more_recordings(found):
    curve = found["comparison"].get("learning_curve")
    return [paragraph(curve["verdict"]), picture(found["plots"] / "learning_curve.png", *LEARNING)] if curve else []


def in_noise(found):
    noise = found["comparison"].get("robustness")
    if not noise:
        return []
    at, names = noise["snrs_db"].index(0), {family: row["name"] for family, row in found["comparison"]["families"].items()}
    kinds = [kind for kind in next(iter(noise["families"].values())) if kind != "as recorded"]
    rows = [(names[family], number(figures["as recorded"]), *(number(figures[kind][at]) for kind in kinds)) for family, figures in noise["families"].items()]
    told = table("Macro-F1 on held-out events as they were recorded, and with as much power of noise as of the event added.",
                 ("family", "as recorded", *kinds), rows, numbers=range(1, 2 + len(kinds)))
    return [told, picture(found["plots"] / "noise.png", *NOISE)]


def importances(found):
    said = found["comparison"].get("importances")
    if not said:
        return []
    kinds, features = (sorted(said[name].items(), key=lambda item: -item[1]["value"]) for name in ("kinds", "features"))
    return [table("By how much macro-F1 of the family of features falls on held-out events when a whole kind of features is shuffled among them.",
                  ("kind", "fall"), [(name, number(entry)) for name, entry in kinds], numbers=(1,)),
            table("The same of single features, the foremost. Features that say the same stand in for each other: each may matter little, and both much.",
                  ("feature", "fall"), [(name, number(entry)) for name, entry in features[:MOST_FEATURES]], numbers=(1,))]


def figures(found):
    rows = [(words, number(entry), "" if name in NO_SHARES else interval_bar(entry), entry["n"])
            for name, words in FIGURES.items() for entry in [found["metrics"].get(name)] if entry]
    return table("Each fold named by the family that was best on the other folds, calibrated on these: the choice is counted in.",
                 ("figure", "value", "0 to 1", "n"), rows, numbers=(1, 3))


def pitches(found):
    rows = [(name.removeprefix(F0), number(entry), number(found["metrics"].get(F0_AT_25 + name.removeprefix(F0), {})), entry["n"])
            for name, entry in found["metrics"].items() if name.startswith(F0)]
    if F0_RISE not in found["metrics"]:
        return table("Median fundamental frequency of each class, Hz, of events where it is sure.", ("class", "Hz", "events"),
                     [(name, hz, n) for name, hz, _, n in rows], numbers=(1, 2))
    return table(f"Median fundamental frequency of each class, Hz, of events where it is sure, and what it would be at 25 °C: within classes it rises by "
                 f"{number(found['metrics'][F0_RISE])} % per °C.", ("class", "Hz", "at 25 °C", "events"), rows, numbers=(1, 2, 3))


def classes(found):
    events, groups = Counter(row["label"] for row in found["split"]), {}
    for row in found["split"]:
        groups.setdefault(row["label"], set()).add(row["group"])
    return table("Events by class. A group is never split between learning and judging.", ("class", "events", "groups"),
                 [(label, n, len(groups[label])) for label, n in sorted(events.items())], numbers=(1, 2))
