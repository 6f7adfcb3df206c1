"""Renders a scene to a folder: videos, truth, calibration, crops; one process a camera."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np
import yaml

from commands.progress import FrameProgress
from pipeline.errors import ResourceError
from pipeline.outputs.atomic import atomic_write
from pipeline.video.writer import VideoWriter
from synthetic import truth
from synthetic.recording import Shot, record
from synthetic.scenario import Scenario, SceneCamera, build_scenario

log = logging.getLogger(__name__)

_POLL_S = 0.5
_CROP_EDGE = 0.03
"""Sigma of a crop's edges, share of the box: about what good detections miss by at IoU 0.85 to 0.9."""
_CROP_VISIBILITY = 0.6
_CROP_HEIGHT_PX = 48


@dataclass(frozen=True, slots=True)
class SceneRequest:
    """The arguments of `build_scenario`, by which every process makes the same scene."""

    seed: int
    people: int
    cameras: int
    duration_s: float
    difficulty: str
    size_wh: tuple[int, int]
    fps: float

    def build(self) -> Scenario:
        """The scene."""
        return build_scenario(
            self.seed, people=self.people, cameras=self.cameras, duration_s=self.duration_s,
            difficulty=self.difficulty, size_wh=self.size_wh, fps=self.fps,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SyntheticSet:
    """What was written: `videos` and `truth` by camera, and the settings for `--config`."""

    root: Path
    videos: dict[str, Path]
    truth: Path
    config: Path


def write_set(request: SceneRequest, root: Path, *, crops: int = 0, processes: int = 0) -> SyntheticSet:
    """Render everything into `root` (made if missing).

    crops: at most this many of each person in each camera, spread over the time; 0 = none. processes: 0 = a camera
    each, as many as there are cores. Raises UsageError for a request that makes no scene, ResourceError when a disk
    is full or a process was killed.
    """
    scenario = request.build()
    for folder in ("videos", "truth", "people", "calibration", *(["crops"] if crops else [])):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for camera in scenario.cameras:
        text = json.dumps(truth.calibration(camera), indent=1)
        atomic_write(root / "calibration" / f"{camera.id}.json", text + "\n")
    config = root / "cameras.yaml"
    atomic_write(config, yaml.safe_dump(truth.site_settings(scenario), sort_keys=False))
    atomic_write(root / "scene.json", json.dumps(truth.summary(scenario), indent=1) + "\n")
    totals = {camera.id: scenario.frames(camera) for camera in scenario.cameras}
    workers = min(processes or len(os.sched_getaffinity(0)), len(scenario.cameras))
    if workers > 1:
        _in_processes(request, root, crops, totals, workers)
    else:
        with FrameProgress("rendering", totals) as progress:
            for camera in scenario.cameras:
                _write_camera(scenario, camera, root, crops, partial(progress, camera.id))
    videos = {camera.id: root / "videos" / f"{camera.id}.mp4" for camera in scenario.cameras}
    return SyntheticSet(root, videos, root / "truth", config)


_counts: SynchronizedArray[int] | None = None


def _begin(counts: SynchronizedArray[int]) -> None:
    global _counts  # noqa: PLW0603 - the only way to hand a shared array to the processes of a pool
    _counts = counts
    cv2.setNumThreads(1)


def _render_one(request: SceneRequest, index: int, root: Path, crops: int) -> None:
    counts = _counts
    scenario = request.build()

    def tell(frames: int) -> None:
        if counts is not None:
            counts[index] = frames

    _write_camera(scenario, scenario.cameras[index], root, crops, tell)


def _in_processes(request: SceneRequest, root: Path, crops: int, totals: dict[str, int], workers: int) -> None:
    context = multiprocessing.get_context("spawn")
    counts = context.Array("l", len(totals))
    with (
        FrameProgress("rendering", totals) as progress,
        ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(counts,)) as pool,
    ):
        jobs = [pool.submit(_render_one, request, index, root, crops) for index in range(len(totals))]
        try:
            while not _all_done(jobs):
                for camera_id, done in zip(totals, counts[:], strict=True):
                    progress(camera_id, done)
            for job in jobs:
                job.result()
        except BrokenProcessPool as error:
            raise ResourceError(
                "a rendering process ended early, most likely for lack of memory; try fewer cameras or a smaller --size"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _all_done(jobs: Sequence[Future[None]]) -> bool:
    done, rest = wait(jobs, timeout=_POLL_S, return_when=FIRST_EXCEPTION)
    return not rest or any(job.exception() for job in done)


def _write_camera(scenario: Scenario, camera: SceneCamera, root: Path, crops: int, tell: Callable[[int], None]) -> None:
    """One camera's video, truth, table and crops."""
    size_wh = camera.pinhole.size_wh
    cutter = _Cropper(root / "crops", scenario, camera, crops) if crops else None
    with ExitStack() as stack:
        rows = stack.enter_context(_text(root / "truth" / f"{camera.id}.txt"))
        table = stack.enter_context(_text(root / "people" / f"{camera.id}.csv"))
        table.write(truth.TABLE_HEADER)
        video = stack.enter_context(VideoWriter(root / "videos" / f"{camera.id}.mp4", size_wh, camera.fps, threads=1))
        for shot in record(scenario, camera):
            video.write(shot.image, shot.time_s)
            rows.write(truth.mot_rows(shot.index, shot.seen, size_wh))
            table.write(truth.table_rows(shot.index, shot.seen))
            if cutter is not None:
                cutter.take(shot)
            tell(shot.index + 1)


def _text(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="\n")


class _Cropper:
    """Writes `<id>_c<camera>_<n>.jpg`, at even distances of time."""

    def __init__(self, folder: Path, scenario: Scenario, camera: SceneCamera, limit: int) -> None:
        self._folder, self._camera = folder, camera
        self._number = scenario.cameras.index(camera) + 1
        self._every = max(scenario.frames(camera) // (2 * limit), 1)
        self._left = dict.fromkeys(range(len(scenario.looks)), limit)
        self._next: dict[int, int] = {}
        self._rng = np.random.default_rng(camera.seed + 1)

    def take(self, shot: Shot) -> None:
        size_wh = self._camera.pinhole.size_wh
        for seen in shot.seen:
            due = shot.index >= self._next.get(seen.person, 0) and self._left[seen.person] > 0
            tall = seen.visible[3] - seen.visible[1] >= _CROP_HEIGHT_PX
            if due and tall and seen.visibility >= _CROP_VISIBILITY:
                image = truth.crop(shot.image, seen, size_wh, self._rng.normal(0, _CROP_EDGE, 4))
                name = f"{seen.person + 1:04d}_c{self._number}_{shot.index:06d}.jpg"
                _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])
                (self._folder / name).write_bytes(data.tobytes())
                self._left[seen.person] -= 1
                self._next[seen.person] = shot.index + self._every
