"""One run: cameras to tracklets (or back from their checkpoints), tracklets to trajectories, and all of it to disk."""

from __future__ import annotations

import argparse
import logging
import shlex
from collections.abc import Sequence
from dataclasses import asdict

from commands.cameras import CameraFiles
from commands.interruption import Interruption
from commands.logging import RunLog
from commands.progress import FrameProgress
from commands.stored_run import info_of, outcome_of, store_scene
from commands.track_cameras import make_jobs, make_scene, open_cameras, open_reader
from commands.track_outputs import (
    print_summary,
    remarks_on,
    tell,
    write_outputs,
    write_overlays,
    write_run_report,
)
from commands.track_parts import Networks, build_networks
from commands.track_space import check_space, estimate
from commands.track_state import Cut, RunState
from pipeline.association.corrections import of_these_videos
from pipeline.association.numbering import Numbers
from pipeline.config import Config
from pipeline.config_loading import dump_config
from pipeline.errors import NoCameraError, PasserbyError, ResourceError, UsageError
from pipeline.outputs.atomic import atomic_write
from pipeline.outputs.fingerprint import Fingerprint, camera_hash, video_hash, weights_hash
from pipeline.outputs.journal import DetectionJournal, JournaledDetector, refuse_foreign_journal
from pipeline.outputs.memory import read_corrections, read_numbers, write_numbers
from pipeline.outputs.run_directory import RunDirectory
from pipeline.outputs.store import CameraCheckpoint, left_over, load_camera, save_camera
from pipeline.stages.linking import Memory, link_cameras
from pipeline.stages.scene import CameraOutcome, Parts, track_cameras
from pipeline.types import Camera, Embeddings

log = logging.getLogger(__name__)

Done = dict[str, tuple[CameraOutcome, Embeddings]]


def track(
    args: argparse.Namespace,
    files: Sequence[CameraFiles],
    config: Config,
    directory: RunDirectory,
    *,
    resumable: bool = True,
) -> int:
    """Do the whole run; `resumable`: whether the command that asks has --resume.

    Returns 0, 3 (a camera failed or was partly read), 4 (none gave a frame), 130 or 143.

    Raises PasserbyError: bad settings, weights or checkpoints (2: nothing that was there before is touched), no usable
    camera (4), disk or memory (5). Once the work has begun run_report.json is written whatever happens.
    """
    state = RunState(files, config, Cut(args.start, args.end), resumed=directory.resumed)
    with RunLog() as run_log, Interruption() as interruption:
        try:
            networks, done = _prepare(state, directory)  # a signal ends this at once: nothing was begun
            directory.begin()
            atomic_write(directory.config, dump_config(config))
            directory.config_before.unlink(missing_ok=True)
            run_log.open(directory.log)
        except (UsageError, ResourceError, KeyboardInterrupt) as error:
            directory.abandon()
            if isinstance(error, KeyboardInterrupt) and interruption.asked:
                log.warning("interrupted before anything was begun")
                return interruption.exit_code
            raise
        except NoCameraError as error:
            if directory.fresh:
                state.fail(error.exit_code, str(error))
                write_run_report(directory, state)
            raise
        try:
            with interruption.deferred():
                _work(args, state, directory, networks, done, interruption)
        except PasserbyError as error:
            state.fail(error.exit_code, str(error))
            raise
        except MemoryError:
            state.fail(5, "out of memory")
            raise
        except KeyboardInterrupt:
            if not interruption.asked:
                raise
            state.fail(interruption.exit_code, "interrupted twice")
        except BaseException as error:
            state.fail(interruption.exit_code or 1, f"{type(error).__name__}: {error}")
            raise
        finally:
            write_run_report(directory, state)
        tell(state, directory)
        if interruption.asked:
            log.warning("interrupted%s", _go_on(args, directory) if resumable else "")
    if args.json:
        print_summary(state, directory)
    return state.exit_code


def _go_on(args: argparse.Namespace, directory: RunDirectory) -> str:
    """The words that make the same command go on with this run, as a shell takes them."""
    less = " without --overwrite, but" if args.overwrite else ""
    return f"; the same command{less} with {shlex.join(['--output', str(directory.root), '--resume'])} goes on"


