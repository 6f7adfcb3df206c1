"""Boxes as pure functions on arrays; `xyxy` is x1, y1, x2, y2 in px."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.types import Bool, Float32, Float64

Boxes = NDArray[np.floating]


def area(xyxy: Boxes) -> Boxes:
    """Area `(N,)` px^2 of boxes `(N, 4)`; 0 where a box is inside out."""
    result: Boxes = np.clip(xyxy[:, 2] - xyxy[:, 0], 0, None) * np.clip(xyxy[:, 3] - xyxy[:, 1], 0, None)
    return result


def intersection(a: Boxes, b: Boxes) -> Boxes:
    """Common area `(N, M)` px^2 of boxes `(N, 4)` and `(M, 4)`."""
    width = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    result: Boxes = np.clip(width, 0, None) * np.clip(height, 0, None)
    return result


def iou(a: Boxes, b: Boxes) -> Boxes:
    """Intersection over union `(N, M)`, 0..1; 0 where both boxes are empty."""
    common = intersection(a, b)
    union = area(a)[:, None] + area(b)[None, :] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def overlap_of_smaller(a: Boxes, b: Boxes) -> Boxes:
    """Intersection over the smaller box's area `(N, M)`: 1 where one box lies inside the other."""
    common = intersection(a, b)
    smaller = np.minimum(area(a)[:, None], area(b)[None, :])
    return np.divide(common, smaller, out=np.zeros_like(common), where=smaller > 0)


def xyxy_to_tlwh(xyxy: Boxes) -> Boxes:
    """Left, top, width, height."""
    return np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)


def tlwh_to_xyxy(tlwh: Boxes) -> Boxes:
    """Inverse of `xyxy_to_tlwh`."""
    return np.concatenate([tlwh[:, :2], tlwh[:, :2] + tlwh[:, 2:]], axis=1)


def clip(xyxy: Float32, size_wh: tuple[int, int]) -> Float32:
    """Boxes cut to an image of `size_wh` px."""
    width, height = size_wh
    limit = np.array([width, height, width, height], np.float32)
    result: Float32 = np.clip(xyxy, 0, limit).astype(np.float32)
    return result


def feet(xyxy: Boxes) -> Boxes:
    """The middle of the lower edge `(N, 2)`: where a person stands."""
    return np.stack([(xyxy[:, 0] + xyxy[:, 2]) / 2, xyxy[:, 3]], axis=1)


def inside_polygon(points: Boxes, polygon: Boxes) -> Bool:
    """Which of `points (N, 2)` lie in `polygon (K, 2)` (even-odd rule)."""
    x, y = points[:, 0, None], points[:, 1, None]
    x1, y1 = polygon[None, :, 0], polygon[None, :, 1]
    x2, y2 = np.roll(x1, -1, axis=1), np.roll(y1, -1, axis=1)
    crosses = (y1 > y) != (y2 > y)
    rise = np.where(y2 == y1, 1.0, y2 - y1)
    result: Bool = (np.sum(crosses & (x < (x2 - x1) * (y - y1) / rise + x1), axis=1) % 2).astype(np.bool_)
    return result


def project(points: Boxes, homography: Float64) -> Float64:
    """Points `(N, 2)` through a `(3, 3)` homography."""
    homogeneous = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ homography.T
    result: Float64 = homogeneous[:, :2] / homogeneous[:, 2:]
    return result
