"""Links and doubt of a crowd that was solved pair by pair: what trajectories.py and confidence.py tell of matrices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.association.confidence import Doubt, sigmoid
from pipeline.association.joining import Joining
from pipeline.association.linkage import Merge
from pipeline.association.pair_scores import PairScores
from pipeline.association.sparse_linkage import Edges, Groups, Scores, between_groups
from pipeline.association.trajectories import appearance_order
from pipeline.types import Bool, Float64, Int64, Link

_CHUNK = 1_000_000
"""Pairs of rows looked at together."""
_LEAST_LIKELY = -4.0
"""Log-odds of a joining below which it is not counted as missed."""


def best_links(scores: PairScores, labels: Int64, merges: Sequence[Merge]) -> list[Link]:
    """One link a merge: its best pair, told from the earlier to the later tracklet. The runner-up is the best candidate
    outside; None where nobody outside passed the gate."""
    first, second = _best_pairs(scores, merges)
    crowd = scores.crowd
    taken = crowd.tracklets
    for n, (a, b) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        if appearance_order(taken[b], crowd.comparable) < appearance_order(taken[a], crowd.comparable):
            first[n], second[n] = b, a
    odds = np.nan_to_num(scores.log_odds(first, second), neginf=0.0)
    looks = scores.appearance(first, second)
    parts = {"appearance": looks, "time": np.zeros(len(first)), "place": np.zeros(len(first))}
    parts |= {name: np.nan_to_num(value, neginf=0.0) for name, value in scores.beside(first, second).items()}
    one_camera = crowd.camera[first] == crowd.camera[second]
    within, cross = (scores.calibration.prior_log_odds(relation) for relation in ("within", "cross"))
    people = np.where(one_camera, within, cross)
    rivals = odds - people - sum(parts.values())
    runner_up, rival = _runners_up(scores, labels)
    return [
        Link(
            from_key=taken[a].key,
            to_key=taken[b].key,
            log_odds=float(odds[n]),
            runner_up=float(runner_up[b]) if rival[b] >= 0 else None,
            evidence={name: float(value[n]) for name, value in parts.items()},
            people=float(people[n]),
            rivals=float(rivals[n]),
            runner_up_key=taken[rival[b]].key if rival[b] >= 0 else None,
            by_user=merges[n].given,
        )
        for n, (a, b) in enumerate(zip(first.tolist(), second.tolist(), strict=True))
    ]


def judge_pairs(
    log_odds: Scores, labels: Int64, merges: Sequence[Merge], given: Int64, *, joining: Joining, missed: float
) -> Doubt:
    """As `judge` (confidence.py) from the log-odds of the pairs in each group; `given (N,)`: groups by must-links."""
    total, number = np.zeros(len(labels)), np.zeros(len(labels))
    for one, two in _inside(labels):
        between: Bool = given[one] != given[two]
        left, right = one[between], two[between]
        value = np.nan_to_num(log_odds(left, right), neginf=0.0)
        for row in (left, right):
            total += np.bincount(given[row], weights=value, minlength=len(labels))
            number += np.bincount(given[row], minlength=len(labels))
    own = np.bincount(given, minlength=len(labels))
    rest = number / np.maximum(own, 1)
    odds = joining.log_odds(total / np.maximum(number, 1.0), np.maximum(own, 1), np.maximum(rest, 1.0))
    sure = np.where(number > 0, sigmoid(odds), 1.0)
    score = np.array([np.inf if m.given else m.score for m in merges], dtype=np.float64)
    return Doubt(sigmoid(score), sure[given], missed)


def expected_missed(candidates: Edges, gate: float, labels: Int64, log_odds: Scores, joining: Joining) -> float:
    """Expected number of joinings left out: over all pairs of groups that a candidate connects, the sum of their
    probabilities.

    Pairs of rows that are no candidates have log-odds below `gate`; groups that are unlikely even if theirs are no
    worse are not looked at. Who looks so unlike himself that no pair passed the gate is counted by nobody."""
    groups = Groups.of(labels)
    pair, known, number = between_groups(candidates, labels)
    one, two = pair // len(groups.size), pair % len(groups.size)
    many = groups.size[one] * groups.size[two]
    most = (known + (many - number) * gate) / many
    near = joining.log_odds(most, groups.size[one], groups.size[two]) > _LEAST_LIKELY
    one, two = one[near], two[near]
    odds = joining.log_odds(groups.means(one, two, log_odds), groups.size[one], groups.size[two])
    return float(sigmoid(odds).sum())


def _inside(labels: Int64) -> Iterator[tuple[Int64, Int64]]:
    """All pairs of rows of one group, in chunks: each row against the members after it."""
    order = np.argsort(labels, kind="stable")
    size = np.bincount(labels)
    last = np.cumsum(size)[labels[order]]
    after = last - np.arange(len(order)) - 1
    total = np.cumsum(after)
    begin = 0
    while begin < len(order):
        reached = (int(total[begin - 1]) if begin else 0) + _CHUNK
        stop = max(int(np.searchsorted(total, reached, side="right")), begin + 1)
        number = after[begin:stop]
        place = np.repeat(np.arange(begin, stop), number)
        offset = np.arange(int(number.sum())) - np.repeat(np.cumsum(number) - number, number)
        yield order[place], order[place + 1 + offset]
        begin = stop


def _best_pairs(scores: PairScores, merges: Sequence[Merge]) -> tuple[Int64, Int64]:
    """For each merge the pair with the largest log-odds, as rows left `(M,)` and right `(M,)`; ties to the first."""
    first, second = np.zeros(len(merges), np.int64), np.zeros(len(merges), np.int64)
    begin = 0
    while begin < len(merges):
        stop, pairs = begin, 0
        while stop < len(merges) and (stop == begin or pairs < _CHUNK):
            pairs += len(merges[stop].left) * len(merges[stop].right)
            stop += 1
        some = merges[begin:stop]
        left = np.concatenate([np.repeat(m.left, len(m.right)) for m in some])
        right = np.concatenate([np.tile(m.right, len(m.left)) for m in some])
        number = np.array([len(m.left) * len(m.right) for m in some])
        odds = scores.log_odds(left, right)
        merge = np.repeat(np.arange(len(some)), number)
        top = np.maximum.reduceat(odds, np.cumsum(number) - number)
        at = np.flatnonzero(odds == top[merge])
        _, where = np.unique(merge[at], return_index=True)
        first[begin:stop], second[begin:stop] = left[at[where]], right[at[where]]
        begin = stop
    return first, second


def _runners_up(scores: PairScores, labels: Int64) -> tuple[Float64, Int64]:
    """For each row the log-odds and number of its best candidate outside its group; -1 where there is none."""
    pairs = scores.candidates
    outside = np.flatnonzero(labels[pairs.left] != labels[pairs.right])
    odds = scores.of_candidates(outside)
    row = np.concatenate([pairs.left[outside], pairs.right[outside]])
    other = np.concatenate([pairs.right[outside], pairs.left[outside]])
    order = np.lexsort((other, -np.concatenate([odds, odds]), row))
    row, other, odds = row[order], other[order], np.concatenate([odds, odds])[order]
    used, first = np.unique(row, return_index=True)
    best, rival = np.full(len(labels), -np.inf), np.full(len(labels), -1, dtype=np.int64)
    best[used], rival[used] = odds[first], other[first]
    return best, rival
