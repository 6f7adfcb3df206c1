"""Camera settings to cameras and a scene; the arguments of `run.py track`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest

from commands.track_arguments import overrides, seconds
from commands.track_cameras import make_scene, open_cameras, open_reader
from pipeline.config_loading import load_config
from pipeline.errors import UsageError


def settings(*entries: str):  # type: ignore[no-untyped-def]
    return load_config(None, entries)


def opened(footage, *entries: str):  # type: ignore[no-untyped-def]
    return open_cameras([(name, (path,)) for name, path in footage.videos.items()], settings(*entries))


def test_recorded_starts_become_offsets_on_a_common_clock(footage) -> None:  # type: ignore[no-untyped-def]
    starts = ("cameras.hall.start_time=2026-03-01T09:30:05Z", "cameras.yard.start_time=2026-03-01T10:30:00+01:00")
    hall, yard = opened(footage, "clock=common", *starts, "cameras.hall.time_offset_s=0.5").cameras
    assert (hall.time_offset_s, yard.time_offset_s) == (5.5, 0.0)
    assert yard.start_time == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    hall, yard = opened(footage, *starts).cameras
    assert (hall.time_offset_s, yard.time_offset_s) == (0.0, 0.0), "clock unknown: no conclusion from recorded starts"
    with pytest.raises(UsageError, match=r"cameras\.yard\.start_time"):
        opened(footage, "clock=common", starts[0])


def test_a_file_that_is_no_video_is_told_and_the_rest_stands(footage, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    found = open_cameras([("bad", (bad,)), ("hall", (footage.videos["hall"],))], settings())
    assert [camera.id for camera in found.cameras] == ["hall"]
    assert found.faults["bad"].code == "not_a_video"
    assert found.cameras[0].size_wh == (320, 240)
    assert found.cameras[0].fps == pytest.approx(10.0)


def test_an_unreadable_first_segment_does_not_cost_the_camera(footage, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"")
    files = [("hall", (bad, footage.videos["hall"])), ("gone", (bad, tmp_path / "absent.mp4"))]
    found = open_cameras(files, settings())
    (hall,) = found.cameras
    assert found.infos["hall"].path == footage.videos["hall"]
    assert hall.size_wh == (320, 240)
    assert {name: fault.code for name, fault in found.faults.items()} == {"gone": "empty_file"}
    args = argparse.Namespace(start=None, end=0.5)
    with open_reader(hall, settings(), args) as reader:
        assert len(list(reader)) == 5
        report = reader.report()
    assert report.status == "partial"
    assert any("bad.mp4" in cause for cause in report.causes)


def test_progress_knows_all_segments(footage, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Field bug: 3,000 frames of 1,500, where only the first of the recorder's files was counted."""
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    parts = (footage.videos["hall"], bad, footage.videos["yard"])
    found = open_cameras([("hall", parts), ("yard", (footage.videos["yard"],))], settings())
    assert (found.frames_expected("hall"), found.frames_expected("yard")) == (150 + 225, 225)
    args = argparse.Namespace(start=None, end=None)
    with open_reader(found.cameras[0], settings(), args) as reader:
        assert sum(1 for _ in reader) == found.frames_expected("hall")


