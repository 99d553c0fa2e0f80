#!/usr/bin/env python3
"""Name images by a gallery: the likeliest class and the next, how likely each is, and whether the class is one that the gallery knows at all.

A score is the probability that the name is right: that the class is known, times that it is this one. verdict: known; unknown (an insect, of no class
of the gallery); reject (stranger than nearly all insects of unknown classes: no insect, or unreadable). `labels` are all names that the label set
holds, of which one is right in nine of ten images of known classes. `taxon` is the finest name that is sure enough: of `rank` species, else genus, else
family; empty where none is.
"""
import argparse
import csv
from pathlib import Path

from entoflow import taxonomy
from entoflow.task import run

COLUMNS = ("image", "label", "score", "second", "second_score", "verdict", "known", "labels", "taxon", "rank")
MOST = 20  # names of a label set that are written


def main(argv):
    args = parser().parse_args(argv)
    taxonomy.check_confidence(args.confidence)
    from entoflow.identification import queries
    from entoflow.identification.rollup import Rollup

    images, vectors, held, facts = queries.read(args.datasets, args.embeddings, args.gallery)
    identifier = queries.identifier(held, facts)
    rollup = Rollup(identifier.classes, held.taxa, facts["calibration"])
    with args.identified.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(COLUMNS)
        counts = dict.fromkeys(("known", "unknown", "reject"), 0)
        for start in range(0, len(images), 1000):
            for image, cells in zip(images[start:start + 1000], named(identifier, rollup, vectors[start:start + 1000], args.confidence)):
                counts[cells[4]] += 1
                writer.writerow((image["file_name"], *cells))
    print(", ".join(f"{verdict} {n}" for verdict, n in counts.items()))


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--datasets", type=Path, nargs="+", required=True, help="data sets of the images")
    p.add_argument("--embeddings", type=Path, nargs="+", required=True, help="embeddings of the images")
    p.add_argument("--gallery", type=Path, required=True, help="gallery folder, with its embedder")
    p.add_argument("--confidence", type=float, default=taxonomy.CONFIDENCE, help="how sure a species, genus or family must be to be the taxon of an image "
                   "(default %(default)s)")
    p.add_argument("--identified", type=Path, required=True, help="CSV to write")
    return p


def named(identifier, rollup, vectors, confidence):
    """Yield the cells of each image behind its name."""
    import numpy as np

    probability, known, verdicts = identifier.judge(vectors)
    sets, taxa = identifier.label_sets(probability), zip(*rollup.named(probability, known, verdicts, confidence))
    for row, ranked in enumerate(np.argsort(-probability, axis=1, kind="stable")):
        chance = probability[row] * known[row]
        best, second = ranked[0], ranked[1] if len(ranked) > 1 else None
        held = [identifier.classes[column] for column in ranked[:MOST] if sets[row, column]]
        yield (identifier.classes[best], f"{chance[best]:.4f}", identifier.classes[second] if second is not None else "",
               f"{chance[second]:.4f}" if second is not None else "", str(verdicts[row]), f"{known[row]:.4f}", " | ".join(held), *next(taxa))


if __name__ == "__main__":
    run(main)
