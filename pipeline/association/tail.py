"""How near two people come, measured: the tail that false links come from.

calibration.py fits one logistic density to all pairs of two people; its tail is a guess, and in a crowd of thousands
everything hangs on the tail. With clocks that compare a crowd shows it: whoever is seen in two cameras at once that
share no floor is two people, for certain, and there are some hundred such pairs for each tracklet of a busy site. Where
fewer (or more) of them come near than the fit foretells, distances say more (or less) by the logarithm of the ratio.
Without clocks that compare those are looked at who are in one camera at once and stand apart, their distances
brought to the scale of two cameras; there are a few for each tracklet. What one person looks like is then fitted
anew: else look-alikes whom the fitted tail has no room for are taken for one person, and draw that fit to themselves.
Smaller scenes count all pairs, weighed by probability (against_rivals.py).
A shared view that nobody told of and nobody found makes pairs of one person look like pairs of two: then less is
linked, not more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.association.calibration import Calibration, Evidence, Tail, calibrate, without_noise
from pipeline.association.candidates import pairs_in_reach
from pipeline.association.confidence import sigmoid
from pipeline.association.constraints import common_overlap
from pipeline.association.crowd import Crowd
from pipeline.association.prior import Densities, Density
from pipeline.config import AssociationConfig
from pipeline.types import Float64, Int64

_RUNS, _RUN = 20, 500
"""Stretches of time looked at, and tracklets in each: in a busy site 10,000 tracklets make a million pairs."""
FEWEST = 10_000
"""Pairs seen at once below which the fitted tail stands: at 1 in 1,000 there are 10 of them."""
_MOST_IN_ONE_CAMERA = 50_000
"""Pairs of one camera looked at, spread evenly over all."""
BIN = 0.01
"""Width in which distances are counted: a sixth of a usual scale of two people, so that slopes show."""
_ROUNDS, _STEPS = 30, 20
"""At most as many smoothing weights, and as many steps of Newton's method for each."""


def measure_tail(
    crowd: Crowd, calibration: Calibration, evidence: Evidence, prior: Densities, config: AssociationConfig
) -> Calibration:
    """The calibration made again from `evidence` and `prior` with its tail measured.

    As it is where too few are seen at once, or none of them nearer than the fit's middle."""
    different = calibration.different_cross
    if crowd.comparable:
        seen = np.sort(distances_at_once(crowd, different, config))
    else:
        seen = np.sort(distances_in_one_camera(crowd, calibration.different_within, different, config))
    if len(seen) < FEWEST or not calibration.separable:
        return calibration
    edges = np.arange(0.0, different.location, BIN)
    counted = np.diff(np.searchsorted(seen, edges)).astype(np.float64)
    fewer = log_ratio(different, len(seen), counted)
    if fewer is None:
        return calibration
    grid = (edges[1:] + edges[:-1]) / 2
    again = calibrate(evidence, prior, Tail(grid, fewer, different))
    return replace(again, tail=falling(again, fewer, different))


def log_ratio(different: Density, pairs: float, counted: Float64) -> Float64 | None:
    """By how much fewer than `different` foretells, as a logarithm `(B,)`: `counted (B,)` of `pairs` of two people by
    bins of BIN from 0 up to the middle. None where nobody is counted."""
    if not counted.any():
        return None
    edges = BIN * np.arange(len(counted) + 1, dtype=np.float64)
    foretold = pairs * np.diff(_below(different, edges))
    fewer = smooth_log_ratio(foretold, counted)
    expected = np.cumsum(foretold * np.exp(-fewer))
    # Nearer than the nearest pair there should be, nobody was looked at.
    return np.where(expected < 1.0, fewer[min(int(np.searchsorted(expected, 1.0)), len(fewer) - 1)], fewer)


def falling(calibration: Calibration, fewer: Float64, different: Density) -> Tail:
    """The tail that adds `fewer (B,)` by bins, but that the nearer, the more distances speak for one person: where too
    few are seen to tell, what holds further off does."""
    grid = BIN * (np.arange(len(fewer), dtype=np.float64) + 0.5)
    base = replace(calibration, tail=None).log_likelihood_ratio(grid, np.ones(len(grid)), "cross")
    return Tail(grid, np.maximum.accumulate((base + fewer)[::-1])[::-1] - base, different)


