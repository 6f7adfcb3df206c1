"""From the cameras' tracklets to trajectories: tracklets are made fit to link, then grouped by person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.association.alignment import ClockAlignment
from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.corrected import Corrected, correct
from pipeline.association.corrections import Correction
from pipeline.association.numbering import Numbers, renumber
from pipeline.association.prior import DistancePrior
from pipeline.association.purity import Purified, best_crops, purify
from pipeline.association.report import AssociationResult
from pipeline.config import Config
from pipeline.ground.self_calibration import MatchedViews
from pipeline.stages.clocks import find_alignment, on_one_clock
from pipeline.stages.floor import on_matched_floor
from pipeline.stages.looking import observed_share
from pipeline.stages.scene import CameraOutcome
from pipeline.types import Clock, Embeddings, Scene, TrackletKey


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of a run from before: the user's corrections, and the numbers that people had."""

    corrections: tuple[Correction, ...] = ()
    numbers: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Linked:
    """The cameras with their tracklets as they were linked (some split), and who is who."""

    outcomes: tuple[CameraOutcome, ...]
    purified: Purified
    corrected: Corrected
    result: AssociationResult
    numbers: Numbers
    clock: Clock = "unknown"
    """Of the times in `outcomes` and `result`."""
    alignment: ClockAlignment | None = None
    """What was found where the settings ask for an alignment; its offsets are in the cameras that it puts on one
    clock."""
    views: MatchedViews | None = None
    """What was found where the settings ask to match views; association alone uses it."""

    def moved_s(self, camera_id: str) -> float:
        """Seconds that an accepted alignment added to the camera's times."""
        found = self.alignment
        return found.offset_s[camera_id] if found is not None and camera_id in found.on_one_clock else 0.0

    @property
    def on_one_clock(self) -> frozenset[str]:
        """Cameras that an alignment put on one clock; all of them where `clock` is "aligned"."""
        return frozenset() if self.alignment is None else self.alignment.on_one_clock


_NO_MEMORY = Memory()


def link_cameras(
    tracked: Sequence[tuple[CameraOutcome, Embeddings]],
    scene: Scene,
    config: Config,
    prior: DistancePrior | None,
    dimension: int,
    *,
    memory: Memory = _NO_MEMORY,
    tell_alone: bool = False,
) -> Linked:
    """Group the tracklets of all cameras by person; `dimension` is the length of an embedding; `tell_alone` as in
    AverageLinkageAssociator.solve.

    A correction that does not hold (any more) changes nothing: `corrected.refused` tells why.
    """
    associator = AverageLinkageAssociator(config.association, prior)
    purified, corrected = make_fit(tracked, scene, config, prior, dimension, corrections=memory.corrections)
    alignment = None
    if config.clock == "align":
        fit = corrected
        alignment = find_alignment(
            fit.tracklets, scene, lambda: associator.solve(fit.tracklets, fit.embeddings, scene, fit.known).trajectories
        )
        if alignment.on_one_clock:
            tracked, scene = on_one_clock(tracked, scene, alignment)
            purified, corrected = make_fit(tracked, scene, config, prior, dimension, corrections=memory.corrections)
    views, scene = on_matched_floor(tracked, scene, config.association.match_views)
    if views is not None and views.calibrations:
        purified, corrected = make_fit(tracked, scene, config, prior, dimension, corrections=memory.corrections)
    result = associator.solve(corrected.tracklets, corrected.embeddings, scene, corrected.known, tell_alone=tell_alone)
    people, numbers = renumber(result.trajectories, _origin(purified, corrected), memory.numbers)
    by_camera = {
        outcome.camera.id: [t for t in corrected.tracklets if t.camera_id == outcome.camera.id]
        for outcome, _ in tracked
    }
    outcomes = tuple(replace(outcome, tracklets=tuple(by_camera[outcome.camera.id])) for outcome, _ in tracked)
    people_found = replace(result, trajectories=people)
    return Linked(outcomes, purified, corrected, people_found, numbers, scene.clock, alignment, views)


def make_fit(
    tracked: Sequence[tuple[CameraOutcome, Embeddings]],
    scene: Scene,
    config: Config,
    prior: DistancePrior | None,
    dimension: int,
    *,
    corrections: Sequence[Correction] = (),
) -> tuple[Purified, Corrected]:
    """The tracklets fit to link: split where the tracker went on with somebody else, then as the user says."""
    embeddings = Embeddings.join([part for _, part in tracked], dimension)
    tracklets = [tracklet for outcome, _ in tracked for tracklet in outcome.tracklets]
    keep = observed_share(config.tracker, config.detector)
    purified = purify(tracklets, embeddings, scene, config.association, prior, keep=keep)
    given = [split.new_key for split in purified.splits]
    corrected = correct(purified.tracklets, purified.embeddings, corrections, scene, config.association, given=given)
    best = best_crops(corrected.embeddings, config.crops.per_tracklet)
    return purified, replace(corrected, embeddings=best)


def _origin(purified: Purified, corrected: Corrected) -> dict[TrackletKey, TrackletKey]:
    """The stored track that each cut-off tracklet comes from."""
    parents = {split.new_key: split.key for split in purified.splits}
    parents |= {cut.new_key: cut.key for cut in corrected.cuts}
    origin = {}
    for key in parents:
        oldest = key
        while oldest in parents:
            oldest = parents[oldest]
        origin[key] = oldest
    return origin
