"""Rivals: a match counts for more when nobody else comes near, and for less in a crowd of look-alikes.

Seen alone, a pair's odds ask "this pair, or two strangers?". But a tracklet has one true counterpart at most in another
camera, so its candidates there exclude one another: with odds o_ik of tracklet i and candidate k, the odds of j become

    o_ij / (c + sum_k o_ik (1 - s_jk)),

where c is the probability that i has no counterpart there at all (known from the share of pairs that are one person)
and s_jk that j and k are one person themselves, two pieces of one visit, which do not compete. The geometric mean of
the two directions is taken. This is the first step of the loopy belief propagation of Williams and Lau (IEEE Trans. AES
50, 2014), whose later steps assume one tracklet a person and camera, and part the pieces of broken tracks.

Whoever is judged at common instants (at_once.py) was there all the time: a camera that shows him in pieces shows one
piece after the other, and each stands where he stands. Then only those exclude one another that cannot be one person.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pipeline.types import Bool, Float32, Float64, Int64

_ALONE_FLOOR = 0.3
"""Least probability that a tracklet has no counterpart: people do pass by. Tuned on cuhk01, pku-reid and 3dpes."""


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

    `cannot (N, N)` pairs are no rivals; `camera (N,)` numbers; shares as in Calibration; `at_once (N, N)` pairs judged
    at common instants. O(n^3), in BLAS.
    """
    odds = np.exp(log_odds, dtype=np.float32)
    odds[cannot] = 0.0
    np.fill_diagonal(odds, 0.0)
    members = [np.flatnonzero(camera == name) for name in np.unique(camera)]
    compete: list[Float32] = []
    exclude = [cannot[np.ix_(rows, rows)].astype(np.float32) for rows in members]
    for rows in members:
        same = odds[np.ix_(rows, rows)] / (1.0 + odds[np.ix_(rows, rows)])
        np.fill_diagonal(same, 1.0)
        compete.append((1.0 - same).astype(np.float32))
    result = log_odds.copy()
    for a, rows in enumerate(members):
        for b, columns in enumerate(members[: a + 1]):
            share = share_within if a == b else share_cross
            block = odds[np.ix_(rows, columns)]
            together = None if at_once is None else at_once[np.ix_(rows, columns)]
            if together is not None and together.any():
                piece, rest = np.where(together, block, np.float32(0)), np.where(together, np.float32(0), block)
                from_row = rest @ compete[b] + np.where(together, piece @ exclude[b], piece @ compete[b])
                from_column = compete[a] @ rest + np.where(together, exclude[a] @ piece, compete[a] @ piece)
            else:
                from_row, from_column = block @ compete[b], compete[a] @ block
            against_row, against_column = alone(share, len(columns)) + from_row, alone(share, len(rows)) + from_column
            new = log_odds[np.ix_(rows, columns)] - (np.log(against_row) + np.log(against_column)) / 2
            result[np.ix_(rows, columns)] = new
            result[np.ix_(columns, rows)] = new.T
    return np.round(result, 5)


def alone(share: ArrayLike, candidates: ArrayLike) -> Float64:
    """Probability of no counterpart among `candidates`, a `share` of which are one person with a tracklet."""
    result: Float64 = np.maximum(1.0 - np.asarray(share) * np.asarray(candidates), _ALONE_FLOOR)
    return result
