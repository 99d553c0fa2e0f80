"""What model.json says of an embedder: which one it is, and what kind of photos it takes."""

import hashlib
import json
from pathlib import Path
from typing import Any

from entoflow import files
from entoflow.dataset import Dataset
from entoflow.model_folder import ModelFacts
from entoflow.task import InputError

REFIT = "_refit"  # ends the name of an embedder that learned from all but test and unseen specimens
BACKBONE = "vit_small_patch14_dinov2.lvd142m"  # self-supervised, Apache-2.0, 22 million weights


def identity(facts: ModelFacts) -> str:
    """Return the id of an embedder by its model.json.

    The same weights and input make the same vectors of photos that were cropped the same way.
    """
    network_input = {key: facts.input[key] for key in ("backbone", "image_size", "mean", "std")}
    parts: list[Any] = [facts.weights_sha256, network_input]
    if "cropped_by" in facts.more:
        parts.append(facts.more["cropped_by"])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def detector_identity(folder: Path, facts: ModelFacts) -> str:
    """Return the id of a detector by its folder and model.json.

    The same weights, input and threshold crop photos the same way.
    """
    parts = [files.sha256(folder / "weights.safetensors"), facts.input, facts.threshold]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def check_crops(facts: ModelFacts, images: Dataset, path: Path) -> None:
    """Raise InputError unless images are whole, or cropped, as those an embedder learned from."""
    wanted = facts.more.get("cropped_by")
    if images.cropped_by != wanted:
        raise InputError(
            f"{path}: its images are {_cropping(images.cropped_by)}; "
            f"wanted them {_cropping(wanted)}, as those that the embedder learned from."
        )


def _cropping(detector: str | None) -> str:
    return f"cropped by the detector {detector[:12]}" if detector else "whole"
