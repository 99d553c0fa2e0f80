"""Large galleries: the memory of opening one and searching it, and whether enrolling takes as long for each specimen however many there are.

Vectors are random and of length 1, 512 numbers each. Each part is a process of its own.
"""
import sys

from measuring import ROOT, Row, peak, run

D = 512
GB = 4.0
FILL = """import sys, time
import numpy as np
sys.path.insert(0, sys.argv[1])
from entoflow.identification import gallery

rng, folder, steps, each, d = np.random.default_rng(1), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
held = gallery.create(folder, "any", d)
for step in range(steps):
    vectors = rng.standard_normal((each, d), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    first = step * each
    records = [{"image": f"{n}.jpg", "label": str(n % 1000), "group": str(n), "sha256": f"{n:064x}"} for n in range(first, first + each)]
    start = time.perf_counter()
    held.enrol(vectors, records, "any", "me", "now", "any")
    print(time.perf_counter() - start, flush=True)
"""
ASK = """import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from entoflow.identification import gallery

held = gallery.read(sys.argv[2])
queries = np.random.default_rng(2).standard_normal((1000, held.dimension), np.float32)
held.search(queries / np.linalg.norm(queries, axis=1, keepdims=True), 10)
"""


def ask(folder, full):
    steps, each, d = (10, 100_000, D) if full else (4, 100, 16)
    made = folder / "gallery"
    done = run([sys.executable, "-c", FILL, ROOT / "bin", made, steps, each, d], folder)
    seconds = [float(text) for _, text in done.lines]
    ratio = (sum(seconds[-2:]) / 2) / (sum(seconds[:2]) / 2)
    yield Row(f"enrolling {each:,} vectors of {d} numbers into a gallery that has {(steps - 2) * each:,} or more, s", f"{sum(seconds[-2:]) / 2:.2f}",
              f"{sum(seconds[:2]) / 2:.2f} (into one that has {each:,} or none)", f"{ratio:.2f}", "<= 1.5", ratio <= 1.5)
    megabytes, spent = peak([sys.executable, "-c", ASK, ROOT / "bin", made], folder)
    n, gigabytes, of_vectors = steps * each, megabytes / 1e3, steps * each * d * 4 / 1e9
    yield Row(f"peak memory of opening a gallery of {n:,} vectors of {d} numbers and searching it 1,000 times", f"{gigabytes:.2f} GB (in {spent:.0f} s)",
              f"{of_vectors:.2f} GB of vectors", f"{gigabytes / of_vectors:.2f}", f"<= {GB:g} GB", gigabytes <= GB)
