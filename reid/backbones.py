"""Trunks of a Multiple Granularity Network: what the branches share, and what each branch owns.

A trunk is parted where the MGN paper parts ResNet-50 (Wang et al., ACM MM 2018, section 3.1: after `res4_1`): all that
comes before is computed once, all that comes after exists once a branch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor, nn

from pipeline.errors import UsageError
from reid import osnet
from runtime.torchvision_ops import ensure_torchvision_ops

TrunkName = Literal["light", "osnet", "resnet18", "resnet50", "resnet101"]
TRUNKS: tuple[TrunkName, ...] = ("light", "osnet", "resnet18", "resnet50", "resnet101")

# The light trunk: chosen for training throughput on a CPU with AMX (docs/reid.md).
STEM, MIDDLE, LATE, HIDDEN, LAST = 64, 128, 256, 192, 512


@dataclass(frozen=True)
class Trunk:
    """`shared` maps `(N, 3, H, W)` to stride 16; `branch(stride)` makes the rest of one branch, whose last stage has
    that stride (2: stride 32, 1: stride 16) and gives `width` channels; `shared` gives `shared_width`."""

    shared: nn.Module
    branch: Callable[[int], nn.Module]
    width: int
    shared_width: int


def build_trunk(name: TrunkName, imagenet: Path | None = None) -> Trunk:
    """The trunk called `name`. `imagenet` is a torchvision state dict (.pth or .safetensors) for a ResNet.

    It is a path, or the bare name of a file in torch's cache (`$TORCH_HOME/hub/checkpoints`).

    Raises UsageError for an unknown name and for weights that do not fit.
    """
    if name in ("light", "osnet"):
        if imagenet is not None:
            raise UsageError(f"{imagenet}: the {name} trunk is trained from scratch; remove `imagenet`")
        return light() if name == "light" else omni_scale()
    if name not in TRUNKS:
        raise UsageError(f"trunk {name!r}: not one of {', '.join(TRUNKS)}")
    return _resnet(name, imagenet)


def _resnet(name: str, imagenet: Path | None) -> Trunk:
    ensure_torchvision_ops()
    import torchvision  # noqa: PLC0415 - needs the operators registered first

    network = getattr(torchvision.models, name)(weights=None)
    if imagenet is not None:
        _load_imagenet(network, imagenet)
    shared = nn.Sequential(
        network.conv1, network.bn1, network.relu, network.maxpool, network.layer1, network.layer2, network.layer3[0]
    )
    rest = nn.Sequential(*network.layer3[1:], *network.layer4)
    first_of_layer4 = len(network.layer3) - 1

    def branch(stride: int) -> nn.Module:
        own = copy.deepcopy(rest)
        for module in own[first_of_layer4].modules():
            if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
                module.stride = (stride, stride)
        return own

    width = int(network.fc.in_features)
    return Trunk(shared, branch, width, width // 2)


def _load_imagenet(network: nn.Module, path: Path) -> None:
    if not path.exists() and len(path.parts) == 1:  # a bare name: torchvision keeps what it fetched there
        cached = Path(torch.hub.get_dir()) / "checkpoints" / path.name
        path = cached if cached.is_file() else path
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file  # noqa: PLC0415

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UsageError(
            f"{path}: no ImageNet weights there nor in torch's cache; fetch torchvision's state dict (docs/reid.md), "
            "or train without `imagenet`"
        ) from None
    wanted = {key for key in network.state_dict() if not key.startswith("fc.")}
    missing = sorted(wanted - set(state))
    unknown = sorted(set(state) - wanted - {"fc.weight", "fc.bias"})
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]  # absent from the oldest releases
    if missing or unknown:
        raise UsageError(
            f"{path}: not the state dict of this ResNet (missing {missing[:3]}, unknown {unknown[:3]}); "
            "use torchvision's"
        )
    network.load_state_dict({key: value for key, value in state.items() if key in wanted}, strict=False)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """Two 3x3 convolutions around a sum. `instance_norm` normalises the sum per image, which takes out a camera's own
    colour and contrast (IBN-b of Pan et al., ECCV 2018)."""

    def __init__(self, width: int, hidden: int, *, instance_norm: bool = False) -> None:
        super().__init__()
        self.first = _convolution(width, hidden, 3)
        self.second = _convolution(hidden, width, 3)
        # One channel a group is instance norm; torch's own class leaves channels-last and is three times slower.
        self.after = nn.GroupNorm(width, width) if instance_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """`(N, width, H, W)` to the same shape."""
        y = torch.relu(self.first(x))
        return torch.relu(self.after(x + self.second(y)))


class Widening(nn.Module):
    """A bottleneck of three convolutions that changes width and, with `stride` 2, halves the map."""

    def __init__(self, width: int, hidden: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.reduce = _convolution(width, hidden, 1)
        self.middle = _convolution(hidden, hidden, 3, stride)
        self.expand = _convolution(hidden, outputs, 1)
        self.shortcut = _convolution(width, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, width, H, W)` to `(N, outputs, H / stride, W / stride)`."""
        y = torch.relu(self.reduce(x))
        y = torch.relu(self.middle(y))
        return torch.relu(self.shortcut(x) + self.expand(y))


def light() -> Trunk:
    """A narrow residual trunk of dense convolutions, made to be trained from random weights on a CPU."""
    shared = nn.Sequential(
        nn.PixelUnshuffle(4),
        _convolution(3 * 16, STEM, 3),
        nn.ReLU(),
        Residual(STEM, STEM, instance_norm=True),
        _convolution(STEM, MIDDLE, 3, 2),
        nn.ReLU(),
        Residual(MIDDLE, MIDDLE),
        Residual(MIDDLE, MIDDLE),
        _convolution(MIDDLE, LATE, 3, 2),
        nn.ReLU(),
    )
    _initialise(shared)

    def branch(stride: int) -> nn.Module:
        own = nn.Sequential(Residual(LATE, HIDDEN), Widening(LATE, LATE // 2, LAST, stride))
        _initialise(own)
        return own

    return Trunk(shared, branch, LAST, LATE)


def omni_scale() -> Trunk:
    """OSNet (reid/osnet.py), parted after the first block of its last stage."""

    def started(part: nn.Module) -> nn.Module:
        _initialise(part)
        return part

    width = osnet.STAGES[-1]
    return Trunk(started(osnet.shared_part()), lambda stride: started(osnet.branch_part(stride)), width, width)


def _initialise(module: nn.Module) -> None:
    """He et al. 2015 for convolutions; the last norm of a residual starts at 0, so that each block starts as identity
    (Goyal et al. 2017, section 5.1)."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(part, Residual):
            nn.init.zeros_(cast(nn.BatchNorm2d, part.second[1]).weight)
        elif isinstance(part, Widening):
            nn.init.zeros_(cast(nn.BatchNorm2d, part.expand[1]).weight)
