"""How soon people are seen again, in a crowd: one distribution of gaps for all pairs of cameras.

topology.py learns ways and times from all pairs. A crowd has too many of them, and a sample too few for each pair of
cameras. What a sample does tell is how soon people are seen again anywhere: of some tracklets, all candidates are
weighed by the probability that they are one person, and their gaps compared with those of drawn pairs that might be.
The logarithm of the ratio is evidence of `time`, learned anew with its own help, `topology_rounds` times. In one camera
and between two are told apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.association.calibration import Calibration
from pipeline.association.candidates import Pairs, search_for, within_reach
from pipeline.association.competition import alone
from pipeline.association.confidence import sigmoid
from pipeline.association.crowd import Crowd, same_camera
from pipeline.association.journeys import BINS, Journeys
from pipeline.association.pair_evidence import PairEvidence
from pipeline.association.pair_scores import Veto, beside_looks, gate_of
from pipeline.association.sampled_evidence import spread_over
from pipeline.association.sparse_rivals import in_reach
from pipeline.association.topology import lean, log_ratio
from pipeline.config import AssociationConfig
from pipeline.types import Float64, Int64

_DRAWN = 200
"""Pairs drawn for each sampled tracklet: 400,000 in 80 cells."""


def learn_gaps(
    crowd: Crowd,
    journeys: Journeys,
    calibration: Calibration,
    extra: Sequence[PairEvidence],
    config: AssociationConfig,
    *,
    veto: Veto | None = None,
) -> PairEvidence | None:
    """Evidence of time from `config.calibration_sample` tracklets; `journeys` and `extra` by rows of all tracklets.

    None where times do not compare, nothing is to be learned, or no pair is there to learn from.
    """
    if not crowd.comparable or config.topology_rounds == 0 or len(crowd) < 2:
        return None
    by_time = np.argsort(crowd.start, kind="stable")
    sample = by_time[spread_over(len(crowd), config.calibration_sample)]
    pairs = search_for(sample, crowd, calibration, gate_of(extra, config), beside_looks(crowd, extra, config, veto))
    usual = _count(*_cells(crowd, journeys, *_drawn(crowd, sample, by_time, config)))
    if not len(pairs.left) or not usual.sum():
        return None
    cell = _cells(crowd, journeys, pairs.left, pairs.right)
    share = (usual + 0.5) / (usual.sum(axis=1, keepdims=True) + 0.5 * BINS)
    ratio = np.zeros((2, BINS))
    for _ in range(config.topology_rounds):
        probability = _probability(crowd, pairs, calibration, ratio[cell], config.candidate_window_s)
        one = _count(*cell, probability)
        ratio = log_ratio(lean(one, one.sum(axis=1, keepdims=True), share), share)

    def log_odds(left: Int64, right: Int64) -> Float64:
        ways = journeys.ways(left, right)
        result: Float64 = ratio[(ways.from_camera == ways.to_camera).astype(np.int64), ways.bin]
        for part in extra:  # pairs judged at common instants: at_once.py
            if part.at_once is not None:
                result[part.at_once(left, right)] = 0.0
        return result

    return PairEvidence("time", log_odds)


def _cells(crowd: Crowd, journeys: Journeys, left: Int64, right: Int64) -> tuple[Int64, Int64]:
    """0 for two cameras, 1 for one `(P,)`, and the bin of the gap `(P,)`."""
    ways = journeys.ways(crowd.rows[left], crowd.rows[right])
    return same_camera(crowd, left, right).astype(np.int64), ways.bin


def _count(camera: Int64, gap: Int64, weight: Float64 | None = None) -> Float64:
    number = np.bincount(camera * BINS + gap, weights=weight, minlength=2 * BINS)
    return number.astype(np.float64).reshape(2, BINS)


def _drawn(crowd: Crowd, sample: Int64, by_time: Int64, config: AssociationConfig) -> tuple[Int64, Int64]:
    """Pairs of sampled rows and rows within their reach that might be one person, drawn with a fixed seed."""
    starts = crowd.start[by_time]
    longest = float((crowd.end - crowd.start).max(initial=0.0))
    low = np.searchsorted(starts, crowd.start[sample] - config.candidate_window_s - longest)
    high = np.searchsorted(starts, crowd.end[sample] + config.candidate_window_s, side="right")
    draw = np.random.default_rng(0).random((len(sample), _DRAWN))
    place = low[:, None] + np.floor(draw * (high - low)[:, None]).astype(np.int64)
    left, right = np.repeat(sample, _DRAWN), by_time[place.ravel()]
    keep = (left != right) & within_reach(crowd, left, right, config.candidate_window_s)
    left, right = left[keep], right[keep]
    keep = ~crowd.cannot(left, right, config)
    return left[keep], right[keep]


def _probability(crowd: Crowd, pairs: Pairs, calibration: Calibration, time: Float64, window_s: float) -> Float64:
    """That each pair is one person, against the rivals of its left row."""
    odds = np.exp(pairs.log_odds.astype(np.float64) + time)
    cameras = len(crowd.cameras)
    used, place = np.unique(pairs.left, return_inverse=True)
    there = crowd.camera[pairs.right]
    total = np.bincount(place * cameras + there, weights=odds, minlength=len(used) * cameras)
    rivals = total[place * cameras + there] - odds
    share = np.where(same_camera(crowd, pairs.left, pairs.right), calibration.share_within, calibration.share_cross)
    number = np.stack([in_reach(crowd, camera, window_s)[used] for camera in range(cameras)], axis=1)
    against = alone(share, number[place, there]) + np.maximum(rivals, 0.0)
    return sigmoid(np.log(odds) - np.log(against))
