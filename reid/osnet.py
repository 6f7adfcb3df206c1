"""An omni-scale trunk: blocks whose streams see four sizes at once, and pictures freed of their camera's own colour.

Zhou et al., "Omni-Scale Feature Learning for Person Re-Identification", ICCV 2019: the lite 3x3 convolution (section
3.1), the block of four streams and their aggregation gate (section 3.2), the widths (table 1). The second block of each
stage weighs its streams by a linear context transform instead (Ruan et al., "Linear Context Transform Block", AAAI
2020), and instance norm is used at the input and in the stem (after Zhou et al., "Learning Generalisable Omni-Scale
Representations", TPAMI 2021, section 3.3).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STEM, STAGES = 64, (256, 384, 512)
STREAMS = 4
GATE_REDUCTION = 16
CONTEXT_GROUPS = 16
NORM_FLOOR = 1e-5


def convolution(inputs: int, outputs: int) -> nn.Sequential:
    """1x1, batch norm; no activation."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


class LiteConvolution(nn.Module):
    """A 1x1 convolution, a depthwise 3x3 one, batch norm, ReLU (section 3.1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.point = nn.Conv2d(width, width, 1, bias=False)
        self.depth = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, width, H, W)` to the same shape."""
        return torch.relu(self.norm(self.depth(self.point(x))))


class AggregationGate(nn.Module):
    """A weight for each channel from the map's mean, by a small network that all streams share (equation 3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, width // GATE_REDUCTION)
        self.up = nn.Linear(width // GATE_REDUCTION, width)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, width, H, W)` to the same shape."""
        weight = torch.sigmoid(self.up(torch.relu(self.down(x.mean((2, 3))))))
        return x * weight[:, :, None, None]


class ContextGate(nn.Module):
    """A weight for each channel from the map's mean, normalised within groups, scaled and shifted (Ruan et al., 3.2).

    All streams share it. It starts as a weight of sigmoid(1) on everything, as theirs.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(width))
        self.shift = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, width, H, W)` to the same shape."""
        means = x.mean((2, 3)).float().view(-1, CONTEXT_GROUPS, self.scale.numel() // CONTEXT_GROUPS)
        spread = (means.var(2, unbiased=False, keepdim=True) + NORM_FLOOR).sqrt()
        normal = ((means - means.mean(2, keepdim=True)) / spread).flatten(1)
        return x * torch.sigmoid(normal * self.scale + self.shift)[:, :, None, None].to(x.dtype)


class OmniScaleBlock(nn.Module):
    """A residual of four streams, of 1 to 4 lite convolutions, summed under a gate (figure 4)."""

    def __init__(self, inputs: int, outputs: int, *, context: bool) -> None:
        super().__init__()
        middle = outputs // 4
        self.reduce = convolution(inputs, middle)
        self.streams = nn.ModuleList(
            nn.Sequential(*(LiteConvolution(middle) for _ in range(depth))) for depth in range(1, STREAMS + 1)
        )
        self.gate = ContextGate(middle) if context else AggregationGate(middle)
        self.expand = convolution(middle, outputs)
        self.shortcut = nn.Identity() if inputs == outputs else convolution(inputs, outputs)

    def before_activation(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, outputs, H, W)`."""
        y = torch.relu(self.reduce(x))
        streams = torch.stack([self.gate(stream(y)) for stream in self.streams]).sum(0)
        result: Tensor = self.expand(streams) + self.shortcut(x)
        return result

    def activated(self, y: Tensor) -> Tensor:
        """The rest of `forward`."""
        return torch.relu(y)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, outputs, H, W)`."""
        return self.activated(self.before_activation(x))


class Stem(nn.Module):
    """The picture and its first convolution, each channel normalised within the picture, a quarter of the size."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        # One channel a group is instance norm; torch's own class leaves channels-last and is three times slower.
        self.picture = nn.GroupNorm(3, 3)
        self.convolution = nn.Conv2d(3, outputs, 7, 2, 3, bias=False)
        self.norm = nn.GroupNorm(outputs, outputs)
        self.pool = nn.MaxPool2d(3, 2, 1)

    def before_activation(self, x: Tensor) -> Tensor:
        """`(N, 3, H, W)` to `(N, outputs, H / 2, W / 2)`."""
        result: Tensor = self.norm(self.convolution(self.picture(x)))
        return result

    def activated(self, y: Tensor) -> Tensor:
        """The rest of `forward`."""
        result: Tensor = self.pool(torch.relu(y))
        return result

    def forward(self, x: Tensor) -> Tensor:
        """`(N, 3, H, W)` to `(N, outputs, H / 4, W / 4)`."""
        return self.activated(self.before_activation(x))


class Transition(nn.Module):
    """A 1x1 convolution, batch norm, ReLU; `halves` the map after it."""

    def __init__(self, width: int, *, halves: bool) -> None:
        super().__init__()
        self.convolution = convolution(width, width)
        self.halves = halves

    def before_activation(self, x: Tensor) -> Tensor:
        """`(N, width, H, W)` to the same shape."""
        result: Tensor = self.convolution(x)
        return result

    def activated(self, y: Tensor) -> Tensor:
        """The rest of `forward`."""
        y = torch.relu(y)
        return functional.avg_pool2d(y, 2) if self.halves else y

    def forward(self, x: Tensor) -> Tensor:
        """`(N, width, H, W)` to the same or half the size."""
        return self.activated(self.before_activation(x))


Block = Stem | OmniScaleBlock | Transition
"""What the trunk is made of, and can be learnt piece by piece (reid/teacher_blocks.py)."""


def shared_part() -> nn.Sequential:
    """`(N, 3, H, W)` to `(N, 512, H / 16, W / 16)`, block by block: all up to the first block of the last stage."""
    first, second, last = STAGES
    return nn.Sequential(
        Stem(STEM),
        OmniScaleBlock(STEM, first, context=False),
        OmniScaleBlock(first, first, context=True),
        Transition(first, halves=True),
        OmniScaleBlock(first, second, context=False),
        OmniScaleBlock(second, second, context=True),
        Transition(second, halves=True),
        OmniScaleBlock(second, last, context=False),
    )


def branch_part(stride: int) -> nn.Sequential:
    """`(N, 512, h, w)` to `(N, 512, h / stride, w / stride)`: the rest of the last stage."""
    width = STAGES[-1]
    pool = [nn.AvgPool2d(2)] if stride == 2 else []
    return nn.Sequential(OmniScaleBlock(width, width, context=True), *pool, Transition(width, halves=False))
