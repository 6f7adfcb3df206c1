"""overlays/<camera>.mp4: the second pass over a video, with the people drawn in, the same colour in every camera."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path

import cv2
import numpy as np

from pipeline import geometry
from pipeline.config import OutputConfig
from pipeline.outputs import drawing
from pipeline.outputs.palette import colour
from pipeline.types import Camera, Float32, Float64, Frame, Int64, Tracklet, Trajectory, UInt8
from pipeline.video.writer import VideoWriter

log = logging.getLogger(__name__)

_SMALLEST_PX = 16
_TRAIL_SMOOTHING_S = 0.4
"""Feet points jump with the box's lower edge; a mean over this long reads as a path. Chosen by eye on 7 and 30 fps."""
_HEAD_SHARE = 0.24
"""Upper part of a person's box that is blurred as the head. A choice with room for a stoop; sitting people need
`persons`."""
_BLOCKS = 4
"""Squares over the shorter side of a pixelated area: a choice, coarse on purpose."""


@dataclass(frozen=True, slots=True)
class _Person:
    """One tracklet as it is drawn."""

    person_id: int
    tracklet: Tracklet
    feet: Float64
    """Smoothed feet points `(T, 2)` px."""
    sure: bool


@dataclass(frozen=True, slots=True)
class _Index:
    """Boxes by frame: rows sorted by `frame (N,)`; `person` and `row` say which box of whom."""

    frame: Int64
    person: Int64
    row: Int64

    def at(self, frame: int) -> tuple[Int64, Int64]:
        first, last = np.searchsorted(self.frame, (frame, frame + 1))
        return self.person[first:last], self.row[first:last]


def render_overlay(  # noqa: PLR0917
    frames: Iterable[Frame],
    camera: Camera,
    trajectories: Sequence[Trajectory],
    path: Path,
    fps: float,
    options: OutputConfig,
    *,
    on_frame: Callable[[int], None] = lambda frames: None,
) -> int:
    """Write the frames of `camera` with its people drawn in to `path` (H.264); returns the frames written.

    Nothing is written, and 0 returned, for images under 16 px and for a camera without frames. Raises ResourceError
    when the disk is full; `path` then does not exist.
    """
    if min(camera.size_wh) < _SMALLEST_PX:
        log.warning("camera %s: %dx%d is too small to draw on; no overlay", camera.id, *camera.size_wh)
        return 0
    painter = OverlayPainter(camera, trajectories, fps, options)
    count = 0
    with VideoWriter(path, painter.size_wh, fps, pixel_aspect=camera.pixel_aspect) as writer:
        for frame in frames:
            writer.write(painter.paint(frame), frame.time_s)
            count += 1
            on_frame(count)
    return count


