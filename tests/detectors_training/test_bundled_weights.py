from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from detectors import build_detector
from detectors.training.network import PersonNetwork
from detectors.yolo import BUNDLED
from evaluation.detection import ImageBoxes, evaluate_detections
from evaluation.mot_text import read_mot
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.types import Frame
from pipeline.video import VideoReader
from pipeline.weights import verify

PETS = Path(__file__).parents[2].parent / "shared" / "data" / "pets09_s2l1"
CPU = RuntimeConfig(device="cpu", threads=1)


def test_the_card_belongs_to_the_file_and_says_what_it_must():
    card = verify(BUNDLED)
    assert BUNDLED.stat().st_size <= 12e6
    assert card.settings["classes"] == 1
    assert card.settings["letterbox_grey"] == 114
    assert not {"clinic_cctv", "factory_cctv", "pets09_s2l1"} & set(card.training_data)
    assert card.metrics
    text = BUNDLED.with_suffix(".md").read_text(encoding="utf-8")
    assert "python run.py evaluate-detector" in text
    assert "/work" not in text


def test_the_weights_fit_the_network_they_name():
    card = verify(BUNDLED)
    state = load_file(BUNDLED)
    network = PersonNetwork(card.settings["yaml"])
    network.detection.load_state_dict(state, strict=True)
    assert all(np.isfinite(value.numpy()).all() for value in state.values())


def test_nobody_is_seen_where_nothing_is():
    detector = build_detector(DetectorConfig(image_size_px=320), CPU)
    flat = np.full((180, 320, 3), 114, np.uint8)
    noise = np.random.default_rng(0).integers(0, 255, (180, 320, 3), np.uint8)
    found = detector.detect([Frame("a", k, k / 10, image) for k, image in enumerate((flat, noise))])
    assert [len(boxes) for boxes in found] == [0, 0]


@pytest.mark.skipif(not PETS.is_dir(), reason="wants ../shared/data/pets09_s2l1")
def test_people_of_a_real_camera_are_found():
    rows = read_mot(PETS / "gt.txt")
    with VideoReader("pets", [PETS / "view1.mp4"]) as reader:
        frames = list(islice(reader, 0, 40, 8))
    found = build_detector(DetectorConfig(), CPU).detect(frames)
    images = [
        ImageBoxes(
            rows.xyxy[rows.frame == frame.index + 1], boxes.xyxy.astype(np.float64), boxes.confidence.astype(np.float64)
        )
        for frame, boxes in zip(frames, found, strict=True)
    ]
    result = evaluate_detections(images)
    assert result is not None
    assert result.truths > 15
    assert result.ap50 > 0.6