def _prepare(state: RunState, directory: RunDirectory) -> tuple[Networks, Done]:
    """All that can be refused: cameras, networks, checkpoints. Nothing is written."""
    state.opened = opened = open_cameras(state.files, state.config)
    for fault in opened.faults.values():
        log.error("%s", fault)
    if not opened.cameras:
        raise NoCameraError("no camera is usable: " + "; ".join(map(str, opened.faults.values())))
    make_scene(opened.cameras, state.config)
    check_space(directory.root, estimate(opened.segments.values(), state.config.output, state.cut.length_s))
    state.corrections = read_corrections(directory.root / "store")
    with state.stopwatch("load_networks"):
        state.networks = networks = build_networks(state.config, [camera.id for camera in opened.cameras])
    done: Done = {}
    for camera in opened.cameras:
        state.fingerprints[camera.id] = fingerprint = _fingerprint(camera, state, networks)
        kept = load_camera(directory.store, camera.id, fingerprint) if directory.resumed else None
        if kept is None and directory.resumed:
            refuse_foreign_journal(directory.store, camera.id, fingerprint)
        if kept is not None:
            log.info("camera %s: done before, taken from the checkpoint", camera.id)
            done[camera.id] = outcome_of(camera, kept)
    if directory.resumed and (names := left_over(directory.store, [camera_id for camera_id, _ in state.files])):
        log.warning(
            "%s in %s: not used, of a camera that is not in this run (any more); give it its former name to go on "
            "with it, or remove it", ", ".join(names), directory.store,
        )  # fmt: skip
    return networks, done


def _work(  # noqa: PLR0917 - the parts of a run meet here
    args: argparse.Namespace,
    state: RunState,
    directory: RunDirectory,
    networks: Networks,
    done: Done,
    interruption: Interruption,
) -> None:
    config, cameras = state.config, state.opened.cameras
    _track_all(args, state, directory, networks, done, interruption)
    if interruption.asked:  # the store is complete; a report is there even if the rest takes too long
        state.fail(interruption.exit_code, "interrupted")
        write_run_report(directory, state)
        state.fault = None
    tracked = [done[camera.id] for camera in cameras if camera.id in done]
    store_scene(directory, state, [outcome for outcome, _ in tracked])
    scene = make_scene(cameras, config)
    with state.stopwatch("associate"):
        usable, refused = of_these_videos(state.corrections, {c: f.video for c, f in state.fingerprints.items()})
        memory = Memory(usable, read_numbers(directory.store))
        linked = link_cameras(
            tracked, scene, config, networks.distance_prior, networks.embedder.dimension, memory=memory
        )
    state.linked = linked
    state.remarks = remarks_on(state.corrections, refused | dict(linked.corrected.refused), linked)
    with state.stopwatch("write"):
        write_outputs(directory, linked, config.output, lambda: interruption.asked)
        if not interruption.asked:  # numbers of a part of the cameras are no numbers to keep
            now = linked.numbers.now
            write_numbers(directory.store, linked.numbers if state.corrections else Numbers(now, now))
    if config.output.overlays and not interruption.asked:
        with state.stopwatch("overlays"):
            missing = write_overlays(
                lambda camera: open_reader(camera, config, args, moved_s=linked.moved_s(camera.id)),
                directory,
                linked,
                config.output,
                lambda: interruption.asked,
            )
        state.notices += missing
    state.end(interruption.exit_code)


def _track_all(  # noqa: PLR0917
    args: argparse.Namespace,
    state: RunState,
    directory: RunDirectory,
    networks: Networks,
    done: Done,
    interruption: Interruption,
) -> None:
    """Every camera that no checkpoint holds, into `done`; one that was read whole gets a checkpoint at once."""
    todo = [camera for camera in state.opened.cameras if camera.id not in done]
    totals = {camera.id: state.opened.frames_expected(camera.id) for camera in todo}

    def open_journal(camera_id: str) -> DetectionJournal:
        return DetectionJournal(directory.store, camera_id, state.fingerprints[camera_id], resume=directory.resumed)

    with (
        FrameProgress("tracking", totals) as progress,
        JournaledDetector(networks.detector, open_journal) as detector,
    ):
        parts = Parts(
            detector,
            networks.embedder,
            state.config,
            state.stopwatch,
            progress,
            lambda: interruption.asked,
            lambda: interruption.hurry,
        )
        for outcome, embeddings in track_cameras(make_jobs(todo, state.config, args), parts):
            camera, report = outcome.camera, outcome.report
            done[camera.id] = (outcome, embeddings)
            state.outcomes[camera.id] = outcome
            for cause in (str(outcome.fault),) if outcome.fault else report.causes if report else ():
                log.warning("camera %s: %s", camera.id, cause)
            whole = report is not None and report.status == "complete" and not interruption.asked
            whole &= outcome.fault is None
            if report is not None:
                checkpoint = CameraCheckpoint(camera.id, outcome.tracklets, embeddings, info_of(outcome, report))
                save_camera(directory.store, checkpoint, state.fingerprints[camera.id], partial=not whole)
            detector.end(camera.id, remove=whole)


def _fingerprint(camera: Camera, state: RunState, networks: Networks) -> Fingerprint:
    return Fingerprint(
        camera_hash(state.config, camera, asdict(state.cut)),
        video_hash(camera.sources),
        weights_hash(networks.hashes_of(camera.id)),
    )
