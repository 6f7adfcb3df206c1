"""The structure of MGN: shapes, parameter counts of the paper's layout, what is shared and what each branch owns."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline.errors import UsageError
from reid.backbones import TRUNKS, build_trunk
from reid.mgn import IdentityHeads, Mgn
from runtime.torchvision_ops import ensure_torchvision_ops


def parameters(*modules: torch.nn.Module) -> float:
    """Millions."""
    return sum(p.numel() for module in modules for p in module.parameters()) / 1e6


@pytest.fixture(scope="module")
def paper() -> Mgn:
    """MGN on ResNet-50 without storage."""
    with torch.device("meta"):
        return Mgn("resnet50")


def test_parameter_counts_of_the_paper_layout(paper: Mgn) -> None:
    trunk = parameters(paper.shared, *(branch.rest for branch in paper.branches))
    with torch.device("meta"):
        heads = IdentityHeads(paper.width, paper.reduced, 751)
    assert round(trunk, 2) == 64.61
    assert round(parameters(paper), 2) == 68.81
    assert round(parameters(paper, heads), 2) == 74.39


def test_branches_share_the_trunk_up_to_the_first_block_of_layer3_and_own_the_rest(paper: Mgn) -> None:
    owners = [{id(p) for p in branch.parameters()} for branch in paper.branches]
    assert not owners[0] & owners[1] and not owners[0] & owners[2] and not owners[1] & owners[2]
    assert len(paper.shared) == 7  # conv1, bn1, relu, maxpool, layer1, layer2, layer3[0]
    assert [len(branch.rest) for branch in paper.branches] == [8, 8, 8]  # layer3[1:] and layer4
    assert [len(branch.reduce) for branch in paper.branches] == [1, 3, 4]


def test_maps_of_a_384x128_crop_are_12x4_and_24x8(paper: Mgn) -> None:
    images = torch.empty(2, 3, 384, 128, device="meta")
    common = paper.shared(images)
    assert common.shape == (2, 1024, 24, 8)
    assert [tuple(branch.rest(common).shape[1:]) for branch in paper.branches] == [
        (2048, 12, 4),
        (2048, 24, 8),
        (2048, 24, 8),
    ]


@pytest.mark.parametrize("trunk", TRUNKS)
def test_three_global_and_five_local_vectors(trunk: str) -> None:
    with torch.device("meta"):
        model = Mgn(trunk, reduced=32)
        heads = IdentityHeads(model.width, 32, 5)
    features = model.features(torch.empty(2, 3, 192, 96, device="meta"))
    assert [tuple(v.shape) for v in features.pooled_global] == [(2, model.width)] * 3
    assert [tuple(v.shape) for v in features.reduced_global] == [(2, 32)] * 3
    assert [tuple(v.shape) for v in features.reduced_local] == [(2, 32)] * 5
    assert features.embedding().shape == (2, model.dimension) == (2, 256)
    assert [tuple(logit.shape) for logit in heads(features)] == [(2, 5)] * 8


def test_light_model_keeps_its_budget() -> None:
    model = Mgn("light")
    assert parameters(model) <= 7.0
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.zeros(1, 3, 256, 128))
    assert counter.get_total_flops() / 2e9 <= 1.05  # GMAC


def test_a_stripe_sees_its_own_part_only() -> None:
    """Changing the map's lower half leaves the upper stripe's vector alone, and moves the lower one's."""
    torch.manual_seed(0)
    branch = Mgn("light", reduced=16).branches[1].eval()
    branch.rest = torch.nn.Identity()
    features = torch.rand(1, 512, 12, 6)
    changed = features.clone()
    changed[:, :, 6:] += 1
    before, after = branch(features)[2], branch(changed)[2]
    assert torch.equal(before[1], after[1])
    assert not torch.equal(before[2], after[2])


def test_stride_of_a_branch_is_its_own() -> None:
    trunk = build_trunk("resnet18")
    common = torch.zeros(1, 256, 8, 4)
    assert trunk.branch(2)(common).shape[2:] == (4, 2)
    assert trunk.branch(1)(common).shape[2:] == (8, 4)


def test_imagenet_weights_start_every_branch_alike(tmp_path: Path) -> None:
    ensure_torchvision_ops()
    import torchvision  # noqa: PLC0415 - only now can it be imported

    torch.manual_seed(1)
    source = torchvision.models.resnet18(weights=None)
    torch.save(source.state_dict(), tmp_path / "resnet18.pth")
    model = Mgn("resnet18", 16, tmp_path / "resnet18.pth")
    expected = source.layer4[1].conv2.weight
    for branch in model.branches:
        assert torch.equal(branch.rest[-1].conv2.weight, expected)
        assert branch.rest[-1].conv2.weight.data_ptr() != expected.data_ptr()


def test_imagenet_weights_are_found_in_torch_s_cache_by_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_torchvision_ops()
    import torchvision  # noqa: PLC0415 - only now can it be imported

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    source = torchvision.models.resnet18(weights=None)
    torch.save(source.state_dict(), cache / "resnet18-f37072fd.pth")
    shared = build_trunk("resnet18", Path("resnet18-f37072fd.pth")).shared
    assert torch.equal(shared[0].weight, source.conv1.weight)


def test_wrong_or_missing_imagenet_weights_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no ImageNet weights there"):
        build_trunk("resnet18", tmp_path / "absent.pth")
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(UsageError, match="not the state dict of this ResNet"):
        build_trunk("resnet18", tmp_path / "other.pth")
    with pytest.raises(UsageError, match="trained from scratch"):
        build_trunk("light", tmp_path / "other.pth")
