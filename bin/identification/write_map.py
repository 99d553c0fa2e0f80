#!/usr/bin/env python3
"""Draw the map of a gallery and the images that were named by it: like images near each other, as one page that opens offline.

t-SNE (van der Maaten and Hinton 2008) of the vectors lays them out: neighbours mean something, distances between groups and the sizes of
groups do not. Points are coloured by class, cluster, verdict, or error: whether a test specimen was named wrong.
"""
import argparse
from pathlib import Path

from entoflow.task import InputError, run

COLOURINGS = {"label": "class", "named": "class", "cluster": "class", "verdict": "class", "error": "class", "part": "class", "score": "number"}
TITLE, PERPLEXITY = "Map of the gallery", 30
FEWEST = 5  # points that t-SNE can lay out; fewer lie on their principal axes


def main(argv):
    args = parser().parse_args(argv)
    if args.map_images < 1:
        raise InputError(f"--map_images is {args.map_images}; wanted at least 1.")
    from entoflow.identification import map_page, thumbnails

    vectors, rows, ids = gathered(args)
    kept = chosen(len(rows), args.map_images, args.seed)
    vectors, rows, ids = vectors[kept], [rows[place] for place in kept], [ids[place] for place in kept]
    pictures = thumbnails.jpegs(args.packs, ids) if args.packs else {}
    colourings = {name: kind for name, kind in COLOURINGS.items() if any(name in row for row in rows)}
    args.map.write_text(map_page.page(TITLE, laid_out(vectors, args.seed), rows, [pictures.get(image) for image in ids], colourings), encoding="utf-8")
    print(f"{len(rows)} images on the map")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--gallery", type=Path, required=True, help="gallery folder, with its embedder")
    p.add_argument("--datasets", type=Path, nargs="*", default=[], help="data sets of images that were named")
    p.add_argument("--embeddings", type=Path, nargs="*", default=[], help="embeddings of these images")
    p.add_argument("--packs", type=Path, nargs="*", default=[], help="packs with the images, for their thumbnails")
    p.add_argument("--tables", type=Path, nargs="*", default=[], help="CSV with more of the images by id: clusters, predictions")
    p.add_argument("--map_images", type=int, default=10000, help="images on the map at most, drawn at random (default %(default)s)")
    p.add_argument("--seed", type=int, default=1, help="seed of the layout (default %(default)s)")
    p.add_argument("--map", type=Path, required=True, help="HTML page to write")
    return p


def gathered(args):
    """Return (vectors n x d, rows, ids) of the gallery's specimens and of the images that were named, each image once."""
    import numpy as np

    from entoflow.identification import gallery, queries
    from entoflow.images import image_id

    if args.datasets:
        images, asked, held, _ = queries.read(args.datasets, args.embeddings, args.gallery)
    else:
        images, asked, held = [], None, gallery.read(args.gallery)
    told = of_tables(args.tables)
    vectors, ids = [np.asarray(held.embeddings(), np.float32)], [image_id(sha256) for sha256 in held.sha256s]
    rows = [{"image": image, "label": label, "part": "gallery", **told.get(key, {})} for image, label, key in zip(held.images, held.labels, ids)]
    enrolled = set(ids)
    fresh = [place for place, image in enumerate(images) if image["id"] not in enrolled]
    if fresh:
        vectors.append(asked[fresh])
        rows += [{"image": images[place]["file_name"], "part": "unlabelled", **told.get(images[place]["id"], {})} for place in fresh]
        ids += [images[place]["id"] for place in fresh]
    return np.concatenate(vectors), rows, ids


def of_tables(paths):
    """Return {image id: what the tables say of it}."""
    from entoflow.tables import read_rows

    found = {}
    for row in (row for path in paths for row in read_rows(path, required=("image", "id"))):
        told = {name: value for name, value in row.items() if name not in ("id", "row", "image", "right")}
        wrong = {"yes": {"error": "named right"}, "no": {"error": "named wrong"}}.get(row.get("right"), {})
        found.setdefault(int(row["id"]), {}).update(told | wrong)
    return found


def chosen(n, most, seed):
    """Return the sorted places of the images that are shown."""
    import numpy as np

    return np.sort(np.random.default_rng(seed).permutation(n)[:most])


def laid_out(vectors, seed):
    """Return n x 2 points: t-SNE from the principal axes on, of few vectors these alone."""
    import numpy as np
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    n = len(vectors)
    if n < 2 or not np.ptp(vectors, axis=0).any():
        return np.zeros((n, 2))
    axes = PCA(min(50, n - 1, vectors.shape[1]), svd_solver="randomized", random_state=seed).fit_transform(vectors.astype(float))
    if n < FEWEST or axes.shape[1] < 2:
        return np.pad(axes[:, :2], [(0, 0), (0, 2 - axes[:, :2].shape[1])])
    first = axes[:, :2] / axes[:, 0].std() * 1e-4
    return TSNE(2, perplexity=min(PERPLEXITY, (n - 1) / 3), init=first, learning_rate="auto", random_state=seed).fit_transform(axes)


if __name__ == "__main__":
    run(main)
