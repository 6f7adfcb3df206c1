"""What clothes look like in a frame, cheaply: mean colours of bands across each box, for the tracker."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.types import Float32, UInt8

BANDS = 6
"""From TOP to BOTTOM of the box: about chest, waist, hips, thighs, knees, shins."""
TOP, BOTTOM = 0.12, 0.92
MIDDLE = 0.5
"""Share of the box's width that is looked at: beside it is mostly background."""
_ROWS, _COLUMNS = 4, 6
"""Pixels sampled of a band."""


def band_colours(image: UInt8, xyxy: Float32) -> Float32:
    """CIE Lab means `(N, BANDS, 3)` of each box `(N, 4)` px in an image `(H, W, 3)` BGR; 24 pixels a band."""
    height, width = image.shape[:2]
    down = TOP + (BOTTOM - TOP) * (np.arange(BANDS * _ROWS) + 0.5) / (BANDS * _ROWS)
    across = 0.5 + MIDDLE * ((np.arange(_COLUMNS) + 0.5) / _COLUMNS - 0.5)
    y = xyxy[:, 1:2] + (xyxy[:, 3:4] - xyxy[:, 1:2]) * down
    x = xyxy[:, 0:1] + (xyxy[:, 2:3] - xyxy[:, 0:1]) * across
    rows, columns = y.astype(np.int64).clip(0, height - 1), x.astype(np.int64).clip(0, width - 1)
    pixels = image[rows[:, :, None], columns[:, None, :]]
    if not len(pixels):
        return np.zeros((0, BANDS, 3), np.float32)
    flat = pixels.reshape(1, -1, 3).astype(np.float32) / np.float32(255)
    lab = cv2.cvtColor(flat, cv2.COLOR_BGR2Lab).reshape(len(pixels), BANDS, _ROWS * _COLUMNS, 3)
    mean: Float32 = lab.mean(axis=2)
    return mean
