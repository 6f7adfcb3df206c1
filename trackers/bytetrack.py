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
from trackers.colours import ColourMemory, ColourScale, clear_share
from trackers.kalman import MotionModel
from trackers.track import AnchorState, Step, TrackTable, usable


# Defaults of Motion and Gate: tuned on TUD, campus and synthetic motion (docs/tracking.md, "How the parameters were
# chosen").
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
    tentative_hits: int = 5
    tentative_lost_s: float = 1.2
    colour: float = 1.0
    """Weight of how unlike the track's clothes a box looks (trackers/colours.py); 0 = not looked at."""
    low_lost_s: float = 0.3
    """A low-score box continues tracks seen within this time (or the last frame)."""


DEGREES = 1.0  # of freedom of Student's t in the likelihood: 1 = Cauchy
MOTION = Motion()
GATE = Gate()
COLOURS = ColourScale()


@dataclass(frozen=True, slots=True)
class _Expected:
    """What the filter expects of each track in this frame: `mean`, `variance (N, 4)` as measured, `scale (N,)` px,
    `spread (N,)` log of the place's std against the measurement's own, `enlarged (N, 4)` boxes."""

    mean: Float64
    variance: Float64
    scale: Float64
    spread: Float64
    enlarged: Float64


@dataclass(frozen=True, slots=True)
class _Look:
    """What the usable boxes of a frame show: `colours (K, bands, 3)`, `clear (K,)` (trackers/colours.py)."""

    colours: Float64
    clear: Float64

    @classmethod
    def of(cls, detections: Detections, rows: Int64, boxes: Float64) -> _Look | None:
        if detections.colours is None:
            return None
        return cls(detections.colours[rows].astype(np.float64), clear_share(boxes))


class ByteTrack:
    """The default tracker. A track is listed from its first box on and as long as it may be found again."""

    def __init__(
        self, config: TrackerConfig, *, motion: Motion = MOTION, gate: Gate = GATE, colours: ColourScale = COLOURS
    ) -> None:
        self._config, self._motion, self._gate = config, motion, gate
        model = MotionModel(motion.measurement_std, motion.velocity_std, motion.drift)
        self._tracks = TrackTable(AnchorState(model, motion.anchor))
        self._weights = np.array([1.0, 1.0, gate.size, gate.size])
        self._own_variance: Float64 = np.diagonal(model.R)
        self._colours = ColourMemory(colours)

    def update(self, detections: Detections, time_s: float) -> TrackedBoxes:
        """See `pipeline.types.Tracker`."""
        tracks, config, gate = self._tracks, self._config, self._gate
        step = tracks.step(time_s)
        tracks.expire(step, config.max_lost_s)
        self._slow_unseen(step)
        rows, boxes, confidence = usable(detections)
        measured = tracks.encode(boxes)
        taken = np.full(len(tracks), -1, np.int64)  # index into `rows` of each track's box
        look = _Look.of(detections, rows, boxes)
        if len(tracks):
            expected = self._expect()
            unlike = self._unlike(look, len(rows))
            high = np.flatnonzero(confidence >= config.high_confidence)
            cost = self._cost(expected, boxes[high], measured[high], confidence[high]) + unlike[:, high]
            matched, chosen = assign(cost, gate.limit)
            taken[matched] = high[chosen]
            low = np.flatnonzero((confidence >= config.low_confidence) & (confidence < config.high_confidence))
            recent = (tracks.missed <= 1) | (time_s - tracks.last_s <= gate.low_lost_s)
            free = np.flatnonzero((taken < 0) & recent)
            if len(low) and len(free):
                cost = (self._cost(expected, boxes[low], measured[low], confidence[low]) + unlike[:, low])[free]
                matched, chosen = assign(cost, gate.low_limit)
                taken[free[matched]] = low[chosen]
            found = taken >= 0
            step.row[found] = rows[taken[found]]
            tracks.observe(step, measured[taken[found]], self._noise(expected, found, measured[taken[found]]))
        used = taken[taken >= 0]
        fresh = self._fresh(boxes, confidence, used)
        tracks.keep(time_s - tracks.last_s <= self._patience(), step)
        tracks.start(boxes[fresh], rows[fresh], step)
        self._remember(look, step, rows)
        return tracks.listed(step)

    def _unlike(self, look: _Look | None, boxes: int) -> Float64:
        """What colours add to the cost `(N, M)`."""
        if look is None or not self._gate.colour:
            return np.zeros((len(self._tracks), boxes))
        return self._gate.colour * self._colours.cost(self._tracks.id, look.colours, look.clear)

    def _remember(self, look: _Look | None, step: Step, rows: Int64) -> None:
        taken = np.flatnonzero(step.row >= 0)
        if look is None or not len(taken):
            return
        place = np.searchsorted(rows, step.row[taken])
        self._colours.learn(self._tracks.id, taken, look.colours[place], look.clear[place], step.dt_s)

    def _slow_unseen(self, step: Step) -> None:
        unseen = self._tracks.missed > 1
        if unseen.any():
            self._tracks.filter.mean[unseen, 4:] *= np.exp(-step.dt_s / self._motion.stop_s)

    def _patience(self) -> Float64:
        """How long each track may stay unseen, s."""
        gate = self._gate
        tentative = min(gate.tentative_lost_s, self._config.max_lost_s)
        return np.where(self._tracks.hits < gate.tentative_hits, tentative, self._config.max_lost_s) + 1e-9

    def _expect(self) -> _Expected:
        tracks = self._tracks
        scale = tracks.scale()
        variance = tracks.filter.innovation_variance(scale)
        spread = np.log(variance[:, :2] / (self._own_variance[:2] * np.square(scale)[:, None])).sum(axis=1)
        mean = tracks.filter.mean[:, :4]
        return _Expected(mean, variance, scale, 0.5 * spread, _enlarge(tracks.boxes(), self._gate.buffer))

    def _cost(self, expected: _Expected, boxes: Float64, measured: Float64, confidence: Float64) -> Float64:
        """Cost `(N, M)` of each track taking each box."""
        gate = self._gate
        distance = np.square(measured[None] - expected.mean[:, None]) / expected.variance[:, None]
        unlikely = (np.log1p(distance / DEGREES) * (0.5 * (DEGREES + 1))) @ self._weights
        unlikely += (gate.doubt * expected.spread)[:, None]
        overlap = iou(expected.enlarged, _enlarge(boxes, gate.buffer))
        cost: Float64 = gate.likelihood * unlikely + (1.0 - overlap) + gate.confidence * (1.0 - confidence)
        return cost

    def _noise(self, expected: _Expected, found: Bool, measured: Float64) -> Float64:
        """What the measurement's std of each matched value is multiplied by: the height, more for an outlier."""
        deviation = np.abs(measured - expected.mean[found]) / np.sqrt(expected.variance[found])
        noise: Float64 = expected.scale[found, None] * np.maximum(deviation / self._motion.outlier, 1.0)
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
