"""From raw boxes to one box a person: confidence, non-maximum suppression, nested second boxes."""

from __future__ import annotations

import logging

import numpy as np

from pipeline.config import DetectorConfig
from pipeline.geometry import area, clip, iou, overlap_of_smaller
from pipeline.types import Bool, Detections, Float32, Int64

logger = logging.getLogger(__name__)

NMS_INPUT = 5000
"""Raw boxes that suppression looks at: bounds its time on an image of noise; a crowd of 500 gives about 3000."""

SAME_WIDTH = 0.7
SAME_EDGE = 0.15


def drop_unusable(xyxy: Float32, confidence: Float32, size_wh: tuple[int, int], config: DetectorConfig) -> Detections:
    """Boxes `(N, 4)` px clipped to a frame of `size_wh`, confidences `(N,)` cut to 1, in their order.

    Rows that are not finite, below `config.confidence` or smaller than one pixel inside the image are dropped; of more
    than `config.max_detections` the most confident stay.
    """
    xyxy, confidence = np.asarray(xyxy, np.float32), np.asarray(confidence, np.float32)
    sound = np.isfinite(xyxy).all(axis=1) & np.isfinite(confidence) & (confidence >= config.confidence)
    xyxy, confidence = clip(xyxy[sound], size_wh), np.minimum(confidence[sound], np.float32(1))
    large = ((xyxy[:, 2:] - xyxy[:, :2]) >= 1).all(axis=1)
    return _at_most(Detections(xyxy[large], confidence[large]), config.max_detections)


def _at_most(detections: Detections, most: int) -> Detections:
    if len(detections) <= most:
        return detections
    logger.warning("%d boxes dropped: above detector.max_detections=%d", len(detections) - most, most)
    return detections.take(np.sort(np.argsort(-detections.confidence, kind="stable")[:most]))


def suppress(xyxy: Float32, confidence: Float32, size_wh: tuple[int, int], config: DetectorConfig) -> Detections:
    """One box a person, best first, from the raw boxes of a network; else as `drop_unusable`."""
    usable = drop_unusable(xyxy, confidence, size_wh, config.model_copy(update={"max_detections": NMS_INPUT}))
    kept = usable.take(non_maximum_suppression(usable.xyxy, usable.confidence, config.nms_iou))
    single = kept.take(~nested_duplicates(kept.xyxy, config.nested_overlap))
    return _at_most(single, config.max_detections)


def non_maximum_suppression(xyxy: Float32, confidence: Float32, max_iou: float) -> Int64:
    """Rows (K,) kept, best first: greedily, a box goes when its IoU with a better kept one is above `max_iou`.

    Of equal confidences the earlier row counts as better.
    """
    order = np.argsort(-confidence, kind="stable").astype(np.int64)
    kept: list[int] = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        order = order[iou(xyxy[best : best + 1], xyxy[order])[0] <= max_iou]
    return np.array(kept, np.int64)


def nested_duplicates(xyxy: Float32, min_overlap: float) -> Bool:
    """Which rows `(N,)` are a second box on a person that an earlier (better) row already has."""
    count = len(xyxy)
    drop = np.zeros(count, np.bool_)
    nested = overlap_of_smaller(xyxy, xyxy) > min_overlap
    for row in range(1, count):
        drop[row] = bool((nested[row, :row] & same_person(xyxy[:row], xyxy[row]) & ~drop[:row]).any())
    return drop


def same_person(boxes: Float32, other: Float32) -> Bool:
    """Which of `boxes (N, 4)` can be a part of the person of box `other (4,)`, or the other way round."""
    height = np.maximum(boxes[:, 3] - boxes[:, 1], other[3] - other[1])
    widths = boxes[:, 2] - boxes[:, 0], np.full(len(boxes), other[2] - other[0])
    wide = np.minimum(*widths) >= SAME_WIDTH * np.maximum(*widths)
    edge = np.minimum(np.abs(boxes[:, 1] - other[1]), np.abs(boxes[:, 3] - other[3])) <= SAME_EDGE * height
    result: Bool = wide & edge & (area(boxes) > 0)
    return result
