"""store/<camera>.safetensors: a finished camera's tracklets and crop embeddings, for `--resume` and later commands.

`<camera>.partial` is the same of a camera of which not all could be read: later commands use it, `--resume` does not.
No pixels; readable by the owner only; whole or not there. What is read back is checked by a digest.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pipeline.errors import UsageError
from pipeline.outputs.atomic import atomic_write
from pipeline.outputs.fingerprint import Fingerprint
from pipeline.outputs.journal import SUFFIX as JOURNAL
from pipeline.outputs.run_directory import CAMERA_ID, camera_file
from pipeline.types import Embeddings, Tracklet

log = logging.getLogger(__name__)

SCHEMA_VERSION = "1.0"
_SUFFIX = ".safetensors"
_PARTIAL = ".partial"
_BOXES = ("frame_index", "time_s", "xyxy", "confidence", "observed")

Arrays = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, slots=True)
class CameraCheckpoint:
    """A camera whose reading, tracking and embedding are done."""

    camera_id: str
    tracklets: tuple[Tracklet, ...]
    embeddings: Embeddings
    info: Mapping[str, Any] = field(default_factory=dict)
    """JSON data of the caller, e.g. frames and the reader's account."""


def save_camera(store: Path, checkpoint: CameraCheckpoint, fingerprint: Fingerprint, *, partial: bool = False) -> None:
    """Write the checkpoint of one camera. `partial`: not all of it could be read, `--resume` is to try again.

    Raises ValueError for a tracklet or embedding of another camera, and ResourceError when the disk is full.
    """
    keys = {tracklet.key for tracklet in checkpoint.tracklets} | set(checkpoint.embeddings.keys)
    if stray := next((key for key in keys if key[0] != checkpoint.camera_id), None):
        raise ValueError(f"checkpoint of camera {checkpoint.camera_id}: tracklet {stray} is of another camera")
    arrays = _arrays(checkpoint)
    head = {
        "schema_version": SCHEMA_VERSION,
        "camera_id": checkpoint.camera_id,
        "fingerprint": asdict(fingerprint),
        "info": dict(checkpoint.info),
    }
    text = json.dumps(head, sort_keys=True, allow_nan=False)
    # One key: safetensors writes several in an order that changes from run to run.
    data = save(arrays, {"passerby": json.dumps({"digest": _digest(arrays, text), "head": text})})
    atomic_write(camera_file(store, checkpoint.camera_id, _PARTIAL if partial else _SUFFIX), data, 0o600)
    if not partial:
        camera_file(store, checkpoint.camera_id, _PARTIAL).unlink(missing_ok=True)


def load_camera(store: Path, camera_id: str, fingerprint: Fingerprint | None = None) -> CameraCheckpoint | None:
    """The checkpoint of a camera; None when there is none, or when it is damaged (told in the log: compute it anew).

    Raises UsageError when it was made with another configuration, video or weights than `fingerprint` says.
    """
    path = camera_file(store, camera_id, _SUFFIX)
    try:
        found = _load(path, camera_id)
    except UsageError as error:
        log.warning("%s; the camera is done anew", error)
        return None
    if found is None:
        return None
    checkpoint, made_with = found
    if fingerprint is not None and (changed := made_with.difference(fingerprint)):
        raise UsageError(
            f"{path}: made with another {changed}; --resume wants the same: restore it, or start anew with --overwrite"
        )
    return checkpoint


def load_stored(store: Path, camera_id: str) -> tuple[CameraCheckpoint, Fingerprint] | None:
    """The checkpoint of a camera, whole or partial, and what it was made with; None when there is none.

    Raises UsageError when it is damaged.
    """
    whole = _load(camera_file(store, camera_id, _SUFFIX), camera_id)
    return whole or _load(camera_file(store, camera_id, _PARTIAL), camera_id)


