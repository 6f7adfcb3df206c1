"""Random changes of a training crop, in uint8 with OpenCV: about 0.2 ms a crop, so that no worker process is needed."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.types import Float32, UInt8
from reid.embedder import IMAGENET_MEAN
from reid.pose import mirror
from reid.train_config import AugmentConfig

GREY = np.array([0.114, 0.587, 0.299], np.float32)  # BGR, ITU-R BT.601


def augment(image: UInt8, size_wh: tuple[int, int], rng: np.random.Generator, config: AugmentConfig) -> UInt8:
    """A changed copy of `image (H, W, 3) BGR` at `size_wh`: placed, mirrored, recoloured, blurred, partly erased."""
    return augment_placed(image, size_wh, rng, config)[0]


def augment_placed(
    image: UInt8, size_wh: tuple[int, int], rng: np.random.Generator, config: AugmentConfig
) -> tuple[UInt8, Float32]:
    """The same, and where places of `image` lie in the copy: affine, `(2, 3)`, in fractions of width and height."""
    placement = _placement(image, size_wh, rng, config)
    height, width = image.shape[:2]
    sides, out = np.array((width, height)), np.array(size_wh)
    linear = placement[:, :2] * sides / out[:, None]
    offset = (placement[:, 2] + 0.5 - 0.5 * placement[:, :2].sum(1)) / out  # middles of pixels, as the map counts
    fractions = np.concatenate([linear, offset[:, None]], axis=1).astype(np.float32)
    return _changed(image, placement, size_wh, rng, config), fractions


def augment_posed(
    image: UInt8, keypoints: Float32, size_wh: tuple[int, int], rng: np.random.Generator, config: AugmentConfig
) -> tuple[UInt8, Float32]:
    """The same, and where `keypoints (17, 3)` (reid/pose.py) lie in the changed copy."""
    placement = _placement(image, size_wh, rng, config)
    height, width = image.shape[:2]
    mirrored = placement[0, 0] < 0
    points = (mirror(keypoints) if mirrored else keypoints).copy()
    if mirrored:  # mirror() has turned x round already: undo it for the map, which turns it too
        points[:, 0] = 1 - points[:, 0]
    pixels = points[:, :2] * (width, height) - 0.5  # middles of pixels, as the map counts
    points[:, :2] = (pixels @ placement[:, :2].T + placement[:, 2] + 0.5) / size_wh
    return _changed(image, placement, size_wh, rng, config), points


def _changed(
    image: UInt8, placement: Float32, size_wh: tuple[int, int], rng: np.random.Generator, config: AugmentConfig
) -> UInt8:
    result = np.asarray(cv2.warpAffine(image, placement, size_wh, flags=cv2.INTER_LINEAR,
                                       borderMode=cv2.BORDER_REPLICATE), np.uint8)  # fmt: skip
    if rng.random() < config.colour_probability:
        result = np.asarray(cv2.transform(result, colour_matrix(rng, config)), np.uint8)
    if rng.random() < config.blur_probability:
        factor = rng.uniform(0.3, 0.7)  # a person seen from farther away
        small = cv2.resize(result, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        result = np.asarray(cv2.resize(small, size_wh, interpolation=cv2.INTER_LINEAR), np.uint8)
    if rng.random() < config.erase_probability:
        _erase(result, rng)
    return result


def _placement(image: UInt8, size_wh: tuple[int, int], rng: np.random.Generator, config: AugmentConfig) -> Float32:
    """Affine map `(2, 3)` from the crop to the output: scale about the middle, shift, mirror."""
    height, width = image.shape[:2]
    scale = np.exp(rng.uniform(-1, 1, 2) * config.scale)
    shift = rng.uniform(-1, 1, 2) * config.shift
    mirror = -1.0 if config.flip and rng.random() < 0.5 else 1.0
    out = np.array(size_wh, np.float64)
    factor = out / (width, height) * scale * (mirror, 1.0)
    middle = (out - 1) / 2 + shift * out
    offset = middle - factor * ((width - 1) / 2, (height - 1) / 2)
    return np.array([[factor[0], 0, offset[0]], [0, factor[1], offset[1]]], np.float32)


def colour_matrix(rng: np.random.Generator, config: AugmentConfig) -> Float32:
    """Affine colour map `(3, 4)` on BGR: brightness, contrast, saturation, a cast on each channel; or plain grey."""
    contrast = 1 + rng.uniform(-1, 1) * config.contrast
    saturation = 0.0 if rng.random() < config.grey_probability else 1 + rng.uniform(-1, 1) * config.saturation
    cast = 1 + rng.uniform(-1, 1, 3) * config.cast
    linear = contrast * cast[:, None] * (saturation * np.eye(3) + (1 - saturation) * GREY[None, :])
    constant = 128 * (1 - contrast) + 255 * rng.uniform(-1, 1) * config.brightness
    return np.concatenate([linear, np.full((3, 1), constant)], axis=1).astype(np.float32)


def _erase(image: UInt8, rng: np.random.Generator) -> None:
    """Random erasing (Zhong et al., AAAI 2020) with the ImageNet mean; area 0.02..0.3, aspect 0.4..2.5."""
    height, width = image.shape[:2]
    area = rng.uniform(0.02, 0.3) * height * width
    aspect = np.exp(rng.uniform(np.log(0.4), np.log(2.5)))
    h, w = int(min(height, np.sqrt(area * aspect))), int(min(width, np.sqrt(area / aspect)))
    y, x = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    image[y : y + h, x : x + w] = [round(255 * value) for value in reversed(IMAGENET_MEAN)]
