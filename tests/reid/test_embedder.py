"""The embedder contract over EMBEDDERS, the bundled weights, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import pytest
import torch

from pipeline.config import EmbedderConfig, RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Embedder
from pipeline.weights import WeightCard, verify
from reid import EMBEDDERS, build_embedder
from reid.datasets import CropTable
from reid.embedder import BUNDLED_MODELS, NetworkEmbedder, normalise, normaliser, resize
from reid.export import load_mgn, save_mgn
from reid.mgn import Mgn
from reid.teacher import side_by_side, teacher_vectors

ROOT = Path(__file__).parents[2]
CPU = RuntimeConfig(device="cpu", threads=1)
EXACT = RuntimeConfig(device="cpu", threads=1, precision="f32")
SIZE = (32, 64)


def crops(count: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = [(64, 32), (1, 1), (300, 40), (7, 90)]
    return [rng.integers(0, 255, (*shapes[i % 4], 3), np.uint8) for i in range(count)]


class Tiny(torch.nn.Module):
    """A stand-in for somebody's embedder: one convolution and a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x).mean((2, 3))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A model file for each name of EMBEDDERS."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    card = WeightCard("tiny", "", "", "MGN", SIZE, "none", ("noise",), {"trunk": "light", "reduced": 8})
    save_mgn(Mgn("light", 8), folder / "mgn.safetensors", card)
    _save_openvino(Tiny(), folder / "tiny.xml")
    return {
        "mgn": str(folder / "mgn.safetensors"),
        "openvino": str(folder / "tiny.xml"),
        "onnx": str(folder / "tiny.xml"),
    }


def _save_openvino(module: torch.nn.Module, path: Path) -> None:
    """In a process of its own: openvino's converter raises warnings here that are not ours."""
    torch.save(module.state_dict(), path.with_suffix(".pt"))
    code = (
        "import sys, torch, openvino as ov\n"
        "class Tiny(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__(); self.layer = torch.nn.Conv2d(3, 12, 3)\n"
        "    def forward(self, x): return self.layer(x).mean((2, 3))\n"
        "m = Tiny(); m.load_state_dict(torch.load(sys.argv[1], weights_only=True)); m.eval()\n"
        "o = ov.convert_model(m, example_input=torch.zeros(1, 3, 64, 32)); o.reshape([-1, 3, -1, -1])\n"
        "ov.save_model(o, sys.argv[2])\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(path.with_suffix(".pt")), str(path)]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module", params=sorted(EMBEDDERS))
def embedder(request: pytest.FixtureRequest, models: dict[str, str]) -> Embedder:
    name = request.param
    config = EmbedderConfig(name=name, model=models[name], batch_crops=3, input_size_wh=SIZE)
    return build_embedder(config, EXACT)


def test_unit_rows_in_the_order_of_the_crops(embedder: Embedder) -> None:
    assert isinstance(embedder, Embedder)
    images = crops(8)
    vectors = embedder.embed(images)
    assert vectors.shape == (8, embedder.dimension) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    backwards = embedder.embed(images[::-1])[::-1]
    np.testing.assert_allclose(vectors, backwards, atol=1e-4)
    assert (vectors[0] @ vectors[1:].T < 0.99999).any()


def test_no_crops_give_no_rows(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.dimension)


def test_a_crop_and_its_mirror_image_are_the_same(embedder: Embedder) -> None:
    image = crops(1)[0]
    vectors = embedder.embed([image, np.ascontiguousarray(image[:, ::-1])])
    assert float(vectors[0] @ vectors[1]) > 0.99999


def test_crops_are_left_as_they_are(embedder: Embedder) -> None:
    image = crops(1)[0]
    before = image.copy()
    image.flags.writeable = False
    embedder.embed([image])
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    "bad", [np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3), np.float32)]
)
def test_what_is_no_crop_is_refused(embedder: Embedder, bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="crop 1 must be"):
        embedder.embed([crops(1)[0], bad])


class Stub:
    """A network that answers with given vectors."""

    input_shape = (None, 3, 64, 32)
    description = "stub"
    metadata: Mapping[str, object] = MappingProxyType({})

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, batch: np.ndarray) -> list[np.ndarray]:
        answer = np.ones((len(batch), 4), np.float32)
        answer[batch[:, 0, 0, 0] > 0.5] = self.value
        return [answer]


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_crop_that_gives_no_vector_is_nan_and_spoils_no_other(value: float) -> None:
    embedder = NetworkEmbedder(Stub(value), SIZE, normalise, EmbedderConfig(batch_crops=2), "stub")
    images = [np.zeros((64, 32, 3), np.uint8)] * 2 + [np.full((64, 32, 3), 255, np.uint8)] * 2
    vectors = embedder.embed([images[0], images[2], images[1], images[3]])
    assert np.isnan(vectors[[1, 3]]).all()
    np.testing.assert_array_equal(vectors[[0, 2]], 0.5)


def test_the_shape_of_pixels_makes_no_difference(make_set: Callable[..., Path], tmp_path: Path) -> None:
    """Every crop is brought to one size: squeezed pixels are stretched by that already."""
    path = sorted(make_set(tmp_path, identities=1).iterdir())[0]
    crop = cv2.resize(cv2.imread(str(path)), (128, 256))
    stored = cv2.resize(crop, (88, 256), interpolation=cv2.INTER_AREA)  # 16:11
    embedder = build_embedder(EmbedderConfig(), CPU)
    one, other = embedder.embed([crop, stored])
    assert float(one @ other) > 0.98


