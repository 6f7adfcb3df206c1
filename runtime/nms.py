"""Non-maximum suppression on NumPy arrays."""

from __future__ import annotations

import numpy as np

from pipeline.types import Float32, Int64


def greedy_nms(xyxy: Float32, confidence: Float32, max_iou: float) -> Int64:
    """Rows (K,) kept, best first: greedily, a box goes when its IoU with a better kept one is above `max_iou`.

    `xyxy (N, 4)`, `confidence (N,)`. Of equal confidences the earlier row counts as better. Time grows with N times K:
    a third of a second for 2,400 boxes that all stay.
    """
    order = np.argsort(-confidence, kind="stable").astype(np.int64)
    areas = (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1])
    kept: list[int] = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        others = xyxy[order]
        side = np.minimum(others[:, 2:], xyxy[best, 2:]) - np.maximum(others[:, :2], xyxy[best, :2])
        common = np.maximum(side[:, 0], 0) * np.maximum(side[:, 1], 0)
        with np.errstate(divide="ignore", invalid="ignore"):  # two empty boxes: 0 / 0 suppresses nothing
            order = order[~(common / (areas[best] + areas[order] - common) > np.float32(max_iou))]
    return np.array(kept, np.int64)
