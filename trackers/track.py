"""The live tracks of one camera as a structure of arrays, and the two ways a box becomes a filter's state."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.types import Detections, Float64, Int64, TrackedBoxes
from trackers.kalman import KalmanBatch, MotionModel

MIN_SIZE_PX = 1.0
"""No box is emitted narrower or lower than this."""
PAUSE_STEPS = 3.0
"""A frame that comes after so many usual steps comes after a pause, unless `max_lost_s` is longer still."""
_STEPS_KEPT = 9
_FIRST_STEP_S = 0.4
"""Usual step of a camera of which one frame is known: motion-triggered recorders give 2.5 frames/s and more."""


class BoxState(Protocol):
    """A box as the filter measures it."""

    @property
    def model(self) -> MotionModel:
        """The filter's model."""
        ...

    def encode(self, boxes: Float64) -> Float64:
        """Boxes `(N, 4)` xyxy px to measurements `(N, m)`."""
        ...

    def decode(self, mean: Float64) -> Float64:
        """States `(N, D)` to boxes `(N, 4)` xyxy px, never inside out."""
        ...

    def scale(self, mean: Float64) -> Float64:
        """What the model's noises are multiplied by `(N,)`."""
        ...

    def settle(self, mean: Float64, dt_s: float) -> None:
        """Repair states in place before a step of `dt_s` that would turn a box inside out."""
        ...


class AnchorState:
    """x centre, the height of `anchor` (0 = top edge, 1 = bottom edge), width, height; noises in box heights."""

    def __init__(self, model: MotionModel, anchor: float) -> None:
        self.model = model
        self._anchor = anchor

    def encode(self, boxes: Float64) -> Float64:
        """See BoxState."""
        width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        return np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 1] + self._anchor * height, width, height], axis=1)

    def decode(self, mean: Float64) -> Float64:
        """See BoxState."""
        width, height = np.maximum(mean[:, 2], MIN_SIZE_PX), np.maximum(mean[:, 3], MIN_SIZE_PX)
        left, top = mean[:, 0] - width / 2, mean[:, 1] - self._anchor * height
        return np.stack([left, top, left + width, top + height], axis=1)

    def scale(self, mean: Float64) -> Float64:
        """The height, px."""
        result: Float64 = np.maximum(mean[:, 3], 2 * MIN_SIZE_PX)
        return result

    def settle(self, mean: Float64, dt_s: float) -> None:
        """Nothing to repair: sizes have no velocity."""


class AreaState:
    """SORT's state (Bewley et al. 2016, eq. 1): x and y centre, area, aspect ratio; the ratio has no velocity."""

    def __init__(self, model: MotionModel) -> None:
        self.model = model

    def encode(self, boxes: Float64) -> Float64:
        """See BoxState."""
        width = np.maximum(boxes[:, 2] - boxes[:, 0], MIN_SIZE_PX)
        height = np.maximum(boxes[:, 3] - boxes[:, 1], MIN_SIZE_PX)
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        return np.stack([centre[:, 0], centre[:, 1], width * height, width / height], axis=1)

    def decode(self, mean: Float64) -> Float64:
        """See BoxState."""
        area, ratio = np.maximum(mean[:, 2], MIN_SIZE_PX**2), np.maximum(mean[:, 3], 1e-3)
        half = np.stack([np.sqrt(area * ratio), np.sqrt(area / ratio)], axis=1) / 2
        return np.concatenate([mean[:, :2] - half, mean[:, :2] + half], axis=1)

    def scale(self, mean: Float64) -> Float64:
        """1: the noises are in px, as in the paper."""
        return np.ones(len(mean))

    def settle(self, mean: Float64, dt_s: float) -> None:
        """An area about to fall below zero stops shrinking."""
        mean[mean[:, 2] + dt_s * mean[:, 6] <= 0, 6] = 0.0


@dataclass(slots=True)
class Step:
    """One frame's bookkeeping: which detection each live track took, -1 = none."""

    row: Int64
    time_s: float
    dt_s: float
    usual_s: float
    """Median of the last steps before this one."""


