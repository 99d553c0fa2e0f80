"""The detection chain's part of the report: the verdict, then figures, samples, curves, weak boxes, data and models."""
from collections import Counter

from entoflow.pages import bullets, figure, flat, folded, key_figures, paragraph, picture, section, side_by_side, table, with_code
from entoflow.report.curves import curves, interval_bar
from entoflow.report.results import read
from entoflow.report.words import best_epoch, cautions, false_alarms, figure_of, next_steps, number, percent, verdict

TITLES = {"target_detector": "Target detector", "insect_detector": "Insect detector"}
SIZES = {"below_2": "less than 2", "2_to_5": "2 to 5", "5_to_15": "5 to 15", "above_15": "more than 15"}
ERRORS = {
    "missed": "Missed: an insect on which no detection lies",
    "background": "False alarm: a detection that lies on no insect",
    "look_alike": "of these, on photos of other species (look-alikes)",
    "duplicate": "Duplicate: a further detection of an insect already found",
    "poorly_placed": "Poorly placed: on an insect, but with too little overlap (IoU 0.1 to 0.5)",
}
FIGURES = {
    "recall": "Recall: share of the insects found, at the threshold",
    "precision": "Precision: share of the detections that are right, at the threshold",
    "f1": "F1 of both, at the threshold",
    "ap50": "AP50: average precision, boxes overlapping by half (IoU 0.5)",
    "ap75": "AP75: the same for closely fitting boxes (IoU 0.75)",
    "ap": "AP: mean over IoU 0.50 to 0.95 (COCO)",
    "recall_at_0.1_fppi": "Recall at 0.1 false alarms per image",
    "presence_auroc": "Presence AUROC: telling images with from images without",
    "count_mae": "Count error: insects per image, mean absolute",
    "false_alarms_per_empty_image": "False alarms per image without insects, at the threshold",
    "threshold": "Threshold, chosen on validation images and frozen",
    "corloc50": "CorLoc: target photos with a right accepted box (IoU 0.5)",
    "precision50": "Precision of the accepted boxes (IoU 0.5)",
    "recall50": "Recall of the accepted boxes (IoU 0.5)",
    "f1_50": "F1 of both",
    "corloc75": "CorLoc of closely fitting boxes (IoU 0.75)",
    "precision75": "Precision of closely fitting boxes (IoU 0.75)",
    "recall75": "Recall of closely fitting boxes (IoU 0.75)",
    "f1_75": "F1 of both (IoU 0.75)",
    **{f"bias_{side}": f"Bias of the {side} side: how far outside the true box, in shares of it" for side in ("left", "top", "right", "bottom")},
    **{f"recall50_{name}": f"Recall of insects of {words} % of the photo's longer side" for name, words in SIZES.items()},
    "ece": "Calibration error: how far the boxes' probability is from the share that is right",
    "mean_iou": "Mean overlap (IoU) of the boxes right at 0.5",
    "yield": "Yield: share of the target's photos that got an accepted box",
}
PLOTS = {
    "precision_recall": ("Precision against recall", "Precision against recall over all thresholds (IoU 0.5)."),
    "recall_vs_false_alarms": ("Recall against false alarms per image", "Recall against false alarms per image over all thresholds."),
    "confidence": ("Scores of right and wrong detections", "How scores part right detections from false alarms."),
}
NO_SHARES = ("threshold", "count_mae", "false_alarms_per_empty_image", "bias_left", "bias_top", "bias_right", "bias_bottom")
ROWS_SHOWN = 50


def told(folder, params):
    """Return (title, subtitle, [Html]) of the chain: the verdict first, then what it rests on."""
    found = read(folder, params)
    said, measured = verdict(found)
    title = f"Detection of {found['target']}" if found["target"] else "Detection of insects"
    parts = [
        paragraph(said, "verdict"), paragraph(measured, "measured"), tiles(found), bullets(cautions(found), "caution"),
        section("What to do next", bullets(with_code(step) for step in next_steps(found))),
        section("Figures", figures_table("The final detector on the test images." + mark(found), found["metrics"]), *what_goes_wrong(found)),
        section("Samples", *samples(found)), section("Curves", *plots(found)), section("Training", *training(found)),
        section("Weak boxes", *weak_boxes(found)), section("Review", *review(found)), section("Data", *data(found)), section("Models", *models(found)),
    ]
    return title, parts


def mark(found):
    return " SYNTHETIC data." if found["synthetic"] else ""


