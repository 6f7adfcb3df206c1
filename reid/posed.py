"""Describing crops with a network of pose-guided parts, which needs the joints beside the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from pipeline.errors import UsageError
from pipeline.types import Float32, UInt8
from pipeline.weights import verify
from reid.embedder import normalise, resize
from reid.export import load_mgn
from reid.pose import mirror, part_boxes

BATCH = 16


class PosedEmbedder:
    """Crops and their joints in, unit vectors out; runs in torch on the CPU."""

    def __init__(self, weights: Path, *, flip: bool) -> None:
        """Raises UsageError for weights that are not ours or take no joints."""
        card = verify(weights)
        self._model, self._size, self._flip = load_mgn(weights, card), card.input_size_wh, flip
        if not self._model.architecture.needs_pose:
            raise UsageError(f"{weights}: has no pose-guided parts; leave --keypoints out")

    def embed(self, crops: Sequence[UInt8], keypoints: Float32) -> Float32:
        """`(K, D) float32` unit rows for K crops `(h, w, 3)` BGR with joints `(K, 17, 3)` (reid/pose.py)."""
        found = [np.zeros((0, self._model.output_dimension), np.float32)]
        for begin in range(0, len(crops), BATCH):
            images = np.stack([resize(crop, self._size) for crop in crops[begin : begin + BATCH]])
            points = keypoints[begin : begin + BATCH]
            vectors = self._run(images, points)
            if self._flip:
                vectors = vectors + self._run(np.ascontiguousarray(images[:, :, ::-1]), mirror(points))
            found.append(vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12))
        return np.concatenate(found)

    def _run(self, images: UInt8, keypoints: Float32) -> Float32:
        with torch.inference_mode():
            boxes = torch.from_numpy(part_boxes(keypoints))
            result: Float32 = self._model(torch.from_numpy(normalise(images)), boxes).numpy()
        return result
