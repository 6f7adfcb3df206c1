"""What a camera's sensor and encoder make of a picture: exposure, colour cast, blur, noise, infra-red, blocks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.types import UInt8

_NOISE_BANK = 6


@dataclass(frozen=True, slots=True)
class SensorModel:
    """`exposure` and `cast` (B, G, R) multiply the picture; `gamma` above 1 darkens the middle tones; `blur_px` is the
    sigma of the lens; `noise` the sigma in grey levels; `jpeg` quality 1..100, 0 = none; `infrared`: grey, as at night
    under the camera's own lamp."""

    exposure: float = 1.0
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    blur_px: float = 0.5
    noise: float = 2.0
    jpeg: int = 0
    infrared: bool = False


class Sensor:
    """Applies a model to the pictures of one camera; deterministic by seed."""

    def __init__(self, model: SensorModel, size_wh: tuple[int, int], seed: int) -> None:
        self._model = model
        self._rng = np.random.default_rng(seed)
        levels = np.arange(256) / 255.0
        curves = [np.clip(levels * share * model.exposure, 0, 1) ** model.gamma * 255 for share in model.cast]
        self._curve = np.stack(curves, axis=1).round().astype(np.uint8).reshape(256, 1, 3)
        width, height = size_wh
        bank = self._rng.normal(0, model.noise, (_NOISE_BANK, height, width, 3)).astype(np.float32)
        if model.infrared:
            bank[:] = bank[..., :1]
        elif model.noise:
            bank = 0.6 * bank + 0.55 * bank.mean(axis=3, keepdims=True) * 1.7  # mostly brightness, some colour
        self._bank = np.clip(bank.round(), -127, 127).astype(np.int16)
        y, x = np.mgrid[0:height, 0:width]
        away = ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2) * 2
        self._lamp = (1.15 - 0.65 * away).astype(np.float32)

    def __call__(self, image: UInt8) -> UInt8:
        """The picture `(H, W, 3)` as the camera delivers it."""
        model = self._model
        if model.infrared:
            # Cloth reflects infra-red much more alike than visible light: contrast is lost, dark dyes become light.
            grey = image.astype(np.float32) @ np.array([0.15, 0.25, 0.60], np.float32)
            grey = np.clip((38 + 0.78 * grey) * self._lamp, 0, 255).astype(np.uint8)
            image = cv2.merge([grey, grey, grey])
        image = cv2.LUT(image, self._curve)
        if model.blur_px > 0:
            image = cv2.GaussianBlur(image, (0, 0), model.blur_px)
        if model.noise > 0:
            noise = self._bank[self._rng.integers(_NOISE_BANK)]
            shift = tuple(int(self._rng.integers(side)) for side in noise.shape[:2])
            noise = np.roll(noise, shift, axis=(0, 1))
            image = np.clip(image.astype(np.int16) + noise, 0, 255).astype(np.uint8)
        if model.jpeg:
            _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, model.jpeg])
            image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
        result: UInt8 = image
        return result
