"""Average linkage: join the two groups whose members agree best on average, while they agree enough.

A pair that cannot be one person has score -inf, and so has any group that holds such a pair. Average linkage resists
chains (A like B, B like C, A unlike C), which single linkage follows. The mean, not the sum: the pieces of one visit
say the same thing many times (docs/association.md, "Solvers side by side").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.types import Float64, Int64


@dataclass(frozen=True, slots=True)
class Merge:
    """One joining of two groups of rows, with the mean score between them.

    `given`: by a must-link, whatever the score.
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    score: float
    given: bool = False


def mean_scores(score: Float64, groups: Sequence[Int64]) -> Float64:
    """Mean score `(G, G)` between groups of rows."""
    sums = sum_scores(score, groups)
    size = np.array([len(g) for g in groups], dtype=np.float64)
    result: Float64 = sums / np.outer(size, size)
    return result


def sum_scores(score: Float64, groups: Sequence[Int64]) -> Float64:
    """Sum of the scores `(G, G)` between groups of rows."""
    if len(groups) == len(score):
        return score.copy()
    starts = np.cumsum([0, *(len(g) for g in groups[:-1])])
    order = np.concatenate(groups)
    result: Float64 = np.add.reduceat(np.add.reduceat(score[np.ix_(order, order)], starts, axis=0), starts, axis=1)
    return result


def join_by_mean(mean: Float64, groups: list[tuple[int, ...]], floor: float, *, given: bool = False) -> list[Merge]:
    """Greedy joining of the best pair of `groups` by their `mean (G, G)` scores while it is above `floor`.

    Each group remembers its best partner, so a merge costs a few rows. Both arguments are used up. Ties go to the lower
    row.
    """
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
