"""What a distance means in this footage: log-odds that two tracklets are one person, learned without labels.

Evidence, weighed against the embedder's prior (Bayes, MAP):
- certain negatives: tracklets alive together in one camera and apart give `different_within`;
- certain positives: the early and the late half of one tracklet give `same_within` and the noise of a crop;
- all other pairs are a mixture of both kinds, fitted by expectation-maximisation, which gives `different_cross` (in a
  crowd nearly every pair), pulls `same_cross`, and tells what share of the pairs is one person.
Within a tracklet nobody turns round and no light changes: that step, `same_within` to `same_cross`, is the prior's,
moved by as much as the footage's own halves differ from the prior's. It is used for coming back to the same camera,
too: a person who left and returns is mostly seen from another side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pipeline.association.confidence import sigmoid
from pipeline.association.prior import SCALE_OF_STD, Densities, Density
from pipeline.types import Float64

Relation = Literal["within", "cross"]

_ITERATIONS = 40
_SCALE_STRENGTH = 20.0
"""Tracklets that weigh as much as a prior's scale: scales differ by some 10 % between sets (cuhk01, pku-reid, 3dpes),
locations by a whole scale."""
_UNLABELLED_SAME_STRENGTH = 100.0
"""Pairs taken for one person that weigh as much as the expected `same`. More than for labelled evidence: in a crowd the
nearest pairs are look-alikes too, and lead the fit away from the truth. Tuned on cuhk01, pku-reid and 3dpes."""
_SHARE_STRENGTH = 2.0
"""Pairs of one person that the expected share of such pairs weighs as much as."""
_MAX_LOG_ODDS = 12.0
"""No distance is surer than that: 1 in 160,000 is about as far as the tail was looked at (docs/association.md)."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Distances `(P,)`, the products of the two reliabilities `(P,)`, how many pairs each stands for `(P,)`, and the
    number of tracklets they come from: pairs that share a tracklet are not independent, so at most that many count.
    """

    distance: Float64
    reliability: Float64
    count: Float64
    tracklets: int

    @classmethod
    def of(cls, distance: Float64, reliability: Float64, tracklets: int) -> Pairs:
        """One each."""
        return cls(distance, reliability, np.ones(len(distance)), tracklets)

    @property
    def total(self) -> float:
        """Number of pairs."""
        return float(self.count.sum())


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the footage offers. `expected_share_*`: share of pairs that are one person, guessed from the numbers of
    tracklets alone."""

    positives: Pairs
    negatives: Pairs
    unlabelled_within: Pairs
    unlabelled_cross: Pairs
    expected_share_within: float
    expected_share_cross: float


@dataclass(frozen=True, slots=True)
class Tail:
    """`value (G,)` to be added to log-likelihood ratios at the ascending distances `distance (G,)`, those of tracklets
    without crop noise; beyond either end the last one holds. `different`: the density of two people it corrects."""

    distance: Float64
    value: Float64
    different: Density

    def at(self, distance: Float64, reliability: Float64) -> Float64:
        """What to add at each distance `(P,)` of pairs with products of reliabilities `(P,)`."""
        result: Float64 = np.interp(without_noise(self.different, distance, reliability), self.distance, self.value)
        return result


def without_noise(density: Density, distance: Float64, reliability: Float64) -> Float64:
    """Distances `(P,)` as far from the density's location as they are from where crop noise puts it (log_pdf)."""
    result: Float64 = distance - (1.0 - reliability) * (1.0 - density.location)
    return result


