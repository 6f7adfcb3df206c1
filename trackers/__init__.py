"""Ids within one camera: TRACKERS by name; each instance counts its ids from 1 and follows one camera."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pipeline.config import TrackerConfig, choose
from pipeline.types import Tracker
from trackers.bytetrack import ByteTrack
from trackers.sort import Sort

TRACKERS: dict[str, Callable[[TrackerConfig], Tracker]] = {
    "bytetrack": ByteTrack,
    "sort": Sort,
    "sort_paper": partial(Sort, paper=True),
}


def build_tracker(config: TrackerConfig) -> Tracker:
    """A fresh tracker for one camera."""
    return choose("tracker", config.name, TRACKERS)(config)
