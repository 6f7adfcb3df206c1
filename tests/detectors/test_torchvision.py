"""torchvision's models: weights from a file only, persons only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from detectors import build_detector
from detectors.torchvision_detector import PERSON, TorchvisionDetector
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Frame

CPU = RuntimeConfig(device="cpu")
SSD = "ssdlite320_mobilenet_v3_large"


class Known(torch.nn.Module):
    """Answers as torchvision does, with one person and one dog, and keeps what it was given."""

    seen: list[torch.Tensor]

    def forward(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        self.seen = images
        answer = {
            "boxes": torch.tensor([[1.0, 2.0, 30.0, 40.0], [5.0, 5.0, 20.0, 20.0]]),
            "labels": torch.tensor([PERSON, 18]),
            "scores": torch.tensor([0.8, 0.9]),
        }
        return [answer for _ in images]


def test_persons_only_and_rgb_in(frame: Callable[..., Frame]) -> None:
    model = Known()
    picture = frame(64, 48)
    found = TorchvisionDetector(model, DetectorConfig(), CPU).detect([picture, picture])
    assert [detections.xyxy.tolist() for detections in found] == [[[1, 2, 30, 40]]] * 2
    assert len(model.seen) == 2
    np.testing.assert_allclose(model.seen[0].numpy(), picture.image[..., ::-1].transpose(2, 0, 1) / 255, atol=1e-6)


def test_pixels_are_made_square_and_boxes_are_of_the_stored_ones(frame: Callable[..., Frame]) -> None:
    model = Known()
    found = TorchvisionDetector(model, DetectorConfig(), CPU).detect([replace(frame(64, 96), pixel_aspect=0.5)])
    assert model.seen[0].shape == (3, 96, 32)
    assert found[0].xyxy.tolist() == [[2, 2, 60, 40]]


def test_threads_are_given_back(frame: Callable[..., Frame]) -> None:
    before = torch.get_num_threads()
    detector = TorchvisionDetector(Known(), DetectorConfig(), RuntimeConfig(device="cpu", threads=before + 1))
    detector.detect([frame()])
    assert torch.get_num_threads() == before


def test_weights_come_from_a_file_as_pth_too(
    tmp_path: Path, torchvision_state: Mapping[str, Any], frame: Callable[..., Frame]
) -> None:
    path = tmp_path / "ssd.pth"
    torch.save(torchvision_state, path)
    config = DetectorConfig(name="torchvision", model=SSD, weights=str(path))
    assert len(build_detector(config, CPU).detect([frame()])[0]) > 0


def test_what_is_missing_or_wrong_is_one_line(tmp_path: Path, torchvision_state: Mapping[str, Any]) -> None:
    def refused(**settings: Any) -> str:
        with pytest.raises(UsageError) as error:
            build_detector(DetectorConfig(name="torchvision", **settings), CPU)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "fasterrcnn_resnet50_fpn" in refused(model="bundled")
    assert "nothing is downloaded here" in refused(model=SSD)
    assert "no such file" in refused(model=SSD, weights=str(tmp_path / "gone.pth"))
    short = tmp_path / "short.pth"
    torch.save(dict(list(torchvision_state.items())[:-1]), short)
    assert "Missing key" in refused(model=SSD, weights=str(short))
    other = tmp_path / "list.pth"
    torch.save([torch.zeros(1)], other)
    assert "not a state dict" in refused(model=SSD, weights=str(other))
