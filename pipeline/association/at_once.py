"""Pairs seen at the same instants by cameras with a common floor: how often such a pair is one person, learned apart.

Most pairs of tracklets are not of one time, and a thousand of them hold few of one person. Two that are seen at once,
by views that meet on the floor, are one person far more often; the share comes from the pairs themselves: the weight of
one person in the mixture of one and two, by expectation-maximisation over the evidence of looks and place. The ways and
times that topology.py learns say the same once more, so they are not asked of these pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.association.confidence import sigmoid
from pipeline.association.pair_evidence import PairEvidence
from pipeline.types import Bool, Float32, Int64

_ITERATIONS = 40
_STRENGTH = 2.0
"""Pairs that the share of all pairs weighs as much as: that share is a guess of another kind of pairs."""
_LEAST, _MOST = 1e-6, 0.5


def pairs_at_once(evidence: Sequence[PairEvidence], rows: Int64) -> Bool | None:
    """Symmetric `(N, N)` over the tracklets `rows (N,)`; None where no evidence judges pairs at common instants."""
    asked = [part.at_once for part in evidence if part.at_once is not None]
    if not asked:
        return None
    one, two = np.triu_indices(len(rows), 1)
    result = np.zeros((len(rows), len(rows)), np.bool_)
    for ask in asked:
        result[one, two] |= ask(rows[one], rows[two])
    return np.asarray(result | result.T, np.bool_)


def learn_share(evidence: Float32, usual: float) -> float:
    """Share of one person among pairs with log-likelihood ratios `evidence (P,)`; it leans on the `usual` share."""
    share = usual
    for _ in range(_ITERATIONS):
        weight = sigmoid(evidence.astype(np.float64) + np.log(share) - np.log1p(-share))
        share = float(np.clip((weight.sum() + _STRENGTH * usual) / (len(evidence) + _STRENGTH), _LEAST, _MOST))
    return share
