"""Retrieval measures of re-identification: CMC@k, mAP and mINP by the Market-1501 protocol.

Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015, sec. 5; mINP: Ye et al., "Deep Learning for
Person Re-identification: A Survey and Outlook", 2020, sec. 4.3. Gallery images of the query's person in the query's own
camera, and images of nobody (id -1), are junk: taken out before ranking. A query whose person the gallery doesn't hold
otherwise is skipped and counted, never scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.types import Float32, Float64, Int64

JUNK_ID = -1
"""Market-1501: a box of nobody or of a part of a body."""

DISTRACTOR_ID = 0
"""Market-1501: a person or thing that is no query's; counts as wrong, and is no identity to look for."""

_BLOCK_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True)
class RetrievalResult:
    """Means over the `queries` scored; 0 where there is none."""

    cmc: Float64
    """`(K,)`: share of the queries with a right image among the first 1, 2, ... K."""
    map: float
    """Mean over queries of the average precision: mean over the true matches of matches so far / rank."""
    minp: float
    """Mean over queries of true matches / rank of the last of them."""
    queries: int
    skipped: int
    """Queries without a true match in the gallery, and queries of no identity."""

    def rank(self, k: int) -> float:
        """CMC@k, 0..1."""
        return float(self.cmc[min(k, len(self.cmc)) - 1])


@dataclass(frozen=True, slots=True)
class Labels:
    """Who is in each of N images, and which camera took it: `ids (N,)`, `cameras (N,)` or None where not known."""

    ids: Int64
    cameras: Int64 | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", np.asarray(self.ids, dtype=np.int64))
        if self.cameras is not None:
            object.__setattr__(self, "cameras", np.asarray(self.cameras, dtype=np.int64))
        if self.ids.ndim != 1 or (self.cameras is not None and self.cameras.shape != self.ids.shape):
            raise ValueError("ids and cameras must be (N,) of the same length")

    def __len__(self) -> int:
        return len(self.ids)


