"""Numbers that must not be: through the real stages, from what a detector or embedder may give to valid JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pytest

from commands.track_cameras import make_scene
from pipeline.config import Config
from pipeline.outputs.mot import write_mot, write_tracklets
from pipeline.outputs.results import CameraResult
from pipeline.outputs.trajectories import write_trajectories
from pipeline.outputs.validation import validate
from pipeline.stages.camera_run import CameraJob
from pipeline.stages.linking import Linked, link_cameras
from pipeline.stages.scene import Parts, track_cameras
from pipeline.stages.timing import Stopwatch
from pipeline.types import Camera, Detections, Float32, Frame, UInt8
from pipeline.video.report import ReadReport
from trackers import build_tracker

SIZE_WH = (320, 240)
FPS = 10.0

Boxes = Callable[[str, int], np.ndarray]


class Pictures:
    """Frames without a file."""

    def __init__(self, camera_id: str, count: int, size_wh: tuple[int, int] = SIZE_WH) -> None:
        self._frames = iter(
            Frame(camera_id, k, k / FPS, np.full((size_wh[1], size_wh[0], 3), 90, np.uint8)) for k in range(count)
        )
        self._count = count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *stopped: object) -> None:
        return None

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def report(self) -> ReadReport:
        return ReadReport("complete", self._count, 0, self._count, 1.0, 0.0, self._count / FPS, (), 0, 0, 0, 0, ())


class Given:
    """A detector that gives what the test says."""

    def __init__(self, boxes: Boxes, confidence: float = 0.9) -> None:
        self._boxes, self._confidence = boxes, confidence

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        found = [np.asarray(self._boxes(frame.camera_id, frame.index), np.float32).reshape(-1, 4) for frame in frames]
        return [Detections(xyxy, np.full(len(xyxy), self._confidence, np.float32)) for xyxy in found]


class Rows:
    """An embedder that gives what the test says for the k-th crop of all."""

    dimension = 4

    def __init__(self, row: Callable[[int], Sequence[float]] = lambda k: (1.0, 0.0, 0.0, 0.0)) -> None:
        self._row, self.count = row, 0

    def embed(self, crops: Sequence[UInt8]) -> Float32:
        rows = [self._row(self.count + k) for k in range(len(crops))]
        self.count += len(crops)
        return np.array(rows, np.float32).reshape(len(rows), self.dimension)


def follow(
    boxes: Boxes,
    frames: int = 30,
    cameras: Sequence[str] = ("hall",),
    embedder: Rows | None = None,
    size_wh: tuple[int, int] = SIZE_WH,
) -> Linked:
    """The stages of a run, from detections to people."""
    config, embedder = Config(), embedder or Rows()
    views = [Camera(camera_id, (Path(f"{camera_id}.mp4"),), size_wh, FPS) for camera_id in cameras]
    jobs = [
        CameraJob(view, lambda view=view: Pictures(view.id, frames, size_wh), lambda: build_tracker(config.tracker))
        for view in views
    ]
    tracked = list(track_cameras(jobs, Parts(Given(boxes), embedder, config, Stopwatch())))
    return link_cameras(tracked, make_scene(views, config), config, None, embedder.dimension)


def written(linked: Linked, folder: Path) -> dict[str, object]:
    """trajectories.json as any JSON reader sees it, valid; MOT text beside it without a NaN."""
    results = [CameraResult(outcome.camera, outcome.frames, 3.0) for outcome in linked.outcomes]
    write_trajectories(folder / "trajectories.json", results, linked.result.trajectories, "unknown")

    def refuse(constant: str) -> float:
        raise ValueError(f"{constant} is no JSON")

    document: dict[str, object] = json.loads((folder / "trajectories.json").read_text(), parse_constant=refuse)
    validate(document)
    for outcome in linked.outcomes:
        write_mot(folder / "mot.txt", outcome.camera.id, linked.result.trajectories)
        write_tracklets(folder / "tracklets.txt", outcome.camera.id, outcome.tracklets)
        for name in ("mot.txt", "tracklets.txt"):
            values = [float(v) for line in (folder / name).read_text().splitlines() for v in line.split(",")]
            assert np.isfinite(values).all()
    json.dumps(linked.result.report.to_dict(), allow_nan=False)
    return document


def walker(left: float = 20.0) -> Callable[[int], list[float]]:
    return lambda k: [left + 3 * k, 60, left + 40 + 3 * k, 180]


def test_boxes_that_are_no_boxes_beside_a_person(tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    bad = [[nan] * 4, [0, 0, inf, 50], [-inf, 0, 10, 10], [50, 50, 50, 90], [90, 90, 20, 20], [0, 0, 1e30, 1e30],
           [-900, -900, -800, -700], [5000, 5000, 5040, 5120], [10, 10, 10.2, 10.4]]  # fmt: skip
    linked = follow(lambda camera, k: np.array([*bad, walker()(k)]))
    document = written(linked, tmp_path)
    lengths = [len(tracklet) for tracklet in linked.outcomes[0].tracklets if 60 <= tracklet.xyxy[0, 1] <= 61]
    assert lengths == [30], "the person beside them is followed from the first frame to the last"
    assert document["trajectories"]


def test_nobody_at_all(tmp_path: Path) -> None:
    document = written(follow(lambda camera, k: np.zeros((0, 4)), cameras=("hall", "yard")), tmp_path)
    assert document["trajectories"] == []


def test_nobody_for_long_and_then_a_crowd(tmp_path: Path) -> None:
    grid = np.array([[10 + 60 * x, 5 + 115 * y, 50 + 60 * x, 110 + 115 * y] for x in range(5) for y in range(2)])
    linked = follow(lambda camera, k: grid + 0.5 * (k - 200) if k >= 200 else np.zeros((0, 4)), frames=230)
    assert sorted(person.person_id for person in linked.result.trajectories) == list(range(1, 11))
    written(linked, tmp_path)


def test_a_video_of_one_frame_and_of_none(tmp_path: Path) -> None:
    assert len(follow(lambda camera, k: np.array([walker()(0)]), frames=1).result.trajectories) == 1
    assert written(follow(lambda camera, k: np.array([walker()(0)]), frames=0), tmp_path)["trajectories"] == []


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_embeddings_that_are_not_finite_are_dropped_and_counted(tmp_path: Path, bad: float) -> None:
    """Every second crop gives no vector; the tracklets are there, and the count is."""
    embedder = Rows(lambda k: (bad, 1.0, 0.0, 0.0) if k % 2 else (0.0, 1.0, 0.0, 0.0))
    linked = follow(lambda camera, k: np.array([walker()(k)]), cameras=("hall", "yard"), embedder=embedder)
    assert sum(outcome.crops_not_embedded for outcome in linked.outcomes) == embedder.count // 2 > 0
    written(linked, tmp_path)
    none = follow(lambda camera, k: np.array([walker()(k)]), embedder=Rows(lambda k: (bad,) * 4))
    assert len(none.result.trajectories) == 1, "a person of whom no crop gives a vector is still one"
    written(none, tmp_path)


def test_everybody_looks_alike_in_three_cameras(tmp_path: Path) -> None:
    """A black video, or uniforms: everybody looks the same, yet two who are seen at once in one camera are two."""
    seven = [walker(10.0 + 44 * person) for person in range(7)]
    linked = follow(lambda camera, k: np.array([person(0) for person in seven]), cameras=("hall", "yard", "door"))
    document = written(linked, tmp_path)
    for person in linked.result.trajectories:
        cameras = [tracklet.camera_id for tracklet in person.tracklets]
        assert len(cameras) == len(set(cameras)), "no one is in one camera twice at the same time"
    assert len(linked.result.trajectories) >= 7
    assert document["trajectories"]


def test_five_hundred_people_in_a_frame(tmp_path: Path) -> None:
    """Bounded time, all of them kept: tracking, crops' qualities and association over two cameras."""
    grid = np.array([[70 * x, 130 * y, 70 * x + 40, 130 * y + 110] for x in range(25) for y in range(20)], np.float64)
    started = time.monotonic()
    linked = follow(lambda camera, k: grid + k, frames=12, size_wh=(1800, 2700), embedder=Rows(_turned))
    assert time.monotonic() - started < 60
    assert len(linked.outcomes[0].tracklets) == 500
    assert {len(tracklet) for tracklet in linked.outcomes[0].tracklets} == {12}
    written(linked, tmp_path)


