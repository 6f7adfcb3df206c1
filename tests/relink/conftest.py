"""One small tracked run that the tests copy, and the front door in this process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import run as front_door
from benchmarks.reliability_scene import Scene, make_scene

People = dict[int, list[str]]


@pytest.fixture(scope="session")
def small_scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """cam0 sees three people, cam1 four; the clocks are unknown to each other."""
    return make_scene(tmp_path_factory.mktemp("relink-scene"), ((1, 2, 3), (2, 3, 4, 1)))


@pytest.fixture(scope="session")
def tracked(small_scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run as `run.py track` left it, without overlays."""
    output = tmp_path_factory.mktemp("relink-run") / "run"
    assert front_door.main(["track", *small_scene.arguments(), "--output", str(output), "--no-render", "-q"]) == 0
    return output


@pytest.fixture
def work(tracked: Path, tmp_path: Path) -> Path:
    """A copy to correct."""
    return Path(shutil.copytree(tracked, tmp_path / "run"))


@pytest.fixture
def passerby(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command; exit code, stdout, stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = front_door.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def people() -> Callable[[Path], People]:
    """Who has which tracklets: `{1: ["cam0#1", ...]}`."""

    def read(root: Path) -> People:
        document: dict[str, Any] = json.loads((root / "trajectories.json").read_text())
        return {
            person["person_id"]: [f"{t['camera_id']}#{t['track_id']}" for t in person["tracklets"]]
            for person in document["trajectories"]
        }

    return read
