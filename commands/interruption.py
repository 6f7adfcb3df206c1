"""Ctrl-C and SIGTERM during a run: the first asks for a clean end within seconds, the second ends at once."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType, TracebackType
from typing import Self

log = logging.getLogger(__name__)

LIMIT_S = 4.5
"""`docker stop` waits 10 s, the contract 5: then the process ends wherever it is. The store bears that, as it bears
`kill -9`: every file is whole or marked as partial, and `--resume` goes on."""
HURRY_S = 2.0
"""From here on the partial results are cut short."""


def _detach(descriptors: Sequence[int], number: int, frame: FrameType | None) -> None:
    """Point the descriptors of a terminal that is gone at nothing: writing to them would be an error."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


class Interruption:
    """Context manager for a whole run.

    The first SIGINT or SIGTERM raises KeyboardInterrupt, or, inside `deferred()`, becomes a wish (`asked`) that the
    work looks at between batches; the second always raises. After `limit_s` the process is ended. On SIGHUP (the
    terminal is closed) the work goes on, and what goes to the terminal goes nowhere. `exit_code` is 130 or 143 once
    asked.
    """

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._signal: int | None = None
        self._asked_s = 0.0
        self._deferred = False
        self._before: dict[int, object] = {}
        self._watchdog: threading.Timer | None = None

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        terminals = [number for number in (0, 1, 2) if os.isatty(number)]
        if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # nohup ignores it already
            self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, partial(_detach, terminals))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._signal is not None:
            raise KeyboardInterrupt
        self._signal, self._asked_s = number, time.monotonic()
        self._watchdog = threading.Timer(self._limit_s, self._end)
        self._watchdog.daemon = True
        self._watchdog.start()
        if not self._deferred:
            raise KeyboardInterrupt
        log.warning("interrupted: finishing the frames in hand and writing what there is; once more to stop at once")

    def _end(self) -> None:
        try:
            os.write(2, b"error: interrupted; the clean end took too long and was cut off; --resume goes on\n")
        finally:
            os._exit(self.exit_code)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside, the first signal raises nothing: who works here asks `asked`."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    @property
    def asked(self) -> bool:
        """Whether to end."""
        return self._signal is not None

    @property
    def hurry(self) -> bool:
        """Whether to end without anything that takes time."""
        return self.asked and time.monotonic() - self._asked_s > HURRY_S

    @property
    def exit_code(self) -> int:
        """128 + the signal's number; 0 without one."""
        return 0 if self._signal is None else 128 + self._signal
