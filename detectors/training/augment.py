"""Augmentation as pure functions of (image, boxes, generator); boxes are `(N, 4)` xyxy float32 px.

Geometry is one affine map per cell of the picture (scale, aspect, shift, flip), so a box is mapped exactly as its
pixels are. Photometry imitates cameras: infra-red and grey, colour cast, blur, noise, JPEG.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.types import Float32, Float64, UInt8

PAD_GREY = 114
"""Grey of the letterbox (ultralytics' convention), in training as in use."""


@dataclass(frozen=True, slots=True)
class AugmentSettings:
    """Strengths; probabilities 0..1. Chosen by looking at the pictures, not tuned."""

    scale: tuple[float, float] = (0.75, 1.8)
    """Longer side of an image relative to the picture's side, log-uniform; divided by the grid below 1."""
    smallest_person_px: float = 8.0
    """Boxes lower than this after scaling are not taught."""
    visible: float = 0.3
    """A box that is cut keeps its label if this fraction of it is left."""
    grey: float = 0.15
    cast: float = 0.2
    blur: float = 0.12
    downscale: float = 0.1
    jpeg: float = 0.2
    noise: float = 0.12


def cell_matrix(
    image_wh: tuple[int, int],
    cell_wh: tuple[int, int],
    scale: float,
    stretch: float,
    rng: np.random.Generator,
) -> Float64:
    """Affine map `(2, 3)` from pixel edges of an image to those of a cell, flipped at random and shifted at random.

    `scale` holds for the root of the area, `stretch` is how much wider than high things become. Where the scaled image
    is larger than the cell a random part is seen, where it is smaller it lies at random inside.
    """
    scale_x, scale_y = scale * np.sqrt(stretch), scale / np.sqrt(stretch)
    size = np.array([image_wh[0] * scale_x, image_wh[1] * scale_y])
    shift = rng.uniform(size=2) * (np.array(cell_wh) - size)
    if rng.random() < 0.5:
        return np.array([[-scale_x, 0, shift[0] + size[0]], [0, scale_y, shift[1]]])
    return np.array([[scale_x, 0, shift[0]], [0, scale_y, shift[1]]])


def warp_image(image: UInt8, matrix: Float64, cell_wh: tuple[int, int]) -> UInt8:
    """`image` under an axis-aligned `matrix` (pixel edges), grey where it does not reach."""
    while min(abs(matrix[0, 0]), matrix[1, 1]) < 0.6 and min(image.shape[:2]) > 1:
        # Bilinear sampling aliases below about half size: halve first. An odd last row or column falls away.
        height, width = image.shape[0] // 2, image.shape[1] // 2
        image = np.asarray(cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA))
        matrix = matrix * np.array([2, 2, 1])
    # OpenCV maps pixel centres, boxes count from pixel edges: half a pixel each way.
    centres = matrix.copy()
    centres[:, 2] += 0.5 * (matrix[:, 0] + matrix[:, 1]) - 0.5
    return np.asarray(
        cv2.warpAffine(
            image, centres, cell_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(PAD_GREY,) * 3
        ),
        np.uint8,
    )


def warp_boxes(xyxy: Float32, matrix: Float64, cell_wh: tuple[int, int], visible: float, min_height: float) -> Float32:
    """Boxes under `matrix`, clipped to the cell; those with too little left, or too low, are dropped."""
    if not len(xyxy):
        return np.zeros((0, 4), np.float32)
    x = xyxy[:, [0, 2]] * matrix[0, 0] + matrix[0, 2]
    y = xyxy[:, [1, 3]] * matrix[1, 1] + matrix[1, 2]
    full = np.stack([x.min(1), y.min(1), x.max(1), y.max(1)], 1)
    cut = full.clip(0, (*cell_wh, *cell_wh))
    side, side_full = cut[:, 2:] - cut[:, :2], full[:, 2:] - full[:, :2]
    left = side.prod(1) / np.maximum(side_full.prod(1), 1e-9)
    kept = (left >= visible) & (side[:, 1] >= min_height) & (side[:, 0] >= min_height / 4)
    return np.asarray(cut[kept], np.float32)


