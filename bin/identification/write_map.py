#!/usr/bin/env python3
"""Draw the map of a gallery and of identified images, in one page that opens offline.

Similar images are near each other. t-SNE (van der Maaten and Hinton 2008) of the vectors places
them: neighbours mean something, distances between groups and the sizes of groups do not. Points are
coloured by class, cluster, verdict, or error: whether a test specimen was identified wrongly.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow import files
from entoflow.task import InputError, run

if TYPE_CHECKING:
    import numpy as np

    from entoflow.identification.map_page import Kind, MapImage

COLOURINGS: "dict[str, Kind]" = {
    "label": "class",
    "named": "class",
    "cluster": "class",
    "verdict": "class",
    "error": "class",
    "part": "class",
    "score": "number",
}
TITLE = "Map of the gallery"
PERPLEXITY = 30
FEWEST = 5  # points that t-SNE can place; fewer are placed by their principal axes
NOT_SHOWN = ("id", "row", "image", "right")  # columns of the tables
ERRORS = {"yes": "named right", "no": "named wrong"}  # by the column right


@dataclass(frozen=True)
class Item:
    """An image to place: its vector and what is known of it, by column."""

    id: int
    name: str
    vector: "np.ndarray"  # (d,)
    values: dict[str, str]


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    if args.map_images < 1:
        raise InputError(f"--map_images is {args.map_images}; wanted at least 1.")
    from entoflow.identification import map_page

    items = read_items(args.gallery, args.datasets, args.embeddings, read_tables(args.tables))
    items = sample(items, args.map_images, args.seed)
    images = place_images(items, args.packs, args.seed)
    colourings = {
        name: kind
        for name, kind in COLOURINGS.items()
        if any(name in item.values for item in items)
    }
    files.write_text(args.map, map_page.page(TITLE, images, colourings))
    print(f"{len(images)} images on the map")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--gallery", type=Path, required=True, help="gallery folder, with its embedder")
    p.add_argument(
        "--datasets",
        type=Path,
        nargs="*",
        default=[],
        help="data sets of images that were identified",
    )
    p.add_argument(
        "--embeddings", type=Path, nargs="*", default=[], help="embeddings of these images"
    )
    p.add_argument(
        "--packs",
        type=Path,
        nargs="*",
        default=[],
        help="packs with the images, for their thumbnails",
    )
    p.add_argument(
        "--tables",
        type=Path,
        nargs="*",
        default=[],
        help="CSV with more on the images by id: clusters, predictions",
    )
    p.add_argument(
        "--map_images",
        type=int,
        default=10000,
        help="maximum number of images on the map, drawn at random (default %(default)s)",
    )
    p.add_argument("--seed", type=int, default=1, help="seed of the layout (default %(default)s)")
    p.add_argument("--map", type=Path, required=True, help="HTML page to write")
    return p


def read_tables(paths: Sequence[Path]) -> dict[int, dict[str, str]]:
    """Return {image id: what the tables hold on it, by column}."""
    from entoflow.tables import read_rows

    values: dict[int, dict[str, str]] = {}
    for path in paths:
        for row in read_rows(path, required=("image", "id")):
            cells = {name: value for name, value in row.items() if name not in NOT_SHOWN}
            if row.get("right") in ERRORS:
                cells["error"] = ERRORS[row["right"]]
            values.setdefault(int(row["id"]), {}).update(cells)
    return values


def read_items(
    folder: Path,
    datasets: Sequence[Path],
    embedding_files: Sequence[Path],
    tables: Mapping[int, dict[str, str]],
) -> list[Item]:
    """Return the gallery's specimens and then the images that were identified, each image once."""
    import numpy as np

    from entoflow.identification import gallery, queries
    from entoflow.images import image_id

    if datasets:
        identified = queries.read_queries(datasets, embedding_files, folder)
        images = identified.images
        query_vectors = identified.vectors
        specimens = identified.gallery
    else:
        specimens = gallery.read(folder)
        images = []
        query_vectors = np.empty((0, specimens.dimension), np.float32)
    items = []
    vectors = np.asarray(specimens.embeddings(), np.float32)
    for name, label, sha256, vector in zip(
        specimens.images, specimens.labels, specimens.sha256s, vectors
    ):
        key = image_id(sha256)
        items.append(
            Item(key, name, vector, {"label": label, "part": "gallery", **tables.get(key, {})})
        )
    enrolled = {item.id for item in items}
    for image, vector in zip(images, query_vectors):
        if image.id not in enrolled:
            values = {"part": "unlabelled", **tables.get(image.id, {})}
            items.append(Item(image.id, image.file_name, vector, values))
    return items


def sample(items: Sequence[Item], most: int, seed: int) -> list[Item]:
    """Return at most so many of the items, drawn at random, in their order."""
    import numpy as np

    chosen = np.random.default_rng(seed).permutation(len(items))[:most]
    return [items[number] for number in np.sort(chosen)]


def place_images(items: Sequence[Item], packs: Sequence[Path], seed: int) -> "list[MapImage]":
    """Return the items as they are on the map, with their thumbnails where the packs hold them."""
    import numpy as np

    from entoflow.identification import thumbnails
    from entoflow.identification.map_page import MapImage

    vectors = (
        np.array([item.vector for item in items], np.float32)
        if items
        else np.empty((0, 1), np.float32)
    )
    places = layout(vectors, seed).astype(float).tolist()
    jpegs = thumbnails.read_thumbnails(packs, [item.id for item in items]) if packs else {}
    images = []
    for item, (x, y) in zip(items, places):
        images.append(MapImage(item.name, x, y, item.values, jpegs.get(item.id)))
    return images


def layout(vectors: "np.ndarray", seed: int) -> "np.ndarray":
    """Return n x 2 points of n x d vectors, so that similar ones are near each other.

    t-SNE starts from the principal axes; few vectors are placed by these alone.
    """
    import numpy as np
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    n = len(vectors)
    if n < 2 or not np.ptp(vectors, axis=0).any():
        return np.zeros((n, 2))
    n_axes = min(50, n - 1, vectors.shape[1])
    axes = PCA(n_axes, svd_solver="randomized", random_state=seed).fit_transform(
        vectors.astype(float)
    )
    plane = axes[:, :2]
    if n < FEWEST or n_axes < 2:
        return np.pad(plane, [(0, 0), (0, 2 - plane.shape[1])])
    start = plane / axes[:, 0].std() * 1e-4
    perplexity = min(PERPLEXITY, (n - 1) / 3)
    tsne = TSNE(2, perplexity=perplexity, init=start, learning_rate="auto", random_state=seed)
    return tsne.fit_transform(axes)


if __name__ == "__main__":
    run(main)
