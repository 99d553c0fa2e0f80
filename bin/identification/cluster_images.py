#!/usr/bin/env python3
"""Cluster images by their vectors, known and unknown, so that a person names many at a time.

How to cluster was chosen by choose_embedder.py on known classes that the embedder did not learn
from. Each cluster has the known classes that it is most like, and a rank by how many images get a
right name per click if a person names it: large, pure clusters of images without a sure name come
first.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entoflow import files
from entoflow.task import InputError, run

if TYPE_CHECKING:
    import numpy as np

    from entoflow.dataset import Image
    from entoflow.identification.clusters import Clustering
    from entoflow.identification.gallery import Gallery
    from entoflow.identification.queries import Queries

COLUMNS = ("image", "cluster", "nearest_known", "distance", "verdict", "score", "typical", "id")
NEAREST = 3  # known classes named for each cluster
AT_ONCE = 1000  # images named together


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    from entoflow.identification import clusters
    from entoflow.identification.queries import read_queries

    queries = read_queries(args.datasets, args.embeddings, args.gallery)
    clustering = read_clustering(queries, args.gallery)
    vectors = queries.vectors
    scores, verdicts = predict(queries)
    numbers = clusters.cluster_many(vectors, clustering.method, verdicts != "known", args.seed)
    middles = clusters.cluster_middles(vectors, numbers)
    typical = clusters.cosines_to_middle(vectors, numbers, middles)
    p_same = clustering.same.probability(typical)
    gains = clusters.gains_of_naming(numbers, p_same, scores)
    clustered = Clustered(queries.images, numbers, verdicts, scores, typical)
    nearest = nearest_known(middles, queries.gallery)
    nearest_alone = nearest_known(vectors[numbers < 0], queries.gallery)
    files.write_csv(args.clusters, COLUMNS, image_rows(clustered, nearest, nearest_alone))
    files.write_json(args.ranking, rank_clusters(numbers, gains, nearest))
    n_clustered = int((numbers > 0).sum())
    n_alone = int((numbers < 0).sum())
    print(
        f"{len(gains)} clusters of {n_clustered} images, {n_alone} images alone "
        f"({describe(clustering)})"
    )


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument(
        "--datasets", type=Path, nargs="+", required=True, help="data sets of the images"
    )
    p.add_argument(
        "--embeddings", type=Path, nargs="+", required=True, help="embeddings of the images"
    )
    p.add_argument("--gallery", type=Path, required=True, help="gallery folder, with its embedder")
    p.add_argument(
        "--seed",
        type=int,
        default=1,
        help="seed of which images are clustered first where there are very many "
        "(default %(default)s)",
    )
    p.add_argument(
        "--clusters", type=Path, required=True, help="CSV to write: the cluster of each image"
    )
    p.add_argument(
        "--ranking",
        type=Path,
        required=True,
        help="JSON to write: the clusters, most worth naming first, with their nearest known "
        "classes",
    )
    return p


@dataclass(frozen=True)
class Clustered:
    """Images with their clusters, and what the gallery says of them; n each."""

    images: list[Image]
    numbers: np.ndarray  # of the cluster, -1 for an image alone
    verdicts: np.ndarray
    scores: np.ndarray  # probability that the name is right
    typical: np.ndarray  # cosine to the middle of the cluster


@dataclass(frozen=True)
class NearestClass:
    """A known class, and how like it a direction is."""

    label: str
    likeness: float  # cosine to the mean of the class


def read_clustering(queries: Queries, folder: Path) -> Clustering:
    """Return how to cluster. Raises InputError where the gallery's embedder does not say."""
    from entoflow.identification.clusters import Clustering

    content = queries.facts.more.get("clustering")
    if not content:
        raise InputError(
            f"{folder}: its embedder says of no way to cluster; "
            "wanted one that choose_embedder.py of this version wrote."
        )
    return Clustering.from_json(content)


def predict(queries: Queries) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability (n,) that the name of each image is right, and the verdicts (n,)."""
    import numpy as np

    identifier = queries.fit_identifier()
    scores = []
    verdicts = []
    for start in range(0, len(queries.vectors), AT_ONCE):
        predictions = identifier.predict(queries.vectors[start : start + AT_ONCE])
        scores.append(predictions.p_best())
        verdicts.append(predictions.verdicts)
    return np.concatenate(scores), np.concatenate(verdicts)


def nearest_known(directions: np.ndarray, gallery: Gallery) -> list[list[NearestClass]]:
    """Return the known classes whose mean direction is most like each of the directions (m, d)."""
    import numpy as np

    from entoflow.identification import heads

    classes, class_index = np.unique(np.array(gallery.labels, str), return_inverse=True)
    vectors = np.asarray(gallery.embeddings(), np.float32)
    cosines = heads.class_mean(vectors, class_index, len(classes))(directions)
    nearest = []
    for row in cosines:
        best = np.argsort(-row, kind="stable")[:NEAREST]
        nearest.append(
            [NearestClass(str(classes[column]), round(float(row[column]), 4)) for column in best]
        )
    return nearest


def image_rows(
    clustered: Clustered,
    nearest: Sequence[Sequence[NearestClass]],
    nearest_alone: Sequence[Sequence[NearestClass]],
) -> list[dict[str, Any]]:
    """Return a row per image; an image alone has a nearest known class of its own."""
    alone = iter(nearest_alone)
    rows = []
    for place, image in enumerate(clustered.images):
        number = int(clustered.numbers[place])
        nearest_classes = nearest[number - 1] if number > 0 else next(alone)
        first = nearest_classes[0]
        rows.append(
            {
                "image": image.file_name,
                "cluster": number,
                "nearest_known": first.label,
                "distance": f"{1 - first.likeness:.4f}",
                "verdict": clustered.verdicts[place],
                "score": f"{clustered.scores[place]:.4f}",
                "typical": f"{clustered.typical[place]:.4f}",
                "id": image.id,
            }
        )
    return rows


def rank_clusters(
    numbers: np.ndarray, gains: np.ndarray, nearest: Sequence[Sequence[NearestClass]]
) -> list[dict[str, Any]]:
    """Return what is said of each cluster, the one most worth a person's look first."""
    import numpy as np

    ranking = []
    for place in np.argsort(-gains, kind="stable").tolist():
        ranking.append(
            {
                "cluster": place + 1,
                "images": int((numbers == place + 1).sum()),
                "gain": round(float(gains[place]), 4),
                "nearest": nearest[place],
            }
        )
    return ranking


def describe(clustering: Clustering) -> str:
    """Return how it was clustered, in words."""
    from entoflow.identification.clusters import AverageLinkage

    method = clustering.method
    if isinstance(method, AverageLinkage):
        return f"average linkage, cut at a distance of {method.distance:.3f}"
    return f"HDBSCAN, clusters of at least {method.min_cluster_size}, {method.selection}"


if __name__ == "__main__":
    run(main)
