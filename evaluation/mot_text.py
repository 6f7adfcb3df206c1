"""MOTChallenge text in and out: `frame (1-based), id, left, top, width, height[, confidence, ...]`, one box a line.

The reader takes commas or blanks, a byte order mark and Windows line ends; anything it can't read exactly is an error
that names file and line, because a row read wrong changes a score without a trace.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.errors import UsageError
from pipeline.types import Bool, Float64, Int64

_LEAST_COLUMNS = 6
_CONFIDENCE_COLUMN = 6
_LARGEST_EXACT = 2.0**53
"""Above this a float no longer holds every integer: two ids could fall together."""


@dataclass(frozen=True, slots=True)
class MotRows:
    """The boxes of one camera, in the order of the file.

    `frame (N,) int64` 1-based; `identity (N,) int64`; `xyxy (N, 4) float64 px`; `confidence (N,) float64`.
    """

    frame: Int64
    identity: Int64
    xyxy: Float64
    confidence: Float64

    def __post_init__(self) -> None:
        n = len(self.frame)
        shapes = (self.frame.shape, self.identity.shape, self.xyxy.shape, self.confidence.shape)
        if shapes != ((n,), (n,), (n, 4), (n,)):
            raise ValueError(f"want frame (N,), identity (N,), xyxy (N, 4), confidence (N,); got shapes {shapes}")

    def __len__(self) -> int:
        return len(self.frame)

    @classmethod
    def of(cls, values: object) -> MotRows:
        """From an array `(N, >= 6)`: frame, id, left, top, width, height[, confidence, else 1]."""
        rows = np.asarray(values, dtype=np.float64)
        if rows.size == 0:
            rows = np.zeros((0, _LEAST_COLUMNS))
        if rows.ndim != 2 or rows.shape[1] < _LEAST_COLUMNS:
            raise ValueError(f"rows must be (N, 6 or more), got shape {rows.shape}")
        given = rows.shape[1] > _CONFIDENCE_COLUMN
        return cls(
            rows[:, 0].astype(np.int64),
            rows[:, 1].astype(np.int64),
            np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1),
            rows[:, _CONFIDENCE_COLUMN].copy() if given else np.ones(len(rows)),
        )

    def take(self, rows: Int64 | Bool) -> MotRows:
        """The boxes of `rows` (indices or a mask), in that order."""
        return MotRows(self.frame[rows], self.identity[rows], self.xyxy[rows], self.confidence[rows])

    def with_identity(self, identity: Int64) -> MotRows:
        """The same boxes under other ids."""
        return MotRows(self.frame, identity, self.xyxy, self.confidence)


def read_mot(path: Path, *, truth: bool = False, duplicates: Literal["error", "first"] = "error") -> MotRows:
    """Read a MOT text file.

    truth: rows whose 7th column is 0 are dropped (MOTChallenge: "not considered"); a repeated id is always an error.
    duplicates: an id that stands twice in one frame is refused (`error`), or its first row kept (`first`).
    Raises UsageError naming file and line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a text file; want MOT text: frame,id,left,top,width,height,...") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    rows: list[list[float]] = []
    first_line: dict[tuple[float, float], int] = {}
    for number, line in enumerate(lines, 1):
        fields = line.replace(",", " ").split()
        if not fields:
            continue
        row = _parse(fields, f"{path}:{number}")
        if truth and row[_CONFIDENCE_COLUMN] == 0:
            continue
        key = (row[0], row[1])
        if key in first_line:
            if truth or duplicates == "error":
                why = "these are detections without ids" if row[1] < 0 else f"first on line {first_line[key]}"
                raise UsageError(f"{path}:{number}: id {row[1]:.0f} stands twice in frame {row[0]:.0f} ({why})")
            continue
        first_line[key] = number
        rows.append(row)
    return MotRows.of(np.array(rows, np.float64))


def _parse(fields: list[str], where: str) -> list[float]:
    """The first seven numbers of a row, confidence 1 where the row ends before it."""
    shown = ",".join(fields)[:60]
    if len(fields) < _LEAST_COLUMNS:
        raise UsageError(f"{where}: {len(fields)} columns; want frame,id,left,top,width,height,...: {shown!r}")
    try:
        row = [float(field) for field in fields[: _CONFIDENCE_COLUMN + 1]]
    except ValueError:
        raise UsageError(f"{where}: not a number in {shown!r}; want frame,id,left,top,width,height,...") from None
    if not all(map(math.isfinite, row)):
        raise UsageError(f"{where}: nan or infinite in {shown!r}; every number must be finite")
    if not (row[0].is_integer() and row[1].is_integer() and max(abs(row[0]), abs(row[1])) <= _LARGEST_EXACT):
        raise UsageError(f"{where}: frame and id must be whole numbers: {shown!r}")
    if row[0] < 1:
        raise UsageError(f"{where}: frame {row[0]:.0f}; MOT text counts frames from 1 (add 1 to every frame)")
    if row[4] < 0 or row[5] < 0:
        raise UsageError(f"{where}: negative width or height in {shown!r}; want left,top,width,height")
    if len(row) == _CONFIDENCE_COLUMN:
        row.append(1.0)
    return row


def format_mot(rows: MotRows) -> str:
    """MOT text of `rows` in their order: boxes to 0.01 px, confidence to 1e-4, three -1 for the world place."""
    if not np.isfinite(rows.xyxy).all() or not np.isfinite(rows.confidence).all():
        raise ValueError("MOT text holds finite numbers only; got nan or infinite boxes or confidences")
    lines = []
    for frame, identity, (x1, y1, x2, y2), confidence in zip(
        rows.frame.tolist(), rows.identity.tolist(), rows.xyxy.tolist(), rows.confidence.tolist(), strict=True
    ):
        lines.append(f"{frame},{identity},{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},{confidence:.4f},-1,-1,-1\n")
    return "".join(lines)