def compose(
    picks: list[tuple[UInt8, Float32, tuple[float, float]]],
    size: int,
    settings: AugmentSettings,
    rng: np.random.Generator,
) -> tuple[UInt8, Float32]:
    """A picture `(size, size, 3)` of 1, 4 or 9 images (BGR), with its boxes.

    Each pick is (image, boxes, range of the stretch of its width): images of sets that were stretched square are
    widened again.
    """
    grid = round(np.sqrt(len(picks)))
    cuts = [_cuts(size, grid, rng) for _ in range(2)]
    canvas = np.full((size, size, 3), PAD_GREY, np.uint8)
    boxes = []
    for number, (image, xyxy, stretch_range) in enumerate(picks):
        row, column = divmod(number, grid)
        x0, x1, y0, y1 = cuts[0][column], cuts[0][column + 1], cuts[1][row], cuts[1][row + 1]
        cell_wh = (int(x1 - x0), int(y1 - y0))
        low, high = (np.log(limit / max(1.0, 0.8 * grid)) for limit in settings.scale)
        scale = float(np.exp(rng.uniform(low, high))) * size / max(image.shape[:2])
        stretch = float(np.exp(rng.uniform(*np.log(stretch_range))))
        matrix = cell_matrix((image.shape[1], image.shape[0]), cell_wh, scale, stretch, rng)
        canvas[y0:y1, x0:x1] = warp_image(image, matrix, cell_wh)
        inside = warp_boxes(xyxy, matrix, cell_wh, settings.visible, settings.smallest_person_px)
        boxes.append(inside + np.array([x0, y0, x0, y0], np.float32))
    return canvas, np.concatenate([*boxes, np.zeros((0, 4), np.float32)])


def _cuts(size: int, grid: int, rng: np.random.Generator) -> list[int]:
    """`grid + 1` borders of cells, each moved by up to 0.2 of a cell."""
    inner = [round(size / grid * (k + rng.uniform(-0.2, 0.2))) for k in range(1, grid)]
    return [0, *inner, size]


def photometric(image: UInt8, settings: AugmentSettings, rng: np.random.Generator) -> UInt8:
    """Colour, light and the faults of cameras; no pixel moves."""
    luma = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if rng.random() < settings.grey:  # black and white and infra-red cameras
        result, gains = luma, np.ones(3)
    else:
        saturation = float(rng.uniform(0.3, 1.6))
        result = cv2.addWeighted(image, saturation, luma, 1 - saturation, 0)
        cast = rng.random() < settings.cast  # green-tinted offices, sodium light
        gains = rng.uniform(0.65, 1.25, 3) if cast else np.ones(3)
        if rng.random() < 0.03:  # clothes of any colour
            result = np.ascontiguousarray(np.roll(result, 1, axis=2))
    result = np.asarray(cv2.LUT(result, _light(gains, rng)), np.uint8)
    if rng.random() < settings.noise:
        spread = rng.normal(0, rng.uniform(3, 15), result.shape[:2])[..., None]
        result = (result + spread).clip(0, 255).astype(np.uint8)
    if rng.random() < settings.blur:
        result = np.asarray(cv2.GaussianBlur(result, (0, 0), float(rng.uniform(0.5, 1.8))), np.uint8)
    if rng.random() < settings.downscale:  # enlarged sub-streams
        size = result.shape[1], result.shape[0]
        factor = float(rng.uniform(0.45, 0.8))
        small = cv2.resize(result, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        result = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    if rng.random() < settings.jpeg:
        _, code = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 80))])
        result = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    return result


def _light(gains: Float64, rng: np.random.Generator) -> UInt8:
    """A table `(256, 1, 3)`: gain a channel, contrast, brightness, and a gamma in 3 of 10 (dark halls, back light)."""
    values = np.arange(256)[:, None] * gains
    values = ((values - 114) * rng.uniform(0.7, 1.35) + 114 + rng.uniform(-30, 30)).clip(0, 255)
    if rng.random() < 0.3:
        values = 255 * (values / 255) ** np.exp(rng.uniform(-0.6, 0.6))
    return values.astype(np.uint8)[:, None, :]