def tiles(found):
    metrics = found["metrics"]
    if not metrics:
        return ""
    alarms = false_alarms(metrics)
    if metrics.get("truth") == "labels":
        return key_figures([tile("Presence AUROC", number(figure_of(metrics, "presence_auroc")), found)])
    return key_figures([
        tile("Insects found", percent(figure_of(metrics, "recall")), found),
        tile("False alarms per image", "not measured" if alarms is None else f"{alarms:.2f}", found),
        tile("AP50", number(figure_of(metrics, "ap50")), found)])


def tile(name, value, found):
    """Part '87 % (79 to 93)' into the figure to see first and its remark."""
    value, _, span = value.partition(" (")
    remarks = ("SYNTHETIC data" if found["synthetic"] else "", f"95 % interval {span[:-1]}" if span else "")
    return name, value, " · ".join(remark for remark in remarks if remark)


def figures_table(caption, figures):
    """Return the table of metrics.json or quality.json; a figure that was not measured says why."""
    if not figures:
        return ""
    rows = []
    others = set(figures["metrics"]).difference(FIGURES, (f"{figure}_{size}" for figure in ("recall", "ap50") for size in SIZES))
    for name in [*(name for name in FIGURES if name in figures["metrics"]), *sorted(others)]:
        entry = figure_of(figures, name)
        value = "not measured" if entry["value"] is None else f"{entry['value']:.3f}"
        rows.append((FIGURES.get(name, name), value, interval(entry, name), interval_bar({} if name in NO_SHARES else entry),
                     entry.get("n", ""), entry.get("groups", "")))
    return table(caption, ("figure", "value", "95 % interval", "0 to 1", "n", "groups"), rows, numbers=(1, 2, 4, 5))


def interval(entry, name):
    if entry["value"] is None:
        return "nothing to measure it on"
    if entry["low"] is not None:
        return f"{entry['low']:.3f} to {entry['high']:.3f}"
    return "chosen, not estimated" if name == "threshold" else "too few groups"


def what_goes_wrong(found):
    """Return the tables of errors by kind and of figures by size; empty where there were no true boxes to tell by."""
    errors = (found["metrics"] or {}).get("errors")
    if not errors:
        return []
    kinds = {"metrics": errors}
    rows = [(words, *counts(errors[name]), number(figure_of(kinds, name))) for name, words in ERRORS.items() if name in errors]
    by_size = [(f"{words} %", percent(figure_of(found["metrics"], f"recall_{size}")), number(figure_of(found["metrics"], f"ap50_{size}")),
                figure_of(found["metrics"], f"recall_{size}").get("n", "")) for size, words in SIZES.items()]
    return [
        table("What goes wrong, and by how much AP50 would rise if every error of that kind, and no other, were mended: the larger, the more it matters. "
              "A user sees those from the threshold up; AP50 weighs detections of all scores. Kinds after TIDE (Bolya et al. 2020)."
              + mark(found),
              ("kind of error", "from the threshold up", "of all scores", "AP50 to gain"), rows, numbers=(1, 2, 3)),
        table("Small and large insects: the size is the root of the box's area, in per cent of the photo's longer side." + mark(found),
              ("size of the insect", "found, at the threshold", "AP50", "insects"), by_size, numbers=(1, 2, 3))]


def counts(error):
    """Return how many errors, from the threshold up and in all; unknown where no label tells of other species."""
    return (error["n_at_threshold"], error["n"]) if error["value"] is not None else ("not known", "not known")


def samples(found):
    name = found["target"] or "insects"
    return (
        picture(found["weak_pictures"] / "samples.png", f"Photos labelled {name} with their weak boxes",
                "Weak boxes: what the label and the insect detector made of photos without boxes." + mark(found)),
        picture(found["plots"] / "best.png", f"Test images on which the detector of {name} did best, with boxes",
                "Final detector, its best test images: true boxes and detections." + mark(found)),
        picture(found["plots"] / "worst.png", f"Test images on which the detector of {name} did worst, with boxes",
                "Final detector, its worst test images: what it missed or saw wrongly." + mark(found)),
        picture(found["plots"] / "false_alarms.png", f"The surest false alarms of the detector of {name}, with their surroundings",
                "Final detector, its surest false alarms. Look closely: a real insect among them is missing in the true boxes, "
                "and the detector is better than its figures say." + mark(found)),
    )


def plots(found):
    known = [picture(found["plots"] / f"{name}.png", alt, words + mark(found)) for name, (alt, words) in PLOTS.items()]
    others = sorted(set(found["plots"].glob("*.png")) - {found["plots"] / f"{name}.png" for name in (*PLOTS, "best", "worst", "false_alarms")})
    return [side_by_side(*known, *(picture(path, spaced(path), spaced(path).capitalize() + "." + mark(found)) for path in others))]


