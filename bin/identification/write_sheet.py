#!/usr/bin/env python3
"""Write the sheet on which a person names clusters of images: a page that works offline, and the same as a table for a spreadsheet.

The cluster whose naming gives most right names per click comes first. Images that the gallery holds, or that a person rejected, are done and stay away;
so do images alone, which stand in clusters.csv. What the person saves is given back with --reviewed.
"""
import argparse
import csv
from pathlib import Path

from entoflow.tables import read_json, read_rows
from entoflow.task import InputError, run

LIKE = 3  # specimens shown of a known class


def main(argv):
    args = parser().parse_args(argv)
    if args.sheet_images < 1:
        raise InputError(f"--sheet_images is {args.sheet_images}; wanted at least 1.")
    from entoflow.identification import gallery, sheet_page
    from entoflow.images import image_id

    held = gallery.read(args.gallery)
    of_class = {}
    for label, sha256 in zip(held.labels, held.sha256s):
        of_class.setdefault(label, []).append(image_id(sha256))
    ranking = read_json(args.ranking)
    rows = read_rows(args.clusters, required=("image", "cluster", "id"))
    done = {key for members in of_class.values() for key in members} | rejected(args.reviewed, {int(row["id"]): row["image"] for row in rows})
    clusters, left = shown(open_clusters(rows, ranking, done), args.sheet_images)
    add_pictures(clusters, of_class, args.packs)
    args.sheet.mkdir(parents=True, exist_ok=True)
    (args.sheet / "sheet.html").write_text(sheet_page.page("Clusters to name", clusters, held.classes), encoding="utf-8")
    with (args.sheet / "review.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, sheet_page.COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sheet_page.rows(clusters))
    n = sum(len(cluster["images"]) for cluster in clusters)
    print(f"{len(clusters)} clusters of {n} images to name{f'; {left} more clusters, worth less, are for the next round' if left else ''}")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--clusters", type=Path, required=True, help="CSV that cluster_images.py wrote")
    p.add_argument("--ranking", type=Path, required=True, help="JSON that cluster_images.py wrote")
    p.add_argument("--gallery", type=Path, required=True, help="gallery folder")
    p.add_argument("--reviewed", type=Path, nargs="*", default=[], help="tables of a sheet that a person filled in before")
    p.add_argument("--packs", type=Path, nargs="+", required=True, help="packs with the images, for their thumbnails")
    p.add_argument("--sheet_images", type=int, default=10000, help="images on the sheet at most (default %(default)s)")
    p.add_argument("--sheet", type=Path, required=True, help="folder to write")
    return p


def rejected(paths, names):
    """Return the ids of images that a person rejected; names: {image id: image}."""
    from entoflow.identification import cluster_review

    return {one.id for path in paths for one in cluster_review.read(path, names) if one.label == cluster_review.REJECT}


def open_clusters(rows, ranking, done):
    """Return the clusters by rank, with those of their images that are not done, the most typical first; rows: those of clusters.csv."""
    members = {}
    for row in rows:
        if row["cluster"] != "-1" and int(row["id"]) not in done:
            members.setdefault(int(row["cluster"]), {}).setdefault(int(row["id"]), row)
    found = []
    for entry in ranking:
        own = sorted(members.get(entry["cluster"], {}).values(), key=lambda row: (-float(row["typical"]), row["image"]))
        images = [{"image": row["image"], "id": int(row["id"]), "verdict": row["verdict"], "typical": float(row["typical"])} for row in own]
        if images:
            found.append({**{key: entry[key] for key in ("cluster", "gain", "nearest")}, "images": images})
    return found


def shown(clusters, most):
    """Return (the first clusters, of so many images at most but at least one, how many clusters are left out)."""
    n, kept = 0, []
    for cluster in clusters:
        n += len(cluster["images"])
        if n > most and kept:
            break
        kept.append(cluster)
    return kept, len(clusters) - len(kept)


def add_pictures(clusters, of_class, packs):
    """Give each image its thumbnail and each nearest known class those of some specimens, where the packs hold them."""
    from entoflow.identification import thumbnails

    beside = {near["label"]: of_class.get(near["label"], []) for cluster in clusters for near in cluster["nearest"]}
    wanted = [image["id"] for cluster in clusters for image in cluster["images"]] + [key for keys in beside.values() for key in keys]
    pictures = thumbnails.jpegs(packs, wanted)
    for cluster in clusters:
        for image in cluster["images"]:
            image["thumbnail"] = pictures.get(image["id"])
        cluster["nearest"] = [{"label": near["label"], "likeness": min(max(near["likeness"], 0), 1),
                               "thumbnails": [pictures[key] for key in beside[near["label"]] if key in pictures][:LIKE]} for near in cluster["nearest"]]


if __name__ == "__main__":
    run(main)
