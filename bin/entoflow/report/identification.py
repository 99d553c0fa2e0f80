"""The identification chain's part of the report: the verdict, then figures beside the baselines, the gallery, the data."""
from collections import Counter

from entoflow.pages import bullets, figure, key_figures, paragraph, picture, section, side_by_side, table, with_code
from entoflow.report.curves import curves, interval_bar
from entoflow.report.detection import audit_summary, left_out_table
from entoflow.report.results import numeric, read_csv, read_json
from entoflow.report.words import number, percent

RANKS = {"species": "species", "genus": "genus, the species being unsure", "family": "family, the genus being unsure"}
FIGURES = {
    "top1": "Named right: share of the test specimens of known classes",
    "top5": "Right name among the five likeliest",
    "macro_top1": "Named right, each class weighing the same",
    "macro_f1": "F1, each class weighing the same",
    **{f"top1_support_{name}": f"Named right where the gallery has {words} of the class" for name, words in (
        ("1", "one specimen"), ("2", "two specimens"), ("3", "three specimens"), ("4_or_more", "four specimens or more"))},
    "ece": "Calibration error: how far probabilities are from the share right",
    "ece_before": "The same before calibration",
    "brier": "Brier score of the likeliest name",
    "aurc": "Mean share wrong when only the surest are named",
    "label_set_coverage": "Label sets that hold the right name (0.9 wanted)",
    "label_set_size": "Names in a label set",
    "unknown_auroc": "Telling unknown classes from known ones (AUROC)",
    "unknown_auroc_near": "The same, of unknown classes with a sister in the gallery",
    "unknown_auroc_far": "The same, of unknown classes without",
    "unknown_fpr95": "Unknown images let in when 95 % of the known are",
    "oscr": "Named right against unknown let in, area (OSCR)",
    "known_accepted": "Known images with the verdict known",
    "unknown_refused": "Unknown images with another verdict",
    **{f"{rank}_named": f"Sure enough to be named by {words}, of all test and unseen images" for rank, words in RANKS.items()},
    **{f"{rank}_named_right": f"Named by {words}, and right" for rank, words in RANKS.items()},
    "near_genus_named": "Unseen classes with a sister in the gallery: named by genus",
    "near_genus_named_right": "Unseen classes with a sister in the gallery: named by genus, and right",
    "recall_at_1": "Unseen classes: the most similar image is of the class",
    "recall_at_5": "Unseen classes: one of the five most similar is",
    "r_precision": "Unseen classes: R-precision",
    "map_at_r": "Unseen classes: MAP@R",
    "lone_queries": "Unseen images without a second specimen, not asked",
    **{f"enrolled_top1_{n}": f"New classes named right among all, {n} specimen{'s' * (n > 1)} of each enrolled" for n in (1, 2, 3)},
    "cluster_ami": "Clusters of unseen classes, made as if nobody knew these: agreement (AMI)",
    "ari": "The same, adjusted Rand index",
    "v_measure": "The same, V-measure",
    "purity": "Share of unseen images that are of their cluster's most frequent class",
    "n_clusters": "Clusters of unseen images",
    "n_classes": "Unseen classes",
    "share_unclustered": "Unseen images in no cluster",
    **{f"old_top1_change_{n}": f"What that changed for the old classes ({n})" for n in (1, 2, 3)},
}
PARTS = {"train": "the embedder learns from them", "validation": "choices are made on them", "test": "named, to be measured",
         "unseen": "classes held out whole",
         "rest": "their group spans parts: enrolled, not measured"}
NO_SHARES = {"label_set_size", "lone_queries", "n_clusters", "n_classes"}
VECTORS = {"chance": "chance", "colours": "colours (histogram)", "pixels": "pixels (32 x 32)", "frozen": "embedder as given",
           "projected": "projection behind it, that of the choice", "projected_refit": "projection behind it, refit on all but test and unseen",
           "trained": "trained embedder, that of the choice", "trained_refit": "trained embedder, refit on all but test and unseen"}
