"""The size that a picture's header states, read before any decoder gets the file: a few kilobytes of PNG can ask for
gigabytes of memory.

PNG (RFC 2083, 4.1.1), JPEG (ITU-T T.81, B.2.2), WebP (RFC 9649), BMP, and TIFF 6.0 (its first directory).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

MAX_PIXELS = 100_000_000
"""Larger pictures are refused: decoded, this is 300 MB. Telephones make up to 50 megapixels, some 200 on request."""

_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257


def image_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) in px as the header of a PNG, JPEG, WebP, BMP or TIFF file states it; None for other files."""
    try:
        for starts, read in _READERS:
            if data.startswith(starts):
                return read(data)
    except (struct.error, IndexError, KeyError):  # cut short
        pass
    return None


def _two(form: str, data: bytes, at: int) -> tuple[int, int]:
    one, two = struct.unpack_from(form, data, at)
    return one, two


def _png(data: bytes) -> tuple[int, int]:
    return _two(">II", data, 16)


def _bmp(data: bytes) -> tuple[int, int]:
    width, height = _two("<ii", data, 18) if data[14] > 12 else _two("<HH", data, 18)
    return abs(width), abs(height)


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """The largest frame: what is decoded is the first, but a thumbnail may lie before it only inside a segment."""
    sizes = [(width, height) for height, width in _jpeg_frames(data)]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _jpeg_frames(data: bytes) -> Iterator[tuple[int, int]]:
    at = 2
    while 0 <= (at := data.find(b"\xff", at)) <= len(data) - 4:  # decoders skip what stands before a marker
        marker = data[at + 1]
        if marker == 0xFF:  # filling
            at += 1
        elif marker in _BARE_MARKERS:
            at += 2
        elif marker == 0xDA:  # the picture itself
            return
        else:
            if marker in _FRAME_MARKERS:
                yield _two(">HH", data, at + 5)
            at += 2 + max(int.from_bytes(data[at + 2 : at + 4], "big"), 2)


def _webp(data: bytes) -> tuple[int, int] | None:
    if data[8:12] != b"WEBP" or len(data) < 30:
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = _two("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _tiff(data: bytes) -> tuple[int, int]:
    order = "<" if data[:2] == b"II" else ">"
    (at,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, at)
    found: dict[int, int] = {}
    for row in range(count):
        tag, kind = struct.unpack_from(order + "HH", data, at + 2 + 12 * row)
        (found[tag],) = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, at + 10 + 12 * row)
    return found[_TIFF_WIDTH], found[_TIFF_HEIGHT]


_READERS: tuple[tuple[bytes, Callable[[bytes], tuple[int, int] | None]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8", _jpeg),
    (b"RIFF", _webp),
    (b"BM", _bmp),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
)
