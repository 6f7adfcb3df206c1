"""Holes in a raw H.264 stream, which has neither times nor a count: its pictures number themselves.

`frame_num` goes up by one after each picture that others refer to (ITU-T H.264, 7.4.3): a step of more is a hole,
unless the stream says that it leaves numbers out. Lost pictures that nobody refers to leave none.
"""

from __future__ import annotations

from collections.abc import Iterator

_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_SLICES, _IDR, _SPS = (1, 5), 5, 7
_HEADER_BYTES = 64
"""Enough for a slice's first fields."""


class _Bits:
    """Reads a NAL unit's payload bit by bit. Raises IndexError at its end."""

    def __init__(self, unit: bytes) -> None:
        self._data = unit.replace(b"\0\0\3", b"\0\0")
        self._at = 0

    def take(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self._data[self._at >> 3] >> (7 - self._at % 8) & 1
            self._at += 1
        return value

    def unsigned(self) -> int:
        """ue(v), 9.1."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise IndexError
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """se(v), 9.1.1."""
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -(code // 2)


class FrameNumbers:
    """Follows one stream, access unit by access unit."""

    def __init__(self) -> None:
        self._bits: int | None = None
        self._separate_planes = False
        self._last: int | None = None

    def missing_before(self, access_unit: bytes) -> int:
        """How many pictures that others refer to are missing before this one (Annex B bytes); 0 where none can tell."""
        for unit in _units(access_unit):
            kind = unit[0] & 31
            try:
                if kind == _SPS:
                    self._read_parameters(_Bits(unit[4:]), unit[1])
                elif kind in _SLICES and self._bits is not None:
                    return self._step(unit, self._bits)
            except IndexError:  # cut short
                return 0
        return 0

    def _step(self, unit: bytes, width: int) -> int:
        bits = _Bits(unit[1:_HEADER_BYTES])
        for _ in range(3):  # first macroblock, type, picture parameters
            bits.unsigned()
        if self._separate_planes:
            bits.take(2)
        number, last = bits.take(width), self._last
        if unit[0] >> 5 & 3:
            self._last = number
        if unit[0] & 31 == _IDR or last is None or number <= 1:  # 0 and 1 also follow a reset of the memory (8.2.1)
            return 0
        return max((number - last) % (1 << width) - 1, 0)

    def _read_parameters(self, bits: _Bits, profile: int) -> None:
        """Sequence parameter set, 7.3.2.1.1, as far as is needed."""
        self._bits = None
        bits.unsigned()
        planes = False
        if profile in _HIGH_PROFILES:
            chroma = bits.unsigned()
            planes = chroma == 3 and bool(bits.take(1))
            bits.unsigned(), bits.unsigned(), bits.take(1)
            if bits.take(1):
                for matrix in range(12 if chroma == 3 else 8):
                    if bits.take(1):
                        _skip_scaling_list(bits, 16 if matrix < 6 else 64)
        width = bits.unsigned() + 4
        order = bits.unsigned()
        if order == 0:
            bits.unsigned()
        elif order == 1:
            bits.take(1), bits.signed(), bits.signed()
            for _ in range(bits.unsigned()):
                bits.signed()
        bits.unsigned()
        leaves_out = bits.take(1)
        if not leaves_out and width <= 16:
            self._bits, self._separate_planes = width, planes


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _units(access_unit: bytes) -> Iterator[bytes]:
    """NAL units between start codes, without them."""
    at = access_unit.find(b"\0\0\1")
    while at >= 0:
        end = access_unit.find(b"\0\0\1", at + 3)
        unit = access_unit[at + 3 : None if end < 0 else end]
        if unit:
            yield unit
        at = end
