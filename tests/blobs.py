"""Points around the middles of classes, on the unit sphere."""

import numpy as np


def at_length_one(vectors):
    """Return vectors (n, d) float32 of length 1."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def blobs(n_classes, each, spread, seed=0, dimension=32):
    """Return (vectors (n, dimension) float32 of length 1, classes (n,))."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), each)
    middles = rng.normal(size=(n_classes, dimension))
    noise = rng.normal(size=(len(labels), dimension))
    return at_length_one(middles[labels] + spread * noise), labels


def separate(numbers):
    """Return clusters (n,) with each image alone (-1) as one of its own."""
    return np.where(numbers < 0, numbers.max() + 1 + np.arange(len(numbers)), numbers)