def _turned(k: int) -> tuple[float, float, float, float]:
    row = np.random.default_rng(k).normal(size=4)
    row /= np.linalg.norm(row)
    return tuple(float(value) for value in row)  # type: ignore[return-value]


def test_a_hundred_cameras_are_open_four_at_a_time() -> None:
    """Memory is bounded by `video.cameras_at_once`, not by the cameras; each comes out whole."""
    config, open_now, most = Config(), 0, 0

    class Counted(Pictures):
        def __enter__(self) -> Self:
            nonlocal open_now, most
            open_now += 1
            most = max(most, open_now)
            return self

        def __exit__(self, *stopped: object) -> None:
            nonlocal open_now
            open_now -= 1

    views = [Camera(f"cam{k}", (Path(f"{k}.mp4"),), SIZE_WH, FPS) for k in range(100)]
    jobs = [
        CameraJob(
            view, lambda view=view: Counted(view.id, 8 + int(view.id[3:]) % 5), lambda: build_tracker(config.tracker)
        )
        for view in views
    ]
    parts = Parts(Given(lambda camera, k: np.array([walker()(k)])), Rows(), config, Stopwatch())
    outcomes = [outcome for outcome, _ in track_cameras(jobs, parts)]
    assert (most, open_now) == (config.video.cameras_at_once, 0)
    assert {outcome.camera.id: outcome.frames for outcome in outcomes} == {f"cam{k}": 8 + k % 5 for k in range(100)}
    assert {len(outcome.tracklets) for outcome in outcomes} == {1}
