#!/usr/bin/env python3
"""Measure the chosen embedder on specimens that neither it nor any choice saw.

test: classes of the gallery, to be named right. unseen: classes that it lacks, to be recognised as
unknown; then some specimens of each are enrolled, one to three groups, and the others are named
among old and new classes, without any training. Nothing is chosen here. The chosen embedder is
compared with chance, colours, pixels and the other embedders, each by the head that was best on the
validation specimens.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entoflow import dataset, files, taxonomy
from entoflow.tables import read_json
from entoflow.task import run

if TYPE_CHECKING:
    from entoflow.identification.evaluation import Evaluated
    from entoflow.metric import Metric

COLUMNS = ("image", "label", "part", "named", "score", "verdict", "right", "id")
RELIABILITY_BINS = 10
HISTOGRAM_BINS = 20


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    taxonomy.check_confidence(args.confidence)
    from entoflow.identification import embeddings, evaluation
    from entoflow.identification.clusters import Clustering
    from entoflow.identification.identifier import Calibration

    facts = read_json(args.model)
    comparison = read_json(args.comparison)
    specimens = dataset.read(args.specimens)
    ids, vectors = embeddings.read(args.embeddings)
    parts = evaluation.Parts.of(specimens, ids)
    calibration = Calibration.from_json(facts["calibration"])
    clustering = Clustering.from_json(facts["clustering"])
    evaluated = evaluation.Evaluated.of(parts, vectors[facts["vectors"]], calibration)
    metrics = {
        **evaluation.closed_set_metrics(evaluated, args.seed),
        **evaluation.open_set_metrics(evaluated, args.seed),
        **evaluation.rank_metrics(evaluated, args.confidence, args.seed),
        **evaluation.enrolment_metrics(evaluated, args.seed),
        **evaluation.unseen_cluster_metrics(evaluated, clustering, args.seed),
    }
    rows = evaluation.compare_vectors(evaluated, vectors, comparison, args.seed)
    content = {
        "chain": "identification",
        "n": len(parts.test) + len(parts.unseen),
        "metrics": metrics,
        "comparison": [row.to_json() for row in rows],
        "verdict": comparison["verdict"]["sentence"],
    }
    files.write_json(args.metrics, content)
    args.plots.mkdir(parents=True, exist_ok=True)
    draw(args.plots, evaluated)
    files.write_csv(args.predictions, COLUMNS, prediction_rows(evaluated))
    print(summary(metrics))


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument(
        "--specimens", type=Path, required=True, help="data set that split_specimens.py wrote"
    )
    p.add_argument(
        "--embeddings", type=Path, nargs="+", required=True, help="embeddings of its images"
    )
    p.add_argument("--model", type=Path, required=True, help="model.json of the chosen embedder")
    p.add_argument(
        "--comparison", type=Path, required=True, help="JSON that choose_embedder.py wrote"
    )
    p.add_argument(
        "--confidence",
        type=float,
        default=taxonomy.CONFIDENCE,
        help="how sure a species, genus or family must be to name an image (default %(default)s)",
    )
    p.add_argument(
        "--seed", type=int, default=1, help="seed of the bootstrap (default %(default)s)"
    )
    p.add_argument(
        "--metrics", type=Path, required=True, help="JSON to write: every metric with its interval"
    )
    p.add_argument(
        "--predictions",
        type=Path,
        required=True,
        help="CSV to write: the name of each test and unseen image, and whether it is right",
    )
    p.add_argument("--plots", type=Path, required=True, help="folder for the pictures")
    return p


def prediction_rows(evaluated: Evaluated) -> list[dict[str, Any]]:
    """Return a row per test and unseen image; right is empty for a class that the gallery lacks."""
    classes = evaluated.identifier.classes
    rows = []
    for name, (part, predictions) in evaluated.by_part.items():
        best = predictions.probabilities.argmax(axis=1)
        scores = predictions.p_best()
        for place, image in enumerate(part.images):
            named = classes[best[place]]
            right = ""
            if name == "test":
                right = "yes" if named == image.label else "no"
            rows.append(
                {
                    "image": image.file_name,
                    "label": image.label,
                    "part": name,
                    "named": named,
                    "score": f"{scores[place]:.4f}",
                    "verdict": predictions.verdicts[place],
                    "right": right,
                    "id": image.id,
                }
            )
    return rows


def draw(folder: Path, evaluated: Evaluated) -> None:
    """Draw calibration, risk against coverage, and the scores of known and unknown classes."""
    import numpy as np

    from entoflow import calibration, plots

    best = evaluated.test.probabilities.max(axis=1)
    bins = calibration.reliability(best, evaluated.is_right, RELIABILITY_BINS)
    probabilities = [each.probability for each in bins]
    shares_right = [each.right for each in bins]
    plots.chart(
        folder / "calibration.png",
        {"test images": (probabilities, shares_right), "as it should be": ([0, 1], [0, 1])},
        "How far probabilities can be believed",
        ("probability of the name", "share right"),
    )
    curve = calibration.risk_coverage(best, evaluated.is_right)
    plots.chart(
        folder / "risk_coverage.png",
        {"test images": (curve.coverages, curve.errors)},
        "What leaving the less sure to a person gives",
        ("share named, the surest first", "share of these named wrong"),
    )
    lines = {}
    names = {"test": "classes of the gallery", "unseen": "classes that it lacks"}
    for part, (_, predictions) in evaluated.by_part.items():
        p_known = predictions.p_known
        counts, _ = np.histogram(p_known, bins=HISTOGRAM_BINS, range=(0, 1))
        middles = np.arange(0.025, 1, 0.05)
        lines[names[part]] = (middles, counts / len(p_known))
    plots.chart(
        folder / "known_unknown.png",
        lines,
        "Known and unknown",
        ("probability that the class is known", "share of images"),
    )


def summary(metrics: Mapping[str, Metric]) -> str:
    """Return the metrics that were measured, on a line."""
    measured = {name: each.value for name, each in metrics.items() if each.value is not None}
    return "  ".join(f"{name} {value:.3f}" for name, value in measured.items())


if __name__ == "__main__":
    run(main)
