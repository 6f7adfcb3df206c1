"""Ctrl-C and SIGTERM during a run: the first asks for a clean end, the second ends at once."""

from __future__ import annotations

import logging
import signal
from types import FrameType, TracebackType
from typing import Self

log = logging.getLogger(__name__)


class Interruption:
    """Context manager that turns the first SIGINT or SIGTERM into a wish; `exit_code` is then 130 or 143."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._signal is not None:
            raise KeyboardInterrupt
        self._signal = number
        log.warning("interrupted: finishing the frames in hand and writing what there is; once more to stop at once")

    @property
    def asked(self) -> bool:
        """Whether to end."""
        return self._signal is not None

    @property
    def exit_code(self) -> int:
        """128 + the signal's number; 0 without one."""
        return 0 if self._signal is None else 128 + self._signal
