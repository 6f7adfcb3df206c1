"""benchmarks/tracker_settings.py: the same boxes under two settings, scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.reliability_scene import film
from benchmarks.tracker_settings import DEFAULT, row_of_boxes, rows, thinned
from benchmarks.tracking_data import Clip
from evaluation.mot_text import MotRows
from pipeline.geometry import tlwh_to_xyxy
from pipeline.types import Detections


def test_a_setting_that_lets_nobody_pass_scores_nothing(tmp_path: Path) -> None:
    """Two people walk through one after the other."""
    video = tmp_path / "cam0.mp4"
    lines = film(video, (0, 1), np.random.default_rng(0))
    table = np.array([[float(cell) for cell in line.split(",")[:7]] for line in lines])
    boxes = {frame: Detections.empty() for frame in range(2 * 68)}
    boxes |= {int(row[0]) - 1: Detections(tlwh_to_xyxy(row[None, 2:6]), row[None, 6]) for row in table}
    table[:, 1] = 1 + (table[:, 0] > 68)
    truth = {"cam0": MotRows.of(table[:, :6])}
    default, strict = rows("two", {video: boxes}, truth, [DEFAULT, "tracker.min_observations=50,tracker.clothes=false"])
    assert "| 100.0 | 100.0 |" in default and default.endswith("| 2 |")
    assert strict.endswith("| 0.0 | 0.0 | 0.0 | 0 |")


def test_thinned_frames_keep_the_truth_under_their_boxes() -> None:
    frames = [(n / 10, Detections(np.array([[n, 0, n + 40, 100]], np.float32), np.ones(1))) for n in range(40)]
    truth = np.array([[n, 1, n, 0, n + 40, 100] for n in range(40)], np.float64)
    clip = thinned(Clip("walk", "made up", frames, truth), 2)
    assert [time_s for time_s, _ in clip.frames[:3]] == [0.0, 0.2, 0.4]
    assert clip.truth[:3, 0].tolist() == [0, 1, 2]
    assert clip.truth[:3, 2].tolist() == [0, 2, 4]
    assert "| 100.0 | 100.0 |" in row_of_boxes([clip], DEFAULT)
