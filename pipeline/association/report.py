"""What association tells of its own work, for run_report.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from pipeline.association.calibration import Calibration, Evidence
from pipeline.association.confidence import RATES_UNCERTAIN_BY
from pipeline.association.evidence import GENERIC_SOURCE
from pipeline.association.not_taken import NotTaken
from pipeline.association.prior import SCALE_OF_STD, Density, DistancePrior
from pipeline.association.solver import Solved
from pipeline.association.topology_report import TopologyReport
from pipeline.association.trajectories import Solution
from pipeline.config import AssociationConfig
from pipeline.types import Int64, Tracklet, TrackletKey, Trajectory


@dataclass(frozen=True, slots=True)
class DensityReport:
    """A fitted distribution of cosine distances, for tracklets without crop noise."""

    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class AssociationReport:
    """Values, evidence and doubt behind the links."""

    tracklets: int
    people: int
    links: int
    estimated_false_link_rate: float | None
    """Expected share of the links that join two people; None without a link."""
    estimated_missed_link_rate: float | None
    """Expected share of the links that should have been made and were not; None where nothing could be linked."""
    rates_uncertain_by: float
    """Either rate may be this many times too high or too low: most rows of the benchmark lie within."""
    threshold_distance_cross: float | None
    """Cosine distance up to which two tracklets with the usual number of crops, in two cameras and without rivals, are
    taken for one person; None where no distance suffices."""
    threshold_distance_within: float | None
    """The same for two tracklets of one camera."""
    min_link_probability: float
    """Probability from which groups were joined."""
    positives: int
    """Tracklets whose two halves served as certain positives."""
    negatives: int
    """Pairs alive together in one camera and apart: certain negatives."""
    unlabelled_pairs: int
    fallback: bool
    """Too little evidence: where it lacks, the prior speaks."""
    fallback_reasons: tuple[str, ...]
    prior: str
    prior_source: str
    centred: bool
    """Distances are between embeddings with their camera's mean taken out."""
    same: DensityReport
    different_within: DensityReport
    different_cross: DensityReport
    share_within: float
    """Estimated share of the comparable pairs of one camera that are one person."""
    share_cross: float
    crop_similarity: float
    """Mean cosine of two crops of one tracklet."""
    cannot_link_pairs: int | None
    """Pairs that cannot be one person whatever they look like; None where pairs are too many to be counted."""
    times_compared_across_cameras: bool
    without_embedding: tuple[TrackletKey, ...]
    """Tracklets that no crop could be embedded of: each stays alone."""
    dropped_embeddings: int
    """Rows that were not finite, or zero, or of an unknown tracklet."""
    solved: Solved
    """Which solver grouped the tracklets, in how many components, and how far from the best it may be."""
    warnings: tuple[str, ...] = ()
    topology: TopologyReport = field(default_factory=TopologyReport)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class AssociationResult:
    """One trajectory a person, and the report."""

    trajectories: tuple[Trajectory, ...]
    report: AssociationReport
    alone: Mapping[TrackletKey, NotTaken] = field(default_factory=dict)
    """Where it was asked for: whom tracklets that stayed alone came nearest to."""


class Footing(Protocol):
    """What a solved scene rests on: an Affinity, or its like of a crowd."""

    @property
    def rows(self) -> Int64:
        """`(N,)` of all tracklets by key: those that were compared."""
        ...

    @property
    def calibration(self) -> Calibration:
        """What a distance means."""
        ...

    @property
    def evidence(self) -> Evidence:
        """What that was learned from."""
        ...

    @property
    def centred(self) -> bool:
        """Whether cameras' means were taken out."""
        ...

    @property
    def crop_similarity(self) -> float:
        """Mean cosine of two crops of one tracklet."""
        ...

    @property
    def usual_reliability(self) -> float:
        """Of a pair with the median number of crops."""
        ...

    @property
    def cannot_link_pairs(self) -> int | None:
        """Pairs that cannot be one person; None where they are not counted."""
        ...


def build_report(
    *,
    ordered: Sequence[Tracklet],
    affinity: Footing,
    solution: Solution,
    config: AssociationConfig,
    prior: DistancePrior | None,
    people: int,
    comparable: bool,
    dropped_embeddings: int,
    topology: TopologyReport,
) -> AssociationReport:
    """The report of a solved scene; `ordered`: all tracklets sorted by key."""
    evidence, calibration, sure = affinity.evidence, affinity.calibration, solution.doubt.merge
    embedded = set(affinity.rows.tolist())
    reasons = _fallback_reasons(evidence, config.min_evidence, prior)
    warnings: tuple[str, ...] = ()
    if not calibration.separable and len(embedded) > 1:
        warnings = (
            "different people look as alike as one person does here (dark, empty or unfit crops?): nothing is linked",
        )
    return AssociationReport(
        tracklets=len(ordered),
        people=people,
        links=len(sure),
        estimated_false_link_rate=float(1.0 - sure.mean()) if len(sure) else None,
        estimated_missed_link_rate=solution.doubt.missed_rate(),
        rates_uncertain_by=RATES_UNCERTAIN_BY,
        threshold_distance_cross=calibration.threshold(config.link_probability, affinity.usual_reliability, "cross"),
        threshold_distance_within=calibration.threshold(config.link_probability, affinity.usual_reliability, "within"),
        min_link_probability=config.link_probability,
        positives=int(evidence.positives.total),
        negatives=int(evidence.negatives.total),
        unlabelled_pairs=int(evidence.unlabelled_within.total + evidence.unlabelled_cross.total),
        fallback=bool(reasons),
        fallback_reasons=reasons,
        prior=prior.embedder if prior is not None else "generic",
        prior_source=prior.source if prior is not None else GENERIC_SOURCE,
        centred=affinity.centred,
        same=_density(calibration.same),
        different_within=_density(calibration.different_within),
        different_cross=_density(calibration.different_cross),
        share_within=calibration.share_within,
        share_cross=calibration.share_cross,
        crop_similarity=affinity.crop_similarity,
        cannot_link_pairs=affinity.cannot_link_pairs,
        times_compared_across_cameras=comparable,
        without_embedding=tuple(t.key for row, t in enumerate(ordered) if row not in embedded),
        dropped_embeddings=dropped_embeddings,
        solved=solution.solved,
        warnings=warnings,
        topology=topology,
    )


def _density(density: Density) -> DensityReport:
    return DensityReport(density.location, density.scale / SCALE_OF_STD)


def _fallback_reasons(evidence: Evidence, wanted: int, prior: DistancePrior | None) -> tuple[str, ...]:
    name = prior.embedder if prior is not None else "generic"
    reasons = []
    if evidence.negatives.total < wanted:
        reasons.append(
            f"{int(evidence.negatives.total)} of {wanted} certain negatives (tracklets alive together in one camera): "
            f"the prior ({name}) says how far apart different people look"
        )
    if evidence.positives.total < wanted:
        reasons.append(
            f"{int(evidence.positives.total)} of {wanted} certain positives (tracklets with two crops or more): "
            f"the prior ({name}) says how far apart one person looks"
        )
    return tuple(reasons)
