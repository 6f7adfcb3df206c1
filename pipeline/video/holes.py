"""Finds the places where frames are missing from the times of those that came."""

from __future__ import annotations

PAUSE_S = 10.0
"""A jump forward by more is reported as a gap whatever caused it."""
_MAX_LISTED = 10_000
_LONG_HOLE_INTERVALS = 3.0
"""With a loss in evidence, a step over so many frame intervals is a gap, and over 1.5 counts as missing frames."""
_REGULAR_SHARE = 0.97
_SILENT_HOLE_INTERVALS = 5.0
_SILENT_HOLE_S = 0.2
"""Without any sign of loss a step counts as a hole only in a stream that is otherwise regular, and only if it is
this long: cameras do skip a frame now and then. Tuned on zeroed and cut files made by tests/video."""


class HoleFinder:
    """Watches the times of one file; holds at most 10,000 suspicious steps (memory does not grow with length)."""

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self._last: float | None = None
        self._steps = 0
        self._regular = 0
        self._suspects: list[tuple[float, float, bool]] = []
        self._wide = 0
        self._widest_s = 0.0

    def add(self, time_s: float, loss_before: bool) -> None:
        """The next frame lies at `time_s`; `loss_before`: the decoder lost something between it and the last one."""
        if self._last is not None:
            step = time_s - self._last
            self._steps += 1
            self._regular += abs(step - self.interval_s) <= max(0.1 * self.interval_s, 0.002)
            if step > 1.5 * self.interval_s:
                self._wide += 1
                self._widest_s = max(self._widest_s, step)
            if step > 1.5 * self.interval_s and len(self._suspects) < _MAX_LISTED:
                long_enough = step > max(_SILENT_HOLE_INTERVALS * self.interval_s, _SILENT_HOLE_S)
                if loss_before or long_enough:
                    self._suspects.append((self._last, time_s, loss_before))
        self._last = time_s

    @property
    def is_regular(self) -> bool:
        """Nearly all steps are the mean frame interval."""
        return self._steps > 0 and self._regular >= _REGULAR_SHARE * (self._steps - len(self._suspects))

    def lost(self) -> list[tuple[float, float]]:
        """Steps in which footage is missing, the short ones as well."""
        return [
            (start, end)
            for start, end, evident in self._suspects
            if evident or self.is_regular or end - start > PAUSE_S
        ]

    def uneven(self) -> tuple[int, float]:
        """(number, longest in s) of steps over more than one frame interval in a stream that is otherwise regular, when
        none of them counts as lost: a camera that skipped, or short holes."""
        return (self._wide, self._widest_s) if self.is_regular and not self.lost() else (0, 0.0)

    def missing_frames(self) -> int:
        """How many frames the lost steps would have held."""
        return sum(max(round((end - start) / self.interval_s) - 1, 0) for start, end in self.lost())

    def gaps(self) -> list[tuple[float, float]]:
        """The lost steps that are long enough to be told."""
        limit = _LONG_HOLE_INTERVALS * self.interval_s
        return [(start, end) for start, end in self.lost() if end - start > limit]

    def pauses(self) -> list[tuple[float, float]]:
        """All steps over 10 s."""
        return [(start, end) for start, end, _ in self._suspects if end - start > PAUSE_S]
