from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from commands import train_detector
from detectors.training import dataset
from detectors.training.augment import AugmentSettings
from detectors.training.loop import Batch, PictureSource, Trainer, learning_rate, phase_at
from detectors.training.network import DetectionLoss, PersonNetwork, to_tensors
from detectors.training.predict import network_from, predict
from detectors.training.settings import Phase, SourceSettings, TrainSettings
from pipeline.config import DetectorConfig
from pipeline.errors import UsageError
from pipeline.weights import verify

CONFIG = """
yaml: yolov8n.yaml
pictures: 12
validation: 0.3
sources: {a: {weight: 1}, b: {weight: 3, stretch: [1.0, 1.5]}}
phases:
  - {until: 0.5, size_px: 64, batch: 2, mosaic: 1.0}
  - {until: 1.0, size_px: 96, batch: 2, mosaic: 0.0}
"""


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    return train_detector.load_settings(tmp_path / "tiny.yaml")


@pytest.fixture
def data(make_source, tmp_path: Path) -> dataset.PackedImages:
    return dataset.pack({"a": make_source("a", 12), "b": make_source("b", 12)}, tmp_path / "packed")


def arguments(tmp_path: Path, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    train_detector.add_arguments(parser)
    common = ["--config", str(tmp_path / "tiny.yaml"), "--data", str(tmp_path / "data"), "--device", "cpu"]
    return parser.parse_args([*common, "--output", str(tmp_path / "out"), *words])


def test_a_resumed_training_ends_with_the_weights_of_an_unbroken_one(settings, data, tmp_path):
    unbroken = Trainer(settings, data, tmp_path / "unbroken", "cpu")
    unbroken.run()
    first = Trainer(settings, data, tmp_path / "broken", "cpu")
    first.run(stop_after=2)
    assert first.progress < 1
    second = Trainer(settings, data, tmp_path / "broken", "cpu")
    second.resume()
    second.run()
    assert second.state.step == unbroken.state.step == 6
    assert second.state.pictures == 12
    for name, value in unbroken.weights().items():
        assert torch.equal(value, second.weights()[name]), name


def test_steps_on_one_batch_teach_where_its_persons_are(settings, data, tmp_path):
    changed = {"pictures": 1000, "warm_up_steps": 5, "learning_rate": 0.005}
    trainer = Trainer(settings.model_copy(update=changed), data, tmp_path / "run", "cpu")
    rows = [row for row in range(len(data)) if data.boxes(row)[0, 3] <= 64][:4]
    images, targets = to_tensors([data.image(row)[:64] for row in rows], [data.boxes(row) for row in rows])

    def contrast() -> float:
        """Mean class logit at stride 8 inside the boxes less that outside."""
        trainer.network.train()
        with torch.no_grad():
            logits = trainer.network(images.float() / 255)[1][:, 0, : 8 * 12].reshape(4, 8, 12)
        down, across = (torch.arange(8) + 0.5) / 8, (torch.arange(12) + 0.5) / 12
        inside = torch.zeros(4, 8, 12, dtype=torch.bool)
        for row, cx, cy, w, h in targets.tolist():
            inside[int(row)] |= ((down - cy).abs() < h / 3)[:, None] & ((across - cx).abs() < w / 3)[None]
        return float(logits[inside].mean() - logits[~inside].mean())

    assert len(rows) == 4
    assert abs(contrast()) < 0.5
    for _ in range(30):
        trainer.step(Batch(images, targets, images), 0.0)
    assert contrast() > 1
    assert all(bool(torch.isfinite(value).all()) for value in trainer.weights().values())


def test_held_out_images_are_never_drawn(settings, data):
    source = PictureSource(data, settings, AugmentSettings())
    drawn = {int(row) for rows in source._rows.values() for row in rows}
    assert drawn.isdisjoint(int(row) for row in data.rows(True, settings.validation))
    assert {data.source[row] for row in drawn} == {"a", "b"}


def test_pictures_depend_on_their_number_alone(settings, data):
    phase = settings.phases[0]
    batch = PictureSource(data, settings, AugmentSettings()).batch(4, phase)
    again = PictureSource(data, settings, AugmentSettings()).batch(3, phase)
    assert torch.equal(batch.images[0], again.images[1])
    assert not torch.equal(batch.images[0], batch.images[1])
    first, second = batch.targets[batch.targets[:, 0] == 0, 1:], again.targets[again.targets[:, 0] == 1, 1:]
    assert torch.equal(first, second)


def test_tensors_are_rgb_and_targets_fractions():
    image = np.zeros((32, 64, 3), np.uint8)
    image[..., 2] = 255  # red in BGR
    images, targets = to_tensors(
        [image, image], [np.zeros((0, 4), np.float32), np.array([[16, 8, 48, 24]], np.float32)]
    )
    assert images.shape == (2, 3, 32, 64)
    assert images[0, :, 0, 0].tolist() == [255, 0, 0]
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert targets.tolist() == [[1, 0.5, 0.5, 0.5, 0.5]]


def test_the_loss_is_small_for_the_right_answer_and_bears_empty_pictures():
    network = PersonNetwork("yolov8n.yaml")
    loss = DetectionLoss(network)
    anchors = 64 + 16 + 4  # 64 px at strides 8, 16, 32
    boxes, silent = torch.zeros(1, 64, anchors), torch.full((1, 1, anchors), -12.0)
    nobody = loss(boxes, silent, torch.zeros(0, 5), (64, 64))
    somebody = loss(boxes, silent, torch.tensor([[0, 0.5, 0.5, 0.3, 0.8]]), (64, 64))
    assert float(nobody.sum()) < 0.01
    assert float(somebody[0]) > 0.1
    assert float(somebody[1]) > 1e-3
    assert torch.isfinite(somebody).all()


def test_learning_rate_and_phases(settings):
    long = settings.model_copy(update={"warm_up_steps": 10})
    assert learning_rate(long, 0, 0.0) == pytest.approx(long.learning_rate / 10)
    assert learning_rate(long, 100, 0.0) == pytest.approx(long.learning_rate)
    assert learning_rate(long, 100, 1.0) == pytest.approx(long.learning_rate / 100)
    assert [phase_at(settings, p).size_px for p in (0.0, 0.49, 0.5, 1.2)] == [64, 64, 96, 96]


def test_the_command_trains_stops_resumes_and_exports(make_source, settings, tmp_path, capsys):
    make_source("a", 12)
    make_source("b", 12, folder=True)
    assert train_detector.run(arguments(tmp_path, "--steps", "2")) == 0
    assert "--resume goes on" in capsys.readouterr().out
    weights = tmp_path / "out" / train_detector.WEIGHTS
    assert not weights.exists()
    with pytest.raises(UsageError, match="holds a training already"):
        train_detector.run(arguments(tmp_path))
    assert train_detector.run(arguments(tmp_path, "--resume")) == 0
    card = verify(weights)
    assert card.settings["yaml"] == "yolov8n.yaml"
    assert card.training_data == ("a", "b")
    assert "held_out_96/ap50" in card.metrics
    assert list((tmp_path / "out" / "held_out").rglob("*.png"))
    network = network_from(load_file(weights), card.settings["yaml"])
    image = np.zeros((40, 50, 3), np.uint8)
    found = predict(network, [image], 96, DetectorConfig(confidence=0.0, max_detections=20))
    assert len(found) == 1
    assert (found[0].xyxy >= 0).all()


def test_partly_labelled_sources_want_a_teacher(make_source, tmp_path):
    make_source("a", 2)
    (tmp_path / "tiny.yaml").write_text(CONFIG.replace("a: {weight: 1}", "a: {weight: 1, partial: true}"))
    make_source("b", 2)
    with pytest.raises(UsageError, match="a: partly labelled, so --teacher"):
        train_detector.run(arguments(tmp_path))


@pytest.mark.parametrize(
    ("text", "fault"),
    [("sorces: {}", "nearest"), ("sources: {a: {weight: 0}}", "weight"), ("sources: [", "cannot read")],
)
def test_a_fault_in_the_settings_is_named(tmp_path, text, fault):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(UsageError, match=fault):
        train_detector.load_settings(tmp_path / "bad.yaml")


def test_the_recipe_of_the_bundled_weights_loads():
    recipe = train_detector.load_settings(Path(__file__).parents[2] / "configs" / "detector_n.yaml")
    assert set(recipe.left_out) == {"clinic_cctv", "factory_cctv"}
    assert not set(recipe.left_out) & set(recipe.sources)
    assert recipe.phases[-1].until == 1
    assert isinstance(recipe.phases[0], Phase)
    assert isinstance(recipe.sources["capston2"], SourceSettings)
