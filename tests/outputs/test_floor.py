"""The floor from above: fused positions, the plan, the video."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from commands.track_outputs import _write_floor
from pipeline.config import OutputConfig
from pipeline.ground.floor import to_image
from pipeline.outputs.birds_eye import FPS, render_birds_eye
from pipeline.outputs.floor_paths import floor_paths
from pipeline.outputs.floor_plan import extent, floor_plan_svg, view_mark, view_outline
from pipeline.outputs.palette import colour
from pipeline.outputs.run_directory import RunDirectory
from pipeline.types import Calibration, Camera, Float64, Tracklet, Trajectory
from pipeline.video.reader import VideoReader
from synthetic.camera import PinholeCamera

SIZE = (1280, 720)
VIEWS = {
    "near": PinholeCamera.looking((-1.0, -4.0, 3.5), (4.0, 4.0, 0.5), SIZE, 75.0),
    "far": PinholeCamera.looking((24.0, -20.0, 5.0), (4.0, 4.0, 0.5), SIZE, 60.0),
}
CAMERAS = tuple(
    Camera(name, (Path(name),), SIZE, 10.0, calibration=Calibration(v.image_to_ground)) for name, v in VIEWS.items()
)
TIMES = np.arange(0.0, 6.0, 0.1)


def way(times: Float64, shift: float) -> Float64:
    return np.column_stack([2.0 + 0.6 * times, 2.0 + shift + 0.3 * times])


def tracklet(camera: str, number: int, shift: float, noise: float, seed: int = 0) -> Tracklet:
    calibration = Calibration(VIEWS[camera].image_to_ground)
    feet = to_image(way(TIMES, shift), calibration, SIZE)
    head, _ = VIEWS[camera].project(np.column_stack([way(TIMES, shift), np.full(len(TIMES), 1.7)]))
    height = feet[:, 1] - head[:, 1]
    feet = feet + noise * height[:, None] * np.random.default_rng((seed, number, len(camera))).normal(size=feet.shape)
    boxes = np.column_stack([feet[:, 0] - height / 6, feet[:, 1] - height, feet[:, 0] + height / 6, feet[:, 1]])
    ones = np.ones(len(TIMES))
    return Tracklet((camera, number), np.arange(len(TIMES)), TIMES, boxes, ones, ones.astype(bool))


def people(noise: float = 0.0) -> list[Trajectory]:
    return [
        Trajectory(n + 1, (tracklet("near", n, shift, noise), tracklet("far", n, shift, noise)), 0.9, (0.9, 0.9))
        for n, shift in enumerate((0.0, 2.5))
    ]


def test_views_together_are_nearer_than_each_and_say_how_sure_they_are() -> None:
    errors: dict[str, list[float]] = {"near": [], "far": [], "both": []}
    told = []
    for seed in range(20):
        pair = tuple(tracklet(name, 0, 0.0, 0.05, seed) for name in VIEWS)
        for name, used in (("near", pair[:1]), ("far", pair[1:]), ("both", pair)):
            (path,) = floor_paths([Trajectory(1, used, 1.0, (1.0,) * len(used))], CAMERAS, "common")
            errors[name] += np.square(path.xy - way(path.time_s, 0.0)).sum(axis=1).tolist()
            if name == "both":
                told += (2 * path.sigma_m**2).tolist()
                assert path.views.max() == 2
    near, far, both = (float(np.sqrt(np.mean(errors[name]))) for name in ("near", "far", "both"))
    assert both < near < far
    assert both == pytest.approx(float(np.sqrt(np.mean(told))), rel=0.3)


def test_without_a_clock_nothing_is_fused() -> None:
    paths = floor_paths(people(), CAMERAS, "unknown")
    assert [(path.person_id, path.camera_id) for path in paths] == [(1, "far"), (1, "near"), (2, "far"), (2, "near")]
    assert all(path.views.max() == 1 for path in paths)
    assert floor_paths(people(), [replace(camera, calibration=None) for camera in CAMERAS], "common") == ()


def test_the_plan_is_drawn_where_people_were() -> None:
    paths = floor_paths(people(), CAMERAS, "common")
    text = floor_plan_svg(paths, CAMERAS)
    root = ET.fromstring(text)  # noqa: S314 - our own
    svg = "{http://www.w3.org/2000/svg}"
    lines = root.findall(f".//{svg}polyline")
    assert len(lines) == 2
    assert len({line.get("stroke") for line in lines}) == 2
    views = root.findall(f".//{svg}polygon")
    assert len([one for one in views if one.get("class") != "camera"]) == 2, "what each camera sees"
    assert len([one for one in views if one.get("class") == "camera"]) == 2, "where each camera looks from"
    assert {"near", "far"} <= {text.text for text in root.findall(f".//{svg}text")}, "a view without a name is no help"
    drawn = [np.array([point.split(",") for point in line.get("points", "").split()], float) for line in lines]
    low, high = extent(paths)
    scale = 1000.0 / (high - low).max()
    # Person 2 walks 2.5 m above person 1: y runs up, as on a map.
    assert (drawn[0][:, 1] - drawn[1][:, 1]).mean() == pytest.approx(2.5 * scale, rel=0.05)
    assert floor_plan_svg((), CAMERAS) == ""
    assert view_outline(replace(CAMERAS[0], calibration=None)) is None


def test_names_of_people_who_begin_at_one_place_do_not_cover_one_another() -> None:
    paths = floor_paths(people(), CAMERAS, "common")
    twice = [replace(path, xy=paths[0].xy, instant=paths[0].instant) for path in paths]
    root = ET.fromstring(floor_plan_svg(twice, CAMERAS))  # noqa: S314 - our own
    names = [text for text in root.findall(".//{http://www.w3.org/2000/svg}text") if text.get("font-weight") == "600"]
    assert len(names) == 2
    one, two = ((float(text.get("x", "0")), float(text.get("y", "0"))) for text in names)
    assert abs(one[0] - two[0]) >= 13 or abs(one[1] - two[1]) >= 13


def test_cameras_of_another_clock_have_ways_of_their_own_and_no_part_in_the_video(tmp_path: Path) -> None:
    paths = floor_paths(people(), CAMERAS, "unknown", frozenset({"near"}))
    assert [(path.person_id, path.camera_id) for path in paths] == [(1, None), (1, "far"), (2, None), (2, "far")]
    assert "clock unknown: ways by themselves in far" in floor_plan_svg(paths, CAMERAS)
    alone = [path for path in paths if path.camera_id is not None]
    assert render_birds_eye(alone, CAMERAS, tmp_path / "none.mp4") == 0
    mark = view_mark(CAMERAS[0], np.array([-5.0, -5.0]), np.array([15.0, 15.0]))
    assert mark is not None
    assert view_mark(replace(CAMERAS[0], calibration=None), np.zeros(2), np.ones(2)) is None


def test_the_same_people_give_the_same_bytes() -> None:
    one, two = (floor_plan_svg(floor_paths(people(0.02), CAMERAS, "common"), CAMERAS) for _ in range(2))
    assert one == two


def test_the_video_shows_each_person_in_the_own_colour(tmp_path: Path) -> None:
    paths = floor_paths(people(), CAMERAS, "common")
    path = tmp_path / "birds_eye.mp4"
    count = render_birds_eye(paths, CAMERAS, path)
    assert count == pytest.approx(6.0 * FPS, abs=2)
    with VideoReader("v", (path,)) as frames:
        images = [frame.image for frame in frames]
    assert len(images) == count
    middle = images[count // 2].astype(int)
    for person in (1, 2):
        assert (np.abs(middle - colour(person)).max(axis=2) < 40).sum() > 60
    assert render_birds_eye((), CAMERAS, tmp_path / "none.mp4") == 0
    assert not (tmp_path / "none.mp4").exists()


def test_who_asks_to_stop_does_not_wait_for_the_video(tmp_path: Path) -> None:
    """A day on the floor is 864,000 pictures; what is not whole gets no name."""

    def stop(count: int) -> None:
        if count == 3:
            raise InterruptedError

    paths = floor_paths(people(), CAMERAS, "common")
    with pytest.raises(InterruptedError):
        render_birds_eye(paths, CAMERAS, tmp_path / "birds_eye.mp4", stop)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_to_end_leaves_no_half_video_of_the_floor(tmp_path: Path) -> None:
    """The rest of the results is written all the same."""
    result = SimpleNamespace(trajectories=people())
    outcomes = [SimpleNamespace(camera=camera) for camera in CAMERAS]
    linked = SimpleNamespace(outcomes=outcomes, result=result, clock="common", on_one_clock=frozenset())
    options = OutputConfig(floor_plan=True, birds_eye=True)
    asked = iter([False, False, True])
    with RunDirectory.create(tmp_path / "run") as directory:
        _write_floor(directory, linked, options, lambda: next(asked))  # type: ignore[arg-type]
        assert directory.floor_plan.is_file()
        assert not list(directory.root.glob("*birds_eye*"))
        assert next(asked, None) is None, "asked at every picture"
        _write_floor(directory, linked, options, lambda: False)  # type: ignore[arg-type]
        assert directory.birds_eye.is_file()
