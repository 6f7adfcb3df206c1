"""`run.py doctor`: is everything there that a run needs? One line a check: ok, warn or fail, with the remedy."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from commands import ROOT, weights
from pipeline.errors import PasserbyError

_FRAMES = 5
Level = Literal["ok", "warn", "fail"]

_LOW_DISK_BYTES = 2_000_000_000
"""Warn below this. A choice, not a measurement: overlays are the large part of a run, and may need more."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the check-up."""

    level: Level
    check: str
    text: str
    remedy: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where runs will be written (default: runs)")


def run(args: argparse.Namespace) -> int:
    """Print every finding; 2 when one of them stops a run."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python,
        _packages,
        _opencv,
        _video,
        _device,
        _weights,
        lambda: _disk(args.runs),
    )
    findings = [finding for check in checks for finding in _guarded(check)]
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(
                f"{finding.level:<5} {finding.check}: {finding.text}" + (f" -> {finding.remedy}" * bool(finding.remedy))
            )
    return 2 if any(finding.level == "fail" for finding in findings) else 0


def _guarded(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """A check that breaks is itself a finding; the others go on."""
    name = getattr(check, "__name__", "check").strip("_")
    try:
        yield from check()
    except PasserbyError as error:
        yield Finding("fail", name, str(error))
    except Exception as error:
        yield Finding("fail", name, f"{type(error).__name__}: {error}", "make venv builds the environment anew")


def _python() -> Iterator[Finding]:
    text = f"{sys.version.split()[0]}, {os.cpu_count()} cores"
    if sys.version_info[:2] == (3, 11):
        yield Finding("ok", "python", text)
    else:
        yield Finding("fail", "python", text, "Passerby runs on 3.11: make venv PYTHON=/path/to/python3.11")


def _packages() -> Iterator[Finding]:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    versions = []
    for requirement in wanted:
        name, exact = re.match(r"([A-Za-z0-9_-]+)(?:==(\S+))?", requirement).groups()  # type: ignore[union-attr]
        try:
            have = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding("fail", "packages", f"{name} is missing", "make venv")
            continue
        versions.append(f"{name} {have}")
        if exact and have.partition("+")[0] != exact:
            yield Finding("warn", "packages", f"{name} is {have}, tested with {exact}", "make clean venv")
    yield Finding("ok", "packages", ", ".join(versions))


def _opencv() -> Iterator[Finding]:
    builds = [name for name in ("opencv-python", "opencv-python-headless", "opencv-contrib-python") if _installed(name)]
    if len(builds) > 1:
        yield Finding(
            "warn", "opencv", f"{' and '.join(builds)} share one folder", "pip uninstall all but opencv-python"
        )
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        yield Finding("fail", "opencv", f"cannot be loaded ({error})", "make system-libraries prints what to install")
    else:
        yield Finding("ok", "opencv", f"{cv2.__version__} loads (libGL and its like are there)")


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _video() -> Iterator[Finding]:
    """Write H.264 and read it back: the whole way a video takes."""
    import numpy as np  # noqa: PLC0415 - heavy, and only needed here

    from pipeline.video.reader import VideoReader  # noqa: PLC0415
    from pipeline.video.writer import VideoWriter  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "check.mp4"
        with VideoWriter(path, (64, 48), 10.0) as writer:
            for index in range(_FRAMES):
                writer.write(np.full((48, 64, 3), 40 * index, np.uint8), index / 10)
        with VideoReader("check", [path]) as reader:
            levels = [float(frame.image.mean()) for frame in reader]
    if len(levels) == _FRAMES and np.abs(np.diff(levels) - 40).max() < 10:
        yield Finding("ok", "video", f"PyAV {metadata.version('av')} writes and reads H.264")
    else:
        yield Finding("fail", "video", f"{len(levels)} of {_FRAMES} frames came back right", "make clean venv")


def _device() -> Iterator[Finding]:
    from runtime.network import choose_device  # noqa: PLC0415

    device = choose_device("auto")
    if device != "cpu":
        yield Finding("ok", "device", f"auto is {device}")
        return
    from runtime.openvino_network import cpu_precision  # noqa: PLC0415

    yield Finding("ok", "device", f"auto is cpu through OpenVINO in {cpu_precision('auto')} (no usable CUDA GPU)")


def _weights() -> Iterator[Finding]:
    verdicts = weights.check(weights.bundled())
    for verdict in verdicts:
        if verdict.card:
            yield Finding("ok", "weights", f"{verdict.card.name} is what its card says")
        else:
            yield Finding("fail", "weights", str(verdict.fault))
    if not verdicts:
        yield Finding("fail", "weights", "no bundled weight files", "git checkout -- detectors/weights reid/weights")


def _disk(runs: Path) -> Iterator[Finding]:
    folder = next(parent for parent in (runs.absolute(), *runs.absolute().parents) if parent.is_dir())
    try:
        with tempfile.NamedTemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Finding(
            "fail", "disk", f"cannot write to {folder} ({error.strerror})", "run from a folder of yours, or --output"
        )
        return
    level: Level = "ok" if free >= _LOW_DISK_BYTES else "warn"
    remedy = "" if level == "ok" else "free some space, or --no-render"
    yield Finding(level, "disk", f"{runs} can be written, {free / 1e9:.1f} GB free", remedy)
