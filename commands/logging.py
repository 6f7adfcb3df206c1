"""Logs on stderr: rich on a terminal, plain lines otherwise; what a file or camera name holds cannot steer either."""

from __future__ import annotations

import logging
import re
import sys

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
    ours = logging.WARNING if verbosity < 0 else logging.INFO if verbosity == 0 else logging.DEBUG
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
