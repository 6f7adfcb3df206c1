"""How sure a grouping is, as probabilities.

Scores are log-odds that already weigh the rivals (competition.py), so a joining of two groups with mean score l is
right with probability 1 / (1 + exp(-l)). The mean, not the sum: pairs of the same two people share their views and
their noise, and summed they would claim more than is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from pipeline.association.linkage import Merge
from pipeline.types import Float32, Float64, Int64

RATES_UNCERTAIN_BY = 3.0
"""Factor within which the share of false links lay in 48 of 52 rows of the benchmark on held-out people, that of missed
links in 48, and within 2 of a rate that the counts allow 103 of 104 (docs/association.md, "Doubt")."""


_HALF_A_LINK = 0.5
MOST_LOG_ODDS = 50.0
"""Where sums of log-odds end. All evidence there is today adds up to less; odds of e^50 by the rivals of 50,000 still
fit float32."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """`merge (M,)` probability of each joining; `row (N,)` that a row belongs to its group (1 where alone)."""

    merge: Float64
    row: Float64
    missed: float | None
    """Expected number of joinings that should have been made, too (missed.py). None where not all pairs were looked
    at."""

    def missed_rate(self) -> float | None:
        """`missed` as a share of it and of the true joinings made; None where there are none of either, and where none
        was made and not even half of one is expected: a share of that would be all, and say nothing."""
        if self.missed is None:
            return None
        made = float(self.merge.sum())
        if not len(self.merge) and self.missed < _HALF_A_LINK:
            return None
        return self.missed / (self.missed + made) if self.missed + made > 0.0 else None


def sigmoid(log_odds: Float64) -> Float64:
    """Probability of log-odds, however large."""
    result: Float64 = expit(log_odds)
    return result


def judge(log_odds: Float32, labels: Int64, merges: Sequence[Merge]) -> Doubt:
    """Probabilities of `merges` and of each row's membership from the log-odds `(N, N)` they were made by.

    What was given is certain: a joining by must-link has probability 1, and rows joined by must-links belong to the
    rest of their group as one.
    """
    row = np.ones(len(labels))
    block = np.arange(len(labels))
    for merge in merges:
        if merge.given:
            both = [*merge.left, *merge.right]
            block[both] = block[both].min()
    order = np.argsort(labels, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        if len(members) < 2:
            continue
        own = log_odds[np.ix_(members, members)].astype(np.float64)
        for name in np.unique(block[members]).tolist():
            inside = block[members] == name
            if not inside.all():
                row[members[inside]] = sigmoid(own[np.ix_(inside, ~inside)].mean())
    score = np.array([np.inf if m.given else m.score for m in merges], dtype=np.float64)
    return Doubt(sigmoid(score), row, None)
