"""The networks of a run, with what identifies them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detectors import build_detector
from detectors.replay import ReplayDetector
from pipeline.association.prior import DistancePrior
from pipeline.config import Config
from pipeline.outputs.fingerprint import file_hash
from pipeline.types import Detector, Embedder
from reid import build_embedder
from reid.embedder import card_of
from trackers import build_tracker


@dataclass(frozen=True, slots=True)
class Networks:
    """Detector and embedder; `hashes` by `weights/<name>`; `descriptions`: where and how each runs."""

    detector: Detector
    embedder: Embedder
    distance_prior: DistancePrior | None
    hashes: dict[str, str]
    descriptions: dict[str, str]


def build_networks(config: Config, camera_ids: Sequence[str] = ()) -> Networks:
    """Load both. Raises UsageError for weights that are missing, damaged or refused, and for boxes to be replayed
    that are missing for one of `camera_ids` or can't be read."""
    build_tracker(config.tracker)  # a wrong name is told before anything is loaded
    detector = build_detector(config.detector, config.runtime)
    if isinstance(detector, ReplayDetector):
        detector.load(camera_ids)
    embedder = build_embedder(config.embedder, config.runtime)
    card = card_of(config.embedder)
    prior = card.settings.get("distance_prior") if card is not None else None
    hashes = {f"weights/{name}": _hash(model) for name, model in _models(config)}
    described = {"detector": detector, "embedder": embedder}
    descriptions = {name: str(getattr(part, "description", type(part).__name__)) for name, part in described.items()}
    return Networks(detector, embedder, DistancePrior.from_dict(prior) if prior else None, hashes, descriptions)


def _models(config: Config) -> list[tuple[str, str]]:
    models = [("embedder", config.embedder.model)]
    if config.detector.name == "replay":
        return models
    return [("detector", config.detector.model), *models]


def _hash(model: str) -> str:
    """Hash of a model file, or of the files of a model folder; a bundled model is known by the program's version."""
    path = Path(model)
    if path.is_file():
        weights = path.with_suffix(".bin")
        return " ".join(file_hash(file) for file in (path, weights) if file.is_file())
    if path.is_dir():
        return " ".join(file_hash(file) for file in sorted(path.iterdir()) if file.is_file())
    return model
