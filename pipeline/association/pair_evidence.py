"""Evidence beside appearance: named log-odds of pairs of tracklets, for the dense and for the sparse path alike.

Each kind of evidence is one log-likelihood ratio a pair, `log p(seen | one person) - log p(seen | two people)`. The
kinds are added to that of appearance, as if independent given who is who, before the rivals are weighed, and each link
tells its parts (`Link.evidence`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from pipeline.types import Bool, Float32, Float64, Int64

EvidenceName = Literal["time", "place"]

_BLOCK_PAIRS = 1 << 20


@dataclass(frozen=True, slots=True)
class PairEvidence:
    """One kind of evidence.

    `log_odds(left, right)`: for P pairs, given as rows `(P,)`, `(P,)` of all tracklets sorted by key, natural
    log-likelihood ratios `(P,)` float; 0 = says nothing, `-inf` = cannot be one person. It is symmetric, does not
    depend on which other pairs are asked, and is never asked for a row and itself. Several of one name are added.
    """

    name: EvidenceName
    log_odds: Callable[[Int64, Int64], Float64]
    alone: Int64 = field(default_factory=lambda: np.zeros(0, np.int64))
    """Rows of tracklets that it can link by itself, though no crop of them could be embedded."""
    at_once: Callable[[Int64, Int64], Bool] | None = None
    """Which of P pairs it judges by instants at which both were seen (at_once.py); None: of none."""


def dense(evidence: Sequence[PairEvidence], rows: Int64) -> dict[EvidenceName, Float32]:
    """Each name's sum as a symmetric matrix `(N, N)` over the tracklets `rows (N,)`; the diagonal is 0.

    Raises ValueError where evidence is NaN or `+inf`: nothing makes two tracklets one person for certain.
    """
    count = len(rows)
    one, two = np.triu_indices(count, 1)
    result: dict[EvidenceName, Float32] = {}
    for part in evidence:
        total = result.setdefault(part.name, np.zeros((count, count), np.float32))
        for start in range(0, len(one), _BLOCK_PAIRS):
            left, right = one[start : start + _BLOCK_PAIRS], two[start : start + _BLOCK_PAIRS]
            value = np.round(part.log_odds(rows[left], rows[right]), 5).astype(np.float32)
            if value.shape != left.shape or not (value < np.inf).all():  # NaN compares False
                raise ValueError(f"evidence of {part.name} must be ({len(left)},) numbers below inf, without NaN")
            total[left, right] += value
            total[right, left] += value
    return result
