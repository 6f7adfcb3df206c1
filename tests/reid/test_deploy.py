"""Exported networks say what torch says, at any batch, and the embedder runs them as they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.config import EmbedderConfig, RuntimeConfig
from pipeline.errors import UsageError
from pipeline.weights import WeightCard, verify
from reid import build_embedder
from reid.architecture import ArchitectureConfig
from reid.embedder import card_of, normalise
from reid.export import load_mgn, save_mgn
from reid.mgn import Mgn
from run import main
from runtime.network import compile_file

EXACT = RuntimeConfig(device="cpu", threads=1, precision="f32")
SIZE = (32, 64)
ARCHITECTURES = {
    "mgn": "{}",
    "pcb": '{"branches": [{"whole": false, "pool": "avg", "parts": "stripes", "count": 3}]}',
    "latent": '{"branches": [{"parts": "latent", "count": 3}], "reduce": false}',
    "apart": '{"share": false}',
}


def make(path: Path, architecture: str, trunk: str = "light") -> Path:
    torch.manual_seed(3)
    config = ArchitectureConfig.model_validate_json(architecture)
    model = Mgn(trunk, 8, architecture=config)
    for name, value in model.named_parameters():
        if name.endswith("weight") and value.ndim == 1:
            torch.nn.init.uniform_(value, 0.5, 1.5)  # the zeros that residuals start with hide faults
    settings = {
        "trunk": trunk,
        "reduced": 8,
        "architecture": config.model_dump(mode="json"),
        "distance_prior": {"a": 1},
    }
    save_mgn(model, path, WeightCard("tiny", "", "", "tiny net", SIZE, "none", ("noise",), settings))
    return path


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_file_says_what_torch_says(name: str, suffix: str, tmp_path: Path) -> None:
    weights, output = make(tmp_path / "w.safetensors", ARCHITECTURES[name]), tmp_path / f"out{suffix}"
    assert main(["export", "--weights", str(weights), "--output", str(output)]) == 0
    crops = np.random.default_rng(0).integers(0, 255, (5, SIZE[1], SIZE[0], 3), np.uint8)
    with torch.no_grad():
        expected = load_mgn(weights, verify(weights))(torch.from_numpy(normalise(crops))).numpy()
    network = compile_file(output, EXACT)
    assert network.input_shape == (None, 3, SIZE[1], SIZE[0])
    assert network.metadata["passerby"] == "embedder 1" and "BGR" in network.metadata["input"]
    for batch in (1, 5):
        got = network(np.ascontiguousarray(crops[:batch].transpose(0, 3, 1, 2), np.float32))[0]
        cosine = (
            (got * expected[:batch]).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(expected[:batch], axis=1)
        )
        assert got.shape == expected[:batch].shape
        assert cosine.min() >= 0.999
        np.testing.assert_allclose(got, expected[:batch], atol=0.02 * np.abs(expected).max())


@pytest.mark.parametrize(("suffix", "kind"), [(".onnx", "onnx"), (".xml", "openvino")])
def test_the_embedder_runs_it_without_settings_and_finds_its_card(suffix: str, kind: str, tmp_path: Path) -> None:
    weights, output = make(tmp_path / "w.safetensors", "{}", "resnet18"), tmp_path / "sub" / f"out{suffix}"
    assert main(["export", "--weights", str(weights), "--output", str(output)]) == 0
    crops = [np.random.default_rng(n).integers(0, 255, (90 - n, 40 + n, 3), np.uint8) for n in range(3)]
    config = EmbedderConfig(name=kind, model=str(output))
    ours = build_embedder(EmbedderConfig(model=str(weights)), EXACT).embed(crops)
    theirs = build_embedder(config, EXACT).embed(crops)
    assert (ours * theirs).sum(1).min() > 0.999  # flip and all
    card = card_of(config)
    assert card is not None and card.settings["distance_prior"] == {"a": 1} and card.file == output.name
    with pytest.raises(UsageError, match="wants BGR"):
        build_embedder(EmbedderConfig(name=kind, model=str(output), channel_order="rgb"), EXACT)
    if suffix == ".xml":
        numbers = output.with_suffix(".bin")
        whole = numbers.read_bytes()
        numbers.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(UsageError, match=r"out\.bin: sha256 mismatch"):
            card_of(config)
        numbers.unlink()
        with pytest.raises(UsageError, match=r"out\.bin: is missing"):
            card_of(config)
        numbers.write_bytes(whole)
        assert card_of(config) == card
    output.write_bytes(output.read_bytes() + b" ")
    with pytest.raises(UsageError, match="sha256 mismatch"):
        card_of(config)


def test_other_json_beside_a_model_is_no_card(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"")
    (tmp_path / "m.json").write_text(json.dumps({"classes": []}))
    assert card_of(EmbedderConfig(name="onnx", model=str(tmp_path / "m.onnx"))) is None


def test_what_cannot_be_exported_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pose = make(tmp_path / "p.safetensors", '{"branches": [{"parts": "pose"}]}')
    for words, message in (
        (["--output", tmp_path / "a.pt"], "the suffix says the format"),
        (["--weights", tmp_path / "a.onnx", "--output", tmp_path / "b.onnx"], "only .safetensors"),
        (["--weights", pose, "--output", tmp_path / "b.onnx"], "need joints"),
        (["--weights", pose, "--output", pose], "is there already"),
    ):
        assert main(["export", *map(str, words)]) == 2
        assert message in capsys.readouterr().err
