"""Sequences of boxes with truth for tracker measurements, and how a tracker's run over one is scored."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.synthetic_motion import Frames, World, make
from pipeline.config import TrackerConfig
from pipeline.stages.camera import TrackletBuilder
from pipeline.types import Detections, Float64, Tracker, Tracklet

VISIT_GAP_S = 5.0
"""A person out of the truth for longer comes back under a new id: motion alone can't know better."""


@dataclass(frozen=True)
class Clip:
    """Boxes by frame and truth rows frame (0-based), id, x1, y1, x2, y2."""

    name: str
    group: str
    frames: Frames
    truth: Float64


def read_rows(path: Path) -> Float64:
    """MOT text to rows frame (1-based), id, x1, y1, x2, y2, confidence; truth rows flagged 0 are left out."""
    rows = [[float(v) for v in line.split(",")[:7]] for line in path.read_text().splitlines() if line.strip()]
    table = np.array([row for row in rows if path.name != "gt.txt" or row[6] != 0])
    table[:, 4:6] += table[:, 2:4]
    return table


def read_clip(
    name: str, group: str, boxes: Path, fps: float, *, every: int = 1, first: int = 0, count: int = 10**9
) -> Clip:
    """Frames `first`, `first + every`, ... of a sequence whose `gt.txt` lies beside `boxes`."""
    found, truth = read_rows(boxes), read_rows(boxes.with_name("gt.txt"))
    last = int(max(found[:, 0].max(), truth[:, 0].max()))
    numbers = np.arange(1 + first, last + 1, every)[:count]
    order = np.argsort(found[:, 0], kind="stable")
    found = found[order]
    low, high = np.searchsorted(found[:, 0], numbers), np.searchsorted(found[:, 0], numbers, side="right")
    frames = [
        ((number - 1) / fps, Detections(found[a:b, 2:6].astype(np.float32), found[a:b, 6].astype(np.float32)))
        for number, a, b in zip(numbers.tolist(), low, high, strict=True)
    ]
    truth = truth[np.isin(truth[:, 0], numbers)][:, :6]
    truth[:, 0] = np.searchsorted(numbers, truth[:, 0])
    return Clip(name, group, frames, truth)


def split_visits(clip: Clip) -> Clip:
    """The clip with a new truth id after each absence of more than VISIT_GAP_S."""
    times = np.array([time_s for time_s, _ in clip.frames])
    order = np.lexsort((clip.truth[:, 0], clip.truth[:, 1]))
    truth = clip.truth[order]
    when = times[truth[:, 0].astype(int)]
    fresh = np.concatenate([[True], (np.diff(truth[:, 1]) != 0) | (np.diff(when) > VISIT_GAP_S)])
    truth[:, 1] = np.cumsum(fresh)
    return Clip(clip.name, clip.group, clip.frames, truth)


def tuning_clips(data: Path, *, whole: bool) -> list[Clip]:
    """What parameters are chosen on: TUD, campus (per camera) and synthetic motion, each at high and low frame rate."""
    clips = []
    for name in ("TUD-Campus", "TUD-Stadtmitte"):
        for every in (1, 3):
            boxes = data / "tud" / name / "det_sort_frcnn.txt"
            clips.append(read_clip(f"{name}/{every}", "tud", boxes, 25.0, every=every))
    quarter = {"HC3": (0, 450), "HC4": (0, 300), "IP2": (0, 450), "IP5": (0, 450)}
    full = {"HC3": (200, 250), "IP2": (3600, 250), "IP5": (4000, 250)}
    for name, (first, count) in quarter.items():
        boxes = data / "campus_auditorium" / name / "det.txt"
        part = {} if whole else {"first": first, "count": count}
        clips.append(read_clip(f"{name}/4", "campus_7fps", boxes, 29.97, every=4, **part))
    for name, (first, count) in full.items():
        boxes = data / "campus_auditorium" / name / "det.txt"
        clips.append(read_clip(name, "campus_30fps", boxes, 29.97, first=first, count=700 if whole else count))
    worlds = {
        "a": ("motion_7fps", World(fps=7, people=12), 1),
        "b": (
            "motion_7fps",
            World(fps=7, people=8, posts=3, camera_height=7, tilt_deg=25, false_per_frame=0.6),
            2,
        ),
        "c": ("motion_7fps", World(fps=7, people=18, camera_height=4, jitter=0.04, dropped_frames=0.1), 5),
        "d": ("motion_25fps", World(fps=25, people=12, duration_s=40), 3),
        "e": ("motion_25fps", World(fps=30, people=16, duration_s=40, posts=3, jitter=0.04), 4),
        "f": ("motion_25fps", World(fps=12.5, people=14, dropped_frames=0.1, camera_height=3.5, tilt_deg=12), 6),
    }
    for name, (group, world, seed) in worlds.items():
        frames, truth = make(world, seed)
        count = len(frames) if whole else 350 if world.fps > 10 else 260
        clips.append(Clip(f"motion {name}", group, frames[:count], truth[truth[:, 0] < count]))
    return [split_visits(clip) for clip in clips]


