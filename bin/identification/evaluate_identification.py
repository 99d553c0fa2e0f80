#!/usr/bin/env python3
"""Measure the chosen embedder on specimens that neither it nor any choice saw: named right, told as unknown, enrolled as new.

test: classes of the gallery. unseen: classes that it lacks, so the right answer is unknown; then some specimens of each are enrolled, one to
three, and the others are to be named among old and new classes, without any training. Nothing is chosen here. Beside the chosen way stand chance,
colours, pixels and the other embedders, each by the way that was best on the validation specimens.
"""
import argparse
import csv
from collections import Counter
from pathlib import Path

from entoflow import coco, files, taxonomy
from entoflow.identification import embedder_facts
from entoflow.tables import read_json
from entoflow.task import run

SHOTS = (1, 2, 3)
PREDICTED = ("image", "label", "part", "named", "score", "verdict", "right", "id")


def main(argv):
    args = parser().parse_args(argv)
    taxonomy.check_confidence(args.confidence)
    from entoflow.identification import embeddings

    facts, ladder, dataset = read_json(args.model), read_json(args.ladder), coco.read(args.specimens)
    ids, vectors = embeddings.read(args.embeddings)
    sets = Sets(dataset, ids)
    own = vectors[facts["vectors"]]
    identifier = sets.identifier(own, facts["calibration"])
    judged = {part: identifier.judge(own[rows]) for part, rows in sets.rows.items() if part in ("test", "unseen") and len(rows)}
    right = right_of(identifier.classes, judged["test"][0], sets.labels["test"])
    figures = {**closed(sets, identifier, judged["test"][0], right, args.seed), **opened(sets, judged, right, args.seed),
               **ranked(sets, identifier, judged, args.confidence, args.seed), **enrolled(sets, own, facts["calibration"], right, args.seed),
               **clustered(sets, own, facts["clustering"], args.seed)}
    table = beside(sets, vectors, ladder, right, args.seed)
    n = sum(len(sets.rows[part]) for part in ("test", "unseen"))
    content = {"chain": "identification", "n": n, "metrics": figures, "comparison": table, "verdict": ladder["verdict"]["sentence"]}
    files.write_json(args.metrics, content)
    args.plots.mkdir(parents=True, exist_ok=True)
    draw(args.plots, judged, right)
    write_predictions(args.predictions, sets, identifier.classes, judged)
    print("  ".join(f"{name} {figure['value']:.3f}" for name, figure in figures.items() if figure["value"] is not None))


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--specimens", type=Path, required=True, help="data set that split_specimens.py wrote")
    p.add_argument("--embeddings", type=Path, nargs="+", required=True, help="embeddings of its images")
    p.add_argument("--model", type=Path, required=True, help="model.json of the chosen embedder")
    p.add_argument("--ladder", type=Path, required=True, help="JSON that choose_embedder.py wrote")
    p.add_argument("--confidence", type=float, default=taxonomy.CONFIDENCE, help="how sure a species, genus or family must be to name an image "
                   "(default %(default)s)")
    p.add_argument("--seed", type=int, default=1, help="seed of the bootstrap (default %(default)s)")
    p.add_argument("--metrics", type=Path, required=True, help="JSON to write: every figure with its interval")
    p.add_argument("--predictions", type=Path, required=True, help="CSV to write: the name of each test and unseen image, and whether it is right")
    p.add_argument("--plots", type=Path, required=True, help="folder for the pictures")
    return p


class Sets:
    """The specimens by part, as rows of the embeddings; `gallery` are those that a choice was made on or learned from."""

    def __init__(self, dataset, ids):
        import numpy as np

        from entoflow.identification import embeddings

        unseen = {image["label"] for image in dataset["images"] if image["part"] == "unseen"}
        enrolled = {image["label"] for image in dataset["images"] if image["part"] not in ("test", "unseen")} - unseen
        parts = {"test": [], "unseen": [], "gallery": []}
        for image in dataset["images"]:
            name = image["part"] if image["part"] in parts else "gallery"
            name = "unseen" if name == "test" and image["label"] not in enrolled else name
            if name != "gallery" or image["label"] in enrolled:
                parts[name].append(image)
        self.images = parts
        self.rows = {name: np.array(embeddings.rows(ids, [image["id"] for image in members]), int) for name, members in parts.items()}
        self.labels, self.groups = ({name: [image[key] for image in members] for name, members in parts.items()} for key in ("label", "group"))

    def identifier(self, vectors, calibration, more=()):
        """Return the Identifier of the gallery, and of more rows of unseen images."""
        import numpy as np

        from entoflow.identification.identification import Identifier

        rows = np.concatenate([self.rows["gallery"], self.rows["unseen"][list(more)]]).astype(int)
        return Identifier(vectors[rows], self.labels["gallery"] + [self.labels["unseen"][place] for place in more], calibration)


