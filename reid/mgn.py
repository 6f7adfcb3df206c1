"""Multiple Granularity Network: one global and two part branches, 3 global and 5 local vectors.

Wang et al., "Learning Discriminative Features with Multiple Granularities for Person Re-Identification", ACM MM 2018
(arXiv 1804.01438), section 3.1 and figure 3.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from reid.backbones import TrunkName, build_trunk

STRIPES = (1, 2, 3)
"""Horizontal stripes of the global, part-2 and part-3 branch (1 = the whole map only)."""


class MgnFeatures(NamedTuple):
    """What the losses need. W = width of the trunk (2048 for ResNet-50), R = reduced width (256)."""

    pooled_global: tuple[Tensor, ...]
    """3 x `(N, W)`: global, part-2 and part-3 branch; identity loss."""
    reduced_global: tuple[Tensor, ...]
    """3 x `(N, R)`: the same, reduced; triplet loss."""
    reduced_local: tuple[Tensor, ...]
    """5 x `(N, R)`: two stripes of part-2, three of part-3; identity loss, never triplet."""

    def embedding(self) -> Tensor:
        """`(N, 8 R)`: all reduced vectors side by side (global, part-2 and its stripes, part-3 and its stripes)."""
        g, p2, p3 = self.reduced_global
        return torch.cat([g, p2, *self.reduced_local[:2], p3, *self.reduced_local[2:]], dim=1)


class Branch(nn.Module):
    """The rest of the trunk of one branch, its pooling and its reducers."""

    def __init__(self, rest: nn.Module, width: int, reduced: int, stripes: int) -> None:
        super().__init__()
        self.rest = rest
        self.stripes = stripes
        local = stripes if stripes > 1 else 0
        self.reduce = nn.ModuleList(_reducer(width, reduced) for _ in range(1 + local))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Pooled whole map `(N, W)`; reduced vectors `(N, R)`: the whole map's, then the stripes' from the top."""
        features = self.rest(x)
        stripes = functional.adaptive_max_pool2d(features, (self.stripes, 1)).flatten(2)
        whole = stripes.amax(2)  # the stripes cover the map
        pooled = [whole, *(stripes.unbind(2) if self.stripes > 1 else ())]
        return whole, [layer(vector) for layer, vector in zip(self.reduce, pooled, strict=True)]


def _reducer(width: int, reduced: int) -> nn.Sequential:
    linear = nn.Linear(width, reduced, bias=False)  # a 1x1 convolution of a pooled map
    nn.init.kaiming_normal_(linear.weight, mode="fan_in", nonlinearity="relu")
    return nn.Sequential(linear, nn.BatchNorm1d(reduced), nn.ReLU())


class Mgn(nn.Module):
    """`(N, 3, H, W)` RGB, ImageNet-normalised, to `(N, 8 * reduced)`; H and W are multiples of 16, at least 48 x 16."""

    def __init__(self, trunk: TrunkName = "resnet50", reduced: int = 256, imagenet: Path | None = None) -> None:
        super().__init__()
        parts = build_trunk(trunk, imagenet)
        self.trunk, self.width, self.reduced = trunk, parts.width, reduced
        self.shared = parts.shared
        # Only the global branch keeps the stride of the last stage: parts need a tall map.
        self.branches = nn.ModuleList(
            Branch(parts.branch(2 if stripes == 1 else 1), parts.width, reduced, stripes) for stripes in STRIPES
        )

    @property
    def dimension(self) -> int:
        """Length of the embedding."""
        return 8 * self.reduced

    def features(self, images: Tensor) -> MgnFeatures:
        """All vectors of `images (N, 3, H, W)`."""
        common = self.shared(images)
        pooled, whole, local = [], [], []
        for branch in self.branches:
            vector, (first, *stripes) = branch(common)
            pooled.append(vector)
            whole.append(first)
            local.extend(stripes)
        return MgnFeatures(tuple(pooled), tuple(whole), tuple(local))

    def forward(self, images: Tensor) -> Tensor:
        """The embedding `(N, 8 * reduced)`, not normalised."""
        return self.features(images).embedding()


class IdentityHeads(nn.Module):
    """One linear classifier for each of the 3 pooled global and 5 reduced local vectors; used in training only.

    `neck` normalises the pooled vectors before their classifiers (BNNeck of Luo et al., CVPRW 2019; not in the MGN
    paper): max-pooled maps of an untrained trunk have a large common part, which drowns the identities.
    """

    def __init__(self, width: int, reduced: int, classes: int, *, neck: bool = False) -> None:
        super().__init__()
        self.necks = nn.ModuleList(nn.BatchNorm1d(width) if neck else nn.Identity() for _ in range(3))
        self.whole = nn.ModuleList(nn.Linear(width, classes) for _ in range(3))
        self.local = nn.ModuleList(nn.Linear(reduced, classes) for _ in range(5))
        for layer in (*self.whole, *self.local):
            nn.init.normal_(layer.weight, std=0.001)
            nn.init.zeros_(layer.bias)

    def forward(self, features: MgnFeatures) -> list[Tensor]:
        """8 x `(N, classes)` logits."""
        pooled = [neck(vector) for neck, vector in zip(self.necks, features.pooled_global, strict=True)]
        whole = [layer(vector) for layer, vector in zip(self.whole, pooled, strict=True)]
        local = [layer(vector) for layer, vector in zip(self.local, features.reduced_local, strict=True)]
        return whole + local
