"""All cameras to trajectories: the order of a run, with every part handed in."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from pipeline.config import Config
from pipeline.errors import CameraError, PasserbyError
from pipeline.stages.camera_run import CameraJob, CameraRun, FrameSource
from pipeline.stages.embedding import EmbeddingQueue
from pipeline.stages.looking import Looks
from pipeline.stages.timing import Stopwatch
from pipeline.types import Camera, Crop, Detections, Detector, Embedder, Embeddings, Frame, Tracklet
from pipeline.video.reader import ReadReport

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CameraOutcome:
    """What came of one camera. `report` is None when it could not be opened; `fault` then tells why."""

    camera: Camera
    tracklets: tuple[Tracklet, ...]
    frames: int
    report: ReadReport | None
    fault: CameraError | None = None
    crops_not_embedded: int = 0
    """Crops whose vector was not finite, or that an interrupted run did not come to."""
    boxes_dropped: int = 0
    """Boxes above detector.max_detections."""


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
    hurry: Callable[[], bool] = lambda: False
    """True: crops are no longer embedded, the end must come now."""


@dataclass(slots=True, eq=False)
class _Open:
    """A camera in work."""

    run: CameraRun
    source: FrameSource
    frames: Iterator[Frame]
    closing: ExitStack
    looks: Looks
    fault: CameraError | None = None


@dataclass(frozen=True, slots=True)
class _Item:
    """The next frame of a camera; `frame` is None where the detector need not look: its pixels are gone by then."""

    camera: _Open
    index: int
    time_s: float
    frame: Frame | None


def track_cameras(jobs: Sequence[CameraJob], parts: Parts) -> Iterator[tuple[CameraOutcome, Embeddings]]:
    """Follow the people of each camera and describe them; some cameras side by side, so that the networks get batches.

    Each camera comes out when it is done, with the embeddings of its own tracklets; the next one takes its place. A
    camera that fails is told in its outcome and stops no other. When `parts.should_stop`, the cameras in work come
    out with what was read of them and the others not at all.
    """
    queue = EmbeddingQueue(parts.embedder, parts.config.embedder.batch_crops, parts.hurry)
    waiting, turn = deque(jobs), deque[_Open]()
    try:
        while (waiting or turn) and not parts.should_stop():
            while waiting and len(turn) < parts.config.video.cameras_at_once:
                job = waiting.popleft()
                try:
                    turn.append(_open(job, parts))
                except Exception as error:
                    fault = _own_fault(job.camera.id, "opening", error)
                    yield CameraOutcome(job.camera, (), 0, None, fault), queue.take(job.camera.id)
            with parts.stopwatch("decode_wait"):
                batch, ended = _next_batch(turn, parts.config.detector.batch_frames)
            if batch:
                _process(batch, parts, queue)
            for camera in [*ended, *(camera for camera in turn if camera.fault is not None)]:
                if camera in turn:
                    turn.remove(camera)
                yield _finish(camera, parts, queue)
        while turn:
            yield _finish(turn.popleft(), parts, queue)
    finally:
        for camera in turn:
            camera.closing.close()


def _open(job: CameraJob, parts: Parts) -> _Open:
    with ExitStack() as stack:
        source = stack.enter_context(job.open_frames())
        run = CameraRun(job, parts.config.tracker, parts.config.crops)
        return _Open(run, source, iter(source), stack.pop_all(), Looks(parts.config.detector))


def _finish(camera: _Open, parts: Parts, queue: EmbeddingQueue) -> tuple[CameraOutcome, Embeddings]:
    camera.closing.close()
    run = camera.run
    if run.passed_over:
        logger.info("camera %s: the detector looked at %d of %d frames", run.camera.id, run.frames - run.passed_over,
                    run.frames)  # fmt: skip
    try:
        crops = run.finish()
    except Exception as error:
        camera.fault, crops = camera.fault or _own_fault(run.camera.id, "tracking", error), []
    with parts.stopwatch("embed"):
        queue.add(crops)
        embeddings = queue.take(run.camera.id)
    return CameraOutcome(
        run.camera,
        tuple(run.tracklets),
        run.frames,
        camera.source.report(),
        camera.fault,
        queue.dropped(run.camera.id),
        run.boxes_dropped,
    ), embeddings


def _next_batch(turn: deque[_Open], size: int) -> tuple[list[_Item], list[_Open]]:
    """The next frames, the cameras taking turns, up to `size` to be looked at, and the cameras that have no more: they
    leave the turn."""
    batch: list[_Item] = []
    ended: list[_Open] = []
    wanted = 0
    while turn and wanted < size:
        camera = turn.popleft()
        try:
            frame = next(camera.frames)
        except StopIteration:
            ended.append(camera)
            continue
        except Exception as error:
            camera.fault = _own_fault(camera.run.camera.id, "reading", error)
            ended.append(camera)
            continue
        looked_at = camera.looks.wants(frame)
        batch.append(_Item(camera, frame.index, frame.time_s, frame if looked_at else None))
        wanted += looked_at
        turn.append(camera)
    return batch, ended


def _process(batch: list[_Item], parts: Parts, queue: EmbeddingQueue) -> None:
    frames = [item.frame for item in batch if item.frame is not None]
    with parts.stopwatch("detect"):
        found = iter(parts.detector.detect(frames) if frames else [])
    broken: list[_Open] = []
    for item in batch:
        run = item.camera.run
        detections = None if item.frame is None else next(found)
        if item.camera in broken:
            continue
        with parts.stopwatch("track"):
            try:
                crops = _follow(item, detections)
            except Exception as error:
                item.camera.fault = _own_fault(run.camera.id, "tracking", error)
                broken.append(item.camera)
                continue
        if crops:
            with parts.stopwatch("embed"):
                queue.add(crops)
        parts.on_frame(run.camera.id, run.frames)


def _follow(item: _Item, detections: Detections | None) -> list[Crop]:
    run = item.camera.run
    if item.frame is None or detections is None:
        run.pass_over(item.index, item.time_s)
        return []
    return run.feed(item.frame, detections)


def _own_fault(camera_id: str, stage: str, error: Exception) -> CameraError:
    """What one camera's own stage raised, as that camera's fault. Raises what concerns the whole run again: memory,
    disk, settings."""
    if isinstance(error, CameraError):
        return error
    if isinstance(error, (MemoryError, PasserbyError)):
        raise error
    if stage == "reading" and isinstance(error, OSError):
        return CameraError("read_error", f"camera {camera_id}: {error}; reading ended there: is the disk still there?")
    logger.debug("camera %s: %s", camera_id, stage, exc_info=error)
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return CameraError(
        f"{stage}_failed", f"camera {camera_id}: {stage} it ended with {said}; what came before is kept; please report"
    )
