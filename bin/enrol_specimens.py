#!/usr/bin/env python3
"""Enrol labelled specimens into a gallery: a new one, or one of an earlier run, whose embedder then made their vectors.

No weight changes. What it does to the classes that were there is measured, each of their specimens named by a gallery without its group, before and
after, and told with the nearest old classes of each new one.
"""
import argparse
import getpass
import json
import shutil
from datetime import datetime, timezone
from pathlib import Path

from entoflow import coco, model
from entoflow.task import run

RIVALS = 3


def main(argv):
    args = parser().parse_args(argv)
    from entoflow import embeddings

    facts = model.read(args.embedder)
    ids, vectors = embeddings.read(args.embeddings)
    own = vectors[facts["vectors"] if facts.get("vectors") in vectors else args.embedder.name]
    held = started(args, facts, own.shape[1])
    n_before = len(held)
    at = args.at or datetime.now(timezone.utc).isoformat(timespec="seconds")
    counts = {"enrolled": 0, "skipped": 0}
    for path in args.specimens:
        images = coco.read(path)["images"]
        records = [{"image": image["file_name"], "label": image["label"], "group": image["group"], "sha256": image["sha256"]} for image in images]
        rows = embeddings.rows(ids, [image["id"] for image in images])
        for key, n in held.enrol(own[rows], records, identity(facts), args.by, at, args.source or path.name).items():
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
    p.add_argument("--into", type=Path, help="gallery to enrol into (default: a new one)")
    p.add_argument("--by", default=getpass.getuser(), help="who enrols (default: the login name)")
    p.add_argument("--at", help="when, ISO time (default: now)")
    p.add_argument("--source", help="what the labels come from (default: the data set's name)")
    p.add_argument("--gallery", type=Path, required=True, help="gallery folder to write")
    p.add_argument("--effect", type=Path, required=True, help="JSON to write: what the enrolment does to the classes that were there")
    return p


def identity(facts):
    """Return the id of an embedder: whose weights and input are the same makes the same vectors."""
    import hashlib

    said = json.dumps([facts["provenance"]["weights_sha256"], {key: facts["input"][key] for key in ("backbone", "image_size", "mean", "std")}])
    return hashlib.sha256(said.encode()).hexdigest()


def started(args, facts, dimension):
    """Return the gallery to enrol into, in its new folder, with the embedder beside it."""
    from entoflow import gallery

    if args.into:
        gallery.read(args.into)  # told in one sentence before anything is copied
        shutil.copytree(args.into, args.gallery, dirs_exist_ok=True)
        return gallery.read(args.gallery)
    held = gallery.create(args.gallery, identity(facts), dimension)
    shutil.copytree(args.embedder, args.gallery / "embedder", dirs_exist_ok=True)
    return held


def measured(held, n_before, calibration):
    """Return how the old specimens are named before and after, the classes that lost, and each new class's nearest old ones."""
    import numpy as np
    from entoflow import heads
    from entoflow.identification import HeldOut

    labels, groups, vectors = np.array(held.labels, str), np.array(held.groups, str), np.asarray(held.embeddings(), np.float32)
    old = np.arange(n_before)
    new_classes = sorted(set(labels[n_before:]) - set(labels[:n_before]))
    if not n_before or len(labels) == n_before:
        return {"sentence": "", "before": None, "after": None, "lost": {}, "rivals": {}}
    right = {}
    for name, rows in (("before", old), ("after", np.arange(len(labels)))):
        classes, columns = np.unique(labels[rows], return_inverse=True)
        found = HeldOut(vectors[rows], columns, groups[rows], old, old[:0], len(classes), calibration["head"])
        right[name] = found.right()[found.enrolled]
    asked = labels[old][found.enrolled]
    lost = {str(label): int((right["before"] & ~right["after"] & (asked == label)).sum()) for label in np.unique(asked)}
    classes = sorted(set(labels[:n_before]))
    likeness = heads.class_mean(vectors[:n_before], np.array([classes.index(label) for label in labels[:n_before]]), len(classes))
    rivals = {}
    for label in new_classes:
        found = likeness(vectors[labels == label]).mean(axis=0)
        rivals[str(label)] = [(classes[column], round(float(found[column]), 3)) for column in np.argsort(-found)[:RIVALS]]
    before, after = (float(right[name].mean()) if len(asked) else None for name in ("before", "after"))
    sentence = f"Old specimens named right: {before:.3f} before, {after:.3f} after ({len(asked)} that have another of their class)." if len(asked) else ""
    return {"sentence": sentence, "before": before, "after": after, "n": len(asked), "lost": {label: n for label, n in lost.items() if n}, "rivals": rivals}


if __name__ == "__main__":
    run(main)
