"""What a run keeps to be linked again without its videos: store/scene.json beside the cameras' checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from commands.cameras import CameraFiles
from commands.track_cameras import Header, make_cameras, make_scene
from commands.track_state import Cut, RunState
from pipeline.association.prior import DistancePrior
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.errors import UsageError
from pipeline.outputs.atomic import atomic_write
from pipeline.outputs.fingerprint import camera_hash
from pipeline.outputs.run_directory import RunDirectory
from pipeline.outputs.store import CameraCheckpoint, load_stored
from pipeline.stages.scene import CameraOutcome
from pipeline.types import Camera, Embeddings, Scene
from pipeline.video.report import ReadReport

SCHEMA_VERSION = "1.0"
COUNTS = ("crops_not_embedded", "boxes_dropped")

Tracked = list[tuple[CameraOutcome, Embeddings]]


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as it was before its tracklets were linked. `videos`: the hash of each camera's files, as tracked."""

    config: Config
    scene: Scene
    tracked: Tracked
    prior: DistancePrior | None
    dimension: int
    cut: Cut
    videos: Mapping[str, str]
    folder: Path
    """Where relative names of files were given."""

    def located(self, camera: Camera) -> Camera:
        """The camera with its videos as they are found from here: as named, else from where they were named."""
        there = [path if path.exists() else self.folder / path for path in camera.sources]
        sources = [p if p.exists() else named for p, named in zip(there, camera.sources, strict=True)]
        return replace(camera, sources=tuple(sources))


def store_scene(directory: RunDirectory, state: RunState, tracked: Sequence[CameraOutcome]) -> None:
    """Write store/scene.json: what the cameras are, which were tracked, and what is known of the embedder."""
    networks = state.networks
    if networks is None:
        raise ValueError("the networks of the run are not loaded")
    headers = {
        camera_id: {
            "size_wh": list(info.size_wh),
            "fps": info.fps,
            "start_time": None if info.start_time is None else info.start_time.isoformat(),
            "pixel_aspect": info.pixel_aspect,
        }
        for camera_id, info in state.opened.infos.items()
    }
    document = {
        "schema_version": SCHEMA_VERSION,
        "folder": str(Path.cwd()),
        "files": [[camera_id, [str(path) for path in paths]] for camera_id, paths in state.files],
        "headers": headers,
        "tracked": [outcome.camera.id for outcome in tracked],
        "cut": asdict(state.cut),
        "dimension": networks.embedder.dimension,
        "distance_prior": None if networks.distance_prior is None else networks.distance_prior.to_dict(),
    }
    text = json.dumps(document, allow_nan=False, indent=1)
    atomic_write(directory.store / "scene.json", text + "\n", 0o600)


def load_run(root: Path, overrides: Sequence[str] = (), config_file: Path | None = None) -> StoredRun:
    """The run in `root`, with settings laid over its own (those in `config_file`, if given).

    Raises UsageError where `root` holds no run, its store is missing or damaged, or a setting would have changed what
    was tracked.
    """
    path = root / "store" / "scene.json"
    if not path.is_file():
        what = "no such run directory" if not root.is_dir() else f"{path} is not there: tracked by an earlier version?"
        raise UsageError(f"{root}: {what}; run `run.py track` (anew) first")
    config = load_config(config_file or root / "config.resolved.yaml", overrides)
    try:
        document = json.loads(path.read_bytes())
        if document["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema_version {document['schema_version']!r}, this program reads {SCHEMA_VERSION!r}")
        files = _files(document)
        headers = {camera_id: _header(entry) for camera_id, entry in document["headers"].items()}
        cut = Cut(**document["cut"])
        dimension, prior = int(document["dimension"]), document["distance_prior"]
        own = DistancePrior.from_dict(prior) if prior else None
        folder = Path(document["folder"])
        cameras = {camera.id: camera for camera in make_cameras(files, headers, _located(config, folder))}
        wanted = [cameras[camera_id].id for camera_id in document["tracked"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise UsageError(f"{path}: not usable ({what}); run `run.py track` anew") from None
    tracked: Tracked = []
    videos: dict[str, str] = {}
    for camera_id in wanted:
        found = load_stored(root / "store", camera_id)
        if found is None:  # it could not be opened: it has no tracklets either
            nobody = Embeddings.join((), dimension)
            tracked.append((CameraOutcome(cameras[camera_id], (), 0, None), nobody))
            continue
        checkpoint, made_with = found
        if made_with.config != camera_hash(config, cameras[camera_id], asdict(cut)):
            said = f"--set {' --set '.join(overrides)}" if overrides else f"{root / 'config.resolved.yaml'}"
            raise UsageError(
                f"{said}: differs from how camera {camera_id} was tracked; settings of association and output can "
                "change here, for others run `run.py track` anew"
            )
        videos[camera_id] = made_with.video
        tracked.append(outcome_of(cameras[camera_id], checkpoint))
    scene = make_scene(tuple(cameras.values()), config)
    return StoredRun(config, scene, tracked, own, dimension, cut, videos, folder)


def _located(config: Config, folder: Path) -> Config:
    """The settings with files of calibration as they are found from here: as named, else from `folder`."""

    def there(name: str | None) -> str | None:
        return name if name is None or Path(name).exists() else str(folder / name)

    cameras = {
        camera_id: known.model_copy(update={"calibration": there(known.calibration)})
        for camera_id, known in config.cameras.items()
    }
    return config.model_copy(update={"calibration": there(config.calibration), "cameras": cameras})


def _files(document: Mapping[str, Any]) -> list[CameraFiles]:
    return [(str(camera_id), tuple(Path(path) for path in paths)) for camera_id, paths in document["files"]]


def _header(entry: Mapping[str, Any]) -> Header:
    width, height = entry["size_wh"]
    start = entry["start_time"]
    recorded = None if start is None else datetime.fromisoformat(start)
    return Header((width, height), float(entry["fps"]), recorded, float(entry["pixel_aspect"]))


def info_of(outcome: CameraOutcome, report: ReadReport) -> dict[str, Any]:
    """What a checkpoint holds beside tracklets and embeddings; `outcome_of` reads it."""
    return {
        "frames": outcome.frames,
        "report": asdict(report),
        **{name: getattr(outcome, name) for name in COUNTS},
    }


def outcome_of(camera: Camera, kept: CameraCheckpoint) -> tuple[CameraOutcome, Embeddings]:
    """A camera as it was when its checkpoint was written."""
    raw = dict(kept.info["report"])
    raw["gaps"] = tuple((float(a), float(b)) for a, b in raw["gaps"])
    raw["causes"] = tuple(raw["causes"])
    crops, boxes = (int(kept.info[name]) for name in COUNTS)
    outcome = CameraOutcome(camera, kept.tracklets, int(kept.info["frames"]), ReadReport(**raw), None, crops, boxes)
    return outcome, kept.embeddings
