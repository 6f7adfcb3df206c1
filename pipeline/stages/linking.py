"""From the cameras' tracklets to trajectories: tracklets are made fit to link, then grouped by person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.prior import DistancePrior
from pipeline.association.purity import Purified, purify
from pipeline.association.report import AssociationResult
from pipeline.config import Config
from pipeline.stages.looking import observed_share
from pipeline.stages.scene import CameraOutcome
from pipeline.types import Embeddings, Scene


@dataclass(frozen=True, slots=True)
class Linked:
    """The cameras with their tracklets as they were linked (some split), and who is who."""

    outcomes: tuple[CameraOutcome, ...]
    purified: Purified
    result: AssociationResult


def link_cameras(
    tracked: Sequence[tuple[CameraOutcome, Embeddings]],
    scene: Scene,
    config: Config,
    prior: DistancePrior | None,
    dimension: int,
) -> Linked:
    """Group the tracklets of all cameras by person; `dimension` is the length of an embedding."""
    embeddings = Embeddings.join([part for _, part in tracked], dimension)
    tracklets = [tracklet for outcome, _ in tracked for tracklet in outcome.tracklets]
    keep = observed_share(config.tracker, config.detector)
    purified = purify(tracklets, embeddings, scene, config.association, prior, keep=keep)
    result = AverageLinkageAssociator(config.association, prior).solve(purified.tracklets, purified.embeddings, scene)
    by_camera = {
        outcome.camera.id: [t for t in purified.tracklets if t.camera_id == outcome.camera.id] for outcome, _ in tracked
    }
    outcomes = tuple(replace(outcome, tracklets=tuple(by_camera[outcome.camera.id])) for outcome, _ in tracked)
    return Linked(outcomes, purified, result)
