"""birds_eye.mp4: everybody on the floor from above, as time goes by."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.outputs.floor_paths import FloorPath
from pipeline.outputs.floor_plan import extent, grid_step, smooth, view_mark, view_outline
from pipeline.outputs.palette import colour
from pipeline.types import Camera, Float64, UInt8
from pipeline.video.writer import VideoWriter

FPS = 10.0
_SIZE = (960, 720)
_TRAIL_S, _STALE_S = 3.0, 0.6
_MARGIN, _HEAD = 24, 40
_PAPER, _GRID, _VIEW, _INK = (46, 42, 40), (64, 60, 58), (110, 104, 100), (235, 235, 235)
_NAME = (170, 164, 160)


def render_birds_eye(
    paths: Sequence[FloorPath],
    cameras: Sequence[Camera],
    path: Path,
    on_frame: Callable[[int], None] = lambda count: None,
) -> int:
    """Write the video of `paths` to `path`, but for those of cameras whose times do not compare; returns the pictures
    written, 0 = nothing to show.

    What `on_frame`, called with the pictures written, raises goes through, and no file is left.
    """
    paths = [one for one in paths if one.camera_id is None]
    if not paths:
        return 0
    floor = _Floor(paths, cameras)
    start = min(float(one.time_s[0]) for one in paths)
    count = int((max(float(one.time_s[-1]) for one in paths) - start) * FPS) + 1
    with VideoWriter(path, _SIZE, FPS) as video:
        for number in range(count):
            video.write(floor.draw(start + number / FPS))
            on_frame(number + 1)
    return count


class _Floor:
    def __init__(self, paths: Sequence[FloorPath], cameras: Sequence[Camera]) -> None:
        self._paths = [(one.person_id, one.time_s.tolist(), smooth(one)) for one in paths]
        self._low, self._high = extent(paths)
        room = np.array([_SIZE[0] - 2 * _MARGIN, _SIZE[1] - _HEAD - 2 * _MARGIN])
        self._scale = float((room / (self._high - self._low)).min())
        used = (self._high - self._low) * self._scale
        self._corner = np.array([(_SIZE[0] - used[0]) / 2, _SIZE[1] - _MARGIN - (room[1] - used[1]) / 2])
        self._empty = self._background(cameras)

    def _pixel(self, place: Float64) -> Float64:
        result: Float64 = self._corner + (place - self._low) * np.array([self._scale, -self._scale])
        return result

    def _background(self, cameras: Sequence[Camera]) -> UInt8:
        image = np.full((_SIZE[1], _SIZE[0], 3), _PAPER, np.uint8)
        step = grid_step(self._low, self._high)
        # The grid fills the picture, farther than people walked.
        low = self._low + (np.array([0, _SIZE[1]]) - self._corner) / np.array([self._scale, -self._scale])
        high = self._low + (np.array([_SIZE[0], 0]) - self._corner) / np.array([self._scale, -self._scale])
        for axis in (0, 1):
            for value in np.arange(np.ceil(low[axis] / step) * step, high[axis], step):
                ends = np.array([low, high])
                ends[:, axis] = value
                one, two = np.rint(self._pixel(ends)).astype(int).tolist()
                cv2.line(image, one, two, _GRID, 1)
                at = (one[0] + 3, _SIZE[1] - 6) if axis == 0 else (4, one[1] - 4)
                cv2.putText(image, f"{value:g}", at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, _VIEW, 1, cv2.LINE_AA)
        for camera in cameras:
            outline = view_outline(camera)
            if outline is not None:
                cv2.polylines(image, [np.rint(self._pixel(outline)).astype(np.int32)], True, _VIEW, 1, cv2.LINE_AA)
            mark = view_mark(camera, self._low, self._high)
            if mark is not None:
                corners = np.rint(self._pixel(mark)).astype(np.int32)
                cv2.fillConvexPoly(image, corners, _NAME, cv2.LINE_AA)
                x, y = corners.mean(axis=0).astype(int).tolist()
                at = (x - 4 * len(camera.id), y + 24)
                cv2.putText(image, camera.id, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, _NAME, 1, cv2.LINE_AA)
        cv2.putText(image, f"one square = {step:g} m", (16, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
        return image

    def draw(self, time_s: float) -> UInt8:
        """The floor at a time."""
        image = self._empty.copy()
        for person_id, times, places in self._paths:
            last = bisect_right(times, time_s) - 1
            if last < 0 or time_s - times[last] > _STALE_S:
                continue
            first = bisect_right(times, time_s - _TRAIL_S)
            tint = colour(person_id)
            trail = np.rint(self._pixel(places[first : last + 1])).astype(np.int32)
            if len(trail) > 1:
                cv2.polylines(image, [trail], False, tint, 2, cv2.LINE_AA)
            x, y = trail[-1].tolist() if len(trail) else np.rint(self._pixel(places[last])).astype(int).tolist()
            cv2.circle(image, (x, y), 8, tint, -1, cv2.LINE_AA)
            cv2.circle(image, (x, y), 8, _INK, 1, cv2.LINE_AA)
            at = (x + 10, y - 7)
            cv2.putText(image, str(person_id), at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
        shown = f"{int(time_s // 60)}:{time_s % 60:04.1f}"
        cv2.putText(image, shown, (_SIZE[0] - 90, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.6, _INK, 1, cv2.LINE_AA)
        return image
