"""Rivals on the graph of candidates: the first step of competition.py (the geometric mean of both directions), summed
over the pairs that passed the gate.

A pair below the gate would add less than exp(gate) to a denominator that is never below 0.3, so the log-odds are those
of all pairs but for a little, and never too low.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array

from pipeline.association.calibration import Calibration
from pipeline.association.candidates import Pairs
from pipeline.association.competition import alone
from pipeline.association.crowd import Crowd
from pipeline.types import Float64, Int64

_ROWS = 20_000
"""Rows of a sparse product made at once."""
_LEAST = 5e-3
"""Odds below are left out of the products for pieces of one visit: they excuse nothing."""


@dataclass(frozen=True, slots=True)
class Rivals:
    """What stands against a pair of rows.

    `total (N, C)`: sum of a row's odds with its candidates in each camera; `alone (N, C)`: weight of having none there;
    `camera (N,)`; `odds (N, N)` of the heavier candidates; `pieces (N, N)`: probability that two rows of one camera are
    one person.
    """

    total: Float64
    alone: Float64
    camera: Int64
    odds: csr_array
    pieces: csr_array

    def against(self, left: Int64, right: Int64, own: Float64) -> Float64:
        """By how much `(P,)` the log-odds of each pair fall; `own`: its odds where the sums hold them, else 0."""
        result: Float64 = (self._side(left, right, own) + self._side(right, left, own)) / 2
        return result

    def _side(self, row: Int64, other: Int64, own: Float64) -> Float64:
        camera = self.camera[other]
        rivals = self.total[row, camera] - own - self._excused(row, other)
        return np.log(self.alone[row, camera] + np.maximum(rivals, 0.0))

    def _excused(self, row: Int64, other: Int64) -> Float64:
        """Sum over the k of the other's camera of odds(row, k) times the probability that k is a piece of the other."""
        result = np.zeros(len(row))
        if not self.pieces.nnz:
            return result
        count = len(self.camera)
        used, place = np.unique(row, return_inverse=True)
        order = np.argsort(place, kind="stable")
        for low in range(0, len(used), _ROWS):
            high = min(low + _ROWS, len(used))
            first, last = np.searchsorted(place[order], [low, high])
            mine = order[first:last]
            product = (self.odds[used[low:high]] @ self.pieces).tocoo()
            key = product.row.astype(np.int64) * count + product.col
            ascending = np.argsort(key)
            key, value = np.append(key[ascending], -1), np.append(product.data[ascending], 0.0)
            wanted = (place[mine] - low) * count + other[mine]
            found = np.searchsorted(key[:-1], wanted)
            result[mine] = np.where(key[found] == wanted, value[found], 0.0)
        return result


def sum_rivals(crowd: Crowd, pairs: Pairs, calibration: Calibration, window_s: float) -> Rivals:
    """The sums over all candidate `pairs`."""
    count, cameras = len(crowd), len(crowd.cameras)
    odds = np.exp(pairs.log_odds.astype(np.float64))
    total = np.zeros(count * cameras)
    for row, other in ((pairs.left, pairs.right), (pairs.right, pairs.left)):
        total += np.bincount(row * cameras + crowd.camera[other], weights=odds, minlength=count * cameras)
    weight = np.empty((count, cameras))
    for camera in range(cameras):
        share = np.where(crowd.camera == camera, calibration.share_within, calibration.share_cross)
        weight[:, camera] = alone(share, in_reach(crowd, camera, window_s))
    within = crowd.camera[pairs.left] == crowd.camera[pairs.right]
    same = np.where(within, odds / (1.0 + odds), 0.0)
    return Rivals(
        total.reshape(count, cameras),
        weight,
        crowd.camera,
        _symmetric(pairs, odds, count),
        _symmetric(pairs, same, count),
    )


def in_reach(crowd: Crowd, camera: int, window_s: float) -> Float64:
    """Number `(N,)` of tracklets of `camera` within the window of each row."""
    there = crowd.camera == camera
    if not crowd.comparable:
        return np.full(len(crowd), float(there.sum()))
    begin, end = np.sort(crowd.start[there]), np.sort(crowd.end[there])
    inside = np.searchsorted(begin, crowd.end + window_s, side="right") - np.searchsorted(end, crowd.start - window_s)
    result: Float64 = inside.astype(np.float64)
    return result


def _symmetric(pairs: Pairs, value: Float64, count: int) -> csr_array:
    kept = np.flatnonzero(value >= _LEAST)
    left, right, value = pairs.left[kept], pairs.right[kept], value[kept]
    return coo_array(
        (np.concatenate([value, value]), (np.concatenate([left, right]), np.concatenate([right, left]))),
        shape=(count, count),
    ).tocsr()
