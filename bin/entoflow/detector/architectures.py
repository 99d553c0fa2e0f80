"""The networks of each detector backend, the first of which is its default."""

from dataclasses import dataclass

from entoflow.task import InputError


@dataclass(frozen=True)
class Fcos:
    """A ResNet, and the feature pyramid and head on it."""

    block: str  # torchvision's name of what its stages repeat
    repeats: tuple[int, int, int, int]  # of the block, in each of the four stages
    width: int  # channels of pyramid and head
    convolutions: int  # of the head, before its outputs
    published: str  # torchvision's name of published weights of the network or its backbone


YOLO = ("yolo11n", "yolo11s", "yolo11m", "yolo11l", "yolo11x")
FCOS = {
    "fcos_resnet10": Fcos("BasicBlock", (1, 1, 1, 1), 128, 2, "ResNet18_Weights.IMAGENET1K_V1"),
    "fcos_resnet18": Fcos("BasicBlock", (2, 2, 2, 2), 128, 2, "ResNet18_Weights.IMAGENET1K_V1"),
    "fcos_resnet50": Fcos("Bottleneck", (3, 4, 6, 3), 256, 4, "FCOS_ResNet50_FPN_Weights.COCO_V1"),
}
BACKENDS = {"yolo": YOLO, "torchvision": tuple(FCOS)}


def choose(backend: str, architecture: str | None) -> str:
    """Return the name of a backend's network: its default where none is named.

    Raises InputError where the backend does not exist or has no such network.
    """
    if backend not in BACKENDS:
        raise InputError(f"detector backend is '{backend}'; wanted {' or '.join(BACKENDS)}.")
    networks = BACKENDS[backend]
    if architecture and architecture not in networks:
        wanted = f"one of --detector {backend}: {', '.join(networks)}"
        raise InputError(f"--architecture is '{architecture}'; wanted {wanted}.")
    return architecture or networks[0]