def test_nothing_is_learnt_of_a_teacher_without_a_vector(tmp_path: Path) -> None:
    images = [np.full((64, 32, 3), value, np.uint8) for value in (0, 255, 0)]
    none = np.zeros(3, np.int64)
    teacher = NetworkEmbedder(Stub(np.nan), SIZE, normalise, EmbedderConfig(), "stub")
    with pytest.raises(UsageError, match="1 of 3 crops gave no finite vector"):
        teacher_vectors(CropTable(images, none, none, none, ("noise",)), teacher, "stub", tmp_path)
    assert list(tmp_path.iterdir()) == [], "nothing is cached"


def test_a_network_of_fixed_batch_gets_batches_of_that_size() -> None:
    class Fixed(Stub):
        input_shape = (4, 3, 64, 32)

        def __call__(self, batch: np.ndarray) -> list[np.ndarray]:
            assert len(batch) == 4
            return [batch.mean((2, 3)) + 3]

    embedder = NetworkEmbedder(Fixed(1), SIZE, normalise, EmbedderConfig(batch_crops=99), "fixed")
    assert embedder.embed(crops(6)).shape == (6, 3)


def test_normalisation_by_hand() -> None:
    image = np.array([[[[10, 20, 30]]]], np.uint8)
    np.testing.assert_allclose(normalise(image)[0, :, 0, 0], [
        (30 / 255 - 0.485) / 0.229, (20 / 255 - 0.456) / 0.224, (10 / 255 - 0.406) / 0.225], rtol=1e-5)  # fmt: skip
    plain = normaliser("bgr", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    np.testing.assert_array_equal(plain(image)[0, :, 0, 0], [10, 20, 30])


def test_shrinking_averages() -> None:
    stripes = np.zeros((40, 40, 3), np.uint8)
    stripes[::2] = 200
    assert resize(stripes, (10, 10)).std() == 0


def test_openvino_says_what_torch_says(models: dict[str, str]) -> None:
    path = Path(models["mgn"])
    embedder = build_embedder(EmbedderConfig(model=str(path), flip=False), CPU)
    images = crops(6)
    with torch.no_grad():
        batch = np.ascontiguousarray(normalise(np.stack([resize(image, SIZE) for image in images])))
        expected = load_mgn(path, verify(path))(torch.from_numpy(batch)).numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert (embedder.embed(images) * expected).sum(1).min() >= 0.999


def test_weights_that_are_not_what_their_card_says_are_refused_before_loading(
    models: dict[str, str], tmp_path: Path
) -> None:
    source = Path(models["mgn"])
    for suffix in (".safetensors", ".json"):
        shutil.copy(source.with_suffix(suffix), tmp_path / f"mgn{suffix}")
    path = tmp_path / "mgn.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(UsageError, match="sha256 mismatch"):
        build_embedder(EmbedderConfig(model=str(path)), CPU)


def test_weights_of_another_architecture_are_named(models: dict[str, str], tmp_path: Path) -> None:
    card = verify(Path(models["mgn"]))
    shutil.copy(models["mgn"], tmp_path / "w.safetensors")
    raw = json.loads(Path(models["mgn"]).with_suffix(".json").read_text())
    raw["settings"]["reduced"] = 16
    (tmp_path / "w.json").write_text(json.dumps(raw))
    with pytest.raises(UsageError, match="do not fit light x 16"):
        build_embedder(EmbedderConfig(model=str(tmp_path / "w.safetensors")), CPU)
    assert card.settings["reduced"] == 8


@pytest.mark.parametrize(
    ("name", "model", "message"),
    [
        ("mgn", "absent.safetensors", "no such weight file"),
        ("mgn", "model.pt", "takes .safetensors"),
        ("openvino", "bundled", "set embedder.model"),
        ("onnx", "absent.onnx", "no such model file"),
    ],
)
def test_faults_of_the_configuration_are_told(name: str, model: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_embedder(EmbedderConfig(name=name, model=model), CPU)  # type: ignore[arg-type]


def test_importing_reid_imports_no_torch() -> None:
    code = "import sys, reid; sys.exit('torch' in sys.modules or 'openvino' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("model", ["bundled", "bundled-osnet"])
def test_bundled_weights_are_small_and_tell_people_apart(
    model: str, make_set: Callable[..., Path], tmp_path: Path
) -> None:
    path = BUNDLED_MODELS[model]
    card = verify(path)
    assert path.stat().st_size <= 16e6
    assert card.metrics and card.training_data
    assert path.with_suffix(".md").is_file()
    files = sorted(make_set(tmp_path / "people", identities=8, cameras=2, shots=1).iterdir())
    embedder = build_embedder(EmbedderConfig(model=model), CPU)
    vectors = embedder.embed([cv2.imread(str(file)) for file in files])
    one, two = vectors[0::2], vectors[1::2]  # the same eight people, seen by two cameras
    assert ((one @ two.T).argmax(1) == np.arange(8)).mean() >= 0.75


def test_two_teachers_vectors_side_by_side_have_the_mean_of_their_cosines() -> None:
    rng = np.random.default_rng(0)
    one, two = (rng.normal(size=(6, dimension)).astype(np.float32) for dimension in (4, 7))
    one, two = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (one, two))
    both = side_by_side([one, two])
    np.testing.assert_allclose(both @ both.T, (one @ one.T + two @ two.T) / 2, atol=1e-6)
