"""All cameras to trajectories: the order of a run, with every part handed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from pipeline.config import Config
from pipeline.errors import CameraError
from pipeline.stages.camera_run import CameraJob, CameraRun, FrameSource
from pipeline.stages.embedding import EmbeddingQueue
from pipeline.stages.timing import Stopwatch
from pipeline.types import Camera, Detector, Embedder, Embeddings, Frame, Tracklet
from pipeline.video.reader import ReadReport


@dataclass(frozen=True, slots=True)
class CameraOutcome:
    """What came of one camera. `report` is None when it could not be opened; `fault` then tells why."""

    camera: Camera
    tracklets: tuple[Tracklet, ...]
    frames: int
    report: ReadReport | None
    fault: CameraError | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """The networks and the clockwork of a run."""

    detector: Detector
    embedder: Embedder
    config: Config
    stopwatch: Stopwatch
    on_frame: Callable[[str, int], None] = lambda camera_id, frames: None
    """Called with the camera and its count of frames done."""
    should_stop: Callable[[], bool] = lambda: False
    """Asked between batches; True ends the reading, and what was read is kept."""


@dataclass(slots=True)
class _Open:
    """A camera in work."""

    run: CameraRun
    source: FrameSource
    frames: Iterator[Frame]
    fault: CameraError | None = None


def track_cameras(jobs: Sequence[CameraJob], parts: Parts) -> Iterator[tuple[CameraOutcome, Embeddings]]:
    """Follow the people of each camera and describe them; some cameras side by side, so that the networks get batches.

    Cameras come out in the order of `jobs`, each with the embeddings of its own tracklets, as soon as those beside it
    are done. A camera that fails is told in its outcome and stops no other.
    """
    at_once = parts.config.video.cameras_at_once
    for first in range(0, len(jobs), at_once):
        if parts.should_stop():
            return
        queue = EmbeddingQueue(parts.embedder, parts.config.embedder.batch_crops)
        outcomes = _track_side_by_side(jobs[first : first + at_once], parts, queue)
        with parts.stopwatch("embed"):
            embeddings = queue.finish()
        for outcome in outcomes:
            yield outcome, embeddings.of_camera(outcome.camera.id)


def _track_side_by_side(jobs: Sequence[CameraJob], parts: Parts, queue: EmbeddingQueue) -> list[CameraOutcome]:
    outcomes: dict[str, CameraOutcome] = {}
    with ExitStack() as stack:
        cameras: list[_Open] = []
        for job in jobs:
            run = CameraRun(job, parts.config.tracker, parts.config.crops)
            try:
                source = stack.enter_context(job.open_frames())
            except CameraError as fault:
                outcomes[job.camera.id] = CameraOutcome(job.camera, (), 0, None, fault)
            else:
                cameras.append(_Open(run, source, iter(source)))
        turn = deque(cameras)
        while turn and not parts.should_stop():
            with parts.stopwatch("decode_wait"):
                batch = _next_batch(turn, parts.config.detector.batch_frames)
            if batch:
                _process(batch, parts, queue)
        for camera in cameras:
            with parts.stopwatch("embed"):
                queue.add(camera.run.finish())
            outcomes[camera.run.camera.id] = CameraOutcome(
                camera.run.camera, tuple(camera.run.tracklets), camera.run.frames, camera.source.report(), camera.fault
            )
    return [outcomes[job.camera.id] for job in jobs]


def _next_batch(turn: deque[_Open], size: int) -> list[tuple[_Open, Frame]]:
    """The next frames, the cameras taking turns; a camera that has no more leaves the turn."""
    batch: list[tuple[_Open, Frame]] = []
    while turn and len(batch) < size:
        camera = turn.popleft()
        try:
            frame = next(camera.frames)
        except StopIteration:
            continue
        except CameraError as fault:
            camera.fault = fault
            continue
        batch.append((camera, frame))
        turn.append(camera)
    return batch


def _process(batch: list[tuple[_Open, Frame]], parts: Parts, queue: EmbeddingQueue) -> None:
    with parts.stopwatch("detect"):
        found = parts.detector.detect([frame for _, frame in batch])
    for (camera, frame), detections in zip(batch, found, strict=True):
        with parts.stopwatch("track"):
            crops = camera.run.feed(frame, detections)
        if crops:
            with parts.stopwatch("embed"):
                queue.add(crops)
        parts.on_frame(camera.run.camera.id, camera.run.frames)
