"""What was read of a camera, and what was lost: nothing is lost silently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ReadReport:
    """Account of one camera's reading; times in s as in Frame.time_s."""

    status: Literal["complete", "partial", "failed"]
    """complete: every decodable frame that the files hold (of the cut, if one was asked for) was delivered;
    partial: something was lost or left, see `causes`; failed: not one frame."""
    frames_decoded: int
    """Delivered frames."""
    frames_failed: int
    """Pictures that were there and could not be decoded."""
    frames_expected: int | None
    """By the files' own count where they have one; else decoded + failed + what is missing in holes."""
    coverage: float
    """frames_decoded / frames_expected, 0..1."""
    first_time_s: float | None
    last_time_s: float | None
    gaps: tuple[tuple[float, float], ...]
    """Holes (last frame before, first frame after): lost footage, and pauses of the recording of over 10 s."""
    size_changes: int
    """Changes of the picture's size within the recording; frames are scaled to the first size."""
    timestamp_repairs: int
    """Frames whose stamp was missing, double, backwards or far off those around it."""
    damaged_frames: int
    dropped_before_keyframe: int
    causes: tuple[str, ...]
    """`code: what happened`, one line each. When complete: only notes that cost no frame, e.g. `size_change`."""
    timestamp_resets: int = 0
    """How often a file's clock started anew; the frames after it follow on those before it."""
