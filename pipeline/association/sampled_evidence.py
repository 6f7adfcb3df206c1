"""What a crowd offers calibration, from a sample of its rows against everybody in their reach.

As evidence.py, which looks at all pairs: sampled rows meet the same partners as all rows do, so distances and the share
of pairs that are one person are those of the crowd. Pairs that overlap in time in one camera are told apart exactly.
"""

from __future__ import annotations

import numpy as np

from pipeline.association.calibration import Evidence, Pairs
from pipeline.association.candidates import pairs_in_reach
from pipeline.association.constraints import common_overlap
from pipeline.association.crowd import Crowd
from pipeline.association.evidence import (
    DISTANCE_BINS,
    RELIABILITY_BINS,
    expected_share_cross,
    expected_share_within,
)
from pipeline.config import AssociationConfig
from pipeline.types import Bool, Float64, Int64


def spread_over(count: int, sample: int) -> Int64:
    """`sample` of the rows 0..count-1, evenly spread; all where there are no more."""
    return np.unique(np.linspace(0, count - 1, min(sample, count)).round().astype(np.int64)) if count else np.arange(0)


def sample_evidence(crowd: Crowd, positives: Pairs, config: AssociationConfig, window_s: float) -> Evidence:
    """Evidence from `config.calibration_sample` rows in order of time; with as many rows or fewer, from all pairs."""
    order = np.argsort(crowd.start, kind="stable")
    sample = np.sort(order[spread_over(len(crowd), config.calibration_sample)])
    sampled = np.zeros(len(crowd), dtype=np.bool_)
    sampled[sample] = True
    cells = np.zeros((2, DISTANCE_BINS, RELIABILITY_BINS))
    used = np.zeros((2, len(crowd)), dtype=np.bool_)
    negatives: list[tuple[int, int]] = []
    for rows, columns in pairs_in_reach(crowd, sample, window_s):
        distance = np.round(np.clip(1.0 - crowd.vector[rows] @ crowd.vector[columns].T, 0.0, 2.0), 6)
        for n, row in enumerate(rows.tolist()):
            allowed, apart = _partners(crowd, row, columns, config, window_s)
            negatives += [(min(row, other), max(row, other)) for other in apart]
            take = np.flatnonzero(allowed)
            other = columns[take]
            relation = (crowd.camera[other] != crowd.camera[row]).astype(np.int64)
            d = np.minimum((distance[n, take] * (DISTANCE_BINS / 2)).astype(np.int64), DISTANCE_BINS - 1)
            r = crowd.trust[row] * crowd.trust[other] * RELIABILITY_BINS
            cell = (relation * DISTANCE_BINS + d) * RELIABILITY_BINS
            cell += np.minimum(r.astype(np.int64), RELIABILITY_BINS - 1)
            # A pair of two sampled rows is met twice.
            met = np.where(sampled[other], 0.5, 1.0)
            cells += np.bincount(cell, weights=met, minlength=cells.size).reshape(cells.shape)
            used[relation, row] = True
    pairs = np.array(sorted(set(negatives)), dtype=np.int64).reshape(-1, 2)
    one, two = pairs[:, 0], pairs[:, 1]
    apart_distance = np.clip(1.0 - np.einsum("pd,pd->p", crowd.vector[one], crowd.vector[two]), 0.0, 2.0)
    within, cross = (_cells(cells[n], int(used[n].sum())) for n in (0, 1))
    # The sample's pairs, scaled to those of the whole crowd.
    scale = len(crowd) / max(2.0 * len(sample), 1.0) if len(sample) < len(crowd) else 1.0
    return Evidence(
        positives=positives,
        negatives=Pairs.of(
            np.round(apart_distance, 6).astype(np.float64), crowd.trust[one] * crowd.trust[two], len(np.unique(pairs))
        ),
        unlabelled_within=within,
        unlabelled_cross=cross,
        expected_share_within=expected_share_within(len(crowd), within.total * scale),
        expected_share_cross=expected_share_cross(crowd.camera, cross.total * scale),
    )


def _partners(
    crowd: Crowd, row: int, columns: Int64, config: AssociationConfig, window_s: float
) -> tuple[Bool, list[int]]:
    """Which of `columns` may be the person of `row`, and who is well apart from him in the same image."""
    mine = np.full(len(columns), row)
    allowed: Bool = columns != row
    if crowd.comparable:
        gap = np.maximum(crowd.start[columns] - crowd.end[row], crowd.start[row] - crowd.end[columns])
        allowed &= gap <= window_s
    allowed &= ~crowd.elsewhere(mine, columns, config.clock_slack_s)
    apart = []
    for n in np.flatnonzero(crowd.at_once(mine, columns) & (columns != row)).tolist():
        other = int(columns[n])
        overlap = common_overlap(crowd.tracklets[row], crowd.tracklets[other])
        if overlap is not None and overlap < config.duplicate_overlap:
            allowed[n] = False
            if overlap <= config.well_apart_overlap:
                apart.append(other)
    return allowed, apart


def _cells(cells: Float64, tracklets: int) -> Pairs:
    d_index, r_index = np.nonzero(cells)
    return Pairs(
        ((d_index + 0.5) * (2 / DISTANCE_BINS)).astype(np.float64),
        ((r_index + 0.5) / RELIABILITY_BINS).astype(np.float64),
        cells[d_index, r_index],
        tracklets,
    )