def closed(sets, identifier, probability, right, seed):
    """Return the figures of test images whose classes the gallery has."""
    import numpy as np

    from entoflow import calibration
    from entoflow.identification import identification_metrics as metrics

    labels, groups = sets.labels["test"], sets.groups["test"]
    truth = np.array([identifier.classes.index(label) for label in labels])
    counts = Counter(sets.labels["gallery"])
    best, plain = probability.max(axis=1), identifier.uncalibrated(probability).max(axis=1)
    conformal = metrics.conformal(identifier.label_sets(probability), truth)
    return {**metrics.closed_set(probability, truth, groups, [counts[label] for label in labels], seed),
            **calibration.calibration(best, right, labels, groups, seed), "ece_before": calibration.calibration(plain, right, labels, groups, seed)["ece"],
            "label_set_coverage": conformal["coverage"], "label_set_size": conformal["mean_set_size"],
            "aurc": calibration.risk_coverage(best, right)["aurc"]}


def right_of(classes, probability, labels):
    """Return whether the best class of each image is its label."""
    import numpy as np

    return np.array([classes[column] == label for column, label in zip(probability.argmax(axis=1), labels)], bool)


def opened(sets, judged, right, seed):
    """Return the figures of telling unseen classes from those of the gallery, and by tier."""
    import numpy as np

    from entoflow import statistics
    from entoflow.identification import identification_metrics as metrics

    parts = [part for part in ("test", "unseen") if part in judged]
    chances, verdicts = (np.concatenate([judged[part][k] for part in parts]) for k in (1, 2))
    labels, groups = (np.array(sum((held[part] for part in parts), []), str) for held in (sets.labels, sets.groups))
    known = np.arange(len(chances)) < len(right)
    named = np.append(right, np.zeros(len(chances) - len(right), bool))
    found = metrics.open_set(chances, known, named, labels, groups, seed)
    tiers = np.array([image.get("tier", "") for part in parts for image in sets.images[part]])
    for tier in sorted(set(tiers) - {""}):
        kept = known | (tiers == tier)
        of_tier = metrics.open_set(chances[kept], known[kept], named[kept], labels[kept], groups[kept], seed)
        found[f"unknown_auroc_{tier}"] = of_tier["unknown_auroc"]
    intervals, accepted = statistics.Intervals(labels, groups, seed), (verdicts == "known").astype(float)
    found["known_accepted"] = intervals.mean(accepted, "share of known images", known.astype(int))
    found["unknown_refused"] = intervals.mean(1 - accepted, "share of unknown images", (~known).astype(int))
    return found


def ranked(sets, identifier, judged, confidence, seed):
    """Return the figures of naming test and unseen images at the finest rank that is sure enough; nothing without a taxonomy.

    near: of the images of unseen classes whose genus the gallery has.
    """
    import numpy as np

    from entoflow.identification.rollup import Rollup

    taxa = taxonomy.of([image for members in sets.images.values() for image in members], "--specimens", "file_name")
    if not taxa:
        return {}
    labels, groups = (np.array([name for part in judged for name in held[part]], str) for held in (sets.labels, sets.groups))
    rollup = Rollup(identifier.classes, taxa, identifier.calibration)
    names, ranks = (np.array(sum(parts, []), str) for parts in zip(*(rollup.named(*judged[part], confidence) for part in judged)))
    truth = {rank: np.array([taxa.get(label, {}).get(rank, "") for label in labels], str) for rank in taxonomy.RANKS}
    genera = {taxa.get(label, {}).get("genus", "") for label in identifier.classes} - {""}
    near = ~np.isin(labels, identifier.classes) & np.isin(truth["genus"], sorted(genera))
    asked = [("species", ranks == "species", labels, np.ones(len(labels), bool)), ("near_genus", ranks == "genus", truth["genus"], near)]
    asked += [(rank, ranks == rank, truth[rank], np.ones(len(labels), bool)) for rank in taxonomy.RANKS]
    return {name: figure for one, at, true, among in asked if among.any() and (true != "").any()
            for name, figure in rank_figures(one, at[among], names[among] == true[among], true[among] != "", labels[among], groups[among], seed).items()}


def rank_figures(rank, at, right, told, labels, groups, seed):
    """Return the share of images named at a rank (at, n), and of these the share named right, without those whose own taxon nobody told (told, n)."""
    from entoflow.statistics import Intervals

    kept = at & told
    return {f"{rank}_named": Intervals(labels, groups, seed).mean(at.astype(float), "share of images"),
            f"{rank}_named_right": Intervals(labels[kept], groups[kept], seed).mean(right[kept].astype(float), "share of images so named")}


