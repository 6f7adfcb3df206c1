"""An image of any size into a network's input in the proportions in which it is shown, and boxes back out."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.types import Float32, UInt8

PAD_VALUE = 114
"""Grey of the border, as the YOLO family is trained with (ultralytics, LetterBox)."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a frame of `size_wh` px lies in an input of `input_hw` px: scaled to `scaled_wh`, moved by `offset_xy`."""

    size_wh: tuple[int, int]
    input_hw: tuple[int, int]
    scaled_wh: tuple[int, int]
    offset_xy: tuple[int, int]

    def apply(self, image: UInt8) -> UInt8:
        """`(H, W, 3)` of `size_wh` -> `(input_h, input_w, 3)`."""
        scaled = image if self.scaled_wh == self.size_wh else cv2.resize(image, self.scaled_wh)
        height, width = self.input_hw
        left, top = self.offset_xy
        result = np.full((height, width, 3), PAD_VALUE, np.uint8)
        result[top : top + self.scaled_wh[1], left : left + self.scaled_wh[0]] = scaled
        return result

    def to_input(self, xyxy: Float32) -> Float32:
        """Boxes `(N, 4)` of the frame in px of the input."""
        result: Float32 = (xyxy * self._scale() + np.tile(self.offset_xy, 2)).astype(np.float32)
        return result

    def to_frame(self, xyxy: Float32) -> Float32:
        """Boxes `(N, 4)` of the input in px of the frame; not clipped."""
        result: Float32 = ((xyxy - np.tile(self.offset_xy, 2)) / self._scale()).astype(np.float32)
        return result

    def _scale(self) -> Float32:
        # Each axis has its own scale: rounding to whole px makes them differ a little.
        return np.tile(np.divide(self.scaled_wh, self.size_wh), 2).astype(np.float32)


def fit(size_wh: tuple[int, int], input_hw: tuple[int, int], pixel_aspect: float = 1.0) -> Letterbox:
    """The largest centred place for a frame of `size_wh` in an input of `input_hw`, its pixels made square."""
    width, height = size_wh[0] * pixel_aspect, size_wh[1]
    scale = min(input_hw[1] / width, input_hw[0] / height)
    scaled = (
        min(max(round(width * scale), 1), input_hw[1]),
        min(max(round(height * scale), 1), input_hw[0]),
    )
    offset = ((input_hw[1] - scaled[0]) // 2, (input_hw[0] - scaled[1]) // 2)
    return Letterbox(size_wh, input_hw, scaled, offset)


def input_size(
    size_wh: tuple[int, int], long_side: int, stride: int = 32, pixel_aspect: float = 1.0
) -> tuple[int, int]:
    """Height, width of the smallest input for a frame of `size_wh` whose longer side is `long_side`.

    Both are multiples of `stride`, the coarsest grid of the network: a 16:9 frame at 640 gets 384 x 640, not 640 x 640.
    """
    width, height = size_wh[0] * pixel_aspect, size_wh[1]
    scale = long_side / max(width, height)

    def up(side: float) -> int:
        return max(int(np.ceil(round(side * scale) / stride)), 1) * stride

    return up(height), up(width)


def to_batch(images: list[UInt8]) -> Float32:
    """BGR images of one size -> `(N, 3, H, W) float32` RGB in 0..1."""
    stacked = np.stack(images)[..., ::-1].transpose(0, 3, 1, 2)
    return np.ascontiguousarray(stacked, np.float32) / np.float32(255)
