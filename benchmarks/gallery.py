"""Large galleries: the memory of opening and searching one, and the time of enrolling.

Whether enrolling takes as long for each specimen however many there are. Vectors are random and of
length 1, 512 numbers each. Each part is a process of its own.
"""

import sys

from measuring import ROOT, Row, peak, run

D = 512
GB = 4.0
FILL = """import sys, time
import numpy as np
sys.path.insert(0, sys.argv[1])
from entoflow.dataset import Image
from entoflow.identification import gallery

folder = sys.argv[2]
steps, each, d = map(int, sys.argv[3:])
rng = np.random.default_rng(1)
opened = gallery.create(folder, "any", d)
for step in range(steps):
    vectors = rng.standard_normal((each, d), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    images = [
        Image(id=n, file_name=f"{n}.jpg", label=str(n % 1000), group=str(n), sha256=f"{n:064x}")
        for n in range(step * each, (step + 1) * each)
    ]
    start = time.perf_counter()
    opened.enrol(vectors, images, "any", "me", "now", "any")
    print(time.perf_counter() - start, flush=True)
"""
SEARCH = """import sys
import numpy as np
sys.path[:0] = sys.argv[1:3]
import exact_search
from entoflow.identification import gallery

opened = gallery.read(sys.argv[3])
queries = np.random.default_rng(2).standard_normal((1000, opened.dimension), np.float32)
queries /= np.linalg.norm(queries, axis=1, keepdims=True)
exact_search.search_gallery(opened, queries, 10)
"""


def ask(folder, full):
    steps, each, d = (10, 100_000, D) if full else (4, 100, 16)
    gallery = folder / "gallery"
    done = run([sys.executable, "-c", FILL, ROOT / "bin", gallery, steps, each, d], folder)
    seconds = [float(text) for _, text in done.lines]
    last = sum(seconds[-2:]) / 2
    first = sum(seconds[:2]) / 2
    yield Row(
        f"enrolling {each:,} vectors of {d} numbers into a gallery that has "
        f"{(steps - 2) * each:,} or more, s",
        f"{last:.2f}",
        f"{first:.2f} (into one that has {each:,} or none)",
        f"{last / first:.2f}",
        "<= 1.5",
        last / first <= 1.5,
    )
    search = [sys.executable, "-c", SEARCH, ROOT / "bin", ROOT / "benchmarks", gallery]
    megabytes, spent = peak(search, folder)
    n = steps * each
    gigabytes = megabytes / 1e3
    of_vectors = n * d * 4 / 1e9
    yield Row(
        f"peak memory of opening a gallery of {n:,} vectors of {d} numbers and searching it "
        "1,000 times",
        f"{gigabytes:.2f} GB (in {spent:.0f} s)",
        f"{of_vectors:.2f} GB of vectors",
        f"{gigabytes / of_vectors:.2f}",
        f"<= {GB:g} GB",
        gigabytes <= GB,
    )
