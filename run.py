#!/usr/bin/env python3
"""Passerby's front door: `python run.py --videos cam1.mp4 cam2.mp4`; `python run.py --help` lists the commands."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import errno
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType, ModuleType
from typing import TextIO

from commands import version
from commands.logging import configure, escape
from pipeline.errors import PasserbyError

COMMANDS: dict[str, tuple[str, str]] = {
    "track": ("commands.track", "videos in, one identity per person out (the word may be left out)"),
    "demo": ("commands.demo", "render synthetic cameras, track them and evaluate the result"),
    "explain": ("commands.explain", "why the tracklets of a person were linked; a sheet of the crops on request"),
    "relink": (
        "commands.relink",
        "correct who is who in a run, or link it anew with other settings, without video",
    ),
    "evaluate": ("commands.evaluate", "score a run against truth: MOTA, IDF1, HOTA, per camera and over cameras"),
    "train-reid": ("commands.train_reid", "train a re-identification network"),
    "keypoints": ("commands.keypoints", "joints of the people in crops, for pose-guided re-identification"),
    "train-detector": ("commands.train_detector", "train a person detector"),
    "evaluate-reid": ("commands.evaluate_reid", "Rank-k and mAP of a re-identification network"),
    "reid-matrix": ("commands.reid_matrix", "several networks on several sets: how they carry over"),
    "evaluate-detector": ("commands.evaluate_detector", "average precision of a detector"),
    "album": ("commands.album", "a folder of photos, grouped by person"),
    "export": ("commands.export", "a re-identification network as ONNX or OpenVINO"),
    "synthesize": ("commands.synthesize", "render synthetic cameras with exact truth, calibration and crops"),
    "calibrate": ("commands.calibrate", "from a camera's image to the floor in metres: click points, fit, check"),
    "weights": ("commands.weights", "list weight files and verify them against their cards"),
    "doctor": ("commands.doctor", "check codecs, device, versions and weights, with remedies"),
}
"""Command word -> module, imported only when its word is used, and one line of help."""

LATER = frozenset(("search", "report", "serve", "live"))
"""Words that are taken and do nothing yet."""

_COMMON = frozenset(("-q", "--quiet", "-v", "-vv", "--verbose", "--debug", "--json"))
_INTERNAL_ERROR = 1
_BROKEN_PIPE = 128 + signal.SIGPIPE


class Terminated(KeyboardInterrupt):
    """SIGTERM: a command that checkpoints on KeyboardInterrupt does so here too; the exit code is 143."""


class Parser(argparse.ArgumentParser):
    """Tells a fault in one line, with the nearest known option."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """Print `message` and exit with 2."""
        wrong = message.removeprefix("unrecognized arguments: ").split(" ")[0].split("=")[0]
        known = [option for action in self._actions for option in action.option_strings]
        close = difflib.get_close_matches(wrong, known, n=1) if wrong.startswith("-") else []
        nearest = f" (nearest: {close[0]})" if close and message.startswith("unrecognized") else ""
        _tell(f"{message}{nearest}; see {self.prog} --help")
        raise SystemExit(2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code of the contract."""
    word, rest = _split(list(sys.argv[1:] if argv is None else argv))
    if word in ("--help", "-h", ""):
        print(_overview())
        return 0 if word else 2
    if word == "--version":
        print(f"passerby {version()}")
        return 0
    if word in LATER:
        _tell(f"`{word}` is not built yet; `run.py --help` lists what is")
        return 2
    if word not in COMMANDS:
        close = difflib.get_close_matches(word, [*COMMANDS, *LATER], n=1)
        nearest = f"nearest: {close[0]}" if close else "videos go behind --videos"
        _tell(f"{word!r} is no command ({nearest}); see run.py --help")
        return 2
    return _guarded(word, rest)


def _split(argv: list[str]) -> tuple[str, list[str]]:
    """The command word and its arguments; without a word it is `track`."""
    lead = 0
    while lead < len(argv) and argv[lead] in _COMMON:
        lead += 1
    first = argv[lead] if lead < len(argv) else ""
    if not first or first in ("--help", "-h", "--version"):
        return first, []
    if first.startswith("-"):
        return "track", argv
    return first, argv[:lead] + argv[lead + 1 :]


def _overview() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [
        "Passerby follows people through several cameras: video files in, one identity per person out.",
        "",
        "  python run.py --videos cam1.mp4 cam2.mp4        the same as `run.py track --videos ...`",
        "  python run.py COMMAND --help                    the options of a command",
        "",
        *(f"  {word:<{width}}{text}" for word, (_, text) in COMMANDS.items()),
        "",
        "Every command takes -q/--quiet, -v/--verbose, --debug (tracebacks) and --json (the result on stdout).",
    ]
    return "\n".join(lines)


def _guarded(word: str, rest: list[str]) -> int:
    """Run a command; whatever goes wrong becomes one line on stderr and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # odd file names under LANG=C
    try:
        return _flush(_run(word, rest))
    except BrokenPipeError:
        _detach(sys.stdout)
        _flush(0)
        return _BROKEN_PIPE
    except (Exception, KeyboardInterrupt) as error:
        code, message = _outcome(error)
        if "--debug" in rest and not isinstance(error, KeyboardInterrupt):
            traceback.print_exception(error)
        _tell(message)
        return code


def _outcome(error: BaseException) -> tuple[int, str]:
    """Exit code and line for what ended a command."""
    if isinstance(error, PasserbyError):
        return error.exit_code, str(error)
    if isinstance(error, Terminated):
        return 128 + signal.SIGTERM, "terminated"
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT, "interrupted"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's, which is not imported
        return 5, "out of memory; fewer cameras at once or a smaller detector.image_size_px need less"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return 5, f"{error.filename or 'output'}: no room left ({error.strerror}); free some space, then --resume"
    where = "a fault of the program, please report it; --debug shows where"
    return _INTERNAL_ERROR, f"unexpected {type(error).__name__}: {error}; {where}"


def _run(word: str, rest: list[str]) -> int:
    path, text = COMMANDS[word]
    try:
        module: ModuleType = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        _tell(f"`{word}` is not built yet; `run.py --help` lists what is")
        return 2
    parser = Parser(prog=f"run.py {word}", description=text, allow_abbrev=False)
    module.add_arguments(parser)
    _add_common(parser)
    args = parser.parse_args(rest)

    configure(-1 if args.quiet else args.verbose)
    with _terminable():
        return int(module.run(args))


def _add_common(parser: argparse.ArgumentParser) -> None:
    def add(*flags: str, **settings: object) -> None:
        with contextlib.suppress(argparse.ArgumentError):  # the command has its own
            parser.add_argument(*flags, **settings)  # type: ignore[arg-type]

    add("-q", "--quiet", action="store_true", help="only warnings and errors")
    add("-v", "--verbose", action="count", default=0, help="details; twice: those of libraries too")
    add("--debug", action="store_true", help="show the traceback of an error")
    add("--json", action="store_true", help="print the result as JSON on stdout")


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """While a command runs, SIGTERM is an interrupt that asks for a clean checkpoint."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _flush(code: int) -> int:
    """Write out stdout and stderr; a reader that left early (`| head`) does not change the result of the work."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            _detach(stream)
    return code


def _detach(stream: TextIO) -> None:
    """Point a stream at nothing, so that the interpreter's last flush cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _tell(message: str) -> None:
    with contextlib.suppress(OSError):
        print(f"error: {escape(message)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
