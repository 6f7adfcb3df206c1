"""Whether an offset between two clocks holds for everybody: who stands on floor that both cameras see is seen by both.

A few people may match at a wrong offset. Most of those who are on common floor then do not, and that speaks against it.
In a crowd somebody is near by chance at any offset; how many tells what chance gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.association.floor_tracks import STEP_S, FloorTracks
from pipeline.association.place import FOOT_SPREAD_M
from pipeline.types import Bool, Float64, Int64

_CELL_M = 0.75
_GATE = 9.0
"""Squared Mahalanobis distance, 2 degrees of freedom: 99 % of what fits lies below."""
_LEAST_S = 1.0
"""A tracklet on common floor for less is not asked."""
_ELSEWHERE_S = 5.0
"""Offsets at least this far from the one in question tell what chance gives ..."""
_ELSEWHERE = 16
"""... so many of them on either side."""
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Witness:
    """`asked`: tracklets of both cameras that were on common floor while both recorded. `seen`: share of them that the
    other camera saw there most of that time, 0..1; `chance`: the same at other offsets, the median."""

    asked: int
    seen: float
    chance: float

    @property
    def beyond_chance(self) -> float:
        """1: all are seen by both; 0: as many as by chance (Cohen's kappa)."""
        return (self.seen - self.chance) / max(1.0 - self.chance, 1e-6)


def witness(a: FloorTracks, b: FloorTracks, offset_s: float) -> Witness:
    """`offset_s` is added to b's times."""
    one, two = _Rows.of(a), _Rows.of(b)
    one, two = one.on_floor_of(two), two.on_floor_of(one)
    lag = round(offset_s / STEP_S)
    asked, seen = _seen(one, two, lag)
    away = round(_ELSEWHERE_S / STEP_S) * np.arange(1, _ELSEWHERE + 1)
    other = [_seen(one, two, lag + int(step)) for step in np.concatenate([-away, away])]
    chance = [share for number, share in other if 2 * number >= asked]
    return Witness(asked, seen, float(np.median(chance)) if chance else 0.0)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Positions by instant: `instant`, `owner (R,)`, `xy (R, 2)` m, `covariance (R, 3)`; `common (R,)`: on floor that
    the other camera, too, has seen people on; `first`, `last`: instants of the recording."""

    instant: Int64
    owner: Int64
    xy: Float64
    covariance: Float64
    common: Bool
    first: int
    last: int

    @classmethod
    def of(cls, tracks: FloorTracks) -> _Rows:
        owner = np.repeat(np.arange(len(tracks.start)), np.diff(tracks.first))
        instant = tracks.start[owner] + np.arange(len(owner)) - tracks.first[:-1][owner]
        known = np.flatnonzero(np.isfinite(tracks.xy[:, 0]))
        known = known[np.argsort(instant[known], kind="stable")]
        return cls(
            instant[known], owner[known], tracks.xy[known].astype(np.float64),
            tracks.covariance[known].astype(np.float64), np.zeros(len(known), np.bool_),
            int(instant[known].min(initial=0)), int(instant[known].max(initial=0)),
        )  # fmt: skip

    def on_floor_of(self, other: _Rows) -> _Rows:
        """With `common` filled in."""
        common = np.isin(_cell(self.xy), _cell(other.xy))
        return _Rows(self.instant, self.owner, self.xy, self.covariance, common, self.first, self.last)


def _cell(xy: Float64) -> Int64:
    cell = np.floor(xy / _CELL_M).astype(np.int64) + (1 << 20)
    return np.asarray(cell[:, 0] * (1 << 21) + cell[:, 1], np.int64)


def _seen(a: _Rows, b: _Rows, lag: int) -> tuple[int, float]:
    """How many tracklets were asked, and the share of them that was seen, with `lag` instants added to b's."""
    low, high = max(a.first, b.first + lag), min(a.last, b.last + lag)
    votes = [_votes(a, b, low, high, lag), _votes(b, a, low - lag, high - lag, -lag)]
    seen = np.concatenate(votes)
    return len(seen), float(np.mean(seen)) if len(seen) else 0.0


def _votes(of: _Rows, by: _Rows, low: int, high: int, lag: int) -> Bool:
    """Of the tracklets of `of` that are asked, which ones `by` saw."""
    rows = np.flatnonzero(of.common & (of.instant >= low) & (of.instant <= high))
    parts = [_near(of, by, rows[start : start + _BLOCK], lag) for start in range(0, len(rows), _BLOCK)]
    near = np.concatenate(parts) if parts else np.zeros(0, np.bool_)
    total = np.bincount(of.owner[rows])
    fits = np.bincount(of.owner[rows], weights=near, minlength=len(total))
    asked = total * STEP_S >= _LEAST_S
    return np.asarray(fits[asked] > total[asked] / 2, np.bool_)


def _near(of: _Rows, by: _Rows, rows: Int64, lag: int) -> Bool:
    """At which `rows (R,)` of `of` somebody stands there by `by`, too."""
    at = of.instant[rows] - lag
    start, stop = np.searchsorted(by.instant, at), np.searchsorted(by.instant, at, side="right")
    count = stop - start
    left = np.repeat(np.arange(len(rows)), count)
    right = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(start, count)
    apart = by.xy[right] - of.xy[rows[left]]
    spread = by.covariance[right] + of.covariance[rows[left]]
    xx, xy, yy = spread[:, 0] + FOOT_SPREAD_M**2, spread[:, 1], spread[:, 2] + FOOT_SPREAD_M**2
    square = (yy * apart[:, 0] ** 2 - 2 * xy * apart[:, 0] * apart[:, 1] + xx * apart[:, 1] ** 2) / (xx * yy - xy * xy)
    return np.asarray(np.bincount(left[square < _GATE], minlength=len(rows)) > 0, np.bool_)
