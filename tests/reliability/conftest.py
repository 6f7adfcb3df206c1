"""The small scene of the reliability scripts, and the product as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.reliability_scene import ROOT, Scene, command, make_scene

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Two cameras, three and four visits."""
    return make_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="session")
def track() -> Run:
    """`run.py track` on a scene in a process of its own; `before` is run in the child (limits)."""

    def run(
        scene: Scene, output: Path, *more: str, before: Callable[[], None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(scene, output, *more),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            preexec_fn=before,
        )

    return run


@pytest.fixture(scope="session")
def reference(scene: Scene, track: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of an undisturbed run, without overlays."""
    output = tmp_path_factory.mktemp("reference") / "run"
    result = track(scene, output, "--no-render")
    assert result.returncode == 0, result.stderr
    return output


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.Popen[str]]:
    """A child process of this interpreter that runs `code` from the repository's root."""

    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        )

    return start
