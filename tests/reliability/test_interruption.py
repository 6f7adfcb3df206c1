"""SIGINT, SIGTERM and SIGHUP at any stage: within 5 s, with the exit code of the contract, and nothing lost."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.reliability_scene import ROOT, Scene, command

Start = Callable[..., "subprocess.Popen[str]"]
Track = Callable[..., "subprocess.CompletedProcess[str]"]

LIMIT_S = 5.0

STUBBORN = """
import sys, time
from commands.interruption import Interruption
with Interruption(limit_s=0.5) as interruption, interruption.deferred():
    print("ready", flush=True)
    time.sleep(30)
    while True:
        time.sleep(1)
"""

SLOW = """
import sys, time
import commands.track_run as track_run
build = track_run.build_networks
def slow(config, cameras):
    from dataclasses import replace
    networks = build(config, cameras)
    class Slow:
        dimension = networks.embedder.dimension
        description = "slow"
        def embed(self, crops):
            time.sleep({embed_s})
            return networks.embedder.embed(crops)
    class Steps:
        def detect(self, frames):
            time.sleep({detect_s})
            return networks.detector.detect(frames)
    return replace(networks, embedder=Slow(), detector=Steps())
track_run.build_networks = slow
import run
sys.exit(run.main(sys.argv[1:]))
"""
"""The product with networks as slow as on a small machine; the small ones of the scene are done in milliseconds."""


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, f"ended before {what}: {process.communicate()[1]}"
        assert time.monotonic() < deadline, f"{what}: not within 60 s"
        time.sleep(0.01)


def stop(process: subprocess.Popen[str], *numbers: signal.Signals) -> tuple[float, str]:
    """Send the signals; how long it then took, and stderr."""
    sent = time.monotonic()
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.2 if len(numbers) > 1 else 0)
    _, stderr = process.communicate(timeout=60)
    return time.monotonic() - sent, stderr


def slow_run(python: Start, scene: Scene, output: Path, *more: str, embed_s: float, detect_s: float):  # type: ignore[no-untyped-def]
    words = [*scene.arguments(), "--output", output, *more]
    return python(SLOW.format(embed_s=embed_s, detect_s=detect_s), *words)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_while_tracking(  # noqa: PLR0917
    scene: Scene, reference: Path, track: Track, python: Start, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Slow detector, crops that would take a minute: what was detected is kept, the rest is cut short."""
    output = tmp_path / "run"
    process = slow_run(python, scene, output, "--no-render", embed_s=1.5, detect_s=0.01)
    journal = output / "store" / "cam1.journal"
    wait_for(lambda: journal.exists() and journal.stat().st_size > 4000, process, "the journal has grown")
    took_s, stderr = stop(process, number)
    assert process.returncode == code, stderr
    assert took_s < LIMIT_S
    report = json.loads((output / "run_report.json").read_text())
    assert (report["status"], report["exit_code"]) == ("interrupted", code)
    assert stderr.splitlines()[-1].endswith(f"interrupted; the same command with --output {output} --resume goes on")
    assert journal.exists()
    result = track(scene, output, "--no-render", "--resume")
    assert result.returncode == 0, result.stderr
    assert "frames taken from the journal" in result.stderr
    assert (output / "trajectories.json").read_bytes() == (reference / "trajectories.json").read_bytes()
    assert not list(output.glob("store/*.journal"))


def test_while_networks_load(scene: Scene, tmp_path: Path) -> None:
    """The bundled embedder takes seconds to load; nothing was begun, so nothing is left."""
    output = tmp_path / "run"
    words = [sys.executable, str(ROOT / "run.py"), "--videos", *map(str, scene.videos), "--output", str(output)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    wait_for((output / ".passerby-run").exists, process, "the run directory is made")
    time.sleep(0.7)
    took_s, stderr = stop(process, signal.SIGTERM)
    assert process.returncode == 143, stderr
    assert took_s < LIMIT_S
    assert "Traceback" not in stderr
    last = stderr.splitlines()[-1]
    assert "interrupted before anything was begun" in last or last == "error: terminated", "the latter while importing"
    assert not output.exists()


def test_while_overlays_are_drawn(scene: Scene, reference: Path, track: Track, tmp_path: Path) -> None:
    """The results are there already and stay; an overlay that is not whole gets no final name."""
    output = tmp_path / "run"
    process = subprocess.Popen(command(scene, output), stderr=subprocess.PIPE, text=True)
    wait_for(lambda: bool(list(output.glob("overlays/.*.part.mp4"))), process, "an overlay is begun")
    took_s, stderr = stop(process, signal.SIGINT)
    assert process.returncode == 130, stderr
    assert took_s < LIMIT_S
    assert (output / "trajectories.json").read_bytes() == (reference / "trajectories.json").read_bytes()
    assert len(list(output.glob("overlays/*.mp4"))) < len(scene.videos)
    assert not list(output.rglob("*.part*"))


def test_twice_ends_at_once(scene: Scene, python: Start, tmp_path: Path) -> None:
    output = tmp_path / "run"
    process = slow_run(python, scene, output, "--no-render", embed_s=0.1, detect_s=1.0)
    wait_for(lambda: bool(list(output.glob("store/*.journal"))), process, "a camera is tracked")
    took_s, stderr = stop(process, signal.SIGTERM, signal.SIGTERM)
    assert process.returncode == 143, stderr
    assert took_s < 2.5
    assert "--resume goes on" in stderr.splitlines()[-1]
    assert json.loads((output / "run_report.json").read_text())["status"] == "interrupted"


def test_what_does_not_end_is_ended(python: Start) -> None:
    """A call that never comes back (a hung disk): the watchdog does not need the main thread."""
    process = python(STUBBORN)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    took_s, stderr = stop(process, signal.SIGINT)
    assert process.returncode == 130
    assert 0.4 < took_s < 3
    assert "--resume goes on" in stderr


def test_a_closed_terminal_does_not_end_the_run(scene: Scene, reference: Path, tmp_path: Path) -> None:
    """SIGHUP, and a terminal that is gone: bars and logs go nowhere, the results are the same."""
    output = tmp_path / "run"
    master, slave = pty.openpty()
    process = subprocess.Popen(
        command(scene, output, "--no-render"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - its own terminal, which hangs up
    )
    os.close(slave)
    wait_for(lambda: bool(list(output.glob("store/*"))), process, "a camera is tracked")  # type: ignore[arg-type]
    os.close(master)
    assert process.wait(timeout=60) == 0
    assert (output / "trajectories.json").read_bytes() == (reference / "trajectories.json").read_bytes()
    assert "people in all" in (output / "run.log").read_text(), "what the terminal no longer took is in the file"


def test_readers_of_the_output_that_leave_change_nothing(scene: Scene, reference: Path, tmp_path: Path) -> None:
    """`run.py ... | head`: stdout and stderr are closed pipes."""
    output = tmp_path / "run"
    process = subprocess.Popen(
        command(scene, output, "--no-render"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()  # type: ignore[union-attr]
    process.stderr.close()  # type: ignore[union-attr]
    assert process.wait(timeout=60) == 0
    assert (output / "trajectories.json").read_bytes() == (reference / "trajectories.json").read_bytes()
