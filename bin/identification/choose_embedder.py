#!/usr/bin/env python3
"""Choose the embedder and the way to classify by its vectors (the ladder), and calibrate what they say.

Every way is judged on the validation specimens, each by a gallery without its own group. From the simplest embedder on (frozen, projected,
trained) the next takes the place of the one that stands only if it beats it beyond the interval; what learned ships refit on all that is not to
be measured. Which won, and by how much, is in the ladder. Colours and pixels stand beside them for comparison and never ship.
"""
import argparse
import shutil
import time
from pathlib import Path

from entoflow import coco, files, model_folder, taxonomy
from entoflow.identification import embedder_facts
from entoflow.task import InputError, run

FEWEST = 20  # images of classes nobody learned from; below, those of classes that the embedder knows stand for unknown ones, too
FOLDS = 25  # of what calibrates: few specimens are lacking at a time, as what ships lacks none
ENROLLED = ("train", "validation", "rest")
SIMPLEST_FIRST = ("frozen", "projected", "trained")
BASELINES, SIMPLE = ("colours", "pixels"), ("nearest", "class_mean", "ridge")


def main(argv):
    args = parser().parse_args(argv)
    import numpy as np

    from entoflow.identification import embeddings, rollup

    dataset = coco.read(args.specimens)
    enrolled, judged, strange = gallery_of(dataset)
    ids, vectors = embeddings.read(args.embeddings)
    at = embeddings.rows(ids, [image["id"] for image in enrolled])
    table = ladder({name: vectors[name][at] for name in vectors if not name.endswith(embedder_facts.REFIT)}, enrolled, judged, strange, args.seed)
    chosen, verdict = choose(table, enrolled, judged, random_start(args.models), args.seed)
    best = table[chosen]
    best["clustering"] = way_to_cluster(vectors[chosen[0]][at], enrolled, judged, strange, args.seed)
    taxa = taxonomy.of(enrolled, args.specimens, "file_name")
    if taxa:
        best["calibration"]["ranks"] = rollup.fit(vectors[chosen[0]][at], enrolled, judged, strange, taxa, best["calibration"])
    refit = chosen[0] + embedder_facts.REFIT in vectors
    unlearned = np.flatnonzero([bool(image.get("calibrates")) for image in enrolled]) if refit else judged
    best["calibration"] |= of_what_ships(vectors[chosen[0] + embedder_facts.REFIT * refit][at], enrolled, unlearned, chosen[1])
    write_embedder(args, chosen, best, dataset)
    rows = [{key: row[key] for key in ("vectors", "head", "top1", "unknown_auroc", "seconds", "n")} for row in table.values()]
    files.write_json(args.ladder, {"chosen": {"vectors": chosen[0], "head": chosen[1]}, "verdict": verdict, "ladder": rows})
    print(f"{chosen[0]} vectors, {chosen[1]}: validation top1 {best['top1']['value']:.3f} of {best['n']}. {verdict['sentence']}")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--specimens", type=Path, required=True, help="data set that split_specimens.py wrote")
    p.add_argument("--embeddings", type=Path, nargs="+", required=True, help="embeddings of its images")
    p.add_argument("--models", type=Path, nargs="+", required=True, help="model folders of the embedders, named as their vectors are")
    p.add_argument("--seed", type=int, default=1, help="seed of the bootstrap (default %(default)s)")
    p.add_argument("--embedder", type=Path, required=True, help="model folder to write: the chosen embedder with its calibration")
    p.add_argument("--ladder", type=Path, required=True, help="JSON to write: how each way did")
    return p


def gallery_of(dataset):
    """Return (the images that the gallery of the choice holds, rows among them to judge by, those of them that are of a class nobody learned from).

    No image is of a class held out as unseen. Where no specimen was kept to validate on, those that the embedder learned from are judged. Raises
    InputError where there is nothing to judge.
    """
    import numpy as np

    unseen = {image["label"] for image in dataset["images"] if image["part"] == "unseen"}
    enrolled = [image for image in dataset["images"] if image["part"] in ENROLLED and image["label"] not in unseen]
    groups = {}
    for image in enrolled:
        groups.setdefault(image["label"], set()).add(image["group"])
    held = [row for row, image in enumerate(enrolled) if image["part"] == "validation"]
    several = [row for row in held or range(len(enrolled)) if len(groups[enrolled[row]["label"]]) > 1]
    if not several:
        raise InputError("--specimens: no class has specimens of two groups beside those to test on, so no way to classify can be chosen; "
                         "wanted a third specimen of some.")
    learned = {image["label"] for image in enrolled if image["part"] == "train"}
    strange = [row for row in held if enrolled[row]["label"] not in learned]
    return enrolled, np.array(held or several), np.array(strange if len(strange) >= FEWEST else held or several)


