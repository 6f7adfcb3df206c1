"""Joints of people in crops, by an ultralytics pose model: a `.pt`, or its ONNX or OpenVINO export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detectors.letterbox import fit, to_batch
from pipeline.config import RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Float32, UInt8
from runtime.network import Network, compile_file, compile_module

INPUT_HW = (256, 128)
"""Of a model that leaves it open: a crop holds one person, so this is plenty."""
JOINTS = 17
BATCH = 16


class PoseEstimator:
    """Crops of one person each to their 17 COCO joints."""

    def __init__(self, network: Network, label: str) -> None:
        self._network, self._label = network, label
        height, width = network.input_shape[2:]
        self._input_hw = (height or INPUT_HW[0], width or INPUT_HW[1])
        self._batch = network.input_shape[0] or BATCH
        self._run([np.zeros((*self._input_hw, 3), np.uint8)])

    def keypoints(self, crops: Sequence[UInt8]) -> Float32:
        """`(K, 17, 3)` for K crops `(h, w, 3)` BGR: x and y in fractions of the crop, confidence 0..1.

        Of several people in a crop it is the surest one; where none was found the confidences are low.
        """
        rows = [
            row
            for begin in range(0, len(crops), self._batch)
            for row in self._run(list(crops[begin : begin + self._batch]))
        ]
        return np.stack(rows) if rows else np.zeros((0, JOINTS, 3), np.float32)

    def _run(self, crops: list[UInt8]) -> list[Float32]:
        places = [fit((crop.shape[1], crop.shape[0]), self._input_hw) for crop in crops]
        batch = to_batch([place.apply(crop) for place, crop in zip(places, crops, strict=True)])
        if self._network.input_shape[0]:
            batch = np.concatenate([batch, np.repeat(batch[:1], self._batch - len(batch), axis=0)])
        output = self._network(batch)[0]
        rows = []
        for answer, place, crop in zip(output, places, crops, strict=False):
            points = _surest(answer, self._label).copy()
            points[:, 0] = (points[:, 0] - place.offset_xy[0]) / place.scaled_wh[0]
            points[:, 1] = (points[:, 1] - place.offset_xy[1]) / place.scaled_wh[1]
            if not np.isfinite(points).all():
                raise UsageError(f"{self._label}: gave joints that are not finite for a crop of shape {crop.shape}")
            points[:, 2] = np.clip(points[:, 2], 0, 1)
            rows.append(points.astype(np.float32))
        return rows


def _surest(answer: Float32, label: str) -> Float32:
    """`(17, 3)` px of the input, of the surest person in one image's output.

    `(5 + 51, anchors)`: box, score and joints for every anchor (YOLOv8, YOLO11); `(boxes, 6 + 51)`: box, score, class
    and joints of an end-to-end head (YOLO26).
    """
    if answer.shape[0] == 5 + 3 * JOINTS:
        return np.asarray(answer[5:, answer[4].argmax()].reshape(JOINTS, 3), np.float32)
    if answer.shape[1] == 6 + 3 * JOINTS:
        return np.asarray(answer[answer[:, 4].argmax(), 6:].reshape(JOINTS, 3), np.float32)
    raise UsageError(f"{label}: output {answer.shape} has no 17 joints; use a YOLO pose model of COCO (task=pose)")


def build_pose_estimator(model: Path, runtime: RuntimeConfig) -> PoseEstimator:
    """From a `.pt`, `.onnx`, `.xml` or OpenVINO folder. Raises UsageError for one that is missing, refused or no pose
    model."""
    if not model.exists():
        raise UsageError(f"{model}: no such pose model; give a path to .pt, .onnx, .xml or an OpenVINO folder")
    if model.suffix == ".pt":
        from detectors.safety import load_checkpoint  # noqa: PLC0415 - it brings torch

        network = load_checkpoint(model, kind="PoseModel").fuse(verbose=False)
        head = network.model[-1]
        head.export = True  # one output tensor
        if head.end2end:
            anchors = sum(int(INPUT_HW[0] // step) * int(INPUT_HW[1] // step) for step in head.stride.tolist())
            head.max_det = min(head.max_det, anchors)
        return PoseEstimator(compile_module(network, (3, *INPUT_HW), runtime), model.name)
    return PoseEstimator(compile_file(model, runtime, input_chw=(3, *INPUT_HW)), model.name)
