"""From scores of pairs to groups, one a person: cut into components, solve each, and tell how well that went.

Three ways: `average` linkage (linkage.py), and correlation clustering by `heuristic` local search (correlation.py) or
`exact` with proof (exact.py). A pair of score -inf is never in one group; rows that must be one person are one group
from the start (must_links.py). Rows are taken in the order given and ties go to the lower row, so callers sort by key
to be independent of the order of their input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from pipeline.association.correlation import bounded, heuristic, objective
from pipeline.association.exact import exact
from pipeline.association.linkage import Merge, join_by_mean, mean_scores, sum_scores
from pipeline.association.must_links import must_groups, numbered_by_lowest_row, refuse_contradiction
from pipeline.types import Bool, Float64, Int64

Solver = Literal["average", "heuristic", "exact"]
Method = Literal["auto", "average", "heuristic", "exact"]

EXACT_ROWS = 40
"""Components of more rows go to the heuristic, even with `exact`: the programme has a variable a pair. Random problems
with groups took 0.4 s of 40 rows and 0.7 s of 60; harder ones may take far longer."""


@dataclass(frozen=True, slots=True)
class Solved:
    """How the solver went about it, for the report."""

    solver: Solver
    components: int
    """Parts of more than one row that share no pair above the floor, solved apart."""
    largest_component: int
    """Rows of the largest; 0 without any."""
    objective: float | None
    """Sum over all pairs in one group of score - floor; None in scenes too large for all pairs."""
    gap: float | None
    """The most that a partition of larger objective could gain, where the solver knows (`exact`); 0 is proven best."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """Labels `(N,)`, numbered by each group's lowest row, the joinings that made them, and the solver's account."""

    labels: Int64
    merges: tuple[Merge, ...]
    solved: Solved


def solve(
    score: Float64,
    floor: float,
    method: Method = "auto",
    *,
    together: Sequence[tuple[int, int]] = (),
    names: Sequence[str] | None = None,
    vote: Float64 | None = None,
) -> Grouping:
    """Group `N` rows by a symmetric `score (N, N)` (larger = same; -inf = never; the diagonal is not looked at).

    `average` joins while the mean between two groups is above `floor`; the other two look for the largest sum of
    `score - floor` over the pairs in one group, each pair weighed by the product of the `vote (N,)` of its rows.
    `together`: pairs of rows that must be one group, whatever their score. Raises UsageError when such a pair, or two
    rows such pairs connect, has score -inf; `names (N)` are what the message calls the rows.

    A group of n rows has n - 1 merges. The work is split exactly: rows that no path of pairs above `floor` or of
    must-links connects are never in one group, whatever the method. O(m^2) memory and typically O(m^2) time in the
    largest connected component of m rows.
    """
    count = len(score)
    if score.shape != (count, count):
        raise ValueError(f"score must be square, got shape {score.shape}")
    if np.isnan(score).any():
        raise ValueError("score holds NaN; a pair without evidence is 0 or -inf")
    solver: Solver = "average" if method == "auto" else method
    given = must_groups(count, together)
    merges: list[Merge] = []
    total, gap = 0.0, 0.0
    components = _components(score, floor, together)
    for members in components:
        own = score[np.ix_(members, members)].astype(np.float64)
        np.fill_diagonal(own, 0.0)
        blocks: list[Int64] = []
        for label in np.unique(given[members]).tolist():
            block = np.flatnonzero(given[members] == label)
            blocks.append(block)
            if len(block) > 1:
                inside = own[np.ix_(block, block)]
                refuse_contradiction(members[block], inside == -np.inf, together, names)
                merges += join_by_mean(inside, [(int(r),) for r in members[block]], -np.inf, given=True)
        weight = own - floor
        np.fill_diagonal(weight, 0.0)
        if vote is not None:
            weight *= np.outer(vote[members], vote[members])
        found, most = _group(own, weight, floor, blocks, solver)
        merges += [_of(members, merge) for merge in found]
        gap += most
    labels = np.arange(count, dtype=np.int64)
    for merge in merges:
        both = [*merge.left, *merge.right]
        labels[both] = labels[both].min()
    labels = numbered_by_lowest_row(labels)
    for members in components:
        total += objective(score[np.ix_(members, members)].astype(np.float64) - floor, labels[members])
    return Grouping(
        labels,
        tuple(merges),
        Solved(
            solver,
            len(components),
            max((len(members) for members in components), default=0),
            round(total, 5),
            round(gap, 5) if solver == "exact" else None,
        ),
    )


def average_linkage(
    score: Float64,
    floor: float,
    *,
    together: Sequence[tuple[int, int]] = (),
    names: Sequence[str] | None = None,
) -> tuple[Int64, list[Merge]]:
    """Labels and merges of `solve` by average linkage."""
    grouping = solve(score, floor, "average", together=together, names=names)
    return grouping.labels, list(grouping.merges)


def _components(score: Float64, floor: float, together: Sequence[tuple[int, int]]) -> list[Int64]:
    """Rows of each connected part of two or more, by lowest row."""
    count = len(score)
    near: Bool = score > floor
    pairs = np.array(together, dtype=np.int64).reshape(-1, 2)
    near[pairs[:, 0], pairs[:, 1]] = True
    rows, columns = np.nonzero(near)
    keep = rows != columns
    graph = csr_array((np.ones(int(keep.sum()), np.int8), (rows[keep], columns[keep])), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    component = numbered_by_lowest_row(component.astype(np.int64))
    order = np.argsort(component, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(component[order])) + 1)
    return [members for members in parts if len(members) > 1]


def _group(
    own: Float64, weight: Float64, floor: float, blocks: Sequence[Int64], solver: Solver
) -> tuple[list[Merge], float]:
    """Joinings of the `blocks` of rows of one component, numbered within it, and what a better one could gain."""
    by_mean = join_by_mean(mean_scores(own, blocks), _names(blocks), floor)
    if solver == "average" or len(blocks) < 2:
        return by_mean, 0.0
    contracted = sum_scores(weight, blocks)
    np.fill_diagonal(contracted, 0.0)
    start = _labels_of(by_mean, blocks)
    most = 0.0
    if solver == "exact" and len(blocks) <= EXACT_ROWS:
        proof = exact(contracted, start)
        labels, most = proof.labels, proof.bound - proof.value
    else:
        labels = heuristic(bounded(contracted), start)
        if solver == "exact":
            most = float(np.clip(np.triu(contracted, 1), 0.0, None).sum()) - objective(contracted, labels)
    merges: list[Merge] = []
    for label in np.unique(labels).tolist():
        inside = [blocks[n] for n in np.flatnonzero(labels == label).tolist()]
        rows = np.concatenate(inside)
        local = [np.arange(len(rows))[s : s + len(b)] for b, s in zip(inside, _starts(inside), strict=True)]
        merges += join_by_mean(mean_scores(own[np.ix_(rows, rows)], local), _names(inside), -np.inf)
    return merges, most


def _names(blocks: Sequence[Int64]) -> list[tuple[int, ...]]:
    return [tuple(block.tolist()) for block in blocks]


def _starts(blocks: Sequence[Int64]) -> list[int]:
    return [sum(len(b) for b in blocks[:n]) for n in range(len(blocks))]


def _labels_of(merges: Sequence[Merge], blocks: Sequence[Int64]) -> Int64:
    """Labels of blocks, by the merges of their rows."""
    block_of = {int(row): n for n, block in enumerate(blocks) for row in block.tolist()}
    labels = np.arange(len(blocks))
    for merge in merges:
        both = sorted({block_of[row] for row in (*merge.left, *merge.right)})
        labels[np.isin(labels, labels[both])] = labels[both].min()
    return labels


def _of(members: Int64, merge: Merge) -> Merge:
    """A merge numbered within a component, numbered anew."""
    left, right = (tuple(int(members[row]) for row in side) for side in (merge.left, merge.right))
    return Merge(left, right, merge.score, merge.given)
