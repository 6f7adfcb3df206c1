"""k-reciprocal re-ranking (Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017).

Two images are compared by the sets of images that count each other among their nearest. It uses the gallery itself, and
the other queries too: report it apart, and do not use it where the gallery is open.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_array

from pipeline.types import Bool, Float32, Int64

K1, K2, LAMBDA = 20, 6, 0.3
"""Section 4.2: chosen by the authors on Market-1501."""

_BLOCK_ROWS = 256
"""Rows of distances at a time: 123 MB with 120,000 images."""


def rerank(
    query: Float32, gallery: Float32, *, k1: int = K1, k2: int = K2, weight: float = LAMBDA
) -> Iterator[Float32]:
    """Distances `(q, N)` of some queries at a time, of unit rows `(Q, D)` and `(N, D)`: `weight` of the original one
    (squared Euclidean, divided by the query's largest) and the rest Jaccard.

    Memory: the vectors once more, 256 rows of distances at a time, of which the k1 + 1 nearest are kept, and the
    neighbours' weights, some 100 numbers a row at k1 20. Raises ValueError on parameters that make no sense.
    """
    _refuse(k1, k2, weight)
    encoded, largest = _encoded(np.concatenate([query, gallery], dtype=np.float32), k1, k2)
    queries = len(query)
    yield from _combine(query, gallery, (encoded[:queries], encoded[queries:]), largest[:queries], weight)


def rerank_among(vectors: Float32, *, k1: int = K1, k2: int = K2, weight: float = LAMBDA) -> Iterator[Float32]:
    """The same distances of unit rows `(N, D)` to one another, `(n, N)` of some rows at a time."""
    _refuse(k1, k2, weight)
    encoded, largest = _encoded(vectors.astype(np.float32, copy=False), k1, k2)
    yield from _combine(vectors, vectors, (encoded, encoded), largest, weight)


def _refuse(k1: int, k2: int, weight: float) -> None:
    if k1 < 1 or not 1 <= k2 <= k1 or not 0 <= weight <= 1:
        raise ValueError(f"want 1 <= k2 <= k1 and weight in 0..1, got k1 {k1}, k2 {k2}, weight {weight}")


def _encoded(vectors: Float32, k1: int, k2: int) -> tuple[csr_array, Float32]:
    """Each row's weights on its neighbours `(N, N)`, and its largest distance `(N,)`."""
    count = len(vectors)
    k1, k2 = min(k1, count - 1), min(k2, count)
    nearest, largest = _nearest(vectors, k1 + 1)
    encoded = _encode(vectors, nearest, largest, k1)
    if k2 > 1:  # local query expansion, equation 11
        rows = np.repeat(np.arange(count), k2)
        mean = csr_array((np.full(count * k2, 1 / k2, np.float32), (rows, nearest[:, :k2].ravel())), (count, count))
        encoded = csr_array(mean @ encoded)
    return encoded, largest


def _squared(a: Float32, b: Float32) -> Float32:
    """Squared Euclidean distances of unit rows, in one array: a block of them is large."""
    distance: Float32 = a @ b.T
    distance *= -2
    distance += 2
    return np.maximum(distance, 0, out=distance)


def _nearest(vectors: Float32, count: int) -> tuple[Int64, Float32]:
    """The `count` nearest rows of each row, itself first, ties by the lower row; and each row's largest distance."""
    nearest = np.empty((len(vectors), count), np.int64)
    largest = np.empty(len(vectors), np.float32)
    for begin in range(0, len(vectors), _BLOCK_ROWS):
        distance = _squared(vectors[begin : begin + _BLOCK_ROWS], vectors)
        largest[begin : begin + len(distance)] = distance.max(1)
        distance[np.arange(len(distance)), begin + np.arange(len(distance))] = -1
        for row, values in enumerate(distance):
            # a partial sort finds the last distance that is in; the rows up to it, in order of their number, are sorted
            near = np.flatnonzero(values <= np.partition(values, count - 1)[count - 1])
            nearest[begin + row] = near[np.argsort(values[near], kind="stable")][:count]
    return nearest, largest


def _reciprocal(nearest: Int64, k: int) -> Bool:
    """`(N, k + 1)`: which of each row's k nearest, and itself, have it among theirs (each row is its own nearest)."""
    forward = nearest[:, : k + 1]
    result = np.empty(forward.shape, np.bool_)
    for begin in range(0, len(nearest), _BLOCK_ROWS):
        rows = np.arange(begin, min(begin + _BLOCK_ROWS, len(nearest)))
        result[rows] = (forward[forward[rows]] == rows[:, None, None]).any(2)
    return result


def _encode(vectors: Float32, nearest: Int64, largest: Float32, k1: int) -> csr_array:
    """Equations 5 and 7: each row as weights exp(-d) on its expanded reciprocal neighbours, summing to 1."""
    half = round(k1 / 2)
    own_back, their_back = _reciprocal(nearest, k1), _reciprocal(nearest, half)
    columns: list[Int64] = []
    values: list[Float32] = []
    for row in range(len(vectors)):
        own = nearest[row][own_back[row]]
        theirs, back = nearest[own, : half + 1], their_back[own]  # each neighbour's neighbours, (n, half + 1)
        shared = ((theirs[:, :, None] == own).any(2) & back).sum(1)
        back = back & (shared > 2 / 3 * back.sum(1))[:, None]
        rows = np.unique(np.concatenate([own, theirs[back]]))
        distance = _squared(vectors[row : row + 1], vectors[rows])[0] / max(float(largest[row]), 1e-12)
        weights = np.exp(-distance)
        columns.append(rows)
        values.append(weights / weights.sum())
    ends = np.cumsum([0, *(len(part) for part in columns)])
    return csr_array((np.concatenate(values), np.concatenate(columns), ends), (len(vectors), len(vectors)))


def _combine(
    query: Float32, gallery: Float32, encoded: tuple[csr_array, csr_array], largest: Float32, weight: float
) -> Iterator[Float32]:
    """Jaccard distance by the sum of the smaller weights (equation 10), mixed with the original one (equation 12).

    `encoded`: the weights of the queries, and of the gallery.
    """
    own, by_column = encoded[0], encoded[1].tocsc()  # the gallery rows that have a neighbour
    for first in range(0, len(query), _BLOCK_ROWS):
        mixed = _squared(query[first : first + _BLOCK_ROWS], gallery)
        mixed *= weight / np.maximum(largest[first : first + len(mixed), None], 1e-12)
        for row, mix in enumerate(mixed, start=first):
            begin, end = own.indptr[row], own.indptr[row + 1]
            common = np.zeros(len(gallery), np.float32)
            for column, value in zip(own.indices[begin:end], own.data[begin:end], strict=True):
                part = slice(by_column.indptr[column], by_column.indptr[column + 1])
                common[by_column.indices[part]] += np.minimum(value, by_column.data[part])
            np.add(mix, (1 - weight) * (1 - common / (2 - common)), out=mix)
        yield mixed
