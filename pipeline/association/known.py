"""What is known of who is who before anything is compared: the user's corrections, as the solver can take them.

A user's word stands above every inference (looks, travel times, places) and below what is physically so: two people
beside each other in one image are two. Contradictions of the two kinds are settled before (corrections.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.association.must_links import must_groups
from pipeline.types import Bool, Int64, Tracklet, TrackletKey


@dataclass(frozen=True, slots=True)
class Closed:
    """`members` belong to nobody outside, but for `may_join`, of whom that is not known."""

    members: frozenset[TrackletKey]
    may_join: frozenset[TrackletKey] = frozenset()


@dataclass(frozen=True, slots=True)
class Known:
    """Tracklets by key. `together`: groups that are one person each. `apart`: pairs that are two people. Keys that are
    not among the tracklets say nothing."""

    together: tuple[frozenset[TrackletKey], ...] = ()
    apart: tuple[tuple[TrackletKey, TrackletKey], ...] = ()
    closed: tuple[Closed, ...] = ()

    def groups(self, ordered: Sequence[Tracklet]) -> Int64:
        """Number `(N,)` of the person each tracklet is by the user's word; who is in no group is alone in his."""
        row_of = {t.key: row for row, t in enumerate(ordered)}
        pairs: list[tuple[int, int]] = []
        for group in self.together:
            pairs += pairwise(sorted(row_of[key] for key in group if key in row_of))
        return must_groups(len(ordered), pairs)

    def bar(self, ordered: Sequence[Tracklet], cannot: Bool) -> Bool:
        """`cannot (N, N)` with what is known to be two people; what cannot be one of a group cannot be any of it.

        Within a group nothing is barred: its members are one person whatever is inferred.
        """
        row_of = {t.key: row for row, t in enumerate(ordered)}
        barred = cannot.copy()
        for one, two in self.apart:
            if one in row_of and two in row_of:
                i, j = row_of[one], row_of[two]
                barred[i, j] = barred[j, i] = True
        for inside, outside in self._closed_rows(row_of):
            across = inside[:, None] & outside[None, :]
            barred |= across | across.T
        if not self.together:
            return barred
        label = self.groups(ordered)
        for number in np.flatnonzero(np.bincount(label) > 1).tolist():
            rows = np.flatnonzero(label == number)
            shared: Bool = np.any(barred[rows], axis=0)
            barred[rows] = shared
            barred[:, rows] = shared[:, None]
            barred[np.ix_(rows, rows)] = False
        return barred

    def veto(self, ordered: Sequence[Tracklet]) -> Callable[[Int64, Int64], Bool] | None:
        """As `bar` for scenes too large for a matrix: which of the pairs `left (P,)`, `right (P,)` of rows are two
        people by the user's word; None where he says nothing of the kind."""
        if not self.apart and not self.closed:
            return None
        row_of = {t.key: row for row, t in enumerate(ordered)}
        label = self.groups(ordered)
        apart = {(label[row_of[a]], label[row_of[b]]) for a, b in self.apart if a in row_of and b in row_of}
        code = np.array(sorted({min(pair) * len(ordered) + max(pair) for pair in apart}), dtype=np.int64)
        closed = self._closed_rows(row_of)

        def two_people(left: Int64, right: Int64) -> Bool:
            one, two = label[left], label[right]
            barred: Bool = np.isin(np.minimum(one, two) * len(ordered) + np.maximum(one, two), code)
            for inside, outside in closed:
                barred |= (inside[left] & outside[right]) | (outside[left] & inside[right])
            barred &= one != two
            return barred

        return two_people

    def _closed_rows(self, row_of: Mapping[TrackletKey, int]) -> list[tuple[Bool, Bool]]:
        """For each closed group, which rows are members `(N,)` and which can be none `(N,)`."""
        result = []
        for group in self.closed:
            inside, outside = np.zeros(len(row_of), np.bool_), np.ones(len(row_of), np.bool_)
            inside[[row_of[key] for key in group.members if key in row_of]] = True
            outside[[row_of[key] for key in group.members | group.may_join if key in row_of]] = False
            result.append((inside, outside))
        return result


def chains(label: Int64) -> list[tuple[int, int]]:
    """Pairs of rows that join each group of `label (N,)`, a row to the next of its group."""
    order = np.argsort(label, kind="stable").tolist()
    return [(one, two) for one, two in pairwise(order) if label[one] == label[two]]


NOTHING = Known()