def _load(path: Path, camera_id: str) -> tuple[CameraCheckpoint, Fingerprint] | None:
    if not path.exists():
        return None
    try:
        head, arrays = _read(path)
        if head["camera_id"] != camera_id:
            raise ValueError(f"is of camera {head['camera_id']!r}")
        return _checkpoint(head, arrays), Fingerprint(**head["fingerprint"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"camera {camera_id}: checkpoint {path} is not usable ({error})") from None


def stored_cameras(store: Path) -> list[str]:
    """Ids of the cameras that have a checkpoint, sorted."""
    ids = (path.name.removesuffix(_SUFFIX) for path in store.glob(f"*{_SUFFIX}"))
    return sorted(camera_id for camera_id in ids if CAMERA_ID.fullmatch(camera_id))


def left_over(store: Path, camera_ids: Collection[str]) -> list[str]:
    """Names of the files in `store` that are of a camera which is none of `camera_ids`, sorted."""
    kinds = (_SUFFIX, _PARTIAL, JOURNAL)
    found = [path for path in store.iterdir() if path.suffix in kinds and CAMERA_ID.fullmatch(path.stem)]
    return sorted(path.name for path in found if path.stem not in camera_ids)


def _arrays(checkpoint: CameraCheckpoint) -> Arrays:
    tracklets, embeddings = checkpoint.tracklets, checkpoint.embeddings
    empty = {"frame_index": (0,), "time_s": (0,), "xyxy": (0, 4), "confidence": (0,), "observed": (0,)}
    kinds = {"frame_index": np.int64, "time_s": np.float64, "observed": np.bool_}
    arrays: Arrays = {
        f"box.{name}": np.concatenate([getattr(tracklet, name) for tracklet in tracklets])
        if tracklets
        else np.zeros(empty[name], kinds.get(name, np.float32))
        for name in _BOXES
    }
    arrays["tracklet.track_id"] = np.array([tracklet.key[1] for tracklet in tracklets], np.int64)
    arrays["tracklet.length"] = np.array([len(tracklet) for tracklet in tracklets], np.int64)
    arrays["crop.track_id"] = np.array([key[1] for key in embeddings.keys], np.int64)
    arrays["crop.frame_index"] = np.ascontiguousarray(embeddings.frame_index)
    arrays["crop.vector"] = np.ascontiguousarray(embeddings.vector)
    arrays["crop.quality"] = np.ascontiguousarray(embeddings.quality)
    return arrays


def _checkpoint(head: Mapping[str, Any], arrays: Arrays) -> CameraCheckpoint:
    camera_id = head["camera_id"]
    ends = np.cumsum(arrays["tracklet.length"])
    if len(arrays["box.frame_index"]) != (ends[-1] if len(ends) else 0):
        raise ValueError("tracklet lengths do not add up")
    columns = [np.split(arrays[f"box.{name}"], ends[:-1]) for name in _BOXES]
    tracklets = tuple(
        Tracklet((camera_id, int(track_id)), *(column[i] for column in columns))
        for i, track_id in enumerate(arrays["tracklet.track_id"])
    )
    embeddings = Embeddings(
        tuple((camera_id, int(track_id)) for track_id in arrays["crop.track_id"]),
        arrays["crop.frame_index"],
        arrays["crop.vector"],
        arrays["crop.quality"],
    )
    return CameraCheckpoint(camera_id, tracklets, embeddings, head["info"])


def _read(path: Path) -> tuple[dict[str, Any], Arrays]:
    with safe_open(path, framework="np") as file:
        outer = json.loads((file.metadata() or {})["passerby"])
        arrays: Arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    head: dict[str, Any] = json.loads(outer["head"])
    if head["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema_version {head['schema_version']!r}, this program reads {SCHEMA_VERSION!r}")
    if outer["digest"] != _digest(arrays, outer["head"]):
        raise ValueError("its digest does not fit")
    return head, arrays


def _digest(arrays: Arrays, head: str) -> str:
    digest = hashlib.sha256(head.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
