"""One frame of a video, to calibrate on."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import UsageError
from pipeline.types import Frame
from pipeline.video.reader import VideoReader


def frame_of(path: Path, at_s: float) -> Frame:
    """The first whole frame at or after `at_s`. Raises UsageError when the video ends before."""
    with VideoReader("frame", (path,), start_s=at_s or None) as frames:
        for frame in frames:
            if not frame.damaged:
                return frame
    raise UsageError(f"{path}: no whole frame at or after {at_s:g} s; choose an earlier --at")
