#!/usr/bin/env python3
"""Name images by a gallery: the likeliest class and the next, how likely each is, and whether the class is one that the gallery knows at all.

A score is the probability that the name is right: that the class is known, times that it is this one. verdict: known; unknown (an insect, of no class
of the gallery); reject (stranger than nearly all insects of unknown classes: no insect, or unreadable). `labels` are all names that the label set
holds, of which one is right in nine of ten images of known classes.
"""
import argparse
import csv
from pathlib import Path

from entoflow import coco, model
from entoflow.task import InputError, run

COLUMNS = ("image", "label", "score", "second", "second_score", "verdict", "known", "labels")
MOST = 20  # names of a label set that are written


def main(argv):
    args = parser().parse_args(argv)
    import numpy as np
    from entoflow import embeddings, gallery
    from entoflow.identification import Identifier

    facts, held = model.read(args.gallery / "embedder"), gallery.read(args.gallery)
    ids, vectors = embeddings.read(args.embeddings)
    own = embeddings.of(vectors, facts, "embedder", args.embeddings)
    if not len(held):
        raise InputError(f"{args.gallery}: holds no specimen; wanted a gallery to name by.")
    if own.shape[1] != held.dimension:
        raise InputError(f"{args.gallery}: holds vectors of {held.dimension} dimensions; wanted {own.shape[1]}, as the embedder makes.")
    held.check(model.identity(facts), own)
    identifier = Identifier(np.asarray(held.embeddings(), np.float32), held.labels, facts["calibration"])
    images = sorted((image for path in args.datasets for image in coco.read(path)["images"]), key=lambda image: image["file_name"])
    with args.identified.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(COLUMNS)
        counts = dict.fromkeys(("known", "unknown", "reject"), 0)
        for start in range(0, len(images), 1000):
            some = images[start:start + 1000]
            for image, cells in zip(some, named(identifier, own[embeddings.rows(ids, [image["id"] for image in some])])):
                counts[cells[4]] += 1
                writer.writerow((image["file_name"], *cells))
    print(", ".join(f"{verdict} {n}" for verdict, n in counts.items()))


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--datasets", type=Path, nargs="+", required=True, help="data sets of the images")
    p.add_argument("--embeddings", type=Path, nargs="+", required=True, help="embeddings of the images")
    p.add_argument("--gallery", type=Path, required=True, help="gallery folder, with its embedder")
    p.add_argument("--identified", type=Path, required=True, help="CSV to write")
    return p


def named(identifier, vectors):
    """Yield the cells of each image behind its name."""
    import numpy as np

    probability, known, verdicts = identifier.judge(vectors)
    sets = identifier.label_sets(probability)
    for row, ranked in enumerate(np.argsort(-probability, axis=1, kind="stable")):
        chance = probability[row] * known[row]
        best, second = ranked[0], ranked[1] if len(ranked) > 1 else None
        held = [identifier.classes[column] for column in ranked[:MOST] if sets[row, column]]
        yield (identifier.classes[best], f"{chance[best]:.4f}", identifier.classes[second] if second is not None else "",
               f"{chance[second]:.4f}" if second is not None else "", str(verdicts[row]), f"{known[row]:.4f}", " | ".join(held))


if __name__ == "__main__":
    run(main)
