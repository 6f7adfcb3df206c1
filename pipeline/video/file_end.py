"""Whether anything would show that the end of a video file was cut off, or that pictures of a raw stream are gone.

Indexes, counts and lengths in a header show it. Of the others FFmpeg estimates the length from what is there, so a
file that was cut between two pictures looks whole. Then the reader says so: a loss may be unseen, never unsaid.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from pipeline.video.source import OpenSource

_ESTIMATED = frozenset(
    {"h264", "hevc", "vvc", "h263", "m4v", "mpegvideo", "obu", "yuv4mpegpipe", "dv", "dhav", "mpegts", "mpeg", "nut",
     "ogg"}
)  # fmt: skip
"""Demuxers whose length is that of the bytes found (libavformat 62; tried with tests/video/test_file_end.py)."""
_END_MARKS = {
    "mpeg": b"\0\0\1\xb9",
    "mpegvideo": b"\0\0\1\xb7",
    "m4v": b"\0\0\1\xb1",
    "h264": b"\0\0\1\x0b",
    "hevc": b"\0\0\1\x4a\1",
}
"""What closes such a stream where its writer took the trouble: ISO/IEC 13818-1 2.5.3.1, 13818-2 6.2.1, 14496-2 6.2.1,
ITU-T H.264 7.4.1 (type 11), H.265 7.4.2.2 (type 37)."""
_NUMBERED = frozenset({"h264", "hevc"})
_UNNUMBERED = frozenset({"vvc", "h263", "m4v", "mpegvideo", "obu", "yuv4mpegpipe"})
_TAIL_BYTES = 4096

END, HOLES = "end_not_stated", "holes_not_stated"
"""Codes of remarks in `ReadReport.causes`."""
REMARKS = tuple(f"{code}: " for code in (END, HOLES, "uneven_times", "early_end"))
"""How the causes begin that tell of no loss, but of what may be one."""


def end_is_stated(source: OpenSource, *, exact_count: bool, duration_s: float | None) -> bool:
    """The file says where it ends. `exact_count`: an index counts its frames; `duration_s`: by FFmpeg."""
    name = source.container.format.name
    path = Path(os.fspath(source.container.name).removeprefix("file:"))
    if source.layout.kind == "mp4":
        return not _has_fragments_without_index(path, source)
    if exact_count:
        return True
    if name == "flv":
        return _flv_states_duration(path)
    if name in _ESTIMATED:
        return name in _END_MARKS and _tail(path).rstrip(b"\0").endswith(_END_MARKS[name])
    return duration_s is not None


def holes_remark(format_name: str) -> str:
    """What of a raw stream's missing pictures stays unseen; "" where times or a count show them."""
    if format_name in _NUMBERED:
        return "pictures lost right before a keyframe leave no trace: it has numbers, but no times"
    return "lost pictures leave no trace: it has neither times nor numbers" if format_name in _UNNUMBERED else ""


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _TAIL_BYTES, 0))
        return file.read()


def _has_fragments_without_index(path: Path, source: OpenSource) -> bool:
    """Fragments without the table of fragments that closes the file (mfra, whose last box mfro gives its length:
    ISO/IEC 14496-12, 8.8.9 to 8.8.11); with frames in the moov as well, its table counts only those."""
    if not source.layout.fragmented:
        return False
    tail = _tail(path)
    return tail[-16:-8] != b"\0\0\0\x10mfro"


def _flv_states_duration(path: Path) -> bool:
    """onMetaData holds a number over 0: live recordings have none, or 0."""
    with path.open("rb") as file:
        head = file.read(_TAIL_BYTES)
    at = head.find(b"\0\x08duration\0")
    value = head[at + 11 : at + 19]
    return at >= 0 and len(value) == 8 and struct.unpack(">d", value)[0] > 0
