"""Average linkage on a graph of pairs: the same groups as linkage.py, without a matrix of all pairs.

Joining goes from the best mean down, and a mean above a level is only reached over pairs above it. So all joinings
above a level can be done component by component of the pairs above it, and the rest among the groups that are left,
whose means are far fewer above the next level than pairs were: however pairs chain, components stay small. Where sizes
of groups count, too (joining.py), the order is that of log-odds between two levels only: then a component of more than
LIMIT may come out otherwise than in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.association.joining import Joining
from pipeline.association.linkage import PLAIN, Merge, join_by_mean
from pipeline.association.must_links import numbered_by_lowest_row
from pipeline.types import Float64, Int64

LIMIT = 1000
"""Groups in a component above which the level is raised: its matrix takes 8 MB."""
_STEP, _DESCENT = 0.5, 1.0
"""Log-odds between two levels, and by how much the next one is lower at most: means far below it are not asked for."""
_CHUNK = 1_000_000
"""Pairs of rows looked at together."""

Scores = Callable[[Int64, Int64], Float64]


@dataclass(frozen=True, slots=True)
class Edges:
    """Scored pairs of numbers, each once: `one (E,)`, `two (E,)`, `score (E,)`."""

    one: Int64
    two: Int64
    score: Float64

    def above(self, level: float) -> Edges:
        """Those of a larger score."""
        kept = self.score > level
        return Edges(self.one[kept], self.two[kept], self.score[kept])

    def components(self, count: int) -> Int64:
        """Component `(count,)` of each number."""
        graph = coo_array((np.ones(len(self.one), np.int8), (self.one, self.two)), shape=(count, count))
        return np.asarray(connected_components(graph.tocsr(), directed=False)[1], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of rows: those of group n are `rows[first[n] : first[n] + size[n]]`, ascending."""

    rows: Int64
    first: Int64
    size: Int64

    @classmethod
    def of(cls, label: Int64) -> Groups:
        """By the label `(N,)` of each row."""
        size = np.bincount(label)
        return cls(np.argsort(label, kind="stable"), np.cumsum(size) - size, size)

    def members(self, group: int) -> tuple[int, ...]:
        """Rows of a group."""
        first = int(self.first[group])
        return tuple(self.rows[first : first + int(self.size[group])].tolist())

    def means(self, one: Int64, two: Int64, scores: Scores) -> Float64:
        """Mean score `(P,)` between groups `one (P,)` and `two (P,)`."""
        result = np.empty(len(one))
        many = self.size[one] * self.size[two]
        for part in _slices(many):
            a, b, number = one[part], two[part], many[part]
            start = np.cumsum(number) - number
            pair = np.repeat(np.arange(len(number)), number)
            place = np.arange(int(number.sum())) - start[pair]
            left = self.rows[self.first[a][pair] + place // self.size[b][pair]]
            right = self.rows[self.first[b][pair] + place % self.size[b][pair]]
            result[part] = np.add.reduceat(scores(left, right), start) / number
        return result


@dataclass(frozen=True, slots=True)
class _Rule:
    """Groups are joined while their log-odds by `joining` of mean `scores` are above `floor`."""

    scores: Scores
    joining: Joining
    floor: float
    given: bool = False

    @property
    def least(self) -> float:
        """Mean that is wanted of groups of any size."""
        return self.joining.least_mean(self.floor)


def sparse_average_linkage(
    edges: Edges, floor: float, scores: Scores, given: Int64, *, limit: int = LIMIT, joining: Joining = PLAIN
) -> tuple[Int64, tuple[Merge, ...]]:
    """Join groups while their log-odds by `joining` are above `floor`; `scores` tells the score of any pairs.

    `edges`: all pairs above `joining.least_mean(floor)`. `given (N,)`: groups to start from, numbered by lowest row
    (must_links.py). Returns labels `(N,)` numbered by lowest row, and the merges.
    """
    rule = _Rule(scores, joining, floor)
    label, edges, low, below = given, edges.above(rule.least), rule.least, np.inf
    merges: list[Merge] = []
    groups = Groups.of(label)
    for group in np.flatnonzero(groups.size > 1).tolist():
        own = Groups.of(np.arange(len(label)))
        by_word = _Rule(scores, PLAIN, -np.inf, given=True)
        merges += _join(own, [np.array(groups.members(group))], -np.inf, by_word)
    between = edges if not merges else _between(edges, label, groups, low, rule)
    while True:
        level, component = _level(between, len(groups.size), low, limit, below)
        found = _join(groups, _parts(component), level, rule)
        merges += found
        label = _joined(label, found)
        if level <= rule.least:
            return label, tuple(merges)
        groups, low, below = Groups.of(label), max(rule.least, level - _DESCENT), level
        between = _between(edges, label, groups, low, rule)


def _level(edges: Edges, count: int, floor: float, limit: int, below: float) -> tuple[float, Int64]:
    """The lowest level from `floor` up, under `below`, whose components have `limit` members at most; and those."""
    level = floor
    while True:
        component = edges.above(level).components(count)
        if level + _STEP >= below or np.bincount(component).max(initial=0) <= limit:
            return level, component
        level += _STEP


def _between(edges: Edges, label: Int64, groups: Groups, low: float, rule: _Rule) -> Edges:
    """Means above `low` between groups; `edges`: all pairs of rows above the least mean, so that no other is more."""
    pair, total, number = between_groups(edges, label)
    one, two = pair // len(groups.size), pair % len(groups.size)
    many = groups.size[one] * groups.size[two]
    near = np.flatnonzero(total + (many - number) * rule.least > low * many)
    one, two = one[near], two[near]
    return Edges(one, two, groups.means(one, two, rule.scores)).above(low)


def between_groups(edges: Edges, label: Int64) -> tuple[Int64, Float64, Int64]:
    """Pairs of groups that an edge connects, as lower * groups + higher `(P,)`, ascending; the sum of the scores of
    the edges between them `(P,)`, and their number `(P,)`."""
    a, b = label[edges.one], label[edges.two]
    apart = a != b
    key = (np.minimum(a, b) * (int(label.max(initial=-1)) + 1) + np.maximum(a, b))[apart]
    pair, place, number = np.unique(key, return_inverse=True, return_counts=True)
    total = np.bincount(place, weights=edges.score[apart], minlength=len(pair)).astype(np.float64)
    return pair.astype(np.int64), total, number.astype(np.int64)


def _join(groups: Groups, parts: list[Int64], level: float, rule: _Rule) -> list[Merge]:
    """Join within each part (numbers of groups) by the rule, over means above `level`."""
    merges: list[Merge] = []
    weight = np.array([int(groups.size[part].sum()) ** 2 for part in parts], dtype=np.int64)
    for some in _slices(weight):
        batch = parts[some]
        upper = [np.triu_indices(len(part), 1) for part in batch]
        if not batch:
            continue
        one = np.concatenate([part[i] for part, (i, _) in zip(batch, upper, strict=True)])
        two = np.concatenate([part[j] for part, (_, j) in zip(batch, upper, strict=True)])
        mean = groups.means(one, two, rule.scores)
        first = 0
        for part, (i, j) in zip(batch, upper, strict=True):
            own = mean[first : first + len(i)]
            first += len(i)
            names = [groups.members(group) for group in part.tolist()]
            if len(part) == 2:
                odds = float(rule.joining.log_odds(own[0], len(names[0]), len(names[1])))
                if own[0] > level and odds > rule.floor:
                    merges.append(Merge(names[0], names[1], odds, rule.given))
                continue
            square = np.full((len(part), len(part)), -np.inf)
            square[i, j] = square[j, i] = own
            merges += join_by_mean(square, names, rule.floor, given=rule.given, joining=rule.joining, level=level)
    return merges


def _parts(component: Int64) -> list[Int64]:
    """Numbers of each component of two or more."""
    order = np.argsort(component, kind="stable")
    order = order[np.bincount(component)[component[order]] > 1]
    return np.split(order, np.flatnonzero(np.diff(component[order])) + 1) if len(order) else []


def _joined(label: Int64, merges: list[Merge]) -> Int64:
    """Labels after `merges`, numbered by lowest row."""
    one = np.array([merge.left[0] for merge in merges], dtype=np.int64)
    two = np.array([merge.right[0] for merge in merges], dtype=np.int64)
    edges = Edges(label[one], label[two], np.ones(len(one)))
    return numbered_by_lowest_row(edges.components(int(label.max(initial=-1)) + 1)[label])


def _slices(amount: Int64) -> Iterator[slice]:
    """Runs of entries whose amounts sum up to about _CHUNK."""
    total = np.cumsum(amount)
    start = 0
    while start < len(amount):
        reached = (int(total[start - 1]) if start else 0) + _CHUNK
        stop = max(int(np.searchsorted(total, reached, side="right")), start + 1)
        yield slice(start, stop)
        start = stop
