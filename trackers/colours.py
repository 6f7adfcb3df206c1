"""What each live track wears, and how unlike it a box looks; the tracker's help where two people cross.

A memory of mean colours by bands of the body (pipeline/stages/colours.py). Boxes that others cover show the others:
they count for less, both in the cost and in what is learned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.geometry import intersection
from pipeline.types import Float64, Int64

LIGHT = 0.5
"""Weight of the lightness beside the two colour axes: light changes along a path, colour less so."""


@dataclass(frozen=True, slots=True)
class ColourScale:
    """How colours of one person differ from frame to frame."""

    std: float = 6.0
    """Of a band's colour, in CIE Lab units, between a track's memory and a box of the same person."""
    neutral: float = 0.8
    """A cost of 0: what the log-likelihood of boxes of other people and of the same person is divided at."""
    memory_s: float = 1.0
    """Time constant of what is remembered."""


class ColourMemory:
    """`mean (N, bands, 3)` of the tracks with ids `id (N,)`, ascending; NaN where nothing was seen yet."""

    def __init__(self, scale: ColourScale) -> None:
        self._scale = scale
        self._id: Int64 = np.zeros(0, np.int64)
        self._mean: Float64 = np.zeros((0, 0, 3))

    def cost(self, ids: Int64, colours: Float64, clear: Float64) -> Float64:
        """`(N, M)` for tracks `ids (N,)` and boxes' `colours (M, bands, 3)`: below 0 for alike, above for unlike.

        `clear (M,)` in 0..1: how much of each box no other covers.
        """
        self._align(ids, colours.shape[1])
        difference: Float64 = (self._mean[:, None] - _weighted(colours)[None]) / self._scale.std
        unlike = np.log1p(np.square(difference).sum(axis=3)).mean(axis=2) - self._scale.neutral
        result: Float64 = np.where(np.isnan(unlike), 0.0, unlike) * clear
        return result

    def learn(self, ids: Int64, rows: Int64, colours: Float64, clear: Float64, dt_s: float) -> None:
        """Remember `colours (K, bands, 3)` of the tracks `ids[rows]`."""
        self._align(ids, colours.shape[1])
        share = (1 - np.exp(-dt_s / self._scale.memory_s)) * np.square(clear)
        old, new = self._mean[rows], _weighted(colours)
        known = ~np.isnan(old)
        self._mean[rows] = np.where(known, old + share[:, None, None] * (new - old), new)

    def _align(self, ids: Int64, bands: int) -> None:
        """Rows for exactly the tracks `ids`."""
        if len(ids) == len(self._id) and (ids == self._id).all():
            return
        mean = np.full((len(ids), bands, 3), np.nan)
        if len(self._id):
            place = np.searchsorted(self._id, ids).clip(max=len(self._id) - 1)
            known = self._id[place] == ids
            mean[known] = self._mean[place[known]]
        self._id, self._mean = ids.copy(), mean


def clear_share(boxes: Float64) -> Float64:
    """`(N,)` share of each box `(N, 4)` that the box covering it most leaves free; who stands lower covers."""
    if not len(boxes):
        return np.zeros(0)
    area = np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1e-9)
    shared: Float64 = np.asarray(intersection(boxes, boxes), np.float64)
    in_front = boxes[None, :, 3] > boxes[:, None, 3]
    result: Float64 = 1 - np.where(in_front, shared / area[:, None], 0.0).max(axis=1).clip(0, 1)
    return result


def _weighted(colours: Float64) -> Float64:
    result: Float64 = colours * np.array([LIGHT, 1.0, 1.0])
    return result
