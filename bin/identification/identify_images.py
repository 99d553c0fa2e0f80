#!/usr/bin/env python3
"""Name images by a gallery: the likeliest class and the next, and whether the class is a known one.

A score is the probability that the name is right: that the class is known, times that it is this
one. verdict: known; unknown (an insect of no class of the gallery); reject (less likely known than
99 % of unknown-class images: no insect, or unreadable). `labels` are all names that the label set
holds, of which one is right in nine of ten images of known classes. `taxon` is the finest name that
is sure enough: of `rank` species, else genus, else family; empty where none is.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow import files, taxonomy
from entoflow.task import run

if TYPE_CHECKING:
    import numpy as np

    from entoflow.identification.identifier import Identifier
    from entoflow.identification.queries import Queries
    from entoflow.identification.rollup import Rollup

COLUMNS = (
    "image",
    "label",
    "score",
    "second",
    "second_score",
    "verdict",
    "known",
    "labels",
    "taxon",
    "rank",
)
VERDICTS = ("known", "unknown", "reject")
MOST = 20  # names of a label set that are written
AT_ONCE = 1000  # images named together


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    taxonomy.check_confidence(args.confidence)
    from entoflow.identification.queries import read_queries
    from entoflow.identification.rollup import Rollup

    queries = read_queries(args.datasets, args.embeddings, args.gallery)
    identifier = queries.fit_identifier()
    taxa = queries.gallery.taxa
    rollup = Rollup.of_gallery(identifier.classes, taxa, identifier.calibration)
    counts = Counter(dict.fromkeys(VERDICTS, 0))
    rows = image_rows(queries, identifier, rollup, args.confidence, counts)
    files.write_csv(args.identified, COLUMNS, rows)
    print(", ".join(f"{verdict} {n}" for verdict, n in counts.items()))


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
        "--confidence",
        type=float,
        default=taxonomy.CONFIDENCE,
        help="how sure a species, genus or family must be to be the taxon of an image "
        "(default %(default)s)",
    )
    p.add_argument("--identified", type=Path, required=True, help="CSV to write")
    return p


def image_rows(
    queries: Queries,
    identifier: Identifier,
    rollup: Rollup,
    confidence: float,
    counts: Counter[str],
) -> Iterator[dict[str, str]]:
    """Yield the row of each image; counts of verdicts is added to."""
    for start in range(0, len(queries.images), AT_ONCE):
        images = queries.images[start : start + AT_ONCE]
        vectors = queries.vectors[start : start + AT_ONCE]
        cells = name_images(identifier, rollup, vectors, confidence)
        for image, row in zip(images, cells):
            counts[row["verdict"]] += 1
            yield {"image": image.file_name, **row}


def name_images(
    identifier: Identifier, rollup: Rollup, vectors: np.ndarray, confidence: float
) -> Iterator[dict[str, str]]:
    """Yield the cells of each image after its name, by vectors (m, d)."""
    import numpy as np

    classes = identifier.classes
    predictions = identifier.predict(vectors)
    probabilities = predictions.probabilities
    label_sets = identifier.label_sets(probabilities)
    finest = rollup.finest_names(predictions, confidence)
    for row, ranked in enumerate(np.argsort(-probabilities, axis=1, kind="stable")):
        scores = probabilities[row] * predictions.p_known[row]
        in_set = [classes[column] for column in ranked[:MOST] if label_sets[row, column]]
        best = ranked[0]
        second = ""
        second_score = ""
        if len(ranked) > 1:
            second = classes[ranked[1]]
            second_score = f"{scores[ranked[1]]:.4f}"
        yield {
            "label": classes[best],
            "score": f"{scores[best]:.4f}",
            "second": second,
            "second_score": second_score,
            "verdict": str(predictions.verdicts[row]),
            "known": f"{predictions.p_known[row]:.4f}",
            "labels": " | ".join(in_set),
            "taxon": finest.taxa[row],
            "rank": finest.ranks[row],
        }


if __name__ == "__main__":
    run(main)
