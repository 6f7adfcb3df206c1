"""How far a run is: bars on a terminal, a log line now and then otherwise."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from reid.train import Trainer

log = logging.getLogger(__name__)

_LINE_EVERY_S = 10.0


class FrameProgress:
    """Frames done by camera. `totals` may be estimates (a container's count); None where nothing is known."""

    def __init__(self, title: str, totals: Mapping[str, int | None]) -> None:
        self._title = title
        self._totals = dict(totals)
        self._done = dict.fromkeys(totals, 0)
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._next_line = time.monotonic() + _LINE_EVERY_S

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and log.isEnabledFor(logging.INFO):
            from rich.console import Console  # noqa: PLC0415 - not needed, and not loaded, without a terminal
            from rich.progress import Progress  # noqa: PLC0415

            self._bars = Progress(console=Console(stderr=True), transient=True)
            self._tasks = {c: self._bars.add_task(f"{self._title} {c}", total=n) for c, n in self._totals.items()}
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            with contextlib.suppress(OSError):  # the terminal is gone
                self._bars.stop()

    def __call__(self, camera_id: str, frames: int) -> None:
        """Frames of a camera that are done."""
        self._done[camera_id] = frames
        if self._bars is not None:
            with contextlib.suppress(OSError):
                self._bars.update(self._tasks[camera_id], completed=frames)
        elif time.monotonic() >= self._next_line and any(self._done.values()):
            self._next_line = time.monotonic() + _LINE_EVERY_S
            log.info("%s: %s", self._title, ", ".join(self._line(c) for c, n in self._done.items() if n))

    def _line(self, camera_id: str) -> str:
        total = self._totals.get(camera_id)
        return f"{camera_id} {self._done[camera_id]}" + (f" of {total}" if total else "")


class TrainProgress:
    """Steps of a training as a bar on a terminal; nothing otherwise, as the training logs lines of its own."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._bars: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and log.isEnabledFor(logging.INFO):
            from rich.console import Console  # noqa: PLC0415
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

            step, text = TextColumn("step {task.completed}"), TextColumn("{task.description}")
            self._bars = Progress(
                step, BarColumn(), TimeRemainingColumn(), text, console=Console(stderr=True), transient=True
            )
            self._task = self._bars.add_task("", total=self._steps)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            with contextlib.suppress(OSError):  # the terminal is gone
                self._bars.stop()

    def __call__(self, trainer: Trainer, parts: Mapping[str, float]) -> None:
        """After each step; progress by time has no fixed number of steps."""
        if self._bars is None or self._task is None:
            return
        total = trainer.step / trainer.progress if trainer.progress else None
        text = f"loss {parts['loss']:.3f}  {trainer.crops_per_s:.0f} crops/s"
        with contextlib.suppress(OSError):
            self._bars.update(self._task, completed=trainer.step, total=total, description=text)
