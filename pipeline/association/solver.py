"""Average linkage under cannot-links: join the two groups whose members agree best on average, while they agree enough.

A pair that cannot be one person has score -inf, and so has any group that holds such a pair. Average linkage resists
chains (A like B, B like C, A unlike C), which single linkage follows. Rows are taken in the order given and ties go to
the lower row, so callers sort by key to be independent of the order of their input. Rows that must be one person are
one group from the start (must_links.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from pipeline.association.must_links import must_groups, refuse_contradiction
from pipeline.types import Bool, Float64, Int64


@dataclass(frozen=True, slots=True)
class Merge:
    """One joining of two groups of rows, with the mean score between them.

    `given`: by a must-link, whatever the score.
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    score: float
    given: bool = False


def average_linkage(
    score: Float64,
    floor: float,
    *,
    together: Sequence[tuple[int, int]] = (),
    names: Sequence[str] | None = None,
) -> tuple[Int64, list[Merge]]:
    """Group `N` rows by a symmetric `score (N, N)` (larger = same; -inf = never): join while the mean is above `floor`.

    `together`: pairs of rows that must be one group, whatever their score. Raises UsageError when such a pair, or two
    rows such pairs connect, has score -inf; `names (N)` are what the message calls the rows.

    Returns labels `(N,)`, numbered by each group's lowest row, and the merges. The work is split exactly: two rows of
    one group are always joined by a path of pairs above `floor` (a mean is above it only if a pair is) or of
    must-links. O(m^2) memory and typically O(m^2) time in the largest connected component of m rows.
    """
    count = len(score)
    if score.shape != (count, count):
        raise ValueError(f"score must be square, got shape {score.shape}")
    if np.isnan(score).any():
        raise ValueError("score holds NaN; a pair without evidence is 0 or -inf")
    given = must_groups(count, together)
    joined: Bool = score > floor
    pairs = np.array(together, dtype=np.int64).reshape(-1, 2)
    joined[pairs[:, 0], pairs[:, 1]] = True
    rows, columns = np.nonzero(joined)
    keep = rows != columns
    graph = csr_array((np.ones(int(keep.sum()), np.int8), (rows[keep], columns[keep])), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    order = np.argsort(component, kind="stable")
    merges: list[Merge] = []
    for members in np.split(order, np.flatnonzero(np.diff(component[order])) + 1):
        if len(members) < 2:
            continue
        own = score[np.ix_(members, members)].astype(np.float64)
        np.fill_diagonal(own, 0.0)
        groups: list[Int64] = []
        for label in np.unique(given[members]).tolist():
            block = np.flatnonzero(given[members] == label)
            groups.append(block)
            if len(block) > 1:
                inside = own[np.ix_(block, block)]
                refuse_contradiction(members[block], inside == -np.inf, together, names)
                merges += _join(inside, [(int(r),) for r in members[block]], -np.inf, given=True)
        merges += _join(_means(own, groups), [tuple(members[g].tolist()) for g in groups], floor)
    labels = np.arange(count, dtype=np.int64)
    for merge in merges:
        both = [*merge.left, *merge.right]
        labels[both] = labels[both].min()
    return np.unique(labels, return_inverse=True)[1].astype(np.int64), merges


def _means(score: Float64, groups: Sequence[Int64]) -> Float64:
    """Mean score `(G, G)` between groups of rows."""
    if len(groups) == len(score):
        return score
    starts = np.cumsum([0, *(len(g) for g in groups[:-1])])
    order = np.concatenate(groups)
    sums = np.add.reduceat(np.add.reduceat(score[np.ix_(order, order)], starts, axis=0), starts, axis=1)
    size = np.array([len(g) for g in groups], dtype=np.float64)
    result: Float64 = sums / np.outer(size, size)
    return result


def _join(mean: Float64, groups: list[tuple[int, ...]], floor: float, *, given: bool = False) -> list[Merge]:
    """Greedy joining of the best pair of `groups` by their `mean (G, G)` scores; each group remembers its best partner,
    so a merge costs a few rows. Both arguments are used up."""
    np.fill_diagonal(mean, -np.inf)
    partner = mean.argmax(axis=1)
    best = mean.max(axis=1)
    merges: list[Merge] = []
    while True:
        row = int(best.argmax())
        if not best[row] > floor:
            return merges
        i, j = sorted((row, int(partner[row])))
        merges.append(Merge(groups[i], groups[j], float(best[row]), given))
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
