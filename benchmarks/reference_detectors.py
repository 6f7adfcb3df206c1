"""Other people's reference models behind our `detect`, to be measured beside ours; none of them comes with Passerby."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from detectors.letterbox import PAD_VALUE
from detectors.suppression import suppress
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Detections, Detector, Float32, Frame, UInt8
from runtime.network import compile_file


class Yolox:
    """YOLOX with raw heads (Ge et al. 2021): BGR 0..255, the frame in the upper left corner of a grey square.

    Output `(1, anchors, 5 + classes)`: cell offsets, log sizes, objectness, class scores; class 0 is a person (COCO).
    """

    def __init__(self, path: Path, config: DetectorConfig, runtime: RuntimeConfig) -> None:
        self._network = compile_file(path, runtime)
        self._config = config
        _, _, height, width = self._network.input_shape
        self._input_hw = (height or 416, width or 416)
        self._cells, self._strides = yolox_grid(self._input_hw)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `pipeline.types.Detector`."""
        return [self._detect(frame.image) for frame in frames]

    def _detect(self, image: UInt8) -> Detections:
        height, width = image.shape[:2]
        scale = min(self._input_hw[0] / height, self._input_hw[1] / width)
        small = cv2.resize(image, (max(round(width * scale), 1), max(round(height * scale), 1)))
        square = np.full((*self._input_hw, 3), PAD_VALUE, np.float32)
        square[: small.shape[0], : small.shape[1]] = small
        raw = self._network(np.ascontiguousarray(square.transpose(2, 0, 1)[None]))[0][0]
        centre = (raw[:, :2] + self._cells) * self._strides
        half = np.exp(raw[:, 2:4]) * self._strides / 2
        boxes = np.concatenate([centre - half, centre + half], axis=1) / scale
        person = raw[:, 5] >= raw[:, 5:].max(axis=1)
        return suppress(boxes[person], (raw[:, 4] * raw[:, 5])[person], (width, height), self._config)


def yolox_grid(input_hw: tuple[int, int]) -> tuple[Float32, Float32]:
    """Cell `(A, 2)` x, y and stride `(A, 1)` px of every anchor, strides 8, 16, 32 in this order."""
    cells, strides = [], []
    for stride in (8, 16, 32):
        rows, columns = input_hw[0] // stride, input_hw[1] // stride
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        cells.append(np.stack([x.ravel(), y.ravel()], axis=1))
        strides.append(np.full((rows * columns, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


class IntelSsd:
    """Open Model Zoo's pedestrian detectors: BGR 0..255 stretched to the input, SSD output `(1, 1, boxes, 7)`.

    A row is image, label, confidence, x1, y1, x2, y2 as fractions of the image.
    """

    def __init__(self, path: Path, config: DetectorConfig, runtime: RuntimeConfig) -> None:
        self._network = compile_file(path, runtime)
        self._config = config
        _, _, height, width = self._network.input_shape
        self._input_wh = (width or 672, height or 384)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `pipeline.types.Detector`."""
        return [self._detect(frame.image) for frame in frames]

    def _detect(self, image: UInt8) -> Detections:
        size = (image.shape[1], image.shape[0])
        stretched = cv2.resize(image, self._input_wh).astype(np.float32).transpose(2, 0, 1)[None]
        rows = self._network(np.ascontiguousarray(stretched))[0].reshape(-1, 7)
        rows = rows[rows[:, 0] >= 0]
        boxes = rows[:, 3:] * np.tile(np.array(size, np.float32), 2)
        return suppress(boxes, rows[:, 2], size, self._config)


REFERENCES: dict[str, type[Yolox] | type[IntelSsd]] = {"yolox": Yolox, "adas": IntelSsd}


def build_reference(name: str, path: str, config: DetectorConfig, runtime: RuntimeConfig) -> Detector:
    """`yolox` (an ONNX file) or `adas` (an OpenVINO folder)."""
    if name not in REFERENCES:
        raise UsageError(f"{name}: no such reference detector; one of {', '.join(REFERENCES)}")
    return REFERENCES[name](Path(path), config, runtime)
