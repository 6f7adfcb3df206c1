"""Rivals: a match counts for more when nobody else comes near, and for less in a crowd of look-alikes.

Seen alone, a pair's odds ask "this pair, or two strangers?". But a tracklet has one true counterpart at most in another
camera, so its candidates there exclude one another, and candidates who belong to somebody else exclude nobody. With
o_ij the odds of tracklets i and j of two cameras, and a and b the shares of either camera's tracklets that have no
counterpart in the other, a match weighs w_ij = o_ij / (a b) against both having none, and its odds against all rivals
are w_ij x_ij y_ij, where

    x_ij = 1 / (1 + sum_k v_ik (1 - s_jk) / (1 + v_ik s_jk)),     v_ik = w_ik y_ik,     and y_ij alike.

This is the loopy belief propagation of Williams and Lau (IEEE Trans. AES 50, 2014), but for s_jk, the probability that
j and k are one person themselves: pieces of one visit, and the visits of who comes back, do not compete. However sure
the pair of i and k is, i and j is then as likely as s_jk: for one rival x = s + (1 - s) / (1 + v). a and b are learned
on the way, as the mean probability of having no counterpart.

Within one camera coming back excludes less: there the geometric mean of both directions of
o_ij / (c + sum_k o_ik (1 - s_jk)) is taken, the first step, with c from the share of pairs that are one person.

Whoever is judged at common instants (at_once.py) was there all the time: a camera that shows him in pieces shows one
piece after the other, and each stands where he stands. Then only those exclude one another that cannot be one person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipeline.association.confidence import MOST_LOG_ODDS
from pipeline.types import Bool, Float32, Float64, Int64

_ALONE_FLOOR = 0.3
"""Least probability that a tracklet has no counterpart where it is not learned: people do pass by. Tuned on cuhk01,
pku-reid and 3dpes."""
_PASSERS_BY = 2.0
"""Tracklets without a counterpart that are added to those of each camera: a few that all seem to have one do not prove
that all have. Chosen by hand."""
_PIECES = (0.9, 0.99)
"""Probabilities from which two tracklets of a camera begin to be taken for pieces of one person, and are so wholly.
Below them the denominator above is left out: of two who look alike, some are two people, and would lean on one sure
counterpart. Between them its power rises from 0 to 1, so that nothing jumps. Tuned on cuhk01, pku-reid and 3dpes."""
_ROUNDS, _ENOUGH = 30, 1e-2
"""At most as many rounds of messages; when log-odds move by less they have come to rest."""


def weigh_rivals(
    log_odds: Float32,
    cannot: Bool,
    camera: Int64,
    *,
    share_within: float,
    share_cross: float,
    at_once: Bool | None = None,
) -> Float32:
    """Log-odds `(N, N)` of each pair against the rivals of both its members, from pairwise `log_odds (N, N)`.

    They end at MOST_LOG_ODDS. `cannot (N, N)` pairs are no rivals; `camera (N,)` numbers; shares as in Calibration;
    `at_once (N, N)` pairs judged at common instants. O(n^3) a round, in BLAS.
    """
    log_odds = np.minimum(log_odds, np.float32(MOST_LOG_ODDS))
    odds = np.exp(log_odds, dtype=np.float32)
    odds[cannot] = 0.0
    np.fill_diagonal(odds, 0.0)
    members = [np.flatnonzero(camera == name) for name in np.unique(camera)]
    sides: list[_Side] = []
    for rows in members:
        sides.append(_side(odds[np.ix_(rows, rows)], cannot[np.ix_(rows, rows)]))
    result = log_odds.copy()
    for a, rows in enumerate(members):
        for b, columns in enumerate(members[: a + 1]):
            block = odds[np.ix_(rows, columns)]
            together = None if at_once is None else at_once[np.ix_(rows, columns)]
            together = together if together is not None and together.any() else None
            if a == b:
                least = alone(share_within, len(rows))
                beside = (block @ sides[a].compete, sides[a].compete @ block)
                against = np.asarray((np.log(least + beside[0]) + np.log(least + beside[1])) / 2, np.float32)
            else:
                none = alone(share_cross, [len(columns), len(rows)])
                against = _propagate(block, sides[a], sides[b], together, none)
            new = log_odds[np.ix_(rows, columns)] - against
            result[np.ix_(rows, columns)] = new
            result[np.ix_(columns, rows)] = new.T
    return np.round(result, 5)


@dataclass(frozen=True, slots=True)
class _Side:
    """The n tracklets of one camera: `compete (n, n)` how far two are two people; `exclude` who cannot be one;
    `two_people`, that of pairs that are no pieces of one person; and for each tracklet that has pieces these rows, the
    probabilities that they are, and how far they are taken for such, 0 to 1."""

    compete: Float32
    exclude: Float32
    two_people: Float32
    pieces: tuple[tuple[int, Int64, Float32, Float32], ...]

    def rivals(self, value: Float32) -> Float32:
        """For each tracklet `(n, ...)` the sum over all others' `value (n, ...)`, as far as they compete with it."""
        result = self.two_people @ value
        for row, others, same, taken in self.pieces:
            one, power = (x.reshape(-1, *(1,) * (value.ndim - 1)) for x in (same, taken))
            result[row] += (value[others] * (1 - one) / (1 + value[others] * one) ** power).sum(axis=0)
        return result


