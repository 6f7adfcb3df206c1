"""Average linkage under cannot-links: join the two groups whose members agree best on average, while they agree enough.

A pair that cannot be one person has score -inf, and so has any group that holds such a pair. Average linkage resists
chains (A like B, B like C, A unlike C), which single linkage follows. Rows are taken in the order given and ties go to
the lower row, so callers sort by key to be independent of the order of their input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from pipeline.types import Float64, Int64


@dataclass(frozen=True, slots=True)
class Merge:
    """One joining of two groups of rows, with the mean score between them."""

    left: tuple[int, ...]
    right: tuple[int, ...]
    score: float


def average_linkage(score: Float64, floor: float) -> tuple[Int64, list[Merge]]:
    """Group `N` rows by a symmetric `score (N, N)` (larger = same; -inf = never): join while the mean is above `floor`.

    Returns labels `(N,)`, numbered by each group's lowest row, and the merges. The work is split exactly: two rows of
    one group are always joined by a path of pairs above `floor` (a mean is above it only if a pair is). O(m^2) memory
    and typically O(m^2) time in the largest connected component of m rows.
    """
    count = len(score)
    if score.shape != (count, count):
        raise ValueError(f"score must be square, got shape {score.shape}")
    if np.isnan(score).any():
        raise ValueError("score holds NaN; a pair without evidence is 0 or -inf")
    rows, columns = np.nonzero(score > floor)
    keep = rows != columns
    graph = csr_array((np.ones(int(keep.sum()), np.int8), (rows[keep], columns[keep])), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    order = np.argsort(component, kind="stable")
    merges: list[Merge] = []
    for members in np.split(order, np.flatnonzero(np.diff(component[order])) + 1):
        if len(members) > 1:
            merges += _link_component(score[np.ix_(members, members)], members, floor)
    labels = np.arange(count, dtype=np.int64)
    for merge in merges:
        both = [*merge.left, *merge.right]
        labels[both] = labels[both].min()
    return np.unique(labels, return_inverse=True)[1].astype(np.int64), merges


def _link_component(score: Float64, members: Int64, floor: float) -> list[Merge]:
    """Greedy joining of the best pair; each row remembers its best partner, so a merge costs a few rows."""
    mean = score.astype(np.float64)
    np.fill_diagonal(mean, -np.inf)
    groups: list[tuple[int, ...]] = [(int(m),) for m in members]
    partner = mean.argmax(axis=1)
    best = mean.max(axis=1)
    merges: list[Merge] = []
    while True:
        row = int(best.argmax())
        if not best[row] > floor:
            return merges
        i, j = sorted((row, int(partner[row])))
        merges.append(Merge(groups[i], groups[j], float(best[row])))
        n_i, n_j = len(groups[i]), len(groups[j])
        groups[i] = tuple(sorted(groups[i] + groups[j]))
        joined = (n_i * mean[i] + n_j * mean[j]) / (n_i + n_j)
        joined[[i, j]] = -np.inf
        mean[i], mean[:, i] = joined, joined
        mean[j], mean[:, j] = -np.inf, -np.inf
        best[j] = -np.inf
        # A mean never exceeds the better of its two parts, so only rows that preferred i or j can change their mind.
        for k in {i, *np.flatnonzero((partner == i) | (partner == j)).tolist()} - {j}:
            partner[k] = mean[k].argmax()
            best[k] = mean[k, partner[k]]
