"""How near two people come, measured: the tail that false links come from.

calibration.py fits one logistic density to all pairs of two people; its tail is a guess, and in a crowd of thousands
everything hangs on the tail. With clocks that compare a crowd shows it: whoever is seen in two cameras at once that
share no floor is two people, for certain, and there are some hundred such pairs for each tracklet of a busy site. Where
fewer (or more) of them come near than the fit foretells, distances say more (or less) by the logarithm of the ratio.
Where a handful of pairs was foretold and a handful seen it stays near 0. What one person looks like is then fitted
anew: else look-alikes whom the fitted tail has no room for are taken for one person, and draw that fit to themselves.
A shared view that nobody told of and nobody found makes pairs of one person look like pairs of two: then less is
linked, not more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.association.calibration import Calibration, Evidence, Tail, calibrate, without_noise
from pipeline.association.candidates import pairs_in_reach
from pipeline.association.crowd import Crowd
from pipeline.association.prior import Densities, Density
from pipeline.config import AssociationConfig
from pipeline.types import Float64, Int64

_RUNS, _RUN = 20, 500
"""Stretches of time looked at, and tracklets in each: in a busy site 10,000 tracklets make a million pairs."""
_FEWEST = 10_000
"""Pairs seen at once below which the fitted tail stands: at 1 in 1,000 there are 10 of them."""
_PSEUDO = 5.0
"""Pairs that either count leans on: 5 foretold and none seen say log 2."""
_MOST = 3.0
"""No distance says more than 1 in 20 beyond the fit."""
_GRID = 401


def measure_tail(
    crowd: Crowd, calibration: Calibration, evidence: Evidence, prior: Densities, config: AssociationConfig
) -> Calibration:
    """The calibration made again from `evidence` and `prior` with its tail measured.

    As it is where times do not compare or too few are seen at once."""
    different = calibration.different_cross
    seen = np.sort(distances_at_once(crowd, different, config))
    if len(seen) < _FEWEST or not calibration.separable:
        return calibration
    grid = np.linspace(0.0, different.location, _GRID)
    half = different.scale / 2
    low, high = grid - half, grid + half
    counted = (np.searchsorted(seen, high) - np.searchsorted(seen, low)).astype(np.float64)
    foretold = len(seen) * (_below(different, high) - _below(different, low))
    more = np.clip(np.log((foretold + _PSEUDO) / (counted + _PSEUDO)), -_MOST, _MOST)
    again = calibrate(evidence, prior, Tail(grid, more, different))
    base = replace(again, tail=None).log_likelihood_ratio(grid, np.ones(_GRID), "cross")
    # The nearer, the more it speaks for one person: where too few are seen to tell, what holds further off does.
    falling = np.maximum.accumulate((base + more)[::-1])[::-1]
    return replace(again, tail=Tail(grid, falling - base, different))


def distances_at_once(crowd: Crowd, different: Density, config: AssociationConfig) -> Float64:
    """Distances `(P,)` of pairs that are in two cameras at once, which is impossible for one person; freed of crop
    noise, `different`: two people."""
    if not crowd.comparable:
        return np.zeros(0)
    by_time = np.argsort(crowd.start, kind="stable")
    found: list[Float64] = []
    for run in np.array_split(by_time, _RUNS):
        for rows, columns in pairs_in_reach(crowd, run[:_RUN], 0.0):
            found.append(_of_block(crowd, rows, columns, different, config))
    return np.concatenate(found) if found else np.zeros(0)


def _of_block(crowd: Crowd, rows: Int64, columns: Int64, different: Density, config: AssociationConfig) -> Float64:
    """Each pair once: the column begins later, or at the same time with a higher number."""
    one, two = np.repeat(rows, len(columns)), np.tile(columns, len(rows))
    after = (crowd.start[two] > crowd.start[one]) | ((crowd.start[two] == crowd.start[one]) & (two > one))
    near = (crowd.vector[rows] @ crowd.vector[columns].T).ravel()
    kept = np.flatnonzero(after)
    kept = kept[crowd.elsewhere(one[kept], two[kept], config.clock_slack_s)]
    distance = 1.0 - near[kept].astype(np.float64)
    return without_noise(different, distance, crowd.trust[one[kept]] * crowd.trust[two[kept]])


def _below(density: Density, distance: Float64) -> Float64:
    """Share of the logistic `density` below each distance."""
    result: Float64 = 1.0 / (1.0 + np.exp((density.location - distance) / density.scale))
    return result