def online(tracker: Tracker, frames: Frames) -> tuple[Float64, float]:
    """What the tracker says as it goes: rows frame, id, box of every matched track; and mean ms of
    processor time a call."""
    rows, spent = [], 0.0
    for index, (time_s, detections) in enumerate(frames):
        start = time.thread_time()
        tracked = tracker.update(detections, time_s)
        spent += time.thread_time() - start
        seen = tracked.detection_row >= 0
        ids = tracked.track_id[seen]
        rows.append(np.column_stack([np.full(len(ids), index), ids, tracked.xyxy[seen]]).reshape(-1, 6))
    return np.concatenate(rows), 1e3 * spent / len(frames)


def finished(tracker: Tracker, config: TrackerConfig, frames: Frames) -> tuple[Float64, Float64]:
    """Rows frame, id, box of the finished tracklets: all of them, and the observed ones alone."""
    builder = TrackletBuilder("camera", config)
    tracklets: list[Tracklet] = []
    for index, (time_s, detections) in enumerate(frames):
        tracklets += builder.add(index, time_s, tracker.update(detections, time_s), detections).tracklets
    tracklets += builder.finish().tracklets
    if not tracklets:
        return np.zeros((0, 6)), np.zeros((0, 6))
    rows = np.concatenate([np.column_stack([t.frame_index, np.full(len(t), t.key[1]), t.xyxy]) for t in tracklets])
    return rows, rows[np.concatenate([t.observed for t in tracklets])]


def perfect_ids(clip: Clip, evaluator: ModuleType) -> Float64:
    """The clip's own boxes with the truth's ids, unmatched ones left out: no tracker on them can do better unfilled."""
    rows = []
    for index, (_, detections) in enumerate(clip.frames):
        truth = clip.truth[clip.truth[:, 0] == index]
        boxes = detections.xyxy.astype(np.float64)
        similarity = evaluator.iou_matrix(_tlwh(truth[:, 2:6]), _tlwh(boxes))
        of_truth, of_box = evaluator.box_matches(similarity, 0.5)
        rows.append(np.column_stack([np.full(len(of_box), index), truth[of_truth, 1], boxes[of_box]]).reshape(-1, 6))
    return np.concatenate(rows)


def load_evaluator(path: Path) -> ModuleType:
    """`mtmc_eval.py` as a module."""
    spec = importlib.util.spec_from_file_location("mtmc_eval", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"no evaluator at {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def score(rows: Float64, truth: Float64, evaluator: ModuleType) -> dict[str, float]:
    """mota, idf1, hota, assa in 0..1, identity switches, numbers of ids."""
    predicted, wanted = ({"camera": np.column_stack([t[:, :2], _tlwh(t[:, 2:6])])} for t in (rows, truth))
    frames, true_ids, ids, _ = evaluator.build_frames(predicted, wanted, 0.5, False)
    result: dict[str, Any] = {**evaluator.identity(frames, len(true_ids), len(ids), 0.5)}
    result |= {**evaluator.clear(frames, len(true_ids), 0.5), **evaluator.hota(frames, len(true_ids), len(ids))}
    names = ("mota", "idf1", "hota", "assa", "idsw")
    return {name: float(result[name]) for name in names} | {"ids": len(ids), "true_ids": len(true_ids)}


def best_of(repeats: int, make_tracker: Callable[[], Tracker], frames: Frames) -> float:
    """Least mean ms of processor time a call over `repeats` runs: what the tracker costs, whatever else runs."""
    return min(online(make_tracker(), frames)[1] for _ in range(repeats))


def mean_quality(scores: Sequence[tuple[str, dict[str, float]]], weights: dict[str, float]) -> float:
    """Weighted mean over groups of (IDF1 + HOTA) / 2."""
    groups = {
        group: np.mean([(s["idf1"] + s["hota"]) / 2 for g, s in scores if g == group])
        for group in {g for g, _ in scores}
    }
    return float(sum(weights[g] * v for g, v in groups.items()) / sum(weights[g] for g in groups))


def _tlwh(boxes: Float64) -> Float64:
    return np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]).reshape(-1, 4)
