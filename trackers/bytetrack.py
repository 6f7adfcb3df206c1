"""ByteTrack's association (Zhang et al., ECCV 2022: weak boxes continue tracks, never start them) on a better cost.

The cost of a track taking a box joins the overlap of both boxes enlarged (C-BIoU, Yang et al., WACV 2023) with a
heavy-tailed log-likelihood of the box under the track's prediction: a person hidden in part, whose box jumps, is
not lost for it, and the longer a track was unseen the wider and the dearer its search becomes. No ages in frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.config import TrackerConfig
from pipeline.geometry import iou, overlap_of_smaller
from pipeline.types import Bool, Detections, Float64, Int64, TrackedBoxes
from trackers.assignment import assign
from trackers.kalman import MotionModel
from trackers.track import AnchorState, Step, TrackTable, usable


@dataclass(frozen=True, slots=True)
class Motion:
    """How people move and boxes err, in box heights and seconds."""

    anchor: float = 0.5
    measurement_std: tuple[float, float, float, float] = (0.055, 0.047, 0.05, 0.06)
    velocity_std: tuple[float, float] = (0.48, 0.23)
    drift: tuple[float, float, float, float] = (0.095, 0.05, 0.003, 0.005)
    stop_s: float = 20.0
    """The velocity of an unseen track decays with this time constant: people stop and turn."""
    outlier: float = 1.43
    """A value off by more than this many standard deviations has its noise enlarged to that many."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What a match may cost."""

    limit: float = 1.94
    low_limit: float = 1.36
    likelihood: float = 0.15
    """Weight of the log-likelihood against 1 - IoU."""
    size: float = 0.38
    """Weight of width and height within the likelihood."""
    doubt: float = 1.0
    """Weight of the prediction's own spread: the price of a longer search."""
    buffer: float = 0.46
    """Boxes are enlarged by this share of their size on each side before IoU is taken."""
    confidence: float = 0.095
    new_overlap: float = 0.8
    """A box with more of itself (or of the other) shared with a matched box starts no track."""
    tentative_hits: int = 3
    tentative_lost_s: float = 1.2
    low_lost_s: float = 0.3
    """A low-score box continues tracks seen within this time (or the last frame)."""


DEGREES = 1.0  # of freedom of Student's t in the likelihood: 1 = Cauchy
MOTION = Motion()
GATE = Gate()


class ByteTrack:
    """The default tracker. A track is listed from its first box on and as long as it may be found again."""

    def __init__(self, config: TrackerConfig, *, motion: Motion = MOTION, gate: Gate = GATE) -> None:
        self._config, self._motion, self._gate = config, motion, gate
        model = MotionModel(motion.measurement_std, motion.velocity_std, motion.drift)
        self._tracks = TrackTable(AnchorState(model, motion.anchor))
        self._weights = np.array([1.0, 1.0, gate.size, gate.size])
        self._own_variance: Float64 = np.diagonal(model.R)

    def update(self, detections: Detections, time_s: float) -> TrackedBoxes:
        """See `pipeline.types.Tracker`."""
        tracks, config, gate = self._tracks, self._config, self._gate
        step = tracks.step(time_s)
        self._slow_unseen(step)
        rows, boxes, confidence = usable(detections)
        measured = tracks.encode(boxes)
        high = np.flatnonzero(confidence >= config.high_confidence)
        low = np.flatnonzero((confidence >= config.low_confidence) & (confidence < config.high_confidence))
        taken = np.full(len(tracks), -1, np.int64)  # index into `rows` of each track's box
        if len(tracks) and len(high):
            cost = self._cost(boxes[high], measured[high], confidence[high])
            matched, chosen = assign(cost, gate.limit)
            taken[matched] = high[chosen]
        if len(low):
            recent = (tracks.missed <= 1) | (time_s - tracks.last_s <= gate.low_lost_s)
            open_rows = np.flatnonzero((taken < 0) & recent)
            if len(open_rows):
                cost = self._cost(boxes[low], measured[low], confidence[low])[open_rows]
                matched, chosen = assign(cost, gate.low_limit)
                taken[open_rows[matched]] = low[chosen]
        found = taken >= 0
        step.row[found] = rows[taken[found]]
        tracks.observe(step, measured[taken[found]], self._noise(found, measured[taken[found]]))
        fresh = self._fresh(boxes, confidence, taken[found])
        tracks.keep(time_s - tracks.last_s <= self._patience(), step)
        tracks.start(boxes[fresh], rows[fresh], step)
        return tracks.listed(step)

    def _slow_unseen(self, step: Step) -> None:
        unseen = self._tracks.missed > 1
        if unseen.any():
            self._tracks.filter.mean[unseen, 4:] *= np.exp(-step.dt_s / self._motion.stop_s)

    def _patience(self) -> Float64:
        """How long each track may stay unseen, s."""
        gate = self._gate
        tentative = min(gate.tentative_lost_s, self._config.max_lost_s)
        return np.where(self._tracks.hits < gate.tentative_hits, tentative, self._config.max_lost_s) + 1e-9

    def _cost(self, boxes: Float64, measured: Float64, confidence: Float64) -> Float64:
        """Cost `(N, M)` of each track taking each box."""
        gate, tracks = self._gate, self._tracks
        variance = tracks.filter.innovation_variance(tracks.scale())
        distance = np.square(measured[None] - tracks.filter.mean[:, None, :4]) / variance[:, None]
        unlikely = (np.log1p(distance / DEGREES) * (0.5 * (DEGREES + 1))) @ self._weights
        spread = np.log(variance[:, :2] / (self._own_variance[:2] * np.square(tracks.scale())[:, None])).sum(axis=1)
        unlikely += (0.5 * gate.doubt * spread)[:, None]
        overlap = iou(_enlarge(tracks.boxes(), gate.buffer), _enlarge(boxes, gate.buffer))
        cost: Float64 = gate.likelihood * unlikely + (1.0 - overlap) + gate.confidence * (1.0 - confidence)
        return cost

    def _noise(self, found: Bool, measured: Float64) -> Float64:
        """What the measurement's std of each matched value is multiplied by: the height, more for an outlier."""
        tracks = self._tracks
        scale = tracks.scale()
        spread = np.sqrt(tracks.filter.innovation_variance(scale)[found])
        off = np.abs(measured - tracks.filter.mean[found, :4]) / (spread * self._motion.outlier)
        noise: Float64 = scale[found, None] * np.maximum(off, 1.0)
        return noise

    def _fresh(self, boxes: Float64, confidence: Float64, used: Int64) -> Int64:
        """The boxes that start a track: sure enough, free, and not a second box of someone matched."""
        free = confidence >= self._config.new_confidence
        free[used] = False
        fresh = np.flatnonzero(free)
        if len(fresh) and len(used):
            fresh = fresh[overlap_of_smaller(boxes[fresh], boxes[used]).max(axis=1) < self._gate.new_overlap]
        return fresh


def _enlarge(boxes: Float64, share: float) -> Float64:
    """Boxes grown by `share` of their width and height on each side."""
    size = (boxes[:, 2:] - boxes[:, :2]) * share
    return np.concatenate([boxes[:, :2] - size, boxes[:, 2:] + size], axis=1)
