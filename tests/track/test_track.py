"""`run.py track` as a user calls it: real videos in, the run directory of the contract out."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from pipeline.outputs.trajectories import read_trajectories
from pipeline.outputs.validation import validate
from pipeline.video.probe import probe

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


def who_is_where(folder: Path) -> list[tuple[str, ...]]:
    """The cameras of each person, sorted."""
    document = json.loads((folder / "trajectories.json").read_text())
    return sorted(tuple(person["cameras"]) for person in document["trajectories"])


@pytest.fixture(scope="module")
def whole_run(footage, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:  # type: ignore[no-untyped-def]
    """One run with overlays that several tests look at."""
    out = tmp_path_factory.mktemp("whole") / "run"
    command = [sys.executable, str(ROOT / "run.py"), "--videos", *map(str, footage.videos.values())]
    command += ["--replay", str(footage.boxes), "--output", str(out), "--json"]
    return out, subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_two_cameras_give_three_people(whole_run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, result = whole_run
    assert result.returncode == 0, result.stderr
    assert who_is_where(out) == [("hall", "yard"), ("hall", "yard"), ("yard",)]
    summary = json.loads(result.stdout)
    assert summary["people"] == 3
    assert summary["people_in_several_cameras"] == 2
    assert summary["frames"] == {"hall": 150, "yard": 225}


def test_the_run_directory_is_that_of_the_contract(whole_run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, _ = whole_run
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    wanted = {f"{kind}/{camera}.txt" for kind in ("mot", "tracklets") for camera in ("hall", "yard")}
    wanted |= {f"overlays/{camera}.mp4" for camera in ("hall", "yard")}
    wanted |= {f"store/{camera}.safetensors" for camera in ("hall", "yard")}
    wanted |= {f"store/{name}.json" for name in ("splits", "scene", "people")}
    wanted |= {
        "trajectories.json",
        "run_report.json",
        "config.resolved.yaml",
        "topology.svg",
        "run.log",
        ".passerby-run",
    }
    assert wanted == files
    document = json.loads((out / "trajectories.json").read_text())
    validate(document)
    assert [camera["camera_id"] for camera in document["cameras"]] == ["hall", "yard"]
    for camera, frames in (("hall", 150), ("yard", 225)):
        assert probe(out / "overlays" / f"{camera}.mp4", 10**7).frames_expected == frames
        rows = [line.split(",") for line in (out / "mot" / f"{camera}.txt").read_text().splitlines()]
        assert {len(row) for row in rows} == {10}
        assert len({row[1] for row in rows}) == (2 if camera == "hall" else 3)
    report = json.loads((out / "run_report.json").read_text())
    assert (report["exit_code"], report["status"], report["people"]) == (0, "complete", 3)
    assert {camera["coverage"] for camera in report["cameras"]} == {1.0}
    assert report["association"]["fallback"] is True, "nobody was ever seen beside another: too little evidence"
    assert report["association"]["negatives"] == 0


def test_links_tell_why(whole_run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, _ = whole_run
    people = read_trajectories(out / "trajectories.json").trajectories
    links = [link for person in people for link in person.links]
    assert len(links) == 2
    assert all(link.log_odds > 0 and link.from_key[0] != link.to_key[0] for link in links)
    assert all({"appearance", "time", "place"} == set(link.evidence) for link in links)


def test_the_same_inputs_give_the_same_bytes_in_any_order_of_cameras(
    footage, passerby: Run, tmp_path: Path, whole_run: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:  # type: ignore[no-untyped-def]
    videos = list(footage.videos.values())
    common = ("--replay", footage.boxes, "--no-render", "-q")
    assert passerby("--videos", *videos, *common, "--output", "again").returncode == 0
    first = (whole_run[0] / "trajectories.json").read_bytes()
    assert (tmp_path / "again" / "trajectories.json").read_bytes() == first
    assert passerby("--videos", *videos[::-1], *common, "--output", "turned").returncode == 0
    turned = json.loads((tmp_path / "turned" / "trajectories.json").read_text())
    assert turned["trajectories"] == json.loads(first)["trajectories"]


def test_a_broken_camera_stops_no_other(
    footage, passerby: Run, tmp_path: Path, whole_run: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:  # type: ignore[no-untyped-def]
    broken = tmp_path / "door.mp4"
    broken.write_text("this is no video")
    videos = [*footage.videos.values(), broken]
    result = passerby("--videos", *videos, "--replay", footage.boxes, "--no-render", "--output", "run")
    assert result.returncode == 3, result.stderr
    assert "door" in result.stderr
    report = json.loads((tmp_path / "run" / "run_report.json").read_text())
    by_camera = {camera["camera_id"]: camera for camera in report["cameras"]}
    assert (by_camera["door"]["status"], by_camera["door"]["code"]) == ("failed", "not_a_video")
    assert by_camera["hall"]["status"] == "complete"
    for camera in ("hall", "yard"):
        kept = (tmp_path / "run" / "tracklets" / f"{camera}.txt").read_bytes()
        assert kept == (whole_run[0] / "tracklets" / f"{camera}.txt").read_bytes()


def test_what_a_file_cannot_show_is_said_in_the_report_and_on_the_log(footage, passerby: Run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """A transport stream states neither its length nor a count: were its end gone, nothing would show it."""
    with av.open(str(footage.videos["hall"])) as source, av.open(str(tmp_path / "hall.ts"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    result = passerby("--videos", "hall.ts", "--replay", footage.boxes, "--no-render", "--output", "run")
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "run" / "run_report.json").read_text())
    (notice,) = [line for line in report["notices"] if "end_not_stated" in line]
    assert notice.startswith("camera hall: end_not_stated: hall.ts: states neither its length")
    assert result.stderr.count("end_not_stated") == 1
    assert report["cameras"][0]["status"] == "complete"


def test_no_usable_camera_is_exit_4_with_a_report(passerby: Run, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    result = passerby("--videos", "a.mp4", "--output", "run")
    assert result.returncode == 4
    assert result.stderr.count("error: ") == 1
    assert json.loads((tmp_path / "run" / "run_report.json").read_text())["cameras"][0]["code"] == "empty_file"


def test_bad_usage_is_exit_2_in_one_line(footage, passerby: Run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    video = footage.videos["hall"]
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "note.txt").write_text("not a run")
    for arguments, word in (
        (("--videos", "missing.mp4"), "missing.mp4"),
        (("--videos", video, video), "hall-2="),
        (("--videos", video, "--set", "trakcer.name=sort"), "tracker"),
        (("--videos", video, "--set", "tracker.name=bytetrak"), "nearest: bytetrack"),
        (("--videos", video, "--output", "there"), "there"),
        (("--videos", video, "--output", "there", "--overwrite"), "there"),
        (("--videos", video, "--start", "5", "--end", "2"), "--end"),
        (("--videos", video, "--detector", "nowhere.pt"), "nowhere.pt"),
        (("--videos", video, "--device", "cuda:7"), "cuda:7"),
    ):
        result = passerby(*arguments)
        assert result.returncode == 2, (arguments, result.stderr)
        lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, (arguments, result.stderr)
        assert word in lines[0], arguments
        assert "Traceback" not in result.stderr


def test_a_model_that_is_not_there_is_told_before_any_video_is_opened(passerby: Run, tmp_path: Path) -> None:
    """Field bug: the videos were opened, and the detector loaded, before a mistyped --embedder was noticed."""
    (tmp_path / "cam.mp4").write_text("no video: whoever opens it says so")
    for arguments, told in (
        (("--embedder", "nope.xml"), "embedder.model nope.xml: no such file; give a path"),
        (("--embedder", "nope.safetensors"), "embedder.model nope.safetensors: no such file"),
        (("--detector", "nope.pt"), "detector.model nope.pt: no such file; give a path"),
        (
            ("--detector", "yolo11n.pt", "--offline"),
            "detector.model yolo11n.pt: no such file and --offline forbids to fetch it",
        ),
        (("--replay", "nowhere"), "detector.replay_dir nowhere: no such file; give a folder"),
    ):
        result = passerby("--videos", "cam.mp4", *arguments)
        assert result.returncode == 2, result.stderr
        assert result.stderr.splitlines() == [line := result.stderr.strip()]
        assert line.startswith(f"error: {told}")
    assert [path.name for path in tmp_path.iterdir()] == ["cam.mp4"], "no run directory either"


def test_resume_takes_finished_cameras_from_the_checkpoint(
    footage, passerby: Run, tmp_path: Path, whole_run: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:  # type: ignore[no-untyped-def]
    run = tmp_path / "run"
    shutil.copytree(whole_run[0], run)
    (run / "store" / "yard.safetensors").unlink()
    (run / "trajectories.json").unlink()
    videos = list(footage.videos.values())
    result = passerby("--videos", *videos, "--replay", footage.boxes, "--no-render", "--output", run, "--resume")
    assert result.returncode == 0, result.stderr
    assert "hall: done before" in result.stderr
    assert "yard: done before" not in result.stderr
    assert (run / "trajectories.json").read_bytes() == (whole_run[0] / "trajectories.json").read_bytes()
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for refused in (
        ("--resume", "--set", "crops.per_tracklet=2"),
        ("--overwrite", "--embedder", "nowhere.safetensors"),
    ):
        changed = passerby("--videos", *videos, "--replay", footage.boxes, "--output", run, *refused)
        assert changed.returncode == 2, changed.stderr
        assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before, "nothing was touched"
    other = passerby(
        "--videos", *videos, "--replay", footage.boxes, "--no-render", "--output", run, "--resume",
        "--set", "association.min_evidence=2",
    )  # fmt: skip
    assert other.returncode == 0, "association may change: tracklets do not depend on it"
    assert other.stderr.count("done before") == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_ends_cleanly_and_resumes_to_the_same_result(  # noqa: PLR0917
    footage,  # type: ignore[no-untyped-def]
    passerby: Run,
    tmp_path: Path,
    whole_run: tuple[Path, subprocess.CompletedProcess[str]],
    number: signal.Signals,
    code: int,
) -> None:
    arguments = ["--videos", *map(str, footage.videos.values()), "--replay", str(footage.boxes)]
    arguments += ["--output", str(tmp_path / "run"), "--set", "video.cameras_at_once=1"]
    # The overlays take long enough for a signal to meet the run in its middle; tracking may be over by then.
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), *arguments], stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "store" / "hall.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    sent = time.monotonic()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert time.monotonic() - sent < 20
    assert "interrupted" in stderr
    report = json.loads((tmp_path / "run" / "run_report.json").read_text())
    assert (report["status"], report["exit_code"]) == ("interrupted", code)
    for overlay in (tmp_path / "run").glob("overlays/*.mp4"):
        frames = {"hall": 150, "yard": 225}[overlay.stem]
        assert probe(overlay, 10**7).frames_expected == frames, "a final name is a whole file"
    result = passerby(*arguments, "--resume", "--no-render")
    assert result.returncode == 0, result.stderr
    assert "hall: done before" in result.stderr
    resumed = json.loads((tmp_path / "run" / "trajectories.json").read_text())["trajectories"]
    assert resumed == json.loads((whole_run[0] / "trajectories.json").read_text())["trajectories"]


def test_start_and_end_cut_the_work(footage, passerby: Run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    result = passerby(
        "--videos", footage.videos["hall"], "--replay", footage.boxes, "--no-render", "--output", "run",
        "--start", "7", "--end", "0:11", "--json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["frames"] == {"hall": 40}
    (person,) = read_trajectories(tmp_path / "run" / "trajectories.json").trajectories
    assert 7.0 <= person.tracklets[0].start_s < person.tracklets[-1].end_s < 11.0
    assert person.tracklets[0].frame_index[0] >= 70, "frames are counted from the beginning of the file"


def test_a_video_without_a_single_good_frame_is_exit_4_and_says_why(footage, passerby: Run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    data = bytearray(footage.videos["hall"].read_bytes())
    place = 0
    while place < len(data):  # the payload of every box of media data becomes zeros
        size = int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] == b"mdat":
            data[place + 8 : place + size] = bytes(size - 8)
        place += size
    (tmp_path / "hall.mp4").write_bytes(data)
    result = passerby("--videos", "hall.mp4", "--replay", footage.boxes, "--output", "run")
    assert result.returncode == 4, result.stderr
    assert "hall" in result.stderr
    report = json.loads((tmp_path / "run" / "run_report.json").read_text())
    assert report["cameras"][0]["status"] == "failed"