@dataclass(frozen=True, slots=True)
class Calibration:
    """Fitted densities and shares; `log_odds` is the natural logarithm of P(same) / P(different)."""

    same: Density
    different_within: Density
    different_cross: Density
    share_within: float
    share_cross: float
    separable: bool
    """False where same and different people look alike: then no distance says anything."""
    tail: Tail | None = None
    """How two people in two cameras differ from the fitted density, where it was measured (tail.py)."""

    def log_likelihood_ratio(self, distance: Float64, reliability: Float64, relation: Relation) -> Float64:
        """Evidence of appearance alone, never rising with distance, within +-12."""
        if not self.separable:
            return np.zeros(np.shape(distance))
        different = self.different_within if relation == "within" else self.different_cross
        ratio = likelihood_ratio(self.same, different, distance, reliability)
        if self.tail is None or relation == "within":
            return ratio
        result: Float64 = np.clip(ratio + self.tail.at(distance, reliability), -_MAX_LOG_ODDS, _MAX_LOG_ODDS)
        return result

    def prior_log_odds(self, relation: Relation) -> float:
        """Log-odds that a pair is one person before it is looked at."""
        share = self.share_within if relation == "within" else self.share_cross
        return float(np.log(share) - np.log1p(-share))

    def threshold(self, probability: float, reliability: float, relation: Relation) -> float | None:
        """Distance at which the posterior falls to `probability`; None where no distance reaches it."""
        distance = np.linspace(0.0, 2.0, 4001)
        odds = self.log_likelihood_ratio(distance, np.full(4001, reliability), relation) + self.prior_log_odds(relation)
        reached = np.flatnonzero(odds >= np.log(probability) - np.log1p(-probability))
        return float(distance[reached[-1]]) if len(reached) else None


def likelihood_ratio(same: Density, different: Density, distance: Float64, reliability: Float64) -> Float64:
    """`log p(d | same) - log p(d | different)`, held constant where the fitted tails would turn it round.

    Two logistic tails of unequal width cross again far out: without the hold a very small distance could speak against,
    or a very large one for, the same person. The ratio turns at most once on either side, always beyond the two
    locations, so it is held from there on.
    """
    low = 1.0 - reliability * (1.0 - same.location)
    high = 1.0 - reliability * (1.0 - different.location)
    clipped = np.asarray(distance, dtype=np.float64)
    if same.scale < different.scale:  # below `low` the narrower density falls faster
        clipped = np.maximum(clipped, np.minimum(low, high))
    elif same.scale > different.scale:
        clipped = np.minimum(clipped, np.maximum(low, high))
    ratio = same.log_pdf(clipped, reliability) - different.log_pdf(clipped, reliability)
    result: Float64 = np.clip(ratio, -_MAX_LOG_ODDS, _MAX_LOG_ODDS)
    return result


def calibrate(evidence: Evidence, prior: Densities, tail: Tail | None = None) -> Calibration:
    """Weigh the footage's evidence against the embedder's prior; with no evidence at all the prior is the answer.

    `tail`: how two people in two cameras differ, measured; then it is not fitted.
    """
    same, different_within, different_cross = _before(evidence, prior)
    if tail is not None:
        different_cross = tail.different
    start = (same, different_cross)
    share = evidence.expected_share_cross
    for _ in range(_ITERATIONS):
        weight = _responsibility(same, different_cross, share, evidence.unlabelled_cross, tail)
        share = _share(weight, evidence.unlabelled_cross, evidence.expected_share_cross)
        same = _update(start[0], evidence.unlabelled_cross, _UNLABELLED_SAME_STRENGTH, weight)
        if tail is None:
            different_cross = _update(start[1], evidence.unlabelled_cross, prior.different_strength, 1.0 - weight)
    share_within = evidence.expected_share_within
    for _ in range(_ITERATIONS):
        weight = _responsibility(same, different_within, share_within, evidence.unlabelled_within)
        found = weight if tail is not None else _surplus(weight)
        share_within = _share(found, evidence.unlabelled_within, evidence.expected_share_within)
    separable = _separable(same, different_within, different_cross)
    return Calibration(same, different_within, different_cross, share_within, share, separable, tail)


