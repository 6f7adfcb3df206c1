from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.ground.floor import floor_positions
from pipeline.outputs.results import CameraResult
from pipeline.outputs.trajectories import read_trajectories, write_trajectories
from pipeline.outputs.validation import validate
from pipeline.types import Calibration, Camera, Tracklet, Trajectory

Cameras = tuple[CameraResult, ...]


@pytest.fixture
def document(tmp_path: Path, cameras: Cameras, trajectories: list[Trajectory]) -> dict[str, Any]:
    write_trajectories(tmp_path / "t.json", cameras, trajectories, "unknown")
    result: dict[str, Any] = json.loads((tmp_path / "t.json").read_bytes())
    return result


def test_output_is_valid_and_says_what_went_in(document: dict[str, Any]) -> None:
    validate(document)
    assert document["schema_version"] == "1.0"
    assert document["clock"] == "unknown"
    lobby, hall = document["cameras"]
    assert lobby == {
        "camera_id": "lobby",
        "source": "rec/lobby.mp4",
        "width": 320,
        "height": 240,
        "fps": 10.0,
        "frames": 60,
        "duration_s": 5.9,
        "time_offset_s": 0.0,
    }
    assert (hall["segments"], hall["start_time"]) == (["h1.mp4", "h2.mp4"], "2026-03-01T09:30:00.000+00:00")
    assert hall["fps"] == 29.97003, "never rounded to a whole number"
    person = document["trajectories"][0]
    assert (person["person_id"], person["cameras"], person["link_confidence"]) == (1, ["hall", "lobby"], 0.9612)
    assert (person["start_s"], person["end_s"]) == (0.0, 5.9)
    assert [tracklet["link_confidence"] for tracklet in person["tracklets"]] == [0.98, 0.4]
    first = person["tracklets"][0]
    assert first["xyxy"][1] == [24.0, 40.0, 54.0, 120.0]
    assert first["observed"][:5] == [True, True, True, False, True]
    assert first["confidence"][3] == 0.0
    assert person["links"] == [
        {
            "from": ["lobby", 1],
            "to": ["hall", 4],
            "log_odds": 3.2199,
            "runner_up": -2.5,
            "evidence": {"appearance": 7.7199, "place": -0.5},
            "people": -2.0,
            "rivals": -2.0,
            "runner_up_tracklet": ["lobby", 2],
            "by_user": True,
        }
    ]


def test_ground_is_given_where_the_camera_is_calibrated(document: dict[str, Any]) -> None:
    lobby, hall = document["trajectories"][0]["tracklets"]
    assert "ground_xy" not in lobby
    x1, _, x2, y2 = hall["xyxy"][0]
    weight = 0.001 * y2
    assert hall["ground_xy"][0] == pytest.approx([0.01 * (x1 + x2) / 2 / weight, 0.01 * y2 / weight], abs=1e-3)


def test_feet_on_or_beyond_the_horizon_have_no_place_on_the_floor() -> None:
    # The horizon of this floor is the row y = 100 of a 320x240 image.
    floor = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.01, -1.0]])
    boxes = np.array([[0, 0, 10, 60], [0, 0, 10, 100], [0, 0, 10, 200]], np.float32)
    for sign in (1, -1):
        ground = floor_positions(boxes, Calibration(sign * floor), (320, 240)).xy
        assert np.isnan(ground[:2]).all()
        assert ground[2] == pytest.approx([5.0, 200.0])


def test_horizon_becomes_null_in_the_file(tmp_path: Path, cameras: Cameras, trajectories: list[Trajectory]) -> None:
    calibration = replace(
        cameras[1].camera.calibration, image_to_ground=np.array([[1.0, 0, 0], [0, 1, 0], [0, 0.01, -2]])
    )
    hall = replace(cameras[1], camera=replace(cameras[1].camera, calibration=calibration))
    write_trajectories(tmp_path / "t.json", (cameras[0], hall), trajectories, "common")
    written = json.loads((tmp_path / "t.json").read_bytes())
    validate(written)
    assert set(map(str, written["trajectories"][0]["tracklets"][1]["ground_xy"])) == {"None"}


def test_same_input_gives_the_same_bytes(tmp_path: Path, cameras: Cameras, trajectories: list[Trajectory]) -> None:
    for name in ("a", "b"):
        write_trajectories(tmp_path / name, cameras, copy.deepcopy(trajectories), "common")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_no_people_and_no_cameras_are_valid_too(tmp_path: Path, cameras: Cameras) -> None:
    for some in (cameras, ()):
        write_trajectories(tmp_path / "t.json", some, [], "unknown")
        document = json.loads((tmp_path / "t.json").read_bytes())
        validate(document)
        assert document["trajectories"] == []


