"""Identity measures: how many boxes carry the right person under the best one-to-one matching of ids.

Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", 2016, sec. 3.
Over several cameras at once (frames keyed by camera and frame) this is their multi-camera IDF1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from evaluation.overlaps import IOU_THRESHOLD, Overlaps
from pipeline.types import Int64


@dataclass(frozen=True, slots=True)
class IdentityResult:
    """Box counts under the best matching of truth ids and predicted ids."""

    idtp: int
    idfp: int
    idfn: int

    @property
    def idp(self) -> float:
        """Share of the predicted boxes that carry the right person."""
        return self.idtp / max(1, self.idtp + self.idfp)

    @property
    def idr(self) -> float:
        """Share of the truth boxes that are found under the right person."""
        return self.idtp / max(1, self.idtp + self.idfn)

    @property
    def idf1(self) -> float:
        """Harmonic mean of both: 2 IDTP / (truth boxes + predicted boxes)."""
        return 2 * self.idtp / max(1, 2 * self.idtp + self.idfp + self.idfn)


def identity(overlaps: Overlaps, threshold: float = IOU_THRESHOLD) -> IdentityResult:
    """IDF1 family over all frames, of however many cameras."""
    near = overlaps.iou >= threshold
    truth = overlaps.truth[overlaps.pair_truth[near]]
    predicted = overlaps.predicted[overlaps.pair_predicted[near]]
    idtp = _best_agreement(truth, predicted, len(overlaps.truth_ids), len(overlaps.predicted_ids))
    return IdentityResult(idtp, len(overlaps.predicted) - idtp, len(overlaps.truth) - idtp)


def _best_agreement(truth: Int64, predicted: Int64, n_truth: int, n_predicted: int) -> int:
    """Largest number of agreeing boxes any one-to-one matching of ids reaches; `truth[k]`, `predicted[k]` agree once.

    Solved apart for each group of ids that agree with one another at all: thousands of fragments need no
    thousands x thousands matrix.
    """
    codes, count = np.unique(truth * max(1, n_predicted) + predicted, return_counts=True)
    g, p = codes // max(1, n_predicted), codes % max(1, n_predicted)
    n = n_truth + n_predicted
    _, group = connected_components(coo_matrix((np.ones(len(g)), (g, n_truth + p)), shape=(n, n)), directed=False)
    order = np.argsort(group[g], kind="stable")
    total = 0
    for rows in np.split(order, np.flatnonzero(np.diff(group[g][order])) + 1):
        if len(rows) == 0:
            continue
        a, i = np.unique(g[rows], return_inverse=True)
        b, j = np.unique(p[rows], return_inverse=True)
        agree = np.zeros((len(a), len(b)))
        agree[i, j] = count[rows]
        r, c = linear_sum_assignment(agree, maximize=True)
        total += int(agree[r, c].sum())
    return total
