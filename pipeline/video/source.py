"""Opening one video file safely, and telling in one line why one can't be opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError
from av.stream import Disposition

from pipeline.errors import CameraError
from pipeline.video import file_layout

FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,ogg,mxf,nut,ivf,obu,"
    "h264,hevc,vvc,m4v,h263,dhav,dv,gxf,rm,wtv,yuv4mpegpipe"
)
"""Demuxers that may open a file: containers and raw streams, no picture, no playlist (HLS, DASH, concat)."""

_PICTURE_STREAM = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails


@dataclass(frozen=True, slots=True)
class OpenSource:
    """An open container, its chosen video stream and why it was chosen ("" when it is the only one)."""

    container: Any
    stream: Any
    reason: str
    layout: file_layout.FileLayout


def check_file(path: Path) -> file_layout.FileLayout:
    """Raise CameraError unless `path` is a readable, non-empty regular file that is no playlist or picture."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
            raise CameraError("not_a_regular_file", f"{path}: is {kind}, not a file; give the path of a video file")
        if status.st_size == 0:
            raise CameraError("empty_file", f"{path}: the file is empty (0 bytes); copy or export it again")
        layout = file_layout.inspect(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CameraError("not_found", f"{path}: no such file; check the path") from error
    except PermissionError as error:
        raise CameraError("permission_denied", f"{path}: no permission to read it; see ls -l (chmod +r)") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise CameraError("not_found", f"{path}: cannot be read ({error}); check path and disk") from error
    if layout.kind == "playlist":
        raise CameraError(
            "playlist_refused", f"{path}: a playlist or list of files; give the video files themselves, comma-separated"
        )
    if layout.kind == "picture":
        raise CameraError("not_a_video", f"{path}: a picture, not a video; give a video file")
    return layout


@contextmanager
def open_source(path: Path, max_pixels: int) -> Iterator[OpenSource]:
    """Open a file for decoding; closed at the end of the `with`. Raises CameraError (codes: see `probe`)."""
    layout = check_file(path)
    if layout.kind == "mp4" and not layout.has_index:
        raise CameraError(
            "truncated_no_index",
            f"{path}: the MP4's index (moov) is missing, the recording was cut off; "
            "recover it with untrunc and a good file of the same camera, or copy it again",
        )
    limit = {"max_pixels": str(max_pixels)}
    try:
        container = av.open(
            "file:" + os.fspath(path.absolute()),
            mode="r",
            options={"format_whitelist": FORMATS, "protocol_whitelist": "file", **limit},
            metadata_errors="replace",
        )
    except (FFmpegError, OSError, ValueError) as error:
        raise CameraError(
            "not_a_video",
            f"{path}: not a video that can be read ({_short(error)}); check it with ffprobe",
        ) from error
    with container:
        stream, reason = _choose_stream(path, container)
        stream.codec_context.options = dict(limit)
        check_pixels(path, stream.codec_context.width, stream.codec_context.height, max_pixels)
        yield OpenSource(container, stream, reason, layout)


def check_pixels(path: Path, width: int, height: int, max_pixels: int) -> None:
    """Raise CameraError when a picture of this size is larger than allowed."""
    if width * height > max_pixels:
        raise CameraError(
            "too_many_pixels",
            f"{path}: {width}x{height} is more than {max_pixels} pixels; "
            "scale it down, or raise video.max_pixels if memory allows",
        )


def _choose_stream(path: Path, container: Any) -> tuple[Any, str]:
    """The video stream with the largest picture; among equals the one marked default, then the first."""
    videos = [stream for stream in container.streams.video if not stream.disposition & _PICTURE_STREAM]
    if not videos:
        have = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise CameraError("no_video_stream", f"{path}: has no video stream (only {have}); give the camera's video file")
    decodable = [stream for stream in videos if stream.codec_context is not None]
    if not decodable:
        raise CameraError(
            "no_video_stream", f"{path}: its video codec cannot be decoded here; convert it to H.264 with ffmpeg"
        )

    def rank(stream: Any) -> tuple[int, bool, int]:
        area = stream.codec_context.width * stream.codec_context.height
        return area, bool(stream.disposition & Disposition.default), -int(stream.index)

    best = max(decodable, key=rank)
    if len(videos) == 1:
        return best, ""
    width, height = best.codec_context.width, best.codec_context.height
    return best, f"stream {best.index} of {len(videos)} video streams: the largest picture, {width}x{height}"


def _short(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error).splitlines()[0][:120]
