"""One camera on its way from frames to tracklets and crops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from pipeline.config import CropConfig, TrackerConfig
from pipeline.geometry import clip
from pipeline.stages.camera import TrackletBuilder
from pipeline.stages.colours import band_colours
from pipeline.stages.crops import CropSampler
from pipeline.stages.regions import inside_region
from pipeline.types import Camera, Crop, Detections, Frame, Tracker, Tracklet
from pipeline.video.reader import ReadReport


class FrameSource(Protocol):
    """What a camera's frames come from: `pipeline.video.VideoReader`, or a stand-in."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def __iter__(self) -> Iterator[Frame]: ...
    def report(self) -> ReadReport:
        """What was read so far and what was lost."""
        ...


@dataclass(frozen=True, slots=True)
class CameraJob:
    """A camera and how to open it and follow people in it."""

    camera: Camera
    open_frames: Callable[[], FrameSource]
    make_tracker: Callable[[], Tracker]


class CameraRun:
    """Tracks one camera: detections of its frames go in, crops of the tracklets that ended come out."""

    def __init__(self, job: CameraJob, tracker_config: TrackerConfig, crop_config: CropConfig) -> None:
        self.camera = job.camera
        self._tracker = job.make_tracker()
        self._builder = TrackletBuilder(job.camera.id, tracker_config)
        self._sampler = CropSampler(job.camera.id, crop_config)
        self._clothes = tracker_config.clothes
        self.tracklets: list[Tracklet] = []
        self.frames = 0
        self.passed_over = 0
        self.boxes_dropped = 0
        """Boxes above detector.max_detections."""

    def feed(self, frame: Frame, detections: Detections) -> list[Crop]:
        """Take the next frame with what was found in it; return the crops of the tracklets that ended."""
        height, width = frame.image.shape[:2]
        self.boxes_dropped += detections.dropped
        detections = sound_boxes(detections, (width, height))
        detections = inside_region(detections, self.camera.region, (width, height))
        if self._clothes and not frame.damaged:
            detections = replace(detections, colours=band_colours(frame.image, detections.xyxy))
        tracked = self._tracker.update(detections, frame.time_s)
        self._sampler.offer(frame, tracked, detections)
        self.frames += 1
        closed = self._builder.add(frame.index, frame.time_s, tracked, detections)
        return self._close(closed.tracklets, closed.dropped_ids)

    def pass_over(self, frame_index: int, time_s: float) -> None:
        """Take the next frame, which the detector does not look at (never the first one)."""
        self.frames += 1
        self.passed_over += 1
        self._builder.pass_over(frame_index, time_s)

    def finish(self) -> list[Crop]:
        """End all live tracks; return the crops of those that became tracklets."""
        closed = self._builder.finish()
        return self._close(closed.tracklets, closed.dropped_ids)

    def _close(self, tracklets: tuple[Tracklet, ...], dropped_ids: tuple[int, ...]) -> list[Crop]:
        for track_id in dropped_ids:
            self._sampler.forget(track_id)
        self.tracklets.extend(tracklets)
        return [crop for tracklet in tracklets for crop in self._sampler.take(tracklet.key[1])]


def sound_boxes(detections: Detections, size_wh: tuple[int, int]) -> Detections:
    """The boxes that are finite and of 1 px or more inside the image, clipped to it.

    The detectors here give no others; one that was added may, and nothing behind this line is made for NaN.
    """
    finite = np.isfinite(detections.xyxy).all(axis=1) & np.isfinite(detections.confidence)
    xyxy = clip(np.where(finite[:, None], detections.xyxy, np.float32(0)), size_wh)
    keep = finite & ((xyxy[:, 2:] - xyxy[:, :2]) >= 1).all(axis=1)
    return Detections(xyxy[keep], detections.confidence[keep], detections.dropped)
