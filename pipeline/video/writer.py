"""Writes BGR pictures as H.264 in MP4 that a browser plays, and that can be watched even if the writing is killed."""

from __future__ import annotations

import errno
import logging
import os
import secrets
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.error import FFmpegError
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter

from pipeline.errors import ResourceError, UsageError
from pipeline.types import UInt8

ENCODERS = ("libx264", "libopenh264", "mpeg4")
"""In order of preference; a browser plays the first two."""
_X264 = {"preset": "superfast", "crf": "23"}
"""x264's default quality. 1080p corridor footage: 25 ms of one core a frame and 11 kB; veryfast 37 ms and 6 kB,
ultrafast 16 ms and 38 kB, at 39 to 40 dB each."""
_TIME_BASE = Fraction(1, 60_000)
"""Exact for 25, 30, 60 and 60000/1001 pictures a second; MPEG-4 allows no more than 65535."""
_KEYFRAME_EVERY_S = 2.0
"""A fragment is written with each keyframe: what a kill costs at most."""
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_log = logging.getLogger(__name__)


class VideoWriter:
    """Context manager; `write` takes `(H, W, 3)` uint8 BGR pictures of `size_wh`.

    The file is H.264 yuv420p, tagged and converted as BT.709 limited range; odd sizes are padded to even by repeating
    the last column and row; `fps` is clamped to 1..120; `pixel_aspect` (width of a pixel over its height) is only
    written down for players. Until the `with` ends without an exception the file lies
    beside `path` under a hidden name (`.NAME.<hex>.part.mp4`), as fragments that play at any moment; then it is
    turned into an ordinary MP4, synced and renamed. On an exception it is removed, unless `keep_partial`.
    No picture written: no file.

    Raises UsageError for a wrong picture or size, ResourceError when the disk is full.
    """

    def __init__(
        self,
        path: Path,
        size_wh: tuple[int, int],
        fps: float,
        *,
        keep_partial: bool = False,
        threads: int = 0,
        pixel_aspect: float = 1.0,
    ) -> None:
        width, height = size_wh
        if width < 1 or height < 1:
            raise UsageError(f"{path}: cannot write pictures of {width}x{height}; both must be at least 1")
        if not path.parent.is_dir():
            raise UsageError(f"{path}: the folder {path.parent} does not exist; create it first")
        self.path, self.size_wh = path, size_wh
        self.fps = float(min(max(fps, 1.0), 120.0)) if np.isfinite(fps) else 25.0
        self.frames = 0
        self._keep_partial = keep_partial
        self._threads = threads
        self._pixel_aspect = Fraction(pixel_aspect).limit_denominator(255)
        self._part = path.parent / f".{path.name[:200]}.{secrets.token_hex(4)}.part.mp4"
        self._container: Any = None
        self._stream: Any = None
        self._reformatter = VideoReformatter()
        self._origin_s = 0.0
        self._last_s = 0.0
        self._last_pts = -1

    def write(self, image_bgr: UInt8, time_s: float | None = None) -> None:
        """Append a picture. `time_s` (any clock, e.g. Frame.time_s; the first one becomes 0) is when it is shown, so
        variable rates are kept; without it the picture follows 1 / fps after the last. Times that do not advance are
        moved behind the last one."""
        image = np.asarray(image_bgr)
        width, height = self.size_wh
        if image.dtype != np.uint8 or image.shape != (height, width, 3):
            raise UsageError(
                f"{self.path}: a picture must be ({height}, {width}, 3) uint8, got {image.shape} {image.dtype}"
            )
        try:
            if self._container is None:
                self._open()
            frame = self._to_yuv(image)
            frame.pts, frame.time_base = self._next_pts(time_s), _TIME_BASE
            self._mux(frame)
        except OSError as error:
            raise self._fault(error) from error
        self.frames += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._container is None:
            return
        if kind is None:
            try:
                self._finish()
            except OSError as fault:
                self._abandon()
                raise self._fault(fault) from fault
            except BaseException:
                self._abandon()
                raise
        else:
            self._abandon()

    def _open(self) -> None:
        handle = os.open(self._part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        os.close(handle)
        self._container = av.open(
            "file:" + os.fspath(self._part.absolute()),
            mode="w",
            format="mp4",
            container_options={
                "movflags": "hybrid_fragmented+frag_keyframe+empty_moov+default_base_moof",
                "flush_packets": "1",
            },
        )
        encoder = _best_encoder()
        if encoder != ENCODERS[0]:
            _log.warning("%s: %s is not available, writing with %s", self.path, ENCODERS[0], encoder)
        rate = Fraction(self.fps).limit_denominator(1001)
        stream = self._container.add_stream(encoder, rate=rate, options=_X264 if encoder == "libx264" else {})
        context = stream.codec_context
        stream.width, stream.height = _even(self.size_wh)
        stream.pix_fmt = "yuv420p"
        stream.time_base = context.time_base = _TIME_BASE
        context.gop_size = max(round(self.fps * _KEYFRAME_EVERY_S), 1)
        context.thread_count = self._threads
        context.sample_aspect_ratio = self._pixel_aspect
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        if encoder != "libx264":
            context.bit_rate = max(round(0.1 * self.fps * stream.width * stream.height), 100_000)
        self._stream = stream

    def _to_yuv(self, image: UInt8) -> Any:
        width, height = self.size_wh
        even_width, even_height = _even(self.size_wh)
        if (even_width, even_height) != (width, height):
            image = np.pad(image, ((0, even_height - height), (0, even_width - width), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
        return self._reformatter.reformat(
            frame,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            dst_color_trc=None,
            threads=1,
        )

    def _next_pts(self, time_s: float | None) -> int:
        if self._last_pts < 0:
            self._origin_s = 0.0 if time_s is None else time_s
        elapsed_s = self._last_s + 1.0 / self.fps if time_s is None else time_s - self._origin_s
        if self._last_pts < 0:
            elapsed_s = 0.0
        pts = max(round(elapsed_s / _TIME_BASE), self._last_pts + 1)
        self._last_s, self._last_pts = float(pts * _TIME_BASE), pts
        return pts

    def _mux(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def _finish(self) -> None:
        self._mux(None)
        self._container.close()
        _sync(self._part)
        self._part.replace(self.path)
        _sync(self.path.parent)

    def _abandon(self) -> None:
        with suppress(FFmpegError, OSError):
            if self._keep_partial:
                self._mux(None)
        with suppress(FFmpegError, OSError):
            self._container.close()
        if not self._keep_partial:
            self._part.unlink(missing_ok=True)

    def _fault(self, error: OSError) -> Exception:
        if error.errno in _NO_ROOM:
            return ResourceError(f"{self.path}: no room left to write the video; free disk space and run again")
        return ResourceError(f"{self.path}: the video cannot be written ({error}); check disk and permissions")


def _even(size_wh: tuple[int, int]) -> tuple[int, int]:
    return size_wh[0] + size_wh[0] % 2, size_wh[1] + size_wh[1] % 2


def _best_encoder() -> str:
    for name in ENCODERS:
        with suppress(UnknownCodecError):
            Codec(name, "w")
            return name
    raise UsageError(f"PyAV has none of the encoders {', '.join(ENCODERS)}; install the wheel from the package index")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
