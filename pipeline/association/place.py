"""Evidence of place: whether two tracklets can be, or must nearly be, one person by where they were on the floor.

At common instants (overlapping views): one person is at one place, but for the noise of both positions; two people are
anywhere on the floor, or walk side by side. Apart in time: one person goes on at about the same speed in the next
camera, and nobody is faster than a runner. Both are log-likelihood ratios; where nothing is known they are 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.association.floor_tracks import STEP_S, FloorTracks, on_common_floor
from pipeline.association.pair_evidence import PairEvidence
from pipeline.config import AssociationConfig
from pipeline.types import Bool, Float64, Int64, Scene, Tracklet

_SAMPLES = 16
"""Common instants looked at, spread over the common time."""
_BLOCK = 1 << 16
FOOT_SPREAD_M = 0.2
"""One sigma by which two views of one person differ beside the boxes' noise: each camera's box ends at the foot that is
nearer to it, a step apart."""
_ASTRAY = 0.1
"""Share of positions that are wrong by metres: feet behind furniture, half a body."""
_ASTRAY_M = 1.5
_COMPANY = 0.15
"""Share of two people at one time who are side by side, at about _COMPANY_M."""
_COMPANY_M = 1.0
MEMORY_S = 2.0
"""Errors of positions last about as long: instants nearer to each other count as one."""
_MOST_INSTANTS = 3.0
"""What lasts longer is no error of boxes but of calibration, the same all along: it is not counted again."""
_LEAST_FLOOR_M2 = 25.0
_CELL_M = 2.0
_MOST = 12.0
"""As for appearance (calibration.py): nothing is surer."""
_TRAVEL_MOST = 3.0
"""Where one tracklet ends, another of somebody else may well begin (doors, corners)."""
_TRAVEL_LEAST = 1.0
"""Less is not told: below, pairs of the synthetic world and of PETS were as often two people as before looking."""
_TRAVEL_S = 10.0
"""A speed foretells a place for about as long."""
_TURN_S = 1.5
"""Time constant after which the speed at the end says nothing of the direction any more."""
_RUNNER_M_S = 4.0
"""Faster is nobody: running for a bus."""
_WALK_M_S = 1.0


def build_place(ordered: Sequence[Tracklet], scene: Scene, config: AssociationConfig) -> PairEvidence | None:
    """The evidence of the tracklets' places; None without a clock, or with fewer than two placed tracklets."""
    tracks = on_common_floor(ordered, scene)
    if tracks is None or tracks.placed.sum() < 2:
        return None
    slack_s = clock_error_s(config)
    floor = floor_area(tracks)

    def log_odds(left: Int64, right: Int64) -> Float64:
        return place_log_odds(tracks, left, right, floor, slack_s)

    def at_once(left: Int64, right: Int64) -> Bool:
        return seen_at_once(tracks, left, right)

    return PairEvidence("place", log_odds, alone=np.flatnonzero(tracks.placed), at_once=at_once)


def clock_error_s(config: AssociationConfig) -> float:
    """One sigma of the difference of two cameras' clocks: `clock_slack_s` is what it never exceeds."""
    return config.clock_slack_s / 4.0


def floor_area(tracks: FloorTracks) -> float:
    """The floor people are found on, m^2: how many times more room there is than if all were at one place.

    `1 / sum p^2` over cells of 2 m, p being the share of positions in a cell: two people drawn from the same positions
    are in one cell with that probability. A few positions far out, which are mostly wrong, hardly count. With several
    floors, of two that are on one.
    """
    known = np.isfinite(tracks.xy[:, 0])
    if known.sum() < 2:
        return _LEAST_FLOOR_M2
    floor = np.repeat(tracks.floor, np.diff(tracks.first))[known]
    cell = np.column_stack([floor, np.floor(tracks.xy[known] / _CELL_M)])
    one_cell, one_floor = (
        float(np.square(np.unique(of, axis=0, return_counts=True)[1] / len(of)).sum()) for of in (cell, floor)
    )
    return max(_CELL_M**2 * one_floor / one_cell, _LEAST_FLOOR_M2)


def place_log_odds(tracks: FloorTracks, left: Int64, right: Int64, floor_m2: float, slack_s: float) -> Float64:
    """Log-likelihood ratios `(P,)` of pairs of rows; 0 where one has no position or they are on two
    floors, within +-12."""
    result = np.zeros(len(left))
    both = tracks.placed[left] & tracks.placed[right] & (tracks.floor[left] == tracks.floor[right])
    for start in range(0, len(left), _BLOCK):
        rows = start + np.flatnonzero(both[start : start + _BLOCK])
        if not len(rows):
            continue
        a, b = left[rows], right[rows]
        together, seen = _together(tracks, a, b, floor_m2, slack_s)
        # At no common instant: the later one may have come from where the earlier one was.
        result[rows] = np.where(seen, together, _travel(tracks, a, b, floor_m2, slack_s))
    return np.clip(result, -_MOST, _MOST)


def _together(tracks: FloorTracks, a: Int64, b: Int64, floor_m2: float, slack_s: float) -> tuple[Float64, Bool]:
    """Ratios of pairs at their common instants, and which pairs have one. Two tracklets of one camera say nothing."""
    row_a, row_b, common = _common_rows(tracks, a, b)
    apart = tracks.xy[row_a].astype(np.float64) - tracks.xy[row_b]
    spread = tracks.covariance[row_a].astype(np.float64) + tracks.covariance[row_b]
    told = np.isfinite(apart).all(axis=2) & (common >= 0)[:, None]
    apart[~told] = 0.0
    ratio = instant_log_odds(apart, spread, floor_m2, slack_s)
    number = told.sum(axis=1)
    mean = np.where(told, ratio, 0.0).sum(axis=1) / np.maximum(number, 1)
    lasted = np.maximum(common, 0) * STEP_S * number / _SAMPLES
    instants = np.minimum(1.0 + lasted / MEMORY_S, _MOST_INSTANTS)
    seen = (number > 0) & (tracks.camera[a] != tracks.camera[b])
    return np.where(seen, mean * instants, 0.0), seen