def recalibrate(
    calibration: Calibration, evidence: Evidence, prior: Densities, pairs: Pairs, weight: Float64
) -> Calibration:
    """The densities and the share across cameras again, from allowed `pairs` of two cameras and the probability
    `weight (P,)` that each is one person; no tail."""
    same, different_within, different_cross = _before(evidence, prior)
    same = _update(same, pairs, _UNLABELLED_SAME_STRENGTH, weight)
    different_cross = _update(different_cross, pairs, prior.different_strength, 1.0 - weight)
    return replace(
        calibration,
        same=same,
        different_cross=different_cross,
        share_cross=_share(weight, pairs, evidence.expected_share_cross),
        separable=_separable(same, different_within, different_cross),
        tail=None,
    )


def _before(evidence: Evidence, prior: Densities) -> tuple[Density, Density, Density]:
    """`same`, `different_within` and `different_cross` by prior and labelled evidence alone."""
    same_within = _update(prior.same_within, evidence.positives, prior.same_strength)
    different_within = _update(prior.different_within, evidence.negatives, prior.different_strength)
    same = replace(
        prior.same_cross,
        location=prior.same_cross.location + same_within.location - prior.same_within.location,
    )
    different_cross = replace(
        prior.different_cross,
        location=prior.different_cross.location + different_within.location - prior.different_within.location,
    )
    return same, different_within, different_cross


def _separable(same: Density, *different: Density) -> bool:
    """Less than one scale apart, the two kinds overlap by more than three quarters: a verdict would be a coin toss."""
    return min(density.location for density in different) - same.location > same.scale


def _responsibility(same: Density, different: Density, share: float, pairs: Pairs, tail: Tail | None = None) -> Float64:
    """Posterior `(P,)` that a pair is one person."""
    if same.location >= different.location:
        return np.zeros(len(pairs.distance))
    odds = likelihood_ratio(same, different, pairs.distance, pairs.reliability) + np.log(share) - np.log1p(-share)
    if tail is not None:
        odds += tail.at(pairs.distance, pairs.reliability)
    return sigmoid(odds)


def _surplus(weight: Float64) -> Float64:
    """What is left of posteriors `(P,)` that a pair is one person when twice as many pairs of two people look so alike.

    Few people come back to a camera, and pairs of one camera are many: look-alikes beyond the fitted tail, a few in a
    thousand, would pass for them. Whoever is found surely counts as before. Chosen on cuhk01, pku-reid and 3dpes
    (docs/association.md, "Doubt"). Not where the tail was measured: in a crowd of whom many come back it costs recall.
    """
    result: Float64 = np.maximum(2.0 * weight - 1.0, 0.0)
    return result


def _share(weight: Float64, pairs: Pairs, expected: float) -> float:
    """Share of pairs that are one person: found pairs, and a few expected ones so that small footage stays sane."""
    found = float((weight * pairs.count).sum())
    return float(np.clip((_SHARE_STRENGTH + found) / (_SHARE_STRENGTH / expected + pairs.total), 1e-7, 0.5))


def _update(prior: Density, pairs: Pairs, strength: float, weight: Float64 | None = None) -> Density:
    """Posterior mean of location and scale (normal model, conjugate prior) from pairs of `weight` each."""
    amount = pairs.count if weight is None else pairs.count * weight
    total = float(amount.sum())
    if total <= 0.0:
        return prior
    amount = amount * min(1.0, pairs.tracklets / total)
    noiseless = 1.0 - (1.0 - pairs.distance) / pairs.reliability
    # Least squares of the observed distance on its expectation: pairs of unreliable vectors say less.
    trust = amount * pairs.reliability**2
    location = (strength * prior.location + float((trust * noiseless).sum())) / (strength + float(trust.sum()))
    residual = pairs.reliability * (noiseless - location)
    variance = (_SCALE_STRENGTH * (prior.scale / SCALE_OF_STD) ** 2 + float((amount * residual**2).sum())) / (
        _SCALE_STRENGTH + float(amount.sum())
    )
    return Density(location, max(float(np.sqrt(variance)) * SCALE_OF_STD, 1e-4))
