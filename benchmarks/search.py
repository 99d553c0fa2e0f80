"""Exact search in a gallery, against scikit-learn's brute force and faiss' flat index.

Same vectors, same k, in one process. Vectors are random and of length 1. The peers' index is built
before the clock starts; ours is the gallery as it was read. The share of neighbours that are the
same is compared, as ties and roundings differ.
"""

import statistics
import sys
import time
from importlib.util import find_spec

import numpy as np

from measuring import ROOT, Row, span

sys.path.insert(0, str(ROOT / "bin"))
K = 10
LEAST = {"scikit-learn": 3, "faiss": 0.9}  # times as fast


def ask(folder, full):
    n, m, d, repetitions = (500, 600, 16, 1)
    if full:
        n, m, d, repetitions = (200_000, 10_000, 512, 3)
    rng = np.random.default_rng(1)
    vectors = at_length_one(rng.standard_normal((n, d), np.float32))
    queries = at_length_one(rng.standard_normal((m, d), np.float32))
    searches = {
        "ours": gallery_search(folder / "search", vectors),
        "scikit-learn": sklearn_search(vectors),
    }
    if find_spec("faiss"):  # not on Intel Macs
        searches["faiss"] = faiss_search(vectors)
    seconds = {name: [] for name in searches}
    rows = {}
    for _ in range(repetitions):
        for name, search in searches.items():
            start = time.perf_counter()
            rows[name] = search(queries)
            seconds[name].append(time.perf_counter() - start)
    for name in [name for name in LEAST if name in searches]:
        ratio = statistics.median(seconds[name]) / statistics.median(seconds["ours"])
        yield Row(
            f"exact search of {m:,} queries in {n:,} x {d}, s ({repetitions} runs each in turn; "
            f"neighbours the same: {share_the_same(rows['ours'], rows[name]):.4f})",
            span(seconds["ours"]),
            f"{span(seconds[name])} ({name})",
            f"{ratio:.2f} times as fast",
            f">= {LEAST[name]}",
            ratio >= LEAST[name],
        )


def share_the_same(rows, others):
    shares = [len(set(a) & set(b)) / K for a, b in zip(rows.tolist(), others.tolist())]
    return np.mean(shares)


def at_length_one(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def gallery_search(folder, vectors):
    import exact_search
    from entoflow.dataset import Image
    from entoflow.identification import gallery

    opened = gallery.create(folder, "any", vectors.shape[1])
    images = [
        Image(id=n, file_name=f"{n}.jpg", label=str(n % 1000), group=str(n), sha256=f"{n:064x}")
        for n in range(len(vectors))
    ]
    opened.enrol(vectors, images, "any", "me", "now", "any")
    opened = gallery.read(folder)
    return lambda queries: exact_search.search_gallery(opened, queries, K)[1]


def sklearn_search(vectors):
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=K, metric="cosine", algorithm="brute").fit(vectors)
    return lambda queries: index.kneighbors(queries)[1]


def faiss_search(vectors):
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return lambda queries: index.search(queries, K)[1]