def ladder(vectors, enrolled, judged, strange, seed):
    """Return {(vectors, head): how it did on the judged rows}, with its calibration."""
    import numpy as np

    from entoflow.identification import heads, identification
    from entoflow.statistics import Intervals

    classes = sorted({image["label"] for image in enrolled})
    columns = np.array([classes.index(image["label"]) for image in enrolled])
    groups = np.array([image["group"] for image in enrolled], str)
    table = {}
    for name, own in vectors.items():
        for head in SIMPLE if name in BASELINES else heads.HEADS:
            start = time.monotonic()
            held_out = identification.HeldOut(own, columns, groups, judged, strange, len(classes), head)
            calibration = held_out.calibration(head)
            seconds = time.monotonic() - start
            kept, right = held_out.enrolled, held_out.right()
            figure = Intervals(columns[judged][kept], groups[judged][kept], seed).mean(right[kept], "share of images")
            table[name, head] = {"vectors": name, "head": head, "top1": figure, "unknown_auroc": number(held_out.told_apart(calibration)),
                                 "seconds": round(seconds, 2), "n": int(kept.sum()), "right": right, "kept": kept, "calibration": calibration}
    return table


def number(value):
    """Return a number, None for NaN."""
    return None if value != value else value


def choose(table, enrolled, judged, random, seed):
    """Return ((vectors, head), verdict): each embedder by its way of best top1; a less simple one only if it is better beyond the interval.

    random: whether the frozen one has random weights. It is then no alternative to fall back on where there are too few classes for an interval.
    """
    best = {}
    for name, head in table:
        if name not in BASELINES and (name not in best or table[name, head]["top1"]["value"] > table[name, best[name]]["top1"]["value"]):
            best[name] = head
    standing, comparisons = "frozen", []
    for name in SIMPLEST_FIRST[1:]:
        if name in best:
            difference = compared(table[name, best[name]], table[standing, best[standing]], enrolled, judged, seed)
            comparisons.append({"vectors": name, "less": standing, **difference})
            ahead = difference["low"] is None and random and difference["value"] > 0
            standing = name if difference["verdict"] == "better" or ahead else standing
    return (standing, best[standing]), {"comparisons": comparisons, "sentence": in_words(comparisons, standing)}


def of_what_ships(vectors, enrolled, judged, head):
    """Return what makes an embedder's scores probabilities and label sets in the gallery that ships.

    A refit one is judged by the images that it did not learn from; {} where none is left of a class with another group: then that of the choice stays.
    """
    import numpy as np

    from entoflow.identification import identification

    classes, columns = np.unique([image["label"] for image in enrolled], return_inverse=True)
    groups = np.array([image["group"] for image in enrolled], str)
    fold = np.unique(groups, return_inverse=True)[1] % FOLDS
    return identification.of_full_gallery(vectors, columns, fold, judged, len(classes), head, groups)


def compared(one, other, enrolled, judged, seed):
    """Return by how much one way names more of the judged rows right than another."""
    from entoflow.statistics import paired

    images = [enrolled[row] for row, kept in zip(judged, one["kept"]) if kept]
    labels, groups = ([image[key] for image in images] for key in ("label", "group"))
    return paired(one["right"][one["kept"]], other["right"][other["kept"]], labels, groups, seed)


def random_start(models):
    """Tell whether the frozen embedder has random weights."""
    frozen = next((path for path in models if path.name == "frozen"), None)
    return frozen is not None and model_folder.read(frozen)["provenance"]["parameters"].get("weights") == "none"


def in_words(comparisons, name):
    """Return what the comparisons of the embedders say, and which is used."""
    if not comparisons:
        return "No embedder was trained."
    told = []
    for found in comparisons:
        span = "too few classes or groups for an interval" if found["low"] is None else f"{found['low']:+.3f} to {found['high']:+.3f}"
        verdict = "" if found["low"] is None else f", {found['verdict']}"
        told.append(f"of the {found['vectors']} embedder less the {found['less']} one's: {found['value']:+.3f} ({span}){verdict}")
    return f"Validation top1 {'; '.join(told)}; the {name} one is used."


def way_to_cluster(vectors, enrolled, judged, strange, seed):
    """Return the way to cluster that finds the classes of the strange rows best; where none of them has two groups, the usual one by the judged rows."""
    from entoflow.identification import clusters

    labels, groups = ([image[key] for image in enrolled] for key in ("label", "group"))
    pairs = {(labels[row], groups[row]) for row in strange}
    if len(pairs) == len({label for label, _ in pairs}):
        return clusters.usual(vectors, labels, groups, judged)
    return clusters.replayed(vectors[strange], [labels[row] for row in strange], [groups[row] for row in strange], seed)


def write_embedder(args, chosen, best, dataset):
    """Write the chosen model folder anew, with its head, its calibration and its validation figures."""
    name = chosen[0] if chosen[0] == "frozen" else chosen[0] + embedder_facts.REFIT
    source = next((path for path in args.models if path.name == name), None)
    if source is None:
        raise InputError(f"--models: holds no folder named {name}; wanted one for each of the vectors.")
    facts = model_folder.read(source)
    args.embedder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "weights.safetensors", args.embedder / "weights.safetensors")
    facts = {**facts, "name": "embedder", "vectors": name, "threshold": 0.5, "calibration": best["calibration"], "clustering": best["clustering"],
             "metrics": {"top1": best["top1"], "unknown_auroc": {"value": best["unknown_auroc"], "low": None, "high": None, "n": best["n"]}}}
    given = facts.pop("provenance")
    model_folder.write(args.embedder, {key: value for key, value in facts.items() if key != "licence"},
                {key: given[key] for key in ("data", "parameters", "seed")}, facts["licence"])


if __name__ == "__main__":
    run(main)
