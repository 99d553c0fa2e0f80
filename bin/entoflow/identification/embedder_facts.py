"""What model.json says of an embedder: which one it is, and what kind of photos it takes."""
import hashlib
import json
from pathlib import Path

from entoflow.task import InputError

REFIT = "_refit"  # ends the name of an embedder that learned from all but test and unseen, after the one that the choice is made on
BACKBONE = "vit_small_patch14_dinov2.lvd142m"  # self-supervised, Apache-2.0, 22 million weights


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
