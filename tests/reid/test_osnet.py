"""The omni-scale trunk: its budget, its blocks, and what its gates do."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline.config import RuntimeConfig
from reid import osnet
from reid.mgn import Mgn
from runtime.network import compile_module


def test_it_keeps_the_budget_of_the_bundled_network() -> None:
    model = Mgn("osnet").eval()
    assert sum(weights.numel() for weights in model.parameters()) / 1e6 == pytest.approx(4.10, abs=0.01)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        assert model(torch.zeros(1, 3, 256, 128)).shape == (1, 2048)
    assert counter.get_total_flops() / 2e9 == pytest.approx(1.10, abs=0.01)  # GMAC


def test_the_branches_part_after_the_first_block_of_the_last_stage() -> None:
    model = Mgn("osnet", 8).eval()
    x = torch.zeros(1, 3, 256, 128)
    sizes = []
    for block in model.shared:
        x = block(x)
        sizes.append(tuple(x.shape[1:]))
    assert sizes == [
        (64, 64, 32), (256, 64, 32), (256, 64, 32), (256, 32, 16),
        (384, 32, 16), (384, 32, 16), (384, 16, 8), (512, 16, 8),
    ]  # fmt: skip
    assert [tuple(branch.rest(x).shape[1:]) for branch in model.branches] == [(512, 8, 4), (512, 16, 8), (512, 16, 8)]


def test_streams_see_four_sizes() -> None:
    """One pixel changed moves stream t within t pixels of it, and nowhere else."""
    torch.manual_seed(0)
    block = osnet.OmniScaleBlock(16, 64, context=False).eval()
    one = torch.rand(1, 16, 15, 15)
    other = one.clone()
    other[0, :, 7, 7] += 1
    for reach, stream in enumerate(block.streams, start=1):
        moved = (stream(other) - stream(one)).abs().amax((0, 1)) > 0
        rows = moved.any(1).nonzero().flatten()
        assert (int(rows.min()), int(rows.max())) == (7 - reach, 7 + reach)


def test_a_context_gate_knows_a_channel_from_its_group() -> None:
    """Brighter or more contrast on all channels alike changes no weight; one channel over its group does."""
    gate = osnet.ContextGate(64)
    with torch.no_grad():
        gate.scale.fill_(1.0)
    torch.manual_seed(0)
    x = 1 + torch.rand(2, 64, 1, 1) + 0.1 * torch.rand(2, 64, 4, 4)
    weight = gate(x) / x
    torch.testing.assert_close(gate(3 * x + 1) / (3 * x + 1), weight, rtol=1e-2, atol=1e-2)
    x[:, 0] += 5
    assert (gate(x)[:, 0] / x[:, 0] > weight[:, 0]).all()


def test_a_camera_s_own_colour_and_contrast_are_taken_out() -> None:
    torch.manual_seed(0)
    model = Mgn("osnet", 8).eval()
    picture = torch.rand(1, 3, 64, 32)
    cast = picture * torch.tensor([1.3, 0.7, 0.9]).view(1, 3, 1, 1) + torch.tensor([0.2, -0.1, 0.4]).view(1, 3, 1, 1)
    torch.testing.assert_close(model(cast), model(picture), rtol=1e-2, atol=1e-2)
    assert (model(torch.rand(1, 3, 64, 32)) - model(picture)).abs().max() > 0.1


def test_openvino_gives_the_same_for_any_batch() -> None:
    torch.manual_seed(0)
    model = Mgn("osnet", 8).eval()
    crops = torch.rand(3, 3, 64, 32)
    with torch.no_grad():
        expected = model(crops).numpy()
    network = compile_module(model, (3, 64, 32), RuntimeConfig(threads=1, precision="f32"))
    assert network(crops.numpy())[0] == pytest.approx(expected, abs=2e-3)
    assert network(crops[:1].numpy())[0] == pytest.approx(expected[:1], abs=2e-3)