LEARNED = {"projected": "projection", "trained": "embedder"}
PLOTS = {
    "known_unknown": ("Scores of known and unknown classes", "How surely images of the gallery's classes and of others are taken for known."),
    "calibration": ("Probability against share right", "How far a name's probability can be believed."),
    "risk_coverage": ("Share wrong against share named", "What leaving the less sure names to a person gives."),
}


def told(folder, params):
    """Return (title, [Html]) of the chain: the verdict first, then what it rests on."""
    found = {
        "params": params, "synthetic": bool(params.get("demo")), "metrics": read_json(folder / "evaluation/metrics.json"),
        "ladder": read_json(folder / "evaluation/ladder.json"), "enrolment": read_json(folder / "enrolment.json"),
        "facts": read_json(folder / "embedder/model.json"), "training": epochs(read_csv(folder / "training.csv")),
        "identified": read_csv(folder / "identified.csv"), "clusters": read_csv(folder / "clusters.csv"),
        "label_audit": read_csv(folder / "label_audit.csv"), "split": read_csv(folder / "split.csv"), "plots": folder / "evaluation/plots",
        "audit": read_json(folder / "audit.json") or {"summary": {}, "rows": []},
    }
    found["left_out"] = [row for row in found["audit"]["rows"] if row.get("action") == "left out"]
    told_parts = [
        paragraph(verdict(found), "verdict"), paragraph(measured(found), "measured"), tiles(found), bullets(cautions(found), "caution"),
        section("What to do next", bullets(with_code(step) for step in next_steps(found))),
        section("Figures", figures_table(found)), section("Beside the baselines", *baselines(found)),
        section("Curves", side_by_side(*(picture(found["plots"] / f"{name}.png", *words) for name, words in PLOTS.items()))),
        section("Enrolment", *enrolment(found)), section("Identified", *identified(found)),
        section("Clusters", *clusters(found)), section("Labels to check", *doubtful(found)), section("Training", *training(found)),
        section("Data", parts(found), audit_summary(found), left_out_table(found)),
    ]
    return "Identification of specimens", told_parts


def entry(found, name):
    return (found["metrics"] or {}).get("metrics", {}).get(name) or {"value": None, "low": None, "high": None, "n": 0}


def verdict(found):
    before = "SYNTHETIC DATA: " if found["synthetic"] else ""
    if not found["metrics"]:
        return f"{before}{(found['enrolment'] or {}).get('sentence') or 'The gallery was used as it is; nothing was measured.'}"
    auroc = entry(found, "unknown_auroc")
    told_apart = "were not measured" if auroc["value"] is None else f"are told from known ones with an AUROC of {number(auroc)}"
    return f"{before}{percent(entry(found, 'top1'))} of the test specimens are named right; unknown classes {told_apart}."


def measured(found):
    if not found["metrics"]:
        return ""
    classes = Counter(part for _, part in {(row["label"], row["part"]) for row in found["split"]})
    of = f" of {classes['test']} classes" if classes["test"] else ""
    beside = f", and on {classes['unseen']} classes held out whole" if classes["unseen"] else ""
    return (f"Measured on {entry(found, 'top1')['n']} specimens{of} that nothing learned from{beside}. In brackets: 95 % intervals, the wider of that over "
            "classes and that over groups.")


def tiles(found):
    if not found["metrics"]:
        return ""
    remark = "SYNTHETIC data" if found["synthetic"] else ""
    return key_figures([(name, *parted(value, remark)) for name, value in (
        ("Named right", percent(entry(found, "top1"))), ("Right among five", percent(entry(found, "top5"))),
        ("Unknown told (AUROC)", number(entry(found, "unknown_auroc"))))])


def parted(value, remark):
    value, _, span = value.partition(" (")
    return value, " · ".join(part for part in (remark, f"95 % interval {span[:-1]}" if span else "") if part)


