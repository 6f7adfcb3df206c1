"""How many are seen again at all: the share of tracklets whose person has no other tracklet in reach.

A tracklet k of K in reach is the same person's with likelihood ratio l_k, so "it has one somewhere" against "it has
none" has the mean of the l_k. The share of those that have none follows by expectation-maximisation. Who has one and
looks unlike himself in it counts as having none: that is what joining.py asks for.
"""

from __future__ import annotations

import numpy as np

from pipeline.association.calibration import Calibration
from pipeline.association.candidates import Pairs
from pipeline.association.confidence import sigmoid
from pipeline.association.crowd import Crowd
from pipeline.association.joining import Joining
from pipeline.association.pair_scores import PairScores
from pipeline.association.sparse_rivals import Rivals, in_reach

_ITERATIONS = 100
_LEAST = 0.005
"""Share that is never undercut: somebody always comes once."""


def learn_joining(scores: PairScores) -> Joining:
    """How sure joinings are, by the candidates of a crowd."""
    pairs, calibration = scores.candidates, scores.calibration
    alone = share_alone(scores.crowd, pairs, calibration, scores.config.candidate_window_s)
    alike = float(np.clip(1.0 - calibration.same.location, 0.0, 1.0))
    return Joining(not_yet_said(alone, pairs, scores.rivals), alike)


def share_alone(crowd: Crowd, pairs: Pairs, calibration: Calibration, window_s: float) -> float:
    """The share, from all candidate `pairs`; 1 where there are none."""
    if not len(pairs.left):
        return 1.0
    odds = np.exp(pairs.log_odds.astype(np.float64))
    count = len(crowd)
    found = np.bincount(pairs.left, odds, count) + np.bincount(pairs.right, odds, count)
    expected = np.zeros(count)
    for camera in range(len(crowd.cameras)):
        share = np.where(crowd.camera == camera, calibration.share_within, calibration.share_cross)
        expected += share * in_reach(crowd, camera, window_s)
    ratio = found / np.maximum(expected, 1e-12)
    alone = 0.5
    for _ in range(_ITERATIONS):
        alone = float(np.mean(alone / (alone + (1.0 - alone) * ratio)))
    return max(alone, _LEAST)


def not_yet_said(alone: float, pairs: Pairs, rivals: Rivals) -> float:
    """What -log `alone` adds to log-odds against rivals, which hold each camera's own part of it already."""
    weight = sigmoid(pairs.log_odds.astype(np.float64))
    if not weight.sum() > 0.0:
        return 0.0
    camera = rivals.camera
    said = np.log(rivals.alone[pairs.left, camera[pairs.right]]) + np.log(rivals.alone[pairs.right, camera[pairs.left]])
    return max(-float(np.log(alone)) + float(np.average(said / 2, weights=weight)), 0.0)
