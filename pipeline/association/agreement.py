"""How far two answers to who is who agree."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.types import TrackletKey


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of an answer with a reference. `pair_f1`: of the pairs of tracklets that are one person (1.0 where neither has
    any). `idf1`: share of boxes that have the right person under the best matching of people (Ristani et al., ECCV
    workshops 2016, for boxes that are the same on both sides)."""

    pair_f1: float
    idf1: float


def agreement(
    answer: Mapping[TrackletKey, Hashable], reference: Mapping[TrackletKey, Hashable], boxes: Mapping[TrackletKey, int]
) -> Agreement:
    """Over the tracklets that both know; `boxes` is how many each has. Raises ValueError when there is none."""
    keys = sorted(answer.keys() & reference.keys())
    if not keys:
        raise ValueError("the answers have no tracklet in common")
    common: dict[tuple[Hashable, Hashable], tuple[int, int]] = {}
    for key in keys:
        pair = answer[key], reference[key]
        tracklets, frames = common.get(pair, (0, 0))
        common[pair] = tracklets + 1, frames + boxes[key]
    ours = {person: n for n, person in enumerate(dict.fromkeys(pair[0] for pair in common))}
    theirs = {person: n for n, person in enumerate(dict.fromkeys(pair[1] for pair in common))}
    count, weight = np.zeros((2, len(ours), len(theirs)))
    for (one, two), (tracklets, frames) in common.items():
        count[ours[one], theirs[two]], weight[ours[one], theirs[two]] = tracklets, frames
    both, found, true = (float((n * (n - 1) / 2).sum()) for n in (count, count.sum(axis=1), count.sum(axis=0)))
    best = linear_sum_assignment(-weight)
    return Agreement(2 * both / (found + true) if found + true else 1.0, float(weight[best].sum() / weight.sum()))
