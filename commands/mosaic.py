"""One video of all cameras side by side, in step by their clock, with a map of who is where on the floor."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.outputs.palette import colour
from pipeline.types import Float64, Frame, UInt8
from pipeline.video.reader import VideoReader
from pipeline.video.writer import VideoWriter

_TILE_WIDTH = 640
_TRAIL_S = 2.5
_STALE_S = 0.6
"""A person is on the map from the nearest box at most this long ago."""
_ONE_NAME_PX = 24
"""Dots of one person, as two cameras see him, that lie nearer have one number."""
_PAPER, _INK = (46, 42, 40), (235, 235, 235)


@dataclass(frozen=True, slots=True)
class _Path:
    """Where a tracklet was: `time_s (T,)`, `place (T, 2)` m."""

    person_id: int
    time_s: list[float]
    place: Float64


def write_mosaic(
    overlays: Mapping[str, Path],
    trajectories: Path,
    path: Path,
    fps: float,
    *,
    offsets_s: Mapping[str, float],
    on_frame: Callable[[int], None] = lambda count: None,
) -> int:
    """Tile the `overlays` (camera id to file) into `path`; returns the pictures written.

    A tile more shows the floor, if `trajectories` (a trajectories.json) has places on it. `offsets_s`: when each
    camera starts, on the common clock. Raises CameraError for a video that cannot be read.
    """
    map_tile = _FloorMap.load(trajectories)
    count = len(overlays) + (map_tile is not None)
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    with ExitStack() as stack:
        lanes = [
            _Lane(stack.enter_context(VideoReader(name, (file,), time_offset_s=offsets_s.get(name, 0.0))))
            for name, file in overlays.items()
        ]
        first = next((lane.image for lane in lanes if lane.image is not None), None)
        if first is None:
            return 0
        height = round(_TILE_WIDTH * first.shape[0] / first.shape[1] / 2) * 2
        size = (columns * _TILE_WIDTH, rows * height)
        start = min(lane.time_s for lane in lanes)
        video = stack.enter_context(VideoWriter(path, size, fps))
        written = 0
        while any(not lane.over for lane in lanes):
            now = start + written / fps
            canvas = np.full((size[1], size[0], 3), _PAPER, np.uint8)
            tiles = [lane.at(now) for lane in lanes]
            if map_tile is not None:
                tiles.append(map_tile.draw(now, (_TILE_WIDTH, height)))
            for index, tile in enumerate(tiles):
                x, y = index % columns * _TILE_WIDTH, index // columns * height
                if tile is not None:
                    canvas[y : y + height, x : x + _TILE_WIDTH] = _fit(tile, (_TILE_WIDTH, height))
            video.write(canvas)
            written += 1
            on_frame(written)
    return written


def _fit(image: UInt8, size_wh: tuple[int, int]) -> UInt8:
    """The picture in the middle of a tile, its shape kept."""
    height, width = image.shape[:2]
    if (width, height) == size_wh:
        return image
    scale = min(size_wh[0] / width, size_wh[1] / height)
    small = cv2.resize(
        image, (max(round(width * scale), 1), max(round(height * scale), 1)), interpolation=cv2.INTER_AREA
    )
    tile = np.full((size_wh[1], size_wh[0], 3), _PAPER, np.uint8)
    x, y = (size_wh[0] - small.shape[1]) // 2, (size_wh[1] - small.shape[0]) // 2
    tile[y : y + small.shape[0], x : x + small.shape[1]] = small
    return tile


class _Lane:
    """One camera's pictures, asked for by time."""

    def __init__(self, reader: VideoReader) -> None:
        self._frames = iter(reader)
        self._next: Frame | None = next(self._frames, None)
        self.image: UInt8 | None = self._next.image if self._next else None
        self.time_s = self._next.time_s if self._next else math.inf
        self._shown: UInt8 | None = None

    @property
    def over(self) -> bool:
        return self._next is None

    def at(self, time_s: float) -> UInt8 | None:
        """The last picture that is not later than `time_s`; None before the first."""
        while self._next is not None and self._next.time_s <= time_s + 1e-6:
            self._shown = self._next.image
            self._next = next(self._frames, None)
        return self._shown


