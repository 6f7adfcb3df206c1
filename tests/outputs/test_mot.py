from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.outputs.mot import write_mot, write_tracklets
from pipeline.types import Tracklet, Trajectory


def rows(path: Path) -> list[list[float]]:
    return [[float(value) for value in line.split(",")] for line in path.read_text().splitlines()]


def test_person_boxes_of_one_camera_in_the_order_of_frames(tmp_path: Path, trajectories: list[Trajectory]) -> None:
    path = tmp_path / "lobby.txt"
    write_mot(path, "lobby", trajectories)
    lines = path.read_text().splitlines()
    assert len(lines) == 40
    assert lines[0] == "1,1,20.00,40.00,30.00,80.00,0.9000,-1,-1,-1", "frames count from 1"
    assert lines[3].startswith("4,1,32.00,") and lines[3].endswith(",0.0000,-1,-1,-1"), "interpolated"
    keys = [row[:2] for row in rows(path)]
    assert keys == sorted(keys)
    assert {row[1] for row in rows(path)} == {1.0, 2.0}
    write_mot(tmp_path / "hall.txt", "hall", trajectories)
    assert len(rows(tmp_path / "hall.txt")) == 20


def test_tracklets_keep_the_cameras_own_ids(tmp_path: Path, trajectories: list[Trajectory]) -> None:
    everything = [tracklet for trajectory in trajectories for tracklet in trajectory.tracklets]
    write_tracklets(tmp_path / "hall.txt", "hall", everything)
    assert {row[1] for row in rows(tmp_path / "hall.txt")} == {4.0}
    assert rows(tmp_path / "hall.txt")[0][0] == 41.0


def test_one_person_has_one_box_a_frame(tmp_path: Path, make_tracklet: Callable[..., Tracklet]) -> None:
    """Two tracklets of one person that overlap (a nested second box): evaluators refuse a doubled id."""
    body = make_tracklet("a", 1)
    part = replace(
        make_tracklet("a", 2, left=25.0), confidence=np.full(20, 0.5, np.float32), observed=np.ones(20, bool)
    )
    write_mot(tmp_path / "a.txt", "a", [Trajectory(7, (body, part), 1.0, (1.0, 1.0))])
    table = rows(tmp_path / "a.txt")
    assert [row[0] for row in table] == list(range(1, 21))
    assert [row[6] for row in table[:5]] == [0.9, 0.9, 0.9, 0.5, 0.9], "an observed box goes before an interpolated one"


def test_a_camera_without_people_has_an_empty_file(tmp_path: Path, trajectories: list[Trajectory]) -> None:
    write_mot(tmp_path / "garden.txt", "garden", trajectories)
    assert (tmp_path / "garden.txt").read_bytes() == b""
