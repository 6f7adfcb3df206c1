"""Decodes one open file to its end, past every damaged packet, and counts what was lost."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from av.error import FFmpegError

from pipeline.video.frame_numbers import FrameNumbers
from pipeline.video.picture_order import HevcOrder

MAX_CONSECUTIVE_ERRORS = 300
"""Packets (10 s at 30 fps) that may fail on end before the first frame; also reads that may fail on end."""
_WAIT_FOR_KEYFRAME_PACKETS = 300
"""Streams that never mark a keyframe (intra refresh) are decoded from there."""
_DAMAGE_LASTS_S = 10.0
"""Longest time after an error in which pictures without a keyframe between count as damaged."""
_LOSS_SHOWS_WITHIN_FRAMES = 20
"""Pictures come out up to 16 (H.264, HEVC picture buffer) after their packet: so long a loss may show as a hole."""
_SEVERAL_PACKETS_A_FRAME = frozenset({"vp8", "mpeg4", "msmpeg4v3", "rv40"})
"""Codecs with packets that show nothing (hidden or packed pictures): lost frames can't be counted from packets."""


class Decoded(NamedTuple):
    """A PyAV frame, its stamp in stream units, and whether a packet was lost shortly before it."""

    frame: Any
    pts: int | None
    damaged: bool
    loss_before: bool


@dataclass(slots=True)
class DecodeCounts:
    """What went in and came out of one file."""

    packets: int = 0
    empty: int = 0
    discarded: int = 0
    errors: int = 0
    read_errors: int = 0
    corrupt_packets: int = 0
    unnumbered: int = 0
    """Pictures that a raw stream's own numbers leave out."""
    dropped_before_keyframe: int = 0
    frames: int = 0
    damaged: int = 0
    interlaced: bool = False
    causes: list[str] = field(default_factory=list)

    def frames_failed(self, codec: str) -> int:
        """Pictures that went into the decoder and did not come out."""
        if codec in _SEVERAL_PACKETS_A_FRAME or self.interlaced:
            return self.errors
        return max(self.packets - self.discarded - self.dropped_before_keyframe - self.frames, 0)


