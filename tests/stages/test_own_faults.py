"""What breaks in one camera's own stages (its decoding thread, its tracker) ends that camera and no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import pytest

from pipeline.config import Config
from pipeline.errors import ResourceError
from pipeline.stages.camera_run import CameraJob
from pipeline.stages.scene import CameraOutcome, Parts, track_cameras
from pipeline.stages.timing import Stopwatch
from pipeline.types import Camera, Detections, Frame, TrackedBoxes
from pipeline.video.account import Account
from pipeline.video.channel import Channel
from pipeline.video.report import ReadReport
from trackers import build_tracker

FPS, COUNT = 20.0, 60


def picture(k: int) -> np.ndarray:
    image = np.full((240, 320, 3), 90, np.uint8)
    image[60:180, 20 + 3 * k : 60 + 3 * k] = 220
    return image


class Walk:
    """A camera in which one person walks; `breaks` is raised at frame 30 by its thread."""

    def __init__(self, camera_id: str, breaks: Exception | None) -> None:
        self._id, self._breaks, self.closed = camera_id, breaks, False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *stopped: object) -> None:
        self.closed = True

    def __iter__(self) -> Iterator[Frame]:
        for k in range(COUNT):
            if k == COUNT // 2 and self._breaks is not None:
                raise self._breaks
            yield Frame(self._id, k, k / FPS, picture(k))

    def report(self) -> ReadReport:
        return ReadReport("complete", COUNT, 0, COUNT, 1.0, 0.0, COUNT / FPS, (), 0, 0, 0, 0, ())


class Boxes:
    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        places = [20 + 3 * frame.index for frame in frames]
        return [
            Detections(np.array([[x, 60, x + 40, 180]], np.float32), np.array([0.9], np.float32), 0) for x in places
        ]


class Greys:
    dimension = 2

    def embed(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        return np.tile(np.array([[0.6, 0.8]], np.float32), (len(crops), 1))


class BreakingTracker:
    """Follows until frame 30."""

    def __init__(self, error: Exception) -> None:
        self._inner, self._error = build_tracker(Config().tracker), error

    def update(self, detections: Detections, time_s: float) -> TrackedBoxes:
        if time_s >= COUNT / 2 / FPS:
            raise self._error
        return self._inner.update(detections, time_s)


def outcomes(
    cameras: Sequence[str], reading: Exception | None = None, tracking: Exception | None = None
) -> tuple[dict[str, CameraOutcome], dict[str, Walk]]:
    """All cameras side by side; the one called `bad` breaks as told."""
    config = Config()
    sources: dict[str, Walk] = {}

    def job(camera_id: str) -> CameraJob:
        bad = camera_id == "bad"
        sources[camera_id] = Walk(camera_id, reading if bad else None)

        def follow() -> object:
            return BreakingTracker(tracking) if bad and tracking else build_tracker(config.tracker)

        return CameraJob(Camera(camera_id, (), (320, 240), FPS), lambda: sources[camera_id], follow)  # type: ignore[arg-type]

    parts = Parts(Boxes(), Greys(), config, Stopwatch())
    found = {outcome.camera.id: outcome for outcome, _ in track_cameras([job(name) for name in cameras], parts)}
    return found, sources


def same(one: CameraOutcome, two: CameraOutcome) -> bool:
    return [(t.key, t.xyxy.tobytes(), t.time_s.tobytes()) for t in one.tracklets] == [
        (t.key, t.xyxy.tobytes(), t.time_s.tobytes()) for t in two.tracklets
    ]


@pytest.mark.parametrize("stage", ["reading", "tracking"])
@pytest.mark.parametrize("error", [RuntimeError("lost\nthe thread"), ValueError("x"), IndexError("y"), KeyError("z")])
def test_an_exception_of_one_camera_is_its_own_fault(stage: str, error: Exception) -> None:
    alone, _ = outcomes(["hall", "yard"])
    found, sources = outcomes(["hall", "bad", "yard"], **{stage: error})
    fault = found["bad"].fault
    assert fault is not None and fault.code == f"{stage}_failed"
    assert type(error).__name__ in str(fault) and "\n" not in str(fault)
    assert found["bad"].frames == COUNT // 2
    assert len(found["bad"].tracklets) == 1, "what came before is kept"
    assert sources["bad"].closed
    for camera in ("hall", "yard"):
        assert found[camera].fault is None
        assert found[camera].frames == COUNT
        assert same(found[camera], alone[camera])


@pytest.mark.parametrize("stage", ["reading", "tracking"])
@pytest.mark.parametrize("error", [MemoryError(), ResourceError("no space left")])
def test_what_concerns_the_whole_run_ends_it(stage: str, error: Exception) -> None:
    with pytest.raises(type(error)):
        outcomes(["hall", "bad"], **{stage: error})


def test_a_thread_that_dies_tells_its_consumer() -> None:
    """The decoding thread hands its exception over after the frames that wait; without, the run would wait for ever."""
    channel: Channel[int] = Channel(4, 60.0)
    channel.put(1)
    channel.finish(RuntimeError("gone"))
    assert channel.get() == 1
    with pytest.raises(RuntimeError, match="gone"):
        channel.get()
    assert channel.get() is None
    assert Account().report().status == "partial"
