from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from pipeline.outputs.results import CameraResult
from pipeline.types import Calibration, Camera, Link, Tracklet, Trajectory

MakeTracklet = Callable[..., Tracklet]


@pytest.fixture
def make_tracklet() -> MakeTracklet:
    def _make(
        camera_id: str = "lobby",
        track_id: int = 1,
        *,
        start: int = 0,
        length: int = 20,
        fps: float = 10.0,
        left: float = 20.0,
        speed: float = 4.0,
    ) -> Tracklet:
        """A person of 30x80 px who walks to the right; every fifth box is interpolated."""
        index = np.arange(length)
        x = left + speed * index
        observed = index % 5 != 3
        return Tracklet(
            (camera_id, track_id),
            start + index,
            (start + index) / fps,
            np.stack([x, np.full(length, 40.0), x + 30, np.full(length, 120.0)], axis=1),
            np.where(observed, 0.9, 0.0),
            observed,
        )

    return _make


@pytest.fixture
def cameras() -> tuple[CameraResult, ...]:
    """Two cameras of 320x240, the second one in segments, with a floor and a recorded start."""
    floor = np.array([[0.01, 0.0, 0.0], [0.0, 0.01, 0.0], [0.0, 0.001, 0.0]])
    return (
        CameraResult(Camera("lobby", (Path("rec/lobby.mp4"),), (320, 240), 10.0), 60, 5.9),
        CameraResult(
            Camera(
                "hall",
                (Path("h1.mp4"), Path("h2.mp4")),
                (320, 240),
                30000 / 1001,
                time_offset_s=-0.25,
                start_time=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
                calibration=Calibration(floor),
            ),
            90,
            2.97,
        ),
    )


@pytest.fixture
def trajectories(make_tracklet: MakeTracklet) -> list[Trajectory]:
    """Person 1 in both cameras with a link, person 2 in one."""
    first, second = make_tracklet(), make_tracklet("hall", 4, start=40)
    evidence = {"place": -0.5, "appearance": 7.71987654}
    link = Link(first.key, second.key, 3.21987654, -2.5, evidence, -2.0, -2.0, ("lobby", 2), by_user=True)
    return [
        Trajectory(1, (first, second), 0.961234567, (0.98, 0.4), (link,)),
        Trajectory(2, (make_tracklet("lobby", 2, start=5, left=200.0, speed=-3.0),), 1.0, (1.0,)),
    ]
