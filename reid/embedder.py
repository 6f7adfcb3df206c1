"""Embedders: BGR crops of any size in, unit vectors out. Resize, colour order, normalisation and the flip live here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.config import EmbedderConfig, RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Float32, UInt8
from pipeline.weights import WeightCard, is_card, verify
from runtime.network import Network, compile_file, compile_module

_WEIGHTS = Path(__file__).parent / "weights"
BUNDLED = _WEIGHTS / "passerby_mgn_light.safetensors"
BUNDLED_MODELS = {
    "bundled": BUNDLED,
    "bundled-light": BUNDLED,
    "bundled-osnet": _WEIGHTS / "passerby_mgn_osnet.safetensors",
}
"""The weights that come with the checkout, by what `embedder.model` calls them."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""RGB, of values 0..1; torchvision's."""
IMAGENET_STD = (0.229, 0.224, 0.225)

Prepare = Callable[[UInt8], Float32]
"""`(N, H, W, 3)` BGR at the network's size to its `(N, 3, H, W)` input."""


class NetworkEmbedder:
    """An embedder around any network that gives one vector an image. `name` is what fault messages call it."""

    def __init__(self, network: Network, size_wh: tuple[int, int], prepare: Prepare, config: EmbedderConfig, name: str):
        self._network, self._size, self._prepare, self._name = network, size_wh, prepare, name
        self._flip = config.flip
        self._batch = network.input_shape[0] or config.batch_crops
        self._dimension: int = self._run(np.zeros((1, size_wh[1], size_wh[0], 3), np.uint8)).shape[1]

    @property
    def dimension(self) -> int:
        """D, the length of a vector."""
        return self._dimension

    @property
    def description(self) -> str:
        """Model, device and precision, for logs and the run report."""
        return f"{self._name} ({self._network.description})"

    def embed(self, crops: Sequence[UInt8]) -> Float32:
        """`(K, D) float32` unit rows for K crops `(h, w, 3)` BGR of any size >= 1x1; `(0, D)` for none.

        A row is NaN where the network's vector is zero or not finite: one such crop must not end a run.

        Each is the mean of the crop's and its mirror image's vector (Wang et al. 2018, section 4.1), normalised.
        Raises ValueError for something that is no BGR crop.
        """
        vectors = np.full((len(crops), self._dimension), np.nan, np.float32)
        for begin in range(0, len(crops), self._batch):
            images = np.stack(
                [self._resize(crop, begin + i) for i, crop in enumerate(crops[begin : begin + self._batch])]
            )
            summed = self._run(images)
            if self._flip:
                summed = summed + self._run(images[:, :, ::-1])
            norm = np.linalg.norm(summed.astype(np.float64), axis=1, keepdims=True)
            usable = np.isfinite(norm) & (norm > 0)
            rows = vectors[begin : begin + len(summed)]
            np.divide(summed, norm, out=rows, where=usable, casting="same_kind")
        return vectors

    def _resize(self, crop: UInt8, row: int) -> UInt8:
        if crop.ndim != 3 or crop.shape[2] != 3 or 0 in crop.shape or crop.dtype != np.uint8:
            raise ValueError(f"crop {row} must be (h, w, 3) uint8 BGR with h, w >= 1, got {crop.dtype} {crop.shape}")
        return resize(crop, self._size)

    def _run(self, images: UInt8) -> Float32:
        count = len(images)
        missing = self._batch - count if self._network.input_shape[0] else 0
        if missing:
            images = np.concatenate([images, np.repeat(images[:1], missing, axis=0)])
        output = self._network(np.ascontiguousarray(self._prepare(images)))[0]
        return output.reshape(len(images), -1)[:count]


def resize(image: UInt8, size_wh: tuple[int, int]) -> UInt8:
    """`(H, W, 3)` of `size_wh` px, averaged where it shrinks and interpolated where it grows."""
    shrink = image.shape[0] > size_wh[1] and image.shape[1] > size_wh[0]
    result = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
    return np.asarray(result, np.uint8)


def normaliser(order: str, mean: tuple[float, float, float], std: tuple[float, float, float]) -> Prepare:
    """`(value - mean) / std` on 0..255, channels in `order` (`bgr` or `rgb`)."""
    scale = (1 / np.array(std)).astype(np.float32)
    offset = (np.array(mean) / np.array(std)).astype(np.float32)

    def prepare(images: UInt8) -> Float32:
        ordered = images if order == "bgr" else images[..., ::-1]
        scaled = ordered.astype(np.float32) * scale - offset
        return np.asarray(scaled.transpose(0, 3, 1, 2), np.float32)

    return prepare


_scaled_mean = tuple(255 * value for value in IMAGENET_MEAN)
_scaled_std = tuple(255 * value for value in IMAGENET_STD)
normalise = normaliser("rgb", _scaled_mean, _scaled_std)  # type: ignore[arg-type]
"""What every MGN of this project was trained with: RGB, ImageNet's mean and spread."""


def build_mgn(config: EmbedderConfig, runtime: RuntimeConfig) -> NetworkEmbedder:
    """An MGN from `config.model`: one of `BUNDLED_MODELS` or a .safetensors beside its card."""
    path = weights_of(config)
    if path.suffix != ".safetensors":
        raise UsageError(f"embedder.model {config.model}: name mgn takes .safetensors; use name openvino or onnx")
    card = verify(path)
    width, height = card.input_size_wh
    from reid.export import load_mgn  # noqa: PLC0415 - torch, only for a network that is one

    model = load_mgn(path, card)
    if model.architecture.needs_pose:
        raise UsageError(f"{path}: has pose-guided parts: for `evaluate-reid --keypoints` only, not for a run")
    network = compile_module(model, (3, height, width), runtime)
    return NetworkEmbedder(network, card.input_size_wh, normalise, config, card.name)


def build_file(config: EmbedderConfig, runtime: RuntimeConfig) -> NetworkEmbedder:
    """An OpenVINO or ONNX embedder; `config` says its input size, channel order, mean and std."""
    network, size, prepare = open_file(config, runtime)
    return NetworkEmbedder(network, size, prepare, config, Path(config.model).stem)


def open_file(
    config: EmbedderConfig, runtime: RuntimeConfig, also: Sequence[str] = ()
) -> tuple[Network, tuple[int, int], Prepare]:
    """The network of an OpenVINO or ONNX embedder, its input's width and height, and what makes its input.

    `also` names operations inside the network whose outputs are wanted too. Raises UsageError.
    """
    path = Path(config.model)
    if config.model in BUNDLED_MODELS:
        raise UsageError(
            f"embedder.name {config.name}: set embedder.model to a .xml or .onnx file (bundled is name mgn)"
        )
    width, height = config.input_size_wh
    network = compile_file(path, runtime, input_chw=(3, height, width), also=also)
    if "passerby" in network.metadata and config.channel_order != "bgr":
        raise UsageError(f"{path}: was exported by us and wants BGR; remove embedder.channel_order")
    fixed_height, fixed_width = network.input_shape[2:]
    size = (fixed_width or width, fixed_height or height)
    prepare = normaliser(config.channel_order, config.pixel_mean, config.pixel_std)
    return network, size, prepare


def weights_of(config: EmbedderConfig) -> Path:
    """The file that `config.model` says."""
    return BUNDLED_MODELS.get(config.model) or Path(config.model)


def card_of(config: EmbedderConfig) -> WeightCard | None:
    """The verified card of an MGN's weights, or of a file that was exported from them; None for a file without one."""
    path = weights_of(config)
    if config.name == "mgn":
        return verify(path)
    return verify(path) if is_card(path.with_suffix(".json")) else None
