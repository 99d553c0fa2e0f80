"""The network that turns an image into a vector: a backbone of timm's (Apache-2.0), as published, as given, or trained further.

An embedder is {"network", "device", "backbone", "image_size", "mean", "std"}; its vectors have length 1, so that their dot product is
the cosine of their angle.
"""
import logging
import os
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np

from entoflow.task import InputError, first_line

AT_ONCE = 4 * 640 * 640  # pixels of a batch on a CPU, as for detectors
GREY = (0.5, 0.5, 0.5)
KNOWN = "a network of timm's, such as resnet18 or vit_small_patch14_dinov2.lvd142m"


def new(backbone, image_size, weights=None, seed=1):
    """Return an embedder with the weights of a file (timm fits those of another image size), or with random ones.

    weights: path of safetensors or of what torch's restricted reader opens. Raises InputError for a backbone that timm has not, an image
    size it cannot take, or weights of another network: never random ones in their place.
    """
    torch, timm = _libraries()
    if not timm.is_model(backbone):
        raise InputError(f"--backbone is '{backbone}'; wanted {KNOWN}.")
    torch.manual_seed(seed)
    if weights and not Path(weights).is_file():
        raise InputError(f"weights: {weights} is no file; wanted weights of {backbone}.")
    with _whole(weights, backbone) if weights else nullcontext():
        network = _network(timm, backbone, image_size, weights)
    published = network.pretrained_cfg if weights else {}
    return ready(network, backbone, image_size, published.get("mean", GREY), published.get("std", GREY))


def ready(network, backbone, image_size, mean, std):
    """Return the embedder of a network, on the device that it runs on."""
    torch, _ = _libraries()
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    network = network.float().eval().to(device, memory_format=torch.channels_last)
    return {"network": network, "device": device, "backbone": backbone, "image_size": image_size, "mean": tuple(mean), "std": tuple(std)}


def published(backbone):
    """Return where the published weights of a backbone can be downloaded. Raises InputError for one that has none."""
    _, timm = _libraries()
    if not timm.is_model(backbone):
        raise InputError(f"--backbone is '{backbone}'; wanted {KNOWN}.")
    try:
        facts = timm.get_pretrained_cfg(backbone)
    except RuntimeError as error:
        raise InputError(f"--backbone {backbone}: {first_line(error)}; wanted {KNOWN}.") from None
    if not facts or not (facts.hf_hub_id or facts.url):
        raise InputError(f"--backbone {backbone} has no published weights; wanted one that has, a file (--weights FILE), or random ones (--weights none).")
    return f"https://huggingface.co/{facts.hf_hub_id}/resolve/main/model.safetensors" if facts.hf_hub_id else facts.url


def read_checkpoint(path, _scratch):
    """Return {name: tensor} of a state_dict, by torch's restricted reader, or of the usual wrappings of one."""
    import torch

    content = torch.load(path, map_location="cpu", weights_only=True)
    for wrapping in ("state_dict_ema", "model_ema", "state_dict", "model", "teacher"):
        content = content.get(wrapping, content)
    return {name: value for name, value in content.items() if hasattr(value, "is_floating_point")}


def save(embedder, folder):
    """Write weights.safetensors to the folder and return what model.json says of the input."""
    from entoflow.detector import write_weights

    write_weights(embedder["network"], folder)
    return {"backend": "timm", **{name: embedder[name] for name in ("backbone", "image_size", "mean", "std")}}


