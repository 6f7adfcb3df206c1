"""What distances mean, learned once more from pairs weighed against their rivals.

calibration.py asks each pair by itself whether it is one person or two. Where two people come near more often than a
logistic density foretells, it takes the look-alikes for one person: of 300 tracklets a camera each then has five
counterparts in the other, the fit of one person slides to the look-alikes, and nobody can be told from them. But a
tracklet has one counterpart at most. So the probabilities that competition.py gives, which know that, are fitted anew,
and what is left over are pairs of two people: their density is fitted to all of them, and how many come near is
counted (tail.py). Where clocks compare and enough are in two cameras at once, those are counted instead, who are two
people for certain. Three rounds; in the first one nearly all is done.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.association.affinity import Compared
from pipeline.association.calibration import Calibration, Pairs, recalibrate, without_noise
from pipeline.association.competition import weigh_rivals
from pipeline.association.confidence import sigmoid
from pipeline.association.looks import pairwise_log_odds
from pipeline.association.tail import BIN, FEWEST, falling, log_ratio
from pipeline.types import Float64, Int64

_ROUNDS = 3
_FEWEST = 100.0
"""Pairs of two people below which none is counted."""
_TRUSTED = 0.5
"""Share of the logarithm counted on all pairs that is believed. Look-alikes come in groups, so whoever has one has
several, and those speak against one another as rivals already. How it was chosen: docs/association.md, "Rivals"."""


def learn_against_rivals(compared: Compared) -> Compared:
    """`compared` with its calibration learned anew; as it is where looks tell nobody apart."""
    calibration, trust, camera = compared.calibration, compared.trust, compared.camera
    cannot = compared.constraints.cannot
    seen = np.triu((camera[:, None] != camera[None, :]) & np.outer(trust > 0.0, trust > 0.0), 1)
    one, two = np.nonzero(seen & ~cannot)
    if not len(one):
        return compared
    pairs = _pairs(compared, one, two)
    certain = _pairs(compared, *np.nonzero(seen & cannot))
    for _ in range(_ROUNDS):
        if not calibration.separable:
            break
        _, by_itself = pairwise_log_odds(compared.distance, trust, camera, calibration)
        log_odds = weigh_rivals(
            by_itself,
            cannot,
            camera,
            share_within=calibration.share_within,
            share_cross=calibration.share_cross,
        )
        weight = sigmoid(log_odds[one, two].astype(np.float64))
        fitted = recalibrate(calibration, compared.evidence, compared.densities, pairs, weight)
        if certain.total < FEWEST:
            calibration = _with_tail(fitted, pairs, 1.0 - weight, _TRUSTED)
        else:
            calibration = _with_tail(fitted, certain, certain.count, 1.0)
    return replace(compared, calibration=calibration)


def _pairs(compared: Compared, one: Int64, two: Int64) -> Pairs:
    trust = compared.trust[one] * compared.trust[two]
    return Pairs.of(compared.distance[one, two].astype(np.float64), trust, compared.evidence.unlabelled_cross.tracklets)


def _with_tail(calibration: Calibration, pairs: Pairs, two_people: Float64, trusted: float) -> Calibration:
    """The calibration with its tail counted on `pairs`, each with a probability `two_people (P,)`; a share `trusted` of
    the logarithm counts."""
    if two_people.sum() < _FEWEST or not calibration.separable:
        return calibration
    different = calibration.different_cross
    edges = np.arange(0.0, different.location, BIN)
    distance = without_noise(different, pairs.distance, pairs.reliability)
    counted = np.histogram(distance, edges, weights=two_people)[0]
    fewer = log_ratio(different, float(two_people.sum()), counted)
    if fewer is None:
        return calibration
    return replace(calibration, tail=falling(calibration, trusted * fewer, different))
