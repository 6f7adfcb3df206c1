"""What a run leaves behind: trajectories, MOT text, overlays, the report, and a summary for --json."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any

from commands import version
from commands.progress import FrameProgress
from commands.track_state import RunState
from pipeline.association.corrected import LATER
from pipeline.association.corrections import Correction
from pipeline.association.topology_report import ways_table
from pipeline.config import OutputConfig
from pipeline.errors import CameraError, PasserbyError
from pipeline.outputs.atomic import atomic_write
from pipeline.outputs.birds_eye import render_birds_eye
from pipeline.outputs.fingerprint import config_hash
from pipeline.outputs.floor_paths import floor_paths
from pipeline.outputs.floor_plan import floor_plan_svg
from pipeline.outputs.mot import write_mot, write_tracklets
from pipeline.outputs.overlay import render_overlay
from pipeline.outputs.report import RunReport, camera_report, environment, library_versions, write_report
from pipeline.outputs.results import CameraResult
from pipeline.outputs.run_directory import RunDirectory
from pipeline.outputs.topology_picture import topology_svg
from pipeline.outputs.trajectories import write_trajectories
from pipeline.stages.linking import Linked
from pipeline.stages.scene import CameraOutcome
from pipeline.types import Camera, Frame
from pipeline.video.file_end import REMARKS
from pipeline.video.reader import VideoReader

log = logging.getLogger(__name__)

_WAYS_TOLD = 8
"""Lines of the log that tell the most walked ways; run_report.json has all."""
_STATUS = {0: "complete", 3: "partial", 130: "interrupted", 143: "interrupted"}


class _StoppedError(Exception):
    """Ends a video that the user does not wait for: its unfinished file goes away."""


def write_outputs(
    directory: RunDirectory, linked: Linked, options: OutputConfig, asked: Callable[[], bool] = lambda: False
) -> None:
    """trajectories.json, topology.svg, mot/ and tracklets/, and the splits beside the checkpoints, which know the
    uncut tracklets. When `asked` to end, no video of the floor is drawn to its end."""
    results = [CameraResult(outcome.camera, outcome.frames, _duration_s(outcome)) for outcome in linked.outcomes]
    trajectories = linked.result.trajectories
    write_trajectories(directory.trajectories, results, trajectories, linked.clock)
    sizes_wh = {outcome.camera.id: outcome.camera.size_wh for outcome in linked.outcomes}
    atomic_write(directory.topology, topology_svg(linked.result.report.topology, sizes_wh))
    for outcome in linked.outcomes:
        camera_id = outcome.camera.id
        write_mot(directory.path_for(camera_id, "mot"), camera_id, trajectories)
        write_tracklets(directory.path_for(camera_id, "tracklets"), camera_id, outcome.tracklets)
    splits = json.dumps([asdict(split) for split in linked.purified.splits], allow_nan=False)
    atomic_write(directory.store / "splits.json", splits + "\n", 0o600)
    _write_floor(directory, linked, options, asked)


def _write_floor(directory: RunDirectory, linked: Linked, options: OutputConfig, asked: Callable[[], bool]) -> None:
    """floor_plan.svg and birds_eye.mp4; what the settings or the cameras do not give (any more) is not there."""
    cameras = [outcome.camera for outcome in linked.outcomes]
    wanted = options.floor_plan or options.birds_eye
    paths = floor_paths(linked.result.trajectories, cameras, linked.clock, linked.on_one_clock) if wanted else ()
    plan = floor_plan_svg(paths, cameras) if options.floor_plan else ""
    if plan:
        atomic_write(directory.floor_plan, plan)
    else:
        directory.floor_plan.unlink(missing_ok=True)
    try:
        clocked = [c for c in cameras if linked.clock != "unknown" or c.id in linked.on_one_clock]
        drawn = options.birds_eye and bool(clocked)
        drawn = drawn and bool(render_birds_eye(paths, clocked, directory.birds_eye, partial(_stop_when, asked)))
    except _StoppedError:
        directory.birds_eye.unlink(missing_ok=True)
        return
    if not drawn:
        directory.birds_eye.unlink(missing_ok=True)
        if options.birds_eye:
            log.warning("no birds_eye.mp4: it wants calibrated cameras on a common or aligned clock")


def _duration_s(outcome: CameraOutcome) -> float:
    """From the first frame to the last, and one frame's time more."""
    report = outcome.report
    if report is None or report.first_time_s is None or report.last_time_s is None:
        return 0.0
    return report.last_time_s - report.first_time_s + 1.0 / outcome.camera.fps


