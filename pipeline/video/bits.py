"""Bit by bit through the headers of a raw H.264 or HEVC stream (Annex B of ITU-T H.264 and H.265)."""

from __future__ import annotations

from collections.abc import Iterator

HEADER_BYTES = 64
"""Enough for a slice's first fields."""


class Bits:
    """Reads a NAL unit's payload bit by bit. Raises IndexError at its end."""

    def __init__(self, unit: bytes) -> None:
        self._data = unit.replace(b"\0\0\3", b"\0\0")
        self._at = 0

    def take(self, count: int) -> int:
        """u(count)."""
        value = 0
        for _ in range(count):
            value = value << 1 | self._data[self._at >> 3] >> (7 - self._at % 8) & 1
            self._at += 1
        return value

    def unsigned(self) -> int:
        """ue(v), H.264 9.1, H.265 9.2."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise IndexError
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """se(v)."""
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def units(access_unit: bytes) -> Iterator[bytes]:
    """NAL units between start codes, without them."""
    at = access_unit.find(b"\0\0\1")
    while at >= 0:
        end = access_unit.find(b"\0\0\1", at + 3)
        unit = access_unit[at + 3 : None if end < 0 else end]
        if unit:
            yield unit
        at = end
