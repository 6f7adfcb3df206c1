"""benchmarks/tracker_settings.py: the same boxes under two settings, scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.reliability_scene import film
from benchmarks.tracker_settings import DEFAULT, rows
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
