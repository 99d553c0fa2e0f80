"""The file of vectors of images: one or more of each, by the name of the embedder."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from entoflow.model_folder import ModelFacts
from entoflow.task import InputError

IDS = "image_id"  # name of the array of ids


def write(path: Path, ids: Sequence[int] | np.ndarray, vectors: Mapping[str, np.ndarray]) -> None:
    """Write vectors, {name: (n, d) float32}, of images by id (n)."""
    with open(path, "wb") as file:
        arrays: dict[str, Any] = {IDS: np.asarray(ids, np.int64), **vectors}
        np.savez(file, **arrays)


def read(paths: Sequence[Path]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return (ids (n,), {name: (n, d)}) of several files, sorted by id.

    An image in two of them is taken once. Raises InputError for a file of another kind, or one
    whose embedders are not those of the first.
    """
    files = [_read_arrays(path) for path in paths]
    if not files:
        return np.empty(0, np.int64), {}
    names = files[0].keys()
    for path, arrays in zip(paths, files):
        if arrays.keys() != names:
            raise InputError(
                f"{path}: holds vectors of {', '.join(sorted(arrays.keys() - {IDS}))}; "
                f"wanted {', '.join(sorted(names - {IDS}))} as in {paths[0]}."
            )
        if any(arrays[name].shape[1:] != files[0][name].shape[1:] for name in names):
            raise InputError(
                f"{path}: holds vectors of other lengths than {paths[0]}; "
                "wanted those of the same embedders."
            )
    joined = {name: np.concatenate([arrays[name] for arrays in files]) for name in names}
    ids, first = np.unique(joined.pop(IDS), return_index=True)
    return ids, {name: vectors[first] for name, vectors in joined.items()}


def select(
    vectors: Mapping[str, np.ndarray], facts: ModelFacts, name: str, paths: Sequence[Path]
) -> np.ndarray:
    """Return the vectors of an embedder: those named as when it was chosen, or by its own name.

    facts: its model.json. paths: where the vectors were read. Raises InputError where there are
    none.
    """
    name_of_choice = facts.more.get("vectors", "")
    for key in (name_of_choice, name):
        if key in vectors:
            return vectors[key]
    names = ", ".join(sorted(vectors)) or "nothing"
    raise InputError(
        f"{', '.join(map(str, paths))}: holds vectors of {names}; wanted {name_of_choice or name}."
    )


def rows(ids: np.ndarray, wanted: Sequence[int]) -> np.ndarray:
    """Return the rows (k,) of the wanted ids in sorted ids (n,).

    Raises InputError where one is missing.
    """
    places = np.searchsorted(ids, wanted).clip(max=max(len(ids) - 1, 0))
    for image_id, row in zip(wanted, places):
        if not len(ids) or ids[row] != image_id:
            raise InputError(
                f"embeddings: image {image_id} has none; "
                "wanted those of all images of the data set."
            )
    return places


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with open(path, "rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        lengths = {array.shape[:1] for array in arrays.values()}
        if IDS not in arrays or len(lengths) != 1:
            raise ValueError("no image_id, or arrays of several lengths")
        return arrays
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: holds no embeddings ({error}); wanted a file that embed_images.py wrote."
        ) from None
