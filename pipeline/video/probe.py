"""What a video file says of itself, before anything is decoded in earnest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from av.error import FFmpegError

from pipeline.errors import CameraError
from pipeline.video.deadline import within
from pipeline.video.orientation import UPRIGHT, Orientation, of_frame
from pipeline.video.source import OpenSource, check_pixels, open_source

OPEN_LIMIT_S = 60.0
"""A file that can't be opened in this time (a dead network share) fails."""
_FIRST_FRAME_PACKETS = 300
_RATE_PACKETS = 60
_HIGHEST_FPS = 1000.0
"""A stated rate above is a time base that strayed into the header (90000), not a frame rate."""
_FALLBACK_FPS = 25.0
"""FFmpeg's own guess for streams without any time."""
_PIXEL_ASPECTS = (0.25, 4.0)
"""Recorders that keep one field of two, or every second column, need 0.5 and 2."""
_EARLIEST_YEAR = 1990
"""Clocks that were never set say 1904 (QuickTime) or 1970 (Unix)."""
_TIME_TAGS = ("com.apple.quicktime.creationdate", "creation_time", "date_recorded", "date_digitized", "date")


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """One file's header. Sizes are (width, height) in px."""

    path: Path
    size_wh: tuple[int, int]
    """Displayed size, after rotation: what Frame.image has."""
    coded_size_wh: tuple[int, int]
    fps: float
    """Mean frame rate, 1/s, never rounded."""
    frames_expected: int | None
    """Number of frames the container states, or duration x fps; None when it states neither."""
    frames_exact: bool
    """frames_expected is counted in the file's own index, not estimated."""
    duration_s: float | None
    duration_own: bool
    """duration_s is the video stream's; else it is the file's, which sound may stretch."""
    start_pts_s: float
    """First time stamp of the stream: becomes 0 on the camera's clock."""
    rotation_deg: int
    """Clockwise turn that was applied to come to size_wh: 0, 90, 180 or 270."""
    sample_aspect_ratio: float
    """Width of a coded pixel over its height; 1.0 = square or not stated. Pictures are not stretched by it."""
    codec: str
    pixel_format: str
    start_time: datetime | None
    """UTC start of the recording (tags creation_time, creationdate, date); tags without a date (timecode) or
    without a plausible one are not used."""
    stream_index: int
    stream_reason: str
    """Why this stream, where the file has several video streams; else ""."""
    truncated: bool
    """The file ends before its outermost element does."""
    file_bytes: int

    @property
    def pixel_aspect(self) -> float:
        """`sample_aspect_ratio` of the displayed picture; 1.0 where it cannot be true."""
        ratio = self.sample_aspect_ratio
        if not _PIXEL_ASPECTS[0] <= ratio <= _PIXEL_ASPECTS[1]:
            return 1.0
        return 1.0 / ratio if self.rotation_deg in (90, 270) else ratio


def probe(path: Path, max_pixels: int) -> VideoInfo:
    """Read a file's header and first frame.

    Raises CameraError with one of the codes not_found, permission_denied, not_a_regular_file, empty_file,
    playlist_refused, not_a_video, truncated_no_index, no_video_stream, too_many_pixels.
    """
    try:
        return within(OPEN_LIMIT_S, lambda: _probe(path, max_pixels))
    except TimeoutError as error:
        raise CameraError(
            "not_a_video", f"{path}: could not be opened in {OPEN_LIMIT_S:.0f} s; check the disk or network share"
        ) from error


def _probe(path: Path, max_pixels: int) -> VideoInfo:
    with open_source(path, max_pixels) as source:
        stream, context = source.stream, source.stream.codec_context
        coded, orientation, sar = _first_frame(source)
        check_pixels(path, *coded, max_pixels)
        fps = _mean_fps(stream)
        if fps is None:  # raw streams and broken headers; the file is opened again as packets were taken
            with open_source(path, max_pixels) as again:
                fps = _measured_fps(again)
        duration_s, duration_own = _duration_s(source)
        frames, exact = frames_stated(source)
        if frames is None and duration_s is not None:
            frames = round(duration_s * fps)
        return VideoInfo(
            path=path,
            size_wh=orientation.size(*coded),
            coded_size_wh=coded,
            fps=fps,
            frames_expected=frames,
            frames_exact=exact,
            duration_s=duration_s,
            duration_own=duration_own,
            start_pts_s=float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0,
            rotation_deg=orientation.rotation_deg,
            sample_aspect_ratio=float(sar) if sar else 1.0,
            codec=str(context.codec.canonical_name),
            pixel_format=str(context.pix_fmt),
            start_time=recorded_start({**source.container.metadata, **stream.metadata}),
            stream_index=int(stream.index),
            stream_reason=source.reason,
            truncated=source.layout.truncated,
            file_bytes=path.stat().st_size,
        )


