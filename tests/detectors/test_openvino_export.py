"""The bundled network as an OpenVINO folder."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from detectors import build_detector
from detectors.yolo import bundled_module
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Frame
from runtime.openvino_export import convert, quantise, save


def test_an_exported_folder_finds_what_the_bundled_weights_find_at_any_size(tmp_path: Path) -> None:
    name, module = bundled_module()
    assert name == "passerby_person_n"
    save(convert(module, (3, 64, 64)), tmp_path / "folder", {"names": {0: "person"}, "stride": 32, "task": "detect"})
    rng = np.random.default_rng(0)
    runtime = RuntimeConfig(device="cpu", precision="f32", threads=1)
    for size, shape in ((128, (72, 128)), (192, (192, 150))):
        frame = Frame("a", 0, 0.0, rng.integers(0, 255, (*shape, 3), np.uint8))
        models = ("bundled", str(tmp_path / "folder"))
        configs = [DetectorConfig(model=m, image_size_px=size, confidence=1e-4, nested_overlap=1) for m in models]
        ours, exported = (build_detector(config, runtime).detect([frame])[0] for config in configs)
        assert len(ours) > 3
        assert len(exported) == pytest.approx(len(ours), abs=max(2, 0.1 * len(ours)))
        assert exported.confidence[0] == pytest.approx(ours.confidence[0], rel=0.02)  # weights in half precision
        assert exported.xyxy[0] == pytest.approx(ours.xyxy[0], abs=1)


def test_quantising_without_nncf_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(UsageError, match="pip install nncf"):
        quantise(None, [], "")
