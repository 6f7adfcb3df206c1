"""Where people come into and go out of a camera's image: clusters of the feet of first and last boxes.

Zones are found from the tracklets alone (Makris and Ellis, Image and Vision Computing 20, 2002, find them likewise),
here by average linkage, which needs no number of clusters. A track lost amid the image starts or ends there, too; where
that happens often (a pillar) it makes a zone, and where it does not it falls to zone 0, "elsewhere".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from pipeline.types import Float64, Int64, Scene, Tracklet

_REACH = 0.2
"""Mean distance of two points of one zone, in widths and heights of the image. Tuned on the synthetic world."""
_MIN_POINTS = 4
"""Starts and ends that make a zone; tuned on the synthetic world."""
_MOST_POINTS = 2000
"""Points that are clustered (an even sample): linkage is O(n^2)."""

ELSEWHERE = 0


@dataclass(frozen=True, slots=True)
class CameraZones:
    """Zones 1..Z of a camera: `centre (Z, 2)` and `radius (Z,)` as fractions of width and height, and how many
    tracklets start (`entries (Z,)`) and end (`exits (Z,)`) in each."""

    centre: Float64
    radius: Float64
    entries: Int64
    exits: Int64


@dataclass(frozen=True, slots=True)
class Zones:
    """Zones by camera id; `entry (N,)` and `exit (N,)` zone of each tracklet, 0 = elsewhere."""

    by_camera: Mapping[str, CameraZones]
    entry: Int64
    exit: Int64


def feet(tracklet: Tracklet, row: int, size_wh: tuple[int, int]) -> tuple[float, float]:
    """Middle of the lower edge of a box, as fractions of width and height."""
    x1, _, x2, y2 = tracklet.xyxy[row].tolist()
    return (x1 + x2) / 2 / size_wh[0], y2 / size_wh[1]


def find_zones(ordered: Sequence[Tracklet], scene: Scene) -> Zones:
    """Zones of every camera from the tracklets sorted by key."""
    entry, exit_ = np.zeros(len(ordered), np.int64), np.zeros(len(ordered), np.int64)
    by_camera: dict[str, CameraZones] = {}
    for camera in scene.cameras:
        rows = [row for row, t in enumerate(ordered) if t.camera_id == camera.id]
        if not rows:
            continue
        first = np.array([feet(ordered[row], 0, camera.size_wh) for row in rows])
        last = np.array([feet(ordered[row], -1, camera.size_wh) for row in rows])
        centre, radius = _cluster(np.concatenate([first, last]))
        entry[rows], exit_[rows] = _nearest(first, centre, radius), _nearest(last, centre, radius)
        count = len(centre) + 1
        by_camera[camera.id] = CameraZones(
            centre,
            radius,
            np.bincount(entry[rows], minlength=count)[1:],
            np.bincount(exit_[rows], minlength=count)[1:],
        )
    return Zones(by_camera, entry, exit_)


def _cluster(points: Float64) -> tuple[Float64, Float64]:
    """Centres `(Z, 2)` and radii `(Z,)`, largest cluster first."""
    if len(points) > _MOST_POINTS:
        points = points[np.linspace(0, len(points) - 1, _MOST_POINTS).round().astype(np.int64)]
    if len(points) < _MIN_POINTS:
        return np.zeros((0, 2)), np.zeros(0)
    label = fcluster(linkage(points, "average"), _REACH, "distance")
    found: list[tuple[int, Float64, float]] = []
    for name in np.unique(label).tolist():
        own = points[label == name]
        if len(own) >= _MIN_POINTS:
            middle = own.mean(axis=0)
            found.append((len(own), middle, float(np.linalg.norm(own - middle, axis=1).max())))
    found.sort(key=lambda zone: (-zone[0], *zone[1].tolist()))
    return np.array([zone[1] for zone in found]).reshape(-1, 2), np.array([zone[2] for zone in found])


def _nearest(points: Float64, centre: Float64, radius: Float64) -> Int64:
    """The nearest zone's number, from 1; 0 for points outside of its reach."""
    if not len(centre):
        return np.zeros(len(points), np.int64)
    distance = np.linalg.norm(points[:, None] - centre, axis=2)
    best = distance.argmin(axis=1)
    near = distance[np.arange(len(points)), best] <= np.maximum(radius[best], _REACH / 2)
    result: Int64 = np.where(near, best + 1, ELSEWHERE).astype(np.int64)
    return result