class _FloorMap:
    """The floor from above: a dot and a trail for each person, in the person's colour."""

    def __init__(self, paths: list[_Path]) -> None:
        self._paths = paths
        places = np.concatenate([path.place for path in paths])
        self._low, self._high = np.percentile(places, 0.5, axis=0) - 1.0, np.percentile(places, 99.5, axis=0) + 1.0

    @classmethod
    def load(cls, trajectories: Path) -> _FloorMap | None:
        """The map of a trajectories.json; None where it has no places on the floor."""
        content = json.loads(trajectories.read_text(encoding="utf-8"))
        paths = []
        for person in content["trajectories"]:
            for tracklet in person["tracklets"]:
                known = [
                    (time_s, place)
                    for time_s, place in zip(tracklet["time_s"], tracklet.get("ground_xy") or [], strict=False)
                    if place is not None
                ]
                if known:
                    times, places = zip(*known, strict=True)
                    paths.append(_Path(person["person_id"], list(times), _smooth(np.array(places, np.float64))))
        return cls(paths) if paths else None

    def draw(self, time_s: float, size_wh: tuple[int, int]) -> UInt8:
        """The map at a time."""
        width, height = size_wh
        image = np.full((height, width, 3), _PAPER, np.uint8)
        extent = self._high - self._low
        scale = min((width - 40) / extent[0], (height - 70) / extent[1])
        corner = np.array([(width - extent[0] * scale) / 2, (height - 20 - extent[1] * scale) / 2 + 24])

        def pixel(place: Float64) -> tuple[int, int]:
            x, y = corner + (place - self._low) * (scale, scale)
            return round(float(x)), round(float(height + 4 - y))

        for metre in range(math.ceil(self._low[0]), math.floor(self._high[0]) + 1):
            if metre % 2 == 0:
                ends = [pixel(np.array([metre, y])) for y in (self._low[1], self._high[1])]
                cv2.line(image, ends[0], ends[1], (60, 56, 54), 1)
        for metre in range(math.ceil(self._low[1]), math.floor(self._high[1]) + 1):
            if metre % 2 == 0:
                ends = [pixel(np.array([x, metre])) for x in (self._low[0], self._high[0])]
                cv2.line(image, ends[0], ends[1], (60, 56, 54), 1)
        dots: list[tuple[int, tuple[int, int]]] = []
        for path in self._paths:
            last = bisect_right(path.time_s, time_s) - 1
            if last < 0 or time_s - path.time_s[last] > _STALE_S:
                continue
            first = bisect_right(path.time_s, time_s - _TRAIL_S)
            points = [pixel(place) for place in path.place[first : last + 1]]
            tint = colour(path.person_id)
            if len(points) > 1:
                cv2.polylines(image, [np.array(points, np.int32)], False, tint, 2, cv2.LINE_AA)
            here = pixel(path.place[last])
            cv2.circle(image, here, 7, tint, -1, cv2.LINE_AA)
            cv2.circle(image, here, 7, _INK, 1, cv2.LINE_AA)
            dots.append((path.person_id, here))
        for person, (x, y) in one_name_each(dots):  # above all dots, with an edge
            for tint, width in ((_PAPER, 4), (_INK, 1)):
                cv2.putText(image, str(person), (x + 9, y - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, tint, width, cv2.LINE_AA)
        cv2.putText(image, "floor, one square = 2 m", (16, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.55, _INK, 1, cv2.LINE_AA)
        return image


def one_name_each(dots: list[tuple[int, tuple[int, int]]]) -> list[tuple[int, tuple[int, int]]]:
    """The dots (person, pixel) that get a number: not one beside another of the same person."""
    named: list[tuple[int, tuple[int, int]]] = []
    for person, at in dots:
        if not any(person == other and math.dist(at, there) < _ONE_NAME_PX for other, there in named):
            named.append((person, at))
    return named


def _smooth(places: Float64) -> Float64:
    """A mean over five places: feet points jump with the lower edge of a box."""
    if len(places) < 5:
        return places
    padded = np.concatenate([places[:1]] * 2 + [places] + [places[-1:]] * 2)
    result: Float64 = np.mean([padded[i : i + len(places)] for i in range(5)], axis=0)
    return result
