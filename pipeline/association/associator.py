"""Tracklets of all cameras in, one trajectory a person out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.association.calibration import Calibration, Evidence, calibrate
from pipeline.association.confidence import Doubt, judge
from pipeline.association.constraints import Constraints, build_constraints, times_comparable
from pipeline.association.evidence import distance_matrix, footage_crop_similarity, gather, generic_prior, restrict
from pipeline.association.prior import SCALE_OF_STD, Density, DistancePrior
from pipeline.association.report import AssociationReport, AssociationResult, DensityReport
from pipeline.association.similarity import aggregate, crop_statistics, reliability, usable_rows
from pipeline.association.solver import Merge, average_linkage
from pipeline.config import AssociationConfig
from pipeline.types import Embeddings, Float32, Float64, Int64, Link, Scene, Tracklet, TrackletKey, Trajectory


@dataclass(frozen=True, slots=True)
class _Affinity:
    """Tracklets that can be compared (`rows` into the sorted list) and what is thought of each pair."""

    rows: Int64
    constraints: Constraints
    log_odds: Float32
    """`(N, N)` posterior; 0 where the pair cannot be one person."""
    appearance: Float32
    """`(N, N)` log-likelihood ratio."""
    calibration: Calibration
    evidence: Evidence
    prior: DistancePrior
    similarity: float
    usual_trust: float


class AverageLinkageAssociator:
    """Links by calibrated log-odds of appearance under hard constraints; deterministic, whatever the order of its input.

    `prior` is the embedder's own (`card.settings["distance_prior"]`); without one a generic one is scaled to the footage.
    """

    def __init__(self, config: AssociationConfig, prior: DistancePrior | None = None) -> None:
        self._config = config
        self._prior = prior

    def associate(self, tracklets: Sequence[Tracklet], embeddings: Embeddings, scene: Scene) -> list[Trajectory]:
        """Group the tracklets by person; each tracklet stands in exactly one trajectory."""
        return list(self.solve(tracklets, embeddings, scene).trajectories)

    def solve(self, tracklets: Sequence[Tracklet], embeddings: Embeddings, scene: Scene) -> AssociationResult:
        """The trajectories, and what they rest on. Raises ValueError when two tracklets have one key."""
        ordered = sorted(tracklets, key=lambda t: t.key)
        twice = [key for key, n in Counter(t.key for t in ordered).items() if n > 1]
        if twice:
            raise ValueError(f"{len(twice)} tracklet keys occur more than once, first {twice[0]}; ids need be unique")
        affinity, dropped = self._affinity(ordered, embeddings, scene)
        probability = float(np.clip(self._config.min_link_probability, 1e-6, 1 - 1e-6))
        floor = float(np.log(probability) - np.log1p(-probability))
        score = np.where(affinity.constraints.cannot, -np.inf, affinity.log_odds).astype(np.float64)
        labels, merges = average_linkage(score, floor)
        doubt = judge(affinity.log_odds, affinity.constraints.cannot, labels, merges)
        trajectories = _trajectories(ordered, affinity, labels, merges, doubt, times_comparable(scene))
        report = self._report(ordered, affinity, trajectories, doubt, dropped, scene)
        return AssociationResult(trajectories, report)

    def _affinity(self, ordered: list[Tracklet], embeddings: Embeddings, scene: Scene) -> tuple[_Affinity, int]:
        known = {t.key: row for row, t in enumerate(ordered)}
        usable = usable_rows(embeddings)
        kept = [r for r in usable.tolist() if embeddings.keys[r] in known]
        embeddings = Embeddings(
            tuple(embeddings.keys[r] for r in kept),
            embeddings.frame_index[kept],
            embeddings.vector[kept],
            embeddings.quality[kept],
        )
        dropped = len(usable) - len(kept)
        vectors, halves = aggregate(embeddings), crop_statistics(embeddings)
        rows = np.array([known[key] for key in vectors.keys], dtype=np.int64)
        config = self._config
        constraints = restrict(
            build_constraints(
                ordered,
                scene,
                duplicate_overlap=config.duplicate_overlap,
                well_apart_overlap=config.well_apart_overlap,
                slack_s=config.clock_slack_s,
            ),
            rows,
        )
        names = sorted({t.camera_id for t in ordered})
        camera = np.array([names.index(key[0]) for key in vectors.keys], dtype=np.int64)
        similarity = footage_crop_similarity(halves, self._prior)
        trust = reliability(vectors.crops, similarity)
        distance = distance_matrix(vectors.vector)
        evidence = gather(distance, trust, camera, constraints, halves, similarity)
        prior = self._prior if self._prior is not None else generic_prior(evidence, similarity)
        calibration = calibrate(evidence, prior)
        appearance, log_odds = _log_odds(distance, trust, camera, calibration)
        log_odds[constraints.cannot] = 0.0
        usual = float(np.median(trust)) ** 2 if len(trust) else 1.0
        return _Affinity(
            rows, constraints, log_odds, appearance, calibration, evidence, prior, similarity, usual
        ), dropped

    def _report(
        self,
        ordered: list[Tracklet],
        affinity: _Affinity,
        trajectories: Sequence[Trajectory],
        doubt: Doubt,
        dropped: int,
        scene: Scene,
    ) -> AssociationReport:
        evidence, calibration, config = affinity.evidence, affinity.calibration, self._config
        usual, probability = affinity.usual_trust, config.min_link_probability
        embedded = set(affinity.rows.tolist())
        reasons = _fallback_reasons(evidence, config.min_evidence, self._prior)
        warnings = ()
        if not calibration.separable and len(embedded) > 1:
            warnings = (
                "different people look as alike as one person does here (dark, empty or unfit crops?): nothing is linked",
            )
        return AssociationReport(
            tracklets=len(ordered),
            people=len(trajectories),
            links=len(doubt.merge),
            estimated_false_link_rate=float(1.0 - doubt.merge.mean()) if len(doubt.merge) else None,
            threshold_distance_cross=calibration.threshold(probability, usual, "cross"),
            threshold_distance_within=calibration.threshold(probability, usual, "within"),
            min_link_probability=probability,
            positives=int(evidence.positives.total),
            negatives=int(evidence.negatives.total),
            unlabelled_pairs=int(evidence.unlabelled_within.total + evidence.unlabelled_cross.total),
            fallback=bool(reasons),
            fallback_reasons=reasons,
            prior=affinity.prior.embedder,
            prior_source=affinity.prior.source,
            same=_density_report(calibration.same),
            different_within=_density_report(calibration.different_within),
            different_cross=_density_report(calibration.different_cross),
            share_within=calibration.share_within,
            share_cross=calibration.share_cross,
            crop_similarity=affinity.similarity,
            cannot_link_pairs=int(np.count_nonzero(affinity.constraints.cannot)) // 2,
            times_compared_across_cameras=times_comparable(scene),
            without_embedding=tuple(t.key for row, t in enumerate(ordered) if row not in embedded),
            dropped_embeddings=dropped,
            warnings=warnings,
        )


def _density_report(density: Density) -> DensityReport:
    return DensityReport(density.location, density.scale / SCALE_OF_STD)


def _fallback_reasons(evidence: Evidence, wanted: int, prior: DistancePrior | None) -> tuple[str, ...]:
    source = "the embedder's prior" if prior is not None else "a generic prior"
    reasons = []
    if evidence.negatives.total < wanted:
        reasons.append(
            f"{int(evidence.negatives.total)} of {wanted} certain negatives (tracklets alive together in one camera): "
            f"{source} says how far apart different people look"
        )
    if evidence.positives.total < wanted:
        reasons.append(
            f"{int(evidence.positives.total)} of {wanted} certain positives (tracklets with two crops or more): "
            f"{source} says how far apart one person looks"
        )
    return tuple(reasons)


def _log_odds(
    distance: Float32, trust: Float64, camera: Int64, calibration: Calibration, block: int = 1024
) -> tuple[Float32, Float32]:
    """Appearance evidence and posterior `(N, N)` of every pair."""
    count = len(trust)
    appearance, posterior = np.empty((count, count), np.float32), np.empty((count, count), np.float32)
    before = {True: calibration.prior_log_odds("within"), False: calibration.prior_log_odds("cross")}
    for start in range(0, count, block):
        rows = slice(start, min(start + block, count))
        product = np.outer(trust[rows], trust)
        same_camera = camera[rows, None] == camera[None, :]
        ratio = np.where(
            same_camera,
            calibration.log_likelihood_ratio(distance[rows].astype(np.float64), product, "within"),
            calibration.log_likelihood_ratio(distance[rows].astype(np.float64), product, "cross"),
        )
        appearance[rows] = np.round(ratio, 5)
        posterior[rows] = np.round(ratio + np.where(same_camera, before[True], before[False]), 5)
    return appearance, posterior


def _appearance_order(tracklet: Tracklet, comparable: bool) -> tuple[float, str, float, int]:
    """First seen first; cameras whose times do not compare follow one another by id."""
    return (tracklet.start_s if comparable else 0.0, tracklet.camera_id, tracklet.start_s, tracklet.key[1])


def _trajectories(
    ordered: list[Tracklet],
    affinity: _Affinity,
    labels: Int64,
    merges: Sequence[Merge],
    doubt: Doubt,
    comparable: bool,
) -> tuple[Trajectory, ...]:
    """One trajectory a group and one for each tracklet without embedding, numbered from 1 by first appearance."""
    groups: dict[int, list[int]] = {}
    for row, label in zip(affinity.rows.tolist(), labels.tolist(), strict=True):
        groups.setdefault(label, []).append(row)
    embedded = set(affinity.rows.tolist())
    members = [*groups.values(), *([row] for row in range(len(ordered)) if row not in embedded)]
    members.sort(key=lambda rows: min(_appearance_order(ordered[r], comparable) for r in rows))
    sure = {int(row): float(p) for row, p in zip(affinity.rows, doubt.row, strict=True)}
    links: dict[int, list[tuple[Link, float]]] = {}
    for merge, probability in zip(merges, doubt.merge.tolist(), strict=True):
        link = _link(ordered, affinity, labels, merge, comparable)
        links.setdefault(int(labels[merge.left[0]]), []).append((link, probability))
    label_of = dict(zip(affinity.rows.tolist(), labels.tolist(), strict=True))
    result = []
    for person, rows in enumerate(members, start=1):
        chosen = sorted((ordered[r] for r in rows), key=lambda t: (t.start_s, t.camera_id, t.key[1]))
        own = links.get(label_of.get(rows[0], -1), [])
        order = {t.key: place for place, t in enumerate(chosen)}
        own.sort(key=lambda entry: (order[entry[0].to_key], order[entry[0].from_key]))
        row_of = {ordered[r].key: r for r in rows}
        result.append(
            Trajectory(
                person,
                tuple(chosen),
                float(np.prod([p for _, p in own])),
                tuple(sure.get(row_of[t.key], 1.0) for t in chosen),
                tuple(link for link, _ in own),
            )
        )
    return tuple(result)


def _link(ordered: list[Tracklet], affinity: _Affinity, labels: Int64, merge: Merge, comparable: bool) -> Link:
    """The best pair between the two groups that were joined, told from the earlier to the later tracklet."""
    between = affinity.log_odds[np.ix_(merge.left, merge.right)]
    left, right = np.unravel_index(int(between.argmax()), between.shape)
    pair = [merge.left[int(left)], merge.right[int(right)]]
    pair.sort(key=lambda r: _appearance_order(ordered[affinity.rows[r]], comparable))
    first, second = pair
    outside = (labels != labels[second]) & ~affinity.constraints.cannot[second]
    runner_up = float(affinity.log_odds[second, outside].max()) if outside.any() else None
    keys: list[TrackletKey] = [ordered[affinity.rows[r]].key for r in pair]
    return Link(
        keys[0],
        keys[1],
        float(affinity.log_odds[first, second]),
        runner_up,
        {"appearance": float(affinity.appearance[first, second]), "time": 0.0, "place": 0.0},
    )
