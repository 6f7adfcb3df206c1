"""Where a training begins: with the classifiers of another one, or not at all where its checkpoint is damaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from pipeline.errors import UsageError
from reid import datasets
from reid.train import TrainData, Trainer
from tests.reid.small_training import SIZE, config


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, make_set: Callable[..., Path]) -> datasets.CropTable:
    folder = tmp_path_factory.mktemp("checkpoint")
    return datasets.load_crops(make_set(folder / "people"), SIZE, folder / "cache")


def test_a_training_can_go_on_with_its_classifiers_too(people: datasets.CropTable, tmp_path: Path) -> None:
    first = Trainer(config(), TrainData(people), tmp_path)
    first.run(max_steps=4)
    path = str(first.export(tmp_path / "weights.safetensors"))
    bare = Trainer(config(initial=path), TrainData(people), tmp_path / "bare").student.heads.state_dict()
    second = Trainer(config(initial=path, initial_heads=True), TrainData(people), tmp_path / "second")
    trained = first.student.heads.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in second.student.heads.state_dict().items())
    assert not all(torch.equal(value, trained[name]) for name, value in bare.items())
    fewer = replace(people, identity=people.identity % 2)
    with pytest.raises(UsageError, match="heads for other people"):
        Trainer(config(initial=path, initial_heads=True), TrainData(fewer), tmp_path / "third")
    (tmp_path / "checkpoint.pt").unlink()
    with pytest.raises(UsageError, match=r"wants the checkpoint of the training that made"):
        Trainer(config(initial=path, initial_heads=True), TrainData(people), tmp_path / "fourth")
    with pytest.raises(ValueError, match="wants `initial`"):
        config(initial_heads=True)


def test_heads_from_before_maps_were_taught_are_taken_and_the_maps_learned_anew(
    people: datasets.CropTable, tmp_path: Path
) -> None:
    first = Trainer(config(), TrainData(people), tmp_path)
    first.run(max_steps=2)
    path = str(first.export(tmp_path / "weights.safetensors"))
    rng = np.random.default_rng(0)
    vectors = np.eye(8, dtype=np.float32)[rng.integers(0, 8, len(people))]
    maps = rng.normal(size=(len(people), 3, 1, 4)).astype(np.float16)
    taught = TrainData(people, None, maps=maps)
    settings = {"initial": path, "initial_heads": True}
    second = Trainer(config(**settings), taught, tmp_path / "second")
    trained = first.student.heads.state_dict()
    assert second.student.to_maps is not None
    assert all(torch.equal(value, trained[name]) for name, value in second.student.heads.state_dict().items())
    with pytest.raises(UsageError, match="another teacher"):  # it had no teacher
        Trainer(config(**settings), replace(taught, teacher=vectors), tmp_path / "third")
    second.save()
    third = Trainer(config(initial=path), taught, tmp_path / "second")
    narrow = replace(taught, maps=maps[..., :2])
    third.export(tmp_path / "second" / "weights.safetensors")
    settings["initial"] = str(tmp_path / "second" / "weights.safetensors")
    with pytest.raises(UsageError, match="another teacher"):  # maps of another dimension are another teacher's
        Trainer(config(**settings), narrow, tmp_path / "fourth")


@pytest.mark.parametrize("fault", ["cut", "text", "code", "list"])
def test_a_damaged_checkpoint_is_one_line(
    people: datasets.CropTable, tmp_path: Path, fault: Literal["cut", "text", "code", "list"]
) -> None:
    first = Trainer(config(), TrainData(people), tmp_path)
    first.run(max_steps=1)
    path = str(first.export(tmp_path / "weights.safetensors"))
    checkpoint = tmp_path / "checkpoint.pt"
    whole = checkpoint.read_bytes()
    ran = tmp_path / "ran"
    if fault == "code":
        torch.save({"student": Harmful(str(ran))}, checkpoint)
    elif fault == "list":
        torch.save([1, 2], checkpoint)
    else:
        checkpoint.write_bytes(whole[: len(whole) // 2] if fault == "cut" else b"no checkpoint at all")
    for attempt in (
        first.resume,
        lambda: Trainer(config(initial=path, initial_heads=True), TrainData(people), tmp_path / "second"),
    ):
        with pytest.raises(UsageError, match=r"checkpoint\.pt: (damaged or )?no checkpoint") as told:
            attempt()
        assert "\n" not in str(told.value)
    assert not ran.exists()


class Harmful:
    """Makes a file where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self.path, "w")
