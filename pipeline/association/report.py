"""What association tells of its own work, for run_report.json."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pipeline.types import TrackletKey, Trajectory


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
    threshold_distance_cross: float | None
    """Cosine distance up to which two tracklets with the usual number of crops, in two cameras, are taken for one person;
    None where no distance suffices."""
    threshold_distance_within: float | None
    """The same for two tracklets of one camera."""
    min_link_probability: float
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
    same: DensityReport
    different_within: DensityReport
    different_cross: DensityReport
    share_within: float
    """Estimated share of the comparable pairs of one camera that are one person."""
    share_cross: float
    crop_similarity: float
    """Mean cosine of two crops of one tracklet."""
    cannot_link_pairs: int
    times_compared_across_cameras: bool
    without_embedding: tuple[TrackletKey, ...]
    """Tracklets that no crop could be embedded of: each stays alone."""
    dropped_embeddings: int
    """Rows that were not finite, or zero, or of an unknown tracklet."""
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class AssociationResult:
    """One trajectory a person, and the report."""

    trajectories: tuple[Trajectory, ...]
    report: AssociationReport