def load(folder, facts):
    """Return the embedder that `save` wrote; facts: its model.json. Raises InputError where weights and backbone do not go together."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    _, timm = _libraries()
    given = facts["input"]
    if given.get("backend") != "timm":
        raise InputError(f"{folder}: is a model of kind {facts['kind']}; wanted an embedder.")
    try:
        network = _network(timm, given["backbone"], given["image_size"])
        network.load_state_dict(load_file(folder / "weights.safetensors"))
    except (KeyError, RuntimeError, ValueError, OSError, SafetensorError) as error:
        raise InputError(f"{folder}: its weights cannot be loaded: {first_line(error)}") from None
    return ready(network, given["backbone"], given["image_size"], given["mean"], given["std"])


def embed(embedder, images):
    """Return n x d float32 vectors of length 1 of images (H x W x 3 uint8 RGB, of any sizes)."""
    torch, _ = _libraries()
    size = embedder["image_size"]
    step = max(1, AT_ONCE // (size * size)) if embedder["device"] == "cpu" else 256
    found = []
    for start in range(0, len(images), step):
        batch = np.stack([squared(image, size) for image in images[start:start + step]])
        with torch.inference_mode():
            found.append(normalised(embedder["network"](as_input(embedder, batch)).float().cpu().numpy()))
    return np.concatenate(found) if found else np.empty((0, dimension(embedder["network"])), np.float32)


def dimension(network):
    """Return how many numbers a network's vectors have: some have a layer behind their features."""
    return getattr(network, "head_hidden_size", None) or network.num_features


def squared(image, size):
    """Return an image as size x size x 3 uint8, its shape kept: what is beside it repeats its edge."""
    import cv2

    height, width = image.shape[:2]
    scale = size / max(height, width)
    new = max(1, round(width * scale)), max(1, round(height * scale))
    image = cv2.resize(image, new, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    left, top = (size - new[0]) // 2, (size - new[1]) // 2
    return cv2.copyMakeBorder(image, top, size - new[1] - top, left, size - new[0] - left, cv2.BORDER_REPLICATE)


def as_input(embedder, batch):
    """Return a batch (n x size x size x 3 uint8) as the network's input."""
    torch, _ = _libraries()
    x = torch.from_numpy(np.ascontiguousarray(batch)).to(embedder["device"]).permute(0, 3, 1, 2).float().div(255)
    mean, std = (torch.tensor(embedder[name], device=x.device).view(1, 3, 1, 1) for name in ("mean", "std"))
    return ((x - mean) / std).contiguous(memory_format=torch.channels_last)


def normalised(vectors):
    """Return vectors (n x d) at length 1, as float32; one of zeros stays so."""
    return (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def _network(timm, backbone, image_size, weights=None):
    given = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(weights), "hf_hub_id": None}} if weights else {"pretrained": False}
    for size in ({"img_size": image_size}, {}):  # a convolutional network takes any size and not the word
        try:
            return timm.create_model(backbone, num_classes=0, **given, **size)
        except TypeError:
            continue
        except InputError:
            raise
        except Exception as error:  # weights of another network, a damaged file, a size it cannot take: timm breaks in many ways
            what = f"with the weights of {Path(weights).name} " if weights else ""
            reason = first_line(error)[:200]
            raise InputError(f"--backbone {backbone} cannot be made {what}for {image_size} pixels ({reason}); wanted weights and a size "
                             "that fit it.") from None
    raise InputError(f"--backbone {backbone} cannot be made; wanted another network of timm's.")


@contextmanager
def _whole(weights, backbone):
    """Raise InputError where loading leaves a tensor as it was made: without a classifier, timm passes over what a file lacks."""
    import torch

    load = torch.nn.Module.load_state_dict

    def checked(network, state, strict=True, assign=False):
        found = load(network, state, strict=strict, assign=assign)
        missing = [name for name in found.missing_keys if not name.endswith("num_batches_tracked")]
        if missing:
            raise InputError(f"weights: {Path(weights).name} lacks {len(missing)} of the {len(network.state_dict())} tensors of {backbone}, the first "
                             f"{missing[0]}; wanted weights of that network.")
        return found

    torch.nn.Module.load_state_dict = checked
    try:
        yield
    finally:
        torch.nn.Module.load_state_dict = load


def _libraries():
    import torch

    os.environ["HF_HUB_OFFLINE"] = "1"
    import timm

    logging.getLogger("timm").setLevel(logging.ERROR)
    return torch, timm
