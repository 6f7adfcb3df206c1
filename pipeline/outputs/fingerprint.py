"""Hashes that tell whether a checkpoint was made with what the run is given now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.config import Config
from pipeline.types import Camera
from pipeline.weights import sha256_of

_WHOLE_BYTES = 1 << 28
"""Files up to 256 MiB are hashed whole, of larger ones samples, so that starting on a day of video takes no minutes."""
_SAMPLES, _SAMPLE_BYTES = 16, 1 << 20


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Hex digests of what a camera's tracklets and embeddings depend on."""

    config: str
    video: str
    weights: str

    def difference(self, other: Fingerprint) -> str | None:
        """Which of `configuration`, `video`, `weights` differ, in words; None when all are equal."""
        pairs = (
            ("configuration", self.config, other.config),
            ("video", self.video, other.video),
            ("weights", self.weights, other.weights),
        )
        changed = [name for name, ours, theirs in pairs if ours != theirs]
        return " and ".join(changed) or None


def config_hash(config: Config) -> str:
    """SHA-256 of every setting but what is only written or drawn (`output`)."""
    return _digest(config.model_dump(mode="json", exclude={"output"}))


def camera_hash(config: Config, camera: Camera, cut: Mapping[str, object]) -> str:
    """SHA-256 of what a camera's tracklets and embeddings depend on beside video and weights: `cut` is the part of
    the recording. Not on association, nor on other cameras, nor on how many are done at once."""
    parts = {"detector", "tracker", "crops", "embedder"}
    settings = config.model_dump(mode="json", include=parts)
    for part, name in (("detector", "batch_frames"), ("embedder", "batch_crops")):
        settings[part].pop(name)
    own = {"region": asdict(camera.region), "time_offset_s": camera.time_offset_s, "cut": dict(cut)}
    settings["video"] = {"deinterlace": config.video.deinterlace}
    return _digest({"settings": settings, "precision": config.runtime.precision, "camera": own})


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def video_hash(sources: Sequence[Path]) -> str:
    """SHA-256 over the files of a camera in order."""
    return hashlib.sha256("\n".join(file_hash(source) for source in sources).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """`sha256:<hex>` of a file, or, above 256 MiB, `sampled:<hex>` of its size and 16 blocks spread over it."""
    size = path.stat().st_size
    if size <= _WHOLE_BYTES:
        return f"sha256:{sha256_of(path)}"
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as handle:
        for sample in range(_SAMPLES):
            handle.seek((size - _SAMPLE_BYTES) * sample // (_SAMPLES - 1))
            digest.update(handle.read(_SAMPLE_BYTES))
    return f"sampled:{digest.hexdigest()}"


def weights_hash(hashes: Sequence[str]) -> str:
    """SHA-256 over the digests of all weight files of a run, in order."""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()
