#!/usr/bin/env python3
"""Turn what a person said of clusters into labelled specimens, ready to enrol.

An image is taken with the name that a review gives it. Where two rows, a label that it has, or the gallery say something else of it, nobody can tell what
is right: it is left out, with a row in the audit that names both. Images that the person rejects or leaves open are no specimens.
"""
import argparse
import json
from pathlib import Path

from entoflow import coco
from entoflow.identification import cluster_review
from entoflow.joining import cropping
from entoflow.task import InputError, run


def main(argv):
    args = parser().parse_args(argv)
    datasets = [coco.read(path) for path in args.datasets]
    images = {image["id"]: image for dataset in datasets for image in dataset["images"]}
    names = {key: image["file_name"] for key, image in images.items()}
    said = [one for path in args.reviewed for one in cluster_review.read(path, names)]
    known = labels_of(args.specimens, args.gallery)
    specimens, rows = judged(said, images, known, " and ".join(path.name for path in args.reviewed))
    if said and all(one.id is None for one in said):
        raise InputError(f"{args.reviewed[0]}: names no image of --unlabelled (the first is {said[0].image}); wanted the photos that the sheet was made of.")
    info = {"role": "specimens", "source": args.reviewed[0].name, **cropping(datasets)}
    coco.write(args.dataset, {"info": info, "images": specimens, "annotations": [], "categories": []})
    args.audit.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    names = {image["label"] for image in specimens}
    print(f"{len(specimens)} images of {len(names)} classes named by a person, {len(rows)} not taken (each in audit.json)")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--reviewed", type=Path, nargs="+", required=True, help="tables of the cluster sheet that a person filled in")
    p.add_argument("--datasets", type=Path, nargs="+", required=True, help="data sets of the unlabelled images")
    p.add_argument("--specimens", type=Path, nargs="*", default=[], help="data sets of labelled images, which a review may contradict")
    p.add_argument("--gallery", type=Path, help="gallery, which a review may contradict")
    p.add_argument("--dataset", type=Path, required=True, help="data set to write: the images with their new labels")
    p.add_argument("--audit", type=Path, required=True, help="JSON to write: what was not taken, and why")
    return p


def labels_of(datasets, folder):
    """Return {image id: (label, where it says so)} of what is labelled already."""
    from entoflow.identification import gallery
    from entoflow.images import image_id

    found = {}
    if folder:
        held = gallery.read(folder)
        found |= {image_id(sha256): (label, "the gallery") for sha256, label in zip(held.sha256s, held.labels)}
    for path in datasets:
        dataset = coco.read(path)
        found |= {image["id"]: (image["label"], dataset["info"].get("source") or "the specimens") for image in dataset["images"]}
    return found


def judged(said, images, known, source):
    """Return (the images that get a label, rows of the audit)."""
    of_image = {}
    for one in said:
        of_image.setdefault(one.id or one.image, []).append(one)
    specimens, rows = [], []
    for key, sayings in of_image.items():
        action, reason = refused(sayings, known)
        if action:
            rows.append({"image": sayings[0].image, "row": None, "source": source, "stage": "review", "action": action, "reason": reason})
        else:
            specimens.append({**images[key], "label": sayings[0].label})
    return sorted(specimens, key=lambda image: (image["file_name"], image["id"])), sorted(rows, key=lambda row: row["image"])


def refused(sayings, known):
    """Return (what is done with an image in place of taking its name, why), or (None, None)."""
    first = sayings[0]
    other = next((one for one in sayings if one.label != first.label), None)
    if other:
        return "left out", f"{first.where} says '{first.label}', {other.where} '{other.label}'"
    if first.label in (cluster_review.REJECT, cluster_review.OPEN):
        return {cluster_review.REJECT: "rejected", cluster_review.OPEN: "left open"}[first.label], f"by a person ({first.where})"
    if first.id is None:
        return "left out", f"is no image of --unlabelled ({first.where})"
    if first.id in known and known[first.id][0] != first.label:
        return "left out", f"{first.where} says '{first.label}', {known[first.id][1]} '{known[first.id][0]}'"
    return None, None


if __name__ == "__main__":
    run(main)
