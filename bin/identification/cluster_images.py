#!/usr/bin/env python3
"""Cluster images by their vectors, the named and the unknown, so that a person names many at a time.

How to cluster was chosen by choose_embedder.py on classes that it knows and the embedder did not learn from. Each cluster has the known class
that it is most like, and a rank by how many images get a right name per click if a person names it: large, pure clusters of images that have no
sure name come first.
"""
import argparse
import csv
import json
from pathlib import Path

from entoflow.task import InputError, run

COLUMNS = ("image", "cluster", "nearest_known", "distance", "verdict", "score", "typical", "id")
NEAREST = 3  # known classes told of each cluster
AT_ONCE = 1000


def main(argv):
    args = parser().parse_args(argv)
    from entoflow.identification import clusters, queries

    images, vectors, held, facts = queries.read(args.datasets, args.embeddings, args.gallery)
    way = facts.get("clustering")
    if not way:
        raise InputError(f"{args.gallery}: its embedder says of no way to cluster; wanted one that choose_embedder.py of this version wrote.")
    scores, verdicts = judged(queries.identifier(held, facts), vectors)
    found = clusters.clustered(vectors, way, verdicts != "known", args.seed)
    means = clusters.middles(vectors, found)
    typical = clusters.typical(vectors, found, means)
    gains = clusters.gains(found, clusters.chances(typical, way["same"]), scores)
    near, near_alone = nearest(means, held), nearest(vectors[found < 0], held)
    write(args.clusters, images, found, (verdicts, scores, typical), near, near_alone)
    args.ranking.write_text(json.dumps(ranked(found, gains, near), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(gains)} clusters of {int((found > 0).sum())} images, {int((found < 0).sum())} images alone ({told(way)})")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--datasets", type=Path, nargs="+", required=True, help="data sets of the images")
    p.add_argument("--embeddings", type=Path, nargs="+", required=True, help="embeddings of the images")
    p.add_argument("--gallery", type=Path, required=True, help="gallery folder, with its embedder")
    p.add_argument("--seed", type=int, default=1, help="seed of which images are clustered first where there are very many (default %(default)s)")
    p.add_argument("--clusters", type=Path, required=True, help="CSV to write: the cluster of each image")
    p.add_argument("--ranking", type=Path, required=True, help="JSON to write: the clusters, most worth naming first, with their nearest known classes")
    return p


def judged(identifier, vectors):
    """Return (the probability that the name of each image is right, verdicts), n each."""
    import numpy as np

    scores, verdicts = [], []
    for start in range(0, len(vectors), AT_ONCE):
        probability, known, verdict = identifier.judge(vectors[start:start + AT_ONCE])
        scores.append(probability.max(axis=1) * known)
        verdicts.append(verdict)
    return np.concatenate(scores), np.concatenate(verdicts)


def nearest(directions, held):
    """Return [[{"label", "likeness"}, ...], ...]: the known classes whose mean direction is most like each, by the cosine."""
    import numpy as np

    from entoflow.identification import heads

    classes, columns = np.unique(np.array(held.labels, str), return_inverse=True)
    likeness = heads.class_mean(np.asarray(held.embeddings(), np.float32), columns, len(classes))(directions)
    return [[{"label": str(classes[column]), "likeness": round(float(row[column]), 4)} for column in np.argsort(-row, kind="stable")[:NEAREST]]
            for row in likeness]


def ranked(found, gains, near):
    """Return what is told of each cluster, the one most worth a person's look first."""
    import numpy as np

    return [{"cluster": int(place) + 1, "images": int((found == place + 1).sum()), "gain": round(float(gains[place]), 4), "nearest": near[place]}
            for place in np.argsort(-gains, kind="stable")]


def write(path, images, found, of_images, near, near_alone):
    """Write a row per image: an image alone has a nearest known class of its own."""
    alone = iter(near_alone)
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(COLUMNS)
        for image, cluster, verdict, score, typical in zip(images, found.tolist(), *of_images):
            first = (near[cluster - 1] if cluster > 0 else next(alone))[0]
            numbers = (f"{number:.4f}" for number in (1 - first["likeness"], score, typical))
            writer.writerow((image["file_name"], cluster, first["label"], next(numbers), verdict, *numbers, image["id"]))


def told(way):
    """Return the way in words."""
    if way["method"] == "agglomerative":
        return f"average linkage, cut at a distance of {way['distance']:.3f}"
    return f"HDBSCAN, clusters of at least {way['min_cluster_size']}, {way['selection']}"


if __name__ == "__main__":
    run(main)
