#!/usr/bin/env python3
"""Enrol labelled specimens into a gallery: a new one, or one of an earlier run, whose embedder then made their vectors.

No weight changes. What it does to the classes that were there is measured, each of their specimens named by a gallery without its group, before and
after, and told with the nearest old classes of each new one.
"""
import argparse
import json
import shutil
from datetime import datetime, timezone
from pathlib import Path

from entoflow import coco, model_folder, taxonomy
from entoflow.identification import embedder_facts
from entoflow.task import InputError, login, run

RIVALS = 3


def main(argv):
    args = parser().parse_args(argv)
    from entoflow.identification import embeddings

    facts = model_folder.read(args.embedder)
    ids, vectors = embeddings.read(args.embeddings)
    own = embeddings.of(vectors, facts, args.embedder.name, args.embeddings)
    if "calibration" not in facts:
        raise InputError(f"{args.embedder}: has no calibration; wanted an embedder that choose_embedder.py wrote.")
    datasets = {path: coco.read(path) for path in args.specimens}
    for path, dataset in datasets.items():
        embedder_facts.check_crops(facts, dataset, path)
    held = started(args, facts, own.shape[1])
    n_before = len(held)
    at = args.at or datetime.now(timezone.utc).isoformat(timespec="seconds")
    counts = {"enrolled": 0, "skipped": 0}
    for path, dataset in datasets.items():
        images = dataset["images"]
        records = [{"image": image["file_name"], **{key: image.get(key) for key in ("label", "group", "sha256", *taxonomy.RANKS)}} for image in images]
        rows = embeddings.rows(ids, [image["id"] for image in images])
        for key, n in held.enrol(own[rows], records, embedder_facts.identity(facts), args.by or login(), at, args.source or path.name).items():
            counts[key] += n
    effect = measured(held, n_before, facts["calibration"])
    args.effect.write_text(json.dumps({**counts, **effect}, indent=1, ensure_ascii=False), encoding="utf-8")
    print(f"{counts['enrolled']} specimens enrolled, {counts['skipped']} were there: {len(held)} of {len(held.classes)} classes. {effect['sentence']}")
    for label, rivals in effect["rivals"].items():
        print(f"{label}: nearest {', '.join(f'{name} ({likeness:.2f})' for name, likeness in rivals)}")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--specimens", type=Path, nargs="+", required=True, help="data sets with labels")
    p.add_argument("--embeddings", type=Path, nargs="+", required=True, help="embeddings of their images")
    p.add_argument("--embedder", type=Path, required=True, help="model folder of the embedder that made them")
    p.add_argument("--detector", type=Path, help="model folder of the detector that cropped the images, for a new gallery of cropped ones")
    p.add_argument("--into", type=Path, help="gallery to enrol into (default: a new one)")
    p.add_argument("--by", help="who enrols (default: the login name)")
    p.add_argument("--at", help="when, ISO time (default: now)")
    p.add_argument("--source", help="what the labels come from (default: the data set's name)")
    p.add_argument("--gallery", type=Path, required=True, help="gallery folder to write")
    p.add_argument("--effect", type=Path, required=True, help="JSON to write: what the enrolment does to the classes that were there")
    return p


def started(args, facts, dimension):
    """Return the gallery to enrol into, in its new folder, with the embedder beside it, and the detector that cropped the images, if any."""
    from entoflow.identification import gallery

    if args.into:
        if args.gallery.resolve() == args.into.resolve():
            raise InputError(f"--gallery and --into are both {args.into}; wanted a new folder for the gallery with what is enrolled.")
        gallery.read(args.into)  # told in one sentence before anything is copied
        shutil.copytree(args.into, args.gallery, dirs_exist_ok=True)
        return gallery.read(args.gallery)
    check_detector(args.detector, facts)
    held = gallery.create(args.gallery, embedder_facts.identity(facts), dimension)
    for folder, name in ((args.embedder, "embedder"), (args.detector, "detector")):
        if folder:
            shutil.copytree(folder, args.gallery / name, dirs_exist_ok=True)
    return held


def check_detector(folder, facts):
    """Raise InputError unless the detector is the one that cropped what the embedder learned from; none where nothing was cropped."""
    found, wanted = folder and embedder_facts.detector_identity(folder, model_folder.read(folder)), facts.get("cropped_by")
    if found != wanted:
        raise InputError(f"--detector: is {found[:12] if found else 'not given'}; wanted {'detector ' + wanted[:12] if wanted else 'none'}, "
                         "as the embedder's model.json says in cropped_by.")


def measured(held, n_before, calibration):
    """Return how the old specimens are named before and after, the classes that lost, and each new class's nearest old ones."""
    import numpy as np

    if not n_before or len(held) == n_before:
        return {"sentence": "", "before": None, "after": None, "n": 0, "lost": {}, "rivals": {}}
    labels, groups, vectors = np.array(held.labels, str), np.array(held.groups, str), np.asarray(held.embeddings(), np.float32)
    asked, before, after = named(labels, groups, vectors, n_before, calibration["head"])
    lost = {label: int((asked == label)[before & ~after].sum()) for label in sorted(set(asked.tolist()))}
    shares = {"before": float(before.mean()) if len(asked) else None, "after": float(after.mean()) if len(asked) else None}
    sentence = (f"Old specimens named right: {shares['before']:.3f} before, {shares['after']:.3f} after ({len(asked)} that have another of their class)."
                if len(asked) else "")
    return {"sentence": sentence, **shares, "n": len(asked), "lost": {label: n for label, n in lost.items() if n},
            "rivals": rivals(labels, vectors, n_before)}


def named(labels, groups, vectors, n_before, head):
    """Return (labels of the old specimens asked about, which were named right before, which after): each without its group, the same ones both times."""
    import numpy as np

    from entoflow.identification.identification import by_folds, folds

    old, found = np.arange(n_before), []
    fold = folds(np.unique(labels[:n_before], return_inverse=True)[1], groups[:n_before])
    for n in (n_before, len(labels)):
        classes, columns = np.unique(labels[:n], return_inverse=True)
        scores = by_folds(vectors[:n], columns, fold, old, len(classes), head, groups[:n])
        found.append((np.isfinite(scores[old, columns[:n_before]]), scores.argmax(axis=1) == columns[:n_before]))
    kept = found[0][0] & found[1][0]
    return labels[old][kept], found[0][1][kept], found[1][1][kept]


def rivals(labels, vectors, n_before):
    """Return the old classes that each new one is most like, with the cosine of its specimens to their means."""
    import numpy as np

    from entoflow.identification import heads

    classes, columns = np.unique(labels[:n_before], return_inverse=True)
    likeness = heads.class_mean(vectors[:n_before], columns, len(classes))
    found = {}
    for label in sorted(set(labels[n_before:].tolist()) - set(classes.tolist())):
        means = likeness(vectors[labels == label]).mean(axis=0)
        found[label] = [(str(classes[column]), round(float(means[column]), 3)) for column in np.argsort(-means, kind="stable")[:RIVALS]]
    return found


if __name__ == "__main__":
    run(main)
