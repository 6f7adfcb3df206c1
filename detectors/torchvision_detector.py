"""Detection models of torchvision, by their name there, with weights from a local file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from detectors.suppression import suppress
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Detections, Float32, Frame, UInt8
from runtime.network import choose_device
from runtime.torchvision_ops import ensure_torchvision_ops

PERSON = 1
"""Label of a person in COCO's list as torchvision numbers it (0 is background)."""


class TorchvisionDetector:
    """Persons by a torchvision detection model; it takes images of any size and scales them itself."""

    def __init__(self, model: torch.nn.Module, config: DetectorConfig, runtime: RuntimeConfig) -> None:
        self._device = torch.device(choose_device(runtime.device))
        self._model = model.eval().to(self._device)
        self._config = config
        self._threads = runtime.threads

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `pipeline.types.Detector`."""
        results = []
        for start in range(0, len(frames), self._config.batch_frames):
            chunk = frames[start : start + self._config.batch_frames]
            images = [
                torch.from_numpy(np.ascontiguousarray(_square(frame)[..., ::-1].transpose(2, 0, 1))).to(self._device)
                for frame in chunk
            ]
            with torch.inference_mode(), _threads(self._threads):
                outputs = self._model([image.float() / 255 for image in images])
            for frame, output in zip(chunk, outputs, strict=True):
                rows = output["labels"] == PERSON
                boxes = output["boxes"][rows].float().cpu().numpy() / _stretch(frame)
                size = (frame.image.shape[1], frame.image.shape[0])
                results.append(suppress(boxes, output["scores"][rows].float().cpu().numpy(), size, self._config))
        return results


def _stretch(frame: Frame) -> Float32:
    """By how much `_square` moves the sides of a box, `(4,)`."""
    width = frame.image.shape[1]
    return np.array([max(round(width * frame.pixel_aspect), 1) / width, 1.0] * 2, np.float32)


def _square(frame: Frame) -> UInt8:
    """The picture with square pixels."""
    height, width = frame.image.shape[:2]
    wide = round(width * float(_stretch(frame)[0]))
    return frame.image if wide == width else np.asarray(cv2.resize(frame.image, (wide, height)), np.uint8)


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Give torch `count` threads for a while; 0 leaves it as it is."""
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def build(config: DetectorConfig, runtime: RuntimeConfig) -> TorchvisionDetector:
    """The torchvision model `config.model` with the weights of `config.weights`. Raises UsageError; never downloads."""
    ensure_torchvision_ops()
    from torchvision.models import (  # noqa: PLC0415 - only after the line above
        detection,
        get_model,
        list_models,
    )

    known = [name for name in list_models(module=detection) if "mask" not in name and "keypoint" not in name]
    if config.model not in known:
        raise UsageError(f"detector.model {config.model}: not a torchvision detector; one of: {', '.join(known)}")
    if config.weights is None:
        raise UsageError(
            f"detector torchvision: no weights for {config.model}; nothing is downloaded here: get its COCO state dict "
            "(.pth) from the torchvision model page and set detector.weights to the file"
        )
    model = get_model(config.model, weights=None, weights_backbone=None)
    load_weights(model, Path(config.weights))
    return TorchvisionDetector(model, config, runtime)


def load_weights(model: torch.nn.Module, path: Path) -> None:
    """Load a state dict, `.safetensors` or `.pth` of nothing but tensors, strictly. Raises UsageError."""
    if not path.is_file():
        raise UsageError(f"detector.weights {path}: no such file; nothing is downloaded here, copy it there")
    try:
        model.load_state_dict(_read_state(path), strict=True)
    except Exception as error:  # damaged, poisoned or of another model: each means not usable
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"{path}: refused as weights of this model ({reason}); use its own state dict") from None


def _read_state(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file  # noqa: PLC0415

        tensors: dict[str, Any] = load_file(path)
        return tensors
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(loaded, dict):
        raise ValueError(f"holds a {type(loaded).__name__}, not a state dict")
    return loaded
