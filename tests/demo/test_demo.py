"""`run.py demo`, small: rendered, tracked with the bundled networks, scored, tiled; and that truth is no input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import run
from commands.mosaic import one_name_each, write_mosaic
from pipeline.video.reader import VideoReader
from pipeline.video.writer import VideoWriter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    if not all(any((ROOT / room / "weights").glob("*.safetensors")) for room in ("detectors", "reid")):
        pytest.skip("no bundled weights")
    root = tmp_path_factory.mktemp("demo") / "runs" / "demo"
    (root / "scene").mkdir(parents=True)  # as an earlier demo left it
    for name in (".passerby-run", "mosaic.mp4", "scene/cam9.mp4", "evaluation.json"):
        (root / name).write_text("of an earlier demo")
    arguments = ["demo", "--output", str(root), "--seconds", "1.5", "--people", "4", "--size", "320x180", "-q"]
    assert run.main(arguments) == 0
    assert not (root / "scene/cam9.mp4").exists()
    return root


def test_the_demo_leaves_a_scored_run_and_a_mosaic(finished: Path) -> None:
    scores = json.loads((finished / "evaluation.json").read_text())
    assert set(scores["per_camera"]) == {"cam1", "cam2", "cam3"}
    assert -5 < scores["multi_camera"]["mota"] <= 1 and 0 <= scores["multi_camera"]["idf1"] <= 1
    assert sorted(path.name for path in (finished / "overlays").iterdir()) == ["cam1.mp4", "cam2.mp4", "cam3.mp4"]
    with VideoReader("mosaic", (finished / "mosaic.mp4",)) as frames:
        pictures = [frame.image for frame in frames]
    assert len(pictures) == 15
    assert pictures[0].shape == (720, 1280, 3)
    quarters = [pictures[10][y : y + 360, x : x + 640].std() for y in (0, 360) for x in (0, 640)]
    assert min(quarters[:3]) > 15


def test_tracking_was_given_videos_and_calibration_only(finished: Path) -> None:
    report = json.loads((finished / "run_report.json").read_text())
    assert report["status"] == "complete"
    settings = (finished / "config.resolved.yaml").read_text()
    assert "replay_dir: null" in settings and "model: bundled" in settings
    assert "truth" not in settings and "people" not in settings.replace("centre_min_people", "")


def test_what_cannot_be_is_told_before_anything_is_rendered(tmp_path: Path, capsys) -> None:
    (tmp_path / "old").mkdir()
    for name in (".passerby-run", "mosaic.mp4"):
        (tmp_path / "old" / name).write_text("of an earlier demo")
    for setting, told in (("detector.model=nope.pt", "nope.pt: no such file"), ("trakcer.name=sort", "trakcer")):
        assert run.main(["demo", "--output", str(tmp_path / "old"), "--set", setting]) == 2
        assert told in capsys.readouterr().err
    assert (tmp_path / "old" / "mosaic.mp4").read_text() == "of an earlier demo"


def test_a_folder_that_is_no_run_is_not_touched(tmp_path: Path, capsys) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    assert run.main(["demo", "--output", str(tmp_path)]) == 2
    assert "nothing was touched" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_cameras_of_a_mosaic_keep_step_with_the_clock(tmp_path: Path) -> None:
    """Camera b starts 1 s after a and is slower; each tile shows the picture of its own time."""
    for name, fps, count in (("a", 10, 30), ("b", 5, 10)):
        with VideoWriter(tmp_path / f"{name}.mp4", (64, 36), fps) as video:
            for index in range(count):
                video.write(np.full((36, 64, 3), 60 + 60 * int(index / fps), np.uint8))
    (tmp_path / "t.json").write_text(json.dumps({"trajectories": []}))
    files = {name: tmp_path / f"{name}.mp4" for name in "ab"}
    assert write_mosaic(files, tmp_path / "t.json", tmp_path / "m.mp4", 10, offsets_s={"a": 0.0, "b": 1.0}) == 30
    with VideoReader("m", (tmp_path / "m.mp4",)) as frames:
        pictures = [frame.image for frame in frames]
    assert pictures[0].shape == (360, 1280, 3)
    tones = [(int(p[180, 300].mean()), int(p[180, 940].mean())) for p in pictures]
    assert tones[5][0] == pytest.approx(60, abs=7) and tones[5][1] < 50  # b has not begun
    assert tones[15][0] == pytest.approx(120, abs=7) and tones[15][1] == pytest.approx(60, abs=7)
    assert tones[25][0] == pytest.approx(180, abs=7) and tones[25][1] == pytest.approx(120, abs=7)


def test_who_is_seen_by_two_cameras_has_one_number_on_the_floor() -> None:
    """A person's two dots lay side by side with the number twice, one over the other."""
    assert one_name_each([(1, (10, 10)), (1, (18, 12)), (2, (12, 10)), (1, (90, 10))]) == [
        (1, (10, 10)),
        (2, (12, 10)),
        (1, (90, 10)),
    ]
