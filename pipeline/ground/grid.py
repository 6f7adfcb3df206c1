"""The floor's metres drawn over a camera's frame: the quickest way to see whether a calibration is right."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.ground.floor import to_floor, to_image
from pipeline.types import Calibration, Float64, UInt8

Pair = tuple[tuple[float, float], tuple[float, float]]

_LINE, _AXIS, _CLICK, _INK = (235, 225, 120), (80, 200, 255), (80, 80, 255), (255, 255, 255)
_MIN_PX = 9.0
"""Lines of the floor that come nearer to each other than this are not drawn: towards the horizon all run together."""


def draw_grid(image: UInt8, calibration: Calibration, points: Sequence[Pair] = ()) -> UInt8:
    """A copy of `image (H, W, 3)` with the floor's grid; of each of `points` (px, m) the click and the floor point."""
    height, width = image.shape[:2]
    size_wh = (width, height)
    result = image.copy()
    low, high, step = _extent(calibration, size_wh)
    thick = max(1, round(height / 700))
    for axis in (0, 1):
        for value in np.arange(np.ceil(low[axis] / step) * step, high[axis], step):
            ends = np.linspace(low[1 - axis], high[1 - axis], 400)
            line = np.empty((400, 2))
            line[:, axis], line[:, 1 - axis] = value, ends
            _polyline(result, _fine(line, calibration, size_wh, step), _AXIS if abs(value) < 1e-9 else _LINE, thick)
    _label(result, calibration, (low, high), step)
    for n, (click, floor) in enumerate(points, start=1):
        here = (round(click[0]), round(click[1]))
        there = to_image(np.array([floor], np.float64), calibration, size_wh)[0]
        if np.isfinite(there).all() and np.abs(there).max() < 1e5:
            cv2.line(result, here, (round(there[0]), round(there[1])), _CLICK, 2 * thick, cv2.LINE_AA)
        cv2.circle(result, here, 5 * thick, _CLICK, 2 * thick, cv2.LINE_AA)
        cv2.putText(
            result, str(n), (here[0] + 7, here[1] - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.6 * thick, _CLICK, 2 * thick
        )
    return result


def _extent(calibration: Calibration, size_wh: tuple[int, int]) -> tuple[Float64, Float64, float]:
    """Lowest and highest floor point worth drawing, and the distance of lines: 1 m, or 2, 5, 10, ... of wide floors."""
    width, height = size_wh
    xs, ys = np.meshgrid(np.linspace(0, width, 25), np.linspace(0, height, 60))
    pixels = np.column_stack([xs.ravel(), ys.ravel()])
    floor = to_floor(pixels, calibration, size_wh)
    below = to_floor(pixels + np.array([0.0, 1.0]), calibration, size_wh)
    metres_a_pixel = np.linalg.norm(below - floor, axis=1)
    near = metres_a_pixel < 5 * np.nanpercentile(metres_a_pixel[pixels[:, 1] > 0.66 * height], 90)
    low, high = np.nanmin(floor[near], axis=0), np.nanmax(floor[near], axis=0)
    wide = float((high - low).max())
    step = next(s for s in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, wide) if wide / s <= 25)
    return low, high, step


def _fine(line: Float64, calibration: Calibration, size_wh: tuple[int, int], step: float) -> Float64:
    """The line's pixels, NaN where it is not drawn: behind the camera, far outside, or crowded."""
    pixels = to_image(line, calibration, size_wh)
    crowd = np.full(len(line), np.inf)
    for offset in ((step, 0.0), (0.0, step)):
        moved = to_image(line + offset, calibration, size_wh)
        crowd = np.fmin(crowd, np.linalg.norm(moved - pixels, axis=1))
    outside = (pixels < -np.array(size_wh)).any(axis=1) | (pixels > 2 * np.array(size_wh)).any(axis=1)
    pixels[outside | (crowd < _MIN_PX / 3)] = np.nan
    return pixels


def _polyline(image: UInt8, pixels: Float64, tint: tuple[int, int, int], thick: int) -> None:
    known = np.asarray(np.isfinite(pixels).all(axis=1), np.bool_)
    for part in np.split(np.arange(len(pixels)), np.flatnonzero(np.diff(known)) + 1):
        if known[part[0]] and len(part) > 1:
            cv2.polylines(image, [np.round(pixels[part]).astype(np.int32)], False, tint, thick, cv2.LINE_AA)


def _label(image: UInt8, calibration: Calibration, bounds: tuple[Float64, Float64], step: float) -> None:
    """`x, y` at every second crossing that has room."""
    height, width = image.shape[:2]
    low, high = bounds
    taken: list[Float64] = []
    every = 2 * step
    for x in np.arange(np.ceil(low[0] / every) * every, high[0], every):
        for y in np.arange(np.ceil(low[1] / every) * every, high[1], every):
            (place,) = to_image(np.array([[x, y]]), calibration, (width, height))
            inside = np.isfinite(place).all() and 5 < place[0] < width - 60 and 20 < place[1] < height - 5
            if not inside or any(np.abs(place - other).max() < 55 for other in taken):
                continue
            taken.append(place)
            at = (round(float(place[0])) + 4, round(float(place[1])) - 4)
            for tint, weight in (((0, 0, 0), 3), (_INK, 1)):
                cv2.putText(image, f"{x:g}, {y:g}", at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, tint, weight, cv2.LINE_AA)