class TrackTable:
    """N live tracks: `id (N,)`, `last_s (N,)` time of the last box, `hits (N,)` boxes so far, `missed (N,)`
    frames since the last box, and their filter. Ids count from 1 in each table."""

    def __init__(self, state: BoxState) -> None:
        self._state = state
        self.filter = KalmanBatch(state.model)
        self.id: Int64 = np.zeros(0, np.int64)
        self.last_s: Float64 = np.zeros(0)
        self.hits: Int64 = np.zeros(0, np.int64)
        self.missed: Int64 = np.zeros(0, np.int64)
        self._next_id = 1
        self._time_s: float | None = None
        self._steps_s = deque([_FIRST_STEP_S], maxlen=_STEPS_KEPT)

    def __len__(self) -> int:
        return len(self.id)

    def scale(self) -> Float64:
        """What the model's noises are multiplied by for each track."""
        return self._state.scale(self.filter.mean)

    def boxes(self) -> Float64:
        """Where the filter holds each track to be `(N, 4)` xyxy px."""
        return self._state.decode(self.filter.mean)

    def encode(self, boxes: Float64) -> Float64:
        """Boxes as the filter measures them."""
        return self._state.encode(boxes)

    def step(self, time_s: float) -> Step:
        """Predict all tracks to `time_s`. Raises ValueError if time does not advance."""
        if not np.isfinite(time_s):
            raise ValueError(f"the time of a frame must be finite, got {time_s}")
        dt_s, usual_s = 0.0, median(self._steps_s)
        if self._time_s is not None:
            dt_s = time_s - self._time_s
            if dt_s <= 0:
                raise ValueError(f"frames must come in order of time: {time_s} s after {self._time_s} s")
            self._state.settle(self.filter.mean, dt_s)
            self.filter.predict(dt_s, self.scale())
            self._steps_s.append(dt_s)
        self._time_s = time_s
        self.missed += 1
        return Step(np.full(len(self), -1, np.int64), time_s, dt_s, usual_s)

    def expire(self, step: Step, max_lost_s: float, *, by_age: bool = True) -> None:
        """End, before anything is matched, the tracks that are too old to be found again.

        Without it a recorder that was off for hours would go on with the same ids. A track that was seen in the last
        frame has an age only by a pause, so that `max_lost_s` below the frame interval doesn't end everybody.
        `by_age=False`: only a pause ends tracks.
        """
        pause = step.dt_s > max(max_lost_s + 1e-9, PAUSE_STEPS * step.usual_s)
        young = step.time_s - self.last_s <= max_lost_s + 1e-9
        recent = self.missed <= 1 if by_age else np.ones(len(self), np.bool_)
        self.keep(young | (recent & (not pause)), step)

    def observe(self, step: Step, measured: Float64, noise: Float64) -> None:
        """Correct the tracks that took a detection; `measured`, `noise (K, m)` in the order of `step.row >= 0`."""
        rows = np.flatnonzero(step.row >= 0)
        self.filter.update(rows, measured, noise)
        self.last_s[rows] = step.time_s
        self.hits[rows] += 1
        self.missed[rows] = 0

    def keep(self, rows: NDArray[np.bool_], step: Step) -> None:
        """End the tracks that are not in the mask."""
        if rows.all():
            return
        self.filter.keep(rows)
        self.id, self.last_s, self.hits = self.id[rows], self.last_s[rows], self.hits[rows]
        self.missed, step.row = self.missed[rows], step.row[rows]

    def start(self, boxes: Float64, rows: Int64, step: Step) -> None:
        """Begin a track at each of `boxes (K, 4)`, the detections of `rows (K,)`."""
        count = len(rows)
        if not count:
            return
        measured = self._state.encode(boxes)
        self.filter.append(measured, self._state.scale(measured))
        self.id = np.concatenate([self.id, np.arange(self._next_id, self._next_id + count)])
        self._next_id += count
        self.last_s = np.concatenate([self.last_s, np.full(count, step.time_s)])
        self.hits = np.concatenate([self.hits, np.ones(count, np.int64)])
        self.missed = np.concatenate([self.missed, np.zeros(count, np.int64)])
        step.row = np.concatenate([step.row, rows])

    def listed(self, step: Step, rows: NDArray[np.bool_] | None = None) -> TrackedBoxes:
        """The tracks (of the mask) as handed on."""
        chosen = np.ones(len(self), np.bool_) if rows is None else rows
        return TrackedBoxes(self.id[chosen], self.boxes()[chosen].astype(np.float32), step.row[chosen])


def usable(detections: Detections) -> tuple[Int64, Float64, Float64]:
    """Rows `(K,)` of the detections with finite boxes of at least 1 px a side and finite confidence; boxes; confidence.

    A detector's NaN or inside-out box is left out here rather than poisoning the filter.
    """
    boxes, confidence = detections.xyxy.astype(np.float64), detections.confidence.astype(np.float64)
    good = np.isfinite(boxes).all(axis=1) & np.isfinite(confidence)
    with np.errstate(invalid="ignore"):
        good &= (boxes[:, 2:] - boxes[:, :2] >= MIN_SIZE_PX).all(axis=1)
    rows = np.flatnonzero(good).astype(np.int64)
    return rows, boxes[rows], confidence[rows]
