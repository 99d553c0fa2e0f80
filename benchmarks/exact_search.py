"""Exact nearest neighbours by cosine, faster than by brute force.

A coarse product finds the candidates, and bounds on its rounding say which of them are to be
compared exactly. No task searches a gallery: this is what its benchmarks measure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

    from entoflow.identification.gallery import Gallery

BLOCK = 32768  # rows of a matrix product
BATCH = 1024  # queries of a matrix product
PAIRS = 2**23  # (query, row) pairs in memory at a time
HALF_FROM = 512  # with fewer queries, rounding the gallery costs more than it saves
RANKED_AT_ONCE = 8192  # pairs that are compared exactly together

Gather = Callable[[np.ndarray], np.ndarray]


def search_gallery(gallery: Gallery, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest rows of each query (m, d), of any length but 0: see `search`."""
    from entoflow.identification.gallery import unit

    gallery.check(gallery.embedder, queries)
    return search(gallery.gather, len(gallery), unit(queries, "queries"), k)


def search(gather: Gather, n: int, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest of n rows of each query: falling cosines (m, k) float32, and rows.

    queries: (m, d) float32 of length 1. gather(rows in rising order): their vectors of length 1, as
    a new array. Exact: the cosine is summed in float64 and rounded to float32, the same wherever a
    row lies; of equal ones the lower row comes first. k is cut to n. Memory beyond the queries and
    results is bounded.
    """
    k = min(k, n)
    cosines = np.zeros((len(queries), k), np.float32)
    rows = np.zeros((len(queries), k), np.int64)
    unsettled = np.arange(len(queries) if k else 0)
    n_candidates = 2 * k + 32
    half = len(queries) >= HALF_FROM and has_fast_half()
    while len(unsettled):
        n_candidates = min(n_candidates, n)
        left = []
        at_once = max(1, PAIRS // n_candidates)
        for start in range(0, len(unsettled), at_once):
            some = unsettled[start : start + at_once]
            scan = _scan(gather, n, queries[some], n_candidates, half)
            near, settled = _near_candidates(scan, k, complete=n_candidates == n)
            done = some[settled]
            cosines[done], rows[done] = _rank(
                gather, queries[done], scan.rows[settled], near[settled], k
            )
            left.append(some[~settled])
        unsettled = np.concatenate(left)
        n_candidates *= 8
        half = False
    return cosines, rows


@dataclass(frozen=True)
class _Scan:
    """The highest coarse products of m queries, and how far off they may be."""

    products: np.ndarray  # (m, candidates), falling
    rows: np.ndarray  # (m, candidates)
    absolute_error: np.ndarray  # (m,)
    relative_error: float


def _scan(gather: Gather, n: int, queries: np.ndarray, n_candidates: int, half: bool) -> _Scan:
    """Return the highest coarse products of queries (m, d) and rows.

    They are with the rows less their mean, which ranks rows alike and keeps errors small where all
    rows look alike.
    """
    import torch

    centre = gather(np.arange(0, n, max(1, n // 4096))).mean(0)
    best = torch.full((len(queries), n_candidates), -torch.inf)
    rows = torch.zeros((len(queries), n_candidates), dtype=torch.int64)
    size = min(BATCH, len(queries)) * min(BLOCK, n)
    buffer = torch.empty(size, dtype=torch.bfloat16 if half else torch.float32)
    rounded_queries, query_loss = _rounded(queries, half)
    longest = 0.0
    row_loss = 0.0
    for start in range(0, n, BLOCK):
        block = gather(np.arange(start, min(start + BLOCK, n)))
        block -= centre
        longest = max(longest, float(np.linalg.norm(block, axis=1).max()))
        rounded_block, losses = _rounded(block, half)
        row_loss = max(row_loss, float(losses.max()))
        for first in range(0, len(queries), BATCH):
            batch = slice(first, first + BATCH)
            product = _product(rounded_queries[batch], rounded_block, buffer)
            top = product.topk(min(n_candidates, len(block)), sorted=False)
            values = torch.cat([best[batch], top.values.float()], 1)
            places = torch.cat([rows[batch], top.indices + start], 1)
            best[batch], chosen = values.topk(n_candidates)
            rows[batch] = places.gather(1, chosen)
    # Cauchy and Schwarz for the rounding, Higham's bound for a sum in float32, and the rounding of
    # the cosines in the end. 1.01 covers the length of a rounded query, and in the relative error,
    # of a product rounded to bfloat16, what is left of second order.
    sum_error = (queries.shape[1] + 4) * 2.0**-24 * longest
    absolute = query_loss * longest + 1.01 * (row_loss + sum_error) + 2.0**-23
    relative = 1.01 * 2.0**-8 if half else 0.0
    return _Scan(best.numpy(), rows.numpy(), absolute, relative)


def _rank(
    gather: Gather, queries: np.ndarray, candidates: np.ndarray, near: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k best cosines and rows of each query among its near candidates, exactly.

    candidates: (m, c) rows. near: (m, c) bool.
    """
    query, column = np.nonzero(near)
    rows = candidates[query, column]
    exact = np.zeros(len(query), np.float32)
    for start in range(0, len(rows), RANKED_AT_ONCE):
        some = slice(start, start + RANKED_AT_ONCE)
        single, places = np.unique(rows[some], return_inverse=True)
        vectors = gather(single)[places]
        exact[some] = np.multiply(queries[query[some]], vectors, dtype=np.float64).sum(1)
    order = np.lexsort((rows, -exact, query))
    first = np.searchsorted(query, np.arange(len(queries)))
    best = order[first[:, None] + np.arange(k)]
    return exact[best], rows[best]


def _near_candidates(scan: _Scan, k: int, complete: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return (which candidates may be among the k nearest, which queries lack none of these).

    At least k rows have coarse products from the k-th up, so the k-th exact one is at most an error
    lower, and any row that reaches it has a coarse product at most another error lower still.
    complete: whether every row is a candidate.
    """
    kth = scan.products[:, k - 1]
    absolute = scan.absolute_error
    relative = scan.relative_error
    cut = kth - 2 * absolute - 2 * relative * (np.abs(kth) + 2 * absolute)
    none_missing = complete | (scan.products[:, -1] < cut)
    return scan.products >= cut[:, None], none_missing


def _product(queries: torch.Tensor, rows: torch.Tensor, buffer: torch.Tensor) -> torch.Tensor:
    """Return queries @ rows.T, in the buffer: new memory each time would cost a third more."""
    import torch

    product = buffer[: len(queries) * len(rows)].view(len(queries), len(rows))
    if product.dtype is torch.bfloat16:
        return torch.matmul(queries, rows.T, out=product)
    # On AMD processors numpy is faster than torch.
    np.matmul(queries, rows.T, out=product.numpy())
    return product


def _rounded(vectors: np.ndarray, half: bool) -> tuple[torch.Tensor | np.ndarray, np.ndarray]:
    """Return (vectors as they go into a product, the length of what rounding loses of each)."""
    import torch

    if not half:
        return vectors, np.zeros(len(vectors))
    whole = torch.from_numpy(vectors)
    rounded = whole.bfloat16()
    lost = rounded.float().sub_(whole)
    return rounded, torch.linalg.vector_norm(lost, dim=1).numpy().astype(float)


def has_fast_half() -> bool:
    """Tell whether this processor multiplies bfloat16 matrices itself.

    That is about four times as fast as float32; on other processors it is slower.
    """
    import torch

    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16"))
