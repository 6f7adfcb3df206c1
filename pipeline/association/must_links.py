"""Who is one person by the user's word: pairs of rows become groups that the solver starts from.

A pair that must be one person and cannot be is a contradiction. The solver takes neither side: it names both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from pipeline.errors import UsageError
from pipeline.types import Bool, Int64


def must_groups(count: int, together: Sequence[tuple[int, int]]) -> Int64:
    """Group `(count,)` of each row when the pairs `together` are one person, numbered by each group's lowest row.

    Raises ValueError for a row outside 0..count-1.
    """
    pairs = np.array(together, dtype=np.int64).reshape(-1, 2)
    if len(pairs) and (pairs.min() < 0 or pairs.max() >= count):
        raise ValueError(f"must-links name rows outside 0..{count - 1}: {together}")
    graph = csr_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, group = connected_components(graph, directed=False)
    return numbered_by_lowest_row(group.astype(np.int64))


def numbered_by_lowest_row(labels: Int64) -> Int64:
    """The same groups `(N,)`, numbered in the order of their lowest rows."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return rank[inverse]


def refuse_contradiction(
    rows: Int64, cannot: Bool, together: Sequence[tuple[int, int]], names: Sequence[str] | None = None
) -> None:
    """Raise UsageError when two of the `rows (M,)` of one must-linked group cannot be one person, `cannot (M, M)`.

    The message names the cannot-link and the chain of must-links against it. `names`: of all rows of the problem.
    """
    found = np.argwhere(np.triu(cannot, 1))
    if not len(found):
        return
    one, two = (int(rows[n]) for n in found[0])
    chain = _chain(one, two, together)

    def name(row: int) -> str:
        return f"row {row}" if names is None else names[row]

    links = ", ".join(f"{name(a)} = {name(b)}" for a, b in pairwise(chain))
    raise UsageError(
        f"must-link {links} contradicts cannot-link {name(one)} | {name(two)}: they are to be one person "
        "and cannot be; take one of them back"
    )


def _chain(start: int, goal: int, together: Sequence[tuple[int, int]]) -> list[int]:
    """Fewest must-links from `start` to `goal`, as rows."""
    beside: dict[int, list[int]] = {}
    for a, b in together:
        beside.setdefault(a, []).append(b)
        beside.setdefault(b, []).append(a)
    came = {start: start}
    waiting = deque([start])
    while waiting and goal not in came:
        row = waiting.popleft()
        for other in sorted(beside.get(row, [])):
            if other not in came:
                came[other] = row
                waiting.append(other)
    chain = [goal]
    while chain[-1] != start:
        chain.append(came[chain[-1]])
    return chain[::-1]
