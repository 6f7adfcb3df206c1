"""Whether the model files that the settings name are there: asked before any video is opened, without loading any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from detectors.download import refuse_missing
from pipeline.config import Config
from pipeline.errors import UsageError
from reid.embedder import weights_of


def refuse_missing_models(config: Config) -> None:
    """Raise UsageError for the first model file or folder of boxes that is named and not there."""
    if config.detector.name == "yolo" and config.detector.model != "bundled":
        refuse_missing(config.detector.model, offline=config.runtime.offline)
    for key, path, remedy in _named(config):
        if not Path(path).exists():
            raise UsageError(f"{key} {path}: no such file; {remedy}")


def _named(config: Config) -> Iterator[tuple[str, str, str]]:
    """Setting, path, and what it could be instead."""
    detector, embedder = config.detector, config.embedder
    if detector.name == "replay" and detector.replay_dir is not None:
        yield "detector.replay_dir", detector.replay_dir, "give a folder of <camera>.txt or <camera>/det.txt"
    if detector.weights is not None:
        yield "detector.weights", detector.weights, "nothing is downloaded here, copy it there"
    if embedder.name in ("mgn", "openvino", "onnx"):
        yield "embedder.model", str(weights_of(embedder)), "give a path to .safetensors, .onnx or .xml, or `bundled`"
