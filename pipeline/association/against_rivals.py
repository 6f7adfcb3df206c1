"""What distances mean, learned once more from pairs weighed against their rivals.

calibration.py asks each pair by itself whether it is one person or two. Where two people come near more often than a
logistic density foretells, it takes the look-alikes for one person: of 300 tracklets a camera each then has five
counterparts in the other, the fit of one person slides to the look-alikes, and nobody can be told from them. But a
tracklet has one counterpart at most. So the probabilities that competition.py gives, which know that, are fitted anew,
and what is left over are pairs of two people: their density is fitted to all of them, and how many come near is
counted (tail.py). A few pairs tell little of that. Of an embedder without a prior of its own, what others' people did
counts beside them: two people came near more often than a logistic foretells with every embedder and set that constants
were tuned on. Where clocks compare and enough are in two cameras at once, those are counted instead, who are two
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
_MORE, _FROM, _MOST = 0.25, 1.7, 1.0
"""Logarithm of how many more pairs of two people there are than a logistic has: `_MORE` for each scale beyond `_FROM`
scales from its location, up to `_MOST`. What two embedders come to on cuhk01, pku-reid and 3dpes."""
_WEIGHT = 3000.0
"""Pairs of two people that weigh as much. Chosen on the same sets."""
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
            fewer = _counted(fitted, pairs, 1.0 - weight)
            if compared.generic:
                fewer = _with_usual(fitted, fewer, float((1.0 - weight).sum()))
        else:
            fewer = _counted(fitted, certain, certain.count, 1.0)
        calibration = fitted
        if fewer is not None and fitted.separable:
            calibration = replace(fitted, tail=falling(fitted, fewer, fitted.different_cross))
    return replace(compared, calibration=calibration)


def _pairs(compared: Compared, one: Int64, two: Int64) -> Pairs:
    trust = compared.trust[one] * compared.trust[two]
    return Pairs.of(compared.distance[one, two].astype(np.float64), trust, compared.evidence.unlabelled_cross.tracklets)


def _counted(calibration: Calibration, pairs: Pairs, two_people: Float64, trusted: float = _TRUSTED) -> Float64 | None:
    """By how much fewer than foretold come near, as a logarithm `(B,)` by bins of distance, counted on `pairs`.

    Each is a pair of two people with a probability `two_people (P,)`; a share `trusted` of the logarithm counts. None
    where there are too few to tell."""
    if two_people.sum() < _FEWEST:
        return None
    different = calibration.different_cross
    edges = np.arange(0.0, different.location, BIN)
    distance = without_noise(different, pairs.distance, pairs.reliability)
    fewer = log_ratio(different, float(two_people.sum()), np.histogram(distance, edges, weights=two_people)[0])
    return None if fewer is None else trusted * fewer


def _with_usual(calibration: Calibration, counted: Float64 | None, pairs: float) -> Float64:
    """What was `counted (B,)` on so many pairs of two people, leaning on what is usual."""
    different = calibration.different_cross
    edges = np.arange(0.0, max(different.location, 2 * BIN), BIN)
    scales = (different.location - (edges[1:] + edges[:-1]) / 2) / different.scale
    usual = -np.clip(_MORE * (scales - _FROM), 0.0, _MOST)
    if counted is None:
        return usual
    result: Float64 = (pairs * counted + _WEIGHT * usual) / (pairs + _WEIGHT)
    return result
