"""What a re-identification network is made of: branches on one trunk, each with its pooling and its parts.

The default is the Multiple Granularity Network; configs/systems/ holds the other systems of the article.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pipeline.config import Section
from reid.pose import PARTS

PartKind = Literal["none", "stripes", "latent", "pose"]


class BranchConfig(Section):
    """One branch: the rest of the trunk, a vector of the whole map, and vectors of its parts."""

    stride: Literal[1, 2] = Field(default=1, description="Of the trunk's last stage; parts want the taller map of 1.")
    whole: bool = Field(default=True, description="Pool the whole map.")
    pool: Literal["max", "avg"] = "max"
    parts: PartKind = Field(default="none", description="stripes: fixed; latent: learned; pose: around keypoints.")
    count: int = Field(default=0, ge=0, le=16, description="Of stripes or latent parts; pose parts are 6.")

    @model_validator(mode="after")
    def _consistent(self) -> BranchConfig:
        if self.parts in ("stripes", "latent") and self.count < 2:
            raise ValueError(f"`parts: {self.parts}` needs a `count` of 2 or more")
        if self.parts in ("none", "pose") and self.count:
            raise ValueError(f"`parts: {self.parts}` takes no `count`")
        if self.parts == "none" and not self.whole:
            raise ValueError("a branch without parts pools the whole map: leave `whole` true")
        return self

    @property
    def local(self) -> int:
        """Vectors of parts."""
        return len(PARTS) if self.parts == "pose" else self.count

    @property
    def vectors(self) -> int:
        """Vectors of the branch in the embedding."""
        return int(self.whole) + self.local


MGN_BRANCHES = (
    BranchConfig(stride=2),
    BranchConfig(parts="stripes", count=2),
    BranchConfig(parts="stripes", count=3),
)
"""Wang et al., ACM MM 2018, section 3.1: global, part-2, part-3. Only the global branch keeps the last stride."""


class ArchitectureConfig(Section):
    """A network: `MGN_BRANCHES` on a common trunk, unless told otherwise."""

    branches: tuple[BranchConfig, ...] = Field(default=MGN_BRANCHES, min_length=1)
    share: bool = Field(default=True, description="One trunk up to the first block of layer3; false = one a branch.")
    reduce: bool = Field(default=True, description="Reduce each vector; false = the pooled vectors are the embedding.")

    @property
    def whole(self) -> int:
        """Vectors of whole maps."""
        return sum(branch.whole for branch in self.branches)

    @property
    def local(self) -> int:
        """Vectors of parts."""
        return sum(branch.local for branch in self.branches)

    @property
    def needs_pose(self) -> bool:
        """Whether crops need keypoints."""
        return any(branch.parts == "pose" for branch in self.branches)

    @property
    def maps_of_stride_16(self) -> bool:
        """Whether there is a map of stride 16 that a teacher's can be learnt by."""
        return self.share or any(branch.stride == 1 for branch in self.branches)

    def describe(self, trunk: str, reduced: int) -> str:
        """One line for a weight card."""
        width = f" x {reduced}" if self.reduce else ""
        if self == ArchitectureConfig():
            return f"MGN, {trunk} trunk, 8{width}"
        parts = [
            " + ".join(([f"whole ({b.pool})"] if b.whole else []) + ([f"{b.local} {b.parts}"] if b.local else []))
            for b in self.branches
        ]
        return f"{trunk} trunk{'' if self.share else 's apart'}, {', '.join(parts)}, {self.whole + self.local}{width}"
