"""Groups that no part may share, and the parts: training, validation, test.

Two photos are near-duplicates if their perceptual hashes differ in few bits and, brightness and contrast set equal, no
cell of their thumbnails differs much. The second test tells a re-encoded or resized photo from another moment of the
same fixed camera, where the insect has moved: a hash alone takes those for the same. Mirror images are compared, too.
"""
import base64
import hashlib
import math
from collections import Counter

import numpy as np

MOST_DIFFERENCE = 0.19  # of a thumbnail cell, in standard deviations: re-encoded, resized or darkened photos stay below 0.18, other
# photos of one fixed camera start at 0.21 (154 bumblebee photos); crops of 2 % and clipped highlights are not recognised
PAIRS_AT_ONCE = 1 << 22


def near_duplicates(images, bits):
    """Return (sure, alike): pairs of rows (k x 2) of near-duplicate images, and pairs whose hashes alone agree.

    A mirrored copy is a near-duplicate too. images: dicts with phash and mirrored (16 hex digits each: the hash of the
    image and of its mirror image) and thumbnail (base64 of n x n grey bytes). bits: largest Hamming distance.
    """
    hashes, mirrored = (np.array([int(image[key], 16) for image in images], np.uint64) for key in ("phash", "mirrored"))
    cells = np.array([_normalised(image["thumbnail"]) for image in images])
    sure, alike = [np.empty((0, 2), np.int32)], [np.empty((0, 2), np.int32)]
    for pairs in _agreeing(hashes, hashes, bits):
        close = _close(cells, pairs, slice(None))
        sure.append(pairs[close])
        alike.append(pairs[~close])
    for pairs in _agreeing(hashes, mirrored, bits):
        sure.append(pairs[_close(cells, pairs, slice(None, None, -1))])
    return np.unique(np.concatenate(sure), axis=0), np.concatenate(alike)


def _agreeing(a, b, bits):
    """Yield pairs of rows (k x 2), the first the smaller, where hash a of one and b of the other differ in few bits."""
    rows = max(1, PAIRS_AT_ONCE // max(1, len(a)))
    for start in range(0, len(a), rows):
        near = np.argwhere(_bit_count(a[start:start + rows, None] ^ b[None, :]) <= bits) + [start, 0]
        near = near[near[:, 0] < near[:, 1]].astype(np.int32)
        for first in range(0, len(near), PAIRS_AT_ONCE >> 8):
            yield near[first:first + (PAIRS_AT_ONCE >> 8)]


def _close(cells, pairs, columns):
    """Tell of each pair (k x 2) whether no cell of the two thumbnails differs much, the second's columns taken in that order."""
    return np.abs(cells[pairs[:, 0]] - cells[pairs[:, 1]][:, :, columns]).max(axis=(1, 2), initial=0) <= MOST_DIFFERENCE


def join(names, pairs):
    """Return the group of each row: rows of one name, or joined by a chain of pairs, share the smallest name among them."""
    parent = {}

    def root(name):
        while parent.setdefault(name, name) != name:
            parent[name] = name = parent[parent[name]]
        return name

    for a, b in pairs:
        first, second = sorted((root(names[a]), root(names[b])))
        parent[second] = first
    return [root(name) for name in names]


def assign(groups, labels, shares, seed):
    """Return the part of each row: all rows of a group in one part, each label spread by the shares.

    groups, labels: n; shares: {part: share}, the rest is train. Groups of a label are ordered by a hash of seed and
    name, so one image more moves few others. A label's only group is for training, as is one with more than half of its
    rows; of two or more, each part but train gets at least one while train keeps one.
    """
    by_label, sizes, rows = {}, Counter(zip(groups, map(str, labels))), Counter(map(str, labels))
    for group, label in sorted(set(zip(groups, labels)), key=lambda pair: (pair[0], str(pair[1]))):
        by_label.setdefault(str(label), []).append(group)
    part = {}
    for label, members in sorted(by_label.items(), key=lambda pair: (len(pair[1]), pair[0])):
        free = [group for group in members if group not in part]
        free.sort(key=lambda group: (2 * sizes[group, label] > rows[label], _hash(seed, group)))
        for name, share in shares.items():
            wanted = max(1, round(share * len(members))) - sum(part.get(group) == name for group in members)
            taken = free[:max(0, min(wanted, len(free) - 1))]
            part.update(dict.fromkeys(taken, name))
            free = free[len(taken):]
        part.update(dict.fromkeys(free, "train"))
    return [part[group] for group in groups]


def order(names, seed):
    """Return the names in an order that depends on each and the seed alone: one more moves no other."""
    return sorted(names, key=lambda name: (_hash(seed, name), name))


def _hash(seed, group):
    return hashlib.sha256(f"{seed}/{group}".encode()).hexdigest()


def _normalised(thumbnail):
    cells = np.frombuffer(base64.b64decode(thumbnail), np.uint8).astype(np.float32)
    side = math.isqrt(len(cells))
    return ((cells - cells.mean()) / max(float(cells.std()), 4.0)).reshape(side, side)


def _bit_count(values):
    if hasattr(np, "bitwise_count"):  # numpy 2
        return np.bitwise_count(values)
    return np.unpackbits(np.ascontiguousarray(values).view(np.uint8).reshape(*values.shape, 8), axis=-1).sum(axis=-1)
