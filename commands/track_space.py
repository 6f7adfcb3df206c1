"""Whether the disk has room for a run, estimated before the work starts."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import OutputConfig
from pipeline.errors import ResourceError
from pipeline.video.probe import VideoInfo

MARGIN = 1.05
_PEOPLE = 5
"""Boxes a frame that are reckoned with: a guess between an empty corridor (1) and a crowd (20)."""
_BOX_BYTES = 240
"""A box in trajectories.json (85), mot/ and tracklets/ (55 each), the store and its journal (45)."""
_FRAME_BYTES = 32
"""A frame without a box: its record in the journal."""
_OVERLAY_BYTES_PX = 0.0055
"""H.264 of the overlay: 11 kB for 1920x1080 of corridor footage (pipeline/video/writer.py)."""
_UNKNOWN_FRAMES = 10_000
"""A camera whose container does not tell its length."""
_FEWEST_BYTES = 16
"""Of a coded frame: a damaged header that states a million hours is not believed."""


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that a run will take."""

    results: int
    overlays: int


def estimate(cameras: Iterable[Sequence[VideoInfo]], options: OutputConfig, longest_s: float | None = None) -> Need:
    """A rough estimate for ordinary footage, of at most `longest_s` of each camera (a header a file of it); a crowd
    needs more and meets exit 5 later, with nothing lost."""
    results = overlays = 0.0
    for infos in cameras:
        info = infos[0]
        frames = sum(min(i.frames_expected or _UNKNOWN_FRAMES, i.file_bytes // _FEWEST_BYTES) for i in infos)
        if longest_s is not None:
            frames = min(frames, round(longest_s * info.fps))
        results += frames * (_FRAME_BYTES + _PEOPLE * _BOX_BYTES)
        if options.overlays:
            width, height = info.size_wh
            scale = min(1.0, options.max_height_px / height)
            overlays += frames * width * height * scale**2 * _OVERLAY_BYTES_PX
    return Need(round(results), round(overlays))


def check_space(folder: Path, need: Need) -> None:
    """Raise ResourceError unless `folder`'s disk has the estimate and 5 % more free."""
    free = shutil.disk_usage(folder).free
    wanted = (need.results + need.overlays) * MARGIN
    if free >= wanted:
        return
    remedy = "free some space, or choose another --output"
    if free >= need.results * MARGIN:
        remedy += f"; without overlays (--no-render) {_mb(need.results)} do"
    raise ResourceError(f"{folder}: {_mb(free)} free, the run needs about {_mb(wanted)}; {remedy}")


def _mb(size: float) -> str:
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"
