"""The article's systems as configurations: each trains on a tiny set, and leaves weights that load and describe."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from commands.train_reid import load_train_config
from pipeline.errors import UsageError
from pipeline.weights import verify
from reid import datasets
from reid.architecture import ArchitectureConfig
from reid.export import load_mgn
from reid.mgn import Mgn
from reid.parts import LatentParts, pool_boxes
from reid.train import TrainData, Trainer
from reid.train_config import TrainConfig

CONFIGS = Path(__file__).parents[2] / "configs"
SYSTEMS = sorted(path.stem for path in (CONFIGS / "systems").glob("*.yaml"))
SIZE = (16, 48)


def tiny(name: str, **changes: Any) -> TrainConfig:
    """The system's own branches and losses on a small trunk."""
    shipped = load_train_config(CONFIGS / "systems" / f"{name}.yaml").model_dump(mode="json")
    small = {"trunk": "light", "imagenet": None, "reduced": 8, "input_size_wh": SIZE, "identities": 3, "crops": 2}
    shipped["optimiser"] |= {"name": "adamw", "learning_rate": 1e-2, "weight_decay": 0.0}
    return TrainConfig.model_validate_json(json.dumps(shipped | small | {"epochs": 8} | changes))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, make_set: Callable[..., Path]) -> datasets.CropTable:
    folder = tmp_path_factory.mktemp("reid")
    table = datasets.load_crops(make_set(folder / "people"), SIZE, folder / "cache")
    standing = np.full((17, 3), 0.5, np.float32)
    standing[:, 1] = np.linspace(0.1, 0.95, 17)
    return replace(table, keypoints=np.tile(standing, (len(table), 1, 1)))


def test_all_systems_of_the_article_are_there() -> None:
    assert SYSTEMS == [
        "contrastive", "ide", "mgn_single_networks", "mgn_without_triplet", "moving_parts", "pcb", "pose_parts",
        "resnet101", "triplet", "verification",
    ]  # fmt: skip


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_learns_and_leaves_weights_that_describe(
    name: str, people: datasets.CropTable, tmp_path: Path
) -> None:
    config = tiny(name)
    known = people if config.architecture.needs_pose else replace(people, keypoints=None)
    trainer = Trainer(config, TrainData(known), tmp_path)
    first = trainer.train_step(trainer.make_batch())
    trainer.run()
    last = trainer.train_step(trainer.make_batch())
    assert last["loss"] < 0.95 * first["loss"]
    path = trainer.export(tmp_path / "w.safetensors")
    model = load_mgn(path, verify(path))
    assert model.architecture == config.architecture
    boxes = torch.tensor([[[0.0, 0.0, 1.0, 0.3]] * 6] * 2) if config.architecture.needs_pose else None
    vectors = model(torch.rand(2, 3, SIZE[1], SIZE[0]), boxes)
    assert vectors.shape == (2, model.dimension)
    assert bool(torch.isfinite(vectors).all())


def test_resuming_verification_is_exact_though_it_draws_dropout(people: datasets.CropTable, tmp_path: Path) -> None:
    config, data = tiny("verification", epochs=3), TrainData(replace(people, keypoints=None))
    whole = Trainer(config, data, tmp_path / "whole")
    whole.run()
    Trainer(config, data, tmp_path / "parts").run(max_steps=2)
    second = Trainer(config, data, tmp_path / "parts")
    second.resume()
    torch.rand(5)
    second.run()
    for one, other in zip(whole.student.state_dict().values(), second.student.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_dimensions_of_the_published_systems() -> None:
    with torch.device("meta"):
        sizes = {
            name: Mgn("resnet50", c.reduced, architecture=c.architecture).dimension
            for name, c in ((n, load_train_config(CONFIGS / "systems" / f"{n}.yaml")) for n in SYSTEMS)
        }
    assert sizes == {
        "contrastive": 2048, "ide": 2048, "mgn_single_networks": 2048, "mgn_without_triplet": 2048,
        "moving_parts": 1024, "pcb": 1536, "pose_parts": 1792, "resnet101": 2048, "triplet": 128,
        "verification": 2048,
    }  # fmt: skip


def test_networks_apart_share_nothing() -> None:
    with torch.device("meta"):
        model = Mgn("resnet50", architecture=ArchitectureConfig(share=False))
    assert not list(model.shared.parameters())
    each = sum(p.numel() for p in model.branches[0].rest.parameters()) / 1e6
    assert round(each, 2) == 23.51  # a whole ResNet-50 without its classifier


def test_a_stripe_window_that_has_learnt_nothing_is_a_stripe() -> None:
    features = torch.rand(2, 4, 12, 6)
    parts = LatentParts(4, 3)
    middle_x, middle_y, half_x, half_y = parts.windows(features).unbind(2)
    assert torch.allclose(middle_y, torch.tensor([-2 / 3, 0, 2 / 3]).expand(2, 3))
    assert torch.allclose(half_y, torch.full((2, 3), 1 / 3)) and torch.allclose(half_x, torch.ones(2, 3))
    assert not middle_x.any()
    with torch.no_grad():
        parts.locate.bias[1] = 1.0  # the first window moves down
    before, after = LatentParts(4, 3)(features, "avg"), parts(features, "avg")
    assert torch.allclose(before[:, :, 1:], after[:, :, 1:]) and not torch.allclose(before[:, :, 0], after[:, :, 0])


@pytest.mark.parametrize("pool", ["max", "avg"])
def test_a_box_pools_the_cells_it_overlaps_and_an_empty_one_is_zero(pool: str) -> None:
    features = torch.arange(16.0).view(1, 1, 4, 4) + 1
    boxes = torch.tensor([[[0.3, 0.0, 0.6, 0.2], [0, 0, 0, 0], [0.0, 0.0, 1.0, 1.0]]])
    expected = [[3, 0, 16]] if pool == "max" else [[2.5, 0, 8.5]]
    assert pool_boxes(features, boxes, pool)[0].tolist() == expected


@pytest.mark.parametrize(
    ("branch", "message"),
    [
        ({"parts": "stripes"}, "needs a `count`"),
        ({"parts": "pose", "count": 3}, "takes no `count`"),
        ({"whole": False}, "leave `whole` true"),
    ],
)
def test_branches_that_make_no_sense_are_told(branch: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ArchitectureConfig.model_validate_json(json.dumps({"branches": [branch]}))


def test_settings_that_contradict_the_branches_are_told() -> None:
    stripes = {"branches": [{"whole": False, "parts": "stripes", "count": 6}]}
    for settings, message in (
        ({"architecture": stripes}, "set loss.triplet to 0"),
        ({"architecture": {"branches": [{"parts": "pose"}]}}, "need each other"),
        ({"keypoints": "k"}, "need each other"),
    ):
        with pytest.raises(ValidationError, match=message):
            TrainConfig.model_validate_json(json.dumps(settings))


def test_a_card_with_an_unknown_branch_is_refused(tmp_path: Path, people: datasets.CropTable) -> None:
    trainer = Trainer(tiny("pcb", epochs=1), TrainData(replace(people, keypoints=None)), tmp_path)
    path = trainer.export(tmp_path / "w.safetensors")
    card = verify(path)
    wrong = replace(card, settings={**card.settings, "architecture": {"branches": [{"parts": "spirals"}]}})
    with pytest.raises(UsageError, match="its card names no network of ours"):
        load_mgn(path, wrong)
