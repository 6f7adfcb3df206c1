"""Where evidence beside appearance comes from: one builder a source, listed here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.association.continuity import continuity
from pipeline.association.pair_evidence import PairEvidence
from pipeline.association.place import build_place
from pipeline.config import AssociationConfig
from pipeline.types import Scene, Tracklet

Builder = Callable[[Sequence[Tracklet], Scene, AssociationConfig], PairEvidence | None]
"""All tracklets sorted by key, the scene and the settings in; None where the source cannot say anything."""

SOURCES: tuple[Builder, ...] = (continuity, build_place)
"""What can be told before anybody is linked. What is learned from links (travel times) comes in the associator."""


def gather_pair_evidence(
    ordered: Sequence[Tracklet], scene: Scene, config: AssociationConfig
) -> tuple[PairEvidence, ...]:
    """The evidence of every source that has any, in the order of SOURCES."""
    built = [builder(ordered, scene, config) for builder in SOURCES]
    return tuple(evidence for evidence in built if evidence is not None)
