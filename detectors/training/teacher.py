"""Filling in the labels of partly labelled images with the boxes of another detector (pseudo-labels)."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from detectors.training.augment import PAD_GREY
from detectors.training.dataset import Complete, LabelledImage
from pipeline.geometry import intersection, iou
from pipeline.types import Detector, Float32, Frame

SURE = 0.4
"""The teacher's boxes from here on become labels. Not tuned; of the 52
boxes it gave yolo11n on 24 images of the three partial sets, looked at, none was off a person."""
DOUBTFUL = 0.12
"""Between here and SURE the teacher does not know: those places are blurred away, neither person nor background."""
SAME_IOU = 0.4
"""A teacher's box that overlaps a label this much is that label."""


def fill_with(teacher: Detector) -> Complete:
    """A function that completes an image's labels; `teacher` must report boxes from DOUBTFUL on."""

    def complete(item: LabelledImage) -> LabelledImage:
        found = teacher.detect([Frame(item.source, 0, 0.0, item.image)])[0]
        return merge(item, found.xyxy, found.confidence)

    return complete


def merge(item: LabelledImage, xyxy: Float32, confidence: Float32) -> LabelledImage:
    """`item` with the teacher's boxes `(N, 4)` added: sure ones as labels, doubtful places blurred away.

    Where a sure box overlaps a label by SAME_IOU or more it replaces it: many labels of such sets end at the thighs.
    A doubtful place is left alone where it lies mostly on a person.
    """
    sure = xyxy[confidence >= SURE]
    labels = np.concatenate([item.xyxy[_unlike(item.xyxy, sure)], sure]).astype(np.float32)
    doubtful = xyxy[_unlike(xyxy, item.xyxy) & (confidence >= DOUBTFUL) & (confidence < SURE)]
    return hide(replace(item, xyxy=labels), doubtful)


def hide(item: LabelledImage, doubtful: Float32) -> LabelledImage:
    """`item` with the places `(N, 4)` that do not lie mostly on a label filled with their mean colour."""
    labels = item.xyxy
    image = item.image.copy()
    for box in doubtful:
        area = max(float(np.prod(box[2:] - box[:2])), 1.0)
        if len(labels) and intersection(box[None], labels).max() / area > 0.3:
            continue
        x0, y0, x1, y1 = (int(v) for v in (*np.floor(box[:2]), *np.ceil(box[2:])))
        region = image[max(y0, 0) : y1, max(x0, 0) : x1]
        if region.size:
            region[:] = cv2.mean(region)[:3] if min(region.shape[:2]) > 1 else PAD_GREY
    return replace(item, image=image)


def _unlike(xyxy: Float32, labels: Float32) -> np.ndarray:
    if not len(xyxy) or not len(labels):
        return np.ones(len(xyxy), np.bool_)
    return np.asarray(iou(xyxy, labels).max(axis=1) < SAME_IOU)
