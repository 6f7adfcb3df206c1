"""Camera files and settings to cameras that can be tracked, or to the fault that keeps one out."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import numpy as np

from commands.cameras import CameraFiles
from pipeline.config import CameraConfig, Config
from pipeline.errors import CameraError, UsageError
from pipeline.ground.calibration_file import for_camera
from pipeline.ground.overlap import overlapping_cameras
from pipeline.stages.camera_run import CameraJob
from pipeline.types import Calibration, Camera, Clock, Region, Scene
from pipeline.video.probe import VideoInfo, probe
from pipeline.video.reader import VideoReader
from trackers import build_tracker

log = logging.getLogger(__name__)

_START_SLACK_S = 1.0
"""Recorders write whole seconds: starts this close say nothing."""


@dataclass(frozen=True, slots=True)
class OpenedCameras:
    """`cameras` in the order given, with the headers of their files that open; `faults` of those without any."""

    cameras: tuple[Camera, ...]
    segments: dict[str, tuple[VideoInfo, ...]]
    faults: dict[str, CameraError]

    @property
    def infos(self) -> dict[str, VideoInfo]:
        """The header of each camera's first file that opens: what makes the camera."""
        return {camera_id: segments[0] for camera_id, segments in self.segments.items()}

    def frames_expected(self, camera_id: str) -> int | None:
        """Frames of all files of a camera; None where one of them does not tell."""
        frames = [info.frames_expected for info in self.segments[camera_id]]
        return None if None in frames else sum(filter(None, frames))


@dataclass(frozen=True, slots=True)
class Header:
    """What of a camera's first readable file makes the camera."""

    size_wh: tuple[int, int]
    fps: float
    start_time: datetime | None
    pixel_aspect: float


def open_cameras(files: Sequence[CameraFiles], config: Config) -> OpenedCameras:
    """Read the headers. A camera of which no file can be read is told in `faults`; none is raised.

    Raises UsageError for what the configuration says of the cameras and cannot be.
    """
    _refuse_unknown_overlaps(config, [camera_id for camera_id, _ in files])
    segments: dict[str, tuple[VideoInfo, ...]] = {}
    faults: dict[str, CameraError] = {}
    for camera_id, paths in files:
        try:
            segments[camera_id] = _readable(paths, config.video.max_pixels)
        except CameraError as fault:
            faults[camera_id] = fault
    headers = {
        camera_id: Header(info.size_wh, info.fps, info.start_time, info.pixel_aspect)
        for camera_id, (info, *_) in segments.items()
    }
    return OpenedCameras(make_cameras(files, headers, config), segments, faults)


def make_cameras(files: Sequence[CameraFiles], headers: Mapping[str, Header], config: Config) -> tuple[Camera, ...]:
    """The cameras that have a header, in the order of `files`, with what the configuration says of them.

    Raises UsageError for what it says and cannot be.
    """
    # Of all cameras that were given: one that is repaired later must not shift the others.
    offsets = _offsets([camera_id for camera_id, _ in files], config)
    if config.clock == "common":
        _tell_ignored_starts(headers, config)
    cameras = []
    for camera_id, paths in files:
        if camera_id in headers:
            info, known = headers[camera_id], config.cameras.get(camera_id, CameraConfig())
            start = _utc(known.start_time) if known.start_time else info.start_time
            cameras.append(
                Camera(camera_id, paths, info.size_wh, info.fps, offsets[camera_id], start, _region(known),
                       _calibration(camera_id, known, config.calibration, info.size_wh), info.pixel_aspect)
            )  # fmt: skip
    return tuple(cameras)


def _refuse_unknown_overlaps(config: Config, camera_ids: Sequence[str]) -> None:
    """A mistyped camera would silently be no neighbour; one that was given and fails is none either, rightly."""
    for camera_id, known in config.cameras.items():
        for other in known.overlaps:
            if other not in camera_ids:
                close = get_close_matches(other, camera_ids, n=1)
                hint = f"nearest: {close[0]}" if close else f"cameras of this run: {', '.join(camera_ids)}"
                raise UsageError(f"configuration: cameras.{camera_id}.overlaps: no camera {other!r}; {hint}")


def _readable(paths: Sequence[Path], max_pixels: int) -> tuple[VideoInfo, ...]:
    """Headers of the files that open; the reader tells of the others. Raises the first CameraError if none does."""
    infos: list[VideoInfo] = []
    faults: list[CameraError] = []
    for path in paths:
        try:
            infos.append(probe(path, max_pixels))
        except CameraError as fault:
            faults.append(fault)
    if not infos:
        raise faults[0]
    return tuple(infos)


