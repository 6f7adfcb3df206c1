"""Learning from another network's heads, and beginning with given weights."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch
from safetensors.torch import save_file

from commands import train_detector
from detectors.training import dataset
from detectors.training.loop import Trainer
from detectors.training.network import GAINS, PersonNetwork, load_initial
from detectors.training.settings import TrainSettings
from detectors.training.soft_targets import LEAST_SURE, soft_loss
from pipeline.config import RuntimeConfig
from pipeline.errors import UsageError
from runtime.openvino_heads import YoloHeads

SETTINGS = {
    "yaml": "yolov8n.yaml",
    "pictures": 8,
    "validation": 0.0,
    "sources": {"a": {"weight": 1}},
    "phases": [{"until": 1.0, "size_px": 64, "batch": 2, "mosaic": 0.0}],
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def heads(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.Generator().manual_seed(seed)
    return torch.randn(2, 64, 84, generator=made), torch.randn(2, 1, 84, generator=made) * 3


def test_soft_loss_is_the_divergence_of_each_place_from_the_teacher():
    (boxes, scores), (wanted_boxes, wanted_scores) = heads(0), heads(1)
    expected, total = 0.0, 0.0
    for row in range(2):
        for place in range(84):
            p, q = (float(torch.sigmoid(s[row, 0, place])) for s in (wanted_scores, scores))
            total += p
            expected += GAINS["cls"] * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
            if p < LEAST_SURE:
                continue
            for side in range(4):
                bins = slice(16 * side, 16 * side + 16)
                want, have = (torch.softmax(b[row, bins, place].double(), 0) for b in (wanted_boxes, boxes))
                expected += GAINS["dfl"] * p * float((want * (want / have).log()).sum()) / 4
    assert float(soft_loss(boxes, scores, wanted_boxes.numpy(), wanted_scores.numpy())) == pytest.approx(
        expected / total, rel=1e-4
    )


def test_soft_loss_is_nothing_where_both_agree_and_bears_a_teacher_who_sees_nobody():
    boxes, scores = heads(0)
    assert float(soft_loss(boxes, scores, boxes.numpy(), scores.numpy())) == pytest.approx(0, abs=1e-5)
    nobody = np.full((2, 1, 84), -30, np.float32)
    alone = soft_loss(boxes, scores, boxes.numpy(), nobody)
    assert torch.isfinite(alone)
    assert float(alone) > 0


@pytest.fixture(scope="module", params=["yolov8n.yaml", "yolo11n.yaml"])
def exported(request, tmp_path_factory) -> tuple[Path, PersonNetwork]:
    """An OpenVINO export fixed to 128 px, batch 1, as ultralytics makes it, and the network it was made of."""
    torch.manual_seed(3)
    network = PersonNetwork(request.param).eval()
    for parameter in network.parameters():  # random weights of the first step say the same everywhere
        parameter.data += 0.02 * torch.randn_like(parameter)
    head = network.detection.model[-1]
    head.export = True
    example = torch.zeros(1, 3, 128, 128)
    traced = torch.jit.trace(network.detection, example, strict=False, check_trace=False)
    model = ov.convert_model(traced, example_input=example)
    model.reshape([1, 3, 128, 128])
    folder = tmp_path_factory.mktemp("export")
    ov.save_model(model, folder / "model.xml", compress_to_fp16=False)
    head.export = False
    return folder, network.train()


@pytest.mark.filterwarnings("ignore")  # torch.jit.trace is deprecated; OpenVINO traces with it
def test_heads_of_an_export_are_those_of_its_network_at_any_size(exported):
    """Another size and batch than it was exported for, YOLO11's attention included."""
    folder, network = exported
    batch = torch.rand((2, 3, 192, 192), generator=torch.Generator().manual_seed(5))
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.eval()
    with torch.no_grad():
        boxes, scores = network(batch)
    found = YoloHeads(folder, 0, RuntimeConfig(device="cpu", precision="f32", threads=1))(batch.numpy())
    assert found[0] == pytest.approx(boxes.numpy(), abs=1e-3)
    assert found[1] == pytest.approx(scores.numpy(), abs=1e-3)


@pytest.mark.filterwarnings("ignore")  # torch.jit.trace is deprecated; OpenVINO traces with it
def test_a_model_without_such_heads_is_refused(tmp_path):
    layer = torch.nn.Conv2d(3, 4, 3).eval()
    ov.save_model(ov.convert_model(layer, example_input=torch.zeros(1, 3, 64, 64)), tmp_path / "other.xml")
    with pytest.raises(UsageError, match="name another teacher"):
        YoloHeads(tmp_path, 0, RuntimeConfig(device="cpu"))


def test_training_follows_the_teachers_in_turns(make_source, tmp_path):
    settings = TrainSettings.model_validate_json(json.dumps({**SETTINGS, "soft_targets": 1.0}))
    data = dataset.pack({"a": make_source("a", 4)}, tmp_path / "packed")
    asked: list[str] = []

    def teacher(name: str):
        def heads_of(batch):
            assert batch.shape == (2, 3, 64, 64)
            assert 0 <= batch.min() <= batch.max() <= 1
            asked.append(name)
            return np.zeros((2, 64, 84), np.float32), np.full((2, 1, 84), -4, np.float32)

        return heads_of

    trainer = Trainer(settings, data, tmp_path / "run", "cpu", [teacher("first"), teacher("second")])
    trainer.run()
    assert asked == ["first", "second"] * 2


def test_training_begins_with_given_weights(tmp_path):
    torch.manual_seed(1)
    given = PersonNetwork("yolov8n.yaml").detection.state_dict()
    save_file({name: value.half() if value.is_floating_point() else value for name, value in given.items()},
              tmp_path / "w.safetensors")  # fmt: skip
    torch.manual_seed(2)
    network = PersonNetwork("yolov8n.yaml")
    load_initial(network, tmp_path / "w.safetensors")
    for name, value in network.detection.state_dict().items():
        assert torch.allclose(
            value.float(), given[name].half().float() if value.is_floating_point() else given[name].float()
        ), name
    with pytest.raises(UsageError, match="not weights of this architecture"):
        load_initial(PersonNetwork("yolo11n.yaml"), tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match=r"none\.safetensors"):
        load_initial(network, tmp_path / "none.safetensors")


def test_settings_that_want_teachers_say_so_when_none_is_named(tmp_path):
    settings = TrainSettings.model_validate_json(json.dumps({**SETTINGS, "soft_targets": 1.0}))
    args = argparse.Namespace(soft_targets=[], config=Path("recipe.yaml"))
    with pytest.raises(UsageError, match=r"recipe\.yaml: soft_targets is 1: name models"):
        train_detector.load_teachers(args, settings, RuntimeConfig(device="cpu"))
