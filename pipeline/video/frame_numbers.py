"""Holes in a raw H.264 stream, which has neither times nor a count: its pictures number themselves.

`frame_num` goes up by one after each picture that others refer to (ITU-T H.264, 7.4.3): a step of more is a hole,
unless the stream says that it leaves numbers out. Lost pictures that nobody refers to leave a hole in the display
order instead (8.2.1), where the stream states that (type 0) and has no field pictures.
"""

from __future__ import annotations

from pipeline.video.bits import HEADER_BYTES, Bits, units
from pipeline.video.picture_order import MOST_MISSING, OrderWindow, whole_order

_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_SLICES, _IDR, _SPS = (1, 5), 5, 7
_REORDERED = 16
"""Pictures of the decoder's buffer at most (A.3.1): so many may come before one that is displayed first."""


class FrameNumbers:
    """Follows one stream, access unit by access unit."""

    def __init__(self) -> None:
        self._bits: int | None = None
        self._separate_planes = False
        self._last: int | None = None
        self._leaves_out = False
        self._order_bits: int | None = None
        self._frames_only = True
        self._window, self._before = OrderWindow(_REORDERED), 0
        self._told = self._places = 0

    def missing_before(self, access_unit: bytes) -> int:
        """How many pictures that others refer to are missing before this one (Annex B bytes); 0 where none can tell."""
        for unit in units(access_unit):
            kind = unit[0] & 31
            try:
                if kind == _SPS:
                    self._read_parameters(Bits(unit[4:]), unit[1])
                elif kind in _SLICES and self._bits is not None:
                    return self._step(unit, self._bits)
            except IndexError:  # cut short
                return 0
        return 0

    def _step(self, unit: bytes, width: int) -> int:
        bits = Bits(unit[1:HEADER_BYTES])
        for _ in range(3):  # first macroblock, type, picture parameters
            bits.unsigned()
        if self._separate_planes:
            bits.take(2)
        number, last = bits.take(width), self._last
        anew, referred_to = unit[0] & 31 == _IDR, bool(unit[0] >> 5 & 3)
        if self._order_bits is not None:
            self._place(bits, self._order_bits, anew=anew, referred_to=referred_to)
        if referred_to:
            self._last = number
        # 0 and 1 also follow a reset of the memory (8.2.1)
        if anew or last is None or number <= 1 or self._leaves_out:
            return 0
        missing = min(max((number - last) % (1 << width) - 1, 0), MOST_MISSING)
        self._told += missing
        return missing

    def _place(self, bits: Bits, width: int, *, anew: bool, referred_to: bool) -> None:
        """Its place in display order: the rest of what is wanted of the slice's header, 7.3.3."""
        if not self._frames_only and bits.take(1):  # one of two fields
            self._order_bits = None
            return
        if anew:
            bits.unsigned()
            self._places += self._window.restart()
        low = bits.take(width)
        order = low if anew else whole_order(low, self._before, width)
        if referred_to:
            self._before = order
        self._places += self._window.add(order)

    def missing_at_end(self) -> int:
        """What to add to what was told before: the display order counts pictures that nobody refers to as well, and
        does not count those twice that come after a hole with a number of their own."""
        places = self._places + self._window.restart()
        return places - self._told if places else 0

    def _read_parameters(self, bits: Bits, profile: int) -> None:
        """Sequence parameter set, 7.3.2.1.1, as far as is needed."""
        self._bits = self._order_bits = None
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
        order, order_width = bits.unsigned(), None
        if order == 0:
            order_width = bits.unsigned() + 4
        elif order == 1:
            bits.take(1), bits.signed(), bits.signed()
            for _ in range(bits.unsigned()):
                bits.signed()
        bits.unsigned()
        leaves_out = bool(bits.take(1))
        bits.unsigned(), bits.unsigned()
        frames_only = bool(bits.take(1))
        if width <= 16 and (order_width or 0) <= 16:
            self._bits, self._separate_planes, self._leaves_out = width, planes, leaves_out
            self._order_bits, self._frames_only = order_width, frames_only


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last
