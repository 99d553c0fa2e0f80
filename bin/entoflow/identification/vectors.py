"""Vectors at length 1, so that their dot product is the cosine of the angle between them."""

import numpy as np

SHORTEST = 1e-12  # a shorter vector has no direction, and stays as short as it is


def normalise(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (n, d) at length 1; a vector of zeros stays one.

    Lengths are summed as numpy does it: scikit-learn's normalize sums in another order, which
    moves the last bits of float32.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, SHORTEST)
