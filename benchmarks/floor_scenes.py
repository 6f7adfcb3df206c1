"""Several cameras' boxes over one floor, with calibration and truth, without a picture: to measure places and clocks.

Synthetic: the world of `synthetic/`, its people as boxes drawn through its cameras, or through many around one room,
with a detector's noise (nothing is rendered). PETS: seven views of S2.L1 with their published calibration. Campus: four
views without a calibration.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from detectors.replay import read_mot as read_boxes
from evaluation.mot_text import MotRows, read_mot
from pipeline.config import Config, TrackerConfig
from pipeline.ground.calibration_file import CalibrationEntry, calibrate
from pipeline.stages.camera import TrackletBuilder
from pipeline.stages.scene import CameraOutcome
from pipeline.types import Calibration, Camera, Detections, Embeddings, Float64, Tracklet
from synthetic.camera import PinholeCamera
from synthetic.scenario import Scenario, SceneCamera, build_scenario
from trackers import build_tracker

Frames = list[tuple[float, Detections]]
PETS_FPS = 7.0
CAMPUS_FPS = 29.97
PETS_SIZES = {"View_001": (768, 576), "View_003": (768, 576), "View_004": (768, 576)}
"""The others are 720x576."""
_FOOT_NOISE = 0.04
_MISSED = 0.08
_TURNED_DEG = 0.4
"""One sigma about each axis by which the calibration of one of many views is wrong: some .2 m at 10 m."""


@dataclass(frozen=True)
class FloorScene:
    """Cameras with their boxes by frame (times of the camera's own file), truth by camera (frames from 1)."""

    name: str
    cameras: tuple[Camera, ...]
    frames: dict[str, Frames]
    truth: dict[str, MotRows]
    partial: bool
    start_s: dict[str, float]
    """When each camera's file began, on the clock that they share: what alignment has to find."""


def synthetic_scene(seed: int, difficulty: str, *, people: int, cameras: int, seconds: float) -> FloorScene:
    """A scene of the synthetic world; who stands behind somebody else is missed."""
    scenario = build_scenario(
        seed, people=people, cameras=cameras, duration_s=seconds, difficulty=difficulty, size_wh=(960, 540), fps=10.0
    )
    calibrations = {camera.id: camera.pinhole.image_to_ground for camera in scenario.cameras}
    return _scene(f"synthetic {difficulty} {seed}", scenario, calibrations)


def synthetic_views(seed: int, difficulty: str, *, people: int, views: int, seconds: float) -> FloorScene:
    """One room of the synthetic world, seen from all around by `views` cameras that are calibrated a little wrong."""
    scenario = build_scenario(
        seed, people=people, cameras=1, duration_s=seconds, difficulty=difficulty, size_wh=(960, 540), fps=10.0
    )
    (first,), rng = scenario.cameras, np.random.default_rng((seed, views))
    low, high = (np.array(corner) for corner in scenario.floor.rooms[first.room].inside(0.25))
    middle, half = (low + high) / 2, (high - low) / 2
    cameras, calibrations = [], {}
    for number in range(views):
        turn = 2 * np.pi * (number + rng.uniform(0, 0.5)) / views
        way = np.array([np.cos(turn), np.sin(turn)])
        x, y = (middle + way * (half / np.maximum(np.abs(way), 1e-9)).min()).tolist()
        at = (float(middle[0]), float(middle[1]), 0.75)
        pinhole = PinholeCamera.looking((x, y, float(rng.uniform(2.85, 3.05))), at, (960, 540), 75.0)
        camera = replace(first, id=f"cam{number + 1}", pinhole=pinhole)
        error = Rotation.from_rotvec(rng.normal(0, np.radians(_TURNED_DEG), 3)).as_matrix()
        turned = replace(pinhole, R=error @ pinhole.R, t=error @ pinhole.t)
        cameras.append(camera)
        calibrations[camera.id] = turned.image_to_ground
    name = f"synthetic {difficulty} {seed}, {views} views"
    return _scene(name, replace(scenario, cameras=tuple(cameras)), calibrations)


def _scene(name: str, scenario: Scenario, calibrations: Mapping[str, Float64]) -> FloorScene:
    frames, truth = {}, {}
    for number, camera in enumerate(scenario.cameras):
        frames[camera.id], truth[camera.id] = _boxes(scenario, camera, np.random.default_rng((scenario.seed, number)))
    known = tuple(
        Camera(c.id, (Path(c.id),), c.pinhole.size_wh, c.fps, calibration=Calibration(calibrations[c.id]))
        for c in scenario.cameras
    )
    starts = {camera.id: camera.start_s for camera in scenario.cameras}
    return FloorScene(name, known, frames, truth, False, starts)


def _boxes(scenario: Scenario, camera: SceneCamera, rng: np.random.Generator) -> tuple[Frames, MotRows]:
    size = np.array([*camera.pinhole.size_wh] * 2, np.float64)
    room = scenario.floor.rooms[camera.room]
    (x0, y0), (x1, y1) = room.low, room.high
    frames: Frames = []
    rows: list[list[float]] = []
    for index in range(scenario.frames(camera)):
        time_s = index / camera.fps
        boxes = []
        for person, stance in scenario.motion.at(camera.start_s + time_s):
            if not (x0 <= stance.x <= x1 and y0 <= stance.y <= y1):
                continue
            box = _project(camera, stance.x, stance.y, scenario.looks[person].height)
            if box is not None:
                boxes.append(
                    (
                        float(np.hypot(stance.x - camera.pinhole.centre[0], stance.y - camera.pinhole.centre[1])),
                        person,
                        box,
                    )
                )
        boxes.sort(key=lambda entry: entry[0])
        found: list[Float64] = []
        nearer: list[Float64] = []
        for _, person, box in boxes:
            cut = np.clip(box, 0, size)
            if (cut[2] - cut[0]) * (cut[3] - cut[1]) < 0.5 * (box[2] - box[0]) * (box[3] - box[1]):
                continue
            hidden = max((_covered(cut, other) for other in nearer), default=0.0)
            nearer.append(cut)
            if hidden > 0.6:
                continue
            rows.append([index + 1, person + 1, cut[0], cut[1], cut[2] - cut[0], cut[3] - cut[1]])
            if rng.random() < _MISSED:
                continue
            height = box[3] - box[1]
            found.append(np.clip(box + rng.normal(0, _FOOT_NOISE * height, 4) * (0.6, 0.6, 0.6, 1.0), 0, size))
        frames.append(
            (time_s, Detections(np.array(found, np.float32).reshape(-1, 4), np.full(len(found), 0.9, np.float32)))
        )
    return frames, MotRows.of(np.array(rows).reshape(-1, 6))


def _project(camera: SceneCamera, x: float, y: float, height: float) -> Float64 | None:
    """The box of an upright cylinder of 0.25 m radius; None behind the camera."""
    angle = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    ring = np.column_stack([x + 0.25 * np.cos(angle), y + 0.25 * np.sin(angle)])
    points = np.concatenate([np.column_stack([ring, np.full(8, z)]) for z in (0.0, height)])
    pixels, depth = camera.pinhole.project(points)
    if depth.min() < 0.3:
        return None
    middle, _ = camera.pinhole.project(np.array([[x, y, 0.0]]))
    box: Float64 = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
    box[3] = max(float(middle[0, 1]), box[3] - 0.5 * (box[3] - float(middle[0, 1])))  # shoes, not the cylinder's rim
    return box


def _covered(box: Float64, other: Float64) -> float:
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    return float(max(width, 0.0) * max(height, 0.0) / max((box[2] - box[0]) * (box[3] - box[1]), 1.0))


def pets_scene(folder: Path) -> FloorScene:
    """`pets09_s2l1/multiview`: boxes `det/`, truth `gt/` (partial), `calibration.json` in mm; frames in step."""
    raw = json.loads((folder / "calibration.json").read_text())
    cameras, frames, truth = [], {}, {}
    for name in sorted(raw):
        entry = {("distortion" if key == "dist" else key): value for key, value in raw[name].items()} | {"unit": "mm"}
        size = PETS_SIZES.get(name, (720, 576))
        known = calibrate(CalibrationEntry.model_validate_json(json.dumps(entry)), name)
        cameras.append(Camera(name, (Path(name),), size, PETS_FPS, calibration=known.calibration))
        found = read_boxes(folder / "det" / f"{name}.txt")
        nobody = Detections.empty()
        frames[name] = [(n / PETS_FPS, Detections(*found[n]) if n in found else nobody) for n in range(max(found) + 1)]
        truth[name] = read_mot(folder / "gt" / f"{name}.txt")
    return FloorScene("PETS S2.L1, 7 views", tuple(cameras), frames, truth, True, dict.fromkeys(sorted(raw), 0.0))


def campus_scene(folder: Path) -> FloorScene:
    """`campus_auditorium`: boxes and truth of four views in step; nothing is known of the cameras."""
    cameras, frames, truth = [], {}, {}
    for name in ("HC3", "HC4", "IP2", "IP5"):
        cameras.append(Camera(name, (Path(name),), (1920, 1080), CAMPUS_FPS))
        truth[name] = read_mot(folder / name / "gt.txt", truth=True)
        found = read_boxes(folder / name / "det.txt")
        nobody, last = Detections.empty(), int(truth[name].frame.max())
        frames[name] = [(n / CAMPUS_FPS, Detections(*found[n]) if n in found else nobody) for n in range(last)]
    return FloorScene("campus, 4 views", tuple(cameras), frames, truth, False, {c.id: 0.0 for c in cameras})


def track(scene: FloorScene, config: Config, offsets_s: dict[str, float]) -> list[tuple[CameraOutcome, Embeddings]]:
    """Every camera through the product's tracker, its times moved by `offsets_s`, with no embedding at all."""
    done = []
    for camera in scene.cameras:
        tracker, builder = build_tracker(config.tracker), TrackletBuilder(camera.id, config.tracker)
        tracklets: list[Tracklet] = []
        for index, (time_s, detections) in enumerate(scene.frames[camera.id]):
            now = time_s + offsets_s[camera.id]
            tracklets += builder.add(index, now, tracker.update(detections, now), detections).tracklets
        tracklets += builder.finish().tracklets
        outcome = CameraOutcome(camera, tuple(tracklets), len(scene.frames[camera.id]), None)
        done.append((outcome, Embeddings.join([], 4)))
    return done


def settings(tracker: TrackerConfig | None = None) -> Config:
    """The defaults."""
    return Config(tracker=tracker or TrackerConfig())