def cautions(found):
    facts = found["facts"] or {}
    weights = facts.get("provenance", {}).get("parameters", {}).get("weights")
    return [words for words in (
        "SYNTHETIC: the images are drawn by a program. The figures show that the suite works; they say nothing about real insects."
        if found["synthetic"] else "",
        "The embedder started from random weights. Pretrained ones are usually far better on few specimens." if weights == "none" else "",
        (found["metrics"] or {}).get("verdict", ""),
    ) if words]


def next_steps(found):
    steps = []
    if found["metrics"] and not found["identified"]:
        steps.append("To name images: ./nextflow run . --gallery RESULTS/identification/gallery --unlabelled FOLDER")
    if found["clusters"]:
        steps.append("To name the unknown many at a time, open identification/sheet/sheet.html, save review.csv, and give it back with --reviewed.")
    steps.append("To look at the images by their likeness, open identification/map.html, beside this page.")
    steps.append("To enrol new specimens, of old classes or new: ./nextflow run . --gallery RESULTS/identification/gallery --specimens NEW.csv")
    last = found["training"].get("trained", [{"best_epoch": 0, "epoch": 1}])[-1]
    if last["best_epoch"] >= 0.9 * last["epoch"]:
        steps.insert(0, f"The embedder was still improving in its last epochs ({last['best_epoch']:.0f} of {last['epoch']:.0f} was best): raise --max_epochs.")
    if list(found["training"]) == ["projected"]:
        steps.append("The network itself was not trained, a projection behind it was. With a GPU, or hours of time, try --fine_tune true: it ships only "
                     "where it is better.")
    return steps


def figures_table(found):
    if not found["metrics"]:
        return ""
    given = found["metrics"]["metrics"]
    rows = []
    for name in [*(name for name in FIGURES if name in given), *sorted(set(given) - set(FIGURES))]:
        measure = given[name]
        value = "not measured" if measure["value"] is None else f"{measure['value']:.3f}"
        span = "" if measure["low"] is None else f"{measure['low']:.3f} to {measure['high']:.3f}"
        bar = interval_bar({} if name in NO_SHARES or name.startswith("old_") else measure)
        rows.append((FIGURES.get(name, name), value, span, bar, measure["n"]))
    mark = " SYNTHETIC data." if found["synthetic"] else ""
    return table("On specimens that neither the embedder nor any choice saw. Without an interval: fewer than 20 classes or groups." + mark,
                 ("figure", "value", "95 % interval", "0 to 1", "n"), rows, numbers=(1, 2, 4))


def baselines(found):
    rows = [(*way(row), number(row["top1"]), compared(row)) for row in (found["metrics"] or {}).get("comparison", [])]
    ladder = [(*way(row), number(row["top1"]), f"{row['unknown_auroc']:.3f}", f"{row['seconds']:.1f}") for row in (found["ladder"] or {}).get("ladder", [])]
    return (
        table("Test specimens named right, each kind of vectors by the way that was best on the validation specimens.",
              ("vectors", "way", "named right", "the chosen one less this"), rows, numbers=(2,)),
        table("The ladder: every way on the validation specimens, each judged by a gallery without its own group. The unknown were told by a fit on the same "
              "images, so that column flatters.", ("vectors", "way", "named right", "unknown told (AUROC)", "seconds"), ladder, numbers=(2, 3, 4)))


def way(row):
    return VECTORS.get(row["vectors"], row["vectors"]), row["head"].replace("_", " ")


def compared(row):
    difference = row.get("chosen_less_this")
    if not difference or difference["value"] is None:
        return ""
    if difference["low"] is None:
        return f"{difference['value']:+.3f} (too few classes or groups for an interval)"
    return f"{difference['value']:+.3f} ({difference['low']:+.3f} to {difference['high']:+.3f}): {difference['verdict']}"


