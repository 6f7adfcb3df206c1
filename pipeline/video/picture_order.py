"""Holes in a raw HEVC stream, which has neither times nor a count: its pictures state their place in display order.

The picture order count (ITU-T H.265, 8.3.1) starts anew at an IDR picture and, with every encoder known here, goes up
by one step from each displayed picture to the next. A place that no picture takes is a hole. Pictures lost right
before an IDR picture, or at the end, leave none.
"""

from __future__ import annotations

import heapq
from collections import Counter

from pipeline.video.bits import HEADER_BYTES, Bits, units

MOST_MISSING = 32
"""A hole counts as so many pictures at most: a damaged number says anything."""
_LEAST_STEPS = 8
_MOST_DIFFERENT = 64
_IDR, _CRA, _IRAP, _LAST_IRAP, _SPS, _PPS, _END = (19, 20), 21, 16, 23, 33, 34, (36, 37)
_LEADING = range(6, 10)


class OrderWindow:
    """Puts pictures that come in decoding order into display order and counts the places left empty.

    `depth`: how many pictures may come before one that is displayed before them. A step is believed only while at
    least half of all steps are that long: numbers that go up irregularly tell nothing.
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self._waiting: list[int] = []
        self._last: int | None = None
        self._steps: Counter[int] = Counter()

    def add(self, order: int) -> int:
        """The next picture in decoding order; returns how many places are now known to be empty."""
        heapq.heappush(self._waiting, order)
        empty = 0
        while len(self._waiting) > self.depth:
            empty += self._settle(heapq.heappop(self._waiting))
        return empty

    def restart(self) -> int:
        """The count begins anew, or the stream has ended; returns as `add`."""
        empty = sum(self._settle(order) for order in sorted(self._waiting))
        self._waiting, self._last = [], None
        return empty

    def _settle(self, order: int) -> int:
        last = self._last
        if last is None or order <= last:  # the first, or one that comes after its place
            self._last = order if last is None else last
            return 0
        self._last = order
        step = order - last
        if step in self._steps or len(self._steps) < _MOST_DIFFERENT:
            self._steps[step] += 1
        least, seen = min(self._steps), self._steps.total()
        believed = seen >= _LEAST_STEPS and 2 * self._steps[least] >= seen
        return min(step // least - 1, MOST_MISSING) if believed else 0


def whole_order(low: int, before: int, width: int) -> int:
    """The full count of a picture that states its `width` low bits, near the one `before` it (8.3.1)."""
    period = 1 << width
    order = before - before % period + low
    if order - before > period // 2:
        return order - period
    return order + period if before - order >= period // 2 else order


class HevcOrder:
    """Follows one stream, access unit by access unit."""

    def __init__(self) -> None:
        self._window = OrderWindow(0)
        self._width: int | None = None
        self._separate_planes = False
        self._extra_bits: dict[int, tuple[bool, int]] = {}
        self._before = 0
        self._begins = True

    def missing_before(self, access_unit: bytes) -> int:
        """How many pictures are now known to be missing (Annex B bytes); with B pictures some come later."""
        for unit in units(access_unit):
            if len(unit) < 3 or (unit[0] & 1) << 5 | unit[1] >> 3:  # a layer above the base
                continue
            kind = unit[0] >> 1 & 63
            try:
                if kind == _SPS:
                    self._read_sequence(Bits(unit[2:]))
                elif kind == _PPS:
                    self._read_picture_parameters(Bits(unit[2:HEADER_BYTES]))
                elif kind in _END:
                    self._begins = True
                elif kind < 32 and self._width is not None:
                    return self._picture(unit, kind, self._width)
            except IndexError:  # cut short
                return 0
        return 0

    def missing_at_end(self) -> int:
        """What the last pictures tell, when no more come."""
        return self._window.restart()

    def _picture(self, unit: bytes, kind: int, width: int) -> int:
        bits = Bits(unit[2:HEADER_BYTES])
        if not bits.take(1):  # a later slice
            return 0
        random_access = _IRAP <= kind <= _LAST_IRAP
        if random_access:
            bits.take(1)
        output_flag, extra = self._extra_bits.get(bits.unsigned(), (False, 0))
        bits.take(extra)
        bits.unsigned()  # type of the slice
        bits.take(output_flag + 2 * self._separate_planes)
        low = 0 if kind in _IDR else bits.take(width)
        anew = random_access and (self._begins or kind != _CRA)
        empty = self._window.restart() if anew else 0
        self._begins = self._begins and not random_access
        order = low if anew else whole_order(low, self._before, width)
        referred_to = kind >= _IRAP or (kind % 2 == 1 and kind not in _LEADING)
        if unit[1] & 7 == 1 and referred_to:
            self._before = order
        return empty + self._window.add(order)

    def _read_picture_parameters(self, bits: Bits) -> None:
        """7.3.2.3, as far as is needed."""
        number, _ = bits.unsigned(), bits.unsigned()
        bits.take(1)
        self._extra_bits[number & 63] = bool(bits.take(1)), bits.take(3)

    def _read_sequence(self, bits: Bits) -> None:
        """7.3.2.2, as far as is needed."""
        self._width = None
        bits.take(4)
        sub_layers = bits.take(3)
        bits.take(1 + 96)  # the profile and the level, 7.3.3
        present = [(bits.take(1), bits.take(1)) for _ in range(sub_layers)]
        bits.take(2 * (8 - sub_layers) if sub_layers else 0)
        for profile, level in present:
            bits.take(88 * profile + 8 * level)
        bits.unsigned()
        separate = bits.unsigned() == 3 and bool(bits.take(1))
        bits.unsigned(), bits.unsigned()
        if bits.take(1):
            for _ in range(4):
                bits.unsigned()
        bits.unsigned(), bits.unsigned()
        width = bits.unsigned() + 4
        depth = 0
        for _ in range(sub_layers + 1 if bits.take(1) else 1):
            bits.unsigned()
            depth = bits.unsigned()
            bits.unsigned()
        if width <= 16 and depth <= 16:
            self._width, self._separate_planes, self._window.depth = width, separate, depth
