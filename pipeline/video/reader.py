"""Reads the frames of one camera from its file, or from a recorder's files in order."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import CameraError, UsageError
from pipeline.types import Frame
from pipeline.video.account import Account
from pipeline.video.channel import Channel, StalledError
from pipeline.video.probe import VideoInfo, probe
from pipeline.video.reading import CameraReading, ReadPlan
from pipeline.video.report import ReadReport

__all__ = ["ReadReport", "VideoReader"]

STALL_S = 60.0
"""Without a packet for this long the camera's reading ends: a dead disk or network share."""
WAITING_BYTES = 256 << 20
"""Decoded pictures of a camera that may wait: 10 of 3840 x 2160; two may always."""
_JOIN_S = 5.0
_log = logging.getLogger(__name__)


class VideoReader:
    """Context manager and iterator of Frame. Decoding runs ahead in a thread; at most `queue_frames` frames wait, fewer
    where they would be more than WAITING_BYTES.

    Time: the first file's first time stamp becomes 0 (a file whose stamps start at 10 s starts at 0), `time_offset_s`
    is added. Stamps are the container's, so variable frame rates and B-frames are right; those that are missing,
    double or backwards are repaired to strictly increasing and counted; a file whose clock starts anew goes on where
    it was. Of several files the later ones lie where their recorded start times say, if those are plausible, else
    they follow on. Frame.index counts decoded frames from the beginning of the first file, also under a cut.

    `start_s`, `end_s`: only frames with start_s <= time_s < end_s are delivered. Frames before are decoded too (not
    converted), as their number cannot be known exactly otherwise.

    Pictures are BGR `(H, W, 3)`, turned as displayed, of the first file's displayed size; after a change of size they
    are scaled to it (plainly, no letterbox), which `report()` counts. `threads`: decoder threads; 0 and 1 = one, which
    reads the most out of damaged files, always the same; more = FFmpeg's frame threads. `deinterlace`: pictures that
    the stream marks as interlaced are made whole. HDR (PQ, HLG) is converted to BT.709. Both are told in `report()`.

    Raises CameraError when no file can be opened (codes: see `probe`); files that fail beside others that don't are
    causes in `report()`. A camera that gives not one frame iterates over nothing: `report().status` is "failed".
    """

    def __init__(
        self,
        camera_id: str,
        sources: Sequence[Path],
        *,
        time_offset_s: float = 0.0,
        start_s: float | None = None,
        end_s: float | None = None,
        queue_frames: int = 8,
        max_pixels: int = 3840 * 2160,
        threads: int = 0,
        deinterlace: bool = True,
    ) -> None:
        if not sources:
            raise UsageError(f"camera {camera_id}: no video file given")
        if queue_frames < 1 or threads < 0 or not isfinite(time_offset_s):
            raise UsageError(
                f"camera {camera_id}: queue_frames={queue_frames} (>= 1), threads={threads} (>= 0), "
                f"time_offset_s={time_offset_s} (finite)"
            )
        if start_s is not None and end_s is not None and not start_s < end_s:
            raise UsageError(f"camera {camera_id}: the start ({start_s} s) must lie before the end ({end_s} s)")
        self._account = Account()
        self._infos = self._probe_all(camera_id, sources, max_pixels)
        width, height = self._infos[0].size_wh
        queue_frames = min(queue_frames, max(WAITING_BYTES // (3 * width * height), 2))
        self._channel: Channel[Frame] = Channel(queue_frames, STALL_S)
        plan = ReadPlan(camera_id, self._infos, time_offset_s, start_s, end_s, max_pixels, threads, deinterlace)
        reading = CameraReading(plan, self._account, self._channel)
        self._thread = threading.Thread(target=reading.run, name=f"decode-{camera_id}", daemon=True)
        self._camera_id = camera_id
        self._stalled = False
        self._started = False

    def _probe_all(self, camera_id: str, sources: Sequence[Path], max_pixels: int) -> tuple[VideoInfo, ...]:
        infos: list[VideoInfo] = []
        faults: list[CameraError] = []
        for path in sources:
            try:
                infos.append(probe(Path(path), max_pixels))
            except CameraError as error:
                faults.append(error)
        if not infos:
            raise CameraError(faults[0].code, f"camera {camera_id}: {faults[0]}") from faults[0]
        for fault in faults:
            self._account.lose(f"{fault.code}: {fault}")
        return tuple(infos)

    @property
    def info(self) -> VideoInfo:
        """Header of the first file that could be opened."""
        return self._infos[0]

    def report(self) -> ReadReport:
        """What was read so far and what was lost; final after the last frame or after `close`."""
        report = self._account.report()
        if self._stalled:
            cause = f"stalled: no data for {STALL_S:.0f} s; check the disk or network share"
            return replace(
                report, status="partial" if report.frames_decoded else "failed", causes=(*self._account.causes, cause)
            )
        return report

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        """The next frame. Raises what went wrong in the decoding thread (e.g. MemoryError)."""
        if not self._started and not self._channel.closed:
            self._started = True
            self._channel.alive()
            self._thread.start()
        try:
            frame = self._channel.get()
        except StalledError:
            self._stalled = True
            _log.error("camera %s: no data for %.0f s, reading is given up", self._camera_id, STALL_S)
            self._channel.close()
            frame = None
        if frame is None:
            raise StopIteration
        return frame

    def close(self) -> None:
        """Stop decoding at once and close the files; may be called again."""
        self._channel.close()
        if self._started and not self._stalled:
            self._thread.join(_JOIN_S)
            if self._thread.is_alive():
                _log.warning("camera %s: the decoding thread hangs and is left behind", self._camera_id)

    def __del__(self) -> None:
        channel = getattr(self, "_channel", None)
        if channel is not None:
            channel.close()
