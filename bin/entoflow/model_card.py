"""The model card: what a model is for, what it learned from, how good it is, and under which terms
it may be used.
"""

import json
from collections.abc import Mapping
from typing import Any

from entoflow.metric import Metric

LIKE_PHOTOS = (
    "Photos like those it was trained on. On photos of another kind (another camera, background "
    "or insect size) measure it first (`--test_boxes`). It supports a person's identification and "
    "does not replace it."
)
LIKE_SOUNDS = (
    "Sounds of sensors and places like those it was trained on: another sensor sounds different, "
    "and the figures below are of none that it did not know. It supports a person's identification "
    "and does not replace it."
)
ON_VALIDATION = (
    "Training stopped and the threshold was chosen on these images, so they flatter the model; "
    "the figures on test images are in evaluation/metrics.json."
)
ON_HELD_OUT = (
    "Each event was named by a model of this family that learned from other groups; this one "
    "learned from all. The family was chosen by these figures, so they flatter it a little; those "
    "in evaluation/metrics.json count the choice in."
)
USE = {"detector": LIKE_PHOTOS, "embedder": LIKE_PHOTOS, "wingbeat": LIKE_SOUNDS}
FIGURES = {"detector": ON_VALIDATION, "embedder": ON_VALIDATION, "wingbeat": ON_HELD_OUT}


def model_card(model: Mapping[str, Any], metrics: Mapping[str, Metric]) -> str:
    """Return the card, in Markdown, of a model.

    model: what its model.json says; metrics: those in it.
    """
    kind = model["kind"]
    provenance = model["provenance"]
    items = "events" if kind == "wingbeat" else "images"
    packages = [f"{name} {version}" for name, version in provenance["packages"].items()]
    code = provenance["code"]
    sections = [
        f"# {model['name']}\n\n{_purpose(model)}",
        f"## Intended use\n\n{USE[kind]}",
        "## Data\n\n"
        + "\n".join(f"- {name}: {value}" for name, value in provenance["data"].items()),
        f"## Figures on the {model['metrics_of']} {items}\n\n{FIGURES[kind]}\n\n{_table(metrics)}",
        f"## Licence\n\n{model['licence']}",
        "## Provenance\n\n"
        f"- parameters: {json.dumps(provenance['parameters'])}\n"
        f"- code: entoflow {code['entoflow']} ({code['sha256'][:12]})\n"
        f"- packages: {', '.join(packages)}",
    ]
    return "\n\n".join(sections) + "\n"


def _purpose(model: Mapping[str, Any]) -> str:
    classes = ", ".join(model["classes"])
    if model["kind"] == "detector":
        return (
            f"Finds **{classes}** in photos and draws a box around each. "
            f"A box counts from score {model['threshold']:.3f}."
        )
    if model["kind"] == "wingbeat":
        rate = model["input"]["sample_rate"]
        return f"Names the sound of a short event: {classes}. It learned from sounds of {rate} Hz."
    cropping = (
        " Photos are cropped first, by the detector in the gallery."
        if "cropped_by" in model
        else ""
    )
    return (
        "Turns a photo of one insect into a vector; the nearest vectors of a gallery of named "
        f"specimens tell what it is. It learned from {len(model['classes'])} classes "
        f"and serves for others, too.{cropping}"
    )


def _table(metrics: Mapping[str, Metric]) -> str:
    rows = ["| metric | value | 95 % interval | n |", "|---|---|---|---|"]
    for name, metric in metrics.items():
        value = "not measured" if metric.value is None else f"{metric.value:.3f}"
        interval = (
            "too few groups" if metric.low is None else f"{metric.low:.3f} to {metric.high:.3f}"
        )
        rows.append(f"| {name} | {value} | {interval} | {metric.n} |")
    return "\n".join(rows)
