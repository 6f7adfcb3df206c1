"""A disk, quota or file-size limit that is met at any moment: exit 5, valid results or none, `--resume` goes on."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.reliability_scene import ROOT, Scene
from commands import track_space
from commands.track_space import Need, check_space, estimate
from pipeline.config import OutputConfig
from pipeline.errors import ResourceError
from pipeline.outputs.trajectories import read_trajectories
from pipeline.video.probe import probe

Track = Callable[..., "subprocess.CompletedProcess[str]"]

RESULTS = ("trajectories.json", "mot/cam0.txt", "mot/cam1.txt", "tracklets/cam0.txt", "tracklets/cam1.txt")


def limit_files_to(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def check_what_is_there(output: Path, reference: Path) -> None:
    """Whatever has a final name is whole, and what says who was where says what the undisturbed run says."""
    for name in RESULTS:
        if (output / name).exists():
            assert (output / name).read_bytes() == (reference / name).read_bytes(), name
    if (output / "trajectories.json").exists():
        assert len(read_trajectories(output / "trajectories.json").trajectories) == 3
    for overlay in output.glob("overlays/*.mp4"):
        assert probe(overlay, 10**7).frames_expected
    assert not list(output.rglob("*.part*")), "nothing unfinished is left"


def resume(scene: Scene, output: Path, reference: Path, track: Track) -> None:
    result = track(scene, output, "--no-render", "--resume")
    assert result.returncode == 0, result.stderr
    for name in RESULTS:
        assert (output / name).read_bytes() == (reference / name).read_bytes(), name


@pytest.mark.parametrize("size", [5_000, 9_500, 12_500])
def test_a_limit_is_exit_5_and_resumable(
    scene: Scene, reference: Path, track: Track, tmp_path: Path, size: int
) -> None:
    """Met in the first journal (8 kB), in the second (11 kB), in trajectories.json (13 kB)."""
    output = tmp_path / "run"
    result = track(scene, output, "--no-render", before=limit_files_to(size))
    assert result.returncode == 5, result.stderr
    assert result.stderr.count("error: ") == 1
    assert "--resume" in result.stderr
    assert "Traceback" not in result.stderr
    check_what_is_there(output, reference)
    resume(scene, output, reference, track)


def test_an_overlay_falls_first(scene: Scene, reference: Path, track: Track, tmp_path: Path) -> None:
    """The results fit, the overlays do not: all results are there, and the report says why the run is not whole."""
    size = max((reference / name).stat().st_size for name in (*RESULTS, "run_report.json")) + 4_000
    output = tmp_path / "run"
    result = track(scene, output, before=limit_files_to(size))
    assert result.returncode == 5, result.stderr
    check_what_is_there(output, reference)
    assert (output / "trajectories.json").exists()
    assert not list(output.glob("overlays/*.mp4"))
    report = json.loads((output / "run_report.json").read_text())
    assert report["exit_code"] == 5
    assert report["people"] == 3
    assert "overlays/cam0.mp4" in report["fault"]
    resume(scene, output, reference, track)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk(scene: Scene, reference: Path, track: Track, small_disk: Path) -> None:
    """Refused at the start by the estimate; filled behind its back, met at the first write that does not fit."""
    output = small_disk / "run"
    filler = small_disk / "filler"
    filler.write_bytes(bytes(600_000))
    refused = track(scene, output, "--no-render")
    assert refused.returncode == 5, refused.stderr
    assert "free, the run needs about" in refused.stderr
    assert not output.exists()
    filler.unlink()
    for room in (16_000, 24_000, 40_000):
        code = (
            "import sys, commands.track_run as t; t.check_space = lambda *a: None\n"
            "import run; sys.exit(run.main(sys.argv[1:]))"
        )
        free = os.statvfs(small_disk)
        filler.write_bytes(bytes(max(free.f_bavail * free.f_frsize - room, 0)))
        words = [sys.executable, "-c", code, *scene.arguments(), "--output", str(output), "--no-render", "--resume"]
        result = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
        assert result.returncode == 5, (room, result.stderr)
        assert "disk is full" in result.stderr
        check_what_is_there(output, reference)
        filler.unlink()
    resume(scene, output, reference, track)


def test_the_estimate_counts_frames_and_pixels(scene: Scene) -> None:
    infos = [(probe(path, 10**7),) for path in scene.videos]
    frames = sum(info.frames_expected or 0 for (info,) in infos)
    with_overlays, without = estimate(infos, OutputConfig()), estimate(infos, OutputConfig(overlays=False))
    assert with_overlays.results == without.results > 1000 * frames
    assert without.overlays == 0
    assert with_overlays.overlays == pytest.approx(frames * 240 * 160 * track_space._OVERLAY_BYTES_PX, rel=0.01)
    assert estimate(infos, OutputConfig(), longest_s=1.0).results == pytest.approx(
        without.results * 20 / frames, rel=0.01
    )
    (whole,) = zip(*infos, strict=True)
    assert estimate([whole], OutputConfig()).results == pytest.approx(without.results, rel=0.01), (
        "all files of a camera"
    )


def test_room_is_needed_with_five_percent_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1_050_000})
    monkeypatch.setattr(track_space.shutil, "disk_usage", lambda folder: usage)
    check_space(tmp_path, Need(400_000, 600_000))
    with pytest.raises(ResourceError, match=r"1.1 MB free, the run needs about 1.1 MB.*--no-render\) 0.4 MB do"):
        check_space(tmp_path, Need(400_000, 600_001))
    with pytest.raises(ResourceError, match=r"free some space, or choose another --output$"):
        check_space(tmp_path, Need(2_000_000, 0))
