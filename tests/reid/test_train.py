"""A tiny training from start to end: it learns, resumes exactly, distils, and leaves weights that the embedder runs."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from commands import train_reid
from pipeline.config import EmbedderConfig, RuntimeConfig
from pipeline.errors import UsageError
from pipeline.weights import load_card
from reid import build_embedder, datasets
from reid.train import TrainData, Trainer, learning_rate
from reid.train_config import TrainConfig
from run import main
from tests.reid.small_training import SIZE, config

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, make_set: Callable[..., Path]) -> datasets.CropTable:
    folder = tmp_path_factory.mktemp("reid")
    return datasets.load_crops(make_set(folder / "people"), SIZE, folder / "cache")


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {**trainer.student.state_dict(), **{f"average.{k}": v for k, v in trainer.best_model.state_dict().items()}}


def test_a_resumed_run_ends_bit_for_bit_where_an_unbroken_one_does(people: datasets.CropTable, tmp_path: Path) -> None:
    whole = Trainer(config(), TrainData(people), tmp_path / "whole")
    whole.run()
    first = Trainer(config(), TrainData(people), tmp_path / "parts")
    first.run(max_steps=3)
    assert first.step == 3
    second = Trainer(config(), TrainData(people), tmp_path / "parts")
    second.resume()
    second.run()
    assert second.step == whole.step == 8
    expected = weights(whole)
    for name, value in weights(second).items():
        assert torch.equal(value, expected[name]), name


def test_training_lowers_the_loss_and_logs_it(people: datasets.CropTable, tmp_path: Path) -> None:
    settings = config(epochs=10, augment={}, loss={"identity": 1.0, "triplet": 1.0})
    trainer = Trainer(settings, TrainData(people), tmp_path)
    trainer.run(log_every=5)
    rows = (tmp_path / "log.csv").read_text().splitlines()
    column = rows[0].split(",").index("loss")
    values = [float(row.split(",")[column]) for row in rows[1:]]
    assert len(values) == 4
    assert values[-1] < 0.8 * values[0]


def test_resume_refuses_other_settings_and_nothing_to_resume(people: datasets.CropTable, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to resume"):
        Trainer(config(), TrainData(people), tmp_path).resume()
    Trainer(config(), TrainData(people), tmp_path).run(max_steps=1)
    with pytest.raises(UsageError, match="made with other settings"):
        Trainer(config(seed=1), TrainData(people), tmp_path).resume()


def test_distillation_pulls_towards_the_teacher(people: datasets.CropTable, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    teacher = np.eye(6, 12, dtype=np.float32)[people.identity]
    loss = {"identity": 0.0, "triplet": 0.0, "distil_cosine": 1.0, "distil_relation": 1.0}
    settings = config(
        epochs=10,
        augment={},
        loss=loss,
        teacher={"name": "openvino", "model": "absent.xml"},
        unlabelled=["boxes.tar"],
        unlabelled_crops=2,
    )
    rows = rng.permutation(len(people))[:8]
    loose = datasets.take(people, rows)
    loose = datasets.CropTable(loose.images, np.full(8, -1), loose.camera, loose.source, loose.names)
    trainer = Trainer(settings, TrainData(people, teacher, loose, teacher[rows]), tmp_path)
    batch = trainer.make_batch()
    assert batch.identity.tolist()[6:] == [-1, -1] and (batch.identity[:6] >= 0).all()
    first = trainer.train_step(batch)
    trainer.run()
    last = trainer.train_step(trainer.make_batch())
    assert last["relation"] < 0.6 * first["relation"]
    assert last["cosine"] < first["cosine"]


def test_a_loss_that_is_not_finite_stops_the_run(people: datasets.CropTable, tmp_path: Path) -> None:
    trainer = Trainer(config(), TrainData(people), tmp_path)
    with torch.no_grad():
        trainer.student.heads.whole[0].weight.fill_(float("nan"))
    with pytest.raises(UsageError, match="loss is nan"):
        trainer.run()


def test_the_paper_s_schedule_drops_at_epochs_40_and_60() -> None:
    paper = TrainConfig()
    rates = [learning_rate(paper, 0, epoch / 80) for epoch in (0, 39, 40, 59, 60, 79)]
    assert rates == pytest.approx([0.01, 0.01, 0.001, 0.001, 0.0001, 0.0001])
    assert paper.size_at(0.5) == (128, 384)


@pytest.mark.parametrize("name", ["mgn_market1501.yaml", "reid_light.yaml", "reid_osnet.yaml"])
def test_shipped_configurations_load(name: str) -> None:
    settings = train_reid.load_train_config(Path(__file__).parents[2] / "configs" / name)
    assert settings.crops == 4
    assert settings.stored_size_wh == settings.input_size_wh


@pytest.mark.parametrize("name", ["reid_light.yaml", "reid_light_more.yaml"])
def test_the_bundled_model_s_configurations_train(name: str, people: datasets.CropTable, tmp_path: Path) -> None:
    """Their losses, sizes, precision and start, on a few crops and with invented teachers."""
    shipped = train_reid.load_train_config(ROOT / "configs" / name)
    small = {"identities": 3, "crops": 2, "unlabelled_crops": 2, "max_minutes": None}
    small["initial"] = None if shipped.initial is None else str(ROOT / shipped.initial)
    rng = np.random.default_rng(0)
    vectors = np.eye(len(people), dtype=np.float32)
    maps = rng.normal(size=(len(people), 8, 4, 6)).astype(np.float16) if shipped.teacher_maps else None
    data = TrainData(people, vectors, people, vectors, maps, maps)
    trainer = Trainer(shipped.model_copy(update=small), data, tmp_path)
    trainer.run(max_steps=2)
    (row,) = csv.DictReader((tmp_path / "log.csv").read_text().splitlines())
    learnt = {"identity", "triplet", "cosine", "relation", *(["maps"] if shipped.teacher_maps else [])}
    assert {part for part in learnt if float(row[part]) > 0} == learnt


def test_faults_of_the_settings_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("identitys: 3\n")
    with pytest.raises(UsageError, match=r"identitys is not a setting.*identities"):
        train_reid.load_train_config(path)
    path.write_text("loss: {distil_cosine: 1.0}\n")
    with pytest.raises(UsageError, match="need each other"):
        train_reid.load_train_config(path)


def test_the_command_trains_resumes_and_leaves_weights_that_run(
    tmp_path: Path, make_set: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train_reid, "CACHE", tmp_path / "cache")
    make_set(tmp_path / "people")
    settings = config(data=["people"], hold_out={"people": 2}, identities=2)
    (tmp_path / "c.yaml").write_text(json.dumps(settings.model_dump(mode="json", exclude_defaults=True)))
    command = ["train-reid", "--config", str(tmp_path / "c.yaml"), "--data", str(tmp_path), "--threads", "1"]
    command += ["--output", str(tmp_path / "out"), "--device", "cpu"]
    assert main([*command, "--steps", "2"]) == 0
    assert main(command) == 2  # holds a training already
    assert "--resume" in capsys.readouterr().err
    command[4] = str(tmp_path / "people")  # the set itself, where `data` wants the folder around it
    assert main([*command, "--resume"]) == 2
    assert (
        "people/people: no such folder or tar of crops; the sets of `data` are looked for in --data"
        in capsys.readouterr().err
    )
    command[4] = str(tmp_path)
    assert main([*command, "--resume"]) == 0
    logging.getLogger().handlers.clear()
    crops = [np.zeros((20, 10, 3), np.uint8), np.full((60, 30, 3), 200, np.uint8)]
    model = tmp_path / "out" / "weights.safetensors"
    vectors = build_embedder(EmbedderConfig(model=str(model)), RuntimeConfig(device="cpu", threads=1)).embed(crops)
    assert vectors.shape == (2, 64)


def test_the_recipe_for_one_s_own_people_starts_from_the_bundled_weights(
    tmp_path: Path, people: datasets.CropTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings as docs/reid.md prints them."""
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs" / "reid.md").read_text(encoding="utf-8").split("Write `mine.yaml`", 1)[1]
    block = [line for line in text.split("\n3. ", 1)[0].splitlines() if line.startswith("       ")]
    (tmp_path / "mine.yaml").write_text("\n".join(line[7:] for line in block))
    settings = train_reid.load_train_config(tmp_path / "mine.yaml")
    assert settings.data == () and settings.hold_out == {"people": 50}, "--data people is the set itself"
    small = settings.model_copy(update={"identities": 2, "crops": 2, "precision": "f32"})
    trainer = Trainer(small, TrainData(people), tmp_path / "out")
    trainer.run(max_steps=1)
    assert trainer.step == 1


