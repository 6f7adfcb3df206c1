"""Overlays: right people, right colours, playable, private where asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import OutputConfig
from pipeline.outputs import palette
from pipeline.outputs.drawing import Rect, Style, bar_sprite, place_label
from pipeline.outputs.overlay import OverlayPainter, render_overlay
from pipeline.outputs.results import CameraResult
from pipeline.types import Camera, Frame, Tracklet, Trajectory, UInt8
from pipeline.video.reader import VideoReader

Cameras = tuple[CameraResult, ...]
PLAIN = OutputConfig(trail_s=0.0)


def frames(camera: Camera, count: int, image: UInt8 | None = None) -> list[Frame]:
    width, height = camera.size_wh
    gray = np.full((height, width, 3), 128, np.uint8)
    return [Frame(camera.id, i, i / 10, gray if image is None else image) for i in range(count)]


def near(pixel: UInt8, colour: tuple[int, int, int], tolerance: int) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() <= tolerance)


@pytest.fixture
def lobby(cameras: Cameras) -> Camera:
    return cameras[0].camera


def test_file_plays_and_shows_each_person_in_his_colour(
    tmp_path: Path, lobby: Camera, trajectories: list[Trajectory]
) -> None:
    path = tmp_path / "lobby.mp4"
    done: list[int] = []
    written = render_overlay(frames(lobby, 30), lobby, trajectories, path, 10.0, PLAIN, on_frame=done.append)
    assert (written, done[-1]) == (30, 30)
    assert [entry.name for entry in tmp_path.iterdir()] == ["lobby.mp4"]
    with VideoReader("lobby", [path]) as reader:
        back = list(reader)
    assert len(back) == 30
    assert [round(frame.time_s, 3) for frame in back] == [i / 10 for i in range(30)]
    image = back[10].image
    assert image.shape == (240, 320, 3)
    # Person 1 stands at x = 60, person 2 at x = 185; H.264 4:2:0 halves the colour of a 1 px line.
    for left, person_id in ((60, 1), (185, 2)):
        tint = image[50:110, left].astype(int).mean(axis=0) - 128
        want = np.array(palette.colour(person_id)) - 128
        assert tint @ want > 0.5 * np.linalg.norm(tint) * np.linalg.norm(want)
        assert np.linalg.norm(tint) > 10
    assert np.abs(image[200:, 100:].astype(int) - 128).max() <= 8, "nothing is drawn where nobody is"


def test_same_person_has_the_same_colour_in_every_camera(cameras: Cameras, trajectories: list[Trajectory]) -> None:
    seen = []
    for result, index in ((cameras[0], 10), (cameras[1], 50)):
        painter = OverlayPainter(result.camera, trajectories, 10.0, PLAIN)
        image = painter.paint(frames(result.camera, 60)[index])
        seen.append(tuple(image[80, 60]))
    assert seen == [palette.colour(1), palette.colour(1)]


def test_interpolated_boxes_are_dashed(lobby: Camera, trajectories: list[Trajectory]) -> None:
    painter = OverlayPainter(lobby, trajectories, 10.0, PLAIN)
    share = {}
    for index in (2, 3):  # the fourth box is interpolated
        column = painter.paint(frames(lobby, 5)[index])[50:110, 20 + 4 * index]
        share[index] = float(np.mean([near(pixel, palette.colour(1), 0) for pixel in column]))
    assert share[2] == 1.0
    assert 0.3 < share[3] < 0.7


def test_input_frames_stay_as_they_are(lobby: Camera, trajectories: list[Trajectory]) -> None:
    image = np.full((240, 320, 3), 99, np.uint8)
    image.flags.writeable = False
    options = OutputConfig(blur="persons")
    first = OverlayPainter(lobby, trajectories, 10.0, options).paint(frames(lobby, 9, image)[8])
    again = OverlayPainter(lobby, trajectories, 10.0, options).paint(frames(lobby, 9, image)[8])
    assert (image == 99).all()
    np.testing.assert_array_equal(first, again)


def test_trail_follows_the_feet_for_its_length(lobby: Camera, trajectories: list[Trajectory]) -> None:
    for trail_s, first_x in ((0.5, 75 - 20), (1.0, 75 - 40)):
        painter = OverlayPainter(lobby, trajectories[:1], 10.0, OutputConfig(trail_s=trail_s))
        band = painter.paint(frames(lobby, 11)[10])[121:125].astype(int)  # below the box: only the trail
        columns = np.flatnonzero(np.abs(band - 128).max(axis=(0, 2)) > 20)
        assert abs(columns.min() - first_x) <= 3
        assert abs(columns.max() - 75) <= 4


def test_unsure_member_is_marked(cameras: Cameras, trajectories: list[Trajectory]) -> None:
    hall = cameras[1].camera
    sure = [replace(trajectories[0], tracklet_confidence=(0.98, 0.9))]
    one, other = (
        OverlayPainter(hall, people, 10.0, PLAIN).paint(frames(hall, 60)[45]) for people in (trajectories, sure)
    )
    assert (one != other).any()
    assert (one[41:] == other[41:]).all(), "only the label above the box differs"


@pytest.mark.parametrize(
    ("blur", "head", "legs"), [("none", True, True), ("heads", False, True), ("persons", False, False)]
)
def test_blur_removes_detail_where_asked(
    lobby: Camera, trajectories: list[Trajectory], blur: str, head: bool, legs: bool
) -> None:
    pattern = np.indices((240, 320)).sum(axis=0) % 2 * 255
    image = np.repeat(pattern[:, :, None], 3, axis=2).astype(np.uint8)
    options = OutputConfig.model_validate({"blur": blur, "trail_s": 0.0})
    painted = OverlayPainter(lobby, trajectories[:1], 10.0, options).paint(frames(lobby, 9, image)[8])
    x = slice(52 + 5, 82 - 5)
    detail = {"head": painted[45:56, x].std() > 60, "legs": painted[80:115, x].std() > 60}
    assert detail == {"head": head, "legs": legs}
    assert painted[45:115, 120:300].std() > 120, "others keep their detail"


def test_blur_is_held_before_and_behind_a_tracklet(cameras: Cameras, trajectories: list[Trajectory]) -> None:
    """A detector that finds a person a moment late must not show the face of that moment."""
    hall = cameras[1].camera
    pattern = (np.indices((240, 320)).sum(axis=0) % 2 * 255)[:, :, None].repeat(3, axis=2).astype(np.uint8)
    painter = OverlayPainter(hall, trajectories, 10.0, OutputConfig(blur="persons", blur_hold_s=0.5))
    all_frames = frames(hall, 70, pattern)
    blurred = [painter.paint(frame)[60:100, 25:45].std() < 60 for frame in all_frames]
    assert blurred.index(True) == 40 - 5
    last = [painter.paint(frame)[60:100, 100:120].std() < 60 for frame in all_frames]
    assert 69 - last[::-1].index(True) == 59 + 5


@pytest.mark.parametrize("size_wh", [(321, 241), (17, 16), (64, 480)])
def test_odd_and_small_sizes(
    tmp_path: Path, lobby: Camera, trajectories: list[Trajectory], size_wh: tuple[int, int]
) -> None:
    camera = replace(lobby, size_wh=size_wh)
    path = tmp_path / "x.mp4"
    assert render_overlay(frames(camera, 3), camera, trajectories, path, 10.0, OutputConfig()) == 3
    with VideoReader("x", [path]) as reader:
        assert len(list(reader)) == 3


@pytest.mark.parametrize(("size_wh", "count"), [((15, 200), 3), ((1, 1), 3), ((320, 240), 0)])
def test_nothing_to_draw_on_writes_no_file(tmp_path: Path, lobby: Camera, size_wh: tuple[int, int], count: int) -> None:
    camera = replace(lobby, size_wh=size_wh)
    assert render_overlay(frames(camera, count), camera, [], tmp_path / "x.mp4", 10.0, OutputConfig()) == 0
    assert list(tmp_path.iterdir()) == []


def test_tall_video_is_scaled_down_with_its_boxes(lobby: Camera, make_tracklet: Callable[..., Tracklet]) -> None:
    camera = replace(lobby, size_wh=(640, 480))
    big = replace(make_tracklet(), xyxy=np.tile(np.array([[200, 100, 300, 400]], np.float32), (20, 1)))
    painter = OverlayPainter(
        camera, [Trajectory(1, (big,), 1.0, (1.0,))], 10.0, OutputConfig(max_height_px=240, trail_s=0)
    )
    assert painter.size_wh == (320, 240)
    image = painter.paint(frames(camera, 1)[0])
    assert tuple(image[120, 100]) == tuple(image[120, 149]) == palette.colour(1)


def test_boxes_beyond_the_image_do_not_wrap(lobby: Camera, make_tracklet: Callable[..., Tracklet]) -> None:
    """A negative slice would draw on the far side of the image."""
    boxes = np.array([[-60, -50, -20, 30], [-20, -20, 15, 60], [310, 200, 400, 300], [330, 10, 380, 90]], np.float32)
    for i in range(4):
        tracklet = replace(make_tracklet(), xyxy=np.tile(boxes[i], (20, 1)))
        for blur in ("none", "heads"):
            options = OutputConfig.model_validate({"blur": blur})
            painter = OverlayPainter(lobby, [Trajectory(1, (tracklet,), 1.0, (1.0,))], 10.0, options)
            image = painter.paint(frames(lobby, 4)[2]).astype(int)
            assert np.abs(image[100:180, 60:250] - 128).max() == 0


def test_bar_tells_the_recorders_time_where_it_is_known(lobby: Camera) -> None:
    known = replace(lobby, start_time=datetime(2026, 3, 1, 23, 59, 58, tzinfo=UTC), time_offset_s=100.0)
    assert OverlayPainter(known, [], 10.0, PLAIN).clock(103.0) == "2026-03-02 00:00:01 UTC"
    plain = OverlayPainter(lobby, [], 10.0, PLAIN)
    assert [plain.clock(t) for t in (0.0, 59.96, 61.23, 3661.0, -2.5)] == [
        "00:00.0",
        "01:00.0",
        "01:01.2",
        "1:01:01.0",
        "-00:02.5",
    ]


def test_labels_avoid_each_other_and_stay_inside() -> None:
    generator = np.random.default_rng(3)
    for _ in range(50):
        taken: list[Rect] = []
        for x, y in generator.integers(-20, 300, (4, 2)).tolist():
            place = place_label((40, 16), (x, y, x + 30, y + 80), (320, 240), taken)
            assert place[0] >= 0 and place[1] >= 0 and place[2] <= 320 and place[3] <= 240
            assert (place[2] - place[0], place[3] - place[1]) == (40, 16)
            taken.append(place)
    first = place_label((40, 16), (100, 100, 130, 180), (320, 240), [])
    second = place_label((40, 16), (100, 100, 130, 180), (320, 240), [first])
    assert first == (100, 83, 140, 99)
    assert second[1] >= first[3] or second[3] <= first[1] or second[0] >= first[2]


def test_sizes_grow_with_the_image() -> None:
    styles = [Style.for_height(height) for height in (240, 480, 720, 1080, 2160)]
    assert [style.line for style in styles] == [1, 1, 2, 3, 5]
    assert [style.text for style in styles] == [9, 12, 18, 27, 54]
    heights = [bar_sprite("lobby", style).size_wh[1] for style in styles]
    assert heights == sorted(heights)


def test_palette_is_steady_apart_and_readable() -> None:
    colours = palette.palette()
    assert len(set(colours)) == palette.COLOURS
    assert palette.colour(1) == palette.colour(1 + palette.COLOURS) == colours[0]
    array = np.array(colours[:12], float)
    distance = np.linalg.norm(array[:, None] - array[None], axis=2) + 999 * np.eye(12)
    assert distance.min() > 40
    for background in colours:
        contrast = _contrast(background, palette.text_on(background))
        assert contrast >= 4.5, "WCAG 2.1 AA for text"
    assert palette.text_on((0, 0, 0)) == (255, 255, 255)


def _contrast(a: tuple[int, int, int], b: tuple[int, int, int]) -> float:
    def luminance(bgr: tuple[int, int, int]) -> float:
        parts = [value / 255 for value in bgr]
        blue, green, red = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)
