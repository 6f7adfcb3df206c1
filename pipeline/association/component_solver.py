"""The solvers of solver.py on a graph of pairs, component by component.

Rows that no path of pairs above the floor connects are never in one group, so each component is a problem of its own
with a small matrix. Average linkage has a way without one (sparse_linkage.py); it also takes pairs, of which there is
nothing to choose, and components too large for a matrix.
"""

from __future__ import annotations

import numpy as np

from pipeline.association.joining import Joining
from pipeline.association.known import chains
from pipeline.association.linkage import PLAIN, Merge
from pipeline.association.must_links import numbered_by_lowest_row
from pipeline.association.solver import Method, Solved, Solver, solve
from pipeline.association.sparse_linkage import LIMIT, Edges, Scores, sparse_average_linkage
from pipeline.types import Int64


def solve_components(
    edges: Edges,
    floor: float,
    scores: Scores,
    given: Int64,
    method: Method,
    *,
    limit: int = LIMIT,
    joining: Joining = PLAIN,
) -> tuple[Int64, tuple[Merge, ...], Solved]:
    """Labels `(N,)` numbered by lowest row, merges and the account, as `solve` by `method`.

    `edges` above `floor`; `scores` tells the score of any pairs; `given (N,)`: groups to start from. Components of more
    than `limit` rows go to average linkage.
    """
    count = len(given)
    component = _components(edges, given)
    size = np.bincount(component, minlength=1)
    account = Solved("average", int((size > 1).sum()), int(size.max(initial=0)), None, None)
    if method in ("auto", "average"):
        return *sparse_average_linkage(edges, floor, scores, given, joining=joining), account
    apart = ((size > 2) & (size <= limit))[component]
    rest = ~apart[edges.one]
    own = numbered_by_lowest_row(np.where(apart, count + np.arange(count), given))
    left = Edges(edges.one[rest], edges.two[rest], edges.score[rest])
    labels, found = sparse_average_linkage(left, floor, scores, own)
    merges = list(found)
    rows = np.flatnonzero(apart)
    rows = rows[np.argsort(component[rows], kind="stable")]
    for members in np.split(rows, np.flatnonzero(np.diff(component[rows])) + 1) if len(rows) else []:
        grouping = solve(_matrix(members, scores), floor, method, together=chains(given[members]))
        labels[members] = count + members[[int(np.argmax(grouping.labels == n)) for n in grouping.labels.tolist()]]
        merges += [
            Merge(tuple(members[list(m.left)].tolist()), tuple(members[list(m.right)].tolist()), m.score, m.given)
            for m in grouping.merges
        ]
    solver: Solver = "heuristic" if method == "heuristic" else "exact"
    account = Solved(solver, account.components, account.largest_component, None, None)
    return numbered_by_lowest_row(labels), tuple(merges), account


def _components(edges: Edges, given: Int64) -> Int64:
    """Component `(N,)` of each row over edges and given groups."""
    first = np.unique(given, return_index=True)[1]
    joined = Edges(
        np.concatenate([edges.one, np.arange(len(given))]),
        np.concatenate([edges.two, first[given]]),
        np.concatenate([edges.score, np.zeros(len(given))]),
    )
    return joined.components(len(given))


def _matrix(members: Int64, scores: Scores) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    one, two = np.triu_indices(len(members), 1)
    square = np.zeros((len(members), len(members)))
    square[one, two] = square[two, one] = scores(members[one], members[two])
    return square
