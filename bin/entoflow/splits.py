"""Groups that no part may share, and the parts: training, validation, test.

Two photos are near-duplicates if their perceptual hashes differ in few bits and, brightness and
contrast set equal, no cell of their thumbnails differs much. The second test tells a re-encoded or
resized photo from another moment of the same fixed camera, where the insect has moved: a hash alone
takes those for the same. Mirror images are compared, too.
"""

import base64
import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

# The largest difference of a thumbnail cell, in standard deviations. Re-encoded, resized or
# darkened photos stay below 0.18, other photos of one fixed camera start at 0.21 (154 bumblebee
# photos). Crops of 2 % and clipped highlights are not recognised.
MAX_DIFFERENCE = 0.19
PAIRS_AT_ONCE = 1 << 22


def near_duplicates(
    phashes: Sequence[str], mirrored_phashes: Sequence[str], thumbnails: Sequence[str], bits: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of rows (k x 2 each): near-duplicates, and those whose hashes alone agree.

    A mirrored copy is a near-duplicate, too.

    phashes, mirrored_phashes: 16 hex digits of each image and of its mirror image; thumbnails:
    base64 of m x m grey bytes of each; bits: the largest Hamming distance of hashes that agree.
    """
    hashes = np.array([int(text, 16) for text in phashes], np.uint64)
    mirrored = np.array([int(text, 16) for text in mirrored_phashes], np.uint64)
    cells = np.array([_normalised(thumbnail) for thumbnail in thumbnails])
    same = [np.empty((0, 2), np.int32)]
    alike = [np.empty((0, 2), np.int32)]
    for pairs in _agreeing(hashes, hashes, bits):
        close = _close(cells, pairs, slice(None))
        same.append(pairs[close])
        alike.append(pairs[~close])
    for pairs in _agreeing(hashes, mirrored, bits):
        close = _close(cells, pairs, slice(None, None, -1))
        same.append(pairs[close])
    return np.unique(np.concatenate(same), axis=0), np.concatenate(alike)


def join(names: Sequence[str], pairs: Iterable[Sequence[int]]) -> list[str]:
    """Return the group of each row.

    Rows of one name, or joined by a chain of pairs, share the smallest name among them.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    unique, node = np.unique(np.asarray(names, object), return_inverse=True)
    if not len(unique):
        return []
    edges = node[np.array(list(pairs), int).reshape(-1, 2)]
    ones = np.ones(len(edges), bool)
    graph = coo_array((ones, (edges[:, 0], edges[:, 1])), shape=(len(unique), len(unique)))
    n_groups, group = connected_components(graph, directed=False)
    smallest = np.full(n_groups, len(unique))
    np.minimum.at(smallest, group, np.arange(len(unique)))  # unique is sorted
    return unique[smallest[group]][node].tolist()


def assign(
    groups: Sequence[str], labels: Sequence[str | None], shares: Mapping[str, float], seed: int
) -> list[str]:
    """Return the part of each row.

    All rows of a group in one part, each label spread by the shares.

    groups, labels: n; shares: {part: share}, the rest is train. Groups of a label are ordered by a
    hash of seed and name, so one image more moves few others. A label's only group is for training,
    as is one with more than half of its rows; of two or more, each part but train gets at least one
    while train keeps one.
    """
    label_names = [str(label) for label in labels]
    rows_of_label = Counter(label_names)
    rows_of_pair = Counter(zip(groups, label_names))
    groups_of_label: dict[str, list[str]] = defaultdict(list)
    for group, label in sorted(rows_of_pair):
        groups_of_label[label].append(group)
    part: dict[str, str] = {}
    for label, members in sorted(groups_of_label.items(), key=lambda pair: (len(pair[1]), pair[0])):
        is_large = {
            group: 2 * rows_of_pair[group, label] > rows_of_label[label] for group in members
        }
        free = [group for group in members if group not in part]
        free.sort(key=lambda group: (is_large[group], _hash(seed, group)))  # noqa: B023
        for name, share in shares.items():
            wanted = max(1, round(share * len(members))) - sum(
                part.get(group) == name for group in members
            )
            taken = free[: max(0, min(wanted, len(free) - 1))]
            part.update(dict.fromkeys(taken, name))
            free = free[len(taken) :]
        part.update(dict.fromkeys(free, "train"))
    return [part[group] for group in groups]


def order(names: Iterable[str], seed: int) -> list[str]:
    """Return the names in an order that depends on each and the seed alone.

    One more moves no other.
    """
    return sorted(names, key=lambda name: (_hash(seed, name), name))


def _agreeing(a: np.ndarray, b: np.ndarray, bits: int) -> Iterator[np.ndarray]:
    """Yield pairs of rows (k x 2), the first the smaller, where hash a of one and b of the other
    differ in few bits.
    """
    n_rows = max(1, PAIRS_AT_ONCE // max(1, len(a)))
    n_pairs = PAIRS_AT_ONCE >> 8
    for start in range(0, len(a), n_rows):
        distances = _bit_count(a[start : start + n_rows, None] ^ b[None, :])
        near = np.argwhere(distances <= bits) + [start, 0]
        near = near[near[:, 0] < near[:, 1]].astype(np.int32)
        for first in range(0, len(near), n_pairs):
            yield near[first : first + n_pairs]


def _bit_count(values: np.ndarray) -> np.ndarray:
    if hasattr(np, "bitwise_count"):  # numpy 2; Intel Macs have numpy 1
        return np.bitwise_count(values)
    octets = np.ascontiguousarray(values).view(np.uint8).reshape(*values.shape, 8)
    return np.unpackbits(octets, axis=-1).sum(axis=-1)


def _close(cells: np.ndarray, pairs: np.ndarray, columns: slice) -> np.ndarray:
    """Return whether no cell of the two thumbnails of each pair (k x 2) differs much, the second's
    columns taken in that order.
    """
    difference = np.abs(cells[pairs[:, 0]] - cells[pairs[:, 1]][:, :, columns])
    return difference.max(axis=(1, 2), initial=0) <= MAX_DIFFERENCE


def _hash(seed: int, group: str) -> str:
    return hashlib.sha256(f"{seed}/{group}".encode()).hexdigest()


def _normalised(thumbnail: str) -> np.ndarray:
    """Return a thumbnail (m x m) less its mean, in its standard deviations.

    Of a plain one not less than 4 grey levels are taken.
    """
    cells = np.frombuffer(base64.b64decode(thumbnail), np.uint8).astype(np.float32)
    side = math.isqrt(len(cells))
    return ((cells - cells.mean()) / max(float(cells.std()), 4.0)).reshape(side, side)
