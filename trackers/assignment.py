"""Minimum-cost assignment with the gate inside it; the only importer of `lap`."""

from __future__ import annotations

import lap
import numpy as np
from numpy.typing import NDArray

from pipeline.types import Int64

Cost = NDArray[np.floating]


def assign(cost: Cost, limit: float) -> tuple[Int64, Int64]:
    """Rows and columns `(K,)` of the pairs that minimise the sum of cost, an unmatched pair costing `limit`.

    The gate stands inside the assignment: a pair dearer than `limit` never wins the sum at a good pair's expense.
    `cost (N, M)` may hold +inf for forbidden pairs. Rows come ascending. Raises ValueError on NaN or -inf, on which
    `lap` would answer silently.
    """
    if cost.ndim != 2:
        raise ValueError(f"cost must be (N, M), got shape {cost.shape}")
    none = np.zeros(0, np.int64)
    if not cost.size:
        return none, none
    if not (cost > -np.inf).all():
        raise ValueError(f"cost {cost.shape} holds NaN or -inf: the boxes or the filter that made it are broken")
    if not np.isfinite(limit):
        raise ValueError(f"the limit of the assignment must be finite, got {limit}")
    allowed = cost <= limit
    if not allowed.any():
        return none, none
    rows, columns = np.flatnonzero(allowed.any(axis=1)), np.flatnonzero(allowed.any(axis=0))
    if len(rows) < len(cost) or len(columns) < cost.shape[1]:  # the solver is cubic: leave out who has no partner
        cost, allowed = cost[np.ix_(rows, columns)], allowed[np.ix_(rows, columns)]
    # Forbidden pairs get one finite cost beyond the limit; lap's sums stay exact then.
    shut = np.where(allowed, cost, limit + 1.0 + abs(limit))
    _, column_of, _ = lap.lapjv(np.ascontiguousarray(shut, np.float64), extend_cost=True, cost_limit=limit)
    matched = np.flatnonzero(column_of >= 0)
    partner = np.asarray(column_of, np.int64)[matched]
    kept = allowed[matched, partner]
    return rows[matched[kept]].astype(np.int64), columns[partner[kept]].astype(np.int64)
