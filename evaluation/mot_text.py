"""The boxes of a camera with their ids, read from MOT text: truth, and what is scored against it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.errors import UsageError
from pipeline.mot_text import read_rows
from pipeline.types import Bool, Float64, Int64

_LEAST_COLUMNS = 6
_CONFIDENCE_COLUMN = 6


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
    numbers, rows = read_rows(path)
    keep: list[int] = []
    first_line: dict[tuple[float, float], int] = {}
    for index, (number, row) in enumerate(zip(numbers.tolist(), rows.tolist(), strict=True)):
        if truth and row[_CONFIDENCE_COLUMN] == 0:
            continue
        key = (row[0], row[1])
        if key in first_line:
            if truth or duplicates == "error":
                why = "these are detections without ids" if row[1] < 0 else f"first on line {first_line[key]}"
                raise UsageError(f"{path}:{number}: id {row[1]:.0f} stands twice in frame {row[0]:.0f} ({why})")
            continue
        first_line[key] = number
        keep.append(index)
    return MotRows.of(rows[keep])
