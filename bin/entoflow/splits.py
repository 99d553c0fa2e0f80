"""Groups that no part may share, and the parts: training, validation, test.

Two photos are near-duplicates if their perceptual hashes differ in few bits and, brightness and contrast set equal, no
cell of their thumbnails differs much. The second test tells a re-encoded or resized photo from another moment of the
same fixed camera, where the insect has moved: a hash alone takes those for the same.
"""
import base64
import hashlib

import numpy as np

MOST_DIFFERENCE = 0.19  # of a thumbnail cell, in standard deviations: re-encoded, resized or brightened photos stay below 0.18, other
# photos of one fixed camera start at 0.21 (154 bumblebee photos); a crop of 2 % is not recognised
BLOCK = 2048


def near_duplicates(images, bits):
    """Return (sure, alike): pairs of rows of near-duplicate images, and pairs whose hashes alone agree.

    images: dicts with phash (16 hex digits) and thumbnail (base64 of n x n grey bytes). bits: largest Hamming distance.
    Memory is that of a block of BLOCK rows against all.
    """
    hashes = np.array([int(image["phash"], 16) for image in images], np.uint64)
    cells = np.array([_normalised(image["thumbnail"]) for image in images])
    sure, alike = [], []
    for start in range(0, len(images), BLOCK):
        distance = np.bitwise_count(hashes[start:start + BLOCK, None] ^ hashes[None, :]) if hasattr(np, "bitwise_count") \
            else _bit_count(hashes[start:start + BLOCK, None] ^ hashes[None, :])
        for row, column in np.argwhere(distance <= bits):
            if start + row < column:
                close = np.abs(cells[start + row] - cells[column]).max() <= MOST_DIFFERENCE
                (sure if close else alike).append((int(start + row), int(column)))
    return sure, alike


def join(names, pairs):
    """Return the group of each row: rows of one name, or joined by a chain of pairs, share the smallest name among them."""
    parent = {}

    def root(name):
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for a, b in pairs:
        first, second = sorted((root(names[a]), root(names[b])))
        parent[second] = first
    return [root(name) for name in names]


def assign(groups, labels, shares, seed):
    """Return the part of each row: all rows of a group in one part, each label spread by the shares.

    groups, labels: n; shares: {part: share}, the rest is train. Groups of a label are ordered by a hash of seed and
    name, so one image more moves few others. A label's only group is for training; of two or more, each part but train
    gets at least one while train keeps one.
    """
    by_label = {}
    for group, label in sorted(set(zip(groups, labels)), key=lambda pair: (pair[0], str(pair[1]))):
        by_label.setdefault(str(label), []).append(group)
    part = {}
    for _, members in sorted(by_label.items(), key=lambda pair: (len(pair[1]), pair[0])):
        free = sorted((group for group in members if group not in part), key=lambda group: _hash(seed, group))
        for name, share in shares.items():
            wanted = max(1, round(share * len(members))) - sum(part.get(group) == name for group in members)
            taken = free[:max(0, min(wanted, len(free) - 1))]
            part.update(dict.fromkeys(taken, name))
            free = free[len(taken):]
        part.update(dict.fromkeys(free, "train"))
    return [part[group] for group in groups]


def _hash(seed, group):
    return hashlib.sha256(f"{seed}/{group}".encode()).hexdigest()


def _normalised(thumbnail):
    cells = np.frombuffer(base64.b64decode(thumbnail), np.uint8).astype(np.float32)
    return (cells - cells.mean()) / max(float(cells.std()), 4.0)


def _bit_count(values):
    return np.unpackbits(np.ascontiguousarray(values).view(np.uint8).reshape(*values.shape, 8), axis=-1).sum(axis=-1)
