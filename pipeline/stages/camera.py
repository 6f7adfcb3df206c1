"""Boxes with ids, frame by frame, to finished tracklets of one camera."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pipeline.config import TrackerConfig
from pipeline.stages.lead_in import Spare, SpareBoxes, lead_in
from pipeline.types import Detections, Float32, Float64, TrackedBoxes, Tracklet


@dataclass(frozen=True, slots=True)
class Closed:
    """What came of the tracks that ended: a tracklet, or nothing (tentative, dropped)."""

    tracklets: tuple[Tracklet, ...] = ()
    dropped_ids: tuple[int, ...] = ()


@dataclass(slots=True)
class _Open:
    """A track that is still listed: every frame it was listed in; `confidence` 0 where it was only predicted."""

    frame_index: list[int] = field(default_factory=list)
    time_s: list[float] = field(default_factory=list)
    xyxy: list[Float32] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    observed: list[bool] = field(default_factory=list)
    passed_over: list[int] = field(default_factory=list)
    """Rows of frames that the detector did not look at."""
    earlier: tuple[Spare, ...] = ()
    """What no track took in the frames before it."""


class TrackletBuilder:
    """Collects the boxes of one camera's tracks and gives each out as a Tracklet when its id is no longer listed.

    A track is kept if it was observed at least `min_observations` times over at least `min_track_s` seconds, else it
    is tentative and dropped; so is one that was seen in less than `min_observed_share` of the frames looked at. A
    video shorter than that lowers the first two to its own length: the people of a one-frame video are kept. Boxes are
    the tracker's (filtered, they measure better than the detector's: docs/tracking.md); between two observations they
    are interpolated linearly in time; what was predicted after the last one is cut.
    """

    def __init__(self, camera_id: str, config: TrackerConfig) -> None:
        self._camera_id = camera_id
        self._config = config
        self._open: dict[int, _Open] = {}
        self._spare = SpareBoxes(config.lead_in_s, config.low_confidence)
        self._frames = 0
        self._first_s = 0.0
        self._look_s = 0.0
        self._last_s = 0.0

    def add(self, frame_index: int, time_s: float, tracked: TrackedBoxes, detections: Detections) -> Closed:
        """Take one frame; return the tracks that ended with it, by id."""
        if self._frames == 0:
            self._first_s = time_s
        elif time_s <= self._last_s:
            raise ValueError(f"frames must come in order of time: {time_s} s after {self._last_s} s")
        self._frames += 1
        self._last_s = self._look_s = time_s
        ids = tracked.track_id.tolist()
        for track_id, xyxy, row in zip(ids, tracked.xyxy, tracked.detection_row.tolist(), strict=True):
            track = self._open.get(track_id)
            if track is None:
                track = self._open[track_id] = _Open(earlier=self._spare.recent())
            track.frame_index.append(frame_index)
            track.time_s.append(time_s)
            track.xyxy.append(xyxy)
            track.confidence.append(float(detections.confidence[row]) if row >= 0 else 0.0)
            track.observed.append(row >= 0)
        self._spare.add(frame_index, time_s, tracked, detections)
        listed = set(ids)
        return self._close([track_id for track_id in self._open if track_id not in listed])

    def pass_over(self, frame_index: int, time_s: float) -> None:
        """A frame that the detector did not look at, after the first one: who is listed is somewhere in it."""
        if time_s <= self._last_s:
            raise ValueError(f"frames must come in order of time: {time_s} s after {self._last_s} s")
        self._last_s = time_s
        self._spare.add(frame_index, time_s, None, Detections.empty())
        for track in self._open.values():
            track.passed_over.append(len(track.frame_index))
            track.frame_index.append(frame_index)
            track.time_s.append(time_s)
            track.xyxy.append(track.xyxy[-1])
            track.confidence.append(0.0)
            track.observed.append(False)

    def finish(self) -> Closed:
        """End all tracks that are still open."""
        return self._close(list(self._open))

    def _close(self, ids: list[int]) -> Closed:
        tracklets, dropped = [], []
        for track_id in sorted(ids):
            tracklet = self._tracklet(track_id, self._open.pop(track_id))
            if tracklet is None:
                dropped.append(track_id)
            else:
                tracklets.append(tracklet)
        return Closed(tuple(tracklets), tuple(dropped))

    def _tracklet(self, track_id: int, track: _Open) -> Tracklet | None:
        seen = np.flatnonzero(track.observed)
        if len(seen) < min(self._config.min_observations, self._frames):
            return None
        time_s = np.array(track.time_s)
        video_s = self._look_s - self._first_s
        if time_s[seen[-1]] - time_s[seen[0]] < min(self._config.min_track_s, video_s):
            return None
        part = slice(int(seen[0]), int(seen[-1]) + 1)
        passed_over = sum(part.start <= row < part.stop for row in track.passed_over)
        if len(seen) < self._config.min_observed_share * (part.stop - part.start - passed_over):
            return None
        seen_s = time_s[seen]
        boxes = np.array(track.xyxy, np.float64)[seen]
        before = lead_in(track.earlier, seen_s, boxes) if track.earlier else {}
        frames = [frame for frame in track.earlier if before and frame.frame_index >= min(before)]
        led = [frame.frame_index in before for frame in frames]
        lead = np.array([before[index][0] for index in sorted(before)], np.float64).reshape(-1, 4)
        time_s = np.append([frame.time_s for frame in frames], time_s[part])
        seen_s = np.append([frame.time_s for frame in frames if frame.frame_index in before], seen_s)
        boxes = self._smooth_runs(seen_s, np.concatenate([lead, boxes]))
        edges = [np.interp(time_s, seen_s, boxes[:, k]) for k in range(4)]
        weak = [before[frame.frame_index][1] if own else 0.0 for frame, own in zip(frames, led, strict=True)]
        return Tracklet(
            key=(self._camera_id, track_id),
            frame_index=np.array([frame.frame_index for frame in frames] + track.frame_index[part]),
            time_s=time_s,
            xyxy=np.stack(edges, axis=1),
            confidence=np.array(weak + track.confidence[part]),
            observed=np.array(led + track.observed[part]),
        )

    def _smooth_runs(self, seen_s: Float64, boxes: Float64) -> Float64:
        """Runs between long gaps are smoothed each on its own: after a gap it may be somebody else.

        Only where the runs on both sides could be tracklets: the ends of shorter ones are too rough by themselves.
        """
        gaps = np.flatnonzero(np.diff(seen_s) >= self._config.smooth_gap_s) + 1
        starts, ends = np.append(0, gaps), np.append(gaps, len(seen_s))
        long = (ends - starts >= self._config.min_observations) & (
            seen_s[ends - 1] - seen_s[starts] >= self._config.min_track_s
        )
        breaks = gaps[long[:-1] & long[1:]]
        runs = zip(np.split(seen_s, breaks), np.split(boxes, breaks), strict=True)
        return np.concatenate([smooth(times, part, self._config.smooth_s) for times, part in runs])


def smooth(time_s: Float64, boxes: Float64, width_s: float) -> Float64:
    """Boxes `(T, 4)` at `time_s (T,)` as a local straight line through each, Gaussian weights of std `width_s`.

    A straight line, not a mean: someone who walks steadily is not moved, at the ends of the track neither
    (Fan and Gijbels, Local Polynomial Modelling, 1996).
    """
    count = len(time_s)
    if width_s <= 0 or count < 3:
        return boxes
    s0, s1, s2 = np.ones(count), np.zeros(count), np.zeros(count)
    m0, m1 = boxes.copy(), np.zeros_like(boxes)
    for offset in range(1, count):
        away = time_s[offset:] - time_s[:-offset]
        if away.min() > 3 * width_s:
            break
        weight = np.exp(-0.5 * np.square(away / width_s))
        for here, there, step in (
            (slice(None, -offset), slice(offset, None), away),
            (slice(offset, None), slice(None, -offset), -away),
        ):
            s0[here] += weight
            s1[here] += weight * step
            s2[here] += weight * step**2
            m0[here] += weight[:, None] * boxes[there]
            m1[here] += (weight * step)[:, None] * boxes[there]
    spread = s0 * s2 - s1**2
    line = (s2[:, None] * m0 - s1[:, None] * m1) / np.where(spread > 1e-12, spread, 1.0)[:, None]
    return np.where((spread > 1e-12)[:, None], line, m0 / s0[:, None])