def write_overlays(
    open_frames: Callable[[Camera], VideoReader],
    directory: RunDirectory,
    linked: Linked,
    options: OutputConfig,
    asked: Callable[[], bool],
) -> tuple[str, ...]:
    """Read each camera once more and draw its people in. Returns what could not be drawn, a line each."""
    missing: list[str] = []
    with FrameProgress("overlay", {outcome.camera.id: outcome.frames for outcome in linked.outcomes}) as progress:
        for camera in [outcome.camera for outcome in linked.outcomes if outcome.frames]:
            path = directory.path_for(camera.id, "overlay")
            on_frame = partial(progress, camera.id)
            try:
                with open_frames(camera) as frames:
                    drawn = _until_asked(frames, asked)
                    render_overlay(
                        drawn, camera, linked.result.trajectories, path, camera.fps, options, on_frame=on_frame
                    )
            except _StoppedError:
                break
            except (CameraError, OSError) as fault:
                missing.append(f"camera {camera.id}: no overlay, its video can no longer be read: {fault}")
                log.error("%s", missing[-1])
            except (PasserbyError, MemoryError):
                raise
            except Exception as error:  # of this camera's reader or writer: the others are drawn all the same
                missing.append(f"camera {camera.id}: no overlay, drawing ended with {type(error).__name__}: {error}")
                log.error("%s", missing[-1])
    return tuple(missing)


def _stop_when(asked: Callable[[], bool], count: int) -> None:
    if asked():
        raise _StoppedError


def _until_asked(frames: Iterable[Frame], asked: Callable[[], bool]) -> Iterator[Frame]:
    for frame in frames:
        if asked():
            raise _StoppedError
        yield frame


def write_run_report(directory: RunDirectory, state: RunState) -> None:
    """run_report.json, whatever came of the run."""
    linked, networks = state.linked, state.networks
    outcomes = state.outcomes | ({outcome.camera.id: outcome for outcome in linked.outcomes} if linked else {})
    cameras = []
    for camera_id, paths in state.files:
        outcome = outcomes.get(camera_id)
        info = state.opened.infos.get(camera_id)
        cameras.append(
            camera_report(
                camera_id,
                paths,
                outcome.report if outcome else None,
                fault=state.opened.faults.get(camera_id) or (outcome.fault if outcome else None),
                fps=info.fps if info else None,
                tracklets=len(outcome.tracklets) if outcome else 0,
            )
        )
    hashes = {"config": config_hash(state.config)} | (networks.hashes if networks else {})
    hashes |= {f"input/{camera_id}": made_of.video for camera_id, made_of in state.fingerprints.items()}
    notices = [notice for camera_id, outcome in outcomes.items() for notice in _notices(camera_id, outcome, state)]
    report = RunReport(
        exit_code=state.exit_code,
        status=_STATUS.get(state.exit_code, "failed"),
        program=f"passerby {version()}",
        started=state.started,
        duration_s=(datetime.now(UTC) - state.started).total_seconds(),
        clock=linked.clock if linked else "common" if state.config.clock == "common" else "unknown",
        people=len(linked.result.trajectories) if linked else 0,
        cameras=tuple(cameras),
        stages_s=state.stopwatch.seconds(),
        association=association_report(linked) if linked else {},
        versions=library_versions(),
        hashes=hashes,
        networks=networks.descriptions if networks else {},
        arguments={**asdict(state.cut), "resumed": state.resumed},
        environment=environment(),
        notices=(*state.notices, *state.remarks, *notices),
        fault=state.fault,
    )
    write_report(directory.report, report)


def _notices(camera_id: str, outcome: CameraOutcome, state: RunState) -> Iterator[str]:
    """What was left out on purpose, with its count, and what of the video nobody can know."""
    if outcome.boxes_dropped:
        most = state.config.detector.max_detections
        yield f"camera {camera_id}: {outcome.boxes_dropped} boxes dropped, above detector.max_detections={most} a frame"
    if outcome.crops_not_embedded:
        why = "came after the interruption" if state.exit_code in (130, 143) else "gave no finite vector"
        yield f"camera {camera_id}: {outcome.crops_not_embedded} crops {why}"
    for cause in outcome.report.causes if outcome.report else ():
        if cause.startswith(REMARKS):
            yield f"camera {camera_id}: {cause}"


