"""From a stream's time stamps to strictly increasing seconds on the camera's clock."""

from __future__ import annotations

RESET_BACK_S = 1.0
"""A jump back by more starts a new segment; by less it is a stamp out of order (re-ordered pictures: < 16 frames)."""
RESET_FORWARD_S = 86_400.0
"""A jump forward by more is a clock that was set anew, not a pause of the recording."""
REPAIR_STEP_S = 0.001
"""Advance for a stamp that stands still or goes back a little; the outputs carry times to 1 ms."""
_JUMP_INTERVALS = 3.0
"""A step forward by more (and by more than RESET_BACK_S) is doubted until the next stamp is known."""
_STUCK_FRAMES = 3
"""After so many repairs on end the stamps are taken for useless and the mean frame interval is used."""


class Timeline:
    """Stamps the frames of one camera. `pts_s` is a file's own time; `begin_file` says what it becomes.

    Counts: `repairs` (missing, duplicate, backward or outlying stamps), `resets` (the file's clock started anew).
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

    def in_doubt(self, pts_s: float | None) -> bool:
        """Whether `pts_s` jumps so far that `stamp` should be told the stamp after it."""
        if pts_s is None or self.last_s is None:
            return False
        step = pts_s + self._shift_s - self.last_s
        return step < -RESET_BACK_S or step > max(RESET_BACK_S, _JUMP_INTERVALS * self._interval_s)

    def stamp(self, pts_s: float | None, next_pts_s: float | None = None) -> float:
        """Time in s of the next frame in display order; strictly larger than the last one.

        A stamp that jumps while the one after it, `next_pts_s`, goes on where the last one was is a corrupt one: it is
        repaired, and neither becomes a gap nor moves what follows.
        """
        expected = self.next_s
        if pts_s is None:
            self.repairs += 1
            self.last_s = expected
            return expected
        time_s = pts_s + self._shift_s
        if self.last_s is not None:
            step = time_s - self.last_s
            if next_pts_s is not None and self._is_outlier(self.last_s, time_s, next_s := next_pts_s + self._shift_s):
                self.repairs += 1
                time_s = min(expected, max((self.last_s + next_s) / 2, self.last_s + REPAIR_STEP_S))
            elif step < -RESET_BACK_S or step > RESET_FORWARD_S:
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

    def _is_outlier(self, last_s: float, time_s: float, next_s: float) -> bool:
        """Whether `time_s` jumps and `next_s`, after it, jumps back to about two frames after the last one."""
        away, back = time_s - last_s, next_s - time_s
        jumps = min(abs(away), abs(back)) > RESET_BACK_S and away * back < 0
        return jumps and abs(next_s - last_s - 2 * self._interval_s) <= RESET_BACK_S + self._interval_s
