"""The model folder: model.json, the weights and a model card. Nothing in it can carry code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import entoflow
from entoflow import files, software
from entoflow.metric import Metric
from entoflow.model_card import model_card
from entoflow.tables import read_json
from entoflow.task import InputError

FORMAT = 1  # of model.json; one more for every change that an older entoflow would misread
WEIGHTS = ("weights.safetensors", "classifier.npz", "convolutions.npz")  # none can carry code
REQUIRED = ("name", "kind", "classes", "input", "threshold")
FACTS = (*REQUIRED, "metrics", "metrics_of", "licence")  # fields that are keys of model.json
WANTED = "wanted a model folder that entoflow wrote: model.json and weights.safetensors"


@dataclass(frozen=True)
class ModelFacts:
    """What model.json says of a model.

    How it came to be (code, packages, hash of the weights) is added when it is written.
    """

    name: str
    kind: str  # detector, embedder, wingbeat
    classes: list[str]
    input: dict[str, Any]  # the network and what it wants to see; each kind has its own
    threshold: float | None  # score from which a detection counts
    metrics: dict[str, Metric]  # those that it was chosen by
    metrics_of: str  # what they were measured on
    licence: str
    data: dict[str, Any]  # what it learned from: counts, hashes
    parameters: dict[str, Any]
    seed: int
    # what only its kind has: calibration, clustering, cropped_by ...
    more: dict[str, Any] = field(default_factory=dict)
    weights_sha256: str = ""  # of a model that was read


def write(folder: Path, facts: ModelFacts) -> None:
    """Complete a model folder that holds its weights: model.json, then the card README.md."""
    provenance = {
        "code": {"entoflow": entoflow.__version__, "sha256": software.code_sha256()},
        "data": facts.data,
        "parameters": facts.parameters,
        "seed": facts.seed,
        "packages": software.package_versions(),
        "weights_sha256": files.sha256(weights_of(folder)),
    }
    known = {name: getattr(facts, name) for name in FACTS if name != "licence"}
    model = {"format": FORMAT, **known, **facts.more}
    model |= {"licence": facts.licence, "provenance": provenance}
    files.write_json(Path(folder, "model.json"), model)
    files.write_text(Path(folder, "README.md"), model_card(model, facts.metrics))


def read(folder: Path) -> ModelFacts:
    """Return what model.json of a model folder says.

    Raises InputError where the folder holds no model that this version can read.
    """
    content = read_content(folder)
    content.pop("format", None)
    provenance = content.pop("provenance", {})
    return ModelFacts(
        **{name: content.pop(name) for name in REQUIRED},
        metrics=_metrics(content.pop("metrics", {})),
        metrics_of=content.pop("metrics_of", ""),
        licence=content.pop("licence", ""),
        data=provenance.get("data", {}),
        parameters=provenance.get("parameters", {}),
        seed=provenance.get("seed", 0),
        weights_sha256=provenance.get("weights_sha256", ""),
        more=content,
    )


def read_content(folder: Path) -> dict[str, Any]:
    """Return model.json of a model folder as it stands.

    Raises InputError where the folder holds no model that this version can read.
    """
    path = Path(folder) / "model.json"
    if not path.is_file() or not has_weights(folder):
        raise InputError(f"{folder}: holds no model; {WANTED}.")
    model = read_json(path)
    missing = [name for name in REQUIRED if not isinstance(model, dict) or name not in model]
    if missing:
        raise InputError(f"{path}: has no {', '.join(missing)}; {WANTED}.")
    if model.get("format", FORMAT) != FORMAT:
        raise InputError(
            f"{path}: is of format {model['format']}; wanted {FORMAT}, "
            f"which entoflow {entoflow.__version__} reads: "
            "use the entoflow that wrote it, or a newer one."
        )
    return model


def has_weights(folder: Path) -> bool:
    """Return whether a model folder holds a file of weights."""
    return any((Path(folder) / name).is_file() for name in WEIGHTS)


def weights_of(folder: Path) -> Path:
    """Return the path of the file of a model folder that holds its weights.

    Raises InputError where there is none.
    """
    paths = [Path(folder) / name for name in WEIGHTS]
    for path in paths:
        if path.is_file():
            return path
    raise InputError(f"{folder}: holds no weights; {WANTED}.")


def _metrics(entries: Mapping[str, Any]) -> dict[str, Metric]:
    defaults = {"groups": None, "unit": ""}
    return {name: Metric(**{**defaults, **entry}) for name, entry in entries.items()}
