"""What is thought of each pair of tracklets, and on what grounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.association.calibration import Calibration, Evidence, calibrate
from pipeline.association.competition import weigh_rivals
from pipeline.association.constraints import Constraints, build_constraints
from pipeline.association.evidence import (
    distance_matrix,
    footage_crop_similarity,
    gather,
    generic_prior,
    half_distances,
    restrict,
)
from pipeline.association.prior import DistancePrior
from pipeline.association.similarity import aggregate, crop_statistics, reliability, usable_rows
from pipeline.config import AssociationConfig
from pipeline.types import Embeddings, Float32, Float64, Int64, Scene, Tracklet

_BLOCK_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Affinity:
    """The N tracklets that can be compared, `rows (N,)` of all tracklets sorted by key."""

    rows: Int64
    constraints: Constraints
    appearance: Float32
    """`(N, N)` log-likelihood ratio of the distance."""
    log_odds: Float32
    """`(N, N)` posterior against all rivals; 0 where the pair cannot be one person."""
    calibration: Calibration
    evidence: Evidence
    prior: DistancePrior
    crop_similarity: float
    usual_reliability: float
    """Of a pair with the median number of crops."""
    dropped_embeddings: int


def build_affinity(
    ordered: Sequence[Tracklet],
    embeddings: Embeddings,
    scene: Scene,
    config: AssociationConfig,
    own_prior: DistancePrior | None,
) -> Affinity:
    """Judge every pair of `ordered` tracklets (sorted by key) that have an embedding."""
    row_of = {t.key: row for row, t in enumerate(ordered)}
    kept = [r for r in usable_rows(embeddings).tolist() if embeddings.keys[r] in row_of]
    usable = Embeddings(
        tuple(embeddings.keys[r] for r in kept),
        embeddings.frame_index[kept],
        embeddings.vector[kept],
        embeddings.quality[kept],
    )
    vectors, statistics = aggregate(usable), crop_statistics(usable)
    rows = np.array([row_of[key] for key in vectors.keys], dtype=np.int64)
    every = build_constraints(
        ordered,
        scene,
        duplicate_overlap=config.duplicate_overlap,
        well_apart_overlap=config.well_apart_overlap,
        slack_s=config.clock_slack_s,
    )
    constraints = restrict(every, rows)
    names = {name: n for n, name in enumerate(sorted({t.camera_id for t in ordered}))}
    camera = np.array([names[key[0]] for key in vectors.keys], dtype=np.int64)
    crop_similarity = footage_crop_similarity(statistics, own_prior)
    trust = reliability(vectors.crops, crop_similarity)
    distance = distance_matrix(vectors.vector)
    evidence = gather(distance, trust, camera, constraints, half_distances(statistics, crop_similarity))
    prior = own_prior if own_prior is not None else generic_prior(evidence, crop_similarity)
    calibration = calibrate(evidence, prior)
    appearance, pairwise = _pairwise_log_odds(distance, trust, camera, calibration)
    log_odds = weigh_rivals(
        pairwise,
        constraints.cannot,
        camera,
        share_within=calibration.share_within,
        share_cross=calibration.share_cross,
    )
    log_odds[constraints.cannot] = 0.0
    return Affinity(
        rows=rows,
        constraints=constraints,
        appearance=appearance,
        log_odds=log_odds,
        calibration=calibration,
        evidence=evidence,
        prior=prior,
        crop_similarity=crop_similarity,
        usual_reliability=float(np.median(trust)) ** 2 if len(trust) else 1.0,
        dropped_embeddings=len(embeddings) - len(usable),
    )


def _pairwise_log_odds(
    distance: Float32, trust: Float64, camera: Int64, calibration: Calibration
) -> tuple[Float32, Float32]:
    """Appearance evidence and posterior `(N, N)` of every pair by itself."""
    count = len(trust)
    appearance, posterior = np.empty((count, count), np.float32), np.empty((count, count), np.float32)
    for start in range(0, count, _BLOCK_ROWS):
        rows = slice(start, min(start + _BLOCK_ROWS, count))
        product = np.outer(trust[rows], trust)
        near = distance[rows].astype(np.float64)
        one_camera = camera[rows, None] == camera[None, :]
        ratio = np.where(
            one_camera,
            calibration.log_likelihood_ratio(near, product, "within"),
            calibration.log_likelihood_ratio(near, product, "cross"),
        )
        before = np.where(one_camera, calibration.prior_log_odds("within"), calibration.prior_log_odds("cross"))
        appearance[rows] = np.round(ratio, 5)
        posterior[rows] = np.round(ratio + before, 5)
    return appearance, posterior
