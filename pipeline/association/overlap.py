"""Which cameras see a common piece of floor, found from who is seen in both at the same instant.

For every tracklet the one most like it in the other camera is looked up, over all times. Where the cameras share no
floor, those two are never one person at the same time, so they coincide only by chance, as often as any tracklet of the
other camera would. Where they share floor, most of them coincide. A binomial test decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from pipeline.association.affinity import Compared
from pipeline.types import Float64, Scene, Tracklet

_LEAST_MATCHES = 5
_CHANCE = 1e-4
"""Chance of a false discovery a pair of cameras; both figures are on the safe side, tuned on nothing."""
_LEAST_SHARE = 0.25
"""Share of the matches that coincide, below which they are too few to be a view shared."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two cameras: of `matches` mutually nearest tracklets `together` were seen at once, where chance gives
    `expected`; `found`: too many for chance."""

    cameras: tuple[str, str]
    matches: int
    together: int
    expected: float
    found: bool


def discover_overlaps(ordered: Sequence[Tracklet], compared: Compared, scene: Scene, slack_s: float) -> list[Overlap]:
    """Every pair of cameras on one clock that is not declared to overlap, by id.

    `slack_s`: tracklets are together where they share more time than that.
    """
    rows = compared.rows.tolist()
    start = np.array([ordered[row].start_s for row in rows], dtype=np.float64)
    end = np.array([ordered[row].end_s for row in rows], dtype=np.float64)
    names = sorted({t.camera_id for t in ordered})
    seen = compared.trust > 0.0  # others have no look to be compared by
    members = {name: np.flatnonzero((compared.camera == n) & seen) for n, name in enumerate(names)}
    result: list[Overlap] = []
    for n, a in enumerate(names):
        for b in names[n + 1 :]:
            one, two = members[a], members[b]
            if frozenset((a, b)) in scene.overlapping or not scene.times_compare(a, b) or not len(one) or not len(two):
                continue
            # Freed of crop noise, so that a tracklet of many crops is not everybody's nearest.
            trust: Float64 = np.outer(compared.trust[one], compared.trust[two])
            distance = 1.0 - (1.0 - compared.distance[np.ix_(one, two)].astype(np.float64)) / trust
            common = np.minimum(end[one][:, None], end[two]) - np.maximum(start[one][:, None], start[two])
            at_once = common > slack_s
            nearest = distance.argmin(axis=1)
            mutual = np.flatnonzero(distance.argmin(axis=0)[nearest] == np.arange(len(one)))
            together = int(at_once[mutual, nearest[mutual]].sum())
            chance = at_once[mutual].mean(axis=1)
            expected = float(chance.sum())
            tail = float(binom.sf(together - 1, len(mutual), min(float(chance.mean()), 1.0))) if len(mutual) else 1.0
            found = together >= _LEAST_MATCHES and tail < _CHANCE and together >= _LEAST_SHARE * len(mutual)
            result.append(Overlap((a, b), len(mutual), together, expected, found))
    return result
