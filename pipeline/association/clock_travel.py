"""The offset between two cameras' clocks from people who went from the one to the other, and others back.

Whoever leaves A and comes to B a while later is told by A's clock and by B's; the while is not known, but it is about
the same for the way back. So people who went both ways tell the offset: the ways there and the ways back lie on both
sides of it. Who went one way only tells the sum of offset and travel time, from which neither can be had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.association.clock_evidence import ClockEvidence
from pipeline.types import Bool, Float64

_GRID_S = 0.25
_TYPICAL_S = (1.0, 1.6, 2.5, 4.0, 6.3, 10.0, 16.0, 25.0)
_WIDTH = 0.35
"""Spread of the logarithm of travel times over one way; people's paces differ by a fifth, their ways by more."""
_ASTRAY = 0.25
"""Share of linked pairs of visits that are no way from the one camera to the other: stops in between, wrong links."""
_LEAST_EACH = 3
_LEAST_AHEAD = 6.0
"""Natural log-likelihood by which the best offset stands above every other."""
_MOST_SIGMA_S = 1.5
_OVERLAP_S = 0.5
_USUAL_STRENGTH = 3.0
_UNEVEN = 0.1
"""Share of a way's time by which ways there and back may differ for everybody: people are lost to sight elsewhere."""


@dataclass(frozen=True, slots=True)
class Visits:
    """One person's visit to A and one to B that a confident link joins: starts and ends by each camera's own clock."""

    a: tuple[float, float]
    b: tuple[float, float]
    person: int


def travel_offset(pairs: Sequence[Visits], camera_a: str, camera_b: str) -> ClockEvidence | None:
    """The evidence, or None without any pair."""
    if not pairs:
        return None
    a = np.array([p.a for p in pairs], np.float64)
    b = np.array([p.b for p in pairs], np.float64)
    person = np.array([p.person for p in pairs])
    # Any offset at which some pair is a way of at most twice the longest typical time.
    reach = 2 * _TYPICAL_S[-1]
    marks = np.concatenate([a[:, 1] - b[:, 0], a[:, 0] - b[:, 1]])
    grid = np.arange(marks.min() - reach, marks.max() + reach, _GRID_S)
    if len(grid) > 2_000_000:
        return None
    everything = _log_likelihood(a, b, grid)
    best, typical = (int(v) for v in np.unravel_index(int(everything.argmax()), everything.shape))
    offset, there, back = _centre(a, b, float(grid[best]), _TYPICAL_S[typical])
    strength = float(everything[best, typical])
    span = max(2.0, _TYPICAL_S[typical])
    elsewhere = everything[np.abs(grid - grid[best]) > span]
    rival = float(elsewhere.max()) if len(elsewhere) else -np.inf
    sigma = _sigma(a, b, person, float(grid[best]), _TYPICAL_S[typical])
    people = len(np.unique(person[there | back]))
    faults = []
    if there.sum() < _LEAST_EACH or back.sum() < _LEAST_EACH:
        ways = f"{int(there.sum())} went from {camera_a} to {camera_b}, {int(back.sum())} back"
        faults.append(f"{ways}, want {_LEAST_EACH} each: else offset and travel time cannot be told apart")
    elif strength - rival < _LEAST_AHEAD:
        faults.append(f"another offset fits nearly as well ({strength - rival:.1f} ahead, want {_LEAST_AHEAD:g})")
    elif sigma > _MOST_SIGMA_S:
        faults.append(f"people disagree about the offset (one sigma {sigma:.2f} s, want {_MOST_SIGMA_S:g})")
    reason = "; ".join(faults) or f"{int(there.sum())} ways there and {int(back.sum())} back, about the same long"
    return ClockEvidence(camera_a, camera_b, "travel", offset, sigma, people, strength, rival, not faults, reason)


def _gaps(a: Float64, b: Float64, offset: Float64) -> tuple[Float64, Float64]:
    """Seconds from the end in A to the start in B, and from the end in B to the start in A, `(P, G)`."""
    return b[:, :1] + offset - a[:, 1:], a[:, :1] - b[:, 1:] - offset


def _log_likelihood(a: Float64, b: Float64, grid: Float64) -> Float64:
    """`(G, K)` over offsets and typical travel times, against pairs that say nothing."""
    result = np.zeros((len(grid), len(_TYPICAL_S)))
    block = max(1, 2_000_000 // max(len(a), 1))
    for start in range(0, len(grid), block):
        there, back = _gaps(a, b, grid[None, start : start + block])
        for k, typical in enumerate(_TYPICAL_S):
            density = (_travel(there, typical) + _travel(back, typical)) * 4 * _TYPICAL_S[-1] / 2
            result[start : start + block, k] = np.log(_ASTRAY + (1 - _ASTRAY) * density).sum(axis=0)
    return result


def _travel(gap: Float64, typical: float) -> Float64:
    """Log-normal density, 1/s, of a travel time."""
    positive = np.maximum(gap, 1e-3)
    z = (np.log(positive) - np.log(typical)) / _WIDTH
    return np.where(gap > 0, np.exp(-0.5 * z * z) / (positive * _WIDTH * np.sqrt(2 * np.pi)), 0.0)


def _ways(a: Float64, b: Float64, offset: float, typical: float) -> tuple[Float64, Float64, Bool, Bool]:
    there, back = (gap[:, 0] for gap in _gaps(a, b, np.array([[offset]])))
    low, high = typical * np.exp(-3 * _WIDTH) - _OVERLAP_S, typical * np.exp(3 * _WIDTH)
    return there, back, (there > low) & (there < high), (back > low) & (back < high)


def _centre(a: Float64, b: Float64, offset: float, typical: float) -> tuple[float, Bool, Bool]:
    """The offset at which the median way there takes as long as the median way back, and which pairs are ways."""
    there, back, goes, returns = _ways(a, b, offset, typical)
    if goes.any() and returns.any():
        offset -= float(np.median(there[goes]) - np.median(back[returns])) / 2
    return offset, goes, returns


def _sigma(a: Float64, b: Float64, person: np.typing.NDArray[np.int64], offset: float, typical: float) -> float:
    """One sigma of the centre: robust spread of the ways over the root of the people's number, both ways."""
    there, back, goes, returns = _ways(a, b, offset, typical)
    if goes.sum() < 2 or returns.sum() < 2:
        return float("inf")

    def error(values: Float64, who: np.typing.NDArray[np.int64]) -> float:
        found = 1.4826 * float(np.median(np.abs(values - np.median(values))))
        # Of a few ways the spread may look small by chance: that of all ways weighs as much as some more.
        usual, number = _WIDTH * typical, len(np.unique(who))
        spread = np.sqrt((number * found**2 + _USUAL_STRENGTH * usual**2) / (number + _USUAL_STRENGTH))
        # The median's own error, of a normal: 1.25 sigma / sqrt(n); a person's ways are not independent.
        return float(1.2533 * spread / np.sqrt(number))

    both = error(there[goes], person[goes]) ** 2 + error(back[returns], person[returns]) ** 2
    return float(np.sqrt(both / 4 + (_UNEVEN * typical) ** 2))
