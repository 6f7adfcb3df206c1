"""A teacher's map is asked for, reduced, follows the crop through its changes, and is learnt from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from commands import train_reid
from pipeline.config import EmbedderConfig, RuntimeConfig
from pipeline.errors import UsageError
from reid import datasets
from reid.augment import augment_placed
from reid.embedder import BUNDLED_MODELS
from reid.mgn import Mgn
from reid.teacher import teacher_key
from reid.teacher_maps import MapTeacher, components, placed_maps, raw_maps
from reid.train import TrainData, Trainer
from reid.train_config import AugmentConfig, TrainConfig
from runtime.export import save_onnx, save_openvino
from runtime.openvino_network import OpenVinoNetwork

SIZE = (32, 64)
RUNTIME = RuntimeConfig(threads=1, precision="f32")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> tuple[EmbedderConfig, str]:
    """A network of ours as OpenVINO, and its first convolution."""
    path = tmp_path_factory.mktemp("teacher") / "teacher.xml"
    save_openvino(Mgn("light", 8).eval(), (3, 64, 32), path, {})
    layers = ElementTree.parse(path).getroot().findall("./layers/layer")  # noqa: S314 - written just now
    named = [layer.attrib["name"] for layer in layers if layer.attrib["type"] == "Convolution"]
    return EmbedderConfig(name="openvino", model=str(path), input_size_wh=SIZE, flip=False), named[0]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, make_set: Callable[..., Path]) -> datasets.CropTable:
    folder = tmp_path_factory.mktemp("maps")
    return datasets.load_crops(make_set(folder / "people"), SIZE, folder / "cache")


@pytest.mark.parametrize("seed", range(6))
def test_a_map_goes_where_its_crop_goes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    crop = cv2.resize(rng.integers(0, 255, (8, 4, 3), np.uint8), (64, 128), interpolation=cv2.INTER_CUBIC)
    settings = AugmentConfig(scale=0.2, shift=0.1)
    changed, place = augment_placed(crop, (96, 192), rng, settings)
    cells = cv2.resize(crop, (16, 32), interpolation=cv2.INTER_AREA).astype(np.float16)
    moved = placed_maps(cells[None], place[None], (6, 12))[0].transpose(1, 2, 0)
    expected = cv2.resize(changed, (6, 12), interpolation=cv2.INTER_AREA).astype(np.float32)
    still = cv2.resize(crop, (6, 12), interpolation=cv2.INTER_AREA).astype(np.float32)
    assert np.abs(moved - expected).mean() < 8
    assert np.abs(still - expected).mean() > 3 * np.abs(moved - expected).mean()


def test_what_the_teacher_says_is_kept_and_reduced(
    people: datasets.CropTable, teacher: tuple[EmbedderConfig, str], tmp_path: Path
) -> None:
    asked = MapTeacher(*teacher, (2, 4))
    maps = raw_maps(people, asked, RUNTIME, tmp_path)
    assert maps.shape[:3] == (len(people), 4, 2) and maps.shape[3] >= 64
    np.testing.assert_array_equal(raw_maps(people, asked, RUNTIME, tmp_path), maps)
    assert len(list(tmp_path.iterdir())) == 1, "asked once, kept in one file"
    basis = components([[maps]], 6)
    small = basis.reduced([maps]).astype(np.float32)
    assert small.shape == (len(people), 4, 2, 6)
    flat = small.reshape(-1, 6)
    correlation = np.corrcoef(flat.T)
    assert np.abs(correlation - np.eye(6)).max() < 0.05, "components do not repeat each other"
    assert np.abs(small.mean(0)).max() < 0.05, "what all crops have at a place is taken out"
    assert flat.std(0)[0] > flat.std(0)[-1] > 0


def test_another_graph_of_the_same_weights_is_another_teacher(
    teacher: tuple[EmbedderConfig, str], tmp_path: Path
) -> None:
    copies = []
    for suffix in (".xml", ".bin"):
        copies.append(tmp_path / f"copy{suffix}")
        copies[-1].write_bytes(Path(teacher[0].model).with_suffix(suffix).read_bytes())
    asked = teacher[0].model_copy(update={"model": str(copies[0])})
    key = teacher_key(asked, RUNTIME)
    assert key == teacher_key(teacher[0], RUNTIME), "where a file lies does not matter"
    copies[0].write_text(copies[0].read_text(encoding="utf-8") + "<!-- changed -->", encoding="utf-8")
    changed = teacher_key(asked, RUNTIME)
    copies[1].write_bytes(copies[1].read_bytes() + b"0")
    assert len({key, changed, teacher_key(asked, RUNTIME)}) == 3
    folder = asked.model_copy(update={"model": str(tmp_path)})
    before = teacher_key(folder, RUNTIME)
    copies[1].write_bytes(copies[1].read_bytes() + b"1")
    assert teacher_key(folder, RUNTIME) != before, "the folder of a model"


def test_the_bundled_network_of_another_release_is_another_teacher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = EmbedderConfig(model="bundled")
    key = teacher_key(bundled, RUNTIME)
    monkeypatch.setitem(BUNDLED_MODELS, "bundled", tmp_path / "w.safetensors")
    (tmp_path / "w.safetensors").write_bytes(b"trained once more")
    assert teacher_key(bundled, RUNTIME) != key


def test_components_point_one_way_whatever_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = np.random.default_rng(0).normal(size=(50, 2, 2, 6)).astype(np.float16)
    found = components([[maps]], 4)
    plain = np.linalg.eigh

    def turned(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        variance, directions = plain(matrix)
        return variance, directions * np.array([1, -1, -1, 1, 1, -1])

    monkeypatch.setattr(np.linalg, "eigh", turned)
    np.testing.assert_array_equal(components([[maps]], 4).matrix, found.matrix)


def test_an_onnx_teacher_is_asked_for_an_operation_by_its_node_s_name(
    people: datasets.CropTable, tmp_path: Path
) -> None:
    network = Mgn("light", 8).eval()
    save_onnx(network, (3, 64, 32), tmp_path / "teacher.onnx", {})
    embedder = EmbedderConfig(name="onnx", model=str(tmp_path / "teacher.onnx"), input_size_wh=SIZE, flip=False)
    maps = raw_maps(people, MapTeacher(embedder, "/branches.2/rest/rest.1/Relu_2", (1, 2)), RUNTIME, tmp_path)
    given: list[torch.Tensor] = []
    network.branches[2].rest[1].register_forward_hook(lambda module, taken, result: given.append(result))
    with torch.no_grad():
        network(torch.from_numpy(np.stack(people.images).astype(np.float32).transpose(0, 3, 1, 2)))
    expected = avg_pool2d(given[0], 2).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(maps.astype(np.float32), expected, rtol=0.01, atol=0.01 * expected.std())
    assert expected.std(0).max() > 0, "it tells crops apart"


def test_faults_are_told(people: datasets.CropTable, teacher: tuple[EmbedderConfig, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no operation called nothing"):
        raw_maps(people, MapTeacher(teacher[0], "nothing", (2, 4)), RUNTIME, tmp_path)
    with pytest.raises(UsageError, match="no cells for a grid of 5 x 4"):
        raw_maps(people, MapTeacher(*teacher, (5, 4)), RUNTIME, tmp_path)
    with pytest.raises(UsageError, match="have 3 channels"):
        components([[np.zeros((4, 2, 2, 3), np.float16)]], 4)
    with pytest.raises(ValueError, match="distil_maps need each other"):
        TrainConfig(teacher=teacher[0], loss={"distil_maps": 1.0})
    with pytest.raises(ValueError, match="one operation for each"):
        TrainConfig(
            teacher=teacher[0], teacher_maps={"layers": ("a", "b")}, loss={"distil_maps": 1.0, "distil_cosine": 1.0}
        )


def test_maps_alone_are_a_distillation_and_want_a_map_of_whole_cells(teacher: tuple[EmbedderConfig, str]) -> None:
    settings = {"teacher": teacher[0], "teacher_maps": {"layers": ("a",)}, "loss": {"distil_maps": 1.0}}
    assert TrainConfig(**settings).teacher_maps is not None
    with pytest.raises(ValueError, match="multiples of 16 px"):
        TrainConfig(**settings, input_size_wh=(72, 144))
    with pytest.raises(ValueError, match="multiples of 16 px"):
        TrainConfig(**settings, sizes=({"progress": 0.0, "size_wh": (64, 120)},))
    apart = {"share": False, "branches": ({"stride": 2},)}
    with pytest.raises(ValueError, match="a branch of stride 1"):
        TrainConfig(**{**settings, "architecture": apart})
    with pytest.raises(ValueError, match="grid_wh"):
        TrainConfig(**{**settings, "teacher_maps": {"layers": ("a",), "grid_wh": (0, 8)}})


def test_a_map_that_no_half_number_holds_is_refused(
    people: datasets.CropTable,
    teacher: tuple[EmbedderConfig, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def overflowing(network: object, prepared: np.ndarray) -> list[np.ndarray]:
        return [np.full((len(prepared), 3, 4, 2), 7e4, np.float32)]

    monkeypatch.setattr(OpenVinoNetwork, "__call__", overflowing)
    with pytest.raises(UsageError, match="not finite or too large"):
        raw_maps(people, MapTeacher(*teacher, (2, 4)), RUNTIME, tmp_path)
    assert not list(tmp_path.iterdir()), "nothing is kept"


def test_an_erased_patch_keeps_the_teacher_s_word(people: datasets.CropTable, tmp_path: Path) -> None:
    maps = np.random.default_rng(0).normal(size=(len(people), 4, 2, 3)).astype(np.float16)
    whole, erased = (
        Trainer(
            TrainConfig(
                trunk="light", reduced=8, input_size_wh=SIZE, identities=3, crops=2,
                augment={"flip": False, "erase_probability": probability},
            ),
            TrainData(people, maps=maps),
            tmp_path,
        ).make_batch()
        for probability in (0.0, 1.0)
    )  # fmt: skip
    assert all((one != other).any() for one, other in zip(whole.images, erased.images, strict=True))
    np.testing.assert_array_equal(whole.maps, erased.maps)


def test_a_training_learns_the_maps(
    make_set: Callable[..., Path], teacher: tuple[EmbedderConfig, str], tmp_path: Path
) -> None:
    make_set(tmp_path / "data")
    embedder, layer = teacher
    settings = {
        "trunk": "light",
        "reduced": 8,
        "input_size_wh": SIZE,
        "identities": 3,
        "crops": 2,
        "teacher": embedder.model_dump(mode="json"),
        "teacher_maps": {"layers": [layer], "grid_wh": [2, 4], "dimension": 6},
        "augment": {"scale": 0.05, "shift": 0.02},
        "loss": {"identity": 0.0, "triplet": 0.0, "distil_cosine": 0.1, "distil_maps": 5.0},
        "optimiser": {"name": "adamw", "learning_rate": 3e-3, "schedule": "cosine"},
        "epochs": 40,
    }
    config = TrainConfig.model_validate_json(json.dumps(settings))
    data = train_reid.load_data(config, tmp_path / "data", RUNTIME, tmp_path / "cache")
    trainer = Trainer(config, data, tmp_path / "run")
    losses = [trainer.train_step(trainer.make_batch())["maps"] for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
    assert trainer.make_batch().maps.shape == (6, 6, 4, 2)
