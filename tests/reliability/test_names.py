"""Hostile names from the command line to every file, planted links, two runs on one output, too many boxes."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reliability_scene import ROOT, Scene, command
from commands.explain_sheet import _page
from commands.explain_words import as_json
from pipeline.outputs.run_directory import CAMERA_ID
from pipeline.outputs.trajectories import TrajectoryFile
from pipeline.outputs.validation import validate
from pipeline.types import Tracklet, Trajectory

Track = Callable[..., "subprocess.CompletedProcess[str]"]

HOSTILE = (
    '"><img src=x onerror=alert(1)>.mp4',
    "=cmd|' calc'!A0.mp4",
    "%s%n%x \x1b[31mred\r\nline2 \u202egpj.mp4",
    "..\\..\\etc\\passwd.mp4",
    "-rf --overwrite.mp4",
    b"latin-\xe9\xff.mp4".decode("utf-8", "surrogateescape"),
    "名前 $(touch canary) `id`.mp4",
    "a," + "b" * 200 + ".mp4",
)


def run_py(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, str(ROOT / "run.py"), *map(os.fspath, words)],
        cwd=folder, capture_output=True, timeout=120, check=False, env=os.environ | {"LC_ALL": "C.UTF-8"},
    )  # fmt: skip


def test_hostile_names_stay_names(scene: Scene, tmp_path: Path) -> None:
    """Files that are called what nobody should call a file: safe ids, valid JSON, one line a log line."""
    work, boxes = tmp_path / "work", tmp_path / "boxes"
    work.mkdir()
    boxes.mkdir()
    videos = []
    for number, name in enumerate(HOSTILE):
        video = work / name
        shutil.copyfile(scene.videos[number % 2], video)
        with video.open("ab") as handle:  # a free box at the end: no two files are equal
            handle.write((8 + 4).to_bytes(4, "big") + b"free" + number.to_bytes(4, "big"))
        videos.append(video)
    listing = sorted(os.listdir(os.fsencode(work)))  # noqa: PTH208
    words = ["--videos", *videos, "--replay", boxes, "--embedder", scene.embedder, "--device", "cpu", "--no-render"]
    first = run_py(work, *words, "--output", tmp_path / "run")
    assert first.returncode == 2, "no boxes to replay: told with the ids that the files would need"
    assert b"Traceback" not in first.stderr
    from commands.cameras import camera_id_from_path  # noqa: PLC0415 - what the product makes of the names

    for number, video in enumerate(videos):
        camera_id = camera_id_from_path(video)
        assert CAMERA_ID.fullmatch(camera_id)
        shutil.copyfile(scene.boxes / f"cam{number % 2}.txt", boxes / f"{camera_id}.txt")
    result = run_py(work, *words, "--output", tmp_path / "run", "-v")
    assert result.returncode == 0, result.stderr
    for stream in (result.stdout, result.stderr):
        assert not set(stream) & (set(range(32)) - {10}), "no terminal escape, no carriage return"
        assert "\u202e" not in stream.decode()
    document = json.loads((tmp_path / "run" / "trajectories.json").read_text("utf-8"))
    validate(document)
    assert len(document["cameras"]) == len(HOSTILE)
    report = json.loads((tmp_path / "run" / "run_report.json").read_text("utf-8"))
    assert {camera["status"] for camera in report["cameras"]} == {"complete"}
    for path in (tmp_path / "run").rglob("*"):
        assert all(character.isascii() and character not in "<>\"'$`\\ \n" for character in path.name), path
    assert sorted(os.listdir(os.fsencode(work))) == listing, "nothing was written here, no canary"  # noqa: PTH208
    assert sorted(path.name for path in tmp_path.iterdir()) == ["boxes", "run", "work"]


def test_a_second_run_on_the_same_output_is_refused_and_the_first_is_not_disturbed(
    scene: Scene, reference: Path, track: Track, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    first = subprocess.Popen(command(scene, output, "--no-render"), stderr=subprocess.PIPE, text=True)
    while not (output / ".lock").exists():
        assert first.poll() is None
        time.sleep(0.01)
    for words in (("--resume",), ("--overwrite",), ()):
        second = track(scene, output, "--no-render", *words)
        if first.poll() is not None:
            break  # a slow machine: the first one was done before
        assert second.returncode == 2
        assert f"in use by another run (pid {first.pid})" in second.stderr
    assert first.communicate(timeout=60)[0] is None
    assert first.returncode == 0
    assert (output / "trajectories.json").read_bytes() == (reference / "trajectories.json").read_bytes()


@pytest.mark.parametrize("planted", ["trajectories.json", "store", "store/cam0.journal", "mot/cam0.txt"])
def test_planted_links_lead_nowhere(scene: Scene, reference: Path, track: Track, tmp_path: Path, planted: str) -> None:
    """Where an output goes, or a folder of outputs, somebody put a link to a file or folder of the user."""
    output = tmp_path / "run"
    shutil.copytree(reference, output)
    victim = tmp_path / "victim"
    target = output / planted
    if target.is_dir():
        shutil.rmtree(target)
        victim.mkdir()
        (victim / "letter.txt").write_text("mine")
    else:
        target.unlink(missing_ok=True)
        (output / "store" / "cam0.safetensors").unlink()
        victim.write_text("mine")
    target.symlink_to(victim)
    result = track(scene, output, "--no-render", "--resume")
    kept = victim / "letter.txt" if victim.is_dir() else victim
    assert kept.read_text() == "mine"
    if planted.startswith("mot/"):  # the folder is made anew
        assert result.returncode == 0, result.stderr
        assert not (output / planted).is_symlink()
    else:
        assert result.returncode == 2, result.stderr
        assert "symbolic link" in result.stderr


def _children_s() -> float:
    """Processor time of ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_five_thousand_false_boxes_are_capped_and_the_report_counts_them(
    scene: Scene, track: Track, tmp_path: Path
) -> None:
    """A detector on noise: 5,000 boxes in each of 8 frames; 500 are followed, the rest is told."""
    rng = np.random.default_rng(0)
    boxes = tmp_path / "boxes"
    boxes.mkdir()
    shutil.copyfile(scene.boxes / "cam1.txt", boxes / "cam1.txt")
    rows = []
    for frame in range(1, 9):
        corners = rng.uniform((0, 0), (200, 110), (5000, 2))
        rows += [f"{frame},-1,{x:.1f},{y:.1f},20,40,{c:.3f},-1,-1,-1\n" for (x, y), c in
                 zip(corners, rng.uniform(0.2, 1, 5000), strict=True)]  # fmt: skip
    (boxes / "cam0.txt").write_text("".join(rows))
    noisy = Scene(scene.videos, boxes, scene.embedder)
    before_s = _children_s()
    result = track(noisy, tmp_path / "run", "--no-render")
    assert _children_s() - before_s < 60, "processor time, as the machine may be busy"
    assert result.returncode == 0, result.stderr
    assert len(result.stderr) < 5000, "no line a frame"
    (notice,) = json.loads((tmp_path / "run" / "run_report.json").read_text())["notices"]
    assert notice == "camera cam0: 36000 boxes dropped, above detector.max_detections=500 a frame"


def test_a_sheet_of_crops_holds_no_element_of_a_name() -> None:
    """A video that is gone is told by its path, which is anybody's text."""

    class Elements(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: list[tuple[str, dict[str, str | None]]] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found.append((tag, dict(attrs)))

    boxes = np.array([[0, 0, 9, 9]] * 2, np.float32)
    walk = Tracklet(
        ("hall", 1), np.arange(2), np.arange(2) / 10, boxes, np.full(2, 0.9, np.float32), np.ones(2, np.bool_)
    )
    person = Trajectory(1, (walk,), 1.0, (1.0,))
    page = _page(
        as_json(TrajectoryFile("unknown", (), (person,)), person),
        person,
        {},
        {"hall": '"><img src=x onerror=alert(1)><script>alert(2)</script>.mp4: no such file'},
    )
    elements = Elements()
    elements.feed(page)
    tags = [tag for tag, _ in elements.found]
    assert "script" not in tags
    assert "img" not in tags
    assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes)
    policies = [attributes.get("content") for _, attributes in elements.found if "http-equiv" in attributes]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
