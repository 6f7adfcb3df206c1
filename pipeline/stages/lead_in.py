"""The beginning of a track, found from its end: a tracker starts on a sure box, and weak ones came before it.

Somebody who comes into the picture, or from behind somebody, is first seen in part. Weak boxes continue a track, but
never start one; once the track is known they can be told from noise and are taken backwards from its first box.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.geometry import iou, overlap_of_smaller
from pipeline.types import Bool, Detections, Float32, Float64, TrackedBoxes

_LEAST_IOU = 0.5
"""Of a box with the place that the track's course foretells."""
_UNSEEN_S = 0.3
"""As long may go by without a box (or one and a half of the times between frames looked at): the same as forwards
(`low_lost_s` of trackers/bytetrack.py)."""
_OTHERS = 0.8
"""A box that shares more with somebody's box of the frame is a second one of his (as in trackers/bytetrack.py)."""
_COURSE_S = 0.5
"""The course is taken from as much of the track's beginning."""


@dataclass(slots=True)
class Spare:
    """The boxes `(K, 4)` px of a frame that no track took; a frame that the detector did not look at has none."""

    frame_index: int
    time_s: float
    xyxy: Float32
    confidence: Float32
    looked_at: bool
    free: list[bool] = field(default_factory=list)


class SpareBoxes:
    """The frames of the last `lead_in_s` seconds with the boxes that no track took, of one camera; boxes of less than
    `low_confidence` continue no track and lead to none."""

    def __init__(self, lead_in_s: float, low_confidence: float) -> None:
        self._lead_in_s, self._low_confidence = lead_in_s, low_confidence
        self._frames: deque[Spare] = deque()

    def add(self, frame_index: int, time_s: float, tracked: TrackedBoxes | None, detections: Detections) -> None:
        """Take a frame, after what began in it was given `recent()`."""
        while self._frames and time_s - self._frames[0].time_s > self._lead_in_s:
            self._frames.popleft()
        if self._lead_in_s <= 0:
            return
        free: Bool = detections.confidence >= self._low_confidence
        if tracked is not None:
            used = tracked.detection_row[tracked.detection_row >= 0]
            free[used] = False
            if len(used) and free.any():
                shared = overlap_of_smaller(detections.xyxy[free], detections.xyxy[used]).max(axis=1)
                free[np.flatnonzero(free)[shared >= _OTHERS]] = False
        boxes = detections.xyxy[free]
        self._frames.append(
            Spare(frame_index, time_s, boxes, detections.confidence[free], tracked is not None, [True] * len(boxes))
        )

    def recent(self) -> tuple[Spare, ...]:
        """The frames before the present one, in order."""
        return tuple(self._frames)


def lead_in(earlier: Sequence[Spare], seen_s: Float64, boxes: Float64) -> dict[int, tuple[Float32, float]]:
    """Boxes of the frames `earlier` that lead to a track seen at `seen_s (T,)` in `boxes (T, 4)`, and their confidence,
    by frame index. They are not free any more."""
    own = seen_s - seen_s[0] <= _COURSE_S
    centre = (boxes[own, :2] + boxes[own, 2:]) / 2
    away = seen_s[own] - seen_s[own].mean()
    spread = float(np.square(away).sum())
    speed = away @ (centre - centre.mean(axis=0)) / spread if spread > 1e-9 else np.zeros(2)
    place, last_s = boxes[0], float(seen_s[0])
    steps = np.diff([*(frame.time_s for frame in earlier if frame.looked_at), last_s])
    patience_s = max(_UNSEEN_S, 1.5 * float(np.median(steps)) if len(steps) else 0.0)
    found: dict[int, tuple[Float32, float]] = {}
    for frame in reversed(earlier):
        if last_s - frame.time_s > patience_s + 1e-9:
            break
        rows = np.flatnonzero(frame.free)
        if not len(rows):
            continue
        expected = place - np.tile(speed, 2) * (last_s - frame.time_s)
        overlap = iou(expected[None], frame.xyxy[rows].astype(np.float64))[0]
        best = int(overlap.argmax())
        if overlap[best] < _LEAST_IOU:
            continue
        row = int(rows[best])
        frame.free[row] = False
        found[frame.frame_index] = frame.xyxy[row], float(frame.confidence[row])
        place, last_s = frame.xyxy[row].astype(np.float64), frame.time_s
    return found
