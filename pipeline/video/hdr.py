"""High dynamic range (PQ and HLG, ITU-R BT.2100) to what a BT.709 camera would have recorded."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import cv2
import numpy as np
from av.video.reformatter import ColorTrc

from pipeline.types import Float64, UInt8

CURVES = {int(ColorTrc.SMPTE2084): "PQ", int(ColorTrc.ARIB_STD_B67): "HLG"}
"""By the transfer characteristic that a frame states."""
_WHITE_NITS = 203.0
"""A white sheet of paper, BT.2408 table 1: it becomes white, what shines brighter is cut."""
_HEADROOM = 2.0
"""So many times white is kept until the primaries are changed."""
_TO_709 = np.array([[1.1187, -0.1006, -0.0182], [-0.0083, 1.1329, -0.1246], [-0.0728, -0.5876, 1.6605]], np.float32)
"""Linear light, BT.2020 to BT.709 primaries, BT.2407 section 2; rows and columns in the order B, G, R."""
_DISPLAY_GAMMA = 2.4
"""BT.1886."""


def to_bt709(image: Any, curve: str) -> UInt8:
    """`(H, W, 3)` BGR uint16 of the full range in a curve of CURVES to BGR uint8."""
    light = cv2.transform(cv2.LUT(image, _linear(curve)), _TO_709)
    return np.asarray(cv2.LUT(light, _display()), np.uint8)


def pq_nits(signal: Float64) -> Float64:
    """cd/m2 of a PQ signal 0..1 (BT.2100 table 4)."""
    power = signal ** (1 / 78.84375)
    nits: Float64 = 10_000 * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (
        1 / 0.1593017578125
    )
    return nits


def hlg_nits(signal: Float64) -> Float64:
    """cd/m2 of an HLG signal 0..1 on the display of 1000 cd/m2 (BT.2100 table 5). The system gamma is taken channel by
    channel, not of the luminance: exact for greys, colours come out a little stronger."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    nits: Float64 = 1000 * scene**1.2
    return nits


_NITS: dict[str, Callable[[Float64], Float64]] = {"PQ": pq_nits, "HLG": hlg_nits}


@cache
def _linear(curve: str) -> Any:
    """Signal to light, both of 16 bits; 65535 is _HEADROOM times white."""
    nits = _NITS[curve](np.arange(65536) / 65535)
    return np.clip(np.round(nits / (_HEADROOM * _WHITE_NITS) * 65535), 0, 65535).astype(np.uint16)


@cache
def _display() -> Any:
    """Light of 16 bits to the value with which a BT.709 screen shows it."""
    light = np.clip(np.arange(65536) / 65535 * _HEADROOM, 0, 1)
    return np.round(255 * light ** (1 / _DISPLAY_GAMMA)).astype(np.uint8)
