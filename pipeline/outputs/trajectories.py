"""trajectories.json, schema 1.0: written by streaming, read back to types (validation.py holds the JSON Schema).

Boxes are rounded to 0.01 px, times to 1 ms, probabilities and log-odds to 1e-4, the floor to 1 mm: equal inputs give
equal bytes. No number is NaN or infinite.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import UsageError
from pipeline.ground.floor import floor_positions
from pipeline.outputs.atomic import atomic_file
from pipeline.outputs.results import CameraResult
from pipeline.types import Camera, Clock, Float32, Float64, Link, Tracklet, TrackletKey, Trajectory

SCHEMA_VERSION = "1.0"


def write_trajectories(
    path: Path, cameras: Sequence[CameraResult], trajectories: Sequence[Trajectory], clock: Clock
) -> None:
    """Write the result to `path`, wholly or not at all, a tracklet at a time.

    Raises ValueError for a number that is not finite or a tracklet of a camera that is not in `cameras`, and
    ResourceError when the disk is full.
    """
    known = {result.camera.id: result for result in cameras}
    with atomic_file(path) as handle:
        for text in _chunks(cameras, trajectories, clock, known):
            handle.write(text.encode())


def _chunks(
    cameras: Sequence[CameraResult], trajectories: Sequence[Trajectory], clock: Clock, known: dict[str, CameraResult]
) -> Iterator[str]:
    """The document in pieces: one line a camera and a tracklet, so that a person and a diff can read it."""
    yield f'{{"schema_version": {_json(SCHEMA_VERSION)}, "clock": {_json(clock)},\n"cameras": ['
    for i, result in enumerate(cameras):
        yield ",\n" * bool(i) + _json(camera_entry(result))
    yield '],\n"trajectories": ['
    for i, trajectory in enumerate(trajectories):
        yield ",\n" * bool(i) + _json(_trajectory_head(trajectory))[:-1] + ',\n"tracklets": ['
        pairs = zip(trajectory.tracklets, trajectory.tracklet_confidence, strict=True)
        for j, (tracklet, confidence) in enumerate(pairs):
            if tracklet.camera_id not in known:
                raise ValueError(f"tracklet {tracklet.key} of person {trajectory.person_id}: no such camera in the run")
            yield ",\n" * bool(j) + _json(_tracklet(tracklet, confidence, known[tracklet.camera_id].camera))
        yield f'],\n"links": {_json([_link(link) for link in trajectory.links])}}}'
    yield "]}\n"


def _json(value: object) -> str:
    return json.dumps(value, allow_nan=False, separators=(", ", ": "))


def camera_entry(result: CameraResult) -> dict[str, Any]:
    """A camera as it stands in `cameras`."""
    camera = result.camera
    entry: dict[str, Any] = {
        "camera_id": camera.id,
        "source": _path_text(camera.sources[0]),
        "width": camera.size_wh[0],
        "height": camera.size_wh[1],
        "fps": _round(camera.fps, 6),
        "frames": result.frames,
        "duration_s": _round(result.duration_s, 3),
        "time_offset_s": _round(camera.time_offset_s, 3),
    }
    if len(camera.sources) > 1:
        entry["segments"] = [_path_text(source) for source in camera.sources]
    if camera.start_time is not None:
        known_zone = camera.start_time.tzinfo is not None
        start = camera.start_time.astimezone(UTC) if known_zone else camera.start_time.replace(tzinfo=UTC)
        entry["start_time"] = start.isoformat(timespec="milliseconds")
    return entry


def _path_text(path: Path) -> str:
    """A path as JSON text; bytes that are no UTF-8 are escaped, as lone surrogates are not valid in JSON."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _trajectory_head(trajectory: Trajectory) -> dict[str, Any]:
    tracklets = trajectory.tracklets
    return {
        "person_id": trajectory.person_id,
        "start_s": _round(min(tracklet.start_s for tracklet in tracklets), 3),
        "end_s": _round(max(tracklet.end_s for tracklet in tracklets), 3),
        "cameras": sorted({tracklet.camera_id for tracklet in tracklets}),
        "link_confidence": _round(trajectory.link_confidence, 4),
    }


def _tracklet(tracklet: Tracklet, confidence: float, camera: Camera) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "camera_id": tracklet.key[0],
        "track_id": tracklet.key[1],
        "start_s": _round(tracklet.start_s, 3),
        "end_s": _round(tracklet.end_s, 3),
        "link_confidence": _round(confidence, 4),
        "frame": tracklet.frame_index.tolist(),
        "time_s": _rounded(tracklet.time_s, 3).tolist(),
        "xyxy": _rounded(tracklet.xyxy, 2).tolist(),
        "confidence": _rounded(tracklet.confidence, 4).tolist(),
        "observed": tracklet.observed.tolist(),
    }
    if camera.calibration is not None:
        ground = _rounded(floor_positions(tracklet.xyxy, camera.calibration, camera.size_wh).xy, 3)
        entry["ground_xy"] = [row if np.isfinite(row).all() else None for row in ground.tolist()]
    return entry


