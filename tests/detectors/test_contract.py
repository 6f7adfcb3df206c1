"""Every detector in DETECTORS: the same promises, whatever the frames."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from detectors import DETECTORS, build_detector
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.types import Detector, Frame

ROOT = Path(__file__).parents[2]
CPU = RuntimeConfig(device="cpu")
SIZES = [(64, 48), (1, 1), (321, 241), (2, 300), (300, 2), (1280, 720)]


def test_every_detector_is_covered(detector_configs: Mapping[str, DetectorConfig]) -> None:
    assert set(detector_configs) == set(DETECTORS)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, detectors; print([m for m in ('torch', 'openvino', 'ultralytics', 'cv2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", DETECTORS)
def test_detector(name: str, detector_configs: Mapping[str, DetectorConfig], frame: Callable[..., Frame]) -> None:
    """One result a frame, in order, of boxes that can be used, the same in any company and again."""
    config = detector_configs[name].model_copy(update={"max_detections": 50})
    detector = build_detector(config, CPU)
    assert isinstance(detector, Detector)
    assert detector.detect([]) == []
    frames = [frame(*size, camera="cam" if i % 2 else "other", index=i) for i, size in enumerate(SIZES)]
    before = [one.image.copy() for one in frames]
    results = detector.detect(frames)
    assert len(results) == len(frames)
    for one, image, found in zip(frames, before, results, strict=True):
        height, width = image.shape[:2]
        assert np.array_equal(one.image, image)
        assert np.isfinite(found.xyxy).all()
        assert (found.xyxy >= 0).all()
        assert (found.xyxy <= [width, height, width, height]).all()
        assert (found.xyxy[:, 2:] - found.xyxy[:, :2] >= 1).all()
        assert ((found.confidence >= config.confidence) & (found.confidence <= 1)).all()
        assert len(found) <= 50
        assert not found.xyxy.flags.writeable
    assert sum(map(len, results)) > 0
    kept = [found.xyxy.copy() for found in results]
    again = detector.detect(frames)
    backwards = detector.detect(frames[::-1])[::-1]
    assert all(map(np.array_equal, kept, [found.xyxy for found in results]))  # not a buffer that is used again
    for first, second, third in zip(results, again, backwards, strict=True):
        assert np.array_equal(first.xyxy, second.xyxy)
        assert len(first) == len(third)
        np.testing.assert_allclose(first.xyxy, third.xyxy, atol=0.5)
