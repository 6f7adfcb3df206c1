"""Distances of tracklets in the order that re-ranking puts them in (`association.rerank`).

Re-ranked distances are no cosines: what one person's and two people's are like is not known of them. So the cosine
distances stay what they are, and are only dealt out anew: the pair that re-ranking finds nearest gets the smallest.
"""

from __future__ import annotations

import numpy as np

from pipeline.rerank import rerank_among
from pipeline.types import Float32, Int64

_K1, _K2, _WEIGHT = 8, 3, 0.5
"""For few tracklets of a person; better than the 20, 6 and 0.3 of the paper on cuhk01, pku-reid and 3dpes
(benchmarks/association_distances.py)."""


def reranked(vector: Float32, distance: Float32, camera: Int64) -> Float32:
    """`distance (N, N)` of tracklets with unit `vector (N, D)`, dealt out anew among the pairs of one camera and among
    those of two; `camera (N,)` numbers."""
    result = distance.copy()
    if len(vector) < 2:
        return result
    way = np.concatenate(list(rerank_among(vector, k1=_K1, k2=_K2, weight=_WEIGHT)))
    one, two = np.triu_indices(len(vector), 1)
    rank = np.round(way[one, two] + way[two, one], 6)
    within = camera[one] == camera[two]
    for part in (np.flatnonzero(within), np.flatnonzero(~within)):
        order = part[np.argsort(rank[part], kind="stable")]
        result[one[order], two[order]] = np.sort(distance[one[part], two[part]])
    result[two, one] = result[one, two]
    return result
