"""What the first bytes and the outer boxes of a file tell, before any demuxer is trusted with it.

FFmpeg reads a cut file to where it ends and reports nothing. ISO media, Matroska and RIFF state the length of their
outer elements (ISO/IEC 14496-12 section 4.2, RFC 8794 section 6, RFC 9559): an element that ends behind the file's
end shows the cut. MPEG-TS consists of 188-byte packets (ISO/IEC 13818-1 section 2.4.3.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

Kind = Literal["playlist", "picture", "mp4", "matroska", "riff", "mpegts", "other"]

_HEAD_BYTES = 4096
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"<MPD", b"<?xml", b"<smil", b"<asx", b"file ", b"file\t")
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\x00", b"MM\x00*", b"BM", b"\x00\x00\x00\x0cjP  ")
_PICTURE_BRANDS = (b"avif", b"heic", b"mif1")
_MP4_BOXES = frozenset((b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"sidx", b"moof", b"pnot"))
_MAX_BOXES = 1_000_000
_TS_PACKET_BYTES = 188
_EBML_MAGIC = b"\x1a\x45\xdf\xa3"
_SEGMENT_ID = b"\x18\x53\x80\x67"


@dataclass(frozen=True, slots=True)
class FileLayout:
    """The container's kind; `has_index`: an MP4's sample table is there (True for all other kinds);
    `truncated`: the file ends before its last element does; `fragmented`: an MP4 written in pieces (moof)."""

    kind: Kind
    has_index: bool = True
    truncated: bool = False
    fragmented: bool = False


def inspect(path: Path) -> FileLayout:
    """Look at a regular file's outer structure; reads a few bytes an element. Raises OSError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        kind = _kind(head)
        if kind == "mp4":
            return _inspect_mp4(file, size)
        file.seek(max(size - _TS_PACKET_BYTES, 0))
        last_packet = file.read(1)
    truncated = {
        "matroska": lambda: _matroska_is_cut(head, size),
        "riff": lambda: 8 + int.from_bytes(head[4:8], "little") > size,
        "mpegts": lambda: size % _TS_PACKET_BYTES != 0 or last_packet != b"\x47",
    }
    return FileLayout(kind, truncated=kind in truncated and truncated[kind]())


def _kind(head: bytes) -> Kind:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    picture = head.startswith(_PICTURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
    tests: tuple[tuple[Kind, bool], ...] = (
        ("playlist", text.startswith(_PLAYLISTS)),
        ("picture", picture or (head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS)),
        ("mp4", head[4:8] in _MP4_BOXES),
        ("matroska", head.startswith(_EBML_MAGIC)),
        ("riff", head[:4] == b"RIFF"),
        ("mpegts", _is_transport_stream(head)),
    )
    return next((kind for kind, matches in tests if matches), "other")


def _inspect_mp4(file: BinaryIO, size: int) -> FileLayout:
    has_index = fragmented = False
    position = 0
    for _ in range(_MAX_BOXES):
        file.seek(position)
        header = file.read(16)
        if len(header) < 8:
            return FileLayout("mp4", has_index, truncated=len(header) > 0, fragmented=fragmented)
        name, length = header[4:8], int.from_bytes(header[:4], "big")
        if length == 1 and len(header) == 16:
            length = int.from_bytes(header[8:16], "big")
        elif length == 0:  # "to the end of the file"
            length = size - position
        if length < 8 or not all(32 <= byte < 127 or byte == 0xA9 for byte in name):
            # not a box: padding or damage behind the last one, which the demuxer judges; in a file of fragments it
            # ends there, whatever comes after, and states no more than it has read
            broken = fragmented and any(header)
            return FileLayout("mp4", has_index, truncated=broken, fragmented=fragmented)
        has_index = has_index or (name == b"moov" and position + length <= size)
        fragmented = fragmented or name == b"moof"
        position += length
        if position > size:
            return FileLayout("mp4", has_index, truncated=True, fragmented=fragmented)
        if position == size:
            break
    return FileLayout("mp4", has_index, fragmented=fragmented)


def _ebml_size(data: bytes) -> tuple[int | None, int]:
    """(value, bytes used) of an EBML variable-length size; None = unknown size (a live recording)."""
    if not data or data[0] == 0:
        return None, 1
    width = 9 - data[0].bit_length()
    mask = (1 << (7 * width)) - 1
    value = int.from_bytes(data[:width], "big") & mask
    return (None if value == mask else value), width


def _matroska_is_cut(head: bytes, size: int) -> bool:
    header_size, width = _ebml_size(head[4:12])
    if header_size is None:
        return False
    position = 4 + width + header_size
    if head[position : position + 4] != _SEGMENT_ID:
        return False
    segment_size, width = _ebml_size(head[position + 4 : position + 12])
    return segment_size is not None and position + 4 + width + segment_size > size


def _is_transport_stream(head: bytes) -> bool:
    starts = range(0, min(len(head), 5 * _TS_PACKET_BYTES), _TS_PACKET_BYTES)
    return len(head) > _TS_PACKET_BYTES and all(head[start] == 0x47 for start in starts)