def evaluate_retrieval(
    query_vectors: Float32,
    gallery_vectors: Float32,
    query: Labels,
    gallery: Labels,
    *,
    distractor_id: int | None = DISTRACTOR_ID,
    ranks: int = 50,
) -> RetrievalResult:
    """Rank the gallery `(N, D)` for each row of the query `(Q, D)` by cosine similarity, ties by the gallery's order.

    Where cameras are not known nothing but id -1 is junk. `distractor_id=None` where 0 is a person like any other.
    Distances are computed some queries at a time: memory is the two arrays and ~0.5 GB.
    Raises ValueError on shapes that don't fit, not finite or zero vectors.
    """
    query_vectors = _vectors(query_vectors, len(query), "query")
    gallery_vectors = _vectors(gallery_vectors, len(gallery), "gallery")
    if query_vectors.shape[1] != gallery_vectors.shape[1]:
        raise ValueError(f"query vectors have {query_vectors.shape[1]} dimensions, gallery {gallery_vectors.shape[1]}")
    norm = np.sqrt(np.einsum("nd,nd->n", gallery_vectors, gallery_vectors))

    def blocks() -> Iterator[NDArray[np.floating]]:
        step = max(1, _BLOCK_BYTES // (4 * max(1, len(gallery_vectors))))
        for begin in range(0, len(query_vectors), step):
            yield -(query_vectors[begin : begin + step] @ gallery_vectors.T) / norm

    return _evaluate(blocks(), query, gallery, distractor_id, ranks)


def evaluate_distances(
    distances: NDArray[np.floating],
    query: Labels,
    gallery: Labels,
    *,
    distractor_id: int | None = DISTRACTOR_ID,
    ranks: int = 50,
) -> RetrievalResult:
    """The same from `distances (Q, N)`, smaller = closer: for re-ranked lists."""
    if distances.shape != (len(query), len(gallery)):
        raise ValueError(f"distances must be ({len(query)}, {len(gallery)}), got shape {distances.shape}")
    if not np.isfinite(distances).all():
        raise ValueError("distances hold nan or infinite values")
    return _evaluate(iter([distances]), query, gallery, distractor_id, ranks)


def evaluate_blocks(
    blocks: Iterator[NDArray[np.floating]],
    query: Labels,
    gallery: Labels,
    *,
    distractor_id: int | None = DISTRACTOR_ID,
    ranks: int = 50,
) -> RetrievalResult:
    """The same from distances that come some queries `(q, N)` at a time, in the order of `query`."""
    return _evaluate(blocks, query, gallery, distractor_id, ranks)


def nearest(
    query_vectors: Float32, gallery_vectors: Float32, query: Labels, gallery: Labels, *, count: int = 10
) -> Int64:
    """Rows `(Q, count)` of the gallery nearest to each query, junk left out, -1 where there are no more; unit rows."""
    result = np.full((len(query), count), -1, np.int64)
    for row, vector in enumerate(query_vectors):
        distance = -(gallery_vectors @ vector)
        junk = gallery.ids == JUNK_ID
        if gallery.cameras is not None and query.cameras is not None:
            junk = junk | ((gallery.ids == query.ids[row]) & (gallery.cameras == query.cameras[row]))
        order = np.flatnonzero(~junk)
        order = order[np.argsort(distance[order], kind="stable")][:count]
        result[row, : len(order)] = order
    return result


def average_precision(ranks: Int64) -> float:
    """AP of one query from the ranks (from 1, ascending) of its true matches."""
    return float(np.mean(np.arange(1, len(ranks) + 1) / ranks))


def _evaluate(
    blocks: Iterator[NDArray[np.floating]], query: Labels, gallery: Labels, distractor_id: int | None, ranks: int
) -> RetrievalResult:
    if (query.cameras is None) != (gallery.cameras is None):
        raise ValueError("give the cameras of both query and gallery, or of neither")
    somebody = np.flatnonzero(gallery.ids != JUNK_ID)
    ids = gallery.ids[somebody]
    cameras = None if gallery.cameras is None else gallery.cameras[somebody]
    hits = np.zeros(max(1, ranks))
    precisions: list[float] = []
    penalties: list[float] = []
    row = 0
    for block in blocks:
        for distance in block:
            person = query.ids[row]
            own_camera = _same_camera(cameras, query.cameras, row)
            row += 1
            if person in (JUNK_ID, distractor_id):
                continue
            found = _ranks_of_matches(distance[somebody], ids == person, own_camera)
            if len(found) == 0:
                continue
            hits[found[0] - 1 :] += 1
            precisions.append(average_precision(found))
            penalties.append(len(found) / float(found[-1]))
    queries = len(precisions)
    return RetrievalResult(
        cmc=hits / max(1, queries),
        map=float(np.mean(precisions)) if queries else 0.0,
        minp=float(np.mean(penalties)) if queries else 0.0,
        queries=queries,
        skipped=row - queries,
    )


def _same_camera(cameras: Int64 | None, of_query: Int64 | None, row: int) -> NDArray[np.bool_]:
    """Which gallery images are from the camera of the query in `row`; none where cameras are not known."""
    if cameras is None or of_query is None:
        return np.zeros((), np.bool_)
    return np.asarray(cameras == of_query[row])


def _ranks_of_matches(
    distance: NDArray[np.floating], same_person: NDArray[np.bool_], same_camera: NDArray[np.bool_]
) -> Int64:
    """Ranks, from 1, of the true matches among the gallery without junk; empty if there is none."""
    match = same_person & ~same_camera
    if not match.any():
        return np.zeros(0, np.int64)
    # nothing beyond the farthest match can change a rank, so only what lies before it is sorted
    near = np.flatnonzero((distance <= distance[match].max()) & ~(same_person & same_camera))
    order = near[np.argsort(distance[near], kind="stable")]
    return np.flatnonzero(match[order]).astype(np.int64) + 1


def _vectors(values: Float32, rows: int, name: str) -> Float32:
    array = np.asarray(values, dtype=np.float32)
    if array.ndim != 2 or len(array) != rows:
        raise ValueError(f"{name} vectors must be ({rows}, D) to fit their labels, got shape {array.shape}")
    fine = np.isfinite(array).all(axis=1) & array.any(axis=1)
    if not fine.all():
        raise ValueError(f"{name} vector {int(np.argmin(fine))} is zero, nan or infinite")
    return array