class FileDecoder:
    """Frames of one stream in display order.

    Packets before the first keyframe are dropped and counted. A frame is `damaged` when the decoder says so, or from
    a packet that failed up to the next keyframe: its pictures are patched from missing ones.
    """

    def __init__(self, container: Any, stream: Any, threads: int, alive: Callable[[], None]) -> None:
        self.counts = DecodeCounts()
        self._container, self._stream, self._alive = container, stream, alive
        self._context = stream.codec_context
        self._context.thread_count = max(threads, 1)
        self._context.thread_type = "FRAME" if threads > 1 else "SLICE"
        self._key_pts: int | None = None
        self._leading = 0
        self._bad_pts: int | None = None
        self._bad = False
        self._loss_frames = 0
        self._numbers: FrameNumbers | HevcOrder | None = None
        if container.format.name in {"h264", "hevc"}:
            self._numbers = FrameNumbers() if container.format.name == "h264" else HevcOrder()
        # AVI has decoding times only; the presentation times that FFmpeg makes up for it are wrong with B-frames
        self._uses_dts: bool | None = True if container.format.name == "avi" else None
        self._last_stamp: int | None = None
        self._step = 1

    def frames(self) -> Generator[Decoded, None, None]:
        """Decode to the end of the file. Faults of the file are counted, not raised."""
        failing = 0
        for packet in self._packets():
            try:
                frames = self._context.decode(packet)
                failing = 0
            except FFmpegError:  # also its MemoryError: a damaged length field asks for gigabytes
                frames = []
                failing += 1
                self.counts.errors += 1
                self._mark_bad(packet)
            yield from map(self._decoded, frames)
            if failing >= MAX_CONSECUTIVE_ERRORS and not self.counts.frames:
                self.counts.causes.append(
                    f"no_decodable_frames: the first {failing} packets failed (encrypted, or not the stated codec)"
                )
                return
        try:
            frames = self._context.decode(None)
        except FFmpegError:
            frames = []
        yield from map(self._decoded, frames)
        self.counts.dropped_before_keyframe += self._leading
        if self._numbers is not None:
            self.counts.unnumbered += self._numbers.missing_at_end()

    def _packets(self) -> Iterator[Any]:
        """Packets from the first keyframe on; reading goes on behind a place that can't be read."""
        counts = self.counts
        failing = 0
        waiting = True
        reading = self._container.demux(self._stream)
        while True:
            self._alive()
            try:
                packet = next(reading)
            except StopIteration:
                return
            except IndexError:  # PyAV 18 at the end of a damaged TS in which a stream appeared while it was read
                return
            except (FFmpegError, OSError) as error:
                failing += 1
                counts.read_errors += 1
                self._mark_bad(None)
                if failing >= MAX_CONSECUTIVE_ERRORS:
                    counts.causes.append(f"read_error: {error.strerror or error}")
                    return
                reading = self._container.demux(self._stream)
                continue
            failing = 0
            if packet.size == 0:  # the end, or AVI's "as before"; given to the decoder it would end the stream
                counts.empty += packet.dts is not None
                continue
            counts.packets += 1
            counts.discarded += packet.is_discard
            if packet.is_corrupt:
                counts.corrupt_packets += 1
                self._mark_bad(packet)
            if self._numbers is not None and (missing := self._numbers.missing_before(bytes(packet))):
                counts.unnumbered += missing
                self._mark_bad(packet)
            if waiting:
                waiting = not packet.is_keyframe and counts.dropped_before_keyframe < _WAIT_FOR_KEYFRAME_PACKETS
                if waiting:
                    counts.dropped_before_keyframe += 1
                    continue
                self._key_pts = None if self._uses_dts else packet.pts
            elif (
                not counts.frames
                and self._key_pts is not None
                and packet.pts is not None
                and packet.pts < self._key_pts
            ):
                self._leading += 1  # needs pictures from before the first keyframe: open group of pictures
            yield packet

    def _mark_bad(self, packet: Any) -> None:
        self._bad, self._loss_frames = True, _LOSS_SHOWS_WITHIN_FRAMES
        self._bad_pts = None if packet is None else packet.dts if self._uses_dts else packet.pts

    def _decoded(self, frame: Any) -> Decoded:
        counts = self.counts
        counts.frames += 1
        counts.interlaced = counts.interlaced or frame.interlaced_frame
        pts = self._stamp(frame)
        if pts is not None and self._key_pts is not None and pts < self._key_pts:
            self._leading = max(self._leading - 1, 0)
        if self._bad and frame.key_frame and not frame.is_corrupt:
            self._bad = pts is not None and self._bad_pts is not None and pts <= self._bad_pts
        if self._bad and pts is not None and self._bad_pts is not None:
            self._bad = (pts - self._bad_pts) * float(self._stream.time_base) < _DAMAGE_LASTS_S
        damaged = bool(self._bad or frame.is_corrupt)
        counts.damaged += damaged
        self._loss_frames = max(self._loss_frames - 1, 0)
        return Decoded(frame, pts, damaged, self._loss_frames > 0)

    def _stamp(self, frame: Any) -> int | None:
        """The presentation time, or throughout the decoding time where the stream has no other."""
        if self._uses_dts is None:
            self._uses_dts = frame.pts is None and frame.dts is not None
        if not self._uses_dts:
            return None if frame.pts is None else int(frame.pts)
        stamp: int | None = frame.dts
        if stamp is None and self._last_stamp is not None:  # the last pictures come without a packet of their own
            stamp = self._last_stamp + self._step
        elif stamp is not None and self._last_stamp is not None:
            self._step = max(stamp - self._last_stamp, 1)
        self._last_stamp = stamp
        return stamp