class OverlayPainter:
    """Draws the people of one camera on its frames."""

    def __init__(self, camera: Camera, trajectories: Sequence[Trajectory], fps: float, options: OutputConfig) -> None:
        self._camera, self._options = camera, options
        width, height = camera.size_wh
        self._scale = min(1.0, options.max_height_px / height)
        self.size_wh = (max(2, round(width * self._scale)), max(2, round(height * self._scale)))
        """Of the overlay, px."""
        self._style = drawing.Style.for_height(self.size_wh[1])
        self._people = _people(camera.id, trajectories, options.low_confidence)
        self._index = _index(self._people)
        self._hold_frames = round(options.blur_hold_s * fps)

    def paint(self, frame: Frame) -> UInt8:
        """A new image `(h, w, 3)` of `size_wh` with everything drawn in."""
        image = self._canvas(frame.image)
        people, rows = self._index.at(frame.index)
        boxes = self._boxes(people, rows)
        shown = (boxes[:, 2] - boxes[:, 0] >= 2) & (boxes[:, 3] - boxes[:, 1] >= 2)  # else outside of the image
        people, rows, boxes = people[shown], rows[shown], boxes[shown]
        if self._options.blur != "none":
            self._blur(image, frame.index)
        order = np.argsort(boxes[:, 3], kind="stable")  # near people over far ones
        if self._options.trail_s > 0:
            for i in order:
                self._draw_trail(image, self._people[people[i]], int(rows[i]))
        rects = {int(i): _rect(boxes[i]) for i in order}
        for i in order:
            person = self._people[people[i]]
            draw = drawing.box if person.tracklet.observed[rows[i]] else drawing.dashed_box
            draw(image, rects[int(i)], colour(person.person_id), self._style)
        taken = [self._draw_bar(image, frame.time_s)]
        for i in order[::-1]:
            self._draw_label(image, self._people[people[i]], rects[int(i)], taken)
        return image

    def _canvas(self, image: UInt8) -> UInt8:
        if (image.shape[1], image.shape[0]) == self.size_wh:
            return image.copy()
        scaled: UInt8 = cv2.resize(image, self.size_wh, interpolation=cv2.INTER_AREA)
        return scaled

    def _boxes(self, people: Int64, rows: Int64) -> Float32:
        boxes = [self._people[person].tracklet.xyxy[row] for person, row in zip(people, rows, strict=True)]
        if not boxes:
            return np.zeros((0, 4), np.float32)
        return geometry.clip(np.stack(boxes) * np.float32(self._scale), self.size_wh)

    def _draw_trail(self, image: UInt8, person: _Person, row: int) -> None:
        times = person.tracklet.time_s
        first = int(np.searchsorted(times, times[row] - self._options.trail_s))
        drawing.trail(image, person.feet[first : row + 1] * self._scale, colour(person.person_id), self._style)

    def _draw_label(self, image: UInt8, person: _Person, rect: drawing.Rect, taken: list[drawing.Rect]) -> None:
        text = f"id {person.person_id}" + ("" if person.sure else " ?")
        sprite = drawing.label_sprite(text, colour(person.person_id), self._style)
        place = drawing.place_label(sprite.size_wh, rect, self.size_wh, taken)
        drawing.stamp(image, place[0], place[1], sprite)
        taken.append(place)

    def _draw_bar(self, image: UInt8, time_s: float) -> drawing.Rect:
        sprite = drawing.bar_sprite(f"{self._camera.id}   {self.clock(time_s)}", self._style)
        margin = self._style.margin
        drawing.stamp(image, margin, margin, sprite)
        return margin, margin, margin + sprite.size_wh[0], margin + sprite.size_wh[1]

    def clock(self, time_s: float) -> str:
        """The recorder's own time if it is known, else that of the shared clock."""
        start = self._camera.start_time
        if start is not None:
            start = start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
            now = start + timedelta(seconds=time_s - self._camera.time_offset_s)
            return f"{now:%Y-%m-%d %H:%M:%S} UTC"
        sign, tenths = ("-" if time_s < 0 else ""), round(abs(time_s) * 10)
        hours, minutes, seconds = tenths // 36000, tenths // 600 % 60, tenths % 600 / 10
        return f"{sign}{hours}:{minutes:02d}:{seconds:04.1f}" if hours else f"{sign}{minutes:02d}:{seconds:04.1f}"

    def _blur(self, image: UInt8, frame: int) -> None:
        """Pixelate everybody of this frame, and, for a moment longer, where a tracklet starts and ends."""
        for person in self._people:
            index = person.tracklet.frame_index
            if index[0] - self._hold_frames <= frame <= index[-1] + self._hold_frames:
                row = int(np.clip(np.searchsorted(index, frame), 0, len(index) - 1))
                x1, y1, x2, y2 = person.tracklet.xyxy[row] * self._scale
                if self._options.blur == "heads":
                    y2 = y1 + max(_HEAD_SHARE * (y2 - y1), 2.0)
                pad = 0.08 * (x2 - x1)
                outside = np.array([x1 - pad, y1 - pad, x2 + pad, y2 + pad], np.float32)
                drawing.pixelate(image, _rect(geometry.clip(outside[None], self.size_wh)[0]), _BLOCKS)


def _rect(box: Float32) -> drawing.Rect:
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    return x1, y1, x2, y2


def _people(camera_id: str, trajectories: Sequence[Trajectory], low: float) -> list[_Person]:
    return [
        _Person(trajectory.person_id, tracklet, _smoothed_feet(tracklet), confidence >= low)
        for trajectory in trajectories
        for tracklet, confidence in zip(trajectory.tracklets, trajectory.tracklet_confidence, strict=True)
        if tracklet.camera_id == camera_id
    ]


def _smoothed_feet(tracklet: Tracklet) -> Float64:
    """Feet points, each the mean over a window around it that shrinks at the ends."""
    feet = geometry.feet(tracklet.xyxy).astype(np.float64)
    if len(feet) < 3:
        return feet
    step = max((tracklet.end_s - tracklet.start_s) / (len(feet) - 1), 1e-3)
    reach = max(int(_TRAIL_SMOOTHING_S / 2 / step), 0)
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(feet, axis=0)])
    centre = np.arange(len(feet))
    half = np.minimum(reach, np.minimum(centre, len(feet) - 1 - centre))
    smooth: Float64 = (sums[centre + half + 1] - sums[centre - half]) / (2 * half + 1)[:, None]
    return smooth


def _index(people: Sequence[_Person]) -> _Index:
    if not people:
        empty = np.zeros(0, np.int64)
        return _Index(empty, empty, empty)
    frame = np.concatenate([person.tracklet.frame_index for person in people])
    which = np.concatenate([np.full(len(person.tracklet), i, np.int64) for i, person in enumerate(people)])
    row = np.concatenate([np.arange(len(person.tracklet)) for person in people])
    order = np.argsort(frame, kind="stable")
    return _Index(frame[order], which[order], row[order])
