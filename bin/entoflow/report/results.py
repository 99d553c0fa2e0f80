"""Reads results/detection as it is published, for its report.

Every file may be absent: a run on boxes alone has no weak boxes, a run that was cut short has no evaluation.
"""
import csv
import json
import math
from collections import Counter

from entoflow.task import InputError

MODELS = ("target_detector", "insect_detector")


def read(folder, params):
    """Return what the detection folder holds, as one dictionary. Raises InputError for a file that cannot be read."""
    models = {name: read_model(folder / name) for name in MODELS if (folder / name / "model.json").is_file()}
    audit = read_json(folder / "audit.json") or {"summary": {}, "rows": []}
    classes = models.get("target_detector", {}).get("facts", {}).get("classes") or [None]
    starts = [model["facts"].get("provenance", {}).get("parameters", {}).get("weights") for model in models.values()]
    return {
        "params": params, "target": params.get("target") or classes[0], "synthetic": bool(params.get("demo")),
        "random_weights": params.get("weights") == "none" or "none" in starts,
        "metrics": read_json(folder / "evaluation/metrics.json"), "quality": read_json(folder / "weak_boxes/quality.json"),
        "ablation": read_json(folder / "weak_boxes/ablation.json"), "weak": read_weak(folder / "weak_boxes/weak_boxes.json"), "models": models,
        "rounds": [numeric(row) | {"kept": row["kept"]} for row in read_csv(folder / "weak_boxes/rounds.csv")],
        "split": read_csv(folder / "split.csv"), "audit": audit,
        "left_out": [row for row in audit["rows"] if row.get("action") == "left out"],
        "plots": folder / "evaluation/plots", "weak_pictures": folder / "weak_boxes",
        "review": read_csv(folder / "weak_boxes/review/review.csv"),
    }


def read_json(path):
    """Return the JSON of a file, None where there is none. Raises InputError where it is not JSON."""
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error}); wanted a file that entoflow wrote.") from None


def read_csv(path):
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def read_model(folder):
    return {"facts": read_json(folder / "model.json"), "training": [numeric(row) for row in read_csv(folder / "training.csv")]}


def numeric(row):
    """Return a row's cells that are finite numbers."""
    numbers = {}
    for name, cell in row.items():
        try:
            numbers[name] = float(cell)
        except (TypeError, ValueError):
            continue
    return {name: value for name, value in numbers.items() if math.isfinite(value)}


def read_weak(path):
    """Return the rule, the bands' counts and the share of photos with an accepted box, or None."""
    coco = read_json(path)
    if coco is None:
        return None
    bands = Counter(box.get("band") for box in coco["annotations"])
    boxed = {box["image_id"] for box in coco["annotations"] if box.get("band") == "accept"}
    photos = len(coco["images"])
    return {"bands": bands, "info": coco.get("info", {}), "photos": photos, "boxed": len(boxed),
            "share": len(boxed) / photos if photos else None}