def tagged(path: Path, start: str) -> Path:
    """Half a second of grey whose container says when it was recorded."""
    with av.open(str(path), "w", format="mp4") as output:
        output.metadata["creation_time"] = start
        stream = output.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 100, np.uint8), format="bgr24")
            frame.pts = index
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def test_starts_that_the_files_tell_are_not_ignored_silently(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    hours = {"hall": "10:00:00", "yard": "10:05:00", "door": "10:00:00.9"}
    files = [(name, (tagged(tmp_path / f"{name}.mp4", f"2026-03-01T{hour}Z"),)) for name, hour in hours.items()]

    def told(count: int, *entries: str) -> str:
        caplog.clear()
        assert {camera.time_offset_s for camera in open_cameras(files[:count], settings(*entries)).cameras} <= {0, 300}
        return caplog.text

    text = told(2, "clock=common")
    assert "yard starts 300 s after hall" in text
    assert "cameras.yard.time_offset_s=300" in text
    assert told(2) == "", "clock unknown: nothing is made of the times"
    assert told(2, "clock=common", "cameras.yard.time_offset_s=300") == ""
    assert told(2, "clock=common", "cameras.yard.time_offset_s=0") == "", "somebody looked at it"
    starts = [f"cameras.{name}.start_time=2026-03-01T10:00:00Z" for name in ("hall", "yard")]
    assert told(2, "clock=common", *starts) == ""
    assert "yard" in told(3, "clock=common", "cameras.door.time_offset_s=0"), "the other two still contradict"
    del files[1]
    assert told(2, "clock=common") == "", "less than a second"


def test_a_camera_that_fails_shifts_no_other(footage, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Repaired, it must find the others at the times they had."""
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"")
    entries = ("clock=common", "cameras.door.start_time=2026-03-01T09:00:00Z",
               "cameras.hall.start_time=2026-03-01T09:00:07Z")  # fmt: skip
    hall = ("hall", (footage.videos["hall"],))
    for door in (bad, footage.videos["yard"]):
        assert open_cameras([("door", (door,)), hall], settings(*entries)).cameras[-1].time_offset_s == 7.0


def test_regions_overlaps_and_homography_come_from_the_settings(footage) -> None:  # type: ignore[no-untyped-def]
    entries = (
        "cameras.hall.watch=[[[0, 0], [1, 0], [1, 1]]]",
        "cameras.hall.overlaps=[yard]",
        "cameras.hall.image_to_ground=[[0.01, 0, 0], [0, 0.01, 0], [0, 0, 1]]",
        "clock=common",
    )
    found = opened(footage, *entries)
    hall = found.cameras[0]
    assert hall.region.watch == (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)),)
    assert hall.calibration is not None
    np.testing.assert_allclose(hall.calibration.image_to_ground, np.diag([0.01, 0.01, 1.0]))
    scene = make_scene(found.cameras, settings(*entries))
    assert scene.overlapping == {frozenset(("hall", "yard"))}
    assert scene.clock == "common"
    with pytest.raises(UsageError, match="invertible"):
        opened(footage, "cameras.hall.image_to_ground=[[1, 0, 0], [0, 0, 0], [0, 0, 1]]")


def test_a_mistyped_overlap_is_named_with_the_nearest_camera(footage, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match=r"cameras\.hall\.overlaps: no camera 'yadr'; nearest: yard"):
        opened(footage, "cameras.hall.overlaps=[yadr]")
    with pytest.raises(UsageError, match=r"no camera 'x'; cameras of this run: hall, yard"):
        opened(footage, "cameras.hall.overlaps=[yard, x]")
    bad = tmp_path / "yard.mp4"
    bad.write_bytes(b"")
    entry = "cameras.hall.overlaps=[yard]"
    found = open_cameras([("hall", (footage.videos["hall"],)), ("yard", (bad,))], settings(entry))
    assert make_scene(found.cameras, settings(entry)).overlapping == frozenset(), "given, but it failed: no typo"


def test_times_on_the_command_line() -> None:
    assert [seconds(text) for text in ("90", "1:30", "0:01:30", "2.5")] == [90.0, 90.0, 90.0, 2.5]
    for text in ("", "1:2:3:4", "-5", "nan", "inf", "a:b"):
        with pytest.raises(argparse.ArgumentTypeError):
            seconds(text)


def test_arguments_stand_for_settings_and_set_wins() -> None:
    args = argparse.Namespace(
        clock="common", calibration=Path("a site.yaml"), detector="my.pt", embedder=None, replay=None, device=None,
        no_render=True, offline=True,
        overrides=["detector.model=other.pt"],
    )  # fmt: skip
    config = load_config(None, overrides(args))
    assert (config.clock, config.detector.model, config.output.overlays) == ("common", "other.pt", False)
    assert config.runtime.offline
    assert config.calibration == "a site.yaml"
