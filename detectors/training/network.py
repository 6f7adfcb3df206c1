"""The network that is trained: ultralytics' architecture with one class, and its loss."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from detectors.safety import import_ultralytics
from pipeline.errors import UsageError
from pipeline.types import Float32, UInt8

GAINS = {"box": 7.5, "cls": 0.5, "dfl": 1.5}
"""Weights of the loss terms: the defaults of ultralytics (cfg/default.yaml), found on COCO."""


class PersonNetwork(nn.Module):
    """Forward pass without ultralytics' bookkeeping, so that torch.compile sees one graph.

    `(N, 3, H, W)` RGB 0..1 in; box distributions `(N, 4 * 16, A)` and class logits `(N, 1, A)` over all anchors out.
    """

    def __init__(self, yaml: str) -> None:
        super().__init__()
        tasks = import_ultralytics()
        self.detection: Any = tasks.DetectionModel(yaml, nc=1, verbose=False)
        self.detection.args = SimpleNamespace(**GAINS)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        kept: list[Tensor | None] = []
        x: Any = images
        for layer in self.detection.model:
            if layer.f != -1:
                x = kept[layer.f] if isinstance(layer.f, int) else [x if j == -1 else kept[j] for j in layer.f]
            x = layer(x)
            kept.append(x if layer.i in self.detection.save else None)
        return x["boxes"], x["scores"]


class DetectionLoss:
    """Task-aligned assignment with CIoU, distribution focal and BCE terms (ultralytics' v8DetectionLoss)."""

    def __init__(self, network: PersonNetwork) -> None:
        from ultralytics.utils.loss import v8DetectionLoss  # noqa: PLC0415 - only after import_ultralytics

        self._loss = v8DetectionLoss(network.detection)
        self._strides = [int(s) for s in network.detection.stride]

    def __call__(self, boxes: Tensor, scores: Tensor, targets: Tensor, size_hw: tuple[int, int]) -> Tensor:
        """Box, class and distribution terms `(3,)`, summed over the batch.

        `targets (M, 5)`: row of the batch, then centre x, y, width, height as fractions of the picture.
        """
        levels = [boxes.new_empty(1, 1, size_hw[0] // s, size_hw[1] // s) for s in self._strides]
        batch = {"batch_idx": targets[:, 0], "cls": torch.zeros(len(targets)), "bboxes": targets[:, 1:]}
        batch = {name: value.to(boxes.device) for name, value in batch.items()}
        terms: Tensor = self._loss({"boxes": boxes.float(), "scores": scores.float(), "feats": levels}, batch)[0]
        return terms


def load_initial(network: PersonNetwork, path: Path) -> None:
    """Begin with the weights of a .safetensors file. Raises UsageError where it is missing or does not fit."""
    try:
        network.detection.load_state_dict(load_file(path), strict=True)
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"initial: {path}: not weights of this architecture ({reason})") from None


def to_tensors(images: list[UInt8], boxes: list[Float32]) -> tuple[Tensor, Tensor]:
    """BGR pictures of one size and their xyxy px -> `(N, 3, H, W)` RGB 0..1 channels last, and targets `(M, 5)`."""
    height, width = images[0].shape[:2]
    stacked = torch.from_numpy(np.stack(images)[..., ::-1].copy()).permute(0, 3, 1, 2)  # channels last in memory
    rows = [np.zeros((0, 5), np.float32)]
    for row, xyxy in enumerate(boxes):
        centre, size = (xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]
        table = np.concatenate([np.full((len(xyxy), 1), row), centre, size], 1) / [1, width, height, width, height]
        rows.append(table.astype(np.float32))
    return stacked, torch.from_numpy(np.concatenate(rows))