def remarks_on(said: Sequence[Correction], refused: Mapping[int, str], linked: Linked) -> tuple[str, ...]:
    """A line for each correction that does not hold or is odd, told on the log, too; not for one that a later one
    stands above."""
    lines = [
        f"correction {c.number} ({c.said}) does not hold: {refused[c.number]}"
        for c in said
        if refused.get(c.number, LATER) != LATER
    ]
    odd = linked.corrected.remarks
    lines += [f"correction {c.number} ({c.said}): {odd[c.number]}" for c in said if c.number in odd]
    for line in lines:
        log.warning("%s", line)
    return tuple(lines)


def association_report(linked: Linked) -> dict[str, Any]:
    """The part `association` of run_report.json."""
    aligned = {} if linked.alignment is None else {"clock_alignment": linked.alignment.to_dict()}
    matched = {} if linked.views is None else {"matched_views": linked.views.to_dict()}
    splits = {"splits": [asdict(split) for split in linked.purified.splits]}
    return linked.result.report.to_dict() | splits | aligned | matched


def tell(state: RunState, directory: RunDirectory) -> None:
    """The result in a few lines on the log: who was where, how sure that is, what to open."""
    if state.linked is None:
        return
    result = state.linked.result
    places = [{t.camera_id for t in person.tracklets} for person in result.trajectories]
    for outcome in state.linked.outcomes:
        people = sum(outcome.camera.id in where for where in places)
        tracklets = len(outcome.tracklets)
        log.info("camera %s: %s", outcome.camera.id, f"{_people(people)}, {tracklets} tracklet{'s'[: tracklets != 1]}")
    log.info("%s in all, %d of them in several cameras", _people(len(places)), sum(len(where) > 1 for where in places))
    report = result.report
    if report.estimated_false_link_rate is not None:
        log.info(
            "links made: %d, of which an estimated %.1f %% are wrong",
            report.links,
            100 * report.estimated_false_link_rate,
        )
    if report.estimated_missed_link_rate is not None:
        log.info(
            "an estimated %.1f %% of the true links are missing (either estimate may be %g times too high or too low)",
            100 * report.estimated_missed_link_rate,
            report.rates_uncertain_by,
        )
    for line in ways_table(report.topology, _WAYS_TOLD):
        log.info("way: %s", line)
    if state.linked.alignment is not None:
        for line in state.linked.alignment.lines():
            log.info("clock: %s", line)
    if state.linked.views is not None and state.linked.views.matches:
        log.info("views: %s", state.linked.views.told())
    for line in (*report.fallback_reasons, *report.warnings):
        log.info("association: %s", line)
    if state.exit_code == 4:
        log.error("%s; run_report.json tells why", state.fault)
    overlays = sorted((directory.root / "overlays").glob("*.mp4"))
    log.info("results in %s%s", directory.root, f"; open {overlays[0]}" if overlays else "")


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"


def print_summary(state: RunState, directory: RunDirectory) -> None:
    """The result in short, as JSON on stdout."""
    trajectories = state.linked.result.trajectories if state.linked else ()
    outcomes = state.linked.outcomes if state.linked else ()
    report = state.linked.result.report if state.linked else None
    summary = {
        "output": str(directory.root),
        "exit_code": state.exit_code,
        "people": len(trajectories),
        "people_in_several_cameras": sum(len({t.camera_id for t in p.tracklets}) > 1 for p in trajectories),
        "estimated_false_link_rate": report.estimated_false_link_rate if report else None,
        "estimated_missed_link_rate": report.estimated_missed_link_rate if report else None,
        "tracklets": sum(len(person.tracklets) for person in trajectories),
        "frames": {outcome.camera.id: outcome.frames for outcome in outcomes},
        "seconds": {stage: round(seconds, 3) for stage, seconds in state.stopwatch.seconds().items()},
    }
    print(json.dumps(summary, allow_nan=False))
