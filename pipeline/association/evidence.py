"""Gathers what the footage offers to calibration: halves, pairs alive together, and all the other pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.association.calibration import Evidence, Pairs
from pipeline.association.constraints import Constraints
from pipeline.association.prior import Densities, Density, DistancePrior
from pipeline.association.similarity import CropStatistics, distance_blocks, reliability
from pipeline.types import Bool, Float32, Float64, Int64

DISTANCE_BINS = 1000
RELIABILITY_BINS = 25
_SIMILARITY_STRENGTH = 4.0
"""Tracklets that weigh as much as the prior's crop similarity."""
_MIN_NEGATIVES = 10
_NO_DISTANCE = 1e-3
"""Typical distance below which all vectors are one (a black video) and give no unit."""
_MEET_AGAIN = 0.5
"""Guess before looking: half the tracklets of the camera with fewer are seen in the other one, too."""
_COME_BACK = 0.2
"""Guess before looking: every fifth tracklet is somebody who was in this camera before."""

# Generic densities, rounded means of 0277 and OSNet x0.25 on cuhk01, pku-reid and 3dpes (docs/association.md, "An
# embedder without a prior"): plain in units of the distance of different people, centred as they are.
_GENERIC_PLAIN = Densities(
    same_within=Density(0.03, 0.08),
    same_cross=Density(0.38, 0.095),
    different_within=Density(0.9, 0.09),
    different_cross=Density(1.0, 0.085),
    crop_similarity=0.75,
    same_strength=4.0,
    different_strength=2.0,
)
_GENERIC_CENTRED = Densities(
    same_within=Density(0.035, 0.065),
    same_cross=Density(0.32, 0.068),
    different_within=Density(1.0, 0.072),
    different_cross=Density(1.0, 0.062),
    crop_similarity=0.65,
    same_strength=10.0,
    different_strength=16.0,
)


GENERIC_SOURCE = "rounded means of two embedders on cuhk01, pku-reid and 3dpes"


def own_densities(prior: DistancePrior | None, *, centred: bool) -> Densities:
    """The embedder's densities, or the generic ones (plain ones have yet to be scaled to the footage)."""
    if prior is not None:
        return prior.centred if centred else prior.plain
    return _GENERIC_CENTRED if centred else _GENERIC_PLAIN


def footage_crop_similarity(statistics: CropStatistics, expected: float) -> float:
    """Mean cosine of two crops of one tracklet; the `expected` one where tracklets have one crop."""
    if statistics.tracklets == 0:
        return expected
    seen = statistics.tracklets
    value = (_SIMILARITY_STRENGTH * expected + seen * statistics.crop_similarity) / (_SIMILARITY_STRENGTH + seen)
    return float(np.clip(value, 0.05, 1.0))


def distance_matrix(vector: Float32) -> Float32:
    """All cosine distances `(N, N)`, rounded to 1e-6 so that the order of a sum does not decide a tie."""
    matrix = np.empty((len(vector), len(vector)), np.float32)
    for rows, block in distance_blocks(vector):
        matrix[rows] = np.round(block, 6)
    lower = np.tril_indices(len(vector), -1)
    matrix[lower] = matrix.T[lower]
    return matrix


def half_distances(statistics: CropStatistics, similarity: float) -> Pairs:
    """Certain positives: the two halves of each tracklet."""
    trust = np.prod(reliability(statistics.half_crops, similarity), axis=1)
    return Pairs.of(statistics.half_distance, trust, len(trust))


def gather(distance: Float32, trust: Float64, camera: Int64, constraints: Constraints, positives: Pairs) -> Evidence:
    """Evidence from the distances `(N, N)` of tracklets with reliabilities `trust (N,)` in cameras `camera (N,)`."""
    allowed = ~constraints.cannot
    within = _histogram(distance, trust, camera, allowed, same_camera=True)
    cross = _histogram(distance, trust, camera, allowed, same_camera=False)
    one, two = constraints.apart[:, 0], constraints.apart[:, 1]
    return Evidence(
        positives=positives,
        negatives=Pairs.of(
            distance[one, two].astype(np.float64), trust[one] * trust[two], len(np.unique(constraints.apart))
        ),
        unlabelled_within=within,
        unlabelled_cross=cross,
        expected_share_within=expected_share_within(len(camera), within.total),
        expected_share_cross=expected_share_cross(camera, cross.total),
    )


