"""How sure a grouping is: each link's probability against what else could have been.

A joining has odds of its own, but it competes: in a crowd the right answer may be one of many that look as good. With
average log-odds l of the two groups joined, and l_k of either group with every other group it could belong to,

    P(link) = exp(l) / (1 + exp(l) + sum_k exp(l_k)),

where 1 stands for "neither": the probability of the answer chosen among those that exclude one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.association.solver import Merge
from pipeline.types import Bool, Float32, Float64, Int64


@dataclass(frozen=True, slots=True)
class Doubt:
    """`merge (M,)` probability of each joining; `row (N,)` that a row belongs to its group (1 where alone)."""

    merge: Float64
    row: Float64


def _sum_over_groups(matrix: Float32, labels: Int64) -> Float64:
    """Row sums `(N, G)` over the members of each group."""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    result: Float64 = np.add.reduceat(matrix[:, order], starts, axis=1, dtype=np.float64)
    return result


def judge(log_odds: Float32, cannot: Bool, labels: Int64, merges: Sequence[Merge]) -> Doubt:
    """Probabilities of `merges` and of each row's membership. `log_odds (N, N)` holds 0 where `cannot`."""
    size = np.bincount(labels).astype(np.float64)
    total = _sum_over_groups(log_odds, labels)
    barred = _sum_over_groups(cannot.astype(np.float32), labels) > 0

    def rivals(rows: Sequence[int]) -> float:
        """Sum of the odds of a group of rows with every other group it could belong to."""
        members = list(rows)
        mean = total[members].sum(axis=0) / (len(members) * size)
        open_to = ~barred[members].any(axis=0)
        open_to[labels[members[0]]] = False
        return float(np.exp(mean[open_to]).sum())

    merge = np.array([_probability(m.score, rivals(m.left) + rivals(m.right)) for m in merges], dtype=np.float64)
    row = np.ones(len(labels))
    for k in np.flatnonzero(size[labels] > 1).tolist():
        own = labels[k]
        score = (total[k, own] - log_odds[k, k]) / (size[own] - 1)
        row[k] = _probability(float(score), rivals([k]))
    return Doubt(merge, row)


def _probability(score: float, rivals: float) -> float:
    return 1.0 / (1.0 + (1.0 + rivals) * float(np.exp(-score)))
