"""Multiple Granularity Network, and the networks that are made of the same parts.

Wang et al., "Learning Discriminative Features with Multiple Granularities for Person Re-Identification", ACM MM 2018
(arXiv 1804.01438), section 3.1 and figure 3: one global and two part branches, 3 global and 5 local vectors.
`ArchitectureConfig` says which branches there are; its default is MGN.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from reid.architecture import ArchitectureConfig, BranchConfig
from reid.backbones import TrunkName, build_trunk
from reid.discriminant import DiscriminantMap
from reid.parts import LatentParts, pool_boxes, pool_stripes, pool_whole

MGN = ArchitectureConfig()


class MgnFeatures(NamedTuple):
    """What the losses need. W = width of the trunk (2048 for ResNet-50), R = reduced width (256; W where nothing is
    reduced)."""

    pooled_global: tuple[Tensor, ...]
    """`(N, W)` each; MGN: 3 (global, part-2 and part-3 branch); identity loss."""
    reduced_global: tuple[Tensor, ...]
    """`(N, R)` each: the same, reduced; triplet loss."""
    reduced_local: tuple[Tensor, ...]
    """`(N, R)` each; MGN: 5, two stripes of part-2, three of part-3; identity loss, never triplet."""
    described: tuple[Tensor, ...]
    """All that the embedding is made of, branch by branch: the whole map's vector, then its parts'."""
    maps: tuple[Tensor, ...] = ()
    """`(N, C, H / 16, W / 16)` each, before any pooling: the shared trunk's, and each branch's of that stride (MGN:
    part-2 and part-3); for distillation place by place."""

    def embedding(self) -> Tensor:
        """`(N, 8 R)` for MGN: all reduced vectors side by side (global, part-2 and its stripes, part-3 and its
        stripes)."""
        return torch.cat(self.described, dim=1)


class Branch(nn.Module):
    """The rest of the trunk of one branch, its pooling and its reducers."""

    def __init__(self, rest: nn.Module, width: int, reduced: int | None, config: BranchConfig) -> None:
        super().__init__()
        self.rest = rest
        self.config = config
        self.reduce = nn.ModuleList(
            nn.Identity() if reduced is None else _reducer(width, reduced) for _ in range(config.vectors)
        )
        if config.parts == "latent":
            self.latent = LatentParts(width, config.count)

    def forward(self, x: Tensor, boxes: Tensor | None = None) -> tuple[Tensor, Tensor | None, list[Tensor]]:
        """The map `(N, W, h, w)`; pooled whole `(N, W)` where that is wanted; reduced vectors `(N, R)`: the whole
        map's, then the parts'.

        `boxes (N, 6, 4)` in fractions of the crop, for pose-guided parts.
        """
        features = self.rest(x)
        local = self._local(features, boxes)
        whole: Tensor | None = None
        if self.config.whole:
            covered = local is not None and self.config.parts == "stripes" and self.config.pool == "max"
            # stripes cover the map: its maximum is theirs
            whole = local.amax(2) if covered and local is not None else pool_whole(features, self.config.pool)
        pooled = [*(() if whole is None else (whole,)), *(() if local is None else local.unbind(2))]
        return features, whole, [layer(vector) for layer, vector in zip(self.reduce, pooled, strict=True)]

    def _local(self, features: Tensor, boxes: Tensor | None) -> Tensor | None:
        """`(N, W, parts)`."""
        kind, pool = self.config.parts, self.config.pool
        if kind == "stripes":
            return pool_stripes(features, self.config.count, pool)
        if kind == "latent":
            result: Tensor = self.latent(features, pool)
            return result
        if kind == "pose":
            if boxes is None:
                raise ValueError("pose-guided parts need the boxes of the body parts")
            return pool_boxes(features, boxes, pool)
        return None


def _reducer(width: int, reduced: int) -> nn.Sequential:
    linear = nn.Linear(width, reduced, bias=False)  # a 1x1 convolution of a pooled map
    nn.init.kaiming_normal_(linear.weight, mode="fan_in", nonlinearity="relu")
    return nn.Sequential(linear, nn.BatchNorm1d(reduced), nn.ReLU())


class Mgn(nn.Module):
    """`(N, 3, H, W)` RGB, ImageNet-normalised, to `(N, dimension)`; H and W are multiples of 16, at least 48 x 16."""

    def __init__(
        self,
        trunk: TrunkName = "resnet50",
        reduced: int = 256,
        imagenet: Path | None = None,
        architecture: ArchitectureConfig = MGN,
    ) -> None:
        super().__init__()
        parts = build_trunk(trunk, imagenet)
        self.trunk, self.width, self.reduced, self.architecture = trunk, parts.width, reduced, architecture
        shared_width = (parts.shared_width,) if architecture.share else ()
        self.map_widths = (*shared_width, *(parts.width for config in architecture.branches if config.stride == 1))
        self.shared = parts.shared if architecture.share else nn.Identity()
        own_reduced = reduced if architecture.reduce else None
        branches = []
        for config in architecture.branches:
            rest = parts.branch(config.stride)
            if not architecture.share:  # networks of their own, from the ground up
                own = build_trunk(trunk, imagenet)
                rest = nn.Sequential(own.shared, own.branch(config.stride))
            branches.append(Branch(rest, parts.width, own_reduced, config))
        self.branches = nn.ModuleList(branches)
        self.discriminant: DiscriminantMap | None = None

    @property
    def dimension(self) -> int:
        """Length of the embedding, before a discriminant map."""
        each = self.reduced if self.architecture.reduce else self.width
        return (self.architecture.whole + self.architecture.local) * each

    @property
    def output_dimension(self) -> int:
        """Length of what `forward` gives."""
        return self.dimension if self.discriminant is None else self.discriminant.reduced

    def features(self, images: Tensor, boxes: Tensor | None = None) -> MgnFeatures:
        """All vectors of `images (N, 3, H, W)`; `boxes (N, 6, 4)` of body parts where the architecture wants pose."""
        return self.features_of(self.shared(images), boxes)

    def features_of(self, common: Tensor, boxes: Tensor | None = None) -> MgnFeatures:
        """The same, of what the shared trunk gives."""
        pooled: list[Tensor] = []
        whole: list[Tensor] = []
        local: list[Tensor] = []
        described: list[Tensor] = []
        maps = [common] if self.architecture.share else []
        for branch, config in zip(self.branches, self.architecture.branches, strict=True):
            features, vector, reduced = branch(common, boxes)
            if config.stride == 1:
                maps.append(features)
            described.extend(reduced)
            if config.whole:
                pooled.append(vector)
                whole.append(reduced[0])
            local.extend(reduced[int(config.whole) :])
        return MgnFeatures(tuple(pooled), tuple(whole), tuple(local), tuple(described), tuple(maps))

    def forward(self, images: Tensor, boxes: Tensor | None = None) -> Tensor:
        """The embedding, through the discriminant map if there is one; `(N, output_dimension)`, not normalised."""
        embedding = self.features(images, boxes).embedding()
        return embedding if self.discriminant is None else self.discriminant(embedding)


class IdentityHeads(nn.Module):
    """One linear classifier for each pooled global and each reduced local vector (MGN: 3 and 5); used in training only.

    `neck` normalises the pooled vectors before their classifiers (BNNeck of Luo et al., CVPRW 2019; not in the MGN
    paper): max-pooled maps of an untrained trunk have a large common part, which drowns the identities.
    """

    def __init__(
        self, width: int, reduced: int, classes: int, *, neck: bool = False, architecture: ArchitectureConfig = MGN
    ) -> None:
        super().__init__()
        local = reduced if architecture.reduce else width
        self.necks = nn.ModuleList(nn.BatchNorm1d(width) if neck else nn.Identity() for _ in range(architecture.whole))
        self.whole = nn.ModuleList(nn.Linear(width, classes) for _ in range(architecture.whole))
        self.local = nn.ModuleList(nn.Linear(local, classes) for _ in range(architecture.local))
        for layer in (*self.whole, *self.local):
            nn.init.normal_(layer.weight, std=0.001)
            nn.init.zeros_(layer.bias)

    def forward(self, features: MgnFeatures) -> list[Tensor]:
        """`(N, classes)` logits of each vector; MGN: 8."""
        pooled = [neck(vector) for neck, vector in zip(self.necks, features.pooled_global, strict=True)]
        whole = [layer(vector) for layer, vector in zip(self.whole, pooled, strict=True)]
        local = [layer(vector) for layer, vector in zip(self.local, features.reduced_local, strict=True)]
        return whole + local
