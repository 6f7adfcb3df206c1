"""Where each person was on the floor: all cameras that saw him at an instant say it together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.association.floor_tracks import STEP_S, FloorTracks, floor_tracks
from pipeline.types import Camera, Clock, Float64, Int64, Scene, Trajectory


@dataclass(frozen=True, slots=True)
class FloorPath:
    """One person; instants without position are left out.

    `instant (T,)` whole multiples of 0.2 s on the shared clock; `xy (T, 2)` m; `sigma_m (T,)` one sigma of the mean
    direction; `views (T,)` how many cameras said it. `camera_id`: None = all cameras of one clock together; a camera
    whose times do not compare has paths of its own.
    """

    person_id: int
    camera_id: str | None
    instant: Int64
    xy: Float64
    sigma_m: Float64
    views: Int64

    @property
    def time_s(self) -> Float64:
        """Seconds `(T,)` on the shared clock."""
        return np.asarray(self.instant * STEP_S, np.float64)


def floor_paths(
    trajectories: Sequence[Trajectory],
    cameras: Sequence[Camera],
    clock: Clock,
    on_one_clock: frozenset[str] = frozenset(),
) -> tuple[FloorPath, ...]:
    """The paths of all people whom a calibrated camera saw, by person, then camera.

    `on_one_clock`: where the clock is unknown, cameras whose times compare all the same.
    """
    result = []
    scene = Scene(tuple(cameras), clock, on_one_clock=on_one_clock)
    for person in trajectories:
        tracklets = list(person.tracklets)
        names = sorted({t.camera_id for t in tracklets})
        together = {name for name in names if clock != "unknown" or name in on_one_clock}
        groups = ([(None, together)] if together else []) + [(n, {n}) for n in names if n not in together]
        for name, group in groups:
            tracks = floor_tracks([t for t in tracklets if t.camera_id in group], scene)
            if tracks.placed.any():
                result.append(FloorPath(person.person_id, name, *fuse(tracks)))
    return tuple(result)


def fuse(tracks: FloorTracks) -> tuple[Int64, Float64, Float64, Int64]:
    """Instants, positions `(T, 2)` m, sigmas `(T,)` m and numbers of views `(T,)` of one person's tracklets.

    Each position weighs by the inverse of its covariance: the best linear unbiased estimate (Bar-Shalom, Li and
    Kirubarajan, Estimation with Applications to Tracking and Navigation, 2001, sec. 3.4).
    """
    owner = np.repeat(np.arange(len(tracks.start)), np.diff(tracks.first))
    instant = tracks.start[owner] + np.arange(len(owner)) - tracks.first[:-1][owner]
    known = np.isfinite(tracks.xy[:, 0])
    xy, covariance = tracks.xy[known].astype(np.float64), tracks.covariance[known].astype(np.float64)
    instants, at = np.unique(instant[known], return_inverse=True)
    a, b, c = covariance.T + np.array([[1e-4], [0.0], [1e-4]])
    determinant = a * c - b * b
    weight = np.stack([c, -b, a], axis=1) / determinant[:, None]
    total, mean = np.zeros((len(instants), 3)), np.zeros((len(instants), 2))
    np.add.at(total, at, weight)
    np.add.at(mean, at, np.stack([weight[:, 0] * xy[:, 0] + weight[:, 1] * xy[:, 1],
                                  weight[:, 1] * xy[:, 0] + weight[:, 2] * xy[:, 1]], axis=1))  # fmt: skip
    p, q, r = total.T
    left = p * r - q * q
    place = np.stack([r * mean[:, 0] - q * mean[:, 1], p * mean[:, 1] - q * mean[:, 0]], axis=1) / left[:, None]
    sigma = np.sqrt((p + r) / left / 2)
    return instants.astype(np.int64), place, sigma, np.bincount(at, minlength=len(instants)).astype(np.int64)
