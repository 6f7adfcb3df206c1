"""Evidence of place within one camera: a track that goes on where another one ended a few seconds before.

Where the second begins is compared with where the first, slowing down, would have come to. One person is spread around
that point by a bivariate Cauchy distribution that widens with the gap; everybody else begins where people begin in this
camera, which is at its doors much more than elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.association.pair_evidence import PairEvidence
from pipeline.config import AssociationConfig
from pipeline.types import Float64, Int64, Scene, Tracklet

LONGEST_S = 15.0
"""Gaps beyond leave it to the ways between zones (topology.py)."""
_FIT_S = 1.0
"""The course is fitted to the last second."""
_SLOWING_S = 1.0
"""Time constant by which a person no longer seen is thought to slow down."""
_SCALE, _SCALE_PER_S = 0.15, 0.05
"""Spread in body heights, and its growth with the gap. Median errors of the 27 true continuations that this project's
tracker leaves on campus_auditorium and TUD: 0.8 heights after 2 to 4 s, 0.2 after 4 to 8, 1.4 after 8 to 15."""
_KERNEL = 0.5
"""Width, in body heights, by which each start of a track blurs into where people begin."""
_EVEN = 2.0
"""Starts spread evenly over the image that are added to those seen."""
_MOST_STARTS = 2000
_STRAY = 0.2
"""Share of continuations that begin anywhere: 3 of the 27 lie 2 heights off or more."""


def continuity(ordered: Sequence[Tracklet], scene: Scene, _config: AssociationConfig) -> PairEvidence | None:
    """Evidence for pairs of one camera up to LONGEST_S apart; None where there is no such pair."""
    size = {camera.id: camera.size_wh for camera in scene.cameras}
    names = {name: n for n, name in enumerate(sorted({t.camera_id for t in ordered}))}
    if not ordered or any(name not in size for name in names):
        return None
    camera = np.array([names[t.camera_id] for t in ordered])
    start = np.array([t.start_s for t in ordered], dtype=np.float64)
    end = np.array([t.end_s for t in ordered], dtype=np.float64)
    first, last = (np.array([_feet(t, row) for t in ordered]) for row in (0, -1))
    height = np.array([_height(t) for t in ordered])
    velocity = np.array([_velocity(t) for t in ordered])
    area = np.array([np.prod(size[t.camera_id]) for t in ordered], dtype=np.float64) / height**2
    usual = _usual(camera, first, height, area)

    def log_odds(left: Int64, right: Int64) -> Float64:
        later = (start[left] > start[right]) | ((start[left] == start[right]) & (left > right))
        a, b = np.where(later, right, left), np.where(later, left, right)
        gap = start[b] - end[a]
        near = (camera[a] == camera[b]) & (gap > 0) & (gap <= LONGEST_S)
        held = np.clip(gap, 0.0, LONGEST_S)
        expected = last[a] + velocity[a] * (_SLOWING_S * (1.0 - np.exp(-held / _SLOWING_S)))[:, None]
        error = np.linalg.norm(first[b] - expected, axis=1) / height[a]
        spread = _SCALE + _SCALE_PER_S * held
        return np.where(near, np.log((1.0 - _STRAY) * _cauchy(error, spread) / usual[b] + _STRAY), 0.0)

    return PairEvidence("place", log_odds)


def _cauchy(error: Float64, spread: Float64 | float) -> Float64:
    """Density of the bivariate Cauchy distribution, per square of the unit of both."""
    result: Float64 = (1.0 + (error / spread) ** 2) ** -1.5 / (2.0 * np.pi * spread**2)
    return result


def _usual(camera: Int64, first: Float64, height: Float64, area: Float64) -> Float64:
    """How densely others begin where each tracklet begins `(N,)`, per squared body height; its own start is left out.

    `area (N,)`: of the image, in squared heights.
    """
    density = np.empty(len(camera))
    for name in np.unique(camera).tolist():
        own = np.flatnonzero(camera == name)
        others = own[:: max(1, len(own) // _MOST_STARTS)]
        for row in own.tolist():
            rest = others[others != row]
            near = _cauchy(np.linalg.norm(first[rest] - first[row], axis=1) / height[row], _KERNEL)
            density[row] = (near.sum() + _EVEN / area[row]) / (len(rest) + _EVEN)
    return density


def _feet(tracklet: Tracklet, row: int) -> tuple[float, float]:
    x1, _, x2, y2 = tracklet.xyxy[row].tolist()
    return (x1 + x2) / 2, y2


def _height(tracklet: Tracklet) -> float:
    return max(float(np.median(tracklet.xyxy[:, 3] - tracklet.xyxy[:, 1])), 1.0)


def _velocity(tracklet: Tracklet) -> tuple[float, float]:
    """Least-squares course of the feet over the last second, px/s."""
    recent = tracklet.observed & (tracklet.time_s >= tracklet.end_s - _FIT_S)
    time_s = tracklet.time_s[recent] - tracklet.end_s
    if len(time_s) < 3 or np.ptp(time_s) < _FIT_S / 4:
        return 0.0, 0.0
    box = tracklet.xyxy[recent].astype(np.float64)
    feet = np.stack([(box[:, 0] + box[:, 2]) / 2, box[:, 3]], axis=1)
    centred = time_s - time_s.mean()
    slope = centred @ feet / np.square(centred).sum()
    return float(slope[0]), float(slope[1])
