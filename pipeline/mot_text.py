"""Reading MOTChallenge text: `frame (1-based), id, left, top, width, height[, confidence, ...]`, one box a line.

Commas or blanks, a byte order mark and Windows line ends are taken; what can't be read exactly is an error that names
file and line, because a row read wrong changes a result without a trace.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from pipeline.errors import UsageError
from pipeline.types import Float64, Int64

COLUMNS = 7
"""frame, id, left, top, width, height, confidence."""
_LEAST_COLUMNS = 6
_LARGEST_EXACT = 2.0**53
"""Above this a float no longer holds every integer: two ids could fall together."""
_LARGEST_PX = 1e9
"""No picture is so large; above it boxes are wrong, and far above it they do not fit a float32."""
_WANTED = "want MOT text: frame,id,left,top,width,height,..."


def read_rows(path: Path) -> tuple[Int64, Float64]:
    """The numbers of the lines `(N,)`, 1-based, and their rows `(N, 7)`, in the order of the file.

    A confidence that is not given is 1. Raises UsageError that names file and line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a text file; {_WANTED}") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    numbers: list[int] = []
    rows: list[list[float]] = []
    for number, line in enumerate(lines, 1):
        if fields := line.replace(",", " ").split():
            numbers.append(number)
            rows.append(_parse(fields, f"{path}:{number}"))
    return np.array(numbers, np.int64), np.array(rows, np.float64).reshape(len(rows), COLUMNS)


def _parse(fields: list[str], where: str) -> list[float]:
    shown = repr(",".join(fields)[:60])
    if len(fields) < _LEAST_COLUMNS:
        raise UsageError(f"{where}: {len(fields)} columns in {shown}; {_WANTED}")
    try:
        row = [float(field) for field in fields[:COLUMNS]]
    except ValueError:
        raise UsageError(f"{where}: not a number in {shown}; {_WANTED}") from None
    if not all(map(math.isfinite, row)):
        raise UsageError(f"{where}: nan or infinite in {shown}; every number must be finite")
    if not (row[0].is_integer() and row[1].is_integer() and max(abs(row[0]), abs(row[1])) <= _LARGEST_EXACT):
        raise UsageError(f"{where}: frame and id must be whole numbers: {shown}")
    if row[0] < 1:
        raise UsageError(f"{where}: frame {row[0]:.0f}; MOT text counts frames from 1 (add 1 to every frame)")
    if row[4] < 0 or row[5] < 0:
        raise UsageError(f"{where}: negative width or height in {shown}; want left,top,width,height")
    if max(map(abs, row[2:])) > _LARGEST_PX:
        raise UsageError(f"{where}: a box or confidence beyond {_LARGEST_PX:.0e} in {shown}; want pixels")
    return row if len(row) == COLUMNS else [*row, 1.0]
