"""Tracklets on the floor: where each was, how surely, at instants that all cameras share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.ground.floor import floor_positions
from pipeline.types import Bool, Camera, Float32, Float64, Int64, Scene, Tracklet

STEP_S = 0.2
"""Distance of the instants: somebody walks a foot's length in it."""
_NEAR_S = 0.4
"""An instant farther than this from an observed box has no position: what lies between is a guess."""
_SPEED_S = 1.0
"""A speed is measured over this long at a tracklet's end."""
_UNKNOWN_SPEED = 1.5
"""m/s, one sigma of a speed that cannot be measured: walking, in any direction."""


@dataclass(frozen=True, slots=True)
class FloorTracks:
    """N tracklets, their positions one after the other; those of tracklet n are rows `first[n]` to `first[n + 1]`.

    Instants are whole multiples of STEP_S on the shared clock. Ends: index 0 = first known position, 1 = last.
    """

    first: Int64
    """`(N + 1,)`."""
    start: Int64
    """`(N,)` instant of each tracklet's first row."""
    xy: Float32
    """`(R, 2)` m; NaN where unknown."""
    covariance: Float32
    """`(R, 3)` m^2: xx, xy, yy."""
    end_time: Float64
    """`(N, 2)` s; NaN where a tracklet has no position at all."""
    end_xy: Float64
    """`(N, 2, 2)` m."""
    end_covariance: Float64
    """`(N, 2, 3)` m^2."""
    end_velocity: Float64
    """`(N, 2, 2)` m/s."""
    end_speed_sigma: Float64
    """`(N, 2)` m/s, one sigma of each component of the velocity."""
    camera: Int64
    """`(N,)` numbers."""
    floor: Int64
    """`(N,)` numbers of floors (`Calibration.floor`); positions on two of them do not compare."""

    @property
    def placed(self) -> Bool:
        """Which tracklets have a position, `(N,)`."""
        return np.asarray(np.isfinite(self.end_time[:, 0]), np.bool_)

    def stop(self) -> Int64:
        """Instant behind each tracklet's last row, `(N,)`."""
        return np.asarray(self.start + np.diff(self.first), np.int64)


@dataclass(frozen=True, slots=True)
class _One:
    start: int
    xy: Float64
    covariance: Float64


def floor_tracks(tracklets: Sequence[Tracklet], scene: Scene, offsets_s: dict[str, float] | None = None) -> FloorTracks:
    """The floor positions of `tracklets` in cameras with a calibration; the others have none.

    `offsets_s`: seconds to add to the times of a camera.
    """
    cameras = {camera.id: camera for camera in scene.cameras}
    names = {name: n for n, name in enumerate(sorted({t.camera_id for t in tracklets}))}
    floors = {camera.id: camera.calibration.floor for camera in scene.cameras if camera.calibration is not None}
    count = len(tracklets)
    ones: list[_One] = []
    end_time = np.full((count, 2), np.nan)
    end_xy, end_covariance = np.zeros((count, 2, 2)), np.zeros((count, 2, 3))
    end_velocity, end_speed_sigma = np.zeros((count, 2, 2)), np.full((count, 2), _UNKNOWN_SPEED)
    for row, tracklet in enumerate(tracklets):
        camera = cameras.get(tracklet.camera_id)
        shift = (offsets_s or {}).get(tracklet.camera_id, 0.0)
        one = _on_grid(tracklet, camera, shift)
        ones.append(one)
        known = np.flatnonzero(np.isfinite(one.xy[:, 0]))
        if not len(known):
            continue
        for end, at in enumerate((known[0], known[-1])):
            end_time[row, end] = (one.start + at) * STEP_S
            end_xy[row, end], end_covariance[row, end] = one.xy[at], one.covariance[at]
            near = known[np.abs(known - at) * STEP_S <= _SPEED_S]
            end_velocity[row, end], end_speed_sigma[row, end] = _speed(one, near)
    lengths = np.array([len(one.xy) for one in ones], np.int64)
    return FloorTracks(
        first=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        start=np.array([one.start for one in ones], np.int64),
        xy=_stack([one.xy for one in ones], 2),
        covariance=_stack([one.covariance for one in ones], 3),
        end_time=end_time,
        end_xy=end_xy,
        end_covariance=end_covariance,
        end_velocity=end_velocity,
        end_speed_sigma=end_speed_sigma,
        camera=np.array([names[t.camera_id] for t in tracklets], np.int64),
        floor=np.array([floors.get(t.camera_id, 0) for t in tracklets], np.int64),
    )


def on_common_floor(ordered: Sequence[Tracklet], scene: Scene) -> FloorTracks | None:
    """The tracks of calibrated cameras whose times compare, the others without a position; None without any."""
    clocked = scene.clock != "unknown"
    cameras = tuple(c if clocked or c.id in scene.on_one_clock else replace(c, calibration=None) for c in scene.cameras)
    if not any(camera.calibration for camera in cameras):
        return None
    return floor_tracks(ordered, replace(scene, cameras=cameras))


def _stack(parts: Sequence[Float64], width: int) -> Float32:
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros((0, width), np.float32)


def _on_grid(tracklet: Tracklet, camera: Camera | None, shift_s: float) -> _One:
    """Positions at the instants between a tracklet's ends; no row without calibration."""
    if camera is None or camera.calibration is None:
        return _One(0, np.zeros((0, 2)), np.zeros((0, 3)))
    seen = tracklet.observed
    time_s = tracklet.time_s[seen] + shift_s
    if not len(time_s):
        return _One(0, np.zeros((0, 2)), np.zeros((0, 3)))
    found = floor_positions(tracklet.xyxy[seen], camera.calibration, camera.size_wh)
    time_s, xy, covariance = time_s[found.known], found.xy[found.known], found.covariance[found.known]
    if not len(time_s):
        return _One(0, np.zeros((0, 2)), np.zeros((0, 3)))
    start, last = round(time_s[0] / STEP_S), round(time_s[-1] / STEP_S)
    instants = np.arange(start, last + 1) * STEP_S
    flat = np.stack([covariance[:, 0, 0], covariance[:, 0, 1], covariance[:, 1, 1]], axis=1)
    at = np.stack([np.interp(instants, time_s, xy[:, k]) for k in range(2)], axis=1)
    spread = np.stack([np.interp(instants, time_s, flat[:, k]) for k in range(3)], axis=1)
    after = np.clip(np.searchsorted(time_s, instants), 0, len(time_s) - 1)
    before = np.maximum(after - 1, 0)
    away = np.minimum(np.abs(time_s[after] - instants), np.abs(time_s[before] - instants))
    at[away > _NEAR_S] = np.nan
    return _One(start, at, spread)


def _speed(one: _One, near: Int64) -> tuple[Float64, float]:
    """Velocity `(2,)` m/s by a straight line through the positions `near`, and its one sigma a component."""
    if len(near) < 3:
        return np.zeros(2), _UNKNOWN_SPEED
    time_s = near * STEP_S - float(np.mean(near * STEP_S))
    spread = float(np.square(time_s).sum())
    velocity = (time_s[:, None] * one.xy[near]).sum(axis=0) / spread
    # Neighbouring positions share their error: the ends of the line tell, not the number of points.
    noise = float(np.sqrt(one.covariance[near][:, [0, 2]].mean()))
    return velocity, min(noise / max(float(np.ptp(time_s)), STEP_S), _UNKNOWN_SPEED)
