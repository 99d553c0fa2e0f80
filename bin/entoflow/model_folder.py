"""The model folder: model.json, weights.safetensors and a model card. Nothing in it can carry code."""
import hashlib
import json
import sys
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path

import entoflow
from entoflow.task import InputError, first_line

PACKAGES = ["torch", "torchvision", "ultralytics", "ultralytics-opencv-headless", "timm", "pytorch-metric-learning", "scikit-learn", "numpy", "pillow",
            "opencv-python-headless"]
WEIGHTS = ("weights.safetensors", "classifier.npz", "convolutions.npz")  # none can carry code
BATCH = 16
REFIT = "_refit"  # ends the name of an embedder that learned from all but test and unseen, after the one that the choice is made on
BACKBONE = "vit_small_patch14_dinov2.lvd142m"  # of an embedder: self-supervised, Apache-2.0, 22 million weights


def backend(name):
    """Return the detector backend of that name: a module as backend_yolo.py describes. Raises InputError where there is none."""
    if name == "yolo":
        from entoflow import backend_yolo

        return backend_yolo
    if name == "torchvision":
        from entoflow import backend_torchvision

        return backend_torchvision
    raise InputError(f"detector backend is '{name}'; wanted yolo or torchvision.")


def architecture(chosen, name):
    """Return the name of a network of a backend: its first where none is named. Raises InputError where it has no such network."""
    if name and name not in chosen.ARCHITECTURES:
        raise InputError(f"--architecture is '{name}'; wanted one of --detector {chosen.NAME}: {', '.join(chosen.ARCHITECTURES)}.")
    return name or next(iter(chosen.ARCHITECTURES))


def write(folder, facts, provenance, licence):
    """Complete a model folder that holds its weights: model.json, then the card README.md.

    facts: name, kind, classes, input, threshold, metrics, metrics_of. provenance: data, parameters, seed.
    """
    weights = hashlib.sha256(weights_of(folder).read_bytes()).hexdigest()
    provenance = {"code": _code(), **provenance, "packages": _packages(), "weights_sha256": weights}
    model = {**facts, "licence": licence, "provenance": provenance}
    (folder / "model.json").write_text(json.dumps(model, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
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


def load(folder, scratch):
    """Return (detector, its backend, model.json). Raises InputError for another kind of model, or weights that do not fit the architecture."""
    from safetensors import SafetensorError

    facts = read(folder)
    if facts["kind"] != "detector":
        raise InputError(f"{folder}: is a model of kind {facts['kind']}; wanted a detector.")
    chosen = backend(facts["input"].get("backend"))
    try:
        return {**chosen.load(Path(folder), facts["input"], scratch), "tile_size": facts["input"].get("tile_size", 0)}, chosen, facts
    except (KeyError, RuntimeError, ValueError, OSError, SafetensorError) as error:
        raise InputError(f"{folder}: its weights cannot be loaded: {first_line(error)}") from None


def predict(detector, chosen, pack, image_ids, views=((1.0, False),)):
    """Yield (image id, view number, xyxy boxes, scores) for each image and view: memory stays that of one batch.

    views: (scale of the image size, flipped left to right) each. Boxes are those of the upright, unflipped image.
    Large images are looked at as a whole and in tiles, where the detector has a tile_size.
    """
    for start in range(0, len(image_ids), BATCH):
        batch = image_ids[start:start + BATCH]
        pixels = [pack.read(image_id) for image_id in batch]
        found = [_view(detector, chosen, pixels, scale, flipped) for scale, flipped in views]
        for index, image_id in enumerate(batch):
            for view, results in enumerate(found):
                yield image_id, view, *results[index]


def identity(facts):
    """Return the id of an embedder by its model.json: whose weights and input are the same makes the same vectors of photos cropped the same way."""
    said = [facts["provenance"]["weights_sha256"], {key: facts["input"][key] for key in ("backbone", "image_size", "mean", "std")}]
    said += [facts["cropped_by"]] if "cropped_by" in facts else []
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def detector_identity(folder, facts):
    """Return the id of a detector by its folder and model.json: whose weights, input and threshold are the same crops photos the same way."""
    weights = hashlib.sha256((Path(folder) / "weights.safetensors").read_bytes()).hexdigest()
    return hashlib.sha256(json.dumps([weights, facts["input"], facts["threshold"]], sort_keys=True).encode()).hexdigest()


def check_crops(facts, dataset, path):
    """Raise InputError unless the images of a data set are what an embedder learned from: whole, or cropped by the same detector."""
    found, wanted = (what.get("cropped_by") for what in (dataset.get("info", {}), facts))
    if found != wanted:
        raise InputError(f"{path}: its images are {_crops(found)}; wanted them {_crops(wanted)}, as those that the embedder learned from.")


def _crops(detector):
    return f"cropped by the detector {detector[:12]}" if detector else "whole"


def _view(detector, chosen, pixels, scale, flipped):
    size = max(32, round(detector["image_size"] * scale / 32) * 32)
    results = _in_windows(detector, chosen, [image[:, ::-1] if flipped else image for image in pixels], size)
    if not flipped:
        return results
    return [(_mirrored(boxes, image.shape[1]), scores) for (boxes, scores), image in zip(results, pixels)]


def _in_windows(detector, chosen, images, size):
    from entoflow import tiles

    side = detector.get("tile_size", 0)
    windows = [tiles.windows(image.shape[1], image.shape[0], side) for image in images]
    pieces = [image[y1:y2, x1:x2] for image, own in zip(images, windows) for x1, y1, x2, y2 in own]
    found = iter([result for start in range(0, len(pieces), BATCH) for result in chosen.predict(detector, pieces[start:start + BATCH], size)])
    return [tiles.merge(own, list(islice(found, len(own))), side) for own in windows]


def _mirrored(boxes, width):
    boxes = boxes.copy()
    boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    return boxes


def _code():
    """Version and hash of the code of this task: the script and the package files that were handed to it."""
    package = Path(__file__).parent
    script = Path(sys.modules["__main__"].__file__ or package / "__init__.py")
    files = [script, *sorted(package.glob("*.py"))]
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
