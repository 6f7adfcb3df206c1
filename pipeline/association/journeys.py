"""Pairs of tracklets as ways: which is first, from which zone to which, and how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.association.constraints import times_comparable
from pipeline.association.zones import Zones
from pipeline.types import Bool, Float64, Int64, Scene, Tracklet

_FIRST_EDGE_S, _GROWTH = 1.0, 1.4
"""Gaps are counted in bins of 0 to 1 s, to 1.4 s, to 2 s and so on: what a time may differ by is a share of it."""
BEFORE_GAPS = 2
"""Bins before the gaps: seen at once for less, and for more, than half of the shorter tracklet."""
BINS = 40
"""The last one begins at 3 days."""


@dataclass(frozen=True, slots=True)
class Ways:
    """P pairs: camera, zone and row of the tracklet that starts first (`from_*`) and of the other one, bin of the gap
    between them, and the gap in s (negative where they overlap)."""

    from_camera: Int64
    to_camera: Int64
    from_zone: Int64
    to_zone: Int64
    bin: Int64
    gap_s: Float64
    known: Bool
    """Whether the times compare; where not, neither the order nor the gap means anything."""


@dataclass(frozen=True, slots=True)
class Journeys:
    """What is needed of N tracklets sorted by key.

    `camera (N,)` numbers by sorted id, `start (N,)`, `end (N,)` s, `entry (N,)`, `exit (N,)` zones, numbered over all
    cameras (`camera * zones_a_camera + zone`); `comparable`: whether times compare across cameras.
    """

    names: tuple[str, ...]
    zones_a_camera: int
    camera: Int64
    start: Float64
    end: Float64
    entry: Int64
    exit: Int64
    comparable: bool

    @classmethod
    def of(cls, ordered: Sequence[Tracklet], zones: Zones, *, comparable: bool) -> Journeys:
        """Of all tracklets sorted by key."""
        names = sorted({t.camera_id for t in ordered})
        number = {name: n for n, name in enumerate(names)}
        camera = np.array([number[t.camera_id] for t in ordered], dtype=np.int64)
        most = 1 + int(max(zones.entry.max(initial=0), zones.exit.max(initial=0)))
        return cls(
            tuple(names),
            most,
            camera,
            np.array([t.start_s for t in ordered], dtype=np.float64),
            np.array([t.end_s for t in ordered], dtype=np.float64),
            camera * most + zones.entry,
            camera * most + zones.exit,
            comparable,
        )

    @classmethod
    def without_zones(cls, ordered: Sequence[Tracklet], scene: Scene) -> Journeys:
        """The same with one zone a camera, where only times are asked for."""
        nowhere = np.zeros(len(ordered), dtype=np.int64)
        return cls.of(ordered, Zones({}, nowhere, nowhere), comparable=times_comparable(scene))

    def ways(self, left: Int64, right: Int64) -> Ways:
        """From the tracklet that starts first to the other one; a tie goes by row, whatever the order given."""
        start = self.start
        later = (start[left] > start[right]) | ((start[left] == start[right]) & (left > right))
        a, b = np.where(later, right, left), np.where(later, left, right)
        gap = start[b] - self.end[a]
        shorter = np.minimum(self.end[a] - start[a], self.end[b] - start[b])
        common = np.minimum(self.end[a], self.end[b]) - start[b]
        steps = np.ceil(np.log(np.maximum(gap, _FIRST_EDGE_S) / _FIRST_EDGE_S) / np.log(_GROWTH)).astype(np.int64)
        bins = np.where(gap < 0, (common > shorter / 2).astype(np.int64), BEFORE_GAPS + steps)
        known = (self.camera[a] == self.camera[b]) | self.comparable
        return Ways(self.camera[a], self.camera[b], self.exit[a], self.entry[b], np.minimum(bins, BINS - 1), gap, known)
