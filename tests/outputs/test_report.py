from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import CameraError
from pipeline.outputs.report import RunReport, camera_report, environment, library_versions, plain, write_report
from pipeline.video.report import ReadReport

READ = ReadReport(
    status="partial",
    frames_decoded=45,
    frames_failed=3,
    frames_expected=60,
    coverage=0.75,
    first_time_s=0.0,
    last_time_s=5.9,
    gaps=((1.0, 2.5),),
    size_changes=1,
    timestamp_repairs=2,
    damaged_frames=4,
    dropped_before_keyframe=5,
    causes=("decode_errors: x.mp4: 3 pictures could not be decoded",),
)


def report(**changes: object) -> RunReport:
    values: dict[str, object] = {
        "exit_code": 3,
        "status": "partial",
        "program": "passerby 0.1.0",
        "started": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
        "duration_s": 12.3456789,
        "clock": "unknown",
        "people": 2,
        "cameras": (),
        "stages_s": {"detect": 1.5},
    }
    return RunReport(**{**values, **changes})  # type: ignore[arg-type]


def written(tmp_path: Path, value: RunReport) -> dict[str, object]:
    def refuse(name: str) -> float:
        raise AssertionError(f"{name} is no JSON")

    write_report(tmp_path / "run_report.json", value)
    text = (tmp_path / "run_report.json").read_text(encoding="utf-8")
    document: dict[str, object] = json.loads(text, parse_constant=refuse)
    return document


def test_the_caller_s_environment_is_recorded_without_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("YOLO_AUTOINSTALL", "true")
    monkeypatch.setenv("PYTHONPATH", "/x/token=abc")
    monkeypatch.setenv("MY_PASSWORD", "hunter2")
    document = written(tmp_path, report(environment=environment()))
    said = document["environment"]
    assert isinstance(said, dict)
    assert int(said.pop("processors")) >= 1
    assert {name: said[name] for name in ("OMP_NUM_THREADS", "YOLO_AUTOINSTALL", "PYTHONPATH")} == {
        "OMP_NUM_THREADS": "3",
        "YOLO_AUTOINSTALL": "true",
        "PYTHONPATH": "/x/token=***",
    }
    assert "hunter2" not in str(document)


def test_cameras_tell_what_was_read_and_lost(tmp_path: Path) -> None:
    lobby = camera_report("lobby", [Path("a.mp4"), Path("b.mp4")], READ, fps=10.0, tracklets=7)
    gone = camera_report("hall", [Path("h.mp4")], None, fault=CameraError("not_a_video", "h.mp4: no video"))
    document = written(tmp_path, report(cameras=(lobby, gone)))
    assert document["schema_version"] == "1.0"
    assert (document["exit_code"], document["started"]) == (3, "2026-03-01T09:30:00+00:00")
    first, second = document["cameras"]  # type: ignore[misc]
    assert {
        key: first[key] for key in ("status", "frames_decoded", "frames_failed", "frames_expected", "coverage")
    } == {
        "status": "partial",
        "frames_decoded": 45,
        "frames_failed": 3,
        "frames_expected": 60,
        "coverage": 0.75,
    }
    assert first["sources"] == ["a.mp4", "b.mp4"]
    assert first["reading"]["gaps"] == [[1.0, 2.5]]
    assert first["reading"]["dropped_before_keyframe"] == 5
    assert (second["status"], second["code"], second["frames_decoded"]) == ("failed", "not_a_video", 0)


def test_a_fault_in_mid_camera_is_never_complete() -> None:
    whole = ReadReport("complete", 60, 0, 60, 1.0, 0.0, 5.9, (), 0, 0, 0, 0, ())
    assert camera_report("a", [Path("a")], whole).status == "complete"
    assert camera_report("a", [Path("a")], whole, fault=CameraError("stalled", "x")).status == "partial"


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    values = {"nan": float("nan"), "inf": np.float32(np.inf), "array": np.array([1.0, np.nan]), "int": np.int64(3)}
    document = written(tmp_path, report(association=values))
    assert document["association"] == {"nan": None, "inf": None, "array": [1.0, None], "int": 3}


def test_no_credentials_in_the_report(tmp_path: Path) -> None:
    secrets = ("rtsp://admin:hunter2@cam/1", "http://x/y?token=hunter2&a=1", "PASSWORD=hunter2; x", "api_key=hunter2")
    document = written(
        tmp_path, report(notices=secrets, association={"rtsp://u:hunter2@h": {"deep": [secrets]}}, fault=secrets[0])
    )
    assert "hunter2" not in json.dumps(document)
    assert document["notices"][1] == "http://x/y?token=***&a=1"  # type: ignore[index]


def test_hostile_file_names_are_json_text(tmp_path: Path) -> None:
    names = ['"},{"', "a\nb\x1b", "\udcff", "日本"]
    document = written(tmp_path, report(cameras=(camera_report("a", list(map(Path, names)), None),)))
    assert document["cameras"][0]["sources"] == [*names[:2], "\\xff", "日本"]  # type: ignore[index]


def test_sets_have_an_order() -> None:
    assert plain({"x": frozenset({"b", "a"})}) == {"x": ["a", "b"]}


def test_versions_name_what_is_installed_without_importing_it() -> None:
    versions = library_versions(["numpy", "no-such-distribution"])
    assert versions["numpy"] == np.__version__
    assert set(versions) == {"python", "numpy"}
