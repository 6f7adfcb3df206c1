"""Average linkage: join the two groups whose members agree best on average, while they agree enough.

A pair that cannot be one person has score -inf, and so has any group that holds such a pair. Average linkage resists
chains (A like B, B like C, A unlike C), which single linkage follows. The mean, not the sum: the pieces of one visit
say the same thing many times (docs/association.md, "Solvers side by side").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.association.joining import Joining
from pipeline.types import Float64, Int64

PLAIN = Joining()
"""The mean score is what groups are joined by."""


@dataclass(frozen=True, slots=True)
class Merge:
    """One joining of two groups of rows, with the mean score between them (or what a Joining makes of it).

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


def join_by_mean(
    mean: Float64,
    groups: list[tuple[int, ...]],
    floor: float,
    *,
    given: bool = False,
    joining: Joining = PLAIN,
    level: float = -np.inf,
) -> list[Merge]:
    """Greedy joining of the pair of `groups` whose log-odds by `joining` are best, while they are above `floor`.

    `mean (G, G)` scores; pairs with a mean of `level` or less are left apart. Each group remembers its best partner, so
    a merge costs a few rows. Both arguments are used up. Ties go to the lower row.
    """
    np.fill_diagonal(mean, -np.inf)
    size = np.array([len(group) for group in groups], dtype=np.float64)
    odds = np.where(mean > level, joining.log_odds(mean, size[:, None], size), -np.inf)
    partner = odds.argmax(axis=1)
    best = odds.max(axis=1)
    merges: list[Merge] = []
    while True:
        row = int(best.argmax())
        if not best[row] > floor:
            return merges
        i, j = sorted((row, int(partner[row])))
        merges.append(Merge(groups[i], groups[j], float(best[row]), given))
        groups[i] = tuple(sorted(groups[i] + groups[j]))
        joined = (size[i] * mean[i] + size[j] * mean[j]) / (size[i] + size[j])
        size[i] += size[j]
        joined[[i, j]] = -np.inf
        mean[i], mean[:, i] = joined, joined
        mean[j], mean[:, j] = -np.inf, -np.inf
        odds[i] = odds[:, i] = np.where(joined > level, joining.log_odds(joined, size[i], size), -np.inf)
        odds[j], odds[:, j] = -np.inf, -np.inf
        best[j] = -np.inf
        changed = (partner == i) | (partner == j) | (odds[i] > best)
        for k in {i, *np.flatnonzero(changed).tolist()} - {j}:
            partner[k] = odds[k].argmax()
            best[k] = odds[k, partner[k]]