def expected_shares(camera: Int64, constraints: Constraints) -> tuple[float, float]:
    """Guess, from the numbers of tracklets alone, of the shares of pairs that are one person: within and across."""
    allowed = np.triu(~constraints.cannot, 1)
    one_camera = camera[:, None] == camera[None, :]
    within, cross = float((allowed & one_camera).sum()), float((allowed & ~one_camera).sum())
    return expected_share_within(len(camera), within), expected_share_cross(camera, cross)


def expected_share_within(tracklets: int, pairs: float) -> float:
    """Share of the `pairs` of one camera that are one person, guessed from the number of tracklets alone."""
    return _expected(_COME_BACK * tracklets, pairs)


def expected_share_cross(camera: Int64, pairs: float) -> float:
    """The same of `pairs` of two cameras, from the camera `(N,)` of each tracklet."""
    seen = np.unique(camera, return_counts=True)[1]
    together = np.minimum.outer(seen, seen)[np.triu_indices(len(seen), 1)].sum()
    return _expected(_MEET_AGAIN * float(together), pairs)


def _expected(same: float, pairs: float) -> float:
    return float(np.clip(same / max(pairs, 1.0), 1e-6, 0.5))


def _histogram(distance: Float32, trust: Float64, camera: Int64, allowed: Bool, *, same_camera: bool) -> Pairs:
    """All allowed pairs of one relation, counted in cells of distance and reliability: millions become thousands."""
    cells = np.zeros((DISTANCE_BINS, RELIABILITY_BINS))
    used = np.zeros(len(camera), dtype=np.bool_)
    column = np.arange(len(camera))
    for row in range(len(camera) - 1):
        other = column[row + 1 :]
        take = other[allowed[row, other] & ((camera[other] == camera[row]) == same_camera)]
        if len(take) == 0:
            continue
        used[row] = used[take] = True
        d = np.minimum((distance[row, take] * (DISTANCE_BINS / 2)).astype(np.int64), DISTANCE_BINS - 1)
        r = np.minimum((trust[row] * trust[take] * RELIABILITY_BINS).astype(np.int64), RELIABILITY_BINS - 1)
        np.add.at(cells, (d, r), 1.0)
    d_index, r_index = np.nonzero(cells)
    return Pairs(
        ((d_index + 0.5) * (2 / DISTANCE_BINS)).astype(np.float64),
        ((r_index + 0.5) / RELIABILITY_BINS).astype(np.float64),
        cells[d_index, r_index],
        int(used.sum()),
    )


def scale_to_footage(generic: Densities, evidence: Evidence) -> Densities:
    """Densities of an embedder of which nothing is known: the footage's own distances give the unit.

    The unit is the distance of different people: that of the certain negatives, or else the 60 % quantile of all pairs,
    most of which are different people in any footage worth linking.
    """
    unit = _typical(evidence.negatives) if evidence.negatives.total >= _MIN_NEGATIVES else 0.0
    if unit <= 0.0:
        both = (evidence.unlabelled_within, evidence.unlabelled_cross)
        every = Pairs(
            np.concatenate([p.distance for p in both]),
            np.concatenate([p.reliability for p in both]),
            np.concatenate([p.count for p in both]),
            0,
        )
        unit = _typical(every, quantile=0.6)
    if unit < _NO_DISTANCE:
        return generic

    def scaled(density: Density) -> Density:
        return Density(density.location * unit, density.scale * unit)

    return replace(
        generic,
        same_within=scaled(generic.same_within),
        same_cross=scaled(generic.same_cross),
        different_within=scaled(generic.different_within),
        different_cross=scaled(generic.different_cross),
    )


def _typical(pairs: Pairs, quantile: float = 0.5) -> float:
    """Weighted quantile of the distances, freed of crop noise; 0 without pairs."""
    if pairs.total == 0:
        return 0.0
    noiseless = 1.0 - (1.0 - pairs.distance) / pairs.reliability
    order = np.argsort(noiseless, kind="stable")
    reached = np.cumsum(pairs.count[order]) >= quantile * pairs.total
    return float(noiseless[order][reached][0])


def restrict(constraints: Constraints, rows: Int64) -> Constraints:
    """The constraints among `rows` (ascending), numbered anew; apart pairs with a row left out are dropped."""
    position = np.full(len(constraints.cannot), -1, dtype=np.int64)
    position[rows] = np.arange(len(rows))
    apart = position[constraints.apart]
    return replace(constraints, cannot=constraints.cannot[np.ix_(rows, rows)], apart=apart[(apart >= 0).all(axis=1)])