def enrolment(found):
    facts = found["enrolment"] or {}
    rivals = [(label, ", ".join(f"{name} ({likeness:.2f})" for name, likeness in near)) for label, near in (facts.get("rivals") or {}).items()]
    lost = [(label, n) for label, n in (facts.get("lost") or {}).items()]
    return (paragraph(f"{facts['enrolled']} specimens enrolled, {facts['skipped']} were there already. {facts.get('sentence', '')}") if facts else "",
            table("New classes and the old ones most like them (cosine of the means).", ("new class", "nearest old classes"), rivals),
            table("Old classes of which specimens were named right before and wrong after.", ("class", "specimens"), lost, numbers=(1,)))


def identified(found):
    if not found["identified"]:
        return ()
    counts = Counter(row["verdict"] for row in found["identified"])
    names = Counter(row["label"] for row in found["identified"] if row["verdict"] == "known").most_common(20)
    return (paragraph(", ".join(f"{verdict} {counts[verdict]}" for verdict in ("known", "unknown", "reject")) + f" of {len(found['identified'])} images."),
            paragraph(named_by_rank(found["identified"])),
            table("The most frequent names among those known.", ("class", "images"), names, numbers=(1,)))


def named_by_rank(rows):
    """Return how many images have a name that is sure enough, and of what rank."""
    counts = Counter(row.get("rank", "") for row in rows)
    named = [f"{counts[rank]} by {rank}" for rank in RANKS if counts[rank]]
    return f"Sure enough to be named: {', '.join(named)}; {counts['']} not (columns taxon and rank of identified.csv)." if named else ""


def clusters(found):
    """Return what is told of the clusters, the largest first."""
    if not found["clusters"]:
        return ()
    sizes = Counter(row["cluster"] for row in found["clusters"])
    alone = sizes.pop("-1", 0)
    near = {row["cluster"]: (row["nearest_known"], f"{float(row['distance']):.2f}") for row in found["clusters"]}
    rows = [(name, n, *near[name]) for name, n in sizes.most_common(15)]
    return (paragraph(f"{len(sizes)} clusters of {sum(sizes.values())} images; {alone} images are like no other. identification/clusters.csv has all."),
            table("The largest clusters, and the known class that each is most like (1 - cosine of the means).", ("cluster", "images", "most like", "distance"),
                  rows, numbers=(1, 3)))


def doubtful(found):
    """Return the labels that other specimens contradict, the first few."""
    rows = [(row["image"], row["label"], row["suggested"], f"{float(row['doubt']):.2f}") for row in found["label_audit"][:15]]
    return (paragraph(f"{len(found['label_audit'])} labels are contradicted by other specimens; many are look-alikes. identification/label_audit.html shows "
                      "them beside both classes." if rows else ""),
            table("The most doubtful: how much likelier the other class is.", ("image", "label", "more like", "doubt"), rows, numbers=(3,)))


def epochs(rows):
    """Return {embedder: the rows of its epochs}, of the trainings that were validated."""
    found = {}
    for row in rows:
        if row["validation"]:
            found.setdefault(row["embedder"], []).append(numeric(row))
    return found


def training(found):
    return tuple(figure(curves(f"Training of the {LEARNED[name]}", {"validation recall at 1": [(row["epoch"], row["validation"]) for row in rows]},
                               rows[-1]["best_epoch"], 1),
                        f"The {LEARNED[name]}: share of the validation specimens whose most similar one of another group is of their class, after each epoch.")
                 for name, rows in found["training"].items())


def parts(found):
    """Return the table of images, classes and groups by part."""
    names = [part for part in PARTS if any(row["part"] == part for row in found["split"])]
    held = {part: [row for row in found["split"] if row["part"] == part] for part in names}
    rows = [(part, PARTS[part], len(held[part]), len({row["label"] for row in held[part]}), len({row["group"] for row in held[part]})) for part in names]
    return table("Specimens by part. A group is never split between parts.", ("part", "what for", "images", "classes", "groups"), rows, numbers=(2, 3, 4))