def test_round_trip(tmp_path: Path, cameras: Cameras, trajectories: list[Trajectory]) -> None:
    path = tmp_path / "t.json"
    write_trajectories(path, cameras, trajectories, "aligned")
    back = read_trajectories(path)
    assert back.clock == "aligned"
    assert [result.camera.id for result in back.cameras] == ["lobby", "hall"]
    assert back.cameras[0] == cameras[0]
    assert back.cameras[1].camera.start_time == cameras[1].camera.start_time
    assert back.cameras[1].camera.sources == cameras[1].camera.sources
    for ours, theirs in zip(trajectories, back.trajectories, strict=True):
        assert ours.person_id == theirs.person_id
        for a, b in zip(ours.tracklets, theirs.tracklets, strict=True):
            assert a.key == b.key
            np.testing.assert_array_equal(a.frame_index, b.frame_index)
            np.testing.assert_allclose(a.time_s, b.time_s, atol=5e-4)
            np.testing.assert_allclose(a.xyxy, b.xyxy, atol=5.1e-3)
            np.testing.assert_array_equal(a.observed, b.observed)
    bare = tuple(replace(result, camera=replace(result.camera, calibration=None)) for result in cameras)
    write_trajectories(tmp_path / "again.json", back.cameras, back.trajectories, back.clock)
    write_trajectories(path, bare, trajectories, "aligned")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("field", ["xyxy", "time_s", "confidence"])
def test_a_number_that_is_not_finite_is_never_written(
    tmp_path: Path, cameras: Cameras, trajectories: list[Trajectory], field: str
) -> None:
    """json.dumps writes NaN, which is no JSON."""
    good = trajectories[1].tracklets[0]
    values = getattr(good, field).copy()
    values[0] = np.nan
    bad = replace(trajectories[1], tracklets=(replace(good, **{field: values}),))
    with pytest.raises(ValueError, match="JSON compliant"):
        write_trajectories(tmp_path / "t.json", cameras, [bad], "unknown")
    assert list(tmp_path.iterdir()) == []


def test_hostile_source_names_stay_text(tmp_path: Path) -> None:
    names = ['"}],"x":[{"', "a\nb\x1b[2J", "日本.mp4", "\udcff.mp4", "</script>"]
    cameras = [CameraResult(Camera(f"c{i}", (Path(name),), (4, 4), 1.0), 0, 0.0) for i, name in enumerate(names)]
    write_trajectories(tmp_path / "t.json", cameras, [], "unknown")
    document = json.loads((tmp_path / "t.json").read_bytes())
    validate(document)
    sources = [camera["source"] for camera in document["cameras"]]
    assert sources == [*names[:3], "\\xff.mp4", "</script>"]
    "".join(sources).encode()  # no lone surrogate


def test_tracklet_of_an_unknown_camera_is_an_error(
    tmp_path: Path, cameras: Cameras, make_tracklet: Callable[..., Tracklet]
) -> None:
    stray = Trajectory(1, (make_tracklet("garden"),), 1.0, (1.0,))
    with pytest.raises(ValueError, match="no such camera"):
        write_trajectories(tmp_path / "t.json", cameras, [stray], "unknown")


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(document: Any) -> None:
        *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
        for step in steps:
            document = document[step]
        document[last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("schema_version", "2.0"),
        _set("clock", "local"),
        _set("extra", 1),
        _set("cameras/0/camera_id", "../x"),
        _set("cameras/1/camera_id", "lobby"),
        _set("cameras/0/fps", -1),
        _set("trajectories/0/person_id", 0),
        _set("trajectories/0/person_id", 2),
        _set("trajectories/0/link_confidence", 1.5),
        _set("trajectories/0/cameras", ["lobby"]),
        _set("trajectories/0/tracklets", []),
        _set("trajectories/0/tracklets/0/xyxy/0", [1, 2, 3]),
        _set("trajectories/0/tracklets/0/frame", [0, 1]),
        _set("trajectories/0/tracklets/0/frame/1", 0),
        _set("trajectories/0/tracklets/0/track_id", True),
        _set("trajectories/1/tracklets/0/track_id", 1),
        _set("trajectories/0/links/0/to", ["lobby", 2]),
        _set("trajectories/0/links/0/evidence", {"hunch": 1.0}),
        _set("trajectories/0/links/0/log_odds", None),
    ],
)
def test_validation_finds_the_fault(document: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> None:
    validate(document)
    change(document)
    with pytest.raises(ValueError, match=r"trajectories\.json \$"):
        validate(document)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"schema_version": "9"}', '{"schema_version": "1.0", "clock": "unknown"}', "[" * 100_000],
)
def test_a_broken_file_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_trajectories(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="cannot be read"):
        read_trajectories(tmp_path / "none.json")
