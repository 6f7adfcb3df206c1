"""SORT (Bewley et al., Simple Online and Realtime Tracking, ICIP 2016): Kalman filter, IoU cost, assignment.

Two names are made of it. `sort_paper` is the paper's: a track ends at its second missed frame, and is on probation
until it was matched three times after its first box (all are listed in the video's first three frames). `sort`
counts its age in seconds and lists a track from its first box; TrackletBuilder drops tentative ones.
"""

from __future__ import annotations

import numpy as np

from pipeline.config import TrackerConfig
from pipeline.geometry import iou
from pipeline.types import Detections, TrackedBoxes
from trackers.assignment import assign
from trackers.kalman import MotionModel
from trackers.track import AreaState, Step, TrackTable, usable

IOU_MIN = 0.3  # section 4: IoU_min
MIN_HITS = 3  # the experiments' probation
MAX_MISSED_FRAMES = 1  # section 3.4: T_Lost

# px, px/s and px^2. The paper gives no numbers but says that the first velocity is as good as unknown (section 3.4)
# and speed nearly constant. Among five such sets this one was taken with PETS view 1 in sight (docs/tracking.md).
_STD = (1.0, 1.0, 800.0, 0.05)
_VELOCITY_STD = (500.0, 500.0, 200.0)
_DRIFT = (30.0, 10.0, 2000.0, 0.001)


class Sort:
    """SORT with its age in seconds, or, `paper=True`, in frames with the paper's rule of what is listed."""

    def __init__(self, config: TrackerConfig, *, paper: bool = False) -> None:
        self._config = config
        self._paper = paper
        self._tracks = TrackTable(AreaState(MotionModel(_STD, _VELOCITY_STD, _DRIFT)))
        self._shown: set[int] = set()
        self._frames = 0

    def update(self, detections: Detections, time_s: float) -> TrackedBoxes:
        """See `pipeline.types.Tracker`."""
        tracks, step = self._tracks, self._tracks.step(time_s)
        tracks.expire(step, self._config.max_lost_s, by_age=not self._paper)
        self._frames += 1
        rows, boxes, confidence = usable(detections)
        first = confidence >= self._config.high_confidence
        rows, boxes = rows[first], boxes[first]
        matched, taken = assign(1.0 - iou(tracks.boxes(), boxes), 1.0 - IOU_MIN)
        step.row[matched] = rows[taken]
        tracks.observe(step, tracks.encode(boxes[taken]), np.ones((len(matched), 4)))
        unseen_s = time_s - tracks.last_s
        tracks.keep(tracks.missed <= MAX_MISSED_FRAMES if self._paper else unseen_s <= self._config.max_lost_s, step)
        free = np.ones(len(rows), np.bool_)
        free[taken] = False
        tracks.start(boxes[free], rows[free], step)
        return self._paper_list(step) if self._paper else tracks.listed(step)

    def _paper_list(self, step: Step) -> TrackedBoxes:
        """Tracks past probation carry their detection; those shown before stay listed as predicted."""
        tracks = self._tracks
        warm = (tracks.hits > MIN_HITS) | (self._frames <= MIN_HITS)
        step.row = np.where(warm, step.row, -1)
        live = tracks.id.tolist()
        self._shown = {i for i, row in zip(live, step.row.tolist(), strict=True) if row >= 0 or i in self._shown}
        return tracks.listed(step, np.array([i in self._shown for i in live], np.bool_))
