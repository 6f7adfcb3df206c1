"""The networks of a run, with what identifies them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from detectors import build_detector, yolo
from detectors.replay import ReplayDetector, box_file
from pipeline.association.prior import DistancePrior
from pipeline.config import Config
from pipeline.outputs.fingerprint import file_hash
from pipeline.types import Detector, Embedder
from pipeline.weights import load_card
from reid import build_embedder
from reid.embedder import BUNDLED_MODELS, card_of
from runtime.network import choose_device
from trackers import build_tracker

_BUNDLED = {"yolo": {"bundled": yolo.BUNDLED}, "mgn": BUNDLED_MODELS}
"""The bundled weights by what runs them, and by name."""


@dataclass(frozen=True, slots=True)
class Networks:
    """Detector and embedder; `hashes` by `weights/<name>`, of replayed boxes by `boxes/<camera>`; `descriptions`: where
    and how each runs."""

    detector: Detector
    embedder: Embedder
    distance_prior: DistancePrior | None
    hashes: dict[str, str]
    descriptions: dict[str, str]

    def hashes_of(self, camera_id: str) -> list[str]:
        """Those that a camera's results depend on: not on the boxes of others."""
        boxes = f"boxes/{camera_id}"
        return [digest for name, digest in self.hashes.items() if not name.startswith("boxes/") or name == boxes]


def build_networks(config: Config, camera_ids: Sequence[str] = ()) -> Networks:
    """Load both. Raises UsageError for weights that are missing, damaged or refused, and for boxes to be replayed
    that are missing for one of `camera_ids` or can't be read."""
    build_tracker(config.tracker)  # a wrong name is told before anything is loaded
    runtime = config.runtime.model_copy(update={"device": choose_device(config.runtime.device)})  # found and told once
    detector = build_detector(config.detector, runtime)
    if isinstance(detector, ReplayDetector):
        detector.load(camera_ids)
    embedder = build_embedder(config.embedder, runtime)
    card = card_of(config.embedder)
    prior = card.settings.get("distance_prior") if card is not None else None
    hashes = {f"weights/{name}": _hash(part, model) for name, part, model in _models(config)}
    hashes |= {f"boxes/{camera_id}": file_hash(path) for camera_id, path in _boxes(config, camera_ids)}
    described = {"detector": detector, "embedder": embedder}
    descriptions = {name: str(getattr(part, "description", type(part).__name__)) for name, part in described.items()}
    return Networks(detector, embedder, DistancePrior.from_dict(prior) if prior else None, hashes, descriptions)


def _models(config: Config) -> list[tuple[str, str, str]]:
    """Name in the report, what runs it, and the model, of every weight file."""
    detector, embedder = config.detector, config.embedder
    models = [("embedder", embedder.name, embedder.model)]
    if detector.weights is not None:
        models = [("detector-weights", detector.name, detector.weights), *models]
    return models if detector.name == "replay" else [("detector", detector.name, detector.model), *models]


def _boxes(config: Config, camera_ids: Sequence[str]) -> Iterator[tuple[str, Path]]:
    if config.detector.name == "replay" and config.detector.replay_dir is not None:
        for camera_id in camera_ids:
            path = box_file(Path(config.detector.replay_dir), camera_id)
            if path is not None:
                yield camera_id, path


def _hash(part: str, model: str) -> str:
    """Hash of a model file, or of the files of a model folder; of bundled weights that of their card, which was
    verified when they were loaded. A model known by name only (torchvision) is its name."""
    if (bundled := _BUNDLED.get(part, {}).get(model)) is not None:
        return f"sha256:{load_card(bundled).sha256}"
    path = Path(model)
    if path.is_file():
        weights = path.with_suffix(".bin")
        return " ".join(file_hash(file) for file in (path, weights) if file.is_file())
    if path.is_dir():
        return " ".join(file_hash(file) for file in sorted(path.iterdir()) if file.is_file())
    return model