def smooth_log_ratio(foretold: Float64, counted: Float64) -> Float64:
    """`log(foretold / counted) (B,)` by bins, as smooth as the counts bear out.

    Counts are Poisson; second differences of the logarithm are normal, and their variance is fitted (Eilers and Marx,
    Statistical Science 11, 1996; the weight by Schall, Biometrika 78, 1991). So it goes on in a straight line where
    nothing is counted, and a handful of pairs bends it little.
    """
    bend = np.diff(np.eye(len(counted)), 2, axis=0)
    rough, value, weight = bend.T @ bend, np.zeros(len(counted)), 10.0
    least = 1e-6 * np.eye(len(counted))  # so that there is an answer where a line has too few counts to lie on
    for _ in range(_ROUNDS):
        for _ in range(_STEPS):
            mean = foretold * np.exp(value)
            curve = np.diag(mean) + weight * rough + least
            step = np.linalg.solve(curve, counted - mean - weight * (rough @ value))
            value = value + np.clip(step, -1.0, 1.0)
            if np.abs(step).max() < 1e-6:
                break
        freedom = float(np.trace(np.linalg.solve(curve, np.diag(mean)))) - 2.0
        last, weight = weight, float(np.clip(freedom / max(float(np.square(bend @ value).sum()), 1e-9), 1e-2, 1e8))
        if abs(np.log(weight / last)) < 1e-2:
            break
    result: Float64 = -value
    return result


def distances_at_once(crowd: Crowd, different: Density, config: AssociationConfig) -> Float64:
    """Distances `(P,)` of pairs that are in two cameras at once, which is impossible for one person; freed of crop
    noise, `different`: two people."""
    by_time = np.argsort(crowd.start, kind="stable")
    found: list[Float64] = []
    for run in np.array_split(by_time, _RUNS):
        for rows, columns in pairs_in_reach(crowd, run[:_RUN], 0.0):
            found.append(_of_block(crowd, rows, columns, different, config))
    return np.concatenate(found) if found else np.zeros(0)


def distances_in_one_camera(crowd: Crowd, within: Density, cross: Density, config: AssociationConfig) -> Float64:
    """Distances `(P,)` of pairs of one camera that stand apart in common frames, as they would be in two cameras: as
    many scales of `cross` from its location as they are scales of `within` from that one's."""
    one: list[Int64] = []
    two: list[Int64] = []
    for camera in range(len(crowd.cameras)):
        rows = np.flatnonzero(crowd.camera == camera)
        rows = rows[np.argsort(crowd.first_frame[rows], kind="stable")]
        number = np.arange(len(rows))
        later = np.searchsorted(crowd.first_frame[rows], crowd.last_frame[rows], side="right") - number - 1
        place = np.arange(later.sum()) - np.repeat(np.cumsum(later) - later, later)
        one.append(np.repeat(rows, later))
        two.append(rows[np.repeat(number, later) + 1 + place])
    left, right = np.concatenate(one), np.concatenate(two)
    taken = np.arange(0, len(left), max(1, len(left) // _MOST_IN_ONE_CAMERA))
    apart = [n for n in taken.tolist() if _stand_apart(crowd, int(left[n]), int(right[n]), config)]
    left, right = left[apart], right[apart]
    near = np.einsum("nd,nd->n", crowd.vector[left], crowd.vector[right]).astype(np.float64)
    distance = without_noise(within, 1.0 - near, crowd.trust[left] * crowd.trust[right])
    result: Float64 = cross.location + (distance - within.location) * (cross.scale / within.scale)
    return result


def _stand_apart(crowd: Crowd, one: int, two: int, config: AssociationConfig) -> bool:
    overlap = common_overlap(crowd.tracklets[one], crowd.tracklets[two])
    return overlap is not None and overlap <= config.well_apart_overlap


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
    return sigmoid((distance - density.location) / density.scale)
