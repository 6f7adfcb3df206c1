"""Feet of people in two views that are not calibrated, and how well a homography takes those of the one to the other.

Feet belong together that are each other's nearest, within a quarter of the person's height in both views: one way alone
is fooled by a homography that draws a whole view together to where somebody always sits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.types import Bool, Float64, Int64, Tracklet

_NEAR = 0.25
"""Feet belong together within this share of the person's height, in either view."""
_UNSEEN = 0.25
"""What feet in the common view without a partner cost, against one that has a partner."""
_AROUND_S = 0.25
_FAR = 9.0


@dataclass(frozen=True, slots=True)
class Feet:
    """Feet of one view once a second: `at (S, P, 2)`, `height (S, P)` px, NaN where nobody is; `tracklet (S, P)`."""

    at: Float64
    height: Float64
    tracklet: Int64
    size_wh: tuple[int, int]

    def of(self, seconds: Int64) -> Feet:
        """At these seconds alone, in this order."""
        return Feet(self.at[seconds], self.height[seconds], self.tracklet[seconds], self.size_wh)


def feet_of(tracklets: Sequence[Tracklet], seconds: Int64, size_wh: tuple[int, int]) -> Feet:
    """Median box around each of the full `seconds (S,)`, ascending."""
    found: list[list[tuple[float, float, float, int]]] = [[] for _ in seconds]
    for number, one in enumerate(tracklets):
        times, boxes = one.time_s[one.observed], one.xyxy[one.observed]
        low, high = np.searchsorted(seconds, (one.start_s - _AROUND_S, one.end_s + _AROUND_S))
        for row in range(low, high):
            near = slice(*np.searchsorted(times, (seconds[row] - _AROUND_S, seconds[row] + _AROUND_S)))
            if near.stop - near.start >= 2:
                x1, y1, x2, y2 = np.median(boxes[near], axis=0).tolist()
                found[row].append(((x1 + x2) / 2, y2, y2 - y1, number))
    table = np.full((len(seconds), max(map(len, found), default=0), 4), np.nan)
    for row, people in enumerate(found):
        table[row, : len(people)] = np.reshape(people, (-1, 4))
    return Feet(table[..., :2], table[..., 2], np.nan_to_num(table[..., 3], nan=-1).astype(np.int64), size_wh)


def transfer(matrix: Float64, points: Float64) -> tuple[Float64, Float64]:
    """Points `(..., 2)` through each of `matrix (H, 3, 3)`: `(H, ..., 2)`, and their homogeneous weights."""
    flat = np.concatenate([points.reshape(-1, 2), np.ones((points[..., 0].size, 1))], axis=1)
    out = np.einsum("hij,nj->hni", matrix, flat)
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = out[..., :2] / out[..., 2:]
    shape = (len(matrix), *points.shape[:-1])
    return moved.reshape(*shape, 2), out[..., 2].reshape(shape)


def partners(matrix: Float64, a: Feet, b: Feet) -> tuple[Bool, Int64, Int64]:
    """Which feet of a have a partner `(H, S, P)` and which one; how many feet are in the common view `(H,)`."""
    there, seen_a = _apart(matrix, a, b)
    back, seen_b = _apart(np.asarray(np.linalg.inv(matrix), np.float64), b, a)
    apart = np.maximum(there, back.transpose(0, 1, 3, 2))
    nearest, nearest_of_b = apart.argmin(axis=3), apart.argmin(axis=2)
    mutual = np.take_along_axis(nearest_of_b, nearest, 2) == np.arange(apart.shape[2])
    return (apart.min(axis=3) < _NEAR) & mutual, nearest, seen_a.sum(axis=(1, 2)) + seen_b.sum(axis=(1, 2))


def _apart(matrix: Float64, a: Feet, b: Feet) -> tuple[Float64, Bool]:
    """Distances `(H, S, P, Q)` of a's feet from b's in heights of b's people, and which of a's are in b's view."""
    moved, weight = transfer(matrix, np.nan_to_num(a.at, nan=-1e5))
    known = np.isfinite(a.height)
    side = np.sign(np.median(weight[:, known], axis=1))[:, None, None] if known.any() else 1.0
    inside = known & (weight * side > 0) & (moved > 0).all(axis=-1) & (moved < np.array(b.size_wh)).all(axis=-1)
    apart = np.linalg.norm(moved[:, :, :, None] - b.at[None, :, None], axis=-1) / b.height[None, :, None]
    return np.where(np.isfinite(apart) & inside[..., None], apart, _FAR), inside


def score(matrix: Float64, a: Feet, b: Feet) -> tuple[Float64, Float64]:
    """What is to be largest, `(H,)`, and the share of feet in the common view that have a partner."""
    found, _, seen = partners(matrix, a, b)
    both = 2.0 * found.sum(axis=(1, 2))
    return both - _UNSEEN * (seen - both), both / np.maximum(seen, 1)
