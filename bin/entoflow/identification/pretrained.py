"""The weights that an embedder starts from: published ones, a person's file, or random ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entoflow.identification import embedder as embedders
from entoflow.identification.complete_weights import refuse_missing_tensors
from entoflow.identification.embedder import Embedder
from entoflow.task import InputError, first_line
from entoflow.weights import OURS

if TYPE_CHECKING:
    import torch

GREY = (0.5, 0.5, 0.5)  # mean and deviation of the input of a network that starts from nothing
WRAPPINGS = ("state_dict_ema", "model_ema", "state_dict", "model", "teacher")


def new_embedder(
    backbone: str, image_size: int, weights: Path | None = None, seed: int = 1
) -> Embedder:
    """Return an embedder with the weights of a file, or with random ones.

    weights: safetensors, or what torch's restricted reader opens. Of an earlier embedder's weights
    the network is taken, with its input; a projection behind it is not (see has_projection).
    Raises InputError for a backbone that timm has not, an image size it cannot take, or weights of
    another network: never random ones in their place.
    """
    import torch

    _check_backbone(backbone)
    torch.manual_seed(seed)
    if not weights:
        network = embedders.create_network(backbone, image_size)
        return embedders.place(network, backbone, image_size, GREY, GREY)
    if not Path(weights).is_file():
        raise InputError(f"weights: {weights} is no file; wanted weights of {backbone}.")
    with refuse_missing_tensors(weights, backbone):
        network = embedders.create_network(backbone, image_size, weights)
    metadata, _ = _head(weights)
    config: dict[str, Any] = {
        **network.pretrained_cfg,  # type: ignore[dict-item]
        **json.loads(metadata.get(OURS, "{}")),
    }
    mean = config.get("mean", GREY)
    return embedders.place(network, backbone, image_size, mean, config.get("std", GREY))


def has_projection(weights: Path) -> bool:
    """Tell whether a file of weights is that of an embedder of ours with a projection."""
    metadata, names = _head(weights)
    if OURS not in metadata:
        return False
    return any(name.startswith(embedders.PROJECTION) for name in names)


def published_url(backbone: str) -> str:
    """Return where the published weights of a backbone can be downloaded.

    Raises InputError for one that has none.
    """
    timm = _check_backbone(backbone)
    try:
        config = timm.get_pretrained_cfg(backbone)
    except RuntimeError as error:
        raise InputError(
            f"--backbone {backbone}: {first_line(error)}; wanted {embedders.KNOWN}."
        ) from None
    if config and config.hf_hub_id:
        return f"https://huggingface.co/{config.hf_hub_id}/resolve/main/model.safetensors"
    if config and config.url:
        return str(config.url)
    raise InputError(
        f"--backbone {backbone} has no published weights; wanted one that has, "
        "a file (--weights FILE), or random ones (--weights none)."
    )


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """Return {name: tensor} of a state_dict, or of one of the usual wrappings of one.

    It is read by torch's restricted reader, which runs no code.
    """
    import torch

    content = torch.load(path, map_location="cpu", weights_only=True)
    for wrapping in WRAPPINGS:
        content = content.get(wrapping, content)
    return {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}


def _check_backbone(backbone: str) -> Any:
    """Return timm. Raises InputError for a backbone that it has not."""
    timm = embedders.import_timm()
    if not timm.is_model(backbone):
        raise InputError(f"--backbone is '{backbone}'; wanted {embedders.KNOWN}.")
    return timm


def _head(weights: Path) -> tuple[dict[str, str], list[str]]:
    """Return ({key: text} in the head, names of tensors) of safetensors; of others nothing."""
    from safetensors import safe_open

    if Path(weights).suffix != ".safetensors":
        return {}, []
    with safe_open(weights, "np") as file:
        return file.metadata() or {}, list(file.keys())