def _side(odds: Float32, cannot: Bool) -> _Side:
    same = odds / (1.0 + odds)
    np.fill_diagonal(same, 1.0)
    compete = (1.0 - same).astype(np.float32)
    none, whole = _PIECES
    near = same > none
    np.fill_diagonal(near, False)
    taken = np.clip((same - np.float32(none)) / np.float32(whole - none), 0, 1)
    pieces = tuple(
        (row, others, same[row, others], taken[row, others])
        for row in np.flatnonzero(near.any(axis=1)).tolist()
        for others in (np.flatnonzero(near[row]),)
    )
    return _Side(compete, cannot.astype(np.float32), np.where(near, np.float32(0), compete), pieces)


def _propagate(odds: Float32, left: _Side, right: _Side, together: Bool | None, none: Float64) -> Float32:
    """By how much `(n, m)` the log-odds of pairs of two cameras fall against all rivals, from their `odds (n, m)`.

    `none (2,)`: shares without a counterpart to start from, of the left and of the right.
    """

    def rivals(weight: Float32, *, of_left: bool) -> Float32:
        """Sums over the other candidates of each pair's left, or right, tracklet."""
        side = right if of_left else left
        value, now = (weight.T, together if together is None else together.T) if of_left else (weight, together)
        if now is None:
            result = side.rivals(value)
        else:
            piece, rest = np.where(now, value, np.float32(0)), np.where(now, np.float32(0), value)
            result = side.rivals(rest) + np.where(now, side.exclude @ piece, side.rivals(piece))
        return result.T if of_left else result

    a, b = none.tolist()
    x, y = np.ones_like(odds), np.ones_like(odds)
    result = np.full_like(odds, np.inf)  # the first round is never at rest
    for _ in range(_ROUNDS):
        weight = odds / np.float32(a * b)
        x = 1.0 / (1.0 + rivals(weight * y, of_left=True))
        y = 1.0 / (1.0 + rivals(weight * x, of_left=False))
        last, result = result, np.float32(np.log(a * b)) - np.log(x) - np.log(y)
        if float(np.abs(result - last).max(initial=0.0)) < _ENOUGH:
            break
        a, b = _without((weight * y).sum(axis=1)), _without((weight * x).sum(axis=0))
    return result


def _without(weight: Float32) -> float:
    """Share that has no counterpart, from the weights `(n,)` of having one against having none."""
    return float((1.0 / (1.0 + weight.astype(np.float64))).sum() + _PASSERS_BY) / (len(weight) + _PASSERS_BY)


def alone(share: ArrayLike, candidates: ArrayLike) -> Float64:
    """Probability of no counterpart among `candidates`, a `share` of which are one person with a tracklet."""
    result: Float64 = np.maximum(1.0 - np.asarray(share) * np.asarray(candidates), _ALONE_FLOOR)
    return result
