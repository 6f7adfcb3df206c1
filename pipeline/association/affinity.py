"""What is thought of each pair of tracklets, and on what grounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.association.at_once import learn_share, pairs_at_once
from pipeline.association.calibration import Calibration, Evidence, Relation, calibrate
from pipeline.association.competition import weigh_rivals
from pipeline.association.constraints import Constraints
from pipeline.association.evidence import (
    distance_matrix,
    footage_crop_similarity,
    gather,
    half_distances,
    own_densities,
    restrict,
    scale_to_footage,
)
from pipeline.association.looks import pairwise_log_odds
from pipeline.association.pair_evidence import EvidenceName, PairEvidence, dense
from pipeline.association.prior import Densities, DistancePrior
from pipeline.association.reranked import reranked
from pipeline.association.similarity import aggregate, crop_statistics, reliability, usable_rows
from pipeline.association.unseen import nothing_said, with_unseen
from pipeline.types import Bool, Embeddings, Float32, Float64, Int64, Tracklet


@dataclass(frozen=True, slots=True)
class Affinity:
    """The N tracklets that can be compared, `rows (N,)` of all tracklets sorted by key."""

    rows: Int64
    constraints: Constraints
    appearance: Float32
    """`(N, N)` log-likelihood ratio of the distance."""
    extra: Mapping[EvidenceName, Float32]
    """`(N, N)` log-likelihood ratios of what is known beside appearance, by name; a name is absent without evidence."""
    log_odds: Float32
    """`(N, N)` posterior against all rivals; 0 where the pair cannot be one person."""
    calibration: Calibration
    evidence: Evidence
    centred: bool
    crop_similarity: float
    usual_reliability: float
    """Of a pair with the median number of crops."""
    seen: Bool
    """`(N,)`: the tracklet has a look to be compared by."""
    silent: Bool
    """`(N, N)`: nothing is known of the pair, neither by looks nor beside them."""
    camera: Int64
    """`(N,)` numbers."""
    at_once: Bool | None
    """`(N, N)`: pairs judged at common instants; None where no evidence does so."""
    share_at_once: float
    """Share of those pairs that are one person."""

    def prior_log_odds(self, one: int, two: int, relation: Relation) -> float:
        """Log-odds that the pair is one person before it is looked at."""
        if self.at_once is not None and self.at_once[one, two]:
            return float(np.log(self.share_at_once) - np.log1p(-self.share_at_once))
        return self.calibration.prior_log_odds(relation)

    def suspected(self) -> Float32:
        """`log_odds`, or, where nothing is known of a pair, the log-odds before it is looked at `(N, N)`."""
        one_camera = self.camera[:, None] == self.camera[None, :]
        within, cross = self.calibration.prior_log_odds("within"), self.calibration.prior_log_odds("cross")
        result: Float32 = np.where(self.silent, np.where(one_camera, within, cross), self.log_odds).astype(np.float32)
        return result

    @property
    def cannot_link_pairs(self) -> int:
        """Pairs that cannot be one person, each once."""
        return int(np.count_nonzero(self.constraints.cannot)) // 2


@dataclass(frozen=True, slots=True)
class Compared:
    """The N tracklets that can be compared (`rows (N,)` of all, sorted by key) and what the footage says of looks."""

    rows: Int64
    constraints: Constraints
    camera: Int64
    """`(N,)` numbers."""
    trust: Float64
    """`(N,)` reliabilities; 0 = it has no look at all (unseen.py)."""
    distance: Float32
    """`(N, N)` cosine distances."""
    crop_similarity: float
    evidence: Evidence
    densities: Densities
    """Of the embedder, from before the footage was looked at."""
    generic: bool
    """Whether these are of no embedder but of all."""
    calibration: Calibration


def usable_embeddings(ordered: Sequence[Tracklet], embeddings: Embeddings) -> Embeddings:
    """Rows that can be compared and belong to one of the tracklets, ordered by key and time."""
    keys = {t.key for t in ordered}
    rows = [r for r in usable_rows(embeddings).tolist() if embeddings.keys[r] in keys]
    return Embeddings(
        tuple(embeddings.keys[r] for r in rows),
        embeddings.frame_index[rows],
        embeddings.vector[rows],
        embeddings.quality[rows],
    )


def compare(
    ordered: Sequence[Tracklet],
    embeddings: Embeddings,
    every_constraint: Constraints,
    own_prior: DistancePrior | None,
    *,
    centred: bool,
    alone: Sequence[Int64] = (),
    rerank: bool = False,
) -> Compared:
    """Calibrate on the `ordered` tracklets (sorted by key) that have one of the usable `embeddings`; judge no pair.

    `every_constraint`: among all of `ordered`. `centred`: whether the embeddings were (centring.py). `alone`: rows of
    `ordered` that other evidence can link without a look (`PairEvidence.alone`): they take part, too. `rerank`: in the
    order of k-reciprocal neighbours (reranked.py).
    """
    row_of = {t.key: row for row, t in enumerate(ordered)}
    vectors, statistics = aggregate(embeddings), crop_statistics(embeddings)
    rows = np.array([row_of[key] for key in vectors.keys], dtype=np.int64)
    constraints = restrict(every_constraint, rows)
    names = {name: n for n, name in enumerate(sorted({t.camera_id for t in ordered}))}
    camera = np.array([names[key[0]] for key in vectors.keys], dtype=np.int64)
    prior = own_densities(own_prior, centred=centred)
    crop_similarity = footage_crop_similarity(statistics, prior.crop_similarity)
    trust = reliability(vectors.crops, crop_similarity)
    distance = distance_matrix(vectors.vector)
    if rerank:
        distance = reranked(vectors.vector, distance, camera)
    evidence = gather(distance, trust, camera, constraints, half_distances(statistics, crop_similarity))
    if own_prior is None and not centred:
        prior = scale_to_footage(prior, evidence)
    calibration = calibrate(evidence, prior)
    seen = Compared(
        rows,
        constraints,
        camera,
        trust,
        distance,
        crop_similarity,
        evidence,
        prior,
        own_prior is None,
        calibration,
    )
    return with_unseen(seen, alone, ordered, every_constraint)


def build_affinity(
    ordered: Sequence[Tracklet],
    embeddings: Embeddings,
    every_constraint: Constraints,
    own_prior: DistancePrior | None,
    *,
    centred: bool,
    extra: Sequence[PairEvidence] = (),
) -> Affinity:
    """`compare`, then `weigh`."""
    alone = [part.alone for part in extra]
    compared = compare(ordered, embeddings, every_constraint, own_prior, centred=centred, alone=alone)
    return weigh(compared, extra, centred=centred)


def weigh(
    compared: Compared, extra: Sequence[PairEvidence], *, centred: bool, learned: Sequence[PairEvidence] = ()
) -> Affinity:
    """Judge every pair by itself and against its rivals, which is O(n^3).

    `extra`: evidence beside appearance, by rows of the tracklets compared was made of; where it is -inf the pair
    becomes a cannot-link. `learned`: the same, learned from links; it is not asked of pairs judged at common instants.
    """
    constraints, camera, calibration = compared.constraints, compared.camera, compared.calibration
    trust = compared.trust
    appearance, pairwise = pairwise_log_odds(compared.distance, trust, camera, calibration)
    parts = dense(extra, compared.rows)
    at_once = pairs_at_once(extra, compared.rows)
    for name, part in dense(learned, compared.rows).items():
        new = part if at_once is None else np.where(at_once, np.float32(0), part)
        parts[name] = parts[name] + new if name in parts else new
    for name, part in parts.items():
        ruled_out = np.isneginf(part)
        constraints = replace(constraints, cannot=constraints.cannot | ruled_out)
        parts[name] = np.where(ruled_out, np.float32(0), part)
        pairwise += parts[name]
    share = calibration.share_cross
    if at_once is not None and (possible := at_once & ~constraints.cannot).any():
        usual = calibration.prior_log_odds("cross")
        share = learn_share(pairwise[np.triu(possible)] - np.float32(usual), share)
        pairwise[at_once] += np.float32(np.log(share) - np.log1p(-share) - usual)
    log_odds = weigh_rivals(
        pairwise,
        constraints.cannot,
        camera,
        share_within=calibration.share_within,
        share_cross=calibration.share_cross,
        at_once=at_once,
    )
    log_odds[constraints.cannot] = 0.0
    unseen = nothing_said(trust, parts.values())
    log_odds[unseen] = 0.0
    return Affinity(
        rows=compared.rows,
        constraints=constraints,
        appearance=appearance,
        extra=parts,
        log_odds=log_odds,
        calibration=calibration,
        evidence=compared.evidence,
        centred=centred,
        crop_similarity=compared.crop_similarity,
        usual_reliability=float(np.median(trust[trust > 0])) ** 2 if (trust > 0).any() else 1.0,
        seen=np.asarray(trust > 0.0, np.bool_),
        silent=unseen if calibration.separable else nothing_said(np.zeros(len(trust)), parts.values()),
        camera=camera,
        at_once=at_once,
        share_at_once=share,
    )
