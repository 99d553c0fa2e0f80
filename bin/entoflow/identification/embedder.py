"""The network that turns an image into a vector: a backbone of timm's (Apache-2.0), as published, as given, or trained further.

An embedder is {"network", "projection", "device", "backbone", "image_size", "mean", "std"}; behind the network there may be a projection, else None.
Its vectors have length 1, so that their dot product is the cosine of their angle.
"""
import json
import logging
import os
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np

from entoflow.task import InputError, first_line
from entoflow.weights import OURS

AT_ONCE = 4 * 640 * 640  # pixels of a batch on a CPU, as for detectors
GREY = (0.5, 0.5, 0.5)
PROJECTION = "projection."  # before the names of a projection's tensors
KNOWN = "a network of timm's, such as resnet18 or vit_small_patch14_dinov2.lvd142m"


def new(backbone, image_size, weights=None, seed=1):
    """Return an embedder with the weights of a file (timm fits those of another image size), or with random ones.

    weights: path of safetensors or of what torch's restricted reader opens. Raises InputError for a backbone that timm has not, an image
    size it cannot take, or weights of another network: never random ones in their place. Of an earlier embedder's weights the network is taken, with
    its input; a projection behind it is not (see `has_projection`).
    """
    torch, timm = _libraries()
    if not timm.is_model(backbone):
        raise InputError(f"--backbone is '{backbone}'; wanted {KNOWN}.")
    torch.manual_seed(seed)
    if weights and not Path(weights).is_file():
        raise InputError(f"weights: {weights} is no file; wanted weights of {backbone}.")
    with _whole(weights, backbone) if weights else nullcontext():
        network = _network(timm, backbone, image_size, weights)
    given = {**network.pretrained_cfg, **json.loads(_head(weights)[0].get(OURS, "{}"))} if weights else {}
    return ready(network, backbone, image_size, given.get("mean", GREY), given.get("std", GREY))


def has_projection(weights):
    """Tell whether a file of weights is that of an embedder of ours with a projection."""
    said, names = _head(weights)
    return OURS in said and any(name.startswith(PROJECTION) for name in names)


def ready(network, backbone, image_size, mean, std):
    """Return the embedder of a network, on the device that it runs on."""
    torch, _ = _libraries()
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    network = network.float().eval().to(device, memory_format=torch.channels_last)
    return {"network": network, "projection": None, "device": device, "backbone": backbone, "image_size": image_size, "mean": tuple(mean),
            "std": tuple(std)}


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


def read_checkpoint(path):
    """Return {name: tensor} of a state_dict, by torch's restricted reader, or of the usual wrappings of one."""
    import torch

    content = torch.load(path, map_location="cpu", weights_only=True)
    for wrapping in ("state_dict_ema", "model_ema", "state_dict", "model", "teacher"):
        content = content.get(wrapping, content)
    return {name: value for name, value in content.items() if hasattr(value, "is_floating_point")}


def save(embedder, folder):
    """Write weights.safetensors to the folder and return what model.json says of the input."""
    from safetensors import torch as tensors

    state, said = dict(embedder["network"].state_dict()), {name: embedder[name] for name in ("mean", "std")}
    given = {"backend": "timm", "backbone": embedder["backbone"], "image_size": embedder["image_size"], **said}
    if embedder["projection"] is not None:
        from entoflow.identification.projection import KIND

        state |= {PROJECTION + name: value for name, value in embedder["projection"].state_dict().items()}
        given["projection"] = KIND
    state = {name: value.contiguous().cpu() for name, value in state.items()}
    (folder / "weights.safetensors").write_bytes(tensors.save(state, {OURS: json.dumps(said)}))
    return given


def load(folder, facts):
    """Return the embedder that `save` wrote; facts: its model.json. Raises InputError where weights, backbone and projection do not go together."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    _, timm = _libraries()
    given = facts["input"]
    if given.get("backend") != "timm":
        raise InputError(f"{folder}: is a model of kind {facts['kind']}; wanted an embedder.")
    try:
        network = _network(timm, given["backbone"], given["image_size"])
        tensors = load_file(folder / "weights.safetensors")
        projection = _projection(folder, given["projection"], tensors, dimension(network)) if "projection" in given else None
        network.load_state_dict(tensors)
    except (KeyError, RuntimeError, ValueError, OSError, SafetensorError) as error:
        raise InputError(f"{folder}: its weights cannot be loaded: {first_line(error)}") from None
    return {**ready(network, given["backbone"], given["image_size"], given["mean"], given["std"]), "projection": projection}


def embed(embedder, images):
    """Return n x d float32 vectors of length 1 of images (H x W x 3 uint8 RGB, of any sizes)."""
    return finished(embedder, features(embedder, images))


def features(embedder, images):
    """Return n x d float32: what the network makes of images, before any projection."""
    torch, _ = _libraries()
    size, step, found = embedder["image_size"], at_once(embedder), []
    for start in range(0, len(images), step):
        batch = np.stack([squared(image, size) for image in images[start:start + step]])
        with torch.inference_mode():
            found.append(run(embedder, as_input(embedder, batch)))
    return np.concatenate(found) if found else np.empty((0, dimension(embedder["network"])), np.float32)


def finished(embedder, features):
    """Return the embedder's vectors (n x d of length 1) of what its network made of images."""
    if embedder["projection"] is None:
        return normalised(features)
    torch, _ = _libraries()
    with torch.inference_mode():
        return normalised(embedder["projection"](torch.from_numpy(features)).numpy())


def run(embedder, x):
    """Return n x d float32: what the network makes of its input."""
    return embedder["network"](x).float().cpu().numpy()


def at_once(embedder):
    """Return how many images go through the network together."""
    return max(1, AT_ONCE // embedder["image_size"] ** 2) if embedder["device"] == "cpu" else 256


def same_network(one, other):
    """Tell whether two embedders differ by nothing but their projections."""
    torch, _ = _libraries()
    if any(one[name] != other[name] for name in ("backbone", "image_size", "mean", "std")):
        return False
    state = other["network"].state_dict()
    return all(torch.equal(value, state[name]) for name, value in one["network"].state_dict().items())


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


def _head(weights):
    """Return ({key: text} in the head of safetensors, the names of its tensors); nothing of another file."""
    from safetensors import safe_open

    if Path(weights).suffix != ".safetensors":
        return {}, []
    with safe_open(weights, "np") as file:
        return file.metadata() or {}, list(file.keys())


def _projection(folder, kind, tensors, size):
    """Take the projection's tensors out of those of an embedder, and return it."""
    from entoflow.identification.projection import KIND, Projection

    own = {name.removeprefix(PROJECTION): tensors.pop(name) for name in list(tensors) if name.startswith(PROJECTION)}
    made = Projection(size)
    fits = {name: value.shape for name, value in own.items()} == {name: value.shape for name, value in made.state_dict().items()}
    if kind != KIND or not fits:
        found = ", ".join(f"{name} {list(value.shape)}" for name, value in sorted(own.items())) or "no tensor"
        raise InputError(f"{folder}: its projection ({kind}: {found}) does not fit its backbone; wanted {KIND} for features of {size} numbers.")
    made.load_state_dict(own)
    return made.eval()


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