def enrolled(sets, vectors, calibration, right, seed):
    """Return the figures of unseen classes: each found by its like, and named among old and new classes after one to three are enrolled; what that
    costs the old ones."""
    import numpy as np

    from entoflow import statistics
    from entoflow.identification import identification_metrics as metrics

    labels, groups = sets.labels["unseen"], np.array(sets.groups["unseen"], str)
    own = vectors[sets.rows["unseen"]]
    found = metrics.retrieval(own, labels, groups, seed)
    for shots in SHOTS:
        shown = first_groups(labels, groups, shots)
        held = {groups[place] for place in shown}
        asked = [place for place, label in enumerate(labels) if groups[place] not in held and label in {labels[other] for other in shown}]
        if not asked:
            continue
        identifier = sets.identifier(vectors, calibration, shown)
        of_new = right_of(identifier.classes, identifier.judge(own[asked])[0], [labels[place] for place in asked])
        of_old = right_of(identifier.classes, identifier.judge(vectors[sets.rows["test"]])[0], sets.labels["test"])
        new = statistics.Intervals([labels[place] for place in asked], groups[asked], seed)
        old = statistics.Intervals(sets.labels["test"], sets.groups["test"], seed)
        found[f"enrolled_top1_{shots}"] = new.mean(of_new.astype(float), "share of images")
        found[f"old_top1_change_{shots}"] = old.mean(of_old.astype(float) - right, "difference of shares of images")
    return found


def clustered(sets, vectors, way, seed):
    """Return the figures of the clusters of unseen images, made as if nobody knew their classes."""
    import numpy as np

    from entoflow.identification import clusters
    from entoflow.identification import identification_metrics as metrics

    own = vectors[sets.rows["unseen"]]
    return metrics.cluster_figures(clusters.clustered(own, way, np.ones(len(own), bool), seed), sets.labels["unseen"], seed)


def first_groups(labels, groups, shots):
    """Return the places of the first images of as many of a class's groups as there are shots, for each class that has one group more."""
    shown = []
    for label in sorted(set(labels)):
        of_group = {}
        for place, name in enumerate(labels):
            if name == label:
                of_group.setdefault(groups[place], place)
        if len(of_group) > shots:
            shown += [of_group[group] for group in sorted(of_group)[:shots]]
    return sorted(shown)


def beside(sets, vectors, ladder, chosen_right, seed):
    """Return the rows of the comparison on the test images: each kind of vectors by its best way of the validation, and chance."""
    import numpy as np

    from entoflow import statistics
    from entoflow.identification import heads

    classes = sorted(set(sets.labels["gallery"]))
    columns = np.array([classes.index(label) for label in sets.labels["gallery"]])
    labels, groups = sets.labels["test"], sets.groups["test"]
    rows = [{"vectors": "chance", "head": "", "top1": {"value": 1 / len(classes), "low": None, "high": None, "n": len(labels)}}]
    for name in vectors:
        way = max((row for row in ladder["ladder"] if row["vectors"] == name.removesuffix(embedder_facts.REFIT)), key=lambda row: row["top1"]["value"])
        score = heads.HEADS[way["head"]](vectors[name][sets.rows["gallery"]], columns, len(classes))
        right = right_of(classes, score(vectors[name][sets.rows["test"]]), labels)
        rows.append({"vectors": name, "head": way["head"], "top1": statistics.Intervals(labels, groups, seed).mean(right.astype(float), "share of images"),
                     "chosen_less_this": statistics.paired(chosen_right, right, labels, groups, seed)})
    return rows


def write_predictions(path, sets, classes, judged):
    """Write a row per test and unseen image; right is empty for one whose class the gallery lacks."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(PREDICTED)
        for part, (probability, known, verdicts) in judged.items():
            chances, columns = probability.max(axis=1) * known, probability.argmax(axis=1)
            for image, column, chance, verdict in zip(sets.images[part], columns, chances, verdicts):
                right = {True: "yes", False: "no"}[classes[column] == image["label"]] if part == "test" else ""
                writer.writerow((image["file_name"], image["label"], part, classes[column], f"{chance:.4f}", verdict, right, image["id"]))


def draw(folder, judged, right):
    """Draw how far probabilities can be believed, what the surest are worth, and how known and unknown score."""
    import numpy as np

    from entoflow import calibration, plots

    best = judged["test"][0].max(axis=1)
    bins = calibration.reliability(best, right, 10)
    plots.chart(folder / "calibration.png", {"test images": ([row["probability"] for row in bins], [row["right"] for row in bins]),
                                             "as it should be": ([0, 1], [0, 1])},
                "How far probabilities can be believed", ("probability of the name", "share right"))
    curve = calibration.risk_coverage(best, right)
    plots.chart(folder / "risk_coverage.png", {"test images": (curve["coverages"], curve["errors"])},
                "What leaving the less sure to a person gives", ("share named, the surest first", "share of these named wrong"))
    shares = {name: np.histogram(judged[part][1], bins=20, range=(0, 1))[0] / len(judged[part][1])
              for part, name in (("test", "classes of the gallery"), ("unseen", "classes that it lacks")) if part in judged}
    plots.chart(folder / "known_unknown.png", {name: (np.arange(0.025, 1, 0.05), values) for name, values in shares.items()},
                "Known and unknown", ("probability that the class is known", "share of images"))


if __name__ == "__main__":
    run(main)
