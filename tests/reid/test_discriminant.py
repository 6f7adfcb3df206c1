"""The linear map after a network: what it does to people, and that it goes through file, embedder and training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.config import EmbedderConfig, RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Float32, Int64
from pipeline.weights import WeightCard, load_card, save_card, verify
from reid import build_embedder, datasets
from reid.discriminant import fit_discriminant
from reid.embedder import normalise
from reid.export import load_mgn, save_mgn
from reid.mgn import Mgn
from reid.train import TrainData, Trainer
from reid.train_config import DiscriminantConfig, TrainConfig

SIZE = (16, 48)


def crowd(people: int, seed: int) -> tuple[Float32, Int64]:
    """Unit vectors of `people` with four crops each: 4 directions tell them apart, 8 others vary three times more."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), 4)
    vectors = np.concatenate([rng.normal(size=(people, 4))[who], 3 * rng.normal(size=(len(who), 8))], axis=1)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), who


def nearest_is_same(vectors: Float32, who: Int64) -> float:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    return float((who[cosine.argmax(1)] == who).mean())


def test_new_people_are_told_apart_by_what_told_the_known_ones_apart() -> None:
    fitted = fit_discriminant(*crowd(200, 0), dimension=4, shrinkage=1e-4)
    vectors, who = crowd(50, 1)
    mapped = fitted(torch.from_numpy(vectors)).numpy()
    assert mapped.shape == (200, 4)
    assert nearest_is_same(vectors, who) < 0.4
    assert nearest_is_same(mapped, who) > 0.7
    longer = fitted(torch.from_numpy(7 * vectors)).numpy()
    np.testing.assert_allclose(longer, mapped, atol=1e-5)  # only the direction counts


def test_the_map_is_the_solution_of_the_generalised_eigenproblem() -> None:
    vectors, who = crowd(40, 2)
    shrinkage = 1e-2
    fitted = fit_discriminant(vectors, who, dimension=3, shrinkage=shrinkage)
    means = np.array([vectors[who == p].mean(0) for p in range(40)], np.float64)
    within = np.cov((vectors - means[who]).T, bias=True) + shrinkage * np.eye(12)
    between = (means - means.mean(0)).T @ (means - means.mean(0))
    value = np.linalg.eigvals(np.linalg.solve(within, between)).real
    matrix = fitted.matrix.numpy().astype(np.float64)
    np.testing.assert_allclose(matrix.T @ within @ matrix / shrinkage, np.eye(3), atol=1e-4)
    found = np.diag(matrix.T @ between @ matrix) / shrinkage
    np.testing.assert_allclose(found, np.sort(value)[::-1][:3], rtol=1e-3)


@pytest.mark.parametrize("who", [np.zeros(4, np.int64), np.arange(4)], ids=["one person", "one crop each"])
def test_nothing_can_be_fitted_on_one_person_or_on_single_crops(who: Int64) -> None:
    with pytest.raises(ValueError, match="several people, and several crops"):
        fit_discriminant(np.eye(4, dtype=np.float32), who, 2, 1e-3)


def test_a_training_that_could_not_fit_its_map_does_not_begin(
    trained: tuple[Path, datasets.CropTable], tmp_path: Path
) -> None:
    one_each = datasets.take(trained[1], np.unique(trained[1].identity, return_index=True)[1])
    config = TrainConfig(trunk="light", reduced=8, input_size_wh=SIZE, discriminant=DiscriminantConfig())
    with pytest.raises(UsageError, match="several people and several crops of one"):
        Trainer(config, TrainData(one_each), tmp_path)


def test_no_more_dimensions_than_people_less_one() -> None:
    assert fit_discriminant(*crowd(5, 0), dimension=256, shrinkage=1e-3).reduced == 4


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, make_set: Callable[..., Path]) -> tuple[Path, datasets.CropTable]:
    folder = tmp_path_factory.mktemp("mapped")
    people = datasets.load_crops(make_set(folder / "people"), SIZE, folder / "cache")
    settings = {"trunk": "light", "reduced": 8, "input_size_wh": SIZE, "identities": 3, "crops": 2, "epochs": 2}
    optimiser = {"name": "adamw", "learning_rate": 1e-3, "ema": 0.9}
    config = TrainConfig.model_validate_json(
        json.dumps({**settings, "optimiser": optimiser, "discriminant": {"dimension": 3}})
    )
    trainer = Trainer(config, TrainData(datasets.join([people, people])), folder)
    trainer.run()
    return trainer.export(folder / "weights.safetensors"), people


def test_training_leaves_weights_with_a_map_that_the_embedder_applies(
    trained: tuple[Path, datasets.CropTable],
) -> None:
    path, people = trained
    assert load_card(path).settings["discriminant"] == 3
    embedder = build_embedder(EmbedderConfig(model=str(path), flip=False), RuntimeConfig(precision="f32"))
    vectors = embedder.embed(list(people.images[:4]))
    assert vectors.shape == (4, 3)
    model = load_mgn(path, verify(path))
    assert model.discriminant is not None
    with torch.inference_mode():
        raw = model.features(torch.from_numpy(normalise(people.images[:4]))).embedding()
        unit = raw / raw.norm(dim=1, keepdim=True)
        expected = ((unit - model.discriminant.mean) @ model.discriminant.matrix).numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, expected, atol=2e-3)


def test_a_training_that_begins_with_such_weights_drops_the_map(trained: tuple[Path, datasets.CropTable]) -> None:
    path, people = trained
    config = TrainConfig(trunk="light", reduced=8, input_size_wh=SIZE, identities=3, crops=2, initial=str(path))
    trainer = Trainer(config, TrainData(people), path.parent / "more")
    assert trainer.best_model.output_dimension == 64


@pytest.mark.parametrize("value", [0, "256"])
def test_a_card_with_a_broken_dimension_is_one_clear_line(tmp_path: Path, value: object) -> None:
    path = tmp_path / "m.safetensors"
    card = WeightCard("m", "", "", "", SIZE, "", (), {"trunk": "light", "reduced": 8})
    card = save_mgn(Mgn("light", 8), path, card)
    card.settings["discriminant"] = value
    save_card(card, path)
    with pytest.raises(UsageError, match=r"settings\.discriminant of its card must be a number"):
        load_mgn(path, load_card(path))
