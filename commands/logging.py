"""Logs on stderr: rich on a terminal, plain lines otherwise; and in the run directory, where they outlive a terminal.

What a file or camera name holds cannot steer them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

PACKAGES = ("pipeline", "runtime", "detectors", "trackers", "reid", "evaluation", "synthetic", "commands")

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]|\n(?!\Z)")


def escape(text: str) -> str:
    """`text` on one line: control characters, terminal escapes, direction marks and lone bytes written as \\x.."""
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode(), text.rstrip("\n"))


class EscapingFormatter(logging.Formatter):
    """Formats a record as one line; a traceback, which is ours, keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """The line of `record`, escaped."""
        record.message = escape(record.message)
        return super().formatMessage(record)


def configure(verbosity: int = 0) -> None:
    """Send logs to stderr. `verbosity`: -1 warnings only, 0 progress, 1 details, 2 those of libraries too."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    root.addHandler(_handler())
    root.setLevel(logging.DEBUG if verbosity >= 2 else logging.WARNING)
    root.handlers[0].setLevel(logging.WARNING if verbosity < 0 else logging.NOTSET)
    ours = logging.INFO if verbosity <= 0 else logging.DEBUG  # also of a quiet run: run.log has them
    for package in PACKAGES:
        logging.getLogger(package).setLevel(ours)
    logging.captureWarnings(True)


def _handler() -> logging.Handler:
    if not sys.stderr.isatty():
        plain = logging.StreamHandler(sys.stderr)
        plain.setFormatter(EscapingFormatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        return plain
    from rich.console import Console  # noqa: PLC0415 - not needed, and not loaded, without a terminal
    from rich.logging import RichHandler  # noqa: PLC0415

    fancy = RichHandler(console=Console(stderr=True), show_path=False, markup=False, log_time_format="%H:%M:%S")
    fancy.setFormatter(EscapingFormatter("%(message)s"))
    return fancy


class RunLog(logging.Handler):
    """Context manager: what is logged inside goes to a file as well, once `open` has said to which.

    Lines from before are kept until then, and come to nothing without it. A file that can't be written (a full disk)
    costs its lines, not the run.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(EscapingFormatter("%(asctime)s %(levelname)s %(message)s"))
        self._early: list[str] = []
        self._descriptor = -1

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            line = f"{kind.__name__}: {error}" if kind else ""
            self.emit(logging.LogRecord("commands", logging.ERROR, "", 0, "ended by %s", (line,), None))
        logging.getLogger().removeHandler(self)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self.close()

    def open(self, path: Path) -> None:
        """Write on at the end of `path`, never through a link."""
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, 0o644)
        except OSError as error:
            logging.getLogger(__name__).warning("%s: no log is written there: %s", path, error.strerror)
        early, self._early = self._early, []
        for line in early:
            self._write(line)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            line = self.format(record) + "\n"
        except Exception:
            self.handleError(record)
            return
        if self._descriptor >= 0:
            self._write(line)
        else:
            self._early.append(line)

    def _write(self, line: str) -> None:
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.write(self._descriptor, line.encode("utf-8", "backslashreplace"))
