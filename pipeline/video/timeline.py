"""From a stream's time stamps to strictly increasing seconds on the camera's clock."""

from __future__ import annotations

RESET_BACK_S = 1.0
"""A jump back by more starts a new segment; by less it is a stamp out of order (re-ordered pictures: < 16 frames)."""
RESET_FORWARD_S = 86_400.0
"""A jump forward by more is a clock that was set anew, not a pause of the recording."""
REPAIR_STEP_S = 0.001
"""Advance for a stamp that stands still or goes back a little; the outputs carry times to 1 ms."""
_STUCK_FRAMES = 3
"""After so many repairs on end the stamps are taken for useless and the mean frame interval is used."""


class Timeline:
    """Stamps the frames of one camera. `pts_s` is a file's own time; `begin_file` says what it becomes.

    Counts: `repairs` (missing, duplicate or backward stamps), `resets` (the file's clock started anew).
    """

    def __init__(self) -> None:
        self.last_s: float | None = None
        self.repairs = 0
        self.resets = 0
        self._shift_s = 0.0
        self._start_s = 0.0
        self._interval_s = 0.04
        self._on_end = 0

    def begin_file(self, start_s: float, origin_pts_s: float, interval_s: float) -> None:
        """The next file's stamp `origin_pts_s` lies at `start_s`; `interval_s` is its mean frame interval."""
        self._start_s, self._shift_s, self._interval_s = start_s, start_s - origin_pts_s, interval_s
        self._on_end = 0

    @property
    def next_s(self) -> float:
        """Where the next frame would lie without a stamp of its own."""
        return self._start_s if self.last_s is None else max(self.last_s + self._interval_s, self._start_s)

    def stamp(self, pts_s: float | None) -> float:
        """Time in s of the next frame in display order; strictly larger than the last one."""
        expected = self.next_s
        if pts_s is None:
            self.repairs += 1
            self.last_s = expected
            return expected
        time_s = pts_s + self._shift_s
        if self.last_s is not None:
            step = time_s - self.last_s
            if step < -RESET_BACK_S or step > RESET_FORWARD_S:
                self.resets += 1
                self._shift_s += expected - time_s
                time_s = expected
            elif step <= 0:
                self.repairs += 1
                self._on_end += 1
                time_s = expected if self._on_end > _STUCK_FRAMES else self.last_s + REPAIR_STEP_S
            else:
                self._on_end = 0
        self.last_s = time_s
        return time_s
