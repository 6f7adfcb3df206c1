"""What looks alone say of every pair."""

from __future__ import annotations

import numpy as np

from pipeline.association.calibration import Calibration
from pipeline.types import Float32, Float64, Int64

_BLOCK_ROWS = 1024


def pairwise_log_odds(
    distance: Float32, trust: Float64, camera: Int64, calibration: Calibration
) -> tuple[Float32, Float32]:
    """Appearance evidence and posterior `(N, N)` of every pair by itself."""
    count = len(trust)
    appearance, posterior = np.empty((count, count), np.float32), np.empty((count, count), np.float32)
    for start in range(0, count, _BLOCK_ROWS):
        rows = slice(start, min(start + _BLOCK_ROWS, count))
        product = np.outer(trust[rows], trust)
        near = distance[rows].astype(np.float64)
        one_camera = camera[rows, None] == camera[None, :]
        ratio = calibration.log_likelihood_ratio(near, product, "cross")
        ratio[one_camera] = calibration.log_likelihood_ratio(near[one_camera], product[one_camera], "within")
        ratio[product == 0.0] = 0.0
        before = np.where(one_camera, calibration.prior_log_odds("within"), calibration.prior_log_odds("cross"))
        appearance[rows] = np.round(ratio, 5)
        posterior[rows] = np.round(ratio + before, 5)
    return appearance, posterior
