"""One run: cameras to tracklets (or back from their checkpoints), tracklets to trajectories, and all of it to disk."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from commands.cameras import CameraFiles
from commands.interruption import Interruption
from commands.progress import FrameProgress
from commands.track_cameras import OpenedCameras, make_jobs, make_scene, open_cameras, open_reader
from commands.track_outputs import Finished, write_outputs, write_overlays, write_run_report
from commands.track_parts import Networks, build_networks
from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.purity import purify
from pipeline.config import Config
from pipeline.config_loading import dump_config
from pipeline.errors import NoCameraError, PasserbyError
from pipeline.outputs.atomic import atomic_write
from pipeline.outputs.fingerprint import Fingerprint, config_hash, video_hash, weights_hash
from pipeline.outputs.run_directory import RunDirectory
from pipeline.outputs.store import CameraCheckpoint, load_camera, save_camera
from pipeline.stages.scene import CameraOutcome, Parts, track_cameras
from pipeline.stages.timing import Stopwatch
from pipeline.types import Camera, Embeddings
from pipeline.video.report import ReadReport

log = logging.getLogger(__name__)

Done = dict[str, tuple[CameraOutcome, Embeddings]]


@dataclass(frozen=True, slots=True)
class Work:
    """What a run is given."""

    args: argparse.Namespace
    config: Config
    directory: RunDirectory
    opened: OpenedCameras
    networks: Networks
    stopwatch: Stopwatch
    started: datetime


def track(args: argparse.Namespace, files: Sequence[CameraFiles], config: Config, directory: RunDirectory) -> int:
    """Do the whole run. Returns 0, 3 (a camera failed or was partly read), 130 or 143 (interrupted).

    Raises PasserbyError: bad weights (2), no usable camera (4), disk or memory (5); run_report.json is written first.
    """
    started, stopwatch = datetime.now(UTC), Stopwatch()
    if directory.resumed:
        directory.discard_results()
    networks: Networks | None = None
    opened = OpenedCameras((), {}, {})
    try:
        opened = open_cameras(files, config)
        for fault in opened.faults.values():
            log.error("%s", fault)
        if not opened.cameras:
            raise NoCameraError("no camera is usable: " + "; ".join(map(str, opened.faults.values())))
        with stopwatch("load_networks"):
            networks = build_networks(config)
        atomic_write(directory.config, dump_config(config))
        return _track(Work(args, config, directory, opened, networks, stopwatch, started), files)
    except PasserbyError as error:
        finished = Finished(
            files, opened, networks, config, {}, (), None, stopwatch, started, error.exit_code, str(error)
        )
        write_run_report(directory, finished)
        raise


def _track(work: Work, files: Sequence[CameraFiles]) -> int:
    with Interruption() as interruption:
        done = _track_all(work, interruption)
        embeddings = Embeddings.join([part for _, part in done.values()], work.networks.embedder.dimension)
        tracklets = [tracklet for outcome, _ in done.values() for tracklet in outcome.tracklets]
        scene = make_scene(work.opened.cameras, work.config)
        settings, prior = work.config.association, work.networks.distance_prior
        with work.stopwatch("associate"):
            purified = purify(tracklets, embeddings, scene, settings, prior)
            result = AverageLinkageAssociator(settings, prior).solve(purified.tracklets, purified.embeddings, scene)
        outcomes = [
            replace(outcome, tracklets=tuple(t for t in purified.tracklets if t.camera_id == outcome.camera.id))
            for outcome, _ in done.values()
        ]
        with work.stopwatch("write"):
            write_outputs(work.directory, outcomes, result.trajectories, scene.clock)
        log.info("%d people in %d tracklets", len(result.trajectories), len(purified.tracklets))
        if work.config.output.overlays and not interruption.asked:
            with work.stopwatch("overlays"):
                write_overlays(
                    lambda camera: open_reader(camera, work.config, work.args),
                    work.directory,
                    outcomes,
                    result.trajectories,
                    work.config.output,
                    lambda: interruption.asked,
                )
        reports = [outcome.report for outcome in outcomes]
        whole = not work.opened.faults and all(report is not None and report.status == "complete" for report in reports)
        code = interruption.exit_code or (0 if whole else 3)
        finished = Finished(
            files,
            work.opened,
            work.networks,
            work.config,
            {outcome.camera.id: outcome for outcome in outcomes},
            purified.splits,
            result,
            work.stopwatch,
            work.started,
            code,
            None,
        )
        write_run_report(work.directory, finished)
    log.info("results in %s", work.directory.root)
    if work.args.json:
        from commands.track_outputs import print_summary  # noqa: PLC0415

        print_summary(work.directory, finished)
    return code


def _track_all(work: Work, interruption: Interruption) -> Done:
    """Every camera's outcome and embeddings, in the order given; those that a checkpoint holds are not read again."""
    hashes = {camera.id: _fingerprint(camera, work) for camera in work.opened.cameras}
    done: Done = {}
    for camera in work.opened.cameras:
        kept = load_camera(work.directory.store, camera.id, hashes[camera.id]) if work.directory.resumed else None
        if kept is not None:
            log.info("camera %s: done before, taken from the checkpoint", camera.id)
            done[camera.id] = _from_checkpoint(camera, kept)
    todo = [camera for camera in work.opened.cameras if camera.id not in done]
    totals = {camera.id: work.opened.infos[camera.id].frames_expected for camera in todo}
    with FrameProgress("tracking", totals) as progress:
        parts = Parts(
            work.networks.detector,
            work.networks.embedder,
            work.config,
            work.stopwatch,
            progress,
            lambda: interruption.asked,
        )
        for outcome, embeddings in track_cameras(make_jobs(todo, work.config, work.args), parts):
            done[outcome.camera.id] = (outcome, embeddings)
            if outcome.fault is not None:
                log.error("%s", outcome.fault)
            elif not interruption.asked and outcome.report is not None:
                info = {"frames": outcome.frames, "report": asdict(outcome.report)}
                checkpoint = CameraCheckpoint(outcome.camera.id, outcome.tracklets, embeddings, info)
                save_camera(work.directory.store, checkpoint, hashes[outcome.camera.id])
    return {camera.id: done[camera.id] for camera in work.opened.cameras if camera.id in done}


def _fingerprint(camera: Camera, work: Work) -> Fingerprint:
    cut = {"start": work.args.start, "end": work.args.end}
    return Fingerprint(
        config_hash(work.config, cut), video_hash(camera.sources), weights_hash(list(work.networks.hashes.values()))
    )


def _from_checkpoint(camera: Camera, kept: CameraCheckpoint) -> tuple[CameraOutcome, Embeddings]:
    raw = dict(kept.info["report"])
    raw["gaps"] = tuple((float(a), float(b)) for a, b in raw["gaps"])
    raw["causes"] = tuple(raw["causes"])
    return CameraOutcome(camera, kept.tracklets, int(kept.info["frames"]), ReadReport(**raw)), kept.embeddings
