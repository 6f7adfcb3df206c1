"""The best crops of each tracklet, spread in time, in memory that does not grow with the tracklet.

Time is cut into slots; each slot keeps its best crop. When a tracklet fills more slots than crops are wanted,
neighbouring slots are merged and the slot length doubles.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from pipeline.config import CropConfig
from pipeline.geometry import area, intersection
from pipeline.types import Crop, Detections, Float32, Float64, Frame, TrackedBoxes, TrackletKey, UInt8

# Half-points of the saturating scores, chosen by looking at crops of 40 to 400 px: a person of 96 px height, and a
# Laplacian variance of 60 at 128 px height, count half.
HALF_HEIGHT_PX = 96.0
HALF_SHARPNESS = 60.0
CUT_BY_IMAGE_EDGE = 0.4
UPRIGHT_ASPECT = (1.4, 4.5)
"""Height over width of a whole person standing or walking; outside it the box holds a part or a group."""


def sharpness(image: UInt8) -> float:
    """0..1 from the variance of the Laplacian at a common height, so that size does not count twice."""
    height = 128
    width = max(8, round(image.shape[1] * height / image.shape[0]))
    gray = cv2.cvtColor(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    variance = float(cv2.Laplacian(gray, cv2.CV_32F).var())
    return variance / (variance + HALF_SHARPNESS)


def box_quality(detections: Detections, size_wh: tuple[int, int], pixel_aspect: float = 1.0) -> Float64:
    """Quality `(N,)` 0..1 of each box before its pixels are looked at: confidence, height, whole, not covered.

    A box is covered by those that reach further down: they stand nearer to the camera.
    """
    boxes = detections.xyxy.astype(np.float64)
    if len(boxes) == 0:
        return np.zeros(0)
    height, width = boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]
    size = height / (height + HALF_HEIGHT_PX)
    share = intersection(boxes, boxes) / np.maximum(area(boxes), 1e-9)[:, None]
    np.fill_diagonal(share, 0.0)
    in_front = boxes[None, :, 3] > boxes[:, None, 3]
    covered = np.max(np.where(in_front, share, 0.5 * share), axis=1, initial=0.0)
    edge = 2.0
    cut = (boxes[:, 0] <= edge) | (boxes[:, 1] <= edge) | (boxes[:, 2] >= size_wh[0] - edge)
    cut |= boxes[:, 3] >= size_wh[1] - edge
    aspect = height / np.maximum(width * pixel_aspect, 1e-9)
    odd = np.clip(np.maximum(UPRIGHT_ASPECT[0] / np.maximum(aspect, 1e-9), aspect / UPRIGHT_ASPECT[1]), 1.0, None)
    quality: Float64 = (
        np.asarray(detections.confidence, np.float64)
        * size
        * (1.0 - covered) ** 2
        * np.where(cut, CUT_BY_IMAGE_EDGE, 1)
    ) / odd
    return quality


@dataclass(slots=True)
class _Slots:
    """The best crop of each time slot of one track."""

    origin_s: float
    length_s: float
    best: dict[int, Crop] = field(default_factory=dict)

    def index(self, time_s: float) -> int:
        return int((time_s - self.origin_s) // self.length_s)

    def merge(self) -> None:
        """Double the slot length; of two neighbours the better crop stays."""
        self.length_s *= 2.0
        merged: dict[int, Crop] = {}
        for old, crop in self.best.items():
            kept = merged.get(old // 2)
            if kept is None or crop.quality > kept.quality:
                merged[old // 2] = crop
        self.best = merged


class CropSampler:
    """Collects crops of one camera's tracks frame by frame; at most `most` wait for a live track."""

    def __init__(self, camera_id: str, config: CropConfig) -> None:
        self._camera_id = camera_id
        self._config = config
        self._tracks: dict[int, _Slots] = {}
        self.most = max(config.spread, config.per_tracklet)

    def offer(self, frame: Frame, tracked: TrackedBoxes, detections: Detections) -> None:
        """Keep the crops of `frame` that beat those kept so far. Predicted boxes and damaged frames give none."""
        if frame.damaged or len(detections) == 0:
            return
        height, width = frame.image.shape[:2]
        promise = box_quality(detections, (width, height), frame.pixel_aspect)
        for track_id, row in zip(tracked.track_id.tolist(), tracked.detection_row.tolist(), strict=True):
            if row >= 0:
                self._offer_one(frame, int(track_id), detections.xyxy[row], float(promise[row]))

    def _offer_one(self, frame: Frame, track_id: int, xyxy: Float32, promise: float) -> None:
        height, width = frame.image.shape[:2]
        x1, y1 = max(0, int(xyxy[0])), max(0, int(xyxy[1]))
        x2, y2 = min(width, int(np.ceil(xyxy[2]))), min(height, int(np.ceil(xyxy[3])))
        if y2 - y1 < self._config.min_height_px or x2 - x1 < self._config.min_height_px // 4:
            return
        slots = self._tracks.get(track_id)
        if slots is None:
            slots = self._tracks[track_id] = _Slots(frame.time_s, self._config.slot_s)
        index = slots.index(frame.time_s)
        kept = slots.best.get(index)
        if kept is not None and promise <= kept.quality:  # sharpness can only lower it: the pixels need no look
            return
        image = self._cut(frame.image[y1:y2, x1:x2])
        quality = promise * sharpness(image)
        if kept is None or quality > kept.quality:
            key: TrackletKey = (self._camera_id, track_id)
            slots.best[index] = Crop(key, frame.index, frame.time_s, image, quality)
            while len(slots.best) > self.most:
                slots.merge()

    def _cut(self, view: UInt8) -> UInt8:
        """A copy of `view`, no higher than wanted."""
        limit = self._config.max_height_px
        if view.shape[0] <= limit:
            return view.copy()
        width = max(1, round(view.shape[1] * limit / view.shape[0]))
        return np.asarray(cv2.resize(view, (width, limit), interpolation=cv2.INTER_AREA), np.uint8)

    def take(self, track_id: int) -> list[Crop]:
        """The crops of an ended track in order of time; the sampler forgets the track."""
        slots = self._tracks.pop(track_id, None)
        return [] if slots is None else sorted(slots.best.values(), key=lambda crop: crop.frame_index)

    def forget(self, track_id: int) -> None:
        """Drop the crops of a track that came to nothing."""
        self._tracks.pop(track_id, None)

    @property
    def waiting(self) -> int:
        """Crops in memory."""
        return sum(len(slots.best) for slots in self._tracks.values())