def spaced(path):
    return path.stem.replace("_", " ")


def training(found):
    """One row of charts per model: the loss, and what validation said."""
    for name, model in found["models"].items():
        rows, best = [row for row in model["training"] if "epoch" in row], best_epoch(model["training"])
        if not rows:
            continue
        names = [column for column in rows[-1] if column not in ("epoch", "best_epoch")]
        losses = {column: column.replace("_", " ") for column in names if "loss" in column}
        scores = {column: column.replace("validation_", "").replace("val_", "").upper() for column in names
                  if column.startswith("val") and column not in losses}
        yield section(TITLES[name], side_by_side(
            chart("Loss in training", rows, losses, best, None, found), chart("Validation", rows, scores, best, 1, found)), level=3)


def chart(title, rows, columns, best, top, found):
    series = {label: [(row["epoch"], row[column]) for row in rows if column in row] for column, label in columns.items()}
    drawn = curves(title, {label: line for label, line in series.items() if line}, best, top)
    ended = f" The dashed line marks the best epoch, {best:g}, whose weights were kept." if best is not None else ""
    return figure(drawn, f"{title}.{ended}{mark(found)}") if drawn else ""


def weak_boxes(found):
    if not found["weak"]:
        return []
    weak, info = found["weak"], found["weak"]["info"]
    rule = f" by the rule '{info['rule']}'" if "rule" in info else ""
    scores = f" (accepted from score {info['accept']:.3f}, ignored from {info['ignore']:.3f})" if {"accept", "ignore"} <= set(info) else ""
    said = (f"{weak['boxed']} of {weak['photos']} photos labelled {found['target']} got an accepted box{rule}{scores}. "
            f"Of all candidate boxes, {weak['bands']['accept']} are accepted, {weak['bands']['ignore']} ignored and {weak['bands']['drop']} dropped. "
            f"{opinions(info)}A photo without an accepted box is left out and never serves as background.")
    absent = "" if found["quality"] else "Not measured: no true boxes were given for labelled images (--audit_boxes)."
    pictures = [picture(path, spaced(path), "Weak boxes: " + spaced(path) + "." + mark(found))
                for path in sorted(found["weak_pictures"].glob("**/*.png")) if path.name != "samples.png"
                and "review" not in path.parts]
    return [paragraph(said), *rounds(found), paragraph(absent, "soft"),
            figures_table("The weak boxes against the true boxes (audit_boxes), which took no part in making them." + mark(found), found["quality"]),
            ablation_table(found), side_by_side(*pictures)]


def rounds(found):
    """Return how the rounds went, where there was more than one: a curve and its figures."""
    rows = found["rounds"]
    if len(rows) < 2:
        return []
    names = {"held_out_f1": "held-out F1", "true_f1": "true F1"}
    best = next(row["round"] for row in rows if row["kept"] == "yes")
    drawn = curves("F1 by round", {words: [(row["round"], row[name]) for row in rows if name in row] for name, words in names.items()
                                   if any(name in row for row in rows)}, best, 1, "round")
    told = [(f"{row['round']:g}", row["kept"], *(f"{row[name]:g}" for name in ("photos_with_box", "accepted", "ignored")),
             *(number({"value": row.get(name), "low": row.get(f"{name}_low"), "high": row.get(f"{name}_high")}) for name in names)) for row in rows]
    ended = f" Round {rows[-1]['round']:g} did not raise it and is not kept." if rows[-1]["kept"] == "no" else ""
    return [side_by_side(figure(drawn, "Rounds: in each, the last round's detector makes the weak boxes anew. The dashed line marks the round kept."
                                + mark(found))),
            table("Held-out F1: of the round's detector on photos it did not learn from, against the round's own weak boxes; another round follows where "
                  f"it rises.{ended} True F1: of the weak boxes against audit boxes, which decide nothing.{mark(found)}",
                  ("round", "kept", "photos with a box", "accepted", "ignored", *names.values()), told, numbers=(0, 2, 3, 4, 5, 6))]


def review(found):
    """Return which photos a person should look at first, and how to give the corrected boxes back."""
    rows = found["review"]
    if not found["weak"]:
        return []
    done = found["weak"]["info"].get("reviewed")
    said = f"{done} photos were reviewed by a person: exactly the boxes left on them are accepted. " if done else ""
    if not rows:
        return [paragraph(said or "No box is worth a look.")]
    return [paragraph(f"{said}{len(rows)} boxes and photos are worth a person's look, by how likely the decision is wrong times what a wrong one "
                      "costs the training: weak_boxes/review/review.csv has them all."),
            picture(found["weak_pictures"] / "review/review.png", "Photos most worth a look, each with its box and the reason",
                    "Photos most worth a look and why; the number is the probability that the box shows the target." + mark(found)),
            paragraph(with_code("Correct them in Label Studio (weak_boxes/review/label_studio.json) or Supervisely (weak_boxes/review/supervisely), "
                                "export them, and give the export to the same command: --reviewed EXPORT -resume (docs/detection.md)."))]


