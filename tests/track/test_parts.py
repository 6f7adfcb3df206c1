"""What a run is built of: found to be missing before anything runs, and known by its content."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from commands.track_parts import build_networks
from detectors import yolo
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.errors import UsageError
from pipeline.weights import load_card
from reid import embedder
from runtime.torchvision_ops import ensure_torchvision_ops


def replayed(folder: Path, *entries: str) -> Config:
    return load_config(None, ["detector.name=replay", f"detector.replay_dir={folder}", "runtime.threads=1", *entries])


def test_all_missing_boxes_are_told_before_a_network_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "hall.txt").write_text("1,-1,1,2,3,4,1\n")
    config = replayed(tmp_path, "embedder.model=nowhere.safetensors")
    with pytest.raises(UsageError, match=r"add yard\.txt, door\.txt"):
        build_networks(config, ["hall", "yard", "door"])
    with pytest.raises(UsageError, match="nowhere"):
        build_networks(config, ["hall"])


def test_bundled_weights_are_known_by_their_content_and_the_device_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It was told by the detector and again by the embedder."""
    with caplog.at_level(logging.INFO):
        networks = build_networks(load_config(None, ["runtime.threads=1"]))
    assert caplog.text.count("device auto: ") == 1
    for name, path in (("detector", yolo.BUNDLED), ("embedder", embedder.BUNDLED)):
        assert networks.hashes[f"weights/{name}"] == f"sha256:{load_card(path).sha256}"
    other = build_networks(load_config(None, ["runtime.threads=1", "embedder.model=bundled-osnet"]))
    assert other.hashes["weights/embedder"] == f"sha256:{load_card(embedder.BUNDLED_MODELS['bundled-osnet']).sha256}"


def test_replayed_boxes_are_known_by_their_content_camera_by_camera(tmp_path: Path) -> None:
    for camera in ("hall", "yard"):
        (tmp_path / f"{camera}.txt").write_text("1,-1,1,2,3,4,1\n")
    before = build_networks(replayed(tmp_path), ["hall", "yard"])
    assert set(before.hashes) == {"weights/embedder", "boxes/hall", "boxes/yard"}
    (tmp_path / "yard.txt").write_text("1,-1,9,9,9,9,1\n")
    after = build_networks(replayed(tmp_path), ["hall", "yard"])
    assert after.hashes_of("yard") != before.hashes_of("yard")
    assert after.hashes_of("hall") == before.hashes_of("hall"), "hall need not be tracked again"
    alone = build_networks(replayed(tmp_path), ["hall"])
    assert alone.hashes_of("hall") == before.hashes_of("hall"), "another camera in the run changes nothing"


def test_the_weights_of_a_torchvision_detector_are_known_by_their_content(tmp_path: Path) -> None:
    ensure_torchvision_ops()
    from torchvision.models import get_model  # noqa: PLC0415 - only after the line above

    model = "ssdlite320_mobilenet_v3_large"
    digests = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.save(get_model(model, weights=None, weights_backbone=None).state_dict(), tmp_path / "w.pth")
        entries = ["detector.name=torchvision", f"detector.model={model}", f"detector.weights={tmp_path / 'w.pth'}"]
        digests.append(
            build_networks(load_config(None, [*entries, "runtime.threads=1"])).hashes["weights/detector-weights"]
        )
    assert digests[0].startswith("sha256:")
    assert digests[0] != digests[1]
