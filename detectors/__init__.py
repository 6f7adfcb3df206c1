"""Pedestrian detectors: frames in, person boxes out.

A detector has one method, `detect(frames) -> list[Detections]` (`pipeline.types.Detector`). To add one: a module with
a `build(config, runtime)` function, and one line in `DETECTORS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from pipeline.config import DetectorConfig, RuntimeConfig, choose
from pipeline.types import Detector

Factory = Callable[[DetectorConfig, RuntimeConfig], Detector]


def _load_when_built(module: str) -> Factory:
    """The `build` of a module that is imported when it is called: most of them pull in torch."""

    def build(config: DetectorConfig, runtime: RuntimeConfig) -> Detector:
        detector: Detector = importlib.import_module(module).build(config, runtime)
        return detector

    return build


DETECTORS: dict[str, Factory] = {
    "yolo": _load_when_built("detectors.yolo"),
    "torchvision": _load_when_built("detectors.torchvision_detector"),
    "replay": _load_when_built("detectors.replay"),
}


def build_detector(config: DetectorConfig, runtime: RuntimeConfig) -> Detector:
    """The detector that `config.name` says, ready to run. Raises UsageError for weights that are missing or refused."""
    return choose("detector", config.name, DETECTORS)(config, runtime)
