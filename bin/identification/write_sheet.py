#!/usr/bin/env python3
"""Write the sheet on which a person names clusters: a page that works offline, and a table.

The cluster whose naming gives the most correct labels per click comes first. Images that the
gallery holds, or that a person rejected, are done and left away; so are single images, which
clusters.csv lists. What the person saves is given back with --reviewed.
"""

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entoflow import files
from entoflow.tables import read_json, read_rows
from entoflow.task import InputError, run

if TYPE_CHECKING:
    from entoflow.identification.sheet_page import SheetCluster, SheetImage

MOST_PICTURES = 3  # specimens shown of a known class
SINGLE = "-1"  # cluster of images that are in none


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    if args.sheet_images < 1:
        raise InputError(f"--sheet_images is {args.sheet_images}; wanted at least 1.")
    from entoflow.identification import gallery, sheet_page

    specimens = gallery.read(args.gallery)
    ids_by_class = group_ids(specimens.labels, specimens.sha256s)
    rows = read_rows(args.clusters, required=("image", "cluster", "id"))
    done = {image_id for ids in ids_by_class.values() for image_id in ids}
    done |= rejected_ids(args.reviewed, {int(row["id"]): row["image"] for row in rows})
    ranked = rank_clusters(open_images(rows, done), read_json(args.ranking))
    clusters = take_first(ranked, args.sheet_images)
    clusters = add_pictures(clusters, ids_by_class, args.packs)
    args.sheet.mkdir(parents=True, exist_ok=True)
    files.write_text(
        args.sheet / "sheet.html", sheet_page.page("Clusters to name", clusters, specimens.classes)
    )
    files.write_csv(args.sheet / "review.csv", sheet_page.COLUMNS, sheet_page.review_rows(clusters))
    print(summarise(clusters, len(ranked) - len(clusters)))


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--clusters", type=Path, required=True, help="CSV that cluster_images.py wrote")
    p.add_argument("--ranking", type=Path, required=True, help="JSON that cluster_images.py wrote")
    p.add_argument("--gallery", type=Path, required=True, help="gallery folder")
    p.add_argument(
        "--reviewed",
        type=Path,
        nargs="*",
        default=[],
        help="tables of a sheet that a person filled in before",
    )
    p.add_argument(
        "--packs",
        type=Path,
        nargs="+",
        required=True,
        help="packs with the images, for their thumbnails",
    )
    p.add_argument(
        "--sheet_images",
        type=int,
        default=10000,
        help="maximum number of images on the sheet (default %(default)s)",
    )
    p.add_argument("--sheet", type=Path, required=True, help="folder to write")
    return p


def group_ids(labels: Sequence[str], sha256s: Sequence[str]) -> dict[str, list[int]]:
    """Return {class: ids of its specimens in the gallery}."""
    from entoflow.images import image_id

    ids = defaultdict(list)
    for label, sha256 in zip(labels, sha256s):
        ids[label].append(image_id(sha256))
    return dict(ids)


def rejected_ids(paths: Sequence[Path], names: Mapping[int, str]) -> set[int]:
    """Return the ids of images that a person rejected. names: {image id: image}."""
    from entoflow.identification import cluster_review

    ids = set()
    for path in paths:
        for row in cluster_review.read(path, names):
            if row.label == cluster_review.REJECT and row.id is not None:
                ids.add(row.id)
    return ids


def open_images(rows: Sequence[Mapping[str, Any]], done: set[int]) -> "dict[int, list[SheetImage]]":
    """Return {cluster: its images that are not done, each once, the most typical first}.

    rows: those of clusters.csv.
    """
    from entoflow.identification.sheet_page import SheetImage

    members: dict[int, dict[int, SheetImage]] = defaultdict(dict)
    for row in rows:
        image_id = int(row["id"])
        if row["cluster"] != SINGLE and image_id not in done:
            image = SheetImage(row["image"], image_id, row["verdict"], float(row["typical"]))
            members[int(row["cluster"])].setdefault(image_id, image)
    by_typicality = {}
    for cluster, images in members.items():
        by_typicality[cluster] = sorted(
            images.values(), key=lambda image: (-image.typicality, image.name)
        )
    return by_typicality


def rank_clusters(
    images: "Mapping[int, Sequence[SheetImage]]", ranking: Sequence[Mapping[str, Any]]
) -> "list[SheetCluster]":
    """Return the clusters that have images left, in the order of the ranking."""
    from entoflow.identification.sheet_page import SheetCluster, SimilarClass

    clusters = []
    for entry in ranking:
        if entry["cluster"] not in images:
            continue
        nearest = [
            SimilarClass(known["label"], min(max(known["likeness"], 0), 1))
            for known in entry["nearest"]
        ]
        clusters.append(
            SheetCluster(
                entry["cluster"], entry["gain"], tuple(nearest), tuple(images[entry["cluster"]])
            )
        )
    return clusters


def take_first(clusters: "Sequence[SheetCluster]", most_images: int) -> "list[SheetCluster]":
    """Return the first clusters: at most so many images together, but at least one cluster."""
    n_images = 0
    first: list[SheetCluster] = []
    for cluster in clusters:
        n_images += len(cluster.images)
        if n_images > most_images and first:
            break
        first.append(cluster)
    return first


def add_pictures(
    clusters: "Sequence[SheetCluster]",
    ids_by_class: Mapping[str, Sequence[int]],
    packs: Sequence[Path],
) -> "list[SheetCluster]":
    """Return the clusters with thumbnails of images and of specimens of the similar classes.

    They are left out where the packs do not hold them.
    """
    from entoflow.identification import thumbnails

    wanted = []
    for cluster in clusters:
        wanted += [image.id for image in cluster.images]
        for known in cluster.nearest:
            wanted += ids_by_class.get(known.label, [])
    jpegs = thumbnails.read_thumbnails(packs, wanted)
    with_pictures = []
    for cluster in clusters:
        images = [replace(image, thumbnail=jpegs.get(image.id)) for image in cluster.images]
        nearest = []
        for known in cluster.nearest:
            pictures = [
                jpegs[image_id]
                for image_id in ids_by_class.get(known.label, [])
                if image_id in jpegs
            ]
            nearest.append(replace(known, thumbnails=tuple(pictures[:MOST_PICTURES])))
        with_pictures.append(replace(cluster, images=tuple(images), nearest=tuple(nearest)))
    return with_pictures


def summarise(clusters: "Sequence[SheetCluster]", n_left: int) -> str:
    """Return what is on the sheet, and how many clusters are not."""
    n_images = sum(len(cluster.images) for cluster in clusters)
    rest = f"; {n_left} more clusters, worth less, are for the next round" if n_left else ""
    return f"{len(clusters)} clusters of {n_images} images to name{rest}"


if __name__ == "__main__":
    run(main)
