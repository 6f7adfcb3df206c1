"""Which tracklets cannot be one person, whatever they look like.

Two rules, both about being in two places at once:
- one camera: two boxes in one frame that stand apart are two people. Boxes that lie in each other for most of their
  common frames may be one person found twice, so nothing is concluded from them; nor from a hand-over, where one track
  begins just before another one ends: the tracker may have begun anew while the old track went astray;
- two cameras that see no common floor, on one clock: nobody is in both at the same time. Without a common clock
  nothing is concluded from time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.types import Bool, Float64, Int64, Scene, Tracklet

_HAND_OVER_S = 1.0
_HAND_OVER_SHARE = 0.25
"""Longest common time of a hand-over, and its largest share of the shorter tracklet. Of 67 hand-overs on
campus_auditorium 1 is one person, of 312 in three synthetic rooms of six views 28; of longer common times there 1 %
(`python -m benchmarks.hand_overs --data ../shared/data`)."""


@dataclass(frozen=True, slots=True)
class Constraints:
    """`cannot (N, N) bool` symmetric, diagonal False; `apart (P, 2)` rows of pairs that were seen at once in one
    camera, well apart: certain negatives to calibrate with."""

    cannot: Bool
    apart: Int64


def common_overlap(a: Tracklet, b: Tracklet) -> float | None:
    """Median over common frames of the boxes' intersection over the smaller box; None without a common frame, and where
    all are in a hand-over from one to the other.

    Interpolated boxes do not count: they are a guess, and the guess may have gone astray.
    """
    frames, in_a, in_b = np.intersect1d(
        a.frame_index[a.observed], b.frame_index[b.observed], assume_unique=True, return_indices=True
    )
    if len(frames) == 0 or is_hand_over(a, b, float(a.time_s[a.observed][in_a[-1]] - a.time_s[a.observed][in_a[0]])):
        return None
    one, two = a.xyxy[a.observed][in_a], b.xyxy[b.observed][in_b]
    common = np.prod(np.clip(np.minimum(one[:, 2:], two[:, 2:]) - np.maximum(one[:, :2], two[:, :2]), 0, None), axis=1)
    smaller = np.minimum(np.prod(one[:, 2:] - one[:, :2], axis=1), np.prod(two[:, 2:] - two[:, :2], axis=1))
    return float(np.median(np.divide(common, smaller, out=np.zeros_like(common), where=smaller > 0)))


def is_hand_over(a: Tracklet, b: Tracklet, common_s: float) -> bool:
    """Whether one of two tracklets with `common_s` of common frames only takes over where the other one ends."""
    in_turn = (a.start_s < b.start_s) == (a.end_s < b.end_s) and a.start_s != b.start_s and a.end_s != b.end_s
    shorter = min(a.end_s - a.start_s, b.end_s - b.start_s)
    return in_turn and common_s <= min(_HAND_OVER_S, _HAND_OVER_SHARE * shorter)


def _alive_together(start: Float64, end: Float64) -> list[tuple[int, int]]:
    """Pairs of intervals that overlap: a sweep over their starts."""
    order = np.argsort(start, kind="stable")
    pairs: list[tuple[int, int]] = []
    alive: list[int] = []
    for row in order.tolist():
        alive = [other for other in alive if end[other] >= start[row]]
        pairs.extend((min(row, other), max(row, other)) for other in alive)
        alive.append(row)
    return pairs


def times_comparable(scene: Scene) -> bool:
    """Whether a time in one camera means the same in every other."""
    return scene.clock != "unknown"


def build_constraints(
    tracklets: Sequence[Tracklet], scene: Scene, *, duplicate_overlap: float, well_apart_overlap: float, slack_s: float
) -> Constraints:
    """All pairs of `tracklets` that cannot be one person.

    `duplicate_overlap`: median intersection over the smaller box from which two tracklets of one camera may be one
    person found twice. `well_apart_overlap`: up to it a pair is a certain negative (crops that show little of each
    other). `slack_s`: seconds by which two cameras of one clock may differ: so long both may have somebody who goes
    from one to the other.
    """
    count = len(tracklets)
    cannot = np.zeros((count, count), dtype=np.bool_)
    apart: list[tuple[int, int]] = []
    camera = np.array([t.camera_id for t in tracklets], dtype=np.str_)
    for name in np.unique(camera).tolist():
        rows: list[int] = np.flatnonzero(camera == name).tolist()
        first = np.array([tracklets[r].frame_index[0] for r in rows], dtype=np.float64)
        last = np.array([tracklets[r].frame_index[-1] for r in rows], dtype=np.float64)
        for one, two in _alive_together(first, last):
            i, j = rows[one], rows[two]
            overlap = common_overlap(tracklets[i], tracklets[j])
            if overlap is None or overlap >= duplicate_overlap:
                continue
            cannot[i, j] = cannot[j, i] = True
            if overlap <= well_apart_overlap:
                apart.append((i, j))
    if times_comparable(scene) or scene.on_one_clock:
        cannot |= _elsewhere(tracklets, scene, slack_s)
    return Constraints(cannot, np.array(sorted(apart), dtype=np.int64).reshape(-1, 2))


def _elsewhere(tracklets: Sequence[Tracklet], scene: Scene, slack_s: float) -> Bool:
    """Pairs `(N, N)` in two cameras of one clock without common floor whose times overlap by more than a hand-over.

    A hand-over: one clock being up to `slack_s` wrong, the one leaves before the other begins. Someone who comes and
    goes amid a longer stay elsewhere is barred however short he is there; two visits of less than `slack_s` at the same
    time are not, for the clocks' error alone may make one visit after the other look so.
    """
    start = np.array([t.start_s for t in tracklets], dtype=np.float64)
    end = np.array([t.end_s for t in tracklets], dtype=np.float64)
    ahead_s = end[:, None] - start[None, :]  # by so much the row's clock must be ahead for the row to come first
    names = sorted({t.camera_id for t in tracklets})
    index = np.array([names.index(t.camera_id) for t in tracklets], dtype=np.int64)
    separate = np.array(
        [
            [a != b and scene.times_compare(a, b) and frozenset((a, b)) not in scene.overlapping for b in names]
            for a in names
        ],
        dtype=np.bool_,
    ).reshape(len(names), len(names))
    result: Bool = (np.minimum(ahead_s, ahead_s.T) > slack_s) & separate[np.ix_(index, index)]
    return result
