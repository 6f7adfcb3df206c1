"""One vector a tracklet, and how far two tracklets look apart.

A tracklet's vector is the mean of its crops' vectors. A mean of few crops keeps some of their noise, which pulls every
cosine similarity towards 0: a person seen in one crop looks farther from everybody, himself included. `reliability`
says by how much (Spearman's correction for attenuation, Am. J. Psychology 15, 1904), so that distances of tracklets
with one crop and with ten can be judged by one scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.types import Embeddings, Float32, Float64, Int64, TrackletKey

_BLOCK_ROWS = 1024
"""Rows of a distance matrix made at once: 1024 x 5000 float32 is 20 MB."""


@dataclass(frozen=True, slots=True)
class TrackletVectors:
    """One row a tracklet that has an embedding, sorted by key."""

    keys: tuple[TrackletKey, ...]
    vector: Float32
    """`(N, D)` unit rows."""
    crops: Float64
    """`(N,)` effective number of crops behind a row: `(sum w)^2 / sum w^2` of the quality weights."""

    def __len__(self) -> int:
        return len(self.keys)

    def row_of(self) -> Mapping[TrackletKey, int]:
        """Row by key."""
        return {key: row for row, key in enumerate(self.keys)}


@dataclass(frozen=True, slots=True)
class CropStatistics:
    """What tracklets say of themselves, with no label needed.

    `half_distance (H,)` cosine distance of the early and the late half of a tracklet, `half_crops (H, 2)` the crops in
    each, `crop_similarity` mean cosine of two crops of one tracklet (nan where no tracklet has two), `tracklets` with
    at least two crops.
    """

    half_distance: Float64
    half_crops: Float64
    crop_similarity: float
    tracklets: int


def usable_rows(embeddings: Embeddings) -> Int64:
    """Rows that can be compared (finite, not zero), ordered by key, frame and quality."""
    finite = np.isfinite(embeddings.vector).all(axis=1) & np.isfinite(embeddings.quality)
    finite[finite] &= np.linalg.norm(embeddings.vector[finite], axis=1) > 0
    rows = np.flatnonzero(finite).tolist()
    rows.sort(key=lambda r: (embeddings.keys[r], int(embeddings.frame_index[r]), float(embeddings.quality[r])))
    return np.array(rows, dtype=np.int64)


def unit(vector: Float64) -> Float64:
    """Rows `(..., D)` made length 1; zero rows stay zero."""
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    result: Float64 = np.divide(vector, length, out=np.zeros_like(vector), where=length > 0)
    return result


def _groups(embeddings: Embeddings) -> Iterator[tuple[TrackletKey, Float64, Float64]]:
    """Key, unit rows `(K, D)` in order of time and weights `(K,)` of each tracklet, by key."""
    rows = usable_rows(embeddings)
    start = 0
    while start < len(rows):
        key = embeddings.keys[rows[start]]
        stop = start + 1
        while stop < len(rows) and embeddings.keys[rows[stop]] == key:
            stop += 1
        taken = rows[start:stop]
        # A crop of quality 0 is still a crop: it counts a little, so that a tracklet of poor crops has a vector.
        weight = np.clip(embeddings.quality[taken].astype(np.float64), 1e-3, 1.0)
        yield key, unit(embeddings.vector[taken].astype(np.float64)), weight
        start = stop


def _weighted_mean(rows: Float64, weight: Float64) -> Float64:
    return unit((weight[:, None] * rows).sum(axis=0))


def _effective(weight: Float64) -> float:
    return float(weight.sum() ** 2 / np.square(weight).sum())


def aggregate(embeddings: Embeddings) -> TrackletVectors:
    """The quality-weighted mean of each tracklet's unit rows, made unit again; independent of the order of rows.

    Rows that are not finite or are zero are left out; a tracklet with no row left has no vector.
    """
    keys, vectors, crops = [], [], []
    for key, rows, weight in _groups(embeddings):
        mean = _weighted_mean(rows, weight)
        if not mean.any():  # crops that cancel out say nothing
            continue
        keys.append(key)
        vectors.append(mean)
        crops.append(_effective(weight))
    dimension = embeddings.vector.shape[1]
    stacked = np.stack(vectors).astype(np.float32) if vectors else np.zeros((0, dimension), np.float32)
    return TrackletVectors(tuple(keys), stacked, np.array(crops, dtype=np.float64))


def crop_statistics(embeddings: Embeddings) -> CropStatistics:
    """Early half against late half of every tracklet with two crops or more, and how alike its crops are."""
    distance: list[float] = []
    crops: list[tuple[float, float]] = []
    similarity: list[float] = []
    for _key, rows, weight in _groups(embeddings):
        count = len(rows)
        if count < 2:
            continue
        # The middle crop of an odd number is left out: the halves shall not share a view.
        early, late = slice(0, count // 2), slice(count - count // 2, count)
        a, b = _weighted_mean(rows[early], weight[early]), _weighted_mean(rows[late], weight[late])
        distance.append(1.0 - float(a @ b))
        crops.append((_effective(weight[early]), _effective(weight[late])))
        similarity.append(float((np.square(rows.sum(axis=0)).sum() - count) / (count * (count - 1))))
    return CropStatistics(
        np.array(distance, dtype=np.float64),
        np.array(crops, dtype=np.float64).reshape(-1, 2),
        float(np.mean(similarity)) if similarity else float("nan"),
        len(similarity),
    )


def reliability(crops: Float64, crop_similarity: float) -> Float64:
    """Share `(N,)`, 0..1, of a tracklet's vector that is the person and not the noise of its crops.

    With crops whose mean cosine is s, the mean of K of them has length^2 s + (1 - s) / K, of which s is signal. The
    expected cosine of two tracklets is the product of their reliabilities times that of noiseless ones.
    """
    s = float(np.clip(crop_similarity, 0.05, 1.0))
    result: Float64 = np.sqrt(s / (s + (1.0 - s) / np.maximum(crops, 1.0)))
    return result


def cosine_distances(a: Float32, b: Float32) -> Float32:
    """`1 - cosine`, `(N, M)` in 0..2, of unit rows `(N, D)` and `(M, D)`."""
    result: Float32 = np.clip(1.0 - a @ b.T, 0.0, 2.0).astype(np.float32)
    return result


def distance_blocks(vector: Float32, rows: int = _BLOCK_ROWS) -> Iterator[tuple[slice, Float32]]:
    """Distances of all rows to all rows, `rows` of them at a time: `(slice, (rows, N))`."""
    for start in range(0, len(vector), rows):
        block = slice(start, min(start + rows, len(vector)))
        yield block, cosine_distances(vector[block], vector)
