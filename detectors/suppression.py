"""From raw boxes to one box a person: confidence, non-maximum suppression, nested second boxes."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from pipeline.config import DetectorConfig
from pipeline.geometry import clip, overlap_of_smaller
from pipeline.types import Bool, Detections, Float32
from runtime.nms import greedy_nms

logger = logging.getLogger(__name__)

NMS_INPUT = 3000
"""Raw boxes that suppression looks at, the most confident ones: half a second for an image of nothing but noise."""

SAME_TOP = 0.1
SAME_MIDDLE = 0.3
"""Two boxes show one head when their tops are within 0.1 of the taller one's height and their middles within 0.3 of the
wider one's width. Tuned on 1,698 labelled images of ../shared/data/person_boxes with YOLO11n, confidence >= 0.25: of
217 nested pairs whose heads coincide 24 are two labelled people, of the 97 others 40 are (a child before an adult,
somebody far behind, a person seated in front). PETS and corridor were not looked at for it."""


def drop_unusable(xyxy: Float32, confidence: Float32, size_wh: tuple[int, int], config: DetectorConfig) -> Detections:
    """Boxes `(N, 4)` px clipped to a frame of `size_wh`, confidences `(N,)` cut to 1, in their order.

    Rows that are not finite, below `config.confidence` or smaller than one pixel inside the image are dropped; of more
    than `config.max_detections` the most confident stay.
    """
    return _capped(_usable(xyxy, confidence, size_wh, config.confidence), config.max_detections)


def suppress(xyxy: Float32, confidence: Float32, size_wh: tuple[int, int], config: DetectorConfig) -> Detections:
    """One box a person, best first, from the raw boxes of a network; else as `drop_unusable`."""
    raw = _most_confident(_usable(xyxy, confidence, size_wh, config.confidence), NMS_INPUT)
    kept = _capped(raw.take(greedy_nms(raw.xyxy, raw.confidence, config.nms_iou)), config.max_detections)
    return kept.take(~nested_duplicates(kept.xyxy, config.nested_overlap))


def _usable(xyxy: Float32, confidence: Float32, size_wh: tuple[int, int], least: float) -> Detections:
    xyxy, confidence = np.asarray(xyxy, np.float32), np.asarray(confidence, np.float32)
    sound = np.isfinite(xyxy).all(axis=1) & np.isfinite(confidence) & (confidence >= least)
    xyxy, confidence = clip(xyxy[sound], size_wh), np.minimum(confidence[sound], np.float32(1))
    large = ((xyxy[:, 2:] - xyxy[:, :2]) >= 1).all(axis=1)
    return Detections(xyxy[large], confidence[large])


def _capped(detections: Detections, most: int) -> Detections:
    """The most confident, with the count of those that went, which run_report.json tells."""
    dropped = max(len(detections) - most, 0)
    if dropped:
        logger.debug("%d boxes dropped: above detector.max_detections=%d", dropped, most)
    return replace(_most_confident(detections, most), dropped=dropped)


def _most_confident(detections: Detections, most: int) -> Detections:
    """The `most` best rows, in the order they had."""
    if len(detections) <= most:
        return detections
    return detections.take(np.sort(np.argsort(-detections.confidence, kind="stable")[:most]))


def nested_duplicates(xyxy: Float32, min_overlap: float) -> Bool:
    """Which rows `(N,)` are a second box on a person that an earlier (better) row already has.

    A network often puts a box around head and shoulders, or torso, inside the one around the whole body: their IoU is
    too small for non-maximum suppression. A row goes when more than `min_overlap` of the smaller of the two boxes lies
    in the other and both show the same head. Being nested alone does not do: that removes children.
    """
    second = (overlap_of_smaller(xyxy, xyxy) > min_overlap) & same_head(xyxy)
    drop = np.zeros(len(xyxy), np.bool_)
    for row in range(1, len(xyxy)):
        drop[row] = bool((second[row, :row] & ~drop[:row]).any())
    return drop


def same_head(xyxy: Float32) -> Bool:
    """Which pairs `(N, N)` of boxes have the middle of their upper edge in about the same place."""
    width, height = xyxy[:, 2] - xyxy[:, 0], xyxy[:, 3] - xyxy[:, 1]
    top, middle = xyxy[:, 1], (xyxy[:, 0] + xyxy[:, 2]) / 2
    same_top = np.abs(top[:, None] - top) <= SAME_TOP * np.maximum(height[:, None], height)
    result: Bool = same_top & (np.abs(middle[:, None] - middle) <= SAME_MIDDLE * np.maximum(width[:, None], width))
    return result
