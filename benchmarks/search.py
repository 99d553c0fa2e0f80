"""Exact search in a gallery: Gallery.search against scikit-learn's brute force and faiss' flat index, same vectors, same k, in one process.

Vectors are random and of length 1. The peers' index is built before the clock starts; ours is the gallery as it was read. What each finds is compared:
the share of neighbours that are the same, as ties and roundings differ.
"""
import statistics
import sys
import time
from importlib.util import find_spec

import numpy as np

from measuring import ROOT, Row, span

sys.path.insert(0, str(ROOT / "bin"))
K = 10


def ask(folder, full):
    n, m, d, repetitions = (200_000, 10_000, 512, 3) if full else (500, 600, 16, 1)
    rng = np.random.default_rng(1)
    vectors, queries = (unit(rng.standard_normal((rows, d), np.float32)) for rows in (n, m))
    searches = {"ours": of_gallery(folder / "search", vectors), "scikit-learn": of_sklearn(vectors)}
    if find_spec("faiss"):  # not on Intel Macs
        searches["faiss"] = of_faiss(vectors)
    seconds, rows = {name: [] for name in searches}, {}
    for _ in range(repetitions):
        for name, search in searches.items():
            start = time.perf_counter()
            rows[name] = search(queries)
            seconds[name].append(time.perf_counter() - start)
    for name, wanted in ((name, wanted) for name, wanted in (("scikit-learn", 3), ("faiss", 0.9)) if name in searches):
        ratio = statistics.median(seconds[name]) / statistics.median(seconds["ours"])
        same = np.mean([len(set(a) & set(b)) / K for a, b in zip(rows["ours"].tolist(), rows[name].tolist())])
        yield Row(f"exact search of {m:,} queries in {n:,} x {d}, s ({repetitions} runs each in turn; neighbours the same: {same:.4f})", span(seconds["ours"]),
                  f"{span(seconds[name])} ({name})", f"{ratio:.2f} times as fast", f">= {wanted}", ratio >= wanted)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def of_gallery(folder, vectors):
    from entoflow.identification import gallery

    held = gallery.create(folder, "any", vectors.shape[1])
    records = [{"image": f"{n}.jpg", "label": str(n % 1000), "group": str(n), "sha256": f"{n:064x}"} for n in range(len(vectors))]
    held.enrol(vectors, records, "any", "me", "now", "any")
    held = gallery.read(folder)
    return lambda queries: held.search(queries, K)[1]


def of_sklearn(vectors):
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=K, metric="cosine", algorithm="brute").fit(vectors)
    return lambda queries: index.kneighbors(queries)[1]


def of_faiss(vectors):
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return lambda queries: index.search(queries, K)[1]
