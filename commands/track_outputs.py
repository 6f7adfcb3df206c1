"""What a run leaves behind: trajectories, MOT text, overlays, the report, and a summary for --json."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import takewhile
from typing import Any

from commands import version
from commands.cameras import CameraFiles
from commands.progress import FrameProgress
from commands.track_cameras import OpenedCameras
from commands.track_parts import Networks
from pipeline.association.purity import Split
from pipeline.association.report import AssociationResult
from pipeline.config import Config, OutputConfig
from pipeline.errors import CameraError
from pipeline.outputs.fingerprint import config_hash, video_hash
from pipeline.outputs.mot import write_mot, write_tracklets
from pipeline.outputs.overlay import render_overlay
from pipeline.outputs.report import RunReport, camera_report, library_versions, write_report
from pipeline.outputs.results import CameraResult
from pipeline.outputs.run_directory import RunDirectory
from pipeline.outputs.trajectories import write_trajectories
from pipeline.stages.scene import CameraOutcome
from pipeline.stages.timing import Stopwatch
from pipeline.types import Camera, Clock, Trajectory
from pipeline.video.reader import VideoReader

log = logging.getLogger(__name__)

_STATUS = {0: "complete", 3: "partial", 130: "interrupted", 143: "interrupted"}


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that ended, well or not; what it did not come to is empty or None."""

    files: Sequence[CameraFiles]
    opened: OpenedCameras
    networks: Networks | None
    config: Config
    done: Mapping[str, CameraOutcome]
    splits: Sequence[Split]
    result: AssociationResult | None
    stopwatch: Stopwatch
    started: datetime
    exit_code: int
    fault: str | None


def write_outputs(
    directory: RunDirectory, outcomes: Sequence[CameraOutcome], trajectories: Sequence[Trajectory], clock: Clock
) -> None:
    """trajectories.json, mot/ and tracklets/."""
    results = [CameraResult(outcome.camera, outcome.frames, _duration_s(outcome)) for outcome in outcomes]
    write_trajectories(directory.trajectories, results, trajectories, clock)
    for outcome in outcomes:
        camera_id = outcome.camera.id
        write_mot(directory.path_for(camera_id, "mot"), camera_id, trajectories)
        write_tracklets(directory.path_for(camera_id, "tracklets"), camera_id, outcome.tracklets)


def _duration_s(outcome: CameraOutcome) -> float:
    """From the first frame to the last, and one frame's time more."""
    report = outcome.report
    if report is None or report.first_time_s is None or report.last_time_s is None:
        return 0.0
    return report.last_time_s - report.first_time_s + 1.0 / outcome.camera.fps


def write_overlays(  # noqa: PLR0917 - as many parts as a rendering has
    open_frames: Callable[[Camera], VideoReader],
    directory: RunDirectory,
    outcomes: Sequence[CameraOutcome],
    trajectories: Sequence[Trajectory],
    options: OutputConfig,
    asked: Callable[[], bool],
) -> None:
    """Read each camera once more and draw its people in; ends early when the user asks to."""
    with FrameProgress("overlay", {outcome.camera.id: outcome.frames for outcome in outcomes}) as progress:
        for camera in [outcome.camera for outcome in outcomes if outcome.frames]:
            if asked():
                return
            path = directory.path_for(camera.id, "overlay")
            on_frame = partial(progress, camera.id)
            try:
                with open_frames(camera) as frames:
                    drawn = takewhile(lambda frame: not asked(), frames)
                    render_overlay(drawn, camera, trajectories, path, camera.fps, options, on_frame=on_frame)
            except CameraError as fault:
                log.error("camera %s: no overlay, its video can no longer be read: %s", camera.id, fault)


def write_run_report(directory: RunDirectory, finished: Finished) -> None:
    """run_report.json, whatever came of the run."""
    cameras = []
    for camera_id, paths in finished.files:
        outcome = finished.done.get(camera_id)
        info = finished.opened.infos.get(camera_id)
        fault = finished.opened.faults.get(camera_id) or (outcome.fault if outcome else None)
        cameras.append(
            camera_report(
                camera_id,
                paths,
                outcome.report if outcome else None,
                fault=fault,
                fps=info.fps if info else None,
                tracklets=len(outcome.tracklets) if outcome else 0,
            )
        )
    networks = finished.networks
    hashes = {"config": config_hash(finished.config)} | (networks.hashes if networks else {})
    hashes |= {f"input/{outcome.camera.id}": video_hash(outcome.camera.sources) for outcome in finished.done.values()}
    report = RunReport(
        exit_code=finished.exit_code,
        status=_STATUS.get(finished.exit_code, "failed"),
        program=f"passerby {version()}",
        started=finished.started,
        duration_s=(datetime.now(UTC) - finished.started).total_seconds(),
        clock=finished.config.clock,
        people=len(finished.result.trajectories) if finished.result else 0,
        cameras=tuple(cameras),
        stages_s=finished.stopwatch.seconds(),
        association=_association(finished),
        versions=library_versions(),
        hashes=hashes,
        networks=networks.descriptions if networks else {},
        fault=finished.fault,
    )
    write_report(directory.report, report)


def _association(finished: Finished) -> dict[str, Any]:
    if finished.result is None:
        return {}
    return finished.result.report.to_dict() | {"splits": [asdict(split) for split in finished.splits]}


def print_summary(directory: RunDirectory, finished: Finished) -> None:
    """The result in short, as JSON on stdout."""
    result = finished.result
    trajectories = result.trajectories if result else ()
    summary = {
        "output": str(directory.root),
        "exit_code": finished.exit_code,
        "people": len(trajectories),
        "people_in_several_cameras": sum(len({t.camera_id for t in p.tracklets}) > 1 for p in trajectories),
        "tracklets": sum(len(person.tracklets) for person in trajectories),
        "frames": {camera_id: outcome.frames for camera_id, outcome in finished.done.items()},
        "seconds": {stage: round(seconds, 3) for stage, seconds in finished.stopwatch.seconds().items()},
    }
    print(json.dumps(summary, allow_nan=False))
