"""A clip in a loop; the day is `benchmarks/reliability_long.py`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.reliability_long import run
from benchmarks.reliability_scene import Scene


def test_many_rounds_of_a_loop_leave_nothing_open(scene: Scene, tmp_path: Path) -> None:
    """A tenth of an hour: 18 rounds. Descriptors and threads do not add up, nor does what is not kept."""
    growth = run(scene, tmp_path, hours=0.1)
    assert growth.frames == 18 * 204, "whole rounds"
    assert growth.tracklets == 18 * 3, "each visit is one tracklet, none goes on into the next round"
    assert growth.descriptors[1] <= growth.descriptors[0]
    assert (tmp_path / "cam0.journal").stat().st_size < 32 * 18 * 204 + 20 * 18 * 3 * 30 + 300