def test_a_training_goes_on_from_weights_of_ours_and_from_no_others(people: datasets.CropTable, tmp_path: Path) -> None:
    first = Trainer(config(), TrainData(people), tmp_path / "first")
    first.run(max_steps=4)
    path = first.export(tmp_path / "weights.safetensors")
    second = Trainer(config(initial=str(path)), TrainData(people), tmp_path / "second")
    expected = first.best_model.state_dict()
    for name, value in second.student.model.state_dict().items():
        assert torch.equal(value, expected[name].half().float() if value.is_floating_point() else expected[name]), name
    assert all(parameter.requires_grad for parameter in second.student.model.parameters())
    second.run(max_steps=1)
    another = replace(people, names=("mine",))
    third = Trainer(config(initial=str(path)), TrainData(another), tmp_path / "another")
    card = load_card(third.export(tmp_path / "more.safetensors"))
    assert card.training_data == ("mine", *people.names), "what the weights saw before is not forgotten"
    assert not torch.equal(second.student.model.shared[1][0].weight, expected["shared.1.0.weight"].half().float())
    with pytest.raises(UsageError, match="8 x 8, the settings ask for MGN, light trunk, 8 x 16"):
        Trainer(config(initial=str(path), reduced=16), TrainData(people), tmp_path / "third")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(UsageError, match="sha256 mismatch"):
        Trainer(config(initial=str(path)), TrainData(people), tmp_path / "fourth")


def test_two_starts_are_one_too_many() -> None:
    with pytest.raises(ValueError, match="two starts"):
        config(initial="a.safetensors", imagenet="b.pth", trunk="resnet50")
