"""Images of several sets, or some of one, as a sequence without copying any."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.types import Int64, UInt8


class JoinedImages(Sequence[UInt8]):
    """Several arrays of images one after the other, none of them copied."""

    def __init__(self, parts: Sequence[Sequence[UInt8]]) -> None:
        self._parts = tuple(parts)
        self._starts = np.cumsum([0, *(len(part) for part in parts)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, row: int) -> UInt8:  # type: ignore[override]
        """The image of `row`."""
        part = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._parts[part][int(row) - int(self._starts[part])]


class ChosenImages(Sequence[UInt8]):
    """Some rows of a sequence of images."""

    def __init__(self, images: Sequence[UInt8], rows: Int64) -> None:
        self._images, self._rows = images, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> UInt8:  # type: ignore[override]
        """The image of `row`."""
        return self._images[int(self._rows[row])]
