"""run_report.json: what a run read, lost, took and decided; written whatever came of it."""

from __future__ import annotations

import json
import math
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.errors import CameraError
from pipeline.outputs.atomic import atomic_write
from pipeline.video.report import ReadReport

SCHEMA_VERSION = "1.0"

LIBRARIES = ("av", "numpy", "opencv-python", "openvino", "scipy", "torch", "torchvision", "ultralytics", "lap")

VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "PYTHONPATH",
    "YOLO_AUTOINSTALL", "YOLO_OFFLINE", "YOLO_CONFIG_DIR",
)  # fmt: skip

_SECRETS = (
    (re.compile(r"(?<=//)[^/@\s]+@"), "***@"),
    (re.compile(r"(?i)\b((?:pass(?:word|wd)?|pwd|token|secret|api_?key|auth)=)[^&\s;,]+"), r"\1***"),
)


@dataclass(frozen=True, slots=True)
class CameraReport:
    """One camera: how much of it was read, and why not more. Fractions 0..1, `fps` 1/s, times s on the shared clock."""

    camera_id: str
    sources: tuple[str, ...]
    status: Literal["complete", "partial", "failed"]
    code: str | None
    """Machine-readable cause when the camera could not be opened, e.g. `not_a_video`."""
    message: str | None
    frames_decoded: int
    frames_failed: int
    frames_expected: int | None
    coverage: float
    fps: float | None
    tracklets: int
    reading: Mapping[str, Any]
    """The rest of the reader's account: gaps, causes, repairs, ..."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """Plain data; what is not known is empty."""

    exit_code: int
    status: str
    """`complete`, `partial`, `failed` or `interrupted`."""
    program: str
    """Name and version."""
    started: datetime
    duration_s: float
    clock: str
    people: int
    cameras: tuple[CameraReport, ...]
    stages_s: Mapping[str, float]
    """Wall-clock seconds by stage."""
    association: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 by what it is of: `config`, `weights/<name>`, `input/<camera>`."""
    networks: Mapping[str, str] = field(default_factory=dict)
    """Where and how each network ran, e.g. `{"detector": "OpenVINO CPU bf16"}`."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the command line said beside the settings: the cut, whether it was resumed."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Processors that may be used, and variables of the caller that change threads, devices or imports."""
    notices: tuple[str, ...] = ()
    fault: str | None = None
    """What ended the run, when it ended early."""


def camera_report(
    camera_id: str,
    sources: Sequence[Path],
    reading: ReadReport | None,
    *,
    fault: CameraError | None = None,
    fps: float | None = None,
    tracklets: int = 0,
) -> CameraReport:
    """The report of a camera from its reader's account; `reading` is None when it could not be opened."""
    paths = tuple(str(source) for source in sources)
    code, message = (fault.code, str(fault)) if fault else (None, None)
    if reading is None:
        return CameraReport(camera_id, paths, "failed", code, message, 0, 0, None, 0.0, fps, tracklets, {})
    own = {name.name for name in fields(CameraReport)}
    rest = {name: value for name, value in asdict(reading).items() if name not in own}
    status: Literal["complete", "partial", "failed"] = reading.status
    if fault is not None and status == "complete":
        status = "partial"
    return CameraReport(
        camera_id,
        paths,
        status,
        code,
        message,
        reading.frames_decoded,
        reading.frames_failed,
        reading.frames_expected,
        reading.coverage,
        fps,
        tracklets,
        rest,
    )


def library_versions(names: Iterable[str] = LIBRARIES) -> dict[str, str]:
    """Installed versions by distribution name, and Python's; what is not installed is left out."""
    versions = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def environment() -> dict[str, str]:
    """What the caller's environment says that a run's speed or results may depend on."""
    said = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return {"processors": str(len(os.sched_getaffinity(0))), **said}


def write_report(path: Path, report: RunReport) -> None:
    """Write `report` as JSON: no NaN, no credentials, wholly or not at all."""
    document = {"schema_version": SCHEMA_VERSION, **plain(report)}
    atomic_write(path, json.dumps(document, indent=2, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """`value` as JSON types: numbers that are not finite become null, paths and times text, credentials `***`."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {item.name: getattr(value, item.name) for item in fields(value)}
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {_masked(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(plain, value), key=str)
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return _masked(str(value)) if isinstance(value, (str, Path)) else value


def _masked(text: str) -> str:
    """Without credentials; bytes of a file name that are no UTF-8 escaped."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return os.fsencode(text).decode("utf-8", "backslashreplace")