def _first_frame(source: OpenSource) -> tuple[tuple[int, int], Orientation, Fraction | None]:
    """Coded size, orientation and pixel shape; from the header alone when no early packet can be decoded."""
    context = source.stream.codec_context
    context.thread_count = 1
    packets = source.container.demux(source.stream)
    try:
        for packet in islice(packets, _FIRST_FRAME_PACKETS):
            try:
                frames = packet.decode()
            except FFmpegError:
                continue
            if frames:
                frame = frames[0]
                return (frame.width, frame.height), of_frame(frame), source.stream.sample_aspect_ratio
    except (FFmpegError, OSError):
        pass
    if context.width < 1 or context.height < 1:
        raise CameraError(
            "not_a_video", f"{source.container.name}: no picture size and no frame to tell it; check it with ffprobe"
        )
    return (context.width, context.height), UPRIGHT, source.stream.sample_aspect_ratio


def _mean_fps(stream: Any) -> float | None:
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= _HIGHEST_FPS and stream.start_time is not None:
            return float(rate)
    return None


def _measured_fps(source: OpenSource) -> float:
    """1 / median step between the first packets' time stamps; the header's guess where they have none."""
    stream = source.stream
    stamps: list[int] = []
    try:
        for packet in islice(source.container.demux(stream), _RATE_PACKETS):
            if packet.pts is not None:
                stamps.append(packet.pts)
    except (FFmpegError, OSError):
        pass
    steps = np.diff(np.unique(stamps))
    if len(steps):
        fps = 1.0 / float(np.median(steps) * stream.time_base)
        if fps <= _HIGHEST_FPS:
            return fps
    guess = float(stream.guessed_rate or stream.average_rate or 0.0)
    return guess if 0 < guess <= _HIGHEST_FPS else _FALLBACK_FPS


def frames_stated(source: OpenSource) -> tuple[int | None, bool]:
    """(number, exact) of frames that the file's own index holds; an MP4's sample table grows with each fragment."""
    stream = source.stream
    if source.layout.kind == "mp4":
        return (len(stream.index_entries) or None, True) if stream.frames else (None, False)
    if stream.frames:
        return int(stream.frames), True
    tag = stream.metadata.get("NUMBER_OF_FRAMES", "")
    return (int(tag), True) if tag.isdecimal() and int(tag) > 0 else (None, False)


def _duration_s(source: OpenSource) -> tuple[float | None, bool]:
    """(seconds, whether the video stream itself states them)."""
    stream = source.stream
    late_s = float(stream.start_time * stream.time_base) if stream.start_time else 0.0
    if source.layout.kind != "matroska":
        late_s = 0.0  # Matroska states the end as counted from 0, whatever the first stamp is
    if stream.duration:
        return float(stream.duration * stream.time_base), True
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", "").strip("\0 "))
    if tag:
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]) - late_s, True
    if source.container.duration:
        return float(source.container.duration / 1e6) - late_s, len(source.container.streams) == 1
    return None, False


def recorded_start(tags: dict[str, str]) -> datetime | None:
    """UTC time of the first plausible date tag; a time without a zone is taken as UTC, as FFmpeg writes it."""
    lower = {name.lower(): value for name, value in tags.items()}
    for name in _TIME_TAGS:
        text = lower.get(name, "").strip()
        if len(text) < len("2024-01-01T00:00"):
            continue  # a date alone is no start time
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            continue
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if moment.year >= _EARLIEST_YEAR:
            return moment
    return None
