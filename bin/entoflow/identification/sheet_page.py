"""The page of a cluster sheet: clusters to name, in one HTML file that works offline.

web/sheet.js shows it. It saves review.csv, which has a row for each cluster, without an image,
whose label is that of all its images, and a row for each image, whose own label wins. A label is a
name, `reject` (no insect, or not to be used), `?` (looked at and left open), or empty.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from entoflow import pages
from entoflow.tables import safe_cell

COLUMNS = (
    "cluster",
    "image",
    "label",
    "nearest_known",
    "distance",
    "verdict",
    "id",
)  # of review.csv
VERDICTS = ("known", "unknown", "reject")
STYLES = ("palette.css", "app.css", "sheet.css")
MOST_NEAREST = 3


@dataclass(frozen=True)
class SheetImage:
    """An image of a cluster."""

    name: str
    id: int
    verdict: str  # known, unknown, reject
    typicality: float  # similarity to the cluster's centre
    thumbnail: bytes | None = None  # a JPEG


@dataclass(frozen=True)
class SimilarClass:
    """A known class that a cluster is similar to."""

    label: str
    similarity: float  # 0-1
    thumbnails: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class SheetCluster:
    """A cluster to name."""

    number: int
    gain: float  # expected number of images labelled per click
    nearest: tuple[SimilarClass, ...]  # up to three, the most similar first
    images: tuple[SheetImage, ...]  # the most typical first

    @property
    def distance(self) -> str:
        """Return the distance to the nearest known class as text, nothing where none is known."""
        return f"{max(0, 1 - self.nearest[0].similarity):.4f}" if self.nearest else ""


def page(title: str, clusters: Sequence[SheetCluster], labels: Iterable[str]) -> str:
    """Return the sheet as a page.

    clusters: those most worth naming first. labels: the names of all known classes. Raises
    ValueError for a cluster or an image that occurs twice, an unknown verdict, or a number that is
    not finite.
    """
    check(clusters)
    images = [image for cluster in clusters for image in cluster.images]
    class_pictures: dict[
        bytes, int
    ] = {}  # a class is similar to many clusters: its pictures are in the page once
    data: dict[str, Any] = {
        "labels": sorted(set(labels)),
        "clusters": [_cluster(cluster, class_pictures, len(images)) for cluster in clusters],
        "images": [image.name for image in images],
        "ids": [str(image.id) for image in images],
        "verdicts": [image.verdict for image in images],
        "typicality": [round(float(image.typicality), 4) for image in images],
    }
    pictures = [*(image.thumbnail for image in images), *class_pictures]
    data["key"] = (
        f"entoflow sheet {_digest(data, pictures)}"  # of what the browser keeps of this sheet
    )
    content = {
        "title": title,
        "subtitle": f"{_counted(len(clusters), 'cluster')}, {_counted(len(images), 'image')}",
        "data": pages.embedded_json(data),
        "thumbnails": pages.embedded_lines(pictures),
    }
    return pages.render("sheet.html.j2", STYLES, content, "sheet.js")


def review_rows(clusters: Sequence[SheetCluster]) -> list[tuple[str, ...]]:
    """Return the rows of review.csv with all labels empty, safe to open in a spreadsheet."""
    rows: list[tuple[str, ...]] = []
    for cluster in clusters:
        number = str(cluster.number)
        nearest = safe_cell(cluster.nearest[0].label) if cluster.nearest else ""
        rows.append((number, "", "", nearest, cluster.distance, "", ""))
        for image in cluster.images:
            rows.append(
                (
                    number,
                    safe_cell(image.name),
                    "",
                    nearest,
                    cluster.distance,
                    image.verdict,
                    str(image.id),
                )
            )
    return rows


def check(clusters: Sequence[SheetCluster]) -> None:
    """Raise ValueError for what cannot be shown, or could not be told apart in review.csv."""
    ids = [image.id for cluster in clusters for image in cluster.images]
    for kind, numbers in (("cluster", [cluster.number for cluster in clusters]), ("id", ids)):
        repeated = [number for number, count in Counter(numbers).items() if count > 1]
        if repeated:
            raise ValueError(f"{kind} {repeated[0]} is there twice; wanted each once.")
    for cluster in clusters:
        _check_cluster(cluster)


def _check_cluster(cluster: SheetCluster) -> None:
    name = f"cluster {cluster.number}"
    if not cluster.images or len(cluster.nearest) > MOST_NEAREST:
        counts = f"{len(cluster.images)} images and {len(cluster.nearest)} nearest classes"
        raise ValueError(f"{name} has {counts}; wanted some, and up to {MOST_NEAREST}.")
    for image in cluster.images:
        if not image.name or image.verdict not in VERDICTS:
            wrong = f"image {image.name!r} with verdict {image.verdict!r}"
            raise ValueError(f"{name} has {wrong}; wanted a name, and {', '.join(VERDICTS)}.")
    similarities = [known.similarity for known in cluster.nearest]
    typicalities = [image.typicality for image in cluster.images]
    for number in [cluster.gain, *similarities, *typicalities]:
        if not math.isfinite(number):
            raise ValueError(f"{name} has a gain or similarity of {number}; wanted finite numbers.")


def _cluster(
    cluster: SheetCluster, class_pictures: dict[bytes, int], n_images: int
) -> dict[str, Any]:
    """Return a cluster as the page holds it.

    class_pictures: {picture: its number after those of the images}, which grows.
    """
    nearest = []
    for known in cluster.nearest:
        lines = [
            n_images + class_pictures.setdefault(picture, len(class_pictures))
            for picture in known.thumbnails
        ]
        nearest.append(
            {
                "label": known.label,
                "similarity": round(float(known.similarity), 4),
                "pictures": lines,
            }
        )
    return {
        "cluster": int(cluster.number),
        "gain": round(float(cluster.gain), 4),
        "nearest": nearest,
        "distance": cluster.distance,
        "size": len(cluster.images),
    }


def _digest(data: dict[str, Any], pictures: Iterable[bytes | None]) -> str:
    digest = hashlib.sha256(pages.embedded_json(data).encode())
    for picture in pictures:
        digest.update(hashlib.sha256(picture or b"").digest())
    return digest.hexdigest()


def _counted(n: int, noun: str) -> str:
    return f"1 {noun}" if n == 1 else f"{n:,} {noun}s"
