"""The model folder: model.json, weights.safetensors and a model card. Nothing in it can carry code."""
import hashlib
import json
import sys
from dataclasses import dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import entoflow
from entoflow import files
from entoflow.metric import Metric
from entoflow.task import InputError

PACKAGES = ["torch", "torchvision", "ultralytics", "ultralytics-opencv-headless", "timm", "pytorch-metric-learning", "scikit-learn", "numpy", "pillow",
            "opencv-python-headless"]
_ORDER = ("name", "kind", "classes", "input", "threshold", "metrics", "metrics_of")  # of model.json
WEIGHTS = ("weights.safetensors", "classifier.npz", "convolutions.npz")  # none can carry code


@dataclass(frozen=True)
class ModelFacts:
    """What model.json says of a model; how it came to be (code, packages, hash of the weights) is added when it is written."""

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
    more: dict[str, Any] = field(default_factory=dict)  # what only its kind has: calibration, clustering, cropped_by ...
    weights_sha256: str = ""  # of a model that was read


def write_facts(folder: Path, facts: ModelFacts) -> None:
    """Complete a model folder that holds its weights: model.json, then the card README.md."""
    known = {each.name for each in fields(ModelFacts)} - {"more", "data", "parameters", "seed", "licence", "weights_sha256"}
    provenance = {"data": facts.data, "parameters": facts.parameters, "seed": facts.seed}
    write(folder, {name: getattr(facts, name) for name in _ORDER if name in known} | facts.more, provenance, facts.licence)


def read_facts(folder: Path) -> ModelFacts:
    """Return what model.json of a model folder says. Raises InputError where the folder holds no model that this version can read."""
    content = read(folder)
    provenance = content.pop("provenance", {})
    own = {each.name for each in fields(ModelFacts)} - {"more", "data", "parameters", "seed", "weights_sha256"}
    values = {name: content.pop(name) for name in own & content.keys()}
    values["metrics"] = {name: Metric(**{"groups": None, "unit": "", **entry}) for name, entry in values.get("metrics", {}).items()}
    values.setdefault("metrics_of", "")
    values.setdefault("licence", "")
    given = {name: provenance.get(name, {}) for name in ("data", "parameters")}
    return ModelFacts(**values, **given, seed=provenance.get("seed", 0), more=content, weights_sha256=provenance.get("weights_sha256", ""))


def write(folder, facts, provenance, licence):
    """Complete a model folder that holds its weights: model.json, then the card README.md.

    facts: name, kind, classes, input, threshold, metrics, metrics_of. provenance: data, parameters, seed.
    """
    weights = hashlib.sha256(weights_of(folder).read_bytes()).hexdigest()
    provenance = {"code": _code(), **provenance, "packages": _packages(), "weights_sha256": weights}
    model = {**facts, "licence": licence, "provenance": provenance}
    files.write_json(folder / "model.json", model)
    (folder / "README.md").write_text(_card(model), encoding="utf-8")


def weights_of(folder):
    """Return the path of the file of a model folder that holds its weights, None where there is none."""
    return next((Path(folder) / name for name in WEIGHTS if (Path(folder) / name).is_file()), None)


def read(folder):
    """Return model.json of a model folder. Raises InputError where the folder holds no model that this version can read."""
    path = Path(folder) / "model.json"
    wanted = "wanted a model folder that entoflow wrote: model.json and weights.safetensors"
    if not path.is_file() or not weights_of(folder):
        raise InputError(f"{folder}: holds no model; {wanted}.")
    try:
        model = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error}); {wanted}.") from None
    missing = [key for key in ("name", "kind", "classes", "input", "threshold") if not isinstance(model, dict) or key not in model]
    if missing:
        raise InputError(f"{path}: has no {', '.join(missing)}; {wanted}.")
    return model


def _code():
    """Version and hash of the code of this task: the script and the package files that were handed to it."""
    package = Path(__file__).parent
    script = Path(sys.modules["__main__"].__file__ or package / "__init__.py")
    files = [script, *sorted(package.rglob("*.py"))]
    return {"entoflow": entoflow.__version__, "sha256": hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()}


def _packages():
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _card(model):
    """Return the model card: what the model is for, what it learned from, how good it is, under which terms."""
    rows = [f"| {name} | {_number(entry['value'])} | {_interval(entry)} | {entry['n']} |" for name, entry in model["metrics"].items()]
    provenance = model["provenance"]
    lines = [
        f"# {model['name']}", "",
        PURPOSE[model["kind"]](model), "",
        "## Intended use", "",
        USE[model["kind"]], "",
        "## Data", "",
        *[f"- {key}: {value}" for key, value in provenance["data"].items()], "",
        f"## Figures on the {model['metrics_of']} {'events' if model['kind'] == 'wingbeat' else 'images'}", "",
        FIGURES[model["kind"]], "",
        "| metric | value | 95 % interval | n |", "|---|---|---|---|", *rows, "",
        "## Licence", "",
        f"{model['licence']}", "",
        "## Provenance", "",
        f"- parameters: {json.dumps(provenance['parameters'])}",
        f"- code: entoflow {provenance['code']['entoflow']} ({provenance['code']['sha256'][:12]})",
        f"- packages: {', '.join(f'{name} {number}' for name, number in provenance['packages'].items())}",
    ]
    return "\n".join(lines) + "\n"


PURPOSE = {
    "detector": lambda model: f"Finds **{', '.join(model['classes'])}** in photos and draws a box around each. "
                              f"A box counts from score {model['threshold']:.3f}.",
    "embedder": lambda model: "Turns a photo of one insect into a vector; the nearest vectors of a gallery of named specimens tell what it is. "
                              f"It learned from {len(model['classes'])} classes and serves for others, too."
                              f"{' Photos are cropped first, by the detector in the gallery.' if 'cropped_by' in model else ''}",
    "wingbeat": lambda model: f"Names the sound of a short event: {', '.join(model['classes'])}. It learned from sounds of {model['input']['sample_rate']} Hz.",
}
OF_PHOTOS = ("Photos like those it was trained on. On photos of another kind (another camera, background or insect size) measure it first "
             "(`--test_boxes`). It supports a person's identification and does not replace it.")
USE = {"detector": OF_PHOTOS, "embedder": OF_PHOTOS,
       "wingbeat": "Sounds of sensors and places like those it was trained on: another sensor sounds different, and the figures below are of none "
                   "that it did not know. It supports a person's identification and does not replace it."}
ON_VALIDATION = ("Training stopped and the threshold was chosen on these images, so they flatter the model; "
                 "the figures on test images are in evaluation/metrics.json.")
FIGURES = {"detector": ON_VALIDATION, "embedder": ON_VALIDATION,
           "wingbeat": "Each event was named by a model of this family that learned from other groups; this one learned from all. The family was "
                       "chosen by these figures, so they flatter it a little; those in evaluation/metrics.json count the choice in."}


def _number(value):
    return "not measured" if value is None else f"{value:.3f}"


def _interval(entry):
    return "too few groups" if entry["low"] is None else f"{entry['low']:.3f} to {entry['high']:.3f}"
