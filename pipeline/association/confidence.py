"""How sure a grouping is, as probabilities.

Scores are log-odds that already weigh the rivals (competition.py), so a joining of two groups with mean score l is
right with probability 1 / (1 + exp(-l)). The mean, not the sum: pairs of the same two people share their views and
their noise, and summed they would claim more than is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from pipeline.association.linkage import Merge
from pipeline.types import Bool, Float32, Float64, Int64

RATES_UNCERTAIN_BY = 3.0
"""Factor within which the share of false links lay in 23 of 24 rows of the benchmark on held-out people, that of missed
links in 20 of 26 (docs/association.md, "Doubt")."""


_LEAST_LIKELY = -4.0
_LEFT_OUT = (0.3, 0.7)
"""Of pairs of groups left apart more are one person than their log-odds l say: those above the first figure count with
log-odds 0.3 + 0.7 l. Tuned on cuhk01, pku-reid and 3dpes; what lies below is counted by nobody."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """`merge (M,)` probability of each joining; `row (N,)` that a row belongs to its group (1 where alone)."""

    merge: Float64
    row: Float64
    missed: float | None
    """Expected number of joinings that should have been made, too: the sum of the probabilities of all pairs of groups
    that may be one person and were left apart. None where not all pairs were looked at."""

    def missed_rate(self) -> float | None:
        """`missed` as a share of it and of the true joinings made; None where there are none of either."""
        if self.missed is None:
            return None
        made = float(self.merge.sum())
        return self.missed / (self.missed + made) if self.missed + made > 0.0 else None


def sigmoid(log_odds: Float64) -> Float64:
    """Probability of log-odds."""
    result: Float64 = 1.0 / (1.0 + np.exp(-log_odds))
    return result


def judge(log_odds: Float32, cannot: Bool, labels: Int64, merges: Sequence[Merge]) -> Doubt:
    """Probabilities of `merges` and of each row's membership from the log-odds `(N, N)` they were made by.

    `cannot (N, N)`: pairs that are no pair of one person; groups that hold one are not counted as missed.

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
    return Doubt(sigmoid(score), row, _missed(log_odds, cannot, labels))


def _missed(log_odds: Float32, cannot: Bool, labels: Int64) -> float:
    """Sum over pairs of groups that could be joined of the probability by their mean log-odds."""
    groups = int(labels.max(initial=-1)) + 1
    if groups < 2:
        return 0.0
    member = csr_array((np.ones(len(labels)), (labels, np.arange(len(labels)))), shape=(groups, len(labels)))
    size = np.bincount(labels, minlength=groups).astype(np.float64)
    mean = (member @ (member @ log_odds.astype(np.float64)).T) / np.outer(size, size)
    barred = (member @ (member @ cannot.astype(np.float32)).T) > 0
    upper = np.triu(~barred, 1) & (mean > _LEAST_LIKELY)
    return float(sigmoid(_LEFT_OUT[0] + _LEFT_OUT[1] * mean[upper]).sum())