def _link(link: Link) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "from": list(link.from_key),
        "to": list(link.to_key),
        "log_odds": _round(link.log_odds, 4),
        "runner_up": None if link.runner_up is None else _round(link.runner_up, 4),
        "evidence": {name: _round(value, 4) for name, value in sorted(link.evidence.items())},
        "people": _round(link.people, 4),
        "rivals": _round(link.rivals, 4),
    }
    if link.runner_up_key is not None:
        entry["runner_up_tracklet"] = list(link.runner_up_key)
    if link.by_user:
        entry["by_user"] = True
    return entry


def _round(value: float, digits: int) -> float:
    return round(float(value), digits) + 0.0  # -0.0 becomes 0.0


def _rounded(values: Float32 | Float64, digits: int) -> Float64:
    result: Float64 = np.asarray(np.round(np.asarray(values, np.float64), digits) + 0.0, np.float64)
    return result


# ---- JSON -> types


@dataclass(frozen=True, slots=True)
class TrajectoryFile:
    """What a trajectories.json holds, in our types (rounded as it was written, without calibration)."""

    clock: Clock
    cameras: tuple[CameraResult, ...]
    trajectories: tuple[Trajectory, ...]


def read_trajectories(path: Path) -> TrajectoryFile:
    """Read what `write_trajectories` wrote. Raises UsageError for a missing or broken file, or another version."""
    try:
        document = json.loads(path.read_bytes())
        version = document["schema_version"]
        if version != SCHEMA_VERSION:
            raise UsageError(f"{path}: schema_version {version!r}, this program reads {SCHEMA_VERSION!r}")
        return TrajectoryFile(
            document["clock"],
            tuple(_read_camera(entry) for entry in document["cameras"]),
            tuple(_read_trajectory(entry) for entry in document["trajectories"]),
        )
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}); is it a run directory's trajectories.json?"
        ) from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        what = f"{type(error).__name__}: {error}"
        raise UsageError(f"{path}: not a trajectories.json ({what[:120]}); run the tracking again") from None


def _read_camera(entry: dict[str, Any]) -> CameraResult:
    start = entry.get("start_time")
    camera = Camera(
        id=entry["camera_id"],
        sources=tuple(Path(source) for source in entry.get("segments", [entry["source"]])),
        size_wh=(entry["width"], entry["height"]),
        fps=float(entry["fps"]),
        time_offset_s=float(entry["time_offset_s"]),
        start_time=None if start is None else datetime.fromisoformat(start),
    )
    return CameraResult(camera, entry["frames"], float(entry["duration_s"]))


def _read_trajectory(entry: dict[str, Any]) -> Trajectory:
    tracklets = entry["tracklets"]
    return Trajectory(
        person_id=entry["person_id"],
        tracklets=tuple(_read_tracklet(tracklet) for tracklet in tracklets),
        link_confidence=float(entry["link_confidence"]),
        tracklet_confidence=tuple(float(tracklet["link_confidence"]) for tracklet in tracklets),
        links=tuple(_read_link(link) for link in entry["links"]),
    )


def _read_link(entry: dict[str, Any]) -> Link:
    rival = entry.get("runner_up_tracklet")
    return Link(
        from_key=_read_key(entry["from"]),
        to_key=_read_key(entry["to"]),
        log_odds=entry["log_odds"],
        runner_up=entry["runner_up"],
        evidence=entry["evidence"],
        people=entry.get("people", 0.0),
        rivals=entry.get("rivals", 0.0),
        runner_up_key=None if rival is None else _read_key(rival),
        by_user=entry.get("by_user", False),
    )


def _read_tracklet(entry: dict[str, Any]) -> Tracklet:
    return Tracklet(
        key=_read_key((entry["camera_id"], entry["track_id"])),
        frame_index=np.array(entry["frame"], np.int64),
        time_s=np.array(entry["time_s"], np.float64),
        xyxy=np.array(entry["xyxy"], np.float32),
        confidence=np.array(entry["confidence"], np.float32),
        observed=np.array(entry["observed"], np.bool_),
    )


def _read_key(key: Sequence[Any]) -> TrackletKey:
    camera_id, track_id = key
    return str(camera_id), int(track_id)
