"""Detections of the network in training, in torch: for the validation on the way only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from detectors.letterbox import fit, to_batch
from detectors.suppression import suppress
from detectors.training.network import PersonNetwork
from detectors.yolo import decode
from pipeline.config import DetectorConfig
from pipeline.types import Detections, UInt8


def network_from(weights: dict[str, Tensor], yaml: str) -> PersonNetwork:
    """A network in eval mode with `weights` (names of ultralytics' DetectionModel)."""
    network = PersonNetwork(yaml)
    network.detection.load_state_dict(weights, strict=True)
    network.eval()
    return network


@torch.no_grad()
def predict(network: PersonNetwork, images: Sequence[UInt8], size_px: int, config: DetectorConfig) -> list[Detections]:
    """Persons in each BGR image, letterboxed to `size_px` square, bf16."""
    found = []
    device = next(network.parameters()).device
    for image in images:
        height, width = image.shape[:2]
        box = fit((width, height), (size_px, size_px))
        batch = torch.from_numpy(to_batch([box.apply(image)])).to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            output = network.detection(batch)[0]
        xyxy, confidence = decode(output[0].float().cpu().numpy(), 0, config.confidence)
        found.append(suppress(box.to_frame(np.asarray(xyxy)), np.asarray(confidence), (width, height), config))
    return found