def instant_log_odds(apart: Float64, spread: Float64, floor_m2: float, slack_s: float) -> Float64:
    """Log-likelihood ratio of one instant, `(...)`, of positions `apart (..., 2)` m in two views, the sum of whose
    covariances is `spread (..., 3)` m^2 (xx, xy, yy)."""
    own = FOOT_SPREAD_M**2 + (_WALK_M_S * slack_s) ** 2
    same = (1 - _ASTRAY) * _normal(apart, spread, own) + _ASTRAY * _normal(apart, spread, own + _ASTRAY_M**2)
    other = (1 - _COMPANY) / floor_m2 + _COMPANY * _normal(apart, spread, own + _COMPANY_M**2)
    result: Float64 = np.log(same + 1e-30) - np.log(other)
    return result


def seen_at_once(tracks: FloorTracks, left: Int64, right: Int64) -> Bool:
    """Which of P pairs have a common instant `(P,)` in two cameras."""
    result = np.zeros(len(left), np.bool_)
    both = tracks.placed[left] & tracks.placed[right] & (tracks.camera[left] != tracks.camera[right])
    both &= tracks.floor[left] == tracks.floor[right]
    for start in range(0, len(left), _BLOCK):
        rows = start + np.flatnonzero(both[start : start + _BLOCK])
        if len(rows):
            row_a, row_b, common = _common_rows(tracks, left[rows], right[rows])
            known = np.isfinite(tracks.xy[row_a, 0]) & np.isfinite(tracks.xy[row_b, 0])
            result[rows] = known.any(axis=1) & (common >= 0)
    return result


def _common_rows(tracks: FloorTracks, a: Int64, b: Int64) -> tuple[Int64, Int64, Int64]:
    """Rows `(P, S)` of positions of both members of pairs at instants spread over their common time, and how many
    instants that lasts `(P,)`; below 0 without any, when the rows mean nothing."""
    stop = tracks.stop()
    first, last = np.maximum(tracks.start[a], tracks.start[b]), np.minimum(stop[a], stop[b]) - 1
    common = last - first
    share = np.linspace(0.0, 1.0, _SAMPLES)
    instant = first[:, None] + np.rint(np.maximum(common, 0)[:, None] * share).astype(np.int64)
    row_a, row_b = (
        np.clip(tracks.first[x][:, None] + instant - tracks.start[x][:, None], 0, len(tracks.xy) - 1) for x in (a, b)
    )
    return row_a, row_b, common


def _travel(tracks: FloorTracks, a: Int64, b: Int64, floor_m2: float, slack_s: float) -> Float64:
    """Ratios of pairs one of which ended before the other began; 0 where they overlap in time."""
    swap = tracks.end_time[a, 0] > tracks.end_time[b, 0]
    early, late = np.where(swap, b, a), np.where(swap, a, b)
    gap = tracks.end_time[late, 0] - tracks.end_time[early, 1]
    way = tracks.end_xy[late, 0] - tracks.end_xy[early, 1]
    spread = tracks.end_covariance[early, 1] + tracks.end_covariance[late, 0]
    time_s = np.maximum(gap, 0.0)
    coast = _TURN_S * (1.0 - np.exp(-time_s / _TURN_S))
    ahead = way - tracks.end_velocity[early, 1] * coast[:, None]
    own = FOOT_SPREAD_M**2 + (_WALK_M_S * slack_s) ** 2
    wandered = np.square(_WALK_M_S * np.maximum(time_s - coast, 0))
    own = own + wandered + np.square(tracks.end_speed_sigma[early, 1] * coast)
    straight = np.exp(-time_s / _TRAVEL_S)
    same = straight * _normal(ahead, spread, own) + (1 - straight) / floor_m2
    other = (1 - _COMPANY) / floor_m2 + _COMPANY * _normal(way, spread, own + _COMPANY_M**2)
    ratio = np.minimum(np.log(same + 1e-30) - np.log(other), _TRAVEL_MOST)
    # Three sigmas of both positions, and of the clocks, nearer than they seem: still faster than a runner?
    width = 3.0 * np.sqrt(np.maximum(spread[:, 0], spread[:, 2]) + FOOT_SPREAD_M**2)
    shortest = np.maximum(np.linalg.norm(way, axis=1) - width, 0.0)
    too_fast = shortest > _RUNNER_M_S * (time_s + 3.0 * slack_s)
    # Within one camera the image tells more of how a track goes on (continuity.py).
    told = (ratio >= _TRAVEL_LEAST) & (tracks.camera[a] != tracks.camera[b])
    ratio = np.where(too_fast, -_MOST, np.where(told, ratio, 0.0))
    return np.where(gap >= 0.0, ratio, 0.0)


def _normal(apart: Float64, spread: Float64, own: Float64 | float) -> Float64:
    """Density, 1/m^2, of `apart (..., 2)` m under a normal of covariance `spread (..., 3)` plus `own` m^2 each way."""
    xx, xy, yy = spread[..., 0] + own, spread[..., 1], spread[..., 2] + own
    determinant = xx * yy - xy * xy
    x, y = apart[..., 0], apart[..., 1]
    square = (yy * x * x - 2 * xy * x * y + xx * y * y) / determinant
    result: Float64 = np.exp(-0.5 * square) / (2 * np.pi * np.sqrt(determinant))
    return result
