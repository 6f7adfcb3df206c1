"""Strokes on a BGR image, in place: boxes with round corners, labels, trails, pixelated areas.

Straight edges are filled as slices and round corners blended from small cached masks: an anti-aliased polyline around
a person of 1080p costs about 0.2 ms, this a tenth of it (python -m benchmarks.drawing times a frame).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.outputs.palette import Bgr, text_on
from pipeline.types import Bool, Float32, Float64, UInt8

_FONT = cv2.FontFace("sans")
_SUPERSAMPLE = 4
_RIM = 0.25
"""How much darker the rim of a line is than what it lies on."""

UInt16 = NDArray[np.uint16]
Rect = tuple[int, int, int, int]
"""x1, y1, x2, y2 in px, the far edges excluded."""


@dataclass(frozen=True, slots=True)
class Style:
    """Sizes in px that fit an image's height, from 240 to 2160 px."""

    line: int
    text: int
    radius: int
    margin: int

    @classmethod
    def for_height(cls, height: int) -> Style:
        """2 px lines and 18 px text at 720 px height, never less than 1 and 9."""
        line = max(1, round(height / 400))
        text = int(np.clip(height / 40, 9, 60))
        return cls(line, text, max(3, 4 * line), max(2, text // 3))


@dataclass(frozen=True, slots=True)
class _Sprite:
    """A small picture to blend: `colour (h, w, 3)` already times alpha, `rest (h, w, 1)` = 255 - alpha."""

    colour: UInt16
    rest: UInt16

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.rest.shape[1], self.rest.shape[0]


def _sprite(bgr: UInt8, alpha: Float64) -> _Sprite:
    weight = np.round(alpha * 255).astype(np.uint16)[:, :, None]
    return _Sprite(bgr.astype(np.uint16) * weight, 255 - weight)


def _blend(image: UInt8, x: int, y: int, sprite: _Sprite) -> None:
    width, height = sprite.size_wh
    x1, y1, x2, y2 = max(x, 0), max(y, 0), min(x + width, image.shape[1]), min(y + height, image.shape[0])
    if x1 >= x2 or y1 >= y2:
        return
    part = np.s_[y1 - y : y2 - y, x1 - x : x2 - x]
    area = image[y1:y2, x1:x2]
    mixed = area * sprite.rest[part] + sprite.colour[part]
    # Exact division by 255 of 16-bit products, without a division.
    area[:] = (mixed + 128 + (mixed >> 8)) >> 8


@lru_cache(maxsize=16)
def _disc(radius: int) -> Float64:
    """Coverage `(2r, 2r)` 0..1 of a disc of `radius` px."""
    axis = (np.arange(2 * radius * _SUPERSAMPLE) + 0.5) / _SUPERSAMPLE - radius
    inside = (axis[:, None] ** 2 + axis[None, :] ** 2 <= radius**2).astype(np.float64)
    shape = (2 * radius, _SUPERSAMPLE, 2 * radius, _SUPERSAMPLE)
    result: Float64 = inside.reshape(shape).mean(axis=(1, 3))
    return result


def _rounded_alpha(width: int, height: int, radius: int) -> Float64:
    """Coverage `(height, width)` of a filled rectangle with round corners."""
    radius = min(radius, width // 2, height // 2)
    alpha = np.ones((height, width))
    if radius:
        disc = _disc(radius)
        alpha[:radius, :radius], alpha[:radius, -radius:] = disc[:radius, :radius], disc[:radius, radius:]
        alpha[-radius:, :radius], alpha[-radius:, -radius:] = disc[radius:, :radius], disc[radius:, radius:]
    return alpha


@lru_cache(maxsize=512)
def _corners(radius: int, line: int, colour: Bgr) -> tuple[_Sprite, _Sprite, _Sprite, _Sprite]:
    """Quarter rings with their rim, `radius + 1` px: top left, top right, bottom left, bottom right."""
    outer, ring, inner, hole = (
        np.pad(_disc(radius + 1 - inset), inset) if inset <= radius else np.zeros((2 * radius + 2,) * 2)
        for inset in (0, 1, 1 + line, 2 + line)
    )
    stroke = ring - inner
    rim = np.clip(outer - hole - stroke, 0, 1) * _RIM
    size = radius + 1
    near, far = slice(None, size), slice(size, None)

    def quarter(rows: slice, columns: slice) -> _Sprite:
        weight = stroke[rows, columns, None]
        bright = np.round(weight * np.array(colour) * 255).astype(np.uint16)
        rest = np.round((1 - weight - rim[rows, columns, None]) * 255).astype(np.uint16)
        return _Sprite(bright, rest)

    return quarter(near, near), quarter(near, far), quarter(far, near), quarter(far, far)


def box(image: UInt8, rect: Rect, colour: Bgr, style: Style) -> None:
    """A rectangle with round corners on a thin dark rim that sets it off from any background."""
    x1, y1, x2, y2 = rect
    radius = min(style.radius, (x2 - x1) // 2, (y2 - y1) // 2)
    if radius <= style.line:
        _edges(image, rect, 0, colour, style.line)
        return
    _rim(image, rect, radius, style.line)
    _edges(image, rect, radius, colour, style.line)
    positions = ((x1 - 1, y1 - 1), (x2 - radius, y1 - 1), (x1 - 1, y2 - radius), (x2 - radius, y2 - radius))
    for (x, y), sprite in zip(positions, _corners(radius, style.line, colour), strict=True):
        _blend(image, x, y, sprite)


def _edges(image: UInt8, rect: Rect, radius: int, colour: Bgr, line: int) -> None:
    x1, y1, x2, y2 = rect
    for rows, columns in (
        ((y1, y1 + line), (x1 + radius, x2 - radius)),
        ((y2 - line, y2), (x1 + radius, x2 - radius)),
        ((y1 + radius, y2 - radius), (x1, x1 + line)),
        ((y1 + radius, y2 - radius), (x2 - line, x2)),
    ):
        _area(image, rows, columns)[:] = colour


def _rim(image: UInt8, rect: Rect, radius: int, line: int) -> None:
    """Darken one pixel along the outer and inner side of each straight edge by `_RIM`."""
    x1, y1, x2, y2 = rect
    for y in (y1 - 1, y1 + line, y2 - line - 1, y2):
        strip = _area(image, (y, y + 1), (x1 + radius, x2 - radius))
        strip -= strip >> 2
    for x in (x1 - 1, x1 + line, x2 - line - 1, x2):
        strip = _area(image, (y1 + radius, y2 - radius), (x, x + 1))
        strip -= strip >> 2


def _area(image: UInt8, rows: tuple[int, int], columns: tuple[int, int]) -> UInt8:
    """A slice of the image; bounds outside of it are cut, not wrapped."""
    y1, y2 = max(rows[0], 0), max(rows[1], 0)
    x1, x2 = max(columns[0], 0), max(columns[1], 0)
    return image[y1:y2, x1:x2]


def dashed_box(image: UInt8, rect: Rect, colour: Bgr, style: Style) -> None:
    """A thin dashed rectangle: nobody was seen here, the box is in between two that were."""
    x1, y1, x2, y2 = rect
    line = max(1, style.line // 2 + style.line % 2)
    dash = max(4, 4 * style.line)
    for y in (y1, y2 - line):
        strip = _area(image, (y, y + line), (x1, x2))
        strip[:, _dashes(strip.shape[1], dash)] = colour
    for x in (x1, x2 - line):
        strip = _area(image, (y1, y2), (x, x + line))
        strip[_dashes(strip.shape[0], dash)] = colour


def _dashes(length: int, dash: int) -> Bool:
    result: Bool = np.arange(length) % (2 * dash) < dash
    return result


def trail(image: UInt8, points: Float32 | Float64, colour: Bgr, style: Style) -> None:
    """A line through `points (N, 2)` px, oldest first, from a hair to the box's line, and a dot at the end."""
    fixed = np.round(points * 8).astype(np.int32)
    count = len(fixed)
    thirds = sorted({0, count // 3, 2 * count // 3, count - 1})
    widths = (max(1, style.line - 2), max(1, style.line - 1), style.line)[4 - len(thirds) :]
    for (first, last), width in zip(pairwise(thirds), widths, strict=True):
        cv2.polylines(image, [fixed[first : last + 1]], False, colour, width, cv2.LINE_AA, 3)
    x, y = fixed[-1]
    cv2.circle(image, (int(x), int(y)), (style.line + 1) * 8, colour, -1, cv2.LINE_AA, 3)


@lru_cache(maxsize=1024)
def label_sprite(text: str, colour: Bgr, style: Style) -> _Sprite:
    """`text` on a rounded plate of `colour`, in black or white."""
    return _plate(text, colour, text_on(colour), style, 1.0)


@lru_cache(maxsize=64)
def bar_sprite(text: str, style: Style) -> _Sprite:
    """White `text` on a dark, slightly clear plate."""
    return _plate(text, (28, 24, 22), (245, 245, 245), style, 0.78)


@lru_cache(maxsize=16)
def _digit_height(text_px: int) -> int:
    """Height in px of a digit, so that all plates of one style are equally high and their text stands in the middle."""
    mask = np.zeros((2 * text_px, 2 * text_px), np.uint8)
    cv2.putText(mask, "0", (2, text_px + text_px // 2), (255,), _FONT, text_px, 600)
    return int(np.count_nonzero(mask.any(axis=1)))


def _plate(text: str, background: Bgr, ink: Bgr, style: Style, opacity: float) -> _Sprite:
    pad_x, pad_y = style.margin, max(2, round(style.margin * 0.8))
    plate_h, end = _digit_height(style.text) + 2 * pad_y, (len(text) + 2) * style.text + 2 * pad_x
    mask = np.zeros((plate_h, end), np.uint8)
    point, _ = cv2.putText(mask, text, (pad_x, plate_h - pad_y), (255,), _FONT, style.text, 600)
    plate_w = int(point[0]) + pad_x
    coverage = mask[:, :plate_w].astype(np.float64)[:, :, None] / 255
    bgr = coverage * np.array(ink) + (1 - coverage) * np.array(background)
    alpha = np.maximum(_rounded_alpha(plate_w, plate_h, style.radius) * opacity, coverage[:, :, 0])
    return _sprite(np.round(bgr).astype(np.uint8), alpha)


def stamp(image: UInt8, x: int, y: int, sprite: _Sprite) -> None:
    """Blend a label or bar with its upper left corner at x, y; what lies outside of the image is cut."""
    _blend(image, x, y, sprite)


def place_label(size_wh: tuple[int, int], rect: Rect, image_wh: tuple[int, int], taken: list[Rect]) -> Rect:
    """Where a label for the box `rect` goes: above it, else inside, below or beside it, where no other label is.

    It is always whole inside the image; where all places are taken it covers as little as it can.
    """
    width, height = size_wh
    x1, y1, x2, y2 = rect
    right, bottom = max(image_wh[0] - width, 0), max(image_wh[1] - height, 0)
    best, least = (0, 0, width, height), float("inf")
    for x, y in (
        *((x, y) for y in (y1 - height - 1, y1 + 1, y2 + 1) for x in (x1, x2 - width)),
        *((x, y) for y in (y1, y1 + height, y1 + 2 * height) for x in (x2 + 1, x1 - width - 1)),
    ):
        inside_x, inside_y = min(max(x, 0), right), min(max(y, 0), bottom)
        place = (inside_x, inside_y, inside_x + width, inside_y + height)
        moved = abs(x - inside_x) + abs(y - inside_y)
        cost = sum(_common(place, other) for other in taken) + moved * height / 4
        if cost == 0:
            return place
        if cost < least:
            best, least = place, cost
    return best


def _common(a: Rect, b: Rect) -> int:
    """Common area in px."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0


def pixelate(image: UInt8, rect: Rect, blocks: int) -> None:
    """Make `rect` unreadable: `blocks` squares over its shorter side, each the mean of what it covers."""
    x1, y1, x2, y2 = rect
    area = _area(image, (y1, y2), (x1, x2))
    height, width = area.shape[:2]
    if not height or not width:
        return
    side = max(min(height, width) / blocks, 1.0)
    small = cv2.resize(area, (max(1, round(width / side)), max(1, round(height / side))), interpolation=cv2.INTER_AREA)
    area[:] = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
