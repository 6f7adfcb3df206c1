"""Which frames the detector looks at: every n-th, sooner where something moves, never too long blind.

A frame that is passed over costs its decoding alone. The tracker is not told of it (it reckons in seconds); the boxes
of people are interpolated between the looks on both sides, from the filter's boxes there, and marked as not observed.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.config import DetectorConfig, TrackerConfig
from pipeline.types import Frame, UInt8

LONG_SIDE_PX = 160
"""Pictures are compared at this size: noise averages out, a person of 1/10 of the height still covers 8 px."""
CHANGED_LEVELS = 20
"""Grey levels between two looks that are more than noise and JPEG blocks; chosen by looking at frame differences."""


class Looks:
    """Decides for the frames of one camera, in order; depends on the frames alone, so a resumed run decides alike."""

    def __init__(self, config: DetectorConfig) -> None:
        self._config = config
        self._passed_over = 0
        self._look_s: float | None = None
        self._frame_s = 0.0
        self._seen: UInt8 | None = None

    def wants(self, frame: Frame) -> bool:
        """Whether the detector should look at `frame`."""
        config = self._config
        if config.every_n == 1:
            return True
        small = _small(frame.image) if config.motion_share > 0 else None
        if self._look_s is not None:
            step_s = frame.time_s - self._frame_s
            due = self._passed_over + 1 >= config.every_n
            blind = frame.time_s + step_s - self._look_s > config.max_blind_s  # the next frame would be too late
            moved = small is not None and changed_share(self._seen, small) >= config.motion_share
            if not (due or blind or moved):
                self._passed_over += 1
                self._frame_s = frame.time_s
                return False
        self._passed_over, self._look_s, self._frame_s = 0, frame.time_s, frame.time_s
        self._seen = small
        return True


def _small(image: UInt8) -> UInt8:
    height, width = image.shape[:2]
    scale = min(LONG_SIDE_PX / max(height, width), 1.0)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY), np.uint8)


def changed_share(before: UInt8 | None, now: UInt8) -> float:
    """Share of the pixels of two small grey pictures that differ; 1 where there is nothing to compare with."""
    if before is None or before.shape != now.shape:
        return 1.0
    return float((cv2.absdiff(before, now) > CHANGED_LEVELS).mean())


def observed_share(tracker: TrackerConfig, detector: DetectorConfig) -> TrackerConfig:
    """`tracker` with `min_observed_share` of all frames instead of those the detector looked at, at the fewest."""
    return tracker.model_copy(update={"min_observed_share": tracker.min_observed_share / detector.every_n})
