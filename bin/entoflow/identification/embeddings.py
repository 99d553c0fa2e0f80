"""The file of what embedders make of images: one or more vectors of each, by the name of the embedder."""
import zipfile

import numpy as np

from entoflow.task import InputError

IDS = "image_id"


def write(path, ids, vectors):
    """Write the vectors ({name: n x d float32}) of images by id (n)."""
    with open(path, "wb") as handle:
        np.savez(handle, **{IDS: np.asarray(ids, np.int64)}, **vectors)


def read(paths):
    """Return (ids n, {name: n x d}) of several files, sorted by id; an image in two of them is taken once.

    Raises InputError for a file of another kind, or files of other embedders than the first.
    """
    files = [_read(path) for path in paths]
    if not files:
        return np.empty(0, np.int64), {}
    names = files[0].keys()
    for path, file in zip(paths, files):
        if file.keys() != names:
            raise InputError(f"{path}: holds vectors of {', '.join(sorted(file.keys() - {IDS}))}; wanted {', '.join(sorted(names - {IDS}))} as in {paths[0]}.")
    sizes = [{name: array.shape[1:] for name, array in file.items()} for file in files]
    other = next((path for path, size in zip(paths, sizes) if size != sizes[0]), None)
    if other:
        raise InputError(f"{other}: holds vectors of other lengths than {paths[0]}; wanted those of the same embedders.")
    joined = {name: np.concatenate([file[name] for file in files]) for name in names}
    ids, first = np.unique(joined.pop(IDS), return_index=True)
    return ids, {name: vectors[first] for name, vectors in joined.items()}


def of(vectors, facts, name, paths):
    """Return the vectors of an embedder by its model.json: under the name that it was chosen by, or its own. Raises InputError where there are none."""
    for key in (facts.get("vectors"), name):
        if key in vectors:
            return vectors[key]
    raise InputError(f"{', '.join(map(str, paths))}: holds vectors of {', '.join(sorted(vectors)) or 'nothing'}; wanted {facts.get('vectors') or name}.")


def rows(ids, wanted):
    """Return the rows of the wanted ids in sorted ids. Raises InputError where one is missing."""
    at = np.searchsorted(ids, wanted).clip(max=max(len(ids) - 1, 0))
    missing = [image for image, row in zip(wanted, at) if not len(ids) or ids[row] != image]
    if missing:
        raise InputError(f"embeddings: image {missing[0]} has none; wanted those of all images of the data set.")
    return at


def _read(path):
    try:
        with open(path, "rb") as handle, np.lib.npyio.NpzFile(handle, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
        if IDS not in found or len({array.shape[:1] for array in found.values()}) != 1:
            raise ValueError("no image_id, or arrays of several lengths")
        return found
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: holds no embeddings ({error}); wanted a file that embed_images.py wrote.") from None
