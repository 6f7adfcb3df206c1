"""Pairs worth a thought, in a crowd too large for all pairs: by exact search inside time windows.

Rows go in order of time, a block of them against all that begin within the window, by matrix products of float32. What
is kept are pairs whose log-odds by looks reach a gate, each row's best ones if there are too many, so time grows with
N times the tracklets in a window and memory with N. The search is exact: nothing is lost to an approximate index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.association.calibration import Calibration
from pipeline.association.confidence import MOST_LOG_ODDS
from pipeline.association.crowd import Crowd
from pipeline.types import Bool, Float32, Float64, Int64

_BLOCK_ROWS, _BLOCK_COLUMNS = 512, 4096
"""A block of similarities is 8 MB: it stays in the cache of a processor between the product and the comparison."""
_GRID = 2001


@dataclass(frozen=True, slots=True)
class Gate:
    """Keep pairs whose log-odds are at least `log_odds`, at most `per_row` for each row and the rows after it in time;
    with comparable times only those within `window_s` seconds of one another.

    `lift`: by how much other evidence may raise the log-odds of looks; pairs further below are not weighed.
    """

    log_odds: float
    window_s: float
    per_row: int
    lift: float = 0.0


@dataclass(frozen=True, slots=True)
class Pairs:
    """P pairs of rows, each once: `left (P,)`, `right (P,)`, and their log-odds by looks `(P,)` (prior included)."""

    left: Int64
    right: Int64
    log_odds: Float32


def looks(calibration: Calibration, crowd: Crowd, left: Int64, right: Int64, distance: Float64) -> Float64:
    """Log-likelihood ratios `(P,)` of appearance at cosine `distance (P,)`."""
    reliability = crowd.trust[left] * crowd.trust[right]
    within = crowd.camera[left] == crowd.camera[right]
    ratio = calibration.log_likelihood_ratio(distance, reliability, "cross")
    ratio[within] = calibration.log_likelihood_ratio(distance[within], reliability[within], "within")
    return np.round(ratio, 5)


def before_looking(calibration: Calibration, crowd: Crowd, left: Int64, right: Int64) -> Float64:
    """Log-odds `(P,)` that a pair is one person before it is looked at."""
    return np.where(
        crowd.camera[left] == crowd.camera[right],
        calibration.prior_log_odds("within"),
        calibration.prior_log_odds("cross"),
    )


Beside = Callable[[Int64, Int64], Float64]
"""Of P pairs of rows, what is to be added to their log-odds by looks; `-inf` rules a pair out."""


def search(crowd: Crowd, calibration: Calibration, gate: Gate, beside: Beside | None = None) -> Pairs:
    """All pairs that pass the gate, but for what `per_row` cuts off; by left row, then right.

    What is `beside` looks is added block by block: memory holds the pairs that pass, not those that were weighed.
    """
    least = _least_similarity(calibration, crowd.trust, gate.log_odds - gate.lift)
    found: list[Pairs] = []
    for rows, columns in _blocks(crowd, gate.window_s):
        parts = []
        for left, right, near in _near(crowd, rows, columns, least):
            keep = _in_window(crowd, left, right, gate.window_s)
            parts.append(
                _weighed(crowd, calibration, gate, beside, left=left[keep], right=right[keep], near=near[keep])
            )
        found.append(_strongest(_joined(parts), gate.per_row))
    every = _joined(found)
    found.clear()
    left, right = np.minimum(every.left, every.right), np.maximum(every.left, every.right)
    order = np.argsort(left * len(crowd) + right)
    return Pairs(left[order], right[order], every.log_odds[order])


def search_for(rows: Int64, crowd: Crowd, calibration: Calibration, gate: Gate, beside: Beside | None = None) -> Pairs:
    """The same for some `rows` against all others before and after them; each is the left of all its pairs."""
    least = _least_similarity(calibration, crowd.trust, gate.log_odds - gate.lift)
    found: list[Pairs] = []
    for block, columns in pairs_in_reach(crowd, rows, gate.window_s):
        for left, right, near in _near(crowd, block, columns, least):
            keep = (left != right) & within_reach(crowd, left, right, gate.window_s)
            found.append(
                _weighed(crowd, calibration, gate, beside, left=left[keep], right=right[keep], near=near[keep])
            )
    return _strongest(_joined(found), gate.per_row)


def within_reach(crowd: Crowd, left: Int64, right: Int64, window_s: float) -> Bool:
    """Of P pairs, in any order, those not too far apart in time; all where times do not compare."""
    if not crowd.comparable:
        return np.ones(len(left), np.bool_)
    gap = np.maximum(crowd.start[left], crowd.start[right]) - np.minimum(crowd.end[left], crowd.end[right])
    result: Bool = gap <= window_s
    return result


def _near(crowd: Crowd, rows: Int64, columns: Int64, least: Float32) -> Iterator[tuple[Int64, Int64, Float32]]:
    """Pairs of a row and a column whose cosine reaches what the row asks for: left, right, cosine `(P,)`."""
    vector, wanted = crowd.vector[rows], least[rows][:, None]
    for start in range(0, len(columns), _BLOCK_COLUMNS):
        part = columns[start : start + _BLOCK_COLUMNS]
        near = vector @ crowd.vector[part].T
        hit = np.flatnonzero(near >= wanted)
        yield rows[hit // len(part)], part[hit % len(part)], near.ravel()[hit]


def _weighed(
    crowd: Crowd,
    calibration: Calibration,
    gate: Gate,
    beside: Beside | None,
    *,
    left: Int64,
    right: Int64,
    near: Float32,
) -> Pairs:
    """Those of the pairs of cosine `near (P,)` that pass the gate."""
    distance = np.round(np.clip(1.0 - near, 0.0, 2.0), 6).astype(np.float64)
    odds = looks(calibration, crowd, left, right, distance) + before_looking(calibration, crowd, left, right)
    if beside is not None:
        keep = np.flatnonzero(odds >= gate.log_odds - gate.lift)
        left, right, odds = left[keep], right[keep], odds[keep]
        odds += beside(left, right)
    keep = np.flatnonzero(odds >= gate.log_odds)
    return Pairs(left[keep], right[keep], np.minimum(odds[keep], MOST_LOG_ODDS).astype(np.float32))


def pairs_in_reach(crowd: Crowd, rows: Int64, window_s: float) -> Iterator[tuple[Int64, Int64]]:
    """For blocks of `rows`, all rows of the crowd that may lie within the window of one of them."""
    order = np.argsort(crowd.start, kind="stable")
    starts = crowd.start[order]
    longest = float((crowd.end - crowd.start).max(initial=0.0))
    mine = rows[np.argsort(crowd.start[rows], kind="stable")]
    for first in range(0, len(mine), _BLOCK_ROWS):
        block = mine[first : first + _BLOCK_ROWS]
        if not crowd.comparable:
            yield block, order
            continue
        low = np.searchsorted(starts, crowd.start[block].min() - window_s - longest)
        high = np.searchsorted(starts, crowd.end[block].max() + window_s, side="right")
        yield block, order[low:high]


def _blocks(crowd: Crowd, window_s: float) -> Iterator[tuple[Int64, Int64]]:
    """Blocks of rows and all later rows (in order of time) within their window; without common times, all later."""
    order = np.argsort(crowd.start, kind="stable")
    starts = crowd.start[order]
    for first in range(0, len(order), _BLOCK_ROWS):
        block = order[first : first + _BLOCK_ROWS]
        stop = len(order)
        if crowd.comparable:
            stop = int(np.searchsorted(starts, crowd.end[block].max() + window_s, side="right"))
        yield block, order[first:stop]


def _in_window(crowd: Crowd, left: Int64, right: Int64, window_s: float) -> Bool:
    """Each pair once (the earlier row, by time and then number, is left), and not too far apart in time."""
    before = crowd.start[right] - crowd.start[left]
    keep: Bool = (before > 0) | ((before == 0) & (left < right))
    if crowd.comparable:
        keep &= crowd.start[right] - crowd.end[left] <= window_s
    return keep


def _least_similarity(calibration: Calibration, trust: Float64, log_odds: float) -> Float32:
    """For each row the cosine `(N,)` below which no partner can reach `log_odds`; 2 where none ever does."""
    distance = np.linspace(0.0, 2.0, _GRID)
    reliability = np.linspace(float(trust.min(initial=1.0)) ** 2, 1.0, 33)
    least = np.full(len(reliability), 2.0)
    for n, value in enumerate(reliability.tolist()):
        for relation in ("within", "cross"):
            odds = calibration.log_likelihood_ratio(distance, np.full(_GRID, value), relation)
            reached = np.flatnonzero(odds + calibration.prior_log_odds(relation) >= log_odds)
            if len(reached):
                least[n] = min(least[n], 1.0 - distance[min(reached[-1] + 1, _GRID - 1)])
    # A row meets partners of any reliability: the lowest bar from the least product it can have up to its own.
    low = np.searchsorted(reliability, trust * trust.min(initial=1.0), side="right") - 1
    high = np.searchsorted(reliability, trust * trust.max(initial=0.0), side="left")
    lowest = {(a, b): least[max(a, 0) : b + 1].min() for a, b in set(zip(low.tolist(), high.tolist(), strict=True))}
    return np.array([lowest[pair] for pair in zip(low.tolist(), high.tolist(), strict=True)], dtype=np.float32)


def _joined(parts: list[Pairs]) -> Pairs:
    if not parts:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    return Pairs(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("left", "right", "log_odds")))


def _strongest(pairs: Pairs, per_row: int) -> Pairs:
    """The best `per_row` of each left row; ties to the lower right row."""
    if len(pairs.left) <= per_row:
        return pairs
    order = np.lexsort((pairs.right, -pairs.log_odds, pairs.left))
    left = pairs.left[order]
    first = np.flatnonzero(np.r_[True, left[1:] != left[:-1]])
    rank = np.arange(len(left)) - np.repeat(first, np.diff(np.r_[first, len(left)]))
    kept = order[rank < per_row]
    return Pairs(pairs.left[kept], pairs.right[kept], pairs.log_odds[kept])
