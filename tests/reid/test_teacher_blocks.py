"""A trunk is learnt block by block: the teacher is asked about the very crops, apart at first, then in a chain."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from commands import train_reid
from pipeline.config import EmbedderConfig, RuntimeConfig
from pipeline.errors import UsageError
from reid.embedder import normalise
from reid.mgn import Mgn
from reid.teacher_blocks import BlockTeacher, BlockWords, begin_like, block_distillation, taught, trunk_blocks
from reid.train import Trainer
from reid.train_config import TeacherBlocksConfig, TrainConfig
from runtime.export import save_openvino

SIZE = (32, 64)
RUNTIME = RuntimeConfig(threads=1, precision="f32")


def operations_of(path: Path) -> list[tuple[str, str]]:
    """Of each block of the trunk in our own export: before its last activation, and its output."""
    root = ElementTree.parse(path).getroot()  # noqa: S314 - written just now
    names = {layer.attrib["id"]: layer.attrib["name"] for layer in root.findall("./layers/layer")}
    fed = {names[e.attrib["to-layer"]]: names[e.attrib["from-layer"]] for e in root.findall("./edges/edge")}
    pairs = []
    for number in range(8):
        block = f"__module.shared.{number}"
        last = f"{block}/aten::relu/Relu" + ("" if number in (0, 3, 6) else "_1")
        pool = {0: f"{block}.pool/aten::max_pool2d/MaxPool"}.get(number, f"{block}/aten::avg_pool2d/AvgPool")
        pairs.append((fed[last], pool if number in (0, 3, 6) else last))
    return pairs


@pytest.fixture(scope="module")
def taught_by(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mgn, EmbedderConfig, TeacherBlocksConfig]:
    """A network of random weights that acts as teacher, its export, and what to ask of it."""
    torch.manual_seed(7)
    network = Mgn("osnet", 8).eval()
    path = tmp_path_factory.mktemp("teacher") / "teacher.xml"
    save_openvino(network, (3, SIZE[1], SIZE[0]), path, {})
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    ours = {"channel_order": "rgb", "pixel_mean": mean, "pixel_std": std}
    embedder = EmbedderConfig(name="openvino", model=str(path), input_size_wh=SIZE, flip=False, **ours)
    return network, embedder, TeacherBlocksConfig(operations=tuple(operations_of(path)))


@pytest.fixture(scope="module")
def crops() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return list(rng.integers(0, 255, (5, SIZE[1], SIZE[0], 3), np.uint8))


def asked(taught_by: tuple[Mgn, EmbedderConfig, TeacherBlocksConfig], crops: list[np.ndarray]) -> BlockWords:
    return BlockTeacher(*taught_by[1:], RUNTIME)(crops)


def test_the_teacher_tells_its_vector_and_each_block(
    taught_by: tuple[Mgn, EmbedderConfig, TeacherBlocksConfig], crops: list[np.ndarray]
) -> None:
    network, embedder, settings = taught_by
    words = asked(taught_by, crops)
    x = torch.from_numpy(normalise(np.stack(crops)))
    with torch.no_grad():
        assert words.vectors == pytest.approx(network(x).numpy(), abs=5e-3)
        for block, before, after in zip(trunk_blocks(network), words.before, words.after, strict=True):
            ours = block.before_activation(x)
            x = block.activated(ours)
            assert before == pytest.approx(ours.numpy(), abs=0.02 * float(ours.std()) + 5e-3)
            assert after == pytest.approx(x.numpy(), abs=0.02 * float(ours.std()) + 5e-3)
    assert BlockTeacher(embedder, settings, RUNTIME).dimension == network.output_dimension


@pytest.mark.parametrize("apart", [True, False])
def test_the_teacher_itself_has_nothing_to_learn_and_another_has(
    taught_by: tuple[Mgn, EmbedderConfig, TeacherBlocksConfig], crops: list[np.ndarray], apart: bool
) -> None:
    words = asked(taught_by, crops)
    images = torch.from_numpy(normalise(np.stack(crops)))
    torch.manual_seed(8)
    with torch.no_grad():
        output, own = taught(trunk_blocks(taught_by[0]), images, words, apart=apart)
        _, other = taught(trunk_blocks(Mgn("osnet", 8).eval()), images, words, apart=apart)
    assert float(own) < 1e-3
    assert float(other) > 0.5
    assert output.shape == (5, 512, 4, 2)


def test_apart_a_block_s_fault_is_its_own(
    taught_by: tuple[Mgn, EmbedderConfig, TeacherBlocksConfig], crops: list[np.ndarray]
) -> None:
    words = asked(taught_by, crops)
    images = torch.from_numpy(normalise(np.stack(crops)))
    student = Mgn("osnet", 8).eval()
    student.load_state_dict(taught_by[0].state_dict())
    with torch.no_grad():
        student.shared[4].expand[1].weight.mul_(2)
        apart, chained = (float(taught(trunk_blocks(student), images, words, apart=way)[1]) for way in (True, False))
    assert 0.01 < apart < 0.9 * chained


def test_a_student_begins_at_its_teacher_s_scale(
    taught_by: tuple[Mgn, EmbedderConfig, TeacherBlocksConfig], crops: list[np.ndarray]
) -> None:
    words = asked(taught_by, crops)
    louder = BlockWords(words.vectors, tuple(20 * b for b in words.before), tuple(20 * a for a in words.after))
    images = torch.from_numpy(normalise(np.stack(crops)))
    blocks = trunk_blocks(Mgn("osnet", 8).train())
    begin_like(blocks, louder)
    x = images
    for block, before, after in zip(blocks, louder.before, louder.after, strict=True):
        ours = block.before_activation(x).detach().numpy()
        assert ours.std() == pytest.approx(before.std(), rel=0.5)
        assert ours.mean() == pytest.approx(before.mean(), abs=0.3 * float(before.std()))
        x = torch.from_numpy(after)


def test_a_channel_counts_by_its_own_variance() -> None:
    rng = torch.Generator().manual_seed(0)
    theirs = torch.rand(4, 2, 3, 3, generator=rng) * torch.tensor([1.0, 10.0]).view(1, 2, 1, 1)
    off = torch.zeros(2, 4, 2, 3, 3)
    off[0, :, 0], off[1, :, 1] = 0.1, 1.0  # each a tenth of its channel's range
    small, large = (float(block_distillation(theirs + one, theirs, theirs + one, theirs)) for one in off)
    assert small == pytest.approx(large, rel=0.9) and small > 0
    assert float(block_distillation(theirs, theirs, theirs, theirs)) == 0
    before_only = float(block_distillation(theirs + 1, theirs, theirs, theirs))
    after_only = float(block_distillation(theirs, theirs, theirs + 1, theirs))
    assert after_only / before_only == pytest.approx(7 / 3)


def settings_of(taught_by: tuple[Mgn, EmbedderConfig, TeacherBlocksConfig], **changed: object) -> TrainConfig:
    settings = {
        "trunk": "osnet",
        "reduced": 8,
        "input_size_wh": SIZE,
        "identities": 3,
        "crops": 2,
        "teacher": taught_by[1].model_dump(mode="json"),
        "teacher_blocks": {**taught_by[2].model_dump(mode="json"), "apart_until": 0.3, "alone_until": 0.6},
        "augment": {"scale": 0.05, "shift": 0.02},
        "loss": {"identity": 1.0, "triplet": 0.0, "distil_cosine": 1.0},
        "optimiser": {"name": "adamw", "learning_rate": 3e-3, "schedule": "cosine"},
        "epochs": 30,
        **changed,
    }
    return TrainConfig.model_validate_json(json.dumps(settings))


def test_a_training_learns_block_by_block_and_goes_on_exactly(
    make_set: Callable[..., Path], taught_by: tuple[Mgn, EmbedderConfig, TeacherBlocksConfig], tmp_path: Path
) -> None:
    make_set(tmp_path / "data")
    config = settings_of(taught_by)
    data = train_reid.load_data(config, tmp_path / "data", RUNTIME, tmp_path / "cache")
    trainer = Trainer(config, data, tmp_path / "run")
    assert data.teacher is None and trainer.student.to_teacher.out_features == taught_by[0].output_dimension
    told: list[dict[str, float]] = []
    trainer.run(tell=lambda _, parts: told.append(dict(parts)))
    assert len(told) == trainer.total_steps
    alone = sum("identity" not in parts for parts in told)
    assert alone == pytest.approx(0.6 * len(told), abs=1)
    apart = [parts["blocks"] for parts in told[: int(0.3 * len(told))]]
    assert np.mean(apart[-3:]) < 0.8 * np.mean(apart[:3])
    assert not trainer.student.model.shared[1].reduce[1].training, "norms of the trunk keep what they have seen"

    halves = Trainer(config, data, tmp_path / "halves")
    halves.run(max_steps=5)
    again = Trainer(config, data, tmp_path / "halves")
    again.resume()
    again.run()
    for name, weights in trainer.student.state_dict().items():
        torch.testing.assert_close(again.student.state_dict()[name], weights, rtol=0, atol=0, msg=name)


def test_what_does_not_fit_is_one_line(
    make_set: Callable[..., Path], taught_by: tuple[Mgn, EmbedderConfig, TeacherBlocksConfig], tmp_path: Path
) -> None:
    make_set(tmp_path / "data")
    _, embedder, settings = taught_by
    few = TeacherBlocksConfig(operations=settings.operations[:7])
    nothing = TeacherBlocksConfig(operations=(("no such thing", settings.operations[0][1]),))
    with pytest.raises(UsageError, match="no operation called no such thing"):
        BlockTeacher(embedder, nothing, RUNTIME)
    for wrong, size, message in (
        (few, SIZE, "7 pairs of operations for 8 blocks"),
        (settings, (48, 96), "block 0 gives 64 x 24 x 12, its operation 64 x 16 x 8"),
        (TeacherBlocksConfig(operations=settings.operations[::-1]), SIZE, "block 0 has another width"),
    ):
        config = settings_of(taught_by, input_size_wh=size, teacher_blocks=wrong.model_dump(mode="json"))
        data = train_reid.load_data(config, tmp_path / "data", RUNTIME, tmp_path / "cache")
        with pytest.raises(UsageError, match=message):
            Trainer(config, data, tmp_path / "run").run(max_steps=1)
    with pytest.raises(ValueError, match="wants `trunk: osnet`"):
        settings_of(taught_by, trunk="light")
    blocks = taught_by[2].model_dump(mode="json")
    for changed, message in (
        ({"sizes": [{"progress": 0.5, "size_wh": [16, 32]}]}, "leave out `sizes`"),
        ({"teacher": taught_by[1].model_dump(mode="json") | {"flip": True}}, "set `flip: false`"),
        ({"teacher_blocks": {**blocks, "alone_until": 1.0}}, "less than 1"),
        ({"teacher_blocks": {**blocks, "apart_until": 0.0}}, "greater than 0"),
        ({"teacher_blocks": {**blocks, "apart_until": 0.6, "alone_until": 0.3}}, "lies before"),
        ({"teacher_blocks": {"operations": blocks["operations"][:1] * 8}}, "one operation twice"),
    ):
        with pytest.raises(ValueError, match=message):
            settings_of(taught_by, **changed)
    with pytest.raises(UsageError, match="trunk light is not made of blocks"):
        trunk_blocks(Mgn("light", 8))
