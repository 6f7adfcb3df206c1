"""`run.py evaluate-reid`: the JSON of the contract, cameras, held-out people, and what is refused."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from commands.evaluate_reid import add_arguments, overrides
from commands.reid_matrix import table
from commands.reid_pictures import CELL_WH, PLAIN, RIGHT, WRONG
from commands.reid_scores import Described, describe, single_shot
from pipeline.config_loading import load_config
from pipeline.errors import UsageError
from pipeline.weights import WeightCard
from reid.architecture import ArchitectureConfig
from reid.attention import attention_maps
from reid.datasets import read_crops
from reid.export import save_mgn
from reid.mgn import Mgn
from reid.pose import save_keypoints
from run import main


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network: random convolutions keep colours apart, which is all these people differ in."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    card = WeightCard("random", "", "", "MGN", (16, 48), "none", ("noise",), {"trunk": "light", "reduced": 8})
    save_mgn(Mgn("light", 8), path, card)
    return path


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, make_set: Callable[..., Path]) -> Path:
    folder = make_set(tmp_path_factory.mktemp("data") / "people", identities=5)
    make_set(folder, identities=1, cameras=1, first=9)  # seen by one camera: nothing to find
    return folder


def evaluate(weights: Path, *arguments: object) -> int:
    logging.getLogger().handlers.clear()
    common = ["--weights", weights, "--set", "runtime.threads=1", "--set", "runtime.device=cpu", "--json"]
    return main(["evaluate-reid", *map(str, (*arguments, *common))])


def test_scores_are_the_contract_s(weights: Path, people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(weights, "--data", people, "--single-shot", 3) == 0
    scores = json.loads(capsys.readouterr().out)
    assert list(scores) == ["rank1", "rank5", "rank10", "map", "minp", "queries", "skipped", "single_shot_rank1"]
    assert (scores["queries"], scores["skipped"]) == (20, 2)
    assert 0.2 < scores["rank1"] <= scores["rank5"] <= scores["rank10"] <= 1.0
    assert 0.2 < scores["map"] <= 1 and 0 < scores["minp"] <= 1


def test_query_and_gallery_of_one_camera_each(weights: Path, people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(weights, "--data", people, "--query-camera", 1, "--gallery-camera", 2) == 0
    scores = json.loads(capsys.readouterr().out)
    assert (scores["queries"], scores["skipped"]) == (10, 2)


def test_held_out_people_only(weights: Path, people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(weights, "--query", people, "--gallery", people, "--hold-out", 3) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["queries"] + scores["skipped"] in (10, 12)  # three people of four crops, or one of them with two


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give either --data"),
        (("--data", "a", "--query", "b"), "give either --data"),
        (("--data", "absent"), "no such folder or tar"),
    ],
)
def test_faults_are_told_in_one_line(
    weights: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(weights, *arguments) == 2
    assert message in capsys.readouterr().err


def test_a_camera_without_crops_is_named(weights: Path, people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(weights, "--data", people, "--query-camera", 7) == 2
    assert "--query-camera 7: no crop of that camera (there are 1, 2)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "flip"),
    [
        ((), True),
        (("--no-flip",), False),
        (("--config", "fast"), False),
        (("--config", "fast", "--flip"), True),
        (("--config", "fast", "--set", "embedder.flip=true"), True),
        (("--flip", "--set", "embedder.flip=false"), False),
    ],
)
def test_settings_stand_until_an_argument_speaks_and_set_wins(arguments: tuple[str, ...], flip: bool) -> None:
    fast = str(Path(__file__).parents[2] / "configs" / "fast.yaml")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args(["--data", "x", *(fast if word == "fast" else word for word in arguments)])
    assert load_config(args.config, overrides(args)).embedder.flip is flip


def test_set_goes_before_weights(weights: Path) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args(["--data", "x", "--weights", str(weights), "--set", "embedder.model=other.safetensors"])
    assert load_config(None, overrides(args)).embedder.model == "other.safetensors"


def test_crops_without_a_vector_are_not_scored(people: Path) -> None:
    class Broken:
        dimension = 4

        def embed(self, crops: list[np.ndarray]) -> np.ndarray:
            return np.full((len(crops), 4), np.nan, np.float32)

    with pytest.raises(UsageError, match=r"22 of 22 crops gave no finite vector"):
        describe(people, Broken())


def test_single_shot_draws_one_crop_a_person() -> None:
    """One of each person's two gallery crops is somebody else's likeness: about half of the draws miss it."""
    vector = np.array([[1, 0], [0, 1]], np.float32)
    query = Described(vector, np.array([0, 1]), np.array([1, 1]), np.arange(2))
    gallery = Described(
        np.concatenate([vector, vector[::-1]]), np.array([0, 1, 0, 1]), np.array([2, 2, 2, 2]), np.arange(4)
    )
    assert 0.2 < single_shot(query, gallery, 40) < 0.8
    assert single_shot(query, gallery.take(np.array([0, 1])), 3) == 1.0


def test_reranked_scores_stand_apart(weights: Path, people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(weights, "--data", people, "--rerank") == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["reranked"]["queries"] == scores["queries"] == 20
    assert set(scores["reranked"]) == {"rank1", "rank5", "rank10", "map", "minp", "queries", "skipped"}
    assert 0.2 < scores["reranked"]["map"] <= 1


def test_pictures_of_ranked_results_and_attention(
    weights: Path, people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = ("--sheets", tmp_path / "sheets", "--attention", tmp_path / "attention", "--pictures", 14)
    assert evaluate(weights, "--data", people, "--query-camera", 1, "--gallery-camera", 2, *drawn) == 0
    told = capsys.readouterr().err
    for folder, stem, cells in (("sheets", "ranked", 11), ("attention", "attention", 4)):
        files = sorted((tmp_path / folder).iterdir())
        assert [file.name for file in files] == [f"{stem}-01.png", *([f"{stem}-02.png"] if len(files) > 1 else [])]
        assert str(files[0]) in told
        image = cv2.imread(str(files[0]))
        assert image is not None
        height, width = image.shape[:2]
        cell = (CELL_WH[0] + 16, CELL_WH[1] + 32)
        assert width == cells * cell[0] and height % cell[1] == 0
    frames = {tuple(image[0, x].tolist()) for image in [cv2.imread(str(tmp_path / "sheets" / "ranked-01.png"))]
              for x in range(image.shape[1])}  # fmt: skip
    assert {RIGHT, PLAIN} <= frames or {WRONG, PLAIN} <= frames


def test_attention_lies_where_the_branch_is_excited(weights: Path) -> None:
    crop = np.zeros((48, 16, 3), np.uint8)
    crop[:16] = (0, 0, 255)
    maps, branches = attention_maps(weights, [crop, crop[::-1].copy()])
    assert [m.shape for m in maps] == [(2, 2, 1), (2, 3, 1), (2, 3, 1)]
    assert [branch.count for branch in branches] == [0, 2, 3]
    assert all(m.max() == 1.0 and m.min() >= 0.0 for m in maps)
    assert not np.allclose(maps[1][0], maps[1][1])
    with pytest.raises(UsageError, match="need the network itself"):
        attention_maps(Path("a.onnx"), [crop])


def test_the_matrix_names_what_was_trained_on(
    weights: Path, people: Path, tmp_path: Path, make_set: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_set(tmp_path / "other", identities=4, first=20)
    logging.getLogger().handlers.clear()
    copy = tmp_path / "w.safetensors"
    shutil.copy(weights, copy)
    card = json.loads(weights.with_suffix(".json").read_text())
    card["settings"]["training"] = {"data": ["people", "other.tar"], "hold_out": {"people": 3}}
    copy.with_suffix(".json").write_text(json.dumps(card))
    command = ["reid-matrix", "--weights", copy, weights, "--data", people, other, "--set", "runtime.device=cpu"]
    assert main([*map(str, command), "--set", "runtime.threads=1", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["matrix"]
    assert (first["scores"]["people"]["held_out"], first["scores"]["people"]["trained_on"]) == (3, False)
    assert (first["scores"]["other"]["held_out"], first["scores"]["other"]["trained_on"]) == (None, True)
    assert second["scores"]["people"]["queries"] == 20 and not second["scores"]["other"]["trained_on"]
    lines = table([first, second], ["people", "other"])
    assert lines[0].startswith("| trained weights | people | other |") and lines[2].endswith(" * |")


def test_pose_guided_weights_are_scored_with_joints_only(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    architecture = ArchitectureConfig.model_validate_json('{"branches": [{"parts": "pose"}]}')
    path = tmp_path / "w.safetensors"
    settings = {"trunk": "light", "reduced": 8, "architecture": architecture.model_dump(mode="json")}
    save_mgn(Mgn("light", 8, architecture=architecture), path, WeightCard("p", "", "", "", (16, 48), "", (), settings))
    standing = np.full((17, 3), 0.5, np.float32)
    standing[:, 1] = np.linspace(0.1, 0.95, 17)
    names = [name for name, _ in read_crops(people)]
    save_keypoints(tmp_path / "k.json", names, np.tile(standing, (len(names), 1, 1)))
    assert evaluate(path, "--data", people, "--keypoints", tmp_path / "k.json") == 0
    assert json.loads(capsys.readouterr().out)["queries"] == 20
    assert evaluate(path, "--data", people) == 2
    assert "--keypoints" in capsys.readouterr().err
