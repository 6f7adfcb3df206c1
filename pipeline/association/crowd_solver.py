"""Association beyond some thousand tracklets: the steps of associator.py without a matrix of all pairs.

    a sample, dense      which cameras share a view; who is who roughly, for each camera's mean (centring.py)
    sampled_evidence.py  what the crowd offers calibration
    tail.py, gaps.py     how near two people come; how soon people are seen again
    candidates.py        pairs worth a thought, inside time windows
    sparse_rivals.py, pair_scores.py     their log-odds
    seen_again.py, joining.py            how sure the joining of two groups is
    sparse_linkage.py    the same average linkage; component_solver.py: other solvers, component by component
    sparse_links.py      links and doubt

Memory and time grow with the tracklets times those in one window, not with their square.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.association.affinity import build_affinity, compare, usable_embeddings
from pipeline.association.calibration import Calibration, Evidence, calibrate
from pipeline.association.centring import camera_offsets, shift
from pipeline.association.component_solver import solve_components
from pipeline.association.constraints import Constraints, build_constraints, times_comparable
from pipeline.association.crowd import Crowd, build_crowd
from pipeline.association.evidence import footage_crop_similarity, half_distances, own_densities, scale_to_footage
from pipeline.association.gaps import learn_gaps
from pipeline.association.joining import Joining
from pipeline.association.journeys import Journeys
from pipeline.association.linkage import PLAIN
from pipeline.association.missed import mistaken
from pipeline.association.overlap import Overlap, discover_overlaps
from pipeline.association.pair_evidence import PairEvidence
from pipeline.association.pair_scores import PairScores, Veto, score_pairs
from pipeline.association.prior import Densities, DistancePrior
from pipeline.association.sampled_evidence import sample_evidence, spread_over
from pipeline.association.seen_again import learn_joining
from pipeline.association.similarity import aggregate, crop_statistics, reliability
from pipeline.association.solver import Method, solve
from pipeline.association.sparse_linkage import Edges
from pipeline.association.sparse_links import expected_missed, judge_pairs
from pipeline.association.tail import measure_tail
from pipeline.association.trajectories import Solution
from pipeline.config import AssociationConfig
from pipeline.types import Embeddings, Float64, Int64, Scene, Tracklet, TrackletKey

_LOG = logging.getLogger(__name__)
_RUNS = 8
"""Pieces of time that a sample is made of: people are seen again within a piece."""


@dataclass(frozen=True, slots=True)
class CrowdAffinity:
    """What is thought of a crowd; the fields as in Affinity."""

    rows: Int64
    calibration: Calibration
    evidence: Evidence
    centred: bool
    crop_similarity: float
    usual_reliability: float
    scores: PairScores
    joining: Joining
    overlaps: tuple[Overlap, ...]
    """Pairs of cameras that were looked at for a shared view."""
    cannot_link_pairs: None = None


def compare_crowd(
    ordered: Sequence[Tracklet],
    embeddings: Embeddings,
    scene: Scene,
    prior: DistancePrior | None,
    config: AssociationConfig,
    *,
    extra: Sequence[PairEvidence] = (),
    veto: Veto | None = None,
) -> CrowdAffinity:
    """Calibrate on a sample and find the candidates among the `ordered` tracklets with usable `embeddings`.

    `extra` and `veto` (pairs that are two people) by rows of `ordered`.
    """
    scene, offset, overlaps = _look_at_sample(ordered, embeddings, scene, prior, config)
    if offset:
        embeddings = usable_embeddings(ordered, shift(embeddings, offset))
    calibrated = calibrate_crowd(ordered, embeddings, scene, prior, config, centred=bool(offset))
    crowd, calibration = calibrated.crowd, calibrated.calibration
    if not crowd.comparable:
        _LOG.warning(
            "%d tracklets, more than association.dense_up_to, without a clock in common: each is compared with all "
            "others, in time that grows with the square of their number; with a common clock only those within "
            "association.candidate_window_s are",
            len(crowd),
        )
    calibration = measure_tail(crowd, calibration, calibrated.evidence, calibrated.densities, config)
    time = learn_gaps(crowd, Journeys.without_zones(ordered, scene), calibration, extra, config, veto=veto)
    extra = extra if time is None else (*extra, time)
    trust = crowd.trust
    scores = score_pairs(crowd, calibration, extra, config, veto)
    return CrowdAffinity(
        rows=crowd.rows,
        calibration=calibration,
        evidence=calibrated.evidence,
        centred=bool(offset),
        crop_similarity=calibrated.crop_similarity,
        usual_reliability=float(np.median(trust)) ** 2 if len(trust) else 1.0,
        scores=scores,
        # Where the tail is a guess, so are log-odds of pairs, and nothing is to be built on them.
        joining=PLAIN if calibration.tail is None else learn_joining(scores),
        overlaps=tuple(overlaps),
    )


@dataclass(frozen=True, slots=True)
class CalibratedCrowd:
    """A crowd, and what distances mean in it."""

    crowd: Crowd
    crop_similarity: float
    evidence: Evidence
    densities: Densities
    """Of the embedder, from before the footage was looked at."""
    calibration: Calibration


def calibrate_crowd(
    ordered: Sequence[Tracklet],
    embeddings: Embeddings,
    scene: Scene,
    own_prior: DistancePrior | None,
    config: AssociationConfig,
    *,
    centred: bool,
) -> CalibratedCrowd:
    """As `compare` (affinity.py), from a sample of `config.calibration_sample` tracklets."""
    row_of = {t.key: row for row, t in enumerate(ordered)}
    vectors = aggregate(embeddings)
    chosen = {vectors.keys[n] for n in spread_over(len(vectors), config.calibration_sample).tolist()}
    statistics = crop_statistics(_of_keys(embeddings, chosen))
    densities = own_densities(own_prior, centred=centred)
    crop_similarity = footage_crop_similarity(statistics, densities.crop_similarity)
    rows = np.array([row_of[key] for key in vectors.keys], dtype=np.int64)
    crowd = build_crowd(ordered, rows, vectors.vector, reliability(vectors.crops, crop_similarity), scene)
    positives = half_distances(statistics, crop_similarity)
    evidence = sample_evidence(crowd, positives, config, config.candidate_window_s)
    if own_prior is None and not centred:
        densities = scale_to_footage(densities, evidence)
    return CalibratedCrowd(crowd, crop_similarity, evidence, densities, calibrate(evidence, densities))


def group_crowd(affinity: CrowdAffinity, floor: float, given: Int64, method: Method = "auto") -> Solution:
    """Groups by `method` from the groups `given (N,)`, numbered by lowest row, within which nothing is barred.

    Solvers that sum up log-odds of pairs know nothing of joinings.
    """
    scores = affinity.scores
    joining = affinity.joining if method in ("auto", "average") else PLAIN
    pairs = scores.candidates
    edges = Edges(pairs.left, pairs.right, scores.of_candidates(np.arange(len(pairs.left))))

    def log_odds(one: Int64, two: Int64) -> Float64:
        value = scores.log_odds(one, two)
        return np.where(np.isneginf(value) & (given[one] == given[two]), 0.0, value)

    near = edges.above(joining.least_mean(floor))
    labels, merges, solved = solve_components(near, floor, log_odds, given, method, joining=joining)
    doubtful = expected_missed(edges, scores.gate, labels, scores.log_odds, joining)
    doubt = judge_pairs(log_odds, labels, merges, given, joining=joining, missed=doubtful)
    of_two = np.array([len(m.left) == len(m.right) == 1 for m in merges], dtype=np.bool_)
    taken = mistaken(doubt.merge[of_two], float(doubt.merge.sum()) + doubtful, len(labels))
    return Solution(labels, merges, replace(doubt, missed=doubtful + taken), solved)


def _look_at_sample(
    ordered: Sequence[Tracklet],
    embeddings: Embeddings,
    scene: Scene,
    prior: DistancePrior | None,
    config: AssociationConfig,
) -> tuple[Scene, dict[str, Float64], list[Overlap]]:
    """From a sample that is compared densely: the scene with the views that are shared, each camera's mean person
    (none with too few people), and what was found of shared views."""
    by_time = np.array([t.start_s for t in ordered]).argsort(kind="stable")
    runs = np.array_split(by_time, _RUNS)
    taken = np.concatenate([run[: config.calibration_sample // _RUNS + 1] for run in runs])
    sample = [ordered[row] for row in np.sort(taken).tolist()]
    rows = usable_embeddings(sample, _of_keys(embeddings, {t.key for t in sample}))
    overlaps: list[Overlap] = []
    if (times_comparable(scene) or scene.on_one_clock) and config.discover_overlaps:
        compared = compare(sample, rows, _constraints(sample, scene, config), prior, centred=False)
        overlaps = discover_overlaps(sample, compared, scene, config.clock_slack_s)
        shared = frozenset(frozenset(overlap.cameras) for overlap in overlaps if overlap.found)
        scene = replace(scene, overlapping=scene.overlapping | shared)
    affinity = build_affinity(sample, rows, _constraints(sample, scene, config), prior, centred=False)
    score = np.where(affinity.constraints.cannot, -np.inf, affinity.log_odds)
    labels = solve(score, link_floor(config)).labels
    if len(np.unique(labels)) < config.centre_min_people:
        return scene, {}, overlaps
    keys = [sample[row].key for row in affinity.rows.tolist()]
    return scene, camera_offsets(rows, dict(zip(keys, labels.tolist(), strict=True))), overlaps


def _constraints(tracklets: Sequence[Tracklet], scene: Scene, config: AssociationConfig) -> Constraints:
    return build_constraints(
        tracklets,
        scene,
        duplicate_overlap=config.duplicate_overlap,
        well_apart_overlap=config.well_apart_overlap,
        slack_s=config.clock_slack_s,
    )


def link_floor(config: AssociationConfig) -> float:
    """Log-odds from which two groups are joined."""
    return float(np.log(config.link_probability) - np.log1p(-config.link_probability))


def _of_keys(embeddings: Embeddings, keys: set[TrackletKey]) -> Embeddings:
    rows = [row for row, key in enumerate(embeddings.keys) if key in keys]
    return Embeddings(
        tuple(embeddings.keys[row] for row in rows),
        embeddings.frame_index[rows],
        embeddings.vector[rows],
        embeddings.quality[rows],
    )
