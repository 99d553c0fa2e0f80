"""Exact nearest neighbours by cosine: a coarse product finds the candidates, and bounds on its rounding tell which of them are to be compared exactly."""
import numpy as np

BLOCK, BATCH, PAIRS = 32768, 1024, 2 ** 23  # rows and queries of a matrix product; (query, row) pairs held at a time
HALF_FROM = 512  # with fewer queries, rounding the gallery costs more than it saves


def search(gather, n, queries, k):
    """Return the k nearest of n rows of each query: similarities m x k float32, falling, and rows m x k.

    queries: m x d float32 of length 1. gather(rows in rising order): their vectors of length 1, as an array of its own. Exact: the similarity is the cosine
    summed in float64 and rounded to float32, the same wherever a row lies; of equal ones the lower row comes first. k is cut to n. Memory beyond the
    queries and results is bounded.
    """
    k = min(k, n)
    similarities, rows = np.zeros((len(queries), k), np.float32), np.zeros((len(queries), k), np.int64)
    todo, kept, half = np.arange(len(queries) if k else 0), 2 * k + 32, len(queries) >= HALF_FROM and _has_fast_half()
    while len(todo):
        kept, left = min(kept, n), []
        for start in range(0, len(todo), max(1, PAIRS // kept)):
            some = todo[start:start + max(1, PAIRS // kept)]
            coarse, candidates, errors = _scan(gather, n, queries[some], kept, half)
            near, found = _candidates(coarse, k, *errors, kept == n)
            values, places = _rank(gather, queries[some[found]], candidates[found], near[found], k)
            similarities[some[found]], rows[some[found]] = values, places
            left.append(some[~found])
        todo, kept, half = np.concatenate(left), kept * 8, False
    return similarities, rows


def _scan(gather, n, queries, kept, half):
    """Return the m x kept highest products of queries and rows, the rows, and how far off they may be: m absolute, one relative.

    The products are with the rows less their mean, which ranks rows alike and keeps errors small where all rows look alike.
    """
    import torch

    centre = gather(np.arange(0, n, max(1, n // 4096))).mean(0)
    best, rows = torch.full((len(queries), kept), -torch.inf), torch.zeros((len(queries), kept), dtype=torch.int64)
    buffer = torch.empty(min(BATCH, len(queries)) * min(BLOCK, n), dtype=torch.bfloat16 if half else torch.float32)
    asked, lost = _rounded(queries, half)
    reach = loss = 0.0
    for start in range(0, n, BLOCK):
        block = gather(np.arange(start, min(start + BLOCK, n)))
        block -= centre
        reach = max(reach, float(np.linalg.norm(block, axis=1).max()))
        block, errors = _rounded(block, half)
        loss = max(loss, float(errors.max()))
        for first in range(0, len(queries), BATCH):
            own = slice(first, first + BATCH)
            top = _product(asked[own], block, buffer).topk(min(kept, len(block)), sorted=False)
            values, places = torch.cat([best[own], top.values.float()], 1), torch.cat([rows[own], top.indices + start], 1)
            best[own], chosen = values.topk(kept)
            rows[own] = places.gather(1, chosen)
    # Cauchy and Schwarz for the rounding, Higham's bound for a sum in float32, and the rounding of the similarities in the end.
    # 1.01 covers the length of a rounded query, and in the second number, of a product rounded to bfloat16, what is left of second order.
    errors = lost * reach + 1.01 * (loss + (queries.shape[1] + 4) * 2.0 ** -24 * reach) + 2.0 ** -23
    return best.numpy(), rows.numpy(), (errors, 1.01 * 2.0 ** -8 if half else 0)


def _rank(gather, queries, candidates, near, k):
    """Return the k best similarities and rows of each query among its near candidates (m x kept), exactly."""
    query, column = np.nonzero(near)
    rows, exact = candidates[query, column], np.zeros(len(query), np.float32)
    for start in range(0, len(rows), 8192):
        own = slice(start, start + 8192)
        single, places = np.unique(rows[own], return_inverse=True)
        exact[own] = np.multiply(queries[query[own]], gather(single)[places], dtype=np.float64).sum(1)
    order = np.lexsort((rows, -exact, query))
    order = order[np.searchsorted(query, np.arange(len(queries)))[:, None] + np.arange(k)]
    return exact[order], rows[order]


def _candidates(coarse, k, absolute, relative, complete):
    """Return (which candidates may be among the k nearest, m x kept, and of which queries none is missing).

    At least k rows have coarse products from the k-th up, so the k-th exact one is at most an error lower, and any row
    that reaches it has a coarse product at most another error lower still. coarse falls along each row.
    """
    kth = coarse[:, k - 1]
    cut = (kth - 2 * absolute - 2 * relative * (np.abs(kth) + 2 * absolute))[:, None]
    return coarse >= cut, complete | (coarse[:, -1:] < cut)[:, 0]


def _product(queries, rows, buffer):
    """Return queries @ rows.T, in the buffer: memory that is fresh each time would cost a third more."""
    import torch

    product = buffer[:len(queries) * len(rows)].view(len(queries), len(rows))
    if product.dtype is torch.bfloat16:
        return torch.matmul(queries, rows.T, out=product)
    np.matmul(queries, rows.T, out=product.numpy())  # on AMD processors faster than torch's
    return product


def _rounded(vectors, half):
    """Return (vectors as they go into a product, the length of what rounding them to bfloat16 loses of each)."""
    import torch

    if not half:
        return vectors, np.zeros(len(vectors))
    whole = torch.from_numpy(vectors)
    rounded = whole.bfloat16()
    return rounded, torch.linalg.vector_norm(rounded.float().sub_(whole), dim=1).numpy().astype(float)


def _has_fast_half():
    """Tell whether this processor multiplies bfloat16 matrices itself: about four times as fast as float32; others are slower."""
    import torch

    return bool(getattr(torch.cpu, "get_capabilities", dict)().get("avx512_bf16"))
