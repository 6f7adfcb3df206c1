"""The log-odds of any pairs of a crowd, when asked: candidates by the gate, all others by looking again.

What affinity.py holds as matrices: looks, evidence beside them, the number of people, the rivals, and who cannot be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.association.calibration import Calibration
from pipeline.association.candidates import Gate, Pairs, before_looking, looks, search
from pipeline.association.confidence import MOST_LOG_ODDS
from pipeline.association.crowd import Crowd
from pipeline.association.pair_evidence import EvidenceName, PairEvidence
from pipeline.association.sparse_rivals import Rivals, sum_rivals
from pipeline.config import AssociationConfig
from pipeline.types import Bool, Float64, Int64

GATE_LOG_ODDS = -7.0
"""Log-odds from which a pair is a candidate (docs/association_measured.md, "Candidates": what it loses and costs)."""
RIVALS_LIFT = 1.3
"""Rivals lift a pair by -log 0.3 = 1.2 at most (competition.py): whoever is as far below the floor cannot pass it."""
EXTRA_LIFT = 4.0
"""The gate is lower by as much where there is evidence beside looks, which may speak for a pair. Chosen by hand."""
Veto = Callable[[Int64, Int64], Bool]
"""Of pairs of rows of all tracklets sorted by key, those that are two people."""
_BLOCK_PAIRS = 200_000
_NEAR_PAIRS = 2048
"""Pairs whose vectors are laid side by side at once: in the cache of a processor, which is ten times as fast."""


@dataclass(frozen=True, slots=True)
class PairScores:
    """Judges pairs of one crowd."""

    crowd: Crowd
    calibration: Calibration
    extra: Sequence[PairEvidence]
    config: AssociationConfig
    candidates: Pairs
    """By left row, then right; `log_odds` with all evidence, before rivals; none that cannot be one person."""
    key: Int64
    """`left * N + right` of the candidates, ascending."""
    rivals: Rivals
    veto: Veto | None = None
    """Which pairs of rows of all tracklets are two people by the user's word."""

    @property
    def gate(self) -> float:
        """Log-odds against rivals that no pair reaches which is no candidate (but for what `per_row` cut off)."""
        return gate_log_odds(self.config) + RIVALS_LIFT

    def log_odds(self, left: Int64, right: Int64) -> Float64:
        """Against all rivals, `(P,)`; `-inf` where the two cannot be one person."""
        result = np.empty(len(left))
        for start in range(0, len(left), _BLOCK_PAIRS):
            part = slice(start, start + _BLOCK_PAIRS)
            result[part] = self._block(np.minimum(left[part], right[part]), np.maximum(left[part], right[part]))
        return result

    def appearance(self, left: Int64, right: Int64) -> Float64:
        """Log-likelihood ratios `(P,)` of looks."""
        vector, near = self.crowd.vector, np.empty(len(left), np.float32)
        for start in range(0, len(left), _NEAR_PAIRS):
            part = slice(start, start + _NEAR_PAIRS)
            near[part] = np.einsum("pd,pd->p", vector[left[part]], vector[right[part]])
        distance = np.round(np.clip(1.0 - near, 0.0, 2.0), 6).astype(np.float64)
        return looks(self.calibration, self.crowd, left, right, distance)

    def beside(self, left: Int64, right: Int64) -> dict[EvidenceName, Float64]:
        """Evidence `(P,)` beside looks, by name."""
        return beside(self.extra, self.crowd, left, right)

    def of_candidates(self, wanted: Int64) -> Float64:
        """Log-odds `(W,)` against all rivals of the candidates number `wanted`."""
        pairs = self.candidates
        left, right, odds = pairs.left[wanted], pairs.right[wanted], pairs.log_odds[wanted].astype(np.float64)
        return np.round(odds - self.rivals.against(left, right, np.exp(odds)), 5)

    def _block(self, left: Int64, right: Int64) -> Float64:
        wanted = left * len(self.crowd) + right
        place = np.minimum(np.searchsorted(self.key, wanted), max(len(self.key) - 1, 0))
        known: Bool = self.key[place] == wanted if len(self.key) else np.zeros(len(left), np.bool_)
        odds = np.full(len(left), -np.inf)
        odds[known] = self.candidates.log_odds[place[known]]
        own = np.exp(odds)
        new = np.flatnonzero(~known)
        one, two = left[new], right[new]
        value = self.appearance(one, two) + before_looking(self.calibration, self.crowd, one, two)
        for part in self.beside(one, two).values():
            value += part
        value[barred(self.crowd, one, two, self.config, self.veto)] = -np.inf
        odds[new] = np.minimum(value, MOST_LOG_ODDS)
        return np.round(odds - self.rivals.against(left, right, own), 5)


def beside(extra: Sequence[PairEvidence], crowd: Crowd, left: Int64, right: Int64) -> dict[EvidenceName, Float64]:
    """Evidence `(P,)` beside looks, by name; `-inf` where it rules a pair out."""
    result: dict[EvidenceName, Float64] = {}
    for part in extra:
        value = np.round(part.log_odds(crowd.rows[left], crowd.rows[right]), 5)
        result[part.name] = result[part.name] + value if part.name in result else value
    return result


def barred(crowd: Crowd, left: Int64, right: Int64, config: AssociationConfig, veto: Veto | None) -> Bool:
    """Which of P pairs cannot be one person."""
    result = crowd.cannot(left, right, config)
    if veto is not None:
        result |= veto(crowd.rows[left], crowd.rows[right])
    return result


def gate_log_odds(config: AssociationConfig) -> float:
    """Log-odds from which a pair is a candidate: well below those from which groups are joined."""
    floor = float(np.log(config.link_probability) - np.log1p(-config.link_probability))
    return min(GATE_LOG_ODDS, floor - RIVALS_LIFT - 1.0)


def gate_of(extra: Sequence[PairEvidence], config: AssociationConfig) -> Gate:
    """What pairs must reach to be candidates, with the evidence `extra` beside looks."""
    lift = EXTRA_LIFT if extra else 0.0
    return Gate(gate_log_odds(config), config.candidate_window_s, config.candidates_per_tracklet, lift)


def beside_looks(
    crowd: Crowd, extra: Sequence[PairEvidence], config: AssociationConfig, veto: Veto | None
) -> Callable[[Int64, Int64], Float64]:
    """What is to be added to log-odds by looks: the evidence `extra`; `-inf` for pairs that cannot be one person."""

    def added(left: Int64, right: Int64) -> Float64:
        total = np.zeros(len(left))
        for part in beside(extra, crowd, left, right).values():
            total += part
        total[barred(crowd, left, right, config, veto)] = -np.inf
        return total

    return added


def score_pairs(
    crowd: Crowd,
    calibration: Calibration,
    extra: Sequence[PairEvidence],
    config: AssociationConfig,
    veto: Veto | None = None,
) -> PairScores:
    """Search the crowd for candidates and sum up their rivals."""
    pairs = search(crowd, calibration, gate_of(extra, config), beside_looks(crowd, extra, config, veto))
    rivals = sum_rivals(crowd, pairs, calibration, config.candidate_window_s)
    key = pairs.left * len(crowd) + pairs.right
    return PairScores(crowd, calibration, tuple(extra), config, pairs, key, rivals, veto)
