"""The best correlation clustering of a small component, with proof: integer programming with lazy triangles.

One 0/1 variable a pair says whether the two are one person; being one person is transitive, so of each three
`x_ij + x_jk - x_ik <= 1` (Groetschel and Wakabayashi, Mathematical Programming 45, 1989). Nearly all of these
inequalities are idle, so only those that a solution breaks are added: first to the linear relaxation, which is often
integral already and bounds the optimum anyhow, then to the integer programme (HiGHS, by scipy).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import LinearConstraint, linprog, milp
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from pipeline.association.correlation import bounded, heuristic, objective
from pipeline.association.must_links import numbered_by_lowest_row
from pipeline.types import Bool, Float64, Int64

_ROUNDS = 60
"""Rounds of added inequalities; a guard, chosen by hand."""
_TOLERANCE = 1e-6
_PER_ROUND = 2000
"""Inequalities added at once, most broken first, so that a round of the linear programme stays fast."""


@dataclass(frozen=True, slots=True)
class Proof:
    """`labels (n,)`, their `value`, and the `bound` that no partition exceeds; equal where the optimum is proven."""

    labels: Int64
    value: float
    bound: float


def exact(weight: Float64, *starts: Int64, time_limit_s: float = 10.0, node_limit: int = 1000) -> Proof:
    """The optimum of `weight (n, n)` (diagonal 0, -inf = never one group), or the best found and a bound.

    `starts`: partitions to begin with. The search ends after `node_limit` nodes of branch and bound in a round, the
    same on every machine; `time_limit_s` a call is a safeguard beyond.
    """
    found = heuristic(bounded(weight), *starts)
    value = objective(weight, found)
    count = len(weight)
    one, two = np.triu_indices(count, 1)
    pair = np.zeros((count, count), dtype=np.int64)
    pair[one, two] = pair[two, one] = np.arange(len(one))
    never = np.isneginf(weight[one, two])
    cost = -np.where(never, 0.0, weight[one, two])
    upper = np.where(never, 0.0, 1.0)
    rows = np.zeros((0, 3), dtype=np.int64)  # the pairs (ij, jk, ik) of each inequality
    bound = float(np.clip(-cost[~never], 0.0, None).sum())
    if bound <= value + _TOLERANCE:
        return Proof(found, value, value)
    for integral in (False, True):
        for _ in range(_ROUNDS):
            x, reached, limited = _relaxed(
                cost, upper, rows, integral=integral, time_limit_s=time_limit_s, node_limit=node_limit
            )
            bound = min(bound, reached)
            if x is None or bound <= value + _TOLERANCE:
                break
            broken = _broken(x, pair)
            rows = np.concatenate([rows, broken])
            if not len(broken) and (np.minimum(x, 1.0 - x) < _TOLERANCE).all():
                labels = _labels(x > 0.5, one, two, count)
                found, value = max((found, value), (labels, objective(weight, labels)), key=lambda pick: pick[1])
            if limited or not len(broken):
                break
        if bound <= value + _TOLERANCE:
            break
    return Proof(numbered_by_lowest_row(found), value, max(bound, value))


def _relaxed(
    cost: Float64, upper: Float64, rows: Int64, *, integral: bool, time_limit_s: float, node_limit: int
) -> tuple[Float64 | None, float, bool]:
    """The best `x` under the inequalities `rows` (None: none found), a bound on the objective (inf: none), and whether
    a limit was reached."""
    if integral:
        answer = milp(
            cost,
            integrality=np.ones(len(cost)),
            bounds=(0.0, upper),
            constraints=LinearConstraint(_matrix(rows, len(cost)), -np.inf, 1.0),
            options={"time_limit": time_limit_s, "node_limit": node_limit, "mip_rel_gap": 0.0},
        )
        least = answer.mip_dual_bound
    else:
        answer = linprog(
            cost,
            A_ub=_matrix(rows, len(cost)),
            b_ub=np.ones(len(rows)),
            bounds=np.stack([np.zeros(len(cost)), upper], axis=1),
            options={"time_limit": time_limit_s},
        )
        least = answer.fun if answer.status == 0 else None
    return answer.x, np.inf if least is None else -float(least), answer.status != 0


def _matrix(rows: Int64, columns: int) -> csr_array:
    """One row an inequality: +1, +1, -1."""
    row = np.repeat(np.arange(len(rows)), 3)
    sign = np.tile([1.0, 1.0, -1.0], len(rows))
    return coo_array((sign, (row, rows.ravel())), shape=(len(rows), columns)).tocsr()


def _broken(x: Float64, pair: Int64) -> Int64:
    """Pairs `(K, 3)` of the triangle inequalities that `x` breaks, most broken first."""
    count = len(pair)
    square = np.where(np.eye(count, dtype=np.bool_), 0.0, x[pair])
    found = []
    for j in range(count):
        excess = square[j, :, None] + square[j, None, :] - square - 1.0
        i, k = np.nonzero(np.triu(excess, 1) > _TOLERANCE)
        keep = (i != j) & (k != j)
        i, k = i[keep], k[keep]
        found.append(np.stack([excess[i, k], pair[i, j], pair[j, k], pair[i, k]], axis=1))
    every = np.concatenate(found)
    first = np.argsort(-every[:, 0], kind="stable")[:_PER_ROUND]
    return every[first, 1:].astype(np.int64)


def _labels(same: Bool, one: Int64, two: Int64, count: int) -> Int64:
    graph = csr_array((np.ones(int(same.sum()), np.int8), (one[same], two[same])), shape=(count, count))
    return numbered_by_lowest_row(connected_components(graph, directed=False)[1].astype(np.int64))