def opinions(info):
    """Return what the rule full had to go by besides scores."""
    if info.get("rule") != "full":
        return ""
    return (f"A crop classifier gave a second opinion of {info['crops']} of them. " if info.get("crops") else
            "No crop classifier gave a second opinion: its photos are of fewer than 20 groups, or it could not tell the target from the rest on groups "
            "that it had not seen. ")


def ablation_table(found):
    """Return the table of ablation.json: what each step of the rule gives on these photos."""
    if not found["ablation"] or not found["ablation"]["rows"]:
        return ""

    def words(entry):
        return number(entry) if entry else ""

    rows = [(row["boxes"], words(row["f1_50"]), words(row["gain"])) for row in found["ablation"]["rows"]]
    return table(f"What each step of the rule '{found['ablation']['rule']}' gives on the {found['ablation']['n']} photos with audit boxes: F1 (IoU 0.5) "
                 f"without it, and by the simpler rules. The same photos are resampled for both.{mark(found)}",
                 ("boxes by", "F1", "gain of the rule used"), rows, numbers=(1, 2))


def data(found):
    return [split_table(found), audit_summary(found), left_out_table(found)]


def split_table(found):
    """Count images by part for each label, class or role that split.csv tells apart, and groups by part."""
    rows = found["split"]
    if not rows:
        return ""
    keys = [name for name in ("role", "label", "class") if name in rows[0]]
    parts = sorted({row.get("part") or "" for row in rows}, key=lambda part: ({"train": 0, "validation": 1, "test": 2}.get(part, 3), part))
    counts = Counter((tuple(row[key] or "-" for key in keys), row.get("part") or "") for row in rows)
    kinds = sorted({kind for kind, _ in counts})
    body = [(" / ".join(kind) or "images", *(counts[kind, part] for part in parts), sum(counts[kind, part] for part in parts))
            for kind in kinds]
    if len(kinds) > 1:
        body.append(("all images", *(sum(counts[kind, part] for kind in kinds) for part in parts), len(rows)))
    if "group" in rows[0]:
        groups = {part: len({row["group"] for row in rows if (row.get("part") or "") == part}) for part in parts}
        body.append(("groups", *groups.values(), len({row["group"] for row in rows})))
    header = (" / ".join(keys) or "images", *(part or "no part" for part in parts), "all")
    return table("Images by part. A group is never split between parts." + mark(found), header, body, numbers=range(1, len(header)))


def audit_summary(found):
    rows = [(*(name.split(": ", 1) + [""])[:2], count) for name, count in sorted(found["audit"]["summary"].items())]
    return table("What the run found and did, by task. Each has a row in audit.json.", ("task", "action", "rows"), rows, numbers=(2,))


def left_out_table(found):
    rows = found["left_out"]
    if not rows:
        return paragraph("Nothing was left out.")
    shown = [(row.get("image") or "-", "" if row.get("row") is None else row["row"], row.get("source") or "", row.get("stage", ""),
              row.get("reason", "")) for row in rows[:ROWS_SHOWN]]
    more = f" The first {ROWS_SHOWN}; {len(rows) - ROWS_SHOWN} more in audit.json." if len(rows) > ROWS_SHOWN else ""
    return folded(f"What was left out and why: {len(rows)}",
                  table(f"Left out.{more}", ("image", "row", "source", "task", "reason"), shown, numbers=(1,)))


def models(found):
    for name, model in found["models"].items():
        facts = model["facts"]
        provenance = facts.get("provenance", {})
        rows = [("classes", ", ".join(facts.get("classes", []))), ("input", flat(facts.get("input"))),
                ("threshold", facts.get("threshold")), ("seed", provenance.get("seed")), ("data", flat(provenance.get("data"))),
                ("parameters", flat(provenance.get("parameters"))), ("code", flat(provenance.get("code"))),
                ("packages", flat(provenance.get("packages"))), ("weights sha256", provenance.get("weights_sha256")),
                ("licence", facts.get("licence"))]
        yield section(TITLES[name], table(f"From {name}/model.json.", ("what", "value"), [row for row in rows if row[1] not in (None, "")]),
                      figures_table("On the images it was chosen by: these figures flatter it." + mark(found), facts), level=3)