def _offsets(camera_ids: Sequence[str], config: Config) -> dict[str, float]:
    """Seconds to add to each camera's own time. With a common clock, recorded starts that the configuration gives
    are compared; the container's tag is not, since re-encoding often sets it anew."""
    known = {camera_id: config.cameras.get(camera_id, CameraConfig()) for camera_id in camera_ids}
    starts = {camera_id: _utc(k.start_time) for camera_id, k in known.items() if k.start_time}
    if config.clock != "common" or not starts:
        return {camera_id: k.time_offset_s for camera_id, k in known.items()}
    missing = sorted(set(camera_ids) - set(starts))
    if missing:
        raise UsageError(
            f"--clock common: cameras.{missing[0]}.start_time is missing while {sorted(starts)[0]} has one; "
            "give it for every camera, or time_offset_s for each instead"
        )
    first = min(starts.values())
    return {c: (starts[c] - first).total_seconds() + known[c].time_offset_s for c in camera_ids}


def _tell_ignored_starts(headers: Mapping[str, Header], config: Config) -> None:
    """Warn when cameras that nothing was configured of are put at one time though their files say otherwise."""
    starts = {
        camera_id: info.start_time
        for camera_id, info in headers.items()
        if info.start_time is not None
        and not config.cameras.get(camera_id, CameraConfig()).model_fields_set & {"start_time", "time_offset_s"}
    }
    if len(starts) < 2:
        return
    first, last = min(starts, key=starts.__getitem__), max(starts, key=starts.__getitem__)
    difference_s = (starts[last] - starts[first]).total_seconds()
    if difference_s > _START_SLACK_S:
        log.warning(
            "--clock common: the files say that %s starts %g s after %s, but both are put at 0, for such tags are "
            "often wrong; if it is true, --set cameras.%s.time_offset_s=%g, or start_time for every camera; "
            "if not, time_offset_s=0",
            last, difference_s, first, last, difference_s,
        )  # fmt: skip


def _utc(time: datetime) -> datetime:
    """A time without a zone is UTC."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _region(known: CameraConfig) -> Region:
    return Region(known.watch, known.ignore)


def _calibration(
    camera_id: str, known: CameraConfig, shared_file: str | None, size_wh: tuple[int, int]
) -> Calibration | None:
    """What is said nearest to the camera counts: its own matrix or file, then the file for all cameras."""
    if known.image_to_ground is not None and known.calibration is not None:
        raise UsageError(f"configuration: cameras.{camera_id}: image_to_ground or calibration, not both")
    if known.calibration is not None:
        path = Path(known.calibration)
        found = for_camera(path, camera_id, size_wh)
        if found is None:
            raise UsageError(f"{path}: no camera {camera_id!r} in it (cameras.{camera_id}.calibration names this file)")
        return found
    if known.image_to_ground is None:
        return None if shared_file is None else for_camera(Path(shared_file), camera_id, size_wh)
    matrix = np.array(known.image_to_ground, np.float64)
    if matrix.shape != (3, 3) or abs(np.linalg.det(matrix)) < 1e-15:
        raise UsageError(f"configuration: cameras.{camera_id}.image_to_ground must be an invertible 3x3 matrix")
    return Calibration(matrix)


def make_scene(cameras: Sequence[Camera], config: Config) -> Scene:
    """What association may know of the cameras: floor in common is what the settings or the calibrations say."""
    ids = {camera.id for camera in cameras}
    pairs = frozenset(
        frozenset((camera_id, other))
        for camera_id, known in config.cameras.items()
        for other in known.overlaps
        if camera_id in ids and other in ids and other != camera_id
    )
    clock: Clock = "common" if config.clock == "common" else "unknown"  # until an alignment was found and accepted
    return Scene(tuple(cameras), clock, pairs | overlapping_cameras(cameras))


def make_jobs(cameras: Sequence[Camera], config: Config, args: argparse.Namespace) -> list[CameraJob]:
    """How to open and track each camera. `--start` and `--end` are times on the shared clock."""
    return [
        CameraJob(camera, partial(open_reader, camera, config, args), partial(build_tracker, config.tracker))
        for camera in cameras
    ]


def open_reader(camera: Camera, config: Config, args: argparse.Namespace, *, moved_s: float = 0.0) -> VideoReader:
    """A fresh reader of the camera from its first frame (of the cut).

    `moved_s`: what an alignment has added to the camera's offset since it was tracked; the cut stays the same frames.
    """
    return VideoReader(
        camera.id,
        camera.sources,
        time_offset_s=camera.time_offset_s,
        start_s=None if args.start is None else args.start + moved_s,
        end_s=None if args.end is None else args.end + moved_s,
        queue_frames=config.video.queue_frames,
        max_pixels=config.video.max_pixels,
        deinterlace=config.video.deinterlace == "auto",
    )
