"""N tracklets as columns, for scenes too large to hold a matrix of pairs; and who of them cannot be one person.

The same rules as constraints.py, asked of the pairs in question instead of all: two places at once across cameras, two
boxes side by side in one camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.association.constraints import common_overlap, times_comparable
from pipeline.config import AssociationConfig
from pipeline.types import Bool, Float32, Float64, Int64, Scene, Tracklet


@dataclass(frozen=True, slots=True)
class Crowd:
    """`rows (N,)` of all tracklets sorted by key: those that can be compared, and what is known of each."""

    tracklets: tuple[Tracklet, ...]
    """The N, in order of `rows`."""
    rows: Int64
    vector: Float32
    """`(N, D)` unit rows."""
    trust: Float64
    """`(N,)` reliabilities."""
    camera: Int64
    """`(N,)` numbers of cameras by name."""
    cameras: tuple[str, ...]
    start: Float64
    """`(N,)` s."""
    end: Float64
    first_frame: Int64
    last_frame: Int64
    separate: Bool
    """`(C, C)` cameras that share no floor while their clocks compare: nobody is in both at once."""
    comparable: bool
    """Whether times compare across all cameras."""

    def __len__(self) -> int:
        return len(self.rows)

    def elsewhere(self, left: Int64, right: Int64, slack_s: float) -> Bool:
        """Of P pairs, those in two cameras at once by more than a hand-over (constraints.py)."""
        ahead = np.minimum(self.end[left] - self.start[right], self.end[right] - self.start[left])
        result: Bool = (ahead > slack_s) & self.separate[self.camera[left], self.camera[right]]
        return result

    def at_once(self, left: Int64, right: Int64) -> Bool:
        """Of P pairs, those whose frames overlap in one camera."""
        result: Bool = (
            (self.camera[left] == self.camera[right])
            & (self.first_frame[left] <= self.last_frame[right])
            & (self.first_frame[right] <= self.last_frame[left])
        )
        return result

    def cannot(self, left: Int64, right: Int64, config: AssociationConfig) -> Bool:
        """Of P pairs, those that cannot be one person, whatever they look like."""
        result = self.elsewhere(left, right, config.clock_slack_s)
        for n in np.flatnonzero(self.at_once(left, right)).tolist():
            overlap = common_overlap(self.tracklets[left[n]], self.tracklets[right[n]])
            result[n] = overlap is not None and overlap < config.duplicate_overlap
        return result

    def take(self, rows: Int64) -> Crowd:
        """The crowd of `rows` alone (ascending)."""
        return Crowd(
            tuple(self.tracklets[row] for row in rows.tolist()),
            self.rows[rows],
            self.vector[rows],
            self.trust[rows],
            self.camera[rows],
            self.cameras,
            self.start[rows],
            self.end[rows],
            self.first_frame[rows],
            self.last_frame[rows],
            self.separate,
            self.comparable,
        )


def build_crowd(ordered: Sequence[Tracklet], rows: Int64, vector: Float32, trust: Float64, scene: Scene) -> Crowd:
    """The tracklets `rows (N,)` of `ordered` (all, sorted by key) with their unit vectors and reliabilities."""
    taken = tuple(ordered[row] for row in rows.tolist())
    names = tuple(sorted({t.camera_id for t in ordered}))
    number = {name: n for n, name in enumerate(names)}
    comparable = times_comparable(scene)
    separate = np.array(
        [
            [a != b and scene.times_compare(a, b) and frozenset((a, b)) not in scene.overlapping for b in names]
            for a in names
        ],
        dtype=np.bool_,
    ).reshape(len(names), len(names))
    return Crowd(
        taken,
        rows,
        vector,
        trust,
        np.array([number[t.camera_id] for t in taken], dtype=np.int64),
        names,
        np.array([t.start_s for t in taken], dtype=np.float64),
        np.array([t.end_s for t in taken], dtype=np.float64),
        np.array([t.frame_index[0] for t in taken], dtype=np.int64),
        np.array([t.frame_index[-1] for t in taken], dtype=np.int64),
        separate,
        comparable,
    )


def same_camera(crowd: Crowd, left: Int64, right: Int64) -> Bool:
    """Of P pairs, those of one camera."""
    result: Bool = crowd.camera[left] == crowd.camera[right]
    return result
