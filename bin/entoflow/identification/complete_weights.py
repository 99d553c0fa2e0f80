"""Notices tensors that a file of weights lacks, which timm passes over in silence.

Without a classifier (num_classes=0) timm loads weights with strict=False, and the tensors that the
file lacks stay random. It fits the weights of each kind of network by a filter that is not public,
so that they cannot be loaded by hand and compared; and torch has no hook for the loading of a
network that does not exist yet. So torch's method is replaced while timm creates the network: this
is the one place where a library is patched.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from entoflow.task import InputError


@contextmanager
def refuse_missing_tensors(weights: Path, backbone: str) -> Iterator[None]:
    """Raise InputError where a network loads weights that lack one of its tensors.

    weights, backbone: what to name in the error.
    """
    import torch

    load_state_dict = torch.nn.Module.load_state_dict

    def load_completely(network: torch.nn.Module, state: Any, *args: Any, **options: Any) -> Any:
        result = load_state_dict(network, state, *args, **options)
        # Files of floating numbers alone have no counters of batches; nothing depends on them.
        missing = [name for name in result.missing_keys if not name.endswith("num_batches_tracked")]
        if missing:
            raise InputError(
                f"weights: {Path(weights).name} lacks {len(missing)} of the "
                f"{len(network.state_dict())} tensors of {backbone}, the first {missing[0]}; "
                "wanted weights of that network."
            )
        return result

    torch.nn.Module.load_state_dict = load_completely  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        torch.nn.Module.load_state_dict = load_state_dict  # type: ignore[method-assign]
