"""Frames that the detector passes over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pytest

from commands.track_cameras import make_scene
from pipeline.config import Config, DetectorConfig
from pipeline.stages.camera_run import CameraJob
from pipeline.stages.linking import Linked, link_cameras
from pipeline.stages.looking import Looks, changed_share
from pipeline.stages.scene import Parts, track_cameras
from pipeline.stages.timing import Stopwatch
from pipeline.types import Camera, Detections, Frame
from pipeline.video.report import ReadReport
from trackers import build_tracker

FPS = 20.0
SIZE_WH = (320, 240)


def picture(left: float | None = None) -> np.ndarray:
    """Grey, with a bright person at `left`."""
    image = np.full((SIZE_WH[1], SIZE_WH[0], 3), 90, np.uint8)
    if left is not None:
        image[60:180, round(left) : round(left) + 40] = 220
    return image


def looked_at(config: DetectorConfig, pictures: Sequence[np.ndarray], fps: float = FPS) -> list[int]:
    looks = Looks(config)
    return [k for k, image in enumerate(pictures) if looks.wants(Frame("hall", k, 5 + k / fps, image))]


def test_every_nth_frame_from_the_first_on() -> None:
    still = [picture()] * 10
    assert looked_at(DetectorConfig(), still) == list(range(10))
    assert looked_at(DetectorConfig(every_n=3), still) == [0, 3, 6, 9]


def test_never_longer_blind_than_allowed_whatever_the_frame_rate() -> None:
    """At 7 1/s every 8th frame would be more than a second apart: somebody else could stand there by then."""
    still = [picture()] * 10
    assert looked_at(DetectorConfig(every_n=8, max_blind_s=0.45), still, fps=7) == [0, 3, 6, 9]
    assert looked_at(DetectorConfig(every_n=8, max_blind_s=0.01), still, fps=7) == list(range(10))


def test_motion_brings_the_next_look_forward_and_noise_does_not() -> None:
    config = DetectorConfig(every_n=6, motion_share=0.01)
    rng = np.random.default_rng(0)
    noisy = [(picture(100) + rng.integers(-8, 9, (240, 320, 1))).astype(np.uint8) for _ in range(12)]
    assert looked_at(config, noisy) == [0, 6]
    steps = [picture(100)] * 3 + [picture(140)] * 9
    assert looked_at(config, steps) == [0, 3, 9]
    slow = [picture(100 + k) for k in range(12)]  # what adds up since the last look counts
    assert 3 <= len(looked_at(config, slow)) <= 7


def test_pictures_of_another_size_have_changed() -> None:
    one = np.zeros((4, 4), np.uint8)
    assert changed_share(one, one) == 0
    assert changed_share(one, np.zeros((4, 5), np.uint8)) == 1
    assert changed_share(None, one) == 1


class Walk:
    """A camera of `count` frames."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *stopped: object) -> None:
        return None

    def __iter__(self) -> Iterator[Frame]:
        return (Frame("hall", k, k / FPS, picture(place(k))) for k in range(self._count))

    def report(self) -> ReadReport:
        return ReadReport("complete", self._count, 0, self._count, 1.0, 0.0, self._count / FPS, (), 0, 0, 0, 0, ())


def place(k: int) -> float:
    return 20 + 3 * k


class Counting:
    """Finds the walker, and keeps the frames it was shown."""

    def __init__(self) -> None:
        self.shown: list[int] = []
        self.calls: list[int] = []

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        self.shown += [frame.index for frame in frames]
        self.calls.append(len(frames))
        boxes = [np.array([[place(f.index), 60, place(f.index) + 40, 180]], np.float32) for f in frames]
        assert all(frame.image.shape == (240, 320, 3) for frame in frames)
        return [Detections(box, np.array([0.9], np.float32)) for box in boxes]


class Same:
    """Every crop looks alike."""

    dimension = 2

    def embed(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        return np.tile(np.array([[1, 0]], np.float32), (len(crops), 1))


def follow(config: Config, frames: int) -> tuple[Linked, Counting]:
    view, detector = Camera("hall", (Path("hall.mp4"),), SIZE_WH, FPS), Counting()
    jobs = [CameraJob(view, lambda: Walk(frames), lambda: build_tracker(config.tracker))]
    tracked = list(track_cameras(jobs, Parts(detector, Same(), config, Stopwatch())))
    return link_cameras(tracked, make_scene([view], config), config, None, 2), detector


@pytest.mark.parametrize("every_n", [1, 2, 4])
def test_who_is_seen_in_some_frames_is_in_all_between(every_n: int) -> None:
    config = Config(detector=DetectorConfig(every_n=every_n))
    linked, detector = follow(config, 61)
    (tracklet,) = linked.outcomes[0].tracklets
    assert linked.outcomes[0].frames == 61
    assert detector.shown == list(range(0, 61, every_n))
    assert set(detector.calls[:-1]) == {config.detector.batch_frames}, "batches are full although frames are left out"
    assert tracklet.frame_index.tolist() == list(range(61))
    assert np.flatnonzero(tracklet.observed).tolist() == detector.shown
    assert (tracklet.confidence[~tracklet.observed] == 0).all()
    truth = np.array([place(k) for k in range(61)])
    assert np.abs(tracklet.xyxy[5:, 0] - truth[5:]).max() < 4


def test_the_frames_after_the_last_look_hold_nobody() -> None:
    linked, _ = follow(Config(detector=DetectorConfig(every_n=4)), 60)
    (tracklet,) = linked.outcomes[0].tracklets
    assert tracklet.frame_index[-1] == 56
    assert linked.outcomes[0].frames == 60
